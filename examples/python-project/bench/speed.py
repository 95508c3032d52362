"""Prints how long the operations of a span set take, and fails when a lookup does not stay logarithmic."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable

from spanset import SpanSet

SMALL, LARGE = 100, 20_000
MAX_GROWTH = 20.0


def comb(teeth: int) -> SpanSet:
    """As many spans of length 1, with gaps of length 1."""
    return SpanSet((2 * index, 2 * index + 1) for index in range(teeth))


def fastest_ns(action: Callable[[], object], number: int) -> float:
    """Nanoseconds per call, in the fastest of five rounds."""
    return min(timeit.repeat(action, number=number, repeat=5)) / number * 1e9


def main() -> int:
    small, large = comb(SMALL), comb(LARGE)
    lookup_small_ns = fastest_ns(lambda: SMALL in small, 1_000)
    lookup_large_ns = fastest_ns(lambda: LARGE in large, 1_000)
    growth = lookup_large_ns / lookup_small_ns
    print(f"lookup in {SMALL:>6} spans {lookup_small_ns:>12.0f} ns/op")
    print(f"lookup in {LARGE:>6} spans {lookup_large_ns:>12.0f} ns/op, {growth:.1f} times as long")
    print(f"build     {LARGE:>6} spans {fastest_ns(lambda: comb(LARGE), 1):>12.0f} ns/op")
    print(f"gaps of   {LARGE:>6} spans {fastest_ns(large.gaps, 1):>12.0f} ns/op")
    if growth > MAX_GROWTH:
        print(f"a lookup may take {MAX_GROWTH:.0f} times as long, not more: is it still a bisection?")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

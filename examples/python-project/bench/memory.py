"""Fails when a span set that is used again and again keeps memory that it no longer needs."""

from __future__ import annotations

import gc
import sys
import tracemalloc

from spanset import SpanSet

ROUNDS, TEETH = 20, 500
MAX_GROWTH_KB = 16.0


def use(spans: SpanSet) -> None:
    """Fill the set, look into it, combine it and leave it empty."""
    for index in range(TEETH):
        spans.add(2 * index, 2 * index + 1)
    assert len(spans & spans.gaps()) == 0
    assert TEETH in spans
    spans.remove(0, 2 * TEETH)


def held_kb() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1024


def main() -> int:
    spans = SpanSet()
    tracemalloc.start()
    use(spans)
    before_kb = held_kb()
    for _ in range(ROUNDS):
        use(spans)
    growth_kb = held_kb() - before_kb
    print(f"{growth_kb:+.1f} KiB after {ROUNDS} rounds, {MAX_GROWTH_KB:.0f} KiB allowed")
    return 1 if growth_kb > MAX_GROWTH_KB else 0


if __name__ == "__main__":
    sys.exit(main())

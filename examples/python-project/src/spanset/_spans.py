"""A set of numbers kept as sorted spans.

A span ``(start, end)`` holds every number from ``start`` up to, and without, ``end``. The spans of a set are sorted,
none is empty, and no two touch or overlap: equal sets have equal spans.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

Span = tuple[float, float]


class SpanSet:
    """A set of numbers that spans describe.

    Lookups take logarithmic time; ``add`` and ``remove`` cost one move of the spans behind the change.
    """

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []
        for start, end in spans:
            self.add(start, end)

    def add(self, start: float, end: float) -> None:
        """Add every number of the span; spans that touch it become one with it.

        Raises:
            ValueError: ``end`` is before ``start``.
        """
        if _is_empty(start, end):
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: float, end: float) -> None:
        """Take every number of the span out; numbers that are not in the set do not matter.

        Raises:
            ValueError: ``end`` is before ``start``.
        """
        if _is_empty(start, end):
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        kept: list[Span] = []
        if first < last:
            if self._starts[first] < start:
                kept.append((self._starts[first], start))
            if end < self._ends[last - 1]:
                kept.append((end, self._ends[last - 1]))
            self._starts[first:last] = [span[0] for span in kept]
            self._ends[first:last] = [span[1] for span in kept]

    def gaps(self) -> SpanSet:
        """What lies between the first and the last number and is not in the set."""
        return SpanSet((end, start) for (_, end), (start, _) in pairwise(self))

    @property
    def length(self) -> float:
        """The lengths of all spans together."""
        return sum(end - start for start, end in self)

    def __contains__(self, number: float) -> bool:
        index = bisect_right(self._starts, number) - 1
        return index >= 0 and number < self._ends[index]

    def __iter__(self) -> Iterator[Span]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: SpanSet) -> SpanSet:
        return SpanSet([*self, *other])

    def __sub__(self, other: SpanSet) -> SpanSet:
        result = SpanSet(self)
        for start, end in other:
            result.remove(start, end)
        return result

    def __and__(self, other: SpanSet) -> SpanSet:
        return self - (self - other)

    def __repr__(self) -> str:
        return f"SpanSet({list(self)})"


def _is_empty(start: float, end: float) -> bool:
    if end < start:
        raise ValueError(f"a span cannot end at {end} before its start at {start}")
    return start == end

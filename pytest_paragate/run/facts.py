"""The fixture ``paragate_facts``: what a function check has counted or measured, for reports and comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping

import pytest

from pytest_paragate.run.items import CONTEXT

Number = int | float

# More than anything counts, and small enough for every gateway and every reader of JSON.
_LARGEST = 2**53
_LONGEST_NAME = 200


class Facts(MutableMapping[str, Number]):
    """Numbers by name: ``paragate_facts["tests"] = 45``.

    Whole ones are the verdict's ``counts``, others (``paragate_facts["coverage"] = 88.5``) its ``metrics``.
    """

    def __init__(self, found: dict[str, Number]) -> None:
        self._found = found

    def __setitem__(self, name: str, number: Number) -> None:
        """Raises TypeError or ValueError for what is no name or no number."""
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
            raise TypeError(f"a fact needs a name, not {name!r:.80}")
        # numpy's numbers too
        is_whole = hasattr(number, "__index__")
        if isinstance(number, bool) or not (is_whole or isinstance(number, float)):
            raise TypeError(f"the fact {name!r} cannot be {number!r:.80}: it is a number")
        exact: Number = number.__index__() if is_whole else float(number)  # type: ignore[union-attr]
        if abs(exact) > _LARGEST or not math.isfinite(exact):
            raise ValueError(f"the fact {name!r} cannot be {number!r:.80}: it is no finite number, or too large")
        self._found[name] = exact

    def __getitem__(self, name: str) -> Number:
        return self._found[name]

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def facts_of(item: pytest.Item) -> Facts:
    """The facts of a running item; without the gate they go nowhere."""
    context = item.stash.get(CONTEXT, None)
    return Facts(context.facts if context is not None else {})

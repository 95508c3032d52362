"""The fixture ``paragate_facts``: what a function check has counted, for reports and for checks that compare."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

import pytest

from pytest_paragate.run.items import CONTEXT

# More than anything counts, and small enough for every gateway and every reader of JSON.
_LARGEST = 2**53
_LONGEST_NAME = 200


class Facts(MutableMapping[str, int]):
    """Whole numbers by name: ``paragate_facts["tests"] = 45``. They are the verdict's ``counts``."""

    def __init__(self, found: dict[str, int]) -> None:
        self._found = found

    def __setitem__(self, name: str, number: int) -> None:
        """Raises TypeError or ValueError for what is no name or no whole number."""
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
            raise TypeError(f"a fact needs a name, not {name!r:.80}")
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise TypeError(f"the fact {name!r} cannot be {number!r:.80}: it is a whole number")
        whole = number.__index__()  # numpy's integers too
        if abs(whole) > _LARGEST:
            raise ValueError(f"the fact {name!r} is too large: {number!r:.80}")
        self._found[name] = whole

    def __getitem__(self, name: str) -> int:
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

"""What reports of tests say about the tests themselves, kept where it can be read without touching the tests.

Whoever reads a Python object writes its reference count. After a fork that copies the page on which the object stands,
with whatever else stands there, and pytest's objects of one test are spread over many pages. So what the main process
wants to know of each test is written down before the fork, and the tests are left to the workers.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

# So many neighbours are unpacked at a time. Workers run neighbours, so few lie open at any moment.
_TOGETHER = 50

Location = tuple[str, int | None, str]


class Label:
    """``nodeid`` and ``location`` of a test, and the names of its keywords."""

    __slots__ = ("keywords", "location", "nodeid")

    def __init__(self, nodeid: str, location: Location, keywords: Sequence[str]) -> None:
        self.nodeid, self.location, self.keywords = nodeid, location, keywords


class Labels:
    """Those of a session's items, by index."""

    def __init__(self, items: Sequence[pytest.Item]) -> None:
        self._items = items
        self._packed: list[bytes] = []
        self._open: dict[int, list[tuple[str, Location, Sequence[str], Sequence[str]] | None]] = {}

    def pack(self) -> None:
        """Write down what is known already; what is not takes longer to find out than it saves."""
        facts = list(_facts(self._items))
        self._packed = [_packed(facts[at : at + _TOGETHER]) for at in range(0, len(facts), _TOGETHER)]

    def of(self, index: int) -> Label:
        found = self._unpacked(index) if self._packed else None
        if found is None:
            item = self._items[index]
            return Label(item.nodeid, item.location, list(item.keywords))
        nodeid, location, own, parents = found
        return Label(nodeid, location, (*own, *parents))

    def _unpacked(self, index: int) -> tuple[str, Location, Sequence[str], Sequence[str]] | None:
        """What was packed of an item. It is asked for once, so what has been handed out is forgotten."""
        number, place = divmod(index, _TOGETHER)
        together = self._open.get(number)
        if together is None:
            if not self._packed[number]:
                return None  # somebody asks once more
            together = self._open[number] = marshal.loads(self._packed[number])
            self._packed[number] = b""
        found, together[place] = together[place], None
        if not any(together):
            del self._open[number]
        return found


def _packed(facts: list[Any]) -> bytes:
    """Where a name is a text of a plugin's own class, which cannot be written down, that test goes without."""
    try:
        return marshal.dumps(facts)
    except ValueError:
        return marshal.dumps([fact if _can_be_packed(fact) else None for fact in facts])


def _can_be_packed(fact: Any) -> bool:
    try:
        marshal.dumps(fact)
    except ValueError:
        return False
    return True


def _facts(items: Sequence[pytest.Item]) -> Iterator[Any]:
    parent: pytest.Collector | None = None
    of_parent: tuple[str, ...] = ()
    for item in items:
        location, own = item.__dict__.get("location"), getattr(item.keywords, "_markers", None)
        if location is None or own is None or item.parent is None:
            yield None
            continue
        if item.parent is not parent:
            parent, of_parent = item.parent, tuple(item.parent.keywords)
        yield item.nodeid, location, tuple(own), of_parent

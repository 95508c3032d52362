"""The verdicts of a run. Nearly all are those of tests that just passed, and say no more than when and where."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING

from pytest_paragate.imports import Late

if TYPE_CHECKING:
    from pytest_paragate import verdict as words
    from pytest_paragate.verdict import Verdict
else:  # until the first verdict, nobody needs them
    words = Late("pytest_paragate.verdict")

_NOWHERE = -1

_Place = tuple[str | None, str | None]


class Ledger(MutableMapping[int, "Verdict"]):
    """Verdicts by index, for ``size`` items. One that just passed takes 20 bytes here, not 300, and is made anew for
    whoever asks for it.
    """

    def __init__(self, size: int) -> None:
        self._starts_s, self._durations_s = array("d", bytes(8 * size)), array("d", bytes(8 * size))
        self._place_of = array("i", [_NOWHERE]) * size
        self._places: dict[_Place, int] = {}  # slot and worker, in the order of their numbers
        self._numbered: list[_Place] = []
        self._just_passed = 0
        self._others: dict[int, Verdict] = {}

    def __setitem__(self, index: int, verdict: Verdict) -> None:
        if index in self:
            del self[index]
        start_s, duration_s = verdict.start_s, verdict.duration_s
        if start_s is None or verdict != _just_passed(start_s, duration_s, verdict.slot, verdict.worker):
            self._others[index] = verdict
            return
        place = verdict.slot, verdict.worker
        number = self._places.setdefault(place, len(self._numbered))
        if number == len(self._numbered):
            self._numbered.append(place)
        self._starts_s[index], self._durations_s[index], self._place_of[index] = start_s, duration_s, number
        self._just_passed += 1

    def __getitem__(self, index: int) -> Verdict:
        number = self._number(index)
        if number == _NOWHERE:
            return self._others[index]
        return _just_passed(self._starts_s[index], self._durations_s[index], *self._numbered[number])

    def __delitem__(self, index: int) -> None:
        if self._number(index) == _NOWHERE:
            del self._others[index]
        else:
            self._place_of[index] = _NOWHERE
            self._just_passed -= 1

    def __contains__(self, index: object) -> bool:
        return index in self._others or (isinstance(index, int) and self._number(index) != _NOWHERE)

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(len(self._place_of)) if index in self)

    def __len__(self) -> int:
        return self._just_passed + len(self._others)

    def _number(self, index: int) -> int:
        """That of the place where an item just passed."""
        return self._place_of[index] if 0 <= index < len(self._place_of) else _NOWHERE


def _just_passed(start_s: float, duration_s: float, slot: str | None, worker: str | None) -> Verdict:
    return words.Verdict(words.Outcome.PASSED, start_s=start_s, duration_s=duration_s, slot=slot, worker=worker)

"""Ordinary tests of one agent type, and commands too short to be worth a word: handed out in runs of neighbours.

- A *unit* is neighbours of one file, or all that must stay together: what has a mark ``xdist_group``, and what
  ``--dist`` says. A single slot takes everything in its order.
- A run takes what is left of the unit that its slot had last; else the next unit that no slot has begun, those first
  that history knows to be long, and the others in their order; else a part of the unit of which most is left. What must
  stay together is one run.
- A run is about half of a slot's share of what is left, so runs are large at first and small at the end.

Pure. Taking a run costs as much as the run is long, and a logarithm of the number of units.
"""

from __future__ import annotations

import heapq
from collections import deque

from pytest_paragate.plan import Plan

MAX_RUN_S = 5.0
"""No run of tests is expected to take longer than this, unless it is a single test or must stay together."""
MAX_COMMANDS_S = 0.05
"""No run of commands is expected to take longer than this."""
LONG_UNIT_S = 0.25
"""No unit that is shorter than this, or than an eighth of a slot's share, is taken out of its order."""
MIN_RUN_S = 0.02
"""A shorter run costs more to hand out than to run."""
MAX_RUN_UNKNOWN = 250
"""No run holds more tests of unknown duration than this, unless they must stay together."""
_ROUNDING = 1 + 1e-9


class _Unit:
    __slots__ = ("checks", "is_alone", "is_queued", "is_whole", "kind", "seconds")

    def __init__(self, kind: str, *, is_whole: bool, is_alone: bool = False) -> None:
        self.kind, self.is_whole = kind, is_whole  # whether it must stay together
        self.is_alone = is_alone  # whether it shares a run with nothing else
        self.checks: deque[int] = deque()
        self.seconds = 0.0
        self.is_queued = False


class Pool:
    """What of one agent type is ready and not handed out."""

    def __init__(self, plan: Plan, slots: int) -> None:
        self._plan = plan
        self.slots = slots
        self.seconds = 0.0  # expected duration of all
        self._count = 0
        self._unit_of: dict[int, _Unit] = {}
        self._together: dict[str, _Unit] = {}
        self._latest: tuple[tuple[str, str], _Unit] | None = None
        self._fresh: list[tuple[float, int, _Unit]] = []  # heap of units that no slot has begun
        self._unqueued: list[_Unit] = []  # what belongs there
        self._last: dict[int, _Unit] = {}  # by slot number
        self.example = -1  # one of all that ever were here; they claim the same

    def __len__(self) -> int:
        return self._count

    def add(self, check: int, *, is_return: bool, is_alone: bool = False) -> None:
        """A test is ready; with ``is_return`` it was handed out in vain, and comes before what follows it.

        With ``is_alone`` it has a run for itself.
        """
        unit = self._unit_of.get(check)
        if is_alone:
            unit = self._unit_of[check] = _Unit(self._plan.checks[check].kind, is_whole=True, is_alone=True)
        elif unit is None:
            unit = self._unit_of[check] = self._unit_for(check)
            self.example = check
        if is_return:
            unit.checks.appendleft(check)
        else:
            unit.checks.append(check)
        unit.seconds += self._plan.expected_s[check]
        self.seconds += self._plan.expected_s[check]
        self._count += 1
        if not unit.is_queued:
            unit.is_queued = True
            self._unqueued.append(unit)

    def _unit_for(self, check: int) -> _Unit:
        item = self._plan.checks[check]
        if item.together and self.slots > 1:
            unit = self._together.get(item.together)
            if unit is None:
                unit = self._together[item.together] = _Unit(item.kind, is_whole=True)
            return unit
        key = (item.kind, item.nodeid.partition("::")[0] if self.slots > 1 else "")
        if self._latest is None or self._latest[0] != key:
            self._latest = key, _Unit(item.kind, is_whole=False)
        return self._latest[1]

    def withdraw(self, check: int) -> None:
        """It will not be handed out, if it is still here."""
        unit = self._unit_of.get(check)
        if unit is not None and check in unit.checks:
            unit.checks.remove(check)
            unit.seconds -= self._plan.expected_s[check]
            self.seconds -= self._plan.expected_s[check]
            self._count -= 1

    def clear(self) -> None:
        """Nothing of it will be handed out."""
        for unit in self._unit_of.values():
            unit.checks.clear()
        self.seconds, self._count = 0.0, 0

    def take(self, slot: int) -> tuple[int, ...]:
        """The next run for a slot, by its number; there must be something left."""
        unit = self._next_unit(slot)
        kind = unit.kind
        shares = 2 * self.slots
        longest_s = MAX_COMMANDS_S if kind == "command" else MAX_RUN_S
        share_s = max(MIN_RUN_S, min(longest_s, self.seconds / shares)) * _ROUNDING
        unknown = min(MAX_RUN_UNKNOWN, -(-self._count // shares))
        run: list[int] = []
        run_s = 0.0
        while True:
            while unit.checks:
                check = unit.checks[0]
                seconds = self._plan.expected_s[check]
                if run and not unit.is_whole and (run_s + seconds > share_s or unknown < 1):
                    break
                run_s += seconds
                unknown -= not self._plan.is_known[check]
                run.append(unit.checks.popleft())
                unit.seconds -= seconds
            self._last[slot] = unit
            following = None if unit.checks or unit.is_alone else self._peek(kind)
            if following is None or following.is_alone or unknown < 1 or run_s + self._cost_s(following) > share_s:
                break
            unit = self._pop()
        self._count -= len(run)
        self.seconds = self.seconds - run_s if self._count else 0.0
        return tuple(run)

    def _next_unit(self, slot: int) -> _Unit:
        mine = self._last.get(slot)
        if mine is not None and mine.checks:
            return mine
        if self._peek(None) is not None:
            return self._pop()
        return max((unit for unit in self._last.values() if unit.checks), key=lambda unit: unit.seconds)

    def _cost_s(self, unit: _Unit) -> float:
        """How much of it would have to be taken at least."""
        return unit.seconds if unit.is_whole else self._plan.expected_s[unit.checks[0]]

    def _peek(self, kind: str | None) -> _Unit | None:
        """The next unit that no slot has begun, if it is of the kind that is asked for."""
        for unit in self._unqueued:
            unit.is_queued = bool(unit.checks)
            if unit.checks:
                known_s = sum(self._plan.expected_s[check] for check in unit.checks if self._plan.is_known[check])
                is_long = self.slots > 1 and known_s > max(LONG_UNIT_S, self.seconds / (8 * self.slots))
                heapq.heappush(self._fresh, (-known_s if is_long else 0.0, unit.checks[0], unit))
        self._unqueued.clear()
        while self._fresh:
            unit = self._fresh[0][2]
            if unit.checks:
                return unit if kind in (None, unit.kind) else None
            self._pop()
        return None

    def _pop(self) -> _Unit:
        unit = heapq.heappop(self._fresh)[2]
        unit.is_queued = False
        return unit

"""The plan for those who asked what would happen: what starts when and where, what waits for what, who is kept apart.

- Nothing has run, so every time is an estimate and wears a ``~``; where history knows nothing it is a ``?``.
- Ordinary tests are one line per agent type. Long lists are cut and say how much they do not show.
- Names and reasons go through ``neutral``; no line is wider than asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pytest_paragate.model import GROUP_PREFIX, Rest
from pytest_paragate.plan import Conflict, Plan
from pytest_paragate.report.text import cells, cut, cut_middle, neutral, seconds
from pytest_paragate.speedup import Simulated, limit

SCHEMA = "paragate-plan/1"
MAX_ITEM_LINES = 200
MAX_CONFLICT_LINES = 20
MAX_CONFLICTS_COUNTED = 2_000
"""Counting more pairs than this helps nobody and may take minutes."""
MAX_NAMES = 4

_REST: dict[Rest, str] = {"finish": "finish", "stop": "start no more", "cancel": "are cancelled"}
_ELLIPSIS = "..."
_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the table: an item, or the ordinary tests of an agent type."""

    what: str
    slot: str
    start_s: float
    is_start_known: bool
    takes_s: float
    is_known: bool
    waits_for: str = ""


def lines(plan: Plan, simulated: Simulated, *, width: int) -> list[str]:
    """The plan for a terminal of ``width`` cells. ``simulated`` is the plan's own replay."""
    rows = _rows(plan, simulated)
    shown = _table(rows[:MAX_ITEM_LINES], width)
    if len(rows) > MAX_ITEM_LINES:
        shown.append(f"{_ELLIPSIS} and {len(rows) - MAX_ITEM_LINES} more checks")
    shown += _groups(plan)
    shown += _kept_apart(plan)
    shown += _outlook(plan, simulated)
    return [cut(line.rstrip(), width, ellipsis=_ELLIPSIS) for line in shown]


def as_data(plan: Plan, simulated: Simulated) -> dict[str, Any]:
    """The plan as builtin types for JSON; times in seconds, checks and marked tests in order of starting.

    ``expected_s`` is null where history knows nothing; ``kept_apart_cut`` tells that there are more pairs than listed.
    """
    conflicts = list(islice(plan.conflicts(), MAX_CONFLICTS_COUNTED + 1))
    bound = limit(plan, _durations(plan, simulated))
    return {
        "schema": SCHEMA,
        "expected_s": _number(simulated.makespan_s),
        "is_known": all(plan.is_known),
        "limit": {
            "wall_s": _number(bound.wall_s),
            "bound": bound.bound,
            "by": list(bound.by),
            "label": neutral(bound.label),
        },
        "slots": dict(plan.slots),
        "checks": [
            _check_data(plan, start)
            for start in (*simulated.starts, *_unstarted(plan, simulated))
            if plan.checks[start[0]].is_marked
        ],
        "tests": [
            {
                "agent": agent,
                "tests": len(starts),
                "known": sum(plan.is_known[start[0]] for start in starts),
                "expected_s": _number(sum(start[3] - start[2] for start in starts)),
                "start_s": _number(min(start[2] for start in starts)),
                "end_s": _number(max(start[3] for start in starts)),
            }
            for agent, starts in _tests(plan, simulated).items()
        ],
        "groups": [
            {
                "name": group.name,
                "wait": group.wait,
                "rest": group.rest,
                "wanted": group.wanted(len(group.members)),
                "members": [plan.checks[i].nodeid for i in group.members],
                "needed_by": [plan.checks[i].nodeid for i in group.dependents],
            }
            for group in plan.groups
        ],
        "kept_apart": [
            {
                "one": plan.checks[conflict.one].nodeid,
                "other": plan.checks[conflict.other].nodeid,
                "why": neutral(conflict.why),
            }
            for conflict in conflicts[:MAX_CONFLICTS_COUNTED]
        ],
        "kept_apart_cut": len(conflicts) > MAX_CONFLICTS_COUNTED,
    }


def _check_data(plan: Plan, start: tuple[int, Any, float, float]) -> dict[str, Any]:
    i, slot, start_s, _ = start
    check = plan.checks[i]
    return {
        "nodeid": check.nodeid,
        "name": neutral(check.name, keep_newlines=False),
        "kind": check.kind,
        "agent": check.agent,
        "slot": str(slot) if slot is not None else None,
        "start_s": _number(start_s),
        "expected_s": _number(plan.expected_s[i]) if plan.is_known[i] else None,
        "needs": [plan.checks[j].nodeid for j in plan.needs[i]],
        "after": [plan.checks[j].nodeid for j in plan.after[i]],
        "gives_way_to": [plan.checks[way.other].nodeid for way in plan.gives_way.get(i, ())],
        "exclusive": check.exclusive,
        "group": check.group,
        "needs_groups": [plan.groups[group].name for group in plan.group_needs.get(i, ())],
        "retries": check.retries or 0,
    }


def _unstarted(plan: Plan, simulated: Simulated) -> list[tuple[int, Any, float, float]]:
    """What its group would not start any more when everything passes, as if it started never."""
    if not plan.groups:
        return []
    started = {start[0] for start in simulated.starts}
    return [(i, None, math.inf, math.inf) for i in range(len(plan.checks)) if i not in started]


def _durations(plan: Plan, simulated: Simulated) -> Sequence[float] | None:
    """How long each takes in the replay, where groups cut some short."""
    if not plan.groups:
        return None
    took_s = {i: end_s - start_s for i, _, start_s, end_s in simulated.starts}
    return [took_s.get(i, 0.0) for i in range(len(plan.checks))]


def _number(value_s: float) -> float | None:
    return round(value_s, 4) if math.isfinite(value_s) else None


def _tests(plan: Plan, simulated: Simulated) -> dict[str, list[tuple[int, Any, float, float]]]:
    """The starts of ordinary tests by agent type."""
    found: dict[str, list[tuple[int, Any, float, float]]] = {}
    for start in simulated.starts:
        check = plan.checks[start[0]]
        if not check.is_marked:
            found.setdefault(check.agent, []).append(start)
    return found


def _rows(plan: Plan, simulated: Simulated) -> list[_Row]:
    """All lines of the table in order of starting."""
    known_until_s = min((end_s for i, _, _, end_s in simulated.starts if not plan.is_known[i]), default=math.inf)
    names = _Names(plan)
    rows = [
        _Row(
            what=names.of(i),
            slot=str(slot) if slot is not None else plan.checks[i].agent,
            start_s=start_s,
            is_start_known=start_s < known_until_s,
            takes_s=plan.expected_s[i],
            is_known=plan.is_known[i],
            waits_for=_waits_for(plan, names, i),
        )
        for i, slot, start_s, _ in (*simulated.starts, *_unstarted(plan, simulated))
        if plan.checks[i].is_marked
    ]
    for agent, starts in _tests(plan, simulated).items():
        count = len({start[1] for start in starts})
        first_s = min(start[2] for start in starts)
        rows.append(
            _Row(
                what=f"{len(starts)} test{'s' if len(starts) > 1 else ''}",
                slot=str(starts[0][1]) if count == 1 else f"{agent}, {count} slots",
                start_s=first_s,
                is_start_known=first_s < known_until_s,
                takes_s=sum(plan.expected_s[start[0]] for start in starts),
                is_known=all(plan.is_known[start[0]] for start in starts),
            )
        )
    return sorted(rows, key=lambda row: row.start_s)


def _waits_for(plan: Plan, names: _Names, i: int) -> str:
    parts = []
    if plan.checks[i].exclusive:
        parts.append("runs alone")
    if i in plan.group_of:
        parts.append(f"in {neutral(plan.groups[plan.group_of[i]].name)}")
    # A family is one word in the declaration; what it comes after may have been deselected in part.
    needs = [neutral(word, keep_newlines=False) for word in plan.checks[i].needs]
    after = [names.of(j) for j in plan.after[i]]
    after += [f"{GROUP_PREFIX}{neutral(plan.groups[j].name)}" for j in plan.group_after.get(i, ())]
    ways = [names.of(way.other) for way in plan.gives_way.get(i, ())]
    for verb, others in (("needs", needs), ("after", after), ("gives way to", ways)):
        if others:
            more = f" and {len(others) - MAX_NAMES} more" if len(others) > MAX_NAMES else ""
            parts.append(f"{verb} {', '.join(others[:MAX_NAMES])}{more}")
    return "; ".join(parts)


class _Names:
    """What people call an item: its name, or its node id if another one is called the same."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._count = Counter(check.name for check in plan.checks if check.is_marked)

    def of(self, i: int) -> str:
        check = self._plan.checks[i]
        is_clear = check.is_marked and self._count[check.name] == 1
        return neutral(check.name if is_clear else check.nodeid, keep_newlines=False)


def _table(rows: Sequence[_Row], width: int) -> list[str]:
    if not rows:
        return []
    starts = [seconds(row.start_s, is_estimate=row.start_s > 0) if row.is_start_known else "?" for row in rows]
    takes = [seconds(row.takes_s, is_estimate=True) if row.is_known else "?" for row in rows]
    slots = [neutral(row.slot, keep_newlines=False) for row in rows]
    columns = [("start", starts), ("takes", takes), ("slot", slots), ("check", [row.what for row in rows])]
    sizes = [max(cells(title), *map(cells, column)) for title, column in columns]
    room = width - sum(sizes[:3]) - 3 * len(_GAP)
    # What an item waits for is worth less than its name, and more than the end of a long name.
    sizes[3] = min(sizes[3], max(room * 2 // 3, 12)) if any(row.waits_for for row in rows) else sizes[3]
    shown = []
    for start, take, slot, what, waits_for in (
        ("start", "takes", "slot", "check", ""),
        *zip(starts, takes, slots, (row.what for row in rows), (row.waits_for for row in rows), strict=True),
    ):
        what = cut_middle(what, sizes[3], ellipsis=_ELLIPSIS)
        padded = (_right(start, sizes[0]), _right(take, sizes[1]), _left(slot, sizes[2]), _left(what, sizes[3]))
        shown.append(_GAP.join((*padded, waits_for)))
    return shown


def _left(text: str, size: int) -> str:
    return text + " " * (size - cells(text))


def _right(text: str, size: int) -> str:
    return " " * (size - cells(text)) + text


def _groups(plan: Plan) -> list[str]:
    """``mirrors: any 1 of 3 (a, b, c), then the others are cancelled``."""
    if not plan.groups:
        return []
    names = _Names(plan)
    shown = ["groups:"]
    for group in plan.groups:
        size = len(group.members)
        listed = ", ".join(names.of(i) for i in group.members[:MAX_NAMES])
        more = f" and {size - MAX_NAMES} more" if size > MAX_NAMES else ""
        wanted = f"all {size}" if group.wanted(size) == size else f"{group.wanted(size)} of {size}"
        shown.append(f"  {neutral(group.name)}: {wanted} ({listed}{more}), then the others {_REST[group.rest]}")
    return shown


def _kept_apart(plan: Plan) -> list[str]:
    found = list(islice(plan.conflicts(), MAX_CONFLICTS_COUNTED + 1))
    if not found:
        return []
    names = _Names(plan)
    shown = ["kept apart:", *_conflict_lines(found[:MAX_CONFLICT_LINES], names)]
    hidden = min(len(found), MAX_CONFLICTS_COUNTED) - MAX_CONFLICT_LINES
    if hidden > 0:
        least = "at least " if len(found) > MAX_CONFLICTS_COUNTED else ""
        shown.append(f"  {_ELLIPSIS} and {least}{hidden} more pair{'s' if hidden > 1 else ''}")
    return shown


def _conflict_lines(conflicts: Sequence[Conflict], names: _Names) -> Iterator[str]:
    for conflict in conflicts:
        why = neutral(conflict.why, keep_newlines=False)
        yield f"  {names.of(conflict.one)} and {names.of(conflict.other)}: {why}"


def _outlook(plan: Plan, simulated: Simulated) -> list[str]:
    """How long it would take, and what keeps it from being shorter."""
    unknown = len(plan.is_known) - sum(plan.is_known)
    if not plan.checks:
        return ["nothing to run"]
    if unknown == len(plan.is_known):
        return ["how long it takes is not known yet: there is no history of these"]
    bound = limit(plan, _durations(plan, simulated))
    guessed = f", guessing {unknown} of {len(plan.is_known)} durations" if unknown else ""
    return [
        f"expected {seconds(simulated.makespan_s, is_estimate=True)}{guessed}",
        f"limit {seconds(bound.wall_s, is_estimate=True)}, set by {neutral(bound.label, keep_newlines=False)}",
    ]

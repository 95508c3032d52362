"""How long a plan takes at least and how long it would take: limits, and the schedule replayed on a virtual clock."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_paragate.model import Slot, Value
from pytest_paragate.plan import Plan
from pytest_paragate.result import Limit
from pytest_paragate.schedule import Begin, Cancel, Command, Finished, Schedule, Start, State

MAX_NAMED = 5
"""No limit names more items than this."""


class Simulated(Value):
    """A run on the virtual clock, in which everything passes that is not cancelled by its group.

    ``starts`` holds item, slot, start and end in seconds since the gate started, in order of starting.
    """

    makespan_s: float
    starts: tuple[tuple[int, Slot, float, float], ...]


def simulate(plan: Plan, durations: Sequence[float] | None = None) -> Simulated:
    """Run the plan's schedule with these durations (seconds by item; what the plan expects if None)."""
    durations_s = plan.expected_s if durations is None else durations
    schedule = Schedule(plan)
    starts: list[tuple[int, Slot, float, float]] = []
    ends: list[tuple[float, int]] = []  # heap
    cancelled: set[int] = set()

    def obey(commands: list[Command], at_s: float) -> None:
        for command in commands:
            if isinstance(command, Start):
                start_s = at_s
                for check in command.checks:
                    end_s = start_s + durations_s[check]
                    starts.append((check, command.slot, start_s, end_s))
                    heapq.heappush(ends, (end_s, len(starts) - 1))
                    start_s = end_s
            elif isinstance(command, Cancel):
                number = next(n for n, start in enumerate(starts) if start[0] == command.check)
                starts[number] = (*starts[number][:3], at_s)
                cancelled.add(number)
                heapq.heappush(ends, (at_s, number))

    obey(schedule.feed(Begin(at_s=0.0)), 0.0)
    now_s = 0.0
    while ends:
        end_s, number = heapq.heappop(ends)
        check, *_, ends_s = starts[number]
        if end_s != ends_s or (number in cancelled and schedule.state(check) is not State.RUNNING):
            continue  # it was to end here, before it was cancelled
        now_s = end_s
        passed = number not in cancelled
        obey(schedule.feed(Finished(check=check, passed=passed, at_s=now_s)), now_s)
    return Simulated(makespan_s=now_s, starts=tuple(sorted(starts, key=lambda start: (start[2], start[0]))))


def limit(plan: Plan, durations: Sequence[float] | None = None) -> Limit:
    """The largest lower bound of the makespan with these durations, and what sets it.

    Bounds: the longest chain of needs and after; per agent type the work divided by its slots; per resource the amounts
    times durations divided by its capacity, where all that writes one path shares a resource of capacity 1 with the
    longest that reads it; the CPU budget likewise; and all exclusive items one after another plus the largest of the
    former for the rest.
    """
    durations_s = plan.expected_s if durations is None else durations
    alone = [i for i, check in enumerate(plan.checks) if check.exclusive]
    best = max(_bounds(plan, durations_s), key=lambda bound: bound.wall_s)
    if alone:
        beside = [0.0 if check.exclusive else seconds for check, seconds in zip(plan.checks, durations_s, strict=True)]
        rest = max(_bounds(plan, beside), key=lambda bound: bound.wall_s)
        wall_s = sum(durations_s[i] for i in alone) + rest.wall_s
        if wall_s > best.wall_s * (1 + 1e-9):
            largest = _largest(alone, durations_s)
            named = ", ".join(plan.checks[i].name for i in largest)
            by = tuple(dict.fromkeys((*(plan.checks[i].nodeid for i in largest), *rest.by)))
            label = f"exclusive: {named}" + (f"; then {rest.label}" if rest.wall_s > 0 else "")
            best = Limit(wall_s=wall_s, bound="exclusive", by=by, label=label)
    return best


def _bounds(plan: Plan, durations_s: Sequence[float]) -> Iterator[Limit]:
    yield _critical_path(plan, durations_s)
    by_agent: dict[str, list[int]] = defaultdict(list)
    for i, check in enumerate(plan.checks):
        by_agent[check.agent].append(i)
    for agent, members in by_agent.items():
        wall_s = sum(durations_s[i] for i in members) / plan.slots[agent]
        yield Limit(
            wall_s=wall_s,
            bound="agent",
            by=tuple(plan.checks[i].nodeid for i in _largest(members, durations_s)),
            label=f"{agent}: {_named(plan, members, durations_s)}",
        )
    yield from _resource_bounds(plan, durations_s)
    yield from _path_bounds(plan, durations_s)


def _critical_path(plan: Plan, durations_s: Sequence[float]) -> Limit:
    chain = critical_path(plan, durations_s)
    return Limit(
        wall_s=sum(durations_s[i] for i in chain),
        bound="critical-path",
        by=tuple(plan.checks[i].nodeid for i in chain),
        label="critical path: " + " -> ".join(plan.checks[i].name for i in chain),
    )


def critical_path(plan: Plan, durations_s: Sequence[float]) -> tuple[int, ...]:
    """The longest chain of needs and after, first item first."""
    length_s = list(durations_s)
    behind: dict[int, int] = {}
    for i in reversed(plan.order):
        for other in plan.dependents[i]:
            if durations_s[i] + length_s[other] > length_s[i]:
                length_s[i], behind[i] = durations_s[i] + length_s[other], other
    if not length_s:
        return ()
    chain = [max(range(len(length_s)), key=length_s.__getitem__)]
    while chain[-1] in behind:
        chain.append(behind[chain[-1]])
    return tuple(chain)


def _resource_bounds(plan: Plan, durations_s: Sequence[float]) -> Iterator[Limit]:
    load_s: dict[int, float] = defaultdict(float)
    members: dict[int, list[int]] = defaultdict(list)
    for i, claims in enumerate(plan.claims):
        for number, amount in claims.uses:
            load_s[number] += amount * durations_s[i]
            members[number].append(i)
    for number, seconds in load_s.items():
        resource = plan.resources[number]
        yield Limit(
            wall_s=seconds / resource.capacity,
            bound="resource" if resource.name else "cpus",
            by=tuple(plan.checks[i].nodeid for i in _largest(members[number], durations_s)),
            label=f"{resource.name or 'cpus'}: {_named(plan, members[number], durations_s)}",
        )


def _path_bounds(plan: Plan, durations_s: Sequence[float]) -> Iterator[Limit]:
    """All that write a path go one after another; of the others that touch it, only the longest is sure to add up."""
    writers: dict[int, list[int]] = defaultdict(list)
    longest: dict[int, int] = {}  # by pattern, among its readers and writers
    for i, claims in enumerate(plan.claims):
        for pattern in claims.writes:
            writers[pattern].append(i)
        for pattern in (*claims.writes, *claims.reads):
            if pattern not in longest or durations_s[i] > durations_s[longest[pattern]]:
                longest[pattern] = i
    for pattern, members in writers.items():
        others = {longest[other] for other in plan.overlaps[pattern] if other in longest} - set(members)
        together = [*members, *_largest(sorted(others), durations_s)[:1]]
        if len(together) > 1:
            yield Limit(
                wall_s=sum(durations_s[i] for i in together),
                bound="resource",
                by=tuple(plan.checks[i].nodeid for i in _largest(together, durations_s)),
                label=f"{plan.shown_pattern(pattern)}: {_named(plan, together, durations_s)}",
            )


def _largest(members: Sequence[int], durations_s: Sequence[float]) -> list[int]:
    return heapq.nsmallest(MAX_NAMED, members, key=lambda i: (-durations_s[i], i))


def _named(plan: Plan, members: Sequence[int], durations_s: Sequence[float]) -> str:
    """Who makes up a load, for people: the largest by name, ordinary tests as a number."""
    marked = [i for i in members if plan.checks[i].is_marked]
    tests = len(members) - len(marked)
    parts = [plan.checks[i].name for i in _largest(marked, durations_s)[:3]]
    if len(marked) > len(parts):
        parts.append(f"{len(marked) - len(parts)} more")
    if tests:
        parts.append(f"{tests} test{'s' if tests > 1 else ''}")
    return ", ".join(parts)

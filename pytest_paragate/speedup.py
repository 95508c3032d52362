"""How long a plan takes at least and how long it would take: limits, and the schedule replayed on a virtual clock."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytest_paragate.plan import GiveWay, Plan
from pytest_paragate.schedule import Begin, Cancel, Command, Finished, Schedule, Slot, Start, State
from pytest_paragate.verdict import Limit

if TYPE_CHECKING:
    from pytest_paragate.tuning import Search

MAX_NAMED = 5
"""No limit names more items than this."""


class Simulated(NamedTuple):
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


TUNED_SHARE = 0.01
"""Tuning may take about this share of the makespan that it is to shorten,"""
MAX_TUNING_S = 0.3
"""but not more than this,"""
MIN_TUNED_S = 2.0
"""and shorter plans are left alone."""
REPLAY_S = 15e-6
"""What the replay of one item costs, about, on a slow machine; efforts are counted, never measured."""
GOOD_ENOUGH = 1.001
"""Of the limit: nothing shorter is looked for."""
TOLERANCE = 0.1
"""How much later than planned the one that is given way to may start, as a share of the makespan."""
MAX_TUNED_ITEMS = 400
MAX_CHUNKS = 24
"""The tests of a pool are taken together into this many items while a plan is being tuned."""


def tune(plan: Plan) -> Plan:
    """The same plan with priorities that make it shorter, where history allows to foresee that.

    A few rules are replayed, then a deterministic local search moves items along the critical chain forward. The effort
    is bounded by a number of replays that depends on the plan alone.
    """
    if sum(plan.expected_s) < MIN_TUNED_S or plan.is_pooled.count(False) > MAX_TUNED_ITEMS:
        return plan
    small, kept = _condensed(plan)
    known = sum(plan.is_known[i] for i in kept)
    if len(kept) > MAX_TUNED_ITEMS or 2 * known < len(kept):
        return plan
    before = simulate(small)
    good_enough_s = limit(small).wall_s * GOOD_ENOUGH
    if before.makespan_s < max(MIN_TUNED_S, good_enough_s):
        return plan
    # Most plans never get here, and every run would pay for the import.
    from pytest_paragate.tuning import Search

    search = Search(small, before, simulate, good_enough_s=good_enough_s)
    effort_s = min(MAX_TUNING_S, TUNED_SHARE * before.makespan_s)
    search.run(int(effort_s / (REPLAY_S * (len(kept) + 8))))
    if search.best is before:
        return plan
    tuned = _applied(plan, search, kept)
    # Runs of tests are cut differently in the whole plan.
    is_comparable = len(plan.checks) > len(kept) and 2 * len(plan.checks) * REPLAY_S < effort_s
    return plan if is_comparable and simulate(tuned).makespan_s > simulate(plan).makespan_s else tuned


def _applied(plan: Plan, search: "Search", kept: Sequence[int]) -> Plan:
    """The plan with what the search found for its condensed form."""
    priority = list(plan.priority)
    for i, original in enumerate(kept):
        priority[original] = search.best_order.priority[i]
    start_of = {check: start_s for check, _, start_s, _ in search.best.starts}
    ways: dict[int, list[GiveWay]] = defaultdict(list)
    for one, other in sorted(search.best_order.ways):
        until_s = start_of[other] + TOLERANCE * search.best.makespan_s
        ways[kept[one]].append(GiveWay(other=kept[other], until_s=until_s))
    return plan._replace(priority=tuple(priority), gives_way={one: tuple(found) for one, found in ways.items()})


def _condensed(plan: Plan) -> tuple[Plan, list[int]]:
    """A plan in which neighbours in a pool are one item, and the original of each of its items."""
    kept: list[int] = []
    seconds = list(plan.expected_s)
    pools: dict[str, list[int]] = defaultdict(list)
    for i, is_pooled in enumerate(plan.is_pooled):
        if is_pooled:
            pools[plan.checks[i].agent].append(i)
        else:
            kept.append(i)
    for pool in pools.values():
        size = -(-len(pool) // MAX_CHUNKS)
        for start in range(0, len(pool), size):
            kept.append(pool[start])
            seconds[pool[start]] = sum(plan.expected_s[i] for i in pool[start : start + size])
    kept.sort()
    number = {original: i for i, original in enumerate(kept)}

    def edges(of: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(number[other] for other in of[i]) for i in kept)

    small = plan._replace(
        checks=tuple(plan.checks[i] for i in kept),
        needs=edges(plan.needs),
        after=edges(plan.after),
        dependents=edges(plan.dependents),
        order=tuple(number[i] for i in plan.order),
        expected_s=tuple(seconds[i] for i in kept),
        is_known=tuple(plan.is_known[i] for i in kept),
        remaining_s=tuple(plan.remaining_s[i] for i in kept),
        priority=tuple(plan.priority[i] for i in kept),
        is_pooled=tuple(plan.is_pooled[i] for i in kept),
        claims=tuple(plan.claims[i] for i in kept),
        groups=tuple(
            group._replace(
                members=tuple(number[i] for i in group.members), dependents=tuple(number[i] for i in group.dependents)
            )
            for group in plan.groups
        ),
        group_of={number[i]: group for i, group in plan.group_of.items()},
        group_needs={number[i]: groups for i, groups in plan.group_needs.items()},
        group_after={number[i]: groups for i, groups in plan.group_after.items()},
    )
    return small, kept

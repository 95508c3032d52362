"""What is to be run: every item with what it waits for, what it may not overlap with, and how urgent it is.

A plan is resolved once and never changes. Items are known by their index, which is the order of declaration. A name in
``needs`` or ``after`` is looked up in the declaring file first, then everywhere; a family stands for all its members.
What cannot be run as declared raises PlanError here, before anything has started; the first item that is wrong, in
order of declaration, is the one reported.

Everything that a hundred thousand ordinary tests pass through takes linear time and shares its values.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_paragate.independence import NO_CLAIMS, Resource, overlap_table, shown_path, total_uses, why_apart
from pytest_paragate.model import GROUP_PREFIX, Check, Claims, Group, PlanError, Value
from pytest_paragate.references import References

if TYPE_CHECKING:
    from pytest_paragate.groups import PlannedGroup

UNKNOWN_CHECK_S = 1.0
UNKNOWN_TEST_S = 0.01
SHORT_COMMAND_S = 0.02
"""A command that takes longer than this is handed out on its own."""
LONG_TEST_S = 0.25
"""No test shorter than this is worth a slot's attention on its own."""
MIN_TUNED_S = 2.0
"""A plan with less work than this is not worth tuning."""


class Conflict(Value):
    """Two checks, by index, that are kept apart although neither waits for the other, and why."""

    one: int
    other: int
    why: str


class GiveWay(Value):
    """An item leaves its slot idle until ``other`` has started, but no longer than ``until_s`` after the beginning."""

    other: int
    until_s: float


class Plan(Value):
    """Everything a schedule needs. Sequences are by item; items are referred to by index.

    ``after`` excludes what ``needs`` holds already. ``dependents`` are the items that wait for this one in either way.
    ``order`` holds all that wait or are waited for, each after what it waits for.
    ``remaining_s`` is the item's own expected duration plus the longest chain behind
    it. Among the items that may start, the highest ``priority`` goes first. An exclusive item of priority 0 starts
    when nothing else can. ``is_pooled`` marks what is handed out in runs of neighbours. ``claims`` index
    ``patterns`` (with ``overlaps``, by pattern) and ``resources``. ``gives_way`` is by item and mostly empty; it never
    goes against the order of waiting.

    An item that waits for a group waits for its decision, not for its members, so these are neither in its ``needs``
    nor is it among their ``dependents``; ``group_needs`` and ``group_after`` hold the groups, by item. For ``order``
    and ``remaining_s`` it comes after all members.
    """

    checks: tuple[Check, ...]
    slots: Mapping[str, int]  # by agent type, at least 1
    capacities: Mapping[str, int]  # by resource, as configured
    cpus: int | None
    root: str
    fold_case: bool
    needs: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    dependents: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    expected_s: tuple[float, ...]
    is_known: tuple[bool, ...]  # whether history knew the duration
    remaining_s: tuple[float, ...]
    priority: tuple[float, ...]
    is_pooled: tuple[bool, ...]
    claims: tuple[Claims, ...]
    patterns: tuple[str, ...]
    overlaps: tuple[frozenset[int], ...]
    resources: tuple[Resource, ...]
    gives_way: Mapping[int, tuple[GiveWay, ...]] = {}
    first_units: Mapping[str, int] = {}  # by numbered resource
    groups: tuple[PlannedGroup, ...] = ()
    group_of: Mapping[int, int] = {}  # the group of an item that is in one
    group_needs: Mapping[int, tuple[int, ...]] = {}
    group_after: Mapping[int, tuple[int, ...]] = {}

    def waits_for_members(self, check: int) -> tuple[int, ...]:
        """The members of all groups whose decision the item waits for."""
        if check not in self.group_needs and check not in self.group_after:
            return ()
        groups = (*self.group_needs.get(check, ()), *self.group_after.get(check, ()))
        return tuple(dict.fromkeys(member for group in groups for member in self.groups[group].members))

    def shown_pattern(self, pattern: int) -> str:
        """A pattern as people know it, relative to the root."""
        return shown_path(self.patterns[pattern], self.root)

    def conflicts(self) -> Iterator[Conflict]:
        """Pairs kept apart by paths or resources, in order; there may be millions, so take only what is shown.

        Exclusive items are kept apart from everything and are not listed.
        """
        by_pattern: dict[int, list[int]] = defaultdict(list)
        by_resource: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for i, claims in enumerate(self.claims):
            if claims is not NO_CLAIMS and not self.checks[i].exclusive:
                for pattern in dict.fromkeys((*claims.writes, *claims.reads)):
                    by_pattern[pattern].append(i)
                for resource, amount in claims.uses:
                    if self.resources[resource].name:
                        by_resource[resource].append((amount, i))
        for users in by_resource.values():
            users.sort(key=lambda user: (-user[0], user[1]))
        for i, claims in enumerate(self.claims):
            yield from self._conflicts_of(i, claims, by_pattern, by_resource)

    def _conflicts_of(
        self,
        one: int,
        claims: Claims,
        by_pattern: Mapping[int, Sequence[int]],
        by_resource: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Iterator[Conflict]:
        if self.checks[one].exclusive:
            return
        ordered = {*self.needs[one], *self.after[one], *self.dependents[one]}
        seen: set[int] = {one}
        for other in self._rivals(claims, by_pattern, by_resource):
            if other in seen or other < one or other in ordered:
                continue
            seen.add(other)
            why = why_apart(
                self.checks[one],
                self.checks[other],
                capacities=self.capacities,
                root=self.root,
                fold_case=self.fold_case,
            )
            if why is not None:
                yield Conflict(one=one, other=other, why=why)

    def _rivals(
        self,
        claims: Claims,
        by_pattern: Mapping[int, Sequence[int]],
        by_resource: Mapping[int, Sequence[tuple[int, int]]],
    ) -> Iterator[int]:
        for pattern in (*claims.writes, *claims.reads):
            for overlapping in sorted(self.overlaps[pattern]):
                yield from by_pattern.get(overlapping, ())
        for resource, amount in claims.uses:
            for their_amount, other in by_resource.get(resource, ()):
                if amount + their_amount <= self.resources[resource].capacity:
                    break
                yield other


def make_plan(
    checks: Sequence[Check],
    *,
    slots: Mapping[str, int],
    capacities: Mapping[str, int] | None = None,
    cpus: int | None = None,
    durations: Mapping[str, float] | None = None,
    unselected: Iterable[Check] = (),
    groups: Iterable[Group] = (),
    first_units: Mapping[str, int] | None = None,
    root: str = "",
    fold_case: bool = False,
) -> Plan:
    """Resolve selected items into a plan.

    ``slots`` is by agent type, ``capacities`` by resource (1 where it says nothing), ``cpus`` the CPU budget shared by
    all that runs, ``durations`` seconds by node id from history. ``unselected`` are items that exist and were
    deselected: needing one is an error, coming after one is not. Paths are shown relative to ``root``.

    Raises PlanError for duplicate, unknown, ambiguous and deselected names, cycles, and claims and groups that can
    never be met, or a unit that two may be given.
    """
    checks, capacities = tuple(checks), capacities or {}
    _refuse_duplicates(checks)
    for check in checks:
        _refuse_impossible(check, slots, capacities, cpus)
    if first_units:
        from pytest_paragate.units import refuse_units_taken_twice

        refuse_units_taken_twice(checks, capacities, first_units)
    references = References(checks, tuple(unselected), tuple(groups))
    needs, after = references.resolve_all()
    planned = references.planned_groups()
    waits_for = {i: (*needs[i], *after[i]) for i in range(len(checks)) if needs[i] or after[i]}
    dependents = _reversed(len(checks), waits_for)
    waits_long, behind = _with_members(planned, waits_for, dependents)
    order = _topological(checks, waits_long, waits_for, planned)
    expected_s, is_known = _expect(checks, durations or {})
    remaining_s = _remaining(expected_s, behind, order)
    linked = {*waits_long, *(i for i, d in enumerate(behind) if d), *(i for group in planned for i in group.members)}
    claims, patterns, overlaps, resources = _claim(checks, slots, capacities, cpus, fold_case)
    return Plan(
        checks=checks,
        slots=dict(slots),
        capacities=dict(capacities),
        cpus=cpus,
        root=root,
        fold_case=fold_case,
        needs=needs,
        after=after,
        dependents=dependents,
        order=order,
        expected_s=expected_s,
        is_known=is_known,
        remaining_s=remaining_s,
        priority=tuple(0.0 if check.exclusive else remaining_s[i] for i, check in enumerate(checks)),
        is_pooled=_pool(checks, slots, expected_s, is_known, linked),
        claims=claims,
        patterns=patterns,
        overlaps=overlaps,
        resources=resources,
        first_units=dict(first_units or {}),
        groups=planned,
        group_of={i: number for number, group in enumerate(planned) for i in group.members},
        group_needs=references.group_needs,
        group_after=references.group_after,
    )


def _with_members(
    groups: Sequence[PlannedGroup], waits_for: Mapping[int, Sequence[int]], dependents: tuple[tuple[int, ...], ...]
) -> tuple[Mapping[int, Sequence[int]], tuple[tuple[int, ...], ...]]:
    """What waits for what, and what is behind what, as if who waits for a group waited for all of its members."""
    if not any(group.dependents for group in groups):
        return waits_for, dependents
    longer: dict[int, Sequence[int]] = dict(waits_for)
    for group in groups:
        for i in group.dependents:
            longer[i] = tuple(dict.fromkeys((*longer.get(i, ()), *group.members)))
    return longer, _reversed(len(dependents), longer)


def _refuse_duplicates(checks: Sequence[Check]) -> None:
    index: dict[str, int] = {}
    names: dict[tuple[str, str], Check] = {}
    for i, check in enumerate(checks):
        other = checks[index[check.nodeid]] if check.nodeid in index else None
        if check.kind != "test":
            other = names.setdefault((check.place.file, check.name), check) if other is None else other
        if other is not None and other is not check and (check.is_marked or other.is_marked):
            raise PlanError(
                f'duplicate name "{check.name}", declared at {other.place} as well',
                where=str(check.place),
                hint="give one of the two another name",
            )
        index.setdefault(check.nodeid, i)


def _refuse_impossible(check: Check, slots: Mapping[str, int], capacities: Mapping[str, int], cpus: int | None) -> None:
    where = str(check.place)
    if slots.get(check.agent, 0) < 1:
        raise PlanError(
            f'"{check.name}" needs the agent type "{check.agent}", which has no slots',
            where=where,
            hint=f"give it some with --paragate-slots {check.agent}=1",
        )
    if cpus is not None and check.cpus > cpus:
        raise PlanError(
            f'"{check.name}" takes {check.cpus} CPUs of a budget of {cpus}',
            where=where,
            hint=f"lower its cpus to {cpus} or raise --paragate-cpus to {check.cpus}",
        )
    for resource, count in total_uses(check).items():
        if count > capacities.get(resource, 1):
            raise PlanError(
                f'"{check.name}" uses {count} of "{resource}", of which there is {capacities.get(resource, 1)}',
                where=where,
                hint=f'raise the capacity of "{resource}" in paragate_resources or lower the count in uses',
            )


def _topological(
    checks: Sequence[Check],
    waits_long: Mapping[int, Sequence[int]],
    waits_for: Mapping[int, Sequence[int]],
    groups: Sequence[PlannedGroup],
) -> tuple[int, ...]:
    """The items that wait or are waited for, each after what it waits for: in ``waits_long`` also through groups."""
    if not waits_long:
        return ()
    import graphlib

    try:
        return tuple(graphlib.TopologicalSorter(waits_long).static_order())
    except graphlib.CycleError as error:
        # graphlib names each item before those that wait for it, and the first one again at the end.
        cycle: list[int] = list(reversed(error.args[1]))[:-1]
        first = cycle.index(min(cycle))
        cycle = [*cycle[first:], *cycle[: first + 1]]
        words = [checks[cycle[0]].name]
        for i, j in itertools.pairwise(cycle):
            if j not in waits_for.get(i, ()):
                words += (GROUP_PREFIX + group.name for group in groups if i in group.dependents and j in group.members)
            words.append(checks[j].name)
        raise PlanError(
            f"these wait for each other: {' -> '.join(words)}",
            where=str(checks[cycle[0]].place),
            hint="take one of them out of the needs or after of the one before it",
        ) from None


def _reversed(count: int, edges: Mapping[int, Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    found: dict[int, list[int]] = defaultdict(list)
    for i, others in edges.items():
        for other in others:
            found[other].append(i)
    nothing: tuple[int, ...] = ()
    return tuple(tuple(sorted(found[i])) if i in found else nothing for i in range(count))


def _expect(checks: Sequence[Check], durations: Mapping[str, float]) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    is_known = tuple(check.nodeid in durations for check in checks)
    samples: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    for check, known in zip(checks, is_known, strict=True):
        if known:
            samples[check.agent, check.kind, check.is_marked].append(durations[check.nodeid])
    medians = {alike: _median(values) for alike, values in samples.items()}
    guesses = (UNKNOWN_TEST_S, UNKNOWN_CHECK_S)
    expected_s = tuple(
        durations[check.nodeid]
        if known
        else medians.get((check.agent, check.kind, check.is_marked), guesses[check.is_marked])
        for check, known in zip(checks, is_known, strict=True)
    )
    return expected_s, is_known


def _remaining(
    expected_s: Sequence[float], dependents: Sequence[Sequence[int]], order: Sequence[int]
) -> tuple[float, ...]:
    remaining_s = list(expected_s)
    for i in reversed(order):
        remaining_s[i] += max((remaining_s[j] for j in dependents[i]), default=0.0)
    return tuple(remaining_s)


def _pool(
    checks: Sequence[Check],
    slots: Mapping[str, int],
    expected_s: Sequence[float],
    is_known: Sequence[bool],
    linked: set[int],
) -> tuple[bool, ...]:
    """Which items may be handed out in runs: those that nothing else speaks of and that are not long by themselves.

    A test that is long compared with a slot's share would leave the other slots idle if its turn came last. A command
    is a matter of its own unless it is known to be over before anybody could notice.
    """
    total_s: dict[str, float] = defaultdict(float)
    for check, seconds in zip(checks, expected_s, strict=True):
        if not check.is_marked:
            total_s[check.agent] += seconds
    long_s = {agent: max(LONG_TEST_S, seconds / (8 * slots[agent])) for agent, seconds in total_s.items()}

    def is_short(i: int, check: Check) -> bool:
        if check.kind == "command":
            return is_known[i] and expected_s[i] <= SHORT_COMMAND_S and (not check.parse or type(check.parse) is str)
        if check.together:
            return True
        return not (is_known[i] and slots[check.agent] > 1 and expected_s[i] > long_s[check.agent])

    return tuple(
        (check.kind == "command" or not check.is_marked)
        and i not in linked
        and not (check.reads or check.writes or check.uses or check.exclusive)
        and check.cpus == 1
        and is_short(i, check)
        for i, check in enumerate(checks)
    )


def _claim(
    checks: Sequence[Check], slots: Mapping[str, int], capacities: Mapping[str, int], cpus: int | None, fold_case: bool
) -> tuple[tuple[Claims, ...], tuple[str, ...], tuple[frozenset[int], ...], tuple[Resource, ...]]:
    """What each item claims, leaving out what it need not share with anybody."""
    patterns, overlaps, is_shared = _shared_patterns(checks, fold_case)
    number = {pattern: i for i, pattern in enumerate(patterns)}
    resources, resource_number = _shared_resources(checks, slots, capacities, cpus)
    cpus_number = resource_number.get("")
    known: dict[Claims, Claims] = {NO_CLAIMS: NO_CLAIMS}
    plain = NO_CLAIMS if cpus_number is None else Claims(uses=((cpus_number, 1),))
    found: list[Claims] = []
    for check in checks:
        if not (check.reads or check.writes or check.uses) and check.cpus == 1:
            found.append(plain)
            continue
        uses = [(resource_number[name], n) for name, n in total_uses(check).items() if name in resource_number]
        if cpus_number is not None:
            uses.append((cpus_number, check.cpus))
        writes = tuple(dict.fromkeys(number[p] for p in check.writes if is_shared[number[p]]))
        reads = tuple(dict.fromkeys(number[p] for p in check.reads if is_shared[number[p]]))
        claims = Claims(reads=reads, writes=writes, uses=tuple(uses))
        found.append(known.setdefault(claims, claims))
    return tuple(found), patterns, overlaps, resources


def _shared_patterns(
    checks: Sequence[Check], fold_case: bool
) -> tuple[tuple[str, ...], tuple[frozenset[int], ...], list[bool]]:
    """All patterns, what each overlaps, and whether anybody but its only user minds."""
    users: dict[str, int | None] = {}  # None: several
    written: set[str] = set()
    for i, check in enumerate(checks):
        written.update(check.writes)
        for pattern in (*check.reads, *check.writes):
            users[pattern] = i if users.get(pattern, i) == i else None
    patterns = tuple(users)
    overlaps = overlap_table(patterns, [pattern in written for pattern in patterns], fold_case=fold_case)
    only = [users[pattern] for pattern in patterns]
    is_shared = [any(only[j] is None or only[j] != only[i] for j in found) for i, found in enumerate(overlaps)]
    return patterns, overlaps, is_shared


def _shared_resources(
    checks: Sequence[Check], slots: Mapping[str, int], capacities: Mapping[str, int], cpus: int | None
) -> tuple[tuple[Resource, ...], dict[str, int]]:
    """Resources that may run out; the CPU budget is the one without a name."""
    amounts: dict[str, list[int]] = defaultdict(list)
    widest: dict[str, int] = {}
    for check in checks:
        widest[check.agent] = max(check.cpus, widest.get(check.agent, 0))
        for name, count in total_uses(check).items() if check.uses else ():
            amounts[name].append(count)
    limits = {name: capacities.get(name, 1) for name in amounts}
    scarce = [name for name in amounts if sum(amounts[name]) > limits[name]]
    if cpus is not None and sum(slots[agent] * count for agent, count in widest.items()) > cpus:
        scarce.append("")
        amounts[""], limits[""] = [1, *(check.cpus for check in checks if check.cpus != 1)], cpus
    resources = tuple(
        Resource(name=name, capacity=limits[name], amounts=tuple(sorted(set(amounts[name])))) for name in scarce
    )
    return resources, {name: i for i, name in enumerate(scarce)}


def _median(values: list[float]) -> float:
    """Of a non-empty list. The module ``statistics`` takes longer to import than a plan takes to make."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

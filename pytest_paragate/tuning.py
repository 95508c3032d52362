"""Looks for an order of a plan's items that makes its replay shorter: a local search, the same every time.

An order is a priority for each item and pairs of which one gives way to the other. Rules of thumb come first; then the
search follows the chain of items that sets the makespan and moves one of them before what it had to wait for. Where
that one could not have been ready in time, a slot is kept for it. The effort is a number of replays.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_paragate.plan import MIN_TUNED_S, GiveWay, Plan
from pytest_paragate.speedup import Simulated, limit, simulate

TUNED_SHARE = 0.01
"""Tuning may take about this share of the makespan that it is to shorten,"""
MAX_TUNING_S = 0.3
"""but not more than this."""
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
    search = Search(small, before, good_enough_s=good_enough_s)
    effort_s = min(MAX_TUNING_S, TUNED_SHARE * before.makespan_s)
    search.run(int(effort_s / (REPLAY_S * (len(kept) + 8))))
    if search.best is before:
        return plan
    tuned = _applied(plan, search, kept)
    # Runs of tests are cut differently in the whole plan.
    is_comparable = len(plan.checks) > len(kept) and 2 * len(plan.checks) * REPLAY_S < effort_s
    return plan if is_comparable and simulate(tuned).makespan_s > simulate(plan).makespan_s else tuned


def _applied(plan: Plan, search: Search, kept: Sequence[int]) -> Plan:
    """The plan with what the search found for its condensed form."""
    priority = list(plan.priority)
    for i, original in enumerate(kept):
        priority[original] = search.best_order.priority[i]
    start_of = {check: start_s for check, _, start_s, _ in search.best.starts}
    ways: dict[int, list[GiveWay]] = defaultdict(list)
    for one, other in sorted(search.best_order.ways):
        until_s = start_of[other] + TOLERANCE * search.best.makespan_s
        ways[kept[one]].append(GiveWay(other=kept[other], until_s=until_s))
    return plan.replaced(priority=tuple(priority), gives_way={one: tuple(found) for one, found in ways.items()})


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

    small = plan.replaced(
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


@dataclass(frozen=True, slots=True)
class Order:
    """What a search changes: who goes first, and who gives way to whom."""

    priority: tuple[float, ...]
    ways: frozenset[tuple[int, int]] = frozenset()


class Search:
    """One search. ``best`` is the shortest replay so far and ``best_order`` what led to it.

    ``before`` is the plan's own replay; nothing shorter than ``good_enough_s`` is looked for.
    """

    def __init__(self, plan: Plan, before: Simulated, *, good_enough_s: float) -> None:
        self.plan, self._good_enough_s = plan, good_enough_s
        self.best_order = Order(plan.priority)
        self.best = before
        self._replays = 0
        self._state = 1
        self._exclusive = tuple(i for i, check in enumerate(plan.checks) if check.exclusive)
        self._ancestors = {i: _ancestors(plan, i) for i in self._exclusive}
        self._head_s = _heads(plan)

    def run(self, replays: int) -> None:
        self._replays = replays
        self._try_rules()
        self._move_items()

    @property
    def _is_over(self) -> bool:
        return self._replays <= 0 or self.best.makespan_s <= self._good_enough_s

    def _random(self, below: int) -> int:
        """A number from 0, from the linear congruential sequence that Knuth gives for MMIX."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % below

    def _replay(self, order: Order) -> Simulated:
        self._replays -= 1
        ways: dict[int, list[GiveWay]] = defaultdict(list)
        for one, other in order.ways:
            ways[one].append(GiveWay(other=other, until_s=math.inf))
        run = simulate(
            self.plan.replaced(
                priority=order.priority,
                gives_way={one: tuple(others) for one, others in ways.items()},
            )
        )
        if run.makespan_s < self.best.makespan_s:
            self.best, self.best_order = run, order
        return run

    def _try_rules(self) -> None:
        """Exclusive items by their remaining path; then back and forth between the plan and its reverse.

        What ends late in the reverse should start early, and the other way round (Li and Willis, 1992).
        """
        plan = self.plan
        if self._exclusive and not self._is_over:
            self._replay(Order(plan.remaining_s))
            self._replay(self._drained_early(self.best, Order(plan.remaining_s), is_random=False))
        reverse = plan.replaced(
            needs=plan.dependents,
            after=((),) * len(plan.checks),
            dependents=tuple((*needs, *after) for needs, after in zip(plan.needs, plan.after, strict=True)),
            order=tuple(reversed(plan.order)),
        )
        run = self.best
        for _ in range(4):
            if self._is_over:
                return
            backward = simulate(reverse.replaced(priority=self._ends(run)))
            self._replays -= 1
            run = self._replay(Order(self._ends(backward)))

    def _ends(self, run: Simulated) -> tuple[float, ...]:
        ends = [0.0] * len(self.plan.checks)
        for check, _, _, end_s in run.starts:
            ends[check] = end_s
        return tuple(ends)

    def _move_items(self) -> None:
        """Change the order along critical chains, and now and then anywhere; keep what does little harm."""
        run, order = self.best, self.best_order
        while not self._is_over:
            moved = self._changed(run, order)
            other = self._replay(moved)
            if other.makespan_s <= run.makespan_s * (1.0 if self._random(8) else 1.02):
                run, order = other, moved
            elif not self._random(50):
                run, order = self.best, self.best_order

    def _changed(self, run: Simulated, order: Order) -> Order:
        if self._exclusive and not self._random(8):
            return self._drained_early(run, order, is_random=True)
        pair = self._critical_pair(run) if self._random(4) else None
        if pair is None:
            count = len(order.priority)
            return self._promoted(run, order, self._random(count), self._random(count))
        late, early = pair
        if order.ways and not self._random(6):
            ways = sorted(order.ways)
            return Order(order.priority, order.ways - {ways[self._random(len(ways))]})
        is_first_already = (-order.priority[late], late) < (-order.priority[early], early)
        if not is_first_already:
            return self._promoted(run, order, late, early)
        # It was not ready in time, so the slot would have to be kept for it.
        if self.plan.is_pooled[late] or self.plan.is_pooled[early] or self._waits_for(late, early, order.ways):
            return self._promoted(run, order, late, early)
        return Order(order.priority, order.ways | {(early, late)})

    def _drained_early(self, run: Simulated, order: Order, *, is_random: bool) -> Order:
        """Let exclusive items go at some time: what would still be running then gives way to them.

        Single steps do not lead there, as a drain pays off only once everything long has given way.
        """
        one = self._exclusive[self._random(len(self._exclusive))]
        chosen = (one,) if is_random and self._random(2) else self._exclusive
        first = {before for check in chosen for before in (check, *self._ancestors[check])}
        at_s = max(self._head_s[check] for check in chosen)
        ends = sorted({end_s for check, _, _, end_s in run.starts if check not in chosen and end_s > at_s})
        if is_random and ends and self._random(2):
            at_s = ends[self._random(len(ends))]
        ways = {way for way in order.ways if not set(way) & set(chosen)}
        for i, seconds in enumerate(self.plan.expected_s):
            if i not in first and not self.plan.is_pooled[i] and self._head_s[i] + seconds > at_s:
                ways.update((i, check) for check in chosen)
        highest = 2 * max(order.priority) + 1
        priority = tuple(value + highest * (i in first) for i, value in enumerate(order.priority))
        return Order(priority, frozenset(ways))

    def _waits_for(self, one: int, other: int, ways: frozenset[tuple[int, int]]) -> bool:
        """Whether one waits for the other in any way, now that some give way."""
        behind: dict[int, list[int]] = defaultdict(list)
        for giving, given in ways:
            behind[giving].append(given)
        seen, left = {one}, [one]
        while left:
            check = left.pop()
            for before in (*self.plan.needs[check], *self.plan.after[check], *behind[check]):
                if before == other:
                    return True
                if before not in seen:
                    seen.add(before)
                    left.append(before)
        return False

    def _promoted(self, run: Simulated, order: Order, check: int, before: int) -> Order:
        ranking = sorted(range(len(order.priority)), key=lambda i: (-order.priority[i], i))
        ranking.remove(check)
        ranking.insert(ranking.index(before) if before != check else 0, check)
        step = run.makespan_s / len(ranking)
        priority = [0.0] * len(ranking)
        for rank, i in enumerate(ranking):
            priority[i] = step * (len(ranking) - rank)
        while ranking and self.plan.checks[ranking[-1]].exclusive:
            priority[ranking.pop()] = 0.0
        return Order(tuple(priority), order.ways)

    def _critical_pair(self, run: Simulated) -> tuple[int, int] | None:
        """An item of a critical chain and one that it had to wait for although it does not need it."""
        ending: dict[float, list[int]] = defaultdict(list)
        start_of: dict[int, float] = {}
        for check, _, start_s, end_s in run.starts:
            ending[end_s].append(check)
            start_of[check] = start_s
        latest = ending[run.makespan_s]
        check = latest[self._random(len(latest))]
        pairs: list[tuple[int, int]] = []
        while True:
            before = [other for other in ending.get(start_of[check], ()) if start_of[other] < start_of[check]]
            if not before:
                break
            other = before[self._random(len(before))]
            if other not in self.plan.needs[check] and other not in self.plan.after[check]:
                pairs.append((check, other))
            check = other
        return pairs[self._random(len(pairs))] if pairs else None


def _ancestors(plan: Plan, check: int) -> frozenset[int]:
    """All that an item waits for, directly or not."""
    seen: set[int] = set()
    left = [check]
    while left:
        one = left.pop()
        for before in (*plan.needs[one], *plan.after[one]):
            if before not in seen:
                seen.add(before)
                left.append(before)
    return frozenset(seen)


def _heads(plan: Plan) -> list[float]:
    """The earliest that each item could start, seconds."""
    head_s = [0.0] * len(plan.checks)
    for i in plan.order:
        for before in (*plan.needs[i], *plan.after[i]):
            head_s[i] = max(head_s[i], head_s[before] + plan.expected_s[before])
    return head_s

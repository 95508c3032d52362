"""The machine that decides what runs next: events go in, commands come out, and the caller does the rest.

Rules

- An item is *waiting* until everything in its needs and after is decided (done, blocked or cancelled), then *ready*.
- A ready item starts when a slot of its type is free, nothing running conflicts with it, and its resources are there.
  Among those that may start, the highest priority goes first, then the order of declaration.
- A slot is busy from Start until each of its items has finished or was returned. Tests without a mark, and commands
  known to be very short, form a pool per agent type and go out in runs of neighbours, large at first and small at the
  end; other items of the type go first.
- When an item does not pass, all that needs it is blocked at once and transitively, with that item as the root cause,
  unless it is to run always. ``after`` only asks for a decision, whichever it is.
- An exclusive item runs with nothing beside it. The machine drains for it when nothing of a higher priority can start,
  and while it is drained all exclusive items that are ready run one after another.
- A ready item that conflicts with what runs waits in its lane (see ``lanes``), and items of lower priority may overtake
  it a few times; then what it claims is reserved for it until it has started.
- An item that failed and has tries left is *paused* and then ready again. Until its last try nothing waits less for it.
- A group is decided by its members as early as possible (see ``groups``); what waits for it then goes on, or is blocked
  with the item that decided it as the root cause. What the group does with the rest: ``stop`` drops members that have
  not started, and tries none again; ``cancel`` also asks for the end of those that run, which stay running until they
  have finished.
- An item that gives way to others is held until each of those has started or will not, its time is up, or nothing runs.
- After Stop nothing starts; after the loss of a type's last slot nothing of that type starts. What had not started is
  dropped with the reason.

``MOVES`` is the whole of what may happen to one item. The same events always give the same commands.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from pytest_paragate.lanes import Key, Lanes
from pytest_paragate.model import Claims, Slot, Value, assert_never
from pytest_paragate.plan import Plan
from pytest_paragate.pool import Pool

if TYPE_CHECKING:
    from pytest_paragate.groups import Decision, Fate, Groups

MAX_RIVALS = 8
"""No item names more than this among those that it was kept apart from."""


class State(enum.Enum):
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"  # between two tries
    DONE = "done"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"

    __hash__ = object.__hash__  # members are singletons, and every event looks some up


class Turn(enum.Enum):
    """What may happen to one item."""

    FREED = "freed"  # everything it waits for is decided
    STARTED = "started"
    FINISHED = "finished"
    FAILED_TRY = "failed but to be tried again"
    RESTED = "rested"  # the pause before its next try is over
    RETURNED = "returned"  # its worker died before its turn came
    BLOCKED = "blocked"  # something it needs did not pass
    DROPPED = "dropped"  # it will never start

    __hash__ = object.__hash__


MOVES = {
    (State.WAITING, Turn.FREED): State.READY,
    (State.WAITING, Turn.BLOCKED): State.BLOCKED,
    (State.WAITING, Turn.DROPPED): State.CANCELLED,
    (State.READY, Turn.STARTED): State.RUNNING,
    (State.READY, Turn.DROPPED): State.CANCELLED,
    (State.RUNNING, Turn.FINISHED): State.DONE,
    (State.RUNNING, Turn.RETURNED): State.READY,
    (State.RUNNING, Turn.FAILED_TRY): State.PAUSED,
    (State.PAUSED, Turn.RESTED): State.READY,
    (State.PAUSED, Turn.DROPPED): State.CANCELLED,
}


UNSTARTED = (State.WAITING, State.READY, State.PAUSED)


class Begin(Value):
    """The workers may have work now."""

    at_s: float


class Finished(Value):
    """A running item has ended. ``passed`` tells whether what needs it may run, ``is_curable`` whether a failure might
    not happen again; then it is tried again as long as it has tries left."""

    check: int
    passed: bool
    at_s: float
    is_skipped: bool = False
    is_curable: bool = False


class Rested(Value):
    """The pause of an item between two tries is over."""

    check: int
    at_s: float


class Returned(Value):
    """These were started together and did not get to run; they go back to where they came from."""

    checks: tuple[int, ...]
    at_s: float


class SlotLost(Value):
    """The slot takes no more work, ever. If it is busy, its items are still to finish or to be returned."""

    slot: Slot
    at_s: float
    reason: str | None = None


class Stop(Value):
    """Nothing starts any more, because of fail-fast or an interruption."""

    reason: str
    at_s: float


Event: TypeAlias = Begin | Finished | Rested | Returned | SlotLost | Stop


class Start(Value):
    """Run these in this order on this slot: one item, or a run of tests."""

    checks: tuple[int, ...]
    slot: Slot


class Block(Value):
    """This one will not run: ``cause``, the root cause, did not pass or was dropped, so that ``group``, if there is
    one on the way to it, could no longer be met."""

    check: int
    cause: int
    group: int | None = None


class Drop(Value):
    """This one will not run, for a reason that has nothing to do with it."""

    check: int
    reason: str


class Retry(Value):
    """This one failed and is to be tried again. With a pause, the caller says when it is over: ``Rested``."""

    check: int
    tries: int  # how many it has had


class Cancel(Value):
    """End this running one. It stays running until it has finished, however that comes."""

    check: int
    reason: str


class Decided(Value):
    """A group is decided."""

    decision: Decision


Command: TypeAlias = Start | Block | Drop | Retry | Cancel | Decided


class Counts(Value):
    """How many items are in which state; ``decided`` are done, blocked or cancelled, paused ones wait."""

    waiting: int
    ready: int
    running: int
    decided: int


class ScheduleError(RuntimeError):
    """An event that cannot have happened: the caller and the machine disagree about what is running."""


class _Run(Value):
    """What occupies a slot."""

    left: set[int]
    claims: Claims
    first: int
    key: Key
    number: int  # how many runs started before


class _Team:
    """One agent type: its slots and what is ready for them."""

    __slots__ = ("free", "is_pool_parked", "loss", "pool", "ready", "slots")

    def __init__(self, plan: Plan, slots: int) -> None:
        self.slots = slots
        self.free = list(range(slots))  # heap of slot numbers
        self.ready: list[Key] = []  # heap
        self.pool = Pool(plan, slots)
        self.is_pool_parked = False
        self.loss = ""  # why its slots were lost


class Schedule:
    """The machine for one run of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._states = [State.WAITING] * len(plan.checks)
        self._counts = Counter({State.WAITING: len(plan.checks)})
        self._undecided = [len(needs) + len(after) for needs, after in zip(plan.needs, plan.after, strict=True)]
        for named in (plan.group_needs, plan.group_after):
            for check, groups in named.items():
                self._undecided[check] += len(groups)
        self._groups = _groups(plan)
        self._tries: dict[int, int] = {}  # how many failed, of items that are tried again
        self._cancelled: set[int] = set()
        self._teams = {agent: _Team(plan, count) for agent, count in plan.slots.items() if count > 0}
        self._exclusive: list[Key] = []  # heap of those that are ready
        self._runs: dict[Slot, _Run] = {}
        self._slot_of: dict[int, Slot] = {}
        self._lost: set[Slot] = set()
        self._stopped: str | None = None
        self._is_begun = False
        self._is_alone = False  # an exclusive item is running
        self._is_drained = False  # the last that ran was exclusive
        self._ran_alone: list[int] = []
        self._lanes = Lanes(plan)
        self._held: list[int] = []  # ready items that give way
        self._now_s = 0.0
        self._kept_apart: dict[int, dict[int, None]] = {}
        self._started = 0
        self._waiting_since: dict[int, int] = {}  # how many runs had started when it first had to wait
        self._ready_before: dict[int, int] = {}  # how many had run alone when it became ready

    def feed(self, event: Event) -> list[Command]:
        """Take note of what happened and return what is to be done about it, in this order.

        Raises ScheduleError for an event that does not fit what is running.
        """
        out: list[Command] = []
        match event:
            case Begin():
                self._begin()
            case Finished():
                self._finish(event, out)
            case Rested():
                self._rest(event.check)
            case Returned():
                self._return(event.checks, out)
            case SlotLost():
                self._lose(event.slot, event.reason, out)
            case Stop():
                self._stop(event.reason, out)
            case _:
                assert_never(event)
        if self._is_begun and self._stopped is None:
            self._now_s = event.at_s
            self._dispatch(out)
        return out

    def state(self, check: int) -> State:
        return self._states[check]

    @property
    def counts(self) -> Counts:
        count = self._counts
        return Counts(
            waiting=count[State.WAITING] + count[State.PAUSED],
            ready=count[State.READY],
            running=count[State.RUNNING],
            decided=count[State.DONE] + count[State.BLOCKED] + count[State.CANCELLED],
        )

    @property
    def is_finished(self) -> bool:
        return self.counts.decided == len(self._states)

    def waited_for(self, check: int) -> tuple[int, ...]:
        """What held the item back: all it needs or comes after, then what it was kept apart from while it was ready.

        Of a group, these are the members that decided it.

        Of a run of tests beside which an exclusive item could not start, only the first is named.
        """
        plan, kept_apart = self._plan, self._kept_apart.get(check, {})
        groups = (*plan.group_needs.get(check, ()), *plan.group_after.get(check, ()))
        decisions = self._groups.decisions if self._groups is not None else {}
        by = (member for group in groups if group in decisions for member in decisions[group].by)
        return tuple(dict.fromkeys((*plan.needs[check], *plan.after[check], *by, *kept_apart)))

    def has_tries_left(self, check: int) -> bool:
        """Whether the item would be tried again if it failed now."""
        if self._stopped is not None or check in self._cancelled or self._closed(check) is not None:
            return False
        item = self._plan.checks[check]
        return self._tries.get(check, 0) < (item.retries or 0) and self._gone(item.agent) is None

    # what happened

    def _move(self, check: int, turn: Turn) -> None:
        before = self._states[check]
        after = MOVES.get((before, turn))
        if after is None:
            raise ScheduleError(f"{self._plan.checks[check].nodeid} is {before.value} and cannot be {turn.value}")
        self._states[check] = after
        self._counts[before] -= 1
        self._counts[after] += 1

    def _begin(self) -> None:
        if self._is_begun:
            raise ScheduleError("the gate has begun already")
        self._is_begun = True
        if self._stopped is None:
            for check, count in enumerate(self._undecided):
                if not count and self._states[check] is State.WAITING:
                    self._free(check)
        # Nothing runs yet, so an exclusive item that others wait for costs no drain now.
        self._is_drained = any(self._plan.dependents[check] for _, check in self._exclusive)

    def _finish(self, event: Finished, out: list[Command]) -> None:
        check = event.check
        if event.is_curable and not event.passed and self.has_tries_left(check):
            self._move(check, Turn.FAILED_TRY)
            self._leave(check)
            self._tries[check] = self._tries.get(check, 0) + 1
            out.append(Retry(check=check, tries=self._tries[check]))
            if not self._plan.checks[check].retry_pause_s:
                self._rest(check)
            return
        self._move(check, Turn.FINISHED)
        self._leave(check)
        self._decide(check, "skipped" if event.is_skipped else "passed" if event.passed else "failed", out)

    def _rest(self, check: int) -> None:
        self._move(check, Turn.RESTED)
        self._queue(check, is_return=False)

    def _return(self, checks: Sequence[int], out: list[Command]) -> None:
        for check in sorted(checks, reverse=True):
            self._move(check, Turn.RETURNED)
            self._leave(check)
            self._queue(check, is_return=True)
            reason = self._stopped or self._gone(self._plan.checks[check].agent) or self._closed(check)
            if reason is not None:
                self._withdraw(check)
                self._drop_all((check,), reason, out)

    def _lose(self, slot: Slot, why: str | None, out: list[Command]) -> None:
        team = self._teams.get(slot.agent)
        if team is None or slot in self._lost or not 0 <= slot.number < self._plan.slots[slot.agent]:
            raise ScheduleError(f"there is no slot {slot}")
        self._lost.add(slot)
        team.slots -= 1
        team.loss = f": {why}" if why else ""
        if slot.number in team.free:
            team.free.remove(slot.number)
            heapq.heapify(team.free)
        if team.slots or self._stopped is not None:
            return
        agent, reason = slot.agent, self._gone(slot.agent) or ""
        team.ready = []
        team.pool.clear()
        self._held = [check for check in self._held if self._plan.checks[check].agent != agent]
        self._exclusive = [key for key in self._exclusive if self._plan.checks[key[1]].agent != agent]
        heapq.heapify(self._exclusive)
        self._wake(self._lanes.forget(agent))
        mine = [i for i, check in enumerate(self._plan.checks) if check.agent == agent]
        self._drop_all([i for i in mine if self._states[i] in UNSTARTED], reason, out)

    def _gone(self, agent: str) -> str | None:
        return None if self._teams[agent].slots else f"all slots of {agent} are lost{self._teams[agent].loss}"

    def _stop(self, reason: str, out: list[Command]) -> None:
        if self._stopped is None:
            self._stopped = reason
            self._drop_all([i for i, state in enumerate(self._states) if state in UNSTARTED], reason, out)

    def _drop_all(self, checks: Sequence[int], reason: str, out: list[Command]) -> None:
        for check in checks:
            self._move(check, Turn.DROPPED)
            out.append(Drop(check=check, reason=reason))
        for check in checks:
            self._decide(check, "failed", out)

    def _decide(self, check: int, fate: Fate, out: list[Command]) -> None:
        """Tell what waits for the item that it is decided; block what needs it in vain, and what needs that."""
        # With the group, if any, through which it came to that.
        decided: deque[tuple[int, Fate, int | None]] = deque([(check, fate, None)])
        while decided:
            one, fate, group = decided.popleft()
            for other in self._plan.dependents[one]:
                is_vain = fate == "failed" and one in self._plan.needs[other]
                if self._answer(other, is_vain=is_vain):
                    out.append(Block(check=other, cause=check, group=group))
                    decided.append((other, "failed", group))
            if self._groups is not None and one in self._plan.group_of:
                decision = self._groups.note(one, fate)
                if decision is not None:
                    decided += self._end_group(decision, check, out)

    def _answer(self, check: int, *, is_vain: bool) -> bool:
        """One of those that the item waits for is decided; whether that blocks it."""
        self._undecided[check] -= 1
        if self._states[check] is not State.WAITING:
            return False
        if is_vain and self._plan.checks[check].when == "success":
            self._move(check, Turn.BLOCKED)
            return True
        if not self._undecided[check]:
            self._free(check)
        return False

    def _end_group(self, decision: Decision, cause: int, out: list[Command]) -> list[tuple[int, Fate, int | None]]:
        """Do with the rest of a decided group what it asks for, and tell what waits for it; returns what fails by that.

        ``cause`` is the item by which it came to the decision.
        """
        group = self._plan.groups[decision.group]
        failed: list[tuple[int, Fate, int | None]] = []
        reason = group.said(decision)
        for member in group.members if group.rest != "finish" else ():
            if self._states[member] in UNSTARTED:
                self._withdraw(member)
                self._move(member, Turn.DROPPED)
                out.append(Drop(check=member, reason=reason))
                failed.append((member, "failed", None))
            elif self._states[member] is State.RUNNING and group.rest == "cancel":
                self._cancelled.add(member)
                out.append(Cancel(check=member, reason=reason))
        out.append(Decided(decision=decision))
        for other in group.dependents:
            is_vain = not decision.is_met and decision.group in self._plan.group_needs.get(other, ())
            if self._answer(other, is_vain=is_vain):
                out.append(Block(check=other, cause=cause, group=decision.group))
                failed.append((other, "failed", decision.group))
        return failed

    def _closed(self, check: int) -> str | None:
        """Why the item's group starts it no more, if that is so."""
        if self._groups is None or not self._groups.is_closed(check):
            return None
        group = self._plan.group_of[check]
        return self._plan.groups[group].said(self._groups.decisions[group])

    # what is ready

    def _free(self, check: int) -> None:
        self._move(check, Turn.FREED)
        if not self._plan.is_pooled[check]:
            self._ready_before[check] = len(self._ran_alone)
        self._queue(check, is_return=False)

    def _queue(self, check: int, *, is_return: bool) -> None:
        item = self._plan.checks[check]
        team = self._teams[item.agent]
        if self._plan.is_pooled[check]:
            team.pool.add(check, is_return=is_return, is_alone=check in self._tries)
        elif self._must_give_way(check):
            self._held.append(check)
        else:
            self._offer(check)

    def _withdraw(self, check: int) -> None:
        """Take a ready item out of wherever it is kept."""
        if self._states[check] is not State.READY:
            return
        item, key = self._plan.checks[check], self._key(check)
        team = self._teams[item.agent]
        if check in self._held:
            self._held.remove(check)
        elif self._plan.is_pooled[check]:
            team.pool.withdraw(check)
        elif key in self._exclusive:
            self._exclusive.remove(key)
            heapq.heapify(self._exclusive)
        elif key in team.ready:
            team.ready.remove(key)
            heapq.heapify(team.ready)
            for other in self._lanes.tried(key):
                heapq.heappush(team.ready, other)
        else:
            self._wake(self._lanes.withdraw(key))

    def _offer(self, check: int) -> None:
        item = self._plan.checks[check]
        heapq.heappush(self._exclusive if item.exclusive else self._teams[item.agent].ready, self._key(check))

    def _must_give_way(self, check: int) -> bool:
        ways = self._plan.gives_way.get(check)
        if not ways:
            return False
        others = [way.other for way in ways if way.until_s > self._now_s and self._states[way.other] in UNSTARTED]
        self._note_rivals(check, others)
        return bool(others)

    def _release_held(self, *, is_idle: bool = False) -> None:
        held, self._held = self._held, []
        for check in held:
            if is_idle or not self._must_give_way(check):
                self._offer(check)
            else:
                self._held.append(check)

    def _key(self, check: int) -> Key:
        return -self._plan.priority[check], check

    def _leave(self, check: int) -> None:
        """Take the item off its slot, and free the slot when it was the last there."""
        slot = self._slot_of.pop(check)
        run = self._runs[slot]
        run.left.discard(check)
        if run.left:
            return
        del self._runs[slot]
        self._is_alone = False
        if slot not in self._lost:
            heapq.heappush(self._teams[slot.agent].free, slot.number)
        self._wake(self._lanes.give_back(run.claims))

    def _wake(self, keys: Iterable[Key]) -> None:
        """These waited for something that may be free now; so may the pools."""
        for key in keys:
            heapq.heappush(self._teams[self._plan.checks[key[1]].agent].ready, key)
        for team in self._teams.values():
            team.is_pool_parked = False

    # what starts

    def _dispatch(self, out: list[Command]) -> None:
        while not self._is_alone:
            if self._held:
                self._release_held()
            if self._is_drained and self._exclusive and not self._runs:
                self._start_exclusive(out)
                return
            if self._start_reserved(out):
                continue
            agent, key = self._best()
            if self._exclusive and (key is None or self._exclusive[0] < key):
                if not self._runs:
                    self._start_exclusive(out)
                else:
                    self._note_drain()
                return
            if agent is None:
                if self._runs or not self._held:
                    return
                self._release_held(is_idle=True)
                continue
            if self._teams[agent].ready:
                self._try(agent, out)
            else:
                self._start_run(agent, out)

    def _best(self) -> tuple[str | None, Key | None]:
        """The agent type whose next item or run of tests goes first, and its key."""
        best: tuple[str | None, Key | None] = None, None
        for agent, team in self._teams.items():
            if not team.free:
                continue
            if team.ready:
                key = team.ready[0]
            elif team.pool and not team.is_pool_parked:
                key = -team.pool.seconds / team.slots, team.pool.example
            else:
                continue
            if best[1] is None or key < best[1]:
                best = agent, key
        return best

    def _try(self, agent: str, out: list[Command]) -> None:
        """Start the first ready item of an agent type, or let it wait."""
        key = heapq.heappop(self._teams[agent].ready)
        if self._lanes.must_wait(key):
            self._note_waiting(key)
        else:
            self._start_one(key[1], out)
        for other in self._lanes.tried(key):
            heapq.heappush(self._teams[agent].ready, other)

    def _start_one(self, check: int, out: list[Command]) -> None:
        self._start((check,), self._plan.claims[check], out)
        ran_alone = self._ran_alone[max(self._ready_before.get(check, 0), len(self._ran_alone) - MAX_RIVALS) :]
        self._note_rivals(check, ran_alone)

    def _start_run(self, agent: str, out: list[Command]) -> None:
        """Start a run of tests or of short commands."""
        team = self._teams[agent]
        claims = self._plan.claims[team.pool.example]
        if self._lanes.is_free(claims):
            self._start(team.pool.take(team.free[0]), claims, out)
        else:
            team.is_pool_parked = True

    def _start_reserved(self, out: list[Command]) -> bool:
        reserved = self._lanes.reserved
        if reserved is None or not self._teams[self._plan.checks[reserved].agent].free:
            return False
        if not self._lanes.can_reserved_start():
            return False
        self._lanes.end_reservation()
        self._start_one(reserved, out)
        return True

    def _start_exclusive(self, out: list[Command]) -> None:
        _, check = heapq.heappop(self._exclusive)
        self._start_one(check, out)
        self._is_alone = self._is_drained = True
        self._ran_alone.append(check)

    def _start(self, checks: tuple[int, ...], claims: Claims, out: list[Command]) -> None:
        agent = self._plan.checks[checks[0]].agent
        slot = Slot(agent, heapq.heappop(self._teams[agent].free))
        for check in checks:
            self._move(check, Turn.STARTED)
            self._slot_of[check] = slot
        run = _Run(left=set(checks), claims=claims, first=checks[0], key=self._key(checks[0]), number=self._started)
        self._runs[slot] = run
        self._started += 1
        self._is_drained = False
        self._lanes.take(claims, run.key)
        out.append(Start(checks=checks, slot=slot))

    # what it was held back by

    def _note_waiting(self, key: Key) -> None:
        check = key[1]
        claims = self._plan.claims[check]
        rivals = [run for run in self._runs.values() if self._lanes.conflict(claims, run.claims)]
        self._note_rivals(check, [run.first for run in rivals])
        since = self._waiting_since.setdefault(check, self._started)
        if any(run.number >= since and run.key > key for run in rivals):
            self._lanes.count_overtaken(key)

    def _note_rivals(self, check: int, rivals: Sequence[int]) -> None:
        if rivals:
            noted = self._kept_apart.setdefault(check, {})
            noted.update(dict.fromkeys(rivals[: MAX_RIVALS - len(noted)]))

    def _note_drain(self) -> None:
        for _, check in self._exclusive:
            if check not in self._kept_apart:
                self._note_rivals(check, [run.first for run in self._runs.values()])


def _groups(plan: Plan) -> Groups | None:
    if not plan.groups:
        return None
    from pytest_paragate.groups import Groups  # few plans have any

    return Groups(plan.groups, plan.group_of)

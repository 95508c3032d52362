"""The controller: feeds what happens to the schedule, carries out what it commands, and settles every verdict.

Invariants
- Every check that was started gets exactly one verdict, whatever its worker does.
- The next work is handed out before the last result is reported: reporting never keeps a slot idle.
- A check that was told to end is not reported passed, unless it had finished before it was told.
- Nothing here waits for one worker alone; every wait is on the inbox and has the earliest deadline as its limit.
"""

from __future__ import annotations

import queue
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_paragate.imports import Late
from pytest_paragate.model import Slot, Value, assert_never
from pytest_paragate.plan import Plan
from pytest_paragate.run import messages
from pytest_paragate.run.gateways import Ended, Event, Inbox, Launcher, Said, Signalled, WorkerHandle
from pytest_paragate.run.journal import JournalReader, loaded
from pytest_paragate.run.leavers import STOPPED_S, Leavers
from pytest_paragate.run.ledger import Ledger
from pytest_paragate.run.messages import Message
from pytest_paragate.run.seat import Seat
from pytest_paragate.run.signals import signals_into
from pytest_paragate.schedule import (
    Begin,
    Block,
    Cancel,
    Command,
    Decided,
    Drop,
    Finished,
    Rested,
    Retry,
    Returned,
    Schedule,
    SlotLost,
    Start,
    Stop,
)

if TYPE_CHECKING:
    from pytest_paragate.judge import ending
    from pytest_paragate.judge.baseline import Baselines
    from pytest_paragate.result import GroupVerdict, WorkerRecord
    from pytest_paragate.run import verdicts
    from pytest_paragate.run.audience import Audience, Reports
    from pytest_paragate.run.nodes import Nodes
    from pytest_paragate.run.outcomes import GroupOutcomes
    from pytest_paragate.run.tries import Tries
    from pytest_paragate.units import Units
    from pytest_paragate.verdict import Verdict
else:
    ending = Late("pytest_paragate.judge.ending")
    verdicts = Late("pytest_paragate.run.verdicts")

# How long after a command's own limit and grace its worker may take to say so before it is killed, seconds.
_OVERDUE_S = 5.0
# How long an item may take to end after its grace, which a command that it runs may need, seconds.
_WINDING_UP_S = 0.2
# How long a result may wait to be reported while there is work to hand out, seconds.
_REPORT_EVERY_S = 0.2
# How often a worker that is busy, or should end, and is silent is looked at, seconds.
_LOOK_EVERY_S = 0.2


class LoopSettings(Value):
    """What a run is told beside its plan.

    ``maxfail`` 0 and ``max_worker_restart`` None mean no limit. The paths are asked for by worker id, ``baselines``
    when a benchmark was judged. ``may_stop_for_failures``: the audience hears of each at once, and may want to stop.
    """

    maxfail: int
    max_worker_restart: int | None
    crash_path: Callable[[str], str]
    journal_path: Callable[[str], str]
    basetemp: Callable[[str], str]
    nodes: Nodes
    baselines: Callable[[], Baselines] | None = None
    may_stop_for_failures: bool = False


class LoopResult:
    """What :meth:`Loop.run` leaves: verdicts by index, workers, and what went wrong around the checks."""

    def __init__(self, size: int) -> None:
        self.verdicts = Ledger(size)
        self.workers: tuple[WorkerRecord, ...] = ()
        self.groups: tuple[GroupVerdict, ...] = ()
        self.problems: list[str] = []
        self.signum: int | None = None
        self.ended_session: tuple[str, str, int | None] | None = None
        self.stopped_by_maxfail = False


class Loop:
    """One run of a plan."""

    def __init__(
        self,
        plan: Plan,
        schedule: Schedule,
        launcher: Launcher,
        inbox: Inbox,
        audience: Audience,
        settings: LoopSettings,
        *,
        started_at: float,
    ) -> None:
        self._plan, self._schedule, self._launcher, self._inbox = plan, schedule, launcher, inbox
        self._audience, self._settings, self._started_at = audience, settings, started_at
        self._nodes = settings.nodes
        self._surroundings: Any = {"gate_started_at": started_at, "baselines": settings.baselines}
        self._seats: dict[Slot, Seat] = {}
        self._launched: list[tuple[WorkerHandle, str, float, int]] = []  # with slot, time and restarts
        self._by_worker: dict[str, Seat] = {}
        self._leavers = Leavers()
        self._journals: dict[str, JournalReader] = {}  # by worker id
        self._being_read: set[str] = set()
        self._looked_at = started_at
        self._has_just_looked = False
        self._restarts = self._failures = 0
        self._lost: Counter[str] = Counter()
        # What few runs need is imported when it is.
        self._groups: GroupOutcomes | None = None
        if plan.groups:
            from pytest_paragate.run.outcomes import GroupOutcomes

            self._groups = GroupOutcomes(plan)
        self._tries: Tries | None = None
        self._units: Units | None = None
        self._resting: dict[int, float] = {}  # when the next try of a paused item is due
        self._unreported: deque[tuple[int, Verdict, Reports]] = deque()
        self._reported_at = started_at
        self._is_stopped = False
        self._result = LoopResult(len(plan.checks))

    # the run

    def run(self) -> LoopResult:
        """Run until every check has its verdict, and no worker has anything left to do: the launcher may be closed."""
        with signals_into(self._inbox):
            try:
                self._obey(self._schedule.feed(Begin(at_s=self._now_s())))
                self._audience.begun()
                while not self._is_done():
                    self._handle(self._next_event())
                    self._report_when_idle()
                self._say_goodbye()
            finally:
                self._launcher.let_go()
            self._report()
        self._sum_up()
        return self._result

    def _sum_up(self) -> None:
        from pytest_paragate.result import WorkerRecord

        self._result.workers = tuple(
            WorkerRecord(id=worker.id, kind=worker.kind, slot=slot, started_s=started_s, restarts=restarts)
            for worker, slot, started_s, restarts in self._launched
        )
        if self._groups is not None:
            self._result.groups = self._groups.verdicts(self._result.verdicts)

    def _is_done(self) -> bool:
        return len(self._result.verdicts) == len(self._plan.checks) or self._is_stuck()

    def _is_stuck(self) -> bool:
        """Whether nothing can happen any more although checks are undecided: our own fault, and never a green run."""
        is_idle = all(not seat.pending for seat in self._seats.values()) and self._inbox.empty()
        return is_idle and not self._resting

    def _now_s(self) -> float:
        return time.monotonic() - self._started_at

    def _next_event(self) -> Event | None:
        """What happens next; None when it is time to look around."""
        times = [seat.deadline for seat in self._seats.values() if seat.deadline is not None]
        times += self._leavers.deadlines()
        times += self._resting.values()
        if self._leavers or any(seat.is_busy for seat in self._seats.values()):
            times.append(self._looked_at + _LOOK_EVERY_S)
        if not times:
            return self._inbox.get()
        until_s = min(times) - time.monotonic()
        if until_s <= 0 and not self._has_just_looked:
            return None
        try:
            return self._inbox.get(timeout=max(until_s, 0.0))
        except queue.Empty:
            return None

    def _handle(self, event: Event | None) -> None:
        self._has_just_looked = event is None
        match event:
            case None:
                self._look_around()
            case Said():
                self._hear(event.worker, event.message)
            case Ended():
                self._worker_ended(event)
            case Signalled():
                self._interrupted(event.signum)
            case _:
                assert_never(event)

    def _look_around(self) -> None:
        """Read what silent workers have written down, and act on what is overdue."""
        self._looked_at = time.monotonic()
        self._read_all()
        self._enforce_deadlines()
        self._end_stopped()
        if self._result.signum is not None:
            for seat in self._seats.values():
                if seat.worker is not None and seat.has_items and not seat.pending:
                    self._retire(seat)  # the others may take their time to end
        for index in [index for index, due_at in self._resting.items() if due_at <= time.monotonic()]:
            if self._resting.pop(index, None) is not None:  # what the others led to may have dropped it
                self._obey(self._schedule.feed(Rested(check=index, at_s=self._now_s())))

    def _obey(self, commands: Sequence[Command]) -> None:
        for command in self._with_decisions(commands):
            match command:
                case Start():
                    self._start(command)
                case Block():
                    self._block(command)
                case Drop():
                    self._drop(command)
                case Retry():
                    pause_s = self._plan.checks[command.check].retry_pause_s
                    if pause_s:
                        self._resting[command.check] = time.monotonic() + pause_s
                case Cancel():
                    self._cancel(command)
                case Decided():
                    pass  # heeded already
                case _:
                    assert_never(command)

    # starting

    def _start(self, command: Start) -> None:
        seat = self._seats.get(command.slot)
        if seat is None:
            seat = self._seats[command.slot] = Seat(command.slot)
        checks, first = command.checks, self._plan.checks[command.checks[0]]
        is_another_try = self._tries is not None and checks[0] in self._tries
        if seat.worker is not None and seat.has_tests and first.kind == "function":
            # It tears everything down behind it; fixtures that tests share stay with the worker that has them.
            self._retire(seat)
        elif seat.worker is not None and seat.has_items and is_another_try and first.kind != "command":
            self._retire(seat)  # each try gets a fresh process
        if seat.worker is None:
            self._launch(seat)
        assert seat.worker is not None
        seat.pending.extend(checks)
        if first.kind == "command":
            self._send_commands(seat, seat.worker, checks)
        else:
            self._join(seat, seat.worker)
            seat.has_tests = seat.has_tests or first.kind == "test"
            order = messages.items(
                self._plan,
                checks,
                self._result.verdicts,
                with_names=not seat.worker.is_copy,
            )
            if first.uses:
                order["units"] = {name: list(units) for name, units in self._take_units(checks[0]).items()}
            seat.worker.send(order)

    def _launch(self, seat: Seat) -> None:
        worker = seat.worker = self._launcher.launch(str(seat.slot))
        seat.has_items = seat.has_tests = seat.is_booting = seat.was_stopped = False
        seat.stopped_at = None
        self._by_worker[worker.id] = seat
        self._journals[worker.id] = JournalReader(self._settings.journal_path(worker.id))
        self._launched.append((worker, str(seat.slot), self._now_s(), seat.restarts))

    def _join(self, seat: Seat, worker: WorkerHandle) -> None:
        """From now on the worker needs a session."""
        if not seat.has_items:
            worker.send(messages.node(self._nodes.join(worker.id)))
            seat.is_booting = not worker.is_copy
        seat.has_items = True

    def _send_commands(self, seat: Seat, worker: WorkerHandle, indices: Sequence[int]) -> None:
        orders = [] if worker.is_copy else [self._order(index) for index in indices]
        if any("own" in order for order in orders):
            self._join(seat, worker)
        if len(indices) > 1:
            worker.send({"do": "commands", "indices": list(indices), **({"orders": orders} if orders else {})})
            return
        if worker.is_copy:  # else it says when it has started, and perhaps collected
            self._began(seat, indices[0], time.monotonic())
        order: Message = orders[0] if orders else {"do": "command", "index": indices[0]}
        if self._plan.checks[indices[0]].uses:
            from pytest_paragate.units import variables

            order["units"] = variables(self._take_units(indices[0]))
        worker.send(order)

    def _take_units(self, index: int) -> Mapping[str, Sequence[int]]:
        if self._units is None:
            from pytest_paragate.units import Units

            self._units = Units(self._plan.checks, self._plan.first_units)
        return self._units.take(index)

    def _order(self, index: int) -> Message:
        check = self._plan.checks[index]
        assert check.command is not None
        return messages.command(index, check, check.command)

    # hearing from workers

    def _hear(self, worker_id: str, message: Message) -> None:
        self._read(worker_id)
        say = message["say"]
        if say == "output":
            self._audience.output(message["index"], message["stream"], message["data"])
        elif say == "basetemp":
            worker = self._worker(worker_id)
            if worker is not None:
                worker.send({"do": "basetemp", "path": self._settings.basetemp(worker_id)})
        elif say == "ready":
            if worker_id in self._by_worker:
                self._by_worker[worker_id].is_booting = False
            self._nodes.ready(worker_id, messages.unpacked(message["info"]))
        elif say == "bye":
            if not message.get("why"):  # else its session has failed, and the end of the worker says how
                self._leavers.said_goodbye(worker_id)
                self._nodes.goodbye(worker_id, messages.unpacked(message["output"]))
            if message.get("problem"):
                self._result.problems.append(f"error at the end of worker {worker_id}: {message['problem']}")
        elif "lines" in message:
            for news in loaded(message["lines"].rstrip("\n").encode()):
                self._learn(worker_id, news)

    def _worker(self, worker_id: str) -> WorkerHandle | None:
        """The worker, at work or saying goodbye."""
        seat = self._by_worker.get(worker_id)
        return seat.worker if seat is not None else self._leavers.get(worker_id)

    def _read(self, worker_id: str) -> None:
        """Take note of all that the worker has written down."""
        if worker_id in self._being_read:
            return  # something in its journal made us look around; the rest comes right after
        self._being_read.add(worker_id)
        for news in self._journals[worker_id].read():
            self._learn(worker_id, news)
        self._being_read.discard(worker_id)

    def _read_all(self) -> None:
        for seat in list(self._seats.values()):
            if seat.worker is not None and seat.pending:
                self._read(seat.worker.id)

    def _learn(self, worker_id: str, news: Sequence[Any]) -> None:
        if type(news) is not list or not news or type(news[0]) is not str:
            return  # somebody else wrote into it
        seat = self._by_worker.get(worker_id)
        kind = news[0]
        if kind == "warning":
            self._audience.warning(messages.unpacked(news[1]))
        elif kind == "late":
            report = {**messages.unpacked(news[1]), "worker_id": worker_id}
            self._report()  # its item's own, before it
            self._audience.late_report(report)
            if report["outcome"] != "skipped":
                problem = ending.crash_message(report)
                self._result.problems.append(f"error in a teardown after {report['nodeid']}: {problem}")
        elif kind in ("tearing", "torn"):
            if seat is not None:
                seat.is_tearing_down = kind == "tearing"
        elif kind == "exit":
            self._session_ended((news[1], news[2], news[3]))
        elif kind == "stop":
            self._audience.want_stop(news[1], news[2])
            self._report()
        elif kind == "left":
            self._left(seat, news[1])
        elif seat is None or news[1] not in seat.pending:
            pass  # a goodbye, or the last words of a worker whose item has its verdict already
        elif kind == "begin":
            self._began(seat, news[1], news[2])
            if seat.order is not None:
                self._tell_to_stop(seat, seat.order)
        else:
            self._item_ended(seat, kind, news)

    def _began(self, seat: Seat, index: int, at: float) -> None:
        check = self._plan.checks[index]
        seat.current, seat.began_at = index, at
        if check.timeout_s is None:
            seat.deadline = None
        else:
            overdue_s = check.grace_s + _OVERDUE_S if check.kind == "command" else 0.0
            seat.deadline = at + check.timeout_s + overdue_s

    def _item_ended(self, seat: Seat, kind: str, news: Sequence[Any]) -> None:
        index = news[1]
        check = self._plan.checks[index]
        verdict, reports, facts = verdicts.of_news(check, kind, news, seat.order, seat.told_s, **self._surroundings)
        worker = seat.worker
        assert worker is not None
        self._release(seat, index)
        if self._is_stopped and seat.pending:
            # It was told to end while it was not known what it had begun; the rest of its run does not count.
            self._give_back(seat, list(seat.pending))
        # Before its worker can end, with which goes everything that is not known to be allowed.
        allowed = [leak.pid for leak in verdict.leaked if not leak.killed]
        if allowed:
            self._launcher.allow(allowed)
        ended_session = facts.get("ended_session") if check.kind == "test" else None
        if (kind == "item" and facts["stopped"]) or facts.get("changed") or ended_session is not None:
            self._retire(seat)
        if ended_session is not None:
            self._session_ended(ended_session)
        self._settle(index, verdict, reports, slot=str(seat.slot), worker=worker.id)

    def _left(self, seat: Seat | None, indices: Sequence[int]) -> None:
        """The worker will not begin these; whatever the controller does not know yet of why."""
        if seat is not None and (given_back := [index for index in indices if index in seat.pending]):
            self._give_back(seat, given_back)
            if not seat.pending:
                seat.forget_item()

    def _release(self, seat: Seat, index: int) -> None:
        seat.pending.remove(index)
        seat.forget_item()
        if self._units is not None:
            self._units.give_back(index)

    # verdicts

    def _settle(self, index: int, verdict: Verdict, reports: Reports = (), *, slot: str, worker: str) -> None:
        """A started check has ended: free its slot, hand out what comes next, and only then tell people."""
        if verdict.outcome.is_curable and self._schedule.has_tries_left(index):
            self._try_again(index, verdict._replace(slot=slot, worker=worker), reports)
            return
        if self._tries is not None:
            verdict = self._tries.joined(index, verdict, reports)
        verdict = self._record(index, verdict, slot=slot, worker=worker)
        # Of a member whose group is undecided nobody knows yet whether it counts.
        is_held = self._hold(index, verdict, reports)
        is_last_straw = not is_held and self._count_failure(verdict)
        reason = self._last_straw()
        commands = self._schedule.feed(Stop(reason=reason, at_s=self._now_s())) if is_last_straw else []
        outcome = verdict.outcome
        finished = Finished(check=index, passed=outcome.is_good, is_skipped=outcome.is_skipped, at_s=self._now_s())
        commands = self._with_decisions([*commands, *self._schedule.feed(finished)])
        if not is_held:
            self._announce(index, verdict, reports)
        # What is blocked by it is noted first: what starts now may ask for its verdict.
        self._obey(commands)
        if is_last_straw:
            self._end_running(reason)
        elif self._settings.may_stop_for_failures and outcome.is_own_failure and not is_held:
            self._report()

    def _try_again(self, index: int, verdict: Verdict, reports: Reports) -> None:
        """Keep what came of a try that is not the last."""
        if self._tries is None:
            from pytest_paragate.run.tries import Tries

            self._tries = Tries()
        tries = self._tries.add(index, verdict, reports)
        self._audience.trying_again(index, verdict, tries)
        self._obey(self._schedule.feed(Finished(check=index, passed=False, is_curable=True, at_s=self._now_s())))

    def _count_failure(self, verdict: Verdict) -> bool:
        """Whether this failure is the one that ``--maxfail`` stops at."""
        if not verdict.outcome.is_own_failure or verdict.is_ok:
            return False
        self._failures += 1
        is_last_straw = self._failures == self._settings.maxfail
        self._result.stopped_by_maxfail = self._result.stopped_by_maxfail or is_last_straw
        return is_last_straw

    def _record(self, index: int, verdict: Verdict, *, slot: str | None = None, worker: str | None = None) -> Verdict:
        check = self._plan.checks[index]
        waited_for = tuple(self._plan.checks[other].nodeid for other in self._schedule.waited_for(index))
        is_advisory = check.advisory and not verdict.is_ok
        verdict = verdict._replace(
            advisory=is_advisory,
            tolerated=self._groups is not None and self._groups.tolerates(index, verdict),
            waited_for=waited_for,
            slot=slot if slot is not None else verdict.slot,
            worker=worker if worker is not None else verdict.worker,
        )
        self._result.verdicts[index] = verdict
        return verdict

    def _announce(self, index: int, verdict: Verdict, reports: Reports = ()) -> None:
        if not self._hold(index, verdict, reports):
            self._unreported.append((index, verdict, reports))

    # groups

    def _hold(self, index: int, verdict: Verdict, reports: Reports) -> bool:
        """Keep the report of a member that did not pass while it is not known whether that counts."""
        if self._groups is None or not self._groups.is_open(index):
            return False
        if verdict.outcome.is_good:
            return False
        self._groups.hold(index, reports)
        return True

    def _with_decisions(self, commands: Sequence[Command]) -> list[Command]:
        """Take note of the groups that are decided, and report what was held until then; returns what else is to do.

        When that makes it the last failure that ``--maxfail`` allows, nothing is started after all.
        """
        if self._groups is None:
            return list(commands)
        left: list[Command] = [command for command in commands if not isinstance(command, Decided)]
        if len(left) == len(commands):
            return left
        is_last_straw = False
        for command in commands:
            if not isinstance(command, Decided):
                continue
            for index, reports in self._groups.decide(command.decision, self._now_s()):
                verdict = self._result.verdicts[index]
                verdict = verdict._replace(tolerated=self._groups.tolerates(index, verdict))
                self._result.verdicts[index] = verdict
                is_last_straw = self._count_failure(verdict) or is_last_straw
                self._announce(index, verdict, reports)
        if is_last_straw:
            reason = self._last_straw()
            starts = [command for command in left if isinstance(command, Start)]
            left = [command for command in left if not isinstance(command, Start)]
            left += self._schedule.feed(Stop(reason=reason, at_s=self._now_s()))
            for start in starts:
                left += self._schedule.feed(Returned(checks=start.checks, at_s=self._now_s()))
            left = self._with_decisions(left)
            self._end_running(reason)
        return left

    def _last_straw(self) -> str:
        return f"stopped after {self._failures} failure{'s' if self._failures > 1 else ''}"

    def _cancel(self, command: Cancel) -> None:
        """End one that its group needs no more, unless it is being ended already."""
        for seat in self._seats.values():
            if command.check in seat.pending and seat.order is None:
                self._tell_to_stop(seat, verdicts.Order(reason=command.reason, is_timeout=False))

    def _drop(self, command: Drop) -> None:
        reports: Reports = ()
        if self._tries is not None and command.check in self._tries:
            # It has run: what it said then is its verdict, not that it did not get to another try.
            self._resting.pop(command.check, None)
            verdict, reports = self._tries.given_up(command.check, command.reason)
        else:
            verdict = verdicts.of_drop(command.reason)
        self._announce(command.check, self._record(command.check, verdict), reports)

    def _report_when_idle(self) -> None:
        """Reporting waits for slots that ask for work, but never long."""
        is_late = time.monotonic() - self._reported_at > _REPORT_EVERY_S
        if self._unreported and (is_late or self._inbox.empty()):
            self._report(patience_s=_REPORT_EVERY_S if is_late else 0.0)

    def _report(self, *, patience_s: float | None = None) -> None:
        """Tell the audience all, or with ``patience_s`` no longer than that when there is something else to do."""
        began_at = time.monotonic()
        while self._unreported:
            self._audience.verdict(*self._unreported.popleft())
            if patience_s is not None and not self._inbox.empty() and time.monotonic() - began_at >= patience_s:
                break
        self._audience.told()
        self._reported_at = time.monotonic()
        reason = self._audience.stop_wanted()
        if reason is not None and not self._is_stopped:
            self._stop(reason)

    def _block(self, command: Block) -> None:
        group = None if command.group is None else self._plan.groups[command.group].name
        cause = self._plan.checks[command.cause].name
        blocked = verdicts.of_block(cause, self._result.verdicts.get(command.cause), group)
        self._announce(command.check, self._record(command.check, blocked))

    # ending what runs

    def _stop(self, reason: str) -> None:
        """Start nothing more, and end what runs."""
        if not self._is_stopped:
            self._obey(self._schedule.feed(Stop(reason=reason, at_s=self._now_s())))
        self._end_running(reason)

    def _end_running(self, reason: str) -> None:
        self._read_all()
        self._is_stopped = True
        for seat in self._seats.values():
            if seat.pending:
                # What is being ended already keeps its reason, and what is left of its grace.
                was_told, deadline = seat.order, seat.deadline
                self._tell_to_stop(seat, was_told or verdicts.Order(reason=reason, is_timeout=False))
                if was_told is not None:
                    seat.deadline = deadline
                # Of a run of tests only the one that runs is ended; the others were not started.
                unstarted = [index for index in seat.pending if index != seat.current]
                if seat.current is not None and unstarted:
                    self._give_back(seat, unstarted)

    def _give_back(self, seat: Seat, indices: Sequence[int]) -> None:
        for index in indices:
            seat.pending.remove(index)
            if self._units is not None:
                self._units.give_back(index)
        self._obey(self._schedule.feed(Returned(checks=tuple(indices), at_s=self._now_s())))

    def _tell_to_stop(self, seat: Seat, order: verdicts.Order, *, kill: bool = False) -> None:
        if seat.worker is None:
            return
        seat.order = order
        seat.told_s = self._now_s() if seat.told_s is None else seat.told_s
        if seat.is_booting and seat.current is None:
            seat.worker.kill()  # nothing has begun that could be ended
            return
        index = seat.current if seat.current is not None else next(iter(seat.pending), None)
        if index is not None:
            seat.worker.send(messages.stop(index, kill=kill, ends_run=self._is_stopped))
        grace_s = 0.0 if kill else self._grace_s(seat)
        is_command = index is not None and not self._is_item(index)
        # A command's grace is its worker's to give; the worker itself is only overdue some time later.
        seat.deadline = time.monotonic() + grace_s + (_OVERDUE_S if is_command else 0.0 if kill else _WINDING_UP_S)

    def _grace_s(self, seat: Seat) -> float:
        index = seat.current if seat.current is not None else next(iter(seat.pending), None)
        return self._plan.checks[index].grace_s if index is not None else 0.0

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for seat in list(self._seats.values()):
            if seat.deadline is None or seat.deadline > now or seat.worker is None:
                continue
            late = verdicts.Order(reason="took too long", is_timeout=True)
            if seat.order is None and self._is_item(seat.current):
                self._tell_to_stop(seat, late)
            else:
                seat.order = seat.order or late
                seat.deadline = None
                if self._is_item(seat.current):
                    seat.printed = seat.worker.printed()
                seat.worker.kill(shows_stack=self._is_item(seat.current))
        for worker_id in self._leavers.kill_overdue():
            self._result.problems.append(f"worker {worker_id} did not end its fixtures in time and was killed")

    def _end_stopped(self) -> None:
        """Kill workers that a signal has stopped and nobody continues: they would never be heard of again."""
        self._leavers.look_for_stopped()
        now = time.monotonic()
        for seat in self._seats.values():
            if seat.worker is None or not seat.pending or not seat.worker.is_stopped():
                seat.stopped_at = None
            elif seat.stopped_at is None:
                seat.stopped_at = now
            elif now - seat.stopped_at > STOPPED_S and seat.was_stopped is False:
                seat.was_stopped = True
                seat.worker.kill()

    def _is_item(self, index: int | None) -> bool:
        return index is not None and self._plan.checks[index].kind != "command"

    # workers that end

    def _retire(self, seat: Seat) -> None:
        """Send the slot's worker home; the next work gets a fresh one."""
        worker = seat.worker
        assert worker is not None
        if seat.pending:
            self._give_back(seat, list(seat.pending))
        self._by_worker.pop(worker.id, None)
        seat.worker = None
        seat.restarts += 1
        self._leavers.dismiss(worker)

    def _worker_ended(self, event: Ended) -> None:
        self._read(event.worker)
        self._journals[event.worker].close()
        self._nodes.ended(event.worker, event.why or ending.status_text(event.status or 0))
        if self._leavers.forget(event.worker):
            if not self._leavers.has_parted(event.worker):
                self._result.problems.append(self._death_in_teardown(event))
            elif event.status not in (0, None, -signal.SIGKILL):
                text = ending.status_text(event.status)
                self._result.problems.append(f"worker {event.worker} ended with {text} after its last item")
            return
        seat = self._by_worker.pop(event.worker, None)
        if seat is None:
            return
        self._restarts += 1
        seat.restarts += 1
        seat.worker = None
        was_tearing_down, seat.is_tearing_down = seat.is_tearing_down, False
        limit = self._settings.max_worker_restart
        if event.is_final or (limit is not None and self._restarts > limit):
            # First, or what its item leaves free would start here again.
            self._lost[seat.slot.agent] += 1
            why = event.why if event.is_final else f"--max-worker-restart allows {limit}"
            self._obey(self._schedule.feed(SlotLost(slot=seat.slot, at_s=self._now_s(), reason=why)))
        if not seat.pending:
            return
        has_others = self._lost[seat.slot.agent] < self._plan.slots[seat.slot.agent]
        problem = None
        if not event.was_fit and has_others:
            # Nothing of it has begun, and others will do it; still the run is not what was asked for.
            problem = f"the slot {seat.slot} was lost: {event.why}"
        elif was_tearing_down and seat.order is None and event.why is None:
            # What comes next has not begun, and the verdict of the item whose fixtures these were is known.
            problem = self._death_in_teardown(event)
        if problem is None:
            self._blame(seat, event)
            return
        self._result.problems.append(problem)
        seat.forget_item()
        self._give_back(seat, list(seat.pending))

    def _death_in_teardown(self, event: Ended) -> str:
        text = event.why or verdicts.how_ended(event.status)
        place = verdicts.place_of_death(self._settings.crash_path(event.worker))
        return f"worker {event.worker} died before its fixtures had ended: {text}{place}"

    def _blame(self, seat: Seat, event: Ended) -> None:
        """The worker died: blame the item that ran, give back those that had not begun."""
        index = seat.current if seat.current is not None else seat.pending[0]
        has_crashed = seat.order is None and seat.current is not None and event.why is None and not self._is_stopped
        if has_crashed and self._is_item(index) and self._nodes.wants_rerun(event.worker, index):
            seat.forget_item()
            self._give_back(seat, list(seat.pending))
            return
        began_at = seat.began_at
        verdict = verdicts.of_death(
            self._plan.checks[index],
            event.worker,
            event.status,
            event.why,
            seat.order,
            was_stopped=seat.was_stopped,
            last_words=verdicts.last_words(self._settings.crash_path(event.worker)),
        )
        verdict = verdict._replace(
            output=seat.printed,
            start_s=None if began_at is None else began_at - self._started_at,
            duration_s=0.0 if began_at is None else time.monotonic() - began_at,
        )
        self._release(seat, index)
        if seat.pending:
            self._give_back(seat, list(seat.pending))
        self._settle(index, verdict, slot=str(seat.slot), worker=event.worker)

    def _say_goodbye(self) -> None:
        """Let every worker tear down what it has set up, and wait for that."""
        for seat in self._seats.values():
            if seat.worker is not None and seat.has_items:
                self._by_worker.pop(seat.worker.id, None)
                self._leavers.dismiss(seat.worker)
        while self._leavers:
            self._report(patience_s=_REPORT_EVERY_S)
            self._handle(self._next_event())

    # interruptions

    def _interrupted(self, signum: int) -> None:
        name = "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name
        if self._result.signum is None:
            self._result.signum = signum
            self._stop(f"interrupted by {name}")
            self._leavers.hurry()
            return
        self._read_all()
        for seat in self._seats.values():
            if seat.worker is not None and seat.pending:
                order = seat.order or verdicts.Order(reason=f"killed by {name}", is_timeout=False)
                self._tell_to_stop(seat, order, kill=True)
                if self._is_item(seat.current):
                    seat.printed = seat.worker.printed()
                    seat.worker.kill()
        self._leavers.kill()

    def _session_ended(self, request: tuple[str, str, int | None]) -> None:
        """A test called ``pytest.exit`` or raised ``KeyboardInterrupt``: so ends the run."""
        if self._result.ended_session is None:
            self._result.ended_session = request
            self._stop(f"a test ended the session: {request[1]}")

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
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_paragate.judge import ending
from pytest_paragate.model import Check, assert_never
from pytest_paragate.plan import Plan
from pytest_paragate.run import messages, verdicts
from pytest_paragate.run.audience import Audience, LoopResult, LoopSettings
from pytest_paragate.run.gateways import Ended, Event, Inbox, Launcher, Said, Signalled, WorkerHandle
from pytest_paragate.run.messages import Message
from pytest_paragate.run.signals import signals_into
from pytest_paragate.schedule import (
    Begin,
    Block,
    Command,
    Drop,
    Finished,
    Returned,
    Schedule,
    Slot,
    SlotLost,
    Start,
    Stop,
)
from pytest_paragate.verdict import Outcome, Verdict, WorkerRecord

# How long after a command's own limit and grace its worker may take to say so before it is killed, seconds.
_OVERDUE_S = 5.0
# How long a result may wait to be reported while there is work to hand out, seconds.
_REPORT_EVERY_S = 0.2
# How long a worker may take to tear down its fixtures at the end, seconds.
_GOODBYE_S = 120.0
# The same after an interruption.
_HASTY_GOODBYE_S = 5.0


@dataclass(slots=True, kw_only=True)
class _Seat:
    """One slot: its worker while it has one, and what that worker is doing."""

    slot: Slot
    worker: WorkerHandle | None = None
    restarts: int = 0
    pending: deque[int] = field(default_factory=deque)
    current: int | None = None
    began_at: float | None = None
    deadline: float | None = None
    order: verdicts.Order | None = None
    has_items: bool = False
    has_tests: bool = False

    def forget_item(self) -> None:
        self.current = self.began_at = self.deadline = self.order = None


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
        self._surroundings: Any = {"gate_started_at": started_at, "baselines": settings.baselines}
        self._seats: dict[Slot, _Seat] = {}
        self._by_worker: dict[str, _Seat] = {}
        self._leaving: dict[str, tuple[WorkerHandle, float]] = {}  # worker id -> handle, when it is killed
        self._restarts = self._failures = 0
        self._unreported: deque[tuple[int, Verdict, Sequence[Mapping[str, Any]]]] = deque()
        self._reported_at = started_at
        self._is_stopped = False
        self._result = LoopResult()

    # the run

    def run(self) -> LoopResult:
        """Run until every check has its verdict and every worker is gone."""
        with signals_into(self._inbox):
            try:
                self._obey(self._schedule.feed(Begin(at_s=self._now_s())))
                self._audience.begun()
                while not self._is_done():
                    self._handle(self._next_event())
                    self._report_when_idle()
                self._say_goodbye()
                self._report()
            finally:
                self._launcher.close()
        return self._result

    def _is_done(self) -> bool:
        return len(self._result.verdicts) == len(self._plan.checks) or self._is_stuck()

    def _is_stuck(self) -> bool:
        """Whether nothing can happen any more although checks are undecided: our own fault, and never a green run."""
        return all(not seat.pending for seat in self._seats.values()) and self._inbox.empty()

    def _now_s(self) -> float:
        return time.monotonic() - self._started_at

    def _next_event(self) -> Event | None:
        deadlines = [seat.deadline for seat in self._seats.values() if seat.deadline is not None]
        deadlines += [deadline for _, deadline in self._leaving.values()]
        if not deadlines:
            return self._inbox.get()
        try:
            return self._inbox.get(timeout=max(0.0, min(deadlines) - time.monotonic()))
        except queue.Empty:
            return None

    def _handle(self, event: Event | None) -> None:
        match event:
            case None:
                self._enforce_deadlines()
            case Said():
                self._hear(event.worker, event.message)
            case Ended():
                self._worker_ended(event)
            case Signalled():
                self._interrupted(event.signum)
            case _:
                assert_never(event)

    def _obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Start():
                    self._start(command)
                case Block():
                    self._block(command)
                case Drop():
                    dropped = Verdict(outcome=Outcome.CANCELLED, summary=command.reason, reason=command.reason)
                    self._announce(command.check, self._record(command.check, dropped))
                case _:
                    assert_never(command)

    # starting

    def _start(self, command: Start) -> None:
        seat = self._seats.get(command.slot)
        if seat is None:
            seat = self._seats[command.slot] = _Seat(slot=command.slot)
        first = self._plan.checks[command.checks[0]]
        if seat.worker is not None and seat.has_tests and first.kind == "function":
            # It tears everything down behind it; fixtures that tests share stay with the worker that has them.
            self._retire(seat)
        if seat.worker is None:
            self._launch(seat)
        assert seat.worker is not None
        seat.pending.extend(command.checks)
        if first.kind == "command":
            self._send_command(seat, command.checks[0], first)
        else:
            seat.has_items = True
            seat.has_tests = seat.has_tests or first.kind == "test"
            basetemp = self._settings.basetemp(seat.worker.id)
            seat.worker.send(messages.items(self._plan, command.checks, self._result.verdicts, basetemp=basetemp))

    def _launch(self, seat: _Seat) -> None:
        worker = seat.worker = self._launcher.launch(str(seat.slot))
        seat.has_items = seat.has_tests = False
        self._by_worker[worker.id] = seat
        self._result.workers.append(
            WorkerRecord(
                id=worker.id,
                kind=worker.kind,
                slot=str(seat.slot),
                started_s=self._now_s(),
                restarts=seat.restarts,
            )
        )

    def _send_command(self, seat: _Seat, index: int, check: Check) -> None:
        spec, timeout_s = check.command, check.timeout_s
        assert spec is not None
        assert seat.worker is not None
        seat.current, seat.began_at = index, time.monotonic()
        if timeout_s is not None:
            seat.deadline = seat.began_at + timeout_s + check.grace_s + _OVERDUE_S
        seat.worker.send(messages.command(index, check, spec))

    # hearing from workers

    def _hear(self, worker_id: str, message: Message) -> None:
        seat = self._by_worker.get(worker_id)
        say = message["say"]
        if say == "warning":
            self._audience.warning(message["warning"])
        elif say == "late":
            report = message["report"]
            self._audience.late_report(report)
            problem = ending.crash_message(report)
            self._result.problems.append(f"error in a teardown after {report['nodeid']}: {problem}")
        elif say == "left":
            self._left(seat, message["indices"])
        elif say == "output":
            self._audience.output(message["index"], message["stream"], message["data"])
        elif seat is None or message.get("index") not in seat.pending:
            pass  # a goodbye, or the last words of a worker whose item has its verdict already
        elif say == "begin":
            self._item_began(seat, message)
        else:
            self._item_ended(seat, message)

    def _item_began(self, seat: _Seat, message: Message) -> None:
        seat.current, seat.began_at = message["index"], message["at"]
        timeout_s = self._plan.checks[message["index"]].timeout_s
        seat.deadline = None if timeout_s is None else message["at"] + timeout_s
        if seat.order is not None:
            self._tell_to_stop(seat, seat.order)

    def _item_ended(self, seat: _Seat, message: Message) -> None:
        index = message["index"]
        check = self._plan.checks[index]
        reports: Sequence[Mapping[str, Any]] = ()
        if message["say"] == "command":
            verdict = verdicts.of_command(check, message, seat.order, **self._surroundings)
        elif message["say"] == "item":
            verdict = verdicts.of_item(check, message, seat.order, **self._surroundings)
            reports = message["reports"]
        else:
            verdict = Verdict(outcome=Outcome.ERROR, summary=message["why"], reason=message["why"])
        assert seat.worker is not None
        verdict = verdict._replace(slot=str(seat.slot), worker=seat.worker.id)
        self._release(seat, index)
        if self._is_stopped and seat.pending:
            # It was told to end while it was not known what it had begun; the rest of its run does not count.
            self._give_back(seat, list(seat.pending))
        # Before its worker can end, with which goes everything that is not known to be allowed.
        allowed = [leak.pid for leak in verdict.leaked if not leak.killed]
        if allowed:
            self._launcher.allow(allowed)
        has_ended_session = message.get("ended_session") and check.kind == "test"
        if (message.get("stopped") and message["say"] == "item") or message.get("changed") or has_ended_session:
            self._retire(seat)
        if has_ended_session:
            self._session_ended(message["ended_session"])
        self._settle(index, verdict, reports)

    def _left(self, seat: _Seat | None, indices: Sequence[int]) -> None:
        """The worker will not begin these; whatever the controller does not know yet of why."""
        if seat is not None and (given_back := [index for index in indices if index in seat.pending]):
            self._give_back(seat, given_back)
            if not seat.pending:
                seat.forget_item()

    def _release(self, seat: _Seat, index: int) -> None:
        seat.pending.remove(index)
        seat.forget_item()

    # verdicts

    def _settle(self, index: int, verdict: Verdict, reports: Sequence[Mapping[str, Any]] = ()) -> None:
        """A started check has ended: free its slot, hand out what comes next, and only then tell people."""
        verdict = self._record(index, verdict)
        is_last_straw = self._count_failure(verdict)
        reason = f"stopped after {self._failures} failure{'s' if self._failures > 1 else ''}"
        commands = self._schedule.feed(Stop(reason=reason, at_s=self._now_s())) if is_last_straw else []
        passed = verdict.outcome in (Outcome.PASSED, Outcome.SKIPPED)
        commands += self._schedule.feed(Finished(check=index, passed=passed, at_s=self._now_s()))
        self._obey([command for command in commands if isinstance(command, Start)])
        self._announce(index, verdict, reports)
        self._obey([command for command in commands if not isinstance(command, Start)])
        if is_last_straw:
            self._end_running(reason)

    def _count_failure(self, verdict: Verdict) -> bool:
        """Whether this failure is the one that ``--maxfail`` stops at."""
        if not verdict.outcome.is_own_failure or verdict.is_ok:
            return False
        self._failures += 1
        self._result.stopped_by_maxfail = self._failures == self._settings.maxfail
        return self._result.stopped_by_maxfail

    def _record(self, index: int, verdict: Verdict) -> Verdict:
        check = self._plan.checks[index]
        waited_for = tuple(self._plan.checks[other].nodeid for other in self._schedule.waited_for(index))
        verdict = verdict._replace(advisory=check.advisory and not verdict.is_ok, waited_for=waited_for)
        self._result.verdicts[index] = verdict
        return verdict

    def _announce(self, index: int, verdict: Verdict, reports: Sequence[Mapping[str, Any]] = ()) -> None:
        self._unreported.append((index, verdict, reports))

    def _report_when_idle(self) -> None:
        """Reporting waits for slots that ask for work, but never long."""
        if self._unreported and (self._inbox.empty() or time.monotonic() - self._reported_at > _REPORT_EVERY_S):
            self._report()

    def _report(self) -> None:
        while self._unreported:
            self._audience.verdict(*self._unreported.popleft())
        self._audience.told()
        self._reported_at = time.monotonic()
        reason = self._audience.stop_wanted()
        if reason is not None and not self._is_stopped:
            self._stop(reason)

    def _block(self, command: Block) -> None:
        cause = self._plan.checks[command.cause]
        reason = f"needs {cause.name}, which {_past(self._result.verdicts.get(command.cause))}"
        blocked = Verdict(outcome=Outcome.BLOCKED, summary=f"needs {cause.name}", reason=reason)
        self._announce(command.check, self._record(command.check, blocked))

    # ending what runs

    def _stop(self, reason: str) -> None:
        """Start nothing more, and end what runs."""
        if not self._is_stopped:
            self._obey(self._schedule.feed(Stop(reason=reason, at_s=self._now_s())))
        self._end_running(reason)

    def _end_running(self, reason: str) -> None:
        self._is_stopped = True
        for seat in self._seats.values():
            if seat.pending:
                self._tell_to_stop(seat, verdicts.Order(reason=reason, is_timeout=False))
                # Of a run of tests only the one that runs is ended; the others were not started.
                unstarted = [index for index in seat.pending if index != seat.current]
                if seat.current is not None and unstarted:
                    self._give_back(seat, unstarted)

    def _give_back(self, seat: _Seat, indices: Sequence[int]) -> None:
        for index in indices:
            seat.pending.remove(index)
        self._obey(self._schedule.feed(Returned(checks=tuple(indices), at_s=self._now_s())))

    def _tell_to_stop(self, seat: _Seat, order: verdicts.Order, *, kill: bool = False) -> None:
        if seat.worker is None:
            return
        seat.order = order
        index = seat.current if seat.current is not None else next(iter(seat.pending), None)
        if index is not None:
            seat.worker.send(messages.stop(index, kill=kill, ends_run=self._is_stopped))
        grace_s = 0.0 if kill else self._grace_s(seat)
        is_command = seat.current is not None and self._plan.checks[seat.current].kind == "command"
        # A command's grace is its worker's to give; the worker itself is only overdue some time later.
        seat.deadline = time.monotonic() + grace_s + (_OVERDUE_S if is_command else 0.0)

    def _grace_s(self, seat: _Seat) -> float:
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
                seat.worker.kill()
        for worker_id, (worker, kill_at) in list(self._leaving.items()):
            if kill_at <= now:
                self._result.problems.append(f"worker {worker_id} did not end its fixtures in time and was killed")
                self._leaving[worker_id] = worker, now + _GOODBYE_S
                worker.kill()

    def _is_item(self, index: int | None) -> bool:
        return index is not None and self._plan.checks[index].kind != "command"

    # workers that end

    def _retire(self, seat: _Seat) -> None:
        """Send the slot's worker home; the next work gets a fresh one."""
        worker = seat.worker
        assert worker is not None
        if seat.pending:
            self._give_back(seat, list(seat.pending))
        self._by_worker.pop(worker.id, None)
        seat.worker = None
        seat.restarts += 1
        self._dismiss(worker, _GOODBYE_S)

    def _dismiss(self, worker: WorkerHandle, patience_s: float) -> None:
        worker.send(messages.exit())
        self._leaving[worker.id] = worker, time.monotonic() + patience_s

    def _worker_ended(self, event: Ended) -> None:
        if self._leaving.pop(event.worker, None) is not None:
            if event.status not in (0, None, -signal.SIGKILL):
                text = ending.status_text(event.status)
                self._result.problems.append(f"worker {event.worker} ended with {text} after its last item")
            return
        seat = self._by_worker.pop(event.worker, None)
        if seat is None:
            return
        self._restarts += 1
        seat.restarts += 1
        seat.worker = None
        limit = self._settings.max_worker_restart
        if limit is not None and self._restarts > limit:
            # First, or what its item leaves free would start here again.
            self._obey(self._schedule.feed(SlotLost(slot=seat.slot, at_s=self._now_s())))
        if seat.pending:
            self._blame(seat, event)

    def _blame(self, seat: _Seat, event: Ended) -> None:
        """The worker died: blame the item that ran, give back those that had not begun."""
        index = seat.current if seat.current is not None else seat.pending[0]
        began_at = seat.began_at
        verdict = verdicts.of_death(
            self._plan.checks[index],
            event.worker,
            event.status,
            event.why,
            seat.order,
            last_words=verdicts.last_words(self._settings.crash_path(event.worker)),
        )
        verdict = verdict._replace(
            start_s=None if began_at is None else began_at - self._started_at,
            duration_s=0.0 if began_at is None else time.monotonic() - began_at,
            slot=str(seat.slot),
            worker=event.worker,
        )
        self._release(seat, index)
        if seat.pending:
            self._give_back(seat, list(seat.pending))
        self._settle(index, verdict)

    def _say_goodbye(self) -> None:
        """Let every worker tear down what it has set up, and wait for that."""
        patience_s = _GOODBYE_S if self._result.signum is None else _HASTY_GOODBYE_S
        for seat in self._seats.values():
            if seat.worker is not None and seat.has_items:
                self._by_worker.pop(seat.worker.id, None)
                self._dismiss(seat.worker, patience_s)
        while self._leaving:
            self._report()
            self._handle(self._next_event())

    # interruptions

    def _interrupted(self, signum: int) -> None:
        name = "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name
        if self._result.signum is None:
            self._result.signum = signum
            self._stop(f"interrupted by {name}")
            self._leaving = {
                worker_id: (worker, min(kill_at, time.monotonic() + _HASTY_GOODBYE_S))
                for worker_id, (worker, kill_at) in self._leaving.items()
            }
            return
        for seat in self._seats.values():
            if seat.worker is not None and seat.pending:
                order = seat.order or verdicts.Order(reason=f"killed by {name}", is_timeout=False)
                self._tell_to_stop(seat, order, kill=True)
                if self._is_item(seat.current):
                    seat.worker.kill()
        for worker, _ in self._leaving.values():
            worker.kill()

    def _session_ended(self, request: tuple[str, str, int | None]) -> None:
        """A test called ``pytest.exit`` or raised ``KeyboardInterrupt``: so ends the run."""
        if self._result.ended_session is None:
            self._result.ended_session = request
            self._stop(f"a test ended the session: {request[1]}")


def _past(verdict: Verdict | None) -> str:
    if verdict is None:
        return "did not pass"
    words = {Outcome.TIMEOUT: "took too long", Outcome.ERROR: "could not run", Outcome.BLOCKED: "is blocked itself"}
    return words.get(verdict.outcome, str(verdict.outcome))

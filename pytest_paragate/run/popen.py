"""Workers on interpreters of their own: on this machine, or wherever ``--tx`` and hooks lead."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import execnet

from pytest_paragate.model import DEFAULT_AGENT
from pytest_paragate.run import linux, messages, stack
from pytest_paragate.run.elsewhere import ANSWER_S, Elsewhere, Guest, Luggage, in_words, shift_clock
from pytest_paragate.run.excerpt import read_captured
from pytest_paragate.run.gateways import (
    SETTLE_S,
    TASK,
    Connected,
    ForkLauncher,
    Inbox,
    Setup,
    WorkerHandle,
    WorkerKind,
    later,
)
from pytest_paragate.run.journal import line_of, loaded
from pytest_paragate.run.messages import Message
from pytest_paragate.specs import Gateways, GatewaySpec


def slots_of(gateways: Gateways) -> Mapping[str, GatewaySpec]:
    """Which slots have a gateway of their own: those of the test-runner, in the order given."""
    return {f"{DEFAULT_AGENT}/{number}": spec for number, spec in enumerate(gateways.slots)}


class PopenWorker(Connected):
    """A worker on an interpreter of its own; ``kind`` says what leads to it."""

    is_copy: Final = False

    def __init__(self, worker_id: str, inbox: Inbox, kind: WorkerKind) -> None:
        super().__init__(worker_id, inbox)
        self.kind: WorkerKind = kind
        self._guest: Guest | None = None
        self._is_kept = self._is_killed = False
        self._luggage: Luggage | None = None

    def adopt(self, guest: Guest, task: str, setup: Message, *, is_kept: bool) -> None:
        """Take the gateway that was started for this worker, below a keeper or not, unless it was killed meanwhile."""
        with self._lock:
            self._guest, self._is_kept = guest, is_kept
            self._unsent.insert(0, {**setup, **guest.changes})
            if guest.changes.get("sends_files"):
                self._luggage = Luggage(self.id, setup["spool"], setup["crash_path"])
            is_killed = self._is_killed
        if is_killed:
            self._kill_process(guest)
            self._leave(guest)
            return
        self.connect(guest.gateway, task)
        threading.Thread(target=self._wait, args=(guest,), name=f"paragate-{self.id}", daemon=True).start()

    def kill(self, *, shows_stack: bool = False) -> None:
        with self._lock:
            is_first, self._is_killed = not self._is_killed, True
            guest = self._guest
        if shows_stack and (pids := self._pids()):
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, stack.SIGNUM)
            time.sleep(stack.WRITING_S)
        if guest is not None:
            self._kill_process(guest)
        elif is_first:
            self.gone(None, "it was not up yet when it was told to end")

    def is_stopped(self) -> bool:
        pids = self._pids()
        if self._is_kept and pids and self._guest is not None:
            pids.append(self._guest.process.pid)  # type: ignore[attr-defined]
        return any(linux.is_stopped(pid) for pid in pids)

    def printed(self) -> str:
        return "".join(map(read_captured, self._pids()))

    def _pids(self) -> list[int]:
        """The worker's process, where one can be seen."""
        pid = getattr(self._guest.process, "pid", None) if self._guest is not None else None
        if pid is None or not linux.has_pidfd():
            return []
        return linux.children(pid) if self._is_kept else [pid]

    def give_up(self, why: str) -> None:
        """Stop waiting for a gateway that is not there yet; no other will be there sooner."""
        with self._lock:
            is_late, self._is_killed = self._guest is None and not self._is_killed, True
        if is_late:
            self.fail(why)

    def fail(self, why: str) -> None:
        """There is no gateway for it, and will be none."""
        self._was_fit = False
        self.gone(None, why, is_final=True)

    def _kill_process(self, guest: Guest) -> None:
        process = guest.process
        if process.poll() is not None:
            return
        if self._is_kept:
            process.terminate()  # the keeper kills everything below it
            with contextlib.suppress(OSError, AttributeError):  # it ended meanwhile
                os.kill(process.pid, signal.SIGCONT)  # type: ignore[attr-defined]  # in case that it was stopped
            return
        with contextlib.suppress(OSError, AttributeError):  # it ended meanwhile
            for pid in linux.descendants(process.pid):  # type: ignore[attr-defined]
                os.kill(pid, signal.SIGKILL)
        process.kill()

    def _wait(self, guest: Guest) -> None:
        status = guest.process.wait()
        if self._luggage is not None:
            self._luggage.keep_last_words(guest.process)
        self.gone(status)
        self._leave(guest)

    def _leave(self, guest: Guest) -> None:
        guest.gateway.exit()
        if guest.way is not None:
            guest.way.exit()

    def _receive(self, message: Message | None) -> None:
        if message is not None and self._guest is not None and self._guest.way is not None:
            message = messages.opened(message)
            if self._luggage is not None and self._luggage.take(message):
                return
            if "lines" in message:
                message["lines"] = self._at_home(message["lines"], self._guest.behind_s)
        super()._receive(message)

    def _at_home(self, lines: str, behind_s: float) -> str:
        """News from another machine with times as our clock shows them, and logs where they are here."""
        found = loaded(lines.rstrip("\n").encode())
        for news in found:
            shift_clock(news, behind_s)
            if self._luggage is not None and news[0] == "command":
                self._luggage.rename(news[2])
        return "".join(line_of(news).decode() for news in found)


class PopenLauncher:
    """Workers on fresh interpreters: here, where ``gateways`` lead for some slots, or where ``make_gateway`` does.

    ``folder`` is the run's own. Workers elsewhere compare what they collect with ``nodeids``.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        setup: Setup,
        nodeids: Sequence[str],
        make_gateway: Callable[[str], execnet.Gateway | None],
        gateways: Gateways,
        folder: str,
        numbers: Iterator[int],
    ) -> None:
        self._inbox, self._setup, self._make_gateway, self._nodeids = inbox, setup, make_gateway, nodeids
        self._slots, self._numbers = slots_of(gateways), numbers
        self._group = execnet.Group(execmodel="thread")
        self._elsewhere = Elsewhere(self._group, gateways.proxies, folder)
        self._workers: list[PopenWorker] = []

    @property
    def pids(self) -> set[int]:
        """The processes started here, now and later."""
        return self._elsewhere.pids

    def launch(self, slot: str) -> PopenWorker:
        spec = self._slots.get(slot)
        worker = PopenWorker(f"gw{next(self._numbers)}", self._inbox, spec.kind if spec is not None else "popen")
        self._workers.append(worker)
        # Booting an interpreter takes a while, and no other slot should wait for it.
        threading.Thread(
            target=self._start, args=(worker, slot, spec), name=f"paragate-start-{worker.id}", daemon=True
        ).start()
        return worker

    def allow(self, pids: list[int]) -> None:
        pass  # workers tell their keepers, and without a keeper children are left to the system

    def let_go(self) -> None:
        for worker in self._workers:
            worker.kill()

    def close(self) -> None:
        self.let_go()
        self._group.terminate(timeout=SETTLE_S)
        self._elsewhere.close()

    def _start(self, worker: PopenWorker, slot: str, spec: GatewaySpec | None) -> None:
        where = f" ({spec.text})" if spec is not None else ""
        setup = self._setup(worker.id)
        try:
            way = self._make_gateway(slot)
            if way is not None or spec is not None:
                later(ANSWER_S, lambda: worker.give_up(f"its gateway{where} did not answer within {ANSWER_S:g} s"))
            if way is not None:
                guest, is_kept = self._elsewhere.lodge(way, worker.id), True
            elif spec is not None:
                guest, is_kept = self._elsewhere.start(spec, worker.id), linux.has_pidfd() or not spec.is_local
            else:
                guest, is_kept = self._elsewhere.here(worker.id), linux.has_pidfd()
            if guest.changes.get("is_guest"):
                setup["nodeids"] = self._nodeids
            worker.adopt(guest, TASK.format(entry="booted"), setup, is_kept=is_kept)
        except Exception as problem:
            worker.fail(f"its gateway{where} could not be started: {in_words(problem)}")


class MixedLauncher:
    """Slots that have ``gateways`` are elsewhere; all others are here."""

    def __init__(self, here: ForkLauncher, elsewhere: PopenLauncher, gateways: Gateways) -> None:
        self._here, self._elsewhere, self._there = here, elsewhere, slots_of(gateways)
        here.spared = elsewhere.pids

    def launch(self, slot: str) -> WorkerHandle:
        return (self._elsewhere if slot in self._there else self._here).launch(slot)

    def allow(self, pids: list[int]) -> None:
        self._here.allow(pids)

    def let_go(self) -> None:
        self._elsewhere.let_go()
        self._here.let_go()

    def close(self) -> None:
        self._elsewhere.close()
        self._here.close()

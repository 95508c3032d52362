"""Slots as execnet gateways: starts workers, carries messages, and says how each worker ended.

Every event lands in one inbox, in the order in which it became known:

- ``Said(worker, message)``: the worker sent a message (see :mod:`pytest_paragate.run.worker`);
- ``Ended(worker, status, why)``: the worker's connection is closed and its process is gone. Nothing follows it.

Starting a worker returns at once; messages sent before it is up are delivered when it is.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from pytest_paragate.model import Value
from pytest_paragate.run import linux, messages
from pytest_paragate.run.messages import Message
from pytest_paragate.run.zygote import Zygote

if TYPE_CHECKING:
    import execnet

# How long a worker's last messages may follow its death, and its death the end of its connection, seconds.
SETTLE_S = 2.0
TASK = "from pytest_paragate.run.start import {entry}; {entry}(channel)"


class Said(Value):
    worker: str
    message: Message


class Ended(Value):
    """``status`` is as in :mod:`subprocess`: negative for a signal, None when it is not known.

    ``is_final``: no other worker can be started in its place, for the reason ``why``. ``was_fit`` is false where it
    never came to be a worker: nothing that it was given has begun.
    """

    worker: str
    status: int | None
    why: str | None = None
    is_final: bool = False
    was_fit: bool = True


class Signalled(Value):
    """The controller itself got a signal."""

    signum: int


Event = Said | Ended | Signalled
Inbox = queue.SimpleQueue[Event]


WorkerKind = Literal["fork", "popen", "ssh", "vagrant_ssh", "socket"]


class WorkerHandle(Protocol):
    """One worker as the controller sees it."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> WorkerKind: ...

    @property
    def is_copy(self) -> bool:
        """Whether it has inherited what was collected, so that an index says which item or command is meant."""

    def send(self, message: Message) -> None: ...

    def kill(self, *, shows_stack: bool = False) -> None:
        """End the process and its group at once, or after it has said what it is doing."""

    def is_stopped(self) -> bool:
        """Whether a signal has stopped the process."""

    def printed(self) -> str:
        """What the running item has printed and not told, where that can be seen."""


Setup = Callable[[str], Message]
"""What a worker is told before its first work, by its id."""


class Launcher(Protocol):
    """Starts workers of one kind. They number from 0: ``gw0``, ``gw1``, …"""

    def launch(self, slot: str) -> WorkerHandle: ...

    def allow(self, pids: list[int]) -> None:
        """Let these processes outlive the run."""

    def let_go(self) -> None:
        """Begin to kill what is left; :meth:`close` waits until it is gone."""

    def close(self) -> None:
        """Kill what is left and release everything."""


class Connected:
    """A worker's channel, and the two facts that together mean its end: connection closed, process gone."""

    def __init__(self, worker_id: str, inbox: Inbox) -> None:
        self.id = worker_id
        self._inbox = inbox
        self._lock = threading.Lock()
        self._channel: Any = None
        self._unsent: list[Message] = []
        self._is_closed = False
        self._status: int | None = None
        self._is_gone = False
        self._has_ended = False
        self._said_goodbye = self._is_abandoned = self._is_final = False
        self._was_fit = True
        self._fault: str | None = None

    def connect(self, gateway: execnet.Gateway, task: str) -> None:
        try:
            channel = gateway.remote_exec(task)
        except OSError:
            return  # it died at once; gone() says how
        self._gateway = gateway
        channel.setcallback(self._receive, endmarker=None)
        with self._lock:
            self._channel, unsent, self._unsent = channel, self._unsent, []
            for message in unsent:
                self._send(message)

    def send(self, message: Message) -> None:
        with self._lock:
            if self._channel is None:
                self._unsent.append(message)
            else:
                self._send(message)

    def _send(self, message: Message) -> None:
        try:
            messages.send(self._channel, message)
        except OSError:
            pass  # it is gone; Ended says so

    def _receive(self, message: Message | None) -> None:
        if message is not None:
            message = messages.opened(message)
            if message["say"] == "unfit":
                self._fault, self._is_final, self._was_fit = message["why"], True, False
                self._said_goodbye = True
                self._gateway.exit()
                return
            self._inbox.put(Said(worker=self.id, message=message))
            if message["say"] == "bye":
                self._said_goodbye = True
                self._fault = self._fault or message.get("why")
                self._gateway.exit()  # its work is done; this lets its process end
            return
        with self._lock:
            self._is_closed = True
            lives_on = not (self._is_gone or self._said_goodbye)
        self._check_ended()
        if lives_on:
            later(SETTLE_S, self._abandon)

    def _abandon(self) -> None:
        """End a process that lives on without a connection: it would never be heard of again."""
        import execnet

        if self._is_gone:
            return
        try:
            self._channel.waitclose(SETTLE_S)
        except execnet.RemoteError as problem:
            self._fault = f"its worker failed: {str(problem).strip().rpartition(chr(10))[2]}"
        except (OSError, EOFError):
            pass
        self._is_abandoned = True
        self.kill()

    def kill(self, *, shows_stack: bool = False) -> None:
        raise NotImplementedError

    def gone(self, status: int | None, why: str | None = None, *, is_final: bool = False) -> None:
        """The process has ended. What it sent last may still be on its way, unless something holds its pipe open."""
        with self._lock:
            self._is_final = self._is_final or is_final
            # What we had to kill for want of a connection did not die of a signal.
            self._is_gone, self._status = True, None if self._is_abandoned else status
            self._fault = why or self._fault
            was_connected = self._channel is not None
        self._check_ended()
        if not self._has_ended:
            later(SETTLE_S if was_connected else 0, self._end)

    def _check_ended(self) -> None:
        if self._is_closed and self._is_gone:
            self._end()

    def _end(self) -> None:
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
        self._inbox.put(
            Ended(worker=self.id, status=self._status, why=self._fault, is_final=self._is_final, was_fit=self._was_fit)
        )


def later(delay_s: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, what)
    timer.name, timer.daemon = "paragate-later", True
    timer.start()


# --- fork workers ---------------------------------------------------------------------------------------------------


class ForkWorker(Connected):
    kind: Final = "fork"
    is_copy: Final = True

    def __init__(self, worker_id: str, inbox: Inbox, zygote: Zygote) -> None:
        super().__init__(worker_id, inbox)
        self._zygote = zygote
        self.pid: int | None = None

    def kill(self, *, shows_stack: bool = False) -> None:
        self._zygote.kill(self.id, shows_stack=shows_stack)

    def is_stopped(self) -> bool:
        return self._zygote.is_stopped() or (self.pid is not None and linux.is_stopped(self.pid))

    def printed(self) -> str:
        from pytest_paragate.run.excerpt import read_captured

        return "" if self.pid is None else read_captured(self.pid)


class ForkLauncher:
    """Workers forked from a zygote; each pair of pipes is wrapped in an execnet gateway.

    The first one is forked at once: some slot will have work, and until it is known which, both sides prepare.
    ``basics`` is what a worker is told then, by its id.
    """

    def __init__(self, zygote: Zygote, inbox: Inbox, basics: Setup, numbers: Iterator[int]) -> None:
        import execnet

        self._numbers = numbers
        self._zygote, self._inbox, self._basics = zygote, inbox, basics
        self._group = execnet.Group()
        self._workers: dict[str, ForkWorker] = {}
        self._loss: str | None = None
        self._allowed: set[int] = set()
        self._is_closing = False
        # Children of this process that have nothing to do with the fork server.
        self.spared: set[int] = set()
        self._adopts = False
        self._first: ForkWorker | None = self._fork()
        self._listener = threading.Thread(target=self._listen, name="paragate-zygote", daemon=True)
        self._listener.start()

    def launch(self, slot: str) -> ForkWorker:
        worker, self._first = self._first or self._fork(), None
        return worker

    def _fork(self) -> ForkWorker:
        from execnet.gateway import Gateway
        from execnet.xspec import XSpec

        from pytest_paragate.run.pipe_io import PipeIO

        worker_id = f"gw{next(self._numbers)}"
        their_read, our_write = os.pipe()
        our_read, their_write = os.pipe()
        worker = self._workers[worker_id] = ForkWorker(worker_id, self._inbox, self._zygote)
        try:
            self._zygote.fork(worker_id, their_read, their_write)
        except OSError as problem:
            worker.gone(None, self._loss or f"the fork server is gone: {problem}", is_final=True)
        finally:
            os.close(their_read)
            os.close(their_write)
        spec = XSpec(f"fork//id={worker_id}//execmodel=main_thread_only")
        gateway = Gateway(PipeIO(our_read, our_write, "thread"), spec)
        self._group._register(gateway)
        worker.connect(gateway, TASK.format(entry="forked"))
        worker.send(self._basics(worker_id))
        return worker

    def allow(self, pids: list[int]) -> None:
        self._allowed.update(pids)
        self._zygote.allow(pids)

    def let_go(self) -> None:
        self._is_closing = True
        self._zygote.end()

    def close(self) -> None:
        self._is_closing = True
        self._zygote.close(self._listener)
        self._group.terminate(timeout=SETTLE_S)
        if self._adopts:
            linux.become_subreaper(False)

    def _hear(self, news: dict[str, Any]) -> None:
        if "started" in news:
            self._workers[news["started"]].pid = news["pid"]
        elif "failed" in news:
            self._workers[news["failed"]].gone(None, f"its worker could not start: {news['why']}")
        else:
            self._workers[news["ended"]].gone(os.waitstatus_to_exitcode(news["status"]))

    def _listen(self) -> None:
        # Should the fork server be killed, what its workers have started comes here.
        self._adopts = linux.become_subreaper()
        while (news := self._zygote.receive()) is not None:
            self._hear(news)
        self._loss = self._zygote.how_ended()
        if not self._is_closing:
            from pytest_paragate.run import orphans

            orphans.kill(self._allowed | self.spared)
        for worker in list(self._workers.values()):
            worker.gone(None, self._loss, is_final=True)

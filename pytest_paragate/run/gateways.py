"""Slots as execnet gateways: starts workers, carries messages, and says how each worker ended.

Every event lands in one inbox, in the order in which it became known:

- ``Said(worker, message)``: the worker sent a message (see :mod:`pytest_paragate.run.worker`);
- ``Ended(worker, status, why)``: the worker's connection is closed and its process is gone. Nothing follows it.

Starting a worker returns at once; messages sent before it is up are delivered when it is.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from pytest_paragate.run import keeper, linux, messages, stack
from pytest_paragate.run.messages import Message
from pytest_paragate.run.zygote import Zygote

if TYPE_CHECKING:
    import execnet

# How long a worker's last messages may follow its death, and its death the end of its connection, seconds.
_SETTLE_S = 2.0
_TASK = "from pytest_paragate.run.start import {entry}; {entry}(channel)"


class Said(NamedTuple):
    worker: str
    message: Message


class Ended(NamedTuple):
    """``status`` is as in :mod:`subprocess`: negative for a signal, None when it is not known."""

    worker: str
    status: int | None
    why: str | None = None


class Signalled(NamedTuple):
    """The controller itself got a signal."""

    signum: int


Event = Said | Ended | Signalled
Inbox = queue.SimpleQueue[Event]


class WorkerHandle(Protocol):
    """One worker as the controller sees it."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> Literal["fork", "popen"]: ...

    @property
    def is_copy(self) -> bool:
        """Whether it has inherited what was collected, so that an index says which item or command is meant."""

    def send(self, message: Message) -> None: ...

    def kill(self, *, shows_stack: bool = False) -> None:
        """End the process and its group at once, or after it has said what it is doing."""

    def is_stopped(self) -> bool:
        """Whether a signal has stopped the process."""


Setup = Callable[[str, str], Message]
"""Everything that a worker must know, by its id and slot."""


class Launcher(Protocol):
    """Starts workers of one kind. They number from 0: ``gw0``, ``gw1``, …"""

    def launch(self, slot: str) -> WorkerHandle: ...

    def allow(self, pids: list[int]) -> None:
        """Let these processes outlive the run."""

    def close(self) -> None:
        """Kill what is left and release everything."""


class _Connected:
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
        self._said_goodbye = self._is_abandoned = False
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
            self._inbox.put(Said(worker=self.id, message=message))
            if message["say"] == "bye":
                self._said_goodbye = True
                self._gateway.exit()  # its work is done; this lets its process end
            return
        with self._lock:
            self._is_closed = True
            lives_on = not (self._is_gone or self._said_goodbye)
        self._check_ended()
        if lives_on:
            _later(_SETTLE_S, self._abandon)

    def _abandon(self) -> None:
        """End a process that lives on without a connection: it would never be heard of again."""
        import execnet

        if self._is_gone:
            return
        try:
            self._channel.waitclose(_SETTLE_S)
        except execnet.RemoteError as problem:
            self._fault = f"its worker failed: {str(problem).strip().rpartition(chr(10))[2]}"
        except (OSError, EOFError):
            pass
        self._is_abandoned = True
        self.kill()

    def kill(self, *, shows_stack: bool = False) -> None:
        raise NotImplementedError

    def gone(self, status: int | None, why: str | None = None) -> None:
        """The process has ended. What it sent last may still be on its way, unless something holds its pipe open."""
        with self._lock:
            # What we had to kill for want of a connection did not die of a signal.
            self._is_gone, self._status = True, None if self._is_abandoned else status
            was_connected = self._channel is not None
        why = why or self._fault
        self._check_ended(why)
        if not self._has_ended:
            _later(_SETTLE_S if was_connected else 0, lambda: self._end(why))

    def _check_ended(self, why: str | None = None) -> None:
        if self._is_closed and self._is_gone:
            self._end(why)

    def _end(self, why: str | None) -> None:
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
        self._inbox.put(Ended(worker=self.id, status=self._status, why=why))


def _later(delay_s: float, what: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, what)
    timer.daemon = True
    timer.start()


# --- fork workers ---------------------------------------------------------------------------------------------------


class ForkWorker(_Connected):
    kind: Final = "fork"
    is_copy: Final = True

    def __init__(self, worker_id: str, inbox: Inbox, zygote: Zygote) -> None:
        super().__init__(worker_id, inbox)
        self._zygote = zygote
        self.pid: int | None = None

    def kill(self, *, shows_stack: bool = False) -> None:
        self._zygote.kill(self.id, shows_stack=shows_stack)

    def is_stopped(self) -> bool:
        return self.pid is not None and linux.is_stopped(self.pid)


class ForkLauncher:
    """Workers forked from a zygote; each pair of pipes is wrapped in an execnet gateway.

    The first one is forked at once: some slot will have work, and until it is known which, both sides prepare.
    ``basics`` is what a worker can be told then, by its id; ``introduce`` is the rest, known before the first launch.
    """

    def __init__(self, zygote: Zygote, inbox: Inbox, basics: Callable[[str], Message]) -> None:
        import execnet

        self.introduce: Setup | None = None
        self._zygote, self._inbox, self._basics = zygote, inbox, basics
        self._group = execnet.Group()
        self._workers: dict[str, ForkWorker] = {}
        self._listener = threading.Thread(target=self._listen, name="paragate-zygote", daemon=True)
        self._listener.start()
        self._first: ForkWorker | None = self._fork()

    def launch(self, slot: str) -> ForkWorker:
        assert self.introduce is not None
        worker, self._first = self._first or self._fork(), None
        worker.send(self.introduce(worker.id, slot))
        return worker

    def _fork(self) -> ForkWorker:
        from execnet.gateway import Gateway
        from execnet.xspec import XSpec

        from pytest_paragate.run.pipe_io import PipeIO

        worker_id = f"gw{len(self._workers)}"
        their_read, our_write = os.pipe()
        our_read, their_write = os.pipe()
        worker = self._workers[worker_id] = ForkWorker(worker_id, self._inbox, self._zygote)
        try:
            self._zygote.fork(worker_id, their_read, their_write)
        except OSError as problem:
            worker.gone(None, f"the fork server is gone: {problem}")
        finally:
            os.close(their_read)
            os.close(their_write)
        spec = XSpec(f"fork//id={worker_id}//execmodel=main_thread_only")
        gateway = Gateway(PipeIO(our_read, our_write, "thread"), spec)
        self._group._register(gateway)
        worker.connect(gateway, _TASK.format(entry="forked"))
        worker.send(self._basics(worker_id))
        return worker

    def allow(self, pids: list[int]) -> None:
        self._zygote.allow(pids)

    def close(self) -> None:
        self._zygote.close()
        self._listener.join(_SETTLE_S)
        self._group.terminate(timeout=_SETTLE_S)

    def _listen(self) -> None:
        while (news := self._zygote.receive()) is not None:
            if "started" in news:
                self._workers[news["started"]].pid = news["pid"]
            else:
                self._workers[news["ended"]].gone(os.waitstatus_to_exitcode(news["status"]))
        for worker in self._workers.values():
            worker.gone(None, "the fork server is gone")


# --- popen workers --------------------------------------------------------------------------------------------------


class PopenWorker(_Connected):
    kind: Final = "popen"
    is_copy: Final = False

    def __init__(self, worker_id: str, inbox: Inbox) -> None:
        super().__init__(worker_id, inbox)
        self._process: Any = None
        self._is_kept = self._is_connected = self._is_killed = False

    def adopt(self, gateway: execnet.Gateway, task: str, *, is_kept: bool) -> None:
        """Take the gateway that was started for this worker, below a keeper or not, unless it was killed meanwhile."""
        with self._lock:
            self._process, self._is_kept = getattr(gateway._io, "popen", None), is_kept
            self._is_connected, is_killed = True, self._is_killed
        if is_killed:
            self._kill_process()
            gateway.exit()
            return
        self.connect(gateway, task)
        if self._process is not None:
            threading.Thread(target=self._wait, name=f"paragate-{self.id}", daemon=True).start()

    def kill(self, *, shows_stack: bool = False) -> None:
        with self._lock:
            is_first, self._is_killed = not self._is_killed, True
            is_connected = self._is_connected
        if shows_stack and is_connected:
            for pid in self._pids():
                with contextlib.suppress(OSError):
                    os.kill(pid, stack.SIGNUM)
            time.sleep(stack.WRITING_S)
        if is_connected:
            self._kill_process()
        elif is_first:
            self.gone(None, "it was not up yet when it was told to end")

    def is_stopped(self) -> bool:
        return any(linux.is_stopped(pid) for pid in self._pids())

    def _pids(self) -> list[int]:
        """The worker's process, where one can be seen."""
        if self._process is None or not linux.has_pidfd():
            return []
        return linux.children(self._process.pid) if self._is_kept else [self._process.pid]

    def _kill_process(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self._is_kept:
            process.terminate()  # the keeper kills everything below it
            return
        with contextlib.suppress(OSError):  # it ended meanwhile
            for pid in linux.descendants(process.pid):
                os.kill(pid, signal.SIGKILL)
        process.kill()

    def _wait(self) -> None:
        self.gone(self._process.wait())

    def _receive(self, message: Message | None) -> None:
        if message is None and self._process is None:
            self.gone(None)  # a gateway without a process of ours: the end of the connection is all we get to know
        super()._receive(message)


class PopenLauncher:
    """Workers on fresh interpreters, or on whatever gateway ``make_gateway`` returns for a slot."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        setup: Setup,
        make_gateway: Callable[[str], execnet.Gateway | None],
    ) -> None:
        import execnet

        self._inbox, self._setup, self._make_gateway = inbox, setup, make_gateway
        self._group = execnet.Group(execmodel="thread")
        self._workers: list[PopenWorker] = []

    def launch(self, slot: str) -> PopenWorker:
        worker = PopenWorker(f"gw{len(self._workers)}", self._inbox)
        self._workers.append(worker)
        worker.send(self._setup(worker.id, slot))
        # Booting an interpreter takes a while, and no other slot should wait for it.
        threading.Thread(
            target=self._start, args=(worker, slot), name=f"paragate-start-{worker.id}", daemon=True
        ).start()
        return worker

    def allow(self, pids: list[int]) -> None:
        pass  # workers tell their keepers, and without a keeper children are left to the system

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._group.terminate(timeout=_SETTLE_S)

    def _start(self, worker: PopenWorker, slot: str) -> None:
        try:
            gateway = self._make_gateway(slot)
            is_kept = gateway is None and linux.has_pidfd()
            if gateway is None:
                spec = f"popen//id={worker.id}//execmodel=main_thread_only"
                gateway = self._kept_gateway(spec) if is_kept else self._group.makegateway(spec)
            worker.adopt(gateway, _TASK.format(entry="booted"), is_kept=is_kept)
        except Exception as problem:
            worker.gone(None, f"its gateway could not be started: {problem}")

    def _kept_gateway(self, spec_text: str) -> execnet.Gateway:
        """A fresh interpreter below a keeper."""
        from execnet.gateway_bootstrap import bootstrap
        from execnet.gateway_io import Popen2IOMaster, popen_args
        from execnet.xspec import XSpec

        spec = XSpec(spec_text)
        gateway = bootstrap(Popen2IOMaster(keeper.command_line(popen_args(spec)), self._group.execmodel), spec)
        self._group._register(gateway)
        return gateway

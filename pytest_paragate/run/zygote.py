"""The fork server: a single-threaded copy of the collected session that forks one worker per request.

Rules
- It is forked before the controller has a thread, a gateway or a worker: every worker starts from the same clean copy.
- It is the only parent of fork workers: it alone reaps them, tells how they ended, and signals them by id.
- It is a subreaper. Whatever a dead worker leaves behind becomes its child and is killed, except processes that it was
  told to allow.
- When the controller's end of its socket closes, for whatever reason, it kills everything below it and exits.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from pytest_paragate import garbage
from pytest_paragate.run import journal, linux, stack

# How often a server that should end is looked at, seconds.
_LOOK_EVERY_S = 0.1
_MESSAGE_BYTES = 65536
# What the controller alone listens to.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

BecomeWorker = Callable[[str, int, int], NoReturn]


class Zygote:
    """The controller's end of the fork server."""

    def __init__(self, become_worker: BecomeWorker, prepare: Callable[[], None]) -> None:
        """Fork the server.

        ``become_worker(id, read_fd, write_fd)`` runs in each forked worker and never returns. ``prepare`` runs in
        the server, beside the controller: it does what each worker would do at its start, and raises nothing.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(ImportError, OSError, AttributeError):
            linux.find_prctl()  # or both sides and each worker look for it
        # What is there now stays until the end, here (the session unfreezes it) and in every worker. Keeping the
        # collector off it saves its time, and keeps the pages shared.
        garbage.set_aside()
        with warnings.catch_warnings() if threading.active_count() > 1 else contextlib.nullcontext():
            # Those that are there hold no lock that a copy would need: who asked for the server has looked.
            warnings.filterwarnings("ignore", ".* is multi-threaded, use of fork", DeprecationWarning)
            # One that came in the midst of it would be lost, or raise in the server.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            status = 1
            try:
                _Server(theirs, become_worker).serve(prepare, set(map(int, blocked)))
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        self._socket = ours
        self._was_stopped = False
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def fork(self, worker: str, read_fd: int, write_fd: int) -> None:
        """Ask for a worker that speaks on the two given pipe ends; they may be closed here afterwards."""
        socket.send_fds(self._socket, [json.dumps({"fork": worker}).encode()], [read_fd, write_fd])

    def kill(self, worker: str, *, shows_stack: bool) -> None:
        """Kill a worker and its process group, which may say first what it was doing.

        Nothing happens when it has ended already. A server that is stopped would not hear of it, and is killed itself,
        with which everything below it ends.
        """
        self.kill_if_stopped()
        self._send({"kill": worker, "shows_stack": shows_stack})

    def is_stopped(self) -> bool:
        """Whether a signal has stopped the server: then no worker starts, and none is known to have ended."""
        return linux.is_stopped(self.pid)

    def kill_if_stopped(self) -> None:
        if self.is_stopped():
            self._was_stopped = True
            os.kill(self.pid, signal.SIGKILL)

    def allow(self, pids: list[int]) -> None:
        """Name processes that may outlive the run (``leaks="allow"``)."""
        self._send({"allow": pids})

    def receive(self) -> dict[str, Any] | None:
        """Wait for ``{"started": id, "pid": n}``, ``{"ended": id, "status": wait status}`` or ``{"failed": id, "why":
        words}``; None at the end.
        """
        try:
            data = self._socket.recv(_MESSAGE_BYTES)
        except OSError:
            return None
        return json.loads(data) if data else None

    def how_ended(self) -> str:
        """Wait for the server, which has closed its end, and say how it ended."""
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            return "the fork server is gone"
        if self._was_stopped:
            return "the fork server was stopped by a signal and not continued"
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return f"the fork server {how}"

    def end(self) -> None:
        """End the server and everything below it."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self, reader: threading.Thread) -> None:
        """End the server and everything below it, and wait until it is gone and ``reader`` has heard of that."""
        self.end()
        while reader.is_alive():  # it waits for the server's end; closing our end of the socket under it would fail it
            reader.join(_LOOK_EVERY_S)
            if reader.is_alive():
                self.kill_if_stopped()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._socket.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError:
            pass  # the server is gone, and receive() says so


class _Server:
    """The far end: forks, reaps, kills."""

    def __init__(self, controller: socket.socket, become_worker: BecomeWorker) -> None:
        self._controller = controller
        self._become_worker = become_worker
        self._pids: dict[str, int] = {}
        self._workers: dict[int, tuple[str, int]] = {}  # pidfd -> worker id, pid
        self._allowed: set[int] = set()
        self._poll = select.poll()

    def serve(self, prepare: Callable[[], None], blocked: set[int]) -> None:
        """Serve until the controller lets go. ``blocked`` are the signals to block, as before the fork."""
        # No terminal: Ctrl-C goes to the controller alone, which tells the workers, and nothing waits for a password.
        os.setsid()
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        linux.become_subreaper()
        journal.make_room()
        # What is said here is nobody's: a worker has files of its own for what it says.
        with open(os.devnull, "r+b", buffering=0) as nothing:
            for descriptor in (0, 1, 2):
                os.dup2(nothing.fileno(), descriptor)
        prepare()
        with contextlib.suppress(Exception):
            sys.stdout.flush()  # into nothing, or each worker would say it
            sys.stderr.flush()
        self._poll.register(self._controller.fileno(), select.POLLIN)
        try:
            while self._serve_next():
                pass
        finally:
            self._kill_everything()

    def _serve_next(self) -> bool:
        """Do what is asked for, or reap what has ended; false when the controller's end is closed."""
        for fd, _ in self._poll.poll():
            if fd != self._controller.fileno():
                self._reap(fd)
            elif not self._obey():
                return False
        return True

    def _obey(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self._controller, _MESSAGE_BYTES, 2)
        except OSError:  # it died before it had heard all that was said
            return False
        if not data:
            return False
        message = json.loads(data)
        if "fork" in message:
            self._fork(message["fork"], *fds)
        elif "kill" in message:
            pid = self._pids.get(message["kill"])
            if pid is not None:
                if message["shows_stack"]:
                    os.kill(pid, stack.SIGNUM)
                    time.sleep(stack.WRITING_S)
                linux.signal_group(pid, signal.SIGKILL)
        elif "allow" in message:
            self._allowed.update(message["allow"])
        return True

    def _fork(self, worker: str, read_fd: int, write_fd: int) -> None:
        try:
            pid = os.fork()
        except OSError as problem:  # no room for another process
            os.close(read_fd)
            os.close(write_fd)
            self._tell({"failed": worker, "why": str(problem)})
            return
        if pid == 0:
            self._controller.close()
            for pidfd in self._workers:
                os.close(pidfd)
            os.set_inheritable(read_fd, False)
            os.set_inheritable(write_fd, False)
            os.setpgid(0, 0)
            linux.die_with_parent(signal.SIGKILL)
            self._become_worker(worker, read_fd, write_fd)
        os.close(read_fd)
        os.close(write_fd)
        pidfd = os.pidfd_open(pid)
        self._workers[pidfd] = worker, pid
        self._pids[worker] = pid
        self._poll.register(pidfd, select.POLLIN)
        self._tell({"started": worker, "pid": pid})

    def _reap(self, pidfd: int) -> None:
        worker, pid = self._workers.pop(pidfd)
        del self._pids[worker]
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self._kill_orphans()
        self._tell({"ended": worker, "status": status})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._controller.send(json.dumps(message).encode())
        except OSError:
            pass  # the controller is gone; the poll says so next

    def _kill_orphans(self) -> None:
        """Kill what dead workers left: children that are neither workers nor allowed, and what those leave in turn."""
        linux.kill_children({*self._allowed, *self._pids.values()}.__contains__)

    def _kill_everything(self) -> None:
        for pid in self._pids.values():
            linux.signal_group(pid, signal.SIGKILL)
        for pid in self._pids.values():
            _wait(pid)
        self._pids.clear()
        self._kill_orphans()


def _wait(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass

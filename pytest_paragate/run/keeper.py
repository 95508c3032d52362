"""Stands between the controller and one popen worker, so that nothing below the worker outlives it.

Run as a script: ``python keeper.py PID COMMAND…``, with the controller's pid and the worker's command line. Rules

- It is a subreaper. Whatever a dead worker leaves behind, in whatever session, becomes its child and is killed, except
  processes that the worker named as allowed.
- When the controller is gone or sends TERM, everything goes at once: also a worker that is stuck in code that never
  lets its receiving thread run.
- It ends the way its worker did.
- It starts with no more than the standard library and its neighbour ``linux.py``, to cost milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING or __name__ != "__main__":
    from pytest_paragate.run import linux
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import linux

# In the worker's environment: the descriptor on which it names processes that may live on, one pid to a line.
_ALLOW_VARIABLE = "PARAGATE_KEEPER_FD"


class _ToldToEnd(BaseException):
    pass


def command_line(worker: list[str]) -> list[str]:
    """What to start in place of ``worker``: its command line below a keeper, which this process will start."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *worker]


def descriptor(environment: MutableMapping[str, str]) -> int | None:
    """Take the descriptor out of a worker's environment, for this process alone; None without a keeper."""
    text = environment.pop(_ALLOW_VARIABLE, "")
    if not text.isdigit():
        return None
    os.set_inheritable(int(text), False)
    return int(text)


def keep(controller: int, command: list[str]) -> NoReturn:
    """Start the worker, wait until it or the controller has ended, and clear up."""
    # No terminal: Ctrl-C goes to the controller alone, which tells the workers.
    os.setsid()
    linux.become_subreaper()
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    allowed_fd, worker_fd = os.pipe()
    worker = 0
    try:
        signal.signal(signal.SIGTERM, _told_to_end)
        worker = os.fork()
        if worker == 0:
            _become_worker(command, worker_fd)
        # The connection is the worker's alone, so that the controller sees it close.
        with open(os.devnull, "r+b", buffering=0) as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(nothing.fileno(), 1)
        _wait_for_either(worker, controller)
    except _ToldToEnd:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not worker:
        os._exit(1)
    if os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        linux.signal_group(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    linux.kill_children(_named(allowed_fd).__contains__)
    _end_like(status)


def _told_to_end(signum: int, frame: object) -> NoReturn:
    raise _ToldToEnd


def _become_worker(command: list[str], fd: int) -> NoReturn:
    keeper = os.getppid()
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    os.set_inheritable(fd, True)
    os.environ[_ALLOW_VARIABLE] = str(fd)
    try:
        # Should the keeper itself be killed, at least its worker goes with it.
        linux.die_with_parent()
        if os.getppid() == keeper:
            os.execvp(command[0], command)
    finally:
        os._exit(1)


def _wait_for_either(worker: int, controller: int) -> None:
    poll = select.poll()
    for pid in (worker, controller):
        fd = linux.pidfd(pid)
        if fd is None:
            return
        poll.register(fd, select.POLLIN)
    if os.getppid() == controller:
        poll.poll()


def _named(fd: int) -> set[int]:
    """The pids on a pipe, without waiting for more."""
    os.set_blocking(fd, False)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while more := os.read(fd, 65536):
            data += more
    return {int(line) for line in data.split() if line.isdigit()}


def _end_like(status: int) -> NoReturn:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the worker has dumped its own
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


if __name__ == "__main__":
    keep(int(sys.argv[1]), sys.argv[2:])

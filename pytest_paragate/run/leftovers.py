"""What a function check leaves behind in its worker: processes that still run, and a process that is not as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any

from pytest_paragate.model import Value
from pytest_paragate.run import linux
from pytest_paragate.run.worker import monotonic

_SIGNALS = tuple(map(int, signal.valid_signals()))
# How long killing what a check left behind may take, seconds.
_KILL_WITHIN_S = 5.0


class ProcessState(Value):
    """What a check could change for the checks that come after it in the same process."""

    folder: str | None
    environment: dict[str, str]
    streams: tuple[object, ...]
    signals: tuple[object, ...]
    limits: tuple[object, ...]
    threads: int
    children: frozenset[int]

    @classmethod
    def now(cls) -> ProcessState:
        environment = dict(os.environ)
        environment.pop("PYTEST_CURRENT_TEST", None)
        return cls(
            folder=_folder(),
            environment=environment,
            streams=tuple(_stream(descriptor) for descriptor in (0, 1, 2)),
            signals=_signals(),
            limits=_limits(),
            threads=threading.active_count(),
            children=children(),
        )

    def changes(self) -> list[str]:
        now = ProcessState.now()
        return [
            name
            for name, before, after in (
                ("current folder", self.folder, now.folder),
                ("environment", self.environment, now.environment),
                ("standard streams", self.streams, now.streams),
                ("signal handling", self.signals, now.signals),
                ("limits", self.limits, now.limits),
            )
            if before != after
        ] + (["running threads"] if now.threads > self.threads else [])


def children() -> frozenset[int]:
    """The processes that there are below this one."""
    return frozenset(linux.children(os.getpid()))


def end_leaked(before: frozenset[int], *, is_allowed: bool) -> list[dict[str, Any]]:
    """Name the processes that came since ``before`` and still run, and kill them unless they are allowed."""
    give_up_at = monotonic() + _KILL_WITHIN_S
    spared: set[int] = set()
    leaked: dict[int, dict[str, Any]] = {}
    while monotonic() < give_up_at:
        new = [pid for pid in linux.children(os.getpid()) if pid not in before]
        running = [pid for child in new for pid in (child, *linux.descendants(child)) if linux.is_running(pid)]
        spared.update(pid for pid in running if linux.is_servant(pid))
        running = [pid for pid in running if pid not in spared]
        if not running:
            break
        for pid in running:
            leaked.setdefault(pid, {"pid": pid, "command": linux.describe(pid), "killed": not is_allowed})
            if not is_allowed:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        if is_allowed:
            break
        for pid in running:
            linux.Tree.wait_one(pid, monotonic() + 0.1)
    return list(leaked.values())


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _stream(descriptor: int) -> object:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _signals() -> tuple[object, ...]:
    """What signals do, and whether an alarm was going to ring."""
    handlers = tuple(map(signal.getsignal, _SIGNALS))
    if sys.platform == "win32":
        return handlers
    # Switched off while looking: one that a check forgot must not ring for whoever is next.
    timers = tuple(signal.setitimer(timer, 0)[0] > 0 for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL))
    return *handlers, *timers, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _limits() -> tuple[object, ...]:
    """What the system lets this process and its children do: the mode of new files, priority, resources."""
    mask = os.umask(0o077)  # there is no way to ask without setting it
    os.umask(mask)
    if sys.platform == "win32":
        return (mask,)
    import resource  # of function checks only, which come before anything that could keep it from being imported

    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    return mask, os.getpriority(os.PRIO_PROCESS, 0), tuple(map(resource.getrlimit, limits))

"""How long a started command may run, and how it is ended: the same on every system.

TERM when its time is up or when asked to, KILL when that does not help or when asked again.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Final, Protocol

from pytest_paragate.model import Value
from pytest_paragate.run.spool import LiveOutput
from pytest_paragate.run.stop import Stop

SETTLE_S: Final = 0.1
"""What ends within this time of its leader is not left behind."""
LEAK_GRACE_S: Final = 1.0
"""Between TERM and KILL for what is left behind."""
_LIVE_S = 0.1  # how often live output is looked for
_UNKILLABLE_S = 10.0  # how long a killed process may stay in an uninterruptible system call before we go on


class CannotStart(OSError):
    """The command could not be started; the text says why and where it was looked for."""


class LeakedProcess(Value):
    """A process that outlived its command. ``killed`` is false when it may live on, or could not be ended."""

    pid: int
    command: str
    killed: bool


class Leader(Protocol):
    """The started command, as ``supervise`` sees it."""

    def wait(self, until: float | None, stop: Stop) -> bool:
        """Whether it has ended; returns false at ``until`` or on a request."""

    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Care(Value):
    """What a command is granted; ``live`` is looked at while it runs."""

    timeout_s: float | None
    grace_s: float
    leaks: str
    stop: Stop
    live: LiveOutput | None

    @property
    def keeps_leaks(self) -> bool:
        return self.leaks == "allow"


class Supervised(Value):
    """``step``: 0 it ended by itself, 1 we sent TERM, 2 we sent KILL, 3 it survived even that."""

    step: int
    timed_out: bool
    stopped: bool
    grace_ends_at: float


class Ended(Value):
    """How it came out; ``ended_at`` is of the monotonic clock, and ``is_quiet`` means that nothing prints any more."""

    supervised: Supervised
    returncode: int
    ended_at: float
    is_quiet: bool
    cpu_s: float | None = None
    max_rss_kb: int | None = None
    leaked: tuple[LeakedProcess, ...] = ()


def supervise(leader: Leader, care: Care, started_at: float) -> Supervised:
    """Wait for the command, sending TERM and KILL when its time is up or when asked to."""
    step = 0
    timed_out = stopped = False
    deadline = None if care.timeout_s is None else started_at + care.timeout_s
    while True:
        live_at = time.monotonic() + _LIVE_S if care.live else None
        until = min((at for at in (deadline, live_at) if at is not None), default=None)
        if leader.wait(until, care.stop):
            break
        if care.live:
            care.live.pump()
        asked = care.stop.take()
        now = time.monotonic()
        is_expired = deadline is not None and now >= deadline
        following = max(step + is_expired, asked)
        if following <= step:
            continue
        if step == 0:
            timed_out, stopped = is_expired, not is_expired
        step = following
        if step > 2:
            break
        deadline = now + (care.grace_s if step == 1 else _UNKILLABLE_S)
        if step == 1:
            leader.terminate()
        else:
            leader.kill()
    return Supervised(step=step, timed_out=timed_out, stopped=stopped, grace_ends_at=deadline or 0.0)


def refusal(error: Exception, program: str, cwd: str) -> CannotStart:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENOEXEC:
        return CannotStart(f"cannot start {program}: it has no #! line and is no program for this machine")
    if code == errno.ENOENT and os.path.exists(os.path.join(cwd, program)):
        return CannotStart(f"cannot start {program}: its interpreter does not exist, see its #! line")
    return CannotStart(f"cannot start {program}: {os.strerror(code) if code else error}")

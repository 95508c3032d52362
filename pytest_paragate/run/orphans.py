"""What a fork server that is killed leaves: its workers die with it, and what they had started becomes ours to end.

It does where this process is a subreaper by then.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Set

from pytest_paragate.run import linux

# How long killing processes that keep forking may go on, seconds.
_KILL_EVERYTHING_S = 1.5


def kill(spared: Set[int]) -> None:
    """Kill and reap adopted children: those in another session than ours, which no plugin's ordinary child is."""
    own_session = os.getsid(0)
    give_up_at = time.monotonic() + _KILL_EVERYTHING_S
    while time.monotonic() < give_up_at:
        adopted = [pid for pid in linux.children(os.getpid()) if pid not in spared and _session(pid) != own_session]
        if not adopted:
            return
        for pid in adopted:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL) if os.getpgid(pid) == pid else os.kill(pid, signal.SIGKILL)
        for pid in adopted:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None

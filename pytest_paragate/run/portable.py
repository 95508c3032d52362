"""A command where whole trees of processes cannot be seen: off Linux, as far as ``subprocess`` and groups go."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from pytest_paragate.run.spool import SpoolFile, Stream
from pytest_paragate.run.stop import Stop
from pytest_paragate.run.supervision import (
    LEAK_GRACE_S,
    SETTLE_S,
    Care,
    Ended,
    LeakedProcess,
    Supervised,
    refusal,
    supervise,
)

_IS_WINDOWS = sys.platform == "win32"


def start(
    program: str,
    words: list[str],
    cwd: str,
    env: Mapping[str, str],
    shell: bool,
    files: Mapping[Stream, SpoolFile],
) -> PortableCommand:
    try:
        popen = subprocess.Popen(
            words[0] if _IS_WINDOWS and shell else words,
            executable=program or None,
            shell=_IS_WINDOWS and shell,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=files["out"].fd,
            stderr=files["err"].fd,
            start_new_session=not _IS_WINDOWS,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except (OSError, ValueError) as error:
        raise refusal(error, program or words[0], cwd) from None
    return PortableCommand(popen)


class PortableCommand:
    """A started command of which only the process group can be seen, and on Windows only what ``taskkill`` finds."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._usage: tuple[float, int] | None = None
        self._pause_s = 0.001

    def wait(self, until: float | None, stop: Stop) -> bool:
        """Short sleeps instead of waiting: there is nothing that every system can wait on."""
        if self._has_ended():
            return True
        left_s = self._pause_s if until is None else max(0.0, until - time.monotonic())
        time.sleep(min(left_s, self._pause_s))
        self._pause_s = min(self._pause_s * 1.5, 0.02)
        return self._has_ended()

    def terminate(self) -> None:
        if _IS_WINDOWS:
            self._popen.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        else:
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        if _IS_WINDOWS:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(self._popen.pid)], capture_output=True, check=False)
        else:
            self._signal_group(signal.SIGKILL)

    def finish(self, care: Care, started_at: float) -> Ended:
        try:
            supervised = supervise(self, care, started_at)
        except BaseException:
            self.kill()
            self._popen.wait()
            raise
        ended_at = time.monotonic()
        leaked = self._clear_up(supervised, care)
        cpu_s, peak = self._usage or (None, None)
        return Ended(
            supervised=supervised,
            returncode=-9 if self._popen.returncode is None else self._popen.returncode,
            ended_at=ended_at,
            cpu_s=cpu_s,
            max_rss_kb=peak // 1024 if peak and sys.platform == "darwin" else None,
            leaked=leaked,
            is_quiet=False,
        )

    def _clear_up(self, supervised: Supervised, care: Care) -> tuple[LeakedProcess, ...]:
        until = supervised.grace_ends_at if supervised.step == 1 else time.monotonic() + SETTLE_S
        is_left = self._is_left_at(0.0 if supervised.step > 1 else until)
        if not is_left:
            return ()
        is_killed = supervised.step > 0 or not care.keeps_leaks
        if is_killed:
            self._signal_group(signal.SIGKILL)
            is_killed = not self._is_left_at(time.monotonic() + LEAK_GRACE_S)
        if supervised.step > 1:
            return ()
        pid = self._popen.pid
        return (LeakedProcess(pid=pid, command=f"processes of group {pid}", killed=is_killed),)

    def _is_left_at(self, until: float) -> bool:
        """Whether anything in the group is left at ``until``; off POSIX that is not known."""
        while self._signal_group(0):
            with contextlib.suppress(ChildProcessError):  # orphans are ours to reap if we adopt them
                while os.waitpid(-self._popen.pid, os.WNOHANG)[0]:
                    pass
            if time.monotonic() >= until:
                return self._signal_group(0)
            time.sleep(0.005)
        return False

    def _has_ended(self) -> bool:
        popen = self._popen
        if popen.returncode is None and hasattr(os, "wait4"):
            pid, status, usage = os.wait4(popen.pid, os.WNOHANG)
            if pid:
                popen.returncode = os.waitstatus_to_exitcode(status)
                self._usage = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        return popen.poll() is not None

    def _signal_group(self, signum: int) -> bool:
        """Whether there was anything to signal."""
        if _IS_WINDOWS:
            return False
        try:
            os.killpg(self._popen.pid, signum)
        except (ProcessLookupError, PermissionError):  # macOS refuses when only zombies are left
            return False
        return True

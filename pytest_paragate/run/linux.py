"""What the Linux kernel knows about processes, and the tree of processes that one command leaves below us.

Nothing here raises because a process has gone or because the system is not Linux: functions then return False, None
or nothing. ``Tree`` never reports, signals or reaps a process that existed before its command.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGKILL = 9  # the name is missing on Windows, where this module must still import
_GONE = -1  # the session or group of a process that does not exist any more
_KILL_WITHIN_S = 5.0
# How often and after how many seconds a program is asked again for its command line while it is being started.
_EXEC_TRIES, _EXEC_S = 5, 0.005
_MOST_LOOKS = 1000  # at a chain of processes that fork and exit faster than one look


def become_subreaper(is_one: bool = True) -> bool:
    """Have orphaned descendants become children of this process, or no longer; forked children do not inherit this."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, int(is_one))


def die_with_parent(signum: int = _SIGKILL) -> bool:
    """Have the kernel send ``signum`` to this process when the thread that forked it ends.

    A parent that died before the call is not noticed: compare ``os.getppid()`` with the expected pid afterwards.
    """
    return _prctl(_PR_SET_PDEATHSIG, signum)


def _prctl(option: int, value: int) -> bool:
    return _prctl_quickly(option, value) or _prctl_by_ctypes(option, value)


def _prctl_quickly(option: int, value: int) -> bool:
    """With the half of ctypes that is written in C: importing the other takes six milliseconds of every run's start."""
    try:
        call, prctl = find_prctl()
        return bool(call(prctl, (option, value, 0, 0, 0)) == 0)
    except (ImportError, OSError, AttributeError, TypeError):
        return False


@functools.cache
def find_prctl() -> tuple[Callable[[Any, tuple[int, ...]], int], Any]:
    """What calls it, and where it is; takes its time, and a forked process knows it from before.

    Raises:
        ImportError, OSError, AttributeError: there is no such thing here.
    """
    import _ctypes

    library: Any = _ctypes
    return library.call_function, library.dlsym(library.dlopen(None, os.RTLD_NOW), "prctl")


def _prctl_by_ctypes(option: int, value: int) -> bool:
    try:
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        return bool(prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))) == 0)
    except (ImportError, OSError, AttributeError, TypeError):
        return False


def pidfd(pid: int) -> int | None:
    """A descriptor that is readable once ``pid`` has ended, not inherited by children; None without kernel support."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@functools.cache
def has_pidfd() -> bool:
    """Whether this kernel lets us wait on a descriptor of a process (Linux 5.3, and no sandbox that refuses it)."""
    fd = pidfd(os.getpid())
    if fd is not None:
        os.close(fd)
    return fd is not None


def wait_exit(fd: int, until: float | None, wake_fd: int | None = None) -> bool:
    """Wait for the process behind a pidfd until ``until`` (``time.monotonic``, None for ever) or input on ``wake_fd``.

    Returns whether the process has ended.
    """
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if wake_fd is not None:
        poller.register(wake_fd, select.POLLIN)
    while True:
        left_ms = None if until is None else min(max(0.0, until - time.monotonic()) * 1000, 1e9)
        ready = poller.poll(left_ms)
        if ready or (until is not None and time.monotonic() >= until):
            return any(which == fd for which, _ in ready)


def children(pid: int) -> list[int]:
    """The pids of the children of all threads of ``pid``, zombies included. Best effort while they come and go."""
    if not _kernel_lists_children():
        return [child for child, (_, parent, _) in _all_stats() if parent == pid]
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def descendants(pid: int) -> list[int]:
    """The pids of everything below ``pid``, parents before their children, without ``pid``."""
    found = children(pid)
    seen = set(found)
    for child in found:  # grows while it is walked
        new = [grandchild for grandchild in children(child) if grandchild not in seen]
        seen.update(new)
        found += new
    return found


def is_running(pid: int) -> bool:
    """Whether ``pid`` exists and is not a zombie."""
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def is_stopped(pid: int) -> bool:
    """Whether ``pid`` was stopped by a signal and has not been continued."""
    stat = _stat(pid)
    return stat is not None and stat[0] == "T"


# How long killing what a dead worker left may take, and how long servants in it may take to end by themselves, seconds.
_ORPHANS_WITHIN_S = 1.5
_SERVANTS_END_WITHIN_S = 1.0
# Processes that the standard library keeps for another one as long as it lives.
_SERVANTS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def is_servant(pid: int) -> bool:
    """Whether ``pid`` serves ``multiprocessing`` in another process, and ends by itself when that has ended."""
    return any(word in describe(pid) for word in _SERVANTS)


def signal_group(pid: int, signum: int) -> None:
    """Signal ``pid``, and the process group it leads if it leads one."""
    with contextlib.suppress(OSError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)


def kill_children(is_spared: Callable[[int], bool]) -> None:
    """Kill all children of this process but those spared, and whatever they leave to it, for a second and a half.

    Servants of ``multiprocessing`` may first remove what their process has left, such as shared memory, and end.
    """
    give_up_at = time.monotonic() + _ORPHANS_WITHIN_S
    servants_end_at = time.monotonic() + _SERVANTS_END_WITHIN_S
    while time.monotonic() < give_up_at:
        found = [pid for pid in children(os.getpid()) if not is_spared(pid)]
        if not found:
            return
        victims = [pid for pid in found if not is_servant(pid)]
        if not victims:
            for pid in found:
                Tree.wait_one(pid, servants_end_at)
            victims = found
        for pid in victims:
            signal_group(pid, _SIGKILL)
        for pid in victims:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def describe(pid: int, *, limit: int = 120) -> str:
    """The command line of ``pid`` on one printable line of at most ``limit`` characters; ``"?"`` when it has gone."""
    try:
        words = _command_line(pid, 8 * limit)
        if not words:
            with open(f"/proc/{pid}/comm", "rb") as file:
                words = b"[" + file.read().rstrip(b"\n") + b"]"
    except OSError:
        return "?"
    text = words.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _command_line(pid: int, size: int) -> bytes:
    """Empty for a kernel thread, a zombie, and for an instant while one program replaces another: that passes."""
    for _ in range(_EXEC_TRIES):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(size)
        if words or not is_running(pid):
            break
        time.sleep(_EXEC_S)
    return words


def inheritable_fds() -> list[int]:
    """Descriptors above stderr that a spawned program would inherit."""
    found = []
    with contextlib.suppress(OSError):
        for fd in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):
                if fd > 2 and os.get_inheritable(fd):
                    found.append(fd)
    return found


def peak_rss_kb() -> int:
    """The most memory that this process has used, which the kernel also counts as that of programs it starts."""
    import resource  # missing on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@functools.cache
def _kernel_lists_children() -> bool:
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, parent and process group."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1]), int(fields[2])
    except (OSError, IndexError, ValueError):
        return None


def _all_stats() -> Iterable[tuple[int, tuple[str, int, int]]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdecimal() and (stat := _stat(int(name))) is not None:
            yield int(name), stat


def _has_children() -> bool:
    """One system call, which answers no for nearly every command."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal(pid: int, signum: int) -> bool:
    """Whether the signal could be sent, or was not needed any more."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


class Tree:
    """The processes that come from one command, whatever sessions and groups they moved to.

    Make it before the command starts and set ``leader`` to its pid, which must lead a new session. This process should
    be a subreaper; otherwise only the command's process group and the leader's own tree are seen. What is ours is told
    from other children of this process by the session: nothing below the leader can get back into an older session.
    """

    def __init__(self) -> None:
        self.leader = 0
        self._is_leader_reaped = False
        self._before = set(descendants(os.getpid())) if _has_children() else set()
        self._sessions = {session_of(pid) for pid in (0, *self._before)} - {_GONE}

    def reap_leader(self, options: int = 0) -> tuple[int, float, int] | None:
        """Take the leader's exit status: its return code as ``subprocess`` has it, CPU seconds, peak memory in KiB.

        Returns None when ``options`` hold ``WNOHANG`` and it has not ended. Raises OSError when the status is lost.
        """
        try:
            pid, status, usage = os.wait4(self.leader, options)
        except ChildProcessError:
            self._is_leader_reaped = True
            raise OSError(
                f"the exit status of process {self.leader} is lost: something else in this process waits for all"
                " children or ignores SIGCHLD"
            ) from None
        if pid == 0:
            return None
        self._is_leader_reaped = True
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def alive(self, *, escaped: bool = True) -> list[int]:
        """The living processes of the command, reaping dead orphans on the way.

        Without ``escaped``, only the leader's tree and orphans that are still in the command's process group.
        """
        found: list[int] = []
        for _ in range(_MOST_LOOKS):
            found, is_sure = self._look(escaped)
            if found or is_sure:
                break
        if not found and self._is_leader_reaped and self._has_group():
            found = [pid for pid, (state, _, group) in _all_stats() if group == self.leader and state not in "ZX"]
        return found

    def _look(self, escaped: bool) -> tuple[list[int], bool]:
        """One look at the tree; not sure when something ended meanwhile, whose children are ours only now."""
        found: list[int] = []
        is_sure = True
        for pid in children(os.getpid()) if _has_children() else ():
            if pid == self.leader and not self._is_leader_reaped:
                found += self._running_from(pid)
                continue
            session = session_of(pid)
            if pid in self._before or session in self._sessions:
                continue
            if session == _GONE or _reap(pid):
                is_sure = False
            elif escaped or _group(pid) == self.leader:
                found += self._running_from(pid)
                is_sure = is_sure and pid in found
        return found, is_sure

    @staticmethod
    def _running_from(pid: int) -> list[int]:
        return [each for each in (pid, *descendants(pid)) if is_running(each)]

    def signal(self, signum: int, *, escaped: bool = True) -> set[int]:
        """Send ``signum`` to the whole group at once, then to what has left it. Returns the pids that refuse it."""
        # Looked up first: what has left the group is harder to find once its parents are gone.
        groups = {pid: _group(pid) for pid in self.alive(escaped=escaped)}
        # An empty group gives its number back, so it is signalled only while somebody is known to be in it.
        if not self._is_leader_reaped or self.leader in groups.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader, signum)
        return {pid for pid, group in groups.items() if not _signal(pid, 0 if group == self.leader else signum)}

    def terminate(self, *, escaped: bool = True) -> None:
        """SIGTERM to all, and wake what is stopped so that it takes notice."""
        self.signal(signal.SIGTERM, escaped=escaped)
        self.signal(signal.SIGCONT, escaped=escaped)

    def kill(self, *, escaped: bool = True) -> list[int]:
        """SIGKILL until nothing is left, new forks included; the leader must be reaped. Returns what will not end."""
        until = time.monotonic() + _KILL_WITHIN_S
        while True:
            pids = self.alive(escaped=escaped)
            if not pids:
                return []
            refused = self.signal(_SIGKILL, escaped=escaped)
            if time.monotonic() >= until or refused.issuperset(pids):
                return pids
            for pid in pids:
                self.wait_one(pid, min(until, time.monotonic() + 0.05))

    @staticmethod
    def wait_one(pid: int, until: float, wake_fd: int | None = None) -> None:
        """Wait until ``pid`` ends, the time comes or ``wake_fd`` has input."""
        fd = pidfd(pid)
        if fd is not None:
            try:
                wait_exit(fd, until, wake_fd)
            finally:
                os.close(fd)

    def _has_group(self) -> bool:
        try:
            os.killpg(self.leader, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def session_of(pid: int) -> int:
    """The session that ``pid`` belongs to; one that no process has, where it has gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return _GONE


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return _GONE


def _reap(pid: int) -> bool:
    """Whether the child has ended; it is then gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True

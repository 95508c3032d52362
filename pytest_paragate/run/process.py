"""Run one command with care: its own session, spooled output, a precise time limit, no process left behind.

Invariants: output goes to files, never pipes, so nothing that a command leaves behind can block us; a process is
signalled only while its pid cannot have been given to another; once we have signalled a command, ``timed_out`` or
``stopped`` says so whatever its exit status; whatever ``run`` raises, the command has ended.

Linux has the whole care (see ``linux.Tree``). Elsewhere ``portable.py`` keeps the same promises as far as it can.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from pytest_paragate.model import Value
from pytest_paragate.run import linux
from pytest_paragate.run.spool import LiveOutput, OnOutput, Spool, SpoolFile, Stream, has_room
from pytest_paragate.run.stop import Stop
from pytest_paragate.run.supervision import (
    LEAK_GRACE_S,
    SETTLE_S,
    CannotStart,
    Care,
    Ended,
    LeakedProcess,
    Supervised,
    refusal,
    supervise,
)

_IS_WINDOWS = sys.platform == "win32"
_MOST_LEAKS_NAMED = 50
_RSS_SLACK_KB = 1024


class Completed(Value):
    """How a command ended. ``returncode`` is as in ``subprocess``: negative for a signal.

    ``started_at`` is ``time.monotonic()`` just before the start; ``duration_s`` ends with the command itself, not with
    what it left behind. ``cpu_s`` and ``max_rss_kb`` cover the command and the children it waited for. The kernel
    counts the memory of the starting process as the child's too, so a peak below our own is not known and None.
    ``timed_out`` and ``stopped`` say which came first, and that the command can no longer pass. A path is None when
    nothing was written to that stream; ``folder`` is where it would have been.
    """

    returncode: int
    started_at: float
    duration_s: float
    cpu_s: float | None
    max_rss_kb: int | None
    timed_out: bool
    stopped: bool
    leaked: tuple[LeakedProcess, ...]
    stdout_path: str | None
    stderr_path: str | None
    stdout_size: int
    stderr_size: int
    folder: str

    def had_room(self) -> bool:
        """Whether the file system still takes output: what did not fit is lost without a word."""
        return has_room(self.folder)


def run(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    shell: bool = False,
    timeout_s: float | None,
    grace_s: float,
    leaks: str,
    spool: Spool,
    name: str,
    stop: Stop,
    on_output: OnOutput | None = None,
    inheritable: Sequence[int] | None = None,
) -> Completed:
    """Run one command to its end and account for every process it started.

    ``argv`` is a program with its arguments, or with ``shell`` one script. ``env`` is the whole environment; its
    ``PATH`` finds the program, and relative names start at ``cwd``. ``leaks`` is ``"kill"``, ``"fail"`` (the same here)
    or ``"allow"``. ``name`` names the output files. ``on_output("stdout" or "stderr", data)`` gets output as it
    appears. ``inheritable`` are the descriptors above stderr that it must not get, where that is known. The calling
    process should be a subreaper, and no other thread of it may depend on the working directory.

    Raises CannotStart when there is no such program or folder, and OSError when output files cannot be made.
    """
    if stop.take():
        return _never_started()
    files = spool.take()
    live = None
    is_quiet = True  # as long as nothing was started
    kept: dict[Stream, tuple[str | None, int]] = {}
    try:
        program, words = _resolve(argv, cwd, env, shell)
        live = LiveOutput(files, on_output) if on_output else None
        care = Care(timeout_s=timeout_s, grace_s=grace_s, leaks=leaks, stop=stop, live=live)
        started_at = time.monotonic()
        if linux.has_pidfd():
            unwanted = linux.inheritable_fds() if inheritable is None else inheritable
            tree = _spawn(program, words, cwd, env, files, unwanted)
            is_quiet = False
            ended = _LinuxCommand(tree, escaped=not care.keeps_leaks).finish(care, started_at)
        else:
            from pytest_paragate.run import portable

            command = portable.start(program, words, cwd, env, shell, files)
            is_quiet = False
            ended = command.finish(care, started_at)
        is_quiet = ended.is_quiet
        if live:
            live.pump(None)
    finally:
        if live:
            live.close()
        kept = spool.keep(files, name, is_quiet=is_quiet)
    return Completed(
        returncode=ended.returncode,
        duration_s=ended.ended_at - started_at,
        cpu_s=ended.cpu_s,
        max_rss_kb=ended.max_rss_kb,
        started_at=started_at,
        timed_out=ended.supervised.timed_out,
        stopped=ended.supervised.stopped,
        leaked=ended.leaked,
        stdout_path=kept["out"][0],
        stderr_path=kept["err"][0],
        stdout_size=kept["out"][1],
        stderr_size=kept["err"][1],
        folder=spool.folder,
    )


def memory_bound(done: Completed) -> dict[str, int]:
    """What can be said of a peak that is not known, for a message: it was no higher than our own."""
    if done.max_rss_kb is not None or done.cpu_s is None or not linux.has_pidfd():
        return {}
    return {"rss_below_kb": linux.peak_rss_kb() + _RSS_SLACK_KB}


def _never_started() -> Completed:
    return Completed(
        returncode=-signal.SIGTERM,
        duration_s=0.0,
        cpu_s=None,
        max_rss_kb=None,
        started_at=time.monotonic(),
        timed_out=False,
        stopped=True,
        leaked=(),
        stdout_path=None,
        stderr_path=None,
        stdout_size=0,
        stderr_size=0,
        folder="",
    )


def _resolve(argv: Sequence[str], cwd: str, env: Mapping[str, str], shell: bool) -> tuple[str, list[str]]:
    """The program to execute and its arguments, the program's own name first."""
    words = list(argv)
    if not words or not words[0].strip():
        raise CannotStart("there is no command to run")
    if any("\0" in word for word in words):
        raise CannotStart(f"cannot start {words[0]!r}: an argument contains a null character")
    if not os.path.isdir(cwd):
        raise CannotStart(f"cannot run in {cwd}: {'not a folder' if os.path.exists(cwd) else 'no such folder'}")
    if shell:
        return ("", words) if _IS_WINDOWS else ("/bin/sh", ["/bin/sh", "-c", *words])
    return _find_program(words[0], cwd, env), words


def _find_program(name: str, cwd: str, env: Mapping[str, str]) -> str:
    path = env.get("PATH", os.defpath)
    if _IS_WINDOWS:
        found = shutil.which(name, path=path) or shutil.which(os.path.join(cwd, name))
        if found is None:
            raise CannotStart(f"no such program: {name} (looked {_folders_of(path)})")
        return found
    is_path = "/" in name
    # An empty entry of PATH means the working directory. Joining takes longer than asking for a file.
    folders = [""] if is_path else path.split(os.pathsep)
    candidates = [f"{folder}/{name}" if folder[:1] == "/" else os.path.join(cwd, folder, name) for folder in folders]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return name if is_path else candidate
    for candidate in candidates:
        if os.path.isfile(candidate) or (is_path and os.path.exists(candidate)):
            why = "it is a folder" if os.path.isdir(candidate) else "its mode does not allow it, see chmod +x"
            raise CannotStart(f"not executable: {candidate} ({why})")
    raise CannotStart(f"no such program: {name} (looked {f'from {cwd}' if is_path else _folders_of(path)})")


def _folders_of(path: str) -> str:
    """Not the folders themselves: PATH is long, and those who need it know where to look."""
    number = len(path.split(os.pathsep))
    return f"in the {number} folders of PATH" if number > 1 else f"in PATH: {path}"


@contextlib.contextmanager
def _working_in(cwd: str) -> Iterator[None]:
    """``posix_spawn`` cannot change the directory, so this process does, and goes back even if its own was deleted."""
    try:
        is_here = os.getcwd() == cwd
    except OSError:
        is_here = False
    if is_here:
        yield
        return
    home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(cwd)
        yield
    finally:
        os.fchdir(home)
        os.close(home)


def _spawn(
    program: str,
    words: list[str],
    cwd: str,
    env: Mapping[str, str],
    files: Mapping[Stream, SpoolFile],
    unwanted: Sequence[int],
) -> linux.Tree:
    # posix_spawn rather than Popen: as fast, and it also restores ignored signals and the signal mask.
    tree = linux.Tree()
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, files["out"].fd, 1),
        (os.POSIX_SPAWN_DUP2, files["err"].fd, 2),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in unwanted),
    ]
    try:
        with _working_in(cwd):
            tree.leader = os.posix_spawn(
                program, words, env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_resettable_signals()
            )
    except (OSError, ValueError) as error:
        raise refusal(error, program, cwd) from None
    return tree


@functools.cache
def _resettable_signals() -> frozenset[int]:
    return frozenset(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))


class _LinuxCommand:
    """A started command whose whole tree of processes can be seen.

    ``escaped`` says whether what left the process group is ours to end.
    """

    def __init__(self, tree: linux.Tree, *, escaped: bool) -> None:
        self._tree = tree
        self._fd = -1
        self._escaped = escaped

    def wait(self, until: float | None, stop: Stop) -> bool:
        return linux.wait_exit(self._fd, until, stop.fileno())

    def terminate(self) -> None:
        self._tree.terminate(escaped=self._escaped)

    def kill(self) -> None:
        self._tree.signal(signal.SIGKILL, escaped=self._escaped)

    def finish(self, care: Care, started_at: float) -> Ended:
        own_peak_kb = linux.peak_rss_kb()
        try:
            self._fd = os.pidfd_open(self._tree.leader)
            supervised = supervise(self, care, started_at)
            ended_at = time.monotonic()
            usage = self._tree.reap_leader(os.WNOHANG if supervised.step > 2 else 0)
            leaked, is_quiet = self._clear_up(supervised, care.grace_s, care.stop)
        except BaseException:
            self._abandon()
            raise
        finally:
            if self._fd >= 0:
                os.close(self._fd)
        returncode, cpu_s, peak_kb = usage or (-signal.SIGKILL, None, 0)
        return Ended(
            supervised=supervised,
            returncode=returncode,
            ended_at=ended_at,
            cpu_s=cpu_s,
            max_rss_kb=peak_kb if peak_kb > own_peak_kb + _RSS_SLACK_KB else None,
            leaked=leaked,
            is_quiet=is_quiet,
        )

    def _clear_up(self, supervised: Supervised, grace_s: float, stop: Stop) -> tuple[tuple[LeakedProcess, ...], bool]:
        """End and name what the command left behind; also says whether nothing of it is left.

        What we killed together with its leader, or what ended within the grace that they shared, was not left behind.
        """
        tree, escaped = self._tree, self._escaped
        named: dict[int, str] = {}
        if supervised.step == 0:
            left = self._wait_gone(time.monotonic() + SETTLE_S, None, escaped=True)
            _name(left, named)
            if left and escaped:
                tree.terminate()
                left = self._wait_gone(time.monotonic() + min(grace_s, LEAK_GRACE_S), stop, escaped=True)
        elif supervised.step == 1:
            left = self._wait_gone(supervised.grace_ends_at, stop, escaped=escaped)
            _name(left, named)
        else:
            left = tree.alive(escaped=escaped)
        if left and (escaped or supervised.step):
            tree.kill(escaped=escaped)
        remaining = tree.alive() if left or not escaped else []
        _name(remaining, named)
        leaked = (
            LeakedProcess(pid=pid, command=command, killed=pid not in remaining) for pid, command in named.items()
        )
        return tuple(leaked), not remaining

    def _wait_gone(self, until: float, stop: Stop | None, *, escaped: bool) -> list[int]:
        """What is still alive at ``until``, or at once when asked to hurry."""
        wake_fd = stop.fileno() if stop else None
        while pids := self._tree.alive(escaped=escaped):
            if time.monotonic() >= until or (stop and stop.take() > 1):
                break
            self._tree.wait_one(pids[0], until, wake_fd)
        return pids

    def _abandon(self) -> None:
        self.kill()
        with contextlib.suppress(OSError):
            self._tree.reap_leader()
        self._tree.kill(escaped=self._escaped)


def _name(pids: list[int], named: dict[int, str]) -> None:
    for pid in pids:
        if pid not in named and len(named) < _MOST_LEAKS_NAMED and (command := linux.describe(pid)) != "?":
            named[pid] = command

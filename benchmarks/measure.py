"""Launch programs, measure them, compare them in turns and print the numbers.

Everything is measured from outside. A program's CPU time and memory include every process that it started, those that
outlived it too: on Linux this process adopts them (``PR_SET_CHILD_SUBREAPER``) and waits for them after the clock has
stopped.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_STRAGGLERS_S = 5.0
# What slows every Python program down, and few people set.
_UNUSUAL = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start: the program's absolute path with arguments, where, and changes to the environment."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]

    @property
    def log(self) -> Path:
        """Where standard output and standard error of the latest run are."""
        return self.cwd / "output.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of a program.

    ``cpu_s`` counts the program and everything that it started, ``own_cpu_s`` the program's own process alone (in
    steps of 10 ms; None off Linux). ``max_rss_kb`` is the largest single process, and never less than this
    process had when it launched. ``launched_ns`` is wall-clock time, for stamps that the program leaves.
    """

    launched_ns: int
    wall_s: float
    cpu_s: float
    own_cpu_s: float | None
    max_rss_kb: int
    exit_code: int


class LaunchError(Exception):
    """A measured program that did not do its work; the text ends with the tail of its output."""


def adopt_orphans() -> None:
    """Make this process the parent of whatever a measured program leaves behind. Does nothing off Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(launch: Launch, *, expected: Sequence[int] = (0,)) -> Sample:
    """Run a program to its end; raises LaunchError unless its exit code is one of ``expected``."""
    adopt_orphans()
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    wiring = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    environment = {**os.environ, **launch.env}
    for name in _UNUSUAL:
        environment.pop(name, None)
    home = os.getcwd()
    os.chdir(launch.cwd)
    before = _children_cpu_s()
    launched_ns, start = time.time_ns(), time.perf_counter()
    try:
        pid = os.posix_spawn(launch.argv[0], launch.argv, environment, file_actions=wiring)
    finally:
        os.chdir(home)
        os.close(log)
        os.close(null)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    wall_s = time.perf_counter() - start
    own_cpu_s = _own_cpu_s(pid)
    _, status, usage = os.wait4(pid, 0)
    peak_kb = max(usage.ru_maxrss, _reap_stragglers())
    sample = Sample(
        launched_ns=launched_ns,
        wall_s=wall_s,
        cpu_s=_children_cpu_s() - before,
        own_cpu_s=own_cpu_s,
        max_rss_kb=peak_kb,
        exit_code=os.waitstatus_to_exitcode(status),
    )
    if sample.exit_code not in expected:
        raise LaunchError(f"exit code {sample.exit_code} from {' '.join(launch.argv[:8])}\n{tail(launch.log)}")
    return sample


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _own_cpu_s(pid: int) -> float | None:
    """CPU time of a process that has ended and was not yet waited for, without its children's."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None


def _reap_stragglers() -> int:
    """Wait for what the program left behind; the largest of them in KiB, 0 when there was nothing."""
    peak_kb, deadline = 0, time.monotonic() + _STRAGGLERS_S
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return peak_kb
        if pid:
            peak_kb = max(peak_kb, usage.ru_maxrss)
        elif time.monotonic() > deadline:
            raise LaunchError(f"a process was left running for {_STRAGGLERS_S:.0f}s after the measured program ended")
        else:
            time.sleep(0.001)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, indented, for error texts."""
    return "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-lines:])


def in_turns(names: Sequence[str], repeats: int, act: Callable[[str], None]) -> None:
    """Call ``act`` for every name once per repeat, each repeat beginning with another name.

    Neighbours in time share the machine's moods, so ratios are taken within a repeat, never across runs.
    """
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in (*names[first:], *names[:first]):
            act(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """A median with the interval that holds the true median in about 95 of 100 cases.

    The interval comes from the sign test: order statistics at n/2 ± 0.98 √n.
    """

    value: float
    low: float
    high: float

    def text(self, digits: int, scale: float = 1.0) -> str:
        return f"{self.value * scale:.{digits}f} ({self.low * scale:.{digits}f}..{self.high * scale:.{digits}f})"


def median(values: Iterable[float]) -> Median:
    ordered = sorted(values)
    reach = 0.98 * math.sqrt(len(ordered))
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach) - 1)
    return Median(value=statistics.median(ordered), low=ordered[low], high=ordered[max(low, high)])


def ratio(values: Sequence[float], references: Sequence[float]) -> Median:
    """The median of the ratios within each repeat."""
    return median(value / reference for value, reference in zip(values, references, strict=True))


def difference(values: Sequence[float], references: Sequence[float]) -> Median:
    """The median of the differences within each repeat."""
    return median(value - reference for value, reference in zip(values, references, strict=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A text table: first column to the left, numbers to the right."""
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])

    return "\n".join(map(line, cells))

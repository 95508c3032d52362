"""Ordinary tests, beside plain pytest and pytest-xdist's modes: wall time, CPU time and memory of the whole tree.

Each suite is run by everybody in turns. "Best xdist" is, in each repeat, the fastest of its modes, and for CPU the
one that used least; so no single mode's bad moment is compared with. Memory is the peak of what all processes together
hold (proportional set size, so that shared pages count once), in runs of its own because looking costs time: the most
of three, as a short peak may fall between two looks.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import measure
from measure import Launch, Sample

PLAIN, OURS = "pytest", "paragate -n 2"
XDIST = {f"xdist -n 2 {mode}": ("-n", "2", "--dist", mode) for mode in ("load", "loadfile", "worksteal")}
_LOOK_EVERY_S, _LOOKS = 0.02, 3

_TEST = "def test_{i}():\n    assert {i} == {i}\n\n"
_SLEEPING = "import time\n\n" + "\n".join(f"def test_{i}():\n    time.sleep(0.02)\n" for i in range(20))
# Work rather than sleep: importing is, and workers that all import compete for the processors.
_IMPORTING = """\
import time

ends_at = time.thread_time() + 0.15
while time.thread_time() < ends_at:
    sum(range(1000))

def test_it():
    pass
"""
_PARAMETERS = "import pytest\n\n@pytest.mark.parametrize('i', range({count}))\ndef test_it(i):\n    assert i >= 0\n"
_SHORT = "import time\n\n" + "\n".join(f"def test_{i}():\n    time.sleep(0.01)\n" for i in range(20))
_SLOW = _SHORT + "\ndef test_slow():\n    time.sleep(2)\n"


def _trivial(modules: int, each: int) -> dict[str, str]:
    return {f"test_m{m}.py": "".join(_TEST.format(i=i) for i in range(each)) for m in range(modules)}


SUITES: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "5000-trivial": lambda: _trivial(50, 100),
    "100-trivial": lambda: _trivial(5, 20),
    "200-of-20ms": lambda: {f"test_m{m}.py": _SLEEPING for m in range(10)},
    "20-imports-of-150ms": lambda: {f"test_m{m}.py": _IMPORTING for m in range(20)},
    "20000-parameters": lambda: {"test_it.py": _PARAMETERS.format(count=20_000)},
    "one-slow": lambda: {f"test_m{m}.py": _SLOW if m == 7 else _SHORT for m in range(10)},
}


def run(folder: Path, *, repeats: int, only: list[str], say: Callable[[str], None]) -> dict[str, Any]:
    return {name: _suite(folder, name, repeats, say) for name in only or SUITES}


def _suite(folder: Path, name: str, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    off = ("-p", "no:paragate")
    options = {PLAIN: (*off, "-p", "no:xdist"), **{key: (*off, *value) for key, value in XDIST.items()}}
    options[OURS] = ("--paragate", "-n", "2")
    launches = {key: _project(folder / name / str(i), name, value) for i, (key, value) in enumerate(options.items())}
    samples: dict[str, list[Sample]] = {key: [] for key in launches}

    def act(key: str) -> None:
        samples[key].append(measure.run(launches[key]))

    for launch in launches.values():  # bytecode, and our history of durations
        measure.run(launch)
    measure.in_turns(list(launches), repeats, act)
    memory_kb = {key: max(_peak_kb(launch) for _ in range(_LOOKS)) for key, launch in launches.items()}
    walls = {key: [sample.wall_s for sample in taken] for key, taken in samples.items()}
    cpus = {key: [sample.cpu_s for sample in taken] for key, taken in samples.items()}
    best = {
        "wall": [min(walls[key][i] for key in XDIST) for i in range(repeats)],
        "cpu": [min(cpus[key][i] for key in XDIST) for i in range(repeats)],
    }
    say(f"{name}, {repeats} interleaved repeats, medians (95% interval)")
    rows, numbers = [], {}
    for key in launches:
        wall, cpu = measure.median(walls[key]).value, measure.median(cpus[key]).value
        to_best, to_plain = measure.ratio(walls[key], best["wall"]), measure.ratio(walls[key], walls[PLAIN])
        cpu_to_best = measure.ratio(cpus[key], best["cpu"])
        rows.append(
            (
                key,
                f"{wall:.3f}",
                f"{cpu:.2f}",
                f"{memory_kb[key] / 1024:.0f}",
                to_best.text(2),
                cpu_to_best.text(2),
                f"{to_plain.value:.2f}",
            )
        )
        numbers[key] = {"wall_s": wall, "cpu_s": cpu, "memory_kb": memory_kb[key], "to_best": to_best.value}
    head = ("who", "wall s", "cpu s", "tree MB", "wall x best xdist", "cpu x best xdist", "wall x pytest")
    say(measure.table(head, rows))
    least_kb = min(memory_kb[key] for key in XDIST)
    say(f"memory: {memory_kb[OURS] / least_kb:.2f} x the least of xdist's modes\n")
    return {"repeats": repeats, "contestants": numbers}


def _project(folder: Path, name: str, options: tuple[str, ...]) -> Launch:
    folder.mkdir(parents=True)
    for file, text in SUITES[name]().items():
        (folder / file).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    argv = (sys.executable, "-m", "pytest", "-q", *options)
    return Launch(argv=argv, cwd=folder, env={"PYTHONDONTWRITEBYTECODE": ""})


def _peak_kb(launch: Launch) -> int:
    """The most that a program and all below it hold at one time."""
    environment = {**os.environ, **launch.env}
    with open(launch.log, "wb") as log:
        process = subprocess.Popen(launch.argv, cwd=launch.cwd, env=environment, stdout=log, stderr=log)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_pss_kb(pid) for pid in _tree(process.pid)))
        time.sleep(_LOOK_EVERY_S)
    return peak


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):
                found += map(int, Path(f"/proc/{each}/task/{task}/children").read_text().split())
    return found


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0

"""Where the time of many trivial commands goes: by process, by phase and by function of the controller.

CPU time by process comes from the kernel: the controller's own from ``/proc``, the commands' from the report (paragate
gets it from ``wait4``), and what is left of the whole tree belongs to workers and zygote. Functions come from cProfile
around the controller's loop, in a run of its own because profiling slows it down.
"""

from __future__ import annotations

import io
import pstats
import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import gate
import measure
from competitors import Work, posix_spawn
from gate import GateRun

_PROFILE = "controller.prof"
_PROFILER = f"""\
import cProfile, os
import pytest

@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    profiler = cProfile.Profile()
    os.register_at_fork(after_in_child=profiler.disable)
    profiler.enable()
    yield
    profiler.disable()
    profiler.dump_stats(os.path.join({{folder!r}}, {_PROFILE!r}))
"""


def run(folder: Path, *, count: int, repeats: int, top: int, say: Callable[[str], None]) -> dict[str, Any]:
    conftest = gate.many_commands("true", count)
    plain = gate.write_gate(folder / "plain", conftest)
    profiled = gate.write_gate(folder / "profiled", conftest)
    (folder / "profiled" / "loop_profiler.py").write_text(_PROFILER.format(folder=str(folder / "profiled")))
    (folder / "spawn").mkdir()
    bare = posix_spawn(Work(folder=folder / "spawn", command="true", count=count, jobs=len(gate.AGENTS)), plain.argv[0])
    gate.run_gate(plain)
    runs, bare_samples = [], []
    for _ in range(repeats):
        runs.append(gate.run_gate(plain))
        bare_samples.append(measure.run(bare))
    medians = {key: statistics.median(_parts(run)[key] for run in runs) for key in _parts(runs[0])}
    medians["a bare posix_spawn loop, wall"] = statistics.median(sample.wall_s for sample in bare_samples)
    medians["a bare posix_spawn loop, cpu"] = statistics.median(sample.cpu_s for sample in bare_samples)
    say(f"{count} commands `true`, {repeats} repeats, medians")
    rows = [(key, f"{value:.3f}", f"{value / count * 1000:.3f}") for key, value in medians.items()]
    say(measure.table(("part", "s", "ms per command"), rows))

    measure.run(replace(profiled, argv=(*profiled.argv, "-p", "loop_profiler"), env={"PYTHONPATH": "."}))
    text = io.StringIO()
    pstats.Stats(str(profiled.cwd / _PROFILE), stream=text).strip_dirs().sort_stats("tottime").print_stats(top)
    say("\nthe controller's loop under cProfile (its own thread), by own time")
    say("\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip()))
    return {"count": count, "repeats": repeats, "parts_s": medians}


def _parts(run: GateRun) -> dict[str, float]:
    """Seconds by part of one run. The phases add up to the wall time, the processes to the CPU time."""
    sample, checks = run.sample, run.report["checks"]
    gate_started_s = datetime.fromisoformat(run.report["started_at"]).timestamp() - sample.launched_ns / 1e9
    first_s = gate_started_s + min(check["start_s"] for check in checks)
    commands_s = sum(check["cpu_s"] or 0.0 for check in checks)
    own_s = sample.own_cpu_s or 0.0
    return {
        "wall: launch to first check": first_s,
        "wall: first start to last end": run.makespan_s,
        "wall: last end to exit": sample.wall_s - first_s - run.makespan_s,
        "wall": sample.wall_s,
        "cpu: controller": own_s,
        "cpu: zygote and workers": sample.cpu_s - own_s - commands_s,
        "cpu: commands": commands_s,
        "cpu": sample.cpu_s,
    }

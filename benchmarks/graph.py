"""A graph of 24 sleeping checks of five types, really run, beside the best schedule that an exact solver finds.

paragate runs each graph once without history, and then with the durations that it has learnt. ninja, one pool for each
type, runs the same graph for comparison.
"""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gate
import measure
from gate import Command
from measure import Launch
from optimum import best_makespan, simple_bound

CHECKS = 24
_EARLIER = 8
_NEED = 0.22


def run(folder: Path, *, seeds: int, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run ``seeds`` graphs; the optimum is None where OR-tools is missing."""
    say(f"{CHECKS} sleeping checks, {len(gate.AGENTS)} types of one slot, {repeats} repeats with history, medians")
    results = [_run_graph(folder / str(seed), seed, repeats) for seed in range(1, seeds + 1)]
    head = ("graph", "bound s", "optimum s", "first run", "learnt", "x optimum", "worst", "wall s", "ninja wall s")
    say(measure.table(head, [_row(result) for result in results]))
    if any(result["optimum_s"] is None for result in results):
        say("missing: ortools (pip install -r benchmarks/requirements.txt), so no optimum")
    if any(result["ninja_wall_s"] is None for result in results):
        say("missing: ninja (apt-get install ninja-build)")
    return {"repeats": repeats, "graphs": results}


def make_graph(seed: int) -> tuple[dict[str, int], dict[str, str], dict[str, list[str]]]:
    """Durations in ms, agent types and needs of a graph, by the check's name; the same for the same seed."""
    # Only Random.random() promises the same numbers in every Python.
    draw = random.Random(seed).random
    durations, agents, needs = {}, {}, {}
    for i in range(CHECKS):
        name = f"check{i}"
        durations[name] = 200 + 10 * int(81 * draw())
        agents[name] = gate.AGENTS[int(len(gate.AGENTS) * draw())]
        needs[name] = [f"check{j}" for j in range(max(0, i - _EARLIER), i) if draw() < _NEED]
    return durations, agents, needs


def _run_graph(folder: Path, seed: int, repeats: int) -> dict[str, Any]:
    durations, agents, needs = make_graph(seed)
    ours = gate.write_commands(
        folder / "paragate",
        [
            Command(name=name, run=f"sleep {duration / 1000}", agent=agents[name], needs=needs[name])
            for name, duration in durations.items()
        ],
    )
    theirs = _ninja(folder / "ninja", durations, agents, needs)
    first = gate.run_gate(ours)
    runs, ninja_walls = [], []
    for _ in range(repeats):
        runs.append(gate.run_gate(ours))
        if theirs:
            ninja_walls.append(measure.run(theirs).wall_s)
    try:
        # After all measuring: the solver uses every core and much memory.
        optimum_s = best_makespan(durations, agents, needs, {}).makespan_ms / 1000
    except ImportError:
        optimum_s = None
    return {
        "seed": seed,
        "bound_s": simple_bound(durations, agents, needs, {}) / 1000,
        "optimum_s": optimum_s,
        "first_makespan_s": first.makespan_s,
        "makespan_s": statistics.median(run.makespan_s for run in runs),
        "worst_makespan_s": max(run.makespan_s for run in runs),
        "wall_s": statistics.median(run.sample.wall_s for run in runs),
        "ninja_wall_s": statistics.median(ninja_walls) if ninja_walls else None,
    }


def _ninja(
    folder: Path, durations: Mapping[str, int], agents: Mapping[str, str], needs: Mapping[str, Sequence[str]]
) -> Launch | None:
    program = shutil.which("ninja")
    if program is None:
        return None
    folder.mkdir(parents=True)
    lines = [f"pool {agent}\n  depth = 1" for agent in gate.AGENTS]
    lines += ["rule sleep\n  command = sleep $s"]
    for name, duration in durations.items():
        lines += [f"build {name}: sleep {' '.join(needs[name])}\n  s = {duration / 1000}\n  pool = {agents[name]}"]
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    return Launch(argv=(program, f"-j{CHECKS}"), cwd=folder, env={})


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    optimum_s = result["optimum_s"]

    def seconds(key: str) -> str:
        return f"{result[key]:.3f}" if result[key] is not None else "-"

    def times(key: str) -> str:
        return f"{result[key] / optimum_s:.3f}" if optimum_s else "-"

    return (
        f"seed {result['seed']}",
        seconds("bound_s"),
        seconds("optimum_s"),
        seconds("first_makespan_s"),
        seconds("makespan_s"),
        times("makespan_s"),
        times("worst_makespan_s"),
        seconds("wall_s"),
        seconds("ninja_wall_s"),
    )

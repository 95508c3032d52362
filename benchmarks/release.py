"""A pre-release run: four independent checks of different types start together and end with the longest.

The checks write their own start times; what the report says about them is not asked. Start-up is the wall time of a
gate with one ``true``, measured in the same repeats, so it holds pytest's start and its farewell.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gate
import measure
from gate import Command

CHECKS_S = {"format_and_lint": 1.0, "tests": 1.4, "benchmarks": 1.8, "leak_detection": 2.0}
_AGENTS = dict(zip(CHECKS_S, ("code-reviewer", "test-runner", "feature-implementer", "debugger"), strict=True))


def run(folder: Path, *, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    release = gate.write_commands(
        folder / "release",
        [
            Command(name=name, run=f"date +%s%N > {name}.start; sleep {sleep_s}", agent=_AGENTS[name], shell=True)
            for name, sleep_s in CHECKS_S.items()
        ],
    )
    alone = gate.write_commands(folder / "alone", [Command(name="alone", run="true", agent="debugger")])
    startups, walls, spreads = [], [], []
    for _ in range(repeats):
        startups.append(gate.run_gate(alone).sample.wall_s)
        walls.append(gate.run_gate(release).sample.wall_s)
        starts = [int((release.cwd / f"{name}.start").read_text()) for name in CHECKS_S]
        spreads.append((max(starts) - min(starts)) / 1e9)
    longest_s = max(CHECKS_S.values())
    ratios = [wall / (longest_s + startup) for wall, startup in zip(walls, startups, strict=True)]
    numbers = {
        "start_spread_s": statistics.median(spreads),
        "worst_start_spread_s": max(spreads),
        "wall_s": statistics.median(walls),
        "startup_s": statistics.median(startups),
        "longest_s": longest_s,
        "one_after_another_s": sum(CHECKS_S.values()),
        "wall_ratio": statistics.median(ratios),
        "worst_wall_ratio": max(ratios),
    }
    say(f"four checks of {', '.join(f'{sleep_s}' for sleep_s in CHECKS_S.values())} s, {repeats} repeats")
    rows = [
        ("first to last start, ms", f"{statistics.median(spreads) * 1000:.1f}", f"{max(spreads) * 1000:.1f}"),
        ("start-up, ms", f"{statistics.median(startups) * 1000:.1f}", f"{max(startups) * 1000:.1f}"),
        ("wall, s", f"{statistics.median(walls):.3f}", f"{max(walls):.3f}"),
        ("wall / (longest + start-up)", f"{statistics.median(ratios):.3f}", f"{max(ratios):.3f}"),
    ]
    say(measure.table(("what", "median", "worst"), rows))
    return {"repeats": repeats, **numbers}

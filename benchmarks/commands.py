"""N trivial commands over five agent types, beside other tools that run the same commands, five at once.

A tool counts only after it has shown, outside the timed runs, that it runs every command exactly once per launch.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measure
from competitors import OURS, TOOLS, Tool, Work
from measure import Launch, LaunchError, Sample

JOBS = 5
HEAD = ("tool", "wall s", "ms/cmd", "1 cmd ms", "marginal ms", "cpu s", "peak MB", "at once", "x ours")
_MARK_SLEEP_S = 0.02


@dataclass(slots=True, kw_only=True)
class Contestant:
    """A tool with its projects of ``count`` commands and of one, and what was measured so far.

    ``at_once`` is the parallelism that was seen.
    """

    many: Launch
    one: Launch
    count: int
    at_once: int
    many_samples: list[Sample] = field(default_factory=list)
    one_samples: list[Sample] = field(default_factory=list)

    def for_count(self, count: int, value: Callable[[Sample], float]) -> list[float]:
        """A measurement in each repeat for ``count`` commands, extrapolated where fewer were run."""
        more = (count - 1) / max(1, self.count - 1)
        pairs = zip(self.one_samples, self.many_samples, strict=True)
        return [value(one) + (value(many) - value(one)) * more for one, many in pairs]


def run(folder: Path, *, count: int, repeats: int, only: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure and print. ``missing`` tools are not installed; ``broken`` ones are and did not do their work."""
    contestants: dict[str, Contestant] = {}
    absent: dict[str, str] = {}
    broken: dict[str, str] = {}
    for tool in TOOLS:
        if only and tool.name != OURS and not any(word in tool.name for word in only):
            continue
        program = tool.find()
        if program is None:
            absent[tool.name] = tool.hint
            continue
        try:
            where = folder / re.sub(r"\W+", "-", tool.name)
            contestants[tool.name] = _prepare(tool, program, where, min(count, tool.most or count))
        except LaunchError as failure:
            broken[tool.name] = str(failure)

    def act(name: str) -> None:
        contestant = contestants[name]
        contestant.one_samples.append(measure.run(contestant.one))
        contestant.many_samples.append(measure.run(contestant.many))

    if contestants:
        measure.in_turns(list(contestants), repeats, act)
    numbers = {name: _numbers(contestant, contestants.get(OURS), count) for name, contestant in contestants.items()}
    say(f"{count} commands, {JOBS} at once, {repeats} interleaved repeats, medians")
    fastest_first = sorted(numbers, key=lambda name: float(numbers[name]["wall_s"]))
    say(measure.table(HEAD, [_row(name, numbers[name], count) for name in fastest_first]))
    for name, hint in absent.items():
        say(f"missing: {name} ({hint})")
    for name, error in broken.items():
        say(f"broken: {name}: {error}")
    return {"count": count, "repeats": repeats, "tools": numbers, "missing": absent, "broken": broken}


def _prepare(tool: Tool, program: str, folder: Path, count: int) -> Contestant:
    """Write the projects, check the tool on commands that leave marks, and run each timed project once to warm up."""

    def project(name: str, command: str, number: int) -> Launch:
        path = folder / name
        path.mkdir(parents=True)
        return tool.prepare(Work(folder=path, command=command, count=number, jobs=JOBS), program)

    folder.mkdir()
    marks = folder / "marks"
    mark = folder / "mark"
    mark.write_text(f"#!/bin/sh\necho + >> {marks}\nsleep {_MARK_SLEEP_S}\necho - >> {marks}\n")
    mark.chmod(0o755)
    verification = project("verify", str(mark), count)
    measure.run(verification)
    steps = [1 if line == "+" else -1 for line in marks.read_text().split()] if marks.exists() else []
    if steps.count(1) != count or steps.count(-1) != count:
        raise LaunchError(f"ran {steps.count(1)} of {count} commands\n{measure.tail(verification.log)}")
    at_once = max(itertools.accumulate(steps))
    if at_once > JOBS:
        raise LaunchError(f"ran {at_once} commands at once instead of at most {JOBS}")
    many, one = project("many", "true", count), project("one", "true", 1)
    measure.run(one)
    measure.run(many)
    return Contestant(many=many, one=one, count=count, at_once=at_once)


def _numbers(contestant: Contestant, ours: Contestant | None, count: int) -> dict[str, Any]:
    def wall(sample: Sample) -> float:
        return sample.wall_s

    walls = contestant.for_count(count, wall)
    wall_s, one_s = statistics.median(walls), statistics.median(map(wall, contestant.one_samples))
    return {
        "measured_count": contestant.count,
        "wall_s": wall_s,
        "ms_per_command": wall_s / count * 1000,
        "one_command_ms": one_s * 1000,
        "marginal_ms": (wall_s - one_s) / max(1, count - 1) * 1000,
        "cpu_s": statistics.median(contestant.for_count(count, lambda sample: sample.cpu_s)),
        "max_rss_kb": max(sample.max_rss_kb for sample in contestant.many_samples),
        "at_once": contestant.at_once,
        "wall_ratio": measure.ratio(walls, ours.for_count(count, wall)).value if ours else None,
        "wall_samples_s": walls,
    }


def _row(name: str, row: dict[str, Any], count: int) -> tuple[str, ...]:
    return (
        name,
        ("~" if row["measured_count"] < count else "") + f"{row['wall_s']:.3f}",
        f"{row['ms_per_command']:.2f}",
        f"{row['one_command_ms']:.0f}",
        f"{row['marginal_ms']:.2f}",
        f"{row['cpu_s']:.2f}",
        f"{row['max_rss_kb'] / 1024:.0f}",
        str(row["at_once"]),
        f"{row['wall_ratio']:.2f}" if row["wall_ratio"] else "-",
    )

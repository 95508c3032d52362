"""Write a project that pytest or paragate runs, and read what paragate said about it.

Together with the projects of ``first_check`` this is all that the benchmarks know about declarations, options and the
JSON report.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
from measure import Launch, LaunchError, Sample

AGENTS = ("code-reviewer", "test-runner", "feature-implementer", "refactorer", "debugger")
_REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One check of a generated project. ``run`` is a command line, for the shell when ``shell`` is set."""

    name: str
    run: str
    agent: str
    needs: Sequence[str] = ()
    shell: bool = False


def write_commands(folder: Path, commands: Sequence[Command]) -> Launch:
    """A project of these checks; the folder is made."""
    lines = ["import pytest_paragate as gate", ""]
    for command in commands:
        keys = f"name={command.name!r}, agent={command.agent!r}, needs={list(command.needs)!r}, shell={command.shell!r}"
        lines.append(f"{command.name} = gate.command({command.run!r}, {keys})")
    return write_gate(folder, "\n".join(lines) + "\n")


def many_commands(command: str, count: int) -> str:
    """A conftest.py that declares the same command ``count`` times, the agent types taking turns."""
    return f"""\
def pytest_paragate_checks(gate):
    agents = {AGENTS!r}
    for i in range({count}):
        gate.command({command!r}, name=f"check{{i}}", agent=agents[i % len(agents)])
"""


def write_gate(folder: Path, conftest: str) -> Launch:
    """A project of one conftest.py, and how to run it with a JSON report; the folder is made."""
    return write_project(folder, "conftest.py", conftest, "--paragate", "--paragate-json", _REPORT)


def write_project(folder: Path, name: str, text: str, *options: str) -> Launch:
    """A project of one file, and how to run pytest on it; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    # Without a pytest.ini of its own a project could take its settings from a folder above.
    (folder / "pytest.ini").write_text("[pytest]\n")
    return Launch(argv=(sys.executable, "-m", "pytest", "-q", *options), cwd=folder, env={})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRun:
    """One measured run: from outside (``sample``) and in paragate's own words (``report``)."""

    sample: Sample
    report: Mapping[str, Any]

    @property
    def makespan_s(self) -> float:
        """From the first check's start to the last one's end: neither pytest's start-up nor its farewell."""
        checks = self.report["checks"]
        ends = [check["start_s"] + check["duration_s"] for check in checks]
        return float(max(ends) - min(check["start_s"] for check in checks))


def run_gate(launch: Launch) -> GateRun:
    """Run a project; raises LaunchError unless every one of its checks passed."""
    sample = measure.run(launch)
    try:
        report = json.loads((launch.cwd / _REPORT).read_text())
    except OSError as error:
        raise LaunchError(f"no report: {error}\n{measure.tail(launch.log)}") from None
    unwell = [check["nodeid"] for check in report["checks"] if check["outcome"] != "passed"]
    if unwell or not report["checks"]:
        raise LaunchError(f"{len(report['checks'])} checks, not passed: {unwell[:5]}\n{measure.tail(launch.log)}")
    return GateRun(sample=sample, report=report)

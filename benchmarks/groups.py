"""How soon a group's answer ends what it no longer needs, and how soon a failed run is over.

Three projects: five mirrors of which one is enough, the first after one second; a threshold of 60% of five where three
fail early; and fail fast with three checks running, one of which ignores TERM, and ten waiting. Figures are from the
gate's beginning, as its report tells it; start-up is the wall time of a gate with one ``true`` in the same repeat.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gate
import measure
from gate import Command
from measure import Launch

GRACE_S = 1.0
_MIRRORS = """\
import pytest_paragate as gate

gate.group("mirrors", wait="any", rest="cancel")

def pytest_paragate_checks(gate):
    for seconds in (60, 4, 3, 2, 1):
        gate.command(f"sleep {seconds}", name=f"mirror{seconds}", group="mirrors", agent=f"mirror{seconds}")
"""
_THRESHOLD = """\
import pytest_paragate as gate

gate.group("suites", wait="60%", rest="cancel")

def pytest_paragate_checks(gate):
    for name, run in {"a": "sleep 0.2; false", "b": "sleep 0.4; false", "c": "sleep 0.6; false", "d": "sleep 60",
                      "e": "sleep 60"}.items():
        gate.command(run, name=name, shell=True, group="suites", agent=f"suite-{name}")
"""
_FAIL_FAST = f"""\
import pytest_paragate as gate

stubborn = gate.command("trap '' TERM; while :; do sleep 0.05; done", shell=True, agent="one", grace={GRACE_S})
polite = gate.command("sleep 60", agent="two")
fails = gate.command("sleep 0.5; false", shell=True, agent="three")

def pytest_paragate_checks(gate):
    for i in range(10):
        gate.command("sleep 60", name=f"waits{{i}}", agent="two")
"""
_AGENTS = (
    *(f"mirror{n}" for n in (1, 2, 3, 4, 60)),
    *(f"suite-{name}" for name in "abcde"),
    *("one", "two", "three"),
)


def run(folder: Path, *, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure and print. Raises LaunchError when something was left running or came out otherwise than it should."""
    launches = {
        "mirrors": _project(folder / "mirrors", _MIRRORS),
        "threshold": _project(folder / "threshold", _THRESHOLD),
        "fail-fast": _project(folder / "fail-fast", _FAIL_FAST, "-x"),
    }
    alone = gate.write_commands(folder / "alone", [Command(name="alone", run="true", agent="debugger")])
    figures: dict[str, list[float]] = {}

    def note(name: str, value_s: float) -> None:
        figures.setdefault(name, []).append(value_s)

    for _ in range(repeats):
        note("start-up of a gate", gate.run_gate(alone).sample.wall_s)
        report = _report(launches["mirrors"], 0)
        note("any of five: gate", report["wall_s"] - 1.0)
        note("any of five: decided", report["groups"][0]["decided_s"] - 1.0)
        report = _report(launches["threshold"], 1)
        third_s = sorted(check["start_s"] + check["duration_s"] for check in report["checks"])[2]
        note("60% of five: decided", report["groups"][0]["decided_s"] - third_s)
        note("60% of five: gate", report["wall_s"] - third_s)
        report = _report(launches["fail-fast"], 1)
        failure = next(check for check in report["checks"] if check["name"] == "fails")
        note("fail fast: gate", report["wall_s"] - (failure["start_s"] + failure["duration_s"]) - GRACE_S)
    say(
        f"{repeats} repeats; milliseconds after the first mirror's second, the third failure, the failure and its grace"
    )
    rows = [
        (name, f"{statistics.median(values) * 1000:.0f}", f"{max(values) * 1000:.0f}")
        for name, values in figures.items()
    ]
    say(measure.table(("what", "median ms", "worst ms"), rows))
    return {"repeats": repeats, "grace_s": GRACE_S, "figures_s": figures}


def _project(folder: Path, conftest: str, *options: str) -> Launch:
    launch = gate.write_gate(folder, conftest)
    (folder / "pytest.ini").write_text("[pytest]\nparagate_agents = " + "\n    ".join(_AGENTS) + "\n")
    return Launch(argv=(*launch.argv, *options), cwd=launch.cwd, env=launch.env)


def _report(launch: Launch, status: int) -> dict[str, Any]:
    # It waits for what a run leaves behind, and fails when that does not end.
    measure.run(launch, expected=[status])
    report: dict[str, Any] = json.loads((launch.cwd / "report.json").read_text())
    return report

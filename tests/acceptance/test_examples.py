"""The examples do what their READMEs say: clean they pass, with planted faults exactly these are reported.

They compile and run real tools. What is missing on a machine skips its example, except in CI, where it fails.
"""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .gates import ROOT, GateRun, Project

EXAMPLES = ROOT / "examples"
PRODUCTS = shutil.ignore_patterns(
    "target", "release", "dist", "scratch", "RELEASE.md", ".*_cache", "__pycache__", ".venv", "venv"
)
# Compiling three small crates takes seconds; a busy machine may need this.
BOUND_S = 280.0

pytestmark = pytest.mark.timeout(600) if importlib.util.find_spec("pytest_timeout") else []


def need(missing: Sequence[str]) -> None:
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing in CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}")


def copy_of(example: str, project: Project) -> Project:
    (project.folder / "pyproject.toml").unlink()
    shutil.copytree(EXAMPLES / example, project.folder, ignore=PRODUCTS, dirs_exist_ok=True)
    return project


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{path}: {old}"
    path.write_text(text.replace(old, new), "utf-8")


# Python

PYTHON_CHECKS = {"lint", "style", "readme", "types", "memory", "speed"}


@pytest.fixture(scope="module")
def python_project(module_project: Callable[[], Project]) -> Project:
    need([tool for tool in ("ruff", "mypy") if importlib.util.find_spec(tool) is None])
    return copy_of("python-project", module_project())


def test_the_python_example_passes(python_project: Project) -> None:
    run = python_project.run(within_s=BOUND_S)
    assert run.status == 0, run.text
    assert run.outcomes() == dict.fromkeys(PYTHON_CHECKS, "passed")
    assert {check["agent"] for check in run.report["checks"]} | {"test-runner"} == {
        "code-reviewer", "refactorer", "debugger", "feature-implementer", "test-runner",
    }  # fmt: skip
    tests = next(agent for agent in run.report["agents"] if agent["agent"] == "test-runner")
    assert tests["passed"] == tests["tests"] > 30
    summaries = agent_summaries(run)
    assert (summaries["code-reviewer"], summaries["feature-implementer"]) == ("0 issues", "4 benchmarks run")
    assert summaries["debugger"].startswith("growth_kib ")
    assert_ran_alone(run, "speed")


def test_the_python_example_notices_a_slow_lookup_in_the_benchmark_alone(python_project: Project) -> None:
    planted = (EXAMPLES / "python-project/README.md").read_text("utf-8")
    body = "return any(start <= number < end for start, end in self)"
    assert body in planted
    path = python_project.folder / "src/spanset/_spans.py"
    original = path.read_text("utf-8")
    head = "    def __contains__(self, number: float) -> bool:\n"
    before, _, after = original.partition(head)
    rest = after[after.index("\n\n") :]
    path.write_text(f"{before}{head}        {body}{rest}", "utf-8")
    try:
        run = python_project.run(within_s=BOUND_S)
    finally:
        path.write_text(original, "utf-8")
    assert run.status == 1, run.text
    assert {name for name, outcome in run.outcomes().items() if outcome != "passed"} == {"speed"}


# Release gate


def release_project(project: Project) -> Project:
    return copy_of("release-gate", project)


def test_the_release_gate_passes_and_says_with_what(project: Project) -> None:
    run = release_project(project).run()
    assert run.status == 0, run.text
    assert {name: outcome for name, outcome in run.outcomes().items() if outcome != "passed"} == {
        "mirror[broken]": "failed", "mirror[far]": "cancelled", "audit": "failed",
    }  # fmt: skip
    assert run.check("mirror[broken]")["tolerated"]
    assert run.check("audit")["advisory"]
    assert [run.check(f"smoke[{name}]")["attempts"] for name in ("caesar", "cicero")] == [2, 2]
    assert "gate passed with 1 advisory failure, 1 tolerated failure and 2 flaky checks" in run.text
    notes = (run.folder / "RELEASE.md").read_text("utf-8")
    assert "Ready to release." in notes
    assert "| smoke[caesar] | passed | passed on try 2 |" in notes
    readme = (EXAMPLES / "release-gate/README.md").read_text("utf-8")
    assert rows_of_summary(readme) == rows_of_summary(run.text)
    assert findings_of_lines(readme.partition("= paragate =")[0]) == findings_of_lines(run.text)
    # Whether the mirror that is too far has its verdict by then is chance.
    told = {line for line in at_home(notes).splitlines() if "mirror[far]" not in line}
    assert set(readme.partition("```\n# Release of romans")[2].partition("```")[0].splitlines()) <= {"", *told}


def at_home(text: str) -> str:
    """With the interpreter where the READMEs have it."""
    return text.replace(sys.executable, "venv/bin/python")


def findings_of_lines(text: str) -> set[tuple[str, ...]]:
    """What the lines of a run say was found, by check; not its times and order."""
    found = re.findall(r"^(PASSED|FLAKY|RETRY) +(\S+)  \S+  [\d.]+m?s(?:  (\d[^:\n]*))?", text, re.MULTILINE)
    return set(found)


def rows_of_summary(text: str) -> list[list[str]]:
    """The summary's lines without what differs from run to run: times, and where a line is cut."""
    summary = text.partition("= paragate =")[2].partition("speedup")[0]
    rows = [[word for word in line.split() if not re.search(r"\d(ms|s)$", word)] for line in summary.splitlines()[1:]]
    return [row[:4] for row in rows]


def test_the_release_gate_refuses_a_release_that_was_not_tested(project: Project) -> None:
    release_project(project)
    readme = (EXAMPLES / "release-gate/README.md").read_text("utf-8")
    planted = 'count_tests(paragate_run, "dist/romans.zip", "-p", "test_romans.py")'
    assert planted in readme
    change(project.folder / "conftest.py", 'count_tests(paragate_run, "dist/romans.zip")', planted)
    run = project.run()
    assert run.status == 1, run.text
    assert run.check("same_tests")["reason"] == "source_tests says 7 tests, package_tests says 6 tests"
    assert run.check("upload")["outcome"] == "blocked"
    # There it is a second run, which finds the service started.
    shown = [row for row in rows_of_summary(run.text) if row[0] != "FLAKY"]
    assert rows_of_summary(readme.partition("## When something is wrong")[2]) == shown
    notes = (run.folder / "RELEASE.md").read_text("utf-8")
    assert "Not ready: needs same_tests, which failed." in notes
    assert "source_tests says 7 tests, package_tests says 6 tests" in notes


def test_the_release_gate_needs_one_mirror(project: Project) -> None:
    release_project(project)
    path = project.folder / "mirrors.json"
    path.write_text(path.read_text().replace("true", "false").replace("60", "0.2"))
    run = project.run()
    assert run.status == 1, run.text
    assert run.report["groups"][0]["met"] is False
    assert run.check("upload")["reason"].startswith("needs group:mirrors, which can no longer be met: mirror[")
    assert "Not ready: needs group:mirrors" in (run.folder / "RELEASE.md").read_text("utf-8")


# Rust

FAULTS = {"clippy", "crate[memory-core]", "leaks"}


@pytest.fixture(scope="module")
def workspace(module_project: Callable[[], Project]) -> Project:
    tools = ("cargo", "cargo-clippy", "cargo-fmt", "valgrind")
    need([tool for tool in tools if shutil.which(tool) is None])
    return copy_of("rust-workspace", module_project())


def test_the_rust_example_passes(workspace: Project) -> None:
    run = workspace.run(within_s=BOUND_S)
    assert run.status == 0, run.text
    assert set(run.outcomes().values()) == {"passed"}
    assert {name for name in run.outcomes() if name.startswith("crate[")} == {
        "crate[memory-core]", "crate[memory-storage-turso]", "crate[memory-storage-redb]",
    }  # fmt: skip
    assert_ran_alone(run, "bench")
    assert agent_summaries(run) == {
        "code-reviewer": "0 issues",
        "test-runner": "25/25 tests passed",
        "feature-implementer": "0 issues, 10 benchmarks run",
        "debugger": "0 leaks",
    }
    assert_summary_drawn_last(run)
    assert "ready to release" in (run.folder / "release/RELEASE_SUMMARY.txt").read_text("utf-8")


def test_the_rust_example_reports_exactly_the_planted_faults(workspace: Project) -> None:
    plant = runpy.run_path(str(workspace.folder / "plant/plant.py"))
    assert {fault.fails.partition("::")[2] for fault in plant["FAULTS"].values()} == FAULTS
    for fault in plant["FAULTS"].values():
        plant["plant"](fault, workspace.folder)
    run = workspace.run(within_s=BOUND_S)
    assert run.status == 1, run.text
    outcomes = run.outcomes()
    assert {name for name, outcome in outcomes.items() if outcome != "passed"} == FAULTS, run.text
    assert {outcomes[name] for name in FAULTS} == {"failed"}
    summaries = {check["name"]: check["summary"] for check in run.report["checks"]}
    assert summaries["crate[memory-core]"] == "8/9 tests passed"
    assert summaries["leaks"].endswith("bytes definitely lost")
    assert summaries["clippy"] == "1 issue"
    assert all(check["start_s"] is not None for check in run.report["checks"])
    told = [line for line in run.text.partition("= paragate =")[2].splitlines() if line.startswith("FAILED")]
    assert len(told) == len(FAULTS)
    assert_summary_drawn_last(run)
    summary = (run.folder / "release/RELEASE_SUMMARY.txt").read_text("utf-8")
    assert all(name in summary.partition("not ready: ")[2] for name in FAULTS)


def agent_summaries(run: GateRun) -> dict[str, str]:
    return {agent["agent"]: agent["summary"] for agent in run.report["agents"]}


def spans(run: GateRun) -> dict[str, tuple[float, float]]:
    checks: list[dict[str, Any]] = run.report["checks"]
    return {check["name"]: (check["start_s"], check["start_s"] + check["duration_s"]) for check in checks}


def assert_ran_alone(run: GateRun, name: str) -> None:
    start, end = spans(run)[name]
    beside = [other for other, span in spans(run).items() if other != name and span[0] < end and start < span[1]]
    assert beside == []


def assert_summary_drawn_last(run: GateRun) -> None:
    others = [end for name, (_, end) in spans(run).items() if name != "release_summary"]
    assert spans(run)["release_summary"][0] >= max(others) - 0.001

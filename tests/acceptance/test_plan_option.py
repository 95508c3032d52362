"""``--paragate-plan`` says what would happen, as text and as data, and runs nothing."""

from __future__ import annotations

import re

import pytest

from .gates import GateRun, Project

CONFTEST = """
import pathlib
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent

build = gate.command("sh -c 'sleep 0.3; touch ran'", writes=["target/"], agent="feature-implementer")
lint = gate.command("touch ran", agent="code-reviewer", reads=["src/"])
docs = gate.command("touch ran", writes=["target/"], agent="refactorer")
pages = gate.command("touch ran", reads=["target/doc/"], agent="refactorer")
db_one = gate.command("touch ran", uses="db", agent="code-reviewer")
db_two = gate.command("touch ran", uses="db", agent="debugger")
bench = gate.command("touch ran", needs="build", after="lint", exclusive=True, agent="feature-implementer")

@gate.check
def summary():
    (HERE / "ran").touch()
"""
TESTS = "import pathlib\ndef test_it(): (pathlib.Path(__file__).parent / 'ran').touch()\n"


@pytest.fixture
def plans(project: Project) -> Project:
    return project.write({"conftest.py": CONFTEST, "test_it.py": TESTS})


def row(run: GateRun, name: str) -> list[str]:
    """The cells of a check's line in the plan."""
    found = [re.split("  +", line.strip()) for line in run.lines if re.search(rf"/\d +{re.escape(name)}(  |$)", line)]
    assert len(found) == 1, run.text
    return found[0]


def test_the_plan_is_told_and_nothing_runs(plans: Project) -> None:
    run = plans.run("--paragate-plan")
    assert run.status == 0, run.text
    assert not (run.folder / "ran").exists()
    assert row(run, "bench")[2:] == ["feature-implementer/0", "bench", "runs alone; needs build; after lint"]
    assert row(run, "lint")[:3] == ["0.0s", "?", "code-reviewer/0"]
    assert row(run, "1 test")[2] == "test-runner/0"
    apart = run.text.partition("kept apart:\n")[2].splitlines()
    assert "  build and docs: both write target/" in apart
    assert "  build and pages: one reads target/doc/, the other writes target/" in apart
    assert any(line.startswith("  db_one and db_two: ") and "db" in line for line in apart)
    assert not any("lint" in line for line in apart)
    assert "how long it takes is not known yet: there is no history of these" in run.text
    assert "= paragate =" not in run.text
    assert "gate passed" not in run.text


def test_the_plan_alone_turns_the_gate_on(plans: Project) -> None:
    run = plans.start_pytest("--paragate-plan").finish()
    assert run.status == 0
    assert "kept apart:" in run.text
    assert not (run.folder / "ran").exists()


def test_the_plan_as_data(plans: Project) -> None:
    run = plans.run("--paragate-plan")
    assert run.report["schema"] == "paragate-plan/1"
    checks = {check["name"]: check for check in run.report["checks"]}
    assert set(checks) == {"build", "lint", "docs", "pages", "db_one", "db_two", "bench", "summary"}
    bench = checks["bench"]
    assert (bench["needs"], bench["after"], bench["exclusive"]) == (["conftest.py::build"], ["conftest.py::lint"], True)
    assert bench["expected_s"] is None
    assert [tests["tests"] for tests in run.report["tests"]] == [1]
    pairs = {(pair["one"], pair["other"]): pair["why"] for pair in run.report["kept_apart"]}
    assert pairs["conftest.py::build", "conftest.py::docs"] == "both write target/"
    assert set(run.report["limit"]) == {"wall_s", "bound", "by", "label"}


def test_after_a_run_the_plan_knows_durations_and_the_limit(plans: Project) -> None:
    assert plans.run().status == 0
    (plans.folder / "ran").unlink()
    run = plans.run("--paragate-plan")
    assert not (run.folder / "ran").exists()
    assert re.fullmatch(r"~(0\.[3-9]|\d+\.\d)s", row(run, "build")[1])
    assert re.search(r"^expected ~\d+(\.\d)?m?s$", run.text, re.MULTILINE)
    assert re.search(r"^limit ~\d+(\.\d)?m?s, set by .+$", run.text, re.MULTILINE)
    checks = {check["name"]: check for check in run.report["checks"]}
    assert checks["build"]["expected_s"] >= 0.3
    assert checks["bench"]["start_s"] >= checks["build"]["start_s"] + checks["build"]["expected_s"]
    assert run.report["is_known"] is True


def test_a_plan_follows_the_selection_and_refuses_what_a_run_would(plans: Project) -> None:
    run = plans.run("--paragate-plan", "-k", "lint or build")
    assert {check["name"] for check in run.report["checks"]} == {"lint", "build"}
    wrong = plans.run("--paragate-plan", "-k", "bench")
    assert wrong.status == 4
    assert 'needs "build", which was deselected' in wrong.text

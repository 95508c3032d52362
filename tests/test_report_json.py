from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate.model import Kind
from pytest_paragate.report.json_file import ReportError, as_data, as_text, write
from pytest_paragate.result import CheckResult, GateResult, GroupVerdict, Limit, WorkerRecord
from pytest_paragate.verdict import Leaked, Outcome, Try, Verdict


def item(
    nodeid: str, verdict: Verdict, *, kind: Kind = "command", agent: str = "test-runner", is_marked: bool = True
) -> CheckResult:
    return CheckResult(
        nodeid=nodeid, name=nodeid, kind=kind, agent=agent, needs=("build",), verdict=verdict, is_marked=is_marked
    )


RUFF = Verdict(
    outcome=Outcome.PASSED,
    summary="3 issues",
    counts={"warnings": 1, "issues": 3},
    start_s=0.01,
    duration_s=4.2,
    cpu_s=3.9,
    max_rss_kb=81234,
    exit_code=0,
    slot="code-reviewer/0",
    worker="gw0",
    waited_for=("conftest.py::types",),
    leaked=(Leaked(pid=7, command="sleep\x1b[31m 9", killed=True),),
)
RESULT = GateResult(
    outcome="failed",
    exitstatus=1,
    started_at="2024-05-01T12:00:00+00:00",
    wall_s=66.2,
    sequential_s=111.9,
    basis="sum",
    limit=Limit(wall_s=64.0, bound="agent", by=("conftest.py::leaks",), label="debugger: leaks"),
    slots={"code-reviewer": 1, "test-runner": 2},
    results=(
        item("conftest.py::ruff", RUFF, agent="code-reviewer"),
        item("conftest.py::crate", Verdict(outcome=Outcome.FAILED, duration_s=38.1, counts={"tests": 9, "passed": 8})),
        item("conftest.py::bench", Verdict(outcome=Outcome.BLOCKED, reason="needs \x1b[1mcrate")),
        item("tests/test_a.py::test_marked", Verdict(outcome=Outcome.PASSED), kind="test"),
        item("tests/test_a.py::test_b", Verdict(outcome=Outcome.PASSED), kind="test", is_marked=False),
        item("tests/test_a.py::test_c", Verdict(outcome=Outcome.SKIPPED), kind="test", is_marked=False),
    ),
    workers=(WorkerRecord(id="gw0", kind="fork", slot="code-reviewer/0", started_s=0.01, restarts=0),),
    missing=("conftest.py::lost",),
    problems=("teardown: \x1b[31mno",),
)


def test_the_run_as_data() -> None:
    data = as_data(RESULT)
    checks = data.pop("checks")
    agents = data.pop("agents")
    assert data == {
        "schema": "paragate/1",
        "outcome": "failed",
        "exitstatus": 1,
        "started_at": "2024-05-01T12:00:00+00:00",
        "wall_s": 66.2,
        "sequential_s": 111.9,
        "speedup": 1.6903,
        "speedup_basis": "sum",
        "limit": {"speedup": 1.7484, "wall_s": 64.0, "bound": "agent", "by": ["conftest.py::leaks"]},
        "groups": [],
        "workers": [{"id": "gw0", "kind": "fork", "slot": "code-reviewer/0", "started_s": 0.01, "restarts": 0}],
        "missing": ["conftest.py::lost"],
        "problems": ["teardown: no"],
    }
    assert [check["nodeid"] for check in checks] == [
        "conftest.py::ruff",
        "conftest.py::crate",
        "conftest.py::bench",
        "tests/test_a.py::test_marked",
    ]
    assert [agent["agent"] for agent in agents] == ["code-reviewer", "test-runner"]


def test_one_check_as_data() -> None:
    assert as_data(RESULT)["checks"][0] == {
        "nodeid": "conftest.py::ruff",
        "name": "conftest.py::ruff",
        "kind": "command",
        "agent": "code-reviewer",
        "outcome": "passed",
        "flaky": False,
        "advisory": False,
        "tolerated": False,
        "leaked": [{"pid": 7, "command": "sleep 9", "killed": True}],
        "summary": "3 issues",
        "counts": {"issues": 3, "warnings": 1},
        "metrics": {},
        "issues": [],
        "issues_cut": 0,
        "judge": None,
        "reason": None,
        "needs": ["build"],
        "attempts": 1,
        "start_s": 0.01,
        "duration_s": 4.2,
        "cpu_s": 3.9,
        "max_rss_kb": 81234,
        "exit_code": 0,
        "slot": "code-reviewer/0",
        "worker": "gw0",
        "waited_for": ["conftest.py::types"],
        "log": None,
    }


def test_an_agent_counts_checks_and_tests_together() -> None:
    assert as_data(RESULT)["agents"][1] == {
        "agent": "test-runner",
        "slots": 2,
        "checks": 3,
        "tests": 2,
        "passed": 2,
        "failed": 1,
        "other": 2,
        "busy_s": 38.1,
        "utilization": 0.2878,
        "summary": "10/11 tests passed, 1 skipped",
    }


def test_a_run_without_items_is_valid_data() -> None:
    nothing = GateResult(
        outcome="failed",
        exitstatus=5,
        started_at="",
        wall_s=0.0,
        sequential_s=0.0,
        basis="sum",
        limit=None,
        slots={},
        results=(),
    )
    data = as_data(nothing)
    assert (data["speedup"], data["limit"], data["agents"], data["checks"]) == (None, None, [], [])


def test_the_text_is_always_valid_json_and_holds_no_ci_command() -> None:
    data = {
        "nan": float("nan"),
        "deep": [float("inf"), ("\udce9",)],
        "node": "##vso[x] ### \\## \x1b[0m",
        "\ud800": 1.5,
    }
    text = as_text(data)
    assert text.isascii()
    assert "##" not in text
    assert "\x1b" not in text

    def refused(constant: str) -> Any:
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refused) == {
        "nan": None,
        "deep": [None, ["\ufffd"]],
        "node": "##vso[x] ### \\## \x1b[0m",
        "\ufffd": 1.5,
    }


def test_the_same_run_gives_the_same_text() -> None:
    assert as_text(as_data(RESULT)) == as_text(as_data(RESULT))


def test_writing_makes_folders_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    path = tmp_path / "out" / "gate.json"
    write(path, {"a": 1})
    write(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert [found.name for found in path.parent.iterdir()] == ["gate.json"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_new_report_has_ordinary_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    ordinary, path = tmp_path / "ordinary", tmp_path / "gate.json"
    ordinary.touch()
    write(path, {})
    assert path.stat().st_mode == ordinary.stat().st_mode
    path.chmod(0o640)
    write(path, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    write(link, {"a": 1})
    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"a": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    # A pipe of our own rather than a device: run as root, a broken guard would replace the device for everybody.
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        write(path, {"a": 1})
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert json.loads(os.read(reader, 1000)) == {"a": 1}
    finally:
        os.close(reader)


def test_a_target_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "gate.json", tmp_path / ("x" * 300)):
        with pytest.raises(ReportError) as caught:
            write(path, {})
        assert str(path) in str(caught.value)
        assert "could not be written" in str(caught.value)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_keeps_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gate.json"
    write(path, {"a": 1})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["gate.json"]


def test_groups_and_tries_are_told_and_their_texts_are_neutral() -> None:
    tries = (
        Try(Outcome.FAILED, "exit\x1b[31m 1", 0.1, 1.0, 1, "/log", "::error::out", "why"),
        Try(Outcome.PASSED, "", 1.2, 0.5, 0),
    )
    flaky = Verdict(outcome=Outcome.PASSED, flaky=True, attempts=2, tries=tries, duration_s=0.5)
    group = GroupVerdict("mirrors", "60%", "stop", True, ("a",), ("a", "b"), 1, 1, 2, 0.123456)
    data = as_data(RESULT._replace(results=(item("a", flaky), item("b", RUFF)), groups=(group,)))
    assert data["groups"] == [
        {
            "name": "mirrors", "wait": "60%", "rest": "stop", "met": True, "by": ["a"], "members": ["a", "b"],
            "passed": 1, "wanted": 1, "decided_s": 0.1235,
        }
    ]  # fmt: skip
    first, second = data["checks"][0]["tries"]
    assert (first["summary"], first["output"], first["details"]) == ("exit 1", ": :error::out", "why")
    assert (second["outcome"], second["exit_code"]) == ("passed", 0)
    assert "tries" not in data["checks"][1]
    assert data["agents"][0]["busy_s"] == 5.7  # all tries


def test_a_verdict_with_tries_crosses_a_gateway_and_is_the_same() -> None:
    tries = (Try(Outcome.CRASHED, "SIGSEGV", None, 1.0, -11), Try(Outcome.PASSED, "", 1.0, 0.5, 0))
    verdict = RUFF._replace(tries=tries, flaky=True)
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict

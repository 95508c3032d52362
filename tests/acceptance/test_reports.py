"""What a run tells: the lines while it runs, the section at its end, the JSON report and JUnit's file."""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from .gates import GateRun, Project

CONFTEST = """
import pytest
import pytest_paragate as gate

good = gate.command("echo fine", agent="code-reviewer")
bad = gate.command("sh -c 'echo on-stdout; echo on-stderr >&2; exit 3'", agent="code-reviewer")
held = gate.command("true", needs=["bad"])
held_too = gate.command("true", needs=["held"])
always = gate.command("true", needs=["held_too"], when="always")
audit = gate.command("false", agent="debugger", advisory=True)
absent = gate.command("no-such-program", agent="debugger")
slow = gate.command("sleep 300", timeout=1, agent="refactorer")

@gate.check(agent="feature-implementer")
@pytest.mark.parametrize("crate", ["core", "storage"])
def crate(crate):
    assert crate == "core"

@gate.check
def skips():
    pytest.skip("not today")

@gate.check
def expected_to_fail():
    pytest.xfail("known")
"""
TESTS = """
import pytest

def test_good(): pass

def test_bad(): assert 1 == 2

@pytest.mark.paragate(agent="debugger")
def test_marked(): assert [1] == [2]
"""
OUTCOMES = {
    "good": "passed", "bad": "failed", "held": "blocked", "held_too": "blocked", "always": "passed",
    "audit": "failed", "absent": "error", "slow": "timeout", "crate[core]": "passed", "crate[storage]": "failed",
    "skips": "skipped", "expected_to_fail": "skipped", "test_marked": "failed",
}  # fmt: skip
# What is in the section, with what goes before and after it on its line.
TOLD = {
    "bad": ("FAILED", "exit status 3"),
    "absent": ("ERROR", "no such program: no-such-program"),
    "slow": ("TIMEOUT", "took longer than 1 s"),
    "crate[storage]": ("FAILED", "AssertionError: assert 'storage' == 'core'"),
    "test_marked": ("FAILED", "assert [1] == [2]"),
    "test_bad": ("FAILED", "assert 1 == 2"),
    "held": ("BLOCKED", "needs bad, which failed"),
    "held_too": ("BLOCKED", "needs bad, which failed"),
    "audit": ("ADVISORY", "failed: exit status 1"),
}


def section(run: GateRun) -> list[str]:
    """The lines of the section ``paragate``, without its title and pytest's own last lines."""
    start = max(number for number, line in enumerate(run.lines) if re.fullmatch("=+ paragate =+", line))
    lines = run.lines[start + 1 :]
    return lines[: next((number for number, line in enumerate(lines) if re.match("[=!]+ .* [=!]+$", line)), None)]


def failures(run: GateRun) -> str:
    return run.text.partition("= FAILURES =")[2].partition("= short test summary")[0]


def in_environment(project: Project, **variables: str) -> Project:
    environment = project.environment
    project.environment = lambda: {**environment(), **variables}  # type: ignore[method-assign]
    return project


@pytest.fixture(scope="module")
def mixed(module_project: Callable[[], Project]) -> GateRun:
    project = module_project().write({"conftest.py": CONFTEST, "test_it.py": TESTS})
    return project.run("--junitxml=junit.xml", "-ra", "--durations=3")


def test_a_mixed_run_fails_with_every_outcome_as_expected(mixed: GateRun) -> None:
    assert mixed.status == 1
    assert mixed.outcomes() == OUTCOMES


def test_the_header_counts_and_estimates_nothing_at_first(mixed: GateRun) -> None:
    header = next(line for line in mixed.lines if line.startswith("paragate: "))
    assert header == "paragate: 13 checks and 2 tests, 5 agent types, 5 slots, fork workers"


def test_every_check_has_one_line_of_its_own_when_it_ends(mixed: GateRun) -> None:
    before = mixed.text.partition("= FAILURES =")[0].splitlines()
    for name, outcome in OUTCOMES.items():
        word = "ADVISORY" if name == "audit" else outcome.upper()
        found = [line for line in before if re.search(rf"::{re.escape(name)}(?!\S)", line)]
        assert len(found) == 1, found
        assert found[0].split()[0] == word


def test_the_section_has_a_line_for_each_agent_type(mixed: GateRun) -> None:
    head, *rows = section(mixed)[:6]
    assert head.split() == ["agent", "checks", "passed", "other", "busy", "result"]
    assert [(row[0], *row[2:].split()[:4]) for row in rows] == [
        ("✗", "code-reviewer", "2", "1", "1"),
        ("✗", "test-runner", "5", "1", "4"),
        ("✗", "debugger", "3", "0", "3"),
        ("✗", "refactorer", "1", "0", "1"),
        ("✗", "feature-implementer", "2", "1", "1"),
    ]


def test_everything_that_is_not_passed_is_in_the_section_once_and_says_why(mixed: GateRun) -> None:
    lines = section(mixed)[6:]
    for name, (word, why) in TOLD.items():
        found = [line for line in lines if re.search(rf"::{re.escape(name)}(?!\S)", line)]
        assert len(found) == 1, (name, found)
        assert found[0].split()[0] == word
        assert why in found[0]
    assert not any("::good" in line or "::always" in line or "::skips" in line for line in lines)


def test_the_speedup_names_its_baseline_and_what_limits_it(mixed: GateRun) -> None:
    text = " ".join(line.strip() for line in section(mixed)[-4:])
    assert re.search(r"speedup\S* .*one after another \(sum of durations\) → \S+", text)
    assert re.search(r"limit \d+\.\d\dx, set by critical path: slow", text)


def test_the_last_word_is_the_answer(mixed: GateRun) -> None:
    assert section(mixed)[-1] == "gate failed: 5 of 13 checks, 1 of 2 tests, 2 not run"
    for count in ("6 failed", "4 passed", "1 skipped", "1 xfailed", "2 blocked", "1 advisory"):
        assert re.search(rf"\b{count}\b", mixed.lines[-1])


def test_a_failed_command_shows_what_was_run_said_and_declared(mixed: GateRun) -> None:
    told = failures(mixed)
    assert "$ sh -c" in told
    assert "failed: exit status 3 after" in told
    assert "on-stdout\n" in told
    assert "on-stderr\n" in told
    assert "declared at conftest.py:6" in told
    log = Path(mixed.check("bad")["log"])
    assert str(log) in told
    assert {"on-stdout", "on-stderr"} <= set(log.read_text().splitlines())


def test_durations_and_the_summary_of_pytest_know_checks(mixed: GateRun) -> None:
    durations = mixed.text.partition("slowest 3 durations")[2]
    assert re.search(r"1\.\d\ds call +conftest\.py::slow", durations)
    summary = mixed.text.partition("short test summary info")[2]
    assert "FAILED conftest.py::bad - exit status 3" in summary
    assert re.search(r"SKIPPED \[1\] \S*conftest\.py:\d+: not today", summary)
    assert re.search(r"XFAIL conftest\.py::expected_to_fail - (reason: )?known", summary)
    assert "Traceback" not in mixed.text


def assert_shape(data: Any, shape: Any, where: str = "report") -> None:
    """``shape``: a type, alternatives as a tuple, a table of keys, or a list with the shape of each element."""
    if isinstance(shape, dict):
        assert list(data)[: len(shape)] == list(shape) or set(shape) <= set(data), f"{where}: {sorted(data)}"
        for key, value in shape.items():
            assert_shape(data[key], value, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(data, list), where
        for number, each in enumerate(data):
            assert_shape(each, shape[0], f"{where}[{number}]")
    else:
        allowed = shape if isinstance(shape, tuple) else (shape,)
        assert type(data) in allowed, f"{where} is {data!r}"


NONE = type(None)
NUMBER = (int, float)
SHAPE = {
    "schema": str, "outcome": str, "exitstatus": int, "started_at": str, "wall_s": NUMBER, "sequential_s": NUMBER,
    "speedup": NUMBER, "speedup_basis": str,
    "limit": {"speedup": NUMBER, "wall_s": NUMBER, "bound": str, "by": [str]},
    "agents": [{
        "agent": str, "slots": int, "checks": int, "tests": int, "passed": int, "failed": int, "other": int,
        "busy_s": NUMBER, "utilization": NUMBER, "summary": str,
    }],
    "checks": [{
        "nodeid": str, "name": str, "kind": str, "agent": str, "outcome": str, "flaky": bool, "advisory": bool,
        "tolerated": bool, "leaked": [dict], "summary": str, "counts": dict, "reason": (str, NONE), "needs": [str],
        "attempts": int, "start_s": (*NUMBER, NONE), "duration_s": NUMBER, "cpu_s": (*NUMBER, NONE),
        "max_rss_kb": (int, NONE), "exit_code": (int, NONE), "slot": (str, NONE), "worker": (str, NONE),
        "waited_for": [str], "log": (str, NONE),
    }],
    "groups": [dict],
    "workers": [{"id": str, "kind": str, "slot": str, "started_s": NUMBER, "restarts": int}],
}  # fmt: skip


def test_the_json_report_has_every_promised_key_with_its_type(mixed: GateRun) -> None:
    assert_shape(mixed.report, SHAPE)


def test_the_json_report_tells_the_run(mixed: GateRun) -> None:
    report = mixed.report
    assert (report["schema"], report["outcome"], report["exitstatus"]) == ("paragate/1", "failed", 1)
    assert datetime.fromisoformat(report["started_at"]).tzinfo is not None
    assert report["speedup_basis"] == "sum"
    assert report["speedup"] == pytest.approx(report["sequential_s"] / report["wall_s"], rel=0.01)
    limit = report["limit"]
    assert (limit["bound"], limit["by"]) == ("critical-path", ["conftest.py::slow"])
    assert limit["speedup"] == pytest.approx(report["sequential_s"] / limit["wall_s"], rel=0.01)
    agents = {agent["agent"]: agent for agent in report["agents"]}
    runner = agents["test-runner"]
    counts = tuple(runner[key] for key in ("slots", "checks", "tests", "passed", "failed", "other"))
    assert counts == (1, 5, 2, 2, 1, 4)
    for agent in agents.values():
        assert agent["utilization"] == pytest.approx(agent["busy_s"] / report["wall_s"], abs=0.01)


def test_the_json_report_lists_checks_and_marked_tests_but_no_ordinary_ones(mixed: GateRun) -> None:
    found = {check["nodeid"]: check["kind"] for check in mixed.report["checks"]}
    assert set(found) == {
        *(f"conftest.py::{name}" for name in OUTCOMES if name != "test_marked"),
        "test_it.py::test_marked",
    }
    assert found["conftest.py::good"] == "command"
    assert found["conftest.py::crate[core]"] == "function"
    assert found["test_it.py::test_marked"] == "test"


def test_the_json_report_tells_each_check(mixed: GateRun) -> None:
    bad, held, slow, audit = (mixed.check(name) for name in ("bad", "held", "slow", "audit"))
    assert (bad["exit_code"], bad["summary"], bad["slot"]) == (3, "exit status 3", "code-reviewer/0")
    assert bad["start_s"] >= 0
    assert bad["duration_s"] > 0
    assert bad["cpu_s"] >= 0
    assert (held["needs"], held["waited_for"]) == (["conftest.py::bad"], ["conftest.py::bad"])
    assert (held["start_s"], held["worker"], held["reason"]) == (None, None, "needs bad, which failed")
    assert slow["duration_s"] >= 1
    assert (audit["advisory"], mixed.check("bad")["advisory"]) == (True, False)
    workers = {worker["id"]: worker for worker in mixed.report["workers"]}
    for check in mixed.report["checks"]:
        if check["worker"] is not None:
            assert workers[check["worker"]]["slot"] == check["slot"]
            assert check["slot"].partition("/")[0] == check["agent"]
    assert {worker["kind"] for worker in workers.values()} == {"fork"}


def junit(run: GateRun) -> dict[str, ElementTree.Element]:
    root = ElementTree.parse(run.folder / "junit.xml").getroot()
    return {case.get("name", ""): case for case in root.iter("testcase")}


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {each.get("name", ""): each.get("value", "") for each in case.iter("property")}


def test_junit_holds_every_check_with_agent_slot_and_outcome(mixed: GateRun) -> None:
    cases = junit(mixed)
    assert set(cases) == {*OUTCOMES, "test_good", "test_bad"}
    for name, outcome in OUTCOMES.items():
        check = mixed.check(name)
        expected = {"agent": check["agent"], "outcome": outcome}
        if check["slot"] is not None:
            expected["slot"] = check["slot"]
        assert properties(cases[name]) == expected, name
    assert properties(cases["test_good"]) == {}


def test_junit_says_what_failed_and_what_did_not_count(mixed: GateRun) -> None:
    cases = junit(mixed)
    found = {
        name: next((child.tag for child in case if child.tag != "properties"), None) for name, case in cases.items()
    }
    failed = {"bad", "held", "held_too", "absent", "slow", "crate[storage]", "test_marked", "test_bad"}
    skipped = {"audit", "skips", "expected_to_fail"}
    assert {name for name, tag in found.items() if tag == "failure"} == failed
    assert {name for name, tag in found.items() if tag == "skipped"} == skipped
    messages = {name: child.get("message") for name, case in cases.items() for child in case if child.tag == "failure"}
    assert messages["bad"] == "exit status 3"
    assert messages["held"] == "needs bad"


# the second run


def test_a_second_run_estimates_itself_from_the_first(project: Project) -> None:
    project.write({"conftest.py": CONFTEST, "test_it.py": TESTS})
    deselected = [f"--deselect=conftest.py::{name}" for name in ("bad", "held", "held_too", "always", "absent", "slow")]
    first = project.run(*deselected)
    second = project.run(*deselected)
    headers = [next(line for line in run.lines if line.startswith("paragate: ")) for run in (first, second)]
    assert "~" not in headers[0]
    assert re.search(r"7 checks and 2 tests, .*, ~\d+(\.\d)?m?s$", headers[1])


# the paper: width, encoding, colour


def test_nothing_of_ours_is_wider_than_a_narrow_terminal(project: Project) -> None:
    run = in_environment(project, COLUMNS="40").write({"conftest.py": CONFTEST, "test_it.py": TESTS}).run("--tb=no")
    assert run.outcomes() == OUTCOMES
    ours = [line for line in run.lines if line.split("  ")[0] in ("PASSED", "FAILED", "BLOCKED", "SKIPPED", "ERROR")]
    for line in [*ours, *section(run)]:
        assert len(line) <= 40, line
    text = "\n".join(section(run))
    for name in TOLD:
        assert f"::{name}" in text


def test_an_ascii_terminal_gets_ascii(project: Project) -> None:
    in_environment(project, PYTHONIOENCODING="ascii", COLUMNS="60")
    run = project.write({"conftest.py": CONFTEST, "test_it.py": TESTS}).run("--tb=no")
    assert run.outcomes() == OUTCOMES
    assert run.text.isascii()
    assert not re.search(r"\\u[0-9a-f]{4}", run.text)
    assert "x code-reviewer" in run.text
    assert " -> " in run.text


@pytest.mark.parametrize(("option", "is_coloured"), [("--color=yes", True), ("--color=no", False)])
def test_colours_are_there_when_they_are_wanted(project: Project, option: str, is_coloured: bool) -> None:
    project.write(
        {"conftest.py": 'import pytest_paragate as gate\ngood = gate.command("true")\nbad = gate.command("false")'}
    )
    run = project.run(option, "--tb=no")
    assert ("\x1b[" in run.text) is is_coloured
    assert re.search(r"\x1b\[31mFAILED +conftest\.py::bad", run.text) is not None or not is_coloured
    assert re.search(r"\x1b\[32mPASSED +conftest\.py::good", run.text) is not None or not is_coloured


def test_a_gate_that_only_advisory_checks_failed_in_says_so(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import pytest_paragate as gate
good = gate.command("true")
audit = gate.command("false", advisory=True)
after_audit = gate.command("true", after=["audit"])
"""
        }
    )
    run = project.run()
    assert run.status == 0
    assert section(run)[-1] == "gate passed with 1 advisory failure"
    assert (run.report["outcome"], run.report["exitstatus"]) == ("passed", 0)
    assert run.outcomes() == {"good": "passed", "audit": "failed", "after_audit": "passed"}


# a report never lies about another day's run

GREEN = '{\n "schema": "paragate/1",\n "outcome": "passed",\n "exitstatus": 0\n}\n'
ONE = 'import pytest_paragate as gate\nruns = gate.command("touch ran")\n'


@pytest.mark.parametrize(
    ("files", "args", "status", "outcome"),
    [
        pytest.param({}, ["-k", "nothing"], 5, "failed", id="nothing selected"),
        pytest.param({"test_it.py": "import nothing_like_it"}, [], 2, "error", id="collection error"),
        pytest.param({"conftest.py": f"{ONE}x = gate.command('true', agnet='y')"}, [], 4, "error", id="wrong key"),
        pytest.param({"conftest.py": f"{ONE}x = gate.command('true', needs='y')"}, [], 4, "error", id="wrong plan"),
        pytest.param({}, ["--paragate-slots=test-runner=-1"], 4, None, id="wrong option"),
        pytest.param({}, ["--no-such-option"], 4, None, id="unknown option"),
        pytest.param({"conftest.py": "syntax error"}, [], 4, None, id="broken conftest"),
        pytest.param({"test_it.py": "def test_bad(): assert 0"}, ["-x"], 1, "failed", id="fail-fast"),
        pytest.param(
            {"conftest.py": f"{ONE}def pytest_collection_finish(): import pytest; pytest.exit('no', 7)"},
            [], 7, "error", id="exit in a hook",
        ),
    ],
)  # fmt: skip
def test_an_old_report_does_not_survive(
    project: Project, files: dict[str, str], args: list[str], status: int, outcome: str | None
) -> None:
    project.write({"conftest.py": ONE, "gate.json": GREEN, **files})
    run = project.run("--paragate-json=gate.json", *args)
    assert run.status == status, run.text
    path = run.folder / "gate.json"
    if outcome is None:
        assert not path.exists()
    else:
        report = json.loads(path.read_text())
        assert (report["outcome"], report["exitstatus"]) == (outcome, status)


def test_only_an_old_report_is_removed(project: Project) -> None:
    project.write({"conftest.py": ONE, "precious.txt": "precious"})
    run = project.run("--paragate-json=precious.txt", "--no-such-option")
    assert run.status == 4
    assert (run.folder / "precious.txt").read_text() == "precious"


@pytest.mark.parametrize("extra", [[], ["--paragate-plan"]], ids=["run", "plan"])
def test_a_report_that_cannot_be_written_is_told_and_not_green(project: Project, extra: list[str]) -> None:
    run = project.write({"conftest.py": ONE}).run("--paragate-json=/dev/full", *extra)
    assert run.status in (1, 4)
    assert "/dev/full: the JSON report could not be written: No space left on device" in run.text
    assert "hint: give --paragate-json a file that can be written" in run.text
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text


RUNS = """
import pytest_paragate as gate

@gate.check
def fails(paragate_run):
    paragate_run("sh -c 'exit 7'")

@gate.check
def piped(paragate_run):
    paragate_run("true | cat")

@gate.check
def numbered(paragate_run):
    paragate_run("true", env={"LEVEL": 1})
"""


def test_a_command_of_a_function_that_fails_shows_the_line_that_ran_it_and_nothing_of_ours(project: Project) -> None:
    run = project.write({"conftest.py": RUNS}).run()
    assert run.check("fails")["summary"] == "exit status 7: sh -c 'exit 7'"
    assert run.check("piped")["summary"] == "the command 'true | cat' needs a shell for a pipe"
    assert run.check("numbered")["summary"] == "`env` must give LEVEL a text, not 1"
    assert """>       paragate_run("sh -c 'exit 7'")""" in run.text
    assert "hint: add shell=True" in run.text
    assert "pytest_paragate/" not in run.text


# nothing from a check's output is trusted

HOSTILE = r"""
import sys
import pytest_paragate as gate

TEXT = "\x1b[31mred\x1b]0;title\x07 \u202eevil\n::error::owned\n##vso[task.complete]x\n\x00\x08\ufffe]]> <b>&amp;\r\n"
prints = gate.command([sys.executable, "-c", f"import sys; sys.stdout.buffer.write({TEXT!r}.encode()); sys.exit(2)"])
floods = gate.command("echo FIRST; yes 0123456789 | head -c 3000000; echo LAST; exit 5", shell=True, agent="debugger")

@gate.check(agent="refactorer")
def raises():
    print(TEXT)
    raise ValueError(TEXT)

@gate.check(agent="refactorer")
def reasons():
    import pytest
    pytest.skip(TEXT)

@gate.check(agent="refactorer")
def expected():
    import pytest
    pytest.xfail(TEXT)

@gate.check(agent="refactorer")
def warns():
    import warnings
    warnings.warn(TEXT)
    warnings.warn_explicit(TEXT, UserWarning, TEXT, 1)
    class Odd(UserWarning):
        def __str__(self): return TEXT
    warnings.warn(Odd())
"""
HOSTILE_OUTCOMES = {
    "prints": "failed", "floods": "failed", "raises": "failed", "reasons": "skipped", "expected": "skipped",
    "warns": "passed",
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile(module_project: Callable[[], Project]) -> GateRun:
    return module_project().write({"conftest.py": HOSTILE}).run("--junitxml=junit.xml", "-ra")


def test_hostile_output_changes_no_outcome(hostile: GateRun) -> None:
    assert hostile.outcomes() == HOSTILE_OUTCOMES
    assert "3 warnings" in hostile.lines[-1]


def test_the_terminal_gets_no_controls_and_no_workflow_commands(hostile: GateRun) -> None:
    controls = {char for char in hostile.text if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n"}
    assert controls == set()
    assert not any(line.lstrip().startswith("::") for line in hostile.lines)
    assert "##vso[" not in hostile.text
    assert "red" in hostile.text
    assert ": :error::owned" in hostile.text


def test_the_json_report_gets_no_controls_and_no_workflow_commands(hostile: GateRun) -> None:
    raw = (hostile.folder / "report.json").read_text("ascii")
    assert "##vso[" not in raw

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for each in value.values() for text in texts(each)]
        if isinstance(value, list):
            return [text for each in value for text in texts(each)]
        return [value] if isinstance(value, str) else []

    for text in texts(hostile.report):
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") and char not in "\n\t" for char in text), text
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_junit_stays_valid_xml_without_controls(hostile: GateRun) -> None:
    raw = (hostile.folder / "junit.xml").read_text("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", raw)
    assert set(junit(hostile)) == set(HOSTILE_OUTCOMES)
    assert not any(line.lstrip().startswith("::") for line in raw.splitlines())


@pytest.mark.parametrize(
    ("example", "why"),
    [
        (">>> print('is')\nshould be", "Expected: should be Got: is"),
        (">>> 3", "Expected nothing Got: 3"),
        (">>> 1 / 0\n1", "ZeroDivisionError('division by zero')"),
    ],
)
def test_a_failed_doctest_says_what_went_wrong(project: Project, example: str, why: str) -> None:
    run = project.write({"test_words.txt": f"{example}\n"}).run()
    assert any(line.startswith("FAILED ") and line.endswith(f" {why}") for line in section(run))


def test_a_flood_shows_its_head_and_tail_and_counts_the_rest(hostile: GateRun) -> None:
    told = failures(hostile)
    start = told.index("FIRST\n")
    flood = told[start : told.index("LAST\n", start)]
    assert len(flood) < 100_000
    hidden = re.search(r"([\d,]+) bytes? \(([\d,]+) lines?\)", flood) or re.search(r"hidden|hides|left out", flood)
    assert hidden is not None
    log = Path(hostile.check("floods")["log"])
    assert log.stat().st_size >= 3_000_000


OWN_WARNINGS = """
import sys, types, warnings

class Picky(UserWarning):
    def __init__(self, text):
        if not text.startswith("!"):
            raise ValueError(text)
        super().__init__(text[1:])

def test_it():
    class Local(UserWarning): pass
    warnings.warn(Local("within a function"))
    warnings.warn(Picky("!made once"))
    gone = types.ModuleType("gone")
    exec("class Gone(UserWarning): pass", vars(gone))
    warnings.warn(gone.Gone("of a module that is not there"))
"""


def test_warnings_of_classes_that_only_a_worker_knows_are_told(project: Project, workers: str) -> None:
    run = project.write({"test_it.py": OWN_WARNINGS}).run(workers)
    assert run.status == 0
    for text in ("Local: within a function", "Picky: made once", "Gone: of a module that is not there"):
        assert text in run.text
    assert "1 passed, 3 warnings" in run.lines[-1]


SEEN = """
def pytest_terminal_summary(terminalreporter):
    reports = [each for key in ("", "passed") for each in terminalreporter.stats.get(key, [])]
    for each in sorted(reports, key=lambda each: each.start):
        terminalreporter.write_line(f"seen {each.when} {each.nodeid} {each.worker_id}")
"""


def test_setups_and_teardowns_that_passed_are_where_plugins_look_for_them(project: Project, workers: str) -> None:
    project.write({"conftest.py": SEEN, "test_it.py": "def test_one(): pass\ndef test_two(): pass\n"})
    run = project.run(workers, "--durations=0", "-vv")
    seen = [line.split()[1:] for line in run.text.splitlines() if line.startswith("seen ")]
    phases = ["setup", "call", "teardown"]
    assert seen == [[phase, f"test_it.py::{name}", "gw0"] for name in ("test_one", "test_two") for phase in phases]
    assert "s setup    test_it.py::test_two" in run.text
    assert "s teardown test_it.py::test_one" in run.text


def test_a_check_that_fails_in_a_command_shows_its_own_line_and_not_our_source(project: Project) -> None:
    text = "import pytest_paragate as gate\n@gate.check\ndef fails(paragate_run):\n    paragate_run('false')\n"
    run = project.write({"conftest.py": text}).run()
    assert ">       paragate_run('false')" in run.text
    assert "CommandFailed: exit status 1: false" in run.text
    assert "command.py" not in run.text

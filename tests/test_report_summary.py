from __future__ import annotations

from typing import Any

import pytest

from pytest_paragate.report.summary import Line, agent_facts, lines
from pytest_paragate.report.text import cells
from pytest_paragate.result import CheckResult, GateResult, GroupVerdict, Limit
from pytest_paragate.verdict import Leaked, Outcome, Verdict


def check(nodeid: str, agent: str = "test-runner", outcome: str = "passed", **verdict: Any) -> CheckResult:
    verdict = {"start_s": 0.0, "duration_s": 1.0, **verdict}
    return CheckResult(
        nodeid=nodeid,
        name=nodeid.rpartition("::")[2],
        kind="command",
        agent=agent,
        needs=(),
        verdict=Verdict(outcome=Outcome(outcome), **verdict),
    )


def a_test(nodeid: str, outcome: str = "passed", **verdict: Any) -> CheckResult:
    return check(nodeid, outcome=outcome, **verdict)._replace(kind="test", is_marked=False)


def gate(*results: CheckResult, **values: Any) -> GateResult:
    settings: dict[str, Any] = {
        "outcome": "passed",
        "exitstatus": 0,
        "started_at": "2024-05-01T12:00:00+00:00",
        "wall_s": 10.0,
        "sequential_s": 15.0,
        "basis": "sum",
        "limit": None,
        "slots": {},
    }
    return GateResult(results=results, **{**settings, **values})


def shown(result: GateResult, *, width: int = 100, is_unicode: bool = True) -> str:
    return "\n" + "".join(f"{line.text}\n" for line in lines(result, width=width, is_unicode=is_unicode))


def written(result: GateResult, *, width: int = 100) -> dict[str, str | None]:
    return {line.text: line.markup for line in lines(result, width=width, is_unicode=True)}


REVIEW = (
    check("conftest.py::ruff", "code-reviewer", duration_s=4.2, counts={"issues": 2}),
    check("conftest.py::types", "code-reviewer", duration_s=5.0, counts={"issues": 1}),
    check("conftest.py::format", "code-reviewer", duration_s=0.6),
)
LEAKS = check("conftest.py::leaks", "debugger", duration_s=64.0, counts={"leaks": 0})
BROKEN = check(
    "conftest.py::crate[memory-core]",
    outcome="failed",
    duration_s=38.1,
    summary="44/45 tests passed",
    reason="exit status 101",
    counts={"tests": 45, "passed": 44},
)
BLOCKED = check("conftest.py::bench", outcome="blocked", reason="needs crate[memory-core]", duration_s=0, start_s=None)
TESTS = tuple(a_test(f"tests/test_a.py::test_{number}", duration_s=0.0) for number in range(85))
LIMIT = Limit(wall_s=64.0, bound="agent", by=(LEAKS.nodeid,), label="debugger: leaks")
FAILED = gate(
    *REVIEW,
    BROKEN,
    *TESTS,
    LEAKS,
    BLOCKED,
    outcome="failed",
    exitstatus=1,
    wall_s=66.2,
    sequential_s=111.9,
    limit=LIMIT,
)


def test_a_passed_gate() -> None:
    tests = tuple(a_test(f"tests/test_a.py::test_{number}") for number in range(45))
    leaks = check("conftest.py::leaks", "debugger", duration_s=4.0, counts={"leaks": 0})
    types = check("conftest.py::types", "code-reviewer", duration_s=2.25)
    result = gate(types, *tests, leaks, wall_s=45.0, sequential_s=51.25)
    assert shown(result) == (
        """
  agent            checks  passed  other   busy  result
✓ code-reviewer         1       1      0   2.2s  1/1 check passed
✓ test-runner           0       0      0  45.0s  45/45 tests passed
✓ debugger              1       1      0   4.0s  0 leaks
speedup 1.14x: 51.2s one after another (sum of durations) → 45.0s
gate passed
"""
    )
    assert written(result)["gate passed"] == "green"


def test_a_failed_gate_with_a_blocked_check() -> None:
    assert shown(FAILED, width=110) == (
        """
  agent            checks  passed  other   busy  result
✓ code-reviewer         3       3      0   9.8s  3 minor issues
✗ test-runner           2       0      2  38.1s  129/130 tests passed
✓ debugger              1       1      0  64.0s  0 leaks
FAILED   conftest.py::crate[memory-core]  44/45 tests passed
BLOCKED  conftest.py::bench               needs crate[memory-core]
speedup 1.69x: 111.9s one after another (sum of durations) → 66.2s; limit 1.75x, set by debugger: leaks
gate failed: 1 of 6 checks, 1 not run
"""
    )


def test_colours_follow_the_standing_of_each_line() -> None:
    markups = [line.markup for line in lines(FAILED, width=110, is_unicode=True)]
    assert markups == [None, "green", "red", "green", "red", "yellow", None, "red"]


def test_a_narrow_terminal_without_unicode_loses_columns_and_no_words() -> None:
    assert shown(FAILED, width=40, is_unicode=False) == (
        """
  agent          result
+ code-reviewer  3 minor issues
x test-runner    129/130 tests passed
+ debugger       0 leaks
FAILED   conftest.py::crate[memory-core]
         44/45 tests passed
BLOCKED  conftest.py::bench
         needs crate[memory-core]
speedup 1.69x: 111.9s one after another
  (sum of durations) -> 66.2s;
  limit 1.75x, set by debugger: leaks
gate failed: 1 of 6 checks, 1 not run
"""
    )


def test_a_middling_terminal_drops_numbers_from_the_right() -> None:
    assert shown(FAILED, width=60).splitlines()[1:4] == [
        "  agent            checks  passed  result",
        "✓ code-reviewer         3       3  3 minor issues",
        "✗ test-runner           2       0  129/130 tests passed",
    ]


def test_a_gate_with_an_advisory_failure_only_says_so() -> None:
    audit = check("pyproject.toml::audit", "debugger", "failed", summary="exit status 1", advisory=True)
    result = gate(check("conftest.py::types", "code-reviewer"), audit)
    assert shown(result) == (
        """
  agent            checks  passed  other   busy  result
✓ code-reviewer         1       1      0   1.0s  1/1 check passed
! debugger              1       0      1   1.0s  0/1 check passed
ADVISORY  pyproject.toml::audit  failed: exit status 1
speedup 1.50x: 15.0s one after another (sum of durations) → 10.0s
gate passed with 1 advisory failure
"""
    )
    assert written(result)["gate passed with 1 advisory failure"] == "yellow"


def test_a_passed_gate_names_everything_that_was_not_perfect() -> None:
    leaky = check("conftest.py::server", leaked=(Leaked(pid=7, command="redis", killed=True),))
    daemon = check("conftest.py::build", leaked=(Leaked(pid=8, command="gradle", killed=False),))
    flaky = check("conftest.py::net", flaky=True, attempts=3)
    mirror = check("conftest.py::mirror-b", outcome="timeout", reason="longer than 2m", tolerated=True)
    spare = check("conftest.py::mirror-c", outcome="cancelled", reason="mirror-a was enough", tolerated=True)
    minor = check("conftest.py::ruff", counts={"issues": 1})
    assert shown(gate(leaky, daemon, flaky, mirror, spare, minor)).splitlines()[3:] == [
        "TOLERATED  conftest.py::mirror-b  timeout: longer than 2m",
        "TOLERATED  conftest.py::mirror-c  cancelled: mirror-a was enough",
        "LEAKED     conftest.py::server    killed: redis (pid 7)",
        "LEAKED     conftest.py::build     left running: gradle (pid 8)",
        "FLAKY      conftest.py::net       passed on attempt 3",
        "speedup 1.50x: 15.0s one after another (sum of durations) → 10.0s",
        "gate passed with 1 tolerated failure, 1 minor issue and 1 flaky check",
    ]


def test_an_interrupted_gate() -> None:
    cancelled = {"outcome": "cancelled", "reason": "interrupted", "start_s": None, "duration_s": 0.0}
    tests = [
        a_test("tests/test_a.py::test_0"),
        *(a_test(f"tests/test_a.py::test_{n}", **cancelled) for n in range(1, 9)),
    ]
    result = gate(REVIEW[2], *tests, check("conftest.py::bench", **cancelled), outcome="interrupted", exitstatus=2)
    assert shown(result) == (
        """
  agent            checks  passed  other   busy  result
✓ code-reviewer         1       1      0   0.6s  1/1 check passed
✗ test-runner           1       0      1   1.0s  1/9 tests passed
CANCELLED  conftest.py::bench  interrupted
CANCELLED  8 tests             interrupted
speedup 1.50x: 15.0s one after another (sum of durations) → 10.0s
gate interrupted: 1 of 2 checks and 1 of 9 tests passed
"""
    )


@pytest.mark.parametrize("outcome", ["error", "passed"])
def test_missing_verdicts_are_an_error_whatever_else_is_said(outcome: str) -> None:
    missing = tuple(f"conftest.py::crate[{number}]" for number in range(7))
    last = lines(gate(REVIEW[2], outcome=outcome, missing=missing), width=200, is_unicode=True)[-1]
    assert last == Line(
        text="gate error: no verdict for 7 items: conftest.py::crate[0], conftest.py::crate[1], conftest.py::crate[2], "
        "conftest.py::crate[3], conftest.py::crate[4], and 2 more",
        markup="red",
    )


def test_nothing_run_has_no_table_and_no_speedup() -> None:
    assert (
        shown(gate(outcome="failed", exitstatus=5, wall_s=0.1, sequential_s=0.0))
        == "\ngate failed: nothing was selected\n"
    )


def test_problems_around_the_checks_are_shown_and_explain_a_failed_gate() -> None:
    result = gate(
        REVIEW[2], outcome="failed", exitstatus=1, problems=("report.json: the disk is full\n\nhint: tidy up",)
    )
    assert shown(result).splitlines()[-3:] == [
        "PROBLEM  report.json: the disk is full hint: tidy up",
        "speedup 1.50x: 15.0s one after another (sum of durations) → 10.0s",
        "gate failed: report.json: the disk is full hint: tidy up",
    ]


def test_a_slower_run_says_that_there_was_no_speedup() -> None:
    result = gate(REVIEW[2], wall_s=12.0, sequential_s=9.0, basis="history")
    assert "no speedup: 9.0s one after another (durations of earlier runs) → 12.0s (0.75x)" in written(result)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.is_own_failure])
def test_every_own_failure_is_named_in_red_by_its_outcome(outcome: Outcome) -> None:
    result = gate(check("conftest.py::x", outcome=outcome.value, reason="because"), outcome="failed", exitstatus=1)
    assert written(result)[f"{outcome.value.upper():7}  conftest.py::x  because"] == "red"


def test_many_failed_tests_are_listed_up_to_a_bound() -> None:
    tests = [a_test(f"tests/test_a.py::test_{n:02}", "failed", summary="assert 0") for n in range(30)]
    found = shown(gate(*tests, outcome="failed", exitstatus=1)).splitlines()
    assert sum("assert 0" in line for line in found) == 20
    assert "FAILED   10 more tests" in found
    assert found[-1] == "gate failed: 30 of 30 tests"


HOSTILE = gate(
    check(
        "conftest.py::\x1b]0;owned\x07x[\x1b[2J\u202egpj]",
        "evil\x1b[31m\nagent",
        "failed",
        summary="::error::x\r\n##[group]",
    ),
    check("conftest.py::漢字漢字[" + "長い" * 60 + "]", "審査員" * 20, "crashed", reason="killed by 信号 " * 30),
    check("sub/" * 60 + "conftest.py::deep[value]", outcome="unmet", reason="issues is 5, and issues <= 3 was asked"),
    check("conftest.py::sleepy", leaked=(Leaked(pid=1, command="sh -c '\x1b[31m::error::\n'", killed=True),)),
    outcome="failed",
    exitstatus=1,
    missing=("conftest.py::lost[" + "漢" * 300 + "]",),
    problems=("\x1b[31mtrace " * 500,),
    limit=Limit(wall_s=5.0, bound="agent", by=(), label="evil: " + "長い" * 100),
)


def test_hostile_names_are_neutral_and_cut_in_the_middle() -> None:
    assert shown(HOSTILE, width=60) == (
        """
  agent                           checks  result
✗ evil agent                           1  0/1 check passed
✗ 審査員審査員審…員審査員審査員        1  0/1 check passed
✗ test-runner                          2  1/2 checks passed
FAILED   conftest.py::x[\\u202egpj]  : :error::x # #[group]
CRASHED  conftest.py::漢字漢字[長…長い長い長い長い長い長い]
         killed by 信号 killed by 信号 killed by 信号 kille…
UNMET    sub/sub/sub/sub/sub/sub/s…/conftest.py::deep[value]
         issues is 5, and issues <= 3 was asked
LEAKED   conftest.py::sleepy
         killed: sh -c '::error:: ' (pid 1)
PROBLEM  trace trace trace trace trace trace trace trace
         trace trace trace trace trace trace trace trace
         trace trace trace trace trace trace trace trace
         trace trace trace trace trace trace trace trace
         trace trace…
speedup 1.50x: 15.0s one after another (sum of durations)
  → 10.0s;
  limit 3.00x, set by evil:
  長い長い長い長い長い長い長い…長い長い長い長い長い長い長い
gate failed: 3 of 4 checks, no verdict for 1 item:
  conftest.py::lost[漢漢漢漢…漢漢漢漢漢漢漢漢漢漢漢漢漢漢]
"""
    )


@pytest.mark.parametrize("is_unicode", [True, False])
@pytest.mark.parametrize("result", [FAILED, HOSTILE], ids=["failed", "hostile"])
def test_no_line_is_wider_than_the_terminal_or_dangerous(result: GateResult, is_unicode: bool) -> None:
    for width in range(20, 201):
        for line in lines(result, width=width, is_unicode=is_unicode):
            assert cells(line.text) <= width
            assert line.text == line.text.rstrip()
            assert line.text.isprintable()
            assert is_unicode or line.text.isascii()
            assert "##[" not in line.text
            assert not line.text.lstrip().startswith("::")


@pytest.mark.parametrize(
    ("results", "facts"),
    [
        ([a_test("a"), a_test("b", "skipped"), a_test("c", "failed")], ["1/2 tests passed", "1 skipped"]),
        ([check("a", counts={"tests": 3, "passed": 3}), a_test("b")], ["4/4 tests passed"]),
        ([check("a", counts={"issues": 0})], ["0 issues"]),
        ([check("a", counts={"issues": 1})], ["1 minor issue"]),
        ([check("a", counts={"issues": 2}), check("b", outcome="unmet", counts={"issues": 5})], ["7 issues"]),
        ([check("a", counts={"issues": 2}), check("b", counts={"leaks": 1})], ["2 minor issues", "1 leak"]),
        ([check("a"), check("b", outcome="timeout")], ["1/2 checks passed"]),
        ([check("a", outcome="skipped")], ["1 skipped"]),
    ],
)
def test_facts_of_an_agent_type(results: list[CheckResult], facts: list[str]) -> None:
    assert agent_facts(results) == facts


def test_more_facts_than_fit_continue_below() -> None:
    counts = {"tests": 130, "passed": 130, "issues": 2, "leaks": 0}
    assert shown(gate(check("a", counts=counts)), width=72).splitlines()[1:4] == [
        "  agent            checks  passed  other   busy  result",
        "✓ test-runner           1       1      0   1.0s  130/130 tests passed,",
        "                                                 2 minor issues, 0 leaks",
    ]


def a_group(*members: CheckResult, met: bool, wanted: int = 1, is_excused: bool = False) -> GroupVerdict:
    passed = sum(member.verdict.outcome is Outcome.PASSED for member in members)
    names = tuple(member.nodeid for member in members)
    return GroupVerdict(
        "mirrors", "any", "cancel", met, names[:1], names, passed, wanted, len(members), 1.0, is_excused
    )


def test_a_group_is_one_line_and_what_it_did_not_need_is_only_counted_there() -> None:
    members = (
        check("conftest.py::a"),
        check("conftest.py::b", outcome="failed", summary="exit status 1", tolerated=True),
        check("conftest.py::c", outcome="cancelled", reason="group mirrors is met", tolerated=True),
    )
    result = gate(*members, groups=(a_group(*members, met=True),))
    assert shown(result) == (
        """
  agent            checks  passed  other   busy  result
! test-runner           3       1      2   3.0s  1/3 checks passed
GROUP      mirrors         met: 1 of 3 passed, 1 needed; 1 not needed
TOLERATED  conftest.py::b  failed: exit status 1
speedup 1.50x: 15.0s one after another (sum of durations) → 10.0s
gate passed with 1 tolerated failure
"""
    )


def test_a_group_that_is_not_met_is_told_as_what_failed_the_gate() -> None:
    members = (check("conftest.py::a", outcome="skipped"), check("conftest.py::b", outcome="skipped"))
    result = gate(*members, groups=(a_group(*members, met=False),), outcome="failed", exitstatus=1)
    assert "UNMET    group mirrors  0 of 2 passed, 1 needed" in shown(result)
    assert "gate failed: 1 group unmet" in shown(result)
    excused = gate(*members, groups=(a_group(*members, met=False, is_excused=True),))
    assert "unmet" not in shown(excused)


def test_flaky_checks_that_fail_the_gate_are_told_as_that() -> None:
    flaky = check("conftest.py::a", flaky=True, attempts=3)
    result = gate(flaky, outcome="failed", exitstatus=1, fails_on_flaky=True)
    assert "FLAKY    conftest.py::a  passed on attempt 3" in shown(result)
    assert "gate failed: 1 flaky check" in shown(result)


def test_an_overloaded_type_is_named_beside_those_that_idle() -> None:
    busy = [check(f"conftest.py::t{i}", duration_s=4.5) for i in range(2)]
    idle = check("conftest.py::lint", "code-reviewer", duration_s=1.0)
    by_type = Limit(wall_s=9.0, bound="agent", by=(), label="test-runner: t0, t1")
    result = gate(*busy, idle, limit=by_type)
    assert "overloaded: test-runner was busy 90% of the time on 1 slot, code-reviewer 10%" in shown(result)
    by_chain = Limit(wall_s=9.0, bound="critical-path", by=(), label="critical path: t0 -> t1")
    for other in (
        gate(*busy, idle, limit=by_chain),
        gate(*busy, idle._replace(agent="test-runner"), limit=by_type),
        gate(
            *busy,
            *(idle._replace(agent=f"a{i}", verdict=busy[0].verdict._replace(duration_s=8.0)) for i in range(2)),
            limit=by_type,
        ),
        gate(*busy, idle, limit=by_type, slots={"test-runner": 2}),
        gate(check("conftest.py::one", duration_s=9.0), idle, limit=by_type),
    ):
        assert "overloaded" not in shown(other)

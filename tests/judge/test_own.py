"""Judges that users bring: functions, the hook, patterns and report files, tested as users test them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import pytest_paragate as gate
from pytest_paragate.judge.criteria import CriterionError
from pytest_paragate.judge.facts import Issue, Metric
from pytest_paragate.testing import judged

ROOT = Path(__file__).parents[2]


def judge_words(output: gate.Output) -> gate.Facts:
    facts = gate.Facts(tool="words")
    for line in output.stdout.lines("bad"):
        facts.issue(line, file="a.md", line=3)
    facts.measure("share", 12.5, "%")
    return facts.counts_issues()


def test_a_function_is_a_judge() -> None:
    found = judged(judge_words, stdout="good\nbad one\n", expect=["issues <= 1", "share <= 20%"])
    assert (found.outcome, found.summary, found.reason) == ("passed", "1 issue", None)
    assert (found.issues[0].message, found.issues[0].line, found.metrics["share"].unit) == ("bad one", 3, "%")
    unmet = judged(judge_words, stdout="bad\nbad\n", expect="issues <= 1")
    assert (unmet.outcome, unmet.reason) == ("unmet", "wanted issues <= 1, found 2")


def test_a_failing_exit_status_fails_whatever_a_judge_says() -> None:
    assert judged(judge_words, returncode=1).outcome == "failed"
    assert judged(judge_words, returncode=-11).outcome == "crashed"


def test_a_mapping_is_enough() -> None:
    found = judged(lambda output: {"words": len(output.stdout.head().split()), "ratio": 0.5}, stdout="a b c")
    assert (found.counts["words"], found.metrics["ratio"].value, found.summary) == (3, 0.5, "3 words")


@pytest.mark.parametrize(
    "judge",
    [
        lambda output: 1 / 0,
        lambda output: {"a": "b"},
        lambda output: "nonsense",
        lambda output: gate.Facts(tool="x", counts={"a": None}),  # type: ignore[dict-item]
        lambda output: gate.Facts(tool=None),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", summary=3),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", metrics={"a": 3.0}),  # type: ignore[dict-item]
        lambda output: gate.Facts(tool="x", metrics={"a": Metric(float("nan"))}),
        lambda output: gate.Facts(tool="x", metrics={"a": Metric("3")}),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", issues=["a"]),  # type: ignore[list-item]
        lambda output: gate.Facts(tool="x", issues=[Issue("x", "a", line="3")]),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", issues=[Issue("x", "a", severity="bad")]),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", wanted=["nonsense"]),
        lambda output: gate.Facts(tool="x", wanted="issues == 0"),  # type: ignore[arg-type]
        lambda output: gate.Facts(tool="x", unread=ValueError()),  # type: ignore[arg-type]
        lambda output: sys.exit(0),
        lambda output: pytest.fail("no"),
        lambda output: pytest.skip("no"),
    ],
)
def test_a_judge_that_goes_wrong_is_no_pass(judge: object) -> None:
    found = judged(judge, stdout="x")  # type: ignore[arg-type]
    assert found.outcome == "unreadable"
    assert "failed" in found.summary


def test_what_is_wrong_with_an_answer_is_said_in_words() -> None:
    def said(facts: object) -> str:
        return judged(lambda output: facts).summary.removeprefix("the judge <lambda> failed: ")  # type: ignore[arg-type]

    assert said("yes") == (
        "TypeError: it returned str 'yes', and neither Facts, a mapping of names to numbers, nor None"
    )
    assert said(gate.Facts(tool="x", wanted=["issues = 0"])) == (
        "ValueError: wanted cannot contain 'issues = 0': `=` is no comparison; write `==`"
    )


def test_a_judge_may_have_nothing_to_say() -> None:
    found = judged(lambda output: None)
    assert (found.outcome, found.facts, found.summary) == ("passed", None, "")


def test_a_pattern_is_a_judge() -> None:
    pattern = r"regex:(?P<passed>\d+) of (?P<total>\d+) ok"
    found = judged(pattern, stdout="1 of 9 ok\nnoise\n3 of 4 ok\n", expect="passed == total")
    assert (found.outcome, found.summary) == ("unmet", "wanted passed == total, found 3 (total is 4)")
    assert judged(pattern, stdout="4 of 4 ok", expect="passed == total").summary == "4/4 tests passed"
    assert judged(pattern, stdout="0 of 0 ok").outcome == "unmet"
    assert judged(pattern, stdout="nothing").outcome == "unreadable"


def test_a_pattern_finds_issues_and_metrics() -> None:
    found = judged(
        r"regex:^(?P<file>[^:]+):(?P<line>\d+): (?P<severity>\w+) (?P<rule>X\d+) (?P<message>.*)",
        stderr="a.md:3: error X1 no\na.md:4: info X2 hm\n",
    )
    assert [issue[1:] for issue in found.issues] == [
        ("no", "error", "a.md", 3, None, "X1"),
        ("hm", "note", "a.md", 4, None, "X2"),
    ]
    pattern = r"regex:(?P<name>\w+) is (?P<size>\d+) kB, (?P<share>[\d.]+%)"
    sizes = judged(pattern, stdout="a is 3 kB, 2.5%\nb is 4 kB, 5%\n")
    assert (sizes.counts, sizes.metrics["share[a]"].value) == ({"size[a]": 3, "size[b]": 4}, 2.5)


JUNIT = '<testsuites><testsuite failures="{said}"><testcase name="a" classname="t"/>{more}</testsuite></testsuites>'


def test_a_report_file_is_read() -> None:
    passed = judged("junit:out.xml", reports={"out.xml": JUNIT.format(said=0, more="")})
    assert (passed.outcome, passed.summary) == ("passed", "1/1 test passed")
    failed = '<testcase name="b" classname="t"><failure message="no"/></testcase>'
    unmet = judged("junit:*/out.xml", reports={"x/out.xml": JUNIT.format(said=1, more=failed)})
    assert (unmet.outcome, unmet.issues[0].message) == ("unmet", "t.b: no")
    assert judged("junit:out.xml", reports={"out.xml": JUNIT.format(said=2, more="")}).outcome == "unmet"
    said_above = '<testsuites failures="1"><testsuite><testcase name="a"/></testsuite></testsuites>'
    assert judged("junit:out.xml", reports={"out.xml": said_above}).outcome == "unmet"
    assert judged("junit:out.xml", reports={"out.xml": "<testsuites>"}).outcome == "unreadable"
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>'
    assert judged("junit:out.xml", reports={"out.xml": bomb}).outcome == "unreadable"
    assert judged("sarif:x.sarif", reports={"x.sarif": "[]"}).outcome == "unreadable"


def test_reports_beyond_what_is_read_are_no_pass() -> None:
    passed = {f"x/{n:04}.xml": JUNIT.format(said=0, more="") for n in range(2000)}
    assert judged("junit:x/*.xml", reports=passed).summary == "2000/2000 tests passed"
    failed = JUNIT.format(said=1, more='<testcase name="b"><failure message="no"/></testcase>')
    found = judged("junit:x/*.xml", reports={**passed, "x/zzz.xml": failed})
    assert (found.outcome, found.summary) == ("unreadable", "2001 report files are too many: 2000 are read")
    assert (
        judged("junit:x/*.xml", reports={**passed, "x/zzz.xml": failed}, expect="failed <= 9").outcome == "unreadable"
    )
    assert judged("junit:x/*.xml", reports={**passed, "x/0000.xml": failed, "x/zzz.xml": failed}).outcome == "unmet"
    logs = {f"x/{n:03}.sarif": '{"runs": []}' for n in range(201)}
    found = judged("sarif:x/*.sarif", reports=logs, expect="issues == 0")
    assert (found.outcome, "201 report files are too many" in found.summary) == ("unreadable", True)


def test_a_report_of_a_run_that_was_not_successful_is_no_pass() -> None:
    log = (
        '{{"runs": [{{"tool": {{"driver": {{"name": "scan"}}}}, "invocations": [{{"executionSuccessful": {said}}}]}}]}}'
    )
    assert judged("sarif:x.sarif", reports={"x.sarif": log.format(said="true")}).outcome == "passed"
    found = judged("sarif:x.sarif", reports={"x.sarif": log.format(said="false")})
    assert (found.outcome, found.summary) == ("unreadable", "scan says that its run was not successful")


NOTHING_RAN = {
    "pytest -q": ("2 skipped in 0.01s\n", ""),
    "cargo test": (
        "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        "",
    ),
    "prove t": ("t/a.t .. skipped: later\nFiles=1, Tests=0,  0 wallclock secs\nResult: NOTESTS\n", ""),
    "python -m unittest": ("", f"ss\n{'-' * 70}\nRan 2 tests in 0.000s\n\nOK (skipped=2)\n"),
}


@pytest.mark.parametrize("command", NOTHING_RAN)
def test_only_a_number_of_tests_says_that_none_is_fine(command: str) -> None:
    stdout, stderr = NOTHING_RAN[command]
    for expect in ("passed == total", "passed >= ran", "failed <= tests", "ran == passed"):
        found = judged(command=command, stdout=stdout, stderr=stderr, expect=expect)
        assert (found.outcome, found.summary.partition(",")[0]) == ("unmet", "no tests ran"), expect
    for expect in ("total >= 0", "ran == 0", "tests == 0"):
        assert judged(command=command, stdout=stdout, stderr=stderr, expect=expect).outcome == "passed", expect


def test_a_pattern_that_counts_no_tests_is_no_pass() -> None:
    pattern = r"regex:(?P<passed>\d+) of (?P<total>\d+) ok"
    assert judged(pattern, stdout="0 of 0 ok", expect="passed == total").outcome == "unmet"
    assert judged(pattern, stdout="0 of 0 ok", expect=["passed == total", "total >= 0"]).outcome == "passed"


def go_event(output: str, test: str = "") -> str:
    named = f',"Test":"{test}"' if test else ""
    return f'{{"Time":"","Action":"output","Package":"demo"{named},"Output":"{output}\\n"}}\n'


def test_a_failed_test_of_go_beyond_what_is_kept_is_no_pass() -> None:
    passed = "".join(go_event(f"--- PASS: T{n} (0.00s)", f"T{n}") for n in range(20_000))
    failed = go_event("--- FAIL: Last (0.00s)", "Last")
    command = "go test -json ./..."
    assert judged(command=command, stdout=passed + go_event("ok  \\tdemo\\t0.1s")).outcome == "passed"
    found = judged(command=command, stdout=passed + failed + go_event("FAIL\\tdemo\\t0.1s"))
    assert (found.outcome, found.summary.partition(",")[0]) == (
        "unmet", "go test says 20000/20001 tests passed",
    )  # fmt: skip
    assert judged(command=command, stdout=passed + failed).outcome == "unreadable"


def test_a_package_of_go_that_fails_without_a_failed_test_is_no_pass() -> None:
    text = "--- PASS: TestA (0.00s)\nPASS\nok  \ta\t0.1s\npanic: no\nFAIL\tb\t0.1s\nFAIL\n"
    found = judged(command="go test -v ./...", stdout=text)
    assert (found.outcome, found.counts["errors"]) == ("unmet", 1)


def test_benchmarks_of_go_that_match_nothing_are_no_pass() -> None:
    text = "PASS\nok  \tdemo\t0.002s\n"
    assert judged(command="go test -bench=Nothing ./...", stdout=text).summary == "no benchmark ran"
    assert judged(command="go test -bench=Nothing ./...", stdout=text).outcome == "unmet"
    assert judged(command="go test -bench=^$ ./...", stdout=text).outcome == "passed"


def test_an_audit_that_could_audit_nothing_is_no_pass() -> None:
    command, said = "pip-audit -f json", "No known vulnerabilities found\n"
    skipped = '{"dependencies": [{"name": "x", "skip_reason": "not found"}]}'
    found = judged(command=command, stdout=skipped, stderr=said)
    assert (found.outcome, found.summary) == ("unmet", "no dependency was audited")
    audited = '{"dependencies": [{"name": "x", "version": "1", "vulns": []}]}'
    assert judged(command=command, stdout=audited, stderr=said).outcome == "passed"


def test_a_script_of_several_tools_says_that_it_was_not_judged() -> None:
    found = judged(command="ruff check . && mypy .", shell=True, stdout="All checks passed!\n")
    assert (found.outcome, found.summary) == ("passed", "not judged: the script runs ruff and mypy")
    assert judged(command="echo a; true", shell=True).facts is None


NO_CONFIG = "The specified config file does not exist: missing.cfg\n"
BROKEN = {
    "flake8 --config missing.cfg . | tee log": NO_CONFIG,
    "flake8 --config missing.cfg . || true": NO_CONFIG,
    "flake8 --config missing.cfg a; flake8 b": NO_CONFIG,
    "for d in a b; do flake8 --config missing.cfg $d; done": NO_CONFIG,
    "! flake8 --config missing.cfg .": NO_CONFIG,
    "flake8 --config missing.cfg . > log || true": NO_CONFIG,
    "flake8 --config missing.cfg . 2> log || true": "",
    "flake8 --config missing.cfg . > /dev/null 2>&1; exit 0": "",
    "ruff check -q --config missing.toml . || true": "error: invalid value 'missing.toml'\n",
    "ruff check --config missing.toml . | cat": "error: invalid value 'missing.toml'\n",
    "shellcheck nonexist.sh | cat": "nonexist.sh: nonexist.sh: openBinaryFile: does not exist\n",
    "shellcheck -f json nonexist.sh | cat": "nonexist.sh: nonexist.sh: openBinaryFile: does not exist\n",
    "hadolint nofile | cat": "hadolint: nofile: openBinaryFile: does not exist\n",
    "eslint -f json -c missing.mjs . || true": "\nOops! Something went wrong! :(\n",
    "eslint . ; exit 0": "\nOops! Something went wrong! :(\n",
    "go vet ./... | tee log": "go: cannot find main module\n",
    "tsc -p . || echo failed": "node: bad option\n",
    "cargo fmt --check -p nope || true": "package `nope` is not a member of the workspace\n",
    "cargo build | tail -1": "   Compiling demo v0.1.0 (/demo)\n",
    "bandit -q -c missing.yml . | cat": "[main]\tERROR\tmissing.yml : Could not read config file.\n",
}


@pytest.mark.parametrize("script", BROKEN)
def test_a_silent_tool_whose_status_is_hidden_is_no_pass(script: str) -> None:
    stdout = "[]\n" if script.startswith("shellcheck -f json") else ""
    for expect in ((), "issues == 0"):
        found = judged(command=script, shell=True, stdout=stdout, stderr=BROKEN[script], expect=expect)
        assert found.outcome == "unreadable", found.summary


def test_a_tool_that_says_what_is_wrong_where_its_results_go_is_no_pass() -> None:
    found = judged(command="flake8 --config missing.cfg . 2>&1 | tee log", shell=True, stdout=NO_CONFIG)
    assert (found.outcome, found.summary) == (
        "unreadable",
        "the script hides the exit status of flake8, and the output says 'The specified config file does not exist: "
        "missing.cfg': let nothing but && come after flake8",
    )


def test_one_of_several_linters_that_broke_is_no_pass() -> None:
    script, said = "ruff check --config missing.toml a; ruff check b", "error: invalid value 'missing.toml'\n"
    found = judged(command=script, shell=True, stdout="All checks passed!\n", stderr=said)
    assert found.outcome == "unreadable"
    assert judged(command=script, shell=True, stdout="All checks passed!\n" * 2, stderr=said).outcome == "passed"


FINE = {
    "flake8 . | tee log": ("", ""),
    "cd src && flake8 .": ("", "a warning\n"),
    "flake8 a && flake8 b && echo fine": ("fine\n", "a warning\n"),
    "flake8 . || exit 1": ("", "a warning\n"),
    "set -e\nflake8 .\necho done": ("done\n", "a warning\n"),
    "set -eo pipefail; flake8 . | tee log; echo done": ("done\n", "a warning\n"),
    "ruff check . | tee log": ("All checks passed!\n", "warning: a rule was renamed\n"),
    "ruff check --output-format=json . | tee log": ("[]\n", "warning: a rule was renamed\n"),
    "eslint -f json . | cat": ('[{"filePath":"a.js","messages":[]}]', "(node:1) Warning: old\n"),
    "mypy . || true": ("Success: no issues found in 1 source file\n", "a warning\n"),
    "cargo clippy 2>&1 | tee log": ("    Checking demo v0.1.0\n    Finished `dev` profile in 0.1s\n", ""),
    "go vet ./... | tee log": ("", "go: downloading example.com/x v1.2.3\n"),
    "flake8 --exit-zero . | tee log": ("a.py:1:1: F401 unused\n", "a warning\n"),
}


@pytest.mark.parametrize("script", FINE)
def test_a_script_that_hides_nothing_passes(script: str) -> None:
    stdout, stderr = FINE[script]
    found = judged(command=script, shell=True, stdout=stdout, stderr=stderr)
    assert found.outcome == "passed", found.summary


UNITTEST_OK = f".\n{'-' * 70}\nRan 1 test in 0.000s\n\nOK\n"
UNITTEST_GONE = """Traceback (most recent call last):
  File "/usr/lib/python3.11/unittest/__main__.py", line 18, in <module>
    main(module=None)
ImportError: Start directory is not importable: 'missing_dir'
"""
NEXTEST_OK = "     Summary [   0.01s] 1 test run: 1 passed, 0 skipped\n"
CARGO_OK = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
NO_PACKAGE = "error: package ID specification `nope` did not match any packages\n"
# Of two runs the first did not begin, or ran nothing: script, stdout, stderr.
COVERED = {
    "no such folder": (
        "pytest -q a; pytest -q b", "no tests ran in 0.01s\n1 passed in 0.1s\n", "ERROR: not found: a\n",
    ),
    "no such folder, in a loop": (
        "for d in a b; do pytest -q $d; done", "no tests ran in 0.01s\n1 passed in 0.1s\n",
        "ERROR: file or directory not found: a\n",
    ),
    "wrong option, in a loop": (
        "for d in a b; do pytest -q $d; done", "1 passed in 0.1s\n", "ERROR: usage: pytest [options]\n",
    ),
    "broken conftest": (
        "for d in a b; do pytest $d; done", "1 passed in 0.1s\n",
        "ImportError while loading conftest '/a/conftest.py'.\n",
    ),
    "left without a summary": ("pytest a; pytest b", "..\n1 passed in 0.1s\n", ""),
    "internal error": (
        "for d in a b; do pytest $d; done", "INTERNALERROR> Traceback (most recent call last):\n1 passed in 0.1s\n", "",
    ),
    "nothing in the folder": ("pytest -q a; pytest -q b", "no tests ran in 0.01s\n1 passed in 0.1s\n", ""),
    "all skipped": ("pytest -q a; pytest -q b", "2 skipped in 0.01s\n1 passed in 0.1s\n", ""),
    "unittest, no such folder": (
        "python -m unittest discover -s a; python -m unittest", "", UNITTEST_GONE + UNITTEST_OK,
    ),
    "unittest, no such folder, in a loop": (
        "for d in a b; do python -m unittest discover -s $d; done", "", UNITTEST_GONE + UNITTEST_OK,
    ),
    "unittest, wrong option, in a loop": (
        "for d in a b; do python -m unittest $d; done", "",
        "python -m unittest: error: unrecognized arguments: --nosuch\n" + UNITTEST_OK,
    ),
    "unittest, nothing in the folder": (
        "python -m unittest a; python -m unittest b", "", UNITTEST_OK.replace("1 test ", "0 tests ") + UNITTEST_OK,
    ),
    "cargo, no such package": ("cargo test -p nope; cargo test", CARGO_OK, NO_PACKAGE),
    "cargo, broken before it compiled": ("cargo test -p a; cargo test -p b", CARGO_OK, ""),
    "go, no module": ("go test ./a; go test ./b", "ok  \tdemo/b\t0.1s\n", "go: cannot find main module\n"),
    "valgrind, a program that cannot be run": (
        "valgrind ./a; valgrind ./b", "",
        "valgrind: ./a: Permission denied\n==1== ERROR SUMMARY: 0 errors from 0 contexts\n",
    ),
    "nextest, no such package": ("for p in nope a; do cargo nextest run -p $p; done", "", NO_PACKAGE + NEXTEST_OK),
    "nextest, no tests": (
        "cargo nextest run -p a; cargo nextest run", "",
        "     Summary [   0.00s] 0 tests run: 0 passed, 2 skipped\n" + NEXTEST_OK,
    ),
    "jest, no tests": (
        "jest a; jest b", "", "No tests found, exiting with code 1\nTests:       1 passed, 1 total\n",
    ),
    "prove, a plan that does not hold": (
        "prove a.t; prove b.t", "Files=1, Tests=1,  0 wallclock secs\nResult: FAIL\n"
        "Files=1, Tests=1,  0 wallclock secs\nResult: PASS\n", "",
    ),
    "prove, all skipped": (
        "prove a.t; prove b.t", "Files=1, Tests=0,  0 wallclock secs\nResult: NOTESTS\n"
        "Files=1, Tests=1,  0 wallclock secs\nResult: PASS\n", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COVERED)
def test_a_run_that_tested_nothing_is_not_covered_by_the_next_one(name: str) -> None:
    script, stdout, stderr = COVERED[name]
    for expect in ((), "passed == total"):
        found = judged(command=script, shell=True, stdout=stdout, stderr=stderr, expect=expect)
        assert found.outcome in ("unmet", "unreadable"), found.summary


def test_what_ran_nothing_among_several_runs_is_said() -> None:
    script, stdout = "pytest -q a; pytest -q b", "no tests ran in 0.01s\n1 passed in 0.1s\n"
    found = judged(command=script, shell=True, stdout=stdout)
    assert (found.outcome, found.summary) == ("unmet", "1/1 test passed, and no tests ran in 1 of several runs")
    assert judged(command=script, shell=True, stdout=stdout, expect="total >= 0").outcome == "passed"
    said = "ERROR: file or directory not found: a\n"
    assert judged(command=script, shell=True, stdout=stdout, stderr=said, expect="total >= 0").outcome == "unmet"
    found = judged(command=script, shell=True, stdout="1 passed in 0.1s\n")
    assert (found.outcome, found.summary) == ("unreadable", "pytest ran 2 times and printed 1 result")


SEVERAL = {
    "pytest a; pytest b": ("1 passed in 0.1s\n" * 2, ""),
    "pytest --version; pytest b": ("pytest 9.0.1\n1 passed in 0.1s\n", ""),
    "pytest -s a && pytest -s b": ("1 passed in 0.1s\n" * 2, "ERROR: what a test has logged\n"),
    "pytest a || exit 1; pytest b": ("1 passed in 0.1s\n" * 2, ""),
    "pytest a || pytest --lf a": ("1 passed in 0.1s\n", ""),
    "python -m unittest a; python -m unittest b": ("", UNITTEST_OK * 2),
    "prove a.t; prove b.t": ("Files=1, Tests=1,  0 wallclock secs\nResult: PASS\n" * 2, ""),
    "jest a; jest b": ("", "Tests:       1 passed, 1 total\n" * 2),
    "cargo test -p a; cargo test -p b": (CARGO_OK * 3, "    Finished `test` profile in 0.1s\n"),
    "cargo nextest run -p a; cargo nextest run -p b": ("", NEXTEST_OK * 2),
}


@pytest.mark.parametrize("script", SEVERAL)
def test_several_runs_that_all_passed_pass(script: str) -> None:
    stdout, stderr = SEVERAL[script]
    found = judged(command=script, shell=True, stdout=stdout, stderr=stderr)
    assert found.outcome == "passed", found.summary


def test_a_pattern_that_finds_nothing_where_the_status_is_hidden_is_no_pass() -> None:
    pattern = r"regex:^(?P<file>[^:]+):(?P<line>\d+): (?P<message>.*)"
    for script, outcome in (("vale . || true", "unreadable"), ("vale .", "passed")):
        assert judged(pattern, command=script, shell=True, stderr="E100 no config\n").outcome == outcome


TAP_LINES = {
    "not ok 1 - renders issue #todo correctly": "unmet",
    "not ok 1 - renders \\# TODO correctly": "unmet",
    "not ok 1 - shows C# TODOs": "unmet",
    "not ok 1 - a#TODO": "unmet",
    "not ok 1 - lists # todos": "unmet",
    "not ok 1 - a # SKIP later": "unmet",
    "not ok 1 - a # TODO later": "passed",
    "not ok 1 # todo": "passed",
    "not ok 1 #TODO later": "passed",
    "ok 1 - a # skip later": "unmet",
    "ok 1 # SKIPPED": "unmet",
    "ok 1 - a #skip": "unmet",
    "ok 1 - renders \\# skip": "passed",
    "ok 1 - a": "passed",
}


@pytest.mark.parametrize("line", TAP_LINES)
def test_only_a_directive_of_tap_excuses_a_failure(line: str) -> None:
    assert judged("tap", stdout=f"1..1\n{line}\n").outcome == TAP_LINES[line]
    is_failure = line.startswith("not") and TAP_LINES[line] == "unmet"
    assert judged("tap", stdout=f"1..2\n{line}\nok 2\n").outcome == ("unmet" if is_failure else "passed")


def test_what_one_tool_calls_counting_is_colour_to_another() -> None:
    skipped = "Files=1, Tests=0,  0 wallclock secs\nResult: NOTESTS\n"
    assert judged(command="prove -c t", stdout=skipped).outcome == "unmet"
    assert judged(command="bats -c t", stdout="3\n").facts is None


def test_mypy_is_judged_also_where_it_installs_types() -> None:
    command = "mypy --install-types --non-interactive a.py"
    said = "Success: no issues found in 1 source file\n"
    assert judged(command=command, stdout=said, expect="errors == 0").outcome == "passed"
    assert judged(command=command, stdout="a.py:1: error: no  [misc]\nFound 1 error in 1 file\n").outcome == "unmet"
    assert judged(command="mypy --install-types").facts is None


def test_what_is_no_criterion_is_told_to_the_tester() -> None:
    with pytest.raises(CriterionError):
        judged("none", expect="issues")


def test_the_documented_judge_works_as_documented(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The complete example of docs/judging.md, with a stand-in for its tool, and its own test."""
    page = (ROOT / "docs/judging.md").read_text("utf-8")
    conftest, test = re.findall(r"```python\n# (?:conftest|test_judge_vale)\.py\n(.*?)```", page, re.DOTALL)
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_judge_vale=test)
    tool = pytester.path / "vale"
    tool.write_text("#!/bin/sh\necho 'guide.md:3:7:Style.Passive:is written by'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(pytester.path), prepend=":")
    result = pytester.runpytest_subprocess("--paragate", "-p", "no:cacheprovider")
    assert result.ret == 0, result.outlines
    result.stdout.fnmatch_lines(["PASSED *conftest.py::prose *1 issue", "*1 minor issue*", "gate passed with 1 minor*"])


def test_a_log_line_in_brackets_is_no_json() -> None:
    found = judged(command='echo "[1/2] ruff" && ruff check .', shell=True, stdout="[1/2] ruff\nAll checks passed!\n")
    assert (found.outcome, found.summary) == ("passed", "0 issues")


def test_errors_of_other_programs_are_no_broken_runs_of_pytest() -> None:
    said = "ERROR: pip's dependency resolver does not take into account all the packages that are installed.\n"
    summary = "1 passed in 0.01s\n"
    found = judged(command="./pip.sh; pytest t | tee log", shell=True, stdout=summary, stderr=said)
    assert (found.outcome, found.summary) == ("passed", "1/1 test passed")
    usage = "ERROR: file or directory not found: gone\n"
    assert (
        judged(command="pytest gone; pytest t | tee log", shell=True, stdout=summary, stderr=usage).outcome == "unmet"
    )


def test_a_critical_error_of_flake8_is_no_pass() -> None:
    text = "There was a critical error during execution of Flake8: no such config\n"
    assert judged(command="flake8 --config x . || true", shell=True, stdout=text).outcome == "unreadable"

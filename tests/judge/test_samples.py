"""What each judge makes of what the real tool printed: outcome, summary, findings kept and where the first one is.

The samples say which command and version made them; ``record.py`` makes them again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_paragate.judge import names
from pytest_paragate.judge.facts import from_data, to_data
from pytest_paragate.verdict import Outcome

from .recorded import SAMPLES, judged, judged_sample, output_of, read, samples

# "tool/case": outcome, summary, how many findings are kept, the first one as file:line:column:severity:rule.
EXPECTED: dict[str, tuple[str, str, int, str | None]] = {
    "asv/fail": ("failed", '2 benchmarks run, 1 issue', 1, '-:-:-:error:-'),
    "asv/pass": ("passed", '2 benchmarks run', 0, None),
    "asv/warn": ("failed", 'exit status 1', 0, None),
    "bandit/fail": ("failed", '4 issues', 4, 'a.py:1:-:note:B404'),
    "bandit/json": ("failed", '4 issues', 4, 'a.py:1:-:note:B404'),
    "bandit/level": ("failed", '1 issue', 1, 'a.py:6:-:error:B602'),
    "bandit/no-code": ("unmet", 'bandit found no code', 0, None),
    "bandit/no-code-json": ("unmet", 'bandit found no code', 0, None),
    "bandit/no-folder": ("unmet", 'bandit says 1 issue, although the exit status is 0', 1, 'nowhere:-:-:error:-'),
    "bandit/pass": ("passed", '0 issues', 0, None),
    "bandit/skipped": ("unmet", 'bandit says 1 issue, although the exit status is 0', 1, 'a.py:-:-:error:-'),
    "bandit/warn": ("passed", '4 issues', 4, 'a.py:1:-:note:B404'),
    "black/error": ("failed", '1 issue', 1, 'a.py:1:-:error:parse'),
    "black/fail": ("failed", '1 file to format', 1, 'a.py:-:-:warning:format'),
    "black/no-files": ("unmet", 'black found no files', 0, None),
    "black/pass": ("passed", 'formatted', 0, None),
    "black/warn": ("passed", '1 file reformatted', 0, None),
    "cargo-bench/fail": ("failed", 'exit status 101 (2 benchmarks run)', 0, None),
    "cargo-bench/pass": ("passed", '2 benchmarks run', 0, None),
    "cargo-bench/warn": ("unmet", 'no benchmark ran that could be read', 0, None),
    "cargo-fmt/fail": ("failed", '1 file to format', 1, 'lib.rs:6:-:warning:format'),
    "cargo-fmt/list": ("failed", '1 file to format', 1, 'lib.rs:-:-:warning:format'),
    "cargo-fmt/pass": ("passed", 'formatted', 0, None),
    "cargo-fmt/warn": ("passed", 'not judged: rustfmt was not asked to --check', 0, None),
    "cargo-nextest/broken": ("failed", '1 issue', 1, 'lib.rs:9:7:error:E0277'),
    "cargo-nextest/cancelled": ("failed", '0/1 test passed, 1 skipped', 1, '-:-:-:error:-'),
    "cargo-nextest/fail": ("failed", '1/3 tests passed, 1 skipped', 2, '-:-:-:error:-'),
    "cargo-nextest/no-tests": ("unmet", 'no tests ran, 2 skipped', 0, None),
    "cargo-nextest/pass": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "cargo-nextest/warn": ("passed", '2/2 tests passed, 1 skipped', 0, None),
    "cargo-test/broken": ("failed", '1 issue', 1, 'lib.rs:9:7:error:E0277'),
    "cargo-test/fail": ("failed", '1/2 tests passed, 1 skipped', 1, '-:-:-:error:-'),
    "cargo-test/no-match": ("unmet", 'no tests ran, 2 deselected', 0, None),
    "cargo-test/no-run": ("passed", '0 issues', 0, None),
    "cargo-test/pass": ("passed", '2/2 tests passed, 1 skipped', 0, None),
    "cargo-test/quiet": ("passed", '2/2 tests passed, 1 skipped', 0, None),
    "cargo-test/warn": ("passed", '2/2 tests passed, 1 skipped', 1, 'lib.rs:3:4:warning:dead_code'),
    "coverage/branch": ("passed", 'coverage 80 %', 0, None),
    "coverage/fail": ("failed", 'exit status 2 (coverage 50 %)', 0, None),
    "coverage/json": ("passed", 'coverage 50 %', 0, None),
    "coverage/no-data": ("failed", 'exit status 1', 0, None),
    "coverage/pass": ("passed", 'coverage 100 %', 0, None),
    "coverage/total": ("passed", 'coverage 50 %', 0, None),
    "coverage/warn": ("passed", 'coverage 50 %', 0, None),
    "coverage/xml": ("passed", 'not judged: coverage printed no total', 0, None),
    "eslint/fail": ("failed", '2 issues', 2, 'a.js:1:7:warning:no-unused-vars'),
    "eslint/json": ("failed", '2 issues', 2, 'a.js:1:7:warning:no-unused-vars'),
    "eslint/max-warnings": ("failed", '2 issues', 2, 'a.js:1:7:warning:no-unused-vars'),
    "eslint/pass": ("passed", '0 issues', 0, None),
    "eslint/warn": ("passed", '2 issues', 2, 'a.js:1:7:warning:no-unused-vars'),
    "flake8/fail": ("failed", '5 issues', 5, 'a.py:1:1:warning:F401'),
    "flake8/pass": ("passed", '0 issues', 0, None),
    "flake8/warn": ("passed", '5 issues', 5, 'a.py:1:1:warning:F401'),
    "go-test/bench": ("passed", '1 benchmark run', 0, None),
    "go-test/broken": ("failed", '0/1 package passed', 0, None),
    "go-test/cached": ("passed", '1/1 package passed, 1 from the cache', 0, None),
    "go-test/cover": ("passed", '1/1 package passed', 0, None),
    "go-test/fail": ("failed", '0/1 package passed', 1, '-:-:-:error:-'),
    "go-test/json": ("failed", '2/3 tests passed, 1 skipped', 1, '-:-:-:error:-'),
    "go-test/no-match": ("unmet", 'no tests ran', 0, None),
    "go-test/pass": ("passed", '1/1 package passed', 0, None),
    "go-test/verbose": ("passed", '2/2 tests passed, 1 skipped', 0, None),
    "go-test/warn": ("unmet", 'no tests ran', 0, None),
    "go-vet/fail": ("failed", '1 issue', 1, 'a.go:5:12:warning:-'),
    "go-vet/json": ("passed", '1 issue', 1, 'a.go:5:12:warning:printf'),
    "go-vet/pass": ("passed", '0 issues', 0, None),
    "hadolint/fail": ("failed", '6 issues', 6, 'Dockerfile:1:-:warning:DL3006'),
    "hadolint/json": ("failed", '1 issue', 1, 'Dockerfile:1:1:warning:DL3006'),
    "hadolint/pass": ("passed", '0 issues', 0, None),
    "hadolint/warn": ("passed", '1 issue', 1, 'Dockerfile:1:-:warning:DL3006'),
    "hyperfine/ignored": ("passed", '1 benchmark run, 1 issue', 1, '-:-:-:warning:ignored-failure'),
    "hyperfine/fail": ("failed", 'exit status 1', 0, None),
    "hyperfine/pass": ("passed", '1 benchmark run', 0, None),
    "hyperfine/warn": ("passed", '2 benchmarks run', 0, None),
    "jest/fail": ("failed", '1/2 tests passed, 1 skipped', 1, '-:-:-:error:-'),
    "jest/json": ("failed", '1/2 tests passed, 1 skipped', 0, None),
    "jest/pass": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "jest/vitest-fail": ("failed", '1/2 tests passed, 1 skipped', 1, '-:-:-:error:-'),
    "jest/vitest-none": ("passed", 'no tests ran', 0, None),
    "jest/vitest-pass": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "jest/warn": ("passed", 'no tests ran', 0, None),
    "junit/fail": ("failed", '2/4 tests passed, 2 skipped', 2, '-:-:-:error:-'),
    "junit/pass": ("passed", '2/2 tests passed, 2 skipped', 0, None),
    "junit/warn": ("failed", 'exit status 5 (no tests ran)', 0, None),
    "memray/fail": ("failed", 'exit status 1', 0, None),
    "memray/pass": ("passed", 'peak 1.031 MiB', 0, None),
    "memray/warn": ("passed", '', 0, None),
    "mypy/columns": ("failed", '2 issues', 2, 'a.py:5:8:error:arg-type'),
    "mypy/fail": ("failed", '2 issues', 2, 'a.py:5:-:error:arg-type'),
    "mypy/json": ("failed", '2 issues', 2, 'a.py:5:8:error:arg-type'),
    "mypy/no-file": ("failed", '1 issue', 1, 'nowhere.py:-:-:error:-'),
    "mypy/pass": ("passed", '0 issues', 0, None),
    "mypy/pretty": ("failed", '2 issues', 2, 'a.py:5:-:error:arg-type'),
    "mypy/warn": ("passed", '0 issues', 0, None),
    "pip-audit/fail": ("failed", '2 known vulnerabilities', 2, '-:-:-:error:PYSEC-2019-179'),
    "pip-audit/json": ("failed", '1 known vulnerability', 1, '-:-:-:error:PYSEC-2019-179'),
    "pip-audit/pass": ("passed", '0 known vulnerabilities', 0, None),
    "pip-audit/warn": ("passed", '0 known vulnerabilities, 1 dependency not audited', 1, '-:-:-:warning:skipped'),
    "pyright/fail": ("failed", '2 issues', 2, 'a.py:5:8:error:-'),
    "pyright/json": ("failed", '2 issues', 2, 'a.py:5:8:error:reportArgumentType'),
    "pyright/no-files-json": ("unmet", 'pyright found no files', 0, None),
    "pyright/no-folder": ("unmet", 'pyright says 1 issue, although the exit status is 0', 1, 'src:-:-:error:-'),
    "pyright/pass": ("passed", '0 issues', 0, None),
    "pyright/warn": ("passed", '1 issue', 1, 'a.py:2:1:warning:reportUnusedExpression'),
    "pytest/all-skipped": ("unmet", 'no tests ran, 1 skipped, 3 deselected', 0, None),
    "pytest/collect-only": ("passed", '', 0, None),
    "pytest/collection-error": ("failed", '0/1 test passed', 1, 'test_x.py:-:-:error:-'),
    "pytest/colour": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest/coverage": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest/deselected": ("failed", 'exit status 5 (no tests ran, 4 deselected)', 0, None),
    "pytest/fail": ("failed", '2/4 tests passed, 1 skipped, 1 xfailed', 2, 'test_bad.py:-:-:error:-'),
    "pytest/no-tests": ("failed", 'exit status 5 (no tests ran)', 0, None),
    "pytest/pass": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest/quiet": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest/usage-error": ("failed", 'exit status 4', 0, None),
    "pytest/very-quiet": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest/warn": ("passed", '1/1 test passed', 0, None),
    "pytest/xdist": ("passed", '2/2 tests passed, 1 skipped, 1 xfailed', 0, None),
    "pytest-benchmark/fail": ("failed", '2/3 tests passed', 1, 'test_b.py:-:-:error:-'),
    "pytest-benchmark/pass": ("passed", '2/2 tests passed', 0, None),
    "pytest-benchmark/warn": ("unmet", 'no tests ran, 2 skipped', 0, None),
    "ruff/concise": ("failed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "ruff/fail": ("failed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "ruff/fixed": ("passed", '0 issues', 0, None),
    "ruff/github": ("failed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "ruff/json": ("failed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "ruff/no-files": ("unmet", 'ruff found no files', 0, None),
    "ruff/pass": ("passed", '0 issues', 0, None),
    "ruff/syntax": ("failed", '3 issues', 3, 'a.py:1:5:error:invalid-syntax'),
    "ruff/warn": ("passed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "ruff-format/diff": ("failed", '1 file to format', 0, None),
    "ruff-format/fail": ("failed", '1 file to format', 1, 'a.py:6:-:warning:format'),
    "ruff-format/no-files": ("unmet", 'ruff format found no files', 0, None),
    "ruff-format/pass": ("passed", 'formatted', 0, None),
    "ruff-format/warn": ("passed", '1 file reformatted', 0, None),
    "rustc/broken": ("failed", '1 issue', 1, 'lib.rs:9:7:error:E0277'),
    "rustc/cached": ("passed", '4 issues', 4, 'lib.rs:3:4:warning:dead_code'),
    "rustc/fail": ("failed", '4 issues', 4, 'lib.rs:3:4:error:dead_code'),
    "rustc/json": ("passed", '4 issues', 4, 'lib.rs:3:4:warning:dead_code'),
    "rustc/pass": ("passed", '0 issues', 0, None),
    "rustc/short": ("passed", '4 issues', 4, 'lib.rs:3:4:warning:-'),
    "rustc/warn": ("passed", '4 issues', 4, 'lib.rs:3:4:warning:dead_code'),
    "sanitizer/fail": ("failed", '48 bytes leaked', 1, '-:-:-:error:leak'),
    "sanitizer/overflow": ("failed", '1 memory error', 1, 'a.c:4:-:error:heap-buffer-overflow'),
    "sanitizer/pass": ("passed", '0 leaks', 0, None),
    "sanitizer/warn": (
        "unmet", 'LeakSanitizer says 48 bytes leaked, although the exit status is 0', 1, '-:-:-:error:leak',
    ),
    "sarif/fail": ("failed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "sarif/pass": ("passed", '0 issues', 0, None),
    "sarif/warn": ("passed", '2 issues', 2, 'a.py:1:8:error:F401'),
    "shellcheck/fail": ("failed", '2 issues', 2, 'a.sh:2:6:note:SC2086'),
    "shellcheck/gcc": ("failed", '2 issues', 2, 'a.sh:2:6:note:SC2086'),
    "shellcheck/json": ("failed", '2 issues', 2, 'a.sh:2:6:note:SC2086'),
    "shellcheck/pass": ("passed", '0 issues', 0, None),
    "shellcheck/warn": ("passed", '0 issues', 0, None),
    "tap/fail": ("failed", '1/2 tests passed, 1 xfailed', 1, '-:-:-:error:-'),
    "tap/no-plan": (
        "unreadable", 'there is no plan such as 1..3, so something may have ended before its time', 0, None,
    ),
    "tap/node": ("failed", '1/2 tests passed', 1, '-:-:-:error:-'),
    "tap/pass": ("passed", '2/2 tests passed, 1 skipped', 0, None),
    "tap/prove-fail": ("failed", '5/6 tests passed', 0, None),
    "tap/prove-pass": ("passed", '3/3 tests passed', 0, None),
    "tap/too-many": ("unmet", 'tap says 2/3 tests passed, although the exit status is 0', 1, '-:-:-:error:-'),
    "tap/warn": ("unmet", 'tap says 1/3 tests passed, although the exit status is 0', 1, '-:-:-:error:-'),
    "timings/fail": ("failed", 'exit status 3 (1 benchmark run)', 0, None),
    "timings/pass": ("passed", '3 benchmarks run', 0, None),
    "timings/warn": ("passed", '1 benchmark run', 0, None),
    "tracemalloc/fail": ("failed", 'exit status 1 (growth 12.5 KiB)', 0, None),
    "tracemalloc/pass": ("passed", 'peak 1019 KiB', 0, None),
    "tracemalloc/warn": ("unreadable", 'there are no sizes of memory in the output', 0, None),
    "tsc/fail": ("failed", '2 issues', 2, 'a.ts:1:14:error:TS2322'),
    "tsc/pass": ("passed", '0 issues', 0, None),
    "tsc/pretty": ("failed", '1 issue', 1, 'a.ts:1:14:error:TS2322'),
    "unittest/all-skipped": ("unmet", 'no tests ran, 1 skipped', 0, None),
    "unittest/fail": ("failed", '2/4 tests passed, 1 skipped', 2, '-:-:-:error:-'),
    "unittest/no-tests": ("unmet", 'no tests ran', 0, None),
    "unittest/pass": ("passed", '2/2 tests passed', 0, None),
    "unittest/skips-left-out": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "unittest/skips-left-out-verbose": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "unittest/warn": ("passed", '1/1 test passed, 1 skipped', 0, None),
    "valgrind/fail": ("failed", '48 bytes definitely lost', 1, 'a.c:3:-:error:memcheck'),
    "valgrind/invalid-write": ("failed", '0 leaks, 1 memory error', 1, 'a.c:4:-:error:memcheck'),
    "valgrind/pass": ("passed", '0 leaks', 0, None),
    "valgrind/warn": ("unmet", 'valgrind says 48 bytes definitely lost, although the exit status is 0', 0, None),
}  # fmt: skip
METRICS = {
    "cargo-bench/pass": {"time[sum]": 2.4336e-9, "time[sums/of a rather long name that goes on]": 1.75e-9},
    "coverage/pass": {"coverage": 100.0},
    "coverage/branch": {"coverage": 80.0},
    "pytest/coverage": {"coverage": 91.0},
    "hyperfine/pass": {"time[true]": 0.001},
    "memray/pass": {"peak": 1.081e6, "allocated": 1.305e6},
    "timings/pass": {"time[parse]": 3.611e-6, "time[sort]": 1.25e-3, "time[load]": 3.2},
    "tracemalloc/fail": {"growth": 12800.0},
    "asv/pass": {"time[b.time_sort]": 2.56e-5, "time[b.time_sum]": 1.4e-5},
    "go-test/bench": {"time[BenchmarkA]": 1.910e-9},
}


@pytest.mark.parametrize("case", EXPECTED)
def test_a_recorded_output_is_judged(case: str, tmp_path: Path) -> None:
    outcome, summary, kept, first = EXPECTED[case]
    sample = read(SAMPLES / f"{case}.txt")
    found = judged_sample(sample, tmp_path)
    assert (str(found.outcome), found.summary) == (outcome, summary)
    issues = found.facts.issues if found.facts is not None else []
    assert len(issues) == kept
    if first is not None:
        issue = issues[0]
        name = (issue.file or "-").rpartition("/")[2] or "-"
        parts = (name, issue.line or "-", issue.column or "-", issue.severity, issue.rule or "-")
        assert ":".join(map(str, parts)) == first
        assert all(issue.message for issue in issues)
    if found.facts is not None:
        assert from_data(to_data(found.facts)).counts == found.facts.counts


ALL_SKIPPED = "\n" + "-" * 70 + "\nRan 2 tests in 0.000s\n\nOK (skipped=2)\n"


@pytest.mark.parametrize(
    "printed",
    [
        "ss",
        "connecting to db ... ok\nss",
        "..\nss",
        "a (m.T.a) ... ok\na (m.T.a) ... skipped ''\nb (m.T.b) ... skipped ''",
    ],
)
def test_what_only_looks_like_a_pass_beside_skipped_unit_tests_is_none(printed: str, tmp_path: Path) -> None:
    output = output_of(tmp_path, b"", (printed + ALL_SKIPPED).encode())
    assert judged(tmp_path, "python -m unittest", output).outcome is Outcome.UNMET


def test_a_flaky_test_of_nextest_is_counted(tmp_path: Path) -> None:
    facts = judged_sample(read(SAMPLES / "cargo-nextest/warn.txt"), tmp_path).facts
    assert facts is not None
    assert (facts.counts["flaky"], facts.counts["passed"]) == (1, 2)


# What a tool prints as JSON when all is well.
CLEAN = {
    "bandit": b'{"errors": [], "metrics": {"_totals": {"loc": 3}}, "results": [\n]}\n',
    "eslint": b'[{"filePath":"/a.js","messages":[]}]\n',
    "hadolint": b"[]",
    "jest": b'{"numFailedTestSuites":0,"numFailedTests":0,"numPassedTests":1,"numTotalTests":1}\n',
    "pip-audit": b'{"dependencies": [{"name": "six", "version": "1", "vulns": []}], "fixes": []}\n',
    "pyright": b'{"generalDiagnostics": [], "summary": {"filesAnalyzed": 1, "errorCount": 0, "warningCount": 0}}\n',
    "ruff": b"[]\n",
    "shellcheck": b'{"comments":[]}\n',
}


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("tool", CLEAN)
def test_the_documents_of_several_runs_are_added_up(tool: str, is_first: bool, tmp_path: Path) -> None:
    sample = read(SAMPLES / tool / "json.txt")
    both = [sample.stdout, CLEAN[tool]] if is_first else [CLEAN[tool], sample.stdout]
    alone = judged_sample(sample, tmp_path).facts
    output = output_of(tmp_path, b"".join(both))
    expect = "failed == 0" if tool == "jest" else "issues == 0"
    found = judged(tmp_path, f"{sample.command}; {sample.command}", output, shell=True, expect=(expect,))
    assert found.outcome is Outcome.UNMET
    assert alone is not None
    assert found.facts is not None
    assert found.facts.counts[expect[:6]] == alone.counts[expect[:6]] > 0
    # The arguments that a script's judge is given are those of the last run.
    plain = sample.command.partition(" ")[0] + (" check" if tool == "ruff" else "")
    if not (tool == "jest" and not is_first):
        found = judged(
            tmp_path, f"{sample.command}; {plain} b || true", output_of(tmp_path, b"".join(both)), shell=True
        )
        assert found.outcome is not Outcome.PASSED


@pytest.mark.parametrize("tool", CLEAN)
def test_a_second_document_that_was_cut_is_no_pass(tool: str, tmp_path: Path) -> None:
    sample = read(SAMPLES / tool / "json.txt")
    for part in (0.05, 0.5, 0.9):
        output = output_of(tmp_path, CLEAN[tool] + sample.stdout[: int(part * len(sample.stdout.rstrip()))])
        found = judged(tmp_path, f"{sample.command}; {sample.command}", output, shell=True)
        assert found.outcome is Outcome.UNREADABLE


def test_the_lowest_coverage_of_several_runs_counts(tmp_path: Path) -> None:
    totals = b"TOTAL   10   6   40%\nTOTAL   10   0   100%\n"
    for tool, end in (("coverage report", b""), ("pytest --cov=a", b"1 passed in 0.1s\n" * 2)):
        output = output_of(tmp_path, totals + end)
        found = judged(tmp_path, f"{tool}; {tool}", output, shell=True, expect=("coverage >= 90",))
        assert found.summary == "wanted coverage >= 90, found 40 %"
    document = b'{"totals": {"percent_covered": %s}}\n'
    output = output_of(tmp_path, document % b"40.0" + document % b"100.0")
    command = "coverage json -o -; coverage json -o -"
    assert judged(tmp_path, command, output, shell=True, expect=("coverage >= 90",)).outcome is Outcome.UNMET


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_lowest_coverage_of_several_packages_counts(place: int, tmp_path: Path) -> None:
    percents = [95.0, 80.5]
    percents.insert(place, 12.5)
    lines = [f"ok  \tdemo/p{at}\t0.004s\tcoverage: {each}% of statements\n" for at, each in enumerate(percents)]
    output = output_of(tmp_path, "".join(lines).encode())
    found = judged(tmp_path, "go test -cover ./...", output, expect=("coverage >= 80",))
    assert found.summary == "wanted coverage >= 80, found 12.5 %"


@pytest.mark.parametrize("name", ["sarif", "rdjson", "pylint"])
def test_a_format_of_ruff_that_is_not_read_is_not_taken_for_a_clean_one(name: str, tmp_path: Path) -> None:
    text = {
        "sarif": b'{\n  "runs": [{"results": [{"ruleId": "F401"}]}]\n}\n',
        "rdjson": b'{\n  "diagnostics": [{}]\n}\n',
    }
    output = output_of(tmp_path, text.get(name, b"a.py:1: [F401] `os` imported but unused\n"))
    command = f"ruff check -q --exit-zero --output-format={name} ."
    assert judged(tmp_path, command, output, expect=("issues == 0",)).outcome is Outcome.UNREADABLE


QUIET_VALGRIND = """\
==7== Invalid write of size 4
==7==    at 0x109168: main (a.c:5)
==7== 10 bytes in 1 blocks are definitely lost in loss record 1 of 1
==7==    at 0x483: malloc (vg.c:4)
"""


def test_what_a_quiet_valgrind_prints_is_an_error(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"", QUIET_VALGRIND.encode())
    found = judged(tmp_path, "valgrind -q --leak-check=full ./a", output)
    assert (found.outcome, found.facts and found.facts.counts["leaks"]) == (Outcome.UNMET, 1)
    assert judged(tmp_path, "valgrind -q ./a", output_of(tmp_path, b"", b"")).outcome is Outcome.PASSED


@pytest.mark.parametrize("end", ["|| true", "; exit 0", "| cat > b"])
def test_nothing_vouches_for_what_was_sent_away_where_the_status_is_hidden(end: str, tmp_path: Path) -> None:
    for command in ("ruff check . > a", "shellcheck a.sh > a", "mypy a > a"):
        found = judged(tmp_path, f"{command} {end}; echo done", output_of(tmp_path, b"done\n", b""), shell=True)
        assert found.outcome is Outcome.UNREADABLE, command
    read = output_of(tmp_path, b"All checks passed!\ndone\n", b"")
    assert judged(tmp_path, f"ruff check . > a {end}; cat a; echo done", read, shell=True).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("command", "printed", "missed"),
    [
        ("coverage report", "TOTAL 10 5 50%\n", "Coverage failure: total of 50 is less than fail-under=90"),
        ("pytest --cov", "1 passed in 0.1s\n", "FAIL Required test coverage of 90% not reached. Total coverage: 50%"),
        ("jest", "Tests:       1 passed, 1 total\n", 'Jest: "global" coverage for lines (50%) does not meet "global"'),
        ("eslint .", "", "ESLint found too many warnings (maximum: 0)."),
    ],
)
def test_a_limit_that_was_missed_is_no_pass_where_the_status_is_hidden(
    command: str, printed: str, missed: str, tmp_path: Path
) -> None:
    well = output_of(tmp_path, printed.encode())
    assert judged(tmp_path, f"{command} | tee log", well, shell=True).outcome is Outcome.PASSED
    badly = output_of(tmp_path, f"{printed}{missed}\n".encode())
    assert judged(tmp_path, f"{command} | tee log", badly, shell=True).outcome is Outcome.UNREADABLE


def test_a_time_of_day_is_no_place_in_a_file(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"22:03:30: ruff\nAll checks passed!\n")
    found = judged(tmp_path, 'echo "$(date +%T): ruff"; ruff check .', output, shell=True)
    assert (found.outcome, found.summary) == (Outcome.PASSED, "0 issues")


def test_in_a_loop_what_a_tool_says_of_its_failure_counts_although_another_run_went_well(tmp_path: Path) -> None:
    loop = "for d in a b; do (cd $d && ruff check .); done"
    well = output_of(tmp_path, b"All checks passed!\n", b"warning: old\n")
    assert judged(tmp_path, loop, well, shell=True).outcome is Outcome.PASSED
    badly = output_of(tmp_path, b"All checks passed!\n", b"ruff failed\n  Cause: Unknown rule selector\n")
    assert judged(tmp_path, loop, badly, shell=True).outcome is Outcome.UNREADABLE


def test_what_a_shell_says_under_set_x_is_no_complaint(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"", b"+ shellcheck a.sh\n+ tee log\n")
    assert judged(tmp_path, "set -x; shellcheck a.sh | tee log", output, shell=True).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("command", "printed", "words"),
    [
        ("pytest", "3 passed in 0.1s\n", ("skipped == 0", "errors == 0", "xfailed == 0", "deselected == 0")),
        ("python -m unittest", "...\n" + "-" * 70 + "\nRan 3 tests in 0.001s\n\nOK\n", ("skipped == 0",)),
        ("mypy .", "Success: no issues found in 3 source files\n", ("notes <= 3", "warnings == 0")),
    ],
)
def test_what_there_was_none_of_is_known_to_be_none(
    command: str, printed: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    streams = (b"", printed.encode()) if "unittest" in command else (printed.encode(), b"")
    assert judged(tmp_path, command, output_of(tmp_path, *streams), expect=words).outcome is Outcome.PASSED


@pytest.mark.parametrize("case", METRICS)
def test_numbers_are_read_in_base_units(case: str, tmp_path: Path) -> None:
    facts = judged_sample(read(SAMPLES / f"{case}.txt"), tmp_path).facts
    assert facts is not None
    assert {name: facts.metrics[name].value for name in METRICS[case]} == pytest.approx(METRICS[case], rel=0.2)


def test_every_sample_is_expected_to_be_something() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in samples()} == EXPECTED.keys()


def test_every_judge_has_samples_of_a_pass_a_failure_and_a_warning() -> None:
    judges = {names.split_parse(name)[0] for name in names.names()} - {"none", "regex"}
    knows_no_warnings = {"go-vet", "tsc"}
    for name in judges:
        wanted = {"pass", "fail"} if name in knows_no_warnings else {"pass", "fail", "warn"}
        assert wanted <= {path.stem for path in samples(name)}, name


def test_no_sample_with_a_failing_exit_status_passes(tmp_path: Path) -> None:
    for path in samples():
        sample = read(path)
        if sample.exit_status != 0:
            assert judged_sample(sample, tmp_path).outcome is Outcome.FAILED

"""jest and vitest: ``Tests: 1 failed, 2 passed, 3 total`` on stderr, or ``Tests  1 failed | 2 passed (3)`` on stdout.

``Test Suites: 1 failed`` beside it tells of a file that could not be run. ``--json`` has the same numbers.
"""

from __future__ import annotations

import re
from itertools import chain

from pytest_paragate.judge.facts import Facts, place, whole
from pytest_paragate.judge.output import Output

_JEST = re.compile(r"(Tests|Test Suites):\s+((?:\d+ [a-z]+, )*\d+ total)\s*")
_VITEST = re.compile(r"\s*(Tests|Test Files)\s{1,12}((?:\d+ [a-z ]+ \| )*\d+ [a-z ]+) \(\d+\)\s*")
_PART = re.compile(r"(\d+) ([a-z]+(?: fail)?)")
_NONE = re.compile(r"No test(?:s| files) found.*|\s*Tests\s+no tests\s*")
_FINDING = re.compile(r"\s*(?:●|FAIL) {1,2}(\S.*?)\s*")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-v", "--listTests", "--showConfig", "list", "--clearCache", "bench"):
        return None
    name = output.argv[0] if output.argv else "jest"
    facts = Facts(tool=name, needs_output=not output.has("--silent", "--reporter", "--reporters", "--outputFile"))
    tests: list[dict[str, int]] = []
    suites: list[dict[str, int]] = []
    is_empty = False
    is_json = output.has("--json") and not output.has("--outputFile")
    if is_json and not output.is_script:
        _json(output, tests, suites)
    if not tests:
        for line in chain(
            output.stdout.lines("Test", "● ", "FAIL "), output.stderr.lines("Test", "No test", "● ", "FAIL ")
        ):
            if (match := _JEST.fullmatch(line) or _VITEST.fullmatch(line)) is not None:
                counts = {kind: whole(number) or 0 for number, kind in _PART.findall(match[2])}
                (tests if match[1] == "Tests" else suites).append(counts)
            elif _NONE.fullmatch(line):
                is_empty = True
            elif (match := _FINDING.fullmatch(line)) is not None and ("›" in line or ">" in line or "●" in line):
                facts.issue(f"{match[1]}: failed", severity="error", is_counted=False)
        is_empty = is_empty or any(_NONE.fullmatch(line) for line in output.stdout.lines("No test"))
    if is_json and not tests:
        _json(output, tests, suites)  # the same numbers as on stderr, where both are there
    if not tests and not suites and not is_empty:
        return facts.unreadable(f"{name} printed no summary")
    total = _sum(tests, output)
    files = _sum(suites, output)
    broken = files.get("failed", 0) if not total.get("failed") else 0
    facts.tests(
        passed=total.get("passed", 0),
        failed=total.get("failed", 0),
        errors=broken + total.get("errors", 0),
        skipped=total.get("skipped", 0) + total.get("pending", 0) + total.get("todo", 0),
        others={"xfailed": total.get("expected fail", 0)},
        empty_runs=is_empty + sum(not run.get("passed") and not run.get("failed") for run in tests)
        if output.is_script
        else 0,
    )
    facts.answers = len(tests) + is_empty
    if output.has("--passWithNoTests"):
        # being told that it is fine
        facts.wanted = [text for text in facts.wanted if text not in ("ran >= 1", "empty_runs == 0")]
    return facts


def _sum(runs: list[dict[str, int]], output: Output) -> dict[str, int]:
    chosen = runs if output.is_script else runs[-1:]
    return {kind: sum(run.get(kind, 0) for run in chosen) for run in chosen for kind in run}


def _json(output: Output, tests: list[dict[str, int]], suites: list[dict[str, int]]) -> None:
    named = {
        "passed": "numPassedTests",
        "failed": "numFailedTests",
        "pending": "numPendingTests",
        "todo": "numTodoTests",
    }
    for document in output.stdout.documents():
        if isinstance(document, dict) and "numPassedTests" in document:
            tests.append({kind: place(document.get(key)) or 0 for kind, key in named.items()})
            suites.append({"failed": place(document.get("numFailedTestSuites")) or 0})

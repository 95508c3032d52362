"""TAP: ``1..3``, ``ok`` and ``not ok`` on stdout, with ``# SKIP`` and ``# TODO``; also what ``prove`` makes of them.

Fewer or more results than planned, and ``Bail out!``, are failures, and without a plan nobody knows whether something
ended before its time. Lines of subtests are indented and do not count. Only a TODO excuses ``not ok``, and behind a
description only ``# TODO``, since ``#todo`` may be part of it.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*(skip\w*)?.*)?", re.IGNORECASE)
_RESULT = re.compile(r"(not )?ok\b(?:\s+(\d+))?\s*(.*)")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(skip|todo\b)", re.IGNORECASE)
_EXCUSE = re.compile(r"(?:^#\s*|\s#\s+)(todo\b)", re.IGNORECASE)
_PROVE = re.compile(r"Files=(\d+), Tests=(\d+),.*")
_FAILED = re.compile(r"\s*Failed tests?:\s+([\d,\s-]+)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version") or (output.argv[:1] == ("bats",) and output.has("--count", "-c")):
        return None
    facts = Facts(tool="tap", needs_output=True)
    if output.argv[:1] == ("prove",):
        return _prove(output, facts)
    return _tap(output, facts)


def _tap(output: Output, facts: Facts) -> Facts:
    passed = failed = skipped = todo = 0
    planned: int | None = None
    errors = 0
    for line in output.stdout.lines("ok", "1..", "Bail out!"):
        if (match := _PLAN.fullmatch(line)) is not None:
            planned = (planned or 0) + (whole(match[1]) or 0)
        elif line.startswith("Bail out!"):
            errors += 1
            facts.issue(line[:200], severity="error", is_counted=False)
        elif (match := _RESULT.match(line)) is not None:
            directive = (_EXCUSE if match[1] else _DIRECTIVE).search(match[3])
            kind = directive[1].lower() if directive else ""
            if kind == "skip":
                skipped += 1
            elif kind == "todo":
                todo += 1
            elif match[1]:
                failed += 1
                name = (match[3].lstrip("- ") or match[2] or "a test")[:300]
                facts.issue(f"{name}: failed", severity="error", is_counted=False)
            else:
                passed += 1
    found = passed + failed + skipped + todo
    if planned is None and not found and not errors:
        return facts.unreadable("there is no TAP in the output")
    if planned is not None and found != planned:
        errors += abs(planned - found)
        facts.issue(f"{counted(found, 'test')} ran, {planned} planned", severity="error", is_counted=False)
    facts.tests(passed=passed, failed=failed, errors=errors, skipped=skipped, others={"xfailed": todo})
    if planned is None and output.returncode == 0:
        facts.unreadable("there is no plan such as 1..3, so something may have ended before its time")
    return facts


def _prove(output: Output, facts: Facts) -> Facts:
    totals: list[int] = []
    failed = errors = 0
    failed_before = 0
    for line in output.stdout.lines("Files=", "Result: ", "Failed test", "Failed "):
        if (match := _PROVE.fullmatch(line)) is not None:
            totals.append(whole(match[2]) or 0)
        elif line.startswith("Result: "):
            errors += line.removeprefix("Result: ").strip() == "FAIL" and failed == failed_before
            failed_before = failed
        elif (match := _FAILED.match(line)) is not None:
            failed += sum(_span(part) for part in match[1].replace(" ", "").split(","))
    if not totals:
        return facts.unreadable("prove printed no summary")
    facts.answers = len(totals)
    return facts.tests(passed=max(sum(totals) - failed, 0), failed=failed, errors=errors, empty_runs=totals.count(0))


def _span(part: str) -> int:
    first, dash, last = part.strip().partition("-")
    low, high = whole(first), whole(last)
    if low is None:
        return 0
    return max(high - low, 0) + 1 if dash and high is not None else 1

"""unittest: on stderr, ``Ran 5 tests in …`` and below it the line that begins ``OK``, ``FAILED`` or ``NO TESTS``."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output

_RAN = re.compile(r"Ran (\d+) tests? in [\d.]+s")
_RESULT = re.compile(r"(OK|FAILED|NO TESTS RAN)(?: \(([^()]*)\))?")
_PART = re.compile(r"([a-z ]+)=(\d+)")
_LETTERS = re.compile(r"[.sFExu]+")
_LINE = re.compile(r"\w+ \([\w.]+\) \.\.\. (ok|skipped .*)")
# A run that did not even begin ends in unittest's own main module.
_BROKEN = re.compile(r"python\S* -m unittest: error: (.*)|File \".*unittest/__main__\.py\", line \d+, in <module>")
_FINDING = re.compile(r"(FAIL|ERROR): (\S.*)")


def judge(output: Output) -> Facts | None:
    if output.has("-h", "--help"):
        return None
    facts = Facts(tool="unittest", needs_output=True)
    ran: int | None = None
    runs: list[tuple[int, dict[str, int]]] = []
    broken = 0
    needles = ("Ran ", "OK", "FAILED", "NO TESTS RAN", "FAIL: ", "ERROR: ", "unittest: error: ", "unittest/__main__.py")
    for line in output.err.lines(*needles):
        line = line.strip()
        if (found := _FINDING.fullmatch(line)) is not None:
            facts.issue(f"{found[2]}: {found[1].lower()}", severity="error", is_counted=False)
        elif (match := _RAN.fullmatch(line)) is not None:
            ran = whole(match[1])
        elif ran is not None and (match := _RESULT.fullmatch(line)) is not None:
            parts = {name.strip(): whole(number) or 0 for name, number in _PART.findall(match[2] or "")}
            if match[1] == "FAILED" and not parts:
                parts = {"failures": 1}
            runs.append((ran, parts))
            ran = None
        elif output.hides_status and (found := _BROKEN.match(line)) is not None:
            broken += 1
            facts.issue(found[1] or "unittest could not begin", severity="error", is_counted=False)
    if not runs:
        return facts.unreadable("unittest printed no summary")
    chosen = runs if output.is_script else runs[-1:]
    total = {name: sum(parts.get(name, 0) for _, parts in chosen) for _, parts in chosen for name in parts}
    number = sum(count for count, _ in chosen)
    failed, errors = total.get("failures", 0) + total.get("unexpected successes", 0), total.get("errors", 0)
    skipped, expected = total.get("skipped", 0), total.get("expected failures", 0)
    if skipped >= number > 0 and _leaves_skips_out(output, number, skipped):
        number += skipped
    facts.answers = len(runs)
    return facts.tests(
        passed=max(number - failed - errors - skipped - expected, 0),
        failed=failed,
        errors=errors + broken,
        skipped=skipped,
        others={"xfailed": expected},
        empty_runs=sum(count <= parts.get("skipped", 0) for count, parts in chosen) if output.is_script else 0,
    )


def _leaves_skips_out(output: Output, ran: int, skipped: int) -> bool:
    """Whether what was skipped is not among what "ran", as in Python 3.12.1: there is a letter or a line for each."""
    results = []
    for line in output.err.lines():
        line = line.strip()
        if _LETTERS.fullmatch(line) and (len(line), line.count("s")) == (ran + skipped, skipped):
            return True
        if match := _LINE.fullmatch(line):
            results.append(match[1] == "ok")
    return (results.count(True), results.count(False)) == (ran, skipped)

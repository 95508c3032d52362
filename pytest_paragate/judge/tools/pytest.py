"""pytest: the last line of stdout that counts outcomes and tells the time is the truth.

Where a script has run pytest more than once, all such lines are added up. With ``-qq`` there is no such line, and the
letters of the progress are counted. Tables of pytest-benchmark and pytest-cov in the same output are read too.
"""

from __future__ import annotations

import re
from collections import Counter

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output
from pytest_paragate.judge.tools import coverage, pytest_benchmark

_TIME = re.compile(r"\d+(?:\.\d+)?s(?: \(\d+:\d\d:\d\d\))?")
_PART = re.compile(r"(\d+) ([a-z]+(?: [a-z]+)?)")
_WORDS = {"passed", "failed", "error", "errors", "skipped", "xfailed", "xpassed", "deselected"}
_RAN = ("passed", "failed", "error", "errors", "xfailed", "xpassed")
_BROKEN = re.compile(
    r"(?:ERROR: (?:file or directory not found: |not found: |usage: |.*: error: )|ImportError while loading conftest |"
    r"INTERNALERROR> Traceback )(.*)"
)
_LETTERS = re.compile(r"([.FEsxX]+) *(?:\[ *\d+%\])?")
_FINDING = re.compile(r"(FAILED|ERROR) (\S.*?)(?: - (.*))?$")
# Of the summary its time, since " in " alone is in every other line of a log.
_NEEDLES = (*(f" in {digit}" for digit in range(10)), "%]", "FAILED ", "ERROR ", "TOTAL")
_RUNS_NOTHING = ("--collect-only", "--co", "--help", "-h", "--version", "-V", "--fixtures", "--markers", "--setup-plan")


def judge(output: Output) -> Facts | None:
    if output.has(*_RUNS_NOTHING):
        return None
    facts = Facts(tool="pytest", needs_output=True)
    totals: list[Counter[str]] = []
    letters: Counter[str] = Counter()
    for line in output.stdout.lines(*_NEEDLES):
        counts = _summary(line)
        if counts is not None:
            totals.append(counts)
        elif (progress := _LETTERS.fullmatch(line.strip())) is not None:
            letters.update(progress[1])
        elif (found := _FINDING.match(line)) is not None:
            _finding(facts, *found.groups())
        else:
            coverage.read_total(line, facts, of_several=output.is_script)
    broken = _broken_runs(output, facts) if output.hides_status else 0
    if totals:
        total = sum(totals, Counter()) if output.is_script else totals[-1]
        if not output.is_script and any(_summary(line) is not None for line in output.stdout.tail().splitlines()):
            output.stdout.is_cut = False  # what was left out says nothing about the end
    elif letters and not output.is_script:
        total = Counter(
            passed=letters["."], failed=letters["F"], error=letters["E"], skipped=letters["s"], xfailed=letters["x"],
            xpassed=letters["X"],
        )  # fmt: skip
    else:
        return facts.unreadable("pytest printed no summary")
    facts.answers = len(totals)
    facts.tests(
        passed=total["passed"],
        failed=total["failed"],
        errors=total["error"] + total["errors"] + broken,
        skipped=total["skipped"],
        others={"xfailed": total["xfailed"], "xpassed": total["xpassed"]},
        empty_runs=sum(not any(each[word] for word in _RAN) for each in totals) if output.is_script else 0,
    )
    facts.counts |= {"deselected": total["deselected"], "rerun": total["rerun"]}
    facts.counts["warnings"] = total["warning"] + total["warnings"]
    pytest_benchmark.read_tables(output, facts)
    return facts


def _summary(line: str) -> Counter[str] | None:
    """``2 passed, 1 skipped in 0.03s``, between ``=`` or not."""
    text, _, time = line.strip("= \t").rpartition(" in ")
    if not _TIME.fullmatch(time):
        return None
    if text in ("no tests ran", "no tests collected"):
        return Counter()
    counts: Counter[str] = Counter()
    for part in text.split(", "):
        match = _PART.fullmatch(part)
        number = whole(match[1]) if match else None
        if match is None or number is None:
            return None
        counts[match[2]] += number
    return counts if counts.keys() & _WORDS else None


def _broken_runs(output: Output, facts: Facts) -> int:
    """How many runs said that they could not begin, or broke; their exit status is all that tells otherwise."""
    broken = 0
    streams = (output.stderr, output.stdout) if output.stderr.size else (output.stdout,)
    for stream in streams:
        for line in stream.lines("ERROR: ", "ImportError while loading conftest ", "INTERNALERROR> Traceback "):
            if line.startswith(("ERROR", "Import", "INTERNAL")) and (match := _BROKEN.match(line)) is not None:
                broken += 1
                facts.issue(match[0].strip(), severity="error", is_counted=False)
    return broken


def _finding(facts: Facts, kind: str, nodeid: str, message: str | None) -> None:
    file = nodeid.partition("::")[0]
    if kind == "FAILED" or file.endswith(".py"):
        text = message or ("failed" if kind == "FAILED" else "error")
        facts.issue(f"{nodeid}: {text}", severity="error", file=file, is_counted=False)

"""coverage: the ``TOTAL`` row on stdout is the truth; also ``--format=total``, JSON and what pytest-cov prints.

Percentages are those that coverage prints, to its precision: 89.6 shown as 90 counts as 90. Of several runs in a
script the lowest counts.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, real
from pytest_paragate.judge.output import Output

_TOTAL = re.compile(r"\|?\s*(?:TOTAL|\*\*TOTAL\*\*)[\s|*]+(?:[\d,]+[\s|*]+){1,6}(\d{1,3}(?:\.\d+)?)%[\s|*]*")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d+)?")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h"):
        return None
    facts = Facts(tool="coverage")
    for line in output.stdout.lines("TOTAL"):
        read_total(line, facts, of_several=output.is_script)
    if not facts.metrics and output.value("--format") == "total":
        _plain(output.stdout.tail(100), facts)
    if not facts.metrics and output.argv[1:2] == ("json",) and output.value("-o") == "-":
        for document in output.stdout.documents():
            totals = document.get("totals") if isinstance(document, dict) else None
            percent = totals.get("percent_covered") if isinstance(totals, dict) else None
            if isinstance(percent, (int, float)):
                _measure(float(percent), facts, of_several=output.is_script)
    if not facts.metrics:
        return facts.unreadable("coverage printed no total")
    facts.summary = f"coverage {facts.metrics['coverage'].value:g} %"
    return facts


def read_total(line: str, facts: Facts, *, of_several: bool = False) -> None:
    """Take the total from a row of the report; of several runs the lowest, otherwise the last."""
    match = _TOTAL.fullmatch(line)
    percent = real(match[1]) if match else None
    if percent is not None and percent <= 100:
        _measure(percent, facts, of_several=of_several)


def _measure(percent: float, facts: Facts, *, of_several: bool) -> None:
    known = facts.metrics.get("coverage")
    facts.measure("coverage", min(percent, known.value) if of_several and known else percent, "%")


def _plain(text: str, facts: Facts) -> None:
    lines = text.split()
    percent = real(lines[-1]) if lines and _NUMBER.fullmatch(lines[-1]) else None
    if percent is not None and percent <= 100:
        facts.measure("coverage", percent, "%")

"""pyright: findings and ``2 errors, 1 warning, …`` on stdout, or one JSON document under ``--outputjson``.

It exits with 0 where the folders that its settings include are not there, and says so on stderr.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, Severity, listed, place, whole
from pytest_paragate.judge.output import Output

_FINDING = re.compile(r"\s*(\S.*?):(\d+):(\d+) - (error|warning|information): (.*?)(?: \((report\w+)\))?\s*")
_CONTINUED = re.compile(r" {4}\S.*?\((report\w+)\)\s*")
_TOTAL = re.compile(r"(\d+) errors?, (\d+) warnings?, \d+ (?:informations?|notes?)\s*")
_MISSING = re.compile(r'File or directory "(?:file://)?(.+)" does not exist\.?')
_SEVERITY: dict[str, Severity] = {"error": "error", "warning": "warning", "information": "note"}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "--watch", "-w", "--createstub"):
        return None
    facts = Facts(tool="pyright")
    totals: list[tuple[int, int]] = []
    saw_files = True
    for document in output.documents('"generalDiagnostics"', is_asked=output.has("--outputjson")):
        summary = document.get("summary") if isinstance(document, dict) else None
        if not isinstance(summary, dict):
            continue
        totals.append((place(summary.get("errorCount")) or 0, place(summary.get("warningCount")) or 0))
        saw_files = saw_files and summary.get("filesAnalyzed") != 0
        for entry in listed(document.get("generalDiagnostics")):
            _json(entry, facts)
    if output.is_script or not totals:
        for line in output.stdout.lines(" - ", "error", "(report"):
            if (match := _FINDING.fullmatch(line)) is not None:
                facts.issue(
                    match[5], severity=_SEVERITY[match[4]], file=match[1], line=whole(match[2]), column=whole(match[3]),
                    rule=match[6],
                )  # fmt: skip
            elif facts.issues and not facts.issues[-1].rule and (match := _CONTINUED.fullmatch(line)) is not None:
                facts.issues[-1] = facts.issues[-1]._replace(rule=match[1])
            elif (match := _TOTAL.fullmatch(line)) is not None:
                totals.append((whole(match[1]) or 0, whole(match[2]) or 0))
    if not totals:
        return facts.unreadable("pyright printed no result")
    for line in output.err.lines(" does not exist"):
        if (match := _MISSING.fullmatch(line)) is not None:
            facts.issue("there is no such file or directory", severity="error", file=match[1])
    chosen = totals if output.is_script else totals[-1:]
    errors, warnings = (sum(numbers) for numbers in zip(*chosen, strict=True))
    facts.answers = len(totals)
    facts.counts_issues()
    for name, number in (("errors", errors), ("warnings", warnings)):
        facts.at_least(name, number)
    facts.counts["issues"] = facts.counts["errors"] + facts.counts["warnings"]
    facts.wanted = ["errors == 0"]
    return facts if saw_files or facts.counts["issues"] else facts.saw_no_files()


def _json(entry: object, facts: Facts) -> None:
    if not isinstance(entry, dict):
        return
    start = (entry.get("range") or {}).get("start") if isinstance(entry.get("range"), dict) else None
    start = start if isinstance(start, dict) else {}
    line, column = start.get("line"), start.get("character")
    facts.issue(
        str(entry.get("message")),
        severity=_SEVERITY.get(str(entry.get("severity")), "note"),
        file=str(entry.get("file")),
        line=place(line + 1 if isinstance(line, int) else None),
        column=place(column + 1 if isinstance(column, int) else None),
        rule=str(entry.get("rule") or ""),
    )

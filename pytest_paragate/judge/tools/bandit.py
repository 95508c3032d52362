"""bandit: ``>> Issue: [B602:…]`` with severity and location below it on stdout, or JSON; ``No issues identified.``

It exits with 0 for a folder that is not there and for files that it could not parse: they are errors among the issues.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, Severity, listed, place, whole
from pytest_paragate.judge.output import Output

_ISSUE = re.compile(r">> Issue: \[(B\d+):[^\]]*\] (.*)")
_SEVERITY = re.compile(r"\s+Severity: (\w+)\b.*")
_LOCATION = re.compile(r"\s+Location: (.+?):(\d+)(?::(\d+))?")
_SKIPPED = re.compile(r"\t(\S.*) \((.*)\)")
_CODE = re.compile(r"\s*Total lines of code: (\d+)")
_LEVELS: dict[str, Severity] = {"HIGH": "error", "MEDIUM": "warning", "LOW": "note", "UNDEFINED": "note"}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-o", "--output"):
        return None
    facts = Facts(tool="bandit")
    is_read, has_code = False, True
    answers = 0
    for document in output.documents('"results": [', is_asked=output.value("-f", "--format") == "json"):
        if not isinstance(document, dict) or not isinstance(document.get("results"), list):
            continue
        is_read = True
        answers += 1
        for entry in document["results"]:
            _json(entry, facts)
        for error in listed(document.get("errors")):
            if isinstance(error, dict):
                facts.issue(str(error.get("reason")), severity="error", file=str(error.get("filename")))
        metrics = document.get("metrics")
        totals = metrics.get("_totals") if isinstance(metrics, dict) else None
        has_code = has_code and (not isinstance(totals, dict) or totals.get("loc") != 0)
    if not is_read or output.is_script:
        rule = message = None
        level = "UNDEFINED"
        is_skipping = False
        needles = (
            ">> Issue: ",
            "Severity: ",
            "Location: ",
            "No issues identified",
            "lines of code",
            "Files skipped",
            ")",
        )
        for line in output.stdout.lines(*needles):
            if (match := _ISSUE.fullmatch(line)) is not None:
                rule, message = match[1], match[2]
            elif (match := _SEVERITY.fullmatch(line)) is not None:
                level = match[1].upper()
            elif message is not None and (match := _LOCATION.fullmatch(line)) is not None:
                facts.issue(
                    message, severity=_LEVELS.get(level, "warning"), file=match[1], line=whole(match[2]), rule=rule
                )
                message = None
            elif "No issues identified." in line:
                is_read = True
            elif (match := _CODE.fullmatch(line)) is not None:
                answers += 1
                has_code = has_code and whole(match[1]) != 0
            elif line.startswith("Files skipped ("):
                is_skipping = True
            elif is_skipping and (match := _SKIPPED.fullmatch(line)) is not None:
                facts.issue(match[2], severity="error", file=match[1])
    if not is_read and not facts.issues:
        return facts.unreadable("bandit printed no result")
    facts.answers = max(answers, 1)
    facts.counts_issues()
    if not output.has("--exit-zero"):
        facts.wanted = ["issues == 0"]
    if not has_code and not facts.issues:
        facts.saw_no_files().summary = "bandit found no code"
    return facts


def _json(entry: object, facts: Facts) -> None:
    if isinstance(entry, dict):
        facts.issue(
            str(entry.get("issue_text")),
            severity=_LEVELS.get(str(entry.get("issue_severity")), "warning"),
            file=str(entry.get("filename")),
            line=place(entry.get("line_number")),
            rule=str(entry.get("test_id") or ""),
        )

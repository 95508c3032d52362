"""eslint: findings below each file's name and ``✖ 2 problems (0 errors, 2 warnings)`` on stdout, or JSON.

Nothing is printed when all is well. eslint never exits with 0 when there are errors.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, listed, place, whole
from pytest_paragate.judge.output import Output

_ROW = re.compile(r"\s+(\d+):(\d+)\s+(error|warning)\s+(.*?)(?:\s{2,}(\S+))?\s*")
_UNIX = re.compile(r"(.+?):(\d+):(\d+): (.*) \[(Error|Warning)(?:/(\S+))?\]")
_TOTAL = re.compile(r".{0,3}?(\d+) problems? \((\d+) errors?, (\d+) warnings?\)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-v", "--print-config", "-o", "--output-file", "--init"):
        return None
    if output.value("-f", "--format") not in (None, "stylish", "json", "json-with-metadata", "unix"):
        return None
    facts = Facts(tool="eslint")
    begins_json = output.stdout.head(1) in ("[", "{")
    documents = 0
    for document in output.documents('"messages":[', is_asked=begins_json):
        entries = document.get("results") if isinstance(document, dict) else document
        documents += isinstance(entries, list)
        for entry in listed(entries):
            _file(entry, facts)
    if begins_json and not documents:
        return facts.unreadable("eslint's JSON could not be read")
    file = ""
    totals: list[tuple[int, int]] = []
    for line in output.stdout.lines() if output.is_script or not documents else ():
        if (match := _ROW.fullmatch(line)) is not None:
            facts.issue(
                match[4], severity="error" if match[3] == "error" else "warning", file=file, line=whole(match[1]),
                column=whole(match[2]), rule=match[5],
            )  # fmt: skip
        elif (match := _UNIX.fullmatch(line)) is not None:
            facts.issue(
                match[4], severity="error" if match[5] == "Error" else "warning", file=match[1], line=whole(match[2]),
                column=whole(match[3]), rule=match[6],
            )  # fmt: skip
        elif (match := _TOTAL.match(line)) is not None:
            totals.append((whole(match[2]) or 0, whole(match[3]) or 0))
        elif line and line[0] not in " \t✖":
            file = line.strip()
    if not totals and not facts.issues and output.returncode != 0:
        return facts.unreadable("eslint printed no findings")
    facts.answers = max(documents + len(totals), int(bool(facts.issues)))
    facts.counts_issues()
    chosen = totals if output.is_script else totals[-1:]
    facts.at_least("errors", sum(errors for errors, _ in chosen))
    facts.at_least("warnings", sum(warnings for _, warnings in chosen))
    facts.at_least("issues", facts.counts["errors"] + facts.counts["warnings"])
    facts.wanted = ["errors == 0"]
    return facts


def _file(entry: object, facts: Facts) -> None:
    if not isinstance(entry, dict):
        return
    for message in listed(entry.get("messages")):
        if isinstance(message, dict):
            facts.issue(
                str(message.get("message")),
                severity="error" if message.get("severity") == 2 or message.get("fatal") else "warning",
                file=str(entry.get("filePath")),
                line=place(message.get("line")),
                column=place(message.get("column")),
                rule=str(message.get("ruleId") or ""),
            )

"""shellcheck: its text, ``-f gcc`` or JSON on stdout; nothing when all is well. It exits with 1 for any finding."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, Severity, listed, place, whole
from pytest_paragate.judge.output import Output

_IN = re.compile(r"In (.+) line (\d+):")
_FINDING = re.compile(r"(\s*)\^?-*\^?-* ?(SC\d+)(?: \((error|warning|info|style)\))?: (.*)")
_GCC = re.compile(r"(.+?):(\d+):(\d+): (error|warning|note): (.*) \[(SC\d+)\]")
_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning", "info": "note", "style": "note", "note": "note"}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "--version", "-V", "--list-optional"):
        return None
    if output.value("-f", "--format") not in (None, "tty", "gcc", "json", "json1"):
        return None
    facts = Facts(tool="shellcheck")
    documents = output.documents('"level":', is_asked="json" in (output.value("-f", "--format") or ""))
    for document in documents:
        for entry in listed(document.get("comments") if isinstance(document, dict) else document):
            _json(entry, facts)
    if output.is_script or not documents:
        file, at = None, None
        for line in output.stdout.lines("In ", "SC"):
            if (match := _IN.fullmatch(line)) is not None:
                file, at = match[1], whole(match[2])
            elif (match := _GCC.fullmatch(line)) is not None:
                facts.issue(
                    match[5], severity=_LEVELS[match[4]], file=match[1], line=whole(match[2]), column=whole(match[3]),
                    rule=match[6],
                )  # fmt: skip
            elif (match := _FINDING.fullmatch(line)) is not None:
                severity = _LEVELS[match[3] or "warning"]
                facts.issue(match[4], severity=severity, file=file, line=at, column=len(match[1]) + 1, rule=match[2])
    if not facts.issues and output.returncode != 0:
        return facts.unreadable("shellcheck printed no findings")
    facts.answers = int(bool(facts.issues))
    facts.counts_issues()
    facts.wanted = ["issues == 0"]
    return facts


def _json(entry: object, facts: Facts) -> None:
    if isinstance(entry, dict):
        facts.issue(
            str(entry.get("message")),
            severity=_LEVELS.get(str(entry.get("level")), "warning"),
            file=str(entry.get("file")),
            line=place(entry.get("line")),
            column=place(entry.get("column")),
            rule=f"SC{entry.get('code')}"[:20],
        )

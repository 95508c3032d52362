"""hadolint: ``Dockerfile:1 DL3006 warning: …`` or JSON on stdout; nothing when all is well."""

from __future__ import annotations

import re
from itertools import chain

from pytest_paragate.judge.facts import Facts, Severity, place, whole
from pytest_paragate.judge.output import Output

_FINDING = re.compile(r"(.+?):(\d+)(?::(\d+))? (?:(DL\d+|SC\d+) )?(?:(error|warning|info|style): )?(.*)")
_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning", "info": "note", "style": "note"}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-v"):
        return None
    facts = Facts(tool="hadolint")
    format_ = output.value("-f", "--format") or "tty"
    if format_ not in ("json", "tty"):
        return None
    lists = [each for each in output.documents('"level":', is_asked=format_ == "json") if isinstance(each, list)]
    if format_ == "json" and not lists:
        return facts.unreadable("hadolint's JSON could not be read")
    for entry in chain.from_iterable(lists):
        if isinstance(entry, dict):
            facts.issue(
                str(entry.get("message")), severity=_LEVELS.get(str(entry.get("level")), "warning"),
                file=str(entry.get("file")), line=place(entry.get("line")), column=place(entry.get("column")),
                rule=str(entry.get("code") or ""),
            )  # fmt: skip
    if output.is_script or not lists:
        for line in output.stdout.lines():
            if (match := _FINDING.fullmatch(line)) is not None and (match[4] or match[5]):
                facts.issue(
                    match[6], severity=_LEVELS.get(match[5] or "", "error"), file=match[1], line=whole(match[2]),
                    column=whole(match[3]), rule=match[4],
                )  # fmt: skip
    if not facts.issues and output.returncode != 0:
        return facts.unreadable("hadolint printed no findings")
    facts.answers = int(bool(facts.issues))
    facts.counts_issues()
    if not output.has("--no-fail", "-t", "--failure-threshold"):
        facts.wanted = ["issues == 0"]
    return facts

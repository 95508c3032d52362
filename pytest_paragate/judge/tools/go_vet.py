"""go vet: ``./file.go:5:12: message`` on stderr, or JSON under ``-json``, which exits with 0 whatever it found."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output

_FINDING = re.compile(r"(?:vet: )?(\S+?\.go):(\d+):(?:(\d+):)? (.*)")
_POSITION = re.compile(r'\s*"posn": "(.*?):(\d+):(\d+)",?')
_MESSAGE = re.compile(r'\s*"message": "(.*)"')
_GROUP = re.compile(r'\t{2}"(\w+)": \[')


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="go vet")
    rule = None
    position: tuple[str, int | None, int | None] | None = None
    for line in output.err.lines():
        if (match := _POSITION.fullmatch(line)) is not None:
            position = match[1], whole(match[2]), whole(match[3])
        elif position is not None and (match := _MESSAGE.fullmatch(line)) is not None:
            file, at, column = position
            facts.issue(match[1].replace('\\"', '"'), file=file, line=at, column=column, rule=rule)
            position = None
        elif (match := _GROUP.fullmatch(line)) is not None:
            rule = match[1]
        elif (match := _FINDING.fullmatch(line)) is not None:
            severity = "error" if line.startswith("vet: ") else "warning"
            facts.issue(
                match[4], severity="error" if severity == "error" else "warning", file=match[1], line=whole(match[2]),
                column=whole(match[3]),
            )  # fmt: skip
    if not facts.issues and output.returncode != 0:
        return facts.unreadable("go vet printed no findings")
    facts.answers = int(bool(facts.issues))
    facts.counts_issues()
    if not output.has("-json"):
        facts.wanted = ["issues == 0"]
    return facts

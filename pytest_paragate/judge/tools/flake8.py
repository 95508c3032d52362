"""flake8: ``file:line:column: CODE message`` on stdout; nothing at all when all is well."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output

_FINDING = re.compile(r"(.+?):(\d+):(\d+): ([A-Z]{1,4}\d{1,5}) (.*)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "--bug-report", "--output-file") or output.value("--format", "-q"):
        return None
    facts = Facts(tool="flake8")
    said: int | None = None
    for line in output.stdout.lines():
        if (match := _FINDING.fullmatch(line)) is not None:
            severity = "error" if match[4].startswith(("E9", "F8")) else "warning"
            facts.issue(
                match[5], severity="error" if severity == "error" else "warning", file=match[1], line=whole(match[2]),
                column=whole(match[3]), rule=match[4],
            )  # fmt: skip
        elif output.has("--count") and line.isdecimal():
            said = whole(line)
        elif line.startswith("There was a critical error during execution of Flake8"):
            return facts.unreadable("flake8 ended with a critical error", needs_output=True)
    if not facts.issues and output.returncode != 0:
        return facts.unreadable("flake8 printed no findings")
    facts.answers = int(bool(facts.issues) or said is not None)
    facts.counts_issues()
    facts.at_least("issues", said)
    if not output.has("--exit-zero"):
        facts.wanted = ["issues == 0"]
    return facts

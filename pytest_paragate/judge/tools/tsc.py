"""tsc: ``file(line,column): error TS2322: …`` or, when pretty, ``file:line:column - error TS2322: …``, on stdout."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output

_FINDING = re.compile(r"(?:(.+?)[(:](\d+)[,:](\d+)\)?(?::| -) )?(error|warning) (TS\d+): (.*)")
_TOTAL = re.compile(r"Found (\d+) errors?.*")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-v", "--init", "--showConfig", "--watch", "-w"):
        return None
    facts = Facts(tool="tsc")
    said = None
    for line in output.stdout.lines("error", "warning TS"):
        if (match := _FINDING.fullmatch(line)) is not None:
            facts.issue(
                match[6], severity="error" if match[4] == "error" else "warning", file=match[1], line=whole(match[2]),
                column=whole(match[3]), rule=match[5],
            )  # fmt: skip
        elif (match := _TOTAL.fullmatch(line)) is not None:
            said = whole(match[1])
    if not facts.issues and output.returncode != 0:
        return facts.unreadable("tsc printed no errors")
    facts.answers = int(bool(facts.issues) or said is not None)
    facts.counts_issues()
    facts.at_least("errors", said)
    facts.at_least("issues", said)
    facts.wanted = ["errors == 0"]
    return facts

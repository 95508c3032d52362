"""cargo fmt and rustfmt: under ``--check`` each ``Diff in FILE:LINE`` on stdout, or file under ``-l``, is an issue.

A clean check prints nothing, so silence with exit status 0 means that everything is formatted.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_DIFF = re.compile(r"Diff in (.+?)(?: at line |:)(\d+):?")
_ERROR = re.compile(r"error(?:\[E\d+\])?: (.*)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-V"):
        return None
    facts = Facts(tool="rustfmt")
    files: set[str] = set()
    lists = output.has("-l", "--files-with-diff")
    for line in output.stdout.lines(*(() if lists else ("Diff in ",))):
        if (match := _DIFF.fullmatch(line.strip())) is not None:
            files.add(match[1])
            facts.issue("is not formatted", file=match[1], line=whole(match[2]), rule="format")
        elif lists and line.endswith(".rs"):
            files.add(line)
            facts.issue("is not formatted", file=line, rule="format")
    for line in output.err.lines("error"):
        if (match := _ERROR.match(line)) is not None:
            facts.issue(match[1], severity="error")
    if not facts.issues and (output.returncode != 0 or not output.has("--check")):
        return facts.unreadable(
            "rustfmt printed no result" if output.returncode else "rustfmt was not asked to --check"
        )
    facts.answers = int(bool(facts.issues))
    facts.counts_issues()
    facts.summary = f"{counted(len(files), 'file')} to format" if files else "formatted"
    if facts.counts["errors"]:
        facts.summary = counted(facts.counts["errors"], "error")
    if output.has("--check"):
        facts.wanted = ["issues == 0"]
    return facts

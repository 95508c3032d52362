"""mypy: ``file:line: error: message  [code]`` on stdout, and ``Found 2 errors`` or ``Success:`` as the answer.

Notes are told with what they belong to and are not counted as issues. mypy never exits with 0 when there are errors.
"""

from __future__ import annotations

import json
import re

from pytest_paragate.judge.facts import Facts, place, whole
from pytest_paragate.judge.output import Output

_ERROR = re.compile(r"(.+?):(\d+):(?:(\d+):)?(?:\d+:\d+:)? (error|warning): (.*?)(?:  \[([\w-]+)\])?")
_TOTAL = re.compile(r"Found (\d+) errors? in \d+ files?\b.*")
_PLAIN = re.compile(r"(\S.*?): error: (.*)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-V"):
        return None
    facts = Facts(tool="mypy")
    total: int | None = None
    is_success = False
    answers = 0
    for line in output.stdout.lines("error", "warning", "Success"):
        if (match := _ERROR.fullmatch(line.rstrip())) is not None:
            facts.issue(
                match[5], severity="error" if match[4] == "error" else "warning", file=match[1],
                line=whole(match[2]), column=whole(match[3]), rule=match[6],
            )  # fmt: skip
        elif (match := _TOTAL.fullmatch(line)) is not None:
            total = (total or 0) + (whole(match[1]) or 0) if output.is_script else whole(match[1])
            answers += 1
        elif line.startswith("Success: no issues found"):
            is_success = True
            answers += 1
        elif line.startswith("{"):
            _json(line, facts)
        else:
            _plain(line, facts)
    for line in output.stderr.lines(": error: "):
        _plain(line, facts)
    if total is None and not facts.issues and not is_success:
        if output.has("--install-types") and not output.has("--non-interactive"):
            return None
        return facts.unreadable("mypy printed no result")
    facts.answers = max(answers, int(bool(facts.issues)))
    facts.counts_issues()
    facts.at_least("issues", total)
    facts.at_least("errors", total)
    facts.wanted = ["errors == 0"]
    return facts


def _plain(line: str, facts: Facts) -> None:
    """An error about a whole file."""
    if (match := _PLAIN.fullmatch(line)) is not None:
        facts.issue(match[2], severity="error", file=match[1])


def _json(line: str, facts: Facts) -> None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(entry, dict) and entry.get("severity") in ("error", "warning"):
        column = entry.get("column")
        facts.issue(
            str(entry.get("message")), severity=entry["severity"], file=str(entry.get("file")),
            line=place(entry.get("line")), column=place(column + 1 if isinstance(column, int) else None),
            rule=str(entry.get("code") or ""),
        )  # fmt: skip

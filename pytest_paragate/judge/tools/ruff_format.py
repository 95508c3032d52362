"""ruff format: the line that counts files, on stdout, or on stderr under ``--diff``.

Under ``--check`` and ``--diff`` a file that would change is an issue; otherwise it was changed, and is none.
"""

from __future__ import annotations

import re
from itertools import chain

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_PART = re.compile(
    r"(\d+) files? (would be reformatted|would be left unchanged|already formatted|reformatted|left unchanged)"
)
_WOULD = re.compile(r"Would reformat: (.+)")
_ARROW = re.compile(r"\s*--> (.+?):(\d+):(\d+)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h"):
        return None
    facts = Facts(tool="ruff format")
    would = formatted = None
    is_unformatted = False
    answers = 0
    for line in chain(output.stdout.lines(), output.stderr.lines("file")):
        parts = line.strip().rstrip(".").split(", ")
        found = [match for part in parts if (match := _PART.fullmatch(part)) is not None]
        if found and len(found) == len(parts):
            answers += 1
            would, formatted = would or 0, formatted or 0
            for match in found:
                if match[2] == "would be reformatted":
                    would += whole(match[1]) or 0
                elif match[2] == "reformatted":
                    formatted += whole(match[1]) or 0
        elif (match := _WOULD.fullmatch(line)) is not None:
            facts.issue("is not formatted", file=match[1], rule="format")
        elif line.startswith("unformatted:"):
            is_unformatted = True
        elif is_unformatted and (match := _ARROW.match(line)) is not None:
            facts.issue("is not formatted", file=match[1], line=whole(match[2]), rule="format")
            is_unformatted = False
    if any(line.startswith("warning: No Python files found") for line in output.err.lines("No Python files")):
        return facts.counts_issues().saw_no_files()
    if would is None and not facts.issues:
        return facts.unreadable("ruff format printed no result")
    facts.answers = max(answers, 1)
    facts.counts_issues()
    facts.at_least("issues", would)
    facts.at_least("warnings", would)
    facts.counts["reformatted"] = formatted or 0
    number = facts.counts["issues"]
    facts.summary = f"{counted(number, 'file')} to format" if number else "formatted"
    if formatted and not number:
        facts.summary = f"{counted(formatted, 'file')} reformatted"
    facts.wanted = ["issues == 0"]
    return facts

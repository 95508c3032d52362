"""black: ``1 file would be reformatted, …`` on stderr. Under ``--check`` such a file is an issue."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_PART = re.compile(
    r"(\d+) files? (would be reformatted|would be left unchanged|would fail to reformat"
    r"|failed to reformat|reformatted|left unchanged)"
)
_WOULD = re.compile(r"would reformat (.+)")
_ERROR = re.compile(r"error: cannot (?:parse|format)(?: for target version [^:]*)?:? (.+?)(?:: (.*)|:(\d+):(\d+))?")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-q", "--quiet"):
        return None
    facts = Facts(tool="black")
    answers = 0
    would = changed = failed = 0
    for line in output.err.lines("reformat", "unchanged", "error: "):
        parts = line.strip().rstrip(".").split(", ")
        found = [match for part in parts if (match := _PART.fullmatch(part)) is not None]
        if found and len(found) == len(parts):
            answers += 1
            for match in found:
                number = whole(match[1]) or 0
                would += number if match[2] == "would be reformatted" else 0
                changed += number if match[2] == "reformatted" else 0
                failed += number if "fail" in match[2] else 0
        elif (match := _WOULD.fullmatch(line.strip())) is not None:
            facts.issue("is not formatted", file=match[1], rule="format")
        elif (match := _ERROR.fullmatch(line.strip())) is not None:
            facts.issue("cannot be parsed", severity="error", file=match[1], line=whole(match[3]), rule="parse")
    if any("No Python files are present" in line for line in output.err.lines("No Python files")):
        return facts.counts_issues().saw_no_files()
    if not answers:
        return facts.unreadable("black printed no result")
    facts.answers = answers
    facts.counts_issues()
    facts.at_least("issues", would + failed)
    facts.at_least("errors", failed)
    facts.counts["reformatted"] = changed
    if would or not (changed or failed):
        facts.summary = f"{counted(would, 'file')} to format" if would else "formatted"
    elif changed:
        facts.summary = f"{counted(changed, 'file')} reformatted"
    facts.wanted = ["issues == 0"]
    return facts

"""ruff check: findings on stdout in its full, concise, JSON or GitHub format, and ``Found 3 errors`` as their number.

ruff exits with 1 when something remains, unless ``--exit-zero`` is given; exit status 0 beside findings without it
means that somebody hid the real one.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_paragate.judge.facts import Facts, place, whole
from pytest_paragate.judge.output import Output

_TOTAL = re.compile(r"Found (\d+) errors?(?: \((\d+) fixed, (\d+) remaining\))?\.")
_RULE = r"[A-Z]{1,10}\d{1,6}|invalid-syntax|[a-z]+(?:-[a-z]+)+"
_CONCISE = re.compile(rf"(.+?):(\d+):(\d+): (?:({_RULE}):? |(?=SyntaxError: ))(.*)")
_FULL = re.compile(rf"({_RULE}):? (.*)")
_ARROW = re.compile(r"\s*--> (.+?):(\d+):(\d+)")
_GITHUB = re.compile(r"::(error|warning|notice) title=ruff \(([^()]*)\),file=(.*?),line=(\d+),col=(\d+)[^:]*::(.*)")
_FIXABLE = re.compile(r"\[\*\] ")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "--show-files", "--show-settings"):
        return None
    facts = Facts(tool="ruff")
    is_json = output.value("--output-format") in ("json", "json-lines") or output.stdout.head(1) in ("[", "{")
    documents = _json(output.documents('"filename":', is_asked=is_json), facts)
    is_read, answers = documents > 0, documents
    pending: tuple[str, str] | None = None
    total: int | None = None
    for line in output.stdout.lines():
        if (match := _TOTAL.fullmatch(line.strip())) is not None:
            found = whole(match[3] or match[1])
            total = (total or 0) + (found or 0) if output.is_script else found
            answers += 1
        elif line == "All checks passed!":
            is_read = True
            answers += 1
        elif pending is not None and (match := _ARROW.match(line)) is not None:
            facts.issue(
                pending[1],
                severity="error",
                file=match[1],
                line=whole(match[2]),
                column=whole(match[3]),
                rule=pending[0],
            )
            pending = None
        elif is_read and line[:1] in ("[", "{", " "):
            continue
        elif (match := _GITHUB.fullmatch(line)) is not None:
            facts.issue(
                match[6].partition(": ")[2] or match[6],
                severity="error", file=match[3], line=whole(match[4]), column=whole(match[5]), rule=match[2],
            )  # fmt: skip
        elif line[:1] != " " and (match := _CONCISE.fullmatch(line)) is not None:
            message = _FIXABLE.sub("", match[5], count=1)
            facts.issue(
                message, severity="error", file=match[1], line=whole(match[2]), column=whole(match[3]), rule=match[4]
            )
        elif line[:1] != " " and (match := _FULL.fullmatch(line)) is not None:
            pending = match[1], _FIXABLE.sub("", match[2], count=1)
    is_read = is_read or (output.returncode == 0 and output.has("-q", "--quiet") and not output.stdout.size)
    if total is None and not facts.issues and not is_read:
        return facts.unreadable("ruff printed no result")
    facts.answers = max(answers, int(bool(facts.issues)))
    facts.counts_issues()
    facts.at_least("issues", total)
    facts.counts["errors"] = facts.counts["issues"]
    if not output.has("--exit-zero", "-e", "--fix-only"):
        facts.wanted = ["errors == 0"]
    if any(line.startswith("warning: No Python files found") for line in output.err.lines("No Python files")):
        facts.saw_no_files()
    return facts


def _json(documents: list[Any], facts: Facts) -> int:
    """Take the findings of documents that are lists of them, or one each; how many runs these are of at least."""
    lists = single = 0
    for document in documents:
        if isinstance(document, list):
            lists += 1
            for entry in document:
                _finding(entry, facts)
        elif isinstance(document, dict) and "filename" in document:
            single = 1
            _finding(document, facts)
    return lists + single


def _finding(entry: object, facts: Facts) -> None:
    if not isinstance(entry, dict):
        return
    at = entry.get("location")
    at = at if isinstance(at, dict) else {}
    facts.issue(
        str(entry.get("message", "")),
        severity="error",
        file=str(entry.get("filename") or ""),
        line=place(at.get("row")),
        column=place(at.get("column")),
        rule=str(entry.get("code") or ""),
    )

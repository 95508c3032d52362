"""A judge made of a regular expression: ``parse=r"regex:(?P<passed>\\d+) of (?P<total>\\d+) ok"``.

Each named group is a fact. Of several lines that match, the last one on stdout, or else on stderr, is the truth. A
pattern with a group ``message`` or ``file`` describes findings instead, and every match is one; ``line``, ``column``,
``severity`` and ``rule`` may be named beside them. ``name`` with numbers beside it makes one metric per match.

The pattern is the user's and may take for ever, so it runs in a process of its own that is ended when time is up.
"""

from __future__ import annotations

import collections
import json
import os
import re
import subprocess
import sys

from pytest_paragate.judge.facts import Facts, Severity, real, whole
from pytest_paragate.judge.output import Output

TIME_LIMIT_S = 1.8
_MOST_MATCHES = 20_000
# Of so many matches the text is kept for people; of the others, what is counted and named.
_MOST_TEXTS = 600
_LONGEST_TEXT = 1000
_LONGEST_FACT = 300
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from pytest_paragate.judge.tools.regex import search; search()"
_SEVERITIES: dict[str, Severity] = {
    "e": "error", "err": "error", "error": "error", "fatal": "error", "high": "error", "critical": "error",
    "w": "warning", "warn": "warning", "warning": "warning", "medium": "warning",
    "n": "note", "note": "note", "info": "note", "i": "note", "hint": "note", "low": "note", "style": "note",
}  # fmt: skip


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="regex", needs_output=True)
    request = {
        "pattern": output.argument,
        "streams": [output.stdout.path, output.stderr.path],
        "most": _MOST_MATCHES,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _root()],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=TIME_LIMIT_S,
        )
        streams = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return facts.unreadable(f"the pattern of `parse` took longer than {TIME_LIMIT_S:g} s")
    except (OSError, ValueError) as problem:
        return facts.unreadable(f"the pattern of `parse` could not be applied: {problem}")
    matches = [match for stream in streams["matches"] for match in stream]
    facts.is_cut = streams["is_cut"]
    groups = re.compile(output.argument).groupindex
    if "message" in groups or "file" in groups:
        for match in matches:
            _finding(match, facts)
        if not matches and output.returncode != 0:
            return facts.unreadable("nothing in the output matches the pattern of `parse`")
        facts.answers, facts.needs_output = int(bool(matches)), False
        return facts.counts_issues()
    if not matches:
        return facts.unreadable("nothing in the output matches the pattern of `parse`")
    if "name" in groups:
        for match in matches:
            _numbers(match, facts, f"[{str(match.get('name'))[:200]}]")
    else:
        _numbers(next(stream[-1] for stream in streams["matches"] if stream), facts, "")
    if "total" in facts.counts:
        facts.counts.setdefault("tests", facts.counts["total"])
        facts.wanted.append("total >= 1")
    facts.wanted += [f"{name} == 0" for name in ("failed", "errors") if name in facts.counts]
    return facts


def _numbers(match: dict[str, str | None], facts: Facts, suffix: str) -> None:
    for name, text in match.items():
        number = whole(text)
        if name == "name" or text is None:
            continue
        if number is not None:
            facts.counts[f"{name}{suffix}"[:300]] = number
        elif (value := real(text.rstrip("%"))) is not None:
            facts.measure(f"{name}{suffix}", value, "%" if text.endswith("%") else "")


def _finding(match: dict[str, str | None], facts: Facts) -> None:
    facts.issue(
        match.get("message") or match.get("rule") or "found",
        severity=_SEVERITIES.get((match.get("severity") or "").lower(), "warning"),
        file=match.get("file"),
        line=whole(match.get("line")),
        column=whole(match.get("column")),
        rule=match.get("rule"),
    )


def _root() -> str:
    """The folder that the package is in, for an interpreter that knows nothing of it."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))


def search() -> None:
    """What the process of its own does: read a request from stdin, write the named groups of all matches to stdout."""
    from pytest_paragate.judge.output import Stream

    request = json.load(sys.stdin)
    find = re.compile(request["pattern"]).search
    found: list[list[dict[str, str | None]]] = []
    is_cut = False
    for path in request["streams"]:
        stream = Stream(path)
        matches: collections.deque[dict[str, str | None]] = collections.deque(maxlen=request["most"])
        for line in stream.lines():
            match = find(line)
            if match is not None:
                is_cut = is_cut or len(matches) == request["most"]
                longest = _LONGEST_TEXT if len(matches) < _MOST_TEXTS else _LONGEST_FACT
                matches.append({name: text and text[:longest] for name, text in match.groupdict().items()})
        found.append(list(matches))
        is_cut = is_cut or stream.is_cut
    json.dump({"matches": found, "is_cut": is_cut}, sys.stdout)

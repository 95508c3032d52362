"""rustc, cargo build, check, doc and clippy: diagnostics on stderr as text, or on stdout as JSON messages.

``could not compile`` and ``generated 3 warnings`` tell about diagnostics and are none. A crate that was built before
repeats its warnings, so a cached result counts like a fresh one.
"""

from __future__ import annotations

import json
import re

from pytest_paragate.judge.facts import Facts, Severity, listed, place, whole
from pytest_paragate.judge.output import Output

_HEAD = re.compile(r"(warning|error)(?:\[([A-Z]\d+)\])?: (.*)")
_AT = re.compile(r" *--> (.+?):(\d+):(\d+)")
_LINT = re.compile(r"\s*= note: `(?:#\[\w+\(|-[A-Z] )([\w:-]+)\)?\]?`.*|.*rust-clippy/\S*?(?:index\.html)?#(\w+)")
_SHORT = re.compile(r"(\S.*?):(\d+):(\d+): (warning|error)(?:\[([A-Z]\d+)\])?: (.*)")
_ABOUT = re.compile(
    r"`[^`]*` \([^()]*\) generated \d+ warnings?.*|(?:could not compile|aborting due to) .*|\d+ warnings? emitted"
    r"|(?:build|test|doctest|bench)s? failed.*|process didn't exit successfully.*|unused manifest key.*"
    r"|command `.*` exited with code \d+"
)
_NOT_COMPILED = re.compile(r"could not compile `[^`]*`.*? due to (\d+)? ?(?:previous )?errors?.*")
_DONE = re.compile(r"\s*(?:Finished|Generated|Fixed|Fresh|Checking|Compiling) ")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-V"):
        return None
    facts = Facts(tool="clippy" if output.argv[:2] == ("cargo", "clippy") else "rustc")
    has_json = any("json" in word for word in output.argv) or not output.argv or output.is_script
    is_read = _json(output, facts) if has_json else False
    is_read = _text(output, facts) or is_read or (output.has("-q", "--quiet") and output.returncode == 0)
    if not is_read and output.argv[:1] != ("rustc",):
        return facts.unreadable(f"{facts.tool} printed no result")
    facts.answers = max(facts.answers or 0, int(bool(facts.issues)))
    facts.counts_issues()
    facts.wanted = ["errors == 0"]
    return facts


def _text(output: Output, facts: Facts) -> bool:
    is_read = False
    said = finished = 0
    head: tuple[Severity, str | None, str] | None = None
    at: tuple[str, int | None, int | None] | None = None
    rule: str | None = None
    needles = (
        "warning",
        "error",
        "--> ",
        "= note: `",
        "rust-clippy/",
        "Finished",
        "Checking",
        "Compiling",
        "Generated",
    )

    def flush() -> None:
        nonlocal head, at, rule
        if head is not None:
            file, line, column = at or (None, None, None)
            facts.issue(head[2], severity=head[0], file=file, line=line, column=column, rule=rule or head[1])
        head = at = rule = None

    for line in output.err.lines(*needles):
        if (match := _HEAD.fullmatch(line)) is not None:
            flush()
            if (failed := _NOT_COMPILED.fullmatch(match[3])) is not None:
                said = max(said, whole(failed[1]) or 1)  # the same ones are told again of a crate's tests
            elif not _ABOUT.fullmatch(match[3]):
                head = ("error" if match[1] == "error" else "warning", match[2], match[3])
            is_read = True
        elif (match := _SHORT.fullmatch(line)) is not None:
            flush()
            severity: Severity = "error" if match[4] == "error" else "warning"
            facts.issue(
                match[6], severity=severity, file=match[1], line=whole(match[2]), column=whole(match[3]), rule=match[5]
            )
            is_read = True
        elif head is not None and at is None and (match := _AT.match(line)) is not None:
            at = match[1], whole(match[2]), whole(match[3])
        elif head is not None and (match := _LINT.match(line)) is not None:
            rule = f"clippy::{match[2]}" if match[2] else rule or match[1].replace("-", "_")
        elif _DONE.match(line):
            is_read = True
            finished += line.lstrip().startswith("Finished ")
    flush()
    facts.answers = finished
    # A crate of which the diagnostics are missing has errors all the same.
    missing = said - facts.counts.get("errors", 0)
    if missing > 0:
        facts.count("errors", missing)
        facts.count("issues", missing)
    return is_read


def _json(output: Output, facts: Facts) -> bool:
    is_read = False
    for line in output.stdout.lines('"reason":"', '"$message_type"', is_data=True):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict):
            continue
        is_read = is_read or entry.get("reason") == "build-finished"
        message = entry.get("message") if entry.get("reason") == "compiler-message" else entry
        if not isinstance(message, dict) or message.get("level") not in ("warning", "error"):
            continue
        text = str(message.get("message", ""))
        spans = [span for span in listed(message.get("spans")) if isinstance(span, dict)]
        if not spans and _ABOUT.fullmatch(text):
            continue
        first = next((span for span in spans if span.get("is_primary")), spans[0] if spans else {})
        code = message.get("code")
        facts.issue(
            text,
            severity="error" if message["level"] == "error" else "warning",
            file=str(first.get("file_name") or ""),
            line=place(first.get("line_start")),
            column=place(first.get("column_start")),
            rule=str(code.get("code") or "") if isinstance(code, dict) else None,
        )
        is_read = True
    return is_read

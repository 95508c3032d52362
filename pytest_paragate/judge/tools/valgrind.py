"""valgrind memcheck: on stderr, in lines that begin with ``==pid==``; the summaries at the end are the truth.

Several processes (``--trace-children=yes``) are added up. Definitely and indirectly lost bytes are ``leaked_bytes``;
each definite loss record is a leak. Memory still reachable at the end is measured and is no leak.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_LINE = re.compile(r"(?:==|--)(\d+)(?:==|--) ?(.*)")
_LOST = re.compile(
    r"\s*(definitely lost|indirectly lost|possibly lost|still reachable): ([\d,]+) bytes in ([\d,]+) blocks"
)
_ERRORS = re.compile(r"ERROR SUMMARY: ([\d,]+) errors? from ([\d,]+) contexts?.*")
_RECORD = re.compile(r"([\d,]+)(?: \([^()]*\))? bytes in [\d,]+ blocks are definitely lost in loss record .*")
_KIND = re.compile(
    r"(Invalid (?:read|write) of size \d+|Conditional jump or move depends on uninitialised value.*"
    r"|Use of uninitialised value.*|Invalid free\(\).*|Mismatched free\(\).*|Syscall param .*"
    r"|Source and destination overlap .*|Process terminating with default action of signal .*)"
)
_FRAME = re.compile(r"\s+(?:at|by) 0x[0-9A-Fa-f]+: (.*?) \(([^():]+):(\d+)\)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "--version") or output.value("--tool") not in (None, "memcheck"):
        return None
    facts = Facts(tool="valgrind")
    answers = 0
    lost = dict.fromkeys(("definitely lost", "indirectly lost", "possibly lost", "still reachable"), 0)
    blocks = 0
    records = 0
    errors: int | None = None
    frees_all = False
    pending: str | None = None
    stream = output.err
    for line in stream.lines("=="):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        text = match[2]
        if (found := _LOST.match(text)) is not None:
            lost[found[1]] += whole(found[2]) or 0
            blocks += (whole(found[3]) or 0) if found[1] == "definitely lost" else 0
        elif (found := _ERRORS.fullmatch(text)) is not None:
            errors = (errors or 0) + (whole(found[2]) or 0)
            answers += 1
        elif (found := _RECORD.fullmatch(text)) is not None:
            records += 1
            _flush(facts, pending, None)
            pending = text.partition(" in loss record")[0]
        elif (found := _KIND.fullmatch(text)) is not None:
            _flush(facts, pending, None)
            pending = found[1]
        elif pending is not None and (found := _FRAME.fullmatch(text)) is not None:
            _flush(facts, pending, found)
            pending = None
        elif text.startswith("All heap blocks were freed"):
            frees_all = True
    _flush(facts, pending, None)
    if errors is None and facts.issues:  # under -q it prints these and no summary
        errors = len(facts.issues)
    if errors is None:
        facts.needs_output = not output.has("--log-file", "--xml", "-q", "--quiet")
        return facts.unreadable("valgrind printed no error summary")
    facts.answers = answers
    leaked = lost["definitely lost"] + lost["indirectly lost"]
    facts.counts |= {
        "errors": errors,
        "leaks": records or (blocks if lost["definitely lost"] else 0),
        "leaked_bytes": leaked,
        "possibly_lost_bytes": lost["possibly lost"],
        "reachable_bytes": 0 if frees_all else lost["still reachable"],
    }
    facts.summary = counted(facts.counts["leaks"], "leak")
    if leaked:
        facts.summary = f"{lost['definitely lost']} bytes definitely lost"
    others = max(errors - records, 0)
    if others:
        facts.summary += f", {counted(others, 'memory error')}"
    facts.wanted = ["leaked_bytes == 0", "errors == 0"]
    return facts


def _flush(facts: Facts, pending: str | None, frame: re.Match[str] | None) -> None:
    if pending is not None:
        file, line = (frame[2], whole(frame[3])) if frame else (None, None)
        facts.issue(pending, severity="error", file=file, line=line, rule="memcheck", is_counted=False)

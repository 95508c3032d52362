"""AddressSanitizer, LeakSanitizer and their kin: ``ERROR: …Sanitizer:`` and ``SUMMARY:`` on stderr, silence otherwise.

They print nothing when all is well, so silence is a pass; a program that was not built with one is silent too.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, whole
from pytest_paragate.judge.output import Output

_ERROR = re.compile(r"(?:==\d+==)?\s*(?:ERROR|WARNING): (\w+Sanitizer): (.*)")
_LEAKED = re.compile(r"SUMMARY: \w+Sanitizer: (\d+) byte\(s\) leaked in (\d+) allocation\(s\)\.?")
_SUMMARY = re.compile(r"SUMMARY: (\w+Sanitizer): (\S+)(?: (\S+?):(\d+)(?::(\d+))?)?(?: in .*)?")
_UBSAN = re.compile(r"(\S+?):(\d+):(\d+): runtime error: (.*)")


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="sanitizer")
    leaks = leaked_bytes = errors = 0
    for line in output.err.lines("Sanitizer", "runtime error: "):
        if (match := _LEAKED.fullmatch(line)) is not None:
            leaked_bytes += whole(match[1]) or 0
            leaks += whole(match[2]) or 0
            facts.issue(line.partition("SUMMARY: ")[2], severity="error", rule="leak", is_counted=False)
        elif (match := _SUMMARY.fullmatch(line)) is not None:
            facts.issue(
                f"{match[1]}: {match[2]}", severity="error", file=match[3], line=whole(match[4]),
                column=whole(match[5]), rule=match[2], is_counted=False,
            )  # fmt: skip
        elif (match := _ERROR.match(line)) is not None:
            errors += 1
            facts.tool = match[1]
        elif (match := _UBSAN.fullmatch(line)) is not None:
            errors += 1
            facts.issue(
                match[4], severity="error", file=match[1], line=whole(match[2]), column=whole(match[3]),
                rule="undefined-behaviour", is_counted=False,
            )  # fmt: skip
    facts.counts |= {"errors": errors, "leaks": leaks, "leaked_bytes": leaked_bytes}
    facts.summary = counted(leaks, "leak")
    if leaked_bytes:
        facts.summary = f"{leaked_bytes} bytes leaked"
    others = errors - bool(leaks)
    if others > 0:
        facts.summary = f"{counted(others, 'memory error')}" + (f", {facts.summary}" if leaked_bytes else "")
    facts.wanted = ["leaked_bytes == 0", "errors == 0"]
    return facts

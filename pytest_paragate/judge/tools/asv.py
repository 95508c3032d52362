"""asv: a benchmark's name and ``12.3±0.4ms`` on one line, on stdout or stderr; ``failed`` is an error.

Of ``asv compare`` and ``asv continuous`` the rows that begin with ``+`` are slower, and are issues.
"""

from __future__ import annotations

import re
from itertools import chain

from pytest_paragate.judge.facts import Facts, counted, real
from pytest_paragate.judge.output import Output

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+(?:\([^()]*\))?")
_VALUE = re.compile(r"([\d.]+)(?:±([\d.]+))?(ns|[uμµ]s|ms|s)")
_SLOWER = re.compile(r"\|?\s*\+\s+\|?\s*[\d.±]+\S*\s+\|?\s*[\d.±]+\S*\s+\|?\s*([\d.]+)\s+\|?\s*(\S.*?)\s*\|?")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "μs": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h"):
        return None
    facts = Facts(tool="asv", needs_output=output.argv[1:2] != ("compare",))
    for line in chain(output.stdout.lines(), output.stderr.lines()):
        if len(line) > 400:
            continue
        words = line.split()
        if (match := _SLOWER.fullmatch(line)) is not None:
            facts.issue(f"{match[2]} takes {match[1]} times as long", rule="slower")
        elif len(words) >= 2 and _NAME.fullmatch(words[-2]) and words[-1] == "failed":
            facts.issue(f"{words[-2]} failed", severity="error")
        elif len(words) >= 2 and _NAME.fullmatch(words[-2]) and (match := _VALUE.fullmatch(words[-1])) is not None:
            value, spread = real(match[1]), real(match[2])
            if value is not None:
                factor = _UNITS_S[match[3]]
                facts.measure(
                    f"time[{words[-2]}]", value * factor, "s", spread=(spread or 0.0) * factor, is_benchmark=True
                )
    number = len(facts.metrics) + facts.metrics_cut
    if not number and not facts.issues:
        return facts.unreadable("asv measured nothing")
    facts.counts["benchmarks"] = number
    if facts.issues:
        facts.counts_issues()
        facts.wanted = ["errors == 0"]
    facts.summary = f"{counted(number, 'benchmark')} run"
    if facts.issues:
        facts.summary += f", {counted(facts.counts['issues'], 'issue')}"
    return facts

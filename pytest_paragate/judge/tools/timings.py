"""Plain timings, such as benchmark scripts print them: ``parse  3611 ns/op``, ``sort: 1.25 ms``, ``load took 3.2 s``.

A line counts where a name is followed by a number with a unit of time, and by nothing but remarks.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, real
from pytest_paragate.judge.output import Output

_LINE = re.compile(
    r"\s*(?:test |bench )?([A-Za-z_][^\d:=±][^:=±]{0,150}?|[A-Za-z_]\w{0,2})"
    r"\s*(?::|=|\.\.\.|\btook\b|\s)\s*(?:time:)?\s*"
    r"(\d[\d,_]*(?:\.\d+)?)\s?(ns|us|µs|μs|ms|s|sec|seconds)(?:/(?:op|iter|call|loop|run))?"
    r"(?:\s*(?:±|\+/-|\(\+/-)\s*(\d[\d,_]*(?:\.\d+)?)\s?(ns|us|µs|μs|ms|s)?\)?)?(?:[,;(\s].*)?"
)
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="timings", needs_output=True)
    for line in output.stdout.lines("ns", "us", "µs", "μs", "ms", " s", "sec"):
        read_line(line[:400], facts)
    if not facts.metrics:
        return facts.unreadable("there are no timings in the output")
    facts.counts["benchmarks"] = len(facts.metrics) + facts.metrics_cut
    facts.summary = f"{counted(facts.counts['benchmarks'], 'benchmark')} run"
    return facts


def read_line(line: str, facts: Facts) -> None:
    """Take the timing of a line, if it is one."""
    if len(line) > 400 or (match := _LINE.fullmatch(line)) is None:
        return
    name, number, unit, spread, spread_unit = match.groups()
    value = real(number)
    if value is None:
        return
    spread_s = (real(spread) or 0.0) * _UNITS_S[spread_unit or unit] if spread else 0.0
    name = " ".join(name.split())
    facts.measure(f"time[{name}]", value * _UNITS_S[unit], "s", spread=spread_s, is_benchmark=True)

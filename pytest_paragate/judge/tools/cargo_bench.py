"""cargo bench: criterion's ``time: [low middle high]`` and libtest's ``bench: 1,234 ns/iter (+/- 56)``, on stdout.

The middle of the three is criterion's estimate; the spread is half the width of its interval. ``name ... 1.2 ns/iter``
and ``name: 1.2 ns/op`` of simple harnesses are read as :mod:`pytest_paragate.judge.tools.timings` reads them.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, real
from pytest_paragate.judge.output import Output
from pytest_paragate.judge.tools import cargo_test, timings

_NUMBER = r"([\d.]+) (ps|ns|µs|us|ms|s)"
_CRITERION = re.compile(rf"(\S.*?)?\s+time:\s+\[{_NUMBER} {_NUMBER} {_NUMBER}\]\s*")
_LIBTEST = re.compile(r"test (\S.*?)\s+\.\.\. bench:\s+([\d,.]+) ns/iter \(\+/- ([\d,.]+)\).*")
_UNITS_S = {"ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def judge(output: Output) -> Facts | None:
    if output.has("--no-run", "--list", "--help", "-h"):
        return cargo_test.judge(output) if output.has("--no-run") else None
    facts = Facts(tool="cargo bench", needs_output=True)
    last = ""
    for line in output.stdout.lines():
        if (match := _CRITERION.fullmatch(line)) is not None:
            low, middle, high = ((real(match[index]) or 0.0) * _UNITS_S[match[index + 1]] for index in (2, 4, 6))
            name = (match[1] or last).strip()
            facts.measure(f"time[{name}]", middle, "s", spread=(high - low) / 2, repeats=100, is_benchmark=True)
        elif (match := _LIBTEST.fullmatch(line)) is not None:
            value, spread = real(match[2]), real(match[3])
            if value is not None:
                facts.measure(f"time[{match[1]}]", value * 1e-9, "s", spread=(spread or 0.0) * 1e-9, is_benchmark=True)
        else:
            timings.read_line(line, facts)
        if line.strip():
            last = line
    number = sum(metric.is_benchmark for metric in facts.metrics.values()) + facts.metrics_cut
    facts.counts["benchmarks"] = number
    facts.wanted = ["benchmarks >= 1"]
    facts.summary = f"{counted(number, 'benchmark')} run" if number else "no benchmark ran that could be read"
    return facts

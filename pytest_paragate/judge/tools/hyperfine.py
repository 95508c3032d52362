"""hyperfine: ``Benchmark 1: command`` and the lines below it on stdout. The value is the mean, the spread its sigma."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, real, whole
from pytest_paragate.judge.output import Output

_NAME = re.compile(r"Benchmark(?: #?\d+)?: (.*)")
_MEAN = re.compile(r"\s*Time \(mean ± σ\):\s+([\d.]+) (µs|us|ms|s) ±\s+([\d.]+) (µs|us|ms|s)\b.*")
_ONCE = re.compile(r"\s*Time \(abs ≡\):\s+([\d.]+) (µs|us|ms|s)\b.*")
_RUNS = re.compile(r".*\s(\d+) runs\s*")
_UNITS_S = {"µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-V"):
        return None
    facts = Facts(tool="hyperfine", needs_output=True)
    name = latest = ""
    for line in output.stdout.lines("Benchmark", "Time (", "Range ("):
        if (match := _NAME.fullmatch(line)) is not None:
            name = match[1].strip()
        elif (match := _MEAN.fullmatch(line)) is not None:
            latest = f"time[{name}]"
            value, spread = real(match[1]), real(match[3])
            if value is not None and spread is not None:
                facts.measure(
                    latest, value * _UNITS_S[match[2]], "s", spread=spread * _UNITS_S[match[4]], is_benchmark=True
                )
        elif (match := _ONCE.fullmatch(line)) is not None and (value := real(match[1])) is not None:
            facts.measure(f"time[{name}]", value * _UNITS_S[match[2]], "s", is_benchmark=True)
        elif latest in facts.metrics and (match := _RUNS.fullmatch(line)) is not None:
            facts.metrics[latest] = facts.metrics[latest]._replace(repeats=whole(match[1]) or 1)
    if not facts.metrics:
        return facts.unreadable("hyperfine measured nothing")
    for _ in output.stderr.lines("Ignoring non-zero exit code"):
        facts.issue("a command that was measured failed", rule="ignored-failure")
    facts.counts["benchmarks"] = len(facts.metrics) + facts.metrics_cut
    facts.summary = f"{counted(facts.counts['benchmarks'], 'benchmark')} run"
    if facts.issues:
        facts.summary += f", {counted(facts.counts['issues'], 'issue')}"
    return facts

"""tracemalloc: what scripts print of it: ``current … peak …`` with units, and rows ``file:line: size=9 KiB, …``."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, real, shown
from pytest_paragate.judge.output import Output

_FACT = re.compile(
    r"\b(current|peak|kept|leaked|growth|grew|diff)\b[^\d\n+-]{0,40}?([+-]?\d[\d,_]*(?:\.\d+)?)\s*"
    r"(B|bytes?|kB|KB|KiB|MB|MiB|GB|GiB)\b",
    re.IGNORECASE,
)
_ROW = re.compile(r"(.+?):(\d+): size=([+-]?[\d.]+) (B|KiB|MiB|GiB)(?: \([+-][\d.]+ \w+\))?, count=\d+.*")
_FACTORS = {
    "b": 1, "byte": 1, "bytes": 1, "kb": 10**3, "kib": 2**10, "mb": 10**6, "mib": 2**20, "gb": 10**9, "gib": 2**30,
}  # fmt: skip


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="tracemalloc", needs_output=True)
    traced = 0.0
    for line in output.stdout.lines("B", "bytes"):
        line = line[:1000]
        if (match := _ROW.fullmatch(line)) is not None:
            traced += (real(match[3]) or 0.0) * _FACTORS[match[4].lower()]
            facts.measure("traced", traced, "B")
            continue
        for found in _FACT.finditer(line):
            value = (real(found[2]) or 0.0) * _FACTORS[found[3].lower()]
            name = found[1].lower()
            facts.measure({"grew": "growth"}.get(name, name), value, "B")
    if not facts.metrics:
        return facts.unreadable("there are no sizes of memory in the output")
    name = next((name for name in ("peak", "growth", "kept", "current") if name in facts.metrics), "traced")
    facts.summary = f"{name} {shown(facts.metrics[name].value, 'B')}"
    return facts

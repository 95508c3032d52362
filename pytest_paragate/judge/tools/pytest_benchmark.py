"""pytest-benchmark: its tables in pytest's stdout; the unit is in the head of each, the columns are named there.

Columns that ``--benchmark-columns`` leaves out are missed quietly. A benchmark's value is its median, or its mean where
there is no median, and its spread is the interquartile range, or the standard deviation.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, real, whole
from pytest_paragate.judge.output import Output

_HEAD = re.compile(r"Name \(time in (s|ms|us|ns)\)\s+(\S.*)")
_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_RELATIVE = re.compile(r"\((?:\d[\d.,]*|inf|>\d[\d.,]*)\)")


def judge(output: Output) -> Facts | None:
    """As pytest's judge, and there has to be a table."""
    from pytest_paragate.judge.tools import pytest

    facts = pytest.judge(output)
    if facts is not None and not facts.unread and not any(metric.is_benchmark for metric in facts.metrics.values()):
        facts.unreadable("pytest-benchmark printed no table")
    return facts


def read_tables(output: Output, facts: Facts) -> None:
    """Add what the tables say to ``facts``."""
    if not any(True for _ in output.stdout.lines("Name (time in ")):
        return
    columns: list[str] = []
    unit_s = 1.0
    for line in output.stdout.lines():
        head = _HEAD.match(line)
        if head is not None:
            unit_s, columns = _UNITS_S[head[1]], [name for name in re.split(r"\s{2,}", head[2].strip()) if name]
        elif columns and line.strip() == "":
            columns = []
        elif columns and not line.startswith("---"):
            _row(line, columns, unit_s, facts)


def _row(line: str, columns: list[str], unit_s: float, facts: Facts) -> None:
    words = _RELATIVE.sub(" ", line).split()
    if len(words) <= len(columns):
        return
    name = " ".join(words[: len(words) - len(columns)])
    values = dict(zip((column.split(" ")[0] for column in columns), words[-len(columns) :], strict=True))
    value = real(values.get("Median") or values.get("Mean") or values.get("Min"))
    spread = real(values.get("IQR") or values.get("StdDev")) or 0.0
    rounds = whole(values.get("Rounds")) or 1
    if value is not None:
        facts.measure(f"time[{name}]", value * unit_s, "s", spread=spread * unit_s, repeats=rounds, is_benchmark=True)

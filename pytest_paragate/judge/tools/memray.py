"""memray: the numbers of ``memray stats``; other reports are told and not measured."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, real, shown, whole
from pytest_paragate.judge.output import Output

_SIZE = re.compile(r"\s*([\d.]+)\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB)\s*")
_FACTORS = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_NAMES = {"Total memory allocated:": "allocated", "Peak memory usage:": "peak"}


def judge(output: Output) -> Facts | None:
    if output.argv[1:2] not in ((), ("stats",)) or output.has("--help", "-h", "--json"):
        return None
    facts = Facts(tool="memray")
    name = ""
    for line in output.stdout.lines():
        text = line.strip().partition(" ")[2] if line[:1] > "\x7f" else line.strip()
        if text in _NAMES or text == "Total allocations:":
            name = text
        elif name in _NAMES and (match := _SIZE.fullmatch(line)) is not None:
            facts.measure(_NAMES[name], (real(match[1]) or 0.0) * _FACTORS[match[2]], "B", is_benchmark=name[0] == "P")
            name = ""
        elif name == "Total allocations:" and (number := whole(line.strip())) is not None:
            facts.count("allocations", number)
            name = ""
    if "peak" not in facts.metrics:
        return facts.unreadable("memray printed no peak")
    facts.summary = f"peak {shown(facts.metrics['peak'].value, 'B')}"
    return facts

"""How long from launch to the first instruction of the first check, beside plain pytest's first test.

Whatever runs first writes the wall-clock time to a file as its first act. A command cannot do that by itself: it is a
shell that runs ``date``, for paragate and for the plain test that starts the same command.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gate
import measure
from measure import Launch

_STAMP = "stamp"
_WRITE_STAMP = f"now = time.time_ns(); open({_STAMP!r}, 'w').write(str(now))"
_DATE = f"date +%s%N > {_STAMP}"

_TEST = f"import time\n\ndef test_first():\n    {_WRITE_STAMP}\n"
_TEST_OF_COMMAND = f"import subprocess\n\ndef test_first():\n    subprocess.run(['sh', '-c', {_DATE!r}], check=True)\n"
_FUNCTION = f"import time\nimport pytest_paragate as gate\n\n@gate.check()\ndef first():\n    {_WRITE_STAMP}\n"
_COMMAND = f"import pytest_paragate as gate\n\nfirst = gate.command({_DATE!r}, shell=True)\n"

PLAIN_TEST, PLAIN_COMMAND = "pytest: a test", "pytest: a test runs a command"


def run(folder: Path, *, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    plain, xdist = ("-p", "no:paragate"), ("-p", "no:paragate", "-n", str(len(gate.AGENTS)))
    contestants = {
        PLAIN_TEST: (_test(folder / "a", _TEST, *plain), PLAIN_TEST),
        "paragate: a test": (_test(folder / "b", _TEST, "--paragate"), PLAIN_TEST),
        "paragate: a function check": (gate.write_gate(folder / "c", _FUNCTION), PLAIN_TEST),
        "pytest-xdist: a test": (_test(folder / "d", _TEST, *xdist), PLAIN_TEST),
        PLAIN_COMMAND: (_test(folder / "e", _TEST_OF_COMMAND, *plain), PLAIN_COMMAND),
        "paragate: a command": (gate.write_gate(folder / "f", _COMMAND), PLAIN_COMMAND),
    }
    delays: dict[str, list[float]] = {name: [] for name in contestants}

    def act(name: str) -> None:
        delays[name].append(_delay_s(contestants[name][0]))

    for launch, _ in contestants.values():
        _delay_s(launch)
    measure.in_turns(list(contestants), repeats, act)
    rows, numbers = [], {}
    for name, (_, reference) in contestants.items():
        delay, extra = measure.median(delays[name]), measure.difference(delays[name], delays[reference])
        rows.append((name, delay.text(1, 1000), extra.text(1, 1000) if name != reference else "-"))
        numbers[name] = {"s": delay.value, "extra_s": extra.value, "reference": reference, "samples_s": delays[name]}
    say(f"launch to first instruction, {repeats} interleaved repeats, medians (95% interval)")
    say(measure.table(("what runs first", "ms", "ms more than plain pytest"), rows))
    return {"repeats": repeats, "contestants": numbers}


def _test(folder: Path, text: str, *options: str) -> Launch:
    return gate.write_project(folder, "test_first.py", text, *options)


def _delay_s(launch: Launch) -> float:
    stamp = launch.cwd / _STAMP
    stamp.unlink(missing_ok=True)
    sample = measure.run(launch)
    return (int(stamp.read_text()) - sample.launched_ns) / 1e9

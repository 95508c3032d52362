"""Does the controller keep up, and does what it costs grow with the number of tests and nothing else?

*Collected items*: real runs of trivial tests on eight workers. *Simulated workers*: the loop, the schedule and pytest
reporters are real, and workers answer at once that all they were given has passed; so what is measured is all that the
main process does for a test. With 32 workers it is no bottleneck as long as tests take longer than 32 times that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import measure
from measure import Launch

ITEMS = (10_000, 30_000, 100_000)
WORKERS = (1, 8, 32)
_SIMULATED_TESTS = 20_000
_SUITE = "import pytest\n\n@pytest.mark.parametrize('i', range({each}))\ndef test_it(i):\n    pass\n"
_MODULES = 20
_REPORT = "loop.json"

# Stands in for the fork server's launcher: a worker that has been given tests says at once that they have passed.
_SIMULATION = f"""\
import json, time
import pytest_paragate.session as session
from pytest_paragate.run.gateways import Ended, Said
from pytest_paragate.run.journal import line_of

class Worker:
    kind, is_copy = "fork", True

    def __init__(self, launcher, id, journal):
        self.id, self._launcher, self._journal = id, launcher, open(journal, "ab", buffering=0)

    def send(self, message):
        if message["do"] == "exit":
            self._launcher.inbox.put(Said(worker=self.id, message={{"say": "bye", "output": {{}}}}))
            self._launcher.inbox.put(Ended(worker=self.id, status=0))
            return
        if message["do"] != "items":
            return
        at = time.monotonic()
        lines = [line_of(("begin", i, at)) + line_of(("passed", i, at, 1e-5, [1e-5, at, at] * 3))
                 for i in message["indices"]]
        self._journal.write(b"".join(lines))
        self._launcher.inbox.put(Said(worker=self.id, message={{"say": "news"}}))

    def kill(self, **how): pass
    def is_stopped(self): return False

class Launcher:
    def __init__(self, zygote, inbox, basics, numbers):
        zygote.end()
        self.inbox, self._basics, self._count = inbox, basics, 0

    def launch(self, slot):
        id = f"gw{{self._count}}"
        self._count += 1
        return Worker(self, id, self._basics(id)["journal"])

    def allow(self, pids): pass
    def let_go(self): pass
    def close(self): pass

session.ForkLauncher = Launcher

from pytest_paragate.run import loop
run = loop.Loop.run

def timed(self):
    begun, cpu = time.perf_counter(), time.process_time()
    result = run(self)
    took = {{"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}}
    open({_REPORT!r}, "w").write(json.dumps(took))
    return result

loop.Loop.run = timed
"""


def run(folder: Path, *, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    return {"items": _collected_items(folder, repeats, say), "workers": _simulated_workers(folder, repeats, say)}


def _collected_items(folder: Path, repeats: int, say: Callable[[str], None]) -> list[dict[str, float]]:
    rows, numbers = [], []
    for count in ITEMS:
        launch = _suite(folder / f"items-{count}", count, workers=8)
        samples = [measure.run(launch) for _ in range(repeats)]
        wall_s = measure.median(sample.wall_s for sample in samples).value
        cpu_s = measure.median(sample.own_cpu_s or 0.0 for sample in samples).value
        rss_kb = max(sample.max_rss_kb for sample in samples)
        numbers.append({"items": count, "wall_s": wall_s, "controller_cpu_s": cpu_s, "max_rss_kb": rss_kb})
        each_us, each_kb = 1e6 * cpu_s / count, rss_kb / count
        rows.append(
            (f"{count}", f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{each_us:.0f}", f"{rss_kb >> 10}", f"{each_kb:.1f}")
        )
    say(f"trivial tests on 8 workers, {repeats} repeats, medians; the largest process is the controller")
    say(measure.table(("items", "wall s", "controller cpu s", "us each", "peak MB", "KB each"), rows))
    return numbers


def _simulated_workers(folder: Path, repeats: int, say: Callable[[str], None]) -> list[dict[str, float]]:
    rows, numbers = [], []
    for count in WORKERS:
        launch = _suite(folder / f"workers-{count}", _SIMULATED_TESTS, workers=count)
        (launch.cwd / "simulated_workers.py").write_text(_SIMULATION)
        launch = replace(launch, argv=(*launch.argv, "-p", "simulated_workers"), env={"PYTHONPATH": "."})
        took_s = []
        for _ in range(repeats):
            measure.run(launch)
            took_s.append(json.loads((launch.cwd / _REPORT).read_text())["wall_s"])
        each_us = 1e6 * measure.median(took_s).value / _SIMULATED_TESTS
        rows.append((f"{count}", f"{each_us:.0f}", f"{1e6 / each_us:.0f}", f"{each_us * count / 1000:.1f}"))
        numbers.append({"workers": count, "each_us": each_us})
    say(f"\n{_SIMULATED_TESTS} tests on simulated workers, {repeats} repeats, medians")
    say(measure.table(("workers", "us a test", "tests a second", "keeps up with tests of ms"), rows))
    return numbers


def _suite(folder: Path, count: int, *, workers: int) -> Launch:
    folder.mkdir(parents=True)
    for module in range(_MODULES):
        (folder / f"test_m{module}.py").write_text(_SUITE.format(each=count // _MODULES))
    (folder / "pytest.ini").write_text("[pytest]\n")
    argv: Sequence[str] = (sys.executable, "-m", "pytest", "-q", "--paragate", "-n", str(workers))
    return Launch(argv=tuple(argv), cwd=folder, env={})

"""flaky: failures run again where they failed, and its report tells of all workers."""

from __future__ import annotations

import pytest

from ..gates import Project

pytest.importorskip("flaky")

PLUGIN = ("-p", "flaky.flaky_pytest_plugin")
TESTS = """
import pytest

tries = []

@pytest.mark.flaky(max_runs=3)
def test_third_time():
    tries.append(1)
    assert len(tries) == 3

@pytest.mark.flaky
def test_broken(): assert False

def test_steady(): pass
"""


@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n2", "one"])
def test_failures_run_again_and_are_told(project: Project, workers: str, slots: tuple[str, ...]) -> None:
    run = project.write({"test_a.py": TESTS, "test_b.py": TESTS}).run(*PLUGIN, *slots, workers)
    assert "PROBLEM" not in run.text
    assert "2 failed, 4 passed" in run.lines[-1]
    told = run.text.partition("===Flaky Test Report===")[2]
    assert told.count("test_third_time failed (") == 4
    assert told.count("test_third_time passed 1 out of the required 1 times. Success!") == 2
    assert told.count("test_broken failed; it passed 0 out of the required 1 times.") == 2

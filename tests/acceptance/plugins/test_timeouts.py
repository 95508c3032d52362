"""pytest-timeout: both of its methods, and its limit for the session."""

from __future__ import annotations

import re

import pytest

from ..gates import Project

pytest.importorskip("pytest_timeout")

PLUGIN = ("-p", "pytest_timeout")
TESTS = """
import pytest, time

@pytest.mark.parametrize("number", range(6))
def test_each(number):
    open(f"ran-{number}", "a").write(".")
    if number == 2:
        waits_for_ever()

def waits_for_ever():
    time.sleep(300)
"""


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_hanging_test_fails_and_the_others_pass(project: Project, workers: str, method: str) -> None:
    run = project.write({"test_it.py": TESTS}).run(*PLUGIN, "--timeout=1", f"--timeout-method={method}", "-n2", workers)
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 5), run.text
    assert {(project.folder / f"ran-{number}").read_text() for number in range(6)} == {"."}
    failed = [line for line in run.lines if line.startswith("FAILED test_it.py::test_each[2]")]
    assert len(failed) == 1
    assert "waits_for_ever" in run.text  # where it hung
    if method == "signal":
        assert "Timeout (>1.0s)" in failed[0]


def test_a_test_may_set_its_own_limit(project: Project, workers: str) -> None:
    tests = "import pytest, time\n@pytest.mark.timeout(0.3)\ndef test_slow(): time.sleep(300)\ndef test_quick(): pass\n"
    run = project.write({"test_it.py": tests}).run(*PLUGIN, "-n2", workers)
    assert re.search(r"1 failed, 1 passed", run.lines[-1]), run.text


def test_the_session_has_a_limit(project: Project, workers: str) -> None:
    tests = "import pytest, time\n@pytest.mark.parametrize('n', range(600))\ndef test_each(n): time.sleep(0.5)\n"
    run = project.write({"test_it.py": tests}).run(*PLUGIN, "--session-timeout=2", "-n2", workers)
    assert run.status == 1, run.text
    assert "session-timeout: 2.0 sec exceeded" in run.text

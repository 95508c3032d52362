"""pytest-rerunfailures: failures and crashes run again, as often as it was told."""

from __future__ import annotations

import re

import pytest

from ..gates import Project

pytest.importorskip("pytest_rerunfailures")

PLUGIN = ("-p", "pytest_rerunfailures")
# Every test counts in a file how often it ran.
TESTS = """
import os, pathlib, signal
import pytest

def tries(name):
    with open(f"tries-{name}", "a") as file:
        file.write(".")
    return len(pathlib.Path(f"tries-{name}").read_text())

def test_steady():
    tries("steady")

def test_flaky():
    assert tries("flaky") == 3

def test_broken():
    tries("broken")
    assert False

@pytest.fixture(scope="module")
def resource():
    tries("resource")
    yield

def test_with_resource(resource):
    assert tries("with") == 2
"""


def tries(project: Project, name: str) -> int:
    path = project.folder / f"tries-{name}"
    return len(path.read_text()) if path.exists() else 0


@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n2", "one"])
def test_failures_run_again(project: Project, workers: str, slots: tuple[str, ...]) -> None:
    run = project.write({"test_it.py": TESTS}).run(*PLUGIN, "--reruns=2", *slots, workers)
    assert run.status == 1, run.text
    assert [tries(project, name) for name in ("steady", "flaky", "broken", "with")] == [1, 3, 3, 2]
    assert re.search(r"1 failed, 3 passed, 5 rerun in", run.lines[-1]), run.text
    assert run.report["agents"][0]["passed"] == 3


@pytest.mark.parametrize("crash", ["os.kill(os.getpid(), signal.SIGSEGV)", "os._exit(5)"])
def test_a_crash_runs_again_in_another_worker(project: Project, workers: str, crash: str) -> None:
    tests = TESTS.partition("def test_steady")[0] + (
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_each(number):\n"
        f"    if tries(f'each-{{number}}') == 1 and number == 1: {crash}\n"
        "def test_always():\n"
        "    tries('always')\n"
        f"    {crash}\n"
    )
    run = project.write({"test_it.py": tests}).run(*PLUGIN, "--reruns=1", "-n2", workers)
    assert [tries(project, f"each-{number}") for number in range(4)] == [1, 2, 1, 1], run.text
    assert tries(project, "always") == 2
    assert run.status == 1
    assert re.search(r"1 failed, 4 passed, 2 rerun in", run.lines[-1]), run.text
    assert run.report["agents"][0]["passed"] == 4


def test_its_server_is_no_reason_to_warn_of_a_fork(project: Project) -> None:
    project.write({"test_it.py": "def test_it(): pass\n"})
    assert "multi-threaded" not in project.run("-p", "pytest_rerunfailures", "-n", "2").text


def test_without_reruns_a_crash_is_a_failure(project: Project, workers: str) -> None:
    run = project.write({"test_it.py": "import os\ndef test_it(): os._exit(5)\n"}).run(*PLUGIN, "-n2", workers)
    assert run.status == 1
    assert re.search(r"1 failed in", run.lines[-1]), run.text


def test_all_workers_count_towards_one_limit(project: Project, workers: str) -> None:
    tests = TESTS.partition("def test_steady")[0] + (
        "@pytest.mark.parametrize('number', range(8))\n"
        "def test_each(number):\n"
        "    tries(f'each-{number}')\n"
        "    assert False\n"
    )
    project.write({"test_it.py": tests}).run(*PLUGIN, "--reruns=3", "--max-suite-reruns=5", "-n2", workers)
    assert sum(tries(project, f"each-{number}") for number in range(8)) == 8 + 5

"""How the process of a run ends: fast, and without losing what others had not written yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .gates import Project

HOLDS_A_FILE = """
class Cycle:
    def __init__(self):
        self.itself = self
        self.file = open("unflushed", "w")
        self.file.write("words")
        self.closed = open("closed", "w")
        self.closed.close()

class Pretender:
    @property
    def __class__(self):
        raise RuntimeError("nobody may ask")

kept = [Pretender(), Pretender()]
kept.append(kept)
kept.append(Cycle())
"""
CALLS_PYTEST = """
import gc
import pytest

status = pytest.main(["--paragate", "-p", "xdist"])
print("set aside:", gc.get_freeze_count())
raise SystemExit(status)
"""
LOOKS_THROUGH_MEMORY = """
import gc

kept = ["conftest's"]

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"found: {any(each is kept for each in gc.get_objects())}")
"""


def test_what_a_plugin_has_not_flushed_is_written(project: Project) -> None:
    project.write({"conftest.py": HOLDS_A_FILE, "test_it.py": "def test_it(): pass\n"})
    run = project.run()
    assert run.status == 0, run.text
    assert (project.folder / "unflushed").read_text() == "words"
    assert "Error" not in run.text


def test_who_calls_pytest_keeps_no_garbage(project: Project) -> None:
    project.write({"test_it.py": "def test_it(): pass\n", "calls.py": CALLS_PYTEST})
    done = subprocess.run(
        [sys.executable, "calls.py"],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1/1 test passed" in done.stdout
    assert "set aside: 0" in done.stdout


def test_a_plugin_finds_all_objects_in_its_summary(project: Project, workers: str) -> None:
    project.write({"conftest.py": LOOKS_THROUGH_MEMORY, "test_it.py": "def test_it(): pass\n"})
    run = project.run(workers)
    assert "found: True" in run.text


USUAL = """
import gc, subprocess, sys

def test_threshold():
    usual = subprocess.check_output([sys.executable, "-c", "import gc; print(gc.get_threshold())"], text=True)
    assert str(gc.get_threshold()) == usual.strip()
"""
OWN = "import gc\ngc.set_threshold(321, 5, 5)\ndef test_threshold(): assert gc.get_threshold() == (321, 5, 5)\n"


@pytest.mark.parametrize("test", [USUAL, OWN], ids=["usual", "own"])
def test_garbage_is_collected_in_workers_as_often_as_without_the_gate(
    project: Project, workers: str, test: str
) -> None:
    run = project.write({"test_it.py": test}).run(workers)
    assert run.status == 0, run.text

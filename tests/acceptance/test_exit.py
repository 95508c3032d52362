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


def calls_pytest(project: Project) -> str:
    """What ``calls.py`` prints, a program that calls pytest itself."""
    done = subprocess.run(
        [sys.executable, "calls.py"],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_who_calls_pytest_keeps_no_garbage(project: Project) -> None:
    project.write({"test_it.py": "def test_it(): pass\n", "calls.py": CALLS_PYTEST})
    printed = calls_pytest(project)
    assert "1/1 test passed" in printed
    assert "set aside: 0" in printed


def test_a_plugin_finds_all_objects_in_its_summary(project: Project, workers: str) -> None:
    project.write({"conftest.py": LOOKS_THROUGH_MEMORY, "test_it.py": "def test_it(): pass\n"})
    run = project.run(workers)
    assert "found: True" in run.text


WATCHES_SEARCHES = """
import gc, sys

searches = []

def watch(phase, info):
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != "gc_collect_harder":
        frame = frame.f_back
    if frame is not None and phase == "start":
        searches.append(gc.get_freeze_count() > 0)

def pytest_sessionfinish():
    gc.callbacks.append(watch)

def pytest_unconfigure():
    print("found:", any(each is searches for each in gc.get_objects()))
"""
TELLS_SEARCHES = """
import gc, sys
import pytest

status = pytest.main(["--paragate"])
conftest = sys.modules["conftest"]
gc.callbacks.remove(conftest.watch)
print("searches:", conftest.searches, "as before:", gc.get_objects.__name__, type(gc.get_objects).__name__)
raise SystemExit(status)
"""


def test_the_last_search_for_garbage_leaves_out_what_was_there_before(project: Project) -> None:
    conftest = WATCHES_SEARCHES.partition("def pytest_unconfigure")[0]
    project.write({"conftest.py": conftest, "test_it.py": "def test_it(): pass\n", "calls.py": TELLS_SEARCHES})
    *_, told = calls_pytest(project).splitlines()
    assert "False" not in told
    assert told.startswith("searches: [True" if pytest.version_tuple >= (8, 4) else "searches: []")
    assert told.endswith("as before: get_objects builtin_function_or_method")


def test_a_plugin_finds_all_objects_at_the_very_end(project: Project) -> None:
    project.write({"conftest.py": WATCHES_SEARCHES, "test_it.py": "def test_it(): pass\n"})
    assert "found: True" in project.run().text


LEAVES_GARBAGE = """
class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        raise RuntimeError("in a finaliser")

def test_it():
    Cycle()
"""


@pytest.mark.parametrize("args", [(), ("-W", "error")], ids=["warns", "is an error"])
@pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="pytest searches for garbage at its end since 8.4")
def test_what_goes_wrong_with_garbage_of_the_last_test_is_told(
    project: Project, workers: str, args: tuple[str, ...]
) -> None:
    plain = [sys.executable, "-m", "pytest", *args]
    project.write({"test_it.py": LEAVES_GARBAGE})
    expected = subprocess.run(plain, cwd=project.folder, env=project.environment(), capture_output=True, check=False)
    assert expected.returncode == (1 if args else 0)
    assert b"in a finaliser" in expected.stdout + expected.stderr
    run = project.run(workers, *args)
    assert run.status == expected.returncode
    assert "RuntimeError: in a finaliser" in run.text
    assert ("1 warning" in run.lines[-1]) == (not args)


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

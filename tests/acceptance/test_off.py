"""Without ``--paragate`` nothing changes: same outcomes, same output, nothing heavy imported."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from .gates import BOUND_S, Project

TESTS = """
import warnings
import pytest

@pytest.fixture
def broken(): raise RuntimeError("no")

def test_good(): pass
def test_bad(): assert [1] == [2]
def test_error(broken): pass
def test_warns(): warnings.warn("careful")
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.xfail
def test_expected(): assert 0
@pytest.mark.parametrize("number", [1, 2])
def test_many(number): assert number == 1
"""
DECLARING = """
import pytest_paragate as gate

ruff = gate.command("touch ran")
wrong = gate.command("", agnet="x")

@gate.check(agent="debugger")
def leaks(paragate_run): paragate_run("touch ran")

def pytest_paragate_checks(gate):
    gate.command("touch ran", name="generated")
"""
LISTS_MODULES = """
import sys

def pytest_sessionfinish():
    mine = ("pytest_paragate", "execnet", "rich", "xdist")
    print("\\nMODULES", *sorted(name for name in sys.modules if name.split(".")[0] in mine))
"""
LIGHT = {f"pytest_paragate{name}" for name in ("", ".plugin", ".options", ".hookspec")}
DECLARE = {f"pytest_paragate.{name}" for name in ("declare", "keys", "model", "paths", "shellwords")}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRun:
    """A run of plain pytest, without pytest-xdist unless it was asked for: that imports execnet by itself."""

    status: int
    text: str

    def comparable(self) -> list[str]:
        """The output without what differs between any two runs or names the plugins that are there."""
        kept = [line for line in self.text.splitlines() if not line.startswith(("plugins: ", "MODULES "))]
        return [re.sub("=+", "=", re.sub(r"in \d+\.\d+s", "in TIME", line)) for line in kept]

    def modules(self) -> set[str]:
        return set(next(line for line in self.text.splitlines() if line.startswith("MODULES")).split()[1:])


def run_plain(project: Project, *args: str, plugins: str = "pytest_paragate.plugin") -> PlainRun:
    environment = {**project.environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": plugins}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
        cwd=project.folder, env=environment, capture_output=True, text=True, timeout=BOUND_S, check=False,
    )  # fmt: skip
    return PlainRun(status=done.returncode, text=done.stdout + done.stderr)


@pytest.mark.parametrize("args", [[], ["-v"], ["-q", "-rA"], ["--collect-only"]], ids=" ".join)
def test_a_suite_runs_as_without_the_plugin(project: Project, args: list[str]) -> None:
    project.write({"test_it.py": TESTS})
    off, without = run_plain(project, *args), run_plain(project, *args, plugins="")
    assert off.status == without.status
    assert off.comparable() == without.comparable()


def test_declared_checks_change_nothing_either_right_or_wrong(project: Project) -> None:
    declaring = run_plain(project.write({"test_it.py": TESTS, "conftest.py": DECLARING}), "-rA")
    project.write({"conftest.py": ""})
    plain = run_plain(project, "-rA")
    assert declaring.status == plain.status == 1
    assert declaring.comparable() == plain.comparable()
    assert not (project.folder / "ran").exists()


def test_a_marked_test_is_an_ordinary_test(project: Project) -> None:
    marked = "import pytest\n@pytest.mark.paragate(agent='debugger', timeout='1s')\ndef test_it(): pass\n"
    run = run_plain(project.write({"test_it.py": marked}), "--strict-markers", "-W", "error")
    assert run.status == 0
    assert "1 passed" in run.text


def test_plain_pytest_imports_nothing_but_option_names(project: Project) -> None:
    run = run_plain(project.write({"test_it.py": TESTS, "conftest.py": LISTS_MODULES}), "-s")
    assert run.modules() <= LIGHT


def test_declaring_imports_the_declaring_room_only(project: Project) -> None:
    run = run_plain(project.write({"test_it.py": TESTS, "conftest.py": LISTS_MODULES + DECLARING}), "-s")
    assert run.modules() <= LIGHT | DECLARE


def test_nothing_of_xdist_is_imported_that_it_does_not_import_itself(project: Project) -> None:
    project.write({"test_it.py": TESTS, "conftest.py": LISTS_MODULES})
    ours = run_plain(project, "-s", plugins="xdist.plugin,pytest_paragate.plugin")
    alone = run_plain(project, "-s", plugins="xdist.plugin")
    assert ours.modules() - alone.modules() <= LIGHT

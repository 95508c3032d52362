"""Ways in which a gate that only looks at exit statuses goes green, and what ours says to each.

Every check of one run exits with 0 unless its row says otherwise. Tools other than Python's own are played by scripts
that print what the real ones were recorded to print, under ``tests/judge/samples``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from judge.recorded import SAMPLES, read

from .gates import GateRun, Project

PYTEST = f"{sys.executable} -m pytest -p no:cacheprovider -q"
KNOWS_NO_TESTS = sys.version_info >= (3, 12)
COUNTS_NO_SKIPS = sys.version_info[:3] == (3, 12, 1)
UNITTEST = f"{sys.executable} -m unittest"


class Way(NamedTuple):
    """``command`` is run as a script of the shell; ``says`` is part of the check's summary."""

    command: str
    outcome: str
    says: str
    keys: str = ""


WAYS = {
    # nothing ran
    "no test collected": Way(f"{PYTEST} empty || true", "unmet", "no tests ran"),
    "filter matches nothing": Way(f"{PYTEST} -k nothing_like_it good || true", "unmet", "no tests ran, 1 deselected"),
    "marker matches nothing": Way(f"{PYTEST} -m no_such_marker good || true", "unmet", "no tests ran"),
    "all tests skipped": Way(f"{PYTEST} skipped", "unmet", "no tests ran, 1 skipped"),
    # unittest itself says so with its exit status from Python 3.12 on.
    "wrong directory": Way(f"cd empty && {UNITTEST}", "failed" if KNOWS_NO_TESTS else "unmet", "no tests ran"),
    "all unit tests skipped": Way(
        f"{UNITTEST} unit.Skipped", "failed" if COUNTS_NO_SKIPS else "unmet", "no tests ran, 1 skipped"
    ),
    "cargo filter matches nothing": Way("cargo-no-match test nothing_like_it", "unmet", "no tests ran, 2 deselected"),
    "go has no test files": Way("go-warn test ./...", "unmet", "no tests ran"),
    "go filter matches nothing": Way("go-no-match test -run Nothing ./...", "unmet", "no tests ran"),
    "linter found no files": Way("ruff-no-files check .", "unmet", "ruff found no files"),
    "formatter found no files": Way("black-no-files --check .", "unmet", "black found no files"),
    "audit of a folder that is not there": Way("bandit-no-folder -r nowhere", "unmet", "bandit says 1 issue"),
    "audit of a folder without code": Way("bandit-no-code -r .", "unmet", "bandit found no code"),
    "types of a folder that is not there": Way("pyright-no-folder", "unmet", "pyright says 1 issue"),
    "benchmarks left out": Way("pytest-warn --benchmark-skip", "unmet", "no tests ran, 2 skipped"),
    "no benchmark ran": Way("cargo-warn bench nothing_like_it", "unmet", "no benchmark ran"),
    # the exit status is not the tool's
    "or true": Way(f"{PYTEST} bad || true", "unmet", "pytest says 1/2 tests passed, although the exit status is 0"),
    "pipe into a logger": Way(f"{PYTEST} bad | cat", "unmet", "1/2 tests passed"),
    "last of two runs": Way(f"{PYTEST} bad; {PYTEST} good", "unmet", "2/3 tests passed"),
    "first of two runs not begun": Way(f"{PYTEST} nowhere; {PYTEST} good", "unmet", "pytest says 1/2 tests passed"),
    "first of two runs without a test": Way(f"{PYTEST} empty; {PYTEST} good", "unmet", "no tests ran in 1 of several"),
    "first of two runs without a summary": Way(f"{PYTEST} leaves; {PYTEST} good", "unreadable", "pytest ran 2 times"),
    "one run of a loop not begun": Way(
        f"for name in 'discover -s nowhere' unit.Good; do {UNITTEST} $name; done", "unmet", "1/2 tests passed"
    ),
    "exit zero": Way(f"{PYTEST} bad; exit 0", "unmet", "1/2 tests passed"),
    "in the background": Way(f"{UNITTEST} unit.Bad & wait", "unmet", "unittest says 0/1 test passed"),
    "types, or true": Way("mypy-fail a.py || true", "unmet", "mypy says 2 issues"),
    "lint, or true": Way("ruff-fail check . || true", "unmet", "ruff says 2 issues"),
    "types of another language, or true": Way("tsc-fail -p . || true", "unmet", "tsc says 2 issues"),
    "formatting, or true": Way("cargo-fmt-fail fmt --check || true", "unmet", "1 file to format"),
    "security, or true": Way("bandit-fail -r . || true", "unmet", "bandit says 4 issues"),
    "only what is severe, or true": Way("bandit-level -lll -r . || true", "unmet", "bandit says 1 issue"),
    "compiler errors, or true": Way("cargo-broken build || true", "unmet", "rustc says 1 issue"),
    # the tool was not there, or did not get to its end
    "tool missing under a shell": Way(
        "no-such-tool; PATH=/nowhere mypy src; true", "unreadable", "the shell did not find mypy"
    ),
    "output cut": Way(f"{PYTEST} good | head -c 5", "unreadable", "pytest printed no summary"),
    "output thrown away": Way(f"{PYTEST} good > /dev/null", "unreadable", "pytest printed no summary"),
    "findings sent into a file": Way("flake8-fail . > log.txt || true", "unreadable", "sends the output into a file"),
    "exit inside a test": Way(f"{PYTEST} leaves", "unreadable", "pytest printed no summary"),
    "crash after the summary": Way(f"{PYTEST} -p crashes good", "failed", "exit status 139 (1/1 test passed)"),
    "fewer tests than planned": Way("prove-warn", "unmet", "1/3 tests passed", 'parse="tap"'),
    "no plan to hold against": Way("prove-no-plan", "unreadable", "there is no plan", 'parse="tap"'),
    "a file that could not be read": Way("bandit-skipped -r .", "unmet", "bandit says 1 issue"),
    # the numbers say something else
    "more tests than planned": Way("prove-too-many", "unmet", "2/3 tests passed", 'parse="tap"'),
    "leak without an error status": Way("valgrind-warn ./a", "unmet", "48 bytes definitely lost"),
    "sanitizer told to exit with 0": Way("sanitizer-warn", "unmet", "48 bytes leaked", 'parse="sanitizer"'),
    "coverage below what was wanted": Way(
        "coverage-warn report", "unmet", "wanted coverage >= 90, found 50 %", 'expect="coverage >= 90"'
    ),
    "no test, and all of them passed": Way(
        f"{PYTEST} empty || true", "unmet", "no tests ran", 'expect="passed == total"'
    ),
    "only warnings": Way("eslint-warn .", "unmet", "wanted issues <= 1, found 2", 'expect="issues <= 1"'),
    "a fact that nobody gives": Way(
        f"{PYTEST} good", "unreadable", "says nothing about coverage", 'expect="coverage >= 90"'
    ),
    "audit of nothing": Way(
        "pip-audit-warn", "unmet", "wanted skipped == 0, found 1", 'parse="pip-audit", expect="skipped == 0"'
    ),
    "fewer tests than last time": Way(f"{PYTEST} good", "unmet", "wanted total >= 40, found 1", 'expect="total >= 40"'),
    "result out of a cache": Way(
        "go-cached test ./...", "unmet", "wanted cached == 0, found 1", 'expect="cached == 0"'
    ),
    # files and words of others
    "report file of yesterday": Way("true", "unreadable", "older than this run", 'parse="junit:old.xml"'),
    "no report file": Way("true", "unreadable", "there is no report file", 'parse="junit:nowhere.xml"'),
    "report file cut": Way("head -c 300 old.xml > cut.xml", "unreadable", "no whole XML", 'parse="junit:cut.xml"'),
    "summary in the wrong stream": Way(f"{PYTEST} forges > /dev/null", "unreadable", "pytest printed no summary"),
    "summary printed by a test": Way(f"{PYTEST} -s forged || true", "unmet", "6/7 tests passed"),
    "pattern that never ends": Way(
        f"{sys.executable} -c 'print(60 * \"a\" + \"!\")'", "unreadable", "took longer", 'parse="regex:(?P<n>(a+)+$)"'
    ),
    "pattern that matches nothing": Way("echo done", "unreadable", "nothing in the output", 'parse="regex:(?P<n>x+)"'),
}  # fmt: skip
# What a green gate looks like, so that the table above does not hold for everything.
EARNED = {
    "tests": Way(f"{PYTEST} good", "passed", "1/1 test passed"),
    "no tests, and told so": Way(f"{PYTEST} empty || true", "passed", "no tests ran", 'expect="total == 0"'),
    "lint with exit zero": Way("ruff-warn check --exit-zero .", "passed", "2 issues"),
    "clean lint": Way("ruff-pass check .", "passed", "0 issues"),
    "warnings of a linter": Way("eslint-warn .", "passed", "2 issues"),
    "not judged": Way("coverage-xml xml", "passed", "not judged: coverage printed no total"),
    "clean, and sent into a file": Way("flake8-pass a.py > log.txt", "passed", "not judged: the script sends"),
    "told not to judge": Way(f"{PYTEST} empty || true", "passed", "", 'parse="none"'),
}

FILES = {
    "good/test_good.py": "def test_a():\n    pass\n",
    "bad/test_bad.py": "def test_a():\n    pass\n\n\ndef test_b():\n    assert 1 == 2\n",
    "empty/readme.txt": "",
    "skipped/test_skipped.py": "import pytest\n\n\n@pytest.mark.skip\ndef test_a():\n    pass\n",
    "leaves/test_leaves.py": "import os\n\n\ndef test_a():\n    os._exit(0)\n",
    "forges/test_forges.py": "import os\n\n\ndef test_a():\n    os.write(2, b'5 passed in 0.1s\\n')\n    os._exit(0)\n",
    "forged/test_forged.py": "def test_a():\n    print('5 passed in 0.10s')\n\n\ndef test_b():\n    assert 0\n",
    "crashes.py": (
        "import atexit, os, signal\n\n\ndef pytest_unconfigure():\n"
        "    atexit.register(os.kill, os.getpid(), signal.SIGSEGV)\n"
    ),
    "unit.py": (
        "import unittest\n\n\nclass Good(unittest.TestCase):\n    def test_a(self):\n        pass\n\n\n"
        "class Bad(unittest.TestCase):\n    def test_a(self):\n        self.fail()\n\n\n"
        "@unittest.skip('later')\nclass Skipped(unittest.TestCase):\n    def test_a(self):\n        pass\n"
    ),
}
PLAYER = """#!{python}
import sys
sys.stdout.buffer.write({stdout!r})
sys.stdout.flush()
sys.stderr.buffer.write({stderr!r})
sys.exit({status})
"""


def play(project: Project, folder: str, sample: str) -> str:
    """A program in a folder of its own that prints a sample; returns the folder."""
    recorded = read(SAMPLES / f"{sample}.txt")
    program = recorded.command.split()[0] if "/" not in recorded.command.split()[0] else "program"
    path = project.folder / "bin" / folder / program
    path.parent.mkdir(parents=True, exist_ok=True)
    text = PLAYER.format(
        python=sys.executable, stdout=recorded.stdout, stderr=recorded.stderr, status=recorded.exit_status
    )
    path.write_text(text)
    path.chmod(0o755)
    return f"bin/{folder}/{program}"


PLAYED = {
    "cargo-no-match": "cargo-test/no-match", "go-warn": "go-test/warn", "go-cached": "go-test/cached",
    "go-no-match": "go-test/no-match",
    "ruff-no-files": "ruff/no-files", "black-no-files": "black/no-files", "pytest-warn": "pytest-benchmark/warn",
    "cargo-warn": "cargo-bench/warn", "mypy-fail": "mypy/fail", "ruff-fail": "ruff/fail", "tsc-fail": "tsc/fail",
    "cargo-fmt-fail": "cargo-fmt/fail", "bandit-fail": "bandit/fail", "cargo-broken": "rustc/broken",
    "bandit-no-folder": "bandit/no-folder", "bandit-no-code": "bandit/no-code", "bandit-level": "bandit/level",
    "bandit-skipped": "bandit/skipped", "pyright-no-folder": "pyright/no-folder", "prove-no-plan": "tap/no-plan",
    "flake8-fail": "flake8/fail", "flake8-pass": "flake8/pass", "prove-too-many": "tap/too-many",
    "prove-warn": "tap/warn",
    "valgrind-warn": "valgrind/warn", "sanitizer-warn": "sanitizer/warn",
    "coverage-warn": "coverage/warn", "eslint-warn": "eslint/warn", "pip-audit-warn": "pip-audit/warn",
    "ruff-warn": "ruff/warn", "ruff-pass": "ruff/pass", "coverage-xml": "coverage/xml",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(module_project: Callable[[], Project]) -> GateRun:
    project = module_project().write(FILES)
    programs = {name: play(project, name, sample) for name, sample in PLAYED.items()}
    declared = ["import pytest_paragate as gate", ""]
    for name, way in {**WAYS, **EARNED}.items():
        first, _, rest = way.command.partition(" ")
        command = f"{programs[first]} {rest}".strip() if first in programs else way.command
        keys = f", {way.keys}" if way.keys else ""
        declared.append(f"gate.command({command!r}, shell=True, name={name!r}{keys})")
    named = [f"check_{number} = {line}" if number else line for number, line in enumerate(declared[1:])]
    project.write({"conftest.py": "\n".join([declared[0], *named]) + "\n"})
    project.write({"old.xml": (read(SAMPLES / "junit/pass.txt").report or b"").decode()})
    (project.folder / "old.xml").touch()
    age(project.folder / "old.xml")
    return project.run("--paragate-slots=test-runner=2", "-m", "paragate", within_s=240)


def age(path: Path) -> None:
    import os

    yesterday = path.stat().st_mtime - 86_400
    os.utime(path, (yesterday, yesterday))


@pytest.mark.parametrize("name", WAYS)
def test_a_false_green_is_not_green(run: GateRun, name: str) -> None:
    check = run.check(name)
    assert (check["outcome"], WAYS[name].says in check["summary"]) == (WAYS[name].outcome, True), check
    assert check["reason"]
    assert check["exit_code"] == 0 or WAYS[name].outcome == "failed"


@pytest.mark.parametrize("name", EARNED)
def test_what_was_earned_passes(run: GateRun, name: str) -> None:
    check = run.check(name)
    assert (check["outcome"], EARNED[name].says in check["summary"]) == ("passed", True), check


def test_the_table_is_long_enough() -> None:
    assert len(WAYS) >= 25


LATE = """
import pytest_paragate as gate

early = gate.command("true")

@gate.check
def release():
    gate.command("touch ran")

@gate.check
def decorates():
    @gate.check
    def inner():
        open("ran", "w")
"""


def test_a_check_that_declares_instead_of_running_is_not_passed(project: Project) -> None:
    run = project.write({"conftest.py": LATE}).run()
    assert run.outcomes() == {"early": "passed", "release": "failed", "decorates": "failed"}
    summary = run.check("release")["summary"]
    assert summary == "conftest.py:8: a check cannot be declared while checks run: nothing would run it"
    assert "use the fixture paragate_run" in run.text
    assert not (run.folder / "ran").exists()

"""Slots and their workers: started when needed, replaced when they die, and to tests like any pytest process."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .gates import WORKER_KINDS, GateRun, Project

# Appends to a file in the project, so that a test can count what ran and in which process.
NOTE = """
import os, pathlib, signal
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent

def note(name, *words):
    with open(HERE / name, "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")
"""
INI = "[tool.pytest.ini_options]\n"


def notes(project: Project, name: str) -> list[list[str]]:
    path = project.folder / name
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


# --- processes that are allowed to stay


def test_allowed_daemons_outlive_gate_and_worker(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE
            + """
import subprocess
served = gate.command("setsid sleep 401 >/dev/null 2>&1 & exit 0", shell=True, leaks="allow", agent="debugger")

@gate.check(leaks="allow")
def serves():
    subprocess.Popen(["sleep", "402"], start_new_session=True)

@gate.check(leaks="allow")
def serves_by_command(paragate_run):
    paragate_run("setsid sleep 403 >/dev/null 2>&1 & exit 0", shell=True)

@gate.check(after=["serves", "serves_by_command"])
def dies():
    subprocess.Popen(["sleep", "404"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGKILL)

@gate.check(after="dies")
def last():
    os.environ["CHANGED"] = "so its worker is replaced"
"""
        }
    )
    run = project.run(workers)
    left = project.processes()
    assert sorted(left.values()) == ["sleep 401 ", "sleep 402 ", "sleep 403 "]
    assert run.outcomes() == {
        "served": "passed",
        "serves": "passed",
        "serves_by_command": "passed",
        "dies": "crashed",
        "last": "passed",
    }
    named = {leak["pid"] for check in run.report["checks"] for leak in check["leaked"] if not leak["killed"]}
    assert named == set(left)


# --- workers that die

DYING_TESTS = (
    NOTE
    + """
@pytest.mark.parametrize("number", range(8))
def test_each(number):
    note("ran", number, os.getpid())
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5:
        os._exit(7)
"""
)


def test_a_dying_worker_costs_one_test_and_no_test_runs_twice(project: Project, workers: str) -> None:
    project.write({"test_dying.py": DYING_TESTS})
    run = project.run(workers, "-rfE")
    ran = notes(project, "ran")
    assert sorted(number for number, _ in ran) == [str(number) for number in range(8)]
    assert len({pid for _, pid in ran}) == 3
    failed = [line for line in run.lines if line.startswith("FAILED test_dying")]
    assert len(failed) == 2
    assert "test_each[3] - SIGSEGV" in failed[0]
    assert "test_each[5] - exit status 7" in failed[1]
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 6)
    assert [worker["restarts"] for worker in run.report["workers"]] == [0, 1, 2]


def test_a_test_that_takes_too_long_costs_no_other(project: Project, workers: str) -> None:
    tests = NOTE + (
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_each(number):\n"
        "    note('ran', number)\n"
        "    while number == 2: pass\n"
    )
    run = project.write({"test_slow.py": tests}).run(workers, "--paragate-timeout=0.5")
    assert sorted(notes(project, "ran")) == [[str(number)] for number in range(6)]
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 5)
    assert re.search(r"TIMEOUT +test_slow.py::test_each\[2\] +took longer than 0.5 s", run.text)


def test_checks_behind_a_dead_worker_run_in_its_slot(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE
            + """
@gate.check(agent="debugger")
def dies():
    note("ran", "dies")
    os.kill(os.getpid(), signal.SIGKILL)

command = gate.command("echo command >> ran", shell=True, agent="debugger", after="dies")

@gate.check(agent="debugger", after="command")
def function():
    note("ran", "function")

@gate.check(agent="debugger", needs="dies")
def needy():
    note("ran", "needy")
"""
        }
    )
    run = project.run(workers)
    assert notes(project, "ran") == [["dies"], ["command"], ["function"]]
    assert run.outcomes() == {"dies": "crashed", "command": "passed", "function": "passed", "needy": "blocked"}
    assert run.check("dies")["exit_code"] == -9
    assert "SIGKILL" in run.check("dies")["reason"]
    assert run.check("dies")["slot"] == run.check("function")["slot"] == "debugger/0"
    assert run.check("dies")["worker"] != run.check("function")["worker"]


def test_a_worker_that_fails_by_itself_is_replaced(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE
            + """
@gate.check
def sabotages():
    from pytest_paragate.run import process
    process.run = lambda *args, **settings: 1 / 0

command = gate.command("echo command >> ran", shell=True, after="sabotages")
last = gate.command("echo last >> ran", shell=True, after="command")
"""
        }
    )
    run = project.run(workers)
    outcomes = run.outcomes()
    assert outcomes.pop("command") in ("error", "crashed")
    assert run.check("command")["reason"]
    assert outcomes == {"sabotages": "passed", "last": "passed"}
    assert notes(project, "ran") == [["last"]]
    assert project.processes() == {}


@pytest.mark.parametrize("limit", [0, 1])
def test_beyond_max_worker_restart_the_rest_is_cancelled_in_words(project: Project, workers: str, limit: int) -> None:
    project.write(
        {
            "conftest.py": NOTE
            + """
@gate.check
@pytest.mark.parametrize("number", range(4))
def dies(number):
    note("ran", number)
    os._exit(9)

elsewhere = gate.command("true", agent="debugger")
"""
        }
    )
    run = project.run(workers, f"--max-worker-restart={limit}")
    assert len(notes(project, "ran")) == limit + 1
    outcomes = run.outcomes()
    assert outcomes.pop("elsewhere") == "passed"
    assert Counter(outcomes.values()) == {"crashed": limit + 1, "cancelled": 3 - limit}
    reasons = {check["reason"] for check in run.report["checks"] if check["outcome"] == "cancelled"}
    assert len(reasons) == 1
    assert reasons.pop() == f"all slots of test-runner are lost: --max-worker-restart allows {limit}"
    assert run.status == 1
    assert run.report["missing"] == []


def test_a_slot_starts_a_worker_only_for_work(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE + "one = gate.command('true', agent='debugger')\n",
            "test_one.py": "def test_one(): pass\n",
            "pyproject.toml": INI + "paragate_slots = ['debugger=3', 'test-runner=4', 'refactorer=2']\n",
        }
    )
    run = project.run(workers)
    assert run.status == 0
    assert sorted(worker["slot"] for worker in run.report["workers"]) == ["debugger/0", "test-runner/0"]
    assert {worker["kind"] for worker in run.report["workers"]} == {workers.partition("=")[2]}


SLOW_GATEWAY = (
    NOTE
    + """
import time

def pytest_paragate_make_gateway(slot):
    if slot == "code-reviewer/0":
        (HERE / "starting").touch()
        give_up_at = time.monotonic() + 60
        while not (HERE / "others-ran").exists() and time.monotonic() < give_up_at:
            time.sleep(0.01)

slow = gate.command("true", agent="code-reviewer")
quick = gate.command("touch others-ran", agent="debugger")
"""
)


def test_a_gateway_that_is_slow_to_start_delays_no_other_slot(project: Project) -> None:
    run = project.write({"conftest.py": SLOW_GATEWAY}).run("--paragate-workers=popen")
    assert run.outcomes() == {"slow": "passed", "quick": "passed"}
    assert (project.folder / "starting").exists()
    assert run.check("quick")["duration_s"] < 50
    assert run.report["wall_s"] < 50


def test_a_gateway_that_cannot_start_is_an_error_of_its_checks_alone(project: Project) -> None:
    conftest = NOTE + (
        "def pytest_paragate_make_gateway(slot):\n"
        "    if slot == 'code-reviewer/0': raise RuntimeError('no such machine')\n"
        "far = gate.command('true', agent='code-reviewer')\n"
        "near = gate.command('true', agent='debugger')\n"
    )
    run = project.write({"conftest.py": conftest}).run("--paragate-workers=popen")
    assert run.outcomes() == {"far": "error", "near": "passed"}
    assert "no such machine" in run.check("far")["reason"]


# --- fixtures

FIXTURES = (
    NOTE
    + """
@pytest.fixture(scope="session")
def everywhere(worker_id):
    note("set-up", worker_id, "up")
    yield
    note("set-up", worker_id, "down")

@pytest.fixture(scope="module")
def here(everywhere, request, worker_id):
    note("set-up", worker_id, request.module.__name__, "up")
    yield
    note("set-up", worker_id, request.module.__name__, "down")

between = gate.command("true")

@gate.check
def function():
    pass
"""
)
FIXTURE_TESTS = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_each(here, number, tmp_path, tmp_path_factory, worker_id):
    from conftest import note
    note("folders", worker_id, tmp_path_factory.getbasetemp(), tmp_path)
    tmp_path.joinpath("file").touch(exist_ok=False)
"""


def test_session_fixtures_are_set_up_and_torn_down_once_in_each_worker(project: Project, workers: str) -> None:
    project.write({"conftest.py": FIXTURES, "test_a.py": FIXTURE_TESTS, "test_b.py": FIXTURE_TESTS})
    run = project.run(workers, "--paragate-slots=test-runner=2")
    assert run.status == 0, run.text
    by_worker: dict[str, list[str]] = {}
    for worker, *words in notes(project, "set-up"):
        by_worker.setdefault(worker, []).append(" ".join(words))
    assert by_worker
    for said in by_worker.values():
        assert said[0] == "up"
        assert said[-1] == "down"
        assert Counter(said).most_common(1)[0][1] == 1, by_worker
        # A module's fixture lasts until another module needs the worker.
        assert [words for words in said if words.endswith("up")][1:] == [
            words.replace("down", "up") for words in said if words.endswith("down")
        ][:-1]


def test_each_worker_has_temporary_folders_of_its_own(project: Project, workers: str) -> None:
    project.write({"conftest.py": FIXTURES, "test_a.py": FIXTURE_TESTS, "test_b.py": FIXTURE_TESTS})
    run = project.run(workers, "--paragate-slots=test-runner=2")
    assert run.status == 0, run.text
    folders = notes(project, "folders")
    assert len(folders) == 12
    base_by_worker = {worker: base for worker, base, _ in folders}
    assert len(set(base_by_worker.values())) == len(base_by_worker)
    assert all(Path(base).name == f"popen-{worker}" for worker, base in base_by_worker.items())
    assert len({folder for _, _, folder in folders}) == 12
    assert all(Path(folder).parent == Path(base_by_worker[worker]) for worker, _, folder in folders)
    assert len({Path(base).parent for base in base_by_worker.values()}) == 1


def test_an_error_in_the_last_teardown_is_reported_and_fails_the_run(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": "import pytest\n@pytest.fixture(scope='session')\n"
            "def broken():\n    yield\n    raise RuntimeError('cannot let go')\n",
            "test_one.py": "def test_one(broken): pass\n",
        }
    )
    run = project.run(workers, "-rE")
    assert run.status == 1
    assert any(line.startswith("ERROR test_one.py::test_one - RuntimeError: cannot let go") for line in run.lines)
    assert "1 passed, 1 error" in run.lines[-1]
    assert (run.report["outcome"], run.report["exitstatus"]) == ("failed", 1)


LAST_TEARDOWN = """
import os, pytest, signal

@pytest.fixture(scope="session")
def shared():
    yield
    {statement}
"""
WANTS_AN_ITEM = """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    {statement}
    return report
"""
FAILS_LATE = """
def pytest_report_to_serializable(report):
    assert report.passed
"""


@pytest.mark.parametrize("statement", ["item.funcargs.get('shared')", "item.funcargs['shared']"])
def test_a_plugin_that_wants_the_item_loses_no_late_error(project: Project, workers: str, statement: str) -> None:
    conftest = LAST_TEARDOWN.format(statement="raise RuntimeError") + WANTS_AN_ITEM.format(statement=statement)
    project.write({"conftest.py": conftest, "test_it.py": "def test_it(shared): pass\n"})
    run = project.run(workers)
    assert run.status == 1
    assert "1 passed, 1 error" in run.lines[-1]


@pytest.mark.parametrize(
    ("statement", "how"),
    [("os._exit(0)", "exit status 0"), ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"), ("raise KeyError", "")],
)
def test_a_worker_that_cannot_end_its_fixtures_fails_the_run(
    project: Project, workers: str, statement: str, how: str
) -> None:
    conftest = LAST_TEARDOWN.format(statement=statement) + FAILS_LATE
    project.write({"conftest.py": conftest, "test_it.py": "def test_it(shared): pass\n"})
    run = project.run(workers)
    assert (run.status, run.report["outcome"]) == (1, "failed")
    assert f"worker gw0 died before its fixtures had ended: {how}" in run.text
    assert "1 passed" in run.lines[-1]


def test_a_crash_in_the_last_teardown_is_told_with_its_place(project: Project, workers: str) -> None:
    conftest = LAST_TEARDOWN.format(statement="import faulthandler; faulthandler._sigsegv()")
    project.write({"conftest.py": conftest, "test_it.py": "def test_it(shared): pass\n"})
    run = project.run(workers)
    assert run.status == 1
    line = 1 + conftest.splitlines().index(next(text for text in conftest.splitlines() if "_sigsegv" in text))
    (problem,) = run.report["problems"]
    assert problem == (
        f"worker gw0 died before its fixtures had ended: SIGSEGV in shared ({project.folder}/conftest.py:{line})"
    )


LATE_TEARDOWN = """
import logging, os, warnings
import pytest

@pytest.fixture(scope="{scope}")
def lib():
    yield
    {statement}

def test_one(lib): pass
"""
# What has the mark is handed out by itself, so what comes before it is not told that it follows.
ALONE = "import pytest\n@pytest.mark.paragate(after='test_one')\ndef test_two(): pass\n"
SAYS_MUCH = "warnings.warn('old words', DeprecationWarning); logging.getLogger('lib').warning('logged words'); 1 / 0"


@pytest.mark.parametrize("scope", ["module", "session"])
def test_a_late_teardown_is_told_with_its_warnings_and_its_log(project: Project, workers: str, scope: str) -> None:
    late = LATE_TEARDOWN.format(scope=scope, statement=SAYS_MUCH)
    run = project.write({"test_a.py": late, "test_b.py": ALONE}).run(workers)
    assert run.status == 1
    assert "DeprecationWarning: old words" in run.text
    told = run.text.partition("Captured log teardown")[2]
    assert "logged words" in told.partition("warnings summary")[0]
    assert "2 passed, 1 warning, 1 error" in run.lines[-1]


def test_a_late_teardown_that_kills_its_worker_is_blamed_on_no_other_test(project: Project, workers: str) -> None:
    late = LATE_TEARDOWN.format(scope="module", statement="os.abort()")
    run = project.write({"test_a.py": late, "test_b.py": ALONE}).run(workers)
    assert run.status == 1
    assert "2 passed in" in run.lines[-1]
    (problem,) = run.report["problems"]
    assert problem.startswith("worker gw0 died before its fixtures had ended: SIGABRT")


COLLECTS = """
import gc, weakref

class Cycle: pass
made_at_import = Cycle()
made_at_import.itself = made_at_import
alive = weakref.ref(made_at_import)

def test_it():
    global made_at_import
    del made_at_import
    gc.collect()
    assert alive() is None
"""
IN_BACKGROUND = """
import pathlib, threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2)
ended = threading.Event()

def write(name):
    ended.wait(1)
    pathlib.Path(name).write_text("written")

def test_it():
    threading.Thread(target=write, args=["by-thread"]).start()
    pool.submit(write, "by-pool")
"""
COMES_BACK = """
import os
import pytest

def test_before(): pass
def test_raises():
    pid = os.fork()
    if not pid:
        raise ValueError("child")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
def test_returns():
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
def test_ends_the_session():
    pid = os.fork()
    if not pid:
        pytest.exit("child", 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
def test_after(): pass
"""


def test_collecting_garbage_finds_what_was_made_at_import(project: Project, workers: str) -> None:
    assert project.write({"test_it.py": COLLECTS}).run(workers).status == 0


def test_threads_of_tests_come_to_their_end(project: Project, workers: str) -> None:
    assert project.write({"test_it.py": IN_BACKGROUND}).run(workers).status == 0
    assert [(project.folder / name).read_text() for name in ("by-thread", "by-pool")] == ["written", "written"]


def test_a_forked_child_that_comes_back_from_its_test_ends_there(project: Project, workers: str) -> None:
    run = project.write({"test_it.py": COMES_BACK}).run(workers)
    assert run.status == 0, run.text
    assert "5 passed" in run.lines[-1]


PATCHES = """
import unittest
from unittest import mock

class TestIt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        patch = mock.patch({patch})
        patch.start()
        cls.addClassCleanup(patch.stop)
    def test_good(self): pass
    def test_bad(self): self.fail("on purpose")
    def test_left_out(self): self.skipTest("on purpose")
"""


@pytest.mark.parametrize(
    "patch",
    [
        "'os.write'",
        "'os.write', side_effect=OSError",
        "'time.monotonic'",
        "'time.monotonic', side_effect=ValueError",
        "'json.dumps', return_value='{}'",
        "'json.dumps', side_effect=ValueError",
        "'json.loads', return_value={}",
    ],
)
def test_what_a_class_of_tests_replaces_is_not_what_workers_use(project: Project, workers: str, patch: str) -> None:
    run = project.write({"test_it.py": PATCHES.format(patch=patch)}).run(workers, "-n", "1")
    assert run.status == 1
    assert "1 failed, 1 passed, 1 skipped" in run.lines[-1]
    assert run.report["problems"] == []


LOOKS_AHEAD = """
def pytest_runtest_teardown(item, nextitem):
    if nextitem is not None:
        assert nextitem in item.session.items or nextitem.nodeid == item.nodeid
        print("goes on in", nextitem.module.__name__, nextitem.function.__name__, nextitem.cls, nextitem.fixturenames)
"""


def test_hooks_are_told_of_a_next_item_that_is_a_test(project: Project, workers: str) -> None:
    many = "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n): pass\n"
    files = {"conftest.py": LOOKS_AHEAD, "test_a.py": many, "test_b.py": many, "test_c.py": "def test_only(): pass\n"}
    run = project.write(files).run(workers, "-n", "2")
    assert run.status == 0, run.text
    assert "9 passed" in run.lines[-1]


OWN_REPORTS = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        {statement}
    return report

def pytest_terminal_summary(terminalreporter):
    for each in terminalreporter.stats.get("passed", ()):
        terminalreporter.line(f"TOLD {{each.nodeid}} {{each.longrepr}} {{each.location}} {{'added' in each.keywords}}")
"""


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("report.keywords['added'] = 1", "test_it.py::test_it None ('test_it.py', 0, 'test_it') True"),
        ("report.longrepr = 'a note'", "test_it.py::test_it a note ('test_it.py', 0, 'test_it') False"),
        ("report.location = ('x.py', 3, 'y')", "test_it.py::test_it None ('x.py', 3, 'y') False"),
        ("report.nodeid = 'test_it.py::other'", "test_it.py::other None ('test_it.py', 0, 'test_it') False"),
    ],
)
def test_what_hooks_write_into_the_report_of_a_pass_is_told(
    project: Project, workers: str, statement: str, told: str
) -> None:
    conftest = OWN_REPORTS.format(statement=statement)
    run = project.write({"conftest.py": conftest, "test_it.py": "def test_it(): pass\n"}).run(workers)
    assert run.status == 0, run.text
    assert f"TOLD {told}" in run.lines


def test_a_skip_in_the_last_teardown_is_no_error(project: Project, workers: str) -> None:
    conftest = LAST_TEARDOWN.format(statement="pytest.skip()")
    project.write({"conftest.py": conftest, "test_it.py": "def test_it(shared): pass\n"})
    run = project.run(workers)
    assert run.status == 0
    assert "1 passed, 1 skipped" in run.lines[-1]


# --- the same outcomes as plain pytest

SUITE = r'''
"""
>>> 1 + 1
2
"""
import logging, sys, unittest, warnings
import pytest

def fails_as_documented():
    """
    >>> 1 + 1
    3
    """

@pytest.fixture
def broken():
    raise RuntimeError("set-up")

@pytest.fixture
def breaks_later():
    yield
    raise RuntimeError("teardown")

@pytest.fixture(scope="class")
def shared(request):
    request.cls.value = 1
    yield
    request.cls.value = None

def test_passes(): pass
def test_fails(): assert [1, 2] == [1, 3]
def test_raises(): raise ValueError("words")
def test_skips(): pytest.skip("not here")
@pytest.mark.skip(reason="marked")
def test_is_skipped(): pass
@pytest.mark.skipif("sys.platform != 'none'", reason="condition")
def test_is_skipped_on_condition(): pass
@pytest.mark.xfail(reason="known")
def test_xfails(): assert 0
@pytest.mark.xfail(reason="known")
def test_xpasses(): pass
@pytest.mark.xfail(strict=True, reason="known")
def test_xpasses_strictly(): pass
def test_xfails_at_run_time(): pytest.xfail("there")
def test_error_in_set_up(broken): pass
def test_error_in_teardown(breaks_later): pass
def test_fails_and_error_in_teardown(breaks_later): assert 0
def test_imports_nothing(): pytest.importorskip("no_such_module_anywhere")
def test_exits(): sys.exit(2)

@pytest.mark.usefixtures("shared")
class TestClass:
    def test_one(self): assert self.value == 1
    def test_two(self): assert self.value == 1

ODD = ["", " ", "a::b", "a/b", "[x]", "\n", "ünï©ode", "日本", "\ud800", "\x1b[31m", "-k", "a" * 200,
       "a" * 200, None, b"\xff"]

@pytest.mark.parametrize("value", ODD)
def test_odd(value): pass

@pytest.mark.parametrize("value", [2**70, -2**40, "\ud800"])
def test_odd_values_in_failures(value): assert value == 0

class TestCase(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self): self.fail("unit")
    def test_subtests(self):
        for number in range(4):
            with self.subTest(f"number {number}"):
                self.assertNotEqual(number, 2)
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.skip("unit skip")
    def test_skipped(self): pass

class TestBroken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("class")
    def test_never(self): pass

def test_capsys(capsys):
    print("out"); print("err", file=sys.stderr)
    assert capsys.readouterr() == ("out\n", "err\n")

def test_capfd(capfd):
    import os
    os.write(1, b"out\n"); os.system("echo child")
    assert capfd.readouterr().out == "out\nchild\n"

def test_caplog(caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("x").info("seen")
    assert caplog.messages == ["seen"]

def test_recwarn(recwarn):
    warnings.warn("kept")
    assert len(recwarn) == 1

def test_warns():
    warnings.warn("shown-to-people", UserWarning)

def test_records(record_property, record_testsuite_property):
    record_property("colour", "grün")

def test_prints():
    print("printed words"); print("error words", file=sys.stderr)
    assert 0
'''
SUITE_INI = INI + "junit_family = 'xunit1'\naddopts = '-rA --doctest-modules --junitxml=junit.xml'\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    run: GateRun

    @property
    def outcomes(self) -> list[str]:
        """pytest's own line about every test: word, node id and message."""
        _, _, text = self.run.text.partition("short test summary info")
        lines = text.partition(" paragate ")[0].splitlines()
        words = r"(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|SUBPASSED|SUBFAILED|SUBSKIPPED)\b"
        # A doctest's failure crosses a gateway as text, of which pytest shows the first line.
        return sorted(line.removesuffix(" - 010 ") for line in lines if re.match(words, line))

    @property
    def cases(self) -> Counter[tuple[str | None, ...]]:
        """What JUnit says of every test, without times."""
        root = ElementTree.parse(self.run.folder / "junit.xml").getroot()
        return Counter(
            (
                case.get("classname"),
                case.get("name"),
                *(
                    f"{child.tag} {child.get('type')} {child.get('message')}".replace(str(self.run.folder), "")
                    for child in case
                    if child.tag != "properties"
                ),
            )
            for case in root.iter("testcase")
        )


def _suite(project: Project, *args: str) -> Suite:
    project.write({"test_suite.py": SUITE, "pyproject.toml": SUITE_INI})
    return Suite(run=project.start_pytest(*args).finish())


@pytest.fixture(scope="module")
def plain(module_project: Callable[[], Project]) -> Suite:
    return _suite(module_project())


@pytest.fixture(scope="module", params=WORKER_KINDS)
def gated(request: pytest.FixtureRequest, module_project: Callable[[], Project]) -> Suite:
    return _suite(module_project(), "--paragate", f"--paragate-workers={request.param}")


def test_ordinary_tests_end_as_under_plain_pytest(plain: Suite, gated: Suite) -> None:
    assert len(plain.outcomes) > 50
    assert gated.outcomes == plain.outcomes
    assert gated.run.status == plain.run.status == 1


def test_pytest_counts_the_same(plain: Suite, gated: Suite) -> None:
    def counts(suite: Suite) -> str:
        return re.sub(r" in [\d.]+s.*", "", suite.run.lines[-1].strip("= "))

    assert "warning" in counts(plain)
    assert counts(gated) == counts(plain)


def test_junit_says_the_same(plain: Suite, gated: Suite) -> None:
    assert gated.cases == plain.cases


def test_recorded_properties_reach_junit(gated: Suite) -> None:
    root = ElementTree.parse(gated.run.folder / "junit.xml").getroot()
    case = next(case for case in root.iter("testcase") if case.get("name") == "test_records")
    assert {"name": "colour", "value": "grün"} in [each.attrib for each in case.iter("property")]


def test_a_warning_is_shown_once(plain: Suite, gated: Suite) -> None:
    shown = "UserWarning: shown-to-people"
    assert plain.run.text.count(shown) == 1
    assert gated.run.text.count(shown) == 1


def test_captured_output_of_a_failure_is_shown(gated: Suite) -> None:
    assert gated.run.lines.count("printed words") == 1
    assert gated.run.lines.count("error words") == 1


def test_names_that_are_no_utf_8_reach_workers(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE + r"raw = gate.command(['sh', '-c', 'echo $0 >> ran', '\udcff'])" + "\n",
            "test_raw.py": NOTE
            + r"""
@pytest.mark.parametrize("value", ["\u00fc", "\u65e5", "\x1b", "\udcff"])
def test_raw(value):
    note("ran", ord(value))
    assert os.environb[b"ACCEPTANCE_RAW"] == b"\xff"
""",
            "pyproject.toml": INI + "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n",
        }
    )
    # Without its cache, where plain pytest cannot keep such names.
    run = project.run(workers, "-p", "no:cacheprovider")
    assert sorted((project.folder / "ran").read_bytes().split()) == [b"252", b"26085", b"27", b"56575", b"\xff"]
    assert (run.status, run.outcomes()) == (0, {"raw": "passed"}), run.text


# --- live output


def test_s_streams_output_with_the_name_in_front(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": NOTE
            + r"""
talks = gate.command(r"printf 'one\ntwo\n'; printf 'three\n' >&2; printf 'no newline'", shell=True)

@gate.check
def runs(paragate_run):
    print("printed")
    paragate_run(["sh", "-c", "echo from a command"])
""",
            "test_one.py": "def test_speaks():\n    print('from a test')\n",
        }
    )
    run = project.run(workers, "-s")
    assert run.status == 0
    talk = [line for line in run.lines if line.startswith("talks | ")]
    assert set(talk) == {"talks | one", "talks | two", "talks | three", "talks | no newline"}
    assert talk.index("talks | one") < talk.index("talks | two")
    assert "runs | printed" in run.lines
    assert run.lines.count("runs | from a command") == 1
    assert "from a test" in run.text


# --- tests that do not end by themselves


TIMEOUTS = """
import time, os, signal, pytest

def test_before(): pass

@pytest.mark.timeout(0.5)
def test_sleeps():
    time.sleep(300)

@pytest.mark.paragate(timeout=0.5, grace=0.3)
def test_spins_in_c():
    sum(range(10**13))

def test_after(): pass
"""


def test_a_late_test_shows_what_it_was_doing(project: Project, workers: str) -> None:
    project.write({"test_it.py": TIMEOUTS})
    run = project.run(workers)
    assert run.status == 1
    assert "2 failed, 2 passed" in run.text
    assert ">       time.sleep(300)" in run.lines
    assert "TIMEOUT  test_it.py::test_sleeps      took longer than 0.5 s" in run.lines
    assert "TIMEOUT  test_it.py::test_spins_in_c  took longer than 0.5 s" in run.lines
    assert re.search(r'File ".*test_it\.py", line \d+ in test_spins_in_c$', run.text, re.MULTILINE)
    assert "pytest_pyfunc_call" not in run.text
    assert "pytest_paragate." not in run.text


def test_a_worker_that_was_stopped_is_replaced(project: Project, workers: str) -> None:
    text = "import os, signal\ndef test_stops(): os.kill(os.getpid(), signal.SIGSTOP)\ndef test_after(): pass\n"
    run = project.write({"test_it.py": text}).run(workers)
    assert run.status == 1
    assert "1 failed, 1 passed" in run.text
    assert re.search(r"crashed: worker gw0 was stopped by a signal and not continued after \d", run.text)


def test_a_worker_that_was_stopped_for_a_moment_may_end_its_fixtures(project: Project, workers: str) -> None:
    text = """
import os, pathlib, signal, subprocess, time
import pytest
@pytest.fixture(scope="session")
def slow():
    yield
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {os.getpid()}"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(2.5)
    pathlib.Path("ended").touch()
def test_it(slow): pass
"""
    run = project.write({"test_it.py": text}).run(workers)
    assert run.status == 0, run.text
    assert (project.folder / "ended").exists()


def test_a_warning_at_import_is_told_once(project: Project, workers: str) -> None:
    text = "import warnings\nwarnings.warn('seen at import')\ndef test_it(): warnings.warn('seen in a test')\n"
    run = project.write({"test_it.py": text}).run(workers)
    assert run.status == 0
    assert run.text.count("UserWarning: seen at import") == 1
    assert run.text.count("UserWarning: seen in a test") == 1


IN_THREADS = """
from concurrent.futures import ThreadPoolExecutor
import pytest_paragate as gate

@gate.check
def threads(paragate_run):
    commands = [["sh", "-c", f"sleep 0.0{number % 3}; echo {number}"] for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        assert [done.stdout for done in pool.map(paragate_run, commands)] == [f"{number}\\n" for number in range(20)]
"""


SHARES_MEMORY = """
from multiprocessing import shared_memory

def test_it():
    global block  # which is never unlinked
    block = shared_memory.SharedMemory(create=True, size=13)
    open("name", "w").write(block.name)
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory has no names here")
def test_shared_memory_that_a_test_leaves_is_cleared_up(project: Project, workers: str) -> None:
    assert project.write({"test_it.py": SHARES_MEMORY}).run(workers).status == 0
    assert not Path("/dev/shm", (project.folder / "name").read_text()).exists()


def test_output_of_what_ends_after_its_test_is_shown_live(project: Project, workers: str) -> None:
    late = LATE_TEARDOWN.format(scope="session", statement="print('words at the end')")
    thread = "import threading\ndef test_two(): threading.Timer(0.3, print, ['words of a thread']).start()\n"
    run = project.write({"test_a.py": late, "test_b.py": thread}).run(workers, "-s")
    assert run.status == 0, run.text
    assert any(line.endswith("| words at the end") for line in run.lines)
    assert any(line.endswith("| words of a thread") for line in run.lines)


def test_without_workers_left_a_death_in_a_late_teardown_cancels_the_rest(project: Project, workers: str) -> None:
    late = LATE_TEARDOWN.format(scope="module", statement="os.abort()")
    project.write({"test_a.py": late, "test_b.py": ALONE.replace("test_two", "test_innocent")})
    run = project.run(workers, "--max-worker-restart=0")
    assert run.status == 1
    assert run.check("test_innocent")["outcome"] == "cancelled"
    assert run.report["problems"][0].startswith("worker gw0 died before its fixtures had ended: SIGABRT")


KEEPS_THE_NEXT = """
def pytest_runtest_teardown(item, nextitem):
    item.kept = nextitem
"""
WATCHED = """
import pytest, weakref

class Resource: pass
made = []

@pytest.fixture
def resource():
    value = Resource()
    made.append(weakref.ref(value))
    yield value

def test_it(resource): pass
"""
GONE = "import gc, sys\ndef test_gone():\n    gc.collect()\n    assert sys.modules['test_a'].made[0]() is None\n"


def test_who_keeps_the_next_item_keeps_no_fixtures(project: Project, workers: str) -> None:
    run = project.write({"conftest.py": KEEPS_THE_NEXT, "test_a.py": WATCHED, "test_b.py": GONE}).run(workers)
    assert run.status == 0, run.text


def test_a_check_may_run_commands_from_threads(project: Project, workers: str) -> None:
    run = project.write({"conftest.py": IN_THREADS}).run(workers)
    assert run.outcomes() == {"threads": "passed"}, run.text
    assert run.check("threads")["leaked"] == []


def test_outputs_of_a_run_are_kept_while_it_runs_whatever_ends_meanwhile(project: Project) -> None:
    waits = 'f = gate.command("echo words; touch begun; until test -e end; do sleep 0.01; done; exit 3", shell=True)\n'
    project.write({"conftest.py": f"import pytest_paragate as gate\n{waits}short = gate.command('false')\n"})
    long = project.start("-k", "f and not short")
    long.wait_for("begun")
    for _ in range(5):
        assert project.run("-k", "short").outcomes() == {"short": "failed"}
    project.write({"end": ""})
    run = long.finish()
    assert Path(run.check("f")["log"]).read_text("utf-8") == "words\n"


def test_silent_checks_leave_no_files(project: Project, workers: str) -> None:
    says = "import pytest_paragate as gate\nsilent = gate.command('true')\nsays = gate.command('echo words')\n"
    project.write({"conftest.py": says})
    for _ in range(2):
        run = project.run(workers, "-k", "silent")
        assert run.outcomes() == {"silent": "passed"}
    logs = project.folder / ".pytest_cache/d/paragate/logs"
    assert list(logs.iterdir()) == []
    project.run(workers)
    assert [path.name for path in logs.glob("*/*")] == ["conftest.py_says.log"]


KNOWS_WHAT_IS_IMPORTED = """
import os, sys

at_fork = set()

def late():
    return sorted(name for name in set(sys.modules) - at_fork if name.startswith("pytest_paragate"))

os.register_at_fork(before=lambda: at_fork or at_fork.update(sys.modules))
heard = []

def pytest_runtest_logreport(report):
    heard.append(report)
    if len(heard) == 101:  # of which some have been reported
        print(late(), file=open("late", "w"))
"""
HAS_NOTHING_LATE = """
import pytest
from conftest import late

@pytest.mark.parametrize("number", range(120))
def test_it(number): assert late() == []
"""


def test_for_many_tests_everything_is_imported_before_the_fork(project: Project) -> None:
    # Twice: durations from history are looked at with more modules.
    project.write({"conftest.py": KNOWS_WHAT_IS_IMPORTED, "test_it.py": HAS_NOTHING_LATE})
    for _ in range(2):
        run = project.run("-n", "2")
        assert run.status == 0, run.text
        assert (project.folder / "late").read_text() == "[]\n"


REPORTS_SLOWLY = """
import time

heard = []

def pytest_runtest_logreport(report):
    if report.when == "call" and len(heard) < 20:
        heard.append(report)
        time.sleep(0.25)
        if len(heard) == 20:
            print(len(open("ran").readlines()), file=open("ran-by-then", "w"))
"""
NOTES_THAT_IT_RAN = """
import pytest, time

@pytest.mark.parametrize("number", range(200))
def test_it(number):
    time.sleep(0.01)
    with open("ran", "a") as file: file.write("x\\n")
"""


def test_a_slow_reporter_keeps_no_slot_waiting(project: Project) -> None:
    run = project.write({"conftest.py": REPORTS_SLOWLY, "test_it.py": NOTES_THAT_IT_RAN}).run("-n", "2")
    assert run.status == 0, run.text
    assert (project.folder / "ran-by-then").read_text() == "200\n"


CHANGES_THE_ITEMS = """
done = []

def pytest_runtest_teardown(item):
    if item.name == "test_it[2]" and not done:
        done.append(item)
        item.session.items.insert(3, item.session.items[0])
"""


def test_a_hook_that_changes_the_items_of_a_session_changes_nobody_elses_tests(project: Project) -> None:
    tests = "import pytest\n@pytest.mark.parametrize('number', range(8))\ndef test_it(number): assert number != 7\n"
    run = project.write({"conftest.py": CHANGES_THE_ITEMS, "test_it.py": tests}).run("-n", "1", "-rA")
    assert run.status == 1
    assert "FAILED test_it.py::test_it[7]" in run.text
    assert [run.text.count(f"PASSED test_it.py::test_it[{number}]") for number in range(8)] == [1] * 7 + [0]


EXPECTS_IN_VAIN = """
import time
import pytest
import pytest_paragate as gate

@gate.check(expect="duration_s < 0")
def slow(): pass
"""


def test_what_fails_only_by_what_was_expected_is_a_failure_to_pytest(project: Project, workers: str) -> None:
    project.write(
        {
            "conftest.py": EXPECTS_IN_VAIN,
            "test_it.py": "import pytest\n@pytest.mark.paragate(expect='duration_s < 0')\ndef test_slow(): pass\n",
        }
    )
    run = project.run(workers, "--junitxml=junit.xml")
    assert run.outcomes() == {"slow": "unmet", "test_slow": "unmet"}
    suite = ElementTree.parse(project.folder / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    assert "wanted duration_s < 0" in str(suite.find("testcase/failure").get("message"))
    again = project.run(workers, "--lf")
    assert again.outcomes() == run.outcomes()


def test_a_test_that_asks_for_it_fails_for_what_it_leaves_running(project: Project, workers: str) -> None:
    leaves = "import pytest, subprocess\n@pytest.mark.paragate(leaks='fail')\n"
    leaves += "def test_it(): subprocess.Popen(['sleep', '405'])\ndef test_other(): pass\n"
    run = project.write({"test_it.py": leaves}).run(workers)
    assert run.check("test_it")["outcome"] == "failed", run.text
    assert [leak["command"] for leak in run.check("test_it")["leaked"]] == ["sleep 405"]
    assert run.status == 1


COLLECTS_SLOWLY = """
import os, time
import pytest_paragate as gate

if "PYTEST_XDIST_WORKER" in os.environ:
    time.sleep(2)

command = gate.command("true", timeout=0.5, grace=0, parse=lambda output: {"good": 1})
"""


def test_the_time_of_a_command_does_not_begin_before_its_worker_has_collected(project: Project) -> None:
    run = project.write({"conftest.py": COLLECTS_SLOWLY}).run("--paragate-workers=popen")
    assert run.outcomes() == {"command": "passed"}, run.text


@pytest.mark.parametrize("request_", ["raise KeyboardInterrupt", "import pytest; pytest.exit('enough', 7)"])
def test_a_test_that_ends_the_session_in_its_body_has_failed_there(
    project: Project, workers: str, request_: str
) -> None:
    run = project.write({"test_it.py": f"def test_it(): {request_}\n"}).run(workers, "--junitxml=junit.xml")
    assert run.status == (7 if "exit" in request_ else 2)
    suite = ElementTree.parse(project.folder / "junit.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")


def test_stepwise_ends_at_the_first_failure(project: Project) -> None:
    tests = "import pytest, time\n@pytest.mark.parametrize('number', range(40))\n"
    tests += "def test_it(number):\n    time.sleep(0.02)\n    assert number != 3\n"
    run = project.write({"test_it.py": tests}).run("-n", "1", "--sw")
    assert run.status == 2
    # What the worker had begun by then has run.
    assert re.search(r"\b1 failed, (?:[3-9]|1[0-9]) passed", run.text), run.text


STOPS_ITS_KEEPER = """
import os, signal, time

def test_it():
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(300)

def test_other(): pass
"""


def test_a_keeper_that_a_signal_has_stopped_is_as_good_as_a_stopped_worker(project: Project) -> None:
    run = project.write({"test_it.py": STOPS_ITS_KEEPER}).run("-n", "1", "--paragate-workers=popen")
    assert run.status == 1
    assert "stopped by a signal and not continued" in run.text
    assert "1 failed, 1 passed" in run.text

"""Workers on other interpreters and machines: ``--tx``, ``--px`` and the hook that makes gateways.

The other machine is this one, reached through a real socket server or a program ``ssh`` that runs what it is told. To
be a stranger it must not see the run's folder, which a ``sitecustomize.py`` sees to.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import execnet.script.socketserver
import pytest

from .gates import ROOT, GateRun, Project, wait_until

SUITE = """
import os, pathlib, signal, subprocess, sys, warnings
import pytest

@pytest.fixture(scope="session")
def shared():
    yield 1
    raise RuntimeError("last teardown")

@pytest.fixture(scope="module")
def here():
    yield os.getcwd()

@pytest.mark.parametrize("value", ["a", "\\u00fc", 2**70, b"\\xff", None])
def test_each(value, here, tmp_path):
    (tmp_path / "file").write_text(repr(value))

def test_fails():
    print("printed words")
    assert [1, 2] == [1, 3]

def test_skips(): pytest.skip("not here")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert 0
@pytest.fixture
def broken(): raise RuntimeError('set-up')
def test_error(broken): pass
def test_warns(): warnings.warn("shown-to-people", UserWarning)
def test_records(record_property): record_property("colour", "gr\\u00fcn")
def test_is_told_who_it_is(worker_id, testrun_uid):
    assert worker_id == os.environ["PYTEST_XDIST_WORKER"]
    assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"] == "one-run"
def test_last(shared): pass
"""
# Where a worker is, by a name for it; {…} are filled in by `there`.
PLACES = {
    "popen": "--tx popen",
    "python": "--tx popen//python={python}",
    "folder": "--tx popen//chdir={copy}",
    "socket": "--tx socket={socket}",
    "through a socket": "--px id=there//socket={socket} --tx 2*popen//via=there",
    "ssh": "--tx ssh=near//python={python}",
    "stranger": "--tx ssh=far//python={python}//chdir={copy}",
    "through ssh": "--px id=hop//ssh=far//python={python} --tx ssh=far//via=hop//python={python}//chdir={copy}",
    "hook": "--paragate-workers=popen -o test_gateway=popen",
}
KINDS = {"socket": "socket", "ssh": "ssh", "stranger": "ssh", "through ssh": "ssh"}
CONFTEST = """
import execnet
import pytest_paragate as gate

def pytest_addoption(parser):
    parser.addini("test_gateway", "")

def pytest_paragate_make_gateway(slot, config):
    spec = config.getini("test_gateway")
    return execnet.makegateway(spec) if spec else None
"""
SSH = """#!/bin/sh
shift  # -C
test "$1" = far && export PYTHONPATH={far}:$PYTHONPATH
shift
cd /
exec sh -c "$*"
"""
# The token by which a worker's machine is known to share our files.
STRANGER = """
import builtins
own_open = builtins.open
def open(name, *args, **settings):
    if "worker-token-" in str(name):
        raise FileNotFoundError(name)
    return own_open(name, *args, **settings)
builtins.open = open
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another interpreter, which finds what a worker needs by PYTHONPATH alone."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def there(
    project: Project, python: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[str]]]:
    """Arguments that lead to a place, with everything that is needed to get there."""
    folder = tmp_path_factory.mktemp("there")
    (folder / "far").mkdir()
    (folder / "far" / "sitecustomize.py").write_text(STRANGER)
    (folder / "ssh").write_text(SSH.format(far=folder / "far"))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    own = [entry for entry in sys.path if entry.endswith("site-packages")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *own]))
    with contextlib.ExitStack() as stack:

        def arguments(place: str) -> list[str]:
            text = PLACES.get(place, place)
            values = {"python": python, "copy": folder / "copy"}
            if "{copy}" in text:
                shutil.copytree(project.folder, folder / "copy", dirs_exist_ok=True)
            if "{socket}" in text:
                values["socket"] = stack.enter_context(_socket_server(project, folder))
            return text.format(**values).split(" ")

        yield arguments


@contextlib.contextmanager
def _socket_server(project: Project, folder: Path) -> Iterator[str]:
    path = folder / "server.txt"
    with open(path, "wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-u", execnet.script.socketserver.__file__, "127.0.0.1:0"],
            cwd=folder,
            env=project.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        found = wait_until(lambda: re.search(r"\('127.0.0.1', (\d+)\)", path.read_text()), "the server's port")
        yield f"127.0.0.1:{found[1]}"
    finally:
        server.kill()
        server.wait()


def _summary(run: GateRun) -> list[str]:
    """pytest's own line about every test."""
    text = run.text.partition("short test summary info")[2].partition(" paragate ")[0]
    return sorted(line for line in text.splitlines() if re.match(r"[A-Z]+\b", line))


def _without_server(project: Project) -> dict[int, str]:
    return {pid: words for pid, words in project.processes().items() if "socketserver" not in words}


@pytest.fixture(scope="module")
def plain(module_project: Callable[[], Project]) -> GateRun:
    project = module_project().write({"test_suite.py": SUITE.replace("test_is_told", "is_told")})
    return project.start_pytest("-rA").finish()


@pytest.mark.parametrize("place", PLACES)
def test_tests_end_as_under_plain_pytest(
    project: Project, there: Callable[[str], list[str]], plain: GateRun, place: str
) -> None:
    project.write({"test_suite.py": SUITE, "conftest.py": CONFTEST})
    run = project.run(*there(place), "-rA", "--testrunuid=one-run")
    told = "PASSED test_suite.py::test_is_told_who_it_is"
    assert told in _summary(run), run.text
    # The last teardown is late, and blamed on the last test of its worker: the same one.
    assert [line for line in _summary(run) if line != told] == _summary(plain)
    assert len(_summary(plain)) > 10
    assert run.status == 1
    assert run.text.count("UserWarning: shown-to-people") == 1
    assert run.text.count("printed words") == plain.text.count("printed words")
    assert {worker["kind"] for worker in run.report["workers"]} == {KINDS.get(place, "popen")}
    assert _without_server(project) == {}


DYING = """
import os, signal, subprocess, sys, time
import pytest
@pytest.mark.parametrize("number", range(8))
def test_each(number):
    with open({ran!r}, "a") as file:
        file.write(f"{{number}} {{os.getcwd()}} {{sys.executable}}\\n")
    if number == 2:
        subprocess.Popen(["sleep", "501"], start_new_session=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5:
        while True: pass
"""


@pytest.mark.parametrize("place", [place for place in PLACES if place != "popen"])
def test_a_worker_that_dies_or_hangs_costs_one_test(
    project: Project, there: Callable[[str], list[str]], place: str
) -> None:
    ran = project.folder / "ran"
    project.write({"test_dying.py": DYING.format(ran=str(ran)), "conftest.py": CONFTEST})
    arguments = there(place)
    run = project.run(*arguments, "--paragate-timeout=1", "--tb=short", "-rf")
    lines = [line.split() for line in ran.read_text().splitlines()]
    assert sorted(number for number, _, _ in lines) == [str(number) for number in range(8)], run.text
    summary = _summary(run)
    assert summary == [
        "FAILED test_dying.py::test_each[2] - SIGSEGV",
        "FAILED test_dying.py::test_each[5] - took longer than 1 s",
    ]
    assert run.report["agents"][0]["passed"] == 6
    assert _without_server(project) == {}, "what a dead worker had started lives on"
    if "copy" in PLACES[place]:
        assert {folder for _, folder, _ in lines} == {arguments[-1].rpartition("chdir=")[2]}
    if "{python}" in PLACES[place]:
        assert {executable for _, _, executable in lines} != {sys.executable}


@pytest.mark.parametrize("place", ["python", "stranger", "hook"])
def test_checks_of_the_test_runner_go_there_too(
    project: Project, there: Callable[[str], list[str]], place: str
) -> None:
    conftest = CONFTEST + (
        "import sys\n"
        "talks = gate.command('echo words; echo more >&2; pwd; exit 3', shell=True)\n"
        "floods = gate.command('echo BEGIN; yes 0123456789 | head -c 20000000; echo END; exit 4', shell=True)\n"
        "near = gate.command('true', agent='debugger', after=['talks'])\n"
        "@gate.check(after='floods')\n"
        "def function(paragate_run):\n"
        "    assert paragate_run('echo said').stdout == 'said\\n'\n"
    )
    project.write({"conftest.py": conftest})
    arguments = there(place)
    run = project.run(*arguments)
    expected = {"talks": "failed", "floods": "failed", "near": "passed", "function": "passed"}
    assert run.outcomes() == expected, run.text
    log = Path(run.check("talks")["log"])
    folder = arguments[-1].rpartition("chdir=")[2] if place == "stranger" else project.folder
    assert {"words", "more", str(folder)} <= set(log.read_text().splitlines())
    assert project.folder in log.parents
    flood = Path(run.check("floods")["log"]).read_bytes()
    assert flood.startswith(b"BEGIN\n")
    assert flood.endswith(b"END\n")
    assert (len(flood) > 20_000_000) == (place != "stranger")
    assert f"whole log: {run.check('floods')['log']}" in run.text
    assert 0 <= run.check("talks")["start_s"] <= run.check("near")["start_s"] <= run.report["wall_s"]
    assert _without_server(project) == {}


def test_environment_of_a_gateway(project: Project, there: Callable[[str], list[str]]) -> None:
    conftest = "import pytest_paragate as gate\nx = gate.command('test \"$COLOUR\" = red', shell=True)\n"
    tests = "import os\ndef test_it(): assert os.environ['COLOUR'] == 'red' and os.nice(0) >= 3\n"
    project.write({"conftest.py": conftest, "test_it.py": tests})
    run = project.run(*there("--tx popen//env:COLOUR=red//nice=3"))
    assert (run.status, run.outcomes()) == (0, {"x": "passed"}), run.text


# --- what cannot be a worker, and what differs

NEEDS = "No module named 'pytest_paragate'"


def test_an_interpreter_without_the_package_is_lost_in_words_and_others_do_its_work(
    project: Project, there: Callable[[str], list[str]]
) -> None:
    project.write({"test_it.py": "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_it(n): pass\n"})
    # -E: without PYTHONPATH the interpreter finds nothing.
    path = there("{python}")[0]
    project.folder.joinpath("bare").write_text(f'#!/bin/sh\nexec {path} -E "$@"\n')
    project.folder.joinpath("bare").chmod(0o755)
    run = project.run("--tx", "popen//python=./bare", "--tx", "popen")
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 9), run.text
    (problem,) = run.report["problems"]
    assert problem.startswith(
        "the slot test-runner/0 was lost: its gateway (popen//python=./bare) could not be started"
    )
    assert NEEDS in problem
    assert "install pytest-paragate" in problem
    alone = project.run("--tx", "popen//python=./bare", "-rfE")
    assert alone.status == 1
    assert "CANCELLED  8 tests" in alone.text
    assert alone.text.count(NEEDS) >= 1
    assert project.processes() == {}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("socket=127.0.0.1:1", "Connection refused"),
        ("ssh=nowhere//python=no-such-python", "not found"),
        ("ssh=near//python={python}//chdir=/no/such/folder", "there is no folder /no/such/folder"),
        ("popen//python=/bin/echo", "no Python interpreter: it says"),
    ],
)
def test_a_gateway_that_leads_nowhere_says_why(
    project: Project, there: Callable[[str], list[str]], spec: str, reason: str
) -> None:
    project.write({"test_it.py": "def test_it(): pass\n"})
    run = project.run(*there(f"--tx {spec} --tx popen"))
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 1), run.text
    assert reason in run.report["problems"][0] or reason in run.text
    assert run.report["problems"][0].startswith("the slot test-runner/0 was lost: ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("", "of test_it.py it has 0 items"),
        ("import no_such_module\n", "collecting test_it.py failed there: ModuleNotFoundError"),
        (
            "import pytest\npytest.skip('not on this', allow_module_level=True)\n",
            "test_it.py is skipped there: Skipped: not",
        ),
        ("import pytest\n@pytest.mark.parametrize('n', [7])\ndef test_it(n): pass\n", "but test_it.py::test_it[7]"),
    ],
)
def test_what_was_not_collected_there_is_an_error_that_says_why(
    project: Project, there: Callable[[str], list[str]], change: str, reason: str
) -> None:
    tests = "import pytest\n@pytest.mark.parametrize('n', range(2))\ndef test_it(n): pass\n"
    project.write({"test_it.py": tests, "test_other.py": "def test_other(): pass\n"})
    arguments = there("folder")
    Path(arguments[-1].rpartition("chdir=")[2], "test_it.py").write_text(change)
    run = project.run(*arguments, "-rE")
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 1), run.text
    assert run.text.count("this worker did not collect test_it.py::test_it[") >= 2
    assert reason in run.text


def test_what_was_collected_there_alone_is_named_and_not_run(
    project: Project, there: Callable[[str], list[str]]
) -> None:
    project.write({"test_it.py": "def test_it(): pass\n"})
    arguments = there("folder")
    copy = Path(arguments[-1].rpartition("chdir=")[2])
    (copy / "test_more.py").write_text("def test_more(): open('ran', 'w')\n")
    run = project.run(*arguments)
    assert run.status == 0, run.text
    assert "does not run it: test_more.py::test_more" in run.text
    assert not (copy / "ran").exists()


def test_a_session_that_fails_inside_a_worker_says_what_failed(project: Project) -> None:
    conftest = """
import pytest
import pytest_paragate as gate

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    yield
    if item.name == "test_one" and hasattr(item.config, "workerinput"):
        from pytest_paragate.run import items
        items._keywords = lambda item: 1 / 0
    return True

def pytest_configure(config):
    if hasattr(config, "workeroutput"):
        config.workeroutput["told"] = 1

def pytest_testnodedown(node):  # takes for granted what was told, as pytest-metadata does
    if hasattr(node, "workeroutput"):
        node.workeroutput["told"]
"""
    project.write({"conftest.py": conftest, "test_it.py": "def test_one(): pass\ndef test_two(): pass\n"})
    run = project.run("--paragate-workers=popen")
    assert "the worker's own session ended with exit status 3: ZeroDivisionError: division by zero" in run.text
    assert "died" not in run.text
    assert (run.status, run.report["agents"][0]["passed"]) == (1, 1)


# --- interruptions

HANGING = """
import pathlib, subprocess, time
import pytest_paragate as gate

@gate.check
def hangs():
    subprocess.Popen(["sleep", "502"], start_new_session=True)
    pathlib.Path({ready!r}).touch()
    time.sleep(300)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("place", ["python", "socket", "stranger"])
def test_nothing_stays_behind_when_the_run_is_ended(
    project: Project, there: Callable[[str], list[str]], place: str, signum: int
) -> None:
    project.write({"conftest.py": HANGING.format(ready=str(project.folder / "ready"))})
    running = project.start(*there(place))
    running.wait_for("ready")
    running.signal(signum)
    run = running.finish()
    if signum == signal.SIGINT:
        assert (run.status, run.outcomes()) == (2, {"hangs": "cancelled"}), run.text
    wait_until(lambda: not _without_server(project), "everything is gone", within_s=8)

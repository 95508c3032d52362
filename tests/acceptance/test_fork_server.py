"""The fork server is killed in the middle of a run: every item has its verdict, in words, and no process is left."""

from __future__ import annotations

import os
import signal

import pytest

from pytest_paragate.run import linux

from .gates import Project, wait_until
from .test_interruption import GONE_WITHIN_S

CONFTEST = """
import os, pathlib, signal, subprocess, time
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent
READY = ["command-ready", "daemon-ready", "function-ready", "test-ready"]

command = gate.command("touch command-ready; sleep 601", shell=True, agent="a")
daemon = gate.command("setsid sleep 602 & touch daemon-ready; sleep 603", shell=True, agent="b")
later = gate.command("touch later-ran", agent="a", after="command")
needy = gate.command("touch later-ran", agent="d", needs="command")

@gate.check(agent="c")
def function():
    subprocess.Popen(["sleep", "604"], start_new_session=True)
    (HERE / "function-ready").touch()
    time.sleep(300)

@gate.check(agent="e")
def kills():
    give_up_at = time.monotonic() + 60
    while not all((HERE / name).exists() for name in READY):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(300)
"""
STOPPING = """
import os, signal, time
import pytest_paragate as gate

waits = gate.command("sleep 601", agent="a")

@gate.check(agent="b")
def stops():
    os.kill(os.getppid(), signal.SIGSTOP)
    {then}

later = gate.command("touch later-ran", agent="b", after="stops")
"""
TESTS = """
import pathlib, time
import pytest
@pytest.mark.parametrize("number", range(50))
def test_each(number):
    if number == 3:
        pathlib.Path(__file__).with_name("test-ready").touch()
        time.sleep(300)
"""
TESTS_ELSEWHERE = """
import pathlib
def test_there(): pathlib.Path(__file__).with_name("test-ready").touch()
"""
INI = "[tool.pytest.ini_options]\nparagate_agents = ['a', 'b', 'c', 'd', 'e']\n"


@pytest.mark.parametrize("extra", [[], ["--tx", "popen"]], ids=["alone", "beside workers elsewhere"])
def test_a_killed_fork_server(project: Project, extra: list[str]) -> None:
    project.write({"conftest.py": CONFTEST, "pyproject.toml": INI})
    if not extra:
        project.write({"test_each.py": TESTS})
    else:
        project.write({"test_each.py": TESTS_ELSEWHERE})
    run = project.run("--paragate-workers=fork", "--tb=short", *extra)
    why = "the fork server was killed by SIGKILL"
    assert run.outcomes() == {
        "command": "error", "daemon": "error", "function": "error", "kills": "error",
        "later": "cancelled", "needy": "blocked",
    }, run.text  # fmt: skip
    for name in ("command", "daemon", "function", "kills"):
        assert run.check(name)["reason"] == why
    assert run.check("later")["reason"] == f"all slots of a are lost: {why}"
    tests = next(agent for agent in run.report["agents"] if agent["agent"] == "test-runner")
    if extra:
        assert (tests["passed"], tests["other"]) == (1, 0)
    else:
        assert (tests["tests"], tests["passed"]) == (50, 3)
        assert f"FAILED test_each.py::test_each[3] - {why}" in run.text
        assert "46 tests" in run.text
    assert run.status == 1
    assert run.report["missing"] == []
    assert not (project.folder / "later-ran").exists()
    assert "Traceback" not in run.text
    assert project.processes() == {}


def test_a_stopped_fork_server_is_as_good_as_a_killed_one(project: Project) -> None:
    project.write({"conftest.py": STOPPING.format(then="time.sleep(300)"), "pyproject.toml": INI})
    run = project.run("--paragate-workers=fork", "--tb=short")
    why = "the fork server was stopped by a signal and not continued"
    assert run.outcomes() == {"waits": "error", "stops": "error", "later": "cancelled"}, run.text
    assert [run.check(name)["reason"] for name in ("waits", "stops")] == [why, why]
    assert run.status == 1
    assert not (project.folder / "later-ran").exists()
    assert project.processes() == {}


def test_a_fork_server_that_is_stopped_when_all_is_done_keeps_nobody_waiting(project: Project) -> None:
    conftest = STOPPING.format(then="pass").replace("sleep 601", "true").replace("later", "# later")
    project.write({"conftest.py": conftest, "pyproject.toml": INI})
    run = project.run("--paragate-workers=fork")
    assert run.outcomes() == {"waits": "passed", "stops": "passed"}, run.text
    assert run.status == 0, run.text
    assert project.processes() == {}


FAILS_TO_PREPARE = """
import sys
import pytest_paragate as gate

command = gate.command("true")

def pytest_plugin_registered(plugin, manager):
    if manager.get_name(plugin) == "paragate-relay":
        print("PRINTED THERE")
        print("ERROR THERE", file=sys.stderr)
        raise RuntimeError("is not to be registered")
"""


def test_a_plugin_that_fails_in_the_fork_server_fails_what_needs_it_and_prints_nothing(project: Project) -> None:
    project.write({"conftest.py": FAILS_TO_PREPARE, "test_it.py": "def test_it(): pass\ndef test_more(): pass\n"})
    run = project.run("-n", "2")
    assert run.check("command")["outcome"] == "passed"
    assert "its worker failed: RuntimeError: is not to be registered" in run.text
    assert run.status == 1
    assert "THERE" not in run.text
    assert "fork server" not in run.text


DIES_UNHEARD = """
import os, pathlib, signal, subprocess, time
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(number):
    subprocess.Popen(["setsid", "sleep", f"70{number}"])
    pathlib.Path(f"ready-{number}").touch()
    time.sleep(300)
"""


def test_a_fork_server_clears_up_although_the_main_process_died_with_its_news_unread(project: Project) -> None:
    running = project.write({"test_it.py": DIES_UNHEARD}).start("-n", "2")
    running.wait_for("ready-0", "ready-1")
    (server,) = linux.children(running.process.pid)
    running.signal(signal.SIGSTOP)
    os.kill(linux.children(server)[0], signal.SIGKILL)
    wait_until(lambda: len(linux.children(server)) == 1, "the server to say that a worker has ended")
    running.signal(signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not project.processes(), "everything to be gone", within_s=GONE_WITHIN_S)

"""Ctrl-C, TERM and KILL: what runs is ended, what is known is reported, and nothing of ours stays behind."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
import threading
from pathlib import Path

import pytest

from .gates import GateRun, Project, RunningGate, wait_until

# The promise is two seconds; a busy machine may need some for itself.
GONE_WITHIN_S = 6.0

PREAMBLE = """
import os, pathlib, re, signal, subprocess, time
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent

def tell(name):
    HERE.joinpath(name).touch()
"""
INI = """
[tool.pytest.ini_options]
paragate_agents = ["a", "b", "c", "d", "e"]
"""

CHECKS = (
    PREAMBLE
    + """
quick = gate.command("true", agent="a")
fails = gate.command("false", agent="a")
# Exits with 0 when it is told to end, which must not make it a pass.
command = gate.command(
    "trap 'touch command-told; exit 0' TERM; touch command-ready; while :; do sleep 0.1; done",
    shell=True, agent="b", after=["quick", "fails"],
)

@gate.check(agent="c", after=["quick", "fails"])
def function():
    try:
        tell("function-ready")
        time.sleep(300)
    finally:
        tell("function-told")

@gate.check(agent="d", after=["quick", "fails"])
def runner(paragate_run):
    paragate_run("touch runner-ready; sleep 300", shell=True)

@gate.check(agent="c", after="function")
def later():
    tell("later-ran")

blocked = gate.command("touch later-ran", agent="a", needs="command")
"""
)
READY = ("command-ready", "function-ready", "runner-ready")
INTERRUPTED = {
    "quick": "passed",
    "fails": "failed",
    "command": "cancelled",
    "function": "cancelled",
    "runner": "cancelled",
    "later": "cancelled",
    "blocked": "cancelled",
}


def _started(project: Project, *args: str) -> RunningGate:
    running = project.write({"conftest.py": CHECKS, "pyproject.toml": INI}).start(*args)
    running.wait_for(*READY)
    return running


def _assert_interrupted(project: Project, run: GateRun, *, status: int, by: str) -> None:
    assert run.status == status, run.text
    assert (run.report["outcome"], run.report["exitstatus"]) == ("interrupted", status)
    assert run.outcomes() == INTERRUPTED
    for name in ("command", "function", "runner", "later"):
        assert run.check(name)["reason"] == f"interrupted by {by}"
    assert (project.folder / "command-told").exists()
    assert (project.folder / "function-told").exists()
    assert not (project.folder / "later-ran").exists()
    assert any("= paragate =" in line for line in run.lines)
    assert "Traceback" not in run.text.replace('Traceback (most recent call last):\n  File "<string>"', "")
    assert project.processes() == {}


@pytest.mark.parametrize(("signum", "status", "by"), [(signal.SIGINT, 2, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_one_signal_ends_what_runs_and_reports_what_is_known(
    project: Project, workers: str, signum: int, status: int, by: str
) -> None:
    running = _started(project, workers)
    running.signal(signum)
    _assert_interrupted(project, running.finish(), status=status, by=by)


def test_ctrl_c_in_a_terminal_reaches_the_gate_alone(project: Project, workers: str) -> None:
    project.write({"conftest.py": CHECKS, "pyproject.toml": INI})
    master, slave = os.openpty()
    said: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                said.append(data)
        except OSError:
            pass  # the other end is closed

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    running = project.start(
        workers,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    running.wait_for(*READY)
    os.write(master, b"\x03")
    run = running.finish()
    reader.join(10)
    os.close(master)
    project.output.write_bytes(b"".join(said))
    assert run.status == 2, running.text
    assert run.outcomes() == INTERRUPTED
    assert (project.folder / "command-told").exists()
    assert project.processes() == {}


STUBBORN = (
    PREAMBLE
    + """
command = gate.command(
    "trap 'touch command-told' TERM; touch command-ready; while :; do sleep 0.1; done", shell=True, agent="a", grace=300
)

@gate.check(agent="b", grace=300)
def function():
    tell("function-ready")
    while True:
        try:
            time.sleep(300)
        except BaseException:
            tell("function-told")

@gate.check(agent="c", grace=300)
def runner(paragate_run):
    paragate_run("trap 'touch runner-told' TERM; touch runner-ready; while :; do sleep 0.1; done", shell=True)
"""
)


def test_a_second_signal_kills_what_will_not_end(project: Project, workers: str) -> None:
    running = project.write({"conftest.py": STUBBORN, "pyproject.toml": INI}).start(workers)
    running.wait_for(*READY)
    running.signal(signal.SIGINT)
    running.wait_for("command-told", "function-told", "runner-told")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert run.report["outcome"] == "interrupted"
    assert run.outcomes() == {"command": "cancelled", "function": "cancelled", "runner": "cancelled"}
    assert project.processes() == {}


# Checks that do not care whether anybody is there.
DEAF = (
    PREAMBLE
    + """
command = gate.command("trap '' TERM HUP INT; touch command-ready; sleep 300; sleep 300", shell=True, agent="a")
daemon = gate.command(
    "setsid sh -c 'setsid sleep 300 & touch daemon-ready; sleep 300' & trap '' TERM; sleep 300; sleep 300",
    shell=True, agent="b",
)

@gate.check(agent="c")
def busy():
    subprocess.Popen(["setsid", "sleep", "300"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("busy-ready")
    while True:
        pass

@gate.check(agent="d")
def stuck():
    subprocess.Popen(["setsid", "sleep", "300"])
    tell("stuck-ready")
    re.match("(a+)+b", "a" * 60)  # never lets another thread run

@gate.check(agent="e")
def swallows(paragate_run):
    while True:
        try:
            paragate_run("trap '' TERM; touch runner-ready; sleep 300; sleep 300", shell=True)
        except BaseException:
            pass
"""
)


def test_nothing_outlives_a_gate_that_was_killed(project: Project, workers: str) -> None:
    running = project.write({"conftest.py": DEAF, "pyproject.toml": INI}).start(workers)
    running.wait_for("command-ready", "daemon-ready", "busy-ready", "stuck-ready", "runner-ready")
    assert len(project.processes()) > 10
    running.signal(signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not project.processes(), "everything to be gone", within_s=GONE_WITHIN_S)


def test_an_idle_gate_that_was_killed_leaves_no_worker(project: Project, workers: str) -> None:
    conftest = PREAMBLE + (
        "def pytest_paragate_verdict(check):\n"
        "    if check.name == 'two':\n"
        "        tell('idle-ready')\n"
        "        time.sleep(300)\n"
        "one = gate.command('true')\n"
        "two = gate.command('true', after='one')\n"
        "three = gate.command('true', after='two')\n"
    )
    running = project.write({"conftest.py": conftest}).start(workers)
    running.wait_for("idle-ready")
    running.signal(signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not project.processes(), "everything to be gone", within_s=GONE_WITHIN_S)


def test_a_gateway_that_never_comes_up_does_not_hold_an_interrupted_gate(project: Project) -> None:
    conftest = PREAMBLE + (
        "def pytest_paragate_make_gateway(slot):\n"
        "    if slot.startswith('b'):\n"
        "        tell('starting')\n"
        "        time.sleep(300)\n"
        "near = gate.command('true', agent='a')\n"
        "@gate.check(agent='b', grace=0.1, after='near')\n"
        "def far():\n"
        "    tell('far-ran')\n"
    )
    running = project.write({"conftest.py": conftest, "pyproject.toml": INI}).start("--paragate-workers=popen")
    running.wait_for("starting")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert run.outcomes() == {"near": "passed", "far": "cancelled"}
    assert not (project.folder / "far-ran").exists()
    assert project.processes() == {}


def test_a_worker_that_is_still_collecting_does_not_hold_an_interrupted_gate(project: Project) -> None:
    conftest = PREAMBLE + (
        "if os.environ.get('PYTEST_XDIST_WORKER'):\n"
        "    tell('collecting')\n"
        "    time.sleep(300)\n"
        "@gate.check(grace=0.1)\n"
        "def function():\n"
        "    tell('function-ran')\n"
    )
    running = project.write({"conftest.py": conftest}).start("--paragate-workers=popen")
    running.wait_for("collecting")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert run.outcomes() == {"function": "cancelled"}
    assert not (project.folder / "function-ran").exists()
    assert project.processes() == {}


TESTS = """
import pathlib, time
import pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture(scope="session")
def everywhere():
    yield
    HERE.joinpath("torn-down").touch()

def test_passes(everywhere): pass

def test_hangs(everywhere):
    HERE.joinpath("hanging").touch()
    try:
        time.sleep(300)
    finally:
        HERE.joinpath("told").touch()

@pytest.mark.parametrize("number", range(5))
def test_later(number):
    HERE.joinpath("later-ran").touch()
"""


def test_interrupted_tests_tear_down_their_fixtures(project: Project, workers: str) -> None:
    running = project.write({"test_slow.py": TESTS}).start(workers)
    running.wait_for("hanging")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert (project.folder / "told").exists()
    assert (project.folder / "torn-down").exists()
    assert not (project.folder / "later-ran").exists()
    assert run.report["outcome"] == "interrupted"
    agent = run.report["agents"][0]
    assert (agent["tests"], agent["passed"], agent["failed"], agent["other"]) == (7, 1, 0, 6)
    assert project.processes() == {}


@pytest.mark.parametrize(
    ("request_", "status"),
    [("pytest.exit('enough', returncode=9)", 9), ("raise KeyboardInterrupt", 2)],
    ids=["exit", "interrupt"],
)
def test_a_test_may_end_the_session_as_under_plain_pytest(
    project: Project, workers: str, request_: str, status: int
) -> None:
    tests = f"{PREAMBLE}\ndef test_ends():\n    {request_}\n" + "".join(
        f"def test_later_{number}():\n    tell('later-ran')\n" for number in range(5)
    )
    project.write({"test_ends.py": tests})
    plain = project.start_pytest().finish()
    run = project.run(workers, "--maxfail=1")
    assert run.status == plain.status == status
    assert (run.report["outcome"], run.report["exitstatus"]) == ("interrupted", status)
    assert not (project.folder / "later-ran").exists()


@pytest.mark.parametrize(
    ("request_", "status"),
    [("pytest.exit('enough', returncode=9)", 9), ("raise KeyboardInterrupt", 2)],
    ids=["exit", "interrupt"],
)
@pytest.mark.parametrize("is_followed", [True, False], ids=["followed", "last"])
def test_a_fixture_may_end_the_session_after_its_last_test(
    project: Project, workers: str, request_: str, status: int, is_followed: bool
) -> None:
    # A test with a mark is handed out alone: which one follows it, its worker learns later.
    tests = f"""{PREAMBLE}
@pytest.fixture(scope="module")
def ends():
    yield
    {request_}

@pytest.mark.paragate(uses="this")
def test_ends(ends): pass
"""
    project.write({"test_a.py": tests, "test_b.py": f"{PREAMBLE}\ndef test_later():\n    tell('later-ran')\n"})
    run = project.run(workers, "test_a.py", *(["test_b.py"] if is_followed else []))
    assert (run.status, run.report["exitstatus"]) == (status, status)
    assert not (project.folder / "later-ran").exists()


def test_an_interruption_before_the_gate_runs_is_reported_too(project: Project) -> None:
    (project.folder / "report.json").write_text('{"outcome": "passed"}')
    running = project.write({"test_slow.py": PREAMBLE + "tell('importing')\ntime.sleep(300)\n"}).start()
    Path(project.json_path).write_text('{"outcome": "passed"}')
    running.wait_for("importing")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert (run.report["outcome"], run.report["exitstatus"]) == ("interrupted", 2)


ONE_IDLE = """
import time
import pytest

@pytest.fixture(scope="session")
def resource(request):
    yield
    open("idle-torn-down", "w").close()

def test_quick(resource): open("quick-ready", "w").close()

def test_long():
    open("long-ready", "w").close()
    try:
        time.sleep(300)
    except BaseException:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            try:
                open("idle-torn-down").close()
                open("seen", "w").close()
                raise
            except FileNotFoundError:
                time.sleep(0.01)
"""


def test_workers_that_have_nothing_to_do_leave_while_others_end(project: Project, workers: str) -> None:
    running = project.write({"test_it.py": ONE_IDLE}).start("-n", "2", workers)
    running.wait_for("long-ready", "quick-ready")
    running.signal(signal.SIGINT)
    run = running.finish()
    assert run.status == 2
    assert (project.folder / "idle-torn-down").exists()
    assert (project.folder / "seen").exists(), run.text

"""Whatever a check does to itself, its process or its machine, it gets its own verdict and changes no other's."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from .gates import WORKER_KINDS, GateRun, Project

FLOOD_BYTES = 200_000_000

CONFTEST = r'''
import ctypes, os, resource, signal, subprocess, sys, time
import pytest
import pytest_paragate as gate

SLEEP = "sleep 300"
IS_STEADY = """test "$PWD" = "$HOME_FOLDER" && test -z "$PARAGATE_STRAY" && test "$(umask)" = 0022"""


def pytest_paragate_checks(gate):
    def command(name, script, **keys):
        gate.command(script, name=name, shell=True, agent="commands", **keys)

    command("c-fails", "echo words; exit 3")
    command("c-segfault", "kill -SEGV $$")
    command("c-hangs", SLEEP, timeout=0.5)
    command("c-ignores-term", "trap '' TERM; sleep 300 & wait; wait; sleep 300", timeout=0.5, grace=0.3)
    command("c-flood", "echo BEGIN; yes 0123456789 | head -c 200000000; echo; echo END; exit 1")
    command("c-bytes", r"printf '\377\376hello\033[31mred\033]0;title\007\n::error::fake\n'; exit 4")
    command("c-closes", "exec 0<&- 1>&- 2>&-; exit 0")
    command("c-leaves-child", "sleep 301 & echo done")
    command("c-leaves-daemon", "setsid sleep 302 >/dev/null 2>&1 & echo done")
    command("c-leaves-grandchild", "(setsid sh -c 'sleep 303 & sleep 304 &' &) ; echo done")
    command("c-fails-on-leak", "setsid sleep 305 & exit 0", leaks="fail")
    command("c-moves", "cd /; umask 0; export PARAGATE_STRAY=1; unset PATH")
    gate.command("no-such-program --version", name="c-missing", agent="commands")
    for number in range(3):
        command(f"c-steady-{number}", IS_STEADY, env={"HOME_FOLDER": os.path.dirname(__file__)},
                after=["c-moves", "c-closes", "m-environment"])


def check(name, **keys):
    return gate.check(name=name, agent="functions", **keys)


@check("f-fails")
def fails():
    assert 1 == 2

@check("f-raises")
def raises():
    raise ValueError("a value\x1b]0;title\x07\x1b[31m")

@check("f-sys-exit")
def sys_exit():
    sys.exit(3)

@check("f-os-exit")
def os_exit():
    os._exit(4)

@check("f-os-exit-zero")
def os_exit_zero():
    os._exit(0)

@check("f-segfault")
def segfault():
    ctypes.string_at(0)

@check("f-aborts")
def aborts():
    os.abort()

@check("f-kills-worker")
def kills_worker():
    os.kill(os.getpid(), signal.SIGKILL)

@check("f-terminates-itself")
def terminates_itself():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(300)

@check("f-hangs", timeout=0.5)
def hangs():
    time.sleep(300)

@check("f-swallows", timeout=0.5, grace=0.3)
def swallows():
    subprocess.Popen(["setsid", "sleep", "306"])
    while True:
        try:
            time.sleep(300)
        except BaseException:
            pass

@check("f-busy", timeout=0.5)
def busy():
    while True:
        pass

@check("f-hangs-in-command", timeout=0.5)
def hangs_in_command(paragate_run):
    paragate_run(SLEEP)

@check("f-command-too-slow")
def command_too_slow(paragate_run):
    paragate_run(SLEEP, timeout=0.3)

@check("f-command-fails")
def command_fails(paragate_run):
    paragate_run("sh -c 'exit 7'")

@check("f-command-missing")
def command_missing(paragate_run):
    paragate_run("no-such-program")

@check("f-bytes")
def prints_bytes():
    os.write(1, b"\xff\xfehello\x1b[31mred\x1b]0;title\x07\n::error::fake\n")
    sys.stdout.write("\ud800 lone\n")
    assert False, "after bytes"

@check("f-floods")
def floods():
    for _ in range(200):
        sys.stdout.write("0123456789\n" * 10_000)

@check("f-closes-own")
def closes_own():
    os.closerange(3, 256)

@check("f-leaves-child")
def leaves_child():
    subprocess.Popen(["sleep", "311"])

@check("f-leaves-daemon")
def leaves_daemon():
    subprocess.Popen(["sleep", "312"], start_new_session=True)

@check("f-leaves-grandchild")
def leaves_grandchild():
    subprocess.run(["setsid", "sh", "-c", "sleep 313 & exit 0"])

@check("f-fails-on-leak", leaks="fail")
def fails_on_leak():
    subprocess.Popen(["sleep", "314"], start_new_session=True)

@check("f-dies-with-daemon")
def dies_with_daemon():
    subprocess.Popen(["sleep", "315"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGKILL)

@check("f-command-leaves-daemon")
def command_leaves_daemon(paragate_run):
    paragate_run("setsid sleep 316 >/dev/null 2>&1 & true", shell=True)

@check("f-exits-session")
def exits_session():
    pytest.exit("enough")

@check("f-interrupts")
def interrupts():
    raise KeyboardInterrupt

before = []


def mover(function):
    """A check that changes its process. In the same slot something follows that must not notice."""
    name = function.__name__
    if name in ("umask", "limits"):  # what a command would inherit; tests would see the rest
        script = "test $(umask) = 0022 && test $(ulimit -n) -gt 12"
        followed = f"steady-{name}"
        globals()[followed] = gate.command(script, name=followed, shell=True, agent="movers", after=[f"m-{name}"])
    else:
        followed = f"test_steady_after[{name}]"
    previous, before[:] = before[:], [followed]
    return gate.check(name=f"m-{name}", agent="movers", after=previous)(function)


@mover
def cwd():
    os.chdir("/")

@mover
def environment():
    os.environ["PARAGATE_STRAY"] = "1"
    del os.environ["PATH"]

@mover
def umask():
    os.umask(0o077)

@mover
def alarm():
    signal.setitimer(signal.ITIMER_REAL, 0.2)

@mover
def signals():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

@mover
def limits():
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

@mover
def streams():
    os.closerange(0, 3)
'''

TESTS = """
import os, signal, subprocess
import pytest

AFTER = [
    pytest.param(name, marks=pytest.mark.paragate(agent="movers", after=[f"m-{name}"]))
    for name in ("cwd", "environment", "alarm", "signals", "streams")
]

@pytest.mark.parametrize("name", AFTER)
def test_steady_after(name, tmp_path, paragate_run, capfd):
    assert os.getcwd() == os.path.dirname(__file__)
    assert "PARAGATE_STRAY" not in os.environ and "PATH" in os.environ
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    (tmp_path / "file").write_text("text")
    print("words")
    assert capfd.readouterr().out == "words\\n"
    with subprocess.Popen("echo $((6 * 7))", shell=True, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.read() == "42\\n"
    if name == "alarm":
        paragate_run("sleep 0.3")  # until it would have rung

@pytest.mark.parametrize("number", range(5))
def test_steady(number, tmp_path):
    assert "PARAGATE_STRAY" not in os.environ
    (tmp_path / "file").write_text("text")
"""

INI = """
[tool.pytest.ini_options]
paragate_agents = ["commands", "functions", "movers"]
paragate_slots = ["commands=2", "functions=2"]
"""

# Name: outcome, exit code, what the reason says.
EXPECTED: dict[str, tuple[str, int | None, str | None]] = {
    "c-fails": ("failed", 3, "exit status 3"),
    "c-segfault": ("crashed", -11, "SIGSEGV"),
    "c-hangs": ("timeout", -15, "0.5 s"),
    "c-ignores-term": ("timeout", -9, "0.5 s"),
    "c-flood": ("failed", 1, "exit status 1"),
    "c-bytes": ("failed", 4, "exit status 4"),
    "c-closes": ("passed", 0, None),
    "c-leaves-child": ("passed", 0, None),
    "c-leaves-daemon": ("passed", 0, None),
    "c-leaves-grandchild": ("passed", 0, None),
    "c-fails-on-leak": ("failed", 0, "sleep 305"),
    "c-moves": ("passed", 0, None),
    "c-missing": ("error", None, "no-such-program"),
    "f-fails": ("failed", None, "assert 1 == 2"),
    "f-raises": ("failed", None, "ValueError: a value"),
    "f-sys-exit": ("failed", None, "SystemExit: 3"),
    "f-os-exit": ("crashed", 4, "exit status 4"),
    "f-os-exit-zero": ("crashed", 0, "exit status 0"),
    "f-segfault": ("crashed", -11, "SIGSEGV"),
    "f-aborts": ("crashed", -6, "SIGABRT"),
    "f-kills-worker": ("crashed", -9, "SIGKILL"),
    "f-terminates-itself": ("crashed", None, "SIGTERM"),
    "f-hangs": ("timeout", None, "0.5 s"),
    "f-swallows": ("timeout", -9, "0.5 s"),
    "f-busy": ("timeout", None, "0.5 s"),
    "f-hangs-in-command": ("timeout", None, "0.5 s"),
    "f-command-too-slow": ("timeout", -15, "0.3 s"),
    "f-command-fails": ("failed", 7, "exit status 7"),
    "f-command-missing": ("error", None, "no-such-program"),
    "f-bytes": ("failed", None, "after bytes"),
    "f-floods": ("passed", None, None),
    "f-closes-own": ("crashed", 97, "file descriptors"),
    "f-leaves-child": ("passed", None, None),
    "f-leaves-daemon": ("passed", None, None),
    "f-leaves-grandchild": ("passed", None, None),
    "f-fails-on-leak": ("failed", None, "sleep 314"),
    "f-dies-with-daemon": ("crashed", -9, "SIGKILL"),
    "f-command-leaves-daemon": ("passed", 0, None),
    "f-exits-session": ("failed", None, "enough"),
    "f-interrupts": ("failed", None, "KeyboardInterrupt"),
}
MOVERS = ["cwd", "environment", "umask", "alarm", "signals", "limits", "streams"]
STEADY = [
    *(f"c-steady-{number}" for number in range(3)),
    *(f"test_steady_after[{name}]" for name in ("cwd", "environment", "alarm", "signals", "streams")),
    *(f"steady-{name}" for name in ("umask", "limits")),
]
LEAKED = {
    "c-leaves-child": ["sleep 301"],
    "c-leaves-daemon": ["sleep 302"],
    "c-leaves-grandchild": ["sleep 303", "sleep 304"],
    "c-fails-on-leak": ["sleep 305"],
    "f-leaves-child": ["sleep 311"],
    "f-leaves-daemon": ["sleep 312"],
    "f-leaves-grandchild": ["sleep 313"],
    "f-fails-on-leak": ["sleep 314"],
    "f-command-leaves-daemon": ["sleep 316"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """One gate with every fault, and what was alive after it."""

    run: GateRun
    left: dict[int, str]


@pytest.fixture(scope="module", params=WORKER_KINDS)
def faulty(request: pytest.FixtureRequest, module_project: Callable[[], Project]) -> Faulty:
    project = module_project().write({"conftest.py": CONFTEST, "test_steady.py": TESTS, "pyproject.toml": INI})
    before = os.umask(0o022)
    try:
        run = project.run(f"--paragate-workers={request.param}", "-v", "--junitxml=junit.xml")
    finally:
        os.umask(before)
    return Faulty(run=run, left=project.processes())


@pytest.mark.parametrize("name", EXPECTED)
def test_each_fault_gets_its_own_verdict(faulty: Faulty, name: str) -> None:
    outcome, exit_code, reason = EXPECTED[name]
    check = faulty.run.check(name)
    assert (check["outcome"], check["exit_code"]) == (outcome, exit_code), check
    if reason is None:
        assert check["reason"] is None
    else:
        assert reason in check["reason"]


@pytest.mark.parametrize("name", STEADY)
def test_a_check_beside_or_behind_faults_passes(faulty: Faulty, name: str) -> None:
    check = faulty.run.check(name)
    assert check["outcome"] == "passed", check


@pytest.mark.parametrize("name", MOVERS)
def test_changing_the_process_is_no_fault(faulty: Faulty, name: str) -> None:
    assert faulty.run.check(f"m-{name}")["outcome"] == "passed"


def test_faults_change_nothing_for_ordinary_tests(faulty: Faulty) -> None:
    agents = {agent["agent"]: agent for agent in faulty.run.report["agents"]}
    assert (agents["test-runner"]["tests"], agents["test-runner"]["passed"]) == (5, 5)


def test_the_gate_fails_and_accounts_for_every_check(faulty: Faulty) -> None:
    report = faulty.run.report
    assert (faulty.run.status, report["exitstatus"], report["outcome"]) == (1, 1, "failed")
    assert (report["missing"], report["problems"]) == ([], [])
    assert set(faulty.run.outcomes()) == {*EXPECTED, *STEADY, *(f"m-{name}" for name in MOVERS)}


def test_what_is_left_behind_is_named_and_killed(faulty: Faulty) -> None:
    for check in faulty.run.report["checks"]:
        commands = [leak["command"] for leak in check["leaked"]]
        assert all(leak["killed"] for leak in check["leaked"]), check
        expected = LEAKED.get(check["name"], [])
        assert bool(commands) == bool(expected), check
        for part in expected:
            assert any(part in command for command in commands), check


def test_nothing_outlives_the_gate(faulty: Faulty) -> None:
    assert faulty.left == {}


def test_of_a_flood_the_report_holds_both_ends_and_the_disk_all(faulty: Faulty) -> None:
    text = faulty.run.text
    log = faulty.run.check("c-flood")["log"]
    assert os.path.getsize(log) == FLOOD_BYTES + len("BEGIN\n\nEND\n")
    with open(log, "rb") as file:
        assert file.read(6) == b"BEGIN\n"
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"END\n"
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("BEGIN") < lines.index("END")
    notice = next(line for line in lines if "hidden; whole log" in line)
    assert log in notice
    assert "199.9 MB (18,17" in notice
    assert len(text) < 400_000


def test_output_has_no_power_over_the_terminal(faulty: Faulty) -> None:
    text = faulty.run.text
    assert "hello" in text
    assert not set(text) & {"\x1b", "\x07"}
    assert not any(line.lstrip().startswith("::") for line in faulty.run.lines)


def test_junit_is_well_formed_and_holds_every_check(faulty: Faulty) -> None:
    cases = ElementTree.parse(faulty.run.folder / "junit.xml").getroot().iter("testcase")
    names = Counter(case.get("name") for case in cases)
    assert names.keys() >= faulty.run.outcomes().keys()
    assert set(names.values()) == {1}


def test_a_check_may_clean_the_project(project: Project, workers: str) -> None:
    """As ``git clean -fdx`` does: the cache directory goes away under the run."""
    conftest = """
import pytest_paragate as gate

cleaned = gate.command("rm -rf .pytest_cache", agent="debugger")
later = gate.command("echo said afterwards; exit 3", needs=["cleaned"], shell=True, agent="refactorer")
"""
    tests = "import shutil\ndef test_cleans(): shutil.rmtree('.pytest_cache', True)\ndef test_fails(): assert 0\n"
    project.write({"conftest.py": conftest, "test_a.py": tests, "test_b.py": "def test_passes(): pass\n"})
    run = project.run(workers, "-n2")
    assert run.status == 1
    assert run.outcomes() == {"cleaned": "passed", "later": "failed"}
    assert "2 failed, 3 passed" in run.text
    assert "said afterwards" in run.text
    assert "AssertionError" in run.text or "assert 0" in run.text
    assert "INTERNALERROR" not in run.text


FLOODS = """
import pytest_paragate as gate

@gate.check
def floods():
    for number in range(20_000):
        print("line", number)
    assert False
"""


def test_what_a_check_prints_itself_is_cut_like_a_command_s(project: Project, workers: str) -> None:
    run = project.write({"conftest.py": FLOODS}).run(workers)
    assert run.check("floods")["outcome"] == "failed"
    assert "\nline 0\n" in run.text
    assert "\nline 19999\n" in run.text
    assert "\nline 9999\n" not in run.text
    (hidden,) = (line for line in run.lines if " hidden; whole log: " in line)
    whole = hidden.partition("whole log: ")[2].removesuffix(" ...")
    assert pathlib.Path(whole).read_text().splitlines() == [f"line {number}" for number in range(20_000)]

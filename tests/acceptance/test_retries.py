"""Trying again, fail fast and best effort in real runs."""

from __future__ import annotations

import time

import pytest

from .gates import Project

PREAMBLE = """
import os, pathlib
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent

def count(name):
    with open(HERE / name, "a") as file:
        file.write(f"{os.getpid()}\\n")
    return len((HERE / name).read_text().split())
"""
FLAKY = (
    PREAMBLE
    + """
command = gate.command("echo x >> tries; echo this is try $(wc -l < tries); test $(wc -l < tries) -ge 3", shell=True,
                       retries=3)

@gate.check(retries=3, retry_pause="50ms", agent="debugger")
def function():
    number = count("function")
    print(f"this is try {number}")
    assert number >= 3, f"only {number}"

@gate.check(retries=2, agent="debugger")
def crashes():
    if count("crashes") < 2:
        os.abort()

late = gate.command("echo x >> late; test $(wc -l < late) -ge 2 || sleep 300", shell=True, retries=1, timeout="300ms",
                    agent="refactorer")
"""
)


@pytest.mark.parametrize("where", ["--paragate-workers=fork", "--paragate-workers=popen", "--tx=popen"])
def test_a_check_that_passes_on_a_later_try_is_flaky_and_keeps_all_tries(project: Project, where: str) -> None:
    # On a gateway of its own, a type other than the test-runner would have none.
    text = FLAKY if where != "--tx=popen" else FLAKY.replace('agent="debugger"', 'agent="test-runner"')
    run = project.write({"conftest.py": text}).run(where)
    assert run.status == 0, run.text
    assert set(run.outcomes().values()) == {"passed"}
    for name in ("command", "function"):
        check = run.check(name)
        assert (check["flaky"], check["attempts"]) == (True, 3)
        assert [each["outcome"] for each in check["tries"]] == ["failed", "failed", "passed"]
        assert [each["output"] for each in check["tries"]] == [f"this is try {n}\n" for n in (1, 2, 3)]
    logs = [each["log"] for each in run.check("command")["tries"]]
    assert len(set(logs)) == 3
    assert "assert 1 >= 3" in run.check("function")["tries"][0]["details"]
    assert [each["outcome"] for each in run.check("crashes")["tries"]] == ["crashed", "passed"]
    assert [each["outcome"] for each in run.check("late")["tries"]] == ["timeout", "passed"]
    pids = (run.folder / "function").read_text().split()
    assert len(set(pids)) == 3, "each try has a process of its own"
    assert any(line.startswith("FLAKY") and "conftest.py::command" in line for line in run.lines)
    assert "gate passed with 4 flaky checks" in run.text
    assert "4 flaky" in run.lines[-1]


def test_flaky_checks_fail_the_gate_for_those_who_want_that(project: Project) -> None:
    run = project.write({"conftest.py": FLAKY}).run("--paragate-fail-on-flaky", "-k", "command")
    assert run.status == 1, run.text
    assert run.check("command")["outcome"] == "passed"
    assert "gate failed: 1 flaky check" in run.text


FLAKY_TEST = """
import pathlib

def test_late():
    path = pathlib.Path(__file__).parent / "tries"
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    assert len(path.read_text()) >= 2

def test_at_once(): ...
"""


def test_an_ordinary_test_that_passes_on_a_later_try_is_counted_as_flaky_too(project: Project, workers: str) -> None:
    run = project.write({"test_it.py": FLAKY_TEST}).run(workers, "--paragate-retries=1")
    assert run.status == 0, run.text
    assert "gate passed with 1 flaky test" in run.text
    assert "1 passed, 1 flaky" in run.lines[-1]
    (run.folder / "tries").unlink()
    run = project.run(workers, "--paragate-retries=1", "--paragate-fail-on-flaky", "-v")
    assert run.status == 1, run.text
    assert "gate failed: 1 flaky test" in run.text
    assert any(line.startswith("test_it.py::test_late FLAKY") for line in run.lines)


NEVER = (
    PREAMBLE
    + """
fails = gate.command("echo x >> fails; echo failing; false", shell=True)
passes = gate.command("echo x >> passes", shell=True)
none = gate.command("echo x >> none; false", shell=True, retries=0)
missing = gate.command("no-such-program-anywhere")
blocked = gate.command("true", needs="fails")

@pytest.fixture
def broken():
    count("fixture")
    raise RuntimeError("broken")

@gate.check
def errs(broken): ...
"""
)


def test_only_failures_are_tried_again_as_often_as_asked(project: Project, workers: str) -> None:
    tests = "def test_it(): assert False\ndef test_other(): pass\n"
    run = project.write({"conftest.py": NEVER, "test_it.py": tests}).run(workers, "--paragate-retries=2")
    assert run.status == 1, run.text
    attempts = {check["name"]: check["attempts"] for check in run.report["checks"]}
    assert attempts == {"fails": 3, "passes": 1, "none": 1, "missing": 1, "blocked": 1, "errs": 1}
    counted = {name: len((run.folder / name).read_text().split()) for name in ("fails", "passes", "none", "fixture")}
    assert counted == {"fails": 3, "passes": 1, "none": 1, "fixture": 1}
    assert run.check("blocked")["reason"] == "needs fails, which failed"
    # What all tries printed is in the one failure that is reported.
    failures = run.text.partition("= FAILURES =")[2]
    assert "Try 1: exit status 1" in failures
    assert "Try 2: exit status 1" in failures
    assert run.text.count("RETRY") == 4
    assert "1 passed" not in run.lines[-1]
    assert "2 passed" in run.lines[-1]


FAIL_FAST = (
    PREAMBLE
    + """
import time

def all_run():
    give_up_at = time.monotonic() + 60
    while not (HERE.joinpath("stubborn").exists() and HERE.joinpath("polite").exists()):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)

@gate.check(agent="debugger")
def fails():
    all_run()
    HERE.joinpath("failed-at").write_text(str(time.monotonic()))
    assert False, "first failure"

stubborn = gate.command("trap '' TERM; touch stubborn; sleep 300 & while :; do wait; done", shell=True, grace="500ms",
                        agent="refactorer")

@gate.check(agent="code-reviewer")
def polite():
    HERE.joinpath("polite").touch()
    time.sleep(300)

@gate.check(agent="code-reviewer", after="polite", retries=5)
@pytest.mark.parametrize("n", range(10))
def waits(n):
    HERE.joinpath("started-late").touch()
"""
)


def test_fail_fast_ends_what_runs_and_starts_nothing_and_everything_has_a_verdict(
    project: Project, workers: str
) -> None:
    run = project.write({"conftest.py": FAIL_FAST}).run(workers, "-x")
    ended_at = time.monotonic()
    assert run.status == 1, run.text
    outcomes = run.outcomes()
    assert outcomes.pop("fails") == "failed"
    assert len(outcomes) == 12
    assert set(outcomes.values()) == {"cancelled"}
    assert run.check("stubborn")["reason"] == run.check("polite")["reason"] == "stopped after 1 failure"
    assert run.check("stubborn")["start_s"] is not None
    assert run.check("waits[3]")["start_s"] is None
    assert not (run.folder / "started-late").exists()
    # The grace is half a second; how soon after it is for the benchmark to say, this is only no hang.
    assert ended_at - float((run.folder / "failed-at").read_text()) < 30
    assert project.processes() == {}


AT_ONCE = (
    PREAMBLE
    + """
import time

@gate.check(agent="debugger")
def slow():
    give_up_at = time.monotonic() + 60
    while "conftest.py::deeper" not in HERE.joinpath("output.txt").read_text():
        assert time.monotonic() < give_up_at, "nothing was said of what is blocked while this ran"
        time.sleep(0.02)

fails = gate.command("false")
blocked = gate.command("true", needs="fails", agent="debugger")
deeper = gate.command("true", needs="blocked", agent="refactorer")
"""
)


def test_what_is_blocked_is_reported_at_once_with_the_root_cause_while_others_still_run(project: Project) -> None:
    run = project.write({"conftest.py": AT_ONCE}).run()
    assert run.outcomes() == {"slow": "passed", "fails": "failed", "blocked": "blocked", "deeper": "blocked"}
    assert run.check("deeper")["reason"] == "needs fails, which failed"


def test_best_effort_runs_everything_and_fails_in_the_end(project: Project) -> None:
    checks = "import pytest_paragate as gate\na = gate.command('false')\nb = gate.command('true')\n"
    checks += "c = gate.command('false', advisory=True)\nd = gate.command('true', needs='c', when='always')\n"
    run = project.write({"conftest.py": checks}).run()
    assert run.status == 1
    assert run.outcomes() == {"a": "failed", "b": "passed", "c": "failed", "d": "passed"}


def test_advisory_failures_are_told_in_the_one_line_that_counts(project: Project) -> None:
    checks = "import pytest_paragate as gate\na = gate.command('false', advisory=True)\nb = gate.command('true')\n"
    run = project.write({"conftest.py": checks}).run()
    assert run.status == 0
    assert "gate passed with 1 advisory failure" in run.text
    assert "1 advisory" in run.lines[-1]


def test_an_advisory_check_that_is_blocked_is_advisory_in_every_line(project: Project) -> None:
    checks = "import pytest_paragate as gate\na = gate.command('false')\n"
    run = project.write({"conftest.py": checks + "b = gate.command('true', needs='a', advisory=True)\n"}).run()
    assert [line for line in run.lines if line.startswith("ADVISORY")] != []
    assert "1 failed, 1 advisory in" in run.lines[-1]
    assert "BLOCKED" not in run.text


BOOTS_FOREVER = """
import pathlib, time
import pytest_paragate as gate

BOOTING = pathlib.Path(__file__).with_name("booting")

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        BOOTING.touch()
        time.sleep(300)

fails = gate.command("until test -e booting; do sleep 0.05; done; exit 1", shell=True, agent="debugger")

@gate.check(grace="1h")
def function(): pass
"""


def test_fail_fast_waits_for_no_worker_that_has_begun_nothing(project: Project) -> None:
    run = project.write({"conftest.py": BOOTS_FOREVER}).run("-x", "--paragate-workers=popen")
    assert run.outcomes() == {"fails": "failed", "function": "cancelled"}
    assert run.check("function")["start_s"] is None
    assert run.check("function")["reason"] == "stopped after 1 failure"
    assert project.processes() == {}

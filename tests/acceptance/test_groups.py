"""Groups of checks in real runs: what is needed goes on, what is not needed ends, and reports count what counts."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from .gates import GateRun, Project, wait_until

PREAMBLE = """
import pathlib, time
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent

def wait_for(name):
    give_up_at = time.monotonic() + 60
    while not HERE.joinpath(name).exists():
        assert time.monotonic() < give_up_at, name
        time.sleep(0.01)

"""
SLOTS = "--paragate-slots=debugger=4,refactorer=3"

# The failing and the answering one wait until the others run, so that there is something to end.
MIRRORS = (
    PREAMBLE
    + """
gate.group("mirrors", wait="any", rest="cancel")
READY = ["command-ready", "function-ready", "stubborn-ready"]

@gate.check(agent="debugger", group="mirrors")
def broken():
    for name in READY:
        wait_for(name)
    assert False, "this mirror is down"

@gate.check(agent="debugger", group="mirrors", after="broken")
def answers(): ...

command = gate.command("echo asking; touch command-ready; exec sleep 300", shell=True, group="mirrors",
                       agent="refactorer")

@gate.check(agent="debugger", group="mirrors")
def function():
    print("asking it too")
    HERE.joinpath("function-ready").touch()
    time.sleep(300)

stubborn = gate.command("trap '' TERM; echo never; touch stubborn-ready; sleep 300 & while :; do wait; done",
                        shell=True, group="mirrors", agent="refactorer", grace="200ms")
use = gate.command("echo going on", needs="group:mirrors", agent="code-reviewer")
after = gate.command("true", needs=["answers", "use"], agent="debugger")
"""
)


@pytest.fixture(params=["fork", "popen"], scope="module")
def mirrors(request: pytest.FixtureRequest, module_project: object) -> GateRun:
    project: Project = module_project()  # type: ignore[operator]
    project.write({"conftest.py": MIRRORS})
    run = project.run(f"--paragate-workers={request.param}", SLOTS, "-x", "--junitxml=junit.xml", "-ra")
    wait_until(lambda: not project.processes(), "nothing is left running")
    return run


def test_one_that_passes_meets_the_group_and_the_rest_is_cancelled(mirrors: GateRun) -> None:
    assert mirrors.status == 0, mirrors.text
    assert mirrors.outcomes() == {
        "broken": "failed", "answers": "passed", "command": "cancelled", "function": "cancelled",
        "stubborn": "cancelled", "use": "passed", "after": "passed",
    }  # fmt: skip
    (group,) = mirrors.report["groups"]
    assert (group["name"], group["wait"], group["met"]) == ("mirrors", "any", True)
    assert group["by"] == ["conftest.py::answers"]
    assert (group["passed"], group["wanted"], len(group["members"])) == (1, 1, 5)


def test_a_cancelled_check_says_why_and_what_it_had_printed(mirrors: GateRun) -> None:
    for name, printed in {"command": "asking\n", "function": "asking it too\n", "stubborn": "never\n"}.items():
        check = mirrors.check(name)
        assert check["reason"] == "group mirrors is met: 1 of 5 passed, 1 needed"
        assert check["output"] == printed
        assert check["tolerated"]


def test_a_failure_that_the_group_did_not_need_is_shown_everywhere_and_fails_nothing(mirrors: GateRun) -> None:
    check = mirrors.check("broken")
    assert (check["outcome"], check["tolerated"]) == ("failed", True)
    assert any(line.startswith("TOLERATED") and "conftest.py::broken" in line for line in mirrors.lines)
    assert "gate passed with 1 tolerated failure" in mirrors.text
    suite = ElementTree.parse(mirrors.folder / "junit.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("0", "0", "7")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["broken"].find("skipped") is not None
    assert "2 passed" not in mirrors.lines[-1]
    assert "3 passed" in mirrors.lines[-1]
    assert "1 tolerated" in mirrors.lines[-1]
    assert "3 cancelled" in mirrors.lines[-1]


def test_what_needs_the_group_names_the_member_that_met_it(mirrors: GateRun) -> None:
    assert mirrors.check("use")["waited_for"] == ["conftest.py::answers"]


def test_the_summary_tells_how_the_group_came_out(mirrors: GateRun) -> None:
    summary = mirrors.text.partition("= paragate =")[2]
    assert "GROUP" in summary
    assert "met: 1 of 5 passed, 1 needed; 3 not needed" in summary


KILLED = (
    PREAMBLE
    + """
gate.group("mirrors", wait="any", rest="cancel")

@gate.check(group="mirrors")
def answers():
    wait_for("deaf-ready")
    wait_for("runs-ready")

@gate.check(agent="debugger", group="mirrors", grace="200ms")
def deaf():
    print("asking")
    HERE.joinpath("deaf-ready").touch()
    while True:
        try:
            time.sleep(300)
        except BaseException:
            print("asking on")

@gate.check(agent="debugger", group="mirrors")
def runs(paragate_run):
    paragate_run("echo asking too; touch runs-ready; exec sleep 300", shell=True)
"""
)


def test_what_was_printed_is_kept_of_a_killed_function_and_of_the_command_that_one_ran(
    project: Project, workers: str
) -> None:
    run = project.write({"conftest.py": KILLED}).run(workers, SLOTS)
    assert run.status == 0, run.text
    assert run.outcomes() == {"answers": "passed", "deaf": "cancelled", "runs": "cancelled"}
    assert run.check("deaf")["output"] == "asking\nasking on\n"
    assert run.check("runs")["output"].endswith("(stdout) ---\nasking too\n")
    assert project.processes() == {}


THRESHOLD = (
    PREAMBLE
    + """
@gate.check(agent="debugger", group="e2e")
@pytest.mark.parametrize("n", [1, 2, 3])
def bad(n):
    wait_for("running")
    assert n == 0

@gate.check(agent="refactorer", group="e2e")
@pytest.mark.parametrize("n", [1, 2])
def slow(n):
    HERE.joinpath("running").touch()
    time.sleep(300)

release = gate.command("touch released", needs="group:e2e", agent="code-reviewer")
later = gate.command("touch released", needs="release", agent="code-reviewer")

@gate.check(needs="group:e2e", when="always", agent="code-reviewer")
def notes(paragate_results):
    members = paragate_results.members("group:e2e")
    text = " ".join(sorted(f"{name}={verdict.outcome}" for name, verdict in members.items()))
    HERE.joinpath("notes").write_text(text)
"""
)
TOML = """
[tool.pytest.ini_options]
[tool.paragate.groups.e2e]
wait = "60%"
rest = "cancel"
"""


def test_a_threshold_that_can_no_longer_be_reached_ends_the_rest_and_blocks_what_needs_it(
    project: Project, workers: str
) -> None:
    project.write({"conftest.py": THRESHOLD, "pyproject.toml": TOML})
    run = project.run(workers, "--paragate-slots=debugger=3,refactorer=2")
    assert run.status == 1, run.text
    assert run.outcomes() == {
        **dict.fromkeys(["bad[1]", "bad[2]", "bad[3]"], "failed"),
        **dict.fromkeys(["slow[1]", "slow[2]"], "cancelled"),
        "release": "blocked", "later": "blocked", "notes": "passed",
    }  # fmt: skip
    (group,) = run.report["groups"]
    assert group["met"] is False
    assert sorted(group["by"]) == [f"conftest.py::bad[{n}]" for n in (1, 2, 3)]
    reason = run.check("later")["reason"]
    assert reason.startswith("needs group:e2e, which can no longer be met: bad["), reason
    assert not (run.folder / "released").exists()
    assert "bad[1]=failed bad[2]=failed bad[3]=failed" in (run.folder / "notes").read_text()
    assert "gate failed: 3 of 8 checks, 4 not run, 1 group unmet" in run.text.replace("\n", " ")


def test_a_group_without_an_answer_is_not_green_even_when_nothing_failed(project: Project) -> None:
    project.write(
        {
            "conftest.py": PREAMBLE
            + """
gate.group("mirrors", wait="any")

@gate.check(group="mirrors")
@pytest.mark.parametrize("n", [1, 2])
def mirror(n):
    pytest.skip("not on this machine")
"""
        }
    )
    run = project.run()
    assert run.status == 1, run.text
    assert "0 of 0 passed, 1 needed" in run.text


def test_the_plan_shows_groups(project: Project) -> None:
    project.write({"conftest.py": MIRRORS})
    run = project.run("--paragate-plan", SLOTS)
    assert run.status == 0, run.text
    assert "mirrors: 1 of 5 (broken, answers, command, function and 1 more), then the others are cancelled" in run.text
    assert run.report["groups"][0]["needed_by"] == ["conftest.py::use"]
    assert {check["name"] for check in run.report["checks"]} >= {"stubborn", "use"}


def test_a_group_is_a_keyword(project: Project) -> None:
    run = project.write({"conftest.py": MIRRORS}).run("--co", "-q", "-k", "mirrors")
    assert "conftest.py::stubborn" in run.text
    assert "conftest.py::use" not in run.text


def test_members_that_a_group_needs_come_back_with_last_failed(project: Project) -> None:
    project.write(
        {
            "conftest.py": PREAMBLE
            + """
gate.group("g", wait="any")
a = gate.command("true", group="g")
b = gate.command("true", group="g")
other = gate.command("true")
bad = gate.command("false", needs="group:g")
"""
        }
    )
    assert project.run().status == 1
    run = project.run("--lf")
    assert run.outcomes() == {"a": "passed", "b": "passed", "bad": "failed"}


MARKED = """
import pytest

@pytest.mark.paragate(group="e2e")
@pytest.mark.parametrize("n", range(4))
def test_e2e(n):
    assert n != 2
"""


def test_ordinary_tests_with_a_mark_can_be_members(project: Project, workers: str) -> None:
    conftest = 'import pytest_paragate as gate\ngate.group("e2e", wait=3)\n'
    run = project.write({"conftest.py": conftest, "test_e2e.py": MARKED}).run(workers)
    assert run.status == 0, run.text
    assert run.check("test_e2e[2]")["tolerated"]

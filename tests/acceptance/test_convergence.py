"""Checks that draw others' verdicts together, and checks that share code and not their units of a resource."""

from __future__ import annotations

import pytest

from .gates import Project

PREAMBLE = """
import pathlib
import pytest
import pytest_paragate as gate

HERE = pathlib.Path(__file__).parent
"""
AGREE = (
    PREAMBLE
    + """
@gate.check
@pytest.mark.parametrize("crate", ["core", "storage"])
def crate(crate, paragate_facts):
    paragate_facts["tests"] = {"core": 30, "storage": 15}[crate]

@gate.check
def coverage(paragate_facts):
    paragate_facts.update(tests_run=44, lines=1000)

@gate.check
def cargo_test(paragate_facts):
    paragate_facts["tests"] = 45

ruff = gate.command("true")

same = gate.agree("tests", "cargo_test", ["crate"], agent="debugger")
differ = gate.agree("tests", "cargo_test", {"coverage": "tests_run"})
close = gate.agree("tests", "cargo_test", {"coverage": "tests_run"}, tolerance=1)
family = gate.agree("tests", "crate")
gate.agree("tests", "cargo_test", "ruff", "coverage")

release = gate.command("true", needs="differ")

@gate.check(needs=["coverage", "ruff"])
def typed(paragate_results):
    verdict = paragate_results["coverage"]
    assert (str(verdict.outcome), verdict.counts["lines"], verdict.summary) == ("passed", 1000, "")
    assert verdict.duration_s >= 0
"""
)


@pytest.mark.parametrize("where", ["--paragate-workers=fork", "--paragate-workers=popen", "--tx=2*popen"])
def test_checks_that_contradict_each_other_fail_the_one_that_compares(project: Project, where: str) -> None:
    run = project.write({"conftest.py": AGREE}).run(where)
    assert run.status == 1, run.text
    assert {name: outcome for name, outcome in run.outcomes().items() if outcome != "passed"} == {
        "differ": "failed", "family": "failed", "agree-tests": "failed", "release": "blocked",
    }  # fmt: skip
    assert run.check("differ")["reason"] == "cargo_test says 45 tests, coverage says 44 tests_run"
    assert run.check("family")["reason"] == "crate[core] says 30 tests, crate[storage] says 15 tests"
    silent = run.check("agree-tests")["reason"]
    assert silent == ("ruff says nothing about tests; coverage says nothing about tests, did you mean tests_run?")
    assert run.check("differ")["needs"] == ["conftest.py::cargo_test", "conftest.py::coverage"]
    assert run.check("coverage")["counts"] == {"lines": 1000, "tests_run": 44}
    assert "Traceback" not in run.text
    assert run.check("release")["reason"] == "needs differ, which failed"


ONE_ONLY = (
    PREAMBLE
    + """
@gate.check
@pytest.mark.parametrize("crate", ["core", "storage"])
def crate(crate, paragate_facts):
    paragate_facts.update(tests=2, ran=2)

itself = gate.agree("tests", "crate[core]", "conftest.py::crate[core]")
two_words = gate.agree("tests", {"crate[core]": "tests"}, {"crate[core]": "ran"})
once = gate.agree("tests", ["crate", "conftest.py::crate[core]"], {"crate[core]": "ran"}, tolerance=2)
"""
)


def test_a_check_is_not_compared_with_itself(project: Project) -> None:
    run = project.write({"conftest.py": ONE_ONLY}).run()
    assert run.check("itself")["reason"] == "there are not two checks to compare tests of"
    assert (run.check("two_words")["outcome"], run.check("once")["outcome"]) == ("passed", "passed"), run.text


BLOCKED = (
    PREAMBLE
    + """
fails = gate.command("false")
blocked = gate.command("true", needs="fails")
deeper = gate.command("true", needs="blocked")

@gate.check(needs="deeper", when="always")
def last(paragate_results):
    verdict = paragate_results["deeper"]
    assert (str(verdict.outcome), verdict.reason) == ("blocked", "needs fails, which failed")
"""
)


def test_what_runs_always_is_told_of_what_was_blocked_by_the_same_failure(project: Project, workers: str) -> None:
    run = project.write({"conftest.py": BLOCKED}).run(workers)
    assert run.outcomes() == {"fails": "failed", "blocked": "blocked", "deeper": "blocked", "last": "passed"}


def test_a_check_that_compares_knows_where_it_was_declared(project: Project) -> None:
    run = project.write({"conftest.py": AGREE}).run("--paragate-plan")
    assert run.status == 0, run.text
    text = AGREE.replace('"crate"], agent', '"crat"], agent')
    run = project.write({"conftest.py": text}).run()
    assert run.status == 4
    line = text.split("\n").index('same = gate.agree("tests", "cargo_test", ["crat"], agent="debugger")') + 1
    assert f'conftest.py:{line}: "same" needs "crat", which does not exist' in run.text


OWN_FACTS = (
    PREAMBLE
    + """
import sys

CODE = "import unittest\\nclass T(unittest.TestCase):\\n    def test_it(self): pass\\nunittest.main()"

@gate.check(expect="seen == 1")
def judged(paragate_run, paragate_facts):
    result = paragate_run([sys.executable, "-c", CODE], parse="unittest")
    paragate_facts.update(seen=1, coverage=88.5, million=1234567)

@gate.check(expect="seen == 2")
def unmet(paragate_facts):
    paragate_facts["seen"] = 1

@gate.check
def other(paragate_facts):
    paragate_facts.update(coverage=88.25, million=1234568)

close = gate.agree("coverage", "judged", "other", tolerance=0.25)
apart = gate.agree("coverage", "judged", "other", tolerance=0.125)
large = gate.agree("million", "judged", "other")
total = gate.agree("seen", "judged", {"judged": "total"})
"""
)


def test_what_a_check_tells_itself_stands_beside_what_was_read_from_its_commands(
    project: Project, workers: str
) -> None:
    run = project.write({"conftest.py": OWN_FACTS}).run(workers)
    assert run.outcomes() == {
        "judged": "passed", "unmet": "unmet", "other": "passed", "close": "passed", "apart": "failed",
        "large": "failed", "total": "passed",
    }  # fmt: skip
    counts = run.check("judged")["counts"]
    assert (counts["seen"], counts["million"], counts["tests"]) == (1, 1234567, 1)
    assert run.check("judged")["metrics"]["coverage"]["value"] == 88.5
    assert run.check("large")["reason"] == "judged says 1234567 million, other says 1234568 million"
    assert run.check("apart")["reason"].endswith("88.25 coverage (more than 0.125 apart)")


@pytest.mark.parametrize("wrong", ['["tests"] = "45"', '["tests"] = None', '["tests"] = True', "[3] = 3"])
def test_a_fact_that_is_no_number_is_refused_in_the_check(project: Project, wrong: str) -> None:
    run = project.write(
        {"conftest.py": f"{PREAMBLE}\n@gate.check\ndef x(paragate_facts):\n    paragate_facts{wrong}\n"}
    ).run()
    assert run.check("x")["outcome"] == "failed"
    assert "TypeError: " in run.check("x")["reason"]


UNITS = (
    PREAMBLE
    + """
import socket, time

@gate.check(uses="port", agent="debugger")
@pytest.mark.parametrize("n", range(4))
def serves(n, paragate_units, paragate_run):
    port = paragate_units["port"]
    assert paragate_units.all("port") == (port,)
    assert list(paragate_units) == ["port"]
    HERE.joinpath(f"begun-{n}").write_text(str(port))
    give_up_at = time.monotonic() + 60
    # With two units, two run together: each waits for its neighbour, which must hold another unit.
    while not HERE.joinpath(f"begun-{n ^ 1}").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    assert paragate_run("printenv PARAGATE_UNIT_PORT").stdout.strip() == str(port)

command = gate.command("echo $PARAGATE_UNIT_PORT $PARAGATE_UNIT_DB > told", shell=True, uses={"port": 2, "db": 1})

@gate.check
def without(paragate_units):
    with pytest.raises(KeyError, match="port is not in this check's uses"):
        paragate_units["port"]
"""
)
PORTS = "[tool.pytest.ini_options]\nparagate_resources = ['port=8001-8002']\n"


def test_two_checks_share_code_and_not_their_units(project: Project, workers: str) -> None:
    run = project.write({"conftest.py": UNITS, "pyproject.toml": PORTS}).run(workers, "--paragate-slots=debugger=4")
    assert run.status == 0, run.text
    ports = [(run.folder / f"begun-{n}").read_text() for n in range(4)]
    assert sorted(ports[:2]) == sorted(ports[2:]) == ["8001", "8002"]
    assert (run.folder / "told").read_text() == "8001,8002 0\n"

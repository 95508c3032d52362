"""pytest's own options and ours do under the gate what their users expect, and what checks declare is kept."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from .gates import GateRun, Project

CONFTEST = """
import pytest
import pytest_paragate as gate

good = gate.command("echo from-good", agent="code-reviewer")
bad = gate.command("sh -c 'echo from-bad; exit 3'", agent="code-reviewer")
held = gate.command("true", needs=["bad"])

@gate.check(agent="refactorer")
@pytest.mark.parametrize("crate", ["core", "storage"])
def crate(crate):
    print("from", crate)
    assert crate == "core"
"""
TESTS = """
def test_good(): pass
def test_bad(): assert 1 == 2
"""
CHECKS = {
    "good": "passed", "bad": "failed", "held": "blocked", "crate[core]": "passed", "crate[storage]": "failed",
}  # fmt: skip


@pytest.fixture
def suite(project: Project) -> Project:
    return project.write({"conftest.py": CONFTEST, "tests/test_it.py": TESTS})


@pytest.fixture(scope="module")
def shared(module_project: Callable[[], Project]) -> Project:
    """For runs that leave nothing behind which another would see."""
    return module_project().write({"conftest.py": CONFTEST, "tests/test_it.py": TESTS})


def selected(run: GateRun) -> set[str]:
    return set(run.outcomes())


def number_of_tests(run: GateRun) -> int:
    return sum(agent["tests"] for agent in run.report["agents"])


# how much is said


def test_quiet_prints_one_letter_for_each_item(shared: Project) -> None:
    run = shared.run("-q", "--tb=no")
    letters = next(line.split()[0] for line in run.lines if re.match(r"[.FbxsE]{7} ", line))
    assert sorted(letters) == sorted("..b.FFF")
    assert not any(line.startswith(("PASSED", "BLOCKED")) for line in run.lines[:6])
    assert "gate failed: " in run.text


def test_very_quiet_keeps_the_answer(shared: Project) -> None:
    run = shared.run("-qq", "--tb=no")
    assert "gate failed: 2 of 5 checks, 1 of 2 tests, 1 not run" in run.lines


def test_verbose_names_every_item_once_while_it_runs(shared: Project) -> None:
    run = shared.run("-v", "--tb=no")
    before = run.text.partition("short test summary")[0].splitlines()
    for name in (*CHECKS, "test_good", "test_bad"):
        assert sum(f"::{name}" in line for line in before) == 1, name
    assert "tests/test_it.py::test_good PASSED" in run.text


@pytest.mark.parametrize(
    ("style", "shown", "hidden"),
    [
        ("no", [], ["= FAILURES =", "$ sh -c"]),
        ("line", ["conftest.py:6: exit status 3", "conftest.py:13: AssertionError"], ["$ sh -c", "declared at"]),
        ("short", ["$ sh -c", "conftest.py:13: in crate", "from-bad"], []),
        ("native", ["$ sh -c", "AssertionError: assert 'storage' == 'core'"], []),
    ],
)
def test_traceback_styles(shared: Project, style: str, shown: list[str], hidden: list[str]) -> None:
    run = shared.run(f"--tb={style}")
    assert run.outcomes() == CHECKS
    before = run.text.partition("short test summary")[0]
    assert [part for part in shown if part not in before] == []
    assert [part for part in hidden if part in before] == []


def test_report_characters_choose_what_the_summary_lists(shared: Project) -> None:
    run = shared.run("-rA", "--tb=short")
    summary = run.text.partition("short test summary info")[2]
    for line in ("PASSED conftest.py::good", "PASSED conftest.py::crate[core]", "PASSED tests/test_it.py::test_good"):
        assert line in summary
    assert "FAILED conftest.py::bad - exit status 3" in summary


def test_live_output_is_there_to_its_end_whoever_ends_last(project: Project, workers: str) -> None:
    checks = "import pytest_paragate as gate\n"
    checks += "a = gate.command(['sh', '-c', 'seq 1 20000; echo end'])\nb = gate.command(['sh', '-c', 'seq 1 20'])\n"
    test = "def test_it():\n    for number in range(20_000): print(number)\n"
    run = project.write({"conftest.py": checks, "test_it.py": test}).run(workers, "-s")
    shown = Counter(line.partition(" | ")[0] for line in run.lines if " | " in line)
    assert shown == {"a": 20_001, "b": 20, "test_it": 20_000}


def test_live_output_carries_the_name_of_its_check(shared: Project) -> None:
    run = shared.run("-s", "--tb=no")
    assert run.outcomes() == CHECKS
    assert "good | from-good" in run.lines
    assert "bad | from-bad" in run.lines


# choosing


@pytest.mark.parametrize(
    ("args", "checks", "tests"),
    [
        (["-m", "paragate"], set(CHECKS), 0),
        (["-m", "not paragate"], set(), 2),
        (["-k", "code-reviewer"], {"good", "bad"}, 0),
        (["-k", "good"], {"good"}, 1),
        (["-k", "crate and not core"], {"crate[storage]"}, 0),
        (["--deselect", "conftest.py::held"], set(CHECKS) - {"held"}, 2),
        (["--deselect", "conftest.py::crate"], set(CHECKS) - {"crate[core]", "crate[storage]"}, 2),
        (["conftest.py::good"], {"good"}, 0),
        (["conftest.py::crate[core]", "tests/test_it.py::test_good"], {"crate[core]"}, 1),
        (["conftest.py::crate"], {"crate[core]", "crate[storage]"}, 0),
        (["conftest.py"], set(CHECKS), 0),
        (["tests"], set(), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_selections(shared: Project, args: list[str], checks: set[str], tests: int) -> None:
    run = shared.run("--tb=no", *args)
    assert (selected(run), number_of_tests(run)) == (checks, tests)


def test_nothing_selected_is_not_green(shared: Project) -> None:
    run = shared.run("-k", "nothing_like_it")
    assert run.status == 5
    assert "gate failed: nothing was selected" in run.lines
    assert (run.report["outcome"], run.report["exitstatus"], run.report["checks"]) == ("failed", 5, [])


def test_collect_only_lists_and_runs_nothing(project: Project) -> None:
    project.write({"conftest.py": "import pytest_paragate as gate\nx = gate.command('touch ran')\n"})
    run = project.run("--collect-only", "-q")
    assert run.status == 0
    assert run.lines[0] == "conftest.py::x"
    assert not (run.folder / "ran").exists()
    assert run.report == {}


# from where


def test_from_a_folder_below(suite: Project) -> None:
    """Every loaded conftest.py counts, and each check runs in the folder of its own."""
    suite.write({"sub/conftest.py": "import pytest_paragate as gate\nbelow = gate.command('test ! -d sub')\n"})
    folder, suite.folder = suite.folder, suite.folder / "sub"
    try:
        run = suite.run("--tb=no")
    finally:
        suite.folder = folder
    assert run.check("below")["nodeid"] == "sub/conftest.py::below"
    assert run.outcomes() == {**CHECKS, "below": "passed"}
    assert number_of_tests(run) == 0


def test_with_another_ini_file_and_root(suite: Project) -> None:
    suite.write({"gate.ini": "[pytest]\nparagate_slots = code-reviewer=2\n"})
    run = suite.run("--tb=no", "-c", "gate.ini", "--rootdir=.", "-m", "paragate")
    assert run.outcomes() == CHECKS
    assert next(agent for agent in run.report["agents"] if agent["agent"] == "code-reviewer")["slots"] == 2


# stopping early and coming back


def test_fail_fast_starts_nothing_more(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import pytest_paragate as gate
first = gate.command("false")
never = gate.command("touch ran")
"""
        }
    )
    run = project.run("-x")
    assert run.status == 1
    assert run.outcomes() == {"first": "failed", "never": "cancelled"}
    assert run.check("never")["reason"] == "stopped after 1 failure"
    assert "stopping after 1 failures" in run.text
    assert not (run.folder / "ran").exists()


def test_maxfail_counts_failures_of_checks_and_tests_but_no_advisory_ones(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import pytest_paragate as gate
advisory = gate.command("false", advisory=True)
one = gate.command("false", after="advisory")
two = gate.command("false", after="one")
never = gate.command("touch ran", after="two")
"""
        }
    )
    run = project.run("--maxfail=2")
    assert run.outcomes() == {"advisory": "failed", "one": "failed", "two": "failed", "never": "cancelled"}
    assert not (run.folder / "ran").exists()


def test_last_failed_repeats_what_failed_and_what_that_held_back(suite: Project) -> None:
    suite.run("--tb=no")
    repeated = suite.run("--tb=no", "--lf")
    assert repeated.outcomes() == {"bad": "failed", "held": "blocked", "crate[storage]": "failed"}
    assert number_of_tests(repeated) == 1
    # A run that stops early must not forget what it did not come to.
    suite.write({"conftest.py": CONFTEST.replace("exit 3", "sleep 0.1; exit 3")})
    stopped = suite.run("--tb=no", "--lf", "-x", "-p", "no:randomly")
    assert "cancelled" in stopped.outcomes().values()
    again = suite.run("--tb=no", "--lf")
    assert selected(again) == {"bad", "held", "crate[storage]"}
    suite.write({"conftest.py": CONFTEST.replace("exit 3", "exit 0").replace('== "core"', '!= ""')})
    suite.write({"tests/test_it.py": TESTS.replace("1 == 2", "1 == 1")})
    assert suite.run("--tb=no", "--lf").status == 0
    assert selected(suite.run("--tb=no", "--lf")) == set(CHECKS)


def test_failed_first_runs_everything(suite: Project) -> None:
    suite.run("--tb=no")
    run = suite.run("--tb=no", "--ff")
    assert run.outcomes() == CHECKS
    assert number_of_tests(run) == 2


def test_stepwise_goes_on_from_what_failed_with_what_that_needs(project: Project) -> None:
    conftest = """
import pytest_paragate as gate
first = gate.command("true")
second = gate.command("true", needs="first")
third = gate.command("false", needs="second")
fourth = gate.command("true", needs="third")
"""
    project.write({"conftest.py": conftest})
    run = project.run("--sw", "--tb=no")
    assert run.status == 2
    assert (run.outcomes()["third"], run.outcomes()["fourth"]) == ("failed", "blocked")
    assert "conftest.py::third" in (run.folder / ".pytest_cache/v/cache/stepwise").read_text()
    project.write({"conftest.py": conftest.replace("false", "true")})
    run = project.run("--sw", "--tb=no")
    assert run.outcomes() == dict.fromkeys(("first", "second", "third", "fourth"), "passed")
    assert run.status == 0


# what a plugin or a hook may do


@pytest.mark.parametrize("plugin", ["terminal", "cacheprovider", "xdist", "randomly"])
def test_without_a_plugin_outcomes_are_the_same(suite: Project, plugin: str) -> None:
    run = suite.run("-p", f"no:{plugin}")
    assert run.status == 1
    assert run.outcomes() == CHECKS
    if plugin == "cacheprovider":
        assert not (run.folder / ".pytest_cache").exists()


def test_a_hook_that_exits_ends_the_gate_in_words(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import pytest
import pytest_paragate as gate
first = gate.command("true")
never = gate.command("touch ran", after="first")
def pytest_paragate_verdict(check, verdict):
    pytest.exit("enough of this", returncode=9)
"""
        }
    )
    run = project.run()
    assert run.status == 9
    assert "enough of this" in run.text
    assert "INTERNALERROR" not in run.text
    assert run.report["exitstatus"] == 9
    assert run.report["outcome"] != "passed"


def test_collection_errors_end_the_run_before_anything_starts(project: Project) -> None:
    project.write(
        {
            "conftest.py": "import pytest_paragate as gate\nx = gate.command('touch ran')\n",
            "test_it.py": "import nothing_like_it\n",
        }
    )
    run = project.run()
    assert run.status == 2
    assert "ModuleNotFoundError" in run.text
    assert not (run.folder / "ran").exists()
    assert run.report["outcome"] == "error"


def test_warnings_as_errors_fail_what_warned_and_nothing_else(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import warnings
import pytest_paragate as gate
quiet = gate.command("true")
@gate.check
def warns(): warnings.warn("careful", UserWarning)
""",
            "test_it.py": "import warnings\ndef test_warns(): warnings.warn('hey')\ndef test_quiet(): pass\n",
        }
    )
    lenient = project.run()
    assert lenient.status == 0
    assert "UserWarning: careful" in lenient.text
    assert "2 warnings" in lenient.lines[-1]
    strict = project.run("-W", "error")
    assert strict.outcomes() == {"quiet": "passed", "warns": "failed"}
    assert "1 of 2 checks, 1 of 2 tests" in strict.text


def test_base_temporary_folder(project: Project) -> None:
    project.write({"test_it.py": "def test_it(tmp_path): (tmp_path / 'made').write_text('x')\n"})
    run = project.run("--basetemp=scratch")
    assert run.status == 0
    assert list((run.folder / "scratch").rglob("made"))


@pytest.mark.parametrize("option", ["-n2", "--paragate-slots=test-runner=2"])
def test_slots_of_the_test_runner(project: Project, option: str) -> None:
    """Two tests meet, which takes two of them at a time; the lines of checks stay lines of their own."""
    meet = """
import pathlib, time
HERE = pathlib.Path(__file__).parent
def meet(me, other):
    (HERE / me).touch()
    end = time.monotonic() + 60
    while not (HERE / other).exists():
        assert time.monotonic() < end
        time.sleep(0.005)
"""
    project.write(
        {
            "test_a.py": meet + "def test_a(): meet('a', 'b')\n",
            "test_b.py": meet + "def test_b(): meet('b', 'a')\n",
            "conftest.py": "import pytest_paragate as gate\nx = gate.command('true', after=['test_a', 'test_b'])\n",
        }
    )
    run = project.run(option)
    assert run.status == 0, run.text
    assert next(agent["slots"] for agent in run.report["agents"] if agent["agent"] == "test-runner") == 2
    assert any(line.startswith("PASSED      conftest.py::x") for line in run.lines), run.text


# what checks declare


def test_a_check_that_failed_blocks_everything_behind_it_and_always_runs(project: Project) -> None:
    project.write(
        {
            "conftest.py": """
import pytest_paragate as gate
root = gate.command("false")
child = gate.command("touch child-ran", needs="root")
grandchild = gate.command("touch grandchild-ran", needs="child")
later = gate.command("touch later-ran", after="root")
behind_later = gate.command("true", needs="later")
cleanup = gate.command("touch cleanup-ran", needs=["root", "grandchild"], when="always")
skipped_root = gate.command("false", advisory=True)
on_advisory = gate.command("touch advisory-ran", needs="skipped_root")

@gate.check(needs=["root", "later", "child"], when="always")
def draws_together(paragate_results):
    assert {name: str(each.outcome) for name, each in paragate_results.items()} == {
        "root": "failed", "later": "passed", "child": "blocked"}
"""
        }
    )
    run = project.run("--tb=short")
    assert run.outcomes() == {
        "root": "failed", "child": "blocked", "grandchild": "blocked", "later": "passed", "behind_later": "passed",
        "cleanup": "passed", "skipped_root": "failed", "on_advisory": "blocked", "draws_together": "passed",
    }, run.text  # fmt: skip
    ran = {path.name for path in run.folder.glob("*-ran")}
    assert ran == {"later-ran", "cleanup-ran"}
    assert run.check("grandchild")["reason"] == "needs root, which failed"
    start = {check["name"]: check["start_s"] for check in run.report["checks"]}
    assert start["cleanup"] >= start["root"] + run.check("root")["duration_s"] - 0.001


STAMPS = """
import pathlib, sys, time
import pytest_paragate as gate
import pytest

HERE = pathlib.Path(__file__).parent

def stamped(name, **keys):
    code = (
        "import time, pathlib; start = time.monotonic(); time.sleep(0.04); "
        f"pathlib.Path('stamps-{name}').write_text(f'{{start}} {{time.monotonic()}}')"
    )
    gate.command([sys.executable, "-S", "-c", code], name=name, agent="debugger", **keys)

def pytest_paragate_checks(gate):
    for n in range(3):
        stamped(f"db-{n}", uses="db")
        stamped(f"gpu-{n}", uses={"gpu": 2})
        stamped(f"writer-{n}", writes=["out/"])
    stamped("reader", reads=["out/report.txt"])
    stamped("alone-0", exclusive=True)
    stamped("alone-1", exclusive=True)

def stamp(name):
    start = time.monotonic()
    time.sleep(0.04)
    (HERE / f"stamps-{name}").write_text(f"{start} {time.monotonic()}")

@gate.check(agent="refactorer", uses="db")
def db_function():
    stamp("db-function")
"""
STAMPED_TESTS = """
import pytest
from conftest import stamp

@pytest.mark.paragate(writes=["out/report.txt"])
def test_writer(): stamp("writer-test")

def test_plain(): stamp("plain")
"""


def test_what_is_kept_apart_never_overlaps(project: Project) -> None:
    project.write(
        {
            "conftest.py": STAMPS,
            "test_it.py": STAMPED_TESTS,
            "pytest.ini": "[pytest]\nparagate_slots =\n  debugger=4\nparagate_resources =\n  gpu=4\n",
        }
    )
    run = project.run("--tb=short")
    assert run.status == 0, run.text
    spans = {}
    for path in run.folder.glob("stamps-*"):
        start, end = map(float, path.read_text().split())
        spans[path.name.removeprefix("stamps-")] = (start, end)
    assert len(spans) == 15
    overlapping = {
        frozenset((one, other))
        for one, other in itertools.combinations(spans, 2)
        if spans[one][0] < spans[other][1] and spans[other][0] < spans[one][1]
    }
    for one, other in map(sorted, overlapping):
        kinds = {one.partition("-")[0], other.partition("-")[0]}
        assert "alone" not in kinds, (one, other)
        assert kinds not in ({"db"}, {"writer"}, {"writer", "reader"}), (one, other)
    assert not any(
        all(frozenset(pair) in overlapping for pair in itertools.combinations(three, 2))
        for three in itertools.combinations([name for name in spans if name.startswith("gpu")], 3)
    )
    assert overlapping, "nothing ran at the same time"


def test_same_names_in_nested_folders_do_not_meet(project: Project) -> None:
    conftest = """
import pytest_paragate as gate
lint = gate.command("pwd > where", shell=True)
next = gate.command("true", needs="lint")
"""
    project.write({f"{folder}/conftest.py": conftest for folder in ("a", "b", "a/deep")})
    run = project.run("--tb=short")
    assert run.status == 0, run.text
    nodeids = {check["nodeid"]: check for check in run.report["checks"]}
    assert len(nodeids) == 6
    for folder in ("a", "b", "a/deep"):
        assert Path((run.folder / folder / "where").read_text().strip()).resolve() == (run.folder / folder).resolve()
        assert nodeids[f"{folder}/conftest.py::next"]["needs"] == [f"{folder}/conftest.py::lint"]

"""Collecting checks: node ids, selection, what a check carries, and how wrong declarations are told."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_paragate.collect import COLLECTING, Collected, collected
from pytest_paragate.model import Check

CONFTEST = """
import pytest
import pytest_paragate as gate

ruff = gate.command("ruff check .", agent="code-reviewer")
types = gate.command("mypy src", agent="code-reviewer", timeout="2m", needs="ruff")

@pytest.fixture
def core():
    return "core"

@gate.check(agent="test-runner", writes=["target/"], needs=["types"])
@pytest.mark.parametrize("crate", ["memory-core", "memory-redb"])
def crate(crate, core):
    pass

@gate.check
def plain():
    pass

def pytest_paragate_checks(gate):
    for word in ("a", "b"):
        gate.command(f"vale {word}", name=f"prose-{word}", agent="refactorer")
"""
TOML = """
[tool.paragate.checks.audit]
run = "pip-audit"
agent = "debugger"
advisory = true
"""
# Before, pytest forgot an argument that contains another one, for tests as well.
NEEDS_PYTEST_9 = pytest.mark.skipif(pytest.version_tuple < (9,), reason="overlapping arguments need pytest 9")
CHECKS = [
    "conftest.py::ruff",
    "conftest.py::types",
    "conftest.py::crate[memory-core]",
    "conftest.py::crate[memory-redb]",
    "conftest.py::plain",
    "conftest.py::prose-a",
    "conftest.py::prose-b",
]
AUDIT = "pyproject.toml::audit"
TEST = "tests/test_it.py::test_it"
NESTED = "sub/conftest.py::x"


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A root conftest.py, a pyproject.toml, a nested conftest.py that is not loaded at first, and a test."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\naddopts = '--strict-markers'\n{TOML}")
    put(pytester, "sub/conftest.py", "import pytest_paragate as gate\nx = gate.command('true')\n")
    put(pytester, "tests/test_it.py", "def test_it(): pass\n")
    return pytester


def put(pytester: pytest.Pytester, path: str, text: str) -> Path:
    file = pytester.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def nodeids(pytester: pytest.Pytester, *arguments: str, on: bool = True) -> list[str]:
    """The node ids that pytest itself lists."""
    result = pytester.runpytest_inprocess("--co", "-q", *(["--paragate"] if on else []), *arguments)
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), result.stderr.str()
    return [line for line in result.outlines if "::" in line]


def session_of(pytester: pytest.Pytester, *arguments: str) -> pytest.Session:
    """What has collected in this process."""
    found: list[pytest.Session] = []

    class Keep:
        @pytest.hookimpl(trylast=True)
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            found.append(session)

    result = pytester.inline_run("--co", "-q", "--paragate", *arguments, plugins=[Keep()])
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return found[0]


def collect(pytester: pytest.Pytester, *arguments: str) -> Collected:
    """What the run would be given."""
    return collected(session_of(pytester, *arguments))


def names(checks: tuple[Check, ...]) -> list[str]:
    return [check.nodeid for check in checks]


def test_without_path_arguments_every_loaded_check_is_collected(project: pytest.Pytester) -> None:
    assert sorted(nodeids(project)) == sorted([*CHECKS, AUDIT, NESTED, TEST])


def test_without_the_option_nothing_happens(project: pytest.Pytester) -> None:
    assert nodeids(project, on=False) == [TEST]


@pytest.mark.parametrize(
    ("testpaths", "expected"),
    [
        ("tests", [*CHECKS, AUDIT, TEST]),
        (".", [*CHECKS, AUDIT, NESTED, TEST]),
        ("sub tests", [*CHECKS, AUDIT, NESTED, TEST]),
        ("conftest.py tests", [*CHECKS, AUDIT, TEST]),
        ("tests/test_it.py", [*CHECKS, AUDIT, TEST]),
    ],
)
def test_testpaths_need_not_contain_the_checks(project: pytest.Pytester, testpaths: str, expected: list[str]) -> None:
    assert sorted(nodeids(project, "-o", f"testpaths={testpaths}")) == sorted(expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["."], [*CHECKS, AUDIT, NESTED, TEST]),
        (["tests"], [TEST]),
        (["sub"], [NESTED]),
        (["conftest.py"], CHECKS),
        (["pyproject.toml"], [AUDIT]),
        (["conftest.py", "sub/conftest.py", "pyproject.toml"], [*CHECKS, NESTED, AUDIT]),
        pytest.param(["conftest.py", "."], [*CHECKS, AUDIT, NESTED, TEST], marks=NEEDS_PYTEST_9),
        pytest.param(["conftest.py", "conftest.py::ruff"], CHECKS, marks=NEEDS_PYTEST_9),
        (["conftest.py::crate[memory-core]"], [CHECKS[2]]),
        (["conftest.py::crate"], CHECKS[2:4]),
        (["conftest.py::prose-b", AUDIT, NESTED, TEST], [CHECKS[6], AUDIT, NESTED, TEST]),
    ],
)
def test_path_arguments_select_checks(project: pytest.Pytester, arguments: list[str], expected: list[str]) -> None:
    assert sorted(nodeids(project, *arguments)) == sorted(expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "code-reviewer"], CHECKS[:2]),
        (["-k", "ruff or debugger"], [CHECKS[0], AUDIT]),
        (["-k", "memory-core"], [CHECKS[2]]),
        (["-m", "paragate"], [*CHECKS, AUDIT, NESTED]),
        (["-m", "not paragate"], [TEST]),
        (["-m", "paragate(agent='refactorer')"], CHECKS[5:]),
        (["--deselect", "conftest.py", "--deselect", NESTED], [AUDIT, TEST]),
        (["--ignore", "sub"], [*CHECKS, AUDIT, TEST]),
        (["-p", "no:xdist"], [*CHECKS, AUDIT, NESTED, TEST]),
        (["-p", "no:cacheprovider"], [*CHECKS, AUDIT, NESTED, TEST]),
        (["--import-mode=importlib"], [*CHECKS, AUDIT, NESTED, TEST]),
        (["-n", "2"], [*CHECKS, AUDIT, NESTED, TEST]),
        (["--noconftest"], [AUDIT, TEST]),
    ],
)
def test_pytests_own_selection_works(project: pytest.Pytester, arguments: list[str], expected: list[str]) -> None:
    assert sorted(nodeids(project, *arguments)) == sorted(expected)


def test_checks_come_in_the_order_of_their_declaration(project: pytest.Pytester) -> None:
    assert nodeids(project, "conftest.py") == CHECKS


def test_from_a_folder_below_the_loaded_checks_are_found(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("tests")
    assert sorted(names(collect(project, "--rootdir=..").selected)) == sorted([*CHECKS, AUDIT, TEST])
    assert names(collect(project, "--rootdir=..", "../conftest.py::ruff").selected) == [CHECKS[0]]


def test_confcutdir_keeps_a_conftest_out(project: pytest.Pytester) -> None:
    assert nodeids(project, "--confcutdir=sub", "sub") == [NESTED]
    assert sorted(nodeids(project, "--confcutdir=sub", "-o", "testpaths=sub")) == sorted([AUDIT, NESTED])


def test_a_conftest_in_a_package_works(pytester: pytest.Pytester) -> None:
    text = "import pytest_paragate as gate\nx = gate.command('true')\n@gate.check\ndef y(): pass\n"
    for folder in ("a", "a/b", "c"):
        put(pytester, f"{folder}/conftest.py", text)
        put(pytester, f"{folder}/__init__.py", "")
    expected = [f"{folder}/conftest.py::{name}" for folder in ("a", "a/b", "c") for name in "xy"]
    for mode in ("prepend", "append", "importlib"):
        assert sorted(nodeids(pytester, f"--import-mode={mode}")) == sorted(expected)
    assert nodeids(pytester, "a/b/conftest.py::y") == ["a/b/conftest.py::y"]


def test_several_conftest_files_without_packages_are_kept_apart(pytester: pytest.Pytester) -> None:
    for folder in ("a", "b"):
        put(pytester, f"{folder}/conftest.py", f"import pytest_paragate as gate\nin_{folder} = gate.command('true')\n")
    expected = ["a/conftest.py::in_a", "b/conftest.py::in_b"]
    assert nodeids(pytester) == expected
    assert nodeids(pytester, "a/conftest.py", "b/conftest.py") == expected


def test_a_conftest_is_not_imported_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pathlib, pytest_paragate as gate
        file = pathlib.Path(__file__).with_name("count")
        file.write_text(file.read_text() + "x" if file.exists() else "x")
        x = gate.command("true")
        """
    )
    assert nodeids(pytester, "conftest.py") == ["conftest.py::x"]
    assert Path("count").read_text() == "x"


def test_tests_in_a_conftest_are_collected_where_pytest_would(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST + "\ndef test_in_conftest(): pass\n")
    assert nodeids(pytester) == CHECKS
    assert nodeids(pytester, "conftest.py") == [*CHECKS, "conftest.py::test_in_conftest"]
    assert nodeids(pytester, "-o", "python_files=*.py") == [*CHECKS, "conftest.py::test_in_conftest"]


def test_function_checks_are_real_tests_with_fixtures_marks_and_parameters(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import functools
        import pytest, pytest_paragate as gate

        pytestmark = pytest.mark.usefixtures("before")
        seen = []

        @pytest.fixture
        def before():
            seen.append("before")

        @pytest.fixture(params=[1, 2])
        def number(request):
            return request.param

        def doubled(function):
            @functools.wraps(function)
            def call(*args, **kwargs):
                seen.append("wrapped")
                return function(*args, **kwargs)
            return call

        def pytest_generate_tests(metafunc):
            if "letter" in metafunc.fixturenames:
                metafunc.parametrize("letter", "ab")

        @doubled
        @gate.check(name="build all")
        def build(number, letter):
            assert seen[-2:] == ["before", "wrapped"]

        @gate.check
        @pytest.mark.skip(reason="not today")
        def skipped():
            assert False

        @gate.check
        @pytest.mark.xfail
        def failing():
            assert False
        """
    )
    pytester.inline_run("--paragate", "conftest.py").assertoutcome(passed=4, skipped=2)
    ids = ["1-a", "1-b", "2-a", "2-b"]
    assert sorted(nodeids(pytester, "-k", "build")) == [f"conftest.py::build all[{each}]" for each in ids]


def test_marks_on_parameters_change_single_checks(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest, pytest_paragate as gate

        @gate.check(agent="debugger", timeout=10)
        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.paragate(timeout="1m"))])
        def crate(n): pass
        """
    )
    first, second = collect(pytester).selected
    assert (first.name, first.family, first.agent, first.timeout_s) == ("crate[1]", "crate", "debugger", 10.0)
    assert (second.name, second.family, second.agent, second.timeout_s) == ("crate[2]", "crate", "debugger", 60.0)


def test_plugins_that_make_their_own_items_are_asked(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest, pytest_paragate as gate

        class Special(pytest.Function):
            pass

        @pytest.hookimpl(wrapper=True)
        def pytest_pycollect_makeitem(collector, name, obj):
            made = yield
            if isinstance(made, list):
                made = [Special.from_parent(collector, name=item.name, callobj=item.obj) for item in made]
            return made

        @gate.check(agent="debugger")
        def x(): pass
        """
    )
    result = pytester.runpytest_inprocess("--co", "--paragate", "-k", "debugger")
    result.stdout.fnmatch_lines(["*<Special x>*"])


def test_a_check_knows_what_was_declared(project: pytest.Pytester) -> None:
    by_id = {check.nodeid: check for check in collect(project).selected}
    types, crate, audit, test = (by_id[nodeid] for nodeid in (CHECKS[1], CHECKS[2], AUDIT, TEST))
    assert (types.kind, types.name, types.family, types.needs) == ("command", "types", "types", ("ruff",))
    assert (types.timeout_s, str(types.place), types.is_marked) == (120.0, "conftest.py:5", True)
    assert types.command is not None
    assert (types.command.argv, types.command.cwd) == (("mypy", "src"), str(project.path))
    assert (crate.kind, crate.name, crate.family) == ("function", "crate[memory-core]", "crate")
    assert crate.writes == (f"{project.path}/target/",)
    assert (audit.kind, audit.agent, audit.advisory, str(audit.place)) == (
        "command",
        "debugger",
        True,
        "pyproject.toml:4",
    )
    assert (test.kind, test.name, test.agent, test.is_marked) == ("test", "test_it", "test-runner", False)
    assert str(test.place) == "tests/test_it.py"


def test_checks_follow_the_items_they_are_given(project: pytest.Pytester) -> None:
    session = session_of(project)
    session.items.reverse()
    assert names(collected(session).selected) == [item.nodeid for item in session.items]


def test_marks_on_tests_are_understood(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        pytestmark = pytest.mark.paragate(agent="debugger", cpus=2)

        class TestIt:
            @pytest.mark.paragate(needs=["ruff"], uses="db", cpus=3, exclusive=True, timeout="5s")
            @pytest.mark.parametrize("n", [1, 2])
            def test_one(self, n): pass

        @pytest.mark.paragate(name="other")
        @pytest.mark.parametrize("n", [1])
        def test_two(n): pass
        """
    )
    one, _, two = collect(pytester, "--strict-markers").selected
    assert (one.kind, one.name, one.family, one.is_marked) == ("test", "test_one[1]", "test_one", True)
    assert (one.agent, one.cpus, one.needs, one.uses) == ("debugger", 3, ("ruff",), (("db", 1),))
    assert (one.exclusive, one.timeout_s, str(one.place)) == (True, 5.0, "test_it.py:5")
    assert (two.name, two.family, two.nodeid) == ("other[1]", "other", "test_it.py::test_two[1]")
    assert len(nodeids(pytester, "-k", "debugger")) == 3


def test_the_default_time_limit_is_for_those_that_set_none(project: pytest.Pytester) -> None:
    limits = {check.nodeid: check.timeout_s for check in collect(project, "--paragate-timeout=7").selected}
    assert (limits[CHECKS[1]], limits[CHECKS[0]], limits[AUDIT], limits[TEST]) == (120.0, 7.0, 7.0, 7.0)


def test_what_is_left_out_is_known(project: pytest.Pytester) -> None:
    result = collect(project, "-k", "types")
    assert names(result.selected) == [CHECKS[1]]
    assert sorted(names(result.unselected)) == sorted([*CHECKS[:1], *CHECKS[2:], AUDIT, NESTED, TEST])


def test_what_path_arguments_leave_out_is_known_by_name(project: pytest.Pytester) -> None:
    result = collect(project, "conftest.py::types", "tests")
    assert names(result.selected) == [CHECKS[1], TEST]
    families = ["conftest.py::crate", "conftest.py::plain", "conftest.py::prose-a", "conftest.py::prose-b"]
    assert sorted(names(result.unselected)) == sorted(["conftest.py::ruff", *families, AUDIT])


def fail_last_time(pytester: pytest.Pytester, *failed: str) -> None:
    cache = pytester.mkdir(".pytest_cache") / "v" / "cache"
    cache.mkdir(parents=True)
    (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))


def test_last_failed_brings_back_what_they_need(project: pytest.Pytester) -> None:
    fail_last_time(project, CHECKS[2])
    assert sorted(names(collect(project, "--lf").selected)) == sorted(CHECKS[:3])
    result = project.runpytest_inprocess("--co", "--paragate", "--lf")
    result.stdout.fnmatch_lines(["*3/* tests collected (* deselected)*"])


def test_last_failed_does_not_bring_back_what_was_deselected_otherwise(project: pytest.Pytester) -> None:
    fail_last_time(project, CHECKS[2])
    assert sorted(names(collect(project, "--lf", "-k", "not ruff").selected)) == sorted(CHECKS[1:3])


def test_last_failed_leaves_out_checks_that_nothing_needs(project: pytest.Pytester) -> None:
    fail_last_time(project, TEST)
    assert names(collect(project, "--lf").selected) == [TEST]


def test_failed_first_keeps_everything(project: pytest.Pytester) -> None:
    fail_last_time(project, TEST)
    found = names(collect(project, "--ff").selected)
    assert found[0] == TEST
    assert sorted(found) == sorted([*CHECKS, AUDIT, NESTED, TEST])


def test_plugins_can_declare_checks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        houserules="""
        def pytest_paragate_checks(gate, config):
            gate.command("true", name="licence")
            @gate.check(agent="debugger")
            def layout(tmp_path): pass
        """
    )
    pytester.makepyfile(test_it="def test_it(): pass")
    pytester.syspathinsert()
    expected = ["test_it.py::test_it", "houserules::licence", "houserules::layout"]
    assert nodeids(pytester, "-p", "houserules") == expected
    assert nodeids(pytester, "-p", "houserules", "test_it.py") == expected[:1]
    assert nodeids(pytester, "-p", "houserules", "-k", "licence") == expected[1:2]
    assert sorted(names(collect(pytester, "-p", "houserules", "test_it.py").unselected)) == sorted(expected[1:])


def test_a_worker_that_collects_itself_finds_the_same(project: pytest.Pytester) -> None:
    session = session_of(project, "-o", "testpaths=tests")
    whole, config = collected(session), session.config
    collecting = config.stash[COLLECTING]

    class BeWorker:
        @pytest.hookimpl(tryfirst=True)
        def pytest_configure(self, config: pytest.Config) -> None:
            config.workerinput = {"paragate_collecting": collecting.for_worker()}  # type: ignore[attr-defined]

    found: list[str] = []

    class Keep:
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            found.extend(item.nodeid for item in session.items)

    project.inline_run("--co", "-q", "--paragate", *config.args, plugins=[BeWorker(), Keep()])
    assert found == names(whole.selected)


WRONG: list[tuple[str, str, str]] = [
    ("x = gate.command('ruff', agnet='debugger')", "2: unknown key `agnet`, did you mean `agent`?", "keys are name"),
    ("x = gate.command('ruff', agent='code-reviwer')", "2: unknown agent type 'code-reviwer', did you", "known are"),
    ("x = gate.command('ruff', retries='2')", "2: `retries` cannot be '2': it must be a whole number", "further tries"),
    ("gate.group('x', wait='60 per cent')", "2: `wait` cannot be '60 per cent'", '"60%"'),
    ("gate.group('x', wait=0)", "2: `wait` cannot be 0: it must be 1 or more", '"all"'),
    ("gate.group('x', wait='0%')", "2: `wait` cannot be '0%': it must be from 1% to 100%", '"all"'),
    ("gate.group('x', rest='canel')", "2: `rest` cannot be 'canel'", 'did you mean "cancel"?'),
    ("gate.group('x', wiat='any')", "2: unknown key `wiat` of a group, did you mean `wait`?", "keys are wait, rest"),
    ("gate.group()", "2: this group has no name", 'gate.group("mirrors", wait="any")'),
    ("gate.group('x', 'y')", "2: gate.group takes one name", "at each of its checks"),
    ("gate.group('x')\ngate.group('x')", "3: the name 'x' is taken already, by the group at conftest.py:2", "another"),
    ("gate.agree('x')", "2: gate.agree needs at least two checks to compare", 'gate.agree("x", "one", "other")'),
    ("gate.agree('x', 'a', 3)", "2: gate.agree cannot compare 3", "to add them up"),
    ("gate.agree('x', 'a', ['b', 'a'])", "2: gate.agree names 'a' twice", "name every check once"),
    ("gate.agree('x', 'a', 'b', tolerance=-1)", "2: `tolerance` cannot be -1", ""),
    ("x = gate.command('a | b')", "2: the command 'a | b' needs a shell for a pipe", "add shell=True"),
    ("x = gate.command()", "2: the command is empty", "ruff check ."),
    ("x = gate.command('a', 'b')", "2: gate.command takes one command", "one list"),
    ("gate.command('a')", "2: this check has no name", 'or give it name="…"'),
    ("x = gate.command('a')\nx = gate.command('b')", "2: this check has no name", "a variable of its own"),
    ("x = [gate.command('a')]", "2: this check has no name", "a variable of its own"),
    ("x = gate.command('a', name='')", "2: `name` cannot be '', because it is empty", "node id"),
    ("x = gate.command('a', name='a::b')", "2: `name` cannot be 'a::b', because it contains '::'", "node id"),
    ("x = gate.command('a', name='a[b]')", "2: `name` cannot be 'a[b]', because it contains '['", "node id"),
    ("x = gate.command('a', name='a\\nb')", "2: `name` cannot be 'a\\nb'", "node id"),
    (
        "x = gate.command('a')\n\ny = gate.command('b', name='x')",
        "4: the name 'x' is taken already, by the check at conftest.py:2",
        "another name",
    ),
    ("@gate.check\ndef x(): pass\n@gate.check\ndef x(): pass", "4: the name 'x' is taken already", "another name"),
    ("@gate.check('x')\ndef x(): pass", "2: gate.check takes keys only", "@gate.check(agent="),
    ("@gate.check\nclass X: pass", "a check must be a function", "function in conftest.py"),
    ("@gate.check(env={'a': 'b'})\ndef x(): pass", "2: `env` is for commands only", "paragate_run"),
    ("x = gate.command('a', writes='../b')", "2: `writes` cannot contain '../b'", "inside the root folder"),
    ("def pytest_paragate_checks(gate):\n    gate.command('a')", "3: this check has no name", "name="),
    ("def pytest_paragate_checks(gate):\n    1 / 0", "3: pytest_paragate_checks raised ZeroDivisionError", ""),
    (
        "import pytest\nmark = pytest.mark.paragate(cpu=1)\n"
        "@gate.check\n@pytest.mark.parametrize('n', [pytest.param(1, marks=mark)])\ndef x(n): pass",
        "4: unknown key `cpu`, did you mean `cpus`?",
        "keys are",
    ),
]


def assert_refused(pytester: pytest.Pytester, said: str, cure: str, *arguments: str) -> None:
    """A usage error in words, and nothing was run or listed."""
    pytester.makepyfile(test_runs="import pathlib\ndef test_runs(): pathlib.Path('ran').touch()")
    result = pytester.runpytest_inprocess("--paragate", *arguments)
    error = result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in error
    assert cure in error
    assert "Traceback" not in error + result.stdout.str()
    assert not (pytester.path / "ran").exists()


@pytest.mark.parametrize(("text", "said", "cure"), WRONG, ids=[text for text, _, _ in WRONG])
def test_wrong_declarations_are_told_before_anything_runs(
    pytester: pytest.Pytester, text: str, said: str, cure: str
) -> None:
    pytester.makeconftest(f"import pytest_paragate as gate\n{text}\n")
    assert_refused(pytester, f"ERROR: conftest.py:{said}" if said[0].isdigit() else said, cure)


def test_wrong_declarations_do_not_disturb_plain_pytest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest_paragate as gate\n" + "\n".join(text for text, _, _ in WRONG))
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=1)


def test_every_problem_is_told_in_order(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest_paragate as gate\na = gate.command('', cpus=0)\nb = gate.command('x|y')\n")
    pytester.makepyprojecttoml("[tool.paragate.checks.c]\nrnu = 'x'\n")
    result = pytester.runpytest_inprocess("--paragate")
    assert [line.partition(": ")[2].partition(" ")[0] for line in result.errlines if line.startswith("ERROR")] == [
        "conftest.py:2:",
        "conftest.py:2:",
        "conftest.py:3:",
        "pyproject.toml:1:",
        "pyproject.toml:2:",
    ]


@pytest.mark.parametrize("arguments", [["conftest.py::x"], ["--co"], ["test_runs.py"], ["-k", "test_runs"]])
def test_a_wrong_declaration_is_told_whatever_is_selected(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makeconftest("import pytest_paragate as gate\nx = gate.command('a', colour=1)")
    assert_refused(pytester, "ERROR: conftest.py:2: unknown key `colour`", "keys are", *arguments)


@pytest.mark.parametrize("arguments", [[], ["sub/conftest.py::x"], ["--co"]])
def test_a_wrong_declaration_in_a_conftest_found_late_is_told(pytester: pytest.Pytester, arguments: list[str]) -> None:
    put(pytester, "sub/conftest.py", "import pytest_paragate as gate\nx = gate.command('a', colour=1)")
    assert_refused(pytester, "ERROR: sub/conftest.py:2: unknown key `colour`", "keys are", *arguments)


@pytest.mark.parametrize(
    ("mark", "said", "cure"),
    [
        ("paragate(agent='debuger')", "unknown agent type 'debuger', did you mean 'debugger'?", "known are"),
        ("paragate('debugger')", "the mark paragate takes keys only", '@pytest.mark.paragate(agent="…")'),
        ("paragate(shell=True)", "`shell` is for commands only", "remove it"),
        ("paragate(timeout='soon')", "`timeout` cannot be 'soon'", '"90s"'),
    ],
)
def test_wrong_marks_on_tests_name_the_test(pytester: pytest.Pytester, mark: str, said: str, cure: str) -> None:
    put(pytester, "a/test_a.py", f"import pytest\n\n\n@pytest.mark.{mark}\ndef test_a(): pass\n")
    assert_refused(pytester, f"ERROR: a/test_a.py:4: {said}", cure)


def test_a_wrong_mark_is_told_once_for_all_parameters(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.paragate(cpus=0)\n@pytest.mark.parametrize('n', range(5))\ndef test_a(n): pass\n"
    )
    assert pytester.runpytest_inprocess("--paragate").stderr.str().count("ERROR") == 1


@pytest.mark.parametrize("text", ["x = gate.command('a')", "@gate.check\ndef test_x(): pass"])
def test_a_check_in_a_test_module_is_refused(pytester: pytest.Pytester, text: str) -> None:
    pytester.makepyfile(test_a=f"import pytest_paragate as gate\n{text}\n")
    assert_refused(
        pytester, "ERROR: test_a.py:2: a check cannot be declared in a test module", "move it to conftest.py"
    )


@pytest.mark.parametrize("how", ["--paragate-slots=poet=2", "-o paragate_slots=poet=2", "-o paragate_agents=poet"])
def test_agent_types_of_ones_own_can_be_declared(pytester: pytest.Pytester, how: str) -> None:
    pytester.makeconftest("import pytest_paragate as gate\nx = gate.command('a', agent='poet')")
    assert nodeids(pytester, *how.split(" "), "-k", "poet") == ["conftest.py::x"]


def test_a_malformed_pyproject_is_told_with_its_line(pytester: pytest.Pytester) -> None:
    put(pytester, "other.ini", "[pytest]\n")
    pytester.makepyprojecttoml("[tool.paragate.checks.x]\nrun = a\n")
    assert_refused(pytester, "ERROR: pyproject.toml:2: not valid TOML", "line 2", "-c", "other.ini")
    assert_refused(pytester, "pyproject.toml: ", "line 2")


def test_malformed_files_of_others_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest_paragate as gate\nx = gate.command('true')")
    put(pytester, "data/pyproject.toml", "[project\n")
    assert nodeids(pytester) == ["conftest.py::x"]


@pytest.mark.parametrize("on", [True, False])
def test_xdist_does_not_take_over_the_gate(pytester: pytest.Pytester, on: bool) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_collection_finish(session):
            manager = session.config.pluginmanager
            print("dsession:", manager.hasplugin("dsession"), "dist:", session.config.option.dist)
            print("imported:", "xdist.dsession" in sys.modules)
        def pytest_runtestloop(session):
            return True
        """
    )
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("-n", "1", "-s", *(["--paragate"] if on else []))
    if on:
        result.stdout.fnmatch_lines(["*dsession: False dist: load*", "imported: False"])
    else:
        result.stdout.fnmatch_lines(["*created: 1/1 worker*"])


def test_xdist_still_works_in_a_session_within_the_gate_and_after_it(pytester: pytest.Pytester) -> None:
    distributed = ("--dist=load", "--tx=2*popen")
    gate = pytester.parseconfigure("--paragate", *distributed)
    within = pytester.parseconfigure(*distributed)
    assert not gate.pluginmanager.hasplugin("dsession")
    assert within.pluginmanager.hasplugin("dsession")
    within._ensure_unconfigure()
    gate._ensure_unconfigure()
    assert pytester.parseconfigure(*distributed).pluginmanager.hasplugin("dsession")


def test_pytest_searches_none_of_our_modules_for_assertions(pytester: pytest.Pytester) -> None:
    before = list(sys.meta_path)
    config = pytester.parseconfigure("--paragate")
    asked: list[str] = []
    config.pluginmanager.rewrite_hook.find_spec = lambda name, *_: asked.append(name)  # type: ignore[attr-defined]
    sys.modules.pop("pytest_paragate.speedup", None)
    importlib.import_module("pytest_paragate.speedup")
    assert asked == []
    config._ensure_unconfigure()
    assert sys.meta_path == before


OFF = """
import sys
class Watch:
    def pytest_unconfigure(self):
        heavy = sorted(name for name in sys.modules if name.partition(".")[0] in ("execnet", "rich", "xdist"))
        ours = sorted(name for name in sys.modules if name.startswith("pytest_paragate."))
        print("heavy:", heavy, "ours:", ours)
import pytest
plugins = ["pytest_paragate.plugin", Watch()]
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=plugins))
"""


@pytest.mark.parametrize("on", [False, True])
def test_without_the_option_nothing_heavy_is_imported(pytester: pytest.Pytester, on: bool) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("def test_it(): pass")
    ours = ("PYTEST_PLUGINS", "PYTEST_ADDOPTS")
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-c", OFF, *(["--paragate", "--co"] if on else [])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heavy: []" in done.stdout
    assert ("pytest_paragate.collect" in done.stdout) == on


def test_a_test_is_where_pytest_says_that_it_is(pytester: pytest.Pytester) -> None:
    put(
        pytester,
        "sub/test_many.py",
        textwrap.dedent("""\
        import functools, unittest
        import pytest
        from helpers import borrowed as test_borrowed, wrapping

        def test_plain(): pass

        @pytest.mark.parametrize("x", [1, 2])
        def test_with_parameters(x): pass

        class TestClass:
            class TestInner:
                def test_method(self): pass
            @staticmethod
            def test_static(): pass
            @classmethod
            def test_class(cls): pass

        @wrapping
        def test_wrapped(): pass

        test_partial = functools.partial(test_plain)

        class TestCase(unittest.TestCase):
            def test_case(self): pass
        """),
    )
    put(
        pytester,
        "sub/helpers.py",
        textwrap.dedent("""\
        import functools

        def borrowed(): pass

        def wrapping(function):
            @functools.wraps(function)
            def wrapper(): function()
            return wrapper
        """),
    )
    put(
        pytester,
        "conftest.py",
        textwrap.dedent("""\
        def pytest_collection_finish(session):
            for item in session.items:
                known = item.location
                item.__dict__.pop("location", None)
                print("same" if known == item.location else "differs", item.nodeid, known, item.location)
        """),
    )
    result = pytester.runpytest_inprocess("--paragate", "--collect-only", "-q", "-s")
    assert len([line for line in result.outlines if line.startswith("same ")]) == 10
    assert not [line for line in result.outlines if line.startswith("differs ")]


MARKS_LATE = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_alone":
            item.add_marker(pytest.mark.paragate(exclusive=True, agent="debugger"))
            item.add_marker(pytest.mark.timeout(7))
        if item.name == "test_grouped":
            item.add_marker(pytest.mark.xdist_group("one"))
        if item.name == "test_renamed":
            item.name = "renamed"
"""
MARKED_LATE = """
import pytest

def test_alone(): pass
def test_grouped(): pass
def test_renamed(): pass

@pytest.mark.paragate(agent="refactorer")
def test_marked(): pass
"""


def test_marks_that_a_plugin_adds_when_all_is_collected_count(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(MARKS_LATE)
    pytester.makepyfile(test_it=MARKED_LATE)
    session = session_of(pytester)
    alone, grouped, _, marked = collected(session).selected
    assert (alone.exclusive, alone.agent, alone.is_marked) == (True, "debugger", True)
    assert (grouped.together, grouped.is_marked, marked.agent) == ("@one", False, "refactorer")
    assert session.items[2].location[2] == "renamed"


def test_a_wrong_mark_that_a_plugin_adds_late_is_refused(pytester: pytest.Pytester) -> None:
    mark = "for item in items: item.add_marker(pytest.mark.paragate(exclusiv=True))"
    pytester.makeconftest(f"import pytest\ndef pytest_collection_modifyitems(items):\n    {mark}\n")
    pytester.makepyfile(test_it="def test_it(): pass\n")
    result = pytester.runpytest_inprocess("--paragate")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*exclusiv*"])

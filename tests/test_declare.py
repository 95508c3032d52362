"""Declaring checks: what the keys mean, what is refused, and that declaring itself never fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pytest_paragate as gate
from pytest_paragate import declare
from pytest_paragate.declare import Declaration
from pytest_paragate.keys import Surroundings, ValueRefusedError, argv, parse_duration
from pytest_paragate.model import BUILTIN_AGENTS, Check, DeclarationError, Place
from pytest_paragate.paths import is_within, normal_path
from pytest_paragate.shellwords import split_words
from pytest_paragate.tables import read_table


def check_from(folder: Path, keys: Mapping[str, Any], **more: Any) -> tuple[Check, list[DeclarationError]]:
    """The check that ``gate.command("true", **keys)`` in ``folder/conftest.py``, line 7, is."""
    kind = more.pop("kind", "command")
    place = Place(file=str(folder / "conftest.py"), line=7)
    declaration = Declaration(kind="command", place=place, keys=keys, home=place.file, command=more.pop("run", "true"))
    near = Surroundings(folder=str(folder), root=str(folder), agents=BUILTIN_AGENTS)
    return declare.resolve(
        kind, keys, name="x", nodeid="conftest.py::x", place=place, near=near, declaration=declaration
    )


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    check, problems = check_from(tmp_path, {})
    assert problems == []
    assert (check.agent, check.when, check.leaks, check.cpus) == ("test-runner", "success", "kill", 1)
    assert (check.timeout_s, check.grace_s, check.exclusive, check.advisory) == (None, 5.0, False, False)
    assert check.command is not None
    assert (check.command.argv, check.command.cwd, check.command.shell) == (("true",), str(tmp_path), False)


def test_every_key_reaches_the_check(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    check, problems = check_from(
        tmp_path,
        {
            "agent": "debugger",
            "needs": "build",
            "after": ["a", "b"],
            "when": "always",
            "reads": ["src/**/*.py"],
            "writes": "sub",
            "uses": {"gpu": 2},
            "exclusive": True,
            "cpus": 3,
            "timeout": "1m30s",
            "grace": 0,
            "leaks": "fail",
            "advisory": True,
            "env": {"A": "b"},
            "cwd": "sub",
            "shell": True,
        },
        run="a | b",
    )
    assert problems == []
    assert (check.agent, check.needs, check.after, check.when) == ("debugger", ("build",), ("a", "b"), "always")
    assert (check.reads, check.writes) == ((f"{tmp_path}/src/**/*.py",), (f"{tmp_path}/sub/",))
    assert (check.uses, check.exclusive, check.cpus) == ((("gpu", 2),), True, 3)
    assert (check.timeout_s, check.grace_s, check.leaks, check.advisory) == (90.0, 0.0, "fail", True)
    assert check.command is not None
    assert (check.command.argv, check.command.cwd) == (("a | b",), str(tmp_path / "sub"))
    assert (check.command.env, check.command.shell) == ({"A": "b"}, True)


def test_none_means_not_given(tmp_path: Path) -> None:
    keys = dict.fromkeys(["timeout", "agent", "needs", "env", "cwd", "shell", "leaks"])
    assert check_from(tmp_path, keys) == check_from(tmp_path, {})


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1m30s", 90.0),
        ("1h 30m", 5400.0),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("1.5m", 90.0),
    ],
)
def test_durations(given: object, seconds: float) -> None:
    assert parse_duration(given, "`timeout`") == pytest.approx(seconds)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "soon",
        "90 sec",
        "2M",
        "30s1m",
        "-5s",
        "1s1s",
        "s",
        "0",
        0,
        -1,
        float("nan"),
        float("inf"),
        10**400,
        "9" * 400,
        True,
        [],
        b"2m",
        "1e3",
        "٣m!",
    ],
)
def test_bad_durations_are_refused(given: object) -> None:
    with pytest.raises(ValueRefusedError, match="`timeout` cannot be"):
        parse_duration(given, "`timeout`")


WRONG_KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"agnet": "debugger"}, "unknown key `agnet`, did you mean `agent`?", "keys are name, agent, needs"),
    ({"retry": 2}, "unknown key `retry`, did you mean `retries`?", "keys are"),
    ({"parse": "pytset"}, "`parse` cannot be 'pytset': there is no such judge, did you mean 'pytest'?", "judges are"),
    ({"parse": 3}, "`parse` must be the name of a judge or a function, not 3", ""),
    ({"parse": "junit"}, "`parse` cannot be 'junit': junit needs a path", "junit:build/report.xml"),
    ({"parse": "pytest:x"}, "`parse` cannot be 'pytest:x': pytest takes nothing", 'parse="pytest"'),
    ({"parse": "regex:("}, "`parse` has an invalid pattern '('", ""),
    ({"parse": "regex:x"}, "`parse` has a pattern without named groups: 'x'", "(?P<passed>"),
    ({"expect": ["a"]}, "`expect` cannot contain 'a': it is no comparison", "such as"),
    ({"expect": "issues = 3"}, "`expect` cannot contain 'issues = 3': `=` is no comparison", "write `==`"),
    ({"expect": 3}, "`expect` must be a text or a list of texts, not 3", ""),
    ({"expect": "issues <= 3 and errors == 0"}, "more than one comparison", "all of them must hold"),
    ({"expect": "mean <= 3 parsec"}, "`expect` cannot contain 'mean <= 3 parsec': `parsec` is no unit", "units are"),
    ({"expect": "passed == total"}, "`expect` speaks of passed, total, and no judge knows true", "parse="),
    ({"retries": -1}, "`retries` cannot be -1: it must be a whole number from 0 to 1000", "further tries"),
    ({"retries": "2"}, "`retries` cannot be '2'", "further tries"),
    ({"retry_pause": -1}, "`retry_pause` cannot be -1: it must be zero or more", ""),
    ({"group": ""}, "`group` cannot be '', because it is empty", ""),
    ({"group": ["x"]}, "`group` must be a text, not ['x']", ""),
    ({"timeout": "90 sec"}, "`timeout` cannot be '90 sec'", '"1m30s"'),
    ({"timeout": 0}, "`timeout` cannot be 0: it must be more than zero", ""),
    ({"grace": -1}, "`grace` cannot be -1: it must be zero or more", ""),
    ({"leaks": "kil"}, '`leaks` cannot be \'kil\': it is one of "kill", "fail", "allow"', 'did you mean "kill"?'),
    ({"when": True}, '`when` cannot be True: it is one of "success", "always"', ""),
    ({"cpus": 0}, "`cpus` cannot be 0: it must be a whole number, 1 or more", ""),
    ({"cpus": True}, "`cpus` cannot be True", ""),
    ({"cpus": 1.5}, "`cpus` cannot be 1.5", ""),
    ({"uses": {"gpu": 0}}, "`uses` of 'gpu' cannot be 0", ""),
    ({"uses": {3: 1}}, "`uses` cannot name a resource 3", ""),
    ({"uses": ["gpu", "gpu"]}, "`uses` names a resource twice", '{"gpu": 2}'),
    ({"uses": ["port-a", "port_a"]}, "PARAGATE_UNIT_PORT_A cannot stand for both", "rename one"),
    ({"uses": 3}, "`uses` must be a text, a list of texts or a table of amounts, not 3", 'uses={"gpu": 2}'),
    ({"needs": 3}, "`needs` must be a text or a list of texts, not 3", 'needs=["lint"]'),
    ({"needs": ["a", None]}, "`needs` must be a text or a list of texts", ""),
    ({"after": {"a": 1}}, "`after` must be a text or a list of texts", ""),
    ({"exclusive": 1}, "`exclusive` must be true or false, not 1", ""),
    ({"advisory": "yes"}, "`advisory` must be true or false, not 'yes'", ""),
    ({"agent": 3}, "`agent` must be the name of an agent type, not 3", ""),
    ({"agent": "a=b"}, "`agent` cannot be 'a=b'", "use letters"),
    ({"agent": "code-reviwer"}, "unknown agent type 'code-reviwer', did you mean 'code-reviewer'?", "paragate_agents"),
    ({"writes": "../x"}, "is outside the root folder", "inside the root folder"),
    ({"writes": "/"}, "is outside the root folder", ""),
    ({"reads": ""}, "`reads` must be a text or a list of texts", ""),
    ({"reads": "~/x"}, "`~` is not expanded here", ""),
    ({"reads": "a/*/../b"}, "`..` after a wildcard has no meaning", ""),
    ({"env": {"PORT": 8000}}, "`env` must give PORT a text, not 8000", 'write "8000" in quotes'),
    ({"env": {"A=B": "c"}}, "`env` cannot set a variable named 'A=B'", ""),
    ({"env": ["A=B"]}, "`env` must be a table of texts", '{"NAME": "value"}'),
    ({"cwd": "nowhere"}, "there is no such folder", "relative to the declaring file"),
    ({"cwd": "file"}, "it is not a folder", ""),
    ({"shell": "yes"}, "`shell` must be true or false", ""),
    ({"name": 3}, "`name` must be a text", ""),
]


@pytest.mark.parametrize(("keys", "what", "hint"), WRONG_KEYS, ids=[str(keys) for keys, _, _ in WRONG_KEYS])
def test_wrong_keys_name_place_and_cure(tmp_path: Path, keys: dict[str, Any], what: str, hint: str) -> None:
    (tmp_path / "file").touch()
    _, problems = check_from(tmp_path, keys)
    assert len(problems) == 1
    assert problems[0].where == "conftest.py:7"
    assert what in problems[0].what
    assert hint in (problems[0].hint or "")


def test_all_problems_of_a_check_are_told_in_order(tmp_path: Path) -> None:
    _, problems = check_from(tmp_path, {"cpus": 0, "agent": "nobody", "colour": 1}, run="a | b")
    assert [problem.what.split(" ")[0] for problem in problems] == ["`cpus`", "unknown", "unknown", "the"]


@pytest.mark.parametrize("key", ["env", "cwd", "shell"])
@pytest.mark.parametrize("kind", ["function", "test"])
def test_keys_for_commands_are_refused_elsewhere(tmp_path: Path, key: str, kind: str) -> None:
    _, problems = check_from(tmp_path, {key: None}, kind=kind)
    assert [problem.what for problem in problems] == [f"`{key}` is for commands only"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("ruff check .", ("ruff", "check", ".")),
        ("  a   b\t c ", ("a", "b", "c")),
        ("pytest -k 'a and b' \"x y\"", ("pytest", "-k", "a and b", "x y")),
        ("a '' b", ("a", "", "b")),
        ("git diff HEAD~1", ("git", "diff", "HEAD~1")),
        ("a --flag=x b=c", ("a", "--flag=x", "b=c")),
        ("pip install .[dev]", ("pip", "install", ".[dev]")),
        (r"a \* 'b*' \"c", ("a", "*", "b*", '"c')),
        (r'a "b\"c\n" ', ("a", r'b"c\n')),
        ("a '$HOME' '`x`' a$ 'b|c' x#y", ("a", "$HOME", "`x`", "a$", "b|c", "x#y")),
        ('a"b"c', ("abc",)),
    ],
)
def test_commands_are_split_as_a_shell_would(command: str, words: tuple[str, ...]) -> None:
    assert split_words(command) == (words, None)


@pytest.mark.parametrize(
    ("command", "why", "hint"),
    [
        ("a | b", "needs a shell for a pipe", "shell=True"),
        ("a > b", "needs a shell for a redirection", "as a list"),
        ("a 2>&1", "needs a shell for a redirection", "shell=True"),
        ("a < b", "needs a shell for a redirection", "shell=True"),
        ("a && b", "needs a shell for `&&`", "`needs`"),
        ("a || b", "needs a shell for `||`", "shell=True"),
        ("a; b", "needs a shell for `;`", "shell=True"),
        ("a &", "needs a shell for `&`", "shell=True"),
        ("a $HOME", "needs a shell for a variable at `$HOME`", "shell=True"),
        ('a "${HOME}"', "needs a shell for a variable at `${HOME}", "single quotes"),
        ("a $(b)", "needs a shell for a command substitution", "shell=True"),
        ("a `b`", "needs a shell for a backtick", "shell=True"),
        ('a "`b`"', "needs a shell for a backtick", "single quotes"),
        ("a *.py", "needs a shell for the wildcard `*`", "quote it"),
        ("a b?", "needs a shell for the wildcard `?`", "quote it"),
        ("a ~/b", "needs a shell for `~`", "in full"),
        ("A=1 b", "needs a shell to set A", 'env={"A": "…"}'),
        ("(a)", "needs a shell for `(`", "shell=True"),
        ("a # b", "the comment after `#`", "remove the comment"),
        ("a\nb", "needs a shell for a line break", "shell=True"),
        ("a 'b", "has no closing '", "close the quotation"),
        ('a "b', 'has no closing "', "close the quotation"),
        ("a \\", "ends with a lone backslash", ""),
    ],
)
def test_commands_that_need_a_shell_are_refused(command: str, why: str, hint: str) -> None:
    with pytest.raises(ValueRefusedError) as caught:
        argv(command, shell=False)
    assert why in caught.value.what
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("command", ["", "  ", [], [""], ["a", 3], 3, None, b"a", "''", ["a\0"], {"a": 1}])
def test_commands_that_are_none_are_refused(command: object) -> None:
    with pytest.raises(ValueRefusedError, match="command"):
        argv(command, shell=False)


def test_a_list_is_taken_literally() -> None:
    assert argv(["a", "*", "$HOME", Path("x"), ""], shell=False) == ("a", "*", "$HOME", "x", "")


def test_a_shell_takes_one_text() -> None:
    assert argv("a | b", shell=True) == ("a | b",)
    with pytest.raises(ValueRefusedError, match="`shell` needs the command as one text"):
        argv(["a"], shell=True)


def test_split_command_speaks_of_declarations() -> None:
    assert declare.split_command("a b", timeout="2m") == (("a", "b"), 120.0)
    with pytest.raises(DeclarationError, match="needs a shell"):
        declare.split_command("a | b")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (".", "/"),
        ("sub", "/sub/"),
        ("sub/", "/sub/"),
        ("./sub//../sub/x", "/sub/x"),
        ("new", "/new"),
        ("new/", "/new/"),
        ("file", "/file"),
        ("link/x", "/sub/x"),
        ("link/*.py", "/sub/*.py"),
        ("**/*.py", "/**/*.py"),
        ("*", "/*"),
        ("sub/**/", "/sub/**/"),
    ],
)
def test_paths_have_one_spelling(tmp_path: Path, text: str, normal: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("sub")
    assert normal_path(text, str(tmp_path)) == f"{os.path.realpath(tmp_path)}{normal}"


def test_absolute_paths_keep_their_root() -> None:
    assert normal_path("/", "/x") == "/"
    assert normal_path("/*.py", "/x") == "/*.py"


def test_wildcards_in_the_folder_itself_are_escaped(tmp_path: Path) -> None:
    odd = tmp_path / "a[1]"
    odd.mkdir()
    path = normal_path("x", str(odd))
    assert path.endswith("/a[[]1]/x")
    assert is_within(path, str(odd))
    assert not is_within(path, str(tmp_path / "a1"))


def test_a_link_that_leads_outside_is_outside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    _, problems = check_from(root, {"writes": ["out/x"]})
    assert "is outside the root folder" in problems[0].what
    assert check_from(root, {"reads": ["out/x"]})[1] == []


def load(path: Path, text: str) -> dict[str, Any]:
    """The namespace of a module with ``text``, run as if it were the file at ``path``."""
    namespace: dict[str, Any] = {"__file__": str(path), "__name__": path.stem}
    exec(compile(text, str(path), "exec"), namespace)
    return namespace


def test_declaring_never_raises(tmp_path: Path) -> None:
    namespace = load(
        tmp_path / "conftest.py",
        """
import pytest_paragate as gate
gate.command()
gate.command("a", "b", 3)
gate.command(None, colour=1, shell="x")
gate.group("x", wait="any")
gate.group(3, 4, odd=1)
gate.agree("x")
gate.agree(None, [], 3, tolerance="x", needs=7)
@gate.check("name")
def a(): pass
@gate.check(nothing=1)
class B: pass
gate.check(**{"odd key": 1})(3)
""",
    )
    assert len(declare.declared_in(namespace)) == 8
    assert len(declare.groups_in(namespace)) == 2


def test_a_declaration_knows_its_line_and_home(tmp_path: Path) -> None:
    path = tmp_path / "conftest.py"
    namespace = load(path, "import pytest_paragate as gate\n\nx = gate.command(\n    'a'\n)\n@gate.check\ndef f(): 1\n")
    command, function = declare.declared_in(namespace)
    assert (command.place, command.home) == (Place(file=str(path), line=3), str(path))
    assert (function.place.file, function.kind, function.function) == (str(path), "function", namespace["f"])
    assert function.place.line == 6


def test_a_declaration_made_by_a_called_module_belongs_to_the_conftest(tmp_path: Path) -> None:
    checks = load(
        tmp_path / "checks.py", "import pytest_paragate as gate\ndef add(): return gate.command('a', name='a')\n"
    )
    path = tmp_path / "conftest.py"
    namespace: dict[str, Any] = {"__file__": str(path), "add": checks["add"]}
    exec(compile("add()", str(path), "exec"), namespace)
    (declared,) = declare.declared_in(namespace)
    assert (declared.home, declared.place) == (str(path), Place(file=str(tmp_path / "checks.py"), line=2))
    assert declare.declared_in(checks) == []


def test_a_declaration_made_elsewhere_belongs_to_whoever_imports_it(tmp_path: Path) -> None:
    ready = gate.command("a", name="ready")
    del globals()[declare.NAMESPACE_KEY]
    assert declare.declared_in({"mine": ready, "again": ready}) == [ready]


def test_proxies_that_refuse_to_be_looked_at_are_left_alone() -> None:
    class Unbound:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("not bound")

    assert declare.declared_in({"proxy": Unbound()}) == []


WRONG_TABLES = [
    ("[tool.paragate]\ncheks = 1\n", 2, "[tool.paragate]: unknown key `cheks`, did you mean `checks`?"),
    ("[tool.paragate]\ngroups = 'x'\n", 2, "[tool.paragate.groups] must be a table, not 'x'"),
    ("[tool.paragate.groups]\nx = 'any'\n", 2, "[tool.paragate.groups.x] must be a table, not 'any'"),
    ("[tool.paragate]\nslots = 1\n", 2, "[tool.paragate]: unknown key `slots`"),
    ("[tool]\nparagate = 3\n", 2, "[tool.paragate] must be a table"),
    ("[tool.paragate]\nchecks = 3\n", 2, "[tool.paragate.checks] must be a table, not 3"),
    ("[tool.paragate.checks]\n\naudit = 'x'\n", 3, "[tool.paragate.checks.audit] must be a table, not 'x'"),
    ("[a]\nb = 1\n[tool\n", 3, "not valid TOML"),
    ("a = 1\na = 2\n", 2, "not valid TOML"),
]


@pytest.mark.parametrize(("text", "line", "what"), WRONG_TABLES, ids=[what for _, _, what in WRONG_TABLES])
def test_wrong_tables_name_table_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    ((place, problem),) = read_table(str(path)).problems
    assert what in problem.what
    assert place.line == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n[tool.paragate.checks.audit]\nrun = 'a'\nagent = 3\n", 4),
        ("[tool.paragate.checks]\n'audit' = { run = 'a', agent = 3 }\n", 2),
        ('[tool . "paragate".checks."audit"]\nrun = "a"\n\n  agent=3\n', 4),
        ("[tool.paragate]\nchecks.audit.agent = 3\nchecks.audit.run = 'a'\n", 2),
    ],
)
def test_wrong_values_in_tables_name_the_line_of_the_key(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    ((name, declaration),) = read_table(str(path)).declarations
    near = Surroundings(folder=str(tmp_path), root=str(tmp_path), agents=BUILTIN_AGENTS)
    _, (problem,) = declare.resolve(
        "command",
        declaration.keys,
        name=name,
        nodeid="pyproject.toml::audit",
        place=declaration.place,
        near=near,
        declaration=declaration,
    )
    assert problem.what == "[tool.paragate.checks.audit]: `agent` must be the name of an agent type, not 3"
    assert problem.where == f"pyproject.toml:{line}"


def test_a_table_without_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.paragate.checks.audit]\nrnu = 'a'\n")
    ((_, declaration),) = read_table(str(path)).declarations
    assert [problem.what for problem in declaration.problems] == ["`run` is missing"]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b"paragate = '\xff'")
    ((_, problem),) = read_table(str(path)).problems
    assert "cannot be read" in problem.what

"""Which judge knows a command: by its program, through what starts it for somebody else.

It imports no judge; ``programs`` says in advance whether it is worth importing this.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_paragate.judge.programs import program

# Program, or program and subcommand: judge.
_PROGRAMS: dict[str, str] = {
    "pytest": "pytest",
    "py.test": "pytest",
    "unittest": "unittest",
    "ruff check": "ruff",
    "ruff format": "ruff-format",
    "mypy": "mypy",
    "pyright": "pyright",
    "basedpyright": "pyright",
    "flake8": "flake8",
    "black": "black",
    "coverage report": "coverage",
    "coverage html": "coverage",
    "coverage xml": "coverage",
    "coverage json": "coverage",
    "cargo test": "cargo-test",
    "cargo t": "cargo-test",
    "cargo nextest": "cargo-nextest",
    "cargo-nextest": "cargo-nextest",
    "cargo clippy": "rustc",
    "cargo build": "rustc",
    "cargo b": "rustc",
    "cargo check": "rustc",
    "cargo c": "rustc",
    "cargo doc": "rustc",
    "cargo rustc": "rustc",
    "rustc": "rustc",
    "cargo fmt": "cargo-fmt",
    "rustfmt": "cargo-fmt",
    "cargo bench": "cargo-bench",
    "hyperfine": "hyperfine",
    "asv run": "asv",
    "asv dev": "asv",
    "asv continuous": "asv",
    "asv compare": "asv",
    "valgrind": "valgrind",
    "memray stats": "memray",
    "memray run": "memray",
    "memray summary": "memray",
    "memray tree": "memray",
    "go test": "go-test",
    "go vet": "go-vet",
    "eslint": "eslint",
    "tsc": "tsc",
    "jest": "jest",
    "vitest": "jest",
    "prove": "tap",
    "bats": "tap",
    "tape": "tap",
    "tap": "tap",
    "bandit": "bandit",
    "pip-audit": "pip-audit",
    "pip_audit": "pip-audit",
    "shellcheck": "shellcheck",
    "hadolint": "hadolint",
}
# Chosen by `parse` alone.
_BY_NAME = ("junit", "sarif", "tap", "regex", "sanitizer", "tracemalloc", "pytest-benchmark", "timings", "none")
# Other words in `parse` for what a user may call it.
_ALSO = {
    "clippy": "rustc", "vitest": "jest", "criterion": "cargo-bench", "nextest": "cargo-nextest", "rustfmt": "cargo-fmt",
    "asan": "sanitizer", "lsan": "sanitizer", "junit-xml": "junit", "basedpyright": "pyright", "ruff-check": "ruff",
}  # fmt: skip
_TAKES_ARGUMENT = {"junit": "path", "sarif": "path", "regex": "pattern"}

_WITH_SUBCOMMAND = {name.partition(" ")[0] for name in _PROGRAMS if " " in name}
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*w?(?:\.exe)?")
# Starters: how many words of their own may follow before the program (-1: those until "--" or the first plain word).
_STARTERS: dict[str, tuple[str, ...]] = {
    "uv": ("run",), "poetry": ("run",), "pdm": ("run",), "rye": ("run",), "hatch": ("run",), "pipenv": ("run",),
    "pipx": ("run",), "pixi": ("run",), "npm": ("exec", "x"), "pnpm": ("exec", "dlx"), "yarn": ("exec", "run", "dlx"),
    "bun": ("x", "run"), "conda": ("run",), "mamba": ("run",),
    "uvx": (), "npx": (), "bunx": (), "env": (), "nice": (), "ionice": (), "timeout": (), "time": (), "stdbuf": (),
    "nohup": (), "setsid": (), "xvfb-run": (), "sudo": (), "command": (), "exec": (), "chrt": (), "taskset": (),
    "catchsegv": (), "unbuffer": (), "node": (),
}  # fmt: skip
# `yarn eslint` is `yarn run eslint`.
_RUN_UNASKED = ("yarn", "pnpm")
# Options of starters that take a value of their own.
_WITH_VALUE: dict[str, frozenset[str]] = {
    "uv": frozenset(
        (
            "-p", "--python", "--with", "--with-requirements", "--with-editable", "--extra", "--no-extra", "--group",
            "--only-group", "--no-group", "--env-file", "--project", "--directory", "--package", "--index",
            "--default-index", "--index-url", "--cache-dir", "--color", "--config-file", "--refresh-package", "--from",
        )
    ),
    "uvx": frozenset(("-p", "--python", "--with", "--from", "--index", "--env-file")),
    "npx": frozenset(("-p", "--package", "-w", "--workspace")),
    "npm": frozenset(("-p", "--package", "-w", "--workspace", "--prefix")),
    "pnpm": frozenset(("-C", "--dir", "--filter", "-F")),
    "node": frozenset(("-r", "--require", "--import", "--loader", "-C", "--conditions")),
    "env": frozenset(("-u", "--unset", "-C", "--chdir")),
    "nice": frozenset(("-n",)), "ionice": frozenset(("-c", "-n", "-p")), "stdbuf": frozenset(("-i", "-o", "-e")),
    "timeout": frozenset(("-s", "--signal", "-k", "--kill-after")), "sudo": frozenset(("-u", "-g")),
    "poetry": frozenset(("-C", "--directory", "-P", "--project")), "pipx": frozenset(("--spec", "--python")),
    "pixi": frozenset(("-e", "--environment", "--manifest-path")), "conda": frozenset(("-n", "-p", "--name")),
    "mamba": frozenset(("-n", "-p", "--name")), "hatch": frozenset(("-e", "--env")), "pdm": frozenset(("-p",)),
    "xvfb-run": frozenset(("-n", "-s", "-e")), "time": frozenset(("-f", "-o")), "taskset": frozenset(),
    "chrt": frozenset(),
    "ruff": frozenset(("--config",)), "coverage": frozenset(), "memray": frozenset(),
    "go": frozenset(("-C",)), "asv": frozenset(("--config",)),
    "cargo": frozenset(("--config", "-Z", "-C", "--color", "--manifest-path")),
}  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_DEEPEST = 8
_LONGEST_SCRIPT = 20_000


class Choice(NamedTuple):
    """A judge's name, and the tool's own command line: ``("pytest", "-q")`` of ``uv run python -m pytest -q``."""

    judge: str
    argv: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Everything that ``parse`` may name."""
    return tuple(sorted({*_PROGRAMS.values(), *_BY_NAME, *_ALSO}))


def known_programs() -> frozenset[str]:
    """The first words of commands that :func:`choose` looks closer at, besides those of Python itself."""
    return frozenset((*(name.partition(" ")[0] for name in _PROGRAMS), *_STARTERS))


def split_parse(parse: str) -> tuple[str, str]:
    """``("junit", "out.xml")`` of ``junit:out.xml``; the name is the judge's own one."""
    name, _, argument = parse.partition(":")
    name = name.strip().replace("_", "-")
    return _ALSO.get(name, name), argument


def takes(name: str) -> str | None:
    """What has to follow the judge's name in ``parse``: ``"path"`` or ``"pattern"``; None for nothing."""
    return _TAKES_ARGUMENT.get(name)


def choose(argv: Sequence[str], *, shell: bool = False, own: Mapping[str, str] | None = None) -> Choice | None:
    """The judge for a command. ``own`` are judges beside the built-in ones, by program. A script has a judge where all
    its programs that a judge knows have the same.
    """
    if not shell:
        return _choose(tuple(argv), own or {})
    found = _choices_of(argv[0], own or {})
    return found[-1] if found and len({choice.judge for choice in found}) == 1 else None


def several(script: str, *, own: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The judges of a shell's script where there is more than one; empty where one knows all of it, or none does."""
    judges = tuple(dict.fromkeys(choice.judge for choice in _choices_of(script, own or {})))
    return judges if len(judges) > 1 else ()


def joins_streams(script: str) -> bool:
    """Whether a shell's script sends stderr where stdout goes."""
    return _JOINS.search(script) is not None


def sends_away(script: str) -> bool:
    """Whether a shell's script sends what its tools, or all of its programs, print on stdout into a file."""
    return not {">", "1>", "&>"}.isdisjoint(_redirections(script))


def sends_errors_away(script: str) -> bool:
    """Whether a shell's script sends what its tools, or all of its programs, print on stderr into a file."""
    return not {"2>", "&>"}.isdisjoint(_redirections(script))


def _redirections(script: str) -> set[str]:
    parts = _parts_of(script)
    tools = [part for part in parts if _choose(part.command, {}) is not None]
    groups = [part for part in parts if part.words[0] in _CLOSES or part.command[:1] == ("exec",)]
    return {token for part in ((*tools, *groups) if tools else parts) for token in part.redirections}


def hides_status(script: str, *, own: Mapping[str, str] | None = None) -> bool:
    """Whether a tool may fail in a shell's script and the script's exit status still be 0.

    Where no tool is known, any of its programs may be one.
    """
    parts = _parts_of(script)
    is_long = len(script) > _LONGEST_SCRIPT or not 0 < len(parts) <= _MOST_PARTS
    if is_long or _choices_of(" ".join(_captured(script)), own or {}):
        return True
    # What ends a group, a function or a loop behind a pipe need not end the script.
    ends_all = _PIPED_LOOP.search(script) is None and not any(map(_shields, parts))
    choices = [_choose(part.command, own or {}) for part in parts]
    tools = [
        at for at, choice in enumerate(choices) if choice is not None and not _TELLS_ONLY.intersection(choice.argv)
    ]
    return not all(_is_told(parts, at, ends_all=ends_all) for at in tools or range(len(parts)))


def sure_runs(script: str, *, own: Mapping[str, str] | None = None) -> int:
    """How many times at least a shell's script runs a tool to judge, whatever comes of the others."""
    runs = depth = 0
    is_conditional = False
    for part in _parts_of(script)[:_MOST_PARTS]:
        first = len(part.words) - len(part.command)
        depth += any(word in _OPENS for word in part.words[: first + 1])
        is_sure = depth <= 0 and not is_conditional
        choice = _choose(part.command, own or {})
        runs += is_sure and choice is not None and not _TELLS_ONLY.intersection(choice.argv)
        if is_sure and part.command[:1] in (("exit",), ("exec",), ("return",)):
            break
        depth -= part.words[0] in _CLOSES
        asks = choice is None and part.command[:1] not in _PREPARES
        is_conditional = part.end == "||" or (part.end == "&&" and asks) or (is_conditional and part.end in ("&&", "|"))
    return runs


def _choices_of(script: str, own: Mapping[str, str]) -> list[Choice]:
    commands = [part.command for each in (script, *_captured(script)) for part in _parts_of(each)]
    return [choice for words in commands if (choice := _choose(words, own)) is not None]


def _choose(argv: tuple[str, ...], own: Mapping[str, str]) -> Choice | None:
    for _ in range(_DEEPEST):
        if not argv:
            return None
        name = program(argv[0])
        if name in own:
            return Choice(own[name], (name, *argv[1:]))
        if _PYTHON.fullmatch(name):
            argv = _after_python(argv)
        elif name in _STARTERS:
            argv = _after_starter(name, argv)
        elif name in _WITH_SUBCOMMAND:
            words = _after_options(argv[1:], _WITH_VALUE.get(name, frozenset()))
            if words[:1] and words[0].startswith("+"):  # cargo +nightly
                words = _after_options(words[1:], _WITH_VALUE.get(name, frozenset()))
            sub = words[0] if words else ""
            if (name, sub) == ("coverage", "run"):
                argv = _after_python(("python", *words[1:]))
                continue
            if (name, sub) == ("cargo", "valgrind"):
                return Choice("valgrind", (name, *words))
            judge = _PROGRAMS.get(f"{name} {sub}")
            return Choice(judge, (name, *words)) if judge else None
        else:
            judge = _PROGRAMS.get(name)
            return Choice(judge, (name, *argv[1:])) if judge else None
    return None


def _after_python(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The module that ``python -m`` runs, or the script, as a program of that name."""
    index = 1
    while index < len(argv) and (word := argv[index]).startswith("-") and word != "-":
        if word == "-m":
            return argv[index + 1 :]
        if word.startswith("-m") and len(word) > 2:
            return (word[2:], *argv[index + 1 :])
        if word == "-c":
            return ()
        if re.fullmatch(r"-[A-Za-z]*m", word):  # -Im
            return argv[index + 1 :]
        index += 2 if word in ("-W", "-X", "--source", "--rcfile", "--omit", "--include", "--data-file") else 1
    if index < len(argv) and not argv[index].endswith(".py"):
        return argv[index:]  # python .venv/bin/pytest
    return ()


def _after_starter(name: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    if name == "command" and argv[1:2] and re.fullmatch("-p?[vV]", argv[1]):
        return ()  # that only asks where it is
    with_value = _WITH_VALUE.get(name, frozenset())
    words = _after_options(argv[1:], with_value)
    subcommands = _STARTERS[name]
    if (name, words[:1]) == ("uv", ("tool",)):
        words = words[1:]
    if words and words[0] in subcommands:
        words = _after_options(words[1:], with_value)
    elif subcommands and name not in _RUN_UNASKED:
        return ()
    if name == "node" and not (words and "node_modules" in words[0]):
        return ()  # a script of the project, which may be called as a tool is
    if name == "timeout":
        words = words[1:]
    if name in ("taskset", "chrt"):
        words = words[1:]
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if name == "hatch" and words and ":" in words[0] and "/" not in words[0]:
        words = (words[0].partition(":")[2], *words[1:])
    return words


def _after_options(words: tuple[str, ...], with_value: frozenset[str]) -> tuple[str, ...]:
    index = 0
    while index < len(words) and words[index].startswith("-") and words[index] != "-":
        if words[index] == "--":
            return words[index + 1 :]
        index += 2 if words[index] in with_value else 1
    return words[index:]


_SPLIT = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|&>|\d*>&?\d?|\|\||&&|[;|&\n()]|[^\s'"\\;|&()>]+|\s+""")
_JOINS = re.compile(r"2>&1|&>|\|&|(?<!\d)>&(?!\d)")
_CAPTURE = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_HERE = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1")
_PIPED_LOOP = re.compile(r"\|\s*(?:while|until|for)\b")
_MOST_PARTS = 300
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t;]))#[^'\"\n]*$")
_KEYWORDS = ("(", "!", "if", "then", "else", "elif", "do", "while", "until", "{")
_OPENS = ("if", "while", "until", "for", "case", "{", "function")
_CLOSES = ("fi", "done", "esac", "}")
# Before "&&" these are no question whether to go on.
_PREPARES = (("cd",), ("set",), ("export",), ("mkdir",), (".",), ("source",))
# Arguments with which tools test and judge nothing.
_TELLS_ONLY = frozenset(
    ("--version", "-V", "-VV", "--help", "-h", "--collect-only", "--co", "--fixtures", "--fixtures-per-test",
     "--cache-show", "--markers", "--setup-plan", "--list",
     "list", "archive", "show-config", "--listTests", "--no-run", "--show-files", "--show-settings",
     "--showConfig", "--print-config")
)  # fmt: skip


class _Part(NamedTuple):
    """A simple command of a script; ``words`` begin with the shell's keywords, ``end`` is what comes after it."""

    words: tuple[str, ...]
    command: tuple[str, ...]
    end: str
    redirections: tuple[str, ...] = ()


_TARGET = "\0"  # in front of the name of a file that output goes to


def _captured(script: str) -> list[str]:
    """What a shell's script runs to take its output."""
    found = []
    script = _without_here_documents(script[:_LONGEST_SCRIPT])
    for _ in range(_DEEPEST):
        inside = _CAPTURE.findall(script)
        found += [first or second for first, second in inside]
        if not inside:
            break
        script = _CAPTURE.sub("_", script)
    return found


def _without_here_documents(script: str) -> str:
    if "<<" not in script:
        return script
    kept = []
    word = None
    for line in script.split("\n"):
        if word is not None:
            word = None if line.strip() == word else word
            continue
        kept.append(line)
        here = _HERE.search(line)
        word = here[2] if here is not None else None
    return "\n".join(kept)


def _is_told(parts: Sequence[_Part], at: int, *, ends_all: bool) -> bool:
    """Whether the script fails where the command ``at`` does; ``ends_all`` says that ``exit`` ends all of it."""
    if parts[at].words[:2] == ("if", "!"):
        branch = itertools.takewhile(lambda part: part.words[0] not in ("fi", "else", "elif"), parts[at + 1 :])
        return ends_all and _fails(tuple(branch))
    if parts[at].words[0] in ("!", "if", "while", "until"):
        return False
    flags = [word for part in parts[:at] if part.command[:1] == ("set",) for word in part.command[1:]]
    asked = [flag for flag in flags if re.fullmatch("[-+][a-z]*e[a-z]*|errexit", flag)]
    stops = ends_all and bool(asked) and not asked[-1].startswith("+")
    is_last_of_list = True
    while True:
        end, rest = parts[at].end, parts[at + 1 :]
        if all(part.words in (("fi",), ("}",), ("esac",)) for part in rest) and end in ("", ";", ")"):
            return True
        if end == ";":
            return stops and is_last_of_list
        if end == "||" and rest:
            if rest[0].words in (("false",), ("exit",), ("exit", "$?")):
                return ends_all
            is_group = rest[0].words[0] == "{"
            group = itertools.takewhile(lambda part: part.words[0] != "}", rest) if is_group else rest[:1]
            return ends_all and _fails(tuple(group))
        if not rest or end not in ("&&", "|") or (end == "|" and "pipefail" not in flags):
            return False
        is_last_of_list = is_last_of_list and end == "|"
        at += 1


def _shields(part: _Part) -> bool:
    """Whether this shows that something in the script may end without the script, or that the end is changed."""
    is_asked = part.words[0] in _CLOSES and part.end in ("||", "&&", "|", "&")
    changes_end = part.command[:1] == ("trap",) and any("exit" in word for word in part.command[1:])
    return is_asked or changes_end or part.words[0] in ("(", "function")


def _fails(parts: Sequence[_Part]) -> bool:
    """Whether these end a script with a failure, whatever comes of them."""
    end = ";"
    for part in parts:
        leading = part.words[: len(part.words) - len(part.command) + 1]
        if any(word in _OPENS and (word != "{" or part is not parts[0]) for word in leading):
            return False  # what is within may not be reached
        if end == ";" and part.command[:1] == ("exit",):
            return re.fullmatch("0*[1-9][0-9]*", " ".join(part.command[1:])) is not None
        end = part.end
    return False


def _parts_of(script: str) -> list[_Part]:
    """The simple commands of a shell's script, roughly: enough to see which tools it runs."""
    script = _without_here_documents(script[:_LONGEST_SCRIPT])
    for _ in range(_DEEPEST):
        script, count = _CAPTURE.subn("_", script)
        if not count:
            break
    commands: list[list[str]] = [[]]
    ends: list[str] = []
    redirections: list[list[str]] = [[]]
    word = ""
    for token in _SPLIT.findall(_COMMENT.sub("", script)):
        if token.isspace() and "\n" not in token:
            if word != _TARGET:
                commands[-1].append(word)
                word = ""
        elif token in ("||", "&&", ";", "|", "&", "(", ")") or "\n" in token:
            commands[-1].append(word)
            word = ""
            commands.append(["("] if token == "(" else [])
            ends.append(";" if "\n" in token else token)
            redirections.append([])
        elif token[0] in "'\"":
            word += token[1:-1]
        elif token[0] == "\\":
            word += token[1:]
        elif ">" in token:
            redirections[-1].append(token)
            commands[-1].append(word)
            word = "" if re.search(r"&\d", token) else _TARGET
        else:
            word += token
    commands[-1].append(word)
    found: list[_Part] = []
    is_in_brackets = False
    for command, end, sent in zip(commands, [*ends, ""], redirections, strict=True):
        words = tuple(word for word in command if word and not word.startswith(_TARGET))
        if words == ("(",):
            is_in_brackets = True
            continue
        if words and is_in_brackets:
            words, is_in_brackets = ("(", *words), False
        if not words:
            if found and found[-1].end == ")":  # what comes after the bracket comes after what is in it
                found[-1] = found[-1]._replace(end=end, redirections=(*found[-1].redirections, *sent))
            continue
        first = 0
        while first < len(words) and (_ASSIGNMENT.match(words[first]) or words[first] in _KEYWORDS):
            first += 1
        found.append(_Part(words, words[first:], end, tuple(sent)))
    return found

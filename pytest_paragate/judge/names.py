"""Which judge knows a command: by its program, through what starts it for somebody else.

It imports no judge; ``programs`` says in advance whether it is worth importing this.
"""

from __future__ import annotations

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
# What starts a program for somebody else, and the subcommands with which it does; none where it always does.
_STARTERS: dict[str, tuple[str, ...]] = {
    "uv": ("run",), "poetry": ("run",), "pdm": ("run",), "rye": ("run",), "hatch": ("run",), "pipenv": ("run",),
    "pipx": ("run",), "pixi": ("run",), "npm": ("exec", "x"), "pnpm": ("exec", "dlx"), "yarn": ("exec", "run", "dlx"),
    "bun": ("x", "run"), "conda": ("run",), "mamba": ("run",),
    "uvx": (), "npx": (), "bunx": (), "env": (), "nice": (), "ionice": (), "timeout": (), "time": (), "stdbuf": (),
    "nohup": (), "setsid": (), "xvfb-run": (), "sudo": (), "command": (), "exec": (), "chrt": (), "taskset": (),
    "catchsegv": (), "unbuffer": (), "node": (), "xargs": (),
}  # fmt: skip
# `yarn eslint` is `yarn run eslint`.
_RUN_UNASKED = ("yarn", "pnpm")
# Options that take a value of their own, of starters and of tools with subcommands.
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
    "xargs": frozenset(("-a", "-d", "-E", "-I", "-L", "-n", "-P", "-s")),
    "xvfb-run": frozenset(("-n", "-s", "-e")), "time": frozenset(("-f", "-o")), "taskset": frozenset(),
    "chrt": frozenset(),
    "ruff": frozenset(("--config",)), "coverage": frozenset(), "memray": frozenset(),
    "go": frozenset(("-C",)), "asv": frozenset(("--config",)),
    "cargo": frozenset(("--config", "-Z", "-C", "--color", "--manifest-path")),
}  # fmt: skip
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
"""The beginning of a word that sets a variable for one command."""
_DEEPEST = 8


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


def choose(argv: Sequence[str], *, own: Mapping[str, str] | None = None) -> Choice | None:
    """The judge for a command. ``own`` are judges beside the built-in ones, by program."""
    argv, own = tuple(argv), own or {}
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
    while words and ASSIGNMENT.match(words[0]):
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

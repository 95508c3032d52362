"""Which tools a shell's script runs, and what becomes of what they say and of how they end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from pytest_paragate.judge import names
from pytest_paragate.judge.names import Choice
from pytest_paragate.judge.shell import (
    LONGEST_SCRIPT,
    MOST_PARTS,
    Part,
    captured,
    changes_end,
    exit_ends_all,
    is_told,
    parts_of,
    sure_parts,
)

# Arguments with which tools test and judge nothing.
_TELLS_ONLY = frozenset(
    ("--version", "-V", "-VV", "--help", "-h", "--collect-only", "--co", "--fixtures", "--fixtures-per-test",
     "--cache-show", "--markers", "--setup-plan", "--list", "--listTests", "--no-run", "--show-files",
     "--show-settings", "--showConfig", "--print-config")
)  # fmt: skip
# The same, as the first argument or behind the subcommand.
_TELLS_ONLY_FIRST = frozenset(("list", "archive", "show-config"))
_Judges = Mapping[str, str]


def choose(argv: Sequence[str], *, shell: bool = False, own: _Judges | None = None) -> Choice | None:
    """The judge for a command, or for a script where all its programs that a judge knows have the same. ``own`` are
    judges beside the built-in ones, by program.
    """
    if not shell:
        return names.choose(argv, own=own)
    found = _choices_of(argv[0], own)
    return found[-1] if found and len({choice.judge for choice in found}) == 1 else None


def several(script: str, *, own: _Judges | None = None) -> tuple[str, ...]:
    """The judges of a script where there is more than one; empty where one knows all of it, or none does."""
    judges = tuple(dict.fromkeys(choice.judge for choice in _choices_of(script, own)))
    return judges if len(judges) > 1 else ()


def sends_away(script: str) -> bool:
    """Whether a script sends what its tools, or all of its programs, print on stdout into a file."""
    return not {">", "1>", "&>"}.isdisjoint(_redirections(script))


def sends_errors_away(script: str) -> bool:
    """Whether a script sends what its tools, or all of its programs, print on stderr into a file."""
    return not {"2>", "&>"}.isdisjoint(_redirections(script))


def hides_status(script: str, *, own: _Judges | None = None) -> bool:
    """Whether a tool may fail in a script and the script's exit status still be 0.

    Where no tool is known, any of its programs may be one.
    """
    parts = parts_of(script)
    is_long = len(script) > LONGEST_SCRIPT or not 0 < len(parts) <= MOST_PARTS
    if is_long or changes_end(parts) or _choices_of(" ".join(captured(script)), own):
        return True
    ends_all = exit_ends_all(script, parts)
    tools = [at for at, part in enumerate(parts) if _judges_something(names.choose(part.command, own=own))]
    return not all(is_told(parts, at, ends_all=ends_all) for at in tools or range(len(parts)))


def sure_runs(script: str, *, own: _Judges | None = None) -> int:
    """How many times at least a script runs a tool to judge, whatever comes of the others."""
    runs = 0
    for part, is_sure in _parts(script, own):
        runs += is_sure and _judges_something(names.choose(part.command, own=own))
        if is_sure and part.command[:1] in (("exit",), ("exec",), ("return",)):
            break
    return runs


def may_run_more_often(script: str, *, own: _Judges | None = None) -> bool:
    """Whether a tool may run more often than it surely does: in a loop, a function, or where that depends."""
    return any(
        not is_sure and _judges_something(names.choose(part.command, own=own)) for part, is_sure in _parts(script, own)
    )


def _parts(script: str, own: _Judges | None) -> list[tuple[Part, bool]]:
    """The commands of a script, and whether they surely run."""
    parts = parts_of(script)[:MOST_PARTS]
    sure = sure_parts(parts, lambda part: names.choose(part.command, own=own) is not None)
    return list(zip(parts, sure, strict=True))


def _choices_of(script: str, own: _Judges | None) -> list[Choice]:
    commands = [part.command for each in (script, *captured(script)) for part in parts_of(each)]
    return [choice for words in commands if (choice := names.choose(words, own=own)) is not None]


def _judges_something(choice: Choice | None) -> bool:
    if choice is None:
        return False
    plain = list(itertools.takewhile(lambda word: not word.startswith("-"), choice.argv[1:3]))
    return not (_TELLS_ONLY.intersection(choice.argv) or _TELLS_ONLY_FIRST.intersection(plain))


def _redirections(script: str) -> set[str]:
    parts = parts_of(script)
    tools = [part for part in parts if names.choose(part.command) is not None]
    groups = [part for part in parts if part.closes or part.command[:1] == ("exec",)]
    return {token for part in ((*tools, *groups) if tools else parts) for token in part.redirections}

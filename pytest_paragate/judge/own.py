"""Judges that users and plugins bring: what one is, and how the hook ``pytest_paragate_judges`` is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate.judge import scripts
from pytest_paragate.keys import shown
from pytest_paragate.model import DeclarationError

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Facts
    from pytest_paragate.judge.output import Output
    from pytest_paragate.model import Check

HOOK = "pytest_paragate_judges"


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge for the output of a tool.

    ``read(output)`` gets an :class:`Output` and returns :class:`Facts`, a mapping of names to numbers, or None when
    there is nothing to say. ``parse`` calls it by ``name``; commands that run one of ``programs`` need no ``parse``.
    """

    name: str
    read: Callable[[Output], Facts | Mapping[str, float] | None]
    programs: tuple[str, ...] = ()

    def __call__(self, output: Output, /) -> Facts | Mapping[str, float] | None:
        return self.read(output)


class OwnJudges:
    """The judges that plugins and conftest.py files offer, by name and by program; each plugin is asked once."""

    def __init__(self) -> None:
        self._asked: set[int] = set()
        self.by_name: dict[str, Judge] = {}
        self.by_program: dict[str, Judge] = {}
        self.problems: list[DeclarationError] = []

    def ask(self, config: pytest.Config) -> OwnJudges:
        """Ask those that have not been asked; conftest.py files are loaded during collection.

        What is wrong with an answer goes into ``problems``.
        """
        for implementation in getattr(config.hook, HOOK).get_hookimpls():
            if id(implementation.plugin) in self._asked:
                continue
            self._asked.add(id(implementation.plugin))
            where = getattr(implementation.plugin, "__file__", None) or implementation.plugin_name
            hint: str | None = 'return [gate.Judge("vale", read=judge_vale, programs=("vale",))]'
            try:
                answer = implementation.function(*([config] if "config" in implementation.argnames else []))
                is_list = answer is None or (isinstance(answer, Iterable) and not isinstance(answer, str))
                wrong = [f"returned {shown(answer)}, which is no list of judges"] if not is_list else []
                found = list(answer) if is_list and answer is not None else []
            except (Exception, SystemExit, pytest.skip.Exception, pytest.fail.Exception) as problem:
                wrong, hint, found = [f"raised {type(problem).__name__}: {problem}"], None, []
            wrong += [f"returned {shown(judge)}, which is no judge" for judge in found if not _is_judge(judge)]
            self.problems += [DeclarationError(f"{HOOK} {what}", where=where, hint=hint) for what in wrong]
            for judge in filter(_is_judge, found):
                self.by_name[judge.name] = judge
                self.by_program.update(dict.fromkeys(judge.programs, judge))
        return self


def _is_judge(value: object) -> bool:
    return (
        isinstance(value, Judge)
        and isinstance(value.name, str)
        and bool(value.name)
        and callable(value.read)
        and isinstance(value.programs, (tuple, list, set, frozenset))
        and all(isinstance(program, str) for program in value.programs)
    )


OWN = pytest.StashKey[OwnJudges]()


def own_judges(config: pytest.Config) -> OwnJudges | None:
    """The judges that are offered to this session; None, at no cost, where nobody offers any."""
    if not getattr(config.hook, HOOK).get_hookimpls():
        return None
    return config.stash.setdefault(OWN, OwnJudges()).ask(config)


def judge_for(check: Check, config: pytest.Config) -> Any:
    """``parse`` of a command check, or the judge that is offered under that name or for its program."""
    own = own_judges(config)
    assert check.command is not None
    if own is None:
        return check.parse
    if check.parse is not None:
        return own.by_name.get(check.parse, check.parse)
    programs = {program: program for program in own.by_program}
    choice = scripts.choose(check.command.argv, shell=check.command.shell, own=programs)
    return own.by_program.get(choice.judge) if choice is not None else None

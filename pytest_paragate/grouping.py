"""Declares groups: ``gate.group(…)`` and tables ``[tool.paragate.groups.*]`` become :class:`Group`, or problems.

As with checks, declaring never raises; what is wrong is told at collection, when the gate is on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from pytest_paragate.declare import GROUPS_KEY
from pytest_paragate.keys import ValueRefusedError, check_name, parse_group
from pytest_paragate.model import DeclarationError, Group, Place


class GroupDeclaration:
    """A group as it was written down, right or wrong. ``label`` and ``key_places`` are those of a table."""

    def __init__(
        self,
        name: object,
        keys: Mapping[str, object],
        place: Place,
        *,
        label: str = "",
        key_places: Mapping[str, Place] | None = None,
        problems: tuple[ValueRefusedError, ...] = (),
    ) -> None:
        self.name, self.keys, self.place = name, keys, place
        self.label, self.key_places, self.problems = label, key_places or {}, problems


def declare_group(
    frame: FrameType, arguments: Sequence[object], keys: Mapping[str, object], *, namespace: dict[str, Any]
) -> GroupDeclaration:
    """As :func:`pytest_paragate.group`, for the caller in ``frame``; kept in ``namespace``."""
    place = Place(file=os.path.abspath(frame.f_code.co_filename), line=frame.f_lineno)
    keys = dict(keys)
    name = arguments[0] if arguments else keys.pop("name", None)
    problems: tuple[ValueRefusedError, ...] = ()
    if name is None:
        problems = (ValueRefusedError("this group has no name", 'write gate.group("mirrors", wait="any")'),)
    elif len(arguments) > 1:
        hint = 'write gate.group("mirrors"), and group="mirrors" at each of its checks'
        problems = (ValueRefusedError("gate.group takes one name", hint),)
    declared = GroupDeclaration(name, keys, place, problems=problems)
    namespace.setdefault(GROUPS_KEY, []).append(declared)
    return declared


def resolve_group(declared: GroupDeclaration, place: Place) -> tuple[Group | None, list[DeclarationError]]:
    """The group, or what is wrong with it. ``place`` is as problems and reports spell it."""
    fields, wrong = parse_group({key: value for key, value in declared.keys.items() if value is not None})
    problems = [*(("", problem) for problem in declared.problems), *wrong.items()]
    name = declared.name
    if not declared.problems:
        try:
            name = check_name(name, "the name of a group")
        except ValueRefusedError as problem:
            problems.insert(0, ("", problem))
    if problems:
        return None, [
            DeclarationError(
                f"{declared.label}: {problem.what}" if declared.label else problem.what,
                where=str(place._replace(line=declared.key_places.get(key, place).line)),
                hint=problem.hint,
            )
            for key, problem in problems
        ]
    values: dict[str, Any] = {"name": name, "place": place, **fields}
    return Group(**values), []

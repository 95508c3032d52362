"""Reads ``[tool.paragate]`` of a pyproject.toml into declarations, and finds the lines to blame.

Problems carry the table's name; the line is found by searching the text, since TOML readers do not tell it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_paragate.declare import Declaration
from pytest_paragate.keys import ValueRefusedError, shown
from pytest_paragate.model import Place, Value, nearest

if TYPE_CHECKING:
    from pytest_paragate.grouping import GroupDeclaration

_SETTINGS = ("agents", "baseline", "cpus", "resources", "slots", "timeout", "workers")


class Table(Value):
    """What was found: checks by name, groups, and problems that belong to neither."""

    declarations: tuple[tuple[str, Declaration], ...] = ()
    groups: tuple[GroupDeclaration, ...] = ()
    problems: tuple[tuple[Place, ValueRefusedError], ...] = ()


def read_table(path: str) -> Table:
    """The checks declared in the TOML file at ``path``. Never raises for what is in the file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        document: Mapping[str, object] = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as problem:
        line = re.search(r"line (\d+)", str(problem))
        place = Place(file=path, line=int(line[1]) if line else len(text.splitlines()))  # else: at its end
        return Table(problems=((place, ValueRefusedError(f"not valid TOML: {problem}")),))
    except (OSError, UnicodeDecodeError) as problem:
        return Table(
            problems=((Place(file=path), ValueRefusedError(f"cannot be read: {problem}", "save it as UTF-8")),)
        )
    except (ValueError, RecursionError) as problem:  # a number of thousands of digits, thousands of brackets
        return Table(problems=((Place(file=path), ValueRefusedError(f"cannot be read: {problem}")),))
    return _Reader(path, text.splitlines()).read(document)


class _Reader:
    def __init__(self, path: str, lines: list[str]) -> None:
        self._path, self._lines = path, lines
        self._declarations: list[tuple[str, Declaration]] = []
        self._groups: list[GroupDeclaration] = []
        self._problems: list[tuple[Place, ValueRefusedError]] = []

    def read(self, document: Mapping[str, object]) -> Table:
        tool = document.get("tool")
        ours = tool.get("paragate", {}) if isinstance(tool, Mapping) else {}
        if not isinstance(ours, Mapping):
            self._refuse(["tool"], "paragate", "[tool.paragate] must be a table", "write [tool.paragate.checks.NAME]")
            ours = {}
        for key, value in ours.items():
            if key not in ("checks", "groups"):
                self._refuse_key(key)
            elif not isinstance(value, Mapping):
                what = f"[tool.paragate.{key}] must be a table, not {shown(value)}"
                self._refuse(["tool", "paragate"], key, what, f"write [tool.paragate.{key}.NAME]")
            else:
                for name, table in value.items():
                    if key == "checks":
                        self._read_check(name, table)
                    else:
                        self._read_group(name, table)
        return Table(declarations=tuple(self._declarations), groups=tuple(self._groups), problems=tuple(self._problems))

    def _refuse_key(self, key: str) -> None:
        if key.removeprefix("paragate_") in _SETTINGS:
            what = f"[tool.paragate]: unknown key `{key}`"
            hint = f"it is a setting of pytest: write paragate_{key.removeprefix('paragate_')} "
            hint += "in [tool.pytest.ini_options]"
        else:
            guess = nearest(key, ["checks", "groups"])
            what = f"[tool.paragate]: unknown key `{key}`" + (f", did you mean `{guess}`?" if guess else "")
            hint = "keys are checks and groups: write [tool.paragate.checks.NAME]"
        self._refuse(["tool", "paragate"], key, what, hint)

    def _read_check(self, name: str, table: object) -> None:
        label = f"[tool.paragate.checks.{_quoted(name)}]"
        parents = ["tool", "paragate", "checks"]
        place = Place(file=self._path, line=self._line(parents, name))
        if not isinstance(table, Mapping):
            hint = f'write {label} and below it run = "…"'
            self._problems.append((place, ValueRefusedError(f"{label} must be a table, not {shown(table)}", hint)))
            return
        keys = {key: value for key, value in table.items() if key != "run"}
        places = {key: Place(file=self._path, line=self._line([*parents, name], key) or place.line) for key in table}
        problems: tuple[ValueRefusedError, ...] = ()
        if "run" not in table:
            problems = (ValueRefusedError("`run` is missing", 'write run = "…" with the command of the check'),)
        declaration = Declaration(
            kind="command",
            place=place,
            keys=keys,
            home=self._path,
            command=table.get("run"),
            label=label,
            key_places=places,
            problems=problems,
        )
        self._declarations.append((name, declaration))

    def _read_group(self, name: str, table: object) -> None:
        from pytest_paragate.grouping import GroupDeclaration

        label = f"[tool.paragate.groups.{_quoted(name)}]"
        parents = ["tool", "paragate", "groups"]
        place = Place(file=self._path, line=self._line(parents, name))
        if not isinstance(table, Mapping):
            hint = f'write {label} and below it wait = "any"'
            self._problems.append((place, ValueRefusedError(f"{label} must be a table, not {shown(table)}", hint)))
            return
        places = {key: Place(file=self._path, line=self._line([*parents, name], key) or place.line) for key in table}
        self._groups.append(GroupDeclaration(name, dict(table), place, label=label, key_places=places))

    def _refuse(self, parents: list[str], key: str, what: str, hint: str) -> None:
        place = Place(file=self._path, line=self._line(parents, key))
        self._problems.append((place, ValueRefusedError(what, hint)))

    def _line(self, parents: list[str], key: str) -> int:
        """The line of the table ``key`` in ``parents``, or of the key in that table; 0 when it is not found."""
        table = _dotted(parents)
        header = re.compile(rf"\s*\[+\s*{_dotted([*parents, key])}\s*(\.[^]]*)?\]")
        in_table = re.compile(rf"\s*\[+\s*{table}\s*\]")
        assigned = re.compile(rf"\s*{_dotted([key])}\s*[.=]")
        dotted = re.compile(rf"\s*{_dotted([parents[-1], key])}\s*[.=]")
        inside = False
        for number, line in enumerate(self._lines, start=1):
            if header.match(line):
                return number
            if line.lstrip().startswith("["):
                inside = in_table.match(line) is not None
            if (inside and assigned.match(line)) or dotted.match(line):
                return number
        return 0


def _dotted(parts: list[str]) -> str:
    return r"\s*\.\s*".join(f"[\"']?{re.escape(part)}[\"']?" for part in parts)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else f'"{name}"'

"""Finds where checks are declared - loaded conftest.py files, pyproject.toml, plugins - and what each one declares.

Each source is read once per run. A conftest.py is never imported here: pytest has loaded it, or it declares nothing.
What is wrong is gathered in order, so that it can be told all at once before anything runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate import declare
from pytest_paragate.declare import Declaration
from pytest_paragate.keys import Surroundings, ValueRefusedError, check_name
from pytest_paragate.model import Check, DeclarationError, Group, Place, Value

if TYPE_CHECKING:
    from pytest_paragate.grouping import GroupDeclaration

CHECKS_HOOK = "pytest_paragate_checks"


class Declared(Value):
    """A check before pytest has made items of it; ``check.name`` is its family. Functions only: ``function``."""

    check: Check
    declaration: Declaration
    function: Callable[..., object] | None = None


class Source:
    """A file or plugin that declares checks. ``module`` is the loaded conftest or plugin, None for a TOML file."""

    def __init__(self, *, nodeid: str, path: Path, module: ModuleType | None = None) -> None:
        self.nodeid, self.path, self.module = nodeid, path, module
        self.checks: list[Declared] = []
        self.groups: list[Group] = []
        self.problems: list[DeclarationError] = []

    def function_check(self, name: str) -> Declared | None:
        """The function check of that family name."""
        return next((declared for declared in self.checks if declared.check.name == name and declared.function), None)


class DeclaringGate:
    """What ``pytest_paragate_checks`` gets as ``gate``: declares checks that belong to the implementing file."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def command(self, command: object = "", *surplus: object, **keys: object) -> Declaration:
        """As :func:`pytest_paragate.command`; ``name`` is needed."""
        return declare.declare_command(sys._getframe(1), command, surplus, keys, namespace=self._namespace)

    def check(self, *positional: Any, **keys: object) -> Any:
        """As :func:`pytest_paragate.check`."""
        return declare.declare_function(sys._getframe(1), positional, keys, namespace=self._namespace)

    def group(self, *arguments: object, **keys: object) -> GroupDeclaration:
        """As :func:`pytest_paragate.group`."""
        from pytest_paragate.grouping import declare_group

        return declare_group(sys._getframe(1), arguments, keys, namespace=self._namespace)

    def agree(self, fact: object = "", *sources: object, **keys: object) -> Callable[..., None]:
        """As :func:`pytest_paragate.agree`; ``name`` is needed where there are several about one fact."""
        return declare.declare_agreement(sys._getframe(1), fact, sources, keys, namespace=self._namespace)


class Sources:
    """All sources of one run. ``agents`` are the agent types that may be named."""

    def __init__(self, config: pytest.Config, agents: Sequence[str]) -> None:
        self._config = config
        self._root = str(config.rootpath)
        self._agents = tuple(agents)
        self._conftests: dict[Path, Source | None] = {}
        self._tables: dict[Path, Source | None] = {}
        self._plugins: list[Source] | None = None

    def __iter__(self) -> Iterator[Source]:
        """Every source read so far that declares something, right or wrong."""
        return iter([*self.files(), *(self._plugins or ())])

    def files(self) -> list[Source]:
        """The sources read so far that are files: conftest.py and pyproject.toml."""
        return [source for source in (*self._conftests.values(), *self._tables.values()) if source is not None]

    def read_loaded(self) -> None:
        """Read every conftest.py that is loaded, the root's pyproject.toml and the plugins."""
        for plugin in list(self._config.pluginmanager.get_plugins()):
            path = getattr(plugin, "__file__", None)
            if isinstance(plugin, ModuleType) and path and os.path.basename(path) == "conftest.py":
                self.conftest(Path(path))
        self.table(self._config.rootpath / "pyproject.toml")
        self.plugins()
        self._conftests = dict(sorted(self._conftests.items(), key=lambda entry: entry[0].parts))

    def near(self, folder: Path) -> Surroundings:
        """What values in a file of ``folder`` are relative to."""
        return Surroundings(folder=str(folder), root=self._root, agents=self._agents, judges=self._own_judges)

    def _own_judges(self, *, programs: bool = False) -> list[str]:
        from pytest_paragate.judge.own import own_judges

        own = own_judges(self._config)
        return [] if own is None else list(own.by_program if programs else own.by_name)

    def conftest(self, path: Path) -> Source | None:
        """What the conftest.py at ``path`` declares; None if it is not loaded or declares nothing."""
        if path not in self._conftests:
            module = self._config.pluginmanager.get_plugin(str(path))
            if not isinstance(module, ModuleType):
                return None
            self._conftests[path] = self._read_module(module, path, self._nodeid(path))
        return self._conftests[path]

    def table(self, path: Path) -> Source | None:
        """What the pyproject.toml at ``path`` declares; None if nothing."""
        if path not in self._tables:
            self._tables[path] = self._read_table(path) if _mentions_checks(path) else None
        return self._tables[path]

    def plugins(self) -> list[Source]:
        """What installed and ``-p`` plugins declare through the hook."""
        if self._plugins is None:
            self._plugins = []
            for implementation in getattr(self._config.hook, CHECKS_HOOK).get_hookimpls():
                module = implementation.plugin
                file = getattr(module, "__file__", None) or ""
                if not isinstance(module, ModuleType) or os.path.basename(file) == "conftest.py":
                    continue
                source = self._read_module(module, Path(file), module.__name__)
                if source is not None:
                    self._plugins.append(source)
        return self._plugins

    def _nodeid(self, path: Path) -> str:
        return declare.relative_place(Place(file=str(path)), self._root).file

    def _read_table(self, path: Path) -> Source | None:
        from pytest_paragate.tables import read_table

        found = read_table(str(path))
        source = Source(nodeid=self._nodeid(path), path=path)
        for place, problem in found.problems:
            self._refuse(source, problem, place)
        for name, declaration in found.declarations:
            self._add(source, name, declaration, None)
        self._add_groups(source, found.groups)
        self._refuse_duplicates(source)
        return source if source.checks or source.groups or source.problems else None

    def _read_module(self, module: ModuleType, path: Path, nodeid: str) -> Source | None:
        source = Source(nodeid=nodeid, path=path, module=module)
        namespace = vars(module)
        declare.open_for(namespace)
        self._call_hook(source, module)
        names = _names_of_declarations(namespace)
        for declaration in declare.declared_in(namespace):
            variable = names.get(id(declaration))
            function = namespace[variable] if variable is not None else declaration.function
            if declaration.kind == "command":
                self._add(source, variable, declaration, None)
            else:
                self._add(source, variable or getattr(function, "__name__", None), declaration, function)
        self._add_groups(source, declare.groups_in(namespace))
        self._refuse_duplicates(source)
        declare.close(namespace)
        return source if source.checks or source.groups or source.problems else None

    def _call_hook(self, source: Source, module: ModuleType) -> None:
        values = {"gate": DeclaringGate(vars(module)), "config": self._config}
        for implementation in getattr(self._config.hook, CHECKS_HOOK).get_hookimpls():
            if implementation.plugin is not module:
                continue
            try:
                implementation.function(**{name: values[name] for name in implementation.argnames})
            except pytest.exit.Exception:
                raise
            except (Exception, SystemExit, pytest.skip.Exception, pytest.fail.Exception) as problem:
                frames = traceback.extract_tb(problem.__traceback__)
                inside = [frame for frame in frames if os.path.abspath(frame.filename) == str(source.path)] or frames
                text = f"{CHECKS_HOOK} raised {type(problem).__name__}: {problem}"
                place = Place(file=os.path.abspath(inside[-1].filename), line=inside[-1].lineno or 0)
                self._refuse(source, ValueRefusedError(text), place)

    def _add(self, source: Source, name: object, declaration: Declaration, function: Any) -> None:
        """Resolve one declaration; it becomes a check of ``source``, or a problem."""
        if declaration.keys.get("name") is not None:
            name = declaration.keys["name"]
        try:
            if name is None:
                hint = 'assign it to a variable of its own, as in ruff = gate.command("…"), or give it name="…"'
                raise ValueRefusedError("this check has no name", hint)
            good_name = check_name(name, "`name`")
        except ValueRefusedError as problem:
            # What else is wrong would only repeat this one.
            unnamed = declaration.problems or (problem,)
            for each in unnamed:
                text = f"{declaration.label}: {each.what}" if declaration.label else each.what
                self._refuse(source, ValueRefusedError(text, each.hint), declaration.place)
            return
        check, problems = declare.resolve(
            declaration.kind,
            declaration.keys,
            name=good_name,
            nodeid=f"{source.nodeid}::{good_name}",
            place=declaration.place,
            near=self.near(source.path.parent),
            declaration=declaration,
        )
        source.problems.extend(problems)
        source.checks.append(Declared(check=check, declaration=declaration, function=function))

    def _add_groups(self, source: Source, declarations: Iterable[GroupDeclaration]) -> None:
        for declared in declarations:
            from pytest_paragate.grouping import resolve_group

            group, problems = resolve_group(declared, declare.relative_place(declared.place, self._root))
            source.problems.extend(problems)
            if group is not None:
                source.groups.append(group)

    def _refuse(self, source: Source, problem: ValueRefusedError, place: Place) -> None:
        where = str(declare.relative_place(place, self._root))
        source.problems.append(DeclarationError(problem.what, where=where, hint=problem.hint))

    def _refuse_duplicates(self, source: Source) -> None:
        groups: dict[str, Group] = {}
        for group in source.groups:
            one = groups.setdefault(group.name, group)
            if one is not group:
                what = f"the name {group.name!r} is taken already, by the group at {one.place}"
                source.problems.append(DeclarationError(what, where=str(group.place), hint="give one another name"))
        first: dict[str, Check] = {}
        for declared in source.checks:
            check = declared.check
            earlier = first.setdefault(check.name, check)
            if earlier is not check:
                what = f"the name {check.name!r} is taken already, by the check at {earlier.place}"
                hint = "give one of them another name"
                source.problems.append(DeclarationError(what, where=str(check.place), hint=hint))


def _names_of_declarations(namespace: Mapping[str, object]) -> dict[int, str]:
    """The first variable that holds each declaration, by its identity."""
    names: dict[int, str] = {}
    for variable, value in list(namespace.items()):
        declaration = declare.declaration_of(value)
        if declaration is not None:
            names.setdefault(id(declaration), variable)
    return names


def _mentions_checks(path: Path) -> bool:
    """Whether the file could hold ``[tool.paragate]``; says no rather than fail."""
    try:
        return b"paragate" in path.read_bytes()
    except OSError:
        return False

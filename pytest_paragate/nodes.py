"""The pytest nodes of declared checks: a conftest.py, a pyproject.toml or a plugin as collectors, and command items.

A conftest.py is taken as it was loaded, never imported again. Function checks go through pytest's own making of items,
so that fixtures, marks, parameters and other plugins work as they do for tests.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

import pytest

from pytest_paragate.sources import Declared, Source

Adopt: TypeAlias = Callable[[pytest.Item, Declared], None]
_FILE = pytest.StashKey[str]()
_HIDDEN_HOOK = "pytest_generate_tests"


class CommandItem(pytest.Item):
    """A command check. The gate runs its command in a worker; the item stands for it everywhere else."""

    def __init__(self, *, declared: Declared, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._line = declared.declaration.place.line

    def runtest(self) -> None:
        pytest.fail("a command check runs under `pytest --paragate` only", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self._line - 1 if self._line else None, self.name

    @functools.cached_property
    def location(self) -> tuple[str, int | None, str]:
        """As pytest finds it out, which takes longer for an item than for a file."""
        parent = cast("pytest.Collector", self.parent)
        file = parent.stash.get(_FILE, None)
        if file is None:
            file = parent.stash[_FILE] = super().location[0]
        return file, self._line - 1 if self._line else None, self.name


class GateFile(pytest.Module):
    """A loaded conftest.py with checks. It holds ordinary tests too where pytest alone would look for them in it."""

    source: Source
    adopt: Adopt
    holds_tests = False
    _made: list[pytest.Item | pytest.Collector] | None = None

    def _getobj(self) -> ModuleType:
        assert self.source.module is not None
        return self.source.module

    def istestfunction(self, obj: object, name: str) -> bool:
        declared = self.source.function_check(name)
        if declared is not None and declared.function is obj:
            return True
        return self.holds_tests and super().istestfunction(obj, name)

    def istestclass(self, obj: object, name: str) -> bool:
        return self.holds_tests and super().istestclass(obj, name)

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        if self._made is None:
            self._made = list(self._make())
        return self._made

    def _make(self) -> Iterator[pytest.Item | pytest.Collector]:
        yield from _items_of(self.source, self)
        if self.holds_tests:
            functions = {declared.check.name for declared in self.source.checks if declared.function}
            for node in super().collect():
                if getattr(node, "originalname", None) not in functions:
                    yield node


class TomlFile(pytest.File):
    """A pyproject.toml with checks."""

    source: Source
    adopt: Adopt
    _made: list[pytest.Item | pytest.Collector] | None = None

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        if self._made is None:
            self._made = list(_items_of(self.source, self))
        return self._made


class PluginChecks(pytest.Module):
    """Checks that a plugin declares through the hook. Not a file below the root, so no path argument leads to it."""

    source: Source
    adopt: Adopt

    def _getobj(self) -> ModuleType:
        assert self.source.module is not None
        return self.source.module

    def istestfunction(self, obj: object, name: str) -> bool:
        declared = self.source.function_check(name)
        return declared is not None and declared.function is obj

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return list(_items_of(self.source, self))


def _items_of(source: Source, parent: Any) -> Iterator[pytest.Item]:
    """The items of a source's checks."""
    for declared in source.checks:
        if declared.function is None:
            item = CommandItem.from_parent(parent, name=declared.check.name, declared=declared)
            parent.adopt(item, declared)
            yield item
            continue
        with _lent(source, declared):
            made = parent.ihook.pytest_pycollect_makeitem(
                collector=parent, name=declared.check.name, obj=declared.function
            )
        for item in made if isinstance(made, list) else [made] if made is not None else []:
            parent.adopt(item, declared)
            yield item


@contextlib.contextmanager
def _lent(source: Source, declared: Declared) -> Iterator[None]:
    """Let pytest find a function under the check's name in the module while it makes items of it.

    Hidden meanwhile: the module's own hook for parametrizing, which pytest would call once as a plugin's and once as
    the module's.
    """
    namespace = vars(source.module)
    missing = object()
    kept = {name: namespace.get(name, missing) for name in (declared.check.name, _HIDDEN_HOOK)}
    namespace.pop(_HIDDEN_HOOK, None)
    namespace[declared.check.name] = declared.function
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is missing:
                namespace.pop(name, None)
            else:
                namespace[name] = value

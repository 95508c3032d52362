"""How modules of this package are imported in a run of the gate: as late as they can be, and without a detour."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class Late:
    """Stands for a module until somebody asks for something in it: the first check does not wait for what only results
    need.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next one who asks finds it here
        return value


class DirectFinder:
    """Finds modules of this package before pytest's import hook looks at their names.

    That hook matches each name with the patterns of test files, 30 µs for each of our modules.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path, target) if name.startswith("pytest_paragate.") else None


def find_directly() -> Callable[[], None]:
    """Put ``DirectFinder`` first. Returns what takes it back."""
    sys.meta_path.insert(0, DirectFinder)

    def take_back() -> None:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(DirectFinder)

    return take_back

"""Modules that are imported when they are first used: the first check does not wait for what only results need."""

import importlib
from typing import Any


class Late:
    """Stands for a module until somebody asks for something in it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next one who asks finds it here
        return value

"""Where a test function stands, found out faster.

pytest asks the file system and takes paths apart for each item (``Item.location``), which takes longer than all else
that we ask of a test. For plain functions the answer is known from the function and its file, and the file is asked
about once.
"""

from __future__ import annotations

import os
from types import FunctionType

import pytest


class Locations:
    """One session's: :meth:`settle` gives an item the location that it would find by itself."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._files: dict[str, str | None] = {}
        # Of the parent of the latest item, and so of most that follow: what its path within the module begins with.
        self._parent: pytest.Collector | None = None
        self._prefix = ""

    def settle(self, item: pytest.Item) -> None:
        """Do nothing for an item that has its own idea of where it is."""
        if type(item) is not pytest.Function or "location" in item.__dict__:
            return
        function = getattr(item.obj, "__func__", item.obj)
        if type(function) is not FunctionType or "__wrapped__" in function.__dict__ or hasattr(function, "place_as"):
            return
        code = function.__code__
        file = self._relative(code.co_filename)
        if file is not None:
            if item.parent is not self._parent:
                self._parent, self._prefix = item.parent, item.getmodpath().removesuffix(item.name)
            item.__dict__["location"] = (file, code.co_firstlineno - 1, self._prefix + item.name)

    def _relative(self, file: str) -> str | None:
        if file not in self._files:
            path = self._session.path / file
            shown = self._session._node_location_to_relpath(path) if os.path.exists(file) else None
            self._files[file] = shown if os.path.isabs(file) else None
        return self._files[file]

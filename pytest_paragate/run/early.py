"""Notices project code that asks which worker it is in before there are workers.

A forked worker has the modules of the main process, with what they found at import. A settings file that names its
database by ``PYTEST_XDIST_WORKER`` would name the same one in all of them, so such a project gets fresh interpreters.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_NAMES = ("PYTEST_XDIST_WORKER",)
_STANDARD = os.path.dirname(os.__file__) + os.sep


class EarlyReads:
    """Watches the environment from :meth:`start` to :meth:`stop`; costs nothing where variables are there."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._is_on = False

    def start(self) -> None:
        if sys.platform == "win32" or self._is_on:
            return  # nothing is forked there
        keys = {os.fsencode(name) for name in _NAMES}
        if not keys & _data().keys():
            self._is_on = True
            _set_data(_Watched(_data(), keys, self._files))

    def stop(self) -> None:
        if self._is_on:
            self._is_on = False
            _set_data(dict(_data()))

    def place(self, root: Path) -> str | None:
        """The first file of the project below ``root`` that asked, as people call it."""
        for name in self._files:
            path = Path(name)
            if path.is_relative_to(root) and "site-packages" not in path.parts:
                return str(path.relative_to(root))
        return None


class _Watched(dict[bytes, bytes]):
    """The data below ``os.environ``."""

    def __init__(self, data: dict[bytes, bytes], keys: set[bytes], files: list[str]) -> None:
        super().__init__(data)
        self._keys, self._files = keys, files

    def __missing__(self, key: bytes) -> bytes:
        self._note(key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        is_there = super().__contains__(key)
        if not is_there:
            self._note(key)
        return is_there

    def _note(self, key: object) -> None:
        if key not in self._keys:
            return
        frame = sys._getframe(2)
        while frame.f_back is not None and _is_between(frame.f_code.co_filename):
            frame = frame.f_back
        self._files.append(frame.f_code.co_filename)


def _is_between(filename: str) -> bool:
    """Whether this only stands between who asks and the environment: ``os``, ``collections.abc``."""
    return filename.startswith("<frozen ") or (filename.startswith(_STANDARD) and "site-packages" not in filename)


def _data() -> dict[bytes, bytes]:
    environment: Any = os.environ
    data: dict[bytes, bytes] = environment._data
    return data


def _set_data(data: dict[bytes, bytes]) -> None:
    environments: tuple[Any, ...] = (os.environ, os.environb)
    for environment in environments:
        environment._data = data

"""How a running command is asked to end."""

from __future__ import annotations

import contextlib
import os
import sys

_IS_WINDOWS = sys.platform == "win32"


class Stop:
    """Asks a running command to end, from any thread or signal handler, until ``clear``.

    ``level`` is 0 (nothing asked), 1 (TERM, then KILL after the grace) or 2 (KILL now). A command is not started at
    all while something is asked.
    """

    def __init__(self) -> None:
        self._level = 0
        self._read_fd, self._write_fd = os.pipe()
        if not _IS_WINDOWS:
            os.set_blocking(self._read_fd, False)
            os.set_blocking(self._write_fd, False)

    def request(self, *, kill: bool = False) -> None:
        self._level = max(self._level, 2 if kill else 1)
        if not _IS_WINDOWS:
            with contextlib.suppress(BlockingIOError):  # full: there is enough to wake the reader
                os.write(self._write_fd, b"!")

    def clear(self) -> None:
        if self._level:  # looking takes a system call, and an exception
            self.take()
            self._level = 0

    def take(self) -> int:
        """The level; ``fileno()`` is not readable again until the next request."""
        if not _IS_WINDOWS:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._read_fd, 4096):
                    pass
        return self._level

    def fileno(self) -> int:
        return self._read_fd

    def close(self) -> None:
        os.close(self._read_fd)
        os.close(self._write_fd)

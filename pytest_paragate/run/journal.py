"""What a worker has to say, in a file: written without waking anybody, read when the controller likes, and safe from
the worker's death.

One line of JSON is one piece of news (see :mod:`~pytest_paragate.run.messages`). Lines are appended whole, and only the
last one can be torn, by the death of its writer.
"""

from __future__ import annotations

import json
import os
from typing import Any

# Out of reach of a check that closes or reuses the first descriptors it finds.
_LOWEST_FD = 200
_BLOCK_BYTES = 1 << 20
# Those of this moment: while a class or module of tests runs, something else may stand in their place.
_write, _as_json = os.write, json.JSONEncoder().encode
_FLAGS = os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Journal:
    """The worker's end. Raises OSError when the file cannot be made or written."""

    def __init__(self, path: str) -> None:
        self._fd = _lifted(os.open(path, os.O_WRONLY | _FLAGS, 0o600))

    def write(self, line: bytes) -> None:
        """Append one line, which ends with a newline."""
        while line:
            line = line[_write(self._fd, line) :]


class JournalReader:
    """The controller's end. Reads from where it last stopped; a journal that does not exist yet is empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._rest = b""

    def read(self) -> list[Any]:
        """The news since the last call. What cannot be read is left out."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | _FLAGS, 0o600)
            except OSError:
                return []
        blocks = [self._rest]
        while True:
            try:
                block = os.read(self._fd, _BLOCK_BYTES)
            except OSError:
                break
            blocks.append(block)
            if len(block) < _BLOCK_BYTES:
                break
        data, newline, self._rest = b"".join(blocks).rpartition(b"\n")
        return loaded(data) if newline else []

    def close(self) -> None:
        """Remove the journal too: it is of no use to anybody else."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            os.unlink(self._path)
        except OSError:
            pass


def make_room() -> None:
    """Let the table of file descriptors grow to where journals are.

    To be called before there are threads: with them the kernel makes a process wait for all its processors first, which
    takes some ten milliseconds. What is forked from here has the room.
    """
    _lifted(os.open(os.devnull, os.O_RDONLY | _FLAGS & ~os.O_CREAT))


def line_of(news: Any) -> bytes:
    """``news`` as a line of a journal."""
    return _as_json(news).encode() + b"\n"


def line_of_numbers(kind: str, numbers: list[Any]) -> bytes:
    """The same for news that is made of finite floats, integers and lists of them, in a third of the time."""
    return f'["{kind}", {repr(numbers)[1:]}\n'.encode()


def loaded(lines: bytes) -> list[Any]:
    """The news in ``lines``, the last without its newline."""
    try:
        news: list[Any] = json.loads(b"[" + lines.replace(b"\n", b",") + b"]")
        return news
    except ValueError:
        pass
    news = []
    for line in lines.split(b"\n"):
        try:
            news.append(json.loads(line))
        except ValueError:
            continue  # somebody else wrote into it
    return news


def _lifted(fd: int) -> int:
    try:
        import fcntl

        lifted = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOWEST_FD)
    except (ImportError, OSError):
        return fd
    os.close(fd)
    return lifted

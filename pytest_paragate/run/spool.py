"""Where a command's output goes: two files, kept under the command's name only when something was written."""

from __future__ import annotations

import collections
import contextlib
import errno
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Literal

from pytest_paragate.model import Value

Stream = Literal["out", "err"]
_STREAMS: tuple[Stream, Stream] = ("out", "err")
OnOutput = Callable[[str, bytes], None]


class SpoolFile(Value):
    path: str
    fd: int

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def discard(self) -> None:
        os.close(self.fd)
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class Spool:
    """Files in ``folder`` for the output of one command after another.

    Output that was written stays on disk under the command's name (``ruff.out``, ``ruff.err``, ``ruff-2.out``); files
    that stayed empty serve the next command, so silent commands cost no files. Who owns the folder removes what is left
    of them (``remove_spare``).
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.path.abspath(folder)
        self._spare: dict[Stream, SpoolFile] = {}
        self._serial = itertools.count(1)
        self._last_number: collections.Counter[str] = collections.Counter()

    def take(self) -> dict[Stream, SpoolFile]:
        """One empty file per stream, to be given back with ``keep``."""
        files: dict[Stream, SpoolFile] = {}
        for stream in _STREAMS:
            file = self._spare.pop(stream, None)
            if file is not None and os.fstat(file.fd).st_nlink == 0:  # somebody emptied the folder
                file.discard()
                file = None
            files[stream] = file or self._create(stream)
        return files

    def keep(
        self, files: Mapping[Stream, SpoolFile], name: str, *, is_quiet: bool
    ) -> dict[Stream, tuple[str | None, int]]:
        """Where the output is now and its size in bytes; ``is_quiet`` says that nobody can write any more."""
        sizes = {stream: file.size() for stream, file in files.items()}
        kept: dict[Stream, tuple[str | None, int]] = dict.fromkeys(_STREAMS, (None, 0))
        targets = self._reserve(name, [stream for stream in _STREAMS if sizes[stream]])
        for stream, file in files.items():
            if stream in targets:
                kept[stream] = (self._move(file, targets[stream]), sizes[stream])
            elif is_quiet:
                self._spare[stream] = file
            else:
                file.discard()
        return kept

    def _create(self, stream: Stream) -> SpoolFile:
        while True:
            path = os.path.join(self.folder, f"{_SPARE}{os.getpid()}-{next(self._serial)}.{stream}")
            with contextlib.suppress(FileExistsError):
                return SpoolFile(path=path, fd=_above_stdio(self._open(path, _SPOOL_FLAGS)))

    def _open(self, path: str, flags: int) -> int:
        """Open a new file in the folder, which a check may remove at any moment."""
        for _ in range(100):
            try:
                return os.open(path, flags, 0o666)
            except FileNotFoundError:
                with contextlib.suppress(FileNotFoundError):
                    os.makedirs(self.folder, exist_ok=True)
        raise FileNotFoundError(errno.ENOENT, "the folder for outputs cannot be made", self.folder)

    def _reserve(self, name: str, streams: list[Stream]) -> dict[Stream, str]:
        """Names that are free and now ours: other workers use the same folder."""
        if not streams:
            return {}
        stem = re.sub(r"[^\w.\[\]+=-]+", "_", name, flags=re.ASCII).lstrip(".-")[:100] or "command"
        while True:
            self._last_number[stem] += 1
            number = self._last_number[stem]
            base = os.path.join(self.folder, stem if number == 1 else f"{stem}-{number}")
            taken: dict[Stream, str] = {}
            with contextlib.suppress(FileExistsError):
                for stream in streams:
                    os.close(self._open(f"{base}.{stream}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                    taken[stream] = f"{base}.{stream}"
                # Asked last, so that of two workers at least one sees the other's; a merged log takes its name too.
                if not any(os.path.exists(f"{base}.{each}") for each in {*_STREAMS, "log"} - taken.keys()):
                    return taken
            for path in taken.values():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _move(self, file: SpoolFile, target: str) -> str:
        if sys.platform == "win32":
            os.close(file.fd)
            try:
                os.replace(file.path, target)
            except OSError:  # a process that was left behind has it open
                return file.path
            return target
        try:
            os.replace(file.path, target)
        except FileNotFoundError:  # deleted while the command ran; the descriptor still has the output
            os.lseek(file.fd, 0, os.SEEK_SET)
            with open(file.fd, "rb", closefd=False) as source, open(target, "wb", opener=self._open) as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        os.close(file.fd)
        return target


def has_room(folder: str) -> bool:
    """Whether something can still be written in ``folder``; one that has gone says nothing about that."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(_ROOM_BYTES))
    except OSError as problem:
        return problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return True


def remove_spare(folder: str) -> None:
    """Remove what workers that have ended left empty in their folder."""
    with contextlib.suppress(OSError):  # a check has removed it
        for file in os.scandir(folder):
            if file.name.startswith(_SPARE) and file.stat().st_size == 0:
                os.unlink(file.path)


_SPARE = "running-"
_ROOM_BYTES = 4096
_SPOOL_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)


def _above_stdio(fd: int) -> int:
    """The same file on a descriptor that setting up a child's 0, 1 and 2 cannot overwrite."""
    if fd > 2:
        return fd
    higher = _above_stdio(os.dup(fd))
    os.close(fd)
    return higher


class LiveOutput:
    """Hands new output to ``on_output`` as it appears, in blocks of bounded size."""

    def __init__(self, files: Mapping[Stream, SpoolFile], on_output: OnOutput) -> None:
        self._on_output = on_output
        self._readers = {stream: open(file.path, "rb", buffering=0) for stream, file in files.items()}  # noqa: SIM115

    def pump(self, blocks: int | None = 16) -> None:
        """Pass on at most ``blocks`` blocks per stream, so that a flood cannot keep us from the time limit."""
        for stream, reader in self._readers.items():
            for _ in itertools.count() if blocks is None else range(blocks):
                data = reader.read(1 << 16)
                if not data:
                    break
                self._on_output(f"std{stream}", data)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

"""A tool's output as judges read it: cleaned lines of two streams, in bounded time and memory however hostile it is.

- Streams are read in blocks. A judge that names what its lines contain gets these alone, at the speed of a search.
- Terminal sequences are taken out; a carriage return ends a line; bytes that are no UTF-8 become U+FFFD.
- What exceeds a budget is left out up to the end of the output, where tools say what they found, and ``is_cut`` tells.
"""

from __future__ import annotations

import collections
import glob
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BLOCK = 1 << 20
_LONGEST_LINE = 8192  # bytes
_LONGEST_DATA_LINE = 1 << 20
_MOST_LINES = 120_000
_LAST_LINES = 500
_MOST_LINE_BYTES = 24 << 20
_MOST_ESCAPES = 400_000
_TAIL = 1 << 16
LARGEST_DOCUMENT = 5 << 20  # bytes of JSON that are read as one document
# What is in it takes far more memory than its text where it is made of little else than brackets; tools have a value
# every twenty bytes, and a bracket every fifty.
_MOST_BRACKETS = 120_000
_MOST_COMMAS = 300_000
_MOST_STARTS = 5  # lines that look as if a document began
# How a document begins, where a log may have "[INFO] done" or "[1/2] ruff".
_BEGIN = r"""[\[{](?=\s*(?:["\[\]{}]|\Z))"""
_REPORT_SLACK_S = 0.1  # the clock of file systems is coarse
_TICK_NS = 20_000_000  # and no coarser than that, where it counts in nanoseconds

Marks = Mapping[str, tuple[int, ...]]

_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?|\x1b[ -/]*[0-~]?"
)


class Stream:
    """What was written to one stream: the file at ``path``, or nothing.

    ``is_lost`` says that it has gone. Reading sets ``is_cut``, and ``is_broken`` where a JSON document that was looked
    for begins and has no end.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.is_cut = self.is_broken = self.is_lost = False
        try:
            self.size = os.path.getsize(path) if path else 0
        except OSError:
            self.path, self.size, self.is_lost = None, 0, True

    def lines(self, *needles: str, is_data: bool = False) -> Iterator[str]:
        """Cleaned lines that contain any of ``needles``, or all of them; blank lines only when nothing is named.

        A line is cut at 8 KiB. With ``is_data`` (JSON lines) it may be 1 MiB long.
        """
        if self.path is None:
            return
        longest = _LONGEST_DATA_LINE if is_data else _LONGEST_LINE
        wanted = tuple(needle.encode() for needle in needles)
        budget = _Budget()
        found: Iterator[bytes] = iter(())
        with open(self.path, "rb") as file:
            for chunk in _chunks(file, longest, budget):
                found = iter(_hits(chunk, wanted) if wanted else chunk.split(b"\n"))
                for line in found:
                    if not budget.may_spend(min(len(line), longest)):
                        break
                    yield line[:longest].decode("utf-8", "replace")
                if budget.is_spent:
                    break
            if not budget.is_spent:
                return
            self.is_cut = True
            last = collections.deque(found, maxlen=_LAST_LINES)
            if self.size - _TAIL > file.tell():
                file.seek(self.size - _TAIL)
                last.clear()
                file.readline(_TAIL)
            # Where tools say what they found.
            chunk = _clean(file.read(_TAIL), None)
            last.extend(_hits(chunk, wanted) if wanted else chunk.split(b"\n"))
            for line in last:
                yield line[:longest].decode("utf-8", "replace")

    def tail(self, size: int = _TAIL) -> str:
        """The last ``size`` bytes, cleaned; a line that is cut by that is left out."""
        if self.path is None:
            return ""
        with open(self.path, "rb") as file:
            file.seek(max(self.size - size, 0))
            data = _clean(file.read(size), None)
        if self.size > size:
            data = data.partition(b"\n")[2]
        return data.decode("utf-8", "replace")

    def head(self, size: int = _TAIL) -> str:
        """The first ``size`` bytes, cleaned."""
        if self.path is None:
            return ""
        with open(self.path, "rb") as file:
            return _clean(file.read(size), None).decode("utf-8", "replace")

    def document(self) -> Any:
        """The first of :meth:`documents`; None when there is none."""
        return next(iter(self.documents()), None)

    def documents(self) -> list[Any]:
        """The JSON documents that the stream holds, after, between and before any lines of other text.

        More than 5 MiB, or more values than a tool writes in that, are not read.
        """
        if self.path is None:
            return []
        if self.size > LARGEST_DOCUMENT:
            self.is_cut = True
            return []
        with open(self.path, "rb") as file:
            data = file.read(LARGEST_DOCUMENT)
        if has_too_many_values(data):
            self.is_cut = True
            return []
        text = data.decode("utf-8", "replace").lstrip("\ufeff")
        # Of what comes after the first start only what is not indented can be the document, and not a part of it.
        starts = re.compile(rf"^[ \t]*{_BEGIN}", re.MULTILINE), re.compile(rf"^{_BEGIN}", re.MULTILINE)
        decode = json.JSONDecoder().raw_decode
        at = 0
        found: list[Any] = []
        for pattern in (starts[0], *[starts[1]] * (_MOST_STARTS - 1)):
            start = pattern.search(text, at)
            if start is None:
                break
            at = start.end()
            try:
                document, at = decode(text, at - 1)
            except (ValueError, RecursionError):
                self.is_broken = True
            else:
                self.is_broken = False
                found.append(document)
                break
        further = re.compile(rf"\s*{_BEGIN}"), re.compile(rf"^[ \t]*{_BEGIN}", re.MULTILINE)
        while found and (start := further[0].match(text, at) or further[1].search(text, at)) is not None:
            try:
                document, at = decode(text, start.end() - 1)
            except (ValueError, RecursionError):
                self.is_broken = True
                break
            found.append(document)
        return found


def has_too_many_values(document: bytes) -> bool:
    """Whether a JSON document would take more memory than a judge may."""
    return document.count(b"[") + document.count(b"{") > _MOST_BRACKETS or document.count(b",") > _MOST_COMMAS


class Output:
    """Everything that a judge may look at. ``returncode`` is negative for a signal.

    ``argv`` is the tool with its arguments, as far as it is known: without ``python -m``, ``uv run`` and the like.
    ``is_script`` says that a shell may have run more than the tool, ``hides_status`` that it may end with 0 where the
    tool does not. ``argument`` is what followed the judge's name in ``parse``; ``started_at`` is when the command
    began, in seconds since the epoch, and ``earlier`` marks the report files that were there then.
    """

    def __init__(
        self,
        *,
        argv: Sequence[str] = (),
        returncode: int = 0,
        stdout: Stream | str | None = None,
        stderr: Stream | str | None = None,
        argument: str = "",
        cwd: str = ".",
        is_script: bool = False,
        joins_streams: bool = False,
        started_at: float = 0.0,
        earlier: Marks | None = None,
    ) -> None:
        self.argv, self.returncode, self.argument, self.cwd = tuple(argv), returncode, argument, cwd
        self.is_script, self.joins_streams, self.started_at = is_script, joins_streams, started_at
        self.hides_status = False
        self._earlier = earlier or {}
        self.stdout = stdout if isinstance(stdout, Stream) else Stream(stdout)
        self.stderr = stderr if isinstance(stderr, Stream) else Stream(stderr)

    @property
    def err(self) -> Stream:
        """stderr, or stdout where a shell has joined the two."""
        return self.stdout if self.joins_streams and not self.stderr.size else self.stderr

    @property
    def is_cut(self) -> bool:
        """Whether something was left out while reading."""
        return self.stdout.is_cut or self.stderr.is_cut

    def documents(self, sign: str, *, is_asked: bool) -> list[Any]:
        """The JSON documents on stdout where the tool was asked for them, or where a script has printed ``sign``."""
        is_there = is_asked or (self.is_script and any(True for _ in self.stdout.lines(sign)))
        return self.stdout.documents() if is_there else []

    def has(self, *flags: str) -> bool:
        """Whether an argument is one of ``flags``, or one of them with ``=value``."""
        return any(word == flag or word.startswith(f"{flag}=") for word in self.argv[1:] for flag in flags)

    def value(self, *flags: str) -> str | None:
        """The value of the last of ``flags`` among the arguments: ``--flag=value``, ``--flag value`` or ``-fvalue``."""
        found = None
        for index, word in enumerate(self.argv):
            for flag in flags:
                if word.startswith(f"{flag}="):
                    found = word.partition("=")[2]
                elif len(flag) == 2 and flag[0] == "-" != flag[1] and word.startswith(flag) and len(word) > 2:
                    found = word[2:]
                elif word == flag and index + 1 < len(self.argv):
                    found = self.argv[index + 1]
        return found

    def reports(self) -> tuple[list[str], str | None]:
        """The files that ``argument`` names and this command has written, or why there are none."""
        found = _files(self.cwd, self.argument)
        if not found:
            return [], f"there is no report file {self.argument}"
        # Another run of the command, a moment ago, may have written it.
        fresh = [path for path in found if path not in self._earlier or _mark(path) != self._earlier[path]]
        fresh = [path for path in fresh if _modified_at(path) >= self.started_at - _REPORT_SLACK_S]
        if not fresh:
            return [], f"the report file {self.argument} is older than this run of the command"
        return fresh, None


def marks_of(cwd: str, pattern: str) -> Marks:
    """Marks of the report files that ``pattern`` names. Who writes one of them from now on leaves it another mark."""
    marks = {path: _mark(path) for path in _files(cwd, pattern)}
    newest_ns = max((mark[0] for mark in marks.values()), default=0)
    if 0 <= time.time_ns() - newest_ns < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)  # or what is written next could bear the same time
    return marks


def _files(cwd: str, pattern: str) -> list[str]:
    path = os.path.join(cwd, pattern)
    return [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))


def _mark(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return (0,)
    return status.st_ctime_ns, status.st_mtime_ns, status.st_ino, status.st_size


def _modified_at(path: str) -> float:
    """When a file was written at the latest: archives keep whole seconds."""
    try:
        status = os.stat(path)
    except OSError:
        return 0.0
    return status.st_mtime + (0 if status.st_mtime_ns % 1_000_000_000 else 1)


class _Budget:
    """What may still be handed to a judge: lines, their bytes, and escapes that cost time to take out."""

    def __init__(self) -> None:
        self._lines, self._bytes, self.escapes = _MOST_LINES, _MOST_LINE_BYTES, _MOST_ESCAPES
        self.is_spent = False

    def may_spend(self, size: int) -> bool:
        self._lines -= 1
        self._bytes -= size
        self.is_spent = self.is_spent or self._lines < 0 or self._bytes < 0
        return not self.is_spent


def _chunks(file: Any, longest: int, budget: _Budget) -> Iterator[bytes]:
    """Cleaned pieces of whole lines; of a line longer than ``longest`` the first ``longest`` bytes matter."""
    rest = b""
    while block := file.read(_BLOCK):
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        if end < 0:
            rest = (rest + block)[:longest]
            continue
        yield _clean(rest + block[:end], budget)
        rest = block[end + 1 :]
        if budget.is_spent:
            return
    if rest:
        yield _clean(rest, budget)


def _clean(data: bytes, budget: _Budget | None) -> bytes:
    if b"\x1b" in data:
        if budget is not None:
            budget.escapes -= data.count(b"\x1b")
            if budget.escapes < 0:
                budget.is_spent = True
                return b""
        data = _ESCAPES.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def _hits(chunk: bytes, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines of ``chunk`` that contain any of ``needles``, in order, each once."""
    spots = {needle: spot for needle in needles if (spot := chunk.find(needle)) >= 0}
    while spots:
        nearest = min(spots.values())
        start = chunk.rfind(b"\n", 0, nearest) + 1
        end = chunk.find(b"\n", nearest)
        if end < 0:
            end = len(chunk)
        yield chunk[start:end]
        for needle, spot in list(spots.items()):
            if spot < end:
                further = chunk.find(needle, end)
                if further < 0:
                    del spots[needle]
                else:
                    spots[needle] = further

"""What people see of a long output: its head and tail, how much is hidden, and where the whole is."""

from __future__ import annotations

import os
import shutil
import stat
from typing import BinaryIO

from pytest_paragate.model import Value

_HEAD, _TAIL = 16384, 49152
LONGEST = _HEAD + _TAIL
"""What is no longer than this is seen whole."""
_BLOCK = 1 << 20
_COUNT_AT_MOST = 1 << 30  # lines of a hidden part larger than this are not counted


class Excerpt(Value):
    """The head and tail of a log. ``hidden_lines`` is None when there was too much to count."""

    text: str
    hidden_bytes: int
    hidden_lines: int | None


def read_excerpt(path: str, *, head: int = _HEAD, tail: int = _TAIL, is_kept: bool = True) -> Excerpt:
    """At most about ``head`` and ``tail`` bytes of a log, cut at line ends where there are any, decoded as UTF-8.

    Bytes that are no UTF-8 become U+FFFD. A line between the two parts says how much it hides, and where the whole is
    if that ``is_kept``. Memory is bounded.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= head + tail:
            return Excerpt(text=_decode(file.read(head + tail)), hidden_bytes=0, hidden_lines=0)
        first = file.read(head)
        first = first[: _cut(first.rfind(b"\n") + 1, at_least=head // 2) or head]
        file.seek(size - tail)
        last = file.read(tail)
        last = last[_cut(last.find(b"\n") + 1, at_most=tail // 2) :]
        hidden = size - len(first) - len(last)
        lines = _count_lines(file, len(first), hidden) if hidden <= _COUNT_AT_MOST else None
    counted = "" if lines is None else f" ({lines:,} line{'' if lines == 1 else 's'})"
    notice = f"... {_in_units(hidden)}{counted} hidden{f'; whole log: {path}' if is_kept else ''} ..."
    before, after = _decode(first), _decode(last)
    newline = "" if before.endswith("\n") or not before else "\n"
    return Excerpt(text=f"{before}{newline}{notice}\n{after}", hidden_bytes=hidden, hidden_lines=lines)


def read_captured(pid: int) -> str:
    """What a process has printed to files that only it has, as pytest makes them to capture; nothing elsewhere."""
    found = ""
    for descriptor in (1, 2):
        path = f"/proc/{pid}/fd/{descriptor}"
        try:
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode) and not status.st_nlink:
                text = read_excerpt(path, is_kept=False).text
                found += f"{text}\n" if text and not text.endswith("\n") else text
        except OSError:
            pass
    return found


def _cut(position: int, *, at_least: int = 0, at_most: int | None = None) -> int:
    """``position`` when it leaves enough to read, else 0."""
    return position if position >= at_least and (at_most is None or position <= at_most) else 0


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _count_lines(file: BinaryIO, start: int, length: int) -> int:
    """Lines in a part of the file, an unfinished one included."""
    file.seek(start)
    lines, block = 0, b""
    while length > 0 and (block := file.read(min(_BLOCK, length)) or b""):
        lines += block.count(b"\n")
        length -= len(block)
    return lines + (not block.endswith(b"\n"))


def _in_units(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def merge_log(out: str | None, err: str | None, path: str) -> str | None:
    """Make one log for people at ``path`` of the files ``out`` and ``err``: stdout, then under a separator stderr.

    The two files are used up: with only one of them it is moved, not copied. None when there was no output.
    """
    whole = out or err
    if whole is None:
        return None
    if out and err:
        with open(out, "r+b") as log, open(err, "rb") as more:
            log.seek(-1, os.SEEK_END)
            newline = b"" if log.read(1) == b"\n" else b"\n"
            log.write(newline + b"---------------------------- stderr ----------------------------\n")
            shutil.copyfileobj(more, log, _BLOCK)
        os.unlink(err)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    shutil.move(whole, path)
    return path

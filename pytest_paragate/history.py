"""Durations of earlier runs, kept in a folder between runs.

- Never fatal and never wrong: what cannot be read, trusted or written is left out, and a line in ``warnings`` says so.
- Runs that end at the same time lose nothing: reading, merging and replacing happen under one file lock.
- The file is replaced as a whole, so a reader needs no lock.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_paragate.model import Value

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FORMAT = 1
KEPT_RUNS = 90
MAX_ENTRIES = 200_000
MAX_NODEID = 2_000  # characters
MAX_FILE = 64 * 1024 * 1024  # bytes
MAX_DURATION_S = 1e6

# Half of the new and half of the old: a check that became slower is believed within a few runs, and a single run on a
# busy machine is forgotten as fast.
_NEW_WEIGHT = 0.5
_LOCK_POLL_S = 0.02
_NUMBERS = (int, float)
# Three columns rather than a list per entry: a third of the time to read.
_COLUMNS = ("nodeids", "durations_s", "seen")


class _State(Value):
    """``entries`` holds duration in seconds and the age at which it was last recorded, by node id.

    ``age`` counts runs; one that ran a tenth of everything known counts as a tenth. Otherwise ninety runs of a single
    test would forget all the others. Entries are plain pairs because there may be a hundred thousand.
    """

    age: float
    entries: dict[str, tuple[float, float]]


class History:
    """Durations by node id in ``folder``, which need not exist.

    ``warnings`` collects one line per thing that went wrong, for the caller to show.
    """

    def __init__(self, folder: str | os.PathLike[str], *, patience_s: float = 2.0) -> None:
        self._file = Path(folder) / "durations.json"
        self._lock = Path(folder) / "durations.lock"
        self._patience_s = patience_s
        self.warnings: list[str] = []
        # What was read last, and of which version of the file.
        self._read: tuple[tuple[int, int, int], _State] | None = None

    def durations(self) -> dict[str, float]:
        """What each node id is expected to take, in seconds; recent runs weigh more."""
        return {nodeid: duration_s for nodeid, (duration_s, _) in self._load().entries.items()}

    def record(self, durations: Mapping[str, float]) -> None:
        """Merge what one run measured, in seconds; give only runs that went as they should.

        Waits at most ``patience_s`` for other runs that are recording, and then does without.
        """
        # A name that is longer than a page is some test's data, and can do without.
        named = {nodeid: value for nodeid, value in durations.items() if len(nodeid) <= MAX_NODEID}
        measured = {nodeid: float(value) for nodeid, value in named.items() if _is_sound(nodeid, value)}
        if len(measured) < len(named):
            self._warn(f"{len(named) - len(measured)} impossible durations were not recorded")
        if not measured:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._lock, self._patience_s):
                _replace(self._file, _as_bytes(_merged(self._load(), measured)))
        except TimeoutError:
            self._warn(f"not recorded: another run held {self._lock} for {self._patience_s:g} s")
        except (OSError, ValueError) as error:
            said = isinstance(error, OSError) and error.strerror
            self._warn(f"not recorded: {self._file}: {said or error}")

    def _warn(self, text: str) -> None:
        line = f"durations of earlier runs: {text}"
        if line not in self.warnings:
            self.warnings.append(line)

    def _load(self) -> _State:
        try:
            version = _version(self._file)
            if self._read is not None and self._read[0] == version:
                return self._read[1]
            state, bad = _parsed(_content(self._file))
        except FileNotFoundError:
            return _State(age=0.0, entries={})
        except OSError as error:
            self._warn(f"not used: {self._file}: {error.strerror or error}")
        except (ValueError, RecursionError, MemoryError) as error:
            # Only our own messages are fit for people; a parser's could quote the file.
            said = str(error) if isinstance(error, _UnusableError) else "it is not valid JSON"
            self._warn(f"not used: {self._file}: {said}")
        else:
            if bad:
                self._warn(f"{bad} impossible entries in {self._file} were not used")
            self._read = version, state
            return state
        return _State(age=0.0, entries={})


class _UnusableError(ValueError):
    """A history file that holds something else than durations."""


def _is_sound(nodeid: object, value: object) -> bool:
    return (
        type(nodeid) is str
        and 0 < len(nodeid) <= MAX_NODEID
        and type(value) in _NUMBERS  # not isinstance: a bool is no duration
        and 0 <= value <= MAX_DURATION_S  # type: ignore[operator]  # false for NaN
    )


def _version(path: Path) -> tuple[int, int, int]:
    """What differs when another run has put a file in place of this one."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _content(path: Path) -> bytes:
    found = path.stat()
    # Opening a pipe would wait for whoever writes to it.
    if not stat.S_ISREG(found.st_mode):
        raise _UnusableError("it is not a file")
    if found.st_size > MAX_FILE:
        raise _UnusableError(f"it is larger than {MAX_FILE} bytes")
    return path.read_bytes()


def _parsed(content: bytes) -> tuple[_State, int]:
    """The state in ``content`` and how many entries had to be left out."""
    data = json.loads(content)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _UnusableError(f"it is not in format {FORMAT}")
    age = data.get("age")
    columns = [column for name in _COLUMNS if isinstance(column := data.get(name), list)]
    if not isinstance(age, (int, float)) or not 0 <= age < math.inf:
        raise _UnusableError("its age is not a number")
    if len(columns) < len(_COLUMNS) or len(set(map(len, columns))) > 1:
        raise _UnusableError("its columns do not fit together")
    entries = {
        nodeid: (float(duration_s), float(seen))
        for nodeid, duration_s, seen in zip(*columns, strict=True)
        if _is_sound(nodeid, duration_s) and type(seen) in _NUMBERS and 0 <= seen <= age
    }
    return _State(age=float(age), entries=entries), len(columns[0]) - len(entries)


def _merged(state: _State, measured: Mapping[str, float]) -> _State:
    entries = dict(state.entries)
    everything = len(entries.keys() | measured.keys())
    age = state.age + len(measured) / everything
    for nodeid, value in measured.items():
        old = entries.get(nodeid)
        entries[nodeid] = (value if old is None else _NEW_WEIGHT * value + (1 - _NEW_WEIGHT) * old[0], age)
    entries = {nodeid: entry for nodeid, entry in entries.items() if age - entry[1] <= KEPT_RUNS}
    return _State(age=age, entries=_latest(entries, MAX_ENTRIES))


def _latest(entries: dict[str, tuple[float, float]], number: int) -> dict[str, tuple[float, float]]:
    if len(entries) <= number:
        return entries
    return dict(sorted(entries.items(), key=lambda item: item[1][1], reverse=True)[:number])


def _as_bytes(state: _State) -> bytes:
    """The file for ``state``, without its oldest entries if it would be too large to be read again."""
    entries = state.entries
    while True:
        columns = (
            list(entries),
            [round(duration_s, 6) for duration_s, _ in entries.values()],
            [round(seen, 6) for _, seen in entries.values()],
        )
        data = {"format": FORMAT, "age": round(state.age, 6), **dict(zip(_COLUMNS, columns, strict=True))}
        content = json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")
        if len(content) <= MAX_FILE:
            return content
        entries = _latest(entries, len(entries) // 2)


def _replace(target: Path, content: bytes) -> None:
    """Atomic for readers; not forced to the disk, because a history lost with the machine's power costs only time."""
    beside = target.with_name(f".durations-{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path, patience_s: float) -> Iterator[None]:
    """Hold the lock file at ``path``; raises TimeoutError when others hold it for longer than ``patience_s``.

    The file stays: removing it would let two runs hold locks on two files of the same name.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        give_up = time.monotonic() + patience_s
        while not _try_lock(handle):
            if time.monotonic() >= give_up:
                raise TimeoutError
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    """Whether the lock was free; closing ``handle`` gives it back."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True

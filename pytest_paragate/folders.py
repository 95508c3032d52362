"""Where the gate puts files: what lasts below pytest's cache directory, and a folder for each run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

if sys.platform != "win32":
    import fcntl

# How many runs' whole outputs are kept.
_KEPT_RUNS = 3


class Folders:
    """One session's folders. Where there is no cache directory, or none can be written, they are temporary.

    ``is_lasting`` tells whether a later run will find what is in ``lasting``.
    """

    def __init__(self, config: pytest.Config) -> None:
        cache = getattr(config, "cache", None)
        self.is_lasting = cache is not None
        try:
            self.lasting = _temporary() if cache is None else Path(cache.mkdir("paragate"))
        except OSError:
            self.lasting, self.is_lasting = _temporary(), False
        self.spool = ""
        self.private = ""
        self._in_use: int | None = None
        self._is_running = False

    def begin_run(self) -> None:
        """Make the run's own folders: ``spool`` for people, and one that no check cleans away with the project."""
        self._is_running = True
        self.private = str(_temporary())
        runs = self.lasting / "logs"
        try:
            runs.mkdir(exist_ok=True)
            self.spool = tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs)
        except OSError:
            self.spool = str(_temporary())
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                self._in_use = os.open(self.spool, os.O_RDONLY)
                fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def crash_path(self, worker: str) -> str:
        """What a worker writes past pytest."""
        return os.path.join(self.private, f"worker-{worker}.txt")

    def journal_path(self, worker: str) -> str:
        return os.path.join(self.private, f"journal-{worker}")

    def for_worker(self, worker: str) -> dict[str, str]:
        """What a worker is told of them."""
        return {
            "spool": self.spool,
            "crash_path": self.crash_path(worker),
            "journal": self.journal_path(worker),
        }

    def end_run(self) -> None:
        """Leave nothing behind but what people may want to read, of this run and of the last few; once."""
        if not self._is_running:
            return
        self._is_running = False
        from pytest_paragate.run.spool import remove_spare

        shutil.rmtree(self.private, ignore_errors=True)
        runs = Path(self.spool).parent
        remove_spare(self.spool)
        with contextlib.suppress(OSError):
            os.rmdir(self.spool)  # nothing was said
        self._let_go()
        with contextlib.suppress(OSError):
            for old in sorted(runs.iterdir())[:-_KEPT_RUNS] if runs.name == "logs" else ():
                if not _is_in_use(old):
                    shutil.rmtree(old, ignore_errors=True)
        self._remove_temporary()

    def abandon_run(self) -> None:
        """There was no run after all."""
        self._is_running = False
        for folder in filter(None, (self.spool, self.private)):
            shutil.rmtree(folder, ignore_errors=True)
        self._let_go()
        self._remove_temporary()

    def _let_go(self) -> None:
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None

    def _remove_temporary(self) -> None:
        """Remove what no later run would find, unless it holds what people may want to read."""
        if not self.is_lasting:
            for folder in (self.lasting / "logs", self.lasting):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="paragate-"))


def _is_in_use(folder: Path) -> bool:
    """Whether a run that has not ended writes there."""
    if sys.platform == "win32":
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False

"""Workers that get no more work: they tear down what still stands, say goodbye and end, or are killed in time."""

from __future__ import annotations

import time
from typing import Final

from pytest_paragate.run import messages
from pytest_paragate.run.gateways import WorkerHandle

# How long a worker may take to tear down its fixtures at the end, seconds.
_GOODBYE_S: Final = 120.0
# The same after an interruption.
_HASTY_GOODBYE_S: Final = 5.0
STOPPED_S: Final = 2.0
"""How long a worker may be stopped by a signal."""


class Leavers:
    """Those of one run, by id."""

    def __init__(self) -> None:
        self._leaving: dict[str, tuple[WorkerHandle, float]] = {}  # with the time at which it is killed
        self._stopped_since: dict[str, float] = {}
        self._is_hasty = self._is_killing = False
        # Need not be heard of any more: they said goodbye, or were killed.
        self._parted: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._leaving)

    def get(self, worker_id: str) -> WorkerHandle | None:
        return self._leaving.get(worker_id, (None, 0.0))[0]

    def dismiss(self, worker: WorkerHandle) -> None:
        """Send a worker home."""
        if self._is_killing:
            self._parted.add(worker.id)
            worker.kill()
        worker.send(messages.exit())
        self._leaving[worker.id] = worker, time.monotonic() + (_HASTY_GOODBYE_S if self._is_hasty else _GOODBYE_S)

    def hurry(self) -> None:
        """From now on there is little time to leave, also for those who do already."""
        self._is_hasty = True
        latest = time.monotonic() + _HASTY_GOODBYE_S
        self._leaving = {each: (worker, min(kill_at, latest)) for each, (worker, kill_at) in self._leaving.items()}

    def said_goodbye(self, worker_id: str) -> None:
        self._parted.add(worker_id)

    def has_parted(self, worker_id: str) -> bool:
        """Whether it said goodbye, or was killed while it was leaving."""
        return worker_id in self._parted

    def forget(self, worker_id: str) -> bool:
        """It has ended; returns whether it was leaving."""
        return self._leaving.pop(worker_id, None) is not None

    def deadlines(self) -> list[float]:
        return [kill_at for _, kill_at in self._leaving.values()]

    def kill_overdue(self) -> list[str]:
        """Kill those whose time is up; returns those of them that had not said goodbye."""
        now = time.monotonic()
        overdue = [worker_id for worker_id, (_, kill_at) in self._leaving.items() if kill_at <= now]
        silent = [worker_id for worker_id in overdue if worker_id not in self._parted]
        for worker_id in overdue:
            worker, _ = self._leaving[worker_id]
            self._leaving[worker_id] = worker, now + _GOODBYE_S
            self._parted.add(worker_id)
            worker.kill()
        return silent

    def look_for_stopped(self) -> None:
        """Those that a signal has stopped and nobody continues are overdue: they would never be heard of again."""
        now = time.monotonic()
        for worker_id, (worker, _) in self._leaving.items():
            if not worker.is_stopped():
                self._stopped_since.pop(worker_id, None)
            elif now - self._stopped_since.setdefault(worker_id, now) > STOPPED_S:
                del self._stopped_since[worker_id]
                self._leaving[worker_id] = worker, now

    def kill(self) -> None:
        """End all of them at once, and whoever comes after them."""
        self._is_killing = True
        for worker, _ in self._leaving.values():
            self._parted.add(worker.id)
            worker.kill()

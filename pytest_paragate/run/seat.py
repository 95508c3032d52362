"""A slot as the loop sees it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pytest_paragate.model import Slot
from pytest_paragate.run.gateways import WorkerHandle

if TYPE_CHECKING:
    from pytest_paragate.run.verdicts import Order


class Seat:
    """One slot: its worker while it has one, and what that worker is doing."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.worker: WorkerHandle | None = None
        self.restarts = 0
        self.pending: deque[int] = deque()
        self.current: int | None = None
        self.began_at: float | None = None
        self.deadline: float | None = None
        self.order: Order | None = None
        self.told_s: float | None = None  # when its item was first told to end
        self.has_items = self.has_tests = False
        self.is_tearing_down = False  # what an item that has ended had left standing
        self.is_booting = False  # its worker makes its session, and can listen to nothing
        self.stopped_at: float | None = None  # since when its worker has been stopped by a signal
        self.was_stopped = False  # and was killed for that
        self.printed = ""  # by the item that it was killed under

    @property
    def is_busy(self) -> bool:
        return self.worker is not None and bool(self.pending)

    def forget_item(self) -> None:
        self.current = self.began_at = self.deadline = self.order = self.told_s = None
        self.printed = ""

"""What is known of a worker's end, in whatever order it becomes known."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable
from typing import Any

import pytest

from pytest_paragate.run import messages
from pytest_paragate.run.gateways import Connected, Ended, Event

_FACTS = ("words", "closed", "gone")
# Nothing comes out of a closed connection.
ORDERS = [order for order in itertools.permutations(_FACTS) if order.index("words") < order.index("closed")]


class _Gateway:
    """Connects a worker to nobody, and keeps what it would call with the far side's messages."""

    def __init__(self) -> None:
        self.hear: Callable[[Any], None] = lambda message: None

    def remote_exec(self, task: str) -> _Gateway:
        return self

    def setcallback(self, hear: Callable[[Any], None], *, endmarker: None) -> None:
        self.hear = hear

    def exit(self) -> None:
        pass


@pytest.mark.parametrize("said", ["unfit", "bye"])
@pytest.mark.parametrize("order", ORDERS)
def test_why_a_worker_ended_is_told_whatever_is_known_first(order: tuple[str, ...], said: str) -> None:
    inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    gateway, worker = _Gateway(), Connected("gw0", inbox)
    worker.connect(gateway, "")  # type: ignore[arg-type]
    does: dict[str, Callable[[], None]] = {
        "words": lambda: gateway.hear(messages.packed({"say": said, "why": "no such folder"})),
        "closed": lambda: gateway.hear(None),
        "gone": lambda: worker.gone(0),
    }
    for what in order:
        does[what]()
    ended = inbox.get(timeout=30)
    while not isinstance(ended, Ended):
        ended = inbox.get(timeout=30)
    assert (ended.worker, ended.status, ended.why) == ("gw0", 0, "no such folder")
    assert ended.was_fit is (said == "bye")


@pytest.mark.parametrize("is_gone_first", [True, False])
def test_why_a_process_is_gone_is_told_whatever_is_known_first(is_gone_first: bool) -> None:
    inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    gateway, worker = _Gateway(), Connected("gw0", inbox)
    worker.connect(gateway, "")  # type: ignore[arg-type]
    does = [lambda: worker.gone(None, "the fork server was killed", is_final=True), lambda: gateway.hear(None)]
    for what in does if is_gone_first else reversed(does):
        what()
    ended = inbox.get(timeout=30)
    assert isinstance(ended, Ended)
    assert (ended.why, ended.is_final) == ("the fork server was killed", True)

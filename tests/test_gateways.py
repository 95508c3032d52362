"""What is known of a worker's end, in whatever order it becomes known."""

from __future__ import annotations

import itertools
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pytest_paragate.run import messages
from pytest_paragate.run.gateways import Connected, Ended, Event, ForkLauncher
from pytest_paragate.run.zygote import Zygote

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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there are fork servers on Linux only")
def test_a_fork_server_is_closed_when_nobody_listens_to_it_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = subprocess.Popen(["true"])
    server.wait()
    zygote = object.__new__(Zygote)
    zygote.pid, zygote._socket = server.pid, ours
    failures: list[object] = []

    def hear_slowly(launcher: ForkLauncher, news: object) -> None:
        give_up_at = time.monotonic() + 0.3
        while ours.fileno() >= 0 and time.monotonic() < give_up_at:
            time.sleep(0.01)

    monkeypatch.setattr(threading, "excepthook", failures.append)
    monkeypatch.setattr(ForkLauncher, "_hear", hear_slowly)
    theirs.send(json.dumps({"started": "gw0", "pid": server.pid}).encode())
    launcher = ForkLauncher(zygote, queue.SimpleQueue(), lambda worker: {"do": "setup"}, itertools.count())
    theirs.close()
    launcher.close()
    assert not launcher._listener.is_alive()
    assert failures == []

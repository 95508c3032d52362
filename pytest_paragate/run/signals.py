"""SIGINT and SIGTERM as events in the loop's inbox, in order with everything else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_paragate.run.gateways import Inbox, Signalled


@contextmanager
def signals_into(inbox: Inbox) -> Iterator[None]:
    """Until the block ends, a SIGINT or SIGTERM to this process is an event and interrupts nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        signum: signal.signal(signum, lambda number, _: inbox.put(Signalled(signum=number)))
        for signum in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

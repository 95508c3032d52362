"""Keeps a worker's own signal handler from the processes that its tests fork: there it would keep them from ending."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

Handler = Callable[[int, Any], None]


def keep_to_this_process(signum: signal.Signals, handler: Handler) -> None:
    """From now on, processes forked from this one do by default at ``signum`` what they would do without ``handler``.

    A test may end a process that it has just forked. So the signal waits while a fork is under way, and does not find
    the handler when it is let through.
    """
    if sys.platform == "win32":
        return
    blocked: list[set[int]] = []  # a fork may fork: one entry for each that is under way

    def before() -> None:
        blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, {signum})))

    def after_in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked.pop())

    def after_in_child() -> None:
        if signal.getsignal(signum) == handler:
            signal.signal(signum, signal.SIG_DFL)
        after_in_parent()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)

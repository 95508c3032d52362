"""What a worker that has to be killed was doing: its Python stack, written where its last words are looked for."""

from __future__ import annotations

import faulthandler
import os
import signal

# One of those that have no meaning of their own and that hardly anybody gives one.
SIGNUM = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else 0
# How long writing it may take before the kill, seconds.
WRITING_S = 0.05

_file: int | None = None


def show_on_signal(path: str) -> None:
    """Write the stack of the main thread to the end of the file at ``path`` whenever SIGNUM comes.

    That needs no bytecode to be run, so it also tells of a call into C that never returns.
    """
    global _file
    if _file is None and hasattr(faulthandler, "register"):
        _file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        faulthandler.register(SIGNUM, file=_file, all_threads=False)


def show() -> None:
    """Write the stacks now, from any thread."""
    if _file is not None:
        faulthandler.dump_traceback(file=_file, all_threads=True)

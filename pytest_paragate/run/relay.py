"""What pytest itself prints while a test runs, passed on from a worker: live logging, fixtures as they are set up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_paragate.run.worker import Worker


def relay(config: pytest.Config, worker: Worker) -> None:
    """Pass on what ``log_cli`` and ``--setup-show`` show, and what tests tell ``--junitxml``, where asked for."""
    if getattr(config.option, "xmlpath", None):
        from pytest_paragate.run import junit

        junit.stand_in(config)
    logging = config.pluginmanager.getplugin("logging-plugin")
    if logging is not None and logging._log_cli_enabled():
        logging.log_cli_handler.stream = _Lines(worker, "log")
    if config.getoption("setupshow", False):
        from _pytest._io import TerminalWriter

        writer = TerminalWriter(_Lines(worker, "setup"))  # type: ignore[arg-type]
        config.get_terminal_writer = lambda: writer  # type: ignore[method-assign]


class _Lines:
    """A text stream whose whole lines go to the controller."""

    encoding = "utf-8"

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker, self._name = worker, name
        self._rest = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                if line.strip():
                    self._worker.stream(self._name, f"{line.rstrip()}\n".encode("utf-8", "backslashreplace"))
        return len(text)

    def section(self, *args: Any, **settings: Any) -> None:
        """pytest's headings above live records; each line bears its test's name instead."""

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

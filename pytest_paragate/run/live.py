"""Live output of items under ``-s``: what a worker's own process prints, passed on while it runs."""

from __future__ import annotations

import os
import sys
import threading
import time

from pytest_paragate.run.spool import LiveOutput, OnOutput, SpoolFile

# How often new output is looked for, seconds.
_EVERY_S = 0.1


class LiveStreams:
    """Takes the place of this process's standard streams: files, so that nobody who keeps them open can block us."""

    def __init__(self, stdout_path: str, stderr_path: str, on_output: OnOutput) -> None:
        files = {}
        for stream, descriptor, path in (("out", 1, stdout_path), ("err", 2, stderr_path)):
            beneath = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(beneath, descriptor)
            os.close(beneath)
            files[stream] = SpoolFile(path=path, fd=descriptor)
        self._live = LiveOutput(files, on_output)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        threading.Thread(target=self._pump, name="paragate-live", daemon=True).start()

    def pass_on(self) -> None:
        """Pass on what has been printed so far."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # a test has closed it
        with self._lock:
            self._live.pump(None)

    def _pump(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            with self._lock:
                self._live.pump()

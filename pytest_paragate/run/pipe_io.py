"""A pair of pipe ends as execnet wants its streams: what a fork worker and the controller speak through."""

from __future__ import annotations

import os

from execnet.gateway_base import Popen2IO, get_execmodel


class PipeIO(Popen2IO):
    """Reads from one pipe end and writes to another; both are closed with it. There is no process of its own."""

    def __init__(self, read_fd: int, write_fd: int, execmodel: str) -> None:
        super().__init__(os.fdopen(write_fd, "wb"), os.fdopen(read_fd, "rb"), get_execmodel(execmodel))

    def wait(self) -> int | None:
        return None

    def kill(self) -> None:
        pass

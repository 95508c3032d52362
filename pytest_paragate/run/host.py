"""At the far end of a gateway: starts one worker on that machine, below a keeper, and passes on what is said.

execnet sends the source of this module to the gateway's interpreter, which may be older than ours and need not have
this package: it imports nothing but the standard library, unless there is a keeper to find. What crosses the channel:

==============================  ========================================================================
from the controller, in order   ``{"token_path", "token", "python", "flags"}``, then bytes for the
                                worker's stdin, ``"close"`` to close it, ``"end"`` to end the worker
to the controller, in order     ``{"folder", "shares_files", "is_kept"}`` or ``{"why"}``, then bytes from the
                                worker's stdout, and last ``{"status", "words"}``
==============================  ========================================================================

``folder`` takes the worker's files and is removed with it; it is empty where the controller's own folder is seen from
here. ``words`` are what the worker wrote past its connection.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from typing import Any, List, Tuple  # noqa: UP035

_BLOCK = 65536
# How much of what a worker wrote past its connection is sent back, bytes.
_MOST_WORDS = 65536
WORDS = "worker.txt"


def serve(channel: Any) -> None:
    """Serve one worker until it has ended."""
    asked = channel.receive()
    shares_files = _read(asked["token_path"]) == asked["token"].encode()
    folder = "" if shares_files else tempfile.mkdtemp(prefix="paragate-worker-")
    process: Any = None
    is_kept = False
    try:
        process, is_kept = _start(asked["python"], asked["flags"])
        channel.send({"folder": folder, "shares_files": shares_files, "is_kept": is_kept})
        channel.setcallback(lambda said: _hear(process, is_kept, said), endmarker="end")
        ended = _pass_on(process, channel)
        ended["words"] = _read(os.path.join(folder, WORDS))[-_MOST_WORDS:] if folder else b""
    except (OSError, ValueError) as problem:  # nothing started, or the connection is gone
        ended = {"why": str(problem)}
        if process is not None:
            _hear(process, is_kept, "end")
            process.wait()
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    channel.send(ended)


def _pass_on(process: Any, channel: Any) -> Any:
    """What the worker says, until it has ended."""
    while True:
        data = os.read(process.stdout.fileno(), _BLOCK)
        if not data:
            return {"status": process.wait()}
        channel.send(data)


def _start(python: Any, flags: List[str]) -> Tuple[subprocess.Popen[bytes], bool]:  # noqa: UP006
    """The worker's interpreter, waiting for its first line. Beside it, whether something clears up after it."""
    command = (shlex.split(python) if python else [sys.executable]) + flags
    os.environ.pop("PARAGATE_KEEPER_FD", None)  # of this process's own keeper
    try:
        from pytest_paragate.run import keeper, linux

        is_kept = linux.has_pidfd()
    except Exception:  # not installed here, or not for so old a Python; the worker's own may be another
        is_kept = False
    if is_kept:
        command = keeper.command_line(command)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE), is_kept


def _hear(process: Any, is_kept: bool, said: Any) -> None:
    """Runs in the thread that receives."""
    try:
        if said == "end" and is_kept:
            process.terminate()  # the keeper kills everything below it
        elif said == "end":
            process.kill()
        elif said == "close":
            process.stdin.close()
        else:
            process.stdin.write(said)
            process.stdin.flush()
    except (OSError, ValueError):
        pass  # it has ended


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


if __name__ == "__channelexec__":
    serve(channel)  # type: ignore[name-defined]  # noqa: F821

"""What a worker does differently where it is not at home: other folders, an interpreter of its own, files nobody sees.

The folder it works in holds the same files as the one in which pytest was started; paths that the controller names are
translated to it. On a machine that shares no files with the controller the log of a command is sent back.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Generator, Sequence
from typing import Any, Final

import pytest

from pytest_paragate.run import messages
from pytest_paragate.run.messages import Message
from pytest_paragate.run.worker import Worker

# Of a longer log, the first and last so many bytes are sent back.
_HALF_LOG_BYTES: Final = 8_000_000
_BLOCK_BYTES: Final = 1_000_000


class Unfit(Exception):
    """This process cannot be the worker that it should be, and why."""


def settle(setup: Message) -> Message:
    """Go to the folder to work in, with the environment that was asked for; returns the setup with paths as here.

    Raises:
        Unfit: there is no such folder.
    """
    folder, wanted = setup["folder"], setup.get("chdir")
    os.environ.update(setup.get("env") or {})
    if setup.get("nice") and hasattr(os, "nice"):
        os.nice(setup["nice"])
    here = os.path.abspath(wanted or folder)
    if not os.path.isdir(here):
        hint = "" if wanted else "; name the one that holds the project's files there with chdir="
        raise Unfit(f"there is no folder {here} on {platform.node()}{hint}")
    os.chdir(here)
    moves = _moves(folder, setup["root"], here)
    if setup["sys_path"] is None:
        sys_path = [here, *(entry for entry in sys.path if entry not in ("", here))]
    else:
        sys_path = [moved if os.path.exists(moved := _moved(entry, moves)) else entry for entry in setup["sys_path"]]
    return {
        **setup,
        "moves": moves,
        "sys_path": sys_path,
        "folder": here,
        "args": [_moved_argument(argument, moves) for argument in setup["args"]],
        "collect_args": [_moved(argument, moves) for argument in setup["collect_args"]],
        "environment": _environment(setup),
    }


def _environment(setup: Message) -> dict[str, str]:
    """What commands get: the controller's environment, or on another machine what there is."""
    environment = setup["environment"]
    if environment is None:
        environment = {name: value for name, value in os.environ.items() if name != "PARAGATE_KEEPER_FD"}
    return {**environment, **(setup.get("env") or {})}


class GuestWorker(Worker):
    """A worker elsewhere."""

    def _receive(self, message: Message | None) -> None:
        if message is not None:
            message = messages.opened(message)
            for order in (message, *message.get("orders", ())):
                if "cwd" in order:
                    order["cwd"] = _moved(order["cwd"], self.setup["moves"])
            if "workerinput" in message:
                collecting = message["workerinput"]["paragate_collecting"]
                collecting["added"] = [_moved(path, self.setup["moves"]) for path in collecting["added"]]
        super()._receive(message)

    def basetemp(self) -> str:
        return "" if self.setup.get("sends_files") else super().basetemp()

    def news(self, *news: Any) -> None:
        if self.setup.get("sends_files"):
            if news[0] == "command" and news[2].get("log"):
                self._send_log(news[2]["log"])
            elif news[0] == "item":
                for command in news[2]["commands"]:
                    command.update(stdout_path=None, stderr_path=None)
        super().news(*news)

    def _send_log(self, path: str) -> None:
        """Ahead of the message that names it."""
        name = os.path.basename(path)
        with open(path, "rb") as file:
            hidden = max(0, os.fstat(file.fileno()).st_size - 2 * _HALF_LOG_BYTES)
            left = _HALF_LOG_BYTES if hidden else 2 * _HALF_LOG_BYTES
            while left and (data := file.read(min(left, _BLOCK_BYTES))):
                left -= len(data)
                self.send({"say": "log", "name": name, "data": data})
            if hidden:
                notice = f"\n... {hidden} bytes were not sent from the machine that ran this ...\n"
                self.send({"say": "log", "name": name, "data": notice.encode()})
                file.seek(-_HALF_LOG_BYTES, os.SEEK_END)
                while data := file.read(_BLOCK_BYTES):
                    self.send({"say": "log", "name": name, "data": data})
        os.unlink(path)


class Homeward:
    """A plugin that names the place of a skip as the controller knows it."""

    def __init__(self, moves: Moves) -> None:
        self._moves = [(here, there) for there, here in moves]

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        data = yield
        if data is not None and isinstance(place := data.get("longrepr"), tuple):
            data["longrepr"] = (_moved(place[0], self._moves), *place[1:])
        return data


# --- paths

Moves = Sequence[tuple[str, str]]
"""Folders of the controller, and what they are here: the innermost first."""


def _moves(folder: str, root: str, here: str) -> list[tuple[str, str]]:
    """The controller's folder and root directory, where they have another place here."""
    if here == folder:
        return []
    pairs = [(folder, here)]
    if root != folder:
        pairs.append((root, os.path.normpath(os.path.join(here, os.path.relpath(root, folder)))))
    return sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)


def _moved(text: Any, moves: Moves) -> Any:
    """A path or the beginning of a node id below the controller's folders, as it is here."""
    for there, here in moves:
        rest = str(text).removeprefix(there)
        if str(text).startswith(there) and rest[:1] in ("", "/", os.sep, ":"):
            return here + rest
    return text


def _moved_argument(argument: str, moves: Moves) -> str:
    option, equals, value = argument.partition("=")
    if argument.startswith("-") and equals:
        return f"{option}={_moved(value, moves)}"
    return str(_moved(argument, moves))

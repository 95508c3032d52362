"""Workers on other interpreters and other machines: how the controller starts one and speaks with it.

A worker is always a process of its own with a keeper above it, on this machine or below a gateway that leads to
another: so it is known how it ended, and what it leaves behind is ended there. A gateway that a hook made is such a
way, too. Before a worker is spoken to it has shown that it can be one: see :func:`_introduced`.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pytest_paragate import __version__
from pytest_paragate.run import host, keeper, linux
from pytest_paragate.run.messages import Message

if TYPE_CHECKING:
    import execnet

    from pytest_paragate.specs import GatewaySpec

# How long a machine may take to answer before its slot is given up, seconds.
ANSWER_S: Final = 60.0
# Where news of a kind tells a time of the monotonic clock.
_TIMES: Final = {"begin": 2, "passed": 2, "ended": 3}
_FIRST_LINE: Final = "import sys;exec(eval(sys.stdin.readline()))"
_INTRODUCTION: Final = """
import sys, json, os, time
def say(sign, **facts):
    sys.stdout.write(sign + json.dumps(facts) + "\\n")
    sys.stdout.flush()
try:
    if sys.version_info < (3, 10):
        raise ImportError("Python 3.10 or newer is needed")
    import pytest_paragate
    from pytest_paragate.run import start
    from execnet.gateway_base import serve, init_popen_io, get_execmodel
except BaseException as problem:
    say("0", python=sys.version.split()[0], why=type(problem).__name__ + ": " + str(problem))
    sys.exit(1)
say("1", python=sys.version.split()[0], version=pytest_paragate.__version__, executable=sys.executable,
    at=time.monotonic(), folder=os.getcwd())
serve(init_popen_io(get_execmodel("main_thread_only")), id=%(id)r)
"""


class CannotBeWorker(Exception):
    """There is no worker at the end of a gateway, and why."""


class Process(Protocol):
    """A worker's process, or what stands for it here; :class:`subprocess.Popen` is one."""

    def wait(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Guest(NamedTuple):
    """A worker that has introduced itself. ``way`` is the gateway that leads to its machine, to be left with it.

    ``changes`` go over its setup. Its clock shows ``behind_s`` seconds less than ours.
    """

    gateway: execnet.Gateway
    process: Process
    changes: Mapping[str, Any] = {}
    way: execnet.Gateway | None = None
    behind_s: float = 0.0


class FarStreams:
    """The streams of a process at the far end of a channel, as execnet wants them; and that process."""

    def __init__(self, channel: Any, execmodel: Any) -> None:
        self.execmodel = execmodel
        self._channel = channel
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._rest = memoryview(b"")
        self._has_ended = threading.Event()
        self._status: int | None = None
        self.words = b""
        channel.setcallback(self._receive, endmarker=None)

    def _receive(self, said: Any) -> None:
        if isinstance(said, bytes):
            self._blocks.put(said)
            return
        if said is not None:
            self._status, self.words = said.get("status"), said.get("words", b"")
        self._has_ended.set()
        self._blocks.put(None)

    def read(self, number: int) -> bytes:
        found = b""
        while len(found) < number:
            if not self._rest:
                block = self._blocks.get()
                if block is None:
                    self._blocks.put(None)
                    raise EOFError
                self._rest = memoryview(block)
            taken = self._rest[: number - len(found)]
            found, self._rest = found + taken, self._rest[len(taken) :]
        return found

    def write(self, data: bytes) -> None:
        self._channel.send(bytes(data))

    def close_read(self) -> None:
        pass

    def close_write(self) -> None:
        self._tell("close")

    def wait(self) -> int | None:
        self._has_ended.wait()
        return self._status

    def poll(self) -> int | None:
        return self._status

    def terminate(self) -> None:
        self._tell("end")

    kill = terminate

    def _tell(self, what: str) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(what)


class Elsewhere:
    """Starts workers where ``--tx``, ``--px`` and hooks say.

    ``folder`` is the run's own; whoever finds a token there shares our files.
    """

    def __init__(self, group: execnet.Group, proxies: Mapping[str, GatewaySpec], folder: str) -> None:
        self._group, self._proxies = group, proxies
        self._open: dict[str, execnet.Gateway] = {}
        self.pids: set[int] = set()
        self._lock = threading.RLock()
        self._token = uuid.uuid4().hex
        self._token_path = os.path.join(folder, f"worker-token-{self._token[:8]}")
        with open(self._token_path, "w", encoding="ascii") as file:
            file.write(self._token)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._token_path)

    def here(self, worker: str) -> Guest:
        """A worker on a fresh interpreter like ours."""
        from execnet.gateway_bootstrap import bootstrap
        from execnet.gateway_io import popen_args
        from execnet.xspec import XSpec

        spec = XSpec(f"popen//id={worker}//execmodel=main_thread_only")
        streams = self._popen(popen_args(spec))
        gateway = bootstrap(streams, spec)
        self._group._register(gateway)
        return Guest(gateway=gateway, process=streams.popen)

    def start(self, spec: GatewaySpec, worker: str) -> Guest:
        """A worker where ``spec`` leads. Raises CannotBeWorker, OSError and what execnet raises."""
        if spec.is_local:
            return self._local(spec, worker)
        changes = {"chdir": spec.folder, "env": dict(spec.env), "nice": spec.nice}
        if spec.kind == "popen":
            assert spec.via is not None
            guest = self.lodge(self._proxy(spec.via), worker, python=spec.python, writes_bytecode=spec.writes_bytecode)
            return guest._replace(changes={**guest.changes, **changes}, way=None)
        guest = self.lodge(self._way(spec, f"{worker}-way"), worker)
        return guest._replace(changes={**guest.changes, **changes})

    def lodge(
        self, way: execnet.Gateway, worker: str, *, python: str | None = None, writes_bytecode: bool = True
    ) -> Guest:
        """A worker below a gateway, on the machine where that leads."""
        try:
            channel = way.remote_exec(host)
            channel.send(
                {
                    "token_path": self._token_path,
                    "token": self._token,
                    "python": python,
                    "flags": _flags(writes_bytecode),
                }
            )
            facts = channel.receive(ANSWER_S)
        except EOFError:
            raise CannotBeWorker("the connection was closed at once") from None
        except channel.TimeoutError:
            raise CannotBeWorker(f"no answer within {ANSWER_S:g} s") from None
        if "why" in facts:
            raise CannotBeWorker(facts["why"])
        streams = FarStreams(channel, self._group.execmodel)
        gateway, hello = self._introduced(streams, worker, via=way.id)
        is_same = hello["executable"] == sys.executable and facts["shares_files"] and python is None
        changes: dict[str, Any] = {"is_guest": True, "environment": None, "journal": None}
        if not is_same:
            changes["sys_path"] = None
        if not facts["shares_files"]:
            folder = facts["folder"]
            changes |= {"spool": folder, "crash_path": f"{folder}/{host.WORDS}", "sends_files": True}
        return Guest(
            gateway=gateway, process=streams, changes=changes, way=way, behind_s=time.monotonic() - hello["at"]
        )

    def _local(self, spec: GatewaySpec, worker: str) -> Guest:
        python = shlex.split(spec.python) if spec.python else [sys.executable]
        streams = self._popen([*python, *_flags(spec.writes_bytecode)])
        gateway, _ = self._introduced(streams, worker)
        changes = {"is_guest": True, "chdir": spec.folder, "env": dict(spec.env), "nice": spec.nice}
        if spec.python is not None:
            changes["sys_path"] = None
        return Guest(gateway=gateway, process=streams.popen, changes=changes)

    def _popen(self, command: list[str]) -> Any:
        from execnet.gateway_io import Popen2IOMaster

        streams = Popen2IOMaster(keeper.command_line(command) if linux.has_pidfd() else command, self._group.execmodel)
        self.pids.add(streams.popen.pid)
        return streams

    def _introduced(self, streams: Any, worker: str, *, via: str | None = None) -> tuple[execnet.Gateway, Message]:
        """The gateway to an interpreter that waits for its first line, once it has said what it is.

        Raises:
            CannotBeWorker: it lacks what a worker needs; the message says what it is and what to do.
        """
        import execnet
        from execnet.xspec import XSpec

        source = _INTRODUCTION % {"id": f"{worker}-worker"}
        answer = b""
        try:
            streams.write((repr(source) + "\n").encode())
            while not answer.endswith(b"\n"):
                answer += streams.read(1)
        except (EOFError, OSError):
            said = answer.decode("utf-8", "replace").strip()
            raise CannotBeWorker(f"its interpreter ended at once{f', saying {said}' if said else ''}") from None
        try:
            hello: Message = json.loads(answer[1:])
        except ValueError:
            said = answer.decode("utf-8", "replace").strip()
            raise CannotBeWorker(f"what answers there is no Python interpreter: it says {said!r}") from None
        if "why" in hello:
            why = f"{hello['why']} (Python {hello['python']} there); install pytest-paragate {__version__} there"
            raise CannotBeWorker(why)
        if hello["version"] != __version__:
            raise CannotBeWorker(
                f"pytest-paragate is {hello['version']} there and {__version__} here; install the same"
            )
        spec = XSpec(f"popen//id={worker}//execmodel=main_thread_only" + (f"//via={via}" if via else ""))
        gateway = execnet.Gateway(streams, spec)
        self._group._register(gateway)
        return gateway, hello

    def _proxy(self, name: str) -> execnet.Gateway:
        with self._lock:
            gateway = self._open.get(name)
            if gateway is not None and not gateway.hasreceiver():
                gateway.exit()
                gateway = None
            if gateway is None:
                spec = self._proxies[name]
                try:
                    gateway = self._open[name] = self._way(spec, name)
                except Exception as problem:
                    raise CannotBeWorker(f"--px {spec.text}: {in_words(problem)}") from None
            return gateway

    def _way(self, spec: GatewaySpec, name: str) -> execnet.Gateway:
        """A gateway that others go through, or that leads to a worker's machine."""
        from execnet.gateway_bootstrap import bootstrap
        from execnet.gateway_io import popen_args, ssh_args, vagrant_ssh_args
        from execnet.xspec import XSpec

        # Several workers at a time are started through one.
        way = XSpec(f"{spec.way}//id={name}//execmodel=thread")
        if spec.via is not None or spec.kind == "socket":
            for other in (spec.via, way.installvia):
                if other is not None:
                    self._proxy(other)
            gateway = self._group.makegateway(way)
            if spec.via is not None:
                # The gateway that leads to it would be asked, and may be gone first.
                gateway._io.wait = lambda: None  # type: ignore[method-assign]
            return gateway
        # In a session of its own, since Ctrl-C is for the controller alone.
        arguments = {"popen": popen_args, "ssh": ssh_args, "vagrant_ssh": vagrant_ssh_args}[spec.kind]
        streams = self._popen(arguments(way))
        streams.remoteaddress = way.ssh or way.vagrant_ssh
        gateway = bootstrap(streams, way)
        self._group._register(gateway)
        return gateway


def in_words(problem: Exception) -> str:
    """What an exception of execnet or the system says, which is sometimes only its class."""
    name = type(problem).__name__
    if name == "HostNotFound":
        return f"no connection to {problem}" if str(problem) else "there is no such host"
    return str(problem) or name


def _flags(writes_bytecode: bool) -> list[str]:
    return ["-u", *([] if writes_bytecode else ["-B"]), "-c", _FIRST_LINE]


class Luggage:
    """Files that a worker sends because we cannot read them where they are, kept in the run's folder ``spool``."""

    def __init__(self, worker: str, spool: str, crash_path: str) -> None:
        self._worker, self._spool, self._crash_path = worker, spool, crash_path

    def take(self, message: Message) -> bool:
        """Whether the message was a part of a file."""
        if message["say"] == "log":
            with open(self._path(message["name"]), "ab") as file:
                file.write(message["data"])
            return True
        return False

    def rename(self, facts: dict[str, Any]) -> None:
        """Where the facts about a command name a log that was sent, they name ours now."""
        if there := facts.get("log"):
            facts["log"] = self._path(os.path.basename(there))
            facts["output"] = facts.get("output", "").replace(there, facts["log"])

    def keep_last_words(self, process: Process) -> None:
        words = getattr(process, "words", b"")
        if words:
            with contextlib.suppress(OSError), open(self._crash_path, "ab") as file:
                file.write(words)

    def _path(self, name: str) -> str:
        return os.path.join(self._spool, f"{self._worker}-{os.path.basename(name)}")


def shift_clock(news: list[Any], by_s: float) -> None:
    """Give the times in a piece of news as our clock shows them."""
    place = _TIMES.get(news[0])
    if place is not None:
        news[place] += by_s
    elif news[0] in ("command", "item"):
        news[2]["started_at"] += by_s

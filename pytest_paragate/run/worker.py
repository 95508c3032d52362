"""The far side of a slot: takes one piece of work at a time and says what came of it.

Invariants: work is done in the main thread; the receiving thread only queues messages and passes on ``stop``. News is
written down before anything else is begun, so it survives whatever comes next (that an item has passed, together with
the beginning of the next one); the controller is told of it when there is nothing left to do here, or when it has not
been told for a while. When the connection ends, whatever runs is killed
and the process goes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_paragate.run import forks, keeper, linux, messages, stack
from pytest_paragate.run.journal import Journal, line_of, line_of_numbers
from pytest_paragate.run.messages import LOST_CONNECTION, Message
from pytest_paragate.run.stop import Stop

if TYPE_CHECKING:
    from pytest_paragate.run.commands import Commands

# That of this moment: while a class or module of tests runs, something else may stand in its place. Not the function
# itself, which freezegun replaces wherever a module holds it.
monotonic = functools.partial(time.monotonic)

# How long news may wait in the journal before the controller is told, while there is more to do, seconds.
_TELL_EVERY_S = 0.1
# How long an orphaned worker gets to stop a running command before it kills itself, seconds.
_ORPHAN_S = 1.0


class StopRequested(BaseException):
    """Raised in the main thread of a worker whose running item was told to end."""

    __module__ = "builtins"  # so that reports show its name alone


class Worker:
    """Everything that one worker process has: its channel, its spool and, once there is one, its session."""

    def __init__(self, channel: Any, setup: Message, *, order_of: Callable[[int], Message] | None = None) -> None:
        """``order_of`` knows a command by its index, where the worker has inherited what was collected."""
        self.channel = channel
        self.setup = setup
        self.pid = os.getpid()
        self._order_of = order_of
        # Live output goes through the channel, and what became of its item must not overtake it.
        self._journal = None if setup["streams"] else _journal(setup["journal"])
        self._unwritten = b""
        self._told_at = 0.0
        self._has_news = False
        self.stop = Stop()
        # Of the main process, as it was when collection had ended; a check that changes its own changes nothing here.
        self.environment: dict[str, str] = setup["environment"]
        self.current: int | None = None
        self._latest = -1
        self.was_stopped = False
        self.is_run_over = False
        self.has_said_goodbye = False
        self.has_run_items = self._is_item_running = False
        self.is_command_running = False
        self.pass_on_output: Callable[[], None] = lambda: None  # what has been printed under -s and not been told
        self._lock = threading.RLock()
        self._commands: Commands | None = None
        self._basetemp: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._told_to_stop: dict[int, bool] = {}  # index -> whether to kill at once
        self._pending: Message = {}
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._run_items: Callable[[Message], None] | None = None
        # Set by a session: the object that a command check's key `parse` holds.
        self.find_parse: Callable[[int, str], Any] | None = None
        self._keeper_fd = keeper.descriptor(os.environ)

    def send(self, message: Message) -> None:
        """Tell the controller; without a connection to it there is nothing left to do here."""
        try:
            messages.send(self.channel, message)
        except OSError:
            os._exit(LOST_CONNECTION)

    def news(self, *news: Any) -> None:
        """Write down what happened (see ``messages``); tell the controller unless that has been done a moment ago."""
        self._write(line_of(news))
        self._tell_seldom(monotonic())

    def passed(self, numbers: list[Any]) -> None:
        """An item has passed: see ``messages``. :meth:`begin_item` or :meth:`flush` has to follow."""
        self._unwritten += line_of_numbers("passed", numbers)

    def flush(self) -> None:
        """Write down what has not been yet."""
        if self._unwritten:
            self._write(b"")

    def tell(self) -> None:
        """Let the controller know that there is news."""
        self.flush()
        if self._has_news:
            self._has_news = False
            self._told_at = monotonic()
            self.send({"say": "news"})

    def _tell_seldom(self, now: float) -> None:
        if now - self._told_at > _TELL_EVERY_S:
            self.tell()

    def _write(self, line: bytes) -> None:
        line, self._unwritten = self._unwritten + line, b""
        if self._journal is not None:
            try:
                self._journal.write(line)
                self._has_news = True
                return
            except OSError:  # no room, or a check has closed it
                self.tell()
                self._journal = None
        self.send({"say": "news", "lines": line.decode()})

    def serve(self, *, boot: Callable[[Worker], None], run_items: Callable[[Message], None] | None = None) -> None:
        """Work until told to exit. ``boot`` makes the session for the first item, and comes back when it has ended."""
        self._run_items = run_items
        signal.signal(signal.SIGTERM, self._on_terminate)
        forks.keep_to_this_process(signal.SIGTERM, self._on_terminate)
        self.channel.setcallback(self._receive, endmarker=None)
        if self.obey():
            boot(self)

    def obey(self) -> bool:
        """Do what arrives. True: an item has come and there is no session to run it in; it waits to be taken up."""
        while True:
            message = self._inbox.get()
            if message is None or message["do"] == "exit":
                return False
            if message["do"] == "command":
                order = message if self._order_of is None else self._order_of(message["index"])
                if "units" in message:
                    order = {**order, "env": {**message["units"], **order.get("env", {})}}
                if order.get("own") and self._run_items is None:
                    self._pending = order
                    return True
                self._run_alone(order)
                self.tell()
            elif message["do"] == "commands":
                self._run_commands(message)
                self.tell()
            elif message["do"] == "node":
                self.setup["workerinput"] = message["workerinput"]
            elif self._run_items is not None:
                self._run_items(message)
                self.tell()
            else:
                self._pending = message
                return True

    @property
    def has_session(self) -> bool:
        """Whether there is a session that runs items."""
        return self._run_items is not None

    def take_up(self, run_items: Callable[[Message], None]) -> None:
        """Called by the booted session: run the item that asked for it, then whatever comes."""
        self._run_items = run_items
        if self._pending["do"] == "command":
            self._run_alone(self._pending)
        else:
            run_items(self._pending)
        self.tell()
        self.obey()

    def refuse_pending(self, why: str) -> None:
        """There is no session to run items in; say so for those that wait, unless the session has taken them up."""
        if not self.has_session:
            for index in self._pending.get("indices") or [self._pending["index"]]:
                self.news("differs", index, why)
            self.tell()

    def begin_item(self, index: int, at: float) -> None:
        """From here to :meth:`end_item`, being told to stop raises StopRequested in the main thread."""
        self._begin(index)
        self.has_run_items = True
        self.was_stopped = False
        self._begun(index, at)
        self._is_item_running = True

    def _begun(self, index: int, at: float) -> None:
        self._write(line_of_numbers("begin", [index, at]))
        self._tell_seldom(at)

    def end_stopped_item(self) -> NoReturn:
        """Leave the running item, which was told to end."""
        __tracebackhide__ = True
        self._is_item_running, self.was_stopped = False, True
        raise StopRequested("told to end")

    def end_item(self) -> None:
        self._is_item_running = False
        self._end()

    def _begin(self, index: int) -> None:
        with self._lock:
            self.current = self._latest = index
            self.stop.clear()
            if index in self._told_to_stop:
                self.stop.request(kill=self._told_to_stop[index])

    def _end(self) -> None:
        with self._lock:
            self.current = None

    @property
    def commands(self) -> Commands:
        """Runs commands; imported with the first, which may come from any thread."""
        with self._lock:
            if self._commands is None:
                from pytest_paragate.run.commands import Commands

                self._commands = Commands(self)
            return self._commands

    def basetemp(self) -> str:
        """The worker's base folder for temporary files, which need not exist yet: the controller says where it is."""
        self.send({"say": "basetemp"})
        return self._basetemp.get()

    def allow(self, pids: Iterable[int]) -> None:
        """Let these processes outlive the worker; a forked one's are named to the fork server by the controller."""
        if self._keeper_fd is not None:
            with contextlib.suppress(OSError):  # a check closed it
                os.write(self._keeper_fd, "".join(f"{pid}\n" for pid in pids).encode())

    def stream(self, name: str, data: bytes) -> None:
        """Pass on live output of what runs, or of what ran last."""
        if not self.has_said_goodbye:
            self.send({"say": "output", "index": self._latest, "stream": name, "data": data})

    def _run_commands(self, message: Message) -> None:
        """A run of short ones."""
        indices = message["indices"]
        for position, index in enumerate(indices):
            self._begun(index, monotonic())
            self._run_command(message["orders"][position] if self._order_of is None else self._order_of(index))
            if self.is_run_over:
                self.news("left", indices[position + 1 :])
                return

    def _run_alone(self, message: Message) -> None:
        """One that comes by itself. A copy begins at once; elsewhere the controller does not know when."""
        if self._order_of is None:
            self._begun(message["index"], monotonic())
        self._run_command(message)

    def _run_command(self, message: Message) -> None:
        index = message["index"]
        self._begin(index)
        try:
            self.commands.run(index, message)
        finally:
            self._end()

    def _receive(self, message: Message | None) -> None:
        """Runs in the receiving thread."""
        if message is None:
            self._inbox.put(None)
            if self.current is not None:
                self._end_orphaned()
            return
        message = messages.opened(message)
        if message["do"] == "stop":
            with self._lock:
                self._told_to_stop[message["index"]] = message["kill"]
                self.is_run_over = self.is_run_over or message["ends_run"]
                # A run may have gone on since this was sent.
                if self.current == message["index"] or (message["ends_run"] and self.current is not None):
                    self.stop.request(kill=message["kill"])
                    if self._is_item_running:
                        stack.show()  # in case that it does not listen
                        os.kill(os.getpid(), signal.SIGTERM)
        elif message["do"] == "basetemp":
            self._basetemp.put(message["path"])
        else:
            self._inbox.put(message)

    def _end_orphaned(self) -> None:
        """The controller is gone: kill what runs, then this process and everything in its group."""
        self.stop.request(kill=True)
        timer = threading.Timer(_ORPHAN_S, self._kill_own_group)
        timer.daemon = True
        timer.start()

    def _kill_own_group(self) -> None:
        for pid in linux.descendants(os.getpid()):
            _kill(pid)
        if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def _on_terminate(self, signum: int, frame: object) -> None:
        __tracebackhide__ = True
        if self.is_command_running:
            return  # it is being ended, and who ran it raises then
        if self._is_item_running:
            self.end_stopped_item()
        if not self._told_to_stop:
            os._exit(128 + signum)


def _journal(path: str | None) -> Journal | None:
    if path is None:
        return None
    try:
        return Journal(path)
    except OSError:  # there is no such folder here: another machine, or somebody has removed it
        return None


def lead_own_group() -> None:
    """Keep the terminal's signals with the controller, and adopt what commands leave behind."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    linux.become_subreaper()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass

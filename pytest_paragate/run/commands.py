"""Runs commands in a worker: those that are checks, and those that an item asks for."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_paragate.run import linux, process
from pytest_paragate.run.excerpt import merge_log, read_excerpt
from pytest_paragate.run.messages import ENDED, WORKER_VARIABLES, Message
from pytest_paragate.run.spool import Spool

if TYPE_CHECKING:
    from pytest_paragate.judge.output import Marks
    from pytest_paragate.run.process import Completed
    from pytest_paragate.run.worker import Worker


class Commands:
    """Runs commands for one worker, one at a time, and tells what came of those that are checks."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._spool = Spool(worker.setup["spool"])
        self._on_output = worker.stream if worker.setup["streams"] else None
        # What the project's code may add to these is not foreseen.
        self._inheritable = linux.inheritable_fds()
        # What a command leaves behind is told from its own processes by there being no others.
        self._one_at_a_time = threading.Lock()

    def run(self, index: int, message: Message) -> None:
        """Run a command check and tell how it ended."""
        worker, environment = self._worker, self._worker.environment
        if "env" in message:
            environment = {**environment, **message["env"]}
        earlier = earlier_reports(message.get("parse"), message["cwd"])
        try:
            done = process.run(
                message["argv"],
                cwd=message["cwd"],
                env=environment,
                shell=message.get("shell", False),
                timeout_s=message.get("timeout_s"),
                grace_s=message["grace_s"],
                leaks=message["leaks"],
                spool=self._spool,
                name=message["name"],
                stop=worker.stop,
                on_output=self._on_output,
                inheritable=None if worker.has_run_items else self._inheritable,
            )
        except OSError as problem:  # no such program or folder, or no room for its output
            worker.news("cannot", index, str(problem))
            return
        judged = self._judged(message, done, earlier)
        if "bounds_memory" in message:
            judged |= process.memory_bound(done)
        if judged or done.leaked or done.stdout_path or done.stderr_path or done.timed_out or done.stopped:
            worker.allow(leak.pid for leak in done.leaked if not leak.killed)
            worker.news("command", index, {**_completed(done), **judged, **_logged(done)})
        else:
            worker.news("ended", index, *(getattr(done, name) for name in ENDED))

    def run_for_item(self, argv: Sequence[str], *, env: Mapping[str, str], **settings: Any) -> Completed:
        """Run a command on behalf of the running item. ``env`` goes over what is there now.

        Where it was stopped, the item was told to end, and the caller has to end it.

        Raises:
            CannotStart: there is no such program or folder.
        """
        worker = self._worker
        # Without what marks a worker.
        inherited = {name: value for name, value in os.environ.items() if name not in WORKER_VARIABLES}
        with self._one_at_a_time:
            worker.is_command_running = True
            try:
                done = process.run(
                    argv,
                    env={**inherited, **env},
                    spool=self._spool,
                    stop=worker.stop,
                    on_output=self._on_output,
                    **settings,
                )
            finally:
                worker.is_command_running = False
        worker.allow(leak.pid for leak in done.leaked if not leak.killed)
        return done

    def excerpt(self, text: str, name: str) -> str:
        """What people see of a long text, the whole of which is kept as the output of ``name``."""
        try:
            files = self._spool.take()
            with open(files["out"].fd, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as file:
                file.write(text)
            path, _ = self._spool.keep(files, name, is_quiet=False)["out"]
        except OSError:  # no room
            return text
        return text if path is None else read_excerpt(path).text

    def _judged(self, message: Message, done: Completed, earlier: Marks) -> Message:
        """What a judge reads in the output, before that is merged; nothing, at no cost, where there is no judge."""
        from pytest_paragate.judge import programs  # not before the first command has been started

        is_shell = message.get("shell", False)
        if not (message.get("own") or message.get("parse") or programs.may_know(message["argv"], is_shell)):
            return {}
        if done.timed_out or done.stopped:
            return {}
        from pytest_paragate.judge.run import judged

        parse = message.get("parse")
        if message.get("own") and self._worker.find_parse is not None:
            parse = self._worker.find_parse(message["index"], message["name"])
        found = judged(message["argv"], done, cwd=message["cwd"], shell=is_shell, parse=parse, earlier=earlier)
        return {} if found is None else {"judged": found}


def earlier_reports(parse: object, cwd: str) -> Marks:
    """Marks of the report files that a command which is about to begin has to write; few are judged by any."""
    if not isinstance(parse, str) or ":" not in parse:
        return {}
    from pytest_paragate.judge.run import earlier_reports

    return earlier_reports(parse, cwd)


def _completed(done: Completed) -> Message:
    """A finished command as builtin types, without what it seldom has."""
    data: Message = {
        "returncode": done.returncode,
        "started_at": done.started_at,
        "duration_s": done.duration_s,
        "cpu_s": done.cpu_s,
        "max_rss_kb": done.max_rss_kb,
    }
    if done.timed_out or done.stopped:
        data |= {"timed_out": done.timed_out, "stopped": done.stopped}
    if done.leaked:
        data["leaked"] = [vars(leaked) for leaked in done.leaked]
    return data


def _logged(done: Completed) -> Message:
    """One log for people, and its head and tail."""
    source = done.stdout_path or done.stderr_path
    if source is None:
        return {}
    try:
        path = merge_log(done.stdout_path, done.stderr_path, os.path.splitext(source)[0] + ".log")
        return {"log": path, "output": read_excerpt(path).text if path else ""}
    except OSError:  # no room, or somebody has removed the folder
        return {"log": source, "output": ""}

"""The fixture ``paragate_run``: a command inside a function check, run with the same care as a command check."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate.collect import CHECK
from pytest_paragate.declare import split_command
from pytest_paragate.judge import programs
from pytest_paragate.judge.ending import status_text
from pytest_paragate.keys import Surroundings, ValueRefusedError, parse_judge, parse_keys
from pytest_paragate.model import DeclarationError
from pytest_paragate.run import process
from pytest_paragate.run.commands import earlier_reports
from pytest_paragate.run.excerpt import read_excerpt
from pytest_paragate.run.items import CONTEXT, WORKER, ItemContext
from pytest_paragate.run.supervision import CannotStart
from pytest_paragate.run.worker import Worker
from pytest_paragate.units import variables

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Issue, Metric
    from pytest_paragate.judge.output import Marks
    from pytest_paragate.judge.run import OwnJudge


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A command that has ended. ``stdout`` and ``stderr`` are text; of long output, head and tail.

    ``returncode`` is negative for a signal, as in :mod:`subprocess`. ``cpu_s`` and ``max_rss_kb`` (KiB) are None where
    the system does not tell. ``counts``, ``metrics`` and ``issues`` hold what a judge read from the output, ``summary``
    in one line.
    """

    command: str
    returncode: int
    stdout: str
    stderr: str
    duration_s: float
    cpu_s: float | None = None
    max_rss_kb: int | None = None
    timed_out: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    summary: str = ""


class CommandFailed(Exception):
    """A command run by ``paragate_run`` did not succeed; ``result`` is the :class:`CommandResult`."""

    def __init__(self, message: str, result: CommandResult | None = None) -> None:
        super().__init__(message)
        self.result = result


class CommandRunner:
    """What the fixture ``paragate_run`` is: call it with a command."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._item: pytest.Item = request.node
        self._folder = self._item.path.parent

    def __call__(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | str | None = None,
        check: bool = True,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        shell: bool = False,
        parse: str | OwnJudge | None = None,
    ) -> CommandResult:
        """Run ``command`` and wait for it. Of threads that call this at the same time, one waits for the other.

        Args:
            command: a string, split like a shell does and run without one, or a list of arguments.
            timeout: seconds, or ``"90s"``, ``"2m"``; TERM, then KILL after the check's grace.
            check: raise when it does not exit with 0.
            cwd: folder to run in, relative to the declaring file's folder, which is also the default.
            env: laid over the check's environment as it is now.
            shell: give the string to the shell.
            parse: judge of the output, as the key of that name; the check's own, or by program name, unless given.

        Raises:
            CommandFailed: there is no such program, or, with ``check``, exit status, signal or time limit.
            StopRequested: the check was told to end, and the command has been ended for that.
        """
        __tracebackhide__ = True
        words, timeout_s = split_command(command, shell=shell, timeout=timeout)
        parse, env = self._judge(parse), self._environment(env)
        shown = command if isinstance(command, str) else shlex.join(command)
        folder = str(self._folder / cwd) if cwd is not None else str(self._folder)
        earlier = earlier_reports(parse, folder)
        worker, context = self._item.config.stash.get(WORKER, None), self._item.stash.get(CONTEXT, None)
        if worker is None or context is None:
            raise CommandFailed("paragate_run works in checks and tests that run under --paragate")
        try:
            done = worker.commands.run_for_item(
                words,
                cwd=folder,
                env={**variables(context.units), **env},
                shell=shell,
                timeout_s=timeout_s,
                grace_s=context.grace_s,
                leaks=context.leaks,
                name=f"{self._item.name}-{len(context.commands) + 1}",
            )
        except CannotStart as problem:
            context.commands.append({"command": shown, "cannot_start": str(problem)})
            raise CommandFailed(f"{problem}: {shown}") from None
        judged = self._judged(words, done, folder, shell=shell, parse=parse, earlier=earlier)
        return _completed(shown, done, worker, context, timeout_s=timeout_s, check=check, judged=judged)

    def _judge(self, parse: str | OwnJudge | None) -> Any:
        __tracebackhide__ = True
        if parse is None:
            check = self._item.stash.get(CHECK, None)
            return None if check is None else check.parse
        folder = str(self._folder)
        near = Surroundings(folder=folder, root=folder, agents=(), judges=self._own_judges)
        try:
            return parse_judge("parse", parse, near)
        except ValueRefusedError as problem:
            raise DeclarationError(problem.what, hint=problem.hint) from None

    def _environment(self, env: Mapping[str, str] | None) -> Mapping[str, str]:
        __tracebackhide__ = True
        folder = str(self._folder)
        _, wrong = parse_keys("command", {"env": env}, Surroundings(folder=folder, root=folder, agents=()))
        for problem in wrong.values():
            raise DeclarationError(problem.what, hint=problem.hint)
        return env or {}

    def _own_judges(self, *, programs: bool = False) -> Mapping[str, OwnJudge]:
        if not self._item.config.hook.pytest_paragate_judges.get_hookimpls():
            return {}
        from pytest_paragate.judge.own import own_judges

        own = own_judges(self._item.config)
        return {} if own is None else own.by_program if programs else own.by_name

    def _judged(
        self,
        words: Sequence[str],
        done: process.Completed,
        folder: str,
        *,
        shell: bool,
        parse: Any,
        earlier: Marks,
    ) -> dict[str, Any] | None:
        """What a judge reads in the output of a command that ended by itself."""
        own = self._own_judges(programs=True)
        if done.timed_out or done.stopped or not (parse is not None or own or programs.may_know(words, shell)):
            return None
        from pytest_paragate.judge.run import judged

        if isinstance(parse, str):
            parse = self._own_judges().get(parse, parse)
        return judged(words, done, cwd=folder, shell=shell, parse=parse, own=own, earlier=earlier)


def _completed(
    shown: str,
    done: process.Completed,
    worker: Worker,
    context: ItemContext,
    *,
    timeout_s: float | None,
    check: bool,
    judged: dict[str, Any] | None,
) -> CommandResult:
    __tracebackhide__ = True
    result = CommandResult(
        command=shown,
        returncode=done.returncode,
        stdout=_text(done.stdout_path),
        stderr=_text(done.stderr_path),
        duration_s=done.duration_s,
        cpu_s=done.cpu_s,
        max_rss_kb=done.max_rss_kb,
        timed_out=done.timed_out,
        **_facts(judged),
    )
    context.commands.append(
        {
            "command": shown,
            "returncode": None if done.stopped else done.returncode,
            "duration_s": done.duration_s,
            "cpu_s": done.cpu_s,
            "max_rss_kb": done.max_rss_kb,
            "timed_out": done.timed_out,
            "checked": check,
            "leaked": [{"pid": leak.pid, "command": leak.command, "killed": leak.killed} for leak in done.leaked],
            "stdout_path": done.stdout_path,
            "stderr_path": done.stderr_path,
            **process.memory_bound(done),
            **({"judged": judged} if judged else {}),
        }
    )
    # Shown with the check's own captured output, where a reader looks for it.
    for stream, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text and not worker.setup["streams"]:
            print(f"--- {shown} ({stream}) ---\n{text}", end="" if text.endswith("\n") else "\n")
    if done.stopped:
        worker.end_stopped_item()
    if check and (done.returncode != 0 or done.timed_out):
        how = f"took longer than {timeout_s:g} s" if done.timed_out else status_text(done.returncode)
        raise CommandFailed(f"{how}: {shown}", result)
    return result


def _facts(judged: dict[str, Any] | None) -> dict[str, Any]:
    if judged is None:
        return {}
    from pytest_paragate.judge.facts import from_data

    facts = from_data(judged)
    return {
        "counts": facts.counts,
        "metrics": facts.metrics,
        "issues": tuple(facts.issues),
        "summary": facts.summary,
    }


def _text(path: str | None) -> str:
    return read_excerpt(path).text if path else ""

"""The gate's part of a pytest session: plan, run or show, then write every report and settle the exit status."""

from __future__ import annotations

import importlib
import itertools
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate import beginning, garbage
from pytest_paragate.collect import Collected, collected
from pytest_paragate.folders import Folders
from pytest_paragate.model import DEFAULT_AGENT, ParagateError
from pytest_paragate.run.gateways import ForkLauncher, Inbox
from pytest_paragate.run.messages import Message
from pytest_paragate.settings import Settings

if TYPE_CHECKING:
    from pytest_paragate.report.labels import Labels
    from pytest_paragate.result import GateResult

# Threads that other plugins leave idle in the main process: they hold nothing that a forked worker could miss.
_IDLE_THREADS = ("rerunfailures", "paragate")

# Of fewer tests it costs more to write down what they are called than to copy the memory that they are in.
_MANY_TESTS = 200
# With fewer, what counts is when the first one starts.
_SOME_TESTS = 50
# What is otherwise imported by the main process while the fork server prepares. Before the fork, that takes two
# milliseconds longer, and less memory: what is made afterwards copies the pages that it finds room in.
_WANTED_IN_A_RUN = ("gate", "report.delivery", "report.silent", "run.verdicts", "speedup", "summing", "tuning")

# What cannot go on in a copy of its process: threads that Python does not know of, and devices that are in use.
_UNFORKABLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("jpype", lambda jpype: jpype.isJVMStarted(), "jpype has started a Java machine in the main process"),
    ("torch", lambda torch: torch.cuda.is_initialized(), "torch uses CUDA in the main process"),
)


def is_worker(config: pytest.Config) -> bool:
    """Whether this session was booted to be a worker."""
    return "paragate_collecting" in getattr(config, "workerinput", {})


def serve(session: pytest.Session) -> None:
    """Be the worker that this session was booted for."""
    from pytest_paragate.run.start import serve_session

    serve_session(session)


class GateSession:
    """One session's gate."""

    def __init__(self, session: pytest.Session, settings: Settings) -> None:
        self._session, self._settings = session, settings
        self._config = session.config
        self._terminal = self._config.pluginmanager.getplugin("terminalreporter")
        self.result: GateResult | None = None
        obstacle = _fork_obstacle(settings, self._config)
        inbox: Inbox = queue.SimpleQueue()
        numbers = itertools.count()
        self._folders = folders = Folders(self._config)
        if not settings.plan_only:
            folders.begin_run()
        forks: ForkLauncher | None = None
        try:
            found = collected(session)
            has_home = settings.gateways is None or any(check.agent != DEFAULT_AGENT for check in found.selected)
            labels = None
            if obstacle is None and not settings.plan_only and has_home:
                forks, labels = self._fork(found, inbox, numbers)
            from pytest_paragate.gate import Gate

            workers = "fork workers" if obstacle is None else "popen workers" + (f" ({obstacle})" if obstacle else "")
            if settings.gateways is not None:
                there = f"{DEFAULT_AGENT} on {settings.gateways}"
                workers = f"{workers}, {there}" if has_home else there
            self.gate = Gate(
                session,
                settings,
                found,
                inbox=inbox,
                folders=folders,
                forks=forks,
                labels=labels,
                numbers=numbers,
                workers=workers,
            )
        except BaseException as problem:
            if forks is not None:
                forks.close()
            garbage.take_back()
            folders.abandon_run()
            self._spare_what_is_unused()
            if isinstance(problem, ParagateError):
                raise pytest.UsageError(str(problem)) from None
            raise

    def _fork(self, found: Collected, inbox: Inbox, numbers: Iterator[int]) -> tuple[ForkLauncher, Labels | None]:
        """Fork the server whose workers run what was found: before there is a thread, and before the plan is made. That
        takes as long as starting does.
        """
        # Both sides need these, and what is imported before the fork is imported once.
        import execnet  # noqa: F401

        from pytest_paragate.run import start

        def basics(worker: str) -> Message:
            return {**self._folders.for_worker(worker), "streams": self._settings.streams_output}

        labels = _labels(self._session, found)
        if len(found.selected) >= _SOME_TESTS:
            for name in _WANTED_IN_A_RUN:
                importlib.import_module(f"pytest_paragate.{name}")
            start.import_for(found.selected)
        return ForkLauncher(start.fork_server(self._session, found.selected), inbox, basics, numbers), labels

    def run(self) -> None:
        """Run or show the plan, and tell pytest how it ended in the ways it knows.

        Raises:
            pytest.Session.Interrupted, pytest.Session.Failed, pytest.exit.Exception: as pytest's own loop does.
        """
        if self._settings.plan_only:
            self._spare_what_is_unused()
            try:
                self._show_plan()
            finally:
                self._folders.abandon_run()
            return
        try:
            self.result = self.gate.run()
        finally:
            garbage.take_back()
            if self.result is None or not self.gate.has_heard_of_all:
                self._spare_what_is_unused()
        garbage.leave_at_exit()
        loop = self.gate.loop_result
        if self._config.getoption("stepwise", False):
            from pytest_paragate.report import stepwise

            stepwise.go_on_from(self._session, loop.verdicts)
        if self._terminal is not None and not self._terminal._tw.width_of_current_line:
            self._terminal._show_progress_info = False  # "[100%]" alone on a line, below that of a check
        if loop.signum is not None:
            # The status of a run ended by SIGTERM is settled later: pytest shows its summary for those it knows.
            raise self._session.Interrupted("SIGTERM" if loop.signum == signal.SIGTERM else "Ctrl-C")
        if loop.ended_session is not None:
            kind, message, returncode = loop.ended_session
            if kind == "exit":
                pytest.exit(message, returncode=returncode)
            raise self._session.Interrupted("a test ended the run as Ctrl-C does")
        if loop.stopped_by_maxfail:
            self._session.shouldfail = f"stopping after {self._settings.maxfail} failures"
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _spare_what_is_unused(self) -> None:
        """What was not heard of uses no snapshots: syrupy would take them for leftovers, and delete them."""
        if hasattr(self._config.option, "disable_unused_snapshots"):
            self._config.option.disable_unused_snapshots = True

    def unconfigure(self) -> None:
        """What follows is pytest's last search for garbage, which takes long where there are many tests."""
        garbage.set_aside()
        self._config.add_cleanup(garbage.take_back_when_asked(*garbage.LISTING))

    def write_summary(self, terminal: pytest.TerminalReporter) -> None:
        """The section ``paragate``, below everything that pytest itself says."""
        if self.result is None:
            return
        from pytest_paragate.report import summary
        from pytest_paragate.report.text import can_show_unicode

        width = terminal._tw.fullwidth
        terminal.write_sep("=", "paragate")
        for line in summary.lines(self.result, width=width, is_unicode=can_show_unicode(sys.stdout)):
            terminal.write_line(line.text, **({line.markup: True} if line.markup else {}))

    def _show_plan(self) -> None:
        from pytest_paragate import speedup
        from pytest_paragate.report import json_file
        from pytest_paragate.report import plan as plan_report

        simulated = speedup.simulate(self.gate.plan)
        self._write(self.gate.header())
        width = self._terminal._tw.fullwidth if self._terminal is not None else 80
        for line in plan_report.lines(self.gate.plan, simulated, width=width):
            self._write(line)
        if self._settings.json_path is not None:
            try:
                json_file.write(self._settings.json_path, plan_report.as_data(self.gate.plan, simulated))
            except ParagateError as problem:
                raise pytest.UsageError(str(problem)) from None

    def _write(self, line: str) -> None:
        if self._terminal is not None:
            self._terminal.ensure_newline()
            self._terminal.write_line(line)


def finish(session: pytest.Session, settings: Settings, gate: GateSession | None) -> None:
    """Settle the exit status and write what was asked for; a report that cannot be written is never silent."""
    if is_worker(session.config):
        return
    result = gate.result if gate is not None else None
    if result is not None and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = result.exitstatus
    if gate is not None and result is not None and gate.gate.loop_result.signum == signal.SIGTERM:
        session.exitstatus = 128 + signal.SIGTERM
    is_wanted = settings.json_path is not None or settings.sarif_path is not None
    if not is_wanted or settings.plan_only or session.config.option.collectonly:
        return
    if result is None:
        from pytest_paragate.summing import empty_result

        # An older report must not be taken for this run's.
        result = empty_result(int(session.exitstatus), has_failed=session.testsfailed > 0)
    if settings.sarif_path is not None:
        _write_report(session, settings.sarif_path, result, gate)
    if settings.json_path is not None:
        result = result._replace(exitstatus=int(session.exitstatus))
        _write_report(session, settings.json_path, result, None, is_sarif=False)


def _write_report(
    session: pytest.Session, path: Path, result: GateResult, gate: GateSession | None, *, is_sarif: bool = True
) -> None:
    from pytest_paragate.report import json_file

    try:
        if is_sarif:
            from pytest_paragate.report import sarif

            folders = gate.gate.folders() if gate is not None else {}
            data = sarif.as_data(result, session.config.rootpath, folders)
            json_file.write(path, data, what="SARIF", option="--paragate-sarif")
        else:
            json_file.write(path, json_file.as_data(result))
    except ParagateError as problem:
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write(f"\nERROR: {problem}\n")


def _labels(session: pytest.Session, found: Collected) -> Labels | None:
    """What the main process will want to know of ordinary tests, where there are many."""
    if len(found.selected) < _MANY_TESTS:
        return None
    from pytest_paragate.report.labels import Labels

    labels = Labels(session.items)
    labels.pack()
    return labels


def _fork_obstacle(settings: Settings, config: pytest.Config) -> str | None:
    """Why workers cannot be forked, empty where the user does not want it; None when they can."""
    early_reader = beginning.early_reader(config)
    if settings.workers == "popen":
        return ""
    if not sys.platform.startswith("linux"):
        return f"fork workers need Linux, not {sys.platform}"
    if settings.workers == "fork":
        return None
    if foreign := _foreign_thread():
        return f"{foreign} is running in the main process"
    if early_reader:
        return f"{early_reader} asks for its worker's name before there are workers"
    return _unforkable_library()


def _unforkable_library() -> str | None:
    """A library in a state in this process that a forked one could not use, in words."""
    for name, asks, words in _UNFORKABLE:
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            is_running = asks(module)
        except Exception:  # another version of it
            continue
        if is_running:
            return words
    return None


def _foreign_thread() -> str | None:
    """A thread in this process that forked workers would miss, in words."""
    for thread in threading.enumerate():
        origin = f"{thread.name} {getattr(getattr(thread, '_target', None), '__module__', '')}"
        if thread is not threading.main_thread() and not any(word in origin for word in _IDLE_THREADS):
            return f"thread {thread.name!r}"
    return None

"""Runs collected items in a worker, one after another, and says how each ended.

Rules
- An item never waits for the next one to be known. Inside a run of tests the next item is the real one; the last gets a
  neighbour, which keeps module and session fixtures alive. When a real next item turns out to need less, what is no
  longer needed is torn down then, and an error there is blamed on the item that ended before.
- A function check is torn down completely, so that processes it leaves behind are known to be leaks. What it changed in
  the process (folder, environment, standard streams, signals, limits, threads) is reported, and the controller
  replaces the worker.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import pytest

from pytest_paragate.imports import Late
from pytest_paragate.model import DEFAULT_GRACE_S
from pytest_paragate.run import excerpt, inherit, stack
from pytest_paragate.run.messages import Message, packed
from pytest_paragate.run.worker import StopRequested, Worker, monotonic

if TYPE_CHECKING:
    from pytest_paragate.run import leftovers
    from pytest_paragate.run.live import LiveStreams
else:  # of checks
    leftovers = Late("pytest_paragate.run.leftovers")

_pid, _write = os.getpid, os.write  # whatever a test puts in their place
_PHASES = ["setup", "call", "teardown"]
# What every report has: one with more has something of a plugin's.
_FIELDS = len(vars(pytest.TestReport("", ("", None, ""), {}, "passed", None, "call")))

WORKER = pytest.StashKey[Worker]()
CONTEXT = pytest.StashKey["ItemContext"]()


_EndOfSession = tuple[Literal["exit", "interrupt"], str, int | None]


class ItemContext:
    """What a running check can ask for: verdicts of what it waited for, its own command settings, the ``units`` that it
    holds by resource; and what it tells: the ``commands`` that it ran, and its ``facts``."""

    def __init__(
        self, *, results: Mapping[str, Any], grace_s: float, leaks: str, units: Mapping[str, Sequence[int]]
    ) -> None:
        self.results, self.grace_s, self.leaks, self.units = results, grace_s, leaks, units
        self.commands: list[dict[str, Any]] = []
        self.facts: dict[str, int | float] = {}


class ItemDone:
    """How one item ended. ``reports`` are pytest's, serialised; times are of the monotonic clock, in seconds.

    ``ended_session`` is set when the item asked for the whole session to end (``pytest.exit``, ``KeyboardInterrupt``).
    """

    def __init__(self, *, started_at: float) -> None:
        self.started_at = started_at
        self.duration_s = 0.0
        self.cpu_s: float | None = None  # of what has the mark
        self.reports: list[dict[str, Any]] = []
        self.stopped = False
        self.commands: list[dict[str, Any]] = []
        self.facts: dict[str, int | float] = {}
        self.leaked: list[dict[str, Any]] = []
        self.changed: list[str] = []
        self.internal_error: str | None = None
        self.ended_session: _EndOfSession | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to tell but reports."""
        return not (
            self.stopped
            or self.commands
            or self.facts
            or self.leaked
            or self.changed
            or self.internal_error
            or self.ended_session
        )


class ItemRunner:
    """Runs items of one session for one worker. Registered as a plugin, it takes the place of every reporter."""

    def __init__(self, session: pytest.Session, items: Sequence[pytest.Item]) -> None:
        """What a fork server does once for all its workers; each then says whom it works for.

        ``items`` are those that indices mean; a plugin may change the session's own.
        """
        self._session = session
        self._config = session.config
        self._collected = items
        self._worker: Worker
        self._reports: list[pytest.TestReport] = []
        hook = self._config.hook.pytest_report_to_serializable
        # With a plugin's word in it, a report has to be serialised to know what it says.
        self._is_plain = all(map(_is_of_pytest, hook.get_hookimpls()))
        makers = self._config.hook.pytest_runtest_makereport, self._config.hook.pytest_runtest_protocol
        self._makes_own_reports = not all(_is_of_pytest(each) for hook in makers for each in hook.get_hookimpls())
        self._previous: pytest.Item | None = None
        self._following: pytest.Item | None = None  # what the previous one was told would come next
        self._by_nodeid: dict[str, int] | None = None
        self._has_asked_to_stop = self._has_ended_session = False
        # For each item pytest looks up seven times which conftest files are there for its file; no more will come.
        session.gethookproxy = functools.cache(session.gethookproxy)  # type: ignore[method-assign, assignment]
        self._is_relaying = False
        self._config.pluginmanager.register(self, "paragate-relay")
        self._is_relaying = True

    def work_for(self, worker: Worker) -> None:
        """Run what this worker is given, and say through it how that ended."""
        self._worker = self._config.stash[WORKER] = worker
        inherit.ask_for_basetemp(self._config, worker.basetemp)
        worker.find_parse = self._parse_of
        stack.show_on_signal(worker.setup["crash_path"])
        if worker.setup["streams"]:
            worker.pass_on_output = _live_streams(worker).pass_on

    # pytest's hooks

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and len(self._reports) > 1:
            # pytest lets a test fail for its subtests where somebody asks for its letter, which no reporter does here.
            self._config.hook.pytest_report_teststatus(report=report, config=self._config)
        self._reports.append(report)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: tuple[str, int, str] | None
    ) -> None:
        if not self._is_relaying:
            return  # pytest tells whoever registers of all warnings so far, and they are known
        from xdist.remote import serialize_warning_message

        data = {
            "warning_message": serialize_warning_message(warning_message),
            "when": when,
            "nodeid": nodeid,
            "location": location,
        }
        self._worker.news("warning", packed(data))

    # the worker's side

    def run(self, message: Message) -> None:
        """Run the items of one ``items`` message."""
        indices = message["indices"]
        items = self._items(indices, message.get("nodeids"))
        for position, index in enumerate(indices):
            item = items[position]
            if item is None:
                self._worker.news("differs", index, self._why_missing(message["nodeids"][position]))
                continue
            following = items[position + 1] if position + 1 < len(items) else None
            may_go_on = self._run_item(index, item, following, message)
            if not may_go_on or self._worker.is_run_over:
                self._worker.news("left", indices[position + 1 :])
                return
        self._worker.flush()

    def finish(self) -> None:
        """Tear down everything that is still set up."""
        self._tear_down_for(None)

    def _parse_of(self, index: int, nodeid: str) -> Any:
        from pytest_paragate.collect import CHECK

        item = self._named(index, nodeid)
        return None if item is None else item.stash[CHECK].parse

    def _items(self, indices: Sequence[int], nodeids: Sequence[str] | None) -> list[pytest.Item | None]:
        """The items the controller means: usually at the same place; a fresh session may have another order."""
        items = self._collected
        if nodeids is None:
            return [items[index] for index in indices]
        return [self._named(index, nodeid) for index, nodeid in zip(indices, nodeids, strict=True)]

    def _named(self, index: int, nodeid: str) -> pytest.Item | None:
        items = self._collected
        if index < len(items) and items[index].nodeid == nodeid:
            return items[index]
        if self._by_nodeid is None:
            self._by_nodeid = {item.nodeid: place for place, item in enumerate(items)}
        place = self._by_nodeid.get(nodeid)
        return None if place is None else items[place]

    def _why_missing(self, nodeid: str) -> str:
        from pytest_paragate.run.agreement import WITNESS

        witness = self._config.stash.get(WITNESS, None)
        return witness.why_missing(nodeid, self._session.items) if witness is not None else f"{nodeid} is gone"

    def _run_item(self, index: int, item: pytest.Item, following: pytest.Item | None, message: Message) -> bool:
        """Run one item and say how it ended; returns whether others may follow it in this run."""
        is_marked, is_check = "is_check" in message, message.get("is_check", False)
        if self._previous is not None and item is not self._following:
            self._tear_down_for(item)
        if self._has_ended_session:
            self._worker.news("left", [index])
            return False
        nextitem = None if is_check else following or self._neighbour(item, index)
        context = ItemContext(
            results=message.get("results", {}),
            grace_s=message.get("grace_s", DEFAULT_GRACE_S),
            leaks=message.get("leaks", "kill"),
            units=message.get("units", {}),
        )
        item.stash[CONTEXT] = context
        words = _keywords(item)
        before = leftovers.ProcessState.now() if is_check else None
        # What a test leaves may be a fixture's that others share; so it counts only where that was asked for.
        children = leftovers.children() if message.get("leaks") == "fail" and not is_check else None
        self._reports = []
        cpu_before_s = _cpu_s() if is_marked else 0.0
        done = ItemDone(started_at=monotonic())
        self._worker.begin_item(index, done.started_at)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        except (pytest.exit.Exception, KeyboardInterrupt) as request:
            done.ended_session = _end_of_session(request)
        except StopRequested:
            pass  # between two phases; was_stopped tells
        except BaseException:
            done.internal_error = traceback.format_exc()
        finally:
            if _pid() != self._worker.pid:
                self._leave_copy(done)
            self._worker.end_item()
            del item.stash[CONTEXT]
        done.duration_s = monotonic() - done.started_at
        done.cpu_s = _cpu_s() - cpu_before_s if is_marked else None
        self._previous, self._following = item, following
        if done.ended_session or done.internal_error or self._worker.was_stopped:
            self._tear_down_for(None)
        if before is not None:
            done.leaked = leftovers.end_leaked(before.children, is_allowed=context.leaks == "allow")
            self._worker.allow(leak["pid"] for leak in done.leaked if not leak["killed"])
            done.changed = before.changes()
        elif children is not None:
            done.leaked = leftovers.end_leaked(children, is_allowed=False)
        self._worker.pass_on_output()
        done.stopped, done.commands, done.facts = self._worker.was_stopped, context.commands, context.facts
        phases = self._phases(item) if done.is_plain and _keywords(item) == words else None
        if phases is not None:
            self._worker.passed([index, done.started_at, done.duration_s, phases, *([done.cpu_s] if is_marked else [])])
        else:
            if is_check:
                self._cut_floods(item.name)
            done.reports = [self._serialised(report) for report in self._reports]
            self._worker.news("item", index, packed(vars(done)))
        wants_stop = bool(self._session.shouldstop or self._session.shouldfail)
        if wants_stop:
            self._pass_on_stop()
        return not (done.stopped or done.ended_session or wants_stop)

    def _leave_copy(self, done: ItemDone) -> NoReturn:
        """A test has forked and its child came back here, where the parent goes on and may be waiting for it."""
        failed = [report.longreprtext for report in self._reports if report.failed]
        failed += filter(None, [done.internal_error])
        _write(2, "".join(f"{text}\n" for text in failed).encode("utf-8", "replace"))
        if done.ended_session is not None:
            os._exit(done.ended_session[2] or 2)
        os._exit(1 if failed or self._worker.was_stopped else 0)

    def _neighbour(self, item: pytest.Item, index: int) -> pytest.Item:
        """What to name as the next item where that is not known yet: one with the same parents."""
        items = self._collected
        for place in (index + 1, index - 1):
            if 0 <= place < len(items) and items[place].parent is item.parent and items[place] is not item:
                return items[place]
        try:
            twin = copy.copy(item)  # the only one; hooks ask it for its module
        except Exception:  # of a class that cannot be copied
            return _StandIn.beside(item)
        # Who keeps it must not keep what the item's fixtures were.
        for name, nothing in (("funcargs", {}), ("_request", None), ("_report_sections", [])):
            if name in vars(twin):
                vars(twin)[name] = nothing
        twin.stash = pytest.Stash()
        return twin

    def _phases(self, item: pytest.Item) -> list[float] | None:
        """The times of the three phases of an item, if that is all that its reports say."""
        reports = self._reports
        if not self._is_plain or [report.when for report in reports] != _PHASES:
            return None
        if self._makes_own_reports and not all(_is_as_made(report, item) for report in reports):
            return None
        times: list[float] = []
        for report in reports:
            if report.outcome != "passed" or report.sections or report.user_properties or len(vars(report)) != _FIELDS:
                return None
            times += (report.duration, report.start, report.stop)
        return times if all(type(each) is float for each in times) else None

    def _cut_floods(self, name: str) -> None:
        """Leave of what a check has printed itself what people see of a command, too: the head and tail of a flood."""
        cut: dict[int, str] = {}  # every phase has what was printed before it
        for report in self._reports:
            for place, (title, text) in enumerate(report.sections):
                if len(text) > excerpt.LONGEST:
                    cut[id(text)] = cut.get(id(text)) or self._worker.commands.excerpt(text, name)
                    report.sections[place] = title, cut[id(text)]

    def _serialised(self, report: pytest.TestReport) -> dict[str, Any]:
        data: dict[str, Any] = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        return data

    def _pass_on_stop(self) -> None:
        """What plugins ask of this session is meant for the whole run. Once: pytest does not let it be taken back."""
        for kind in ("shouldstop", "shouldfail"):
            why = getattr(self._session, kind)
            if why and not self._has_asked_to_stop:
                self._has_asked_to_stop = True
                self._worker.news("stop", kind, str(why))

    def _tear_down_for(self, item: pytest.Item | None) -> None:
        """Tear down what ``item`` does not need, which the item before it had left standing."""
        previous, state = self._previous, self._session._setupstate
        needed = item.listchain() if item is not None else []
        standing = list(state.stack)
        if previous is None or standing == needed[: len(standing)]:
            return
        self._worker.news("tearing")  # it may be the worker's last words
        # Not the hook: its plugins have ended this item already, and would fail on what they have cleaned up.
        with _recorded(previous):
            call = pytest.CallInfo.from_call(lambda: state.teardown_exact(item), when="teardown")
        self._worker.news("torn")
        self._worker.pass_on_output()
        if call.excinfo is None:
            return
        self._worker.news("late", packed(self._serialised(_late_report(previous, call))))
        request = _end_of_session(call.excinfo.value)
        if request is not None:
            self._has_ended_session = True
            self._worker.news("exit", *request)


@contextlib.contextmanager
def _recorded(item: pytest.Item) -> Iterator[None]:
    """Around what is torn down after its item has ended: warnings, output and log records are kept as in its phases."""
    from _pytest.logging import caplog_handler_key, caplog_records_key
    from _pytest.warnings import catch_warnings_for_item

    config = item.config
    capture, logs = map(config.pluginmanager.getplugin, ("capturemanager", "logging-plugin"))
    with contextlib.ExitStack() as stack:
        if config.pluginmanager.hasplugin("warnings"):
            stack.enter_context(catch_warnings_for_item(config, item.ihook, when="runtest", item=item))
        if capture is not None:
            stack.enter_context(capture.item_capture("teardown", item))
        if logs is not None:
            item.stash[caplog_records_key] = {}
            stack.callback(item.stash.__delitem__, caplog_records_key)
            recording = logs._runtest_for(item, "teardown")
            if isinstance(recording, Iterator):  # before pytest 8.4
                recording = contextlib.contextmanager(lambda: recording)()
            stack.enter_context(recording)
            stack.callback(item.stash.__delitem__, caplog_handler_key)
        yield


def _end_of_session(request: BaseException) -> _EndOfSession | None:
    """How the session is to end, if that is what was raised for."""
    if isinstance(request, pytest.exit.Exception):
        return "exit", str(request.msg), request.returncode
    return ("interrupt", "KeyboardInterrupt", None) if isinstance(request, KeyboardInterrupt) else None


def _late_report(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """What is reported of an item that pytest has done with."""
    if getattr(item, "funcargs", {}) is None:
        item.funcargs = {}  # type: ignore[attr-defined]  # plugins ask what the item uses whenever it is reported
    try:
        report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    except Exception:  # of a plugin that wants more of the item than is left: the error itself must not be lost
        report = pytest.TestReport.from_item_and_call(item, call)
    return report


def _live_streams(worker: Worker) -> LiveStreams:
    from pytest_paragate.run.live import LiveStreams

    crash_path = worker.setup["crash_path"]
    return LiveStreams(f"{crash_path}.out", crash_path, worker.stream)


class _StandIn(pytest.Item):
    """A next item that is not known yet: a neighbour with the same parents."""

    @classmethod
    def beside(cls, item: pytest.Item) -> _StandIn:
        assert item.parent is not None
        stand_in: _StandIn = cls.from_parent(item.parent, name="<next>")
        return stand_in

    def runtest(self) -> None:
        raise AssertionError("a stand-in is never run")


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _is_of_pytest(implementation: Any) -> bool:
    return bool(implementation.function.__module__.startswith("_pytest."))


def _is_as_made(report: pytest.TestReport, item: pytest.Item) -> bool:
    """Whether a report says of its item what pytest says, and nothing else."""
    return (
        report.longrepr is None
        and report.nodeid == item.nodeid
        and report.location == item.location
        and report.keywords == dict.fromkeys(item.keywords, 1)
    )


def _keywords(item: pytest.Item) -> tuple[int, int]:
    """How many marks and keywords of its own an item has: a running test may add some, which its reports name."""
    return len(item.own_markers), len(getattr(item.keywords, "_markers", ()))

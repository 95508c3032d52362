"""Tells pytest's hooks, and so every reporter, what the gate's loop says, as it happens."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from _pytest.terminal import TerminalReporter

from pytest_paragate.model import DEFAULT_AGENT, Check
from pytest_paragate.plan import Plan
from pytest_paragate.report import plain, pytest_reports
from pytest_paragate.report.labels import Label, Labels
from pytest_paragate.report.silent import SilentReports
from pytest_paragate.report.text import can_show_unicode, neutral
from pytest_paragate.run.audience import Reports
from pytest_paragate.run.nodes import Nodes
from pytest_paragate.verdict import Outcome, Verdict

# What was not run is no news to those who remember for the next run what failed: a cancelled check that failed earlier
# is still to be repeated by --lf, and --stepwise goes on from what failed itself rather than from what that blocked.
_NOT_TOLD: Mapping[Outcome, Sequence[str]] = {
    Outcome.CANCELLED: ("lfplugin", "stepwiseplugin"),
    Outcome.BLOCKED: ("stepwiseplugin",),
}
# Parts of pytest to which a setup or teardown that passed is no news; the first keeps it for --durations.
_INDIFFERENT = ("terminalreporter", "session", "logging-plugin", "lfplugin")
# Where it listens only for lines that it shows live, which come from workers here.
_LISTENS_FOR_LIVE_LOGS = "logging-plugin"


class Delivery:
    """Tells pytest's hooks what the loop says: the loop's audience."""

    def __init__(
        self, session: pytest.Session, plan: Plan, header: Callable[[], str], nodes: Nodes, labels: Labels
    ) -> None:
        self._session, self._plan, self._header, self._nodes = session, plan, header, nodes
        self._labels = labels
        self._config = session.config
        self._terminal = self._config.pluginmanager.getplugin("terminalreporter")
        self._prints_lines = self._terminal is not None and self._config.get_verbosity() >= 0
        if self._terminal is not None and plan.slots.get(DEFAULT_AGENT, 1) > 1:
            # As pytest-xdist does: tests of several files take turns, and each change would be a line of its own.
            self._terminal.showfspath = False
        # With a worker's name in front of every result, the line that says what starts would only come twice.
        is_twice = ["terminalreporter"] if nodes.is_distributed else []
        self._logstart = self._hook_without("pytest_runtest_logstart", [*is_twice, _LISTENS_FOR_LIVE_LOGS])
        self._logfinish = self._hook_without("pytest_runtest_logfinish", [_LISTENS_FOR_LIVE_LOGS])
        self._silent = self._silent_reports()
        self._partial: dict[tuple[int, str], bytes] = {}
        # Lines of checks that were told together: each write to the terminal is a system call.
        self._lines: list[str] = []
        self._width = 80
        self._is_unicode = can_show_unicode(sys.stdout)

    def begun(self) -> None:
        if self._terminal is not None:
            self._terminal.ensure_newline()
            self._terminal.write_line(self._header())

    def verdict(self, index: int, verdict: Verdict, reports: Reports) -> None:
        check = self._plan.checks[index]
        if not check.is_marked and verdict.outcome is Outcome.CANCELLED:
            return  # as pytest does: tests that a stopped run did not reach, or did not let end, are not reported
        self._end_output(index)
        if not check.is_marked:
            self.told()
            if self._silent is not None and not verdict.flaky and _are_times(reports):
                self._passed(index, verdict.worker, cast("Sequence[float]", reports), self._silent)
                return
        item = self._session.items[index]
        if not check.is_marked:
            self._begin(item)
        hook = self._config.hook
        logreport = self._hook_without("pytest_runtest_logreport", _NOT_TOLD.get(verdict.outcome, ()))
        made = self._made(item, check, verdict, reports)
        for report in made:
            self._nodes.mark(report, verdict.worker, index)
            if hasattr(report, "paragate_junit"):
                from pytest_paragate.run import junit

                junit.write(self._config, report)
            logreport(report=report)
        if not check.is_marked:
            self._finish(item)
        else:
            for report in made:
                report.__dict__["paragate_is_news"] = False
            self._print_line(check, verdict, made)
            hook.pytest_paragate_verdict(check=check, verdict=verdict)

    def _passed(self, index: int, worker: str | None, times: Sequence[float], silent: SilentReports) -> None:
        """Tell of a test that passed, where nobody wants to know more."""
        label = self._labels.of(index)
        self._begin(label)
        call = pytest_reports.of_call(label, times)
        self._nodes.mark(call, worker, index)
        silent.add_around(call, times)
        self._config.hook.pytest_runtest_logreport(report=call)
        self._finish(label)

    def _begin(self, item: pytest.Item | Label) -> None:
        if self._logstart.get_hookimpls():
            self._logstart(nodeid=item.nodeid, location=item.location)

    def _finish(self, item: pytest.Item | Label) -> None:
        if self._logfinish.get_hookimpls():
            self._logfinish(nodeid=item.nodeid, location=item.location)

    def _silent_reports(self) -> SilentReports | None:
        """Where reports of setups and teardowns that passed may go unheard; None where somebody listens to them."""
        words = self._config.hook.pytest_report_teststatus.get_hookimpls()
        has_own_words = any(not _belongs_to(each.function, "_pytest.", "pytest_paragate.") for each in words)
        if has_own_words or type(self._terminal) is not TerminalReporter:
            return None
        if self._hook_without("pytest_runtest_logreport", _INDIFFERENT).get_hookimpls():
            return None
        stats: Any = self._terminal.stats
        silent = stats[""] = SilentReports(stats.get("", ()))
        return silent

    def _made(self, item: pytest.Item, check: Check, verdict: Verdict, reports: Reports) -> list[pytest.TestReport]:
        if check.kind == "command":
            return pytest_reports.of_command(item, check, verdict)
        if _are_times(reports):
            # Nothing went wrong in its phases; that it was not what was expected, only the verdict knows.
            made = pytest_reports.of_times(item, cast("Sequence[float]", reports))
            return pytest_reports.of_phases(item, check, verdict, made)
        is_test = check.kind == "test"
        serialised = cast("Sequence[Mapping[str, Any]]", reports)
        revived = [pytest_reports.revived(self._config, data, is_trusted=is_test) for data in serialised]
        return pytest_reports.of_phases(item, check, verdict, revived)

    def _hook_without(self, hook: str, names: Sequence[str]) -> Any:
        if not names:
            return getattr(self._config.hook, hook)
        manager = self._config.pluginmanager
        plugins = [plugin for name in names if (plugin := manager.getplugin(name)) is not None]
        return manager.subset_hook_caller(hook, plugins)

    def stop_wanted(self) -> str | None:
        """What plugins and pytest's own ``--stepwise`` ask for through the session."""
        return str(self._session.shouldstop or self._session.shouldfail or "") or None

    def want_stop(self, kind: str, why: str) -> None:
        if not getattr(self._session, kind):
            setattr(self._session, kind, why)

    def _print_line(self, check: Check, verdict: Verdict, reports: Sequence[pytest.TestReport]) -> None:
        if not self._prints_lines:
            return
        if not self._lines:  # asking takes a system call
            self._width = self._terminal._tw.fullwidth
        line = plain.ended(check, verdict, width=self._width, is_unicode=self._is_unicode)
        markup = {line.markup: True} if line.markup else {}
        self._lines.append(self._terminal._tw.markup(line.text, **markup))
        # pytest counts as progress what it printed a letter for.
        self._terminal._progress_nodeids_reported.update(getattr(report, "id", check.nodeid) for report in reports)

    def trying_again(self, index: int, verdict: Verdict, tries: int) -> None:
        if not self._prints_lines:
            return
        check = self._plan.checks[index]
        line = plain.failed_try(check, verdict, tries, width=self._terminal._tw.fullwidth, is_unicode=self._is_unicode)
        self._lines.append(self._terminal._tw.markup(line.text, yellow=True))

    def told(self) -> None:
        if self._lines:
            self._new_line()
            self._terminal._tw.line("\n".join(self._lines))
            self._terminal._tw.flush()
            self._lines.clear()

    def _new_line(self) -> None:
        self._terminal.ensure_newline()
        if self._terminal._tw.width_of_current_line:  # letters of tests without a file name in front
            self._terminal._tw.line()

    def output(self, index: int, stream: str, data: bytes) -> None:
        """Whole lines, each with the check's name in front."""
        if self._terminal is None or index < 0:
            return
        self.told()
        key = index, stream
        *lines, rest = (self._partial.pop(key, b"") + data).split(b"\n")
        if rest:
            self._partial[key] = rest
        self._show_output(index, lines)

    def _end_output(self, index: int) -> None:
        """Show what a check that has ended left without a newline."""
        for key in [key for key in self._partial if key[0] == index]:
            self._show_output(index, [self._partial.pop(key)])

    def _show_output(self, index: int, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        self._new_line()
        name = self._plan.checks[index].name
        shown = (f"{name} | {neutral(line.decode('utf-8', 'replace'))}" for line in lines)
        self._terminal.write_line("\n".join(shown))  # each write is a system call

    def warning(self, warning: Mapping[str, Any]) -> None:
        told = _recorded(warning["warning_message"])
        if warning["nodeid"] in self._declared:
            told.message, told.filename = neutral(str(told.message)), neutral(told.filename, keep_newlines=False)
        self._config.hook.pytest_warning_recorded.call_historic(kwargs={**warning, "warning_message": told})

    @functools.cached_property
    def _declared(self) -> frozenset[str]:
        """The node ids of checks, of which nothing is trusted to be harmless to a terminal."""
        return frozenset(check.nodeid for check in self._plan.checks if check.kind != "test")

    def late_report(self, report: Mapping[str, Any]) -> None:
        revived = pytest_reports.revived(self._config, report)
        self._nodes.mark(revived, report["worker_id"], None)
        self._config.hook.pytest_runtest_logreport(report=revived)


def _recorded(data: Mapping[str, Any]) -> warnings.WarningMessage:
    """A warning that crossed a gateway."""
    from xdist.workermanage import unserialize_warning_message

    told: warnings.WarningMessage
    try:
        told = unserialize_warning_message(dict(data))
    except Exception:  # its class is within a function, or not to be found or made here
        told = unserialize_warning_message({**data, "message_module": None, "category_module": None})
        told.category = type(data["category_class_name"], (Warning,), {"__module__": data["category_module"]})
    return told


def _belongs_to(function: Callable[..., object], *homes: str) -> bool:
    return function.__module__.startswith(homes)


def _are_times(reports: Reports) -> bool:
    """Whether an item has passed and its reports said nothing else: then these are the times of its phases."""
    return bool(reports) and isinstance(reports[0], float)

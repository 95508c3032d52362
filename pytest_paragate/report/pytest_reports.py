"""Hands verdicts to pytest's own reporters, as the reports of an ordinary item.

One report of each check carries its verdict (attribute ``paragate``); reporters count and print that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter

from pytest_paragate.model import Check, Place
from pytest_paragate.report.labels import Label
from pytest_paragate.report.text import neutral, seconds
from pytest_paragate.verdict import Outcome, Verdict

ReportOutcome = Literal["passed", "failed", "skipped"]
Phase = Literal["setup", "call", "teardown"]


class VerdictRepr(TerminalRepr):
    """Why a check did not pass, as pytest prints failures; ``reprcrash`` feeds the short test summary."""

    def __init__(self, check: Check, verdict: Verdict, *, is_one_line: bool) -> None:
        message = neutral(verdict.summary or str(verdict.outcome), keep_newlines=False)
        self.reprcrash = ReprFileLocation(check.place.file, check.place.line, message)
        self._lines = [] if is_one_line else _explanation(check, verdict)

    def toterminal(self, tw: TerminalWriter) -> None:
        for line in self._lines:
            tw.line(line)

    def __str__(self) -> str:
        return "\n".join(self._lines)


def _explanation(check: Check, verdict: Verdict) -> list[str]:
    lines = []
    if check.command is not None:
        lines.append(f"$ {neutral(' '.join(check.command.argv), keep_newlines=False)}")
    took = f" after {seconds(verdict.duration_s)}" if verdict.start_s is not None else ""
    lines.append(f"{verdict.outcome}: {neutral(verdict.reason or verdict.summary, keep_newlines=False)}{took}")
    if verdict.leaked:
        lines.append("left behind: " + ", ".join(neutral(str(leak), keep_newlines=False) for leak in verdict.leaked))
    if verdict.details:
        lines += ["", *neutral(verdict.details).splitlines()]
    if verdict.log:
        lines.append(f"whole output: {verdict.log}")
    lines.append(f"declared at {check.place}")
    return lines


def report_outcome(verdict: Verdict) -> ReportOutcome:
    """What pytest itself makes of a verdict: what a cancelled or advisory check is for exit status and ``--lf``."""
    if verdict.outcome is Outcome.PASSED:
        return "passed"
    if verdict.is_ok or verdict.outcome in (Outcome.SKIPPED, Outcome.CANCELLED):
        return "skipped"
    return "failed"


def category(verdict: Verdict, report: pytest.TestReport) -> str:
    """The word under which pytest's last line counts the verdict that ``report`` carries."""
    if hasattr(report, "wasxfail") and report.outcome != "failed":
        return "xpassed" if report.outcome == "passed" else "xfailed"
    if verdict.advisory:
        return "advisory"
    if verdict.outcome in (Outcome.BLOCKED, Outcome.CANCELLED):
        return str(verdict.outcome)
    if verdict.tolerated:
        return "tolerated"
    if verdict.flaky:
        return "flaky"
    return report_outcome(verdict)


def of_command(item: pytest.Item, check: Check, verdict: Verdict) -> list[pytest.TestReport]:
    """Reports of an item that never went through pytest's phases: a command, or anything that was not started."""
    call = _report(item, check, verdict)
    # pytest's reporters take an item for finished with its last phase.
    ending: dict[str, Any] = {"when": "teardown", "outcome": "passed", "longrepr": None, "sections": [], "duration": 0}
    facts = {**vars(call), **ending}
    facts.pop("paragate", None)
    return [call, _with_facts(facts)]


def of_times(item: pytest.Item, times: Sequence[float]) -> list[pytest.TestReport]:
    """Reports of phases that went well, from ``duration, start, stop`` of all three."""
    call = of_call(item, times)
    return [like(call, "setup", *times[:3]), call, like(call, "teardown", *times[6:])]


def of_call(item: pytest.Item | Label, times: Sequence[float]) -> pytest.TestReport:
    """The report of the call of an item that passed."""
    duration, start, stop = times[3:6]
    keywords: Mapping[str, Any] = dict.fromkeys(item.keywords, 1)
    return pytest.TestReport(item.nodeid, item.location, keywords, "passed", None, "call", (), duration, start, stop)


def like(other: pytest.TestReport, when: Phase, duration: float, start: float, stop: float) -> pytest.TestReport:
    """The report of another phase of an item that passed."""
    phase: dict[str, Any] = {"when": when, "duration": duration, "start": start, "stop": stop}
    return _with_facts({**vars(other), **phase, "sections": [], "user_properties": []})


def _with_facts(facts: dict[str, Any]) -> pytest.TestReport:
    """A report with these attributes. Its constructor takes longer than all the rest."""
    report = object.__new__(pytest.TestReport)
    # One by one: so the names are shared by all reports, which halves what they take. pytest keeps them to the end.
    for name, value in facts.items():
        object.__setattr__(report, name, value)
    return report


def of_phases(
    item: pytest.Item, check: Check, verdict: Verdict, reports: Sequence[pytest.TestReport]
) -> list[pytest.TestReport]:
    """pytest's own reports of a function check or test, put right where the verdict knows more than they do."""
    if not reports:
        return of_command(item, check, verdict)
    # A try that was repeated (pytest-rerunfailures) says nothing about the verdict.
    last = [report for report in reports if report.outcome in ("passed", "failed", "skipped")] or list(reports)
    carrier = next((report for report in last if report.outcome != "passed"), None)
    wanted = report_outcome(verdict)
    calls = [report for report in last if report.when == "call"]
    if carrier is None and not calls and wanted != "passed":
        return [*reports, *of_command(item, check, verdict)]  # what ends a session in its body leaves no report of it
    if carrier is None:
        carrier = calls[0] if calls else last[0]
    if carrier.outcome != wanted:
        own = _report(item, check, verdict)
        carrier.outcome, carrier.longrepr = own.outcome, _joined(carrier, own)
    _add_tries(carrier, verdict)
    if check.is_marked or verdict.outcome in (Outcome.TIMEOUT, Outcome.CANCELLED):
        _head_with(carrier.longrepr, verdict.summary)
    if check.is_marked:
        _tag(carrier, check, verdict)
        if carrier is not reports[-1]:  # where JUnit looks for properties
            reports[-1].user_properties += properties(check, verdict)
    elif verdict.flaky:
        _count_as_flaky(carrier)
    return list(reports)


def _add_tries(report: pytest.TestReport, verdict: Verdict) -> None:
    """Show what the earlier tries printed, and why they failed, before what the last one did."""
    shown = []
    for number, each in enumerate(verdict.tries[:-1], start=1):
        title = f"Try {number}: {neutral(each.summary or str(each.outcome), keep_newlines=False)}"
        title += f" after {seconds(each.duration_s)}"
        shown.append((title, neutral("\n".join(filter(None, (each.details, each.output))))))
    report.sections[:0] = shown


def _head_with(longrepr: object, summary: str) -> None:
    """Let pytest's short summary say what the verdict says: a time limit, or an exit status without a class's name."""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None and summary:
        crash.message = neutral(summary, keep_newlines=False)


def _joined(carrier: pytest.TestReport, own: pytest.TestReport) -> Any:
    """pytest's traceback stays where there is one, since it shows what was running."""
    return carrier.longrepr if own.outcome == "failed" and carrier.longrepr else own.longrepr


def _report(item: pytest.Item, check: Check, verdict: Verdict) -> pytest.TestReport:
    if not check.place.line:
        file, line, _ = item.location
        check = check.replaced(place=Place(file=file, line=0 if line is None else line + 1))
    report = pytest.TestReport(
        item.nodeid,
        item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome=report_outcome(verdict),
        longrepr=None,
        when="call",
        duration=verdict.duration_s,
    )
    if report.outcome == "failed":
        report.longrepr = VerdictRepr(check, verdict, is_one_line=item.config.getoption("tbstyle", "") == "line")
    elif report.outcome == "skipped":
        reason = neutral(verdict.reason or verdict.summary, keep_newlines=False)
        report.longrepr = (check.place.file, check.place.line, reason)
    _add_tries(report, verdict)
    if verdict.output:
        report.sections.append(("Captured stdout call", neutral(verdict.output)))
    if check.is_marked:
        _tag(report, check, verdict)
    return report


def _tag(report: pytest.TestReport, check: Check, verdict: Verdict) -> None:
    report.user_properties += properties(check, verdict)
    report.__dict__.update(paragate=category(verdict, report), paragate_is_news=True)


def _count_as_flaky(report: pytest.TestReport) -> None:
    """An ordinary test has a letter like any other, and no line of its own."""
    report.__dict__.update(paragate="flaky", paragate_is_news=False)


def properties(check: Check, verdict: Verdict) -> list[tuple[str, object]]:
    """What JUnit and other reports say about a check beyond pytest's own words."""
    found: list[tuple[str, object]] = [("agent", check.agent), ("outcome", str(verdict.outcome))]
    if verdict.tries:
        found.append(("tries", len(verdict.tries)))
    if verdict.slot is not None:
        found.append(("slot", verdict.slot))
    return found


def revived(config: pytest.Config, data: Mapping[str, Any], *, is_trusted: bool = True) -> pytest.TestReport:
    """A report that crossed a gateway. What a check printed or raised is not trusted to be harmless to a terminal."""
    data = dict(data)
    if not is_trusted:
        data.update({name: _neutral(data[name]) for name in ("longrepr", "sections", "wasxfail") if name in data})
    report: pytest.TestReport = config.hook.pytest_report_from_serializable(config=config, data=data)
    report.user_properties = [(name, value) for name, value in report.user_properties]
    subtest = data.get("_subtest.context")
    if subtest is not None:  # pytest shows the representation of its values, and here that of their representation
        report.context.kwargs.update(subtest["kwargs"])
    return report


def _neutral(value: Any) -> Any:
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, dict):
        return {key: _neutral(each) for key, each in value.items()}
    return type(value)(_neutral(each) for each in value) if isinstance(value, (list, tuple)) else value

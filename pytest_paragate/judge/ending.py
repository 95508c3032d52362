"""From how something ended to its outcome: exit statuses, signals, time limits, pytest's phases."""

import signal
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from pytest_paragate.verdict import Outcome


class Ending(NamedTuple):
    """An outcome with its one line for people; ``reason`` is None for what passed."""

    outcome: Outcome
    summary: str = ""
    reason: str | None = None


def signal_name(signum: int) -> str:
    """``SIGSEGV`` for 11; ``signal 99`` where the system has no name."""
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


def status_text(returncode: int) -> str:
    """``exit status 1`` or ``SIGSEGV``."""
    return signal_name(-returncode) if returncode < 0 else f"exit status {returncode}"


def of_command(
    *,
    returncode: int,
    timed_out: bool,
    stop_reason: str | None,
    timeout_s: float | None,
    leaked: Sequence[str] = (),
    fails_on_leak: bool = False,
) -> Ending:
    """The ending of a command. ``stop_reason`` is set when we ended it; then it cannot pass, whatever it returned."""
    if timed_out:
        text = f"took longer than {timeout_s:g} s" if timeout_s is not None else "took too long"
        return Ending(outcome=Outcome.TIMEOUT, summary=text, reason=text)
    if stop_reason is not None:
        return Ending(outcome=Outcome.CANCELLED, summary=stop_reason, reason=stop_reason)
    if returncode < 0:
        text = status_text(returncode)
        return Ending(outcome=Outcome.CRASHED, summary=text, reason=f"ended by {text}")
    if returncode > 0:
        text = status_text(returncode)
        return Ending(outcome=Outcome.FAILED, summary=text, reason=text)
    if leaked and fails_on_leak:
        text = f"left behind {', '.join(leaked)}"
        return Ending(outcome=Outcome.FAILED, summary=text, reason=text)
    return Ending(outcome=Outcome.PASSED)


def of_item(
    reports: Sequence[Mapping[str, Any]],
    commands: Sequence[Mapping[str, Any]],
    *,
    internal_error: str | None = None,
    leaked: Sequence[str] = (),
    fails_on_leak: bool = False,
) -> Ending:
    """The ending of a function check or test from pytest's serialised reports of its phases."""
    if internal_error is not None:
        text = internal_error.strip().rpartition("\n")[2]
        return Ending(outcome=Outcome.ERROR, summary=text, reason=f"pytest failed around it: {text}")
    for report in reports:
        if report["outcome"] == "failed":
            return _of_failed_phase(report, commands)
    if leaked and fails_on_leak:
        text = f"left behind {', '.join(leaked)}"
        return Ending(outcome=Outcome.FAILED, summary=text, reason=text)
    for report in reports:
        if report["outcome"] == "skipped":
            text = _skip_reason(report)
            return Ending(outcome=Outcome.SKIPPED, summary=text, reason=text or None)
    if not any(report["when"] == "call" for report in reports):
        text = "nothing ran"
        return Ending(outcome=Outcome.ERROR, summary=text, reason=text)
    return Ending(outcome=Outcome.PASSED)


def _of_failed_phase(report: Mapping[str, Any], commands: Sequence[Mapping[str, Any]]) -> Ending:
    text = crash_message(report)
    if report["when"] != "call":
        return Ending(outcome=Outcome.ERROR, summary=text, reason=f"error at {report['when']}: {text}")
    last = commands[-1] if commands else {}
    if last.get("cannot_start"):
        return Ending(outcome=Outcome.ERROR, summary=text, reason=text)
    if last.get("timed_out") and last.get("checked"):
        return Ending(outcome=Outcome.TIMEOUT, summary=text, reason=text)
    return Ending(outcome=Outcome.FAILED, summary=text, reason=text)


def crash_message(report: Mapping[str, Any]) -> str:
    """The first line of what went wrong, from a serialised report."""
    longrepr = report.get("longrepr")
    if isinstance(longrepr, Mapping):
        crash = longrepr.get("reprcrash") or {}
        text = str(crash.get("message", "")) or str(longrepr)
    else:
        text = str(longrepr or "")
    lines = text.strip().splitlines()
    # pytest marks the line that says what was wrong; without one, the first has to do.
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    first = next(iter(marked or _doctest_words(lines) or lines), "")
    # The exception's class is noise for people when it is one that paragate_run or pytest.fail raises.
    for name in ("pytest_paragate.run.command.CommandFailed", "pytest_paragate.model.DeclarationError", "Failed"):
        first = first.removeprefix(f"{name}: ")
    return first


def _doctest_words(lines: Sequence[str]) -> list[str]:
    """What went wrong, where ``lines`` tell of an example in a docstring: they begin with its source."""
    if not lines or not lines[-1].endswith((": DocTestFailure", ": UnexpectedException")):
        return []
    for number, line in enumerate(lines):
        if line.startswith("UNEXPECTED EXCEPTION: "):
            return [line.partition(": ")[2]]
        if line.startswith(("Expected", "Differences (")):
            words = list(takewhile(str.strip, lines[number:-1]))
            return [" ".join(word.strip() for word in words)]
    return []


def _skip_reason(report: Mapping[str, Any]) -> str:
    if "wasxfail" in report:
        return f"expected to fail: {report['wasxfail']}" if report["wasxfail"] else "expected to fail"
    longrepr = report.get("longrepr")
    if isinstance(longrepr, (tuple, list)) and len(longrepr) == 3:
        return str(longrepr[2]).removeprefix("Skipped: ")
    return ""

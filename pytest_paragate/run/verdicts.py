"""From what a worker said, or how it died, to the verdict of the check that it ran."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_paragate.judge import ending
from pytest_paragate.model import GROUP_PREFIX, Check, Value
from pytest_paragate.run import messages
from pytest_paragate.run.excerpt import read_excerpt
from pytest_paragate.run.messages import LOST_CONNECTION
from pytest_paragate.verdict import Leaked, Outcome, Verdict

if TYPE_CHECKING:
    from pytest_paragate.judge.baseline import Baselines
    from pytest_paragate.judge.facts import Metric
    from pytest_paragate.run.audience import Reports


# What ends within this time of being told to has ended by itself in the same instant, seconds.
_INSTANT_S = 0.1


class Order(Value):
    """That the gate told the check to end, and why."""

    reason: str
    is_timeout: bool


def of_news(
    check: Check,
    kind: str,
    news: Sequence[Any],
    order: Order | None,
    told_s: float | None,
    *,
    gate_started_at: float,
    baselines: Callable[[], Baselines] | None = None,
) -> tuple[Verdict, Reports, Mapping[str, Any]]:
    """The verdict of an item that has ended, from news of that ``kind`` (see ``messages``); pytest's reports, and
    the facts that came with it. ``told_s`` is when it was first told to end."""
    reports: Reports = ()
    facts: Mapping[str, Any] = {}
    if kind == "passed":
        _, _, started_at, duration_s, reports, *cpu_s = news
        start_s = started_at - gate_started_at
        verdict = Verdict(
            outcome=Outcome.PASSED, start_s=start_s, duration_s=duration_s, cpu_s=cpu_s[0] if cpu_s else None
        )
        verdict = _judged(verdict, check, (), baselines)
    elif kind in ("ended", "command"):
        facts = news[2] if kind == "command" else dict(zip(messages.ENDED, news[2:], strict=True))
        verdict = _of_command(check, facts, order, gate_started_at, baselines)
    elif kind == "item":
        facts = messages.unpacked(news[2])
        verdict = _of_item(check, facts, order, gate_started_at, baselines)
        reports = facts["reports"]
    else:  # cannot, differs
        verdict = Verdict(outcome=Outcome.ERROR, summary=news[2], reason=news[2])
    if kind in ("passed", "item") and order is not None and told_s is not None:
        late = _of_late(verdict, check, order, told_s)
        if late is not None:
            verdict, reports = late, () if kind == "passed" else reports
    return verdict, reports, facts


def of_drop(reason: str) -> Verdict:
    """The verdict of a check that will not run, for a reason that has nothing to do with it."""
    return Verdict(outcome=Outcome.CANCELLED, summary=reason, reason=reason)


def of_block(cause: str, verdict: Verdict | None, group: str | None) -> Verdict:
    """The verdict of a check that needs ``cause``, by name, or a group that cannot be met because of it."""
    words = {
        Outcome.TIMEOUT: "took too long",
        Outcome.ERROR: "could not run",
        Outcome.BLOCKED: "is blocked itself",
        Outcome.CANCELLED: "was cancelled",
        Outcome.UNMET: "did not meet a criterion",
        Outcome.UNREADABLE: "could not be read",
    }
    past = "did not pass" if verdict is None else words.get(verdict.outcome, str(verdict.outcome))
    if group is None:
        needed, reason = cause, f"needs {cause}, which {past}"
    else:
        needed = f"{GROUP_PREFIX}{group}"
        reason = f"needs {needed}, which can no longer be met: {cause} {past}"
    return Verdict(outcome=Outcome.BLOCKED, summary=f"needs {needed}", reason=reason)


def _of_command(
    check: Check,
    facts: Mapping[str, Any],
    order: Order | None,
    gate_started_at: float,
    baselines: Callable[[], Baselines] | None,
) -> Verdict:
    """The verdict of a command that ran to its end, or to the one it was told."""
    leaked = tuple(Leaked(**leak) for leak in facts.get("leaked", ()))
    was_stopped = facts.get("stopped", False)
    was_late = order is not None and order.is_timeout
    ended = ending.of_command(
        returncode=facts["returncode"],
        timed_out=facts.get("timed_out", False) or (was_late and was_stopped),
        stop_reason=(order.reason if order else "told to end") if was_stopped else None,
        timeout_s=check.timeout_s,
        leaked=[str(leak) for leak in leaked],
        fails_on_leak=check.leaks == "fail",
    )
    verdict = Verdict(
        outcome=ended.outcome,
        summary=ended.summary,
        reason=ended.reason,
        leaked=leaked,
        start_s=facts["started_at"] - gate_started_at,
        duration_s=facts["duration_s"],
        cpu_s=facts["cpu_s"],
        max_rss_kb=facts["max_rss_kb"],
        exit_code=facts["returncode"],
        log=facts.get("log"),
        output=facts.get("output", ""),
    )
    return _judged(verdict, check, [facts], baselines)


def _judged(
    verdict: Verdict,
    check: Check,
    commands: Sequence[Mapping[str, Any]],
    baselines: Callable[[], Baselines] | None,
) -> Verdict:
    if not check.expect and not any("judged" in command for command in commands):
        return verdict
    from pytest_paragate.run.judging import judged

    return judged(verdict, check, commands, baselines)


def _of_item(
    check: Check,
    facts: Mapping[str, Any],
    order: Order | None,
    gate_started_at: float,
    baselines: Callable[[], Baselines] | None,
) -> Verdict:
    """The verdict of a function check or test from pytest's reports of it."""
    commands = facts["commands"]
    leaks = [*facts["leaked"], *(leak for command in commands for leak in command.get("leaked", ()))]
    leaked = tuple(Leaked(**leak) for leak in leaks)
    if facts["stopped"] and order is None:
        ended = ending.of_command(returncode=-signal.SIGTERM, timed_out=False, stop_reason=None, timeout_s=None)
    elif facts["stopped"] and order is not None:
        ended = _of_order(check, order, returncode=0)
    elif facts["ended_session"]:
        text = facts["ended_session"][1]
        ended = ending.Ending(outcome=Outcome.FAILED, summary=text, reason=f"asked to end the session: {text}")
    else:
        ended = ending.of_item(
            facts["reports"],
            commands,
            internal_error=facts["internal_error"],
            leaked=[str(leak) for leak in leaked],
            fails_on_leak=check.leaks == "fail",
        )
    verdict = Verdict(
        outcome=ended.outcome,
        summary=ended.summary,
        reason=ended.reason,
        leaked=leaked,
        start_s=facts["started_at"] - gate_started_at,
        duration_s=facts["duration_s"],
        cpu_s=facts["cpu_s"],
        counts={name: number for name, number in facts["facts"].items() if isinstance(number, int)},
        metrics=_measured(facts["facts"]),
        max_rss_kb=_largest(commands),
        exit_code=commands[-1].get("returncode") if commands else None,
        output=_printed(facts["reports"]) if ended.outcome is Outcome.CANCELLED else "",
        details=facts["internal_error"] or "",
    )
    return _judged(verdict, check, commands, baselines)


def _of_late(verdict: Verdict, check: Check, order: Order, told_s: float) -> Verdict | None:
    """The verdict of an item that went on after it was told to end, at ``told_s``, and then came to a good end."""
    has_gone_on = (verdict.start_s or 0.0) + verdict.duration_s > told_s + _INSTANT_S
    if not verdict.outcome.is_good or not has_gone_on:
        return None
    ended = _of_order(check, order, returncode=0)
    return verdict._replace(outcome=ended.outcome, summary=ended.summary, reason=ended.reason)


def _measured(facts: Mapping[str, int | float]) -> Mapping[str, Metric]:
    measured = {name: number for name, number in facts.items() if isinstance(number, float)}
    if not measured:
        return {}
    from pytest_paragate.judge.facts import Metric

    return {name: Metric(number) for name, number in measured.items()}


def _printed(reports: Sequence[Mapping[str, Any]]) -> str:
    from pytest_paragate.run.tries import printed

    return printed(reports)


def of_death(
    check: Check,
    worker: str,
    status: int | None,
    why: str | None,
    order: Order | None,
    *,
    was_stopped: bool,
    last_words: str,
) -> Verdict:
    """The verdict of a check whose worker died under it, or could not be started for it (``why``).

    ``was_stopped`` tells that the worker was killed because a signal had stopped it.
    """
    how = why or how_ended(status)
    if order is not None:
        ended = _of_order(check, order, returncode=status or 0)
    elif was_stopped and why is None:
        text = "stopped by a signal and not continued"
        ended = ending.Ending(outcome=Outcome.CRASHED, summary=text, reason=f"worker {worker} was {text}")
    elif why is not None:
        ended = ending.Ending(outcome=Outcome.ERROR, summary=how, reason=how)
    else:
        ended = ending.Ending(outcome=Outcome.CRASHED, summary=how, reason=f"worker {worker} died: {how}")
    return Verdict(
        outcome=ended.outcome, summary=ended.summary, reason=ended.reason, exit_code=status, details=last_words
    )


def last_words(crash_path: str) -> str:
    """What a dead worker wrote past pytest: a crash dump, an abort message."""
    try:
        lines = read_excerpt(crash_path).text.splitlines(keepends=True)
    except OSError:
        return ""
    # Of a stack, what lies below the test is the same for all of them.
    is_below = False
    kept = []
    for line in lines:
        is_frame = line.startswith('  File "')
        is_below = is_frame and (is_below or f"{os.sep}_pytest{os.sep}" in line)
        if not is_below:
            kept.append(line)
    return "".join(kept)


def place_of_death(crash_path: str) -> str:
    """Where a worker crashed outside of an item, for a sentence: the outermost of its frames that is not pytest's."""
    *_, dump = last_words(crash_path).rpartition("Current thread ")
    frames = re.findall(r'^  File "(.+)", line (\d+) in (.+)$', dump, re.MULTILINE)
    if not frames:
        return ""
    path, line, function = frames[-1]
    return f" in {function} ({path}:{line})"


def _of_order(check: Check, order: Order, *, returncode: int) -> ending.Ending:
    return ending.of_command(
        returncode=returncode,
        timed_out=order.is_timeout,
        stop_reason=order.reason,
        timeout_s=check.timeout_s,
    )


def how_ended(status: int | None) -> str:
    """What became of a worker's process, in words."""
    if status is None or status == LOST_CONNECTION:
        return "its connection to the gate broke (did the check close its file descriptors?)"
    return ending.status_text(status)


def _largest(commands: list[Mapping[str, Any]]) -> int | None:
    return max((command.get("max_rss_kb") or 0 for command in commands), default=0) or None

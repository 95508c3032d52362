"""From what the loop leaves to the result that every report is made of."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import pytest

from pytest_paragate import speedup
from pytest_paragate.plan import Plan
from pytest_paragate.result import CheckResult, GateOutcome, GateResult
from pytest_paragate.run.loop import LoopResult
from pytest_paragate.verdict import Outcome, Verdict


def sum_up(
    plan: Plan,
    loop: LoopResult,
    *,
    wall_s: float,
    started_at: datetime.datetime,
    problems: Sequence[str],
    fails_on_flaky: bool,
    has_lost_baseline: bool,
) -> GateResult:
    """The result of a run; ``problems`` are all that went wrong around the checks."""
    results = tuple(
        CheckResult(
            nodeid=check.nodeid,
            name=check.name,
            kind=check.kind,
            agent=check.agent,
            needs=tuple(plan.checks[other].nodeid for other in plan.needs[index]),
            verdict=loop.verdicts[index],
            is_marked=check.is_marked,
        )
        for index, check in enumerate(plan.checks)
        if index in loop.verdicts
    )
    missing = tuple(check.nodeid for index, check in enumerate(plan.checks) if index not in loop.verdicts)
    took_s = [loop.verdicts[index].busy_s if index in loop.verdicts else 0.0 for index in range(len(plan.checks))]
    fails_on_flaky = fails_on_flaky and any(result.verdict.flaky for result in results)
    outcome, exitstatus = outcome_of(loop, results, missing, fails_on_flaky=fails_on_flaky)
    if has_lost_baseline and outcome == "passed":
        outcome, exitstatus = "failed", pytest.ExitCode.TESTS_FAILED
    return GateResult(
        outcome=outcome,
        exitstatus=exitstatus,
        started_at=_iso(started_at),
        wall_s=wall_s,
        sequential_s=sum(took_s),
        basis="sum",
        limit=speedup.limit(plan, took_s) if results else None,
        slots=plan.slots,
        results=results,
        workers=loop.workers,
        missing=missing,
        problems=tuple(problems),
        groups=loop.groups,
        fails_on_flaky=fails_on_flaky,
    )


def _iso(at: datetime.datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def outcome_of(
    loop: LoopResult, results: Sequence[CheckResult], missing: Sequence[str], *, fails_on_flaky: bool
) -> tuple[GateOutcome, int]:
    """How the gate ended, and pytest's exit status for that."""
    if loop.signum is not None or loop.ended_session is not None:
        return "interrupted", pytest.ExitCode.INTERRUPTED
    if missing:
        return "error", pytest.ExitCode.INTERNAL_ERROR
    if not results:
        return "failed", pytest.ExitCode.NO_TESTS_COLLECTED
    # Without a failure, a group is unmet when too many of its members were skipped.
    is_unmet = any(not group.met and not group.is_excused for group in loop.groups)
    if loop.problems or is_unmet or fails_on_flaky or not all(result.verdict.is_ok for result in results):
        return "failed", pytest.ExitCode.TESTS_FAILED
    return "passed", pytest.ExitCode.OK


def is_complete(loop: LoopResult) -> bool:
    """Whether nothing that was planned was held back or given up."""
    outcomes = {verdict.outcome for verdict in loop.verdicts.values()}
    return outcomes.isdisjoint((Outcome.BLOCKED, Outcome.CANCELLED))


def passed(verdicts: Mapping[int, Verdict]) -> dict[int, Verdict]:
    """Those that passed, by index."""
    return {index: verdict for index, verdict in verdicts.items() if verdict.outcome is Outcome.PASSED}


def durations(plan: Plan, verdicts: Mapping[int, Verdict]) -> dict[str, float]:
    """What history should learn: only from items that ran to their own end."""
    ran = (Outcome.PASSED, Outcome.FAILED, Outcome.UNMET, Outcome.UNREADABLE)
    return {
        plan.checks[index].nodeid: verdict.duration_s
        for index, verdict in verdicts.items()
        if verdict.outcome in ran and verdict.start_s is not None
    }


def empty_result(exitstatus: int, *, has_failed: bool) -> GateResult:
    """The result of a session that ended before its gate could run; ``has_failed`` where that was in collection."""
    is_interrupted = exitstatus == pytest.ExitCode.INTERRUPTED and not has_failed
    return GateResult(
        outcome="interrupted" if is_interrupted else "error",
        exitstatus=exitstatus,
        started_at=_iso(datetime.datetime.now().astimezone()),
        wall_s=0.0,
        sequential_s=0.0,
        basis="sum",
        limit=None,
        slots={},
        results=(),
    )

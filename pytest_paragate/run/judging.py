"""From what judges read where a check ran to its verdict; imported with the first output that a judge knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_paragate.judge.baseline import Baselines
from pytest_paragate.judge.criteria import evaluate, names_in, parse
from pytest_paragate.judge.ending import Ending
from pytest_paragate.judge.facts import Facts, Metric, from_data, merged
from pytest_paragate.judge.settle import Part, settle
from pytest_paragate.model import Check
from pytest_paragate.verdict import Verdict


def judged(
    verdict: Verdict,
    check: Check,
    commands: Sequence[Mapping[str, Any]],
    baselines: Callable[[], Baselines] | None = None,
) -> Verdict:
    """``verdict`` with what was read from the output of the check's commands.

    Its own ``counts`` and ``metrics`` are what a function check has told.
    Each of ``commands`` may have ``judged``, as :func:`pytest_paragate.judge.facts.to_data` gives it, and ``checked``,
    false where a function looks at the exit status itself.
    """
    parts = [
        Part(from_data(command["judged"]), bool(command.get("checked", True)))
        for command in commands
        if command.get("judged")
    ]
    own = _own(verdict)
    given = {**dict(_of_command(verdict)), **own}
    expect = tuple(text for text in check.expect if not _is_bounded(text, verdict, commands))
    benchmarks = _benchmarks(parts)
    if benchmarks and baselines is not None:
        known = baselines()
        given |= known.compared(check.nodeid, benchmarks)
        if any(part.facts.metrics_cut for part in parts):
            given.pop("regression", None)  # it may be that of a benchmark that was not kept
        if known.is_accepting:
            # What is being accepted is not compared with what it replaces.
            expect = tuple(text for text in expect if not _speaks_of_baseline(text))
    ended = Ending(outcome=verdict.outcome, summary=verdict.summary, reason=verdict.reason)
    ended, facts = settle(ended, parts, expect, given)
    verdict = verdict._replace(outcome=ended.outcome, summary=ended.summary, reason=ended.reason)
    if facts is None:
        return verdict
    metrics = {**facts.metrics, **{name: metric for name, metric in given.items() if name.startswith("regression")}}
    return verdict._replace(
        # What a function says itself it knows better than what was read from the output of its commands.
        counts={**{name: count for name, count in facts.counts.items() if name not in own}, **verdict.counts},
        metrics={**{name: metric for name, metric in metrics.items() if name not in own}, **verdict.metrics},
        issues=tuple(facts.issues),
        issues_cut=facts.issues_cut,
        judge=facts.tool,
    )


def _own(verdict: Verdict) -> dict[str, Metric]:
    """What the check has told itself, with ``paragate_facts``."""
    return {**{name: Metric(float(count)) for name, count in verdict.counts.items()}, **verdict.metrics}


def _of_command(verdict: Verdict) -> Iterator[tuple[str, Metric]]:
    yield "duration_s", Metric(verdict.duration_s, "s")
    if verdict.cpu_s is not None:
        yield "cpu_s", Metric(verdict.cpu_s, "s")
    if verdict.max_rss_kb is not None:
        yield "max_rss_kb", Metric(float(verdict.max_rss_kb))


def _is_bounded(text: str, verdict: Verdict, commands: Sequence[Mapping[str, Any]]) -> bool:
    """Whether ``text`` allows more memory than the commands can have used, of which no more is known than that."""
    if "max_rss_kb" not in text or verdict.max_rss_kb is not None:
        return False
    bounds_kb = [command.get("rss_below_kb") for command in commands]
    if not bounds_kb or None in bounds_kb:
        return False
    criterion = parse(text)
    given = {"max_rss_kb": Metric(float(max(bound for bound in bounds_kb if bound is not None)))}
    is_limit = criterion.fact == "max_rss_kb" and criterion.sign in ("<=", "<") and criterion.other is None
    return is_limit and evaluate(criterion, Facts(tool=""), given) is None


def _benchmarks(parts: Sequence[Part]) -> dict[str, Metric]:
    """By the names under which they are accepted, where several commands have measured one."""
    facts = merged(part.facts for part in parts)
    return {name: metric for name, metric in facts.metrics.items() if metric.is_benchmark} if facts is not None else {}


def _speaks_of_baseline(text: str) -> bool:
    return any(name.partition("[")[0] == "regression" for name in names_in([text]))

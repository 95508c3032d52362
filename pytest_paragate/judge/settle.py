"""From how a command ended, what judges read and what was expected, to how the check ends. Pure.

- A check that did not pass by its exit status does not pass by its output.
- An exit status of 0 passes unless a criterion is not met, or could not be read: the check's own criteria, and the
  judge's, which are given up one by one where the check's own speak of the same fact. That something ran at all is
  given up only where the check compares how much ran with a number.
- What one command of a check found says nothing about it where another one's output was not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_paragate.judge import criteria
from pytest_paragate.judge.ending import Ending
from pytest_paragate.judge.facts import Facts, Metric, merged, summary_of
from pytest_paragate.verdict import Outcome

# Facts of which judges want at least one.
_WORK = ("ran", "tests", "total", "empty_runs", "files", "benchmarks", "audited")
_TROUBLE = ("failed", "errors", "issues", "leaks", "leaked_bytes")


class Part(NamedTuple):
    """What was read of one command; ``is_checked`` is false where a function looks at its exit status itself."""

    facts: Facts
    is_checked: bool = True


def settle(
    ended: Ending, parts: Sequence[Part], expect: Sequence[str], given: Mapping[str, Metric]
) -> tuple[Ending, Facts | None]:
    """The ending with what was read taken into account, and the facts of all commands as one.

    ``given`` are facts beside the judges': durations, and how benchmarks compare with their baseline.
    """
    facts = merged([part.facts for part in parts])
    if ended.outcome is not Outcome.PASSED:
        return _described(ended, facts), facts
    problems: list[criteria.Unmet] = []
    spoken_of = criteria.names_in(expect)
    numbered = criteria.names_in(text for text in expect if criteria.parse(text).other is None)
    for part in parts:
        if not part.is_checked:
            continue
        wanted = [criteria.parse(text) for text in part.facts.wanted]
        problems += [
            _worded(criterion, unmet, part.facts)
            for criterion in wanted
            if not criteria.names_in([criterion.text]) & (numbered if criterion.fact in _WORK else spoken_of)
            and (unmet := criteria.evaluate(criterion, part.facts, given)) is not None
        ]
        if part.facts.unread and part.facts.needs_output:
            problems.append(criteria.Unmet(part.facts.unread, is_unreadable=True))
    everything = facts or Facts(tool="")
    unread = next((part.facts.unread for part in parts if part.is_checked and part.facts.unread), None)
    for text in expect:
        criterion = criteria.parse(text)
        unmet = criteria.evaluate(criterion, everything, given)
        is_certain = unmet is not None and not unmet.is_unreadable and criteria.is_certain(criterion, holds=False)
        if unread is not None and not is_certain and _is_read(criterion, everything, given):
            unmet = criteria.Unmet(f"wanted {criterion.text}, and {unread}", is_unreadable=True)
        if unmet is not None:
            problems.append(unmet)
    if not problems:
        return ended._replace(summary=_summary(facts)), facts
    worst = min(problems, key=lambda unmet: unmet.is_unreadable)
    outcome = Outcome.UNREADABLE if worst.is_unreadable else Outcome.UNMET
    return Ending(outcome=outcome, summary=worst.text, reason=worst.text), facts


def _is_read(criterion: criteria.Criterion, facts: Facts, given: Mapping[str, Metric]) -> bool:
    """Whether a criterion speaks of what is read from outputs, and not only of what is known beside them."""
    named = [name for name in (criterion.fact, criterion.other) if name is not None]
    return any(
        name not in given or name.partition("[")[0] == "regression" or criteria.value_of(name, facts, {})
        for name in named
    )


def _worded(criterion: criteria.Criterion, unmet: criteria.Unmet, facts: Facts) -> criteria.Unmet:
    """What a judge expects, said for somebody who never wrote it down."""
    if unmet.is_unreadable:
        return unmet
    if criterion.fact == "empty_runs":
        runs = facts.counts["empty_runs"]
        return unmet._replace(text=f"{summary_of(facts)}, and no tests ran in {runs} of several runs")
    if criterion.fact in _WORK:
        return unmet._replace(text=summary_of(facts))
    return unmet._replace(text=f"{facts.tool} says {summary_of(facts)}, although the exit status is 0")


def _summary(facts: Facts | None) -> str:
    if facts is None:
        return ""
    return f"not judged: {facts.unread}" if facts.unread else summary_of(facts)


def _described(ended: Ending, facts: Facts | None) -> Ending:
    """What the tool found says more than its exit status, where it says that something is wrong."""
    if facts is None or facts.unread or ended.outcome is not Outcome.FAILED:
        return ended
    summary = summary_of(facts)
    if not summary:
        return ended
    if any(facts.counts.get(name) for name in _TROUBLE):
        return ended._replace(summary=summary)
    return ended._replace(summary=f"{ended.summary} ({summary})" if ended.summary else summary)

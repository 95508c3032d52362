"""Asks a judge that users or plugins bring. It is their code, so nothing about its answer is taken for granted.

What is wrong with an answer is told where the judge's name is known: later it would take the gate down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from pytest_paragate.judge import criteria
from pytest_paragate.judge.facts import Facts, Issue, Metric, broken
from pytest_paragate.judge.output import Output

_SEVERITIES = ("error", "warning", "note")


def ask(name: str, judge: Callable[[Output], object], output: Output) -> Facts | None:
    """The facts that the judge ``name`` answers with; None when it has nothing to say."""
    try:
        return _facts_of(name, judge(output))
    except BaseException as problem:  # it may call sys.exit or pytest.fail, and must not end the worker by that
        return broken(name, problem)


def _facts_of(name: str, answer: object) -> Facts | None:
    if answer is None:
        return None
    if isinstance(answer, Facts):
        return _sound(answer)
    if not isinstance(answer, Mapping):
        raise TypeError(f"it returned {_kind(answer)}, and neither Facts, a mapping of names to numbers, nor None")
    facts = Facts(tool=name)
    for key, value in answer.items():
        if isinstance(value, int):
            facts.count(str(key), int(value))
        else:
            facts.measure(str(key), float(value))
    return facts


def _sound(facts: Facts) -> Facts:
    for field in ("tool", "summary"):
        _want(field, getattr(facts, field), str)
    _want("unread", facts.unread, str, type(None))
    _want("issues_cut", facts.issues_cut, int)
    _want("answers", facts.answers, int, type(None))
    _want("metrics_cut", facts.metrics_cut, int)
    for field, kind in (("counts", dict), ("metrics", dict), ("issues", list), ("wanted", list)):
        _want(field, getattr(facts, field), kind)
    for name, metric in facts.metrics.items():
        _want("a metric's name", name, str)
        _want(f"metrics[{name!r}]", metric, Metric)
        for number in (metric.value, metric.spread):
            _want(f"a number in metrics[{name!r}]", number, int, float)
            if not math.isfinite(number):
                raise ValueError(f"a number in metrics[{name!r}] is {number}")
        _want(f"the unit of metrics[{name!r}]", metric.unit, str)
        _want(f"the repeats of metrics[{name!r}]", metric.repeats, int)
    for issue in facts.issues:
        _want("an issue", issue, Issue)
        for field in ("tool", "message"):
            _want(f"an issue's {field}", getattr(issue, field), str)
        for field in ("file", "rule"):
            _want(f"an issue's {field}", getattr(issue, field), str, type(None))
        for field in ("line", "column"):
            _want(f"an issue's {field}", getattr(issue, field), int, type(None))
        if issue.severity not in _SEVERITIES:
            raise ValueError(f"an issue's severity is {issue.severity!r}, and neither {', '.join(_SEVERITIES)}")
    for text in facts.wanted:
        _want("a criterion in wanted", text, str)
        try:
            criteria.parse(text)
        except criteria.CriterionError as problem:
            raise ValueError(f"wanted cannot contain {text!r}: {problem.what}; {problem.hint}") from None
    return facts


def _want(what: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds):
        raise TypeError(f"{what} is {_kind(value)}, and not {kinds[0].__name__}")


def _kind(value: object) -> str:
    return f"{type(value).__name__} {value!r}"[:120]

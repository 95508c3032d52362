"""What a check expects: one fact compared with a number, a percentage or another fact.

``passed == total``, ``issues <= 3``, ``coverage >= 90``, ``failed <= 5%``, ``peak <= 64 MiB``, ``time[parse] < 2ms``.
A percentage of something that is no percentage itself is a share of ``total``. ``total`` means ``tests``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from pytest_paragate.judge.facts import MOST_METRICS, Facts, Metric, counted, shown
from pytest_paragate.model import nearest

FORMS = 'write a fact, a comparison and a number, a percentage or another fact, such as "issues <= 3"'

# Facts that the command itself gives, whether or not a judge knows it.
OF_COMMANDS = ("duration_s", "cpu_s", "max_rss_kb")
# Other words for a fact; a default that speaks of one is given up for an expectation of any.
_ALIASES = {"total": "tests", "ran": "tests"}
_TOTALS = ("total", "tests", "ran")

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_NAME = r"[A-Za-z_][\w.-]*(?:\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])?"
_CRITERION = re.compile(
    rf"\s*({_NAME})\s*(==|!=|<=|>=|<|>)\s*(?:([+-]?\d+(?:_?\d)*(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z%]*)|({_NAME}))\s*",
    re.ASCII,
)
_UNITS = {
    "": ("", 1.0), "%": ("%", 1.0),
    "ns": ("s", 1e-9), "us": ("s", 1e-6), "ms": ("s", 1e-3), "s": ("s", 1.0), "m": ("s", 60.0), "min": ("s", 60.0),
    "B": ("B", 1.0), "bytes": ("B", 1.0), "kB": ("B", 1e3), "KB": ("B", 1e3), "MB": ("B", 1e6), "GB": ("B", 1e9),
    "KiB": ("B", 2.0**10), "MiB": ("B", 2.0**20), "GiB": ("B", 2.0**30),
}  # fmt: skip


class CriterionError(ValueError):
    """A text that is no criterion; ``hint`` says what to write instead."""

    def __init__(self, what: str, hint: str = FORMS) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class Criterion(NamedTuple):
    """``fact sign number unit`` or ``fact sign other``; ``number`` is in seconds or bytes where there is a unit."""

    text: str
    fact: str
    sign: str
    number: float = 0.0
    unit: str = ""
    other: str | None = None


class Unmet(NamedTuple):
    """A criterion that does not hold, in words; ``is_unreadable`` when it could not be told whether it does."""

    text: str
    is_unreadable: bool = False


def parse(text: str) -> Criterion:
    """The criterion that ``text`` is.

    Raises:
        CriterionError: it is none.
    """
    if len(text) > 500:
        raise CriterionError("it is too long")
    match = _CRITERION.fullmatch(text)
    if match is None:
        if wrong_way := re.search("=[<>]", text):
            raise CriterionError(f"`{wrong_way[0]}` is no comparison", f"write `{wrong_way[0][::-1]}`")
        if re.search(r"[^=!<>]=[^=]", f" {text} ") and "==" not in text and not re.search("[<>!]=", text):
            raise CriterionError("`=` is no comparison", "write `==`")
        if re.search(r"\b(and|or|not)\b|,|&&|\|\|", text):
            raise CriterionError("it is more than one comparison", 'write expect=["…", "…"]; all of them must hold')
        raise CriterionError("it is no comparison")
    fact, sign, number, unit, other = match.groups()
    if other is not None:
        if other == fact:
            raise CriterionError("it compares a fact with itself")
        return Criterion(text=" ".join(text.split()), fact=fact, sign=sign, other=other)
    if unit not in _UNITS:
        guess = nearest(unit, _UNITS)
        hint = f"did you mean `{guess}`?" if guess else f"units are {', '.join(filter(None, _UNITS))}"
        raise CriterionError(f"`{unit}` is no unit", hint)
    base, factor = _UNITS[unit]
    value = float(number) * factor
    if value in (float("inf"), float("-inf")):
        raise CriterionError(f"{number} is too large")
    return Criterion(text=" ".join(text.split()), fact=fact, sign=sign, number=value, unit=base)


def names_in(criteria: Iterable[str]) -> set[str]:
    """The facts that criteria speak of, all words for the number of tests among them if one is."""
    found = spoken_of(criteria)
    return found | set(_TOTALS) if found & {*_TOTALS, "empty_runs"} else found


def spoken_of(criteria: Iterable[str]) -> set[str]:
    """The facts that criteria name."""
    return {name for each in map(parse, criteria) for name in (each.fact, each.other) if name}


def value_of(name: str, facts: Facts, given: Mapping[str, Metric]) -> list[Metric]:
    """Every value that there is for a fact; several where several commands measured it."""
    for known in (name, _ALIASES.get(name, name)):
        if known in facts.counts:
            return [Metric(float(facts.counts[known]))]
        found = [metric for key, metric in facts.metrics.items() if key == known or key.startswith(f"{known}#")]
        if found:
            return found
        if known in given:
            return [given[known]]
    return []


def evaluate(criterion: Criterion, facts: Facts, given: Mapping[str, Metric]) -> Unmet | None:
    """None when the criterion holds. ``given`` are facts beside the judge's, by name."""
    left = value_of(criterion.fact, facts, given)
    missing = criterion.fact if not left else None
    right = [Metric(criterion.number, criterion.unit)]
    if criterion.other is not None:
        right = value_of(criterion.other, facts, given)
        missing = missing or (criterion.other if not right else None)
    if missing is not None:
        return Unmet(_missing(criterion, missing, facts, given), is_unreadable=True)
    for value in left:
        for bound in right:
            unmet = _compare(criterion, value, bound, facts, given)
            if unmet is not None:
                return unmet
    return None


def _compare(
    criterion: Criterion, value: Metric, bound: Metric, facts: Facts, given: Mapping[str, Metric]
) -> Unmet | None:
    limit, found, is_count = bound.value, shown(value.value, value.unit), value.unit == ""
    if bound.unit == "%" and value.unit == "":
        total = value_of("total", facts, given)
        if not total or criterion.other is not None:
            return Unmet(f"wanted {criterion.text}, and {criterion.fact} is no percentage", is_unreadable=True)
        if total[0].value == 0:
            return Unmet(f"wanted {criterion.text}, found a total of 0")
        share = 100.0 * value.value / total[0].value
        value, found = Metric(share, "%"), f"{found} of {shown(total[0].value, '')} ({shown(share, '%')})"
    elif bound.unit and bound.unit != value.unit:
        kind = {"%": "a percentage", "s": "a time", "B": "a size"}[bound.unit]
        return Unmet(f"wanted {criterion.text}, and {criterion.fact} is not {kind}", is_unreadable=True)
    if criterion.other is not None:
        found += f" ({criterion.other} is {shown(limit, bound.unit)})"
    holds = _OPERATORS[criterion.sign](value.value, limit)
    if facts.is_cut and is_count and not is_certain(criterion, holds=holds):
        return Unmet(f"wanted {criterion.text}, found at least {found}: the output is too large", is_unreadable=True)
    return None if holds else Unmet(f"wanted {criterion.text}, found {found}")


def is_certain(criterion: Criterion, *, holds: bool) -> bool:
    """Whether more of what was counted could not change the answer; it can change every share."""
    if criterion.other is not None or criterion.unit == "%":
        return False
    if criterion.sign in (">=", ">"):
        return holds
    return criterion.sign in ("<=", "<", "==") and not holds


def _missing(criterion: Criterion, name: str, facts: Facts, given: Mapping[str, Metric]) -> str:
    known = [*facts.counts, *(key for key in facts.metrics if "#" not in key), *given]
    if name in OF_COMMANDS:
        return f"wanted {criterion.text}, and {name} is not known here"
    if facts.unread:
        return f"wanted {criterion.text}, and {facts.unread}"
    if not facts.tool:
        return f"wanted {criterion.text}, and no judge knows this output"
    if facts.metrics_cut and ("[" in name or name == "regression"):
        return (
            f"wanted {criterion.text}, and {counted(facts.metrics_cut, 'metric')} beyond {MOST_METRICS} cannot be kept"
        )
    if name == "regression":
        return f"wanted {criterion.text}, and not every benchmark has an accepted baseline: run with --paragate-accept"
    guess = nearest(name, known)
    some = ", ".join(known[:12]) or "nothing"
    asked = f"; did you mean {guess}?" if guess else ""
    return f"wanted {criterion.text}, and the judge for {facts.tool} says nothing about {name}, only: {some}{asked}"

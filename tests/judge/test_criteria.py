"""Criteria: what they mean, what is refused, and that nothing holds which could not be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_paragate.judge.criteria import Criterion, CriterionError, evaluate, names_in, parse
from pytest_paragate.judge.facts import Facts, Metric


def facts(**counts: int) -> Facts:
    found = Facts(tool="tool", counts=dict(counts))
    found.measure("coverage", 91.2, "%")
    found.measure("peak", 3 * 2**20, "B")
    found.measure("time[parse]", 2e-3, "s")
    return found


HOLD = [
    "passed == tests", "passed == total", "issues <= 3", "issues < 4", "issues >= 3", "issues != 4", "coverage >= 90",
    "coverage >= 90%", "coverage < 91.3 %", "failed <= 5%", "passed >= 95%", "peak <= 4 MiB", "peak == 3MiB",
    "peak > 3 MB", "time[parse] < 3ms", "time[parse] <= 2 ms", "time[parse] > 100us", "duration_s <= 2s",
    "  issues  <=  3  ", "issues <= 3e0", "issues<=3",
]  # fmt: skip


@pytest.mark.parametrize("text", HOLD)
def test_criteria_that_hold(text: str) -> None:
    found = facts(passed=40, tests=40, failed=0, issues=3)
    assert evaluate(parse(text), found, {"duration_s": Metric(1.5, "s")}) is None


UNMET = [
    ("issues <= 2", "wanted issues <= 2, found 3"),
    ("passed == total", "wanted passed == total, found 39 (total is 40)"),
    ("coverage >= 92", "wanted coverage >= 92, found 91.2 %"),
    ("coverage >= 92%", "wanted coverage >= 92%, found 91.2 %"),
    ("failed <= 2%", "wanted failed <= 2%, found 1 of 40 (2.5 %)"),
    ("peak < 3 MiB", "wanted peak < 3 MiB, found 3 MiB"),
    ("time[parse] < 1ms", "wanted time[parse] < 1ms, found 2 ms"),
]


@pytest.mark.parametrize(("text", "said"), UNMET)
def test_what_is_not_met_says_what_was_wanted_and_found(text: str, said: str) -> None:
    unmet = evaluate(parse(text), facts(passed=39, tests=40, failed=1, issues=3), {})
    assert unmet == (said, False)


UNREADABLE = [
    ("isues <= 2", "did you mean issues?"),
    ("issues <= nothing", "says nothing about nothing"),
    ("issues <= 3ms", "issues is not a time"),
    ("coverage <= 3 MB", "coverage is not a size"),
    ("peak <= 3%", "not a percentage"),
    ("regression <= 5%", "not every benchmark has an accepted baseline"),
]


@pytest.mark.parametrize(("text", "said"), UNREADABLE)
def test_what_could_not_be_told_is_not_met_either(text: str, said: str) -> None:
    unmet = evaluate(parse(text), facts(issues=3), {})
    assert unmet is not None
    assert unmet.is_unreadable
    assert said in unmet.text


WRONG = [
    ("", "it is no comparison"),
    ("issues", "it is no comparison"),
    ("issues = 3", "`=` is no comparison"),
    ("issues => 3", "`=>` is no comparison"),
    ("3 <= issues", "it is no comparison"),
    ("issues <= 3 and errors == 0", "more than one comparison"),
    ("issues <= 3, errors == 0", "more than one comparison"),
    ("issues <= issues", "with itself"),
    ("issues <= 3 parsec", "`parsec` is no unit"),
    ("issues <= 1e999", "too large"),
    ("__import__('os') == 1", "it is no comparison"),
    ("issues <= ٣x", "it is no comparison"),
    ("x" * 600, "it is too long"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_criterion_is_refused(text: str, said: str) -> None:
    with pytest.raises(CriterionError) as refused:
        parse(text)
    assert said in refused.value.what
    assert refused.value.hint


def test_every_word_for_the_number_of_tests_means_it() -> None:
    found = facts(passed=3, tests=3)
    assert all(evaluate(parse(f"passed == {name}"), found, {}) is None for name in ("tests", "total", "ran"))
    assert names_in(["ran >= 0"]) == {"ran", "tests", "total"}


@pytest.mark.parametrize(
    ("text", "is_met", "is_certain"),
    [
        ("issues <= 2", False, True),
        ("issues <= 3", False, False),
        ("issues >= 3", True, True),
        ("issues >= 4", False, False),
        ("issues == 0", False, True),
        ("issues == 3", False, False),
        ("issues != 4", False, False),
        ("passed == total", False, False),
        ("failed <= 5%", False, False),
        ("failed >= 0%", False, False),
        ("passed < 95%", False, False),
        ("coverage >= 90%", True, True),
        ("coverage <= 90%", False, True),
    ],
)
def test_counts_of_an_output_that_was_cut_are_lower_bounds(text: str, is_met: bool, is_certain: bool) -> None:
    found = facts(issues=3, passed=3, tests=3, failed=0)
    found.is_cut = True
    unmet = evaluate(parse(text), found, {})
    assert (unmet is None) is is_met
    assert unmet is None or unmet.is_unreadable is not is_certain


def test_what_several_commands_measured_has_to_hold_for_each() -> None:
    found = Facts(tool="x")
    found.metrics = {"coverage": Metric(95.0, "%"), "coverage#1": Metric(40.0, "%")}
    assert evaluate(parse("coverage >= 90"), found, {}) == ("wanted coverage >= 90, found 40 %", False)


@given(st.text(max_size=60))
def test_any_text_is_a_criterion_or_refused_in_words(text: str) -> None:
    try:
        found = parse(text)
    except CriterionError:
        return
    assert isinstance(found, Criterion)
    assert evaluate(found, Facts(tool="x"), {}) is not None

from __future__ import annotations

import random

import pytest

from spanset import Span, SpanSet


@pytest.fixture
def week() -> SpanSet:
    return SpanSet([(0, 10), (20, 30), (40, 50)])


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        pytest.param(60, 70, [(0, 10), (20, 30), (40, 50), (60, 70)], id="behind"),
        pytest.param(-9, -5, [(-9, -5), (0, 10), (20, 30), (40, 50)], id="before"),
        pytest.param(12, 18, [(0, 10), (12, 18), (20, 30), (40, 50)], id="between"),
        pytest.param(10, 15, [(0, 15), (20, 30), (40, 50)], id="touches left"),
        pytest.param(15, 20, [(0, 10), (15, 30), (40, 50)], id="touches right"),
        pytest.param(10, 20, [(0, 30), (40, 50)], id="fills a gap"),
        pytest.param(2, 8, [(0, 10), (20, 30), (40, 50)], id="already there"),
        pytest.param(5, 45, [(0, 50)], id="covers a span"),
        pytest.param(15, 15, [(0, 10), (20, 30), (40, 50)], id="empty"),
    ],
)
def test_add(week: SpanSet, start: float, end: float, spans: list[Span]) -> None:
    week.add(start, end)
    assert list(week) == spans


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        pytest.param(10, 20, [(0, 10), (20, 30), (40, 50)], id="a gap"),
        pytest.param(20, 30, [(0, 10), (40, 50)], id="a whole span"),
        pytest.param(0, 4, [(4, 10), (20, 30), (40, 50)], id="a start"),
        pytest.param(6, 10, [(0, 6), (20, 30), (40, 50)], id="an end"),
        pytest.param(22, 28, [(0, 10), (20, 22), (28, 30), (40, 50)], id="a middle"),
        pytest.param(5, 45, [(0, 5), (45, 50)], id="across spans"),
        pytest.param(-9, 99, [], id="everything"),
        pytest.param(25, 25, [(0, 10), (20, 30), (40, 50)], id="empty"),
    ],
)
def test_remove(week: SpanSet, start: float, end: float, spans: list[Span]) -> None:
    week.remove(start, end)
    assert list(week) == spans


@pytest.mark.parametrize("change", [SpanSet.add, SpanSet.remove])
def test_a_span_that_ends_before_its_start_is_refused(week: SpanSet, change: object) -> None:
    assert callable(change)
    with pytest.raises(ValueError, match="end at 1 before its start at 2"):
        change(week, 2, 1)
    assert len(week) == 3


@pytest.mark.parametrize(
    ("number", "is_in"), [(-1, False), (0, True), (9.5, True), (10, False), (20, True), (50, False)]
)
def test_spans_hold_their_start_and_not_their_end(week: SpanSet, number: float, is_in: bool) -> None:
    assert (number in week) is is_in


def test_an_empty_set_holds_nothing() -> None:
    assert 0 not in SpanSet()
    assert SpanSet().length == 0
    assert list(SpanSet().gaps()) == []


def test_gaps_and_spans_together_leave_no_hole(week: SpanSet) -> None:
    assert list(week.gaps()) == [(10, 20), (30, 40)]
    assert list(week | week.gaps()) == [(0, 50)]


def test_length_counts_overlaps_once() -> None:
    assert SpanSet([(0, 10), (5, 15), (15, 20)]).length == 20


def test_order_of_adding_does_not_matter() -> None:
    assert SpanSet([(0, 1), (2, 3)]) == SpanSet([(2, 3), (0, 1)])


def test_a_set_is_not_equal_to_its_spans(week: SpanSet) -> None:
    assert week != list(week)


def test_operators_leave_their_operands_alone(week: SpanSet) -> None:
    other = SpanSet([(5, 25)])
    assert list(week | other) == [(0, 30), (40, 50)]
    assert list(week & other) == [(5, 10), (20, 25)]
    assert list(week - other) == [(0, 5), (25, 30), (40, 50)]
    assert list(week) == [(0, 10), (20, 30), (40, 50)]
    assert list(other) == [(5, 25)]


def test_repr_can_be_read_back(week: SpanSet) -> None:
    assert eval(repr(week)) == week


@pytest.mark.parametrize("seed", range(5))
def test_spans_agree_with_a_plain_set_of_integers(seed: int) -> None:
    chance = random.Random(seed)
    spans, plain = SpanSet(), set[int]()
    for _ in range(200):
        start = chance.randrange(100)
        end = start + chance.randrange(12)
        if chance.random() < 0.6:
            spans.add(start, end)
            plain.update(range(start, end))
        else:
            spans.remove(start, end)
            plain.difference_update(range(start, end))
    assert {number for number in range(120) if number in spans} == plain
    assert all(end < start for (_, end), (start, _) in zip(spans, list(spans)[1:], strict=False))

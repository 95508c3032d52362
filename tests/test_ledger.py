"""The verdicts of a run: what is put in comes out again, in however few bytes it was kept."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pytest_paragate.run.ledger import Ledger
from pytest_paragate.verdict import Leaked, Outcome, Verdict

SIZE = 5

_times = st.floats(allow_nan=False, allow_infinity=False)
_names = st.sampled_from([None, "test-runner/0", "test-runner/1", "gw0", "gw1"])
_plain = {"start_s": st.none() | _times, "duration_s": _times, "slot": _names, "worker": _names}
_more = {
    "outcome": st.just(Outcome.PASSED),
    "summary": st.sampled_from(["", "3 issues"]),
    "flaky": st.booleans(),
    "advisory": st.booleans(),
    "tolerated": st.booleans(),
    "leaked": st.sampled_from([(), (Leaked(1, "sleep 9", True),)]),
    "attempts": st.integers(1, 2),
    "cpu_s": st.none() | _times,
    "waited_for": st.sampled_from([(), ("conftest.py::ruff",)]),
}
_fields = st.fixed_dictionaries({"outcome": st.sampled_from(list(Outcome)), **_plain}) | st.fixed_dictionaries(
    {**_plain, **_more}
)
_verdicts = _fields.map(lambda fields: Verdict(**fields))


@given(st.lists(st.tuples(st.integers(0, SIZE - 1), _verdicts)))
def test_a_ledger_is_a_dictionary_of_verdicts(entries):
    ledger, model = Ledger(SIZE), {}
    for index, verdict in entries:
        ledger[index] = model[index] = verdict

        assert len(ledger) == len(model)
    assert dict(ledger) == model
    assert list(ledger) == sorted(model)
    assert [index in ledger for index in range(-1, SIZE + 1)] == [index in model for index in range(-1, SIZE + 1)]


@given(st.lists(st.tuples(st.integers(0, SIZE - 1), _verdicts), min_size=1))
def test_what_is_taken_out_is_gone(entries):
    ledger = Ledger(SIZE)
    ledger.update(entries)
    gone = entries[0][0]

    del ledger[gone]

    assert gone not in ledger
    assert ledger.get(gone) is None
    assert len(ledger) == len(dict(entries)) - 1


def test_no_time_is_not_changed():
    ledger = Ledger(1)
    ledger[0] = Verdict(Outcome.PASSED, start_s=1e-9, duration_s=math.inf, slot="test-runner/0", worker="gw0")

    assert (ledger[0].start_s, ledger[0].duration_s) == (1e-9, math.inf)

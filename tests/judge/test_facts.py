"""Facts are bounded, finite and made of builtin types; baselines compare what can be compared."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_paragate.judge.baseline import Baselines, regression
from pytest_paragate.judge.facts import Facts, Issue, Metric, from_data, merged, real, shown, summary_of, to_data, whole
from pytest_paragate.verdict import Outcome, Verdict


def bench(value: float, spread: float = 0.0) -> Metric:
    return Metric(value, "s", spread, 5, is_benchmark=True)


def test_facts_cross_a_gateway_as_they_are() -> None:
    facts = Facts(tool="x", summary="said", wanted=["errors == 0"], needs_output=True, metrics_cut=2)
    facts.issue("no", severity="error", file="a", line=3, column=4, rule="R")
    facts.measure("time[a]", 0.5, "s", spread=0.1, repeats=9, is_benchmark=True)
    assert from_data(json.loads(json.dumps(to_data(facts)))) == facts


def test_numbers_that_are_none_are_left_out() -> None:
    facts = Facts(tool="x")
    for value in (math.nan, math.inf, -math.inf):
        facts.measure("m", value)
    facts.measure("n", 1.0, spread=math.nan)
    assert facts.metrics == {"n": Metric(1.0)}
    assert (whole("1,234"), whole("9" * 30), whole("x"), whole(None), whole("-1"), whole("٣")) == (1234,) + (None,) * 5
    assert (real("1,234.5"), real("1e999"), real("nan"), real(""), real("9" * 50)) == (1234.5, None, None, None, None)


def test_metrics_beyond_the_limit_are_counted() -> None:
    facts = Facts(tool="x")
    for n in range(2003):
        facts.measure(f"m{n}", 1.0)
    facts.measure("m7", 2.0)
    assert (len(facts.metrics), facts.metrics_cut, facts.metrics["m7"].value) == (2000, 3, 2.0)
    assert from_data(to_data(facts)).metrics_cut == 3
    facts = Facts(tool="x")
    for end in ("a", "b"):
        facts.measure("n" * 300 + end, 1.0)
    assert (len(facts.metrics), facts.metrics_cut) == (1, 1)


@given(st.text(max_size=50))
def test_any_text_is_a_number_or_none(text: str) -> None:
    assert whole(text) is None or whole(text) >= 0  # type: ignore[operator]
    assert real(text) is None or math.isfinite(real(text))  # type: ignore[arg-type]


def test_a_verdict_keeps_what_was_read_for_checks_that_draw_results_together() -> None:
    verdict = Verdict(
        outcome=Outcome.PASSED, counts={"issues": 1}, metrics={"coverage": Metric(91.2, "%")},
        issues=(Issue("ruff", "no", "error", "a.py", 1, 2, "F401"),), judge="ruff",
    )  # fmt: skip
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_the_facts_of_several_commands_are_added_up() -> None:
    parts = []
    for passed in (9, 8):
        parts.append(Facts(tool="cargo test").tests(passed=passed, failed=9 - passed))
        parts[-1].measure("coverage", 80.0 + passed, "%")
    whole_ = merged(parts)
    assert whole_ is not None
    assert (whole_.tool, whole_.counts["tests"], whole_.counts["passed"]) == ("cargo test", 18, 17)
    assert summary_of(whole_) == "17/18 tests passed"
    assert [metric.value for metric in whole_.metrics.values()] == [89.0, 88.0]
    assert merged([]) is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(4.2, "%", "4.2 %"), (90, "%", "90 %"), (3.15e-5, "s", "31.5 us"), (2e-9, "s", "2 ns"), (1.5, "s", "1.5 s"),
     (48, "B", "48 bytes"), (3 * 2**20, "B", "3 MiB"), (3, "", "3"), (0.25, "", "0.25"), (-2e-3, "s", "-2 ms")],
)  # fmt: skip
def test_numbers_are_shown_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("new", "old", "percent"),
    [(bench(1.1), bench(1.0), 10.0), (bench(0.5), bench(1.0), -50.0), (bench(1.1, 0.2), bench(1.0), 0.0),
     (bench(1.1), bench(1.0, 0.2), 0.0), (bench(1.3, 0.2), bench(1.0, 0.1), 30.0),
     (bench(9.0, 20.0), bench(1.0), 800.0), (bench(9.0), bench(1.0, 20.0), 800.0)],
)  # fmt: skip
def test_a_difference_within_the_noise_is_none(new: Metric, old: Metric, percent: float) -> None:
    assert regression(new, old) == pytest.approx(percent)


def test_accepted_numbers_are_kept_with_those_before_them(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "accepted.json"
    for value in (1.0, 2.0):
        baselines = Baselines(path, is_accepting=True)
        assert baselines.accept("a::b", {"time[x]": bench(value), "coverage": Metric(3.0, "%")}) == 1
        baselines.save()
    kept = json.loads(path.read_text())["checks"]["a::b"]
    assert [entry["value"] for entry in kept["time[x]"]] == [2.0, 1.0]
    found = Baselines(path).compared("a::b", {"time[x]": bench(3.0)})
    assert {name: metric.value for name, metric in found.items()} == {"regression[time[x]]": 50.0, "regression": 50.0}
    # Another unit, another benchmark or another check has nothing to be compared with.
    assert Baselines(path).compared("a::b", {"time[x]": Metric(3.0, "B", is_benchmark=True)}) == {}
    assert "regression" not in Baselines(path).compared("a::b", {"time[x]": bench(3.0), "time[y]": bench(1.0)})
    assert Baselines(path).compared("a::c", {"time[x]": bench(3.0)}) == {}


BROKEN = ["", "[]", "{}", '{"format": 2, "checks": {}}', '{"format": 1, "checks": {"a": 3}}', "\xff", "[" * 100_000]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_no_baseline_and_stays(text: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(text, "latin-1")
    baselines = Baselines(path)
    assert baselines.compared("a", {"time[x]": bench(1.0)}) == {}
    assert baselines.warnings
    baselines.accept("a", {"time[x]": bench(1.0)})
    with pytest.raises(OSError, match="left as it is"):
        baselines.save()
    assert path.read_text("latin-1") == text


ODD = [
    '{"time[x]": 3}',
    '{"time[x]": []}',
    '{"time[x]": [3]}',
    '{"time[x]": [{"value": "1"}]}',
    '{"time[x]": [{"value": 0}]}',
    '{"time[x]": {"value": 1}}',
    '{"time[x]": [{"value": NaN}]}',
    '{"time[x]": [{"value": 1e999}]}',
    f'{{"time[x]": [{{"value": 1{"0" * 400}}}]}}',
    '{"time[x]": [{"value": 1, "spread": "wide"}]}',
]


@pytest.mark.parametrize("entry", ODD)
def test_odd_entries_are_no_baseline(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(f'{{"format": 1, "checks": {{"a": {entry}}}}}')
    assert Baselines(path).compared("a", {"time[x]": bench(1.0)}) == {}
    baselines = Baselines(path, is_accepting=True)
    baselines.accept("a", {"time[x]": bench(1.0)})
    baselines.save()
    assert Baselines(path).compared("a", {"time[x]": bench(2.0)})["regression"].value == 100


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_is_no_file_is_no_baseline(kind: str, tmp_path: Path) -> None:
    """One has no end, and the other would be waited for."""
    path = tmp_path / "accepted.json"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    baselines = Baselines(path, is_accepting=True)
    assert baselines.warnings
    with pytest.raises(OSError, match="left as it is"):
        baselines.save()

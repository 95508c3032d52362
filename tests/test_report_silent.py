"""Setups and teardowns that passed are in pytest's lists, made when somebody looks."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_paragate.report.silent import SilentReports

TIMES = [0.1, 1.0, 1.1, 0.2, 1.1, 1.3, 0.3, 1.3, 1.6]


def call(name: str) -> pytest.TestReport:
    report: Any = pytest.TestReport(f"a.py::{name}", ("a.py", 0, name), {name: 1}, "passed", None, "call")
    report.worker_id = "gw0"
    return report


def test_both_phases_are_made_from_the_call() -> None:
    silent = SilentReports()
    silent.add_around(call("one"), TIMES)
    setup, teardown = silent
    assert [(each.when, each.duration, each.start, each.stop) for each in (setup, teardown)] == [
        ("setup", 0.1, 1.0, 1.1),
        ("teardown", 0.3, 1.3, 1.6),
    ]
    assert {each.nodeid for each in silent} == {"a.py::one"}
    assert {vars(each)["worker_id"] for each in silent} == {"gw0"}


def test_they_share_nothing_that_a_plugin_may_change() -> None:
    silent, report = SilentReports(), call("one")
    silent.add_around(report, TIMES)
    silent[0].sections.append(("title", "text"))
    silent[0].user_properties.append(("key", "value"))
    assert (report.sections, silent[1].sections, silent[1].user_properties) == ([], [], [])


def test_it_is_a_list_whoever_looks_and_whenever() -> None:
    first = call("earlier")
    silent = SilentReports([first])
    silent.add_around(call("one"), TIMES)
    assert len(silent) == 3
    silent.add_around(call("two"), TIMES)
    silent.extend([first])
    assert [each.nodeid.rpartition("::")[2] for each in silent] == ["earlier", "one", "one", "two", "two", "earlier"]
    assert len([*silent, *silent]) == len(silent + silent) == 12
    assert silent[0] is first
    assert list(silent) == list(silent)  # made once

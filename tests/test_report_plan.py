"""What ``--paragate-plan`` shows, in words and as data."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import check, group, ordinary, plan_of, plans

from pytest_paragate.plan import Plan
from pytest_paragate.report import plan as report
from pytest_paragate.report.text import cells
from pytest_paragate.speedup import simulate
from pytest_paragate.tuning import tune


def shown(plan: Plan, width: int = 100) -> list[str]:
    return report.lines(plan, simulate(plan), width=width)


def gate() -> Plan:
    return plan_of(
        check("ruff", agent="code-reviewer"),
        check("types", agent="code-reviewer", after="ruff"),
        check("crate[core]", writes=["target/"]),
        check("crate[redb]", writes=["target/"], agent="debugger"),
        check("bench", exclusive=True, needs="crate"),
        *(ordinary(f"t{i}") for i in range(214)),
        durations={
            "ruff": 4.2,
            "types": 9,
            "crate[core]": 20,
            "crate[redb]": 7,
            "bench": 12,
            **{f"t{i}": 0.1 for i in range(214)},
        },
    )


def test_the_plan_tells_what_starts_when_and_what_waits_for_what() -> None:
    assert shown(gate()) == [
        "start  takes  slot             check",
        " 0.0s  ~4.2s  code-reviewer/0  ruff",
        " 0.0s   ~20s  test-runner/0    crate[core]",
        "~4.2s  ~9.0s  code-reviewer/0  types        after ruff",
        " ~20s  ~7.0s  debugger/0       crate[redb]",
        " ~20s   ~21s  test-runner/0    214 tests",
        " ~41s   ~12s  test-runner/0    bench        runs alone; needs crate",
        "kept apart:",
        "  crate[core] and crate[redb]: both write target/",
        "expected ~53s",
        "limit ~53s, set by test-runner: crate[core], bench, 214 tests",
    ]


def test_what_history_does_not_know_is_a_question_mark() -> None:
    plan = plan_of(check("a"), check("b"), check("c", agent="debugger"), durations={"c": 2, "b": 5})
    lines = shown(plan)
    assert [line.split()[:2] for line in lines[1:4]] == [["0.0s", "?"], ["0.0s", "~2.0s"], ["?", "~5.0s"]]
    assert lines[4] == "expected ~10s, guessing 1 of 3 durations"


def test_a_start_after_something_unknown_is_unknown_too() -> None:
    plan = plan_of(check("a"), check("b", needs="a"), durations={"b": 2})
    assert shown(plan)[2].split()[:2] == ["?", "~2.0s"]


def test_a_plan_without_history_promises_nothing() -> None:
    lines = shown(plan_of(check("a"), check("b")))
    assert lines[-1] == "how long it takes is not known yet: there is no history of these"
    assert not any("limit" in line for line in lines)


def test_an_empty_plan_says_so() -> None:
    assert shown(plan_of()) == ["nothing to run"]


def test_tests_on_several_slots_are_still_one_line() -> None:
    plan = plan_of(*(ordinary(f"t{i}") for i in range(9)), slots={"test-runner": 3})
    assert shown(plan)[1].split() == ["0.0s", "?", "test-runner,", "3", "slots", "9", "tests"]


def test_equal_names_are_told_apart_by_their_node_ids() -> None:
    plan = plan_of(check("lint"), check("lint", file="sub/conftest.py"))
    assert [line.split()[3] for line in shown(plan)[1:3]] == ["conftest.py::lint", "sub/conftest.py::lint"]


def test_an_idle_slot_is_explained() -> None:
    plan = plan_of(
        check("head", agent="debugger"),
        check("late", needs="head"),
        check("tail", needs="late", agent="debugger"),
        check("early"),
        durations={"head": 1, "late": 2, "tail": 10, "early": 8},
    )
    assert any(line.endswith("early  gives way to late") for line in shown(tune(plan)))


def test_long_lists_are_cut_and_say_by_how_much() -> None:
    plan = plan_of(*(check(f"c{i}", writes=["target/"]) for i in range(300)))
    lines = shown(plan)
    assert "... and 100 more checks" in lines
    assert "  ... and at least 1980 more pairs" in lines
    assert len(lines) < 240
    few = shown(plan_of(*(check(f"c{i}", writes=["target/"]) for i in range(8))))
    assert "  ... and 8 more pairs" in few


def test_hostile_names_have_no_power() -> None:
    lines = shown(plan_of(check("a\x1b[2J\nb", writes=["x\x1b]0;y\x07"]), check("c", writes=["x\x1b]0;y\x07"])))
    assert not any("\x1b" in line or "\n" in line for line in lines)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_line_is_wider_than_asked(width: int) -> None:
    plan = plan_of(check("漢字" * 20, needs="y"), check("y" * 60, family="y"), check("z", agent="a" * 50))
    assert all(cells(line) <= width for line in shown(plan, width))


def test_the_data_holds_every_check_and_counts_tests() -> None:
    data = report.as_data(gate(), simulate(gate()))
    assert data["schema"] == "paragate-plan/1"
    assert data["expected_s"] == pytest.approx(53.4)
    assert data["limit"]["bound"] == "agent"
    assert data["checks"][-1] == {
        "nodeid": "conftest.py::bench",
        "name": "bench",
        "kind": "command",
        "agent": "test-runner",
        "slot": "test-runner/0",
        "start_s": pytest.approx(41.4),
        "expected_s": 12,
        "needs": ["conftest.py::crate[core]", "conftest.py::crate[redb]"],
        "after": [],
        "gives_way_to": [],
        "exclusive": True,
        "group": None,
        "needs_groups": [],
        "retries": 0,
    }
    assert data["tests"][0]["tests"] == data["tests"][0]["known"] == 214
    assert data["kept_apart"] == [
        {"one": "conftest.py::crate[core]", "other": "conftest.py::crate[redb]", "why": "both write target/"}
    ]
    assert data["kept_apart_cut"] is False


def test_groups_are_shown_with_what_they_need_and_what_would_not_start() -> None:
    members = [check(f"m{i}", group="g", agent="debugger", retries=i) for i in range(6)]
    plan = plan_of(*members, check("next", needs="group:g"), check("last", after="group:g", agent="refactorer"),
                   groups=[group("g", 2, "stop")], durations={item.name: 1.0 for item in members})  # fmt: skip
    lines = shown(plan, 100)
    assert "  g: 2 of 6 (m0, m1, m2, m3 and 2 more), then the others start no more" in lines
    assert any("next" in line and line.endswith("needs group:g") for line in lines)
    assert any("last" in line and line.endswith("after group:g") for line in lines)
    assert any(line.split()[:4] == ["?", "~1.0s", "debugger", "m5"] for line in lines)
    data = report.as_data(plan, simulate(plan))
    assert data["groups"] == [
        {
            "name": "g", "wait": 2, "rest": "stop", "wanted": 2,
            "members": [f"conftest.py::m{i}" for i in range(6)],
            "needed_by": ["conftest.py::next", "conftest.py::last"],
        }
    ]  # fmt: skip
    by_name = {item["name"]: item for item in data["checks"]}
    assert (by_name["m5"]["start_s"], by_name["m5"]["slot"], by_name["m5"]["retries"]) == (None, None, 5)
    assert by_name["next"]["needs_groups"] == ["g"]
    assert by_name["next"]["start_s"] == 2.0


@settings(max_examples=40, deadline=None)
@given(plans(), st.integers(10, 120))
def test_any_plan_can_be_shown_and_written(plan: Plan, width: int) -> None:
    run = simulate(plan)
    assert all(cells(line) <= width for line in report.lines(plan, run, width=width))
    data = report.as_data(plan, run)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    marked = sum(item.is_marked for item in plan.checks)
    assert len(data["checks"]) == marked
    assert sum(tests["tests"] for tests in data["tests"]) == len(plan.checks) - marked

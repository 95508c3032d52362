"""Limits, replays on the virtual clock, and plans that tuning makes shorter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import check, ordinary, plan_of, plans

from pytest_paragate import speedup
from pytest_paragate.model import Slot
from pytest_paragate.plan import Plan
from pytest_paragate.speedup import Simulated, limit, simulate
from pytest_paragate.tuning import tune


def names_in_order(plan: Plan, run: Simulated) -> list[str]:
    return [plan.checks[i].name for i, *_ in run.starts]


def test_a_replay_tells_what_starts_when_and_where() -> None:
    plan = plan_of(check("a"), check("b", agent="debugger"), check("c", needs="a"), durations={"a": 2, "b": 5, "c": 1})
    assert simulate(plan) == Simulated(
        makespan_s=5,
        starts=(
            (0, Slot("test-runner", 0), 0, 2),
            (1, Slot("debugger", 0), 0, 5),
            (2, Slot("test-runner", 0), 2, 3),
        ),
    )


def test_a_replay_takes_other_durations() -> None:
    plan = plan_of(check("a"), check("b"), durations={"a": 2, "b": 5})
    assert simulate(plan, [1.0, 1.5]).makespan_s == 2.5


def test_the_tests_of_a_run_follow_one_another() -> None:
    plan = plan_of(*(ordinary(f"t{i}") for i in range(6)), durations={f"t{i}": 1 for i in range(6)})
    assert [start[2:] for start in simulate(plan).starts] == [(float(i), float(i + 1)) for i in range(6)]


@pytest.mark.parametrize(
    ("plan", "wall_s", "bound", "label"),
    [
        (
            plan_of(
                check("build"),
                check("bench", needs="build", agent="debugger"),
                check("x"),
                durations={"build": 3, "bench": 4, "x": 1},
            ),
            7,
            "critical-path",
            "critical path: build -> bench",
        ),
        (
            plan_of(
                check("leaks", agent="debugger"), check("a", agent="debugger"), check("b"), durations={"leaks": 64}
            ),
            128,
            "agent",
            "debugger: leaks, a",
        ),
        (
            plan_of(*(check(f"c{i}") for i in range(6)), slots={"test-runner": 2}),
            3,
            "agent",
            "test-runner: c0, c1, c2, 3 more",
        ),
        (plan_of(*(ordinary(f"t{i}") for i in range(300))), 3, "agent", "test-runner: 300 tests"),
        (
            plan_of(*(check(name, uses={"gpu": 2}) for name in "abc"), slots={"test-runner": 3}, capacities={"gpu": 3}),
            2,
            "resource",
            "gpu: a, b, c",
        ),
        (
            plan_of(
                check("a", writes=["target/"]),
                check("b", writes=["target/"]),
                check("c", reads=["target/x"]),
                check("d", reads=["target/x"]),
                slots={"test-runner": 4},
            ),
            3,
            "resource",
            "target/: a, b, c",
        ),
        (
            plan_of(check("bench", exclusive=True), check("a"), check("b", agent="debugger"), durations={"b": 9}),
            10,
            "exclusive",
            "exclusive: bench; then critical path: b",
        ),
        (
            plan_of(check("a", cpus=3), check("b", cpus=3), check("c"), cpus=4, slots={"test-runner": 3}),
            1.75,
            "cpus",
            "cpus: a, b, c",
        ),
    ],
)
def test_the_limit_names_what_sets_it(plan: Plan, wall_s: float, bound: str, label: str) -> None:
    found = limit(plan)
    assert (found.wall_s, found.bound, found.label) == (pytest.approx(wall_s), bound, label)


def test_a_limit_names_few_items_of_many() -> None:
    plan = plan_of(*(check(f"c{i}") for i in range(50)), durations={**{f"c{i}": 1 for i in range(50)}, "c7": 9})
    assert limit(plan).by[0] == "conftest.py::c7"
    assert len(limit(plan).by) == speedup.MAX_NAMED


def test_an_empty_plan_has_a_limit_of_nothing() -> None:
    assert limit(plan_of()).wall_s == 0
    assert simulate(plan_of()) == Simulated(makespan_s=0.0, starts=())


@settings(max_examples=150, deadline=None)
@given(plans(), st.data())
def test_no_replay_is_shorter_than_the_limit(plan: Plan, data: st.DataObject) -> None:
    durations = [float(data.draw(st.integers(0, 9))) for _ in plan.checks]
    run = simulate(plan, durations)
    assert sorted(start[0] for start in run.starts) == list(range(len(plan.checks)))
    assert run.makespan_s >= limit(plan, durations).wall_s * (1 - 1e-9)
    assert run.makespan_s <= sum(durations) * (1 + 1e-9)


def test_tuning_drains_the_machine_early_for_an_exclusive_check_with_a_long_tail() -> None:
    plan = plan_of(
        check("build"),
        check("bench", exclusive=True, needs="build"),
        check("report", needs="bench", agent="debugger"),
        *(check(f"c{i}") for i in range(5)),
        durations={"build": 2, "bench": 3, "report": 10, **{f"c{i}": 2 for i in range(5)}},
    )
    assert simulate(plan).makespan_s == 25
    assert simulate(tune(plan)).makespan_s == 15


def waiting_pays_off() -> Plan:
    """The long chain through ``late`` is only found by leaving a slot idle until ``late`` is ready."""
    return plan_of(
        check("head", agent="debugger"),
        check("late", needs="head"),
        check("tail", needs="late", agent="debugger"),
        check("early"),
        check("tick", agent="refactorer"),
        durations={"head": 1, "late": 2, "tail": 10, "early": 8, "tick": 5},
    )


LATE, EARLY = 1, 3


def test_tuning_leaves_a_slot_idle_where_that_pays_off() -> None:
    plan, tuned = waiting_pays_off(), tune(waiting_pays_off())
    assert simulate(plan).makespan_s == 20
    assert simulate(tuned).makespan_s == 13
    assert names_in_order(plan, simulate(tuned)) == ["head", "tick", "late", "tail", "early"]


def test_a_slot_does_not_stay_idle_for_much_longer_than_foreseen() -> None:
    tuned = tune(waiting_pays_off())
    (way,) = tuned.gives_way[EARLY]
    assert way.other == LATE
    assert 1 < way.until_s < 3
    on_time = {i: start_s for i, _, start_s, _ in simulate(tuned).starts}
    delayed = [30.0, 2.0, 10.0, 8.0, 5.0]
    too_late = {i: start_s for i, _, start_s, _ in simulate(tuned, delayed).starts}
    assert (on_time[EARLY], too_late[EARLY]) == (3, 5)


def test_tuning_is_the_same_every_time() -> None:
    assert tune(waiting_pays_off()) == tune(waiting_pays_off())


def test_tuning_keeps_its_hands_off_short_and_unknown_plans() -> None:
    short = plan_of(check("a"), check("b", exclusive=True), durations={"a": 0.1, "b": 0.1})
    unknown = plan_of(*(check(f"c{i}", exclusive=i == 2) for i in range(9)))
    assert tune(short) is short
    assert tune(unknown) is unknown


def test_tuning_a_plan_with_many_tests_keeps_them_in_runs() -> None:
    tests = [ordinary(f"t{i}") for i in range(2000)]
    checks = [check("a", uses={"db": 1}), check("b", agent="debugger", uses={"db": 1}), check("c", needs="b")]
    durations = {**{f"t{i}": 0.005 for i in range(2000)}, "a": 5, "b": 4, "c": 3}
    tuned = tune(plan_of(*tests, *checks, slots={"test-runner": 2}, durations=durations))
    run = simulate(tuned)
    assert tuned.is_pooled == (True,) * 2000 + (False,) * 3
    assert run.makespan_s <= limit(tuned).wall_s * 1.02


@settings(max_examples=40, deadline=None)
@given(plans(max_checks=10, max_tests=6))
def test_a_tuned_plan_still_runs_everything_and_is_never_longer(plan: Plan) -> None:
    tuned = tune(plan)
    run = simulate(tuned)
    assert sorted(start[0] for start in run.starts) == list(range(len(plan.checks)))
    assert run.makespan_s <= simulate(plan).makespan_s * (1 + 1e-9)
    assert run.makespan_s >= limit(plan).wall_s * (1 - 1e-9)

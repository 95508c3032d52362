"""The machine: what starts when, what never runs and why, and what holds for any plan and any course of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plans import check, ordinary, plan_of, plans

from pytest_paragate import lanes
from pytest_paragate.independence import total_uses, why_apart
from pytest_paragate.model import Slot
from pytest_paragate.plan import GiveWay, Plan
from pytest_paragate.schedule import (
    MOVES,
    Begin,
    Block,
    Cancel,
    Command,
    Counts,
    Decided,
    Drop,
    Event,
    Finished,
    Rested,
    Retry,
    Returned,
    Schedule,
    ScheduleError,
    SlotLost,
    Start,
    State,
    Stop,
    Turn,
)


class Runner:
    """Feeds a schedule by name and speaks of commands in words."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.schedule = plan, Schedule(plan)
        self.at_s = 0.0

    def begin(self) -> list[str]:
        return self.feed(Begin(at_s=0.0))

    def passed(self, name: str) -> list[str]:
        return self.feed(Finished(check=self.number(name), passed=True, at_s=self.tick()))

    def failed(self, name: str) -> list[str]:
        return self.feed(Finished(check=self.number(name), passed=False, at_s=self.tick()))

    def skipped(self, name: str) -> list[str]:
        return self.feed(Finished(check=self.number(name), passed=True, is_skipped=True, at_s=self.tick()))

    def failed_once(self, name: str) -> list[str]:
        return self.feed(Finished(check=self.number(name), passed=False, is_curable=True, at_s=self.tick()))

    def rested(self, name: str) -> list[str]:
        return self.feed(Rested(check=self.number(name), at_s=self.tick()))

    def returned(self, *names: str) -> list[str]:
        return self.feed(Returned(checks=tuple(map(self.number, names)), at_s=self.tick()))

    def lost(self, agent: str, number: int = 0) -> list[str]:
        return self.feed(SlotLost(slot=Slot(agent, number), at_s=self.tick()))

    def stop(self, reason: str = "stopped") -> list[str]:
        return self.feed(Stop(reason=reason, at_s=self.tick()))

    def feed(self, event: Event) -> list[str]:
        return [self.words(command) for command in self.schedule.feed(event)]

    def words(self, command: Command) -> str:
        match command:
            case Start():
                return f"start {' '.join(map(self.name, command.checks))}"
            case Block():
                of = "" if command.group is None else f" of {self.plan.groups[command.group].name}"
                return f"block {self.name(command.check)} by {self.name(command.cause)}{of}"
            case Retry():
                return f"retry {self.name(command.check)} after {command.tries}"
            case Cancel():
                return f"cancel {self.name(command.check)}"
            case Decided():
                group = self.plan.groups[command.decision.group].name
                by = " ".join(map(self.name, command.decision.by))
                return f"{group} {'met' if command.decision.is_met else 'unmet'} by {by}".rstrip()
            case Drop():
                return f"drop {self.name(command.check)}: {command.reason}"

    def tick(self) -> float:
        self.at_s += 1.0
        return self.at_s

    def number(self, name: str) -> int:
        return next(i for i, item in enumerate(self.plan.checks) if item.name == name)

    def name(self, number: int) -> str:
        return self.plan.checks[number].name

    def waited_for(self, name: str) -> list[str]:
        return [self.name(i) for i in self.schedule.waited_for(self.number(name))]


def test_one_slot_runs_one_after_another_in_order_of_declaration() -> None:
    run = Runner(plan_of(check("a"), check("b"), check("c")))
    assert run.begin() == ["start a"]
    assert run.passed("a") == ["start b"]
    assert run.passed("b") == ["start c"]
    assert run.passed("c") == []
    assert run.schedule.is_finished


def test_the_longest_remaining_path_goes_first() -> None:
    run = Runner(
        plan_of(check("short"), check("long"), check("head"), check("tail", needs="head"),
                durations={"short": 1, "long": 5, "head": 2, "tail": 4})
    )  # fmt: skip
    assert run.begin() == ["start head"]
    assert run.passed("head") == ["start long"]


def test_agent_types_run_side_by_side_on_numbered_slots() -> None:
    plan = plan_of(check("a"), check("b"), check("c", agent="debugger"), slots={"test-runner": 2})
    started = Schedule(plan).feed(Begin(at_s=0.0))
    assert started == [
        Start(checks=(0,), slot=Slot("test-runner", 0)),
        Start(checks=(1,), slot=Slot("test-runner", 1)),
        Start(checks=(2,), slot=Slot("debugger", 0)),
    ]
    assert str(Slot("debugger", 0)) == "debugger/0"


def test_an_item_waits_for_all_it_needs_and_comes_after() -> None:
    run = Runner(
        plan_of(check("a"), check("b", agent="debugger"), check("c", needs="a", after="b", agent="refactorer"))
    )
    run.begin()
    assert run.passed("a") == []
    assert run.failed("b") == ["start c"]
    assert run.waited_for("c") == ["a", "b"]


def test_a_failure_blocks_transitively_with_its_root_cause_before_any_other_slot_frees() -> None:
    run = Runner(
        plan_of(
            check("build"), check("test", needs="build"), check("bench", needs="test"), check("lint", agent="debugger")
        )
    )
    run.begin()
    assert run.failed("build") == ["block test by build", "block bench by build"]


def test_when_always_runs_after_a_failure_and_still_waits_for_its_other_needs() -> None:
    run = Runner(
        plan_of(
            check("a"), check("b", agent="debugger"), check("report", needs="a b", when="always", agent="refactorer")
        )
    )
    run.begin()
    assert run.failed("a") == []
    assert run.passed("b") == ["start report"]


def test_when_always_runs_after_what_it_needs_was_blocked() -> None:
    run = Runner(plan_of(check("a"), check("b", needs="a"), check("report", needs="b", when="always")))
    run.begin()
    assert run.failed("a") == ["block b by a", "start report"]


def test_a_blocked_item_counts_as_decided_for_what_comes_after_it() -> None:
    run = Runner(plan_of(check("a"), check("b", needs="a"), check("c", after="b")))
    run.begin()
    assert run.failed("a") == ["block b by a", "start c"]


def test_a_failed_advisory_check_blocks_what_needs_it() -> None:
    run = Runner(plan_of(check("a", advisory=True), check("b", needs="a")))
    run.begin()
    assert run.failed("a") == ["block b by a"]


def test_two_writers_of_one_path_never_overlap_and_the_second_says_what_it_waited_for() -> None:
    run = Runner(plan_of(check("a", writes=["target/"]), check("b", writes=["target/b"], agent="debugger")))
    assert run.begin() == ["start a"]
    assert run.passed("a") == ["start b"]
    assert run.waited_for("b") == ["a"]


def test_readers_share_a_path() -> None:
    run = Runner(plan_of(check("a", reads=["src/"]), check("b", reads=["src/"], agent="debugger"),
                         check("c", writes=["src/x"], agent="refactorer")))  # fmt: skip
    assert run.begin() == ["start a", "start b"]
    assert run.passed("a") == []
    assert run.passed("b") == ["start c"]


def test_a_resource_is_shared_up_to_its_capacity() -> None:
    checks = [check(name, uses={"gpu": count}) for name, count in {"a": 2, "b": 2, "c": 1}.items()]
    run = Runner(plan_of(*checks, slots={"test-runner": 3}, capacities={"gpu": 3}))
    assert run.begin() == ["start a", "start c"]
    assert run.passed("a") == ["start b"]


def test_a_slot_is_not_kept_idle_by_an_item_that_cannot_start() -> None:
    run = Runner(plan_of(check("a", uses={"db": 1}), check("b", uses={"db": 1}, agent="debugger"),
                         check("c", agent="debugger"), durations={"a": 9, "b": 8, "c": 1}))  # fmt: skip
    assert run.begin() == ["start a", "start c"]


def test_the_cpu_budget_holds_for_checks_and_tests_alike() -> None:
    items = [check("wide", cpus=3, agent="debugger"), *(ordinary(f"t{i}") for i in range(4))]
    run = Runner(plan_of(*items, cpus=3, slots={"test-runner": 2}))
    assert run.begin() == ["start wide"]
    assert run.passed("wide") == ["start t0", "start t1"]


def test_an_exclusive_check_runs_with_nothing_beside_it_not_even_tests() -> None:
    run = Runner(plan_of(check("bench", exclusive=True), ordinary("t"), check("lint", agent="debugger")))
    assert run.begin() == ["start lint", "start t"]
    assert run.passed("t") == []
    assert run.passed("lint") == ["start bench"]
    assert run.waited_for("bench") == ["lint", "t"]


def test_nothing_starts_beside_an_exclusive_check() -> None:
    run = Runner(
        plan_of(check("bench", exclusive=True), check("a", needs="bench"), check("b", agent="debugger", after="bench"))
    )
    assert run.begin() == ["start bench"]
    assert run.passed("bench") == ["start a", "start b"]


def test_exclusive_checks_share_one_drain() -> None:
    run = Runner(
        plan_of(check("e1", exclusive=True), check("e2", exclusive=True, agent="debugger"), check("a"),
                check("e3", exclusive=True, needs="e1"), check("b", needs="e2"))
    )  # fmt: skip
    assert run.begin() == ["start e1"]  # b waits for e2, and a drain costs nothing yet
    assert run.passed("e1") == ["start e2"]
    assert run.passed("e2") == ["start e3"]
    assert run.passed("e3") == ["start a"]


def test_an_exclusive_check_that_nobody_waits_for_comes_last() -> None:
    run = Runner(plan_of(check("bench", exclusive=True), check("a"), check("b", after="a")))
    assert run.begin() == ["start a"]
    assert run.passed("a") == ["start b"]
    assert run.passed("b") == ["start bench"]


def test_a_big_claim_does_not_starve_behind_a_stream_of_small_ones() -> None:
    smalls = [check(f"s{i}", uses={"db": 1}) for i in range(20)]
    big = check("big", uses={"db": 2}, agent="debugger")
    durations = {"big": 3.0, **{item.name: 1.0 for item in smalls}, "s0": 9.0, "s1": 8.0}
    run = Runner(plan_of(*smalls, big, slots={"test-runner": 2}, capacities={"db": 2}, durations=durations))
    running = _started(run.begin())
    started_before = 0
    while "big" not in running:
        name = running.pop(0)
        running += _started(run.passed(name))
        started_before += 1
    assert started_before < 8


def test_an_item_that_comes_after_a_reservation_finds_its_lane_open() -> None:
    items = [check(f"r{i}", reads=["src/a"]) for i in range(5)]
    items += [check("w", writes=["src/"], agent="debugger"), check("v", writes=["src/"], agent="debugger", after="w")]
    durations = {**{f"r{i}": 1.0 for i in range(5)}, "w": 5.0, "v": 1.0, "r0": 9.0, "r1": 8.0}
    run = Runner(plan_of(*items, slots={"test-runner": 2}, durations=durations))
    running = _started(run.begin())
    while running:  # the fifth reader starts the reservation, so that nobody opens that port again
        running += _started(run.passed(running.pop(0)))
    assert run.schedule.is_finished


def _started(words: list[str]) -> list[str]:
    return [name for word in words if word.startswith("start ") for name in word.split()[1:]]


def test_tests_go_out_in_runs_of_neighbours_large_at_first_and_single_at_the_end() -> None:
    plan = plan_of(*(ordinary(f"t{i:02}") for i in range(40)), slots={"test-runner": 2},
                   durations={f"t{i:02}": 0.1 for i in range(40)})  # fmt: skip
    runs = _all_runs(plan)
    assert [i for run in runs for i in run] == list(range(40))
    sizes = [len(run) for run in runs]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 10
    assert sizes[-2:] == [1, 1]


def test_no_run_of_tests_is_expected_to_last_longer_than_five_seconds() -> None:
    plan = plan_of(*(ordinary(f"t{i}") for i in range(300)), durations={f"t{i}": 0.2 for i in range(300)})
    assert max(len(run) for run in _all_runs(plan)) == 25


def test_tests_of_unknown_duration_go_out_in_limited_numbers() -> None:
    assert max(len(run) for run in _all_runs(plan_of(*(ordinary(f"t{i}") for i in range(2000))))) == 250


def test_a_long_test_does_not_wait_for_its_turn_in_the_pool() -> None:
    tests = [ordinary(f"t{i}") for i in range(50)]
    durations = {**{f"t{i}": 0.1 for i in range(50)}, "t49": 4.0}
    run = Runner(plan_of(*tests, slots={"test-runner": 2}, durations=durations))
    assert run.begin()[0] == "start t49"


def _all_runs(plan: Plan) -> list[tuple[int, ...]]:
    schedule = Schedule(plan)
    commands = schedule.feed(Begin(at_s=0.0))
    runs: list[tuple[int, ...]] = []
    while commands:
        command = commands.pop(0)
        assert isinstance(command, Start)
        runs.append(command.checks)
        for number in command.checks:
            commands += schedule.feed(Finished(check=number, passed=True, at_s=0.0))
    return runs


def test_a_check_of_the_same_type_goes_between_two_runs_of_tests() -> None:
    tests = [ordinary(f"t{i}") for i in range(4)]
    run = Runner(plan_of(*tests, check("build", agent="debugger"), check("crate", needs="build")))
    assert run.begin() == ["start build", "start t0 t1"]
    assert run.passed("build") == []
    assert run.passed("t0") == []
    assert run.passed("t1") == ["start crate"]
    assert run.passed("crate") == ["start t2"]


def test_a_check_may_need_ordinary_tests() -> None:
    run = Runner(plan_of(ordinary("t0"), ordinary("t1"), check("bench", needs="t1", agent="debugger")))
    assert run.begin() == ["start t1"]
    assert run.failed("t1") == ["block bench by t1", "start t0"]


def test_returned_tests_go_back_to_the_pool_in_their_place() -> None:
    run = Runner(plan_of(*(ordinary(f"t{i}") for i in range(6))))
    assert run.begin() == ["start t0 t1 t2"]
    assert run.failed("t0") == []
    assert run.returned("t1", "t2") == ["start t1 t2"]
    assert run.schedule.counts == Counts(waiting=0, ready=3, running=2, decided=1)


def test_a_returned_check_is_ready_again() -> None:
    run = Runner(plan_of(check("a", writes=["x"]), check("b", writes=["x"], agent="debugger")))
    assert run.begin() == ["start a"]
    assert run.returned("a") == ["start a"]


def test_a_lost_slot_takes_no_more_work() -> None:
    run = Runner(plan_of(check("a"), check("b"), check("c"), slots={"test-runner": 2}))
    run.begin()
    assert run.lost("test-runner", 0) == []
    assert run.passed("a") == []
    assert run.passed("b") == ["start c"]


def test_the_loss_of_the_last_slot_drops_its_type_and_blocks_what_needs_it() -> None:
    run = Runner(
        plan_of(check("a"), check("b"), ordinary("t"), check("c", needs="b", agent="debugger"),
                check("d", needs="c", agent="debugger"), check("e", after="b", agent="debugger"),
                durations={"a": 99, "b": 1, "c": 1, "d": 1, "e": 1})
    )  # fmt: skip
    run.begin()
    reason = "all slots of test-runner are lost"
    assert run.lost("test-runner") == [
        f"drop b: {reason}", f"drop t: {reason}", "block c by b", "block d by b", "start e",
    ]  # fmt: skip
    assert run.returned("a") == [f"drop a: {reason}"]
    assert run.passed("e") == []
    assert run.schedule.is_finished


def test_a_stop_drops_what_has_not_started_and_lets_the_rest_finish() -> None:
    run = Runner(
        plan_of(check("a"), check("b"), check("c", needs="a"), ordinary("t"), check("r", after="a", when="always"))
    )
    run.begin()
    assert run.stop("fail-fast") == [f"drop {name}: fail-fast" for name in ("b", "c", "t", "r")]
    assert run.stop("again") == []
    assert run.failed("a") == []
    assert run.schedule.is_finished


def test_what_is_returned_after_a_stop_is_dropped() -> None:
    run = Runner(
        plan_of(ordinary("t0"), ordinary("t1"), slots={"test-runner": 1}, durations={"t0": 0.001, "t1": 0.001})
    )
    assert run.begin() == ["start t0 t1"]
    assert run.stop("interrupted") == []
    assert run.returned("t1") == ["drop t1: interrupted"]
    assert run.passed("t0") == []


def test_an_item_gives_way_until_the_other_has_started_or_never_will() -> None:
    plan = plan_of(check("head", agent="debugger"), check("late", needs="head"), check("early"))
    plan = plan.replaced(gives_way={2: (GiveWay(other=1, until_s=100.0),)})
    on_time, in_vain = Runner(plan), Runner(plan)
    assert on_time.begin() == in_vain.begin() == ["start head"]
    assert on_time.passed("head") == ["start late"]
    assert on_time.passed("late") == ["start early"]
    assert on_time.waited_for("early") == ["late"]
    assert in_vain.failed("head") == ["block late by head", "start early"]


def test_nothing_starts_before_the_beginning() -> None:
    run = Runner(plan_of(check("a"), check("b", agent="debugger")))
    assert run.lost("debugger") == ["drop b: all slots of debugger are lost"]
    assert run.schedule.state(0) is State.WAITING
    assert run.begin() == ["start a"]


def test_an_impossible_event_is_refused() -> None:
    run = Runner(plan_of(check("a"), check("b")))
    run.begin()
    with pytest.raises(ScheduleError, match=r"conftest.py::b is ready and cannot be finished"):
        run.passed("b")
    with pytest.raises(ScheduleError, match="no slot test-runner/7"):
        run.lost("test-runner", 7)
    with pytest.raises(ScheduleError, match="begun"):
        run.begin()


REACHABLE = {
    State.WAITING: lambda run: None,
    State.READY: lambda run: run.begin(),
    State.RUNNING: lambda run: (run.begin(), run.passed("first")),
    State.PAUSED: lambda run: (run.begin(), run.passed("first"), run.failed_once("it")),
    State.DONE: lambda run: (run.begin(), run.passed("first"), run.passed("it")),
    State.BLOCKED: lambda run: (run.begin(), run.failed("need")),
    State.CANCELLED: lambda run: run.stop(),
}
DONE_TO_IT = {
    Turn.FREED: lambda run: run.begin(),
    Turn.STARTED: lambda run: run.passed("first"),
    Turn.FINISHED: lambda run: run.passed("it"),
    Turn.FAILED_TRY: lambda run: run.failed_once("it"),
    Turn.RESTED: lambda run: run.rested("it"),
    Turn.RETURNED: lambda run: run.returned("it"),
    Turn.BLOCKED: lambda run: (run.begin(), run.failed("need")),
    Turn.DROPPED: lambda run: run.stop(),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("turn", Turn)
def test_every_move_of_the_table_happens_and_no_other(state: State, turn: Turn) -> None:
    needs = "need" if State.BLOCKED in (state, MOVES.get((state, turn))) else ""
    item = check("it", needs=needs, retries=1, retry_pause_s=1.0)
    run = Runner(plan_of(check("first"), check("need", agent="debugger"), item))
    it = run.number("it")
    REACHABLE[state](run)
    assert run.schedule.state(it) is state
    after = MOVES.get((state, turn))
    if after is not None:
        DONE_TO_IT[turn](run)
        # An item that is ready again is the only one, so it starts at once.
        assert run.schedule.state(it) is (State.RUNNING if turn in (Turn.RETURNED, Turn.RESTED) else after)
    elif turn in (Turn.FINISHED, Turn.FAILED_TRY, Turn.RESTED, Turn.RETURNED):
        with pytest.raises(ScheduleError):
            DONE_TO_IT[turn](run)
        assert run.schedule.state(it) is state


@dataclass
class Course:
    """What happened in one run, checked as it happens."""

    plan: Plan
    running: dict[Slot, list[int]] = field(default_factory=dict)
    fate: dict[int, str] = field(default_factory=dict)
    passed: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)
    lost: set[Slot] = field(default_factory=set)

    def obey(self, commands: list[Command]) -> None:
        self.commands += commands
        for command in commands:
            match command:
                case Start():
                    self.start(command)
                case Block():
                    assert command.check not in self.fate
                    assert command.cause in self.failed or self.fate[command.cause] == "dropped"
                    assert self.plan.checks[command.check].when == "success"
                    self.fate[command.check] = "blocked"
                case Drop():
                    assert command.check not in self.fate
                    self.fate[command.check] = "dropped"

    def start(self, command: Start) -> None:
        plan = self.plan
        assert command.slot not in self.running, "a slot is booked twice"
        assert command.slot not in self.lost
        assert 0 <= command.slot.number < plan.slots[command.slot.agent]
        for number in command.checks:
            assert plan.checks[number].agent == command.slot.agent
            assert number not in self.fate
            waits_for = (*plan.needs[number], *plan.after[number])
            assert all(other in self.fate and other not in self.now() for other in waits_for)
            if plan.checks[number].when == "success":
                assert all(other in self.passed for other in plan.needs[number])
            self.fate[number] = "started"
        self.running[command.slot] = list(command.checks)
        self.check_together()

    def now(self) -> list[int]:
        return [number for numbers in self.running.values() for number in numbers]

    def check_together(self) -> None:
        together = [self.plan.checks[numbers[0]] for numbers in self.running.values()]
        for i, one in enumerate(together):
            for other in together[:i]:
                assert why_apart(one, other, capacities=self.plan.capacities) is None
        used: Counter[str] = Counter()
        for item in together:
            used.update(total_uses(item))
        assert all(count <= self.plan.capacities.get(name, 1) for name, count in used.items())
        assert self.plan.cpus is None or sum(item.cpus for item in together) <= self.plan.cpus

    def leave(self, slot: Slot, number: int) -> None:
        self.running[slot].remove(number)
        if not self.running[slot]:
            del self.running[slot]


def walk(plan: Plan, data: st.DataObject, *, with_trouble: bool) -> tuple[Course, list[Event]]:
    """Run a plan to its end with any course of events."""
    schedule, course, events = Schedule(plan), Course(plan), []

    def feed(event: Event) -> None:
        events.append(event)
        course.obey(schedule.feed(event))

    feed(Begin(at_s=0.0))
    while course.running:
        slot = data.draw(st.sampled_from(sorted(course.running)))
        number = course.running[slot][0]
        trouble = data.draw(st.sampled_from(["none"] * 9 + ["return", "lose", "stop"])) if with_trouble else "none"
        at_s = float(len(events))
        if trouble == "stop":
            feed(Stop(reason="stopped", at_s=at_s))
        elif trouble == "lose" and slot not in course.lost:
            course.lost.add(slot)
            feed(SlotLost(slot=slot, at_s=at_s))
        elif trouble == "return" and len(course.running[slot]) > 1:
            back = course.running[slot][1:]
            del course.running[slot][1:]
            for other in back:
                del course.fate[other]
            feed(Returned(checks=tuple(back), at_s=at_s))
        else:
            passed = not with_trouble or data.draw(st.integers(0, 4)) > 0
            (course.passed if passed else course.failed).add(number)
            course.leave(slot, number)
            feed(Finished(check=number, passed=passed, at_s=at_s))
        counts = schedule.counts
        assert counts.running == len(course.now())
        assert counts.waiting + counts.ready + counts.running + counts.decided == len(plan.checks)
    assert schedule.is_finished
    assert set(course.fate) == set(range(len(plan.checks)))
    return course, events


@settings(max_examples=150, deadline=None)
@given(plans(), st.data())
def test_whatever_happens_each_item_has_one_fate_and_nothing_overlaps_that_may_not(
    plan: Plan, data: st.DataObject
) -> None:
    walk(plan, data, with_trouble=True)


@settings(max_examples=60, deadline=None)
@given(plans(max_exclusive=0), st.data())
def test_no_slot_is_idle_while_something_could_run_on_it(plan: Plan, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "PATIENCE", 10**9)  # nothing is kept free for anybody
        schedule, running = Schedule(plan), dict[Slot, list[int]]()
        commands = schedule.feed(Begin(at_s=0.0))
        while True:
            running.update({one.slot: list(one.checks) for one in commands if isinstance(one, Start)})
            assert not [i for i in range(len(plan.checks)) if could_start(plan, schedule, running, i)]
            if not running:
                break
            slot = data.draw(st.sampled_from(sorted(running)))
            number = running[slot].pop(0)
            if not running[slot]:
                del running[slot]
            commands = schedule.feed(Finished(check=number, passed=True, at_s=0.0))
    assert schedule.is_finished


def could_start(plan: Plan, schedule: Schedule, running: dict[Slot, list[int]], number: int) -> bool:
    item = plan.checks[number]
    together = [plan.checks[numbers[0]] for numbers in running.values()]
    used = Counter(total_uses(item))
    for other in together:
        used.update(total_uses(other))
    return (
        schedule.state(number) is State.READY
        and sum(slot.agent == item.agent for slot in running) < plan.slots[item.agent]
        and all(why_apart(item, other, capacities=plan.capacities) is None for other in together)
        and all(count <= plan.capacities.get(name, 1) for name, count in used.items())
        and (plan.cpus is None or sum(other.cpus for other in (item, *together)) <= plan.cpus)
    )


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_giving_way_to_anybody_never_stops_the_machine(plan: Plan, data: st.DataObject) -> None:
    single = [i for i, is_pooled in enumerate(plan.is_pooled) if not is_pooled]
    assume(single)
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(single), st.sampled_from(single)), max_size=6))
    ways = {one: (GiveWay(other=other, until_s=data.draw(st.sampled_from([2.0, 1e9]))),) for one, other in pairs}
    walk(plan.replaced(gives_way=ways), data, with_trouble=data.draw(st.booleans()))


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_everything_is_started_when_everything_passes(plan: Plan, data: st.DataObject) -> None:
    course, _ = walk(plan, data, with_trouble=False)
    assert set(course.fate.values()) == {"started"}


@settings(max_examples=40, deadline=None)
@given(plans(), st.data())
def test_the_same_events_give_the_same_commands(plan: Plan, data: st.DataObject) -> None:
    course, events = walk(plan, data, with_trouble=True)
    schedule = Schedule(plan)
    assert [command for event in events for command in schedule.feed(event)] == course.commands

"""Groups in the pure rooms: what decides them, how early, and what the machine then does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import check, group, ordinary, plan_of
from test_schedule import Runner

from pytest_paragate import lanes
from pytest_paragate.groups import FATES, MOVES, Decision, Fate, Groups, PlannedGroup, Standing
from pytest_paragate.model import Check, PlanError, Slot
from pytest_paragate.plan import Plan
from pytest_paragate.schedule import (
    Begin,
    Block,
    Cancel,
    Command,
    Decided,
    Drop,
    Event,
    Finished,
    Rested,
    Retry,
    Returned,
    Schedule,
    SlotLost,
    Start,
    State,
    Stop,
)
from pytest_paragate.speedup import limit, simulate

WAITS: list[int | str] = ["all", "any", 1, 2, 3, 4, "1%", "30%", "50%", "60%", "75%", "100%"]


def planned(wait: int | str, size: int) -> PlannedGroup:
    return PlannedGroup(name="g", wait=wait, rest="finish", members=tuple(range(size)))


def finally_met(wait: int | str, fates: tuple[Fate, ...]) -> bool:
    """The meaning of ``wait``, when everything is known."""
    passed = fates.count("passed")
    left = len(fates) - fates.count("skipped")
    if wait == "all":
        return passed == left
    if isinstance(wait, str) and wait != "any":
        return 100 * passed >= int(wait[:-1]) * left
    return passed >= (1 if wait == "any" else int(wait))


def earliest(wait: int | str, known: tuple[Fate, ...], size: int) -> Standing:
    """By trying everything that may still come."""
    futures = itertools.product(FATES, repeat=size - len(known))
    answers = {finally_met(wait, (*known, *future)) for future in futures}
    if len(answers) > 1:
        return "open"
    return "met" if answers.pop() else "unmet"


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_group_is_decided_at_the_earliest_event_that_decides_it(wait: int | str, size: int) -> None:
    if isinstance(wait, int) and wait > size:
        pytest.skip("refused when the plan is made")
    for fates in itertools.product(FATES, repeat=size):
        groups = Groups([planned(wait, size)], dict.fromkeys(range(size), 0))
        decided_at = None
        for i, fate in enumerate(fates):
            if groups.note(i, fate) is not None:
                assert decided_at is None, "decided twice"
                decided_at = i
            known = fates[: i + 1]
            expected = earliest(wait, known, size)
            if decided_at in (None, i):
                assert groups.standing(0) == expected, (fates, i)
        assert groups.standing(0) == ("met" if finally_met(wait, fates) else "unmet")


def all_moves() -> Iterator[tuple[Standing, Fate, Standing]]:
    for wait, size in itertools.product(WAITS, [1, 2, 3]):
        if isinstance(wait, int) and wait > size:
            continue
        for fates in itertools.product(FATES, repeat=size):
            groups = Groups([planned(wait, size)], dict.fromkeys(range(size), 0))
            for i, fate in enumerate(fates):
                before = groups.standing(0)
                groups.note(i, fate)
                yield before, fate, groups.standing(0)


def test_every_move_of_the_table_happens_and_no_other() -> None:
    seen = set(all_moves())
    assert seen == {(before, fate, after) for (before, fate), afters in MOVES.items() for after in afters}


def mirrors(wait: int | str, rest: str, *names: str, **keys: str) -> Runner:
    """Members of one group, a slot each, and ``next`` that needs the group."""
    checks = [check(name, group="g", agent=name, **keys) for name in names]
    return Runner(plan_of(*checks, check("next", needs="group:g"), groups=[group("g", wait, rest)]))


def test_what_needs_a_group_goes_on_at_its_decision_and_the_rest_finishes() -> None:
    run = mirrors("any", "finish", "a", "b")
    assert run.begin() == ["start a", "start b"]
    assert run.passed("a") == ["g met by a", "start next"]
    assert run.waited_for("next") == ["a"]
    assert run.failed("b") == []
    assert run.passed("next") == []
    assert run.schedule.is_finished


def test_the_rest_is_cancelled_and_stays_running_until_it_has_finished() -> None:
    run = mirrors("any", "cancel", "a", "b")
    run.begin()
    assert run.passed("a") == ["cancel b", "g met by a", "start next"]
    assert run.schedule.state(run.number("b")) is State.RUNNING
    assert run.failed("b") == []


def test_one_that_finishes_in_the_same_instant_counts_as_it_finished() -> None:
    run = mirrors("any", "cancel", "a", "b")
    run.begin()
    run.passed("a")
    assert run.passed("b") == []
    assert run.schedule.state(run.number("b")) is State.DONE


def test_stop_starts_no_more_and_lets_run_what_runs() -> None:
    members = [check("a", group="g"), check("b", group="g", agent="debugger"), check("c", group="g")]
    run = Runner(plan_of(*members, groups=[group("g", "any", "stop")]))
    assert run.begin() == ["start a", "start b"]
    assert run.passed("b") == ["drop c: group g is met: 1 of 3 passed, 1 needed", "g met by b"]
    assert run.passed("a") == []
    assert run.schedule.is_finished


def test_a_group_that_can_no_longer_be_met_is_decided_then_and_treats_its_rest_too() -> None:
    run = mirrors("60%", "cancel", "a", "b", "c", "d", "e")
    run.begin()
    assert run.failed("a") == []
    assert run.failed("b") == []
    assert run.failed("c") == ["cancel d", "cancel e", "g unmet by a b c", "block next by c of g"]


def test_all_is_decided_by_the_first_failure() -> None:
    run = mirrors("all", "cancel", "a", "b")
    run.begin()
    assert run.failed("a") == ["cancel b", "g unmet by a", "block next by a of g"]


def test_a_skipped_member_leaves_the_group() -> None:
    run = mirrors("all", "finish", "a", "b")
    run.begin()
    assert run.skipped("a") == []
    assert run.passed("b") == ["g met by b", "start next"]
    run = mirrors("any", "finish", "a", "b")
    run.begin()
    assert run.skipped("a") == []
    assert run.skipped("b") == ["g unmet by", "block next by b of g"]


def test_blocked_members_count_at_once() -> None:
    members = [check("a", group="g", needs="build"), check("b", group="g", needs="build")]
    plan = plan_of(check("build"), *members, check("next", needs="group:g"), groups=[group("g", "any")])
    run = Runner(plan)
    run.begin()
    assert run.failed("build") == [
        "block a by build", "block b by build", "g unmet by a b", "block next by build of g",
    ]  # fmt: skip
    assert run.schedule.is_finished


def test_what_runs_always_and_what_comes_after_only_waits_for_the_decision() -> None:
    plan = plan_of(
        check("a", group="g"),
        check("always", needs="group:g", when="always", agent="debugger"),
        check("later", after="group:g", agent="refactorer"),
        groups=[group("g")],
    )
    run = Runner(plan)
    run.begin()
    assert run.failed("a") == ["g unmet by a", "start always", "start later"]


def test_a_member_with_tries_left_does_not_count_yet() -> None:
    members = [check("a", group="g", retries=1), check("b", group="g", agent="debugger")]
    run = Runner(plan_of(*members, groups=[group("g", "all", "cancel")]))
    run.begin()
    assert run.failed_once("a") == ["retry a after 1", "start a"]
    assert run.failed_once("a") == ["cancel b", "g unmet by a"]


def test_a_decided_group_tries_none_again() -> None:
    members = [check("a", group="g", retries=1), check("b", group="g", agent="debugger")]
    run = Runner(plan_of(*members, groups=[group("g", "any", "stop")]))
    run.begin()
    assert run.passed("b") == ["g met by b"]
    assert run.failed_once("a") == []
    assert run.schedule.is_finished


def test_a_paused_member_is_dropped_by_the_decision() -> None:
    members = [check("a", group="g", retries=1, retry_pause_s=9.0), check("b", group="g", agent="debugger")]
    run = Runner(plan_of(*members, groups=[group("g", "any", "cancel")]))
    run.begin()
    assert run.failed_once("a") == ["retry a after 1"]
    assert run.passed("b") == ["drop a: group g is met: 1 of 2 passed, 1 needed", "g met by b"]
    assert run.schedule.is_finished


def test_a_member_that_is_returned_after_the_decision_is_dropped() -> None:
    run = mirrors("any", "stop", "a", "b")
    run.begin()
    run.passed("a")
    assert run.returned("b") == ["drop b: group g is met: 1 of 2 passed, 1 needed"]


def test_a_stop_decides_groups_that_have_not_passed() -> None:
    run = mirrors("any", "cancel", "a", "b")
    run.begin()
    assert run.stop("fail-fast") == ["drop next: fail-fast"]
    assert run.failed("a") == []
    assert run.failed("b") == ["g unmet by a b"]


def test_a_dropped_member_that_waited_for_a_path_leaves_it_to_others() -> None:
    members = [
        check("a", group="g", agent="debugger"),
        check("b", group="g", writes=["x"]),
        check("holds", writes=["x"], agent="refactorer"),
        check("waits", writes=["x"], agent="code-reviewer"),
    ]
    durations = {"holds": 9.0, "b": 8.0, "waits": 1.0, "a": 1.0}
    run = Runner(plan_of(*members, groups=[group("g", "any", "stop")], durations=durations))
    assert run.begin() == ["start holds", "start a"]
    assert run.passed("a") == ["drop b: group g is met: 1 of 2 passed, 1 needed", "g met by a"]
    assert run.passed("holds") == ["start waits"]


def test_a_member_is_dropped_from_a_lane_that_the_same_event_opened() -> None:
    members = [check("a", group="g", writes=["x"], agent="debugger"), check("b", group="g", needs="first")]
    others = [check(name, writes=["x"], agent="debugger") for name in ("m", "n")]
    items = [check("first", writes=["x"]), *others, *members]
    durations = {"first": 9.0, "m": 5.0, "a": 2.0, "n": 1.0}
    run = Runner(plan_of(*items, groups=[group("g", "all", "stop")], durations=durations))
    assert run.begin() == ["start first"]
    reason = "group g can no longer be met: 0 of 2 passed, 2 needed"
    assert run.failed("first") == ["block b by first", f"drop a: {reason}", "g unmet by b", "start m"]
    assert run.passed("m") == ["start n"]


def test_an_ordinary_test_in_a_group_is_not_handed_out_in_a_run() -> None:
    tests = [ordinary(f"t{i}", group="g") for i in range(3)]
    plan = plan_of(*tests, ordinary("free"), groups=[group("g", "any", "cancel")])
    assert plan.is_pooled == (False, False, False, True)


def test_a_number_is_capped_by_what_was_selected() -> None:
    members = [check("a", group="g"), check("b", group="g")]
    plan = plan_of(members[0], unselected=[members[1]], groups=[group("g", 2)])
    assert plan.groups[0].wanted(1) == 1


WRONG_GROUPS: list[tuple[list[Check], list[Check], str]] = [
    ([check("x", needs="group:g")], [check("a", group="g")], '"x" needs the group "g", which was deselected'),
    ([check("x", needs="group:h"), check("a", group="g")], [], '"x" needs the group "h", which does not exist'),
    ([check("a", group="h"), check("b", group="g")], [], '"a" is in the group "h", which does not exist'),
    ([check("a")], [], 'the group "g" has no members'),
    ([check("a", group="g", after="group:g")], [], '"a" comes after the group "g", of which it is a member'),
]


@pytest.mark.parametrize(("checks", "unselected", "what"), WRONG_GROUPS)
def test_impossible_groups_are_refused(checks: list[Check], unselected: list[Check], what: str) -> None:
    with pytest.raises(PlanError, match=what):
        plan_of(*checks, unselected=unselected, groups=[group("g")])


def test_a_cycle_names_the_groups_that_it_goes_through() -> None:
    mirror, other = check("mirror", group="mirrors", needs="publish"), check("other", group="mirrors")
    publish = check("publish", needs=["check"])
    with pytest.raises(PlanError) as caught:
        plan_of(mirror, other, publish, check("check", after="group:mirrors"), groups=[group("mirrors", wait="any")])
    assert "these wait for each other: mirror -> publish -> check -> group:mirrors -> mirror" in str(caught.value)


def test_coming_after_a_deselected_group_is_no_error() -> None:
    plan = plan_of(check("x", after="group:g"), unselected=[check("a", group="g")], groups=[group("g")])
    assert plan.groups == ()
    assert Runner(plan).begin() == ["start x"]


def test_a_group_is_found_in_the_same_file_first() -> None:
    groups = [group("g", "any", file="a/conftest.py"), group("g", "all", file="b/conftest.py")]
    checks = [
        check(f"{folder}{i}", group="g", file=f"{folder}/conftest.py", agent=f"{folder}{i}")
        for folder in "ab"
        for i in range(2)
    ]
    plan = plan_of(*checks, groups=groups)
    assert [(each.wait, each.members) for each in plan.groups] == [("any", (0, 1)), ("all", (2, 3))]
    with pytest.raises(PlanError, match=r"declared more than once: a/conftest\.py:1, b/conftest\.py:1"):
        plan_of(*checks, check("x", needs="group:g", file="c/conftest.py"), groups=groups)


def test_the_replay_cuts_short_what_a_group_cancels() -> None:
    members = [check(name, group="g", agent=name) for name in ("a", "b", "c")]
    durations = {"a": 1.0, "b": 60.0, "c": 2.0, "next": 1.0}
    plan = plan_of(*members, check("next", needs="group:g"), groups=[group("g", "any", "cancel")], durations=durations)
    run = simulate(plan)
    assert run.makespan_s == 2.0
    assert {i: end_s for i, _, _, end_s in run.starts} == {0: 1.0, 1: 1.0, 2: 1.0, 3: 2.0}
    assert limit(plan, [1.0, 1.0, 1.0, 1.0]).wall_s <= 2.0


# Properties


@st.composite
def grouped_plans(draw: st.DrawFn, *, pauses_s: Sequence[float] = (0.0, 0.0, 1.0)) -> Plan:
    """Random groups with members of random types, tries, paths and needs; some wait for groups."""
    checks: list[Check] = []
    groups = []
    for number in range(draw(st.integers(1, 2))):
        name = f"g{number}"
        size = draw(st.integers(1, 5))
        waits = ["any", "all", "34%", "60%", *range(1, size + 1)]
        groups.append(group(name, draw(st.sampled_from(waits)), draw(st.sampled_from(["finish", "stop", "cancel"]))))
        before = [f"group:g{i}" for i in range(number)] + [item.name for item in checks]
        for i in range(size):
            needs = (draw(st.sampled_from(before)),) if before and draw(st.integers(0, 3)) == 0 else ()
            keys = {"retries": draw(st.integers(0, 2)), "retry_pause_s": draw(st.sampled_from(pauses_s))}
            writes = ["x"] if draw(st.booleans()) else []
            agent = draw(st.sampled_from(["one", "two", "three"]))
            exclusive = draw(st.integers(0, 8)) == 0
            item = check(
                f"{name}m{i}", group=name, needs=needs, agent=agent, writes=writes, exclusive=exclusive, **keys
            )
            checks.append(item)
        when = draw(st.sampled_from(["success", "always"]))
        checks.append(check(f"after-{name}", needs=f"group:{name}", when=when, agent="one"))
    return plan_of(*checks, slots={"one": 1, "two": 2, "three": 1}, groups=groups)


class Walk:
    """One course of events, checked as it happens."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.schedule = plan, Schedule(plan)
        self.running: list[int] = []
        self.paused: list[int] = []
        self.cancelled: set[int] = set()
        self.fates: dict[int, Fate] = {}
        self.decided: dict[int, bool] = {}
        self.commands: list[Command] = []

    def feed(self, event: Event) -> None:
        # What is decided has to be decided by this event, before anything else is asked for.
        commands = self.schedule.feed(event)
        self.commands += commands
        for command in commands:
            match command:
                case Start():
                    (number,) = command.checks
                    assert number not in self.fates
                    assert not self.is_closed(number)
                    for needed in self.plan.group_needs.get(number, ()):
                        assert needed in self.decided
                        assert self.decided[needed] or self.plan.checks[number].when == "always"
                    self.running.append(number)
                case Block() | Drop():
                    assert command.check not in self.running
                    self.settle(command.check, "failed")
                    if command.check in self.paused:
                        self.paused.remove(command.check)
                case Retry():
                    if self.plan.checks[command.check].retry_pause_s:
                        self.paused.append(command.check)
                case Cancel():
                    assert command.check in self.running
                    assert self.plan.groups[self.plan.group_of[command.check]].rest == "cancel"
                    self.cancelled.add(command.check)
                case Decided():
                    assert command.decision.group not in self.decided
                    self.decided[command.decision.group] = command.decision.is_met
                    self.assert_right_then(command.decision)
        for number, planned_group in enumerate(self.plan.groups):
            known = tuple(self.fates[member] for member in planned_group.members if member in self.fates)
            standing = earliest(planned_group.wait, known, len(planned_group.members))
            if number not in self.decided:
                assert standing == "open", "decided too late"

    def assert_right_then(self, decision: Decision) -> None:
        """What was known then decides it, whatever becomes of the others."""
        group = self.plan.groups[decision.group]
        size = len(group.members)
        assert len(decision.by) == len(set(decision.by))
        assert {self.fates[member] for member in decision.by} <= {"passed" if decision.is_met else "failed"}
        skipped = size - decision.left
        for fate, count in (("passed", decision.passed), ("skipped", skipped)):
            assert count <= sum(self.fates.get(member) == fate for member in group.members)
        failed = len(decision.by) if not decision.is_met else 0
        known: tuple[Fate, ...] = ("passed",) * decision.passed + ("failed",) * failed + ("skipped",) * skipped
        assert earliest(group.wait, known, size) == ("met" if decision.is_met else "unmet"), "decided too early"

    def settle(self, number: int, fate: Fate) -> None:
        assert number not in self.fates
        self.fates[number] = fate

    def is_closed(self, number: int) -> bool:
        own = self.plan.group_of.get(number)
        return own is not None and own in self.decided and self.plan.groups[own].rest != "finish"


@settings(max_examples=200, deadline=None)
@given(grouped_plans(), st.data(), st.booleans(), st.sampled_from([1, lanes.PATIENCE]))
def test_whatever_happens_groups_are_decided_early_once_and_rightly(
    plan: Plan, data: st.DataObject, with_trouble: bool, patience: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "PATIENCE", patience)
        walk_to_the_end(plan, data, with_trouble=with_trouble)


def walk_to_the_end(plan: Plan, data: st.DataObject, *, with_trouble: bool) -> None:
    walk = Walk(plan)
    walk.feed(Begin(at_s=0.0))
    events: list[Event] = [Begin(at_s=0.0)]
    lost = False
    while walk.running or walk.paused:
        chosen = data.draw(st.sampled_from([*walk.running, *walk.paused]))
        at_s = float(len(events))
        trouble = data.draw(st.sampled_from(["none"] * 9 + ["return", "lose", "stop"])) if with_trouble else "none"
        if trouble == "stop":
            event: Event = Stop(reason="stopped", at_s=at_s)
        elif trouble == "lose" and not lost:
            lost, event = True, SlotLost(slot=Slot("three", 0), at_s=at_s)
        elif trouble == "return" and chosen in walk.running:
            walk.running.remove(chosen)
            event = Returned(checks=(chosen,), at_s=at_s)
        elif chosen in walk.paused:
            walk.paused.remove(chosen)
            event = Rested(check=chosen, at_s=at_s)
        else:
            fate = "failed" if chosen in walk.cancelled else data.draw(st.sampled_from([*FATES, "failed"]))
            is_curable = fate == "failed" and chosen not in walk.cancelled
            tried_again = is_curable and walk.schedule.has_tries_left(chosen)
            walk.running.remove(chosen)
            if not tried_again:
                walk.settle(chosen, fate)
            passed, skipped = fate != "failed", fate == "skipped"
            event = Finished(check=chosen, passed=passed, is_skipped=skipped, is_curable=is_curable, at_s=at_s)
        events.append(event)
        walk.feed(event)
    assert walk.schedule.is_finished
    assert set(walk.fates) == set(range(len(plan.checks)))
    for number, planned_group in enumerate(plan.groups):
        fates = tuple(walk.fates[member] for member in planned_group.members)
        assert walk.decided[number] is finally_met(planned_group.wait, fates)
    again = Schedule(plan)
    assert [command for event in events for command in again.feed(event)] == walk.commands

"""Groups through the controller with workers that follow a script: every wait, rest, order and outcome up to four.

What must come out is worked out here from what is asked for, without the machine.
"""

from __future__ import annotations

import functools
import itertools
import json
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import check, group, plan_of
from test_groups import earliest, finally_met, grouped_plans

from pytest_paragate.groups import FATES, Fate, Standing
from pytest_paragate.plan import Plan
from pytest_paragate.result import CheckResult
from pytest_paragate.run.gateways import Event, Said
from pytest_paragate.run.loop import Loop, LoopResult, LoopSettings
from pytest_paragate.run.messages import Message, packed, unpacked
from pytest_paragate.schedule import Schedule
from pytest_paragate.summing import outcome_of
from pytest_paragate.verdict import Outcome, Verdict

WAITS: list[int | str] = ["all", "any", 2, 3, 4, "60%"]
RESTS = ["finish", "stop", "cancel"]
SKIPPED = -1000
FATE_OF: dict[Outcome, Fate] = {Outcome.PASSED: "passed", Outcome.SKIPPED: "skipped"}
ENDS: dict[Fate, int] = {"passed": 0, "failed": 1, "skipped": SKIPPED}


_SKIP = packed(
    {
        "reports": [{"outcome": "skipped", "when": "setup", "longrepr": None, "sections": []}],
        "started_at": 0.0,
        "duration_s": 1.0,
        "cpu_s": 0.0,
        "stopped": False,
        "internal_error": None,
        "ended_session": None,
        **dict.fromkeys(("commands", "leaked", "changed"), ()),
        "facts": {},
    }
)


class Script:
    """Workers, inbox and launcher in one: commands end one at a time, in a given order.

    ``ends`` gives each command's exit statuses, one for each try; SKIPPED stands for what function checks only can say.
    One that was told to end does so, unless it is ``quick``: then it has ended by itself in the same instant.
    """

    def __init__(self, order: Sequence[int], ends: Mapping[int, Sequence[int]], *, quick: bool) -> None:
        self.order, self.ends, self.quick = order, {i: list(codes) for i, codes in ends.items()}, quick
        self.running: dict[int, str] = {}  # worker by item
        self.told: list[int] = []
        self.started: list[int] = []
        self._count = 0

    def launch(self, slot: str) -> ScriptedWorker:
        self._count += 1
        return ScriptedWorker(f"gw{self._count - 1}", self)

    def allow(self, pids: list[int]) -> None: ...
    def let_go(self) -> None: ...

    def close(self) -> None: ...

    def empty(self) -> bool:
        return True

    def get(self, timeout: float | None = None) -> Event:
        if not self.running:
            raise queue.Empty
        index = next(i for i in self.order if i in self.running)
        worker = self.running.pop(index)
        if index in self.told and not self.quick:
            facts = {"returncode": -15, "started_at": 0.0, "duration_s": 1.0, "cpu_s": 0.0, "max_rss_kb": 1}
            news: list[Any] = ["command", index, {**facts, "stopped": True, "output": "so far"}]
        elif (code := self.ends[index].pop(0)) == SKIPPED:
            news = ["item", index, _SKIP]
        else:
            news = ["ended", index, code, 0.0, 1.0, 0.0, 1]
        return Said(worker=worker, message={"say": "news", "lines": json.dumps(news) + "\n"})


class ScriptedWorker:
    kind = "fork"
    is_copy = True

    def __init__(self, worker_id: str, script: Script) -> None:
        self.id, self._script = worker_id, script

    def send(self, message: Message) -> None:
        if message["do"] == "command":
            self._script.running[message["index"]] = self.id
            self._script.started.append(message["index"])
        elif message["do"] == "stop":
            self._script.told.append(message["index"])

    def kill(self, *, shows_stack: bool = False) -> None:
        raise AssertionError("nobody is killed here")

    def is_stopped(self) -> bool:
        return False

    def printed(self) -> str:
        return ""


class Listener:
    """The audience: what was told, in order."""

    def __init__(self) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self.told_first: list[int] = []
        self.tries: list[int] = []

    def begun(self) -> None: ...
    def told(self) -> None: ...
    def output(self, index: int, stream: str, data: bytes) -> None: ...
    def warning(self, warning: Mapping[str, Any]) -> None: ...
    def late_report(self, report: Mapping[str, Any]) -> None: ...
    def stop_wanted(self) -> None: ...

    def trying_again(self, index: int, verdict: Verdict, tries: int) -> None:
        self.tries.append(index)

    def verdict(self, index: int, verdict: Verdict, reports: object) -> None:
        assert index not in self.verdicts, "told twice"
        self.verdicts[index] = verdict
        self.told_first.append(index)


def run(plan: Plan, script: Script, *, maxfail: int = 0) -> tuple[LoopResult, Listener, int]:
    """The loop's result, what was told, and the exit status of the gate."""
    listener = Listener()
    nowhere = lambda worker: f"/nowhere/{worker}"  # noqa: E731
    nodes: Any = SimpleNamespace(ended=lambda worker, how: None)
    loop_settings = LoopSettings(
        maxfail=maxfail,
        max_worker_restart=None,
        crash_path=nowhere,
        journal_path=nowhere,
        basetemp=nowhere,
        nodes=nodes,
    )
    loop = Loop(plan, Schedule(plan), script, script, listener, loop_settings, started_at=0.0)  # type: ignore[arg-type]
    result = loop.run()
    assert listener.verdicts == result.verdicts
    results = [
        CheckResult(item.nodeid, item.name, item.kind, item.agent, (), result.verdicts[i])
        for i, item in enumerate(plan.checks)
    ]
    return result, listener, int(outcome_of(result, results, (), fails_on_flaky=False)[1])


earliest_known = functools.cache(earliest)


def expected(
    wait: int | str, rest: str, order: Sequence[int], fates: Sequence[Fate], slots: int, *, quick: bool
) -> tuple[dict[int, str], bool]:
    """What becomes of each member, in the order in which it is known, and whether the group is met."""
    size = len(fates)
    unstarted, running, told = list(range(size)), [], set()
    became: dict[int, str] = {}
    known: list[Fate] = []
    standing: Standing = "open"

    def note(fate: Fate) -> None:
        nonlocal standing
        known.append(fate)
        if standing != "open":
            return
        standing = earliest_known(wait, tuple(known), size)
        if standing == "open" or rest == "finish":
            return
        if rest == "cancel":
            told.update(running)
        for member in unstarted:
            became[member] = "cancelled"
        unstarted.clear()

    while unstarted or running:
        while unstarted and len(running) < slots:
            running.append(unstarted.pop(0))
        member = next(i for i in order if i in running)
        running.remove(member)
        if member in told and not quick:
            became[member] = "cancelled"
            note("failed")
        else:
            became[member] = fates[member]
            note(fates[member])
    return became, standing == "met"


def cases() -> Iterator[tuple[int | str, str, int, int, bool]]:
    for size, wait, rest in itertools.product([1, 2, 3, 4], WAITS, RESTS):
        if isinstance(wait, int) and wait > size:
            continue
        for slots in sorted({size, min(2, size), 1}):
            for quick in [False, True] if rest == "cancel" and slots > 1 else [False]:
                yield wait, rest, size, slots, quick


@pytest.mark.parametrize(("wait", "rest", "size", "slots", "quick"), list(cases()))
def test_every_order_of_finishing_and_every_outcome(
    wait: int | str, rest: str, size: int, slots: int, quick: bool
) -> None:
    members = [check(f"m{i}", group="g") for i in range(size)]
    plan = plan_of(
        *members, check("next", needs="group:g", agent="debugger"), groups=[group("g", wait, rest)],
        slots={"test-runner": slots},
    )  # fmt: skip
    # Where all run from the beginning, a skipped member is nothing new under "stop" after "finish".
    passes_or_fails = quick or (rest == "stop" and slots == size)
    outcomes = itertools.product(FATES[:2] if passes_or_fails else FATES, repeat=size)
    courses: set[tuple[tuple[int, str], ...]] = set()
    for order, fates in itertools.product(itertools.permutations(range(size)), outcomes):
        became, is_met = expected(wait, rest, order, fates, slots, quick=quick)
        course = tuple(became.items())
        if course in courses:
            continue  # the same has happened in another order of those that never ran, or with outcomes nobody saw
        courses.add(course)
        ends = {**{i: [ENDS[fate]] for i, fate in enumerate(fates)}, size: [0]}
        script = Script([*order, size], ends, quick=quick)
        result, _, status = run(plan, script)
        case = f"{order} {fates}"
        got = {i: str(result.verdicts[i].outcome) for i in range(size)}
        assert got == became, case
        (answer,) = result.groups
        assert answer.met is is_met, case
        assert str(result.verdicts[size].outcome) == ("passed" if is_met else "blocked"), case
        assert status == (0 if is_met else 1), case
        for i in range(size):
            verdict = result.verdicts[i]
            is_good = verdict.outcome in (Outcome.PASSED, Outcome.SKIPPED)
            assert verdict.tolerated is (is_met and not is_good), case
            if verdict.outcome is Outcome.CANCELLED:
                assert "group g" in (verdict.reason or "")
        assert len(script.started) == len(set(script.started)), case


@pytest.mark.parametrize(("how_late_s", "outcome"), [(-1.0, Outcome.PASSED), (1.0, Outcome.CANCELLED)])
@pytest.mark.parametrize("is_plain", [True, False])
def test_one_that_goes_on_after_it_was_told_to_end_cannot_pass_any_more(
    how_late_s: float, outcome: Outcome, is_plain: bool
) -> None:
    class Deaf(Script):
        def get(self, timeout: float | None = None) -> Event:
            if 1 not in self.told:
                return super().get(timeout)
            duration_s = time.monotonic() + how_late_s
            report = {"outcome": "passed", "when": "call", "longrepr": None, "sections": []}
            facts = {**unpacked(_SKIP), "reports": [report], "duration_s": duration_s}
            news = ["passed", 1, 0.0, duration_s, 0.0, [0.0] * 9] if is_plain else ["item", 1, packed(facts)]
            return Said(worker=self.running.pop(1), message={"say": "news", "lines": json.dumps(news) + "\n"})

    plan, _ = group_of([0], [0], rest="cancel")
    result, _, status = run(plan, Deaf([0, 1], {0: [0], 1: [0]}, quick=True))
    assert status == 0
    assert result.verdicts[1].outcome is outcome


def group_of(*ends: Sequence[int], wait: int | str = "any", rest: str = "finish", **keys: Any) -> tuple[Plan, Script]:
    members = [check(f"m{i}", group="g", agent=f"a{i}", **keys) for i in range(len(ends))]
    plan = plan_of(*members, groups=[group("g", wait, rest)])
    return plan, Script(range(len(ends)), dict(enumerate(ends)), quick=False)


def test_failures_of_members_are_told_when_it_is_known_whether_they_count() -> None:
    plan, script = group_of([1], [0], [1])
    _, listener, status = run(plan, script)
    assert status == 0
    assert listener.told_first == [0, 1, 2]
    assert [listener.verdicts[i].tolerated for i in range(3)] == [True, False, True]


def test_a_tolerated_failure_does_not_count_for_maxfail() -> None:
    plan, script = group_of([1], [1], [0], [0])
    result, _, status = run(plan, script, maxfail=1)
    assert (status, result.stopped_by_maxfail) == (0, False)
    assert {str(verdict.outcome) for verdict in result.verdicts.values()} == {"failed", "passed"}


def test_failures_of_an_unmet_group_count_for_maxfail_at_its_decision_and_start_nothing() -> None:
    members = [check(f"m{i}", group="g", agent=f"a{i}") for i in range(2)]
    plan = plan_of(*members, check("later", agent="a1"), check("beside", agent="c"), groups=[group("g", "any")])
    script = Script([0, 1, 3, 2], {0: [1], 1: [1], 2: [0], 3: [0]}, quick=False)
    result, _, status = run(plan, script, maxfail=1)
    assert status == 1
    assert result.stopped_by_maxfail
    assert {plan.checks[i].name: str(verdict.outcome) for i, verdict in result.verdicts.items()} == {
        "m0": "failed", "m1": "failed", "later": "cancelled", "beside": "cancelled",
    }  # fmt: skip
    assert 2 not in script.started


def test_one_that_its_group_has_cancelled_keeps_that_reason_when_the_run_stops_meanwhile() -> None:
    members = [check(f"m{i}", group="g", agent=f"a{i}") for i in range(2)]
    plan = plan_of(*members, check("fails", agent="b"), groups=[group("g", "any", "cancel")])
    result, _, status = run(plan, Script([0, 2, 1], {0: [0], 1: [0], 2: [1]}, quick=False), maxfail=1)
    assert (status, result.stopped_by_maxfail) == (1, True)
    assert (result.verdicts[1].outcome, result.verdicts[1].tolerated) == (Outcome.CANCELLED, True)
    assert result.verdicts[1].reason == "group g is met: 1 of 2 passed, 1 needed"


def test_a_check_that_passes_on_its_third_try_is_flaky_and_keeps_all_three() -> None:
    plan = plan_of(check("a", retries=5))
    result, listener, status = run(plan, Script([0], {0: [1, 7, 0]}, quick=False))
    verdict = result.verdicts[0]
    assert status == 0
    assert (verdict.outcome, verdict.flaky, verdict.attempts) == (Outcome.PASSED, True, 3)
    assert [(each.outcome.value, each.exit_code) for each in verdict.tries] == [
        ("failed", 1), ("failed", 7), ("passed", 0),
    ]  # fmt: skip
    assert listener.tries == [0, 0]


def test_a_check_that_fails_all_its_tries_fails_once() -> None:
    plan = plan_of(check("a", retries=2), check("b", agent="c"))
    result, _, status = run(plan, Script([0, 1], {0: [1, 1, 1], 1: [0]}, quick=False), maxfail=2)
    assert status == 1
    assert not result.stopped_by_maxfail
    assert (result.verdicts[0].attempts, result.verdicts[0].flaky) == (3, False)


def test_an_advisory_member_that_fails_leaves_the_gate_green_even_where_the_group_is_unmet() -> None:
    plan, script = group_of([1], [1], advisory=True)
    result, _, status = run(plan, script)
    assert (status, result.groups[0].met, result.groups[0].is_excused) == (0, False, True)


def test_a_pause_between_two_tries_is_kept() -> None:
    plan = plan_of(check("a", retries=1, retry_pause_s=0.05))
    script = Script([0], {0: [1, 0]}, quick=False)
    began_at = time.monotonic()
    result, _, status = run(plan, script)
    assert time.monotonic() - began_at >= 0.05
    assert (status, result.verdicts[0].flaky) == (0, True)


def test_one_that_waits_for_another_try_when_the_run_stops_has_failed() -> None:
    plan = plan_of(check("a", retries=1, retry_pause_s=60.0), check("b", agent="c"))
    result, _, status = run(plan, Script([0, 1], {0: [7], 1: [1]}, quick=False), maxfail=1)
    verdict = result.verdicts[0]
    assert status == 1
    assert (verdict.outcome, verdict.attempts, verdict.exit_code) == (Outcome.FAILED, 1, 7)
    assert verdict.reason == "exit status 7; not tried again: stopped after 1 failure"
    assert (verdict.slot, verdict.worker) == ("test-runner/0", "gw0")


def test_one_that_waits_for_another_try_when_its_group_is_met_has_failed_and_is_tolerated() -> None:
    plan, script = group_of([1], [0], rest="stop", retries=1, retry_pause_s=60.0)
    result, _, status = run(plan, script)
    assert status == 0
    assert (result.verdicts[0].outcome, result.verdicts[0].tolerated) == (Outcome.FAILED, True)


# Properties


@settings(max_examples=200, deadline=None)
@given(grouped_plans(pauses_s=(0.0,)), st.data(), st.booleans(), st.sampled_from([0, 0, 1, 2]))
def test_whatever_happens_verdicts_and_exit_status_are_right(
    plan: Plan, data: st.DataObject, quick: bool, maxfail: int
) -> None:
    numbers = range(len(plan.checks))
    tries = st.lists(st.sampled_from([0, 0, 1, SKIPPED]), min_size=3, max_size=3)
    ends = {i: data.draw(tries) for i in numbers}
    script = Script(data.draw(st.permutations(numbers)), ends, quick=quick)
    result, _, status = run(plan, script, maxfail=maxfail)
    assert set(result.verdicts) == set(numbers)
    for i, verdict in result.verdicts.items():
        said = ends[i][: len(ends[i]) - len(script.ends[i])]
        if verdict.outcome is Outcome.PASSED:
            assert said[-1] == 0
        if i in script.told and not quick:
            assert verdict.outcome is Outcome.CANCELLED
    counts = dict.fromkeys(numbers, True)
    for number, planned in enumerate(plan.groups):
        outcomes = [result.verdicts[i].outcome for i in planned.members]
        fates: list[Fate] = [FATE_OF.get(outcome, "failed") for outcome in outcomes]
        assert result.groups[number].met is finally_met(planned.wait, tuple(fates))
        counts.update(dict.fromkeys(planned.members, not result.groups[number].met))
    good = (Outcome.PASSED, Outcome.SKIPPED)
    is_green = all(result.verdicts[i].outcome in good for i in numbers if counts[i])
    assert status == (0 if is_green and all(each.met for each in result.groups) else 1)
    for i, verdict in result.verdicts.items():
        assert verdict.tolerated is (not counts[i] and verdict.outcome not in good)

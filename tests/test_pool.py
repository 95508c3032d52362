"""The pool: which tests go out together, in what order, and how many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st
from plans import check, ordinary, plan_of

from pytest_paragate.model import Check
from pytest_paragate.pool import Pool


def pool_of(tests: Sequence[Check], *, slots: int, durations: Mapping[str, float] | None = None) -> Pool:
    pool = Pool(plan_of(*tests, slots={"test-runner": slots}, durations=durations or {}), slots)
    for index in range(len(tests)):
        pool.add(index, is_return=False)
    return pool


def files_of(*files: str, each: int) -> list[Check]:
    return [ordinary(f"{file}{i}", file=f"test_{file}.py") for file in files for i in range(each)]


def names(tests: Sequence[Check], run: Sequence[int]) -> str:
    return " ".join(tests[index].name for index in run)


def test_a_single_slot_takes_everything_in_its_order() -> None:
    tests = files_of("a", "b", each=2) + files_of("a", each=1)
    durations = {"a0": 0.1, "a1": 0.1, "b0": 5.0, "b1": 5.0}
    pool = pool_of(tests, slots=1, durations=durations)
    order: list[int] = []
    while len(pool):
        order += pool.take(0)
    assert order == [0, 1, 2, 3, 4]


def test_the_file_that_takes_longest_goes_first_as_far_as_history_knows() -> None:
    tests = files_of("quick", "new", "slow", each=2)
    durations = {"quick0": 0.1, "quick1": 0.1, "slow0": 2.0, "slow1": 2.0}
    pool = pool_of(tests, slots=2, durations=durations)
    assert names(tests, pool.take(0)) == "slow0"
    assert names(tests, pool.take(1)) == "quick0 quick1"


def test_files_that_are_not_long_keep_their_order() -> None:
    tests = files_of("a", "b", "c", each=2)
    durations = {"a0": 0.01, "a1": 0.01, "b0": 0.02, "b1": 0.02, "c0": 0.1, "c1": 0.1}
    pool = pool_of(tests, slots=2, durations=durations)
    assert names(tests, pool.take(0)) == "a0 a1 b0 b1"


def test_a_slot_stays_with_the_file_it_has_begun() -> None:
    tests = files_of("a", "b", "c", each=8)
    pool = pool_of(tests, slots=2, durations={test.name: 1.0 for test in tests})
    runs = [names(tests, pool.take(slot)) for slot in (0, 1, 0)]
    assert runs == ["a0 a1 a2 a3 a4", "b0 b1 b2 b3", "a5 a6 a7"]


def test_what_is_left_of_a_file_is_shared_in_the_end() -> None:
    tests = files_of("a", each=8)
    pool = pool_of(tests, slots=2, durations={test.name: 1.0 for test in tests})
    runs = [names(tests, pool.take(slot)) for slot in (0, 1, 0, 1, 0, 1)]
    assert runs == ["a0 a1", "a2", "a3", "a4", "a5", "a6"]


def test_small_files_share_a_run() -> None:
    tests = files_of("a", "b", "c", "d", each=1)
    pool = pool_of(tests, slots=2, durations={test.name: 0.001 for test in tests})
    assert names(tests, pool.take(0)) == "a0 b0 c0 d0"


def test_what_must_stay_together_is_one_run() -> None:
    tests = [ordinary(f"t{i}", together="@db" if i % 2 else "") for i in range(20)]
    pool = pool_of(tests, slots=2, durations={test.name: 1.0 for test in tests})
    runs = [pool.take(i % 2) for i in range(11) if len(pool)]
    assert tuple(range(1, 20, 2)) in runs


def test_neighbours_are_not_torn_from_their_place_to_be_with_their_file() -> None:
    tests = [ordinary(name, file=f"test_{name[0]}.py") for name in ("a0", "b0", "a1", "b1")]
    pool = pool_of(tests, slots=2, durations={test.name: 1.0 for test in tests})
    assert [names(tests, pool.take(0)) for _ in range(4)] == ["a0", "b0", "a1", "b1"]


def test_commands_and_tests_do_not_share_a_run() -> None:
    tests = [ordinary("t0", file="conftest.py"), check("c0"), check("c1")]
    pool = pool_of(tests, slots=1, durations={"t0": 0.001, "c0": 0.001, "c1": 0.001})
    assert [names(tests, pool.take(0)) for _ in range(2)] == ["t0", "c0 c1"]


def test_returned_tests_come_before_what_follows_them() -> None:
    tests = files_of("a", each=8)
    pool = pool_of(tests, slots=2, durations={test.name: 1.0 for test in tests})
    run = pool.take(0)
    for index in reversed(run):
        pool.add(index, is_return=True)
    assert pool.take(1) == run


def test_what_shall_be_alone_shares_no_run() -> None:
    tests = files_of("a", each=4)
    pool = pool_of(tests, slots=1, durations={test.name: 0.001 for test in tests})
    run = pool.take(0)
    for index in run:
        pool.add(index, is_return=False, is_alone=index == 1)
    assert sorted(pool.take(0) for _ in range(2)) == [(0, 2, 3), (1,)]


def test_what_was_withdrawn_is_not_handed_out() -> None:
    tests = files_of("a", each=3)
    pool = pool_of(tests, slots=1, durations={test.name: 1.0 for test in tests})
    pool.withdraw(1)
    assert ([pool.take(0), pool.take(0)], len(pool)) == ([(0,), (2,)], 0)


@given(st.data())
def test_everything_goes_out_once_in_runs_of_one_kind(data: st.DataObject) -> None:
    tests = [
        ordinary(
            f"t{i}",
            file=f"test_{data.draw(st.integers(0, 3))}.py",
            together=data.draw(st.sampled_from(["", "", "@db", "@port"])),
        )
        for i in range(data.draw(st.integers(1, 30)))
    ]
    slots = data.draw(st.integers(1, 4))
    known = {test.name: data.draw(st.floats(0, 3)) for test in tests if data.draw(st.booleans())}
    pool = pool_of(tests, slots=slots, durations=known)
    out: Counter[int] = Counter()
    while len(pool):
        run = pool.take(data.draw(st.integers(0, slots - 1)))
        assert run
        returned = set(data.draw(st.lists(st.sampled_from(run), max_size=2, unique=True)))
        for index in sorted(returned, reverse=True):
            pool.add(index, is_return=True)
        out.update(set(run) - returned)
    assert out == Counter(range(len(tests)))
    assert pool.seconds == 0


@given(st.lists(st.sampled_from(["", "", "@db", "@port"]), min_size=1, max_size=30), st.integers(2, 4))
def test_what_must_stay_together_never_meets_two_runs(groups: list[str], slots: int) -> None:
    tests = [ordinary(f"t{i}", together=group) for i, group in enumerate(groups)]
    pool = pool_of(tests, slots=slots)
    runs = []
    while len(pool):
        runs.append(pool.take(len(runs) % slots))
    for group in {"@db", "@port"} & set(groups):
        assert sum(group in {tests[index].together for index in run} for run in runs) == 1

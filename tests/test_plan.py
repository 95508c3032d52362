"""From declared items to a plan, and every way in which they cannot be one."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from plans import ROOT, check, ordinary, plan_of, plans

from pytest_paragate.independence import why_apart
from pytest_paragate.model import Check, PlanError
from pytest_paragate.plan import Plan


def refusal(*checks: Check, **keys: object) -> tuple[str, str | None, str | None]:
    with pytest.raises(PlanError) as caught:
        plan_of(*checks, **keys)
    return caught.value.what, caught.value.where, caught.value.hint


def test_names_resolve_in_the_declaring_file_first() -> None:
    plan = plan_of(check("lint", file="a/conftest.py"), check("lint"), check("bench", needs="lint"))
    assert plan.needs == ((), (), (1,))
    assert plan.dependents == ((), (2,), ())


def test_names_resolve_everywhere_when_the_declaring_file_has_none() -> None:
    plan = plan_of(check("lint", file="a/conftest.py"), check("bench", needs="lint"))
    assert plan.needs[1] == (0,)


def test_a_family_stands_for_all_its_members_and_a_member_for_itself() -> None:
    plan = plan_of(check("crate[a]"), check("crate[b]"), check("x", needs="crate"), check("y", needs="crate[b]"))
    assert plan.needs[2:] == ((0, 1), (1,))


def test_a_node_id_always_names_its_item() -> None:
    plan = plan_of(check("lint", file="a/conftest.py"), check("lint"), check("x", needs="a/conftest.py::lint"))
    assert plan.needs[2] == (0,)


def test_what_is_needed_is_not_repeated_in_after() -> None:
    plan = plan_of(check("a"), check("b"), check("c", needs="a a", after="a b"))
    assert (plan.needs[2], plan.after[2]) == ((0,), (1,))


def test_a_name_in_several_other_files_is_refused() -> None:
    what, where, hint = refusal(
        check("lint", file="a/conftest.py"), check("lint", file="b/conftest.py"), check("x", needs="lint", line=7)
    )
    assert what == '"lint" in the needs of "x" is ambiguous: a/conftest.py::lint, b/conftest.py::lint'
    assert where == "conftest.py:7"
    assert hint == "write the whole node id of the one that is meant"


def test_an_unknown_name_suggests_the_nearest() -> None:
    what, where, hint = refusal(check("types"), check("x", needs="typs", line=3))
    assert (what, where, hint) == ('"x" needs "typs", which does not exist', "conftest.py:3", 'did you mean "types"?')
    what, _, hint = refusal(check("x", after="zzzzz"))
    assert (what, hint) == ('"x" comes after "zzzzz", which does not exist', "name an existing check in its after")


def test_needing_a_deselected_check_is_refused_and_coming_after_it_is_not() -> None:
    lint = check("lint")
    what, _, hint = refusal(check("x", needs="lint"), unselected=[lint])
    assert (what, hint) == ('"x" needs "lint", which was deselected', 'select "lint" too')
    assert plan_of(check("x", after="lint"), unselected=[lint]).after == ((),)


def test_needing_a_family_of_which_a_member_was_deselected_is_refused() -> None:
    what, _, _ = refusal(check("crate[a]"), check("x", needs="crate"), unselected=[check("crate[b]")])
    assert what == '"x" needs "crate[b]", which was deselected'


def test_a_check_cannot_wait_for_itself() -> None:
    assert refusal(check("a", needs="a"))[0] == '"a" needs itself'
    assert refusal(check("crate[a]"), check("crate[b]", after="crate"))[0] == '"crate[b]" comes after itself'


def test_a_cycle_is_shown_as_a_path() -> None:
    what, where, _ = refusal(
        check("free"), check("a", needs="b", line=2), check("b", after="c", line=3), check("c", needs="a", line=4)
    )
    assert (what, where) == ("these wait for each other: a -> b -> c -> a", "conftest.py:2")


@pytest.mark.parametrize("second", [check("lint", line=9), check("other", nodeid="conftest.py::lint", line=9)])
def test_a_duplicate_names_both_places(second: Check) -> None:
    what, where, _ = refusal(check("lint", line=4), second)
    assert what == f'duplicate name "{second.name}", declared at conftest.py:4 as well'
    assert where == "conftest.py:9"


def test_ordinary_tests_may_share_a_name_or_even_a_node_id() -> None:
    one = ordinary("test_a", nodeid="test_it.py::TestA::test_a")
    assert len(plan_of(one, ordinary("test_a", nodeid="test_it.py::TestB::test_a"), one).checks) == 3


def test_claims_that_can_never_be_met_are_refused() -> None:
    what, _, hint = refusal(check("x", uses={"gpu": 3}), capacities={"gpu": 2})
    assert what == '"x" uses 3 of "gpu", of which there is 2'
    assert hint == 'raise the capacity of "gpu" in paragate_resources or lower the count in uses'
    assert refusal(check("x", uses=(("db", 1), ("db", 1))))[0] == '"x" uses 2 of "db", of which there is 1'
    what, _, hint = refusal(check("x", cpus=4), cpus=2)
    assert (what, hint) == ('"x" takes 4 CPUs of a budget of 2', "lower its cpus to 2 or raise --paragate-cpus to 4")
    what, _, hint = refusal(check("x", agent="debugger"), slots={"debugger": 0})
    assert what == '"x" needs the agent type "debugger", which has no slots'
    assert hint == "give it some with --paragate-slots debugger=1"


def test_the_first_item_that_is_wrong_is_the_one_reported() -> None:
    assert refusal(check("a"), check("b", needs="nope"), check("c", needs="c"))[0].startswith('"b"')


def test_unknown_durations_are_guessed_from_their_like() -> None:
    items = [check("a"), check("b"), check("c"), check("d", agent="debugger"), ordinary("t0"), ordinary("t1")]
    plan = plan_of(*items, durations={"a": 2, "b": 6})
    assert plan.expected_s == (2, 6, 4, 1.0, 0.01, 0.01)
    assert plan.is_known == (True, True, False, False, False, False)
    assert plan_of(*items, durations={"t0": 0.5}).expected_s[-2:] == (0.5, 0.5)


def test_the_remaining_path_is_the_longest_chain_behind_an_item() -> None:
    plan = plan_of(
        check("a"), check("b", needs="a"), check("c", after="a"), check("d"), durations={"a": 1, "b": 2, "c": 5, "d": 3}
    )
    assert plan.remaining_s == (6, 2, 5, 3)


def test_only_tests_that_nothing_else_speaks_of_are_pooled() -> None:
    items = [
        ordinary("plain"),
        ordinary("needed"),
        check("x", needs="needed"),
        check("marked", kind="test", file="test_it.py"),
        ordinary("wide", cpus=2),
    ]
    assert plan_of(*items).is_pooled == (True, False, False, False, False)


def test_paths_and_resources_that_nobody_else_wants_are_no_claims() -> None:
    plan = plan_of(
        check("a", writes=["out/a"], reads=["src/"], uses={"db": 1}), check("b", writes=["out/b"], reads=["src/"])
    )
    assert [(claims.reads, claims.writes, claims.uses) for claims in plan.claims] == [((), (), ())] * 2


def test_conflicts_are_listed_with_their_reasons_in_order() -> None:
    plan = plan_of(
        check("a", writes=["target/"]),
        check("b", reads=["target/x"], agent="debugger"),
        check("c", uses={"db": 1}),
        check("d", uses={"db": 1}),
        check("e", writes=["target/"], needs="a"),
        check("bench", exclusive=True, uses={"db": 1}),
    )
    assert [(conflict.one, conflict.other, conflict.why) for conflict in plan.conflicts()] == [
        (0, 1, "one reads target/x, the other writes target/"),
        (1, 4, "one reads target/x, the other writes target/"),
        (2, 3, "both use db"),
    ]


def test_ten_thousand_writers_of_one_path_make_no_table_of_pairs() -> None:
    checks = [check(f"c{i}", writes=["target/"]) for i in range(10_000)]
    plan = plan_of(*checks)
    assert sum(map(len, plan.overlaps)) == 1
    assert len({id(claims) for claims in plan.claims}) == 1
    assert len(list(islice(plan.conflicts(), 50))) == 50


def test_a_plan_of_many_tests_shares_what_is_the_same() -> None:
    plan = plan_of(*(ordinary(f"t{i}") for i in range(5_000)))
    for values in (plan.needs, plan.after, plan.dependents, plan.claims):
        assert len({id(value) for value in values}) == 1
    assert plan.order == ()


@settings(max_examples=60, deadline=None)
@given(plans())
def test_the_listed_conflicts_are_exactly_the_pairs_that_may_not_overlap(plan: Plan) -> None:
    def is_apart(one: int, other: int) -> bool:
        pair = plan.checks[one], plan.checks[other]
        ordered = {*plan.needs[other], *plan.after[other], *plan.dependents[other]}
        is_exclusive = any(item.exclusive for item in pair)
        return not is_exclusive and one not in ordered and why_apart(*pair, capacities=plan.capacities) is not None

    count = len(plan.checks)
    expected = {(one, other) for one in range(count) for other in range(one + 1, count) if is_apart(one, other)}
    assert {(conflict.one, conflict.other) for conflict in plan.conflicts()} == expected
    assert all(ROOT not in conflict.why for conflict in plan.conflicts())

"""Which units of a resource an item holds."""

from __future__ import annotations

import pytest
from plans import check, plan_of

from pytest_paragate.model import PlanError
from pytest_paragate.units import Units, variables

CHECKS = [check("a", uses={"port": 1}), check("b", uses={"port": 2, "db": 1}), check("c", uses={"port": 1})]


def test_the_lowest_free_units_are_given_and_none_twice() -> None:
    units = Units(CHECKS, {"port": 3}, {"port": 8000})
    assert units.take(0) == {"port": (8000,)}
    assert units.take(1) == {"port": (8001, 8002), "db": (0,)}
    units.give_back(0)
    assert units.take(2) == {"port": (8000,)}
    units.give_back(1)
    assert units.take(0) == {"port": (8001,)}
    units.give_back(1)  # it holds nothing any more


def test_commands_are_told_by_variables() -> None:
    assert variables({"port": (8001, 8002), "my-db.x": (0,)}) == {
        "PARAGATE_UNIT_PORT": "8001,8002", "PARAGATE_UNIT_MY_DB_X": "0",
    }  # fmt: skip


def test_a_unit_cannot_be_named_and_given_to_another() -> None:
    with pytest.raises(PlanError, match='"x" uses "port:8001", and 8001 is a unit of "port" too'):
        plan_of(check("x", uses={"port:8001": 1}), capacities={"port": 2}, first_units={"port": 8000})
    plan_of(check("x", uses={"port:8002": 1}), capacities={"port": 2}, first_units={"port": 8000})

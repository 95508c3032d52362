"""Which units of a resource an item holds."""

from __future__ import annotations

import pytest
from plans import check, plan_of

from pytest_paragate.model import PlanError
from pytest_paragate.run.holdings import HeldUnits
from pytest_paragate.units import Units, variables

CHECKS = [check("a", uses={"port": 1}), check("b", uses={"port": 2, "db": 1}), check("c", uses={"port": 1})]


def test_the_lowest_free_units_are_given_and_none_twice() -> None:
    units = Units(CHECKS, {"port": 8000})
    assert units.take(0) == {"port": (8000,)}
    assert units.take(1) == {"port": (8001, 8002), "db": (0,)}
    units.give_back(0)
    assert units.take(2) == {"port": (8000,)}
    units.give_back(1)
    assert units.take(0) == {"port": (8001,)}
    units.give_back(1)  # it holds nothing any more


def test_what_is_taken_by_the_thousand_has_no_numbers() -> None:
    units = Units([check("a", uses={"kb": 10**12, "db": 1}), check("b", uses={"kb": 2})], {})
    held = units.take(0)
    assert held == {"kb": (), "db": (0,)}
    assert variables(held) == {"PARAGATE_UNIT_DB": "0"}
    with pytest.raises(KeyError, match="this check takes more than 1000 of kb, so many have no numbers"):
        HeldUnits(held)["kb"]
    assert units.take(1) == {"kb": (0, 1)}
    units.give_back(0)


def test_commands_are_told_by_variables() -> None:
    assert variables({"port": (8001, 8002), "my-db.x": (0,)}) == {
        "PARAGATE_UNIT_PORT": "8001,8002", "PARAGATE_UNIT_MY_DB_X": "0",
    }  # fmt: skip


def test_a_unit_cannot_be_named_and_given_to_another() -> None:
    with pytest.raises(PlanError, match='"x" uses "port:8001", and 8001 is a unit of "port" too'):
        plan_of(check("x", uses={"port:8001": 1}), capacities={"port": 2}, first_units={"port": 8000})
    plan_of(check("x", uses={"port:8002": 1}), capacities={"port": 2}, first_units={"port": 8000})

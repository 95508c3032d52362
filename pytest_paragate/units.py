"""Which units of its resources an item holds while it runs: the lowest that are free, by number.

The schedule sees to it that there are enough; this only says which. What an item takes by the thousand (megabytes, say)
is an amount and has no numbers: nobody could use them, and no environment would hold them.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence

from pytest_paragate.independence import total_uses
from pytest_paragate.model import Check, PlanError

MOST_NUMBERED = 1000
"""Who takes more than this of a resource is not told which."""

Held = Mapping[str, tuple[int, ...]]
"""Numbers of units by resource; none where it is an amount."""


class Units:
    """The units of one run. ``first`` is what the first unit of a numbered resource is called, 0 for the others."""

    def __init__(self, checks: Sequence[Check], first: Mapping[str, int]) -> None:
        self._checks = checks
        self._unused = dict(first)  # by resource the lowest that nobody has held yet
        self._returned: dict[str, list[int]] = {}  # heaps
        self._held: dict[int, dict[str, tuple[int, ...]]] = {}

    def take(self, check: int) -> Held:
        """What the item holds from now on."""
        found: dict[str, tuple[int, ...]] = {}
        for resource, amount in total_uses(self._checks[check]).items():
            number = amount if amount <= MOST_NUMBERED else 0
            found[resource] = tuple(self._lowest(resource) for _ in range(number))
        self._held[check] = found
        return found

    def _lowest(self, resource: str) -> int:
        returned = self._returned.get(resource)
        if returned:
            return heapq.heappop(returned)
        unit = self._unused.get(resource, 0)
        self._unused[resource] = unit + 1
        return unit

    def give_back(self, check: int) -> None:
        """The item runs no more; nothing happens when it holds nothing."""
        for resource, units in self._held.pop(check, {}).items():
            for unit in units:
                heapq.heappush(self._returned.setdefault(resource, []), unit)


def refuse_units_taken_twice(checks: Iterable[Check], capacities: Mapping[str, int], first: Mapping[str, int]) -> None:
    """Refuse ``"port:8001"`` beside a numbered resource ``port`` with such a unit: both would hold it.

    Raises PlanError.
    """
    for check in checks:
        for resource, _ in check.uses if first else ():
            name, colon, unit = resource.rpartition(":")
            if not (colon and name in first and unit.isdecimal()):
                continue
            if first[name] <= int(unit) < first[name] + capacities[name]:
                raise PlanError(
                    f'"{check.name}" uses "{resource}", and {unit} is a unit of "{name}" too, '
                    "which another check may be given",
                    where=str(check.place),
                    hint=f'use "{name}" and take the number from paragate_units["{name}"], '
                    f"or leave {unit} out of paragate_resources",
                )


def variable(resource: str) -> str:
    """The environment variable that tells a command its units of a resource: ``PARAGATE_UNIT_PORT``."""
    return "PARAGATE_UNIT_" + re.sub(r"\W", "_", resource, flags=re.ASCII).upper()


def variables(held: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Environment variables that tell a command its units: ``PARAGATE_UNIT_PORT=8001``."""
    return {variable(resource): ",".join(map(str, units)) for resource, units in held.items() if units}

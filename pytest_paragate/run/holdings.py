"""The fixture ``paragate_units``: which units of numbered resources a running check holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from pytest_paragate.model import nearest
from pytest_paragate.run.items import CONTEXT
from pytest_paragate.units import MOST_NUMBERED


class HeldUnits(Mapping[str, int]):
    """Units by resource, as named in ``uses``: ``paragate_units["port"]`` is 8001; of several, the first."""

    def __init__(self, held: Mapping[str, Sequence[int]]) -> None:
        self._held = {resource: tuple(units) for resource, units in held.items()}

    def __getitem__(self, resource: str) -> int:
        return self.all(resource)[0]

    def all(self, resource: str) -> tuple[int, ...]:
        """All units that are held of a resource.

        Raises:
            KeyError: the check does not name it in ``uses``, or takes more of it than has numbers.
        """
        if resource not in self._held:
            guess = nearest(resource, self._held)
            hint = f"; did you mean {guess}?" if guess else ""
            raise KeyError(f"{resource} is not in this check's uses{hint}")
        if not self._held[resource]:
            raise KeyError(f"this check takes more than {MOST_NUMBERED} of {resource}, so many have no numbers")
        return self._held[resource]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def units_of(item: pytest.Item) -> HeldUnits:
    """What a running item holds; nothing without the gate."""
    context = item.stash.get(CONTEXT, None)
    return HeldUnits(context.units if context is not None else {})

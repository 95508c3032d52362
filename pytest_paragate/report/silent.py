"""Reports of setups and teardowns that passed: two in three of a run's, and made only when somebody looks.

pytest's terminal reporter keeps them under the empty category, for ``--durations`` and for plugins. Making them takes
as long as all else that is done for a test that passed, and keeping them more memory.
"""

from __future__ import annotations

from array import array
from collections import UserList
from collections.abc import Iterable, Sequence

import pytest

from pytest_paragate.report import pytest_reports


class SilentReports(UserList[pytest.TestReport]):
    """A list of reports, of which some are not made yet. Those of one item may stand behind those of a later one."""

    def __init__(self, reports: Iterable[pytest.TestReport] = ()) -> None:
        self._made = list(reports)
        self._unmade: list[pytest.TestReport] = []
        self._times = array("d")  # of setup and teardown of each of those

    @property
    def data(self) -> list[pytest.TestReport]:  # type: ignore[override]
        """What all methods of a UserList work on."""
        for number, call in enumerate(self._unmade):
            times = self._times[6 * number : 6 * number + 6]
            self._made += (
                pytest_reports.like(call, "setup", *times[:3]),
                pytest_reports.like(call, "teardown", *times[3:]),
            )
        self._unmade.clear()
        del self._times[:]
        return self._made

    def add_around(self, call: pytest.TestReport, times: Sequence[float]) -> None:
        """Add the other two phases of an item that passed, from ``duration, start, stop`` of all three."""
        self._unmade.append(call)
        self._times.extend((*times[:3], *times[6:]))

"""Whether a worker that collected for itself found what the controller did, and in words where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_paragate.run import benchmarks

# How many node ids a sentence names.
_MOST_NAMED = 3


class Witness:
    """Sees a booted session collect and fail. Registered before it collects anything."""

    def __init__(self) -> None:
        self.said = ""
        self._uncollected: dict[str, str] = {}  # node id of a collector -> why nothing came of it

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        benchmarks.after_configure(session.config)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.said = f": {str(excrepr).strip().splitlines()[-1]}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = [line for line in report.longreprtext.splitlines() if line.strip()]
            errors = [line[1:].strip() for line in lines if line.startswith("E ")]
            self._uncollected[report.nodeid] = (
                f"collecting {report.nodeid} failed there: {(errors or lines or ['?'])[-1]}"
            )
        elif report.skipped and isinstance(report.longrepr, tuple):
            self._uncollected[report.nodeid] = f"{report.nodeid} is skipped there: {report.longrepr[2]}"

    def why_missing(self, nodeid: str, items: Sequence[pytest.Item]) -> str:
        """Why this worker does not have an item of the controller's."""
        what = f"this worker did not collect {nodeid}"
        for collector, why in self._uncollected.items():
            if nodeid == collector or nodeid.startswith((f"{collector}::", f"{collector}/")):
                return f"{what}: {why}"
        family = nodeid.partition("[")[0]
        others = [item.nodeid for item in items if item.nodeid.partition("[")[0] == family]
        if others:
            return f"{what}, but {_named(others)}; ids of parameters must be the same in every process"
        file = nodeid.partition("::")[0]
        number = sum(item.nodeid.startswith(f"{file}::") for item in items)
        return f"{what}: of {file} it has {number} item{'' if number == 1 else 's'}"

    def warn_of_more(self, config: pytest.Config, nodeids: Sequence[str], items: Sequence[pytest.Item]) -> None:
        """Say what was collected here and not by the controller: it is not run."""
        import platform

        known = set(nodeids)
        more = [item.nodeid for item in items if item.nodeid not in known]
        is_narrowed = config.getoption("lf", False) or config.getoption("stepwise", False)
        if more and not is_narrowed:  # by a cache that is not here
            worker = config.workerinput["workerid"]  # type: ignore[attr-defined]
            where = f"worker {worker} (Python {platform.python_version()} on {platform.node()})"
            config.issue_config_time_warning(
                pytest.PytestWarning(
                    f"{where} collected what the controller did not, and does not run it: {_named(more)}"
                ),
                stacklevel=2,
            )


def _named(nodeids: Sequence[str]) -> str:
    shown = ", ".join(nodeids[:_MOST_NAMED])
    more = len(nodeids) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


WITNESS = pytest.StashKey[Witness]()

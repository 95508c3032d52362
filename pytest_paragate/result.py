"""What is said about a run, its groups and its workers once all is known: what every report is made of."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pytest_paragate.model import Kind, Rest
from pytest_paragate.verdict import Verdict

Bound = Literal["critical-path", "agent", "resource", "exclusive", "cpus"]
SpeedupBasis = Literal["sum", "history", "calibrated"]
GateOutcome = Literal["passed", "failed", "interrupted", "error"]


class CheckResult(NamedTuple):
    """A verdict together with what it is about, as every report needs it."""

    nodeid: str
    name: str
    kind: Kind
    agent: str
    needs: tuple[str, ...]
    verdict: Verdict
    is_marked: bool = True


class GroupVerdict(NamedTuple):
    """How a group came out. ``by`` are the node ids that decided it: those that passed, or those that did not.

    ``passed`` counts the members that passed in the end and ``wanted`` how many had to, of ``left`` that were not
    skipped. ``decided_s`` is seconds since the gate started, None when it was not decided.
    """

    name: str
    wait: int | str
    rest: Rest
    met: bool
    by: tuple[str, ...]
    members: tuple[str, ...]
    passed: int
    wanted: int
    left: int
    decided_s: float | None
    is_excused: bool = False  # unmet, and nothing but advisory members did not pass


class Limit(NamedTuple):
    """The least wall time that these checks can take with these slots, and the node ids that set it."""

    wall_s: float
    bound: Bound
    by: tuple[str, ...]
    label: str  # for people: "debugger: leaks", "critical path: build, bench"


class WorkerRecord(NamedTuple):
    """One worker that was started, for reports."""

    id: str
    kind: Literal["fork", "popen", "ssh", "vagrant_ssh", "socket"]
    slot: str
    started_s: float
    restarts: int


class GateResult(NamedTuple):
    """The whole run as it is reported. ``results`` holds every item, ordinary tests included, in plan order.

    ``sequential_s`` is what the same work takes one after another; ``basis`` names where that comes from. ``speedup``
    and ``limit`` are None when nothing was run. ``missing`` names planned items without a verdict: never green.
    """

    outcome: GateOutcome
    exitstatus: int
    started_at: str  # ISO 8601 with zone
    wall_s: float
    sequential_s: float
    basis: SpeedupBasis
    limit: Limit | None
    slots: Mapping[str, int]  # by agent type
    results: tuple[CheckResult, ...]
    workers: tuple[WorkerRecord, ...] = ()
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # what went wrong around the checks: teardown errors, reports not written
    groups: tuple[GroupVerdict, ...] = ()
    fails_on_flaky: bool = False

    @property
    def speedup(self) -> float | None:
        return self.sequential_s / self.wall_s if self.results and self.wall_s > 0 else None

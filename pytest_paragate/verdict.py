"""What is said about a check, a slot and the whole gate once it is known.

One verdict per planned item, from a closed set of outcomes; a new outcome is a type error until every report knows it.
"""

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pytest_paragate.model import Kind, Rest

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Issue, Metric

Bound = Literal["critical-path", "agent", "resource", "exclusive", "cpus"]
SpeedupBasis = Literal["sum", "history", "calibrated"]
GateOutcome = Literal["passed", "failed", "interrupted", "error"]


class Outcome(str, enum.Enum):
    """The closed set of outcomes. Values are what reports print."""

    PASSED = "passed"
    FAILED = "failed"  # its own exit status or assertion
    UNMET = "unmet"  # exit 0, and a criterion was not met
    UNREADABLE = "unreadable"  # a judge could not read the output
    TIMEOUT = "timeout"
    CRASHED = "crashed"  # a signal, or the worker died under it
    ERROR = "error"  # could not start: no such program, bad declaration, fixture error
    BLOCKED = "blocked"  # something that it needs did not pass
    CANCELLED = "cancelled"  # by its group, by fail-fast or by an interruption
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value

    @property
    def is_own_failure(self) -> bool:
        """Whether the check itself went wrong, rather than being held back by something else."""
        return self not in (Outcome.PASSED, Outcome.SKIPPED, Outcome.BLOCKED, Outcome.CANCELLED)

    @property
    def is_curable(self) -> bool:
        """Whether another try might end otherwise."""
        return self.is_own_failure and self is not Outcome.ERROR


class Leaked(NamedTuple):
    """A process that a check left behind. ``killed`` is false only under ``leaks="allow"``."""

    pid: int
    command: str
    killed: bool

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


class Try(NamedTuple):
    """One of several tries of a check. ``output`` is the head and tail of what it printed, ``log`` the whole of it."""

    outcome: Outcome
    summary: str
    start_s: float | None
    duration_s: float
    exit_code: int | None = None
    log: str | None = None
    output: str = ""
    details: str = ""

    @classmethod
    def of(cls, verdict: "Verdict") -> "Try":
        return cls(
            outcome=verdict.outcome,
            summary=verdict.summary,
            start_s=verdict.start_s,
            duration_s=verdict.duration_s,
            exit_code=verdict.exit_code,
            log=verdict.log,
            output=verdict.output,
            details=verdict.details,
        )


class Verdict(NamedTuple):
    """The one final answer about a check.

    ``summary`` is one short line for people ("44/45 tests passed", "exit status 1"). ``reason`` says why it did not
    pass and is None when it did. ``start_s`` is seconds since the gate started, None if it never started; ``cpu_s``
    and ``max_rss_kb`` are the command's own and None where they were not measured. ``log`` is the path of the whole
    output, ``output`` its head and tail with the hidden part counted. ``details`` is what a reader needs to
    understand a failure (a traceback). ``waited_for`` holds node ids: what it needed or came after, and what it was
    kept apart from when it could otherwise have started. ``tries`` are all of several tries, the last one being what
    the rest of the verdict is about; empty when there was only one. ``tolerated`` says that its group did not need it.
    ``judge`` names the tool whose output was read, for ``counts``, ``metrics`` and ``issues``; of these ``issues_cut``
    more were counted and not kept.
    """

    outcome: Outcome
    summary: str = ""
    reason: str | None = None
    flaky: bool = False
    advisory: bool = False
    tolerated: bool = False
    leaked: tuple[Leaked, ...] = ()
    counts: Mapping[str, int] = {}
    metrics: Mapping[str, "Metric"] = {}
    issues: tuple["Issue", ...] = ()
    issues_cut: int = 0
    judge: str | None = None
    attempts: int = 1
    start_s: float | None = None
    duration_s: float = 0.0
    cpu_s: float | None = None
    max_rss_kb: int | None = None
    exit_code: int | None = None
    slot: str | None = None
    worker: str | None = None
    waited_for: tuple[str, ...] = ()
    log: str | None = None
    output: str = ""
    details: str = ""
    tries: tuple[Try, ...] = ()

    @property
    def busy_s(self) -> float:
        """How long it kept its slot busy, in all tries."""
        return sum(each.duration_s for each in self.tries) if self.tries else self.duration_s

    @property
    def is_ok(self) -> bool:
        """Whether the gate may pass with this verdict."""
        return self.outcome in (Outcome.PASSED, Outcome.SKIPPED) or self.advisory or self.tolerated

    def to_dict(self) -> dict[str, Any]:
        """Builtin types only, for a gateway or JSON; :meth:`from_dict` reads it back."""
        data = self._asdict()
        data["outcome"] = self.outcome.value
        data["leaked"] = [process._asdict() for process in self.leaked]
        data["counts"] = dict(self.counts)
        data["metrics"] = {name: tuple(metric) for name, metric in self.metrics.items()}
        data["issues"] = [tuple(issue) for issue in self.issues]
        data["tries"] = [{**each._asdict(), "outcome": each.outcome.value} for each in self.tries]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Verdict":
        values = dict(data)
        values["outcome"] = Outcome(values["outcome"])
        values["leaked"] = tuple(Leaked(**process) for process in values["leaked"])
        values["waited_for"] = tuple(values["waited_for"])
        values["issues"] = tuple(values["issues"])
        if values["metrics"] or values["issues"]:
            from pytest_paragate.judge.facts import Issue, Metric

            values["metrics"] = {name: Metric(*metric) for name, metric in values["metrics"].items()}
            values["issues"] = tuple(Issue(*issue) for issue in values["issues"])
        values["tries"] = tuple(Try(**{**each, "outcome": Outcome(each["outcome"])}) for each in values["tries"])
        return cls(**values)


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

"""What is said about a check once it is known.

One verdict per planned item, from a closed set of outcomes; a new outcome is a type error until every report knows it.
"""

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Issue, Metric


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
    def is_good(self) -> bool:
        """Whether what needs it may run."""
        return self in (Outcome.PASSED, Outcome.SKIPPED)

    @property
    def is_skipped(self) -> bool:
        """Whether it was left out on purpose."""
        return self is Outcome.SKIPPED

    @property
    def is_own_failure(self) -> bool:
        """Whether the check itself went wrong, rather than being held back by something else."""
        return not self.is_good and self not in (Outcome.BLOCKED, Outcome.CANCELLED)

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
        return self.outcome.is_good or self.advisory or self.tolerated

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

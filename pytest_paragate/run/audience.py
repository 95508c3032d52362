"""What goes into the loop beside the plan, and what comes out: settings, the audience of its news, its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_paragate.verdict import Verdict, WorkerRecord

if TYPE_CHECKING:
    from pytest_paragate.judge.baseline import Baselines


class Audience(Protocol):
    """Who is told what happens, as it happens."""

    def begun(self) -> None:
        """The first checks have been handed out."""

    def verdict(self, index: int, verdict: Verdict, reports: Sequence[Mapping[str, Any]]) -> None:
        """A check has its verdict. ``reports`` are pytest's own reports of it, serialised; none for commands."""

    def told(self) -> None:
        """That was all for now: time to show what was kept to be shown together."""

    def output(self, index: int, stream: str, data: bytes) -> None:
        """Live output under ``-s``."""

    def stop_wanted(self) -> str | None:
        """Why the run should stop, when a reporter or plugin has asked for that."""

    def warning(self, warning: Mapping[str, Any]) -> None: ...

    def late_report(self, report: Mapping[str, Any]) -> None:
        """A fixture's teardown failed after its item had its verdict."""


@dataclass(slots=True, kw_only=True)
class LoopResult:
    """What :meth:`Loop.run` leaves: verdicts by index, workers, and what went wrong around the checks."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    workers: list[WorkerRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    signum: int | None = None
    ended_session: tuple[str, str, int | None] | None = None
    stopped_by_maxfail: bool = False


class LoopSettings(NamedTuple):
    """``maxfail`` 0 and ``max_worker_restart`` None mean no limit. The paths are asked for by worker id,
    ``baselines`` when a benchmark was judged."""

    maxfail: int
    max_worker_restart: int | None
    crash_path: Callable[[str], str]
    basetemp: Callable[[str], str]
    baselines: Callable[[], Baselines] | None = None

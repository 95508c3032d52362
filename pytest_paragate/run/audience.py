"""What goes into the loop beside the plan, and what comes out: settings, the audience of its news, its result."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from pytest_paragate.verdict import GroupVerdict, Verdict, WorkerRecord

if TYPE_CHECKING:
    from pytest_paragate.judge.baseline import Baselines
    from pytest_paragate.run.nodes import Nodes

Reports: TypeAlias = Sequence[Mapping[str, Any]] | Sequence[float]
"""What pytest says of an item: its reports, serialised. Of one that passed and of which nothing else is to be said,
``duration, start, stop`` of each of its three phases, in seconds, are enough."""


class Audience(Protocol):
    """Who is told what happens, as it happens."""

    def begun(self) -> None:
        """The first checks have been handed out."""

    def verdict(self, index: int, verdict: Verdict, reports: Reports) -> None:
        """A check has its verdict. There are no ``reports`` of commands."""

    def trying_again(self, index: int, verdict: Verdict, tries: int) -> None:
        """A try of a check has failed, the ``tries``-th, and there will be another."""

    def told(self) -> None:
        """That was all for now: time to show what was kept to be shown together."""

    def output(self, index: int, stream: str, data: bytes) -> None:
        """Live output under ``-s``."""

    def stop_wanted(self) -> str | None:
        """Why the run should stop, when a reporter or plugin has asked for that."""

    def want_stop(self, kind: str, why: str) -> None:
        """A worker's session asks for that as ``kind``: ``"shouldstop"`` or ``"shouldfail"``."""

    def warning(self, warning: Mapping[str, Any]) -> None: ...

    def late_report(self, report: Mapping[str, Any]) -> None:
        """A fixture's teardown failed after its item had its verdict."""


class LoopResult:
    """What :meth:`Loop.run` leaves: verdicts by index, workers, and what went wrong around the checks."""

    def __init__(self) -> None:
        self.verdicts: dict[int, Verdict] = {}
        self.workers: list[WorkerRecord] = []
        self.groups: tuple[GroupVerdict, ...] = ()
        self.problems: list[str] = []
        self.signum: int | None = None
        self.ended_session: tuple[str, str, int | None] | None = None
        self.stopped_by_maxfail = False


class LoopSettings(NamedTuple):
    """``maxfail`` 0 and ``max_worker_restart`` None mean no limit. The paths are asked for by worker id,
    ``baselines`` when a benchmark was judged."""

    maxfail: int
    max_worker_restart: int | None
    crash_path: Callable[[str], str]
    journal_path: Callable[[str], str]
    basetemp: Callable[[str], str]
    nodes: "Nodes"
    baselines: "Callable[[], Baselines] | None" = None

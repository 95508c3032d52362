"""Who hears of a run while it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from pytest_paragate.verdict import Verdict

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

"""What is kept of the tries of a check that failed and was tried again, until its verdict can be settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_paragate.run.audience import Reports
from pytest_paragate.verdict import Outcome, Try, Verdict


class Tries:
    """Failed tries by item, in their order."""

    def __init__(self) -> None:
        self._verdicts: dict[int, list[Verdict]] = {}
        self._reports: dict[int, Reports] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._verdicts

    def add(self, index: int, verdict: Verdict, reports: Reports) -> int:
        """One that failed, after which there is to be another; returns how many there have been."""
        tries = self._verdicts.setdefault(index, [])
        tries.append(_with_words(verdict, reports))
        self._reports[index] = reports
        return len(tries)

    def joined(self, index: int, verdict: Verdict, reports: Reports) -> Verdict:
        """The verdict of the last try, with all that came before it."""
        earlier = self._verdicts.get(index)
        if not earlier:
            return verdict
        return _with_tries(verdict, (*earlier, _with_words(verdict, reports)))

    def given_up(self, index: int, reason: str) -> tuple[Verdict, Reports]:
        """The verdict of an item that will not be tried again after all: its latest try's, and what pytest said."""
        tries = self._verdicts[index]
        latest = tries[-1]._replace(reason=f"{tries[-1].reason or tries[-1].summary}; not tried again: {reason}")
        return _with_tries(latest, (*tries[:-1], latest)), self._reports[index]


def printed(reports: Reports) -> str:
    """What an item printed, from pytest's serialised reports of it."""
    parts: dict[str, str] = {}
    for report in reports:
        for name, text in report["sections"] if isinstance(report, Mapping) else ():
            parts[name] = text  # the report of a later phase repeats the earlier ones
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in parts.values())


def _with_words(verdict: Verdict, reports: Reports) -> Verdict:
    """With what pytest would have told, had this been the only try."""
    if not reports:
        return verdict
    return verdict._replace(
        output=verdict.output or printed(reports), details=verdict.details or "\n".join(_tracebacks(reports))
    )


def _tracebacks(reports: Reports) -> Iterator[str]:
    for report in reports:
        longrepr = report.get("longrepr") if isinstance(report, Mapping) else None
        if isinstance(longrepr, Mapping):
            entries = (longrepr.get("reprtraceback") or {}).get("reprentries") or ()
            for entry in entries:
                yield from entry.get("data", {}).get("lines") or ()
        elif longrepr and isinstance(report, Mapping) and report["outcome"] == "failed":
            yield str(longrepr)


def _with_tries(verdict: Verdict, tries: tuple[Verdict, ...]) -> Verdict:
    return verdict._replace(
        attempts=len(tries),
        flaky=verdict.outcome is Outcome.PASSED and len(tries) > 1,
        leaked=tuple(leak for each in tries for leak in each.leaked),
        tries=tuple(Try.of(each) for each in tries) if len(tries) > 1 else (),
    )

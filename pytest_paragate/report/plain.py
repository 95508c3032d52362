"""One plain line for each check that ends, for terminals and logs alike."""

from __future__ import annotations

from pytest_paragate.model import Check
from pytest_paragate.report.summary import Line, Markup
from pytest_paragate.report.text import cut, neutral, seconds
from pytest_paragate.verdict import Outcome, Verdict

_WIDEST_OUTCOME = max(len(outcome) for outcome in Outcome)


def ended(check: Check, verdict: Verdict, *, width: int, is_unicode: bool = True) -> Line:
    """``FAILED     conftest.py::ruff  code-reviewer  4.2s  exit status 1``, cut to ``width`` columns.

    Pure ASCII unless ``is_unicode``.
    """
    word = "advisory" if verdict.advisory else "flaky" if verdict.flaky else str(verdict.outcome)
    if verdict.tolerated and verdict.outcome.is_own_failure:
        word = "tolerated"
    parts = [word.upper().ljust(_WIDEST_OUTCOME), neutral(check.nodeid, keep_newlines=False), check.agent]
    if verdict.start_s is not None:
        parts.append(seconds(verdict.duration_s))
    if verdict.attempts > 1:
        parts.append(f"{verdict.attempts} tries")
    remark = verdict.summary if verdict.outcome is not Outcome.CRASHED else verdict.reason or verdict.summary
    if remark:
        parts.append(neutral(remark, keep_newlines=False))
    if verdict.leaked:
        parts.append(f"left {len(verdict.leaked)} process{'es' if len(verdict.leaked) > 1 else ''} behind")
    return _line(parts, width, is_unicode, _markup(verdict))


def failed_try(check: Check, verdict: Verdict, tries: int, *, width: int, is_unicode: bool = True) -> Line:
    """``RETRY      conftest.py::e2e  test-runner  4.2s  try 1 of 3: exit status 1``, cut to ``width`` columns."""
    parts = ["retry".upper().ljust(_WIDEST_OUTCOME), neutral(check.nodeid, keep_newlines=False), check.agent]
    parts.append(seconds(verdict.duration_s))
    remark = neutral(verdict.summary or str(verdict.outcome), keep_newlines=False)
    parts.append(f"try {tries} of {(check.retries or 0) + 1}: {remark}")
    return _line(parts, width, is_unicode, "yellow")


def _line(parts: list[str], width: int, is_unicode: bool, markup: Markup) -> Line:
    text = "  ".join(parts)
    if not is_unicode:
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    return Line(text=cut(text, width, ellipsis="…" if is_unicode else "..."), markup=markup)


def _markup(verdict: Verdict) -> Markup:
    if verdict.outcome is Outcome.PASSED and not verdict.flaky:
        return "green"
    return "yellow" if verdict.is_ok or verdict.outcome is Outcome.CANCELLED else "red"

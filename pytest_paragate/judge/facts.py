"""What a judge finds in a tool's output: counts, issues, metrics, a line for people, and what is expected by default.

Everything is made of builtin types underneath, bounded in size, and finite: what a tool printed is not trusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]

# Issues and metrics beyond these numbers are counted and not kept.
MOST_ISSUES = 500
MOST_METRICS = 2000
_LONGEST_MESSAGE = 1000
_LONGEST_NAME = 300
# More than any tool counts, and small enough for every gateway and JSON reader.
_LARGEST = 2**53


class Issue(NamedTuple):
    """One finding of a tool. ``file`` is as the tool spells it; ``line`` and ``column`` count from 1."""

    tool: str
    message: str
    severity: Severity = "warning"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    rule: str | None = None


class Metric(NamedTuple):
    """A measured number. ``unit`` is ``"s"``, ``"B"`` (bytes), ``"%"``, or empty for a plain number.

    For repeated measurements ``value`` is the median (or what comes nearest to it), ``spread`` the distance, in the
    same unit, that values usually keep from it, and ``is_benchmark`` says that it may be compared with a baseline.
    """

    value: float
    unit: str = ""
    spread: float = 0.0
    repeats: int = 1
    is_benchmark: bool = False


@dataclass(slots=True)
class Facts:
    """What one judge read from one output. ``tool`` names the tool for people.

    ``summary`` is one short line ("44/45 tests passed"); without one, it is made of the counts. ``wanted`` are the
    criteria that hold unless the check's own ``expect`` speaks of the same fact. ``unread`` says why the output could
    not be read; with ``needs_output`` that is not a pass, otherwise the exit status alone decides. ``is_cut`` says that
    counts are a lower bound, because the output was too large to be read whole; ``metrics_cut`` is how many were not
    kept. ``answers`` is how many runs of the tool are known to have come to an end by what they printed; it matters
    where a script hides exit statuses, and 0 is right where silence means that all is well.
    """

    tool: str
    counts: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    issues_cut: int = 0
    summary: str = ""
    wanted: list[str] = field(default_factory=list)
    unread: str | None = None
    needs_output: bool = False
    is_cut: bool = False
    metrics_cut: int = 0
    answers: int | None = None

    def count(self, name: str, number: int = 1) -> None:
        """Add ``number`` to the count ``name``."""
        self.counts[name] = min(self.counts.get(name, 0) + max(number, 0), _LARGEST)

    def measure(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        spread: float = 0.0,
        repeats: int = 1,
        is_benchmark: bool = False,
    ) -> None:
        """Record a metric; what is no finite number is left out, and 2000 names are kept."""
        if not math.isfinite(value):
            return
        key = name[:_LONGEST_NAME]
        # What is known under the first part of a long name may be another one.
        is_kept = len(name) <= _LONGEST_NAME if key in self.metrics else len(self.metrics) < MOST_METRICS
        if not is_kept:
            self.metrics_cut += 1
            return
        spread = spread if math.isfinite(spread) and spread > 0 else 0.0
        self.metrics[key] = Metric(value, unit, spread, repeats, is_benchmark)

    def issue(
        self,
        message: str,
        *,
        severity: Severity = "warning",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        rule: str | None = None,
        tool: str | None = None,
        is_counted: bool = True,
    ) -> None:
        """Record a finding, counted under ``issues`` and under ``errors``, ``warnings`` or ``notes``.

        A failed test is a finding that is not counted here, since it is counted under ``failed``.
        """
        if is_counted:
            self.count("issues")
            self.count(f"{severity}s")
        if len(self.issues) >= MOST_ISSUES:
            self.issues_cut += 1
            return
        self.issues.append(
            Issue(
                tool=tool or self.tool,
                message=message[:_LONGEST_MESSAGE],
                severity=severity,
                file=file[:_LONGEST_MESSAGE] if file else None,
                line=line,
                column=column,
                rule=rule[:_LONGEST_NAME] if rule else None,
            )
        )

    def tests(
        self,
        *,
        passed: int,
        failed: int = 0,
        errors: int = 0,
        skipped: int = 0,
        others: Mapping[str, int] | None = None,
        empty_runs: int = 0,
    ) -> Facts:
        """Say how the tests went: at least one has to have run, and none may have gone wrong.

        ``others`` ran too, such as ``xfailed``, and count neither as passed nor as failed. ``empty_runs`` are those of
        several in which no test ran.
        """
        others = others or {}
        self.counts |= {"tests": passed + failed + errors, "passed": passed, "failed": failed}
        self.counts |= {"errors": errors, "skipped": skipped, **others}
        self.counts["ran"] = passed + failed + errors + sum(others.values())
        self.wanted = ["ran >= 1", "failed == 0", *(["errors == 0"] if errors else [])]
        if empty_runs and self.counts["ran"]:
            self.counts["empty_runs"] = empty_runs
            self.wanted.append("empty_runs == 0")
        return self

    def counts_issues(self) -> Facts:
        """Say that findings were counted, also where there were none."""
        for name in ("issues", "errors", "warnings", "notes"):
            self.counts.setdefault(name, 0)
        return self

    def at_least(self, name: str, number: int | None) -> None:
        """The tool's own total: of two contradictory numbers the worse one counts."""
        if number is not None:
            self.counts[name] = max(self.counts.get(name, 0), min(number, _LARGEST))

    def saw_no_files(self) -> Facts:
        """Say that there was nothing to look at, which is no pass: the folder may be the wrong one."""
        self.counts["files"] = 0
        self.wanted.append("files >= 1")
        self.summary = f"{self.tool} found no files"
        return self

    def unreadable(self, why: str, *, needs_output: bool | None = None) -> Facts:
        """Say that there was nothing to judge by."""
        self.unread = why
        if needs_output is not None:
            self.needs_output = needs_output
        return self


def broken(name: str, problem: BaseException) -> Facts:
    """What is known where a judge went wrong, which is no pass."""
    facts = Facts(tool=name, needs_output=True)
    return facts.unreadable(f"the judge {name} failed: {type(problem).__name__}: {problem}")


def counted(number: int, noun: str) -> str:
    """``1 issue``, ``2 issues``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def whole(text: str | None) -> int | None:
    """A number that a tool printed, with thousands separated or not; None for what is none, or absurdly large."""
    if not text:
        return None
    digits = text.replace(",", "").replace("_", "")
    return int(digits) if len(digits) <= 15 and digits.isascii() and digits.isdigit() else None


def real(text: str | None) -> float | None:
    """As :func:`whole`, for numbers with decimals."""
    if not text or len(text) > 40:
        return None
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def place(value: object) -> int | None:
    """A line or column out of a tool's data."""
    return value if type(value) is int and 0 < value < 2**31 else None


def listed(value: object) -> list[Any]:
    """A list out of a tool's data; nothing where it is none."""
    return value if isinstance(value, list) else []


def summary_of(facts: Facts) -> str:
    """One line for people: the judge's own, or the counts in words."""
    if facts.summary:
        return facts.summary[:_LONGEST_MESSAGE]
    counts = facts.counts
    parts = []
    if "tests" in counts:
        if not counts.get("ran", 1):
            parts.append("no tests ran")
        elif "passed" in counts:
            parts.append(f"{counts['passed']}/{counted(counts['tests'], 'test')} passed")
        else:
            parts.append(counted(counts["tests"], "test"))
        parts += [f"{counts[name]} {name}" for name in ("skipped", "xfailed", "deselected") if counts.get(name)]
    if "issues" in counts:
        parts.append(counted(counts["issues"], "issue"))
    if "leaks" in counts:
        parts.append(counted(counts["leaks"], "leak"))
    if not parts:
        parts = [f"{number} {name}" for name, number in list(counts.items())[:4]]
    if not parts:
        parts = [f"{name} {shown(metric.value, metric.unit)}" for name, metric in list(facts.metrics.items())[:3]]
    return ", ".join(parts)


def shown(value: float, unit: str) -> str:
    """A number with its unit as people write it: ``4.2 %``, ``31.5 us``, ``48 bytes``, ``3``."""
    if unit == "%":
        return f"{value:.1f} %".replace(".0 %", " %")
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if abs(value) >= factor:
                return f"{value / factor:.4g} {name}"
        return f"{value / 1e-9:.4g} ns"
    if unit == "B":
        for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if abs(value) >= size:
                return f"{value / size:.4g} {name}"
        return f"{value:.0f} bytes"
    number = f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return f"{number} {unit}".strip()


def to_data(facts: Facts) -> dict[str, Any]:
    """``facts`` for a gateway: builtin types, and only what is there."""
    data: dict[str, Any] = {"tool": facts.tool, "summary": "" if facts.unread else summary_of(facts)}
    data["counts"] = {str(name)[:_LONGEST_NAME]: _count(number) for name, number in list(facts.counts.items())[:1000]}
    if facts.metrics:
        data["metrics"] = {name: tuple(metric) for name, metric in facts.metrics.items()}
    if facts.issues:
        data["issues"] = [tuple(issue) for issue in facts.issues]
        data["issues_cut"] = facts.issues_cut
    for name in ("wanted", "unread", "needs_output", "is_cut", "metrics_cut"):
        if value := getattr(facts, name):
            data[name] = value
    return data


def _count(number: object) -> int:
    if not isinstance(number, int):
        raise TypeError(f"a count is a whole number, not {number!r}")
    return min(max(int(number), 0), _LARGEST)


def from_data(data: Mapping[str, Any]) -> Facts:
    """What :func:`to_data` was given."""
    return Facts(
        tool=data["tool"],
        counts=dict(data["counts"]),
        metrics={name: Metric(*metric) for name, metric in data.get("metrics", {}).items()},
        issues=[Issue(*issue) for issue in data.get("issues", ())],
        issues_cut=data.get("issues_cut", 0),
        summary=data["summary"],
        wanted=list(data.get("wanted", ())),
        unread=data.get("unread"),
        needs_output=data.get("needs_output", False),
        is_cut=data.get("is_cut", False),
        metrics_cut=data.get("metrics_cut", 0),
    )


def merged(parts: Iterable[Facts]) -> Facts | None:
    """The facts of several commands of one check as one: counts are added up, and the first metric of a name stays."""
    all_facts = list(parts)
    if len(all_facts) < 2:
        return all_facts[0] if all_facts else None
    whole_ = Facts(tool=", ".join(dict.fromkeys(facts.tool for facts in all_facts)))
    for facts in all_facts:
        for name, number in facts.counts.items():
            whole_.count(name, number)
        for name, metric in facts.metrics.items():
            worse = whole_.metrics.get(name)
            key = name if worse is None else f"{name}#{sum(each.partition('#')[0] == name for each in whole_.metrics)}"
            whole_.metrics[key] = metric
        room = MOST_ISSUES - len(whole_.issues)
        whole_.issues += facts.issues[:room]
        whole_.issues_cut += facts.issues_cut + len(facts.issues[room:])
        whole_.is_cut = whole_.is_cut or facts.is_cut
        whole_.metrics_cut += facts.metrics_cut
    tools = {facts.tool for facts in all_facts if not facts.unread}
    if len(tools) > 1 and not {"tests", "issues", "leaks"} & whole_.counts.keys():
        whole_.summary = "; ".join(summary_of(facts) for facts in all_facts if not facts.unread)
    whole_.summary = summary_of(whole_)
    return whole_

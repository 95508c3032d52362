"""The JSON report: the whole run as data for other programs, schema ``paragate/1``.

- Always valid JSON: no NaN, no infinities, no lone surrogates, pure ASCII; keys come in a fixed order.
- The file is there as a whole or not at all; a report that could not be written is an error in words.
- Texts for people are neutral; node ids and paths are exact, and a CI system that is shown the file finds no command.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_paragate.model import ParagateError
from pytest_paragate.report.summary import agent_facts, by_agent
from pytest_paragate.report.text import neutral
from pytest_paragate.result import CheckResult, GateResult, GroupVerdict, WorkerRecord
from pytest_paragate.verdict import Leaked, Outcome, Try

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Issue, Metric

SCHEMA = "paragate/1"
_DIGITS = 4
_LONE_SURROGATE = "[\ud800-\udfff]"


class ReportError(ParagateError):
    """A requested report that could not be written; the run must not end with exit status 0."""


def as_data(result: GateResult) -> dict[str, Any]:
    """``result`` as builtin types; times in seconds, memory in KiB, ``utilization`` is busy / (wall x slots).

    ``checks`` holds every check and every marked test. Under ``agents``, checks and tests are counted together in
    ``passed``, ``failed`` and ``other``, where ``failed`` went wrong themselves and ``other`` is the rest.
    """
    return {
        "schema": SCHEMA,
        "outcome": result.outcome,
        "exitstatus": result.exitstatus,
        "started_at": result.started_at,
        "wall_s": _number(result.wall_s),
        "sequential_s": _number(result.sequential_s),
        "speedup": _number(result.speedup),
        "speedup_basis": result.basis,
        "limit": _limit(result),
        "agents": [_agent(agent, results, result) for agent, results in by_agent(result.results).items()],
        "checks": [_check(check) for check in result.results if check.is_marked],
        "groups": [_group(group) for group in result.groups],
        "workers": [_worker(worker) for worker in result.workers],
        "missing": list(result.missing),
        "problems": [neutral(problem) for problem in result.problems],
    }


def _number(value: float | None) -> float | None:
    return round(value, _DIGITS) if value is not None and math.isfinite(value) else None


def _limit(result: GateResult) -> dict[str, Any] | None:
    limit = result.limit
    if limit is None:
        return None
    return {
        "speedup": _number(result.sequential_s / limit.wall_s) if limit.wall_s > 0 else None,
        "wall_s": _number(limit.wall_s),
        "bound": limit.bound,
        "by": list(limit.by),
    }


def _agent(agent: str, results: Sequence[CheckResult], gate: GateResult) -> dict[str, Any]:
    outcomes = [result.verdict.outcome for result in results]
    passed = outcomes.count(Outcome.PASSED)
    failed = sum(outcome.is_own_failure for outcome in outcomes)
    checks = sum(result.is_marked for result in results)
    slots = gate.slots.get(agent, 1)
    busy_s = sum(result.verdict.busy_s for result in results)
    available_s = gate.wall_s * slots
    return {
        "agent": agent,
        "slots": slots,
        "checks": checks,
        "tests": len(results) - checks,
        "passed": passed,
        "failed": failed,
        "other": len(results) - passed - failed,
        "busy_s": _number(busy_s),
        "utilization": _number(busy_s / available_s) if available_s > 0 else 0.0,
        "summary": ", ".join(agent_facts(results)),
    }


def _check(check: CheckResult) -> dict[str, Any]:
    verdict = check.verdict
    return {
        "nodeid": check.nodeid,
        "name": check.name,
        "kind": check.kind,
        "agent": check.agent,
        "outcome": verdict.outcome.value,
        "flaky": verdict.flaky,
        "advisory": verdict.advisory,
        "tolerated": verdict.tolerated,
        "leaked": [_leaked(process) for process in verdict.leaked],
        "summary": neutral(verdict.summary, keep_newlines=False),
        "counts": {neutral(name): number for name, number in sorted(verdict.counts.items())},
        "metrics": {neutral(name): _metric(metric) for name, metric in sorted(verdict.metrics.items())},
        "issues": [_issue(issue) for issue in verdict.issues],
        "issues_cut": verdict.issues_cut,
        "judge": verdict.judge,
        "reason": None if verdict.reason is None else neutral(verdict.reason),
        "needs": list(check.needs),
        "attempts": verdict.attempts,
        **({"tries": [_try(each) for each in verdict.tries]} if verdict.tries else {}),
        "start_s": _number(verdict.start_s),
        "duration_s": _number(verdict.duration_s),
        "cpu_s": _number(verdict.cpu_s),
        "max_rss_kb": verdict.max_rss_kb,
        "exit_code": verdict.exit_code,
        "slot": verdict.slot,
        "worker": verdict.worker,
        "waited_for": list(verdict.waited_for),
        "log": verdict.log,
        **({"output": neutral(verdict.output)} if verdict.outcome is Outcome.CANCELLED and verdict.output else {}),
    }


def _try(one: Try) -> dict[str, Any]:
    return {
        "outcome": one.outcome.value,
        "summary": neutral(one.summary, keep_newlines=False),
        "start_s": _number(one.start_s),
        "duration_s": _number(one.duration_s),
        "exit_code": one.exit_code,
        "log": one.log,
        "output": neutral(one.output),
        "details": neutral(one.details),
    }


def _group(group: GroupVerdict) -> dict[str, Any]:
    return {
        "name": group.name,
        "wait": group.wait,
        "rest": group.rest,
        "met": group.met,
        "by": list(group.by),
        "members": list(group.members),
        "passed": group.passed,
        "wanted": group.wanted,
        "decided_s": _number(group.decided_s),
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {"value": metric.value, "unit": metric.unit, "spread": metric.spread, "repeats": metric.repeats}


def _issue(issue: Issue) -> dict[str, Any]:
    texts = {"tool": issue.tool, "severity": issue.severity, "rule": issue.rule, "message": issue.message}
    return {
        "file": issue.file,
        "line": issue.line,
        "column": issue.column,
        **{name: text and neutral(text, keep_newlines=False) for name, text in texts.items()},
    }


def _leaked(process: Leaked) -> dict[str, Any]:
    return {"pid": process.pid, "command": neutral(process.command, keep_newlines=False), "killed": process.killed}


def _worker(worker: WorkerRecord) -> dict[str, Any]:
    return {
        "id": worker.id,
        "kind": worker.kind,
        "slot": worker.slot,
        "started_s": _number(worker.started_s),
        "restarts": worker.restarts,
    }


def as_text(data: Mapping[str, Any]) -> str:
    """``data`` as valid JSON, a check to a line, with a final newline; infinities are null, lone surrogates U+FFFD."""
    try:
        text = _lines(data)
    except ValueError:  # an infinity
        text = _lines(_valid(data))
    if "\\ud" in text:
        text = _lines(_valid(data))
    # "##vso[" is a command to CI systems anywhere in a line; "#" occurs in strings only, where it may be escaped.
    return text.replace("##", "#\\u0023") + "\n"


def _lines(data: Mapping[str, Any]) -> str:
    # The encoder's own indentation takes ten times as long, and gives a file of twenty lines for each check.
    members = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            text = "[\n  " + ",\n  ".join(json.dumps(each, allow_nan=False) for each in value) + "\n ]"
        else:
            text = json.dumps(value, allow_nan=False)
        members.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}"


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(_LONE_SURROGATE, "\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_valid(key): _valid(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_valid(item) for item in value]
    return value


def write(path: str | os.PathLike[str], data: Mapping[str, Any], *, what: str = "JSON", option: str = "") -> None:
    """Put ``data`` into the file at ``path``, as a whole or not at all, making its folder where needed.

    A device or pipe is written to as it is. Raises :class:`ReportError` saying what the system said.
    """
    text = as_text(data)
    try:
        # Through a symbolic link, as ordinary writing would, rather than in place of it.
        target = Path(os.path.realpath(path))
        mode = _mode(Path(path))
        if mode is not None and not stat.S_ISREG(mode):
            # Replacing /dev/null or a pipe by a file would break whoever uses it next.
            Path(path).write_text(text, encoding="ascii")
        else:
            _replace(target, text, mode)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReportError(
            f"the {what} report could not be written: {said}",
            where=os.fspath(path),
            hint=f"give {option or '--paragate-json'} a file that can be written",
        ) from error


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, text: str, mode: int | None) -> None:
    """Write beside ``target``, make sure it reached the disk, and only then take its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.parent / f".paragate-{uuid.uuid4().hex}.tmp"
    # Not tempfile: its files are for the owner alone, and a report is an ordinary file.
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(beside, stat.S_IMODE(mode))
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

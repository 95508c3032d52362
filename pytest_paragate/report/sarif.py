"""One SARIF 2.1.0 log of what all judges found, for code scanning services and editors: one run per tool.

Paths are relative to the root folder where they are below it. Severities are SARIF's levels; a failed test is an error.
A tool that found nothing has a run without results, by which services know that earlier findings of it are gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_paragate.report.text import neutral
from pytest_paragate.result import CheckResult, GateResult
from pytest_paragate.verdict import Outcome

if TYPE_CHECKING:
    from pytest_paragate.judge.facts import Issue

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_data(result: GateResult, root: Path, folders: dict[str, str] | None = None) -> dict[str, Any]:
    """The issues of all checks as builtin types. ``folders`` are the folders that checks ran in, by node id."""
    by_tool: dict[str, list[tuple[CheckResult, Issue]]] = {}
    for check in result.results:
        for issue in check.verdict.issues:
            by_tool.setdefault(issue.tool, []).append((check, issue))
    for tool in _clean_tools(result):
        by_tool.setdefault(tool, [])
    runs = [_run(tool, found, root, folders or {}) for tool, found in by_tool.items()]
    # A log without a run would say that nothing was looked at.
    producer = {"producer": "pytest-paragate"}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "properties": producer,
        "runs": runs or [_run("paragate", [], root, {})],
    }


def _clean_tools(result: GateResult) -> Iterator[str]:
    """The tools of checks that passed, and of which something was read."""
    for check in result.results:
        verdict = check.verdict
        if verdict.judge and verdict.counts and verdict.outcome is Outcome.PASSED:
            yield from verdict.judge.split(", ")


def _run(tool: str, found: Iterable[tuple[CheckResult, Issue]], root: Path, folders: dict[str, str]) -> dict[str, Any]:
    found = list(found)
    rules: dict[str, int] = {}
    results = [_result(check, issue, rules, root, folders.get(check.nodeid)) for check, issue in found]
    cut = {check.nodeid: check.verdict.issues_cut for check, _ in found if check.verdict.issues_cut}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": _text(tool) or "unknown",
                "rules": [{"id": rule} for rule in rules],
            }
        },
        "originalUriBaseIds": {"ROOT": {"uri": f"{root.as_uri()}/"}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    if cut:
        run["properties"] = {"issues_cut": cut}
    return run


def _result(check: CheckResult, issue: Issue, rules: dict[str, int], root: Path, folder: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "level": issue.severity,
        "message": {"text": _text(issue.message) or "found"},
        "properties": {"check": check.nodeid, "agent": check.agent},
    }
    rule = _text(issue.rule or "")
    if rule:
        result["ruleId"], result["ruleIndex"] = rule, rules.setdefault(rule, len(rules))
    if issue.file:
        location: dict[str, Any] = {"artifactLocation": _artifact(issue.file, root, folder)}
        if issue.line is not None and issue.line >= 1:
            location["region"] = {"startLine": issue.line}
            if issue.column is not None and issue.column >= 1:
                location["region"]["startColumn"] = issue.column
        result["locations"] = [{"physicalLocation": location}]
    return result


def _artifact(file: str, root: Path, folder: str | None) -> dict[str, str]:
    path = os.path.normpath(os.path.join(folder or str(root), file))
    relative = os.path.relpath(path, root) if os.path.isabs(path) else path
    if relative.split(os.sep)[0] == os.pardir:
        return {"uri": "file://" + quote(path.replace(os.sep, "/"), errors="replace")}
    return {"uri": quote(relative.replace(os.sep, "/"), errors="replace"), "uriBaseId": "ROOT"}


def _text(text: str) -> str:
    return neutral(text, keep_newlines=False)

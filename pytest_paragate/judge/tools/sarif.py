"""SARIF files that the command wrote: ``parse="sarif:out.sarif"``. Results that are suppressed or passed do not count.

Exit status 0 beside results is taken as it is, since what makes a tool fail is its own affair. A run that says that it
was not successful looked at less than it should have.
"""

from __future__ import annotations

import json
import os
from urllib.parse import unquote, urlsplit

from pytest_paragate.judge.facts import Facts, Severity, listed, place
from pytest_paragate.judge.output import LARGEST_DOCUMENT, Output, has_too_many_values

_MOST_FILES = 200
_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning", "note": "note"}


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="sarif", needs_output=True)
    paths, why = output.reports()
    if why:
        return facts.unreadable(why)
    size = 0
    for path in paths[:_MOST_FILES]:
        try:
            size += os.path.getsize(path)
            if size > LARGEST_DOCUMENT:
                return facts.unreadable(f"the report file is too large: {path}")
            with open(path, "rb") as file:
                data = file.read(LARGEST_DOCUMENT)
            if has_too_many_values(data):
                return facts.unreadable(f"the report file is too large: {path}")
            log = json.loads(data.decode("utf-8-sig", "replace"))
        except (OSError, ValueError, RecursionError):
            return facts.unreadable(f"the report file is no whole JSON: {path}")
        runs = log.get("runs") if isinstance(log, dict) else None
        if not isinstance(runs, list):
            return facts.unreadable(f"the report file is no SARIF log: {path}")
        for run in runs:
            _run(run, facts)
    if len(paths) > _MOST_FILES:
        facts.unreadable(f"{len(paths)} report files are too many: {_MOST_FILES} are read")
    return facts.counts_issues()


def _run(run: object, facts: Facts) -> None:
    if not isinstance(run, dict):
        return
    driver = _at(run, "tool", "driver")
    tool = str(driver.get("name") or "sarif")[:100]
    if any(_at(each).get("executionSuccessful") is False for each in listed(run.get("invocations"))):
        facts.unreadable(f"{tool} says that its run was not successful")
    rules = {
        str(rule.get("id")): str(_at(rule, "defaultConfiguration").get("level") or "warning")
        for rule in listed(driver.get("rules"))
        if isinstance(rule, dict)
    }
    for result in listed(run.get("results")):
        if not isinstance(result, dict) or result.get("suppressions") or result.get("baselineState") == "absent":
            continue
        if result.get("kind", "fail") not in ("fail", "open", "review"):
            continue
        rule = str(result.get("ruleId") or _at(result, "rule").get("id") or "")
        level = str(result.get("level") or rules.get(rule, "warning"))
        locations = result.get("locations")
        first = locations[0] if isinstance(locations, list) and locations else {}
        physical = _at(first, "physicalLocation")
        region = _at(physical, "region")
        uri = str(_at(physical, "artifactLocation").get("uri") or "")
        facts.issue(
            str(_at(result, "message").get("text") or ""),
            severity=_LEVELS.get(level, "note"),
            file=unquote(urlsplit(uri).path if uri.startswith("file:") else uri)[:1000],
            line=place(region.get("startLine")),
            column=place(region.get("startColumn")),
            rule=rule,
            tool=tool,
        )


def _at(value: object, *keys: str) -> dict[str, object]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}

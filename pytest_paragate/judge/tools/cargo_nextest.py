"""cargo nextest: the line ``Summary [   0.01s] 3 tests run: 2 passed, 1 failed, 1 skipped`` on stderr."""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output
from pytest_paragate.judge.tools import rustc

_SUMMARY = re.compile(r"\s*Summary \[\s*[\d.]+s\] (\d+)(?:/(\d+))? tests? run: (.*)")
_PART = re.compile(r"(\d+) (passed|failed|exec failed|timed out|skipped|flaky|leaky)")
_FINDING = re.compile(r"\s*(FAIL|SIG[A-Z]+|TIMEOUT|ABORT) \[[^\]]*\] (?:\([^)]*\) )?(\S.*)")


def judge(output: Output) -> Facts | None:
    if output.has("list", "--no-run", "--help", "-h", "archive", "show-config"):
        return None
    facts = Facts(tool="cargo nextest", needs_output=True)
    runs: list[dict[str, int]] = []
    cancelled = 0
    seen: set[str] = set()
    for line in output.err.lines("Summary [", "FAIL [", "SIG", "TIMEOUT [", "ABORT ["):
        if (match := _SUMMARY.fullmatch(line)) is not None:
            # "2 passed (1 flaky)": what is in brackets is counted before them too.
            runs.append({name: whole(number) or 0 for number, name in _PART.findall(match[3])})
            cancelled = max((whole(match[2]) or 0) - (whole(match[1]) or 0), 0)
        elif (found := _FINDING.fullmatch(line)) is not None and found[2] not in seen and len(seen) < 1000:
            seen.add(found[2])
            facts.issue(f"{found[2]}: {found[1].lower()}", severity="error", is_counted=False)
    compiler = rustc.judge(output) if not runs or output.hides_status else None
    if not runs:
        if compiler is not None and compiler.counts.get("errors"):
            return compiler
        return facts.unreadable("cargo nextest printed no summary")
    chosen = runs if output.is_script else runs[-1:]
    total = {name: sum(run.get(name, 0) for run in chosen) for run in chosen for name in run}
    failed = total.get("failed", 0) + total.get("exec failed", 0) + total.get("timed out", 0)
    facts.answers = len(runs)
    facts.tests(
        passed=total.get("passed", 0),
        failed=failed,
        errors=compiler.counts.get("errors", 0) if compiler is not None and not failed else 0,
        skipped=total.get("skipped", 0),
        empty_runs=sum(_is_empty(run) for run in chosen) if output.is_script else 0,
    )
    if total.get("flaky"):
        facts.counts["flaky"] = total["flaky"]
    if cancelled:
        facts.counts["cancelled"] = cancelled
    return facts


def _is_empty(run: dict[str, int]) -> bool:
    return not any(number for name, number in run.items() if name != "skipped")

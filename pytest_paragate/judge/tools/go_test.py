"""go test: events under ``-json``, ``--- PASS:`` lines under ``-v``, otherwise one line per package, all on stdout.

Without ``-v`` go does not tell how many tests a package has: the packages are counted. Only top-level tests count, not
their subtests. ``[no tests to run]`` and ``[no test files]`` ran nothing. A package that fails without a failed test is
an error. Coverage is that of the package that has least: how much of all it is, go does not tell here.
"""

from __future__ import annotations

import json
import re

from pytest_paragate.judge.facts import Facts, counted, real, whole
from pytest_paragate.judge.output import Output

_RESULT = re.compile(r"--- (PASS|FAIL|SKIP): (\S+) \([\d.]+s\)")
_PACKAGE = re.compile(r"(ok|FAIL)\s+(\S+)\s+(\S+)?(.*)")
_NO_FILES = re.compile(r"\?\s+\S+\s+\[no test files\]")
_COVERAGE = re.compile(r"coverage: ([\d.]+)% of statements")
_BENCHMARK = re.compile(r"(Benchmark\S*?)(?:-\d+)?\s+(\d+)\s+([\d.]+) ns/op(?:\s+(\d+) B/op\s+(\d+) allocs/op)?.*")

_MOST_TESTS = 20_000


def judge(output: Output) -> Facts | None:
    if output.has("-c", "-n", "-list", "--list", "-h", "-help", "--help"):
        return None
    facts = Facts(tool="go test", needs_output=True)
    results = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    packages = {"ok": 0, "FAIL": 0, "none": 0}
    is_verbose = False
    broken = cached = 0
    covered: list[float] = []
    for line in _lines(output):
        line = line.rstrip()
        if (match := _RESULT.fullmatch(line)) is not None:
            results[match[1]] += 1
            is_verbose = is_verbose or match[1] != "FAIL"
            if match[1] == "FAIL":
                facts.issue(f"{match[2]}: failed", severity="error", is_counted=False)
        elif (match := _BENCHMARK.fullmatch(line)) is not None:
            value = real(match[3])
            if value is not None:
                repeats = whole(match[2]) or 1
                facts.measure(f"time[{match[1]}]", value * 1e-9, "s", repeats=repeats, is_benchmark=True)
        elif _NO_FILES.fullmatch(line):
            packages["none"] += 1
        elif (match := _PACKAGE.fullmatch(line)) is not None:
            rest = f"{match[3] or ''}{match[4]}"
            if "[no tests to run]" in rest:
                packages["none"] += 1
            else:
                packages[match[1]] += 1
            cached += "(cached)" in rest
            broken += "[build failed]" in rest or "[setup failed]" in rest
            if (percent := _COVERAGE.search(rest[:1000])) is not None:
                covered.append(real(percent[1]) or 0.0)
    if covered:
        facts.measure("coverage", min(covered), "%")
    facts.counts["packages"] = packages["ok"] + packages["FAIL"]
    if cached:
        facts.counts["cached"] = cached  # told, and not run: `expect="cached == 0"`, or -count=1
    benchmarks = sum(metric.is_benchmark for metric in facts.metrics.values())
    if not sum(packages.values()) and not sum(results.values()):
        return facts.unreadable("go test printed no result")
    facts.answers = sum(packages.values())
    if is_verbose or output.has("-v", "-json", "-test.v"):
        errors = broken if results["FAIL"] else packages["FAIL"]
        facts.tests(passed=results["PASS"], failed=results["FAIL"], errors=errors, skipped=results["SKIP"])
    else:
        facts.counts |= {"passed": packages["ok"], "failed": packages["FAIL"], "ran": sum(packages.values())}
        facts.counts["ran"] -= packages["none"]
        facts.wanted = ["ran >= 1", "failed == 0"]
        facts.summary = f"{packages['ok']}/{counted(facts.counts['ran'], 'package')} passed"
        if cached:
            facts.summary += f", {cached} from the cache"
        if not facts.counts["ran"]:
            facts.summary = "no tests ran"
    if output.value("-bench", "-test.bench") not in (None, "", "^$"):
        facts.counts["benchmarks"] = benchmarks
        facts.wanted.append("benchmarks >= 1")
        if not benchmarks and not results["FAIL"] and not packages["FAIL"]:
            facts.summary = "no benchmark ran"
    if benchmarks:
        facts.counts["benchmarks"] = benchmarks
        facts.counts["ran"] += benchmarks
        facts.summary = f"{counted(benchmarks, 'benchmark')} run"
        if results["FAIL"] or packages["FAIL"]:
            facts.summary = "a package failed"
    return facts


def _lines(output: Output) -> list[str]:
    """The text of the output, out of JSON events where it is in them."""
    wanted = ("--- ", "ok", "FAIL", "[no test", "Benchmark")
    if not output.has("-json") and not output.stdout.head(1).startswith("{"):
        return list(output.stdout.lines(*wanted))
    # A benchmark's line is written in pieces, so text is put together per package and test before it is split.
    texts: dict[tuple[str, str], list[str]] = {}
    found = []
    for line in output.stdout.lines('"Action":"output"', is_data=True):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            key = str(event.get("Package")), str(event.get("Test") or "")
            if key in texts or not key[1] or len(texts) < _MOST_TESTS:
                texts.setdefault(key, []).append(str(event.get("Output", ""))[:4096])
            else:
                output.stdout.is_cut = True
    for pieces in texts.values():
        found += [line for line in "".join(pieces).splitlines() if any(word in line for word in wanted)]
    return [line for line in found if not line.startswith(" ")]

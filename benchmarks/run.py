"""The benchmarks' command line: ``python benchmarks/run.py commands --count 200``; README.md says how to read them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import breakdown
import commands
import first_check
import graph
import groups
import idle
import measure
import projects
import release
import scale
import suites
from measure import LaunchError


def main() -> int:
    args = _parser().parse_args()
    measure.adopt_orphans()
    numbers: dict[str, Any] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="paragate-benchmark-") as folder:
            numbers = _run(args, Path(folder))
    except LaunchError as error:
        print(f"{args.benchmark}: {error}", file=sys.stderr)
        return 1
    if args.json:
        machine = {"python": platform.python_version(), "platform": platform.platform(), "cpus": _cpus()}
        text = json.dumps({"benchmark": args.benchmark, "machine": machine, **numbers}, indent=1)
        args.json.write_text(text + "\n")
    return 1 if numbers.get("broken") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description="The benchmarks of pytest-paragate.")
    subcommands = parser.add_subparsers(dest="benchmark", required=True)

    def add(name: str, help: str, repeats: int) -> argparse.ArgumentParser:
        sub = subcommands.add_parser(name, help=help, description=help)
        sub.add_argument("--repeats", type=int, default=repeats, help="interleaved repeats (default: %(default)s)")
        sub.add_argument("--json", type=Path, metavar="PATH", help="write the numbers there as well")
        return sub

    sub = add("commands", "Many trivial commands, beside other tools.", 5)
    sub.add_argument("--count", type=int, default=200, help="how many (default: %(default)s)")
    sub.add_argument("--only", nargs="+", default=[], metavar="WORD", help="ours, and the tools with such a word")
    add("first-check", "Launch to the first check's first instruction, beside plain pytest.", 20)
    sub = add("graph", "A graph of sleeping checks, beside the best possible schedule.", 3)
    sub.add_argument("--seeds", type=int, default=3, help="how many graphs (default: %(default)s)")
    add("groups", "How soon a group's answer, or fail fast, ends what is no longer needed.", 10)
    add("idle", "The plugin installed and not switched on, beside not installed.", 40)
    add("release", "Four independent checks: do they start together and end with the longest?", 5)
    sub = add("tests", "Ordinary tests, beside plain pytest and pytest-xdist.", 7)
    sub.add_argument("--only", nargs="+", default=[], choices=list(suites.SUITES), help="these suites")
    sub = add("projects", "Public projects' own tests: same outcomes, and how fast beside pytest-xdist.", 5)
    sub.add_argument("--only", nargs="+", default=[], choices=[each.name for each in projects.PROJECTS], help="these")
    sub.add_argument("--cache", type=Path, metavar="FOLDER", help="keep sources and environments there")
    add("scale", "Up to 100,000 tests and 32 workers: what the controller costs.", 3)
    sub = add("profile", "Where the time of many trivial commands goes.", 5)
    sub.add_argument("--count", type=int, default=1000, help="how many (default: %(default)s)")
    sub.add_argument("--top", type=int, default=25, help="functions of the controller to show (default: %(default)s)")
    return parser


def _run(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    if args.benchmark == "commands":
        return commands.run(folder, count=args.count, repeats=args.repeats, only=args.only, say=print)
    if args.benchmark == "first-check":
        return first_check.run(folder, repeats=args.repeats, say=print)
    if args.benchmark == "graph":
        return graph.run(folder, seeds=args.seeds, repeats=args.repeats, say=print)
    if args.benchmark == "groups":
        return groups.run(folder, repeats=args.repeats, say=print)
    if args.benchmark == "idle":
        return idle.run(folder, repeats=args.repeats, say=print)
    if args.benchmark == "release":
        return release.run(folder, repeats=args.repeats, say=print)
    if args.benchmark == "tests":
        return suites.run(folder, repeats=args.repeats, only=args.only, say=print)
    if args.benchmark == "projects":
        return projects.run(folder, cache=args.cache, repeats=args.repeats, only=args.only, say=print)
    if args.benchmark == "scale":
        return scale.run(folder, repeats=args.repeats, say=print)
    return breakdown.run(folder, count=args.count, repeats=args.repeats, top=args.top, say=print)


def _cpus() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


if __name__ == "__main__":
    sys.exit(main())

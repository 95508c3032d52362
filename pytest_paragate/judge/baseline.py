"""Accepted numbers of benchmarks, and how new ones compare with them.

- Accepted numbers are kept in one JSON file, either in the folder of earlier runs or where the user wants it, such as
  in the repository; each with the numbers that were accepted before it.
- A difference counts only where it is larger than both measurements usually vary by themselves.
- A file that cannot be read means that there is no baseline, and ``warnings`` says so; it is never overwritten unread.
"""

from __future__ import annotations

import datetime
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_paragate.judge.facts import Metric

FORMAT = 1
_KEPT = 10  # accepted numbers per benchmark, the newest included
_LARGEST_FILE = 16 << 20


class Baselines:
    """The accepted numbers in the file at ``path``, which need not exist."""

    def __init__(self, path: Path, *, is_accepting: bool = False) -> None:
        self.path, self.is_accepting = path, is_accepting
        self.warnings: list[str] = []
        self._is_usable = True
        self._checks: dict[str, dict[str, list[dict[str, Any]]]] = self._load()

    def compared(self, nodeid: str, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
        """``regression``, the largest one, and ``regression[NAME]`` for each benchmark that has a baseline, in percent.

        Positive is worse: slower, or larger. It is 0 where the difference lies within what both vary by themselves.
        """
        found = {}
        for name, metric in metrics.items():
            accepted = self._accepted(nodeid, name)
            if accepted is not None and accepted.unit == metric.unit:
                found[f"regression[{name}]"] = Metric(regression(metric, accepted), "%")
        # A benchmark without a baseline must not hide behind those that have one, nor one that was not run any more.
        if found and len(found) == len(metrics) and self._checks.get(nodeid, {}).keys() <= metrics.keys():
            found["regression"] = Metric(max(each.value for each in found.values()), "%")
        return found

    def accept(self, nodeid: str, metrics: Mapping[str, Metric]) -> int:
        """Take these as the new baseline of a check; returns how many there are."""
        taken = {name: metric for name, metric in metrics.items() if metric.is_benchmark}
        if not taken:
            return 0
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        old = self._checks.get(nodeid, {})
        self._checks[nodeid] = {
            name: [
                {
                    "value": metric.value,
                    "unit": metric.unit,
                    "spread": metric.spread,
                    "repeats": metric.repeats,
                    "accepted_at": now,
                },
                *old.get(name, ()),
            ][:_KEPT]
            for name, metric in taken.items()
        }
        return len(taken)

    def save(self) -> None:
        """Replace the file as a whole. Raises OSError."""
        if not self._is_usable:
            raise OSError(f"{self.path} holds something else than baselines and is left as it is")
        data = {"format": FORMAT, "checks": self._checks}
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n", "ascii")
            os.replace(beside, self.path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _accepted(self, nodeid: str, name: str) -> Metric | None:
        entries = self._checks.get(nodeid, {}).get(name)
        entry = entries[0] if isinstance(entries, list) and entries else None
        if not isinstance(entry, dict):
            return None
        value, spread = _number(entry.get("value")), _number(entry.get("spread", 0.0))
        if value is None or spread is None or value <= 0:
            return None
        return Metric(value, str(entry.get("unit", "")), spread, is_benchmark=True)

    def _load(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
                raise ValueError("it is no file, or too large")
            data = json.loads(self.path.read_text("utf-8"))
            checks = data["checks"]
            if data["format"] != FORMAT or not all(isinstance(value, dict) for value in checks.values()):
                raise ValueError(f"it is not in format {FORMAT}")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._is_usable = False
            self.warnings.append(f"accepted benchmark numbers: {self.path} could not be read and is not used")
            return {}
        return {nodeid: _sound(benchmarks) for nodeid, benchmarks in checks.items()}


def _sound(benchmarks: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The entries of one check that hold numbers; somebody may have edited the file."""
    found = {}
    for name, entries in benchmarks.items():
        kept = [entry for entry in entries if _is_sound(entry)] if isinstance(entries, list) else []
        if kept:
            found[name] = kept
    return found


def _is_sound(entry: object) -> bool:
    return isinstance(entry, dict) and all(_number(entry.get(key, 0.0)) is not None for key in ("value", "spread"))


def _number(value: object) -> float | None:
    # A whole number may be larger than every float.
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else None


def regression(new: Metric, old: Metric) -> float:
    """By how many percent of ``old`` the new value is larger; 0 within the larger of the two spreads.

    No spread excuses more than twice the old value: a measurement that varies by more than that shows nothing.
    """
    difference = new.value - old.value
    if abs(difference) <= min(max(new.spread, old.spread), old.value):
        return 0.0
    return 100.0 * difference / old.value

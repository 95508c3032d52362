"""Brings what pytest-benchmark measured in workers to the main process, which compares, saves and prints it.

Under pytest-xdist, and with several slots for tests here, pytest-benchmark switches itself off, because tests that run
beside each other disturb each other. With one slot it measures; what it knows then crosses as builtin types. Profiles
(``--benchmark-cprofile``) do not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

INPUT = "paragate_benchmarks"
_OUTPUT = "paragate_benchmarks"
_ONLY = pytest.StashKey[bool]()
_FACTS = ("name", "fullname", "group", "param", "params", "extra_info")


def are_measured(config: pytest.Config) -> bool:
    """Whether the main process awaits measurements."""
    session = _session(config)
    return session is not None and not session.disabled


def before_configure(config: pytest.Config) -> None:
    """In a fresh worker: "only benchmarks" is refused there, since workers are taken for pytest-xdist's."""
    if _is_wanted(config):
        config.stash[_ONLY], config.option.benchmark_only = config.option.benchmark_only, False


def after_configure(config: pytest.Config) -> None:
    """In a fresh worker, before it collects: measure after all, and leave saving and comparing to the main process."""
    session = _session(config)
    if session is not None and _is_wanted(config):
        session.only = config.stash[_ONLY]
        session.disabled = session.xdist_warning = False


def hand_over(config: pytest.Config) -> None:
    """In any worker, at its end: put what was measured where the main process finds it."""
    session = _session(config)
    if session is None:
        return
    session.json = session.save = session.autosave = None
    measured, session.benchmarks = list(session.benchmarks), []
    if not _is_wanted(config):
        return
    config.workeroutput[_OUTPUT] = [  # type: ignore[attr-defined]
        {
            "facts": {name: getattr(each, name) for name in _FACTS},
            "iterations": each.iterations,
            "options": {key: _named(value) for key, value in each.options.items()},
            "data": [float(duration_s) for duration_s in each.stats.data],
            "has_error": bool(each.has_error),
        }
        for each in measured
    ]


def take_over(config: pytest.Config, output: Mapping[str, Any]) -> None:
    """In the main process: add what a worker has measured."""
    session = _session(config)
    if session is None or not output.get(_OUTPUT):
        return
    stats: Any = sys.modules["pytest_benchmark.stats"]
    for each in output[_OUTPUT]:
        fixture = SimpleNamespace(**each["facts"], cprofile_stats=None, has_error=each["has_error"])
        measured = stats.Metadata(fixture, iterations=each["iterations"], options=each["options"])
        measured.stats.data = list(each["data"])
        session.benchmarks.append(measured)


def _session(config: pytest.Config) -> Any:
    return getattr(config, "_benchmarksession", None) if "pytest_benchmark" in sys.modules else None


def _is_wanted(config: pytest.Config) -> bool:
    return bool(config.workerinput.get(INPUT))  # type: ignore[attr-defined]


def _named(value: Any) -> Any:
    return str(getattr(value, "__name__", value)) if callable(value) else value

"""Declare quality checks in conftest.py: ``import pytest_paragate as gate``.

Importing this is cheap and changes nothing; checks run under ``pytest --paragate``. (PYTEST_DONT_REWRITE: a conftest.py
may import this before pytest loads it as a plugin, and there is no assertion here worth a warning about that.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_paragate.declare import agree as agree
    from pytest_paragate.declare import check as check
    from pytest_paragate.declare import command as command
    from pytest_paragate.declare import group as group
    from pytest_paragate.judge.facts import Facts as Facts
    from pytest_paragate.judge.facts import Issue as Issue
    from pytest_paragate.judge.facts import Metric as Metric
    from pytest_paragate.judge.output import Output as Output
    from pytest_paragate.judge.own import Judge as Judge
    from pytest_paragate.run.command import CommandFailed as CommandFailed

__all__ = ["CommandFailed", "Facts", "Issue", "Judge", "Metric", "Output", "agree", "check", "command", "group"]
_JUDGING = {"Facts": "facts", "Issue": "facts", "Judge": "own", "Metric": "facts", "Output": "output"}
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # pytest imports this package in every run, also where the gate is off: then nothing below is wanted.
    if name in ("agree", "check", "command", "group"):
        from pytest_paragate import declare

        return getattr(declare, name)
    if name == "CommandFailed":
        from pytest_paragate.run.command import CommandFailed

        return CommandFailed
    if name in _JUDGING:
        import importlib

        return getattr(importlib.import_module(f"pytest_paragate.judge.{_JUDGING[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

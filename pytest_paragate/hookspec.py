"""The hooks that a conftest.py or a plugin can implement. They are called under ``--paragate`` only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_paragate.judge.own import Judge
    from pytest_paragate.model import Check
    from pytest_paragate.sources import DeclaringGate
    from pytest_paragate.verdict import Verdict


def pytest_paragate_checks(gate: DeclaringGate, config: pytest.Config) -> None:
    """Declare generated checks.

    Called once for each conftest.py or plugin that implements it, before that file's checks are collected. Call
    ``gate.command(…, name=…)`` for each check; it belongs to the implementing file. Return nothing.
    """


def pytest_paragate_judges(config: pytest.Config) -> Iterable[Judge] | None:
    """Offer judges for the output of further tools.

    Called once for each conftest.py or plugin that implements it, before anything runs; in a worker that has collected
    for itself, once more there. Return ``gate.Judge(name, read, programs=(…))`` objects, or None.
    """


def pytest_paragate_verdict(check: Check, verdict: Verdict) -> None:
    """Hear of a verdict.

    Called in the controller, once for each check and marked test, as soon as its verdict is final. Return nothing.
    """


@pytest.hookspec(firstresult=True)
def pytest_paragate_make_gateway(slot: str, config: pytest.Config) -> Any | None:
    """Make the worker of a slot somewhere else.

    Called in the controller when ``slot`` (``"code-reviewer/0"``) first gets work, and again after its worker died.
    Return an ``execnet.Gateway``, or None to leave it to the next implementation and finally to paragate itself.
    """

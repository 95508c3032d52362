"""What tests tell pytest's JUnit report by fixture, in a worker, where there is no such report.

``record_testsuite_property`` and ``record_xml_attribute`` find a stand-in; what they say travels on the next report of
the same test (attribute ``paragate_junit``) to the main process, which writes it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

WORDS = "paragate_junit"


def stand_in(config: pytest.Config) -> None:
    """Take the place of pytest's ``LogXML``."""
    from _pytest.junitxml import xml_key

    listener: Any = _Listener(config)
    config.stash[xml_key] = listener
    config.pluginmanager.register(listener, "paragate-junit")


def write(config: pytest.Config, report: pytest.TestReport) -> None:
    """In the main process: let the JUnit report have what came with ``report``, before it hears of the report."""
    words = report.__dict__.pop(WORDS)
    from _pytest.junitxml import xml_key

    log = config.stash.get(xml_key, None)
    if log is not None:
        for name, value in words["suite"]:
            log.add_global_property(name, value)
        for name, value in words["test"]:
            log.node_reporter(report).add_attribute(name, value)


class _Listener:
    """What of ``LogXML`` pytest's fixtures use."""

    def __init__(self, config: pytest.Config) -> None:
        self.family = config.getini("junit_family")
        self._words: dict[str, list[tuple[str, str]]] = {"suite": [], "test": []}

    def add_global_property(self, name: str, value: object) -> None:
        self._words["suite"].append((name, str(value)))

    def node_reporter(self, test: object) -> _Listener:
        return self

    def add_attribute(self, name: str, value: object) -> None:
        self._words["test"].append((name, str(value)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if any(self._words.values()):
            report.__dict__[WORDS], self._words = self._words, {"suite": [], "test": []}
        return report

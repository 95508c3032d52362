"""pytest's hooks in a run of the gate, and nothing else: each hands over to the room that knows.

Registered under ``--paragate`` only.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_paragate.collect import Collecting
    from pytest_paragate.session import GateSession
    from pytest_paragate.settings import Settings


class CollectionHooks:
    """Hooks that find checks."""

    def __init__(self, collecting: Collecting) -> None:
        self._collecting = collecting

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        self._collecting.start()
        try:
            return (yield)
        except pytest.UsageError:
            # "Not found" may only be the consequence of a declaration that is wrong.
            self._collecting.raise_problems()
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        return self._collecting.file(file_path, parent, (yield))

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        return self._collecting.module(module_path, parent)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, obj: object) -> None:
        self._collecting.refuse_misplaced(collector, obj)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        return self._collecting.report((yield), collector)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        self._collecting.take(items)
        result = yield
        self._collecting.take_changes(items)
        self._collecting.restore_needed(items)
        return result


class LastLook:
    """Sees the items after every other plugin but pytest's own ``--lf`` has chosen among them."""

    def __init__(self, collecting: Collecting) -> None:
        self._collecting = collecting

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._collecting.look_before_lf(items)


class RunHooks:
    """Hooks that run the gate and report on it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: GateSession | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        from pytest_paragate.session import GateSession, is_worker, serve

        if is_worker(session.config):
            serve(session)
            return True
        has_failed = session.testsfailed and not session.config.option.continue_on_collection_errors
        if has_failed or session.config.option.collectonly:
            return None  # pytest itself knows what to do
        self._session = GateSession(session, self._settings)
        self._session.run()
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
        category = getattr(report, "paragate", None)
        if category is None:
            return None
        word = {"xfailed": "XFAIL", "xpassed": "XPASS"}.get(category, category.upper())
        letters = {"passed": ".", "failed": "F", "xfailed": "x", "xpassed": "X"}  # pytest's own, where it has one
        if report.paragate_is_news and config.get_verbosity() >= 0:
            # The check has a line of its own in place of a letter; later the word heads pytest's summary.
            return category, "", ""
        return category, letters.get(category, category[0]), word

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from pytest_paragate.session import finish

        finish(session, self._settings, self._session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        if self._session is not None:
            self._session.unconfigure()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, object, object]:
        result = yield
        if self._session is not None:
            self._session.write_summary(terminalreporter)
        return result

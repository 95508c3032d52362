"""pytest's hooks, and nothing else: each hands over to the room that knows.

Without ``--paragate`` only the functions of this module are called, and they import nothing heavy. There is no
assertion here to rewrite (PYTEST_DONT_REWRITE), which would cost time in every run.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_paragate.collect import Collecting
    from pytest_paragate.run.command import CommandRunner
    from pytest_paragate.run.facts import Facts
    from pytest_paragate.run.holdings import HeldUnits
    from pytest_paragate.run.results import Results
    from pytest_paragate.session import GateSession
    from pytest_paragate.settings import Settings

MARK_HELP = (
    "paragate(agent, needs, after, when, reads, writes, uses, exclusive, cpus, timeout, group, retries, …): "
    "how this test takes part in `pytest --paragate`; every declared check carries it too"
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    # pytest rewrites the assertions of all modules of a plugin's distribution. Ours are no tests, and where bytecode
    # cannot be written (a read-only installation) that would cost a fifth of a second in every run.
    marked = getattr(pluginmanager.rewrite_hook, "_must_rewrite", None)
    if isinstance(marked, set):
        marked.discard("pytest_paragate")
    from pytest_paragate import options

    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_paragate import hookspec

    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    from pytest_paragate import options

    if not options.is_on_early(early_config):
        return (yield)
    options.forget_old_report(early_config)
    from pytest_paragate import beginning

    with beginning.of_run(early_config):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    from pytest_paragate import options

    if options.is_on(config):
        from pytest_paragate import beginning

        beginning.show_distribution(config)


def pytest_configure(config: pytest.Config) -> None:
    from pytest_paragate import options

    config.addinivalue_line("markers", MARK_HELP)
    if not options.is_on(config):
        options.refuse_without_gate(config)
        return
    from pytest_paragate import garbage
    from pytest_paragate.collect import COLLECTING, Collecting, has_timeout_plugin
    from pytest_paragate.settings import settings

    found = settings(config)
    if not has_timeout_plugin(config):
        config.addinivalue_line("markers", "timeout(seconds): the gate ends this test when it takes longer")
    # Registered here to come after pytest's own last search for garbage, which a large session would slow down.
    config.add_cleanup(garbage.take_back)
    # pytest-xdist's own session must not take over; its options keep their meaning.
    config.pluginmanager.set_blocked("dsession")
    config.pluginmanager.set_blocked("terminaldistreporter")
    if not any(map(config.pluginmanager.hasplugin, ("xdist", "xdist.plugin"))):
        from pytest_paragate.run import worker_fixtures

        config.pluginmanager.register(worker_fixtures, "paragate-worker-fixtures")
    collecting = Collecting(
        config, agents=found.known_agents, timeout_s=found.timeout_s, retries=found.retries, dist=found.dist
    )
    config.stash[COLLECTING] = collecting
    config.pluginmanager.register(CollectionHooks(collecting), "paragate-collection")
    config.pluginmanager.register(LastLook(collecting), "paragate-last-look")
    config.pluginmanager.register(RunHooks(found), "paragate-run")


@pytest.fixture
def paragate_run(request: pytest.FixtureRequest) -> CommandRunner:
    """Run a command inside a check: own process group, time limit, whole output kept, what it leaves behind killed.

    Call it with a command (see ``pytest_paragate.run.command.CommandRunner``); it returns returncode, stdout, stderr,
    duration_s, and fails the check when the command fails, unless ``check=False``.
    """
    from pytest_paragate.run.command import CommandRunner

    return CommandRunner(request)


@pytest.fixture
def paragate_results(request: pytest.FixtureRequest) -> Results:
    """The verdicts of the checks that this one names in ``needs`` and ``after``, by name."""
    from pytest_paragate.run.results import results_of

    return results_of(request.node)


@pytest.fixture
def paragate_facts(request: pytest.FixtureRequest) -> Facts:
    """What this check has counted or measured: ``paragate_facts["tests"] = 45``.

    Reports show it, ``expect`` may speak of it, and ``gate.agree`` compares it.
    """
    from pytest_paragate.run.facts import facts_of

    return facts_of(request.node)


@pytest.fixture
def paragate_units(request: pytest.FixtureRequest) -> HeldUnits:
    """Which unit of each resource in ``uses`` this check holds: ``paragate_units["port"]`` is 8001."""
    from pytest_paragate.run.holdings import units_of

    return units_of(request.node)


class CollectionHooks:
    """Hooks that find checks. Registered under ``--paragate`` only."""

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
    """Hooks that run the gate and report on it. Registered under ``--paragate`` only."""

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

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, object, object]:
        result = yield
        if self._session is not None:
            self._session.write_summary(terminalreporter)
        return result

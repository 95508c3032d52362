"""What pytest calls in every run, and the fixtures: each hands over to the room that knows.

Without ``--paragate`` only the functions of this module are called, and they import nothing heavy; the hooks of a run
of the gate are in ``hooks``. There is no assertion here to rewrite (PYTEST_DONT_REWRITE), which would cost time in
every run.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_paragate.run.command import CommandRunner
    from pytest_paragate.run.facts import Facts
    from pytest_paragate.run.holdings import HeldUnits
    from pytest_paragate.run.results import Results

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
    from pytest_paragate.imports import find_directly

    early_config.add_cleanup(find_directly())
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
    from pytest_paragate import beginning, garbage
    from pytest_paragate.collect import COLLECTING, Collecting, has_timeout_plugin
    from pytest_paragate.hooks import CollectionHooks, LastLook, RunHooks
    from pytest_paragate.settings import settings

    found = settings(config)
    if not has_timeout_plugin(config):
        config.addinivalue_line("markers", "timeout(seconds): the gate ends this test when it takes longer")
    # Registered here to come after pytest's own last search for garbage, which a large session would slow down.
    config.add_cleanup(garbage.take_back)
    beginning.keep_out_xdist(config)
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

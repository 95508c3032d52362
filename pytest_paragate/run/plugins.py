"""What single plugins need in a forked worker, where they find themselves as they were in the main process.

A worker on a fresh interpreter needs little of this: there, plugins learn from the beginning that they are in a worker.

A plugin whose module or package implements ``pytest_testnodedown`` takes something from workers. It hears the reports
of a forked worker too, and ``pytest_sessionfinish``, at which it fills ``config.workeroutput``. For all others these
would write a second time what the main process writes, or end what the main process has begun.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import pytest

from pytest_paragate.run import benchmarks

# These write what they hear into files of their own process, whichever that is.
_WRITES_WHERE_IT_RUNS = ("allure_pytest",)

# Options at which something is removed when a session is configured: pytest's cache, allure-pytest's results.
_CLEARS = ("cacheclear", "clean_alluredir")
# How long a dead worker's last words to pytest-rerunfailures may take, seconds.
_HEARD_OUT_S = 1.0
# How long it may take until somebody listens to one that has died with its first words, seconds.
_ACCEPTED_S = 0.05


def deaf_to_reports(config: pytest.Config, plugins: Iterable[object]) -> list[object]:
    """Those of ``plugins`` that need not hear what is reported in the worker that runs the test."""
    hearing = {*_WRITES_WHERE_IT_RUNS, *_takers(config)}
    # The session counts failures, which fixtures may ask for.
    return [each for each in plugins if not isinstance(each, pytest.Session) and _home(each) not in hearing]


def keep_from_clearing(config: pytest.Config) -> None:
    """Before a fresh session is configured: what the run starts with is cleared already, and is being filled."""
    for name in _CLEARS:
        if hasattr(config.option, name):
            setattr(config.option, name, False)


def settle_seed(config: pytest.Config, workerinput: Mapping[str, Any]) -> None:
    """Before a fresh session is configured: the main process has found the last seed in the cache.

    pytest-randomly before 5.1 looks there in each process, while others may just be writing.
    """
    if getattr(config.option, "randomly_seed", None) == "last" and "randomly_seed" in workerinput:
        config.option.randomly_seed = workerinput["randomly_seed"]


def begin(config: pytest.Config) -> None:
    """The worker knows its ``workerinput``; nothing has run in it yet."""
    _connect_rerunfailures(config)
    _continue_coverage(config)
    _tell_metadata(config)
    if config.pluginmanager.hasplugin("flaky.xdist"):
        config.workeroutput["flaky_report"] = ""  # type: ignore[attr-defined]  # it appends to what it began with


def end(session: pytest.Session) -> None:
    """All fixtures are torn down: fill ``config.workeroutput``."""
    config = session.config
    _save_coverage(config)
    benchmarks.hand_over(config)
    status = tell_status(session)
    takers = _takers(config)
    implementations = config.hook.pytest_sessionfinish.get_hookimpls()
    others = [each.plugin for each in implementations if _home(each.plugin) not in takers]
    finish = config.pluginmanager.subset_hook_caller("pytest_sessionfinish", others)
    finish(session=session, exitstatus=status)


def tell_status(session: pytest.Session) -> pytest.ExitCode:
    """Tell how the worker's session ended, as pytest-xdist's workers do."""
    status = pytest.ExitCode.TESTS_FAILED if session.testsfailed else pytest.ExitCode.OK
    session.exitstatus = status
    output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
    output.update(exitstatus=int(status), shouldfail=session.shouldfail, shouldstop=session.shouldstop)
    return status


def _takers(config: pytest.Config) -> set[str]:
    hook = getattr(config.hook, "pytest_testnodedown", None)
    homes = {_home(each.plugin) for each in hook.get_hookimpls()} if hook is not None else set()
    return homes - {"xdist"}


def _home(plugin: object) -> str:
    """The package of a plugin, or the file of one without a package."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    if module is None:
        return type(plugin).__module__
    name = module.__name__.partition(".")[0]
    is_conftest = module.__name__.rpartition(".")[2] == "conftest"
    return str(module.__file__) if is_conftest else name


def _connect_rerunfailures(config: pytest.Config) -> None:
    """pytest-rerunfailures keeps count in the main process; what was inherited is a copy that nobody reads."""
    server: Any = getattr(config, "failures_db", None)
    workerinput = config.workerinput  # type: ignore[attr-defined]
    plugin = sys.modules.get("pytest_rerunfailures")
    if plugin is None or "statusdb_token" not in workerinput or not isinstance(server, plugin.ServerStatusDB):
        return
    server.sock.close()
    config.failures_db = plugin.ClientStatusDB(  # type: ignore[attr-defined]
        workerinput["sock_port"], workerinput["statusdb_token"]
    )


def hear_rerunfailures_out(*, connections: int) -> None:
    """Wait until pytest-rerunfailures in the main process has heard all that a dead worker said, ``connections`` left.

    A worker does not wait for an answer when it says how often its test may run again, and then that test may crash.
    """
    if "pytest_rerunfailures" not in sys.modules:
        return
    give_up_at = time.monotonic() + _HEARD_OUT_S
    time.sleep(_ACCEPTED_S)
    while time.monotonic() < give_up_at:
        listening = [thread for thread in threading.enumerate() if "run_connection" in thread.name]
        if len(listening) <= connections:
            return
        time.sleep(0.001)


def _coverage(config: pytest.Config) -> Any:
    """pytest-cov's controller, while it measures."""
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)


def _continue_coverage(config: pytest.Config) -> None:
    """The measurement goes on across the fork; tell pytest-cov that it is not only the main process's."""
    controller = _coverage(config)
    if controller is not None:
        controller.started = True  # or contexts would not be switched


def _save_coverage(config: pytest.Config) -> None:
    """Save what this process has measured, and say so to pytest-cov in the main process, which combines it."""
    controller = _coverage(config)
    if controller is None:
        return
    with controller.ensure_topdir():
        controller.started = False
        controller.cov.stop()
        controller.cov.save()
    workerid = config.workerinput["workerid"]  # type: ignore[attr-defined]
    config.workeroutput["cov_worker_node_id"] = workerid  # type: ignore[attr-defined]


def _tell_metadata(config: pytest.Config) -> None:
    """pytest-metadata takes for granted that every worker has told its own."""
    plugin = sys.modules.get("pytest_metadata.plugin")
    if plugin is not None and plugin.metadata_key in config.stash:
        config.workeroutput["metadata"] = config.stash[plugin.metadata_key]  # type: ignore[attr-defined]

"""Puts right what a forked worker inherits from the controller: captures, reporters, settings of pytest-xdist's kind.

After all that is done here the process behaves, for pytest's plugins and for tests, like a pytest-xdist worker that has
just collected.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate import garbage
from pytest_paragate.imports import Late

if TYPE_CHECKING:
    from pytest_paragate.run import plugins
else:  # wanted by items, and by commands not at all
    plugins = Late("pytest_paragate.run.plugins")

# Hooks that reporters of the main process implement; in a worker they would write everything twice.
_RELAYED_HOOKS = (
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_warning_recorded",
)


# Plugins that seed numpy's generator themselves.
_SEEDERS = ("randomly", "pytest_randomly")


class _Nowhere(io.TextIOBase):
    """Takes text, and needs no file descriptor."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)


class _Kept(io.TextIOWrapper):
    """Takes text for those who look for what a dead worker has said."""


def leave_main_process(config: pytest.Config) -> None:
    """Let go of what belongs to the main process; runs in the fork server."""
    # The parent's exit handlers are the parent's: they delete and close what all workers share.
    atexit._clear()
    garbage.look_as_usual()
    garbage.take_back_when_asked(*garbage.LISTING, *garbage.COLLECTING)
    mute_terminal(config)


def listen_to_signals() -> None:
    """Do again at the terminal's signals what Python does by itself; the fork server does not hear them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def become_worker(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    """Be the worker that ``workerinput`` says."""
    mark_as_worker(config, workerinput)
    _reseed_numpy(config)
    # The main process distributes; a worker does not.
    for name, value in {"dist": "no", "distload": False, "numprocesses": None, "maxprocesses": None}.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    plugins.begin(config)


def save_coverage() -> None:
    """Save what coverage measured without pytest-cov, beside the main process's data, which combines it at the end."""
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage is not None else None
    if measuring is not None:
        measuring.stop()
        measuring.save()


def mark_as_worker(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    """Set what plugins, fixtures and settings files look at to know that they are in a worker."""
    os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = workerinput["testrunuid"]
    config.workerinput = workerinput  # type: ignore[attr-defined]
    config.workeroutput = {}  # type: ignore[attr-defined]
    # Stopping early is the controller's decision: a worker sees only its own failures.
    config.option.maxfail = 0


def ask_for_basetemp(config: pytest.Config, ask: Callable[[], str]) -> None:
    """Give the worker a base folder of its own below the run's, when a test first wants it: making that takes time.

    Where ``ask`` knows none, pytest makes one as it does by itself.
    """
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None or factory._basetemp is not None:
        return

    def getbasetemp() -> Path:
        with lock:
            if factory._basetemp is None and (path := ask()):
                factory._given_basetemp = Path(path)
            return Path(make())

    lock, make = threading.RLock(), factory.getbasetemp
    factory.getbasetemp = getbasetemp


def redirect_stderr(crash_path: str) -> None:
    """Let what is written past pytest, such as the dump of a crash, go to a file for the report."""
    beneath = os.open(crash_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(beneath, 2)
    os.close(beneath)


def mute_terminal(config: pytest.Config, path: str | None = None) -> None:
    """Give the terminal reporter a writer that nobody sees, unless the worker dies and ``path`` is looked into."""
    # It stays registered: plugins ask it for a writer, and pytest-timeout hangs without one.
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        for name in _RELAYED_HOOKS:
            _remove(getattr(config.hook, name), terminal)
        before, terminal._tw._file, terminal._tw.hasmarkup = terminal._tw._file, _Nowhere(), False
        if isinstance(before, _Kept):
            before.close()
        if path is not None:
            with contextlib.suppress(OSError):  # on another machine there may be no such folder
                terminal._tw._file = _Kept(open(path, "ab"), encoding="utf-8")  # noqa: SIM115


def reopen_streams(config: pytest.Config, crash_path: str) -> None:
    """Open fresh capture files, since the inherited ones share their offset.

    Below them, ``crash_path`` takes what is written past pytest. ``sys.stdout`` and ``sys.stderr`` stay the objects
    that they were while modules were imported: some keep them, and compare.
    """
    capture = config.pluginmanager.getplugin("capturemanager")
    capturing = capture._global_capturing if capture is not None else None
    if capturing is not None:
        capture.suspend_global_capture(in_=False)  # as it is between two items
    redirect_stderr(crash_path)
    os.dup2(2, 1)
    for descriptor in _faulthandler_descriptors(config):
        os.dup2(2, descriptor, inheritable=False)
    if capturing is None:
        return
    for stream in (capturing.out, capturing.err):
        if hasattr(stream, "targetfd_save"):  # of the kind that captures file descriptors
            with tempfile.TemporaryFile(buffering=0) as fresh:
                os.dup2(fresh.fileno(), stream.tmpfile.fileno(), inheritable=False)
            os.dup2(2, stream.targetfd_save, inheritable=False)
        elif hasattr(stream, "tmpfile"):
            stream.snap()  # what the main process has not looked at yet is its own


def _faulthandler_descriptors(config: pytest.Config) -> Iterable[int]:
    """The copy of stderr that pytest keeps for crash dumps."""
    if faulthandler.is_enabled():
        try:
            from _pytest.faulthandler import fault_handler_stderr_fd_key
        except ImportError:
            return
        descriptor = config.stash.get(fault_handler_stderr_fd_key, None)
        if descriptor is not None and descriptor > 2:
            yield descriptor


def silence_reporters(config: pytest.Config) -> None:
    """Let reporters of the main process not hear of what items do in a worker."""
    hooks = [getattr(config.hook, name) for name in _RELAYED_HOOKS]
    listening = {id(each.plugin): each.plugin for hook in hooks for each in hook.get_hookimpls()}
    for plugin in plugins.deaf_to_reports(config, listening.values()):
        for hook in hooks:
            _remove(hook, plugin)


def _remove(hook: Any, plugin: object) -> None:
    if any(implementation.plugin is plugin for implementation in hook.get_hookimpls()):
        hook._remove_plugin(plugin)


def _reseed_numpy(config: pytest.Config) -> None:
    # The standard library reseeds itself after a fork; numpy's global state would be the same in every worker.
    generators = sys.modules.get("numpy.random")
    if generators is not None and not any(map(config.pluginmanager.hasplugin, _SEEDERS)):
        generators.seed()

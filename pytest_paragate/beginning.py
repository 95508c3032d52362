"""What must be settled before other plugins and conftest files look: they take a run for what it seems to be then.

Imported under ``--paragate`` only.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate import garbage
from pytest_paragate.model import DEFAULT_AGENT
from pytest_paragate.run.early import EarlyReads

_EARLY = pytest.StashKey[EarlyReads]()


@contextlib.contextmanager
def of_run(early_config: pytest.Config) -> Iterator[None]:
    """Around the loading of conftest files."""
    early_config.add_cleanup(garbage.look_once())
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if not is_worker:
        early_config.stash[_EARLY] = EarlyReads()
        early_config.stash[_EARLY].start()
        early_config.add_cleanup(early_config.stash[_EARLY].stop)
    # pytest-cov chooses here between one process and several; and a worker that starts late must not erase what earlier
    # ones have saved.
    with _set_for_now(early_config.known_args_namespace, {"cov_append": True} if is_worker else {"distload": True}):
        yield


def early_reader(config: pytest.Config) -> str | None:
    """The file of the project that asked for its worker's name, if any. Nobody is watched any longer."""
    early = config.stash.get(_EARLY, None)
    if early is None:
        return None
    early.stop()
    return early.place(Path(config.rootpath))


def show_distribution(config: pytest.Config) -> None:
    """Let ``--paragate-slots test-runner=N`` look to plugins as ``-n N`` does, before they are configured.

    Raises:
        pytest.UsageError: an option or setting of ours is wrong.
    """
    option = config.option
    if hasattr(config, "workerinput") or not hasattr(option, "numprocesses") or option.numprocesses is not None:
        return
    from pytest_paragate.settings import settings

    slots = settings(config).slots_of(DEFAULT_AGENT)
    if slots > 1:
        option.numprocesses, option.dist, option.tx = slots, "load", ["popen"] * slots


def keep_out_xdist(config: pytest.Config) -> None:
    """pytest-xdist's own session must not take over, and its modules need not be imported. Its options stay."""
    config.pluginmanager.set_blocked("dsession")
    config.pluginmanager.set_blocked("terminaldistreporter")
    xdist: Any = sys.modules.get("xdist.plugin")
    makes_session = getattr(xdist, "_is_distribution_mode", None)
    if makes_session is not None:
        xdist._is_distribution_mode = lambda asked: asked is not config and makes_session(asked)
        config.add_cleanup(functools.partial(setattr, xdist, "_is_distribution_mode", makes_session))


@contextlib.contextmanager
def _set_for_now(namespace: object, values: Mapping[str, object]) -> Iterator[None]:
    before = {name: getattr(namespace, name) for name in values if hasattr(namespace, name)}
    for name, value in values.items():
        setattr(namespace, name, value)
    try:
        yield
    finally:
        for name in values:
            if name in before:
                setattr(namespace, name, before[name])
            else:
                delattr(namespace, name)

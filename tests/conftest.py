"""Makes pytester run with this plugin, whether the package is installed or only importable."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]


def _is_loaded_by_itself() -> bool:
    declared = any(point.name == "paragate" for point in entry_points(group="pytest11"))
    return declared and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")


@pytest.fixture(autouse=True)
def _plugin_in_pytester(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pytester" not in request.fixturenames:
        return
    request.getfixturevalue("pytester")  # it clears the environment first
    for variable in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(variable, raising=False)
    # Hypothesis' plugin imports all of hypothesis at the end of every inner run, which takes longer than the run.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    if not _is_loaded_by_itself():
        monkeypatch.setenv("PYTEST_PLUGINS", "pytest_paragate.plugin")
        path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in path if part))

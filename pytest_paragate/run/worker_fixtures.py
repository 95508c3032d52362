"""pytest-xdist's fixtures for runs without its plugin (``-p no:xdist``)."""

from __future__ import annotations

import uuid

import pytest


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """The id of the worker that runs the test: ``gw0``, ``gw1``, …, or ``master`` outside of workers."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "master"))


@pytest.fixture(scope="session")
def testrun_uid(request: pytest.FixtureRequest) -> str:
    """What all workers of a run have in common and no other run has."""
    return str(getattr(request.config, "workerinput", {}).get("testrunuid", uuid.uuid4().hex))

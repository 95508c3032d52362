"""Projects in which the acceptance tests run whole gates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .gates import WORKER_KINDS, Project

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # They compile and take longest; what is quick should speak first.
    items.sort(key=lambda item: item.path.name == "test_examples.py")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def module_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Project]]:
    """Makes projects for gates whose report many tests look at."""
    made: list[Project] = []

    def make() -> Project:
        made.append(Project(tmp_path_factory.mktemp("project")))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


@pytest.fixture(params=WORKER_KINDS)
def workers(request: pytest.FixtureRequest) -> str:
    """The option for each kind of worker in turn."""
    return f"--paragate-workers={request.param}"

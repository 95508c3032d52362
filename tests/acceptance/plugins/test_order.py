"""Plugins that choose tests and their order."""

from __future__ import annotations

import json
import re

import pytest

from ..gates import Project

# Every test says that it ran, and what was random in it.
CONFTEST = """
import os, random, sys
import pytest

@pytest.fixture(autouse=True)
def noted(request):
    numbers = [random.random()]
    if "numpy" in sys.modules:
        numbers.append(float(sys.modules["numpy"].random.random()))
    with open("ran", "a") as file:
        file.write(f"{request.node.nodeid} {os.environ.get('PYTEST_XDIST_WORKER')} {numbers}\\n")
"""
TESTS = """
import pytest

class TestGroup:
    def test_x(self): pass
    def test_y(self): pass
    def test_z(self): pass

@pytest.mark.parametrize("number", range(8))
def test_each(number): pass
"""
# As if somebody had opened the file to write, which empties it.
WRITING = """
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        (config.rootpath / ".pytest_cache/v/randomly_seed").write_text("")
"""
FILES = {"conftest.py": CONFTEST, "test_a.py": TESTS, "test_b.py": TESTS, "test_c.py": TESTS}


def ran(project: Project) -> list[list[str]]:
    path = project.folder / "ran"
    lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
    path.unlink()
    return lines


def test_randomly_repeats_order_and_numbers(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_randomly")
    args = ("-p", "pytest_randomly", "-p", "no:cacheprovider")
    project.write(FILES)
    orders = []
    for seed in ("--randomly-seed=1", "--randomly-seed=2"):
        project.start_pytest(*args, seed).finish()
        plain = ran(project)
        run = project.run(*args, seed, workers)
        assert run.status == 0, run.text
        alone = ran(project)
        assert [line[0] for line in alone] == [line[0] for line in plain]
        assert [line[2] for line in alone] == [line[2] for line in plain]
        project.run(*args, seed, "-n2", workers)
        shared = ran(project)
        assert sorted((line[0], line[2]) for line in shared) == sorted((line[0], line[2]) for line in plain)
        orders.append([line[0] for line in plain])
    assert orders[0] != orders[1]


def test_randomly_tells_its_seed_and_takes_it_again(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_randomly")
    project.write(FILES)
    run = project.run("-p", "pytest_randomly", "-n2", workers)
    match = re.search(r"Using --randomly-seed=(\d+)", run.text)
    assert match is not None
    first = {line[0]: line[2] for line in ran(project)}
    project.run("-p", "pytest_randomly", "--randomly-seed=last", "-n2", workers)
    assert {line[0]: line[2] for line in ran(project)} == first


def test_the_last_seed_is_known_while_another_process_writes_it_down(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_randomly")
    project.write(FILES)
    project.run("-p", "pytest_randomly", "--randomly-seed=77", workers)
    first = {line[0]: line[2] for line in ran(project)}
    project.write({"conftest.py": CONFTEST + WRITING})
    run = project.run("-p", "pytest_randomly", "--randomly-seed=last", "-n2", workers)
    assert "Using --randomly-seed=77" in run.text
    assert {line[0]: line[2] for line in ran(project)} == first


def test_without_a_seed_workers_differ(project: Project, workers: str) -> None:
    pytest.importorskip("numpy")
    project.write(FILES).write({"test_a.py": "import numpy.random\nnumpy.random.random()\n" + TESTS})
    project.run("-n2", workers)
    numbers = [line[2].split()[1] for line in ran(project)]  # numpy's
    assert len(set(numbers)) == len(numbers)


def test_order_within_a_worker_is_the_one_asked_for(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_order")
    tests = """
import pytest

@pytest.mark.order(3)
def test_third(): pass

@pytest.mark.order(1)
def test_first(): pass

@pytest.mark.order("last")
def test_last(): pass

@pytest.mark.order(2)
def test_second(): pass

@pytest.mark.order(after="test_first")
def test_whenever(): pass
"""
    args = ("-p", "pytest_order.plugin")
    project.write({"conftest.py": CONFTEST, "test_it.py": tests, "test_other.py": "def test_other(): pass\n"})
    project.start_pytest(*args).finish()
    plain = [line[0] for line in ran(project)]
    assert plain[:3] == [f"test_it.py::test_{name}" for name in ("first", "second", "third")]
    for _ in range(2):  # the second time durations are known
        assert project.run(*args, workers).status == 0
        assert [line[0] for line in ran(project)] == plain
    project.run(*args, "-n2", workers)
    shared = ran(project)
    for worker in ("gw0", "gw1"):
        mine = [line[0] for line in shared if line[1] == worker]
        assert mine == sorted(mine, key=plain.index)


def test_split_shares_out_all_tests(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_split")
    args = ("-p", "pytest_split.plugin")
    project.write(FILES)
    found: list[str] = []
    for group in ("1", "2", "3"):
        run = project.run(*args, "--splits=3", f"--group={group}", "-n2", workers)
        assert run.status == 0, run.text
        shared = [line[0] for line in ran(project)]
        assert len(shared) == 11
        found += shared
    assert len(set(found)) == 33
    assert project.run(*args, "--store-durations", "-n2", workers).status == 0
    durations = json.loads((project.folder / ".test_durations").read_text())
    assert set(durations) == set(found)
    assert min(durations.values()) > 0

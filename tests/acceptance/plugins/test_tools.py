"""Plugins that give tests a tool: pytest-benchmark, hypothesis, pytest-mock."""

from __future__ import annotations

import json

import pytest

from ..gates import Project

BENCHMARK = ("-p", "pytest_benchmark.plugin", "--benchmark-min-rounds=3", "--benchmark-max-time=0.01")
BENCHMARKS = """
import pytest

@pytest.mark.parametrize("size", [10, 100])
def test_sum(benchmark, size):
    benchmark.extra_info["note"] = f"sum of {size}"
    assert benchmark(sum, range(size)) == size * (size - 1) // 2

def test_plain():
    open("plain", "a").write(".")
"""


@pytest.fixture
def benchmark_project(project: Project) -> Project:
    pytest.importorskip("pytest_benchmark")
    return project.write({"test_it.py": BENCHMARKS})


def measured(project: Project) -> dict[str, dict[str, object]]:
    data = json.loads((project.folder / "b.json").read_text())
    return {each["name"]: each for each in data["benchmarks"]}


def test_one_slot_measures(benchmark_project: Project, workers: str) -> None:
    args = (*BENCHMARK, "--benchmark-json=b.json", "--benchmark-save-data", "--benchmark-group-by=param:size")
    benchmark_project.start_pytest(*args).finish()
    plain = measured(benchmark_project)
    (benchmark_project.folder / "b.json").unlink()
    run = benchmark_project.run(*args, workers)
    assert run.status == 0, run.text
    assert "benchmark 'size=10': 1 tests" in run.text
    found = measured(benchmark_project)
    assert list(found) == list(plain)
    for name, each in found.items():
        for key in ("fullname", "group", "param", "params", "extra_info", "options"):
            assert each[key] == plain[name][key], key
        stats = each["stats"]
        assert isinstance(stats, dict)
        assert stats["rounds"] == len(stats["data"]) >= 3
        assert 0 < stats["min"] <= stats["median"] <= stats["max"]


def test_only_benchmarks(benchmark_project: Project, workers: str) -> None:
    run = benchmark_project.run(*BENCHMARK, "--benchmark-only", workers)
    assert run.status == 0, run.text
    assert "2 passed, 1 skipped" in run.lines[-1]
    assert "benchmark: 2 tests" in run.text
    assert not (benchmark_project.folder / "plain").exists()


def test_measurements_are_saved_once_and_compared(benchmark_project: Project, workers: str) -> None:
    benchmark_project.run(*BENCHMARK, "--benchmark-autosave", workers)
    saved = list((benchmark_project.folder / ".benchmarks").rglob("*.json"))
    assert len(saved) == 1
    slower = json.loads(saved[0].read_text())
    for each in slower["benchmarks"]:
        each["stats"]["min"] /= 1000
    saved[0].write_text(json.dumps(slower))
    run = benchmark_project.run(*BENCHMARK, "--benchmark-compare", "--benchmark-compare-fail=min:5%", workers)
    assert run.status != 0
    assert "Performance has regressed" in run.text


@pytest.mark.parametrize("slots", ["-n2", "--paragate-slots=test-runner=2"])
def test_several_slots_run_benchmarks_once_and_say_so(benchmark_project: Project, workers: str, slots: str) -> None:
    run = benchmark_project.run(*BENCHMARK, slots, workers)
    assert run.status == 0, run.text
    assert "Benchmarks are automatically disabled" in run.text
    assert "benchmark: 2 tests" not in run.text


def test_hypothesis_tries_known_failures_first(project: Project, workers: str) -> None:
    pytest.importorskip("hypothesis")
    tests = """
from hypothesis import given, settings, strategies as st

@given(st.integers(0, 10**12))
@settings(max_examples=300, deadline=None)
def test_small(number):
    with open("tried-" + __name__, "a") as file:
        file.write(f"{number}\\n")
    assert number < 4242
"""
    # Under another name, or it would be the same test to the database, and take over what the other has found so far.
    project.write({"test_a.py": tests, "test_b.py": tests.replace("test_small", "test_other")})
    args = ("-p", "_hypothesis_pytestplugin", "--hypothesis-show-statistics", "-n2", workers)
    first = project.run(*args)
    assert first.status == 1, first.text
    assert first.text.count("number=4242") >= 2
    assert "Hypothesis Statistics" in first.text
    assert "test_a.py::test_small" in first.text.partition("Hypothesis Statistics")[2]
    for name in ("tried-test_a", "tried-test_b"):
        (project.folder / name).unlink()
    again = project.run(*args)
    assert again.status == 1
    for name in ("tried-test_a", "tried-test_b"):
        tried = (project.folder / name).read_text().split()
        assert "4242" in tried[:3], tried[:10]


def test_mock_undoes_what_it_replaced(project: Project, workers: str) -> None:
    pytest.importorskip("pytest_mock")
    tests = """
import os
import pytest

@pytest.fixture(scope="module")
def all_along(module_mocker):
    return module_mocker.patch("os.getppid", return_value=-1)

@pytest.mark.parametrize("number", range(6))
def test_each(mocker, all_along, number):
    assert os.getppid() == -1
    spy = mocker.spy(os.path, "basename")
    mocker.patch("os.getlogin", return_value=f"user {number}")
    assert os.path.basename("a/b") == "b"
    assert os.getlogin() == f"user {number}"
    spy.assert_called_once_with("a/b")

def test_report(mocker):
    mocked = mocker.Mock()
    mocked(1)
    mocked.assert_called_once_with(2)
"""
    behind = "import os\ndef test_undone(): assert os.getppid() != -1 and not hasattr(os.path.basename, 'mock_calls')\n"
    project.write({"test_a.py": tests, "test_b.py": tests, "test_c.py": behind})
    for slots in (("-n2",), ()):
        run = project.run("-p", "pytest_mock", *slots, workers)
        assert "2 failed, 13 passed" in run.lines[-1], run.text
        assert "expected call not found" in run.text

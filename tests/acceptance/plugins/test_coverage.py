"""pytest-cov: the same percentages as plain pytest, wherever lines were run."""

from __future__ import annotations

import json
import sqlite3

import pytest

from ..gates import Project

pytest.importorskip("pytest_cov")

# Lines run at import, at collection, in the one module and in the other, in a fixture's teardown, and never.
FILES = {
    "pkg/__init__.py": "",
    "pkg/core.py": """
TABLE = {number: number * number for number in range(5)}

def first(flag):
    if flag:
        return 1
    return 2

def second(flag):
    result = "no"
    if flag:
        result = "yes"
    return result

def at_the_end():
    return "torn down"

def never():
    return 0
""",
    "conftest.py": """
import pytest
import pkg.core

@pytest.fixture(scope="session", autouse=True)
def whole():
    yield
    pkg.core.at_the_end()
""",
    "test_a.py": """
from pkg.core import first
def test_a(): assert first(True) == 1
def test_b(): assert first(False) == 2
""",
    "test_b.py": """
from pkg.core import second
def test_c(): assert second(True) == 'yes'
def test_d(tmp_path, monkeypatch): monkeypatch.chdir(tmp_path)
""",
}
COV = ("-p", "pytest_cov", "--cov=pkg", "--cov-report=term", "--cov-report=json:cov.json")


def files_covered(project: Project) -> dict[str, object]:
    found = json.loads((project.folder / "cov.json").read_text())
    return {
        name: (entry["executed_lines"], entry.get("executed_branches"), entry["summary"]["percent_covered"])
        for name, entry in found["files"].items()
    }


@pytest.mark.parametrize("more", [(), ("--cov-branch",)], ids=["lines", "branches"])
@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n", "one"])
def test_percentages_are_those_of_plain_pytest(
    project: Project, workers: str, more: tuple[str, ...], slots: tuple[str, ...]
) -> None:
    project.write(FILES)
    project.start_pytest(*COV, *more).finish()
    plain = files_covered(project)
    (project.folder / "cov.json").unlink()
    run = project.run(*COV, *more, *slots, workers, "--cov-fail-under=50")
    assert run.status == 0, run.text
    assert files_covered(project) == plain
    assert "failed workers" not in run.text
    assert "Required test coverage of 50" in run.text


def test_contexts_name_the_test_that_ran_a_line(project: Project, workers: str) -> None:
    project.write(FILES)
    run = project.run(*COV, "--cov-context=test", "-n2", workers)
    assert run.status == 0, run.text
    with sqlite3.connect(project.folder / ".coverage") as data:
        contexts = {name for (name,) in data.execute("select context from context")}
    data.close()
    assert {"test_a.py::test_a|run", "test_a.py::test_b|run", "test_b.py::test_c|run"} <= contexts


def test_too_little_coverage_fails_the_run(project: Project, workers: str) -> None:
    run = project.write(FILES).run(*COV, "-n2", workers, "--cov-fail-under=99")
    assert run.status == 1
    assert "Coverage failure" in run.text


def test_what_a_late_worker_measures_is_added(project: Project, workers: str) -> None:
    """A worker that replaces another starts when data has been saved already."""
    project.write(FILES)
    project.write({".coveragerc": "[run]\nparallel = true\n"})
    project.write(
        {
            "conftest.py": FILES["conftest.py"] + "import pytest_paragate as gate\n"
            "@gate.check(agent='debugger')\ndef changes(monkeypatch):\n    import os\n    os.environ['X'] = '1'\n"
            "    assert pkg.core.first(True) == 1\n"
            "@gate.check(agent='debugger', after='changes')\ndef late():\n    assert pkg.core.first(False) == 2\n",
            "test_a.py": "",
        }
    )
    run = project.run(*COV, workers)
    assert run.status == 0, run.text
    lines = files_covered(project)["pkg/core.py"][0]  # type: ignore[index]
    assert {6, 7} <= set(lines)


def test_checks_alone_need_no_coverage_data(project: Project, workers: str) -> None:
    project.write({**FILES, "conftest.py": "import pytest_paragate as gate\nok = gate.command('true')\n"})
    run = project.run(*COV, workers, "-m", "paragate")
    assert run.status == 0, run.text
    assert "failed workers" not in run.text

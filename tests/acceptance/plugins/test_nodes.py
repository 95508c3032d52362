"""pytest-xdist's hooks and conventions, on which plugins and conftest files build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..gates import Project

CONFTEST = """
import json, os, pathlib
import pytest

HERE = pathlib.Path(__file__).parent

def note(config, hook, **facts):
    if not hasattr(config, "workerinput"):
        with open(HERE / "hooks", "a") as file:
            file.write(json.dumps({"hook": hook, **facts}) + "\\n")

def pytest_xdist_setupnodes(config, specs):
    note(config, "setupnodes", specs=[spec.id for spec in specs], popen=[spec.popen for spec in specs])

def pytest_configure_node(node):
    node.workerinput["letter"] = "letter for " + node.gateway.id
    note(node.config, "configure_node", id=node.gateway.id, spec=node.gateway.spec.id,
         version=list(node.gateway._rinfo().version_info), roots=node.nodemanager.roots,
         uid=node.nodemanager.testrunuid == node.workerinput["testrunuid"], keys=sorted(node.workerinput))

def pytest_testnodeready(node):
    note(node.config, "testnodeready", id=node.gateway.id, info=node.workerinfo["id"])

def pytest_xdist_node_collection_finished(node, ids):
    note(node.config, "collection_finished", id=node.gateway.id, ids=ids)

def pytest_testnodedown(node, error):
    note(node.config, "testnodedown", id=node.gateway.id, error=error and str(error),
         output=getattr(node, "workeroutput", {}).get("answer"),
         failed=getattr(node, "workeroutput", {}).get("failed"),
         status=getattr(node, "workeroutput", {}).get("exitstatus"))

def pytest_runtest_logreport(report):
    if hasattr(report, "node"):
        with open(HERE / "reports", "a") as file:
            words = [report.nodeid, report.when, report.worker_id, report.testrun_uid, report.item_index,
                     report.node.gateway.id, report.node.config.option.numprocesses]
            file.write(json.dumps(words) + "\\n")

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["answer"] = session.config.workerinput["letter"].upper()
        session.config.workeroutput["failed"] = session.testsfailed
"""
TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(12))
def test_each(number, worker_id, testrun_uid, request):
    config = request.config
    assert config.workerinput["letter"] == "letter for " + worker_id
    assert config.workerinput["testrunuid"] == testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"]
    assert os.environ["PYTEST_XDIST_WORKER"] == worker_id
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "2"
    assert config.option.dist == "no" and not config.option.numprocesses
    import xdist
    assert xdist.is_xdist_worker(request) and xdist.get_xdist_worker_id(request) == worker_id
    open(f"ran-{worker_id}", "a").close()

def test_fails():
    assert False
"""


def noted(project: Project, name: str) -> list[Any]:
    return [json.loads(line) for line in (project.folder / name).read_text().splitlines()]


def test_hooks_are_called_with_nodes_as_pytest_xdist_does(project: Project, workers: str) -> None:
    project.write({"conftest.py": CONFTEST, "test_it.py": TESTS})
    run = project.run("-n2", workers)
    assert run.status == 1, run.text
    hooks = noted(project, "hooks")
    assert (hooks[0]["hook"], hooks[0]["specs"], hooks[0]["popen"]) == ("setupnodes", ["gw0", "gw1"], [True, True])
    ids = {"gw0", "gw1"}
    for name in ("configure_node", "testnodeready", "collection_finished", "testnodedown"):
        assert sorted(each["id"] for each in hooks if each["hook"] == name) == sorted(ids), name
    for each in (each for each in hooks if each["hook"] == "configure_node"):
        assert (each["spec"], each["roots"], each["uid"]) == (each["id"], [], True)
        assert {"workerid", "workercount", "testrunuid", "mainargv"} <= set(each["keys"])
    finished = next(each for each in hooks if each["hook"] == "collection_finished")
    assert finished["ids"] == [*(f"test_it.py::test_each[{number}]" for number in range(12)), "test_it.py::test_fails"]
    down = [each for each in hooks if each["hook"] == "testnodedown"]
    assert [each["error"] for each in down] == [None, None]
    assert {each["output"] for each in down} == {f"LETTER FOR {worker.upper()}" for worker in ids}
    assert sorted((each["failed"], each["status"]) for each in down) == [(0, 0), (1, 1)]


def test_reports_say_where_they_come_from(project: Project, workers: str) -> None:
    project.write({"conftest.py": CONFTEST, "test_it.py": TESTS})
    run = project.run("-n2", workers, "--testrunuid=one-run", "-v")
    reports = [words for words in noted(project, "reports") if words[6] == 2]
    assert len(reports) == 39
    assert {words[3] for words in reports} == {"one-run"}
    assert {words[2] for words in reports} == {"gw0", "gw1"}
    assert all(words[2] == words[5] for words in reports)
    assert {words[0]: words[4] for words in reports}["test_it.py::test_each[7]"] == 7
    lines = [line for line in run.lines if "test_each[7]" in line]
    assert len(lines) == 1
    assert lines[0].startswith("[gw")
    assert "PASSED test_it.py::test_each[7]" in lines[0]


def test_a_node_that_dies_goes_down_with_an_error(project: Project, workers: str) -> None:
    tests = "import os\ndef test_dies(): os._exit(3)\ndef test_lives(): pass\n"
    project.write({"conftest.py": CONFTEST, "test_it.py": tests}).run("-n1", workers)
    down = [each for each in noted(project, "hooks") if each["hook"] == "testnodedown"]
    assert [(each["id"], each["error"]) for each in down] == [("gw0", "exit status 3"), ("gw1", None)]
    assert down[1]["output"] == "LETTER FOR GW1"


def test_a_worker_for_commands_is_no_node(project: Project, workers: str) -> None:
    checks = "\nimport pytest_paragate as gate\necho = gate.command('true', agent='debugger')\n"
    run = project.write({"conftest.py": CONFTEST + checks}).run(workers)
    assert run.status == 0, run.text
    assert not (project.folder / "hooks").exists()


def test_an_error_at_the_end_of_a_worker_is_no_green_run(project: Project, workers: str) -> None:
    conftest = (
        "def pytest_testnodedown(node, error): pass\n"
        "def pytest_sessionfinish(session):\n"
        "    if hasattr(session.config, 'workeroutput'): raise ValueError('last words')\n"
    )
    run = project.write({"conftest.py": conftest, "test_it.py": "def test_it(): pass\n"}).run(workers)
    assert run.status == 1, run.text
    assert "last words" in run.text


def test_what_ends_the_main_process_alone_does_not_run_in_workers(project: Project) -> None:
    """A forked worker has the server's process id, and must not end the server with itself."""
    conftest = "def pytest_sessionfinish(session): open('finished', 'a').write('.')\n"
    tests = "import os\ndef test_dies(): os._exit(3)\ndef test_lives(): pass\n"
    run = project.write({"conftest.py": conftest, "test_it.py": tests}).run("--paragate-workers=fork")
    assert run.report["agents"][0]["passed"] == 1
    assert (project.folder / "finished").read_text() == "."


def test_a_plugin_in_a_worker_can_stop_the_session(project: Project, workers: str) -> None:
    tests = (
        "import pytest\n"
        "@pytest.mark.parametrize('number', range(50))\n"
        "def test_each(number, request):\n"
        "    open('ran', 'a').write('.')\n"
        "    if number == 2: request.session.shouldstop = 'enough of it'\n"
    )
    run = project.write({"test_it.py": tests}).run(workers)
    assert (run.status, len((project.folder / "ran").read_text())) == (2, 3), run.text
    assert "enough of it" in run.text


def test_worker_fixtures_without_pytest_xdist(project: Project, workers: str) -> None:
    tests = "def test_it(worker_id, testrun_uid): assert (worker_id, len(testrun_uid)) == ('gw0', 32)\n"
    run = project.write({"test_it.py": tests}).run(workers, "-p", "no:xdist")
    assert run.status == 0, run.text


# --- projects that look before there are workers

EARLY = """
import os
DATABASE = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "main")
"""
EARLY_TESTS = "from settings import DATABASE\ndef test_it(worker_id): assert DATABASE == 'test-' + worker_id\n"


@pytest.mark.parametrize(
    "settings",
    [EARLY, EARLY.replace("os.environ.get(", "os.getenv("), EARLY + "\nHAS = 'PYTEST_XDIST_WORKER' in os.environ\n"],
    ids=["get", "getenv", "in"],
)
def test_settings_that_name_their_worker_get_fresh_interpreters(project: Project, settings: str) -> None:
    project.write({"conftest.py": "", "settings.py": settings, "test_it.py": EARLY_TESTS})
    run = project.run()
    assert run.status == 0, run.text
    assert "popen workers (settings.py asks for its worker's name before there are workers)" in run.text


def test_who_asks_later_or_from_outside_the_project_gets_forks(project: Project) -> None:
    pytest.importorskip("syrupy")
    pytest.importorskip("pytest_benchmark")
    tests = "import os\ndef test_it(worker_id): assert os.environ.get('PYTEST_XDIST_WORKER') == worker_id\n"
    run = project.write({"conftest.py": "", "test_it.py": tests}).run("-p", "syrupy", "-p", "pytest_benchmark.plugin")
    assert run.status == 0, run.text
    assert "fork workers" in run.text


def test_a_library_that_cannot_be_forked_gets_fresh_interpreters(project: Project) -> None:
    library = "def isJVMStarted(): return True\n"
    tests = "def test_it(): pass\n"
    run = project.write({"conftest.py": "import jpype\n", "jpype.py": library, "test_it.py": tests}).run()
    assert run.status == 0, run.text
    assert "popen workers (jpype has started a Java machine in the main process)" in run.text


def test_a_late_worker_clears_nothing(project: Project, workers: str) -> None:
    conftest = """
import pytest, pytest_paragate as gate
first = gate.command("echo first; exit 1", shell=True, agent="debugger")

@gate.check(agent="refactorer", after="first")
def later(pytestconfig):
    pytestconfig.cache.set("key", "value")

@gate.check(agent="debugger", after="later")
def last(pytestconfig):
    assert pytestconfig.cache.get("key", None) == "value"
"""
    run = project.write({"conftest.py": conftest}).run(workers, "--cache-clear")
    assert run.outcomes() == {"first": "failed", "later": "passed", "last": "passed"}
    assert "first" in Path(run.check("first")["log"]).read_text()

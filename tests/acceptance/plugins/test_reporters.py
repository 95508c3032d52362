"""Plugins that write reports: every test once, with all that the test left for them."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from typing import Any

import pytest

from ..gates import Project

TESTS = """
import logging, warnings
import pytest

@pytest.mark.parametrize("number", range(6))
def test_passes(number, record_property):
    record_property("number", number)
    print(f"printed {number}")

def test_fails():
    logging.getLogger().warning("logged at the failure")
    assert 1 == 2, "as it must"

@pytest.fixture
def broken():
    yield
    raise ValueError("in the teardown")

def test_breaks_down(broken):
    pass

@pytest.mark.skip(reason="not today")
def test_skipped():
    pass

@pytest.mark.xfail(reason="known")
def test_xfails():
    assert False

def test_warns():
    warnings.warn("careful")
"""


class Runs:
    """Runs of one project: what plain pytest makes of it, and what the gate does."""

    def __init__(self, project: Project, *options: str) -> None:
        self._project, self._options = project, options

    def plain(self, *args: str) -> str:
        return self._project.start_pytest(*args).finish().text

    def gate(self, *args: str) -> str:
        run = self._project.run(*args, *self._options)
        assert run.status == 1, run.text  # for the tests that fail, and no internal error
        return run.text


@pytest.fixture(params=[("-n2",), ()], ids=["n2", "one"])
def runs(request: pytest.FixtureRequest, project: Project, workers: str) -> Runs:
    project.write({"test_it.py": TESTS, "test_other.py": "def test_other(): pass\n"})
    return Runs(project, *request.param, workers)


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def html_facts(project: Project) -> dict[str, Any]:
    text = (project.folder / "r.html").read_text()
    match = re.search(r'data-jsonblob="([^"]*)"', text)
    assert match is not None
    tests = json.loads(html.unescape(match[1]))["tests"]
    # With -n, pytest heads every text with the worker, as under pytest-xdist.
    words = ("printed", "as it must", "in the teardown", "not today")
    return {
        nodeid: [(each["result"], [word in each["log"] for word in words], len(each["extras"])) for each in entries]
        for nodeid, entries in tests.items()
    }


def test_html(runs: Runs, project: Project) -> None:
    pytest.importorskip("pytest_html")
    project.write(
        {
            "conftest.py": """
import pytest, pytest_html

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.extras = [*getattr(report, "extras", []), pytest_html.extras.text(f"extra of {item.name} {call.when}")]
    return report
"""
        }
    )
    args = ("-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin", "-p", "pytest_html.fixtures", "--html=r.html")
    runs.plain(*args)
    plain = html_facts(project)
    (project.folder / "r.html").unlink()
    runs.gate(*args)
    assert html_facts(project) == plain
    assert {len(entries) for entries in plain.values()} == {1, 2}
    assert plain["test_it.py::test_passes[3]"][0][2] == 3


def test_json_report(runs: Runs, project: Project) -> None:
    pytest.importorskip("pytest_jsonreport")
    project.write(
        {"test_metadata.py": "def test_metadata(json_metadata): json_metadata['answer'] = {'deep': [1, 2]}\n"}
    )
    args = ("-p", "pytest_metadata.plugin", "-p", "pytest_jsonreport.plugin", "--json-report")
    runs.plain(*args)
    plain = json.loads((project.folder / ".report.json").read_text())
    (project.folder / ".report.json").unlink()
    runs.gate(*args)
    report = json.loads((project.folder / ".report.json").read_text())
    tests = {test["nodeid"]: test for test in report["tests"]}
    assert len(report["tests"]) == len(tests)
    assert {nodeid: test["outcome"] for nodeid, test in tests.items()} == {
        test["nodeid"]: test["outcome"] for test in plain["tests"]
    }
    assert tests["test_it.py::test_passes[3]"]["call"]["stdout"] == "printed 3\n"
    assert tests["test_it.py::test_passes[3]"]["user_properties"] == [{"number": 3}]
    assert tests["test_it.py::test_fails"]["call"]["log"][0]["msg"] == "logged at the failure"
    assert tests["test_metadata.py::test_metadata"]["metadata"] == {"answer": {"deep": [1, 2]}}
    assert [warning["message"] for warning in report["warnings"]] == ["careful"]
    assert (report["summary"], report["exitcode"]) == (plain["summary"], plain["exitcode"])


def test_reportlog_has_each_line_once(runs: Runs, project: Project) -> None:
    pytest.importorskip("pytest_reportlog")
    runs.gate("-p", "pytest_reportlog.plugin", "--report-log=log.jsonl")
    lines = [json.loads(line) for line in (project.folder / "log.jsonl").read_text().splitlines()]
    kinds = Counter(line["$report_type"] for line in lines)
    assert (kinds["SessionStart"], kinds["SessionFinish"], kinds["WarningMessage"]) == (1, 1, 1)
    reports = Counter((line["nodeid"], line["when"]) for line in lines if line["$report_type"] == "TestReport")
    assert set(reports.values()) == {1}
    assert len(reports) == 12 * 3 - 1  # a skipped test has no call
    failed = next(line for line in lines if line.get("outcome") == "failed" and line["when"] == "call")
    assert failed["longrepr"]["reprcrash"]["message"].startswith("AssertionError: as it must")


def allure_facts(project: Project) -> tuple[Counter[Any], list[str]]:
    files = sorted((project.folder / "allure").iterdir())
    results = [json.loads(path.read_text()) for path in files if path.name.endswith("-result.json")]
    containers: list[Any] = [json.loads(path.read_text()) for path in files if path.name.endswith("-container.json")]
    children = {child for each in containers for child in each.get("children", ())}
    facts: Counter[Any] = Counter()
    for result in results:
        sources = [each["source"] for step in result.get("steps", ()) for each in step["attachments"]]
        texts = [(project.folder / "allure" / source).read_text() for source in sources]
        facts[result["name"], result["status"], str(result.get("parameters")), str(texts)] += 1
    return facts, sorted(result["name"] for result in results if result["uuid"] in children)


def test_allure_writes_a_result_for_each_test(runs: Runs, project: Project) -> None:
    pytest.importorskip("allure_pytest")
    project.write(
        {
            "test_allure.py": """
import allure, pytest

@pytest.fixture(scope="module")
def shared():
    yield

@allure.title("the title")
@pytest.mark.parametrize("number", [1, 2])
def test_steps(shared, number):
    with allure.step("first step"):
        allure.attach("text", name="attachment")
"""
        }
    )
    args = ("-p", "allure_pytest.plugin", "--alluredir=allure", "--clean-alluredir")
    runs.plain(*args)
    plain = allure_facts(project)
    runs.gate(*args)
    assert allure_facts(project) == plain
    assert sum(plain[0].values()) == 14


def test_instafail_shows_failures_once_and_at_once(runs: Runs) -> None:
    pytest.importorskip("pytest_instafail")
    args = ("-p", "pytest_instafail", "--instafail", "--show-capture=no")
    plain = runs.plain(*args)
    text = runs.gate(*args).partition("= paragate =")[0]
    for words in ("AssertionError: as it must", "ValueError: in the teardown", "= FAILURES =", "__ test_fails __"):
        assert text.count(words) == plain.count(words), words
    assert text.index("AssertionError: as it must") < text.index("short test summary")


def test_sugar_counts_every_test(runs: Runs) -> None:
    pytest.importorskip("pytest_sugar")

    def results(text: str) -> list[str]:
        return re.sub(r"Results \(.*?\)", "Results", without_escapes(text)).partition("Results")[2].split("\n")

    args = ("-p", "pytest_sugar", "--force-sugar")
    plain, text = runs.plain(*args), runs.gate(*args)
    assert sorted(results(text)) == sorted(results(plain))
    assert "9 passed" in text
    assert text.count("as it must") - plain.count("as it must") == 1  # in our own summary
    assert "100%" in text


def test_junit_pairs_the_phases_of_each_test(runs: Runs, project: Project) -> None:
    from xml.etree import ElementTree

    runs.gate("--junitxml=junit.xml")
    cases = ElementTree.parse(project.folder / "junit.xml").getroot().findall(".//testcase")
    names = Counter(case.attrib["name"] for case in cases)
    assert len(names) == 12
    assert names.pop("test_breaks_down") in (1, 2)  # the call and the error of the teardown
    assert set(names.values()) == {1}
    found = {p.attrib["value"] for case in cases for p in case.iter("property") if p.attrib["name"] == "number"}
    assert found == set("012345")

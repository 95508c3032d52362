"""Tests come to the same outcomes, say the same and warn of the same as under plain pytest, in every kind of worker."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from .gates import WORKER_KINDS, Project
from .outcome_cases import FILES, INI, RECORDER, WITH_OPTIONS

# Files that are skipped as a whole, the second one where pytest has no subtests.
NOT_COLLECTED = ("test_module_skip.py", "test_native_subtests.py")

# What differs from run to run of plain pytest too.
_VARYING = (
    (r"0x[0-9a-f]{6,}", "0x0"),
    (r"/tmp/\S*?/(popen-gw\d+/|pytest-\d+/)+", "/tmp/"),
    (r"\bpid \d+|Thread-\d+", "N"),
    (r"[\d.]+s\b", "0s"),
)


class Told:
    """What the reporters of one run were told."""

    def __init__(self, project: Project, *args: str) -> None:
        path = project.folder.parent / "told.json"
        xml = project.folder.parent / "junit.xml"
        project.write({"conftest.py": RECORDER, "pytest.ini": INI})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECORD_TO", str(path))
            run = project.start_pytest("-q", f"--junitxml={xml}", *args).finish()
        assert path.exists(), run.text
        self.xml = ElementTree.parse(xml).getroot()
        self.text, self.folder = run.text, str(project.folder)
        self.data: dict[str, Any] = json.loads(path.read_text("utf-8"))

    def of(self, file: str) -> dict[str, list[str]]:
        """Reports of tests in ``file`` as text, by node id and phase, in the order in which they came."""
        found: dict[str, list[str]] = {}
        for report in self.data["reports"]:
            if report["nodeid"].partition("::")[0] == file:
                text = _normal(json.dumps(report).replace(self.folder, "/project"))
                found.setdefault(f"{report['nodeid']} {report['when']}", []).append(text)
        for key, texts in found.items():
            # An error in a module's teardown may be known only when the next test is.
            if key.endswith(" teardown"):
                del texts[:-1]
        return found

    def junit_cases(self) -> list[dict[str, str]]:
        """Attributes of all different test cases in the JUnit report."""
        cases = [{name: text for name, text in case.items() if name != "time"} for case in self.xml.iter("testcase")]
        return sorted({str(case): case for case in cases}.values(), key=str)

    def junit_properties(self) -> set[tuple[str | None, str | None]]:
        """What is said about the suite as a whole."""
        return {(each.get("name"), each.get("value")) for each in self.xml.iterfind("testsuite/properties/property")}

    def warnings(self) -> Counter[str]:
        return Counter(
            _normal(json.dumps(warning).replace(self.folder, "/project")) for warning in self.data["warnings"]
        )


def _normal(text: str) -> str:
    for pattern, replacement in _VARYING:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Project]]:
    """Makes projects whose folders have the same name, which is a keyword of all tests in them."""
    made: list[Project] = []

    def make() -> Project:
        made.append(Project(tmp_path_factory.mktemp("run") / "project"))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


@pytest.fixture(scope="module")
def runs(make: Callable[[], Project]) -> dict[str, Told]:
    """The same tree run by plain pytest and in each kind of worker."""
    options = {"plain": []} | {kind: ["--paragate", f"--paragate-workers={kind}", "-n2"] for kind in WORKER_KINDS}
    return {kind: Told(make().write(FILES), *options[kind]) for kind in options}


@pytest.mark.parametrize("kind", WORKER_KINDS)
@pytest.mark.parametrize("file", [name for name in FILES if not name.endswith(("conftest.py", "__init__.py"))])
def test_reports_are_the_same(runs: dict[str, Told], file: str, kind: str) -> None:
    plain = runs["plain"].of(file)
    assert plain or file in NOT_COLLECTED
    assert runs[kind].of(file) == plain


@pytest.mark.parametrize("kind", WORKER_KINDS)
def test_warnings_and_exit_status_are_the_same(runs: dict[str, Told], kind: str) -> None:
    assert runs[kind].warnings() == runs["plain"].warnings()
    assert runs[kind].data["exitstatus"] == runs["plain"].data["exitstatus"] == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("kind", WORKER_KINDS)
def test_last_line_counts_the_same(runs: dict[str, Told], kind: str) -> None:
    ours, plain = (run.text.splitlines()[-1].partition(" in ")[0] for run in (runs[kind], runs["plain"]))
    assert ours == plain


@pytest.mark.parametrize("kind", WORKER_KINDS)
def test_junit_report_holds_what_tests_told_it(runs: dict[str, Told], kind: str) -> None:
    ours, plain = runs[kind], runs["plain"]
    assert ("suite", "wide") in plain.junit_properties()
    assert ours.junit_properties() == plain.junit_properties()
    assert any("assertions" in case for case in plain.junit_cases())
    assert ours.junit_cases() == plain.junit_cases()


@pytest.mark.parametrize(("kind", "args", "files"), WITH_OPTIONS.values(), ids=WITH_OPTIONS)
def test_options_change_the_same(
    make: Callable[[], Project], kind: str, args: list[str], files: dict[str, str]
) -> None:
    # One worker: these tests build on each other, and a single file may be shared out.
    plain = Told(make().write(files), *args)
    ours = Told(make().write(files), *args, "--paragate", f"--paragate-workers={kind}")
    for file in files:
        assert plain.of(file)
        assert ours.of(file) == plain.of(file)
    assert ours.warnings() == plain.warnings()
    assert ours.data["exitstatus"] == plain.data["exitstatus"]

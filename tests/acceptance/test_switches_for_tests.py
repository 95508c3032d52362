"""pytest's own switches mean for ordinary tests under the gate, two at a time, what they mean without it.

Each row of the table is run plainly and under the gate. What is said to be the same is compared: the exit status and
pytest's line about every test. `docs/switches.md` is this table for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from .gates import Project

FILES = {
    "pytest.ini": "[pytest]\nmarkers = slow\n",
    "test_a.py": r"""
import logging, sys
import pytest
def test_a1(): pass
def test_a2():
    print("out-a2")
    sys.stderr.write("err-a2\n")
    logging.getLogger("x").warning("log-a2")
    assert 1 == 2
def test_a3():
    logging.getLogger("x").warning("log-a3")
    print("out-a3")
def test_a4(): assert 0, "a4"
""",
    "test_b.py": r"""
import time, warnings
import pytest
@pytest.fixture(scope="module")
def shared(): yield
def test_b1(shared): pass
def test_b2(): warnings.warn("careful")
def test_b3(): assert 0, "b3"
@pytest.mark.slow
def test_b4(): time.sleep(0.05)
""",
    "test_skip.py": "import pytest\npytest.skip('whole module', allow_module_level=True)\n",
}
BROKEN = {"test_e.py": "import no_such_thing\n"}
ON = ["--paragate", "-n2"]


class Row(NamedTuple):
    """``said`` must be said under the gate, ``unsaid`` must not. ``before`` is a run ahead of the one looked at.

    ``same``: exit status and summary are those of plain pytest; else the status alone, or ``status``.
    """

    args: list[str]
    same: bool = True
    said: list[str] = []  # noqa: RUF012
    unsaid: list[str] = []  # noqa: RUF012
    files: dict[str, str] = {}  # noqa: RUF012
    before: list[str] | None = None
    status: int | None = None


def last(statement: str, mark: str = "") -> dict[str, str]:
    return {"test_e.py": f"import pytest\n{mark}\ndef test_e():\n    {statement}\n"}


def hook(text: str) -> dict[str, str]:
    return {"conftest.py": text}


ROWS = {
    # choosing
    "--lf": Row(["--lf"], said=["rerun previous 3 failures"], before=["--tb=no"]),
    "--lf --lfnf=none": Row(["--lf", "--lfnf=none"], said=["deselecting all items"], status=5),
    "--ff": Row(["--ff"], said=["rerun previous 3 failures first"], before=["--tb=no"]),
    "--nf": Row(["--nf"], before=["--tb=no"]),
    "-k": Row(["-k", "a1 or b4"], said=["2 passed"]),
    "-k nothing": Row(["-k", "nothing"], status=5),
    "-m": Row(["-m", "slow"], said=["1 passed"]),
    "--deselect": Row(["--deselect", "test_a.py::test_a2"], said=["1 deselected"]),
    "--ignore": Row(["--ignore=test_a.py"]),
    "--co": Row(["--co", "-q"], said=["test_b.py::test_b4", "8 tests collected"], unsaid=["paragate:"]),
    "same file twice": Row(["--keep-duplicates", "test_a.py", "test_a.py"], said=["4 failed, 4 passed"]),
    "no such file": Row(["nothing.py"], said=["file or directory not found: nothing.py"], status=4),
    # stopping
    "-x": Row(["-x"], same=False, said=["stopping after 1 failures"]),
    "--maxfail": Row(["--maxfail=2"], same=False, said=["stopping after 2 failures"]),
    "--sw": Row(["--sw"], same=False, said=["continuing from this test next run"], status=2),
    "--sw-skip": Row(["--sw-skip"], same=False, said=["continuing from this test next run"], status=2),
    "pytest.exit in a test": Row(
        [], False, ["Exit: enough"], ["gate passed"], last("pytest.exit('enough', 7)"), status=7
    ),
    "pytest.exit in a module": Row([], files={"test_e.py": "import pytest\npytest.exit('enough', 7)\n"}),
    "pytest.exit in a hook": Row(
        [], said=["Exit: enough"], status=9,
        files=hook("import pytest\ndef pytest_collection_finish(): pytest.exit('enough', 9)"),
    ),
    "KeyboardInterrupt in a test": Row(
        [], False, ["a test ended the run as Ctrl-C does"], ["session.py"], last("raise KeyboardInterrupt"), status=2
    ),
    "session.shouldstop": Row(
        [], False, ["Interrupted: by a plugin"], [],
        hook("def pytest_runtest_setup(item):\n    if item.name == 'test_a3': item.session.shouldstop = 'by a plugin'"),
        status=2,
    ),
    "session.shouldfail": Row(
        [], False, ["! by a plugin !"], [],
        hook("def pytest_runtest_setup(item):\n    if item.name == 'test_a3': item.session.shouldfail = 'by a plugin'"),
        status=1,
    ),
    # output
    "-p no:terminal": Row(["-p", "no:terminal"], same=False, unsaid=["test session starts"]),
    "-s": Row(["-s"], said=["test_a2 | out-a2", "test_a2 | err-a2", "test_a3 | out-a3"]),
    "--capture=sys": Row(["--capture=sys"], said=["out-a2", "err-a2"], unsaid=["test_a2 |"]),
    "--capture=tee-sys": Row(["--capture=tee-sys"], said=["test_a2 | out-a2", "\nout-a2", "test_a3 | out-a3"]),
    "--show-capture=no": Row(["--show-capture=no"], unsaid=["\nout-a2"]),
    "log_cli": Row(["-o", "log_cli=true"], said=["test_a3 | WARNING  x:test_a.py:11 log-a3"]),
    "--log-level": Row(["--log-level=INFO", "--log-format=%(message)s"], said=["\nlog-a2"]),
    "--setup-show": Row(["--setup-show"], said=["test_b1 |     SETUP    M shared"]),
    "--durations": Row(["--durations=2", "--durations-min=0.04"], said=["slowest 2 durations", "call     test_b.py::"]),
    "-v": Row(["-v"], said=["PASSED test_a.py::test_a1", "[100%]"]),
    "-q": Row(["-q"]),
    "--tb=line": Row(["--tb=line"], said=["test_a.py:9: assert 1 == 2"]),
    "--no-summary": Row(["--no-summary"], same=False),
    # meaning
    "-W error": Row(["-W", "error"], said=["4 failed, 4 passed"]),
    "--strict-markers": Row(["--strict-markers"], files=last("pass", "@pytest.mark.nope")),
    "--runxfail": Row(["--runxfail"], files=last("assert 0", "@pytest.mark.xfail")),
    "--import-mode=importlib": Row(["--import-mode=importlib"]),
    "--cache-clear": Row(["--cache-clear"], before=["--tb=no"]),
    "collection error": Row([], said=["Interrupted: 1 error during collection"], files=BROKEN, status=2),
    "--continue-on-collection-errors": Row(["--continue-on-collection-errors"], said=["5 passed"], files=BROKEN),
    "skip in a module": Row([], said=["SKIPPED [1] test_skip.py:2: whole module"]),
    "error in a session fixture": Row(
        [], files=hook("import pytest\n@pytest.fixture(scope='session', autouse=True)\ndef f(): raise OSError('x')")
    ),
    "breakpoint": Row([], said=["BdbQuit"], files=last("breakpoint()")),
}  # fmt: skip
# In a fresh interpreter the session is another one, with its own arguments.
ALSO_POPEN = {
    "--lf", "--ff", "same file twice", "-x", "--sw", "pytest.exit in a test", "KeyboardInterrupt in a test",
    "session.shouldstop", "-s", "--capture=tee-sys", "log_cli", "--setup-show", "-W error", "--cache-clear",
    "--continue-on-collection-errors",
}  # fmt: skip


def summary(text: str) -> list[str]:
    """pytest's own line about every test."""
    lines = text.partition("short test summary info")[2].partition(" paragate ")[0].splitlines()
    return sorted(line for line in lines if re.match(r"[A-Z]+\b", line))


class Ended(NamedTuple):
    status: int
    text: str


def _run(project: Project, row: Row, *on: str) -> Ended:
    project.write({**FILES, **row.files})
    if row.before is not None:
        project.start_pytest(*on, *row.before).finish()
    # Without a terminal reporter pytest does not know -r.
    report = [] if "no:terminal" in row.args else ["-rA"]
    run = project.start_pytest(*on, *report, *row.args).finish()
    return Ended(status=run.status, text=run.text)


@pytest.fixture(scope="module")
def plainly(module_project: Callable[[], Project]) -> Callable[[str], Ended]:
    known: dict[str, Ended] = {}

    def run(name: str) -> Ended:
        if name not in known:
            known[name] = _run(module_project(), ROWS[name])
        return known[name]

    return run


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in ROWS for kind in ("fork", "popen") if kind == "fork" or name in ALSO_POPEN],
)
def test_a_switch_means_what_it_means_without_the_gate(
    project: Project, plainly: Callable[[str], Ended], name: str, kind: str
) -> None:
    row, plain = ROWS[name], plainly(name)
    gated = _run(project, row, *ON, f"--paragate-workers={kind}")
    assert plain.status == (plain.status if row.status is None else row.status), plain.text
    assert gated.status == plain.status, gated.text
    if row.same:
        assert summary(gated.text) == summary(plain.text)
    assert [part for part in row.said if part not in gated.text] == [], gated.text
    assert [part for part in row.unsaid if part in gated.text] == [], gated.text
    assert "INTERNALERROR" not in gated.text


def test_junit_holds_the_same_cases(project: Project) -> None:
    def cases(*on: str) -> list[tuple[str | None, ...]]:
        project.write(FILES).start_pytest(*on, "--junitxml=junit.xml").finish()
        root = ElementTree.parse(project.folder / "junit.xml").getroot()
        return sorted(
            (case.get("classname"), case.get("name"), *(child.tag for child in case)) for case in root.iter("testcase")
        )

    assert cases(*ON) == cases()
    assert len(cases()) == 9


@pytest.mark.parametrize("kind", ["fork", "popen"])
def test_a_log_file_holds_the_records_of_all_workers(project: Project, kind: str) -> None:
    project.write(FILES).start_pytest(*ON, f"--paragate-workers={kind}", "--log-file=log.txt").finish()
    records = sorted((project.folder / "log.txt").read_text().splitlines())
    assert records == ["WARNING  x:test_a.py:11 log-a3", "WARNING  x:test_a.py:8 log-a2"]


def test_stepwise_goes_on_from_the_first_that_has_not_passed(project: Project) -> None:
    """The test beside the slow one fails, while others before it in order have not been run."""
    project.write(
        {
            "test_1.py": """
import pathlib, time
import pytest
@pytest.mark.parametrize("number", range(6))
def test_1(number):
    give_up_at = time.monotonic() + 60
    while not pathlib.Path("failing").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    time.sleep(0.2)
""",
            "test_2.py": "import pathlib\ndef test_2():\n    pathlib.Path('failing').touch()\n    assert 0\n",
            "pyproject.toml": "[tool.pytest.ini_options]\n",
        }
    )
    run = project.start_pytest(*ON, "--sw", "-v").finish()
    assert run.status == 2
    passed = set(re.findall(r"PASSED test_1\.py::test_1\[(\d)\]", run.text))
    first_left = min(set("012345") - passed)
    again = project.start_pytest(*ON, "--sw", "-v").finish()
    assert f"skipping {first_left} already passed items" in again.text

"""What one run measures, the next one knows; a broken history changes nothing but a warning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .gates import GateRun, Project

# Declared shortest first; only history can tell which one to start first on the single slot.
CONFTEST = """
import pytest_paragate as gate
short = gate.command("true", agent="debugger")
middle = gate.command("sleep 0.2", agent="debugger")
longest = gate.command("sleep 0.5", agent="debugger")
elsewhere = gate.command("true", agent="refactorer")
"""


def order(run: GateRun) -> list[str]:
    started = [check for check in run.report["checks"] if check["agent"] == "debugger"]
    return [check["name"] for check in sorted(started, key=lambda check: check["start_s"])]


def header(run: GateRun) -> str:
    return next(line for line in run.lines if line.startswith("paragate: "))


def history(run: GateRun) -> Path:
    return next((run.folder / ".pytest_cache").rglob("durations.json"))


def test_a_second_run_starts_the_longest_first_and_estimates(project: Project) -> None:
    project.write({"conftest.py": CONFTEST})
    first, second = project.run(), project.run()
    assert (first.status, second.status) == (0, 0)
    assert "~" not in header(first)
    estimate = re.search(r"~(\d+\.\d)s$", header(second))
    assert estimate is not None
    assert float(estimate[1]) >= 0.7
    assert order(second) == ["longest", "middle", "short"]


CORRUPT = [b"", b"{", b"\xff\xfe\x00", b'{"format": 99}', b"[" * 100_000, b'{"format": 1, "age": NaN}']


def test_a_corrupt_history_is_a_warning_and_is_replaced(project: Project) -> None:
    project.write({"conftest.py": CONFTEST.replace("0.2", "0").replace("0.5", "0")})
    path = history(project.run())
    for content in CORRUPT:
        path.write_bytes(content)
        run = project.run()
        assert run.status == 0, run.text
        assert set(run.outcomes().values()) == {"passed"}
        # A long path goes to a line of its own.
        assert " ".join(run.text.split()).count("durations of earlier runs: not used: ") == 1
        assert run.text.count("durations of earlier runs:") == 1
        assert "Traceback" not in run.text
    assert "durations of earlier runs" not in project.run().text


def test_a_history_that_cannot_be_written_changes_nothing_but_a_warning(project: Project) -> None:
    project.write({"conftest.py": CONFTEST.replace("0.2", "0").replace("0.5", "0")})
    path = history(project.run())
    path.unlink()
    path.mkdir()
    run = project.run()
    assert run.status == 0, run.text
    assert "durations of earlier runs: not recorded" in run.text


def test_two_runs_in_one_folder_at_the_same_time_are_both_green(project: Project) -> None:
    """Each waits for the other to be under way, so they do overlap."""
    project.write({
        "conftest.py": """
import os, pathlib, time
import pytest_paragate as gate
quick = gate.command("true", agent="debugger")

@gate.check
def meets():
    here = pathlib.Path(__file__).parent
    (here / os.environ["ME"]).touch()
    end = time.monotonic() + 60
    while not (here / os.environ["OTHER"]).exists():
        assert time.monotonic() < end
        time.sleep(0.005)
""",
        "test_it.py": "def test_it(tmp_path): (tmp_path / 'x').touch()\n",
    })  # fmt: skip
    environment = project.environment
    reports = [project.folder / "one.json", project.folder / "two.json"]
    gates = []
    for me, other, report in (("one", "two", reports[0]), ("two", "one", reports[1])):
        names = {"ME": me, "OTHER": other}
        project.environment = lambda names=names: {**environment(), **names}  # type: ignore[method-assign, misc]
        project.json_path, project.output = report, project.folder / f"{me}.txt"
        gates.append((project.start(), report, project.output))
    for gate, report, output in gates:
        assert gate.process.wait(90) == 0, output.read_text()
        assert report.exists()
        assert "PROBLEM" not in output.read_text()
    project.environment = environment  # type: ignore[method-assign]
    later = project.run("--paragate-plan")
    assert later.report["is_known"] is True


@pytest.mark.parametrize(
    ("args", "status"),
    [
        ([], 0),
        (["--paragate-workers=popen"], 0),
        (["--paragate-plan"], 0),
        (["-k", "nothing"], 5),
        (["-k", "needy"], 4),
    ],
    ids=["run", "popen", "plan", "nothing", "wrong"],
)
def test_without_a_cache_directory_nothing_is_left_in_the_temporary_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, args: list[str], status: int
) -> None:
    temporary = project.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    conftest = f"{CONFTEST}needy = gate.command('true', needs='short')\n"
    run = project.write({"conftest.py": conftest}).run("-p", "no:cacheprovider", *args)
    assert run.status == status, run.text
    assert list(temporary.rglob("*paragate*")) == []


def test_without_a_cache_directory_whole_outputs_are_kept_where_the_report_says(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(project.folder))
    conftest = "import pytest_paragate as gate\nbad = gate.command('echo words; exit 1', shell=True)\n"
    run = project.write({"conftest.py": conftest}).run("-p", "no:cacheprovider")
    assert Path(run.check("bad")["log"]).read_text() == "words\n"

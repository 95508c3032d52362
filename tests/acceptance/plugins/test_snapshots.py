"""syrupy: what is unused, new or wrong is said truly, whichever worker looked at it."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

from ..gates import Project

pytest.importorskip("syrupy")

PLUGIN = ("-p", "syrupy")
# Version 6 writes a file from several workers safely only when asked to.
UPDATE = ["--snapshot-update"]
if importlib.metadata.version("syrupy").startswith("6."):
    UPDATE.append("--snapshot-file-lock")
TESTS = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_each(snapshot, number):
    assert {"number": number} == snapshot

def test_two(snapshot):
    assert "one" == snapshot
    assert "two" == snapshot
"""


def summary(text: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    match = re.search(r"- snapshot report summary -+\n(.*?)\n=", text, re.DOTALL)
    return match[1].strip() if match else ""


@pytest.fixture(params=[("-n2",), ()], ids=["n2", "one"])
def options(request: pytest.FixtureRequest, workers: str) -> tuple[str, ...]:
    return *PLUGIN, *request.param, workers


def test_snapshots_are_written_read_and_missed(project: Project, options: tuple[str, ...]) -> None:
    project.write({"test_a.py": TESTS, "test_b.py": TESTS})
    written = project.run(*options, *UPDATE)
    assert (written.status, summary(written.text)) == (0, "16 snapshots generated."), written.text
    assert not list((project.folder / "__snapshots__").glob("*.lock"))
    read = project.run(*options)
    assert (read.status, summary(read.text)) == (0, "16 snapshots passed."), read.text

    project.write({"test_b.py": TESTS.replace("range(6)", "range(5)").replace('"two" ==', '"three" ==')})
    plain = project.start_pytest(*PLUGIN).finish()
    changed = project.run(*options)
    assert changed.status == 1
    assert summary(changed.text) == summary(plain.text)
    assert "1 snapshot failed. 14 snapshots passed. 1 snapshot unused." in summary(changed.text)

    updated = project.run(*options, *UPDATE)
    assert updated.status == 0
    assert "1 snapshot updated. 1 unused snapshot deleted." in summary(updated.text).replace(
        "14 snapshots passed. ", ""
    )
    assert summary(project.run(*options).text) == "15 snapshots passed."


def test_an_unused_snapshot_alone_fails_the_run(project: Project, options: tuple[str, ...]) -> None:
    project.write({"test_a.py": TESTS})
    project.run(*options, *UPDATE)
    project.write({"test_a.py": TESTS.replace("range(6)", "range(5)")})
    run = project.run(*options)
    assert run.status == 1
    assert "7 snapshots passed. 1 snapshot unused." in summary(run.text)
    # Also when it belongs to a test that there still is, and that has run.
    project.write({"test_a.py": TESTS.replace('assert "two" == snapshot', "pass")})
    run = project.run(*options)
    assert run.status == 1
    assert "7 snapshots passed. 1 snapshot unused." in summary(run.text)
    # But not when that test was skipped.
    project.write({"test_a.py": TESTS.replace('assert "one" == snapshot', "pytest.skip()")})
    run = project.run(*options)
    assert (run.status, summary(run.text)) == (0, "6 snapshots passed."), run.text


def test_one_test_on_two_slots_is_told_from_a_lost_worker(project: Project, options: tuple[str, ...]) -> None:
    project.write({"test_a.py": "def test_it(snapshot): assert 1 == snapshot\n"})
    run = project.run(*options, *UPDATE)
    assert (run.status, summary(run.text)) == (0, "1 snapshot generated."), run.text
    assert "worker snapshot reports" not in run.text


def test_a_lost_worker_makes_nothing_unused(project: Project, workers: str) -> None:
    tests = TESTS + "def test_dies():\n    import os, pathlib\n    if pathlib.Path('dies').exists(): os._exit(1)\n"
    project.write({"test_a.py": tests})
    project.run(*PLUGIN, "-n2", workers, *UPDATE)
    project.write({"dies": ""})
    run = project.run(*PLUGIN, "-n2", workers, *UPDATE)
    assert run.status == 1
    assert "unused snapshot" not in summary(run.text), run.text
    (project.folder / "dies").unlink()
    assert summary(project.run(*PLUGIN, workers).text) == "8 snapshots passed."


BLOCKED = """
import pathlib
import pytest

def test_first(): assert not pathlib.Path("failing").exists()

@pytest.mark.paragate(needs="test_first")
def test_second(snapshot): assert 1 == snapshot
"""


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ([], {"failing": ""}),
        (["--paragate-plan"], {}),
        ([], {"test_b.py": "import pytest\n@pytest.mark.paragate(needs='none')\ndef test_it(): pass\n"}),
    ],
    ids=["blocked", "plan", "wrong plan"],
)
def test_nothing_is_unused_for_want_of_running(
    project: Project, workers: str, options: list[str], change: dict[str, str]
) -> None:
    project.write({"test_a.py": BLOCKED}).run(*PLUGIN, workers, *UPDATE)
    snapshots = project.folder / "__snapshots__" / "test_a.ambr"
    before = snapshots.read_bytes()
    project.write(change)
    run = project.run(*PLUGIN, workers, *options, *UPDATE)
    assert snapshots.exists(), run.text
    assert snapshots.read_bytes() == before
    run = project.run(*PLUGIN, workers, *options)
    assert "unused." not in run.text

"""The tools on this machine, run now: each ends as the recorded one did. What is missing is skipped, except in CI."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from .record import CASES, Case, is_there, run_case
from .recorded import BY_PARSE, SAMPLES, judged, judged_sample, output_of, read

# Tools that are worth their time; the first three cases of each are a pass, a failure and a warning, or nearly.
LIVE = [
    "pytest", "unittest", "ruff", "ruff-format", "mypy", "coverage", "cargo-test", "rustc", "cargo-fmt", "valgrind",
    "eslint", "tsc", "jest", "shellcheck", "bandit", "hyperfine",
]  # fmt: skip
ALWAYS = {"pytest", "unittest"}
WANTED = [(tool, case) for tool in LIVE for case in CASES[tool] if case.name in ("pass", "fail", "warn")]


@pytest.fixture(autouse=True)
def _tools_of_this_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)


@pytest.mark.parametrize(("tool", "case"), WANTED, ids=[f"{tool}-{case.name}" for tool, case in WANTED])
def test_a_tool_is_judged_as_its_sample_is(tool: str, case: Case, tmp_path: Path) -> None:
    if not is_there(case):
        assert not os.environ.get("PARAGATE_ALL_TOOLS"), f"{case.command.split()[0]} is missing"
        pytest.skip(f"{case.command.split()[0]} is missing")
    folder = tmp_path / "project"
    folder.mkdir()
    ran = run_case(case, folder)
    output = output_of(tmp_path, ran.stdout, ran.stderr, returncode=ran.exit_status)
    found = judged(tmp_path, case.command, output, parse=BY_PARSE.get(tool))
    recorded = judged_sample(read(SAMPLES / tool / f"{case.name}.txt"), tmp_path)
    assert found.outcome is recorded.outcome, (ran.stdout + ran.stderr).decode(errors="replace")
    assert (found.facts is None) == (recorded.facts is None)
    if found.facts is not None and recorded.facts is not None:
        assert found.facts.unread == recorded.facts.unread
        # Newer versions may find more, and may not find nothing where there was something.
        assert {name: number > 0 for name, number in recorded.facts.counts.items()} == {
            name: found.facts.counts.get(name, 0) > 0 for name in recorded.facts.counts
        }


def test_python_is_always_there() -> None:
    assert shutil.which("python", path=os.path.dirname(sys.executable))
    assert set(LIVE) >= ALWAYS

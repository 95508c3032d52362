"""Runs whole gates as separate processes, and sees everything that they start.

Every process of a run carries a mark in its environment, so that what it leaves behind is found wherever it went.
Nothing here waits for a length of time: readiness is a file that a check writes, and every wait has a bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLUGINS = ["pytest_paragate.plugin"]
MARK_VARIABLE = "ACCEPTANCE_MARK"
# Nothing takes this long unless it hangs, however busy the machine is.
BOUND_S = 90.0
# Variables by which pytest, plugins and tools work otherwise inside a test, or in CI.
_SAYS_WHERE_WE_RUN = ("PYTEST_", "COV_", "CI", "BUILD_NUMBER", "GITHUB_", "GITLAB_", "HYPOTHESIS_", "TOX_")
WORKER_KINDS = ["fork", "popen"]


def wait_until(condition: Callable[[], Any], what: str, *, within_s: float = BOUND_S) -> Any:
    """The first true value of ``condition``."""
    give_up_at = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(0.01)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRun:
    """A gate that has ended. ``report`` is its JSON report, empty when there is none."""

    status: int
    text: str
    report: dict[str, Any]
    folder: Path

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def check(self, name: str) -> dict[str, Any]:
        """The one entry of the report for a check, by name."""
        found = [check for check in self.report["checks"] if check["name"] == name]
        assert len(found) == 1, f"{name}: {len(found)} entries in the report\n{self.text}"
        return found[0]

    def outcomes(self) -> dict[str, str]:
        return {check["name"]: check["outcome"] for check in self.report["checks"]}


class RunningGate:
    """A gate that was started and may still run."""

    def __init__(self, process: subprocess.Popen[bytes], project: Project) -> None:
        self.process, self._project = process, project

    @property
    def text(self) -> str:
        return self._project.output.read_text("utf-8", "replace")

    def wait_for(self, *names: str) -> None:
        """Wait until checks have written these files."""
        paths = [self._project.folder / name for name in names]

        def is_ready() -> bool:
            assert self.process.poll() is None, f"the gate ended before {names}\n{self.text}"
            return all(path.exists() for path in paths)

        wait_until(is_ready, f"{names} in {self._project.folder}")

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def finish(self, *, within_s: float = BOUND_S) -> GateRun:
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gate did not end within {within_s:g} s\n{self.text}") from None
        path = self._project.json_path
        report = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return GateRun(status=status, text=self.text, report=report, folder=self._project.folder)


class Project:
    """A folder with files in which gates are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self._written_s = int(time.time()) - 1_000_000
        self.json_path = folder / "report.json"
        self.output = folder / "output.txt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")

    def write(self, files: Mapping[str, str]) -> Project:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            # Bytecode is known by its source's size and second: what is written twice must not be taken for the same.
            self._written_s += 1
            os.utime(path, (self._written_s, self._written_s))
        return self

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_SAYS_WHERE_WE_RUN)}
        kept |= {MARK_VARIABLE: self.mark, "COLUMNS": "160", "ACCEPTANCE_RAW": os.fsdecode(b"\xff")}
        # Nothing but the plugin itself: workers on fresh interpreters start sooner, and outcomes are reproducible.
        kept |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ",".join(PLUGINS)}
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH", "")]))
        return kept

    def start(self, *args: str, **popen: Any) -> RunningGate:
        """Start ``pytest --paragate`` with these arguments."""
        return self.start_pytest("--paragate", f"--paragate-json={self.json_path}", *args, **popen)

    def start_pytest(self, *args: str, **popen: Any) -> RunningGate:
        self.json_path.unlink(missing_ok=True)
        # A file, not a pipe: what is left behind could keep a pipe open.
        with open(self.output, "wb") as output:
            settings = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT, **popen}
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "xdist", *args],
                cwd=self.folder,
                env=self.environment(),
                **settings,
            )
        return RunningGate(process, self)

    def run(self, *args: str, within_s: float = BOUND_S) -> GateRun:
        return self.start(*args).finish(within_s=within_s)

    def processes(self) -> dict[int, str]:
        """Everything alive that this project's runs have started, directly or not: command lines by pid."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and (words := _words_if_marked(entry, self.mark.encode())) is not None:
                found[int(entry)] = words
        return found

    def clean_up(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        # Outputs are large here, and pytest keeps temporary folders.
        shutil.rmtree(self.folder / ".pytest_cache", ignore_errors=True)


def _words_if_marked(pid: str, mark: bytes) -> str | None:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes()
        environment = Path("/proc", pid, "environ").read_bytes()
    except OSError:
        return None
    return words.replace(b"\0", b" ").decode("utf-8", "replace") if mark in environment or mark in words else None

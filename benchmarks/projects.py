"""Public projects' own tests, from their source distributions: the same outcome for every test, and how long it takes.

Everybody runs the same tests in the same environment, in turns. Outcomes are compared by node id, between each run and
the first one of plain pytest: of setup, call and teardown of every test, of its subtests, with the reasons of skips.

The environments are kept in a folder, so that a second run needs no network. pytest and the projects are pinned, what
they need for their tests is not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
from measure import Launch, LaunchError, Sample

_REPOSITORY = Path(__file__).resolve().parents[1]
_DONE = "ready"

PLAIN, XDIST, OURS = "pytest", "xdist -n 2", "paragate -n 2"
_OFF = ("-p", "no:paragate")
OPTIONS: Mapping[str, Sequence[str]] = {
    PLAIN: (*_OFF, "-p", "no:xdist"),
    XDIST: (*_OFF, "-n", "2"),
    OURS: ("--paragate", "-n", "2"),
}

# A plugin for every contestant: what the main process's reporters were told, as JSON.
_RECORDER = """
import json, os

outcomes = {}

def pytest_runtest_logreport(report):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    told = report.outcome, str(getattr(report, "wasxfail", "")), reason, str(getattr(report, "context", ""))
    outcomes.setdefault(f"{report.nodeid} ({report.when})", []).append("|".join(told))

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open(os.environ["OUTCOMES"], "w", encoding="utf-8", errors="surrogatepass") as file:
            json.dump(outcomes, file)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A source distribution ``name==version`` whose tests pass beside each other, and what they need."""

    name: str
    version: str
    builds_with: Sequence[str]
    needs: Sequence[str] = ()


# Each with more than 500 tests, and of another kind: very many parameters, generated unittest classes, subtests that
# compute, and a suite that takes three seconds.
PROJECTS = (
    Project(
        name="packaging",
        version="25.0",
        builds_with=("flit-core",),
        needs=("pretend", "tomli-w"),
    ),
    Project(
        name="jsonschema",
        version="4.25.1",
        builds_with=("hatchling", "hatch-vcs", "hatch-fancy-pypi-readme", "editables"),
        needs=("jsonpath-ng",),
    ),
    Project(
        name="more-itertools",
        version="10.8.0",
        builds_with=("flit-core",),
    ),
    Project(
        name="jinja2",
        version="3.1.6",
        builds_with=("flit-core",),
        needs=("trio",),
    ),
)
_PYTEST = "pytest==9.2.0"


def run(
    folder: Path, *, cache: Path | None, repeats: int, only: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure the projects named in ``only``, or all. ``cache`` keeps what was fetched and installed.

    Raises:
        LaunchError: a project cannot be fetched, installed or run.
    """
    numbers: dict[str, Any] = {}
    is_broken = False
    for project in PROJECTS:
        if only and project.name not in only:
            continue
        home = _prepared((cache or folder).resolve() / f"{project.name}-{project.version}", project, say)
        numbers[project.name] = _measured(home, project, repeats, say)
        found = {key: set(each["different"]) for key, each in numbers[project.name]["contestants"].items()}
        # What differs between two runs of plain pytest is the project's own.
        is_broken = is_broken or not found[OURS] <= found[PLAIN]
    return {"repeats": repeats, "projects": numbers, "broken": is_broken}


def _measured(home: Path, project: Project, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    launches = {key: _launch(home, options) for key, options in OPTIONS.items()}
    samples: dict[str, list[Sample]] = {key: [] for key in launches}
    different: dict[str, set[str]] = {key: set() for key in launches}
    # Whoever comes first would pay for bytecode; and a first run fills our history of durations.
    expected: dict[str, list[str]] = {}
    for key in launches:
        _, outcomes = _run(launches[key])
        expected = expected or outcomes
        different[key] |= _differences(expected, outcomes)

    def act(key: str) -> None:
        sample, outcomes = _run(launches[key])
        samples[key].append(sample)
        different[key].update(_differences(expected, outcomes))

    measure.in_turns(list(launches), repeats, act)
    walls = {key: [sample.wall_s for sample in taken] for key, taken in samples.items()}
    cpus = {key: [sample.cpu_s for sample in taken] for key, taken in samples.items()}
    tests = len({phase.rpartition(" (")[0] for phase in expected})
    say(f"{project.name} {project.version}: {tests} tests, {repeats} interleaved repeats, medians (95% interval)")
    rows, contestants = [], {}
    for key in launches:
        wall, cpu = measure.median(walls[key]).value, measure.median(cpus[key]).value
        to_xdist, cpu_to_xdist = measure.ratio(walls[key], walls[XDIST]), measure.ratio(cpus[key], cpus[XDIST])
        texts = to_xdist.text(2), cpu_to_xdist.text(2), str(len(different[key]))
        rows.append((key, f"{wall:.2f}", f"{cpu:.2f}", *texts))
        contestants[key] = {
            "wall_s": wall,
            "cpu_s": cpu,
            "wall_to_xdist": to_xdist.value,
            "cpu_to_xdist": cpu_to_xdist.value,
            "different": sorted(different[key]),
        }
    head = ("who", "wall s", "cpu s", "wall x xdist", "cpu x xdist", "other outcomes")
    say(measure.table(head, rows))
    for key, phases in different.items():
        for phase in sorted(phases)[:5]:
            say(f"  {key}: another outcome of {phase}")
    say("")
    return {"tests": tests, "contestants": contestants}


def _run(launch: Launch) -> tuple[Sample, dict[str, list[str]]]:
    """One run and every outcome in it; a test that fails under plain pytest may fail here too."""
    path = Path(launch.env["OUTCOMES"])
    path.unlink(missing_ok=True)
    sample = measure.run(launch, expected=(0, 1))
    try:
        outcomes: dict[str, list[str]] = json.loads(path.read_text("utf-8", "surrogatepass"))
    except OSError as problem:
        raise LaunchError(f"no outcomes: {problem}\n{measure.tail(launch.log)}") from None
    return sample, outcomes


def _differences(expected: Mapping[str, list[str]], found: Mapping[str, list[str]]) -> set[str]:
    """Phases of tests that ended otherwise, are missing, or are there in only one of the runs."""
    return {phase for phase in expected.keys() | found.keys() if expected.get(phase) != found.get(phase)}


def _launch(home: Path, options: Sequence[str]) -> Launch:
    argv = (str(home / "venv/bin/python"), "-m", "pytest", "-q", "-p", "record_outcomes", *options)
    environment = {
        "OUTCOMES": str(home / "outcomes.json"),
        "PYTHONPATH": str(home / "plugins"),
        "PYTHONDONTWRITEBYTECODE": "",
        # Parametrizations over sets: node ids must not change from one interpreter to the next.
        "PYTHONHASHSEED": "1",
    }
    return Launch(argv=argv, cwd=home / "source", env=environment)


def _prepared(home: Path, project: Project, say: Callable[[str], None]) -> Path:
    """The project's source and an environment with it, its tests' needs and this plugin."""
    is_ready = (home / _DONE).exists()
    if not is_ready:
        shutil.rmtree(home, ignore_errors=True)  # what an interrupted run has left
    (home / "plugins").mkdir(parents=True, exist_ok=True)
    (home / "plugins/record_outcomes.py").write_text(_RECORDER)
    if is_ready:
        return home
    say(f"preparing {project.name} {project.version} in {home}")
    _do(sys.executable, "-m", "venv", "--clear", str(home / "venv"))
    pip = (str(home / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "-q")
    _do(*pip, "install", *project.builds_with)
    # The source as it was published: built distributions leave the tests out.
    _do(
        *(*pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"),
        *("-d", str(home), f"{project.name}=={project.version}"),
    )
    [archive] = home.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(home / "unpacked", filter="data")
    [folder] = (home / "unpacked").iterdir()
    folder.rename(home / "source")
    _do(*pip, "install", "--no-build-isolation", "-e", str(home / "source"))
    _do(*pip, "install", "-e", str(_REPOSITORY), _PYTEST, *project.needs)
    (home / _DONE).touch()
    return home


def _do(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise LaunchError(f"{' '.join(argv)}\n{done.stderr.strip()[-2000:]}")

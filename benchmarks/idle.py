"""What the plugin costs where it is installed and not switched on: plain ``pytest`` on a trivial suite.

The same interpreter runs the same suite with two views of its own site-packages, folders of symbolic links that differ
in nothing but the plugin. "absent" runs twice in each repeat; its ratio to itself shows how much of the rest is noise.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gate
import measure
from measure import Launch, LaunchError, Sample

_SUITE = "import pytest\n\n@pytest.mark.parametrize('i', range(10))\ndef test_trivial(i):\n    assert i >= 0\n"
ABSENT = "absent"


def run(folder: Path, *, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    without, installed = _site_without_plugin(folder / "without"), _site_with_plugin(folder / "with")
    contestants = {
        ABSENT: _suite(folder / "a", without),
        "absent again": _suite(folder / "b", without),
        "installed, off": _suite(folder / "c", installed),
        "installed, -p no:paragate": _suite(folder / "d", installed, "-p", "no:paragate"),
    }
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}

    def act(name: str) -> None:
        samples[name].append(measure.run(contestants[name]))

    for launch in contestants.values():
        measure.run(launch)
    measure.in_turns(list(contestants), repeats, act)
    walls = {name: [sample.wall_s for sample in taken] for name, taken in samples.items()}
    cpus = {name: [sample.cpu_s for sample in taken] for name, taken in samples.items()}
    rows, numbers = [], {}
    for name in contestants:
        wall, cpu = measure.ratio(walls[name], walls[ABSENT]), measure.ratio(cpus[name], cpus[ABSENT])
        wall_s, cpu_s = measure.median(walls[name]).value, measure.median(cpus[name]).value
        rows.append((name, f"{wall_s * 1000:.1f}", f"{cpu_s * 1000:.1f}", wall.text(3), cpu.text(3)))
        numbers[name] = {"wall_s": wall_s, "cpu_s": cpu_s, "wall_ratio": wall.value, "cpu_ratio": cpu.value}
    say(f"pytest on a trivial suite, {repeats} interleaved repeats, medians (95% interval)")
    say(measure.table(("plugin", "wall ms", "cpu ms", "wall x absent", "cpu x absent"), rows))
    return {"repeats": repeats, "contestants": numbers}


def _suite(folder: Path, site: Path, *options: str) -> Launch:
    launch = gate.write_project(folder, "test_trivial.py", _SUITE, *options)
    python, *arguments = launch.argv
    # -S keeps the real site-packages out of sight.
    return replace(launch, argv=(python, "-S", *arguments), env={"PYTHONPATH": str(site)})


def _site_folders() -> list[Path]:
    return [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]


def _site_without_plugin(folder: Path) -> Path:
    folder.mkdir()
    for site in reversed(_site_folders()):
        for entry in site.iterdir():
            if "pytest_paragate" not in entry.name and entry.suffix != ".pth":
                link = folder / entry.name
                # The earlier folder on the path wins, as in an import.
                link.unlink(missing_ok=True)
                link.symlink_to(entry)
    return folder


def _site_with_plugin(folder: Path) -> Path:
    _site_without_plugin(folder)
    metadata = [path for site in _site_folders() for path in site.glob("pytest_paragate-*.dist-info")]
    spec = importlib.util.find_spec("pytest_paragate")
    if not metadata or spec is None or spec.origin is None:
        raise LaunchError(f"pytest-paragate is not installed for {sys.executable}\n    pip install -e .")
    (folder / metadata[0].name).symlink_to(metadata[0])
    (folder / "pytest_paragate").symlink_to(Path(spec.origin).parent)
    return folder

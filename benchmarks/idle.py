"""What the plugin costs where it is installed and not switched on: plain ``pytest`` on a trivial suite.

The same interpreter runs the same suite with two views of its own site-packages, folders of symbolic links that differ
in nothing but the plugin: absent, installed as users have it, or with the few metadata files of an editable
installation. pytest reads the list of files in each plugin's metadata. "absent" runs twice in each repeat; its ratio to
itself shows how much of the rest is noise.
"""

from __future__ import annotations

import subprocess
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
    editable = _site_with_plugin(folder / "editable")
    _shorten_list_of_files(editable)
    contestants = {
        ABSENT: _suite(folder / "a", without),
        "absent again": _suite(folder / "b", without),
        "installed, off": _suite(folder / "c", installed),
        "installed, -p no:paragate": _suite(folder / "d", installed, "-p", "no:paragate"),
        "as if editable, off": _suite(folder / "e", editable),
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
    source = Path(__file__).parent.parent
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(source))
    done = subprocess.run(install, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise LaunchError(f"{source} could not be installed\n{done.stdout}")
    return folder


def _shorten_list_of_files(site: Path) -> None:
    """Leave the metadata themselves in the list, as an editable installation does."""
    (record,) = site.glob("pytest_paragate-*.dist-info/RECORD")
    own = [line for line in record.read_text().splitlines(keepends=True) if ".dist-info/" in line]
    record.write_text("".join(own))

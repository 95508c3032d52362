"""A worker that is not at home: paths as they are there, and times as our clock shows them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate.run import guest
from pytest_paragate.run.elsewhere import Luggage, shift_clock


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy" / "sub").mkdir(parents=True)
    return {
        "folder": "/here/project/sub",
        "root": "/here/project",
        "chdir": str(tmp_path / "copy" / "sub"),
        "env": {"COLOUR": "red"},
        "environment": {"PATH": "/bin"},
        "sys_path": None,
        "args": [
            "-x",
            "/here/project/sub/test_a.py::test[/here/project]",
            "--confcutdir=/here/project",
            "../b",
            "/other",
        ],
        "collect_args": ["/here/project/sub", "/here/project2/x"],
    }


def test_paths_below_the_root_are_translated_and_no_others(setup: dict[str, Any], tmp_path: Path) -> None:
    settled = guest.settle(setup)
    copy = str(tmp_path / "copy")
    assert settled["args"] == [
        "-x", f"{copy}/sub/test_a.py::test[/here/project]", f"--confcutdir={copy}", "../b", "/other",
    ]  # fmt: skip
    assert settled["collect_args"] == [f"{copy}/sub", "/here/project2/x"]
    assert os.getcwd() == f"{copy}/sub"
    assert settled["sys_path"][0] == f"{copy}/sub"
    assert settled["environment"] == {"PATH": "/bin", "COLOUR": "red"}
    assert os.environ["COLOUR"] == "red"


def test_only_what_exists_there_is_translated_in_the_import_path(setup: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "copy" / "src").mkdir()
    setup["sys_path"] = ["/here/project/src", "/here/project/.venv/lib", "/usr/lib"]
    assert guest.settle(setup)["sys_path"] == [str(tmp_path / "copy" / "src"), "/here/project/.venv/lib", "/usr/lib"]


def test_without_the_folder_there_is_no_worker(setup: dict[str, Any]) -> None:
    with pytest.raises(guest.Unfit, match="no folder /no/such/place on "):
        guest.settle({**setup, "chdir": "/no/such/place"})
    with pytest.raises(guest.Unfit, match=r"no folder /here/project/sub on .*; name the one .* with chdir="):
        guest.settle({**setup, "chdir": None})


def test_times_are_shifted_wherever_they_are() -> None:
    found: list[list[Any]] = [
        ["begin", 0, 5.0],
        ["passed", 0, 5.0, 1.0, [1.0, 2.0, 3.0] * 3, 1.0],
        ["ended", 1, 0, 6.0, 1.0, 1.0, None],
        ["command", 1, {"started_at": 7.0, "duration_s": 1.0}],
        ["item", 1, {"started_at": 8.0, "reports": [{"start": 1.0}]}],
        ["left", [2, 3]],
    ]
    for news in found:
        shift_clock(news, 100.0)
    assert found == [
        ["begin", 0, 105.0],
        ["passed", 0, 105.0, 1.0, [1.0, 2.0, 3.0] * 3, 1.0],
        ["ended", 1, 0, 106.0, 1.0, 1.0, None],
        ["command", 1, {"started_at": 107.0, "duration_s": 1.0}],
        ["item", 1, {"started_at": 108.0, "reports": [{"start": 1.0}]}],
        ["left", [2, 3]],
    ]


def test_logs_that_were_sent_are_kept_below_the_run_whatever_their_name(tmp_path: Path) -> None:
    luggage = Luggage("gw1", str(tmp_path), str(tmp_path / "worker-gw1.txt"))
    for data in (b"one\n", b"two\n"):
        assert luggage.take({"say": "log", "name": "../../ruff.log", "data": data})
    assert not luggage.take({"say": "news", "lines": ""})
    message = {"log": "/far/ruff.log", "output": "... whole log: /far/ruff.log ..."}
    luggage.rename(message)
    assert message["log"] == str(tmp_path / "gw1-ruff.log")
    assert message["output"] == f"... whole log: {message['log']} ..."
    assert Path(message["log"]).read_bytes() == b"one\ntwo\n"

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate import history
from pytest_paragate.history import History


def stored(folder: Path) -> Path:
    return folder / "durations.json"


def table(**columns: Any) -> str:
    return json.dumps({"format": 1, "age": 1.0, "nodeids": ["a"], "durations_s": [2.0], "seen": [1.0], **columns})


def test_without_earlier_runs_nothing_is_known_and_nothing_is_wrong(tmp_path: Path) -> None:
    known = History(tmp_path / "none")
    assert known.durations() == {}
    assert known.warnings == []
    assert not (tmp_path / "none").exists()


def test_durations_come_back_and_recent_runs_weigh_more(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "paragate"
    History(folder).record({"a": 8.0, "b\udc80": 1.5})
    History(folder).record({"a": 4.0})
    History(folder).record({"a": 4.0})
    assert History(folder).durations() == {"a": 5.0, "b\udc80": 1.5}


def test_items_unseen_for_many_runs_are_forgotten(tmp_path: Path) -> None:
    known = History(tmp_path)
    known.record({"gone": 1.0})
    runs = 0
    while "gone" in known.durations():
        known.record(dict.fromkeys("abcdefghi", 1.0))
        runs += 1
    assert history.KEPT_RUNS <= runs <= history.KEPT_RUNS * 1.2


def test_many_runs_of_a_few_items_do_not_forget_the_others(tmp_path: Path) -> None:
    known = History(tmp_path)
    known.record({f"test_{number}": 1.0 for number in range(100)})
    for _ in range(history.KEPT_RUNS + 10):
        known.record({"test_0": 1.0})
    assert len(known.durations()) == 100


def test_the_latest_entries_are_kept_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_ENTRIES", 3)
    known = History(tmp_path)
    known.record({"a": 1.0, "b": 1.0})
    known.record({"c": 1.0, "d": 1.0})
    assert len(known.durations()) == 3
    assert {"c", "d"} < known.durations().keys()


def test_a_file_that_would_be_too_large_to_read_again_is_written_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_FILE", 600)
    known = History(tmp_path)
    known.record({f"old_{number}": 1.0 for number in range(10)})
    known.record({f"new_{number}": 1.0 for number in range(10)})
    assert stored(tmp_path).stat().st_size <= 600
    assert {f"new_{number}" for number in range(10)} <= known.durations().keys()
    assert known.warnings == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"format": 1, "age": 1.0, "nodeids": ["a"',
        b"[" * 200_000,
        b"[]",
        b"null",
        b"9" * 10_000,
        table(format=2).encode(),
        table(age="1").encode(),
        table(age=float("nan")).encode(),
        table(age=-1).encode(),
        table(nodeids={"a": 1}).encode(),
        table(seen=[]).encode(),
        table(durations_s=None).encode(),
    ],
    ids=range(14),
)
def test_a_corrupt_file_is_one_warning_and_the_next_run_starts_afresh(tmp_path: Path, content: bytes) -> None:
    stored(tmp_path).write_bytes(content)
    known = History(tmp_path)
    assert known.durations() == {}
    assert known.durations() == {}
    known.record({"b": 1.0})
    assert len(known.warnings) == 1
    assert str(stored(tmp_path)) in known.warnings[0]
    assert "\n" not in known.warnings[0]
    again = History(tmp_path)
    assert again.durations() == {"b": 1.0}
    assert again.warnings == []


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), 1e300, 10**400, "1", None, True, [1]], ids=repr)
def test_impossible_numbers_in_the_file_are_left_out(tmp_path: Path, bad: Any) -> None:
    stored(tmp_path).write_text(table(nodeids=["bad", "good", 7], durations_s=[bad, 2, 2], seen=[1, 1, 1]))
    known = History(tmp_path)
    assert known.durations() == {"good": 2.0}
    assert len(known.warnings) == 1


def test_impossible_durations_are_not_recorded(tmp_path: Path) -> None:
    known = History(tmp_path)
    known.record({"a": -1.0, "b": float("nan"), "c": float("inf"), "": 1.0, "x" * 5_000: 1.0, "good": 1.0})
    assert known.durations() == {"good": 1.0}
    assert known.warnings == ["durations of earlier runs: 4 impossible durations were not recorded"]


def test_something_else_than_a_file_is_a_warning(tmp_path: Path) -> None:
    stored(tmp_path).mkdir()
    known = History(tmp_path)
    assert known.durations() == {}
    known.record({"a": 1.0})
    assert len(known.warnings) == 2
    assert sorted(found.name for found in tmp_path.iterdir()) == ["durations.json", "durations.lock"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_the_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(stored(tmp_path))
    known = History(tmp_path)
    assert known.durations() == {}
    assert len(known.warnings) == 1


def test_an_oversized_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_FILE", 10)
    stored(tmp_path).write_text(table())
    known = History(tmp_path)
    assert known.durations() == {}
    assert "larger than 10 bytes" in known.warnings[0]


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known = History(tmp_path / "file" / "paragate")
    assert known.durations() == {}
    known.record({"a": 1.0})
    assert any("not recorded" in line for line in known.warnings)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_write_that_fails_keeps_what_was_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    known = History(tmp_path)
    known.record({"a": 1.0})

    def fails(self: Path, content: bytes) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", fails)
    known.record({"a": 9.0})
    assert known.durations() == {"a": 1.0}
    assert len(known.warnings) == 1
    assert os.strerror(code) in known.warnings[0]


HOLDER = """
import sys
from pathlib import Path
from pytest_paragate.history import _locked
with _locked(Path(sys.argv[1]), 5.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_that_another_run_keeps_is_not_waited_for_forever(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "durations.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        known = History(tmp_path, patience_s=0.1)
        known.record({"a": 1.0})
        holder.communicate("", timeout=30)
    assert known.durations() == {}
    assert "another run held" in known.warnings[0]
    known.record({"a": 1.0})
    assert known.durations() == {"a": 1.0}


WRITER = """
import sys
from pytest_paragate.history import History
known = History(sys.argv[1], patience_s=30.0)
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    known.record({f"{sys.argv[2]}-{number}": 1.0})
    known.durations()
sys.exit("; ".join(known.warnings) or None)
"""


def test_runs_that_record_at_the_same_time_lose_no_entry(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, said = writer.communicate(timeout=60)
        assert (writer.returncode, said) == (0, "")
    assert History(tmp_path).durations().keys() == {f"{name}-{number}" for name in range(4) for number in range(15)}
    assert sorted(found.name for found in tmp_path.iterdir()) == ["durations.json", "durations.lock"]

"""Facts from the kernel: subreapers, parents' deaths, process trees and their names."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from pytest_paragate.run import linux

_PR_GET_CHILD_SUBREAPER = 37

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="facts of the Linux kernel")

FAMILY = "sleep 60 & sleep 60 & echo ready; wait"


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a shell script in a session of its own and wait until it says something."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


def in_child(body: Callable[[], bool]) -> bool:
    """Run ``body`` in a fork, so that what it does to the process is gone afterwards."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if body() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def readable(fd: int, seconds: float = 10) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


@pytest.mark.parametrize("kernel_lists_children", [True, False])
def test_children_and_descendants_are_found(
    start: Callable[[str], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch, kernel_lists_children: bool
) -> None:
    if not kernel_lists_children:
        monkeypatch.setattr(linux, "_kernel_lists_children", lambda: False)
    process = start(f"sh -c '{FAMILY}' & wait")
    (middle,) = linux.children(process.pid)
    leaves = linux.children(middle)
    assert len(leaves) == 2
    assert linux.descendants(process.pid) == [middle, *leaves]
    assert process.pid in linux.children(os.getpid())


def test_a_process_that_never_was_has_no_children_and_no_name() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert linux.children(gone.pid) == []
    assert linux.describe(gone.pid) == "?"
    assert linux.pidfd(gone.pid) is None
    assert not linux.is_running(gone.pid)


def test_a_description_is_one_short_printable_line(start: Callable[[str], subprocess.Popen[str]]) -> None:
    process = start("echo ready; : '\x1b[31mred\u202e' 'two\nlines'; sleep 60; : " + "x" * 500)
    text = linux.describe(process.pid)
    assert text.startswith("sh -c echo ready; : ' [31mred ' 'two lines'; sleep 60")
    assert len(text) == 120
    assert text.isprintable()


def test_a_zombie_is_not_running_and_its_pidfd_is_readable() -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], {})
    fd = linux.pidfd(pid)
    assert fd is not None
    assert readable(fd)
    assert not linux.is_running(pid)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    os.close(fd)


def test_orphans_come_to_a_subreaper() -> None:
    def adopts() -> bool:
        assert linux.become_subreaper()
        read_fd, write_fd = os.pipe()
        stdout = [(os.POSIX_SPAWN_DUP2, write_fd, 1)]
        middle = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 60 & echo $!"], os.environ, file_actions=stdout)
        os.close(write_fd)
        os.waitpid(middle, 0)
        orphan = int(os.read(read_fd, 100))
        is_adopted = linux.children(os.getpid()) == [orphan]
        os.kill(orphan, signal.SIGKILL)
        return is_adopted

    assert in_child(adopts)


def test_a_process_can_be_tied_to_its_parent() -> None:
    read_fd, write_fd = os.pipe()

    def leaves_a_tied_child() -> bool:
        if os.fork() == 0:
            linux.die_with_parent()
            os.write(write_fd, b"tied")
            time.sleep(60)
            os._exit(0)
        return os.read(read_fd, 10) == b"tied"

    assert in_child(leaves_a_tied_child)
    os.close(write_fd)
    assert readable(read_fd), "the pipe is still open in the child after its parent's end"
    assert os.read(read_fd, 10) == b""
    os.close(read_fd)


def test_inheritable_descriptors_are_listed() -> None:
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    found = linux.inheritable_fds()
    os.close(read_fd)
    os.close(write_fd)
    assert write_fd in found
    assert read_fd not in found
    assert not {0, 1, 2} & set(found)


def test_a_tree_looks_again_when_a_parent_died_under_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = linux.Tree()
    tree.leader, dead, orphan = (
        os.posix_spawnp(program, [program, "60"], os.environ, setsid=True) for program in ("true", "true", "sleep")
    )
    try:
        tree.reap_leader()
        fd = linux.pidfd(dead)
        assert fd is not None
        assert readable(fd)
        os.close(fd)
        listed = linux.children
        first = iter([[dead]])
        monkeypatch.setattr(linux, "children", lambda pid: next(first, None) or listed(pid))
        assert tree.alive() == [orphan]
        assert tree.kill() == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)


def test_nothing_raises_where_there_is_no_such_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert linux.pidfd(os.getpid()) is None
    monkeypatch.setitem(sys.modules, "_ctypes", None)
    monkeypatch.setitem(sys.modules, "ctypes", None)
    linux.find_prctl.cache_clear()
    assert linux.become_subreaper() is False
    assert linux.die_with_parent() is False


@pytest.mark.parametrize("hidden", ["_ctypes", "ctypes"])
def test_one_half_of_ctypes_is_enough(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    import ctypes

    libc, adopts = ctypes.CDLL(None), ctypes.c_int()
    monkeypatch.setitem(sys.modules, hidden, None)
    linux.find_prctl.cache_clear()
    for wanted in (True, False):
        assert linux.become_subreaper(wanted)
        libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(adopts))
        assert adopts.value == wanted

"""One command: how it starts, ends, is ended, and what it leaves behind. Real processes; each ends within a bound."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate.run import linux, process
from pytest_paragate.run.excerpt import Excerpt, merge_log, read_excerpt
from pytest_paragate.run.process import Completed
from pytest_paragate.run.spool import Spool, has_room, remove_spare
from pytest_paragate.run.stop import Stop
from pytest_paragate.run.supervision import CannotStart

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands here are POSIX")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs sight of the whole process tree")

BOUND_S = 30
LIMIT_S = 0.7  # enough for a shell to set its traps on a busy machine


class Runner:
    """Runs commands with usual settings in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = Spool(folder / "spool")
        self.stop = Stop()

    def __call__(self, *argv: str, **changes: Any) -> Completed:
        settings: dict[str, Any] = {
            "cwd": str(self.folder),
            "env": dict(os.environ),
            "timeout_s": BOUND_S,
            "grace_s": 5.0,
            "leaks": "kill",
            "spool": self.spool,
            "name": "a command",
            "stop": self.stop,
        }
        return process.run(argv, **{**settings, **changes})

    def shell(self, script: str, **changes: Any) -> Completed:
        return self(script, shell=True, **changes)

    def python(self, body: str, **changes: Any) -> Completed:
        return self(sys.executable, "-I", "-S", "-c", body, **changes)

    def pid(self, name: str) -> int:
        """The pid that a command wrote to the file ``name`` in its folder."""
        return int((self.folder / name).read_text())

    def spooled(self) -> list[str]:
        return sorted(os.listdir(self.spool.folder))


@pytest.fixture(autouse=True)
def _subreaper() -> Iterator[None]:
    before = linux.children(os.getpid())
    linux.become_subreaper()
    yield
    linux._prctl(linux._PR_SET_CHILD_SUBREAPER, 0)
    for pid in set(linux.children(os.getpid())).difference(before):
        os.waitpid(pid, os.WNOHANG)


@pytest.fixture(params=["whole", "portable"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to run a command: with all that Linux offers, and the one for other systems."""
    if request.param == "portable":
        monkeypatch.setattr(linux, "has_pidfd", lambda: False)
    elif not linux.has_pidfd():
        pytest.skip("needs a pidfd")
    return str(request.param)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path)
    yield runner
    remove_spare(runner.spool.folder)
    runner.stop.close()


def read(path: str | None) -> str:
    return "" if path is None else Path(path).read_text()


def is_gone(pid: int) -> bool:
    return not linux.is_running(pid)


def when(condition: Callable[[], object], then: Callable[[], object]) -> threading.Thread:
    """Do ``then`` in another thread as soon as ``condition`` holds."""

    def watch() -> None:
        until = time.monotonic() + BOUND_S
        while not condition() and time.monotonic() < until:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


# Starting


@pytest.mark.usefixtures("way")
def test_output_status_and_times_of_a_command(command: Runner) -> None:
    before = time.monotonic()
    done = command.shell("echo out; echo err >&2; exit 3")
    assert (done.returncode, done.timed_out, done.stopped, done.leaked) == (3, False, False, ())
    assert (read(done.stdout_path), read(done.stderr_path)) == ("out\n", "err\n")
    assert (done.stdout_size, done.stderr_size) == (4, 4)
    assert before <= done.started_at <= done.started_at + done.duration_s <= time.monotonic()


@pytest.mark.usefixtures("way")
def test_death_by_signal_is_a_negative_status(command: Runner) -> None:
    done = command.shell("kill -SEGV $$")
    assert done.returncode == -signal.SIGSEGV
    assert not done.stopped


@pytest.mark.usefixtures("way")
def test_arguments_reach_the_program_untouched(command: Runner) -> None:
    done = command("printf", "%s|", "a b", "$HOME", "*", "", "ü")
    assert read(done.stdout_path) == "a b|$HOME|*||ü|"


@pytest.mark.usefixtures("way")
def test_the_environment_is_exactly_the_given_one(command: Runner) -> None:
    done = command("/usr/bin/env", env={"ONLY": "this"})
    assert read(done.stdout_path) == "ONLY=this\n"


@pytest.mark.usefixtures("way")
def test_path_of_the_given_environment_and_cwd_find_the_program(command: Runner) -> None:
    folder = command.folder / "elsewhere" / "bin"
    folder.mkdir(parents=True)
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\npwd\n")
    tool.chmod(0o755)
    cwd = str(folder.parent)
    for argv, path in ((["tool"], str(folder)), (["tool"], "/nowhere:bin"), (["bin/tool"], "/nowhere")):
        done = command(*argv, cwd=cwd, env={"PATH": path})
        assert read(done.stdout_path).strip() == os.path.realpath(cwd)
    assert os.getcwd() != cwd


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["no-such-tool"], "no such program: no-such-tool (looked in the 2 folders of PATH)"),
        (["./no-such-tool"], "no such program: ./no-such-tool (looked from {cwd})"),
        (["./plain"], "not executable: {cwd}/./plain (its mode does not allow it, see chmod +x)"),
        (["./folder"], "not executable: {cwd}/./folder (it is a folder)"),
        (["./broken"], "cannot start ./broken: its interpreter does not exist, see its #! line"),
        (["./data"], "cannot start ./data: it has no #! line and is no program for this machine"),
        (["true", "a\0b"], "cannot start 'true': an argument contains a null character"),
        ([], "there is no command to run"),
    ],
)
def test_what_cannot_start_says_why(command: Runner, argv: list[str], text: str) -> None:
    (command.folder / "folder").mkdir()
    for name, content, mode in (("plain", "", 0o644), ("broken", "#!/no/such/sh\n", 0o755), ("data", "\1\2", 0o755)):
        (command.folder / name).write_text(content)
        (command.folder / name).chmod(mode)
    with pytest.raises(CannotStart) as caught:
        command(*argv, env={"PATH": "/usr/bin:/bin"})
    assert str(caught.value) == text.format(cwd=command.folder)
    assert command("true").returncode == 0


@pytest.mark.usefixtures("way")
def test_a_missing_working_folder_is_named(command: Runner) -> None:
    with pytest.raises(CannotStart, match=r"cannot run in .*/gone: no such folder"):
        command("true", cwd=str(command.folder / "gone"))


@only_linux
def test_a_command_starts_from_a_clean_slate(command: Runner) -> None:
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        mask = command("grep", "SigBlk", "/proc/self/status")
        done = command.shell("ls /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status; ps -o sid= $$; cat")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGUSR1, ignored)
        os.close(read_fd)
        os.close(write_fd)
    descriptors, rest = read(done.stdout_path).split(" SigIgn:")
    ignored_now, session = rest.split()
    assert descriptors == "0 1 2 3", "3 is the folder that ls reads"
    assert int(read(mask.stdout_path).split()[1], 16) == 0
    assert int(ignored_now, 16) & ~(0b111 << 31) == 0, "32 to 34 are the C library's own"
    assert int(session) not in (os.getsid(0), 0)
    assert done.returncode == 0, "cat read the end of /dev/null"


def test_a_deleted_folder_of_our_own_does_not_matter(command: Runner) -> None:
    home = os.open(".", os.O_RDONLY)
    lost = command.folder / "lost"
    lost.mkdir()
    os.chdir(lost)
    lost.rmdir()
    try:
        assert read(command("pwd").stdout_path).strip() == os.path.realpath(command.folder)
    finally:
        os.fchdir(home)
        os.close(home)


@only_linux
def test_cpu_time_and_peak_memory_are_the_commands_own(command: Runner) -> None:
    done = command.python(
        "data = bytearray(400 << 20); import time; end = time.process_time() + 0.2\n"
        "while time.process_time() < end: pass"
    )
    assert done.cpu_s is not None
    assert done.cpu_s >= 0.2
    assert done.max_rss_kb is not None
    assert 400 << 10 <= done.max_rss_kb < 600 << 10
    # The kernel would give ours here, as the memory of the process that started it.
    assert command("true").max_rss_kb is None


# Time limit and stop


@pytest.mark.usefixtures("way")
def test_a_time_limit_ends_the_command_and_all_it_started(command: Runner) -> None:
    done = command.shell("sleep 60 & echo $! > child; echo begun; wait", timeout_s=LIMIT_S)
    assert (done.returncode, done.timed_out, done.stopped) == (-signal.SIGTERM, True, False)
    assert read(done.stdout_path) == "begun\n"
    assert is_gone(command.pid("child"))


@pytest.mark.usefixtures("way")
def test_a_clean_exit_after_term_is_still_timed_out(command: Runner) -> None:
    done = command.shell("trap 'echo tidy; exit 0' TERM; sleep 60 & wait", timeout_s=LIMIT_S)
    assert (done.returncode, done.timed_out) == (0, True)
    assert read(done.stdout_path) == "tidy\n"


@pytest.mark.usefixtures("way")
def test_what_ignores_term_is_killed_after_the_grace(command: Runner) -> None:
    done = command.shell("trap '' TERM; while :; do sleep 60; done", timeout_s=LIMIT_S, grace_s=0.2)
    assert (done.returncode, done.timed_out) == (-signal.SIGKILL, True)
    assert done.duration_s >= LIMIT_S + 0.2
    assert done.leaked == ()


@only_linux
def test_children_share_the_grace_when_their_leader_goes_first(command: Runner) -> None:
    done = command.shell(
        "(trap 'sleep 0.3; echo tidy; exit' TERM; touch ready; sleep 60 & wait) & wait", timeout_s=LIMIT_S
    )
    assert done.timed_out
    assert read(done.stdout_path) == "tidy\n"
    assert done.leaked == ()


@pytest.mark.usefixtures("way")
def test_a_stopped_process_still_meets_its_time_limit(command: Runner) -> None:
    done = command.shell("trap 'exit 7' TERM; kill -STOP $$; sleep 60", timeout_s=LIMIT_S)
    assert (done.returncode, done.timed_out) == (7, True)


@only_linux
def test_a_time_limit_reaches_what_left_the_group(command: Runner) -> None:
    done = command.shell("setsid sleep 60 & echo $! > child; wait", timeout_s=LIMIT_S)
    assert done.timed_out
    assert is_gone(command.pid("child"))


@only_linux
def test_forks_upon_term_do_not_escape(command: Runner) -> None:
    body = """
import os, signal, time
def fork(*_):
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, fork)
            time.sleep(60)
signal.signal(signal.SIGTERM, fork)
print(os.getpid(), flush=True)
while True:
    time.sleep(60)
"""
    before = set(linux.descendants(os.getpid()))
    done = command.python(body, timeout_s=LIMIT_S, grace_s=0.3)
    assert (done.returncode, done.timed_out) == (-signal.SIGKILL, True)
    assert set(linux.descendants(os.getpid())) <= before


@only_linux
@pytest.mark.parametrize("limit", [None, LIMIT_S], ids=["left behind", "time limit"])
def test_a_chain_of_forks_that_runs_away_is_caught(command: Runner, limit: float | None) -> None:
    body = """
import os, sys, time
end = time.monotonic() + 10
if os.fork() == 0:
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
    print("never caught", flush=True)
    os._exit(0)
time.sleep(float(sys.argv[1]))
"""
    before = set(linux.descendants(os.getpid()))
    words = (sys.executable, "-I", "-S", "-c", body, "60" if limit else "0.05")
    done = command(*words, timeout_s=limit, grace_s=0.2)
    assert done.timed_out is bool(limit)
    assert set(linux.descendants(os.getpid())) <= before
    assert done.stdout_path is None


@pytest.mark.usefixtures("way")
def test_a_stop_from_another_thread_ends_the_command(command: Runner) -> None:
    ready = command.folder / "ready"
    thread = when(ready.exists, command.stop.request)
    done = command.shell("trap 'exit 0' TERM; sleep 60 & touch ready; wait", timeout_s=None, grace_s=1.0)
    thread.join()
    assert (done.returncode, done.stopped, done.timed_out) == (0, True, False)


@pytest.mark.usefixtures("way")
def test_a_stop_that_kills_gives_no_grace(command: Runner) -> None:
    ready = command.folder / "ready"
    thread = when(ready.exists, lambda: command.stop.request(kill=True))
    done = command.shell("trap 'echo tidy' TERM; touch ready; sleep 60", timeout_s=None, grace_s=BOUND_S)
    thread.join()
    assert (done.returncode, done.stopped) == (-signal.SIGKILL, True)
    assert done.stdout_path is None


@pytest.mark.usefixtures("way")
def test_a_second_stop_cuts_the_grace_short(command: Runner) -> None:
    noticed = command.folder / "noticed"
    first = when((command.folder / "ready").exists, command.stop.request)
    second = when(noticed.exists, lambda: command.stop.request(kill=True))
    script = "trap 'touch noticed' TERM; touch ready; while :; do sleep 60 & wait; done"
    done = command.shell(script, timeout_s=None, grace_s=2 * BOUND_S)
    first.join()
    second.join()
    assert (done.returncode, done.stopped) == (-signal.SIGKILL, True)
    assert done.duration_s < BOUND_S


@only_linux
def test_a_second_stop_cuts_the_grace_of_children_short(command: Runner) -> None:
    leader = command.folder / "leader"
    is_deaf = '[ "$(cat /proc/$!/comm)" = sleep ]'
    script = f"(trap '' TERM; exec sleep 60) & until {is_deaf}; do :; done; echo $$ > leader; wait"
    first = when(lambda: leader.exists() and leader.read_text(), command.stop.request)
    first_is_done = when(
        lambda: not first.is_alive() and is_gone(command.pid("leader")), lambda: command.stop.request(kill=True)
    )
    before = time.monotonic()
    done = command.shell(script, timeout_s=None, grace_s=2 * BOUND_S)
    first_is_done.join()
    assert (done.returncode, done.stopped) == (-signal.SIGTERM, True)
    assert [leak.command for leak in done.leaked] == ["sleep 60"]
    assert time.monotonic() - before < BOUND_S


def test_nothing_starts_while_a_stop_is_asked(command: Runner) -> None:
    command.stop.request()
    assert command.shell("touch started").stopped
    assert not (command.folder / "started").exists()
    command.stop.clear()
    assert not command.shell("touch started").stopped
    assert (command.folder / "started").exists()


@pytest.mark.usefixtures("way")
def test_an_error_on_our_side_ends_the_command(command: Runner) -> None:
    def fail(stream: str, data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command.shell("echo $$ > leader; echo hello; sleep 60", on_output=fail)
    assert is_gone(command.pid("leader"))
    assert command("true").returncode == 0


# What is left behind


@only_linux
@pytest.mark.parametrize(
    "script",
    [
        "sleep 60 & echo $! > child",
        "setsid sleep 60 & echo $! > child",
        "(setsid sh -c 'sleep 60 & echo $! > child') & wait",
        "sh -c 'kill -STOP $$; sleep 60' & echo $! > child; until grep -q 'State:.T' /proc/$!/status; do :; done",
        "(trap '' TERM; echo deaf > deaf; exec sleep 60) & echo $! > child; until [ -s deaf ]; do :; done",
        "exec sh -c 'sleep 60 >/dev/null 2>&1 & echo $! > child'",
    ],
    ids=["background", "own session", "double fork", "stopped", "ignores TERM", "silent"],
)
@pytest.mark.parametrize("leaks", ["kill", "fail"])
def test_what_is_left_behind_is_named_and_killed(command: Runner, script: str, leaks: str) -> None:
    done = command.shell(script, leaks=leaks, grace_s=0.2)
    assert (done.returncode, done.timed_out, done.stopped) == (0, False, False)
    child = command.pid("child")
    assert is_gone(child)
    (leak,) = [leak for leak in done.leaked if leak.pid == child]
    assert "sleep 60" in leak.command
    assert leak.killed


@only_linux
def test_a_whole_tree_left_behind_is_killed(command: Runner) -> None:
    script = "setsid sh -c 'sleep 60 & setsid sleep 61 & echo ready > ready; wait' & until [ -s ready ]; do :; done"
    done = command.shell(script)
    names = sorted(leak.command for leak in done.leaked)
    assert names[1:] == ["sleep 60", "sleep 61"]
    assert names[0].startswith("sh -c sleep 60")
    assert all(leak.killed and is_gone(leak.pid) for leak in done.leaked)


@only_linux
def test_a_group_that_left_its_session_leader_is_found(command: Runner) -> None:
    body = """
import os, time
read_fd, write_fd = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    print(os.getpid(), flush=True)
    os.write(write_fd, b"ready")
    time.sleep(60)
os.read(read_fd, 5)
"""
    done = command.python(body)
    assert [leak.pid for leak in done.leaked] == [int(read(done.stdout_path))]


@only_linux
def test_what_ends_right_after_its_leader_is_not_left_behind(command: Runner) -> None:
    done = command.shell("mkfifo gate; (read x < gate; echo late) & echo go > gate")
    assert done.leaked == ()
    assert read(done.stdout_path) == "late\n"


@only_linux
def test_allowed_processes_live_on_and_do_not_disturb_the_next_command(command: Runner) -> None:
    script = "sh -c 'echo $$ > daemon; while [ ! -e go ]; do sleep 0.01; done; echo more; exec sleep 60' &"
    done = command.shell(script, leaks="allow")
    daemon = command.pid("daemon")
    try:
        assert daemon in [leak.pid for leak in done.leaked]
        assert not any(leak.killed for leak in done.leaked)
        after = command.shell("touch go; until grep -q sleep /proc/$(cat daemon)/comm && ! [ -e never ]; do :; done")
        assert after.leaked == ()
        assert after.stdout_path is None, "the daemon's output is not the next command's"
        assert command.shell("sleep 60 &").leaked[0].pid != daemon
        assert linux.is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)
        os.waitpid(daemon, 0)


@only_linux
def test_a_time_limit_spares_an_allowed_daemon(command: Runner) -> None:
    script = "(setsid sh -c 'echo $$ > daemon; exec sleep 60' &); until [ -s daemon ]; do :; done; sleep 60"
    done = command.shell(script, leaks="allow", timeout_s=LIMIT_S)
    daemon = command.pid("daemon")
    try:
        assert done.timed_out
        assert [(leak.pid, leak.killed) for leak in done.leaked] == [(daemon, False)]
        assert linux.is_running(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)
        os.waitpid(daemon, 0)


@only_linux
def test_children_from_before_the_command_are_never_touched(command: Runner) -> None:
    script = "sleep 60 & echo ready; wait"
    older = [
        subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=own) for own in (True, False)
    ]
    try:
        for each in older:
            assert each.stdout is not None
            each.stdout.readline()
        # Those that have ended are what earlier tests left.
        pids = [pid for pid in linux.descendants(os.getpid()) if linux.is_running(pid)]
        done = command.shell("sleep 60 & setsid sleep 60 &")
        assert {leak.command for leak in done.leaked} == {"sleep 60"}
        assert len(done.leaked) == 2
        command.shell("sleep 60", timeout_s=0.2)
        assert [pid for pid in linux.descendants(os.getpid()) if linux.is_running(pid)] == pids
    finally:
        for each in older:
            for pid in (*linux.descendants(each.pid), each.pid):
                os.kill(pid, signal.SIGKILL)
            each.communicate(timeout=BOUND_S)


def test_the_portable_way_ends_the_group_left_behind(command: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "has_pidfd", lambda: False)
    done = command.shell("sleep 60 & echo $! > child")
    assert [leak.killed for leak in done.leaked] == [True]
    assert "group" in done.leaked[0].command
    assert is_gone(command.pid("child"))


# Output


def test_silent_commands_share_two_files_and_leave_none(command: Runner) -> None:
    for _ in range(5):
        done = command("true")
        assert (done.stdout_path, done.stderr_path) == (None, None)
    assert len(command.spooled()) == 2
    remove_spare(command.spool.folder)
    assert command.spooled() == []


@pytest.mark.usefixtures("way")
def test_output_stays_under_the_commands_name(command: Runner) -> None:
    command.shell("echo 1", name="crate[memory-core]")
    command.shell("echo 2 >&2", name="crate[memory-core]")
    done = command.shell("echo 3", name="../a/b c\x1b\n" + "é" * 300)
    assert done.stdout_path is not None
    assert os.path.dirname(done.stdout_path) == command.spool.folder
    assert len(os.path.basename(done.stdout_path)) < 120
    remove_spare(command.spool.folder)
    assert command.spooled() == ["_a_b_c_.out", "crate[memory-core]-2.err", "crate[memory-core].out"]


def test_spools_of_two_workers_never_share_a_name(tmp_path: Path) -> None:
    first, second = Runner(tmp_path), Runner(tmp_path)
    paths = {runner.shell("echo x").stdout_path for runner in (first, second, first, second)}
    assert len(paths) == 4
    done = second.shell("echo y >&2", name="merged")
    merged = merge_log(done.stdout_path, done.stderr_path, str(tmp_path / "spool" / "merged.log"))
    assert merged is not None
    assert first.shell("echo z", name="merged").stdout_path != merged.replace(".log", ".out")


def test_output_survives_the_deletion_of_its_folder(command: Runner) -> None:
    done = command.shell("echo before; rm -rf spool; echo after")
    assert read(done.stdout_path) == "before\nafter\n"
    assert read(command.shell("echo next").stdout_path) == "next\n"


def test_a_folder_that_is_removed_all_the_time_loses_no_output(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "logs"
    spool, has_ended = Spool(folder), threading.Event()

    def remove() -> None:
        while not has_ended.is_set():
            shutil.rmtree(folder.parent, ignore_errors=True)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(300):
            files = spool.take()
            os.write(files["out"].fd, b"said")
            assert spool.keep(files, f"check-{number}", is_quiet=True)["out"][1] == len("said")
    finally:
        has_ended.set()
        remover.join()


def test_output_is_handed_on_while_the_command_runs(command: Runner) -> None:
    seen: list[tuple[str, bytes]] = []

    def note(stream: str, data: bytes) -> None:
        seen.append((stream, data))
        if len(seen) == 1:
            (command.folder / "go").touch()

    done = command.shell(
        "echo first; until [ -e go ]; do sleep 0.01; done; echo second >&2; printf last", on_output=note
    )
    assert not done.timed_out
    assert seen[0] == ("stdout", b"first\n")
    assert b"".join(data for stream, data in seen if stream == "stdout") == b"first\nlast"
    assert b"".join(data for stream, data in seen if stream == "stderr") == b"second\n"


@pytest.mark.usefixtures("way")
def test_closed_streams_are_no_end(command: Runner) -> None:
    done = command.shell("exec >&- 2>&-; sleep 0.1; touch finished")
    assert done.returncode == 0
    assert (command.folder / "finished").exists()


@only_linux
def test_a_process_that_holds_the_output_open_cannot_hang_us(command: Runner) -> None:
    done = command.shell("echo mine; (while :; do echo more; sleep 0.01; done) &")
    assert done.returncode == 0
    assert read(done.stdout_path).startswith("mine\n")
    assert done.leaked


def test_a_flood_is_kept_whole_and_shown_in_part(command: Runner) -> None:
    done = command.shell("yes 0123456789abcdef | head -c 200000000")
    assert done.returncode == 0
    assert done.stdout_size == 200_000_000
    assert done.stdout_path is not None
    excerpt = read_excerpt(done.stdout_path)
    lines = excerpt.text.split("\n")
    (notice,) = [line for line in lines if line.startswith("...")]
    shown = len(excerpt.text) - len(notice) - 1
    assert shown + excerpt.hidden_bytes == 200_000_000
    assert excerpt.hidden_lines is not None
    assert excerpt.hidden_lines * 17 == excerpt.hidden_bytes
    assert notice == f"... 199.9 MB ({excerpt.hidden_lines:,} lines) hidden; whole log: {done.stdout_path} ..."
    os.unlink(done.stdout_path)


def test_a_flood_without_lines_is_cut_anywhere(command: Runner) -> None:
    done = command.shell("head -c 200000 /dev/zero | tr '\\0' x")
    assert done.stdout_path is not None
    excerpt = read_excerpt(done.stdout_path, head=100, tail=200)
    assert excerpt.text == f"{'x' * 100}\n... 199.7 kB (1 line) hidden; whole log: {done.stdout_path} ...\n{'x' * 200}"
    assert (excerpt.hidden_bytes, excerpt.hidden_lines) == (199_700, 1)


@pytest.mark.parametrize("size", [0, 1, 99, 100])
def test_short_logs_are_shown_whole(tmp_path: Path, size: int) -> None:
    log = tmp_path / "log"
    log.write_text("x" * size)
    excerpt = read_excerpt(str(log), head=40, tail=60)
    assert excerpt == Excerpt(text="x" * size, hidden_bytes=0, hidden_lines=0)


def test_long_logs_are_cut_between_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100, 200)))
    excerpt = read_excerpt(str(log), head=25, tail=25)
    notice = f"... 864 bytes (96 lines) hidden; whole log: {log} ..."
    assert excerpt.text == f"line 100\nline 101\n{notice}\nline 198\nline 199\n"


def test_bytes_that_are_no_text_are_replaced(command: Runner) -> None:
    done = command("printf", r"ok \377\376 end")
    assert done.stdout_path is not None
    assert read_excerpt(done.stdout_path).text == "ok \ufffd\ufffd end"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("true", None),
        ("echo out", "out\n"),
        ("echo err >&2", "err\n"),
        ("printf out; echo err >&2", f"out\n{'-' * 28} stderr {'-' * 28}\nerr\n"),
    ],
)
def test_one_log_for_people(command: Runner, script: str, text: str | None) -> None:
    log = command.folder / "logs" / "one.log"
    done = command.shell(script)
    assert merge_log(done.stdout_path, done.stderr_path, str(log)) == (str(log) if text else None)
    assert (log.read_text() if log.exists() else None) == text
    remove_spare(command.spool.folder)
    assert not command.spool.folder or command.spooled() == []


def test_a_result_is_made_of_builtin_values(command: Runner) -> None:
    data = vars(command.shell("echo x"))
    assert {type(value) for value in data.values()} <= {int, float, bool, str, tuple, type(None)}


NO_ROOM = """
import resource, sys
from pytest_paragate.run.spool import has_room
print(has_room(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print(has_room(sys.argv[1]))
"""


def test_whether_there_is_room_for_output_is_asked_of_the_file_system(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_ROOM, str(tmp_path)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split() == ["True", "False"]
    assert has_room(str(tmp_path / "gone"))
    assert list(tmp_path.iterdir()) == []

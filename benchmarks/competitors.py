"""Tools that run many commands: how each is found, what its input looks like and how it is started.

Each ``prepare`` function writes a project of ``work.count`` independent checks, every one running ``work.command``,
into ``work.folder`` and returns how to run all of them, at most ``work.jobs`` at once. A check is whatever the tool
has a name for. Every check runs on every launch: no tool may answer from a cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate import many_commands, write_project
from measure import Launch

BY_PIP = "pip install -r benchmarks/requirements.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """``count`` times ``command`` (one word, no shell syntax), at most ``jobs`` at once, declared inside ``folder``."""

    folder: Path
    command: str
    count: int
    jobs: int

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def launch(self, *argv: str, **env: str) -> Launch:
        return Launch(argv=argv, cwd=self.folder, env=env)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """``find`` gives the program's path, or None when it is not installed; ``hint`` says how to install it.

    ``most`` spares everybody minutes of waiting for a very slow tool: it runs at most so many commands, and its
    numbers for more are extrapolated.
    """

    name: str
    find: Callable[[], str | None]
    hint: str
    prepare: Callable[[Work, str], Launch]
    most: int | None = None


def on_path(program: str) -> Callable[[], str | None]:
    return lambda: shutil.which(program)


def beside_python(program: str) -> Callable[[], str | None]:
    """Programs installed by pip live beside the interpreter, whether or not that folder is on PATH."""
    return lambda: shutil.which(program, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))


def prek_with_git() -> str | None:
    return beside_python("prek")() if shutil.which("git") else None


def importable(module: str) -> Callable[[], str | None]:
    """This interpreter, if it can import the module (asked in another process, to keep this one small)."""

    def find() -> str | None:
        probe = subprocess.run([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL)
        return sys.executable if probe.returncode == 0 else None

    return find


def paragate(work: Work, _python: str) -> Launch:
    return write_project(work.folder, "conftest.py", many_commands(work.command, work.count), "--paragate")


def posix_spawn(work: Work, python: str) -> Launch:
    """What the processes alone cost a single-threaded Python program: start, wait, nothing else."""
    work.write(
        "spawn.py",
        f"""\
import os, shutil
program = shutil.which({work.command!r})
left, running, failed = {work.count}, 0, 0
while left or running:
    while left and running < {work.jobs}:
        os.posix_spawn(program, [program], os.environ)
        left, running = left - 1, running + 1
    failed += os.wait()[1] != 0
    running -= 1
raise SystemExit(failed > 0)
""",
    )
    return work.launch(python, "spawn.py")


def execnet_loop(work: Work, python: str) -> Launch:
    """Gateways that run a command for each message, and a controller that sends the next one to whoever is free."""
    work.write(
        "loop.py",
        f"""\
import execnet

def serve(channel):
    import subprocess
    for command in channel:
        channel.send(subprocess.run([command]).returncode)

group = execnet.Group(["popen"] * {work.jobs})
channels = group.remote_exec(serve)
results = channels.make_receive_queue()
commands = iter([{work.command!r}] * {work.count})
failed = running = 0
for channel, command in zip(channels, commands):
    channel.send(command)
    running += 1
while running:
    channel, returncode = results.get()
    failed += returncode != 0
    running -= 1
    for command in commands:
        channel.send(command)
        running += 1
        break
for channel in channels:
    channel.close()
group.terminate(timeout=5)
raise SystemExit(failed > 0)
""",
    )
    return work.launch(python, "loop.py")


def pytest_xdist(work: Work, _python: str) -> Launch:
    text = f"""\
import subprocess
import pytest

@pytest.mark.parametrize("i", range({work.count}))
def test_command(i):
    subprocess.run([{work.command!r}], check=True)
"""
    return write_project(work.folder, "test_commands.py", text, "-p", "no:paragate", "-n", str(work.jobs))


def make(work: Work, program: str) -> Launch:
    targets = " ".join(f"check{i}" for i in range(work.count))
    work.write("Makefile", f"all: {targets}\n.PHONY: all {targets}\n{targets}:\n\t@{work.command}\n")
    return work.launch(program, f"-j{work.jobs}")


def ninja(work: Work, program: str) -> Launch:
    """The outputs are never written, so that every run is a full run."""
    builds = "".join(f"build check{i}: run\n" for i in range(work.count))
    work.write("build.ninja", f"rule run\n  command = {work.command}\n{builds}")
    return work.launch(program, f"-j{work.jobs}")


def gnu_parallel(work: Work, program: str) -> Launch:
    work.write("commands.txt", f"{work.command}\n" * work.count)
    return work.launch(program, "--will-cite", f"-j{work.jobs}", "::::", "commands.txt")


def doit(work: Work, program: str) -> Launch:
    work.write(
        "dodo.py",
        f"""\
def task_check():
    for i in range({work.count}):
        yield {{"name": str(i), "actions": [[{work.command!r}]]}}
""",
    )
    return work.launch(program, "-n", str(work.jobs))


def prek(work: Work, program: str) -> Launch:
    """Hooks of one priority run together. prek wants a git repository with its configuration staged."""
    hook = {"language": "system", "entry": work.command, "always_run": True, "pass_filenames": False, "priority": 0}
    hooks = [{"id": f"check{i}", "name": f"check{i}", **hook} for i in range(work.count)]
    # JSON is YAML.
    work.write(".pre-commit-config.yaml", json.dumps({"repos": [{"repo": "local", "hooks": hooks}]}))
    for arguments in (["init", "-q"], ["add", ".pre-commit-config.yaml"]):
        subprocess.run(["git", *arguments], cwd=work.folder, check=True)
    jobs, home = str(work.jobs), str(work.folder / ".prek")
    # The older name of the setting is there for releases that do not know the newer one.
    return work.launch(
        program, "run", "--all-files", PREK_HOME=home, PREK_CONCURRENT_HOOKS=jobs, PREK_MAX_CONCURRENCY=jobs
    )


def nox(work: Work, program: str) -> Launch:
    _write_noxfile(work)
    return work.launch(program)


def nox_parallel(work: Work, program: str) -> Launch:
    _write_noxfile(work)
    return work.launch(program, f"-j{work.jobs}", "--allow-parallel")


def _write_noxfile(work: Work) -> None:
    work.write(
        "noxfile.py",
        f"""\
import nox

def declare(name):
    @nox.session(name=name, venv_backend="none")
    def check(session):
        session.run({work.command!r}, external=True)

for i in range({work.count}):
    declare(f"check{{i}}")
""",
    )


def tox(work: Work, program: str) -> Launch:
    """One environment with many commands: far cheaper than tox's own way to parallel runs, an environment for each."""
    commands = json.dumps([[work.command]] * work.count)
    allowed = json.dumps([work.command])
    work.write(
        "tox.toml",
        'no_package = true\nenv_list = ["checks"]\n[env.checks]\nskip_install = true\nignore_errors = true\n'
        f"allowlist_externals = {allowed}\ncommands = {commands}\n",
    )
    return work.launch(program, "run")


OURS = "paragate"

TOOLS = (
    Tool(name=OURS, find=importable("pytest_paragate.plugin"), hint="pip install -e .", prepare=paragate),
    Tool(name="make -j", find=on_path("make"), hint="apt-get install make", prepare=make),
    Tool(name="ninja", find=on_path("ninja"), hint="apt-get install ninja-build", prepare=ninja),
    Tool(name="prek", find=prek_with_git, hint=f"{BY_PIP}, and git", prepare=prek),
    Tool(name="doit", find=beside_python("doit"), hint=BY_PIP, prepare=doit),
    Tool(name="GNU parallel", find=on_path("parallel"), hint="apt-get install parallel", prepare=gnu_parallel),
    Tool(name="pytest-xdist", find=importable("xdist"), hint=BY_PIP, prepare=pytest_xdist),
    Tool(name="tox, 1 env", find=beside_python("tox"), hint=BY_PIP, prepare=tox),
    Tool(name="nox", find=beside_python("nox"), hint=BY_PIP, prepare=nox),
    Tool(name="nox -j", find=beside_python("nox"), hint=BY_PIP, prepare=nox_parallel, most=40),
    Tool(name="execnet loop", find=importable("execnet"), hint=BY_PIP, prepare=execnet_loop),
    Tool(name="posix_spawn loop", find=lambda: sys.executable, hint="", prepare=posix_spawn),
)

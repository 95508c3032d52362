"""How a worker process begins and ends: forked from the collected session, or booted on a fresh interpreter."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import traceback
from typing import Any, NoReturn

import pytest

from pytest_paragate.run import benchmarks, inherit, messages, plugins
from pytest_paragate.run.items import ItemRunner, sendable
from pytest_paragate.run.worker import Worker, lead_own_group

BOOTED = pytest.StashKey[Worker]()

# Set in a forked worker before its gateway serves, for the task that the controller then has it execute.
_inherited: pytest.Session | None = None


def serve_forked(session: pytest.Session, worker: str, read_fd: int, write_fd: int) -> NoReturn:
    """Be a worker until the controller lets go; runs in a process just forked by the zygote."""
    global _inherited
    status = 1
    try:
        from execnet.gateway_base import WorkerGateway

        from pytest_paragate.run.pipe_io import PipeIO

        inherit.leave_main_process(session.config)
        lead_own_group()
        _inherited = session
        io = PipeIO(read_fd, write_fd, "main_thread_only")
        WorkerGateway(io=io, id=worker, _startcount=2).serve()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        with contextlib.suppress(Exception):
            inherit.save_coverage()
        # Never up the stack that was forked: it is the main process's.
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        os._exit(status)
    raise AssertionError


def forked(channel: Any) -> None:
    """What a forked worker's gateway executes."""
    session = _inherited
    assert session is not None
    environment = dict(os.environ)
    try:
        setup = messages.opened(channel.receive())
    except EOFError:  # there was no work for it after all
        return
    inherit.reopen_streams(session.config, setup["crash_path"])
    inherit.mute_terminal(session.config, setup["crash_path"])
    worker = Worker(channel, {**setup, "environment": environment})
    runner: ItemRunner | None = None

    def run_items(message: messages.Message) -> None:
        nonlocal runner
        if runner is None:  # until then it is a worker for commands, which have nothing to do with pytest
            inherit.become_worker(session.config, worker.setup["workerinput"])
            runner = ItemRunner(session, worker)
            if worker.setup["workerinput"]["paragate_says_ready"]:
                worker.send({"say": "ready", "info": None})
        runner.run(message)

    worker.serve(boot=_never, run_items=run_items)
    if runner is None:
        worker.send({"say": "bye", "output": {}})
        return
    runner.finish()
    problem = None
    try:
        plugins.end(session)
    except Exception as failure:
        problem = f"{type(failure).__name__}: {failure}"
    _say_goodbye(worker, session.config, problem)


def booted(channel: Any) -> None:
    """What a worker on a fresh interpreter executes. It makes a session for the first item; commands need none."""
    setup = messages.opened(channel.receive())
    sys.path[:] = setup["sys_path"]
    os.chdir(setup["folder"])
    lead_own_group()
    with contextlib.suppress(OSError):  # on another machine there may be no such folder
        inherit.redirect_stderr(setup["crash_path"])
    worker = Worker(channel, setup)
    worker.serve(boot=_boot)
    if not worker.has_said_goodbye:
        worker.send({"say": "bye", "output": {}})


def serve_session(session: pytest.Session) -> None:
    """The run loop of a booted worker's session."""
    worker = session.config.stash[BOOTED]
    inherit.mute_terminal(session.config, worker.setup["crash_path"])
    from xdist.remote import getinfodict

    runner = ItemRunner(session, worker)
    worker.send({"say": "ready", "info": sendable(getinfodict())})
    worker.take_up(runner.run)
    runner.finish()
    benchmarks.hand_over(session.config)
    inherit.mute_terminal(session.config)


def _boot(worker: Worker) -> None:
    from _pytest.config import _prepareconfig

    try:
        workerinput = worker.setup["workerinput"]
        os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
        os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
        os.environ["PYTEST_XDIST_TESTRUNUID"] = workerinput["testrunuid"]
        config = _prepareconfig(worker.setup["args"], None)
        config.args[:] = worker.setup["collect_args"]
        config.option.basetemp = None
        if hasattr(config.option, "dist"):
            # Not before pytest has loaded it as a plugin: that would cost it the rewriting of its assertions.
            from xdist.remote import setup_config

            setup_config(config, None)
        config._parser.prog = os.path.basename(workerinput["mainargv"][0])
        inherit.mark_as_worker(config, workerinput)
        plugins.keep_from_clearing(config)
        benchmarks.before_configure(config)
        config.stash[BOOTED] = worker
        witness = _Witness()
        config.pluginmanager.register(witness, "paragate-witness")
        status = config.hook.pytest_cmdline_main(config=config)
        worker.refuse_pending(f"the worker's own session ended with exit status {int(status)}{witness.said}")
        if worker.has_session:
            # Not before the end of the session, at which plugins fill in their output.
            _say_goodbye(worker, config, witness.said.removeprefix(": ") or None)
    except BaseException as problem:
        why = f"{type(problem).__name__}: {problem}"
        worker.refuse_pending(f"the worker's session could not start: {why}")
        if worker.has_session:
            _say_goodbye(worker, config, why)


class _Witness:
    """Sees how a booted session begins, and hears why it fails before it can run anything."""

    said = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        benchmarks.after_configure(session.config)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.said = f": {str(excrepr).strip().splitlines()[-1]}"


def _say_goodbye(worker: Worker, config: pytest.Config, problem: str | None) -> None:
    output = sendable(getattr(config, "workeroutput", {}))
    worker.has_said_goodbye = True
    worker.send({"say": "bye", "output": output, "problem": problem})


def _never(worker: Worker) -> None:
    raise AssertionError("a forked worker has its session from the beginning")

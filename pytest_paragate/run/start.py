"""How a worker process begins and ends: forked from the collected session, or booted on a fresh interpreter."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_paragate import garbage
from pytest_paragate.collect import COLLECTING
from pytest_paragate.imports import Late
from pytest_paragate.run import inherit, messages
from pytest_paragate.run.messages import Message, packed
from pytest_paragate.run.worker import Worker, lead_own_group

if TYPE_CHECKING:
    from pytest_paragate.model import Check
    from pytest_paragate.run import benchmarks, plugins, relay
    from pytest_paragate.run.items import ItemRunner
    from pytest_paragate.run.zygote import Zygote
else:  # wanted by items, and by commands not at all
    benchmarks = Late("pytest_paragate.run.benchmarks")
    plugins = Late("pytest_paragate.run.plugins")
    relay = Late("pytest_paragate.run.relay")

BOOTED = pytest.StashKey[Worker]()
_THREADS_END_WITHIN_S = 10.0
_WAS_DISMISSED = pytest.StashKey[bool]()
_FOUND_AT_END = pytest.StashKey[str | None]()

# Set in the fork server, for the task that the controller has each of its workers execute.
_inherited: pytest.Session | None = None
_runner: ItemRunner | None = None
_fault: BaseException | None = None


def fork_server(session: pytest.Session, checks: Sequence[Check]) -> Zygote:
    """Fork a server whose workers run ``checks``, the items that ``session`` has collected."""
    # Half here and half in the server: then both are ready at the same time. What is imported there takes longer, as
    # every page that it touches is copied.
    import pytest_paragate.run.pipe_io  # noqa: F401
    from pytest_paragate.run.zygote import Zygote

    return Zygote(serve_forked, lambda: _prepare(session, checks))


def import_for(checks: Sequence[Check]) -> None:
    """Import what workers of ``checks`` need, so that none of them does it alone."""
    kinds = {check.kind for check in checks}
    if "command" in kinds:
        import pytest_paragate.run.commands
    if "function" in kinds:
        import pytest_paragate.run.leftovers
    if kinds != {"command"}:
        import pytest_paragate.run.items
        import pytest_paragate.run.plugins
        import pytest_paragate.run.relay  # noqa: F401


def _prepare(session: pytest.Session, checks: Sequence[Check]) -> None:
    """Do in the fork server what each of its workers would do: here it takes time once, and memory.

    What goes wrong in it goes wrong in each worker that is given an item.
    """
    global _inherited, _runner, _fault
    _inherited = session
    import_for(checks)
    inherit.leave_main_process(session.config)
    if any(check.kind != "command" for check in checks):
        from pytest_paragate.run.items import ItemRunner

        try:
            inherit.silence_reporters(session.config)
            _runner = ItemRunner(session, session.config.stash[COLLECTING].selected)
        except BaseException as problem:
            _fault = problem
    garbage.set_aside()


def serve_forked(worker: str, read_fd: int, write_fd: int) -> NoReturn:
    """Be a worker until the controller lets go; runs in a process just forked by the zygote."""
    status = 1
    try:
        from execnet.gateway_base import WorkerGateway

        from pytest_paragate.run.pipe_io import PipeIO

        inherit.listen_to_signals()
        lead_own_group()
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


def _threads_at_work() -> list[threading.Thread]:
    """Those that an interpreter waits for before it ends."""
    return [each for each in threading.enumerate() if not each.daemon and each is not threading.current_thread()]


def _wait_for_threads() -> None:
    """Let threads of tests end, as an interpreter does before it ends."""
    threads = _threads_at_work()
    if not threads:
        return
    for tell in threading._threading_atexits:  # type: ignore[attr-defined]  # pools that nothing will come any more
        threading.Thread(target=tell, daemon=True).start()
    give_up_at = time.monotonic() + _THREADS_END_WITHIN_S
    for thread in threads:
        thread.join(max(give_up_at - time.monotonic(), 0))


def forked(channel: Any) -> None:
    """What a forked worker's gateway executes."""
    session = _inherited
    assert session is not None
    environment = dict(os.environ)
    collecting = session.config.stash[COLLECTING]

    def order_of(index: int) -> Message:
        check = collecting.check_of(collecting.selected[index])
        assert check.command is not None
        return messages.command(index, check, check.command)

    try:
        setup = messages.opened(channel.receive())
        inherit.reopen_streams(session.config, setup["crash_path"])
        inherit.mute_terminal(session.config, setup["crash_path"])
        worker = Worker(channel, {**setup, "environment": environment}, order_of=order_of)
    except EOFError:  # there was no work for it after all
        return
    worker.find_parse = lambda index, nodeid: collecting.check_of(collecting.selected[index]).parse
    runner: ItemRunner | None = None

    def run_items(message: Message) -> None:
        nonlocal runner
        if runner is None:  # until then it is a worker for commands, which have nothing to do with pytest
            if _fault is not None:
                raise _fault
            assert _runner is not None
            runner = _runner
            runner.work_for(worker)
            inherit.become_worker(session.config, worker.setup["workerinput"])
            relay.relay(session.config, worker)
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
    _say_goodbye(worker, session.config, problem or _search_at_end(session.config))


def booted(channel: Any) -> None:
    """What a worker on a fresh interpreter executes. It makes a session for the first item; commands need none."""
    setup = messages.opened(channel.receive())
    make_worker = Worker
    if setup.get("is_guest"):
        from pytest_paragate.run import guest

        make_worker = guest.GuestWorker
        try:
            setup = guest.settle(setup)
        except guest.Unfit as problem:
            channel.send({"say": "unfit", "why": str(problem)})
            return
    sys.path[:] = setup["sys_path"]
    os.chdir(setup["folder"])
    lead_own_group()
    inherit.redirect_stderr(setup["crash_path"])
    failures: list[str | None] = []
    worker = make_worker(channel, setup)
    worker.serve(boot=lambda worker: failures.append(_boot(worker)))
    worker.tell()
    if worker.has_said_goodbye:
        if _threads_at_work():  # the interpreter would wait for them without an end
            with contextlib.suppress(BaseException):
                atexit._run_exitfuncs()
            os._exit(0)
        return
    if why := next(iter(failures), None):
        worker.send({"say": "bye", "output": {}, "why": why})
    else:
        worker.send({"say": "bye", "output": {}})


def serve_session(session: pytest.Session) -> None:
    """The run loop of a booted worker's session."""
    config = session.config
    worker = config.stash[BOOTED]
    garbage.look_as_usual()
    inherit.mute_terminal(config, worker.setup["crash_path"])
    from xdist.remote import getinfodict

    from pytest_paragate.run.items import ItemRunner

    runner = ItemRunner(session, session.items)
    runner.work_for(worker)
    relay.relay(config, worker)
    worker.send({"say": "ready", "info": packed(getinfodict())})
    if "nodeids" in worker.setup:
        from pytest_paragate.run.agreement import WITNESS

        config.stash[WITNESS].warn_of_more(config, worker.setup["nodeids"], session.items)
    worker.take_up(runner.run)
    runner.finish()
    benchmarks.hand_over(config)
    plugins.tell_status(session)
    # pytest will do the same, and nobody hears of warnings then.
    config.stash[_FOUND_AT_END] = _search_at_end(config)
    inherit.mute_terminal(config)
    config.stash[_WAS_DISMISSED] = True


def _boot(worker: Worker) -> str | None:
    """Make a session and run it to its end; returns what went wrong with the session itself."""
    from _pytest.config import _prepareconfig

    from pytest_paragate.run.agreement import WITNESS, Witness

    has_begun = was_dismissed = False
    witness = Witness()
    try:
        workerinput = worker.setup["workerinput"]
        os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
        os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
        os.environ["PYTEST_XDIST_TESTRUNUID"] = workerinput["testrunuid"]
        config = _prepareconfig(worker.setup["args"], None)
        config.args[:] = worker.setup["collect_args"]
        config.option.basetemp = None
        config.option.cacheclear = False
        config.option.log_file_mode = "a"  # the controller has begun it, and the others write to it too
        if hasattr(config.option, "dist"):
            # Not before pytest has loaded it as a plugin: that would cost it the rewriting of its assertions.
            from xdist.remote import setup_config

            setup_config(config, None)
        config._parser.prog = os.path.basename(workerinput["mainargv"][0])
        inherit.mark_as_worker(config, workerinput)
        plugins.keep_from_clearing(config)
        plugins.settle_seed(config, workerinput)
        benchmarks.before_configure(config)
        config.stash[BOOTED], config.stash[WITNESS] = worker, witness
        config.pluginmanager.register(witness, "paragate-witness")
        if moves := worker.setup.get("moves"):
            from pytest_paragate.run.guest import Homeward

            config.pluginmanager.register(Homeward(moves), "paragate-homeward")
        has_begun = True
        status = config.hook.pytest_cmdline_main(config=config)
        was_dismissed = config.stash.get(_WAS_DISMISSED, False)
        why = f"the worker's own session ended with exit status {int(status)}{witness.said}"
        problem = witness.said.removeprefix(": ") or None
    except BaseException as failure:
        how = "failed" if has_begun else "could not start"
        problem = f"{type(failure).__name__}: {failure}"
        why = f"the worker's session {how}: {problem}"
        was_dismissed = has_begun and config.stash.get(_WAS_DISMISSED, False)
    if was_dismissed:
        # Not before the end of the session, at which plugins fill in their output.
        _say_goodbye(worker, config, config.stash[_FOUND_AT_END] or problem)
        return None
    if worker.setup.get("is_guest") and not worker.has_session:
        worker.send({"say": "unfit", "why": why})
    else:
        worker.refuse_pending(why)
    return why


def _search_at_end(config: pytest.Config) -> str | None:
    """What was wrong with garbage, where that is an error."""
    try:
        garbage.search_at_end(config)
    except Exception as failure:
        words = [f"{type(each).__name__}: {each}" for each in (failure.__cause__, failure) if each is not None]
        return "; ".join(words)
    return None


def _say_goodbye(worker: Worker, config: pytest.Config, problem: str | None) -> None:
    output = packed(getattr(config, "workeroutput", {}))
    with contextlib.suppress(Exception):
        _wait_for_threads()
    worker.pass_on_output()
    worker.tell()
    worker.has_said_goodbye = True
    worker.send({"say": "bye", "output": output, "problem": problem})


def _never(worker: Worker) -> None:
    raise AssertionError("a forked worker has its session from the beginning")

"""What the controller and its workers say to each other.

Orders and the few answers that are sent are dicts of builtin types over the gateway; ``do`` names what the controller
wants, ``say`` what the worker answers.

===========  ==============================================================================================
do
===========  ==============================================================================================
command      run one command: ``index``, its ``units`` as environment variables, and where the worker has no copy of
             the plan ``name, argv, cwd, env, shell, timeout_s, grace_s, leaks``, and where they are wanted ``parse``,
             the judge of its output, ``own``: that is an object which the worker's session has, or ``bounds_memory``:
             a peak that is not known is told as a bound
commands     run these short ones, one after another: ``indices``, and ``orders`` as above where there is no copy
node         items will follow, and this is ``config.workerinput`` for them: ``workerinput``
items        run collected items in order: ``indices``, and where they are not the defaults ``nodeids, is_check,
             results, grace_s, leaks, units``
basetemp     the base folder for temporary files that the worker has asked for: ``path``
stop         end ``index`` if it runs, or as soon as it would; ``kill`` skips the grace; with ``ends_run`` whatever runs
             is ended, and what follows it in its run is left
exit         tear down, say goodbye and end
===========  ==============================================================================================

===========  ==============================================================================================
say
===========  ==============================================================================================
news         there is news in the worker's journal; from a worker that has none, ``lines`` of it
output       live output under ``-s``: ``index, stream, data``
log          part of a log, from a machine that shares no files with the controller: ``name, data``
basetemp     a test wants a temporary folder, and the worker has no base folder yet
ready        its session is there: ``info`` about its interpreter, None where it is a copy
unfit        this process cannot be a worker, and none like it: ``why``
bye          the last message: ``output`` is what plugins left in ``config.workeroutput``, ``why`` what went wrong
             with the session if it was not told to end, ``problem`` what at its end
===========  ==============================================================================================

News are lists: a kind, and what belongs to it. Most of them are written to the worker's journal (see
:mod:`~pytest_paragate.run.journal`), many before anybody is told.

===========  ==============================================================================================
news
===========  ==============================================================================================
begin        an item starts: ``index, at``
ended        a command came to its own end, silently: ``index, returncode, started_at, duration_s, cpu_s, max_rss_kb``
passed       an item passed and its reports say nothing else: ``index, started_at, duration_s, phases``, where phases
             are ``duration, start, stop`` of setup, call and teardown; ``cpu_s`` behind them of what has the mark
command      a command ended: ``index, facts``, the same as of ``ended`` by name, and where there are any ``timed_out,
             stopped, leaked``, what was read from its output (``judged``), its ``log`` and the ``output`` that people
             see of it
cannot       a command could not be started: ``index, why``
item         an item ended: ``index`` and the fields of :class:`~pytest_paragate.run.items.ItemDone`
differs      the worker collected other items than the controller: ``index, why``
left         what was not begun of a run, and will not be: ``indices``
tearing      what an item that has ended had left standing is being torn down; ``torn`` follows
stop         something asked the worker's session to stop: ``kind`` (``"shouldstop"``, ``"shouldfail"``), ``why``
late         a fixture's teardown failed after its item had ended: ``report``
exit         that teardown asks for the end of the session: ``kind`` (``"exit"``, ``"interrupt"``), ``text, returncode``
warning      a warning was recorded: ``warning``
===========  ==============================================================================================

Names of files, tests and variables may hold lone surrogates, for bytes that are no UTF-8. A gateway refuses them, so
such a message travels as JSON, which does not. JSON in turn has no tuples and no bytes; see :func:`packed`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_paragate.model import Check, CommandSpec
    from pytest_paragate.plan import Plan
    from pytest_paragate.verdict import Verdict

Message = dict[str, Any]
# Those of this moment: while a class or module of tests runs, something else may stand in their place.
_dumps, _loads = json.dumps, json.loads

ENDED = ("returncode", "started_at", "duration_s", "cpu_s", "max_rss_kb")
_MARK = "paragate:"

# The exit status of a worker whose own end of the connection broke under it.
LOST_CONNECTION = 97
# What pytest-xdist's conventions tell a worker's own tests must not reach a command: a nested pytest would take itself
# for a worker.
WORKER_VARIABLES = (
    "PYTEST_XDIST_WORKER",
    "PYTEST_XDIST_WORKER_COUNT",
    "PYTEST_XDIST_TESTRUNUID",
    "PYTEST_CURRENT_TEST",
)


def command(index: int, check: Check, spec: CommandSpec) -> Message:
    """Run a command check. What a command seldom needs is left out: each value costs time on both sides."""
    message: Message = {
        "do": "command",
        "index": index,
        "name": check.nodeid,
        "argv": spec.argv,
        "cwd": spec.cwd,
        "grace_s": check.grace_s,
        "leaks": check.leaks,
    }
    if spec.env:
        message["env"] = dict(spec.env)
    if spec.shell:
        message["shell"] = True
    if check.timeout_s is not None:
        message["timeout_s"] = check.timeout_s
    if any("max_rss_kb" in text for text in check.expect):
        message["bounds_memory"] = True
    if isinstance(check.parse, str):
        message["parse"] = check.parse
    elif check.parse is not None:
        message["own"] = True
    return message


def items(plan: Plan, indices: Sequence[int], verdicts: Mapping[int, Verdict], *, with_names: bool) -> Message:
    """Run collected items: one function check or marked test, with what is known of its needs, or a run of tests.

    ``with_names`` is for workers that have collected by themselves: the same index may be another item there.
    """
    first = plan.checks[indices[0]]
    message: Message = {"do": "items", "indices": list(indices)}
    if with_names:
        message["nodeids"] = [plan.checks[index].nodeid for index in indices]
    if first.is_marked:
        message |= {
            "is_check": first.kind == "function",
            "results": {
                plan.checks[other].nodeid: {
                    "name": plan.checks[other].name,
                    "family": plan.checks[other].family,
                    "group": plan.checks[other].group,
                    "verdict": verdicts[other].to_dict(),
                }
                for other in (*plan.needs[indices[0]], *plan.after[indices[0]], *plan.waits_for_members(indices[0]))
                if other in verdicts  # of a group that is decided, some may still run
            },
            "grace_s": first.grace_s,
            "leaks": first.leaks,
        }
    return message


def node(workerinput: Message) -> Message:
    """Items will follow: what plugins and fixtures find in ``config.workerinput``."""
    return {"do": "node", "workerinput": workerinput}


def stop(index: int, *, kill: bool, ends_run: bool) -> Message:
    """End an item; with ``ends_run`` nothing else will be run either."""
    return {"do": "stop", "index": index, "kill": kill, "ends_run": ends_run}


def exit() -> Message:
    """Tear down and go."""
    return {"do": "exit"}


def send(channel: Any, message: Message) -> None:
    """Send ``message`` as it is, or sealed where the gateway refuses its text. Raises OSError when it is closed."""
    from execnet import DumpError

    try:
        channel.send(message)
    except DumpError:
        channel.send({"json": _dumps(message)})


def opened(message: Message) -> Message:
    """What was given to :func:`send` at the other end."""
    if "json" not in message:
        return message
    unsealed: Message = _loads(message["json"])
    return unsealed


def packed(value: Any) -> Any:
    """``value`` as JSON can hold it: tuples, bytes and odd keys are marked, and what is no builtin type is its text."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [packed(each) for each in value]
    if kind is tuple:
        return {_MARK: "tuple", "of": [packed(each) for each in value]}
    if kind is dict:
        if all(type(key) is str for key in value) and _MARK not in value:
            return {key: packed(each) for key, each in value.items()}
        return {_MARK: "dict", "of": [[packed(key), packed(each)] for key, each in value.items()]}
    if kind is bytes:
        return {_MARK: "bytes", "of": value.hex()}
    if isinstance(value, os.PathLike):
        return packed(os.fspath(value))
    try:
        return str(value)
    except Exception:
        return f"<{kind.__name__} that cannot be shown>"


def unpacked(value: Any) -> Any:
    """What was given to :func:`packed`."""
    if isinstance(value, list):
        return [unpacked(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value.get(_MARK):
        case None:
            return {key: unpacked(each) for key, each in value.items()}
        case "tuple":
            return tuple(unpacked(each) for each in value["of"])
        case "bytes":
            return bytes.fromhex(value["of"])
        case _:
            return {unpacked(key): unpacked(each) for key, each in value["of"]}

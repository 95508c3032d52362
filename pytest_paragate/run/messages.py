"""What the controller and its workers say to each other.

A message is a dict of builtin types; ``do`` names what the controller wants, ``say`` what the worker answers.

===========  ==============================================================================================
do
===========  ==============================================================================================
command      run one command: ``index, name, argv, cwd, env, shell, timeout_s, grace_s, leaks``, and where they are
             wanted ``parse``, the judge of its output, or ``own``: that is an object which the worker's session has
items        run collected items in order: ``indices, nodeids, basetemp, results, grace_s, leaks``
stop         end ``index`` if it runs, or as soon as it would; ``kill`` skips the grace; with ``ends_run`` whatever runs
             is ended, and what follows it in its run is left
exit         tear down, say goodbye and end
===========  ==============================================================================================

===========  ==============================================================================================
say
===========  ==============================================================================================
begin        an item starts: ``index, at``
command      a command ended: ``index, returncode, started_at, duration_s, cpu_s, max_rss_kb``, and where there are any
             ``timed_out, stopped, leaked``, what was read from its output (``judged``), its ``log`` and the
             ``output`` that people see of it
cannot       a command could not be started: ``index, at, why``
item         an item ended: ``index`` and the fields of :class:`~pytest_paragate.run.items.ItemDone`
left         what was not begun of a run, and will not be: ``indices``
late         a fixture's teardown failed after its item had ended: ``report``
warning      a warning was recorded: ``warning``
output       live output under ``-s``: ``index, stream, data``
differs      the worker collected other items than the controller: ``why``
bye          the last message: ``output`` is what plugins left in ``config.workeroutput``
===========  ==============================================================================================

Names of files, tests and variables may hold lone surrogates, for bytes that are no UTF-8. A gateway refuses them, so
such a message travels as JSON, which does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_paragate.model import Check, CommandSpec
    from pytest_paragate.plan import Plan
    from pytest_paragate.verdict import Verdict

Message = dict[str, Any]

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
    if isinstance(check.parse, str):
        message["parse"] = check.parse
    elif check.parse is not None:
        message["own"] = True
    return message


def items(plan: Plan, indices: Sequence[int], verdicts: Mapping[int, Verdict], *, basetemp: str) -> Message:
    """Run collected items: one function check or marked test, with what is known of its needs, or a run of tests."""
    first = plan.checks[indices[0]]
    awaited = (*plan.needs[indices[0]], *plan.after[indices[0]]) if first.is_marked else ()
    return {
        "do": "items",
        "indices": list(indices),
        "nodeids": [plan.checks[index].nodeid for index in indices],
        "basetemp": basetemp,
        "is_check": first.kind == "function",
        "results": {
            plan.checks[other].nodeid: {
                "name": plan.checks[other].name,
                "family": plan.checks[other].family,
                "verdict": verdicts[other].to_dict(),
            }
            for other in awaited
        },
        "grace_s": first.grace_s,
        "leaks": first.leaks,
    }


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
        channel.send({"json": json.dumps(message)})


def opened(message: Message) -> Message:
    """What was given to :func:`send` at the other end."""
    if "json" not in message:
        return message
    unsealed: Message = json.loads(message["json"])
    return unsealed

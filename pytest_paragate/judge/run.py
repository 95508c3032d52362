"""Finds the judge of a command that has ended and lets it read; runs where the command ran."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pytest_paragate.judge import names, scripts
from pytest_paragate.judge.facts import Facts, broken, counted, to_data
from pytest_paragate.judge.output import Marks, Output, Stream, marks_of
from pytest_paragate.judge.shell import joins_streams

Read = Callable[[Output], "Facts | None"]

# What tools say when they break, and hardly ever when they do not.
_TROUBLE = re.compile(
    r"error|usage:|fail|exception|traceback|panic|does not exist|no such|not found|cannot|can't|could not|couldn't|"
    r"went wrong|invalid|unknown|unrecognized|unexpected|unable",
    re.IGNORECASE,
)
_ANYTHING = re.compile(".")
# With this a line of a tool begins that did not get to its work.
_BREAKDOWN = re.compile(
    r"^(?:ERROR: |error: |Error: |\w+ failed$|Fatal Python error|● Validation Error|INTERNALERROR>|Traceback \(most)"
)
# What a tool says of a limit that its own numbers do not tell of; it then fails.
_MISSED = {
    "coverage": "Coverage failure: total of ",
    "pytest": "Required test coverage of ",
    "eslint": "ESLint found too many warnings",
    "jest": "does not meet ",
    "vitest": "does not meet ",
}
# What a shell or a tool says on stderr when all is well: under ``set -x``, with ``time``.
_NO_COMPLAINT = ("go: downloading ", "+ ", "++ ", "real\t", "user\t", "sys\t")
_NOT_FOUND = re.compile(r"(?:command not found|not found|No such file or directory|is not recognized as an)\s*$")


class OwnJudge(Protocol):
    """A judge that is not built in: a function, or a :class:`pytest_paragate.judge.own.Judge`."""

    def __call__(self, output: Output, /) -> Facts | Mapping[str, float] | None: ...


class Ended(Protocol):
    """What a judge has to know of a command that has ended."""

    @property
    def returncode(self) -> int: ...
    @property
    def started_at(self) -> float: ...
    @property
    def stdout_path(self) -> str | None: ...
    @property
    def stderr_path(self) -> str | None: ...
    def had_room(self) -> bool: ...


def judged(
    argv: Sequence[str],
    done: Ended,
    *,
    cwd: str,
    shell: bool = False,
    parse: str | OwnJudge | None = None,
    own: Mapping[str, OwnJudge] | None = None,
    earlier: Marks | None = None,
) -> dict[str, Any] | None:
    """What a judge reads from the output of a command, as data for a gateway; None when there is no judge for it.

    ``parse`` is what the user chose, ``own`` are further judges by program, ``earlier`` what :func:`earlier_reports`
    found before the command began.
    """
    started_at = time.time() - (time.monotonic() - done.started_at)
    output = Output(
        returncode=done.returncode,
        stdout=Stream(done.stdout_path),
        stderr=Stream(done.stderr_path),
        cwd=cwd,
        is_script=shell,
        joins_streams=shell and joins_streams(argv[0]),
        started_at=started_at,
        earlier=earlier,
    )
    try:
        facts = judge(argv, output, shell=shell, parse=parse, own=own or {})
    except Exception as problem:  # such as output that somebody has deleted
        facts = Facts(tool="judge", needs_output=True)
        facts.unreadable(f"the output could not be judged: {type(problem).__name__}: {problem}")
    if facts is not None and not done.had_room():
        facts.unreadable("there is no room left on the disk for the output").needs_output = True
    elif facts is not None and (output.stdout.is_lost or output.stderr.is_lost):
        facts.unreadable("somebody has removed the output").needs_output = True
    return None if facts is None else to_data(facts)


def earlier_reports(parse: object, cwd: str) -> Marks:
    """Marks of the report files that ``parse`` names and that the command, about to begin in ``cwd``, has to write."""
    if not isinstance(parse, str):
        return {}
    name, argument = names.split_parse(parse)
    return marks_of(cwd, argument) if argument and names.takes(name) == "path" else {}


def judge(
    argv: Sequence[str],
    output: Output,
    *,
    shell: bool = False,
    parse: str | OwnJudge | None = None,
    own: Mapping[str, OwnJudge] | None = None,
) -> Facts | None:
    """As :func:`judged`, of an :class:`Output`, whose ``argv`` and ``argument`` are filled in here."""
    own = own or {}
    own_names = {program: program for program in own}
    choice = scripts.choose(argv, shell=shell, own=own_names)
    name = choice.judge if choice is not None else ""
    output.argv = choice.argv if choice is not None else tuple(argv) if not shell else ()
    brought: OwnJudge | None = None
    if isinstance(parse, str):
        chosen, output.argument = names.split_parse(parse)
        if chosen == "none":
            return None
        if choice is not None and chosen != name:
            output.argv = choice.argv if chosen in choice.argv[0] else ()
        elif choice is None:
            # Something else runs the tool, perhaps more than once.
            output.argv, output.is_script = (), True
        name = chosen
    elif parse is not None:
        brought, name = parse, str(getattr(parse, "name", None) or getattr(parse, "__name__", "parse"))
    elif name in own:
        brought = own[name]
    if brought is None and not name:
        several = scripts.several(argv[0], own=own_names) if shell else ()
        return Facts(tool="shell").unreadable(f"the script runs {' and '.join(several)}") if several else None
    output.hides_status = shell and scripts.hides_status(argv[0], own=own_names)
    facts = _read(name, load(name) if brought is None else _asking(name, brought), output)
    if facts is not None:
        facts.is_cut = facts.is_cut or output.is_cut
        if brought is None and output.stdout.is_broken:
            facts.unreadable(f"the JSON of {facts.tool} is not whole").needs_output = True
        if shell and (missing := _missing_program(output)):
            facts.unreadable(missing).needs_output = True
        elif (
            shell
            and not facts.unread
            and names.takes(name) != "path"
            and _is_silent(facts, output)
            and scripts.sends_away(argv[0])
        ):
            # Silence is what many tools print when all is well.
            facts.unreadable("the script sends the output into a file")
            facts.needs_output = output.hides_status
        elif output.hides_status:
            _doubt(facts, output, argv[0], own_names)
    return facts


def _is_silent(facts: Facts, output: Output) -> bool:
    return not output.stdout.size and (facts.answers == 0 or not output.stderr.size)


def _doubt(facts: Facts, output: Output, script: str, own: Mapping[str, str]) -> None:
    """Take nothing for a pass that only an exit status could have told, where the script hides it."""
    runs = max(scripts.sure_runs(script, own=own), 1)
    complaint = None
    if facts.unread:
        facts.needs_output = facts.needs_output or _complaint(output, script) is not None
    elif facts.answers is not None and facts.answers < runs:
        if facts.needs_output:
            facts.unreadable(f"{facts.tool} ran {runs} times and printed {counted(facts.answers, 'result')}")
        else:
            complaint = _complaint(output, script)
    elif scripts.may_run_more_often(script, own=own):
        complaint = _said(output, _BREAKDOWN)
    if complaint is None and facts.tool in _MISSED and not facts.unread:
        complaint = _missed(output, _MISSED[facts.tool])
    if complaint is not None:
        hidden = f"the script hides the exit status of {facts.tool}, and {complaint}"
        facts.unreadable(f"{hidden}: let nothing but && come after {facts.tool}").needs_output = True


def _complaint(output: Output, script: str) -> str | None:
    """What a tool that broke may have said; None where it has said nothing. Where the streams are joined, what other
    programs print is there, too.
    """
    said = _said(output, _TROUBLE if output.err is output.stdout else _ANYTHING)
    if said is None and scripts.sends_errors_away(script):
        return "stderr is sent away"
    return "stdout is sent away" if said is None and scripts.sends_away(script) else said


def _missed(output: Output, words: str) -> str | None:
    lines = [line.strip() for stream in (output.stdout, output.stderr) for line in stream.lines(words)]
    failed = [line for line in lines if words in line and not line.startswith("Required")]
    return f"the output says {failed[0][:200]!r}" if failed else None


def _said(output: Output, what: re.Pattern[str]) -> str | None:
    for line in output.err.lines():
        said = line.strip()
        if what.search(said) and not said.startswith(_NO_COMPLAINT):
            return f"{'the output' if output.err is output.stdout else 'stderr'} says {said[:200]!r}"
    return None


def load(name: str) -> Read:
    """The built-in judge of that name."""
    module = importlib.import_module(f"pytest_paragate.judge.tools.{name.replace('-', '_')}")
    read: Read = module.judge
    return read


def _read(name: str, read: Read, output: Output) -> Facts | None:
    try:
        facts = read(output)
        if facts is not None:
            to_data(facts)  # what a judge got wrong must not come up where nothing is known of it
        return facts
    except Exception as problem:
        return broken(name, problem)


def _asking(name: str, brought: OwnJudge) -> Read:
    from pytest_paragate.judge.answer import ask

    return lambda output: ask(name, brought, output)


def _missing_program(output: Output) -> str | None:
    """That a shell did not find the tool, which its exit status may hide."""
    for line in output.err.lines("not found", "No such file", "not recognized"):
        words = re.split(r"[:\s]+", line)
        if _NOT_FOUND.search(line) and output.argv and output.argv[0] in words:
            return f"the shell did not find {output.argv[0]}"
    return None

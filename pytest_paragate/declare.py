"""Declares checks: ``gate.command``, ``@gate.check`` and marks become :class:`Check`, or problems with their line.

Declaring does not raise while a conftest.py is imported, which plain ``pytest`` does too. What is wrong is kept, and
told at collection when the gate is on. Declarations made in Python live in the namespace of the conftest.py that made
them, so that a module that is loaded again starts afresh and no state is shared between runs. Once that is read, a
further declaration raises: nothing would run it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, overload

from pytest_paragate.keys import Surroundings, ValueRefusedError, argv, command_spec, parse_duration, parse_keys
from pytest_paragate.model import Check, DeclarationError, Kind, Leaks, Place, Rest, When

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pytest_paragate.grouping import GroupDeclaration

    _Names = str | Sequence[str]
    _Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

    class CheckKeys(TypedDict, total=False):
        """What a function check and a marked test may be given. ``None`` stands for "not given"."""

        name: str | None
        agent: str | None
        needs: _Names | None
        after: _Names | None
        when: When | None
        reads: _Paths | None
        writes: _Paths | None
        uses: str | Sequence[str] | Mapping[str, int] | None
        exclusive: bool | None
        cpus: int | None
        timeout: float | str | None
        grace: float | str | None
        leaks: Leaks | None
        advisory: bool | None
        parse: str | Callable[..., object] | None
        expect: _Names | None
        group: str | None
        retries: int | None
        retry_pause: float | str | None

    class CommandKeys(CheckKeys, total=False):
        """What a command may be given."""

        env: Mapping[str, str] | None
        cwd: str | os.PathLike[str] | None
        shell: bool | None

    class _GroupKeys(TypedDict, total=False):
        wait: int | str | None
        rest: Rest | None


NAMESPACE_KEY = "__paragate_declarations__"
GROUPS_KEY = "__paragate_groups__"
FUNCTION_KEY = "__paragate_declaration__"

F = TypeVar("F", bound=Callable[..., Any])


class Declaration:
    """A check as it was written down, right or wrong.

    ``home`` is the conftest.py that it belongs to, or the file that it was made in when no conftest.py was involved.
    ``key_places`` says where single keys are written, when that is known more exactly than ``place``.
    """

    def __init__(
        self,
        *,
        kind: Literal["command", "function"],
        place: Place,
        keys: Mapping[str, object],
        home: str,
        command: object = None,
        function: Callable[..., object] | None = None,
        label: str = "",
        key_places: Mapping[str, Place] | None = None,
        problems: tuple[ValueRefusedError, ...] = (),
    ) -> None:
        self.kind, self.place, self.keys, self.home = kind, place, keys, home
        self.command, self.function, self.label = command, function, label
        self.key_places, self.problems = key_places or {}, problems


def command(
    command: str | Sequence[str | os.PathLike[str]] = "", *surplus: object, **keys: Unpack[CommandKeys]
) -> Declaration:
    """Declare a program as a check: ``ruff = gate.command("ruff check .", agent="code-reviewer")``.

    Args:
        command: a text, split like a shell does and run without one, or a list of arguments.
        surplus: nothing; further positional arguments are refused when checks are collected.
        keys: see the table of keys in the documentation. Paths and ``cwd`` are relative to the declaring file.
    """
    return declare_command(_caller(), command, surplus, keys)


def declare_command(
    frame: FrameType, command: object, surplus: Sequence[object], keys: Mapping[str, object], **home: Any
) -> Declaration:
    """As :func:`command`, for the caller in ``frame``. ``home`` may name another ``namespace`` to belong to."""
    place = Place(file=os.path.abspath(frame.f_code.co_filename), line=frame.f_lineno)
    problems: tuple[ValueRefusedError, ...] = ()
    if surplus:
        hint = 'write arguments into the command, or as one list: gate.command(["ruff", "check"])'
        problems = (ValueRefusedError("gate.command takes one command", hint),)
    return _register(frame, kind="command", place=place, keys=dict(keys), command=command, problems=problems, **home)


@overload
def check(function: F, /) -> F: ...
@overload
def check(**keys: Unpack[CheckKeys]) -> Callable[[F], F]: ...
def check(*positional: Any, **keys: Any) -> Any:
    """Declare a function in conftest.py as a check: ``@gate.check`` or ``@gate.check(agent="debugger")``.

    The function may use fixtures, marks and ``parametrize``; each parameter set is a check of its own.
    """
    return declare_function(_caller(), positional, keys)


def declare_function(frame: FrameType, positional: Sequence[Any], keys: Mapping[str, object], **home: Any) -> Any:
    """As :func:`check`, for the caller in ``frame``. ``home`` may name another ``namespace`` to belong to."""
    here = Place(file=os.path.abspath(frame.f_code.co_filename), line=frame.f_lineno)

    def declare(function: F, problems: tuple[ValueRefusedError, ...] = ()) -> F:
        code = getattr(function, "__code__", None)
        place = Place(file=os.path.abspath(code.co_filename), line=code.co_firstlineno) if code else here
        if not callable(function) or isinstance(function, type):
            hint = "put @gate.check on a function in conftest.py"
            problems = (*problems, ValueRefusedError("a check must be a function", hint))
        declared = _register(
            frame, kind="function", place=place, keys=dict(keys), function=function, problems=problems, **home
        )
        if code:
            setattr(function, FUNCTION_KEY, declared)
        return function

    if len(positional) == 1 and not keys and callable(positional[0]):
        return declare(positional[0])
    if not positional:
        return declare
    surplus = ValueRefusedError("gate.check takes keys only", 'write @gate.check, or @gate.check(agent="…")')
    return lambda function: declare(function, (surplus,))


def group(name: str = "", *surplus: object, **keys: Unpack[_GroupKeys]) -> GroupDeclaration:
    """Declare a group: ``gate.group("mirrors", wait="any", rest="cancel")``; its checks say ``group="mirrors"``.

    Args:
        name: what checks call it in ``group``, and in ``needs`` and ``after`` as ``"group:mirrors"``.
        surplus: nothing; further positional arguments are refused when checks are collected.
        keys: ``wait`` says how many members have to pass: ``"all"`` (default), ``"any"``, a number, or a share such as
            ``"60%"``; ``rest`` what happens to the others once that is decided: ``"finish"`` (default), ``"stop"``
            (start no more) or ``"cancel"`` (end what runs, too).
    """
    from pytest_paragate.grouping import declare_group

    frame = _caller()
    return declare_group(frame, (name, *surplus) if name != "" else surplus, keys, namespace=_home(frame))


def agree(fact: str = "", *sources: object, **keys: Any) -> Callable[..., None]:
    """Declare a check that fails when checks disagree: ``gate.agree("tests", "cargo_test", "coverage")``.

    Args:
        fact: the count that each source tells, such as ``"tests"``.
        sources: two or more checks: a name, which as a family stands for each of its members; a list of names, which
            are added up; or ``{name: fact}`` where one calls the same thing otherwise.
        keys: those of a function check, and ``tolerance``, the largest difference that is no disagreement (0).
    """
    return declare_agreement(_caller(), fact, sources, keys)


def declare_agreement(
    frame: FrameType, fact: object, sources: Sequence[object], keys: Mapping[str, object], **home: Any
) -> Callable[..., None]:
    """As :func:`agree`, for the caller in ``frame``. ``home`` may name another ``namespace`` to belong to."""
    from pytest_paragate.agreement import agreement

    keys = dict(keys)
    made = agreement(fact, sources, keys)
    place = Place(file=os.path.abspath(frame.f_code.co_filename), line=frame.f_lineno)
    declared = _register(
        frame, kind="function", place=place, keys=keys, function=made.function, problems=made.problems, **home
    )
    setattr(made.function, FUNCTION_KEY, declared)
    return made.function


def split_command(
    command: object, *, shell: bool = False, timeout: object = None
) -> tuple[tuple[str, ...], float | None]:
    """The arguments of ``command`` and the seconds of ``timeout``, by the rules of ``gate.command``.

    Raises:
        DeclarationError: with what to write instead.
    """
    __tracebackhide__ = True
    try:
        return argv(command, shell=shell), None if timeout is None else parse_duration(timeout, "`timeout`")
    except ValueRefusedError as problem:
        raise DeclarationError(problem.what, hint=problem.hint) from None


def resolve(
    kind: Kind,
    keys: Mapping[str, object],
    *,
    name: str,
    nodeid: str,
    place: Place,
    near: Surroundings,
    family: str | None = None,
    declaration: Declaration | None = None,
) -> tuple[Check, list[DeclarationError]]:
    """The check that ``keys`` describe and everything that is wrong with them; with problems it must not be used.

    ``name`` is used where the keys give none. For a command, ``declaration`` holds the command itself. The places in
    problems are relative to the root folder, as node ids are.
    """
    label = declaration.label if declaration else ""
    fields, wrong = parse_keys(kind, keys, near, also_known=["run"] if label else [])
    own_problems = declaration.problems if declaration else ()
    is_readable = not own_problems and not wrong.keys() & {"env", "cwd", "shell"}
    if declaration is not None and kind == "command" and is_readable:
        try:
            fields["command"] = command_spec(declaration.command, fields, near)
        except ValueRefusedError as problem:
            wrong["run"] = problem
        else:
            if fields.get("expect") and "parse" not in keys and not wrong:
                _need_judge(fields, wrong, near)
    key_places = declaration.key_places if declaration else {}
    problems = [
        DeclarationError(
            f"{label}: {problem.what}" if label else problem.what,
            where=str(relative_place(key_places.get(key, place), near.root)),
            hint=problem.hint,
        )
        for key, problem in [*(("", problem) for problem in own_problems), *wrong.items()]
    ]
    base: dict[str, Any] = {"name": name, "family": family or name, "nodeid": nodeid, "kind": kind, "is_marked": True}
    own = {} if problems else fields
    return Check(**{**base, "place": relative_place(place, near.root), **own}), problems


def _need_judge(fields: Mapping[str, Any], wrong: dict[str, ValueRefusedError], near: Surroundings) -> None:
    """Refuse what is expected of a command whose output nobody can read."""
    from pytest_paragate.judge import criteria, scripts

    spec = fields["command"]
    if scripts.choose(spec.argv, shell=spec.shell, own={program: program for program in near.judges(programs=True)}):
        return
    unknown = sorted(criteria.spoken_of(fields["expect"]) - {*criteria.OF_COMMANDS})
    if unknown:
        program = os.path.basename(spec.argv[0]) if not spec.shell else "this script"
        what = f"`expect` speaks of {', '.join(unknown)}, and no judge knows {program}"
        wrong["expect"] = ValueRefusedError(what, "name one with parse=…, or a function that reads the output")


def relative_place(place: Place, root: str) -> Place:
    """``place`` as node ids spell it: relative to ``root`` and POSIX, absolute when it is elsewhere."""
    file = _relative_file(place.file, root)
    return place if file is None else Place(file=file, line=place.line)


@functools.lru_cache(maxsize=256)
def _relative_file(file: str, root: str) -> str | None:
    try:
        relative = os.path.relpath(file, root)
    except ValueError:
        return None
    return None if relative.split(os.sep)[0] == os.pardir else relative.replace(os.sep, "/")


def declared_in(namespace: Mapping[str, object]) -> list[Declaration]:
    """The declarations that a module's ``namespace`` made, in their order, then those that it imported ready made."""
    own = namespace.get(NAMESPACE_KEY)
    found: dict[int, Declaration] = {id(each): each for each in own} if isinstance(own, (list, tuple)) else {}
    for value in list(namespace.values()):
        declared = declaration_of(value)
        if declared is not None and id(declared) not in found and os.path.basename(declared.home) != "conftest.py":
            found[id(declared)] = declared
    return list(found.values())


def open_for(namespace: dict[str, Any]) -> None:
    """Take declarations into a ``namespace`` that is about to be read, also one that another run has read."""
    namespace[NAMESPACE_KEY] = list(namespace.get(NAMESPACE_KEY) or ())


def close(namespace: dict[str, Any]) -> None:
    """Take no more declarations into a ``namespace`` that has been read: nothing would run them."""
    namespace[NAMESPACE_KEY] = tuple(namespace.get(NAMESPACE_KEY) or ())


def groups_in(namespace: Mapping[str, object]) -> list[GroupDeclaration]:
    """The groups that a module's ``namespace`` declared, in their order."""
    own = namespace.get(GROUPS_KEY)
    return list(own) if isinstance(own, list) else []


def declaration_of(value: object) -> Declaration | None:
    """The declaration that ``value`` is, or that its decorator left on it."""
    if type(value) is Declaration:
        return value
    try:  # Not getattr or isinstance: a conftest.py may hold proxies that are not bound to anything yet.
        own = object.__getattribute__(value, "__dict__")
    except Exception:
        return None
    declared = own.get(FUNCTION_KEY) if type(own) is dict else None
    return declared if type(declared) is Declaration else None


def _caller() -> FrameType:
    return sys._getframe(2)


def _home(frame: FrameType) -> dict[str, Any]:
    """The namespace of the conftest.py that is being read, or of the caller where there is none."""
    home: FrameType | None = frame
    while home is not None and os.path.basename(home.f_code.co_filename) != "conftest.py":
        home = home.f_back
    return (home or frame).f_globals


def _register(frame: FrameType, *, namespace: dict[str, Any] | None = None, **values: Any) -> Declaration:
    if namespace is None:
        namespace = _home(frame)
    file = namespace.get("__file__") or frame.f_code.co_filename
    if isinstance(namespace.get(NAMESPACE_KEY), tuple):
        __tracebackhide__ = True
        raise DeclarationError(
            "a check cannot be declared while checks run: nothing would run it",
            where=f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}",
            hint="declare it where conftest.py is read; to run a command in a check, use the fixture paragate_run",
        )
    declared = Declaration(home=os.path.abspath(str(file)), **values)
    namespace.setdefault(NAMESPACE_KEY, []).append(declared)
    return declared

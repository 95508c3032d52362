"""The keys of a check: one validator for ``gate.command``, ``@gate.check``, TOML tables and ``pytest.mark.paragate``.

A value is either understood or refused with what is wrong and what to write instead; no key is ever ignored.
"""

from __future__ import annotations

import math
import os
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pytest_paragate.model import CommandSpec, Kind, Value, nearest
from pytest_paragate.paths import is_within, normal_path
from pytest_paragate.shellwords import split_words

LONGEST_S = 1e8
DURATION_FORMS = 'write seconds as a number, or "500ms", "90s", "2m", "1h", "1m30s"'
MOST_RETRIES = 1000
LARGEST_COUNT = 1_000_000
COMMAND_ONLY = ("cwd", "env", "shell")

_UNITS_S = (3600.0, 60.0, 1.0, 0.001)
_DURATION = r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
_AGENT = r"\w[\w.-]*"

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60


class ValueRefusedError(ValueError):
    """A value that cannot be used. ``what`` says why; ``hint`` says what to write instead, without a full stop."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class Surroundings(Value):
    """What the meaning of a value depends on: the declaring file's folder, the root folder, the known agent types."""

    folder: str
    root: str
    agents: tuple[str, ...]
    # Names (or programs) of those that are not built in.
    judges: Callable[..., Iterable[str]] = staticmethod(lambda programs=False: ())


def shown(value: object) -> str:
    """``value`` as a message shows it: short, and without control characters."""
    return _repr.repr(value)


def parse_duration(value: object, what: str, *, zero: bool = False) -> float:
    """Seconds from a number or a text such as ``"1m30s"``.

    Raises:
        ValueRefusedError: not a duration, negative, zero unless ``zero``, or longer than three years.
    """
    seconds: float | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = float(max(-1, min(value, int(2 * LONGEST_S))))
    elif isinstance(value, float):
        seconds = value
    elif isinstance(value, str):
        seconds = _seconds(value.replace(" ", ""))
    if seconds is None or math.isnan(seconds):
        raise ValueRefusedError(f"{what} cannot be {shown(value)}", DURATION_FORMS)
    if seconds < 0 or (seconds == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise ValueRefusedError(f"{what} cannot be {shown(value)}: it must be {least}")
    if seconds > LONGEST_S:
        raise ValueRefusedError(f"{what} cannot be {shown(value)}: that is longer than three years", DURATION_FORMS)
    return seconds


def _seconds(text: str) -> float | None:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    match = re.fullmatch(_DURATION, text)
    if match is None or not text:
        return None
    return sum(float(part) * unit_s for part, unit_s in zip(match.groups(), _UNITS_S, strict=True) if part)


def parse_count(value: object, what: str) -> int:
    """A whole number of at least 1.

    Raises:
        ValueRefusedError: anything else, or more than a machine can have of anything that is counted here.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueRefusedError(f"{what} cannot be {shown(value)}: it must be a whole number, 1 or more")
    if value > LARGEST_COUNT:
        raise ValueRefusedError(f"{what} cannot be {shown(value)}: it must be {LARGEST_COUNT} or less")
    return value


def parse_retries(value: object, what: str) -> int:
    """How many further tries there are after a failure, 0 or more.

    Raises:
        ValueRefusedError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise ValueRefusedError(
            f"{what} cannot be {shown(value)}: it must be a whole number from 0 to {MOST_RETRIES}",
            "it counts the further tries after a failure",
        )
    return value


def parse_wait(value: object, what: str) -> int | str:
    """How many members of a group have to pass: ``"all"``, ``"any"``, a number, or a share such as ``"60%"``.

    Raises:
        ValueRefusedError: anything else, or a number or share that can never be reached or says nothing.
    """
    forms = 'write "all", "any", a number such as 2, or a share such as "60%"'
    if isinstance(value, str) and value in ("all", "any"):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueRefusedError(f"{what} cannot be {value}: it must be 1 or more", forms)
        return value
    share = re.fullmatch(r"(\d{1,9})\s*%", value, re.ASCII) if isinstance(value, str) else None
    if share is None:
        raise ValueRefusedError(f"{what} cannot be {shown(value)}", forms)
    if not 1 <= int(share[1]) <= 100:
        raise ValueRefusedError(f"{what} cannot be {shown(value)}: it must be from 1% to 100%", forms)
    return f"{int(share[1])}%"


def parse_group(keys: Mapping[str, object]) -> tuple[dict[str, object], dict[str, ValueRefusedError]]:
    """The fields ``wait`` and ``rest`` of a group, and what is wrong with other keys, by key."""
    near = Surroundings(folder="", root="", agents=())
    fields: dict[str, object] = {}
    problems: dict[str, ValueRefusedError] = {}
    for key, value in keys.items():
        try:
            if key == "wait":
                fields[key] = parse_wait(value, "`wait`")
            elif key == "rest":
                fields[key] = _one_of("finish", "stop", "cancel")(key, value, near)
            else:
                guess = nearest(key, ["wait", "rest"])
                question = f", did you mean `{guess}`?" if guess else ""
                raise ValueRefusedError(f"unknown key `{key}` of a group{question}", "keys are wait, rest")
        except ValueRefusedError as problem:
            problems[key] = problem
    return fields, problems


def check_agent_name(value: object, what: str) -> str:
    """A usable name for an agent type, known or not.

    Raises:
        ValueRefusedError: not a name.
    """
    if not isinstance(value, str):
        raise ValueRefusedError(f"{what} must be the name of an agent type, not {shown(value)}")
    if not re.fullmatch(_AGENT, value):
        raise ValueRefusedError(f"{what} cannot be {shown(value)}", "use letters, digits, `-`, `_` and `.`")
    return value


def check_name(value: object, what: str) -> str:
    """A name that can be part of a node id.

    Raises:
        ValueRefusedError: not a text, empty, or with characters that node ids need for themselves.
    """
    if not isinstance(value, str):
        raise ValueRefusedError(f"{what} must be a text, not {shown(value)}")
    bad = [part for part in ("::", "[", "]") if part in value]
    if not value.strip() or value != value.strip() or not value.isprintable() or bad:
        why = "of its blanks" if value.isprintable() else "it contains a sign that cannot be printed"
        why = "it is empty" if not value.strip() else f"it contains {shown(bad[0])}" if bad else why
        raise ValueRefusedError(f"{what} cannot be {shown(value)}, because {why}", "it becomes part of a node id")
    return value


def _flag(key: str, value: object, _: Surroundings) -> bool:
    if not isinstance(value, bool):
        raise ValueRefusedError(f"`{key}` must be true or false, not {shown(value)}")
    return value


def _one_of(*allowed: str) -> Callable[[str, object, Surroundings], str]:
    def parse(key: str, value: object, _: Surroundings) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        guess = nearest(value, allowed) if isinstance(value, str) else None
        choices = ", ".join(f'"{word}"' for word in allowed)
        hint = f'did you mean "{guess}"?' if guess else None
        raise ValueRefusedError(f"`{key}` cannot be {shown(value)}: it is one of {choices}", hint)

    return parse


def _texts(key: str, value: object) -> tuple[str, ...]:
    parts = [value] if isinstance(value, (str, os.PathLike)) else value
    if isinstance(parts, (Sequence, set, frozenset)):
        texts = [os.fspath(part) if isinstance(part, os.PathLike) else part for part in parts]
        if all(isinstance(text, str) and text.strip() for text in texts):
            return tuple(dict.fromkeys(str(text) for text in texts))
    raise ValueRefusedError(f"`{key}` must be a text or a list of texts, not {shown(value)}", f'write {key}=["…", "…"]')


def _names(key: str, value: object, _: Surroundings) -> tuple[str, ...]:
    try:
        return _texts(key, value)
    except ValueRefusedError as problem:
        raise ValueRefusedError(problem.what, f'write names in quotes, as in {key}="lint" or {key}=["lint"]') from None


def _paths(key: str, value: object, near: Surroundings) -> tuple[str, ...]:
    paths = []
    for text in _texts(key, value):
        try:
            path = normal_path(text, near.folder)
        except ValueError as problem:
            raise ValueRefusedError(f"`{key}` cannot contain {shown(text)}: {problem}") from None
        if key == "writes" and not is_within(path, near.root):
            raise ValueRefusedError(
                f"`writes` cannot contain {shown(text)}: {path} is outside the root folder {near.root}",
                "declare only what is written inside the root folder",
            )
        paths.append(path)
    return tuple(dict.fromkeys(paths))


def _agent(key: str, value: object, near: Surroundings) -> str:
    agent = check_agent_name(value, f"`{key}`")
    if agent in near.agents:
        return agent
    guess = nearest(agent, near.agents)
    raise ValueRefusedError(
        f"unknown agent type {shown(agent)}" + (f", did you mean {shown(guess)}?" if guess else ""),
        f"known are {', '.join(near.agents)}; "
        f"declare another with the setting `paragate_agents` or with --paragate-slots {agent}=1",
    )


def _uses(key: str, value: object, _: Surroundings) -> tuple[tuple[str, int], ...]:
    if isinstance(value, Mapping):
        for resource, amount in value.items():
            if not isinstance(resource, str) or not resource.strip():
                raise ValueRefusedError(f"`{key}` cannot name a resource {shown(resource)}: it must be a text")
            parse_count(amount, f"`{key}` of {shown(resource)}")
        _refuse_same_variable(key, value)
        return tuple(value.items())
    if isinstance(value, (list, tuple)) and any(value.count(part) > 1 for part in value):
        raise ValueRefusedError(f"`{key}` names a resource twice: {shown(value)}", 'write {"gpu": 2} to use two of one')
    try:
        resources = _texts(key, value)
    except ValueRefusedError:
        raise ValueRefusedError(
            f"`{key}` must be a text, a list of texts or a table of amounts, not {shown(value)}",
            f'write {key}="db", {key}=["db", "port:8000"] or {key}={{"gpu": 2}}',
        ) from None
    _refuse_same_variable(key, resources)
    return tuple((resource, 1) for resource in resources)


def _refuse_same_variable(key: str, resources: Collection[str]) -> None:
    """Of two resources that the same variable would tell the units of, a command could know those of one only."""
    if len(resources) < 2:
        return
    from pytest_paragate.units import variable

    known: dict[str, str] = {}
    for resource in resources:
        other = known.setdefault(variable(resource), resource)
        if other != resource:
            what = f"`{key}` names {shown(other)} and {shown(resource)}, and {variable(resource)} cannot stand for both"
            raise ValueRefusedError(what, "rename one of the two resources")


def _environment(key: str, value: object, _: Surroundings) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueRefusedError(
            f"`{key}` must be a table of texts, not {shown(value)}", f'write {key}={{"NAME": "value"}}'
        )
    for variable, text in value.items():
        if not isinstance(variable, str) or not variable or "=" in variable or "\0" in variable:
            raise ValueRefusedError(f"`{key}` cannot set a variable named {shown(variable)}")
        if not isinstance(text, str) or "\0" in text:
            raise ValueRefusedError(
                f"`{key}` must give {variable} a text, not {shown(text)}", f'write "{text}" in quotes'
            )
    return dict(value)


def parse_judge(key: str, value: object, near: Surroundings) -> object:
    """The judge that ``parse`` names, its path made absolute; or a callable.

    Raises:
        ValueRefusedError: there is no such judge, or what it takes is missing or wrong.
    """
    if callable(value) and not isinstance(value, type):
        return value
    if not isinstance(value, str):
        raise ValueRefusedError(f"`{key}` must be the name of a judge or a function, not {shown(value)}")
    from pytest_paragate.judge import names

    if value in (own := tuple(near.judges())):
        return value
    name, argument = names.split_parse(value)
    if name not in names.names():
        guess = nearest(name, [*names.names(), *own])
        what = f"`{key}` cannot be {shown(value)}: there is no such judge"
        raise ValueRefusedError(
            what + (f", did you mean {shown(guess)}?" if guess else ""),
            f"judges are {', '.join(sorted({*names.names(), *own}))}; or give a function that takes the output",
        )
    wanted = names.takes(name)
    if wanted is None and argument:
        raise ValueRefusedError(f"`{key}` cannot be {shown(value)}: {name} takes nothing", f'write {key}="{name}"')
    if wanted is not None and not argument.strip():
        example = "build/report.xml" if wanted == "path" else r"(?P<passed>\d+) of (?P<total>\d+) ok"
        what = f"`{key}` cannot be {shown(value)}: {name} needs a {wanted}"
        raise ValueRefusedError(what, f'write "{name}:{example}"')
    if wanted == "path":
        return f"{name}:{os.path.join(near.folder, argument.strip())}"
    if wanted == "pattern":
        _check_pattern(key, argument)
    return f"{name}:{argument}" if argument else name


def _check_pattern(key: str, pattern: str) -> None:
    try:
        groups = re.compile(pattern, re.MULTILINE).groupindex
    except (re.error, RecursionError, OverflowError) as problem:
        raise ValueRefusedError(f"`{key}` has an invalid pattern {shown(pattern)}: {problem}") from None
    if not groups:
        raise ValueRefusedError(
            f"`{key}` has a pattern without named groups: {shown(pattern)}",
            r'name what is to be read, as in "regex:(?P<passed>\d+) of (?P<total>\d+) ok"',
        )


def parse_expect(key: str, value: object, _: Surroundings) -> tuple[str, ...]:
    """Criteria, each checked for its form.

    Raises:
        ValueRefusedError: one of them is none.
    """
    from pytest_paragate.judge import criteria

    texts = _texts(key, value)
    for text in texts:
        try:
            criteria.parse(text)
        except criteria.CriterionError as problem:
            raise ValueRefusedError(f"`{key}` cannot contain {shown(text)}: {problem.what}", problem.hint) from None
    return texts


def _folder(key: str, value: object, near: Surroundings) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text:
        raise ValueRefusedError(f"`{key}` must be a folder, not {shown(value)}")
    path = os.path.normpath(os.path.join(near.folder, text))
    if not os.path.isdir(path):
        reason = "it is not a folder" if os.path.exists(path) else "there is no such folder"
        raise ValueRefusedError(
            f"`{key}` cannot be {shown(text)}: {reason}: {path}", "it is relative to the declaring file"
        )
    return path


# Key: name of the field of ``Check`` (or of ``CommandSpec``), and how to read the value.
_KEYS: dict[str, tuple[str, Callable[[str, object, Surroundings], object]]] = {
    "name": ("name", lambda key, value, _: check_name(value, f"`{key}`")),
    "agent": ("agent", _agent),
    "needs": ("needs", _names),
    "after": ("after", _names),
    "when": ("when", _one_of("success", "always")),
    "reads": ("reads", _paths),
    "writes": ("writes", _paths),
    "uses": ("uses", _uses),
    "exclusive": ("exclusive", _flag),
    "cpus": ("cpus", lambda key, value, _: parse_count(value, f"`{key}`")),
    "timeout": ("timeout_s", lambda key, value, _: parse_duration(value, f"`{key}`")),
    "grace": ("grace_s", lambda key, value, _: parse_duration(value, f"`{key}`", zero=True)),
    "leaks": ("leaks", _one_of("kill", "fail", "allow")),
    "advisory": ("advisory", _flag),
    "parse": ("parse", parse_judge),
    "expect": ("expect", parse_expect),
    "group": ("group", lambda key, value, _: check_name(value, f"`{key}`")),
    "retries": ("retries", lambda key, value, _: parse_retries(value, f"`{key}`")),
    "retry_pause": ("retry_pause_s", lambda key, value, _: parse_duration(value, f"`{key}`", zero=True)),
    "env": ("env", _environment),
    "cwd": ("cwd", _folder),
    "shell": ("shell", _flag),
}


def parse_keys(
    kind: Kind, keys: Mapping[str, object], near: Surroundings, *, also_known: Iterable[str] = ()
) -> tuple[dict[str, object], dict[str, ValueRefusedError]]:
    """The fields that ``keys`` give, and what is wrong with the others, by key.

    ``None`` means "not given". ``also_known`` are further keys of this form, to be suggested in messages.
    """
    fields: dict[str, object] = {}
    problems: dict[str, ValueRefusedError] = {}
    for key, value in keys.items():
        try:
            if key not in _KEYS:
                raise _unknown(kind, key, also_known)
            if kind != "command" and key in COMMAND_ONLY:
                where = "paragate_run(…)" if kind == "function" else "the test itself"
                raise ValueRefusedError(f"`{key}` is for commands only", f"remove it; use it in {where}")
            if value is not None:
                field, parse = _KEYS[key]
                fields[field] = parse(key, value, near)
        except ValueRefusedError as problem:
            problems[key] = problem
    return fields, problems


def _unknown(kind: Kind, key: str, also_known: Iterable[str]) -> ValueRefusedError:
    known = [*also_known, *(key for key in _KEYS if kind == "command" or key not in COMMAND_ONLY)]
    guess = nearest(key, known)
    question = f", did you mean `{guess}`?" if guess else ""
    return ValueRefusedError(f"unknown key `{key}`{question}", f"keys are {', '.join(known)}")


def command_spec(command: object, fields: dict[str, object], near: Surroundings) -> CommandSpec:
    """The program to run; takes ``env``, ``cwd`` and ``shell`` out of ``fields``.

    Raises:
        ValueRefusedError: the command is empty, of a wrong type, or needs a shell.
    """
    env, cwd, shell = fields.pop("env", {}), fields.pop("cwd", near.folder), fields.pop("shell", False)
    assert isinstance(env, dict)
    assert isinstance(cwd, str)
    return CommandSpec(argv=argv(command, shell=bool(shell)), cwd=cwd, env=env, shell=bool(shell))


def argv(command: object, *, shell: bool) -> tuple[str, ...]:
    """The program with its arguments; with ``shell``, the script alone.

    Raises:
        ValueRefusedError: empty, of a wrong type, unbalanced quotes, or a text that needs a shell without ``shell``.
    """
    if isinstance(command, str):
        if not command.strip():
            raise ValueRefusedError(
                "the command is empty", 'write a program with its arguments, such as "ruff check ."'
            )
        if "\0" in command:
            raise ValueRefusedError(f"the command contains a NUL character: {shown(command)}")
        return (command,) if shell else _without_shell(command)
    if not isinstance(command, (list, tuple)):
        raise ValueRefusedError(f"a command is a text or a list of texts, not {shown(command)}")
    if shell:
        raise ValueRefusedError("`shell` needs the command as one text, not a list", "a list runs without a shell")
    words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in command]
    for word in words:
        if not isinstance(word, str):
            raise ValueRefusedError(
                f"a command is a list of texts, and {shown(word)} is none", f'write "{word}" in quotes'
            )
        if "\0" in word:
            raise ValueRefusedError(f"the command contains a NUL character: {shown(word)}")
    if not words or not words[0].strip():
        raise ValueRefusedError(
            "the command is empty", 'write a program with its arguments, such as ["ruff", "check", "."]'
        )
    return tuple(words)


def _without_shell(command: str) -> tuple[str, ...]:
    words, needs = split_words(command)
    if needs is not None:
        raise ValueRefusedError(f"the command {shown(command)} {needs.why}", needs.hint)
    if not words or not words[0]:
        raise ValueRefusedError("the command is empty", 'write a program with its arguments, such as "ruff check ."')
    return words

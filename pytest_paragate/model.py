"""The words of the house: what a check is, where it was declared and what may be wrong with it.

Everything here is frozen and made of builtin types, so that any room may keep it and any gateway may carry it.
Durations are seconds (``_s``), memory is KiB (``_kb``), points in time are seconds since the gate started (``at_s``).

Dozens of classes of values are wanted before the first check can start. As frozen dataclasses they would cost half a
millisecond each, as named tuples a tenth of one; a :class:`Value` costs a tenth of that. Named tuples are left where
values are keys or are taken apart. A :class:`Check` is there for each test, so it takes no room for what was not said.
"""

import sys
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

if sys.version_info >= (3, 11):
    from typing import Self as Self
    from typing import assert_never as assert_never
    from typing import dataclass_transform
else:
    from typing_extensions import Self as Self
    from typing_extensions import assert_never as assert_never
    from typing_extensions import dataclass_transform

Kind = Literal["command", "function", "test"]
Leaks = Literal["kill", "fail", "allow"]
When = Literal["success", "always"]
Rest = Literal["finish", "stop", "cancel"]

DEFAULT_AGENT = "test-runner"
DEFAULT_GRACE_S = 5.0
GROUP_PREFIX = "group:"
"""Before the name of a group where it stands among names of checks."""
BUILTIN_AGENTS = ("code-reviewer", "test-runner", "feature-implementer", "refactorer", "debugger")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Value(SimpleNamespace):
    """Base of values that are made of what their class declares, by keyword.

    They are never changed: type checkers see to that.
    """

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in type(self).__annotations__
        )

    def replaced(self, **changes: Any) -> Self:
        """The same with some changes."""
        return type(self)(**{**vars(self), **changes})


class ParagateError(Exception):
    """Anything wrong that the user can put right; says what, where and what to do instead.

    ``where`` is a file with line, an option or a node id; ``hint`` is an instruction without a full stop. What it
    quotes has no power over a terminal.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        text = f"{text}\n\nhint: {self.hint}" if self.hint else text
        return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)


class DeclarationError(ParagateError):
    """A check, a mark or a table in pyproject.toml that cannot mean anything."""


class PlanError(ParagateError):
    """Checks that are well formed one by one and impossible together: cycles, unknown or deselected names."""


class OptionError(ParagateError):
    """A command-line option or ini setting with an impossible value."""


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word most like ``word``, or None when none is like it; with ``cutoff`` 1 only the same is."""
    import difflib  # only wanted when something is wrong

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


class Place(NamedTuple):
    """Where something was declared. ``line`` counts from 1; 0 means that it is not known."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Slot(NamedTuple):
    """Room for one running item of an agent type; numbers count from 0."""

    agent: str
    number: int

    def __str__(self) -> str:
        return f"{self.agent}/{self.number}"


class Claims(NamedTuple):
    """What one check holds while it runs, as indices into the plan's patterns and resources.

    Only what somebody else may want as well is listed, so most checks claim nothing.
    """

    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    uses: tuple[tuple[int, int], ...] = ()  # resource, amount


class CommandSpec(Value):
    """A program to run. ``env`` is laid over the gate's own environment; ``cwd`` is absolute.

    With ``shell`` the only element of ``argv`` is the shell's script.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = {}
    shell: bool = False


class Group(Value):
    """Checks that answer one question together, as declared.

    ``wait`` says how many of its members have to pass: ``"all"``, ``"any"``, a number, or a share such as ``"60%"``;
    ``rest`` what happens to the others once that is decided.
    """

    name: str
    place: Place
    wait: int | str = "all"
    rest: Rest = "finish"


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _SlimValue:
    """A value that keeps what differs from its class: nothing but its slots, for most."""

    __slots__ = ("__dict__",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, **given: Any) -> None:
        own = type(self)
        for name, value in given.items():
            if getattr(own, name) is not value:
                setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._facts().items())})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._facts() == self._facts()

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).__annotations__}

    def replaced(self, **changes: Any) -> Self:
        """The same with some changes."""
        return type(self)(**{**self._facts(), **changes})


class Check(_SlimValue):
    """One planned item with every key resolved: a command, a function declared with ``@gate.check``, or a test.

    ``family`` is the name without parameters (``crate`` for ``crate[memory-core]``); a name in ``needs`` or ``after``
    that equals a family stands for all its members. ``reads`` and ``writes`` are absolute, normalised POSIX paths or
    globs. ``parse`` is a built-in judge's name (with what it takes behind a colon), a callable, or None for the judge
    that knows the program; ``expect`` are criteria. ``retries`` is None where nothing was said, which means none.
    ``is_marked`` is false only for ordinary tests without ``@pytest.mark.paragate``; of those, all with the same
    ``together`` run on one worker, one after another, as ``xdist_group`` and ``--dist`` ask for.
    """

    __slots__ = ("family", "is_marked", "name", "nodeid", "place")

    nodeid: str
    name: str
    family: str
    place: Place
    is_marked: bool
    kind: Kind = "test"
    agent: str = DEFAULT_AGENT
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    when: When = "success"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()
    exclusive: bool = False
    cpus: int = 1
    timeout_s: float | None = None
    grace_s: float = DEFAULT_GRACE_S
    leaks: Leaks = "kill"
    advisory: bool = False
    parse: Any = None
    expect: tuple[str, ...] = ()
    group: str | None = None
    retries: int | None = None
    retry_pause_s: float = 0.0
    command: CommandSpec | None = None
    together: str = ""

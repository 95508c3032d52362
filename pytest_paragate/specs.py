"""What pytest-xdist's ``--tx`` and ``--px`` name: gateways, as execnet writes them: ``key=value//key=value``.

Each ``--tx`` is one slot of the test-runner (``3*popen`` is three); each ``--px`` is a machine that others are reached
through, by ``via=``. What belongs to the worker rather than to the way there (folder, variables, priority) is kept
apart: a way may lead to several workers.
"""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from pytest_paragate.model import OptionError, nearest

Kind = Literal["popen", "ssh", "vagrant_ssh", "socket"]

_KINDS: Final[tuple[Kind, ...]] = ("popen", "ssh", "vagrant_ssh", "socket")
_OTHER_KEYS: Final = (
    "python",
    "chdir",
    "nice",
    "via",
    "installvia",
    "ssh_config",
    "dont_write_bytecode",
    "execmodel",
    "id",
)
# What execnet is told; the rest is for the worker.
_OF_THE_WAY: Final = (*_KINDS, "python", "via", "installvia", "ssh_config", "dont_write_bytecode")
# Workers are gw0, gw1, …, and execnet wants all names to differ.
_ID: Final = re.compile(r"(?!gw\d)[A-Za-z][\w.-]*")


class GatewaySpec(NamedTuple):
    """One gateway. ``way`` is how execnet gets there; ``folder``, ``env`` and ``nice`` are the worker's, there.

    ``via`` is the id of the ``--px`` it goes through. A local one is a plain interpreter on this machine.
    """

    text: str
    kind: Kind
    way: str
    id: str | None = None
    python: str | None = None
    via: str | None = None
    folder: str | None = None
    env: Mapping[str, str] = {}
    nice: int = 0
    writes_bytecode: bool = True

    @property
    def is_local(self) -> bool:
        return self.kind == "popen" and self.via is None


class Gateways(NamedTuple):
    """The gateways of a run: one for each slot of the test-runner, and those that they go through, by id."""

    slots: tuple[GatewaySpec, ...] = ()
    proxies: Mapping[str, GatewaySpec] = {}

    def __str__(self) -> str:
        """For the header: ``2*popen, ssh=host``."""
        counts: dict[str, int] = {}
        for spec in self.slots:
            counts[spec.text] = counts.get(spec.text, 0) + 1
        return ", ".join(text if number == 1 else f"{number}*{text}" for text, number in counts.items())


def read(slots: Sequence[str], proxies: Sequence[str], *, folder: str) -> Gateways:
    """Understand the values of ``--tx`` and ``--px``; ``folder`` is where relative paths on this machine start.

    Raises:
        OptionError: naming the option and its part that is wrong. Nothing is started to find that out.
    """
    found: dict[str, GatewaySpec] = {}
    for text in proxies:
        spec = _spec(text, "--px", folder)
        if spec.id is None:
            raise OptionError(
                f"{text} has no id", where="--px", hint=f"write --px id=NAME//{text}, and via=NAME in --tx"
            )
        if spec.id in found:
            raise OptionError(f"names {spec.id} twice", where="--px", hint="give each an id of its own")
        if spec.via is not None and spec.via not in found:
            raise _unknown_proxy(spec, "--px", found)
        if spec.folder or spec.env or spec.nice:
            hint = "give them in the --tx that go through it"
            raise OptionError(f"{text}: chdir, nice and env: are for workers", where="--px", hint=hint)
        found[spec.id] = spec
    workers: list[GatewaySpec] = []
    for text in slots:
        number, single = _multiplied(text)
        spec = _spec(single, "--tx", folder)
        if spec.id is not None:
            hint = "remove it; workers are named gw0, gw1, …"
            raise OptionError(f"{text}: id is for --px", where="--tx", hint=hint)
        if spec.via is not None and spec.via not in found:
            raise _unknown_proxy(spec, "--tx", found)
        workers += [spec] * number
    _refuse_shared_sockets([*workers, *found.values()])
    if found and not workers:
        raise OptionError("names gateways for --tx, and there is none", where="--px", hint="add --tx popen//via=NAME")
    return Gateways(slots=tuple(workers), proxies=found)


def _multiplied(text: str) -> tuple[int, str]:
    number, star, rest = text.partition("*")
    if not star or "=" in number or "/" in number:
        return 1, text
    if not number.strip().isdecimal() or int(number) < 1:
        raise OptionError(f"cannot be {text!r}: there is no such number", where="--tx", hint="write 3*popen for three")
    return int(number), rest


def _spec(text: str, option: str, folder: str) -> GatewaySpec:
    keys: dict[str, str] = {}
    env: dict[str, str] = {}
    for part in text.split("//"):
        key, equals, value = part.partition("=")
        if key in keys or key.removeprefix("env:") in env:
            raise OptionError(f"{text}: says {key} twice", where=option, hint="give it once")
        if key.startswith("env:") and key != "env:":
            env[key.removeprefix("env:")] = value
        elif key not in (*_KINDS, *_OTHER_KEYS):
            guess = nearest(key, (*_KINDS, *_OTHER_KEYS))
            hint = f"did you mean {guess}?" if guess else "such as popen//python=python3.12, ssh=host, socket=host:8888"
            raise OptionError(f"{text}: there is no key {key!r}", where=option, hint=hint)
        elif not value and key not in ("popen", "dont_write_bytecode") and (key != "socket" or equals):
            raise OptionError(f"{text}: {key} needs a value", where=option, hint=f"write {key}=…")
        else:
            keys[key] = value
    kinds = [kind for kind in _KINDS if kind in keys]
    if len(kinds) != 1:
        what = f"says {' and '.join(kinds)}" if kinds else "does not say what to start"
        raise OptionError(f"{text}: {what}", where=option, hint="start with one of popen, ssh=HOST, socket=HOST:PORT")
    way = "//".join(part for part in text.split("//") if part.partition("=")[0] in _OF_THE_WAY)
    nice = keys.get("nice", "0")
    if not nice.removeprefix("-").isdecimal():
        raise OptionError(f"{text}: nice cannot be {nice!r}", where=option, hint="write a number, such as nice=10")
    if "id" in keys and not _ID.fullmatch(keys["id"]):
        raise OptionError(
            f"{text}: the id cannot be {keys['id']!r}", where=option, hint="write a word, such as id=there"
        )
    spec = GatewaySpec(
        text=text,
        kind=kinds[0],
        way=way,
        id=keys.get("id"),
        python=keys.get("python"),
        via=keys.get("via"),
        folder=keys.get("chdir"),
        env=env,
        nice=int(nice),
        writes_bytecode="dont_write_bytecode" not in keys,
    )
    for problem, hint in _obstacles(spec, keys, folder):
        raise OptionError(f"{text}: {problem}", where=option, hint=hint)
    return spec


def _obstacles(spec: GatewaySpec, keys: Mapping[str, str], folder: str) -> Iterable[tuple[str, str]]:
    """What would only show when the gateway is started, as far as this machine can tell."""
    if spec.kind == "socket":
        host, colon, port = keys["socket"].rpartition(":")
        if "installvia" not in keys and not (host and colon and port.isdecimal()):
            yield f"{keys['socket']!r} is no address", "write socket=HOST:PORT"
        if spec.python is not None:
            hint = "--px id=NAME//socket=HOST:PORT --tx popen//via=NAME//python=PATH does"
            yield "a socket server has its own interpreter and takes no python=", hint
        if spec.via is not None:
            yield "socket cannot go via= another", "use installvia=NAME, or popen//via=NAME"
    if spec.is_local and spec.python is not None:
        words = shlex.split(spec.python)
        if not words or _program(words[0], folder) is None:
            yield f"there is no program {spec.python}", "give the path of a Python interpreter"
    if spec.is_local and spec.folder is not None and not os.path.isdir(os.path.join(folder, spec.folder)):
        yield f"there is no folder {spec.folder}", "name one that holds the same files as this one"
    if spec.kind == "ssh" and spec.via is None:
        if shutil.which("ssh") is None:
            yield "there is no program ssh", "install it, or use socket=HOST:PORT"
        config = keys.get("ssh_config")
        if config is not None and not os.path.isfile(os.path.join(folder, config)):
            yield f"there is no file {config}", "give the path of a file as ssh -F takes it"


def _program(name: str, folder: str) -> str | None:
    return shutil.which(os.path.join(folder, name) if os.sep in name else name)


def _unknown_proxy(spec: GatewaySpec, option: str, known: Mapping[str, GatewaySpec]) -> OptionError:
    hint = f"known are {', '.join(known)}" if known else f"add --px id={spec.via}//…"
    return OptionError(f"{spec.text}: no --px has the id {spec.via}", where=option, hint=hint)


def _refuse_shared_sockets(specs: Iterable[GatewaySpec]) -> None:
    seen = set()
    for spec in specs:
        if spec.kind == "socket" and "installvia" not in spec.way:
            if spec.way in seen:
                hint = f"use --px id=there//{spec.way} with --tx N*popen//via=there"
                raise OptionError(f"{spec.way}: a socket server serves one at a time", where="--tx", hint=hint)
            seen.add(spec.way)


def refuse_rsync(getoption: Callable[[str], object], getini: Callable[[str], object]) -> None:
    """pytest-xdist's deprecated copying of files to other machines.

    Raises:
        OptionError: it is asked for.
    """
    hint = "bring the files there before, with rsync or git, and name their folder with chdir="
    for name, get in (("rsyncdir", getoption), ("rsyncdirs", getini)):
        if get(name):
            where = f"--{name}" if get is getoption else f"setting `{name}`"
            raise OptionError("is not supported with --paragate", where=where, hint=hint)

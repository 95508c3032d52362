"""What the user has set for a run, read once from options and ini into :class:`Settings`.

Command line over ini over default. Whatever cannot be meant is refused as :class:`pytest.UsageError` before anything is
collected. pytest-xdist's ``--dist`` keeps its promises: ``loadfile`` and ``loadscope`` keep a file's or class's tests
on one worker, ``loadgroup`` is what marks ``xdist_group`` mean anyway, and ``no``, ``load`` and ``worksteal`` promise
nothing. ``each`` would run every test several times, and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest

from pytest_paragate.keys import (
    LARGEST_COUNT,
    ValueRefusedError,
    check_agent_name,
    parse_count,
    parse_duration,
    parse_retries,
    shown,
)
from pytest_paragate.model import BUILTIN_AGENTS, DEFAULT_AGENT, OptionError, Value, nearest
from pytest_paragate.options import OTHERS

if TYPE_CHECKING:
    from pytest_paragate.specs import Gateways

Workers = Literal["auto", "fork", "popen"]
T = TypeVar("T")

_WORKERS: tuple[Workers, ...] = ("auto", "fork", "popen")
_INI = "setting `{}`"
_DIGITS = 20  # enough to see that a number is too large, and few enough to read


class Settings(Value):
    """Everything that the user can set for a run.

    ``retries`` is how often checks and tests that say nothing are tried again. ``resources`` is how much there is of
    each, ``first_units`` what the first unit of a numbered one is called (0 where it says nothing).
    ``slots`` holds the agent types that were named; every other one has ``default_slots``. ``timeout_s`` is the time
    limit of checks and tests that set none. ``cpus`` is the machine's CPU budget, None for no budget. ``maxfail`` 0
    means "no limit". ``baseline_path`` is the file of accepted benchmark numbers where the user has chosen one.
    ``numprocesses`` is pytest-xdist's ``-n`` after ``--maxprocesses``, None when it was not given. ``gateways`` are
    those of ``--tx`` and ``--px``, None where the test-runner has local workers like the others.
    """

    slots: Mapping[str, int] = {}
    default_slots: int = 1
    workers: Workers = "auto"
    timeout_s: float | None = None
    cpus: int | None = None
    retries: int | None = None
    fails_on_flaky: bool = False
    resources: Mapping[str, int] = {}
    first_units: Mapping[str, int] = {}
    agents: tuple[str, ...] = ()
    json_path: Path | None = None
    sarif_path: Path | None = None
    baseline_path: Path | None = None
    accepts_benchmarks: bool = False
    plan_only: bool = False
    maxfail: int = 0
    numprocesses: int | None = None
    maxprocesses: int | None = None
    max_worker_restart: int | None = None
    testrunuid: str | None = None
    streams_output: bool = False
    dist: str = "no"
    gateways: Gateways | None = None

    @property
    def known_agents(self) -> tuple[str, ...]:
        """The agent types that a check may name."""
        return tuple(dict.fromkeys((*BUILTIN_AGENTS, *self.agents, *self.slots)))

    def slots_of(self, agent: str) -> int:
        """How many checks of that agent type may run at the same time."""
        return self.slots.get(agent, self.default_slots)


SETTINGS = pytest.StashKey[Settings]()


def settings(config: pytest.Config) -> Settings:
    """The settings of this run.

    Raises:
        pytest.UsageError: saying which option or setting is wrong and what to write instead.
    """
    known = config.stash.get(SETTINGS, None)
    if known is None:
        try:
            known = config.stash[SETTINGS] = _read(config)
        except OptionError as problem:
            raise pytest.UsageError(str(problem)) from None
    return known


def cpu_count() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _read(config: pytest.Config) -> Settings:
    _refuse_unsupported(config)
    numprocesses = _numprocesses(config)
    from_ini = _pairs(config.getini("paragate_slots"), _INI.format("paragate_slots"), _slots_or_auto)
    from_line = _pairs(config.getoption("paragate_slots") or [], "--paragate-slots", _slots_or_auto)
    if numprocesses is not None:
        if from_line.get(DEFAULT_AGENT, numprocesses) != numprocesses:
            raise OptionError(
                f"says {DEFAULT_AGENT}={from_line[DEFAULT_AGENT]}, and -n says {numprocesses}",
                where="--paragate-slots",
                hint=f"give one of the two; -n N is --paragate-slots {DEFAULT_AGENT}=N",
            )
        from_line[DEFAULT_AGENT] = numprocesses
    gateways = _gateways(config, numprocesses)
    if gateways is not None:
        number = len(gateways.slots)
        if from_line.get(DEFAULT_AGENT, number) != number:
            raise OptionError(
                f"says {DEFAULT_AGENT}={from_line[DEFAULT_AGENT]}, and --tx names {number}",
                where="--paragate-slots",
                hint="give one of the two; each --tx is one slot of the test-runner",
            )
        from_line[DEFAULT_AGENT] = number
    agents = tuple(
        _understood(_INI.format("paragate_agents"), partial(check_agent_name, agent, "an agent type"))
        for line in _lines(config.getini("paragate_agents"), _INI.format("paragate_agents"))
        for agent in line
    )
    resources, first_units = _resources(config)
    json_path, sarif_path = _report_path(config, "paragate_json"), _report_path(config, "paragate_sarif")
    baseline_path = _baseline_path(config)
    _refuse_one_file_for_two(config, json_path, sarif_path, baseline_path)
    return Settings(
        slots={**from_ini, **from_line},
        workers=_workers(config),
        timeout_s=_first_given(config, "paragate_timeout", lambda value: parse_duration(value, "the time limit")),
        cpus=_first_given(config, "paragate_cpus", lambda value: _number_or_auto(value, "the CPU budget")),
        retries=_first_given(config, "paragate_retries", _retries),
        fails_on_flaky=config.getoption("paragate_fail_on_flaky") or _is_set(config, "paragate_fail_on_flaky"),
        resources=resources,
        first_units=first_units,
        agents=agents,
        json_path=json_path,
        sarif_path=sarif_path,
        baseline_path=baseline_path,
        accepts_benchmarks=bool(config.getoption("paragate_accept")),
        plan_only=bool(config.getoption("paragate_plan")),
        maxfail=int(config.getoption("maxfail", 0) or 0),
        numprocesses=numprocesses,
        maxprocesses=config.getoption("maxprocesses", None),
        max_worker_restart=_max_worker_restart(config),
        testrunuid=config.getoption("testrunuid", None),
        streams_output=config.getoption("capture", "fd") in ("no", "tee-sys"),
        dist=config.getoption("dist", "no"),
        gateways=gateways,
    )


def _refuse_unsupported(config: pytest.Config) -> None:
    for option, name in (("--pdb", "usepdb"), ("--trace", "trace")):
        if config.getoption(name, False):
            hint = "debug the one test without --paragate, as in pytest --pdb path::test"
            raise OptionError("cannot be used with --paragate, which runs in workers", where=option, hint=hint)
    for option, name in (("--setup-plan", "setupplan"), ("--setup-only", "setuponly")):
        if config.getoption(name, False):
            hint = "look at fixtures without --paragate, or at the plan of a run with --paragate-plan"
            raise OptionError("cannot be used with --paragate: it runs no test", where=option, hint=hint)
    if config.getoption("dist", "no") == "each":
        hint = "remove it, and run pytest once for each interpreter"
        raise OptionError("each cannot be used with --paragate, which runs a test once", where="--dist", hint=hint)


def _gateways(config: pytest.Config, numprocesses: int | None) -> Gateways | None:
    # A worker is given the controller's arguments; where it is reached from is not its business.
    if _is_worker(config) or config.getoption("numprocesses", None) == 0:
        return None
    # pytest-xdist itself fills `tx` in from -n, over what was given.
    options = config.option if numprocesses is None else config.known_args_namespace
    given = list(getattr(options, "tx", None) or ())
    proxies = list(config.getoption("px", None) or ())
    if not given and not proxies:
        return None
    if numprocesses is not None:
        hint = "give one of the two; write --tx 2*popen for two local ones among others"
        raise OptionError("and -n cannot be given together", where="--tx" if given else "--px", hint=hint)
    from pytest_paragate import specs

    specs.refuse_rsync(lambda name: config.getoption(name, None), config.getini)
    return specs.read(given, proxies, folder=str(config.invocation_params.dir))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _numprocesses(config: pytest.Config) -> int | None:
    """What -n asks for; 0 ("do not distribute") counts as not given."""
    wanted = config.getoption("numprocesses", None)
    if wanted in ("auto", "logical"):
        wanted = cpu_count()
    most = config.getoption("maxprocesses", None)
    for option, number in (("-n", wanted), ("--maxprocesses", most)):
        if number is not None and not 0 <= number <= LARGEST_COUNT:
            limit = "0 or more" if number < 0 else f"{LARGEST_COUNT} or less"
            raise OptionError(f"cannot be {shown(number)}: it must be {limit}", where=option)
    if not wanted:
        return None
    return min(wanted, most) if most else int(wanted)


def _max_worker_restart(config: pytest.Config) -> int | None:
    given = config.getoption("maxworkerrestart", None)
    if given is None:
        return None
    if not str(given).isdecimal() or len(str(given)) > _DIGITS:
        raise OptionError(f"cannot be {shown(given)}: it must be a number, 0 or more", where="--max-worker-restart")
    return int(given)


def _workers(config: pytest.Config) -> Workers:
    def parse(value: str) -> Workers:
        for kind in _WORKERS:
            if kind == value:
                return kind
        guess = nearest(value, _WORKERS)
        hint = f"did you mean {guess}?" if guess else None
        raise ValueRefusedError(
            f"the kind of workers cannot be {shown(value)}: it is one of {', '.join(_WORKERS)}", hint
        )

    return _first_given(config, "paragate_workers", parse) or "auto"


def _baseline_path(config: pytest.Config) -> Path | None:
    given = config.getini("paragate_baseline")
    if not given:
        return None
    path = Path(os.path.abspath(config.rootpath / str(given)))
    if path.is_dir():
        where = _INI.format("paragate_baseline")
        raise OptionError(f"cannot be {shown(given)}: it is a folder", where=where, hint="give the path of a file")
    return path


def _report_path(config: pytest.Config, name: str) -> Path | None:
    given = config.getoption(name)
    if given is None or _is_worker(config):
        return None
    path = Path(os.path.abspath(config.invocation_params.dir / given))
    what = None
    if not given.strip():
        what = "needs a path"
    elif path.is_dir() or given.endswith(("/", os.sep)):
        what = f"cannot be {shown(given)}: it is a folder"
    elif not path.parent.is_dir():
        what = f"cannot be {shown(given)}: there is no folder {path.parent}"
    if what:
        raise OptionError(what, where=OTHERS[name], hint="give the path of a file in a folder that exists")
    return path


def _refuse_one_file_for_two(config: pytest.Config, json: Path | None, sarif: Path | None, base: Path | None) -> None:
    """Refuse two of what a run writes in one file: the one written last would be all that is left."""
    junit = None if _is_worker(config) else config.getoption("xmlpath", None)
    wanted = {
        OTHERS["paragate_json"]: json,
        OTHERS["paragate_sarif"]: sarif,
        "--junitxml": config.invocation_params.dir / os.path.expanduser(junit) if junit else None,
        _INI.format("paragate_baseline"): base,
    }
    first: dict[str, str] = {}
    for where, path in wanted.items():
        if path is None or (path.exists() and not path.is_file()):  # a terminal or a pipe takes both
            continue
        other = first.setdefault(os.path.realpath(path), where)
        if other != where:
            raise OptionError(
                f"names the file of {other}: {shown(str(path))}", where=where, hint="give each its own file"
            )


def _first_given(config: pytest.Config, name: str, parse: Callable[[Any], T]) -> T | None:
    """The value of the option ``name``, or else of the ini setting with that name, or None."""
    given = config.getoption(name)
    if given is not None:
        return _understood(OTHERS[name], lambda: parse(given))
    setting = config.getini(name)
    if setting in ("", None):
        return None
    return _understood(_INI.format(name), lambda: parse(setting))


def _is_set(config: pytest.Config, name: str) -> bool:
    """Whether an ini setting says yes. Where it says neither, some versions of pytest do not say which one."""
    try:
        return bool(config.getini(name))
    except (TypeError, ValueError, pytest.UsageError) as problem:
        raise OptionError(str(problem), where=_INI.format(name), hint="write true or false") from None


def _understood(where: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValueRefusedError as problem:
        raise OptionError(problem.what, where=where, hint=problem.hint) from None


def _lines(lines: Iterable[object], where: str) -> Iterable[list[str]]:
    for line in lines:
        if not isinstance(line, str):
            raise OptionError(f"cannot contain {shown(line)}: it is a list of texts", where=where)
        yield [part.strip() for part in line.split(",")]


def _pairs(
    lines: Iterable[object], where: str, parse: Callable[[str, str], int], *, is_agent: bool = True
) -> dict[str, int]:
    """``NAME=N`` entries, one or more to a line."""
    found: dict[str, int] = {}
    form = "AGENT=N, such as test-runner=4" if is_agent else "NAME=N, such as db=3"
    for line in lines if isinstance(lines, list) else [lines]:
        for entry in next(iter(_lines([line], where))):
            name, equals, number = (part.strip() for part in entry.partition("="))
            if not equals or not name or not number:
                raise OptionError(f"cannot be {shown(entry)}", where=where, hint=f"write {form}")
            if is_agent:
                _understood(where, partial(check_agent_name, name, "an agent type"))
            if name in found:
                raise OptionError(f"names {name} twice", where=where, hint="give it once")
            found[name] = _understood(where, partial(parse, number, name))
    return found


def _resources(config: pytest.Config) -> tuple[dict[str, int], dict[str, int]]:
    """How much there is of each resource, and the first unit's number where units have numbers of their own."""
    first: dict[str, int] = {}

    def parse(text: str, resource: str) -> int:
        start, dash, end = (part.strip() for part in text.partition("-"))
        if not (dash and start):
            return _whole(text, f"the amount of {resource}", "or a range of units such as 8000-8003")
        if not (start.isdecimal() and end.isdecimal() and len(start + end) <= 30 and int(start) <= int(end)):
            hint = f"write {resource}=3, or {resource}=8000-8003 for units 8000 to 8003"
            raise ValueRefusedError(f"the units of {resource} cannot be {shown(text)}", hint)
        first[resource] = int(start)
        return parse_count(int(end) - int(start) + 1, f"the number of units of {resource}")

    where = _INI.format("paragate_resources")
    return _pairs(config.getini("paragate_resources"), where, parse, is_agent=False), first


def _retries(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10 else value
    return parse_retries(number, "the number of retries")


def _slots_or_auto(text: str, agent: str) -> int:
    return _number_or_auto(text, f"the number of slots of {agent}")


def _number_or_auto(value: object, what: str) -> int:
    return cpu_count() if value == "auto" else _whole(value, what, "or 'auto' for the number of CPUs")


def _whole(value: object, what: str, hint: str | None) -> int:
    number: object = value
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        number = int(value[:_DIGITS])
    try:
        return parse_count(number, what)
    except ValueRefusedError:
        limit = "a whole number, 1 or more"
        if isinstance(number, int) and number > LARGEST_COUNT:
            limit = f"{LARGEST_COUNT} or less"
        text = f"{what} cannot be {shown(value)}: it must be {limit}"
        raise ValueRefusedError(f"{text}, {hint}" if hint else text) from None

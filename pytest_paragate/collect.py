"""Decides what a run collects, and turns collected items into :class:`Check`.

- A check is collected once, however many arguments and folders lead to it.
- Problems are told together, as one usage error, before anything runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from pytest_paragate.declare import declaration_of, relative_place, resolve
from pytest_paragate.locations import Locations
from pytest_paragate.model import GROUP_PREFIX, Check, DeclarationError, Group, Place, Value
from pytest_paragate.nodes import GateFile, PluginChecks, TomlFile
from pytest_paragate.sources import Declared, Sources

CHECK = pytest.StashKey[Check]()
COLLECTING = pytest.StashKey["Collecting"]()
MARK = "paragate"
# How long pytest-timeout may take to do its work before the gate does it, seconds.
_SLACK_S = 5.0


class Collected(Value):
    """What was selected, in the order of the items, what else was declared or collected, and groups."""

    selected: tuple[Check, ...]
    unselected: tuple[Check, ...]
    groups: tuple[Group, ...] = ()


class Collecting:
    """One run's collection: which files are taken, what was found, what was wrong.

    ``agents`` are the agent types that may be named; ``timeout_s`` and ``retries`` are for checks and tests that set
    none; ``dist`` is pytest-xdist's word for which tests share a worker.
    ``added`` are files that no argument names; ``is_whole`` tells that the user named no paths.
    """

    def __init__(
        self,
        config: pytest.Config,
        *,
        agents: Sequence[str],
        timeout_s: float | None,
        retries: int | None = None,
        dist: str = "no",
    ) -> None:
        self._config = config
        self._timeout_s, self._retries, self._dist = timeout_s, retries, dist
        # Where pytest-timeout is at work, it speaks first, and ends a test better than from outside.
        self._timeout_slack_s = _SLACK_S if has_timeout_plugin(config) else 0.0
        self._is_lf = bool(config.getoption("lf", False))
        self._is_stepwise = bool(config.getoption("stepwise", False))
        self._latest_place = Place(file="")
        self.sources = Sources(config, agents)
        self._problems: list[DeclarationError] = []
        self._all: list[pytest.Item] = []
        self._mark_counts: list[int] = []  # those of their own
        self.selected: tuple[pytest.Item, ...] = ()  # what the plan is made of, by index
        self._before_lf: list[pytest.Item] = []
        # Of tests without the mark, by their id; in the stash of each it would take twice the memory, to the end.
        self._unmarked: dict[int, Check] = {}
        from_controller = getattr(config, "workerinput", {}).get("paragate_collecting", {})
        self.is_whole: bool = from_controller.get("is_whole", config.args_source is not pytest.Config.ArgsSource.ARGS)
        self.added: list[str] = list(from_controller.get("added", ()))
        self._is_worker = bool(from_controller)

    def for_worker(self) -> dict[str, Any]:
        """For ``workerinput["paragate_collecting"]`` of a worker that is given ``config.args`` and collects itself."""
        return {"added": list(self.added), "is_whole": self.is_whole}

    def start(self) -> None:
        """Read all sources that are known before collection, and name them to pytest where no argument leads there.

        Raises:
            pytest.UsageError: with every problem in them.
        """
        self.sources.read_loaded()
        self.raise_problems()
        if self.is_whole and not self._is_worker:
            places = [self._argument_path(argument) for argument in self._config.args]
            for source in self.sources.files():
                if source.checks and not any(source.path.is_relative_to(place) for place in places):
                    self.added.append(str(source.path))
            self._config.args[:] = [*self.added, *self._config.args]

    def _argument_path(self, argument: str) -> Path:
        path = self._config.invocation_params.dir / argument.partition("[")[0].split("::")[0]
        return Path(os.path.abspath(path))

    def raise_problems(self) -> None:
        """Tell everything that is wrong so far.

        Raises:
            pytest.UsageError: if anything is.
        """
        problems = [*(problem for source in self.sources for problem in source.problems), *self._problems]
        if self._config.hook.pytest_paragate_judges.get_hookimpls():
            from pytest_paragate.judge.own import own_judges

            own = own_judges(self._config)
            problems += own.problems if own is not None else []
        texts = list(dict.fromkeys(str(problem) for problem in problems))
        if texts:
            raise pytest.UsageError(*texts)

    def module(self, path: Path, parent: pytest.Collector) -> GateFile | None:
        """The collector of a conftest.py that declares checks, in place of pytest's own."""
        source = self.sources.conftest(path) if path.name == "conftest.py" else None
        if source is None:
            return None
        node: GateFile = GateFile.from_parent(parent, path=path)
        node.source, node.adopt = source, self.adopt_check
        patterns = self._config.getini("python_files")
        is_named = parent.session.isinitpath(path) and str(path) not in self.added
        node.holds_tests = is_named or any(path.match(pattern) for pattern in patterns)
        return node

    def file(self, path: Path, parent: pytest.Collector, found: list[pytest.Collector]) -> list[pytest.Collector]:
        """The collectors of a file: ``found`` by pytest and plugins, and ours if it declares checks."""
        node: GateFile | TomlFile | None = None
        if path.name == "conftest.py" and not any(isinstance(other, GateFile) for other in found):
            node = self.module(path, parent)
        elif path.name == "pyproject.toml":
            source = self.sources.table(path)
            if source is not None:
                node = TomlFile.from_parent(parent, path=path)
                node.source, node.adopt = source, self.adopt_check
        return found if node is None else [*found, node]

    def report(self, report: pytest.CollectReport, collector: pytest.Collector) -> pytest.CollectReport:
        """Put plugins' checks into the session, and put back what --lf left out before it could know what is needed."""
        if isinstance(collector, pytest.Session) and self.is_whole and report.passed:
            for source in self.sources.plugins():
                node: PluginChecks = PluginChecks.from_parent(
                    collector, path=source.path, name=source.nodeid, nodeid=source.nodeid
                )
                node.source, node.adopt = source, self.adopt_check
                report.result.append(node)
        elif isinstance(collector, (GateFile, TomlFile, PluginChecks)) and report.passed and self._is_lf:
            report.result[:] = collector.collect()
        return report

    def refuse_misplaced(self, collector: pytest.Collector, obj: object) -> None:
        """Note a declaration that stands in a test module, where nothing would collect it."""
        declaration = declaration_of(obj)
        if (
            declaration is None
            or declaration.place.file != str(collector.path)
            or isinstance(collector, (GateFile, PluginChecks))
        ):
            return
        where = str(relative_place(declaration.place, str(self._config.rootpath)))
        hint = "move it to conftest.py"
        if declaration.kind == "function":
            hint += ", or mark the test with @pytest.mark.paragate(…)"
        self._problems.append(DeclarationError("a check cannot be declared in a test module", where=where, hint=hint))

    def adopt_check(self, item: pytest.Item, declared: Declared) -> None:
        """Give the item of a declared check its ``Check``, marker and keywords."""
        check = declared.check
        keys = _mark_keys(item)
        if keys:
            check, problems = resolve(
                check.kind,
                {**declared.declaration.keys, **keys},
                name=check.name,
                nodeid=item.nodeid,
                place=declared.declaration.place,
                near=self.sources.near(item.path.parent),
            )
            self._problems.extend(problems)
        params = item.name.removeprefix(getattr(item, "originalname", None) or item.name)
        check = check.replaced(nodeid=item.nodeid, name=f"{declared.check.name}{params}")
        if check.command is not None and not callable(check.parse):
            check = check.replaced(parse=self._judge(check))
        self._keep(item, check)
        item.add_marker(pytest.mark.paragate(agent=check.agent))

    def adopt_test(self, item: pytest.Item) -> None:
        """Give an ordinary test its ``Check``, from its marks if it has any."""
        family = getattr(item, "originalname", None) or item.name
        marks = {mark.name: mark for mark in reversed(list(item.iter_markers()))}
        if MARK not in marks:
            check = Check(
                nodeid=item.nodeid,
                name=item.name,
                family=family,
                # Where exactly it stands takes longer to find out than all the rest, and only its reports want to know.
                place=self._place(item.nodeid.partition("::")[0]),
                timeout_s=self._limit_s(marks),
                retries=self._retries,
                is_marked=False,
                together=self._together(item.nodeid, marks),
            )
            self._unmarked[id(item)] = check
            return
        file, line, _ = item.location
        place = Place(file=file.replace(os.sep, "/"), line=0 if line is None else line + 1)
        if any(mark.args for mark in item.iter_markers(MARK)):
            hint = 'write @pytest.mark.paragate(agent="…")'
            problem = DeclarationError("the mark paragate takes keys only", where=str(place), hint=hint)
            self._problems.append(problem)
        keys = _mark_keys(item)
        check, problems = resolve(
            "test",
            keys,
            name=item.name,
            family=family,
            nodeid=item.nodeid,
            place=Place(file=str(self._config.rootpath / file), line=place.line),
            near=self.sources.near(item.path.parent),
        )
        self._problems.extend(problems)
        if keys.get("name") is not None:
            params = item.name.removeprefix(family)
            check = check.replaced(name=f"{check.name}{params}", family=check.name)
        if check.timeout_s is None:
            check = check.replaced(timeout_s=self._limit_s(marks))
        self._keep(item, check)

    def _place(self, file: str) -> Place:
        """Somewhere in a file: the same for all its tests."""
        if file != self._latest_place.file:
            self._latest_place = Place(file=file)
        return self._latest_place

    def _together(self, nodeid: str, marks: Mapping[str, pytest.Mark]) -> str:
        """The name of what must share a worker with a test; names of groups, files and classes cannot be the same."""
        mark = marks.get("xdist_group")
        if mark is not None:
            return f"@{mark.args[0] if mark.args else mark.kwargs.get('name', 'default')}"
        if self._dist == "loadfile":
            return nodeid.partition("::")[0]
        return nodeid.rpartition("::")[0] if self._dist == "loadscope" else ""

    def _limit_s(self, marks: Mapping[str, pytest.Mark]) -> float | None:
        """The time limit that a mark ``timeout`` sets, or the run's."""
        mark = marks.get("timeout")
        value = (mark.args[0] if mark.args else mark.kwargs.get("timeout")) if mark is not None else None
        if value is None or isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            return self._timeout_s
        return value + self._timeout_slack_s

    def _keep(self, item: pytest.Item, check: Check) -> None:
        item.stash[CHECK] = self._with_defaults(check)
        item.extra_keyword_matches.add(check.agent)
        if check.group is not None:
            item.extra_keyword_matches.add(check.group)

    def _judge(self, check: Check) -> object:
        """``parse`` of a command, or the judge that a plugin offers for it under that name or for its program."""
        if not self._config.hook.pytest_paragate_judges.get_hookimpls():
            return check.parse
        from pytest_paragate.judge.own import judge_for

        return judge_for(check, self._config)

    def _with_defaults(self, check: Check) -> Check:
        if check.timeout_s is None and self._timeout_s is not None:
            check = check.replaced(timeout_s=self._timeout_s)
        if check.retries is None and self._retries is not None:
            check = check.replaced(retries=self._retries)
        return check

    def take(self, items: list[pytest.Item]) -> None:
        """See all items before any is deselected.

        Raises:
            pytest.UsageError: with every problem of sources and marks; ``items`` is empty then.
        """
        items[:] = _each_check_once(items)
        for item in items:
            if CHECK not in item.stash:
                self.adopt_test(item)
        self._all = list(items)
        self._mark_counts = [len(item.own_markers) for item in items]
        self._raise_problems_of(items)

    def take_changes(self, items: list[pytest.Item]) -> None:
        """See what other plugins have made of the items that :meth:`take` saw.

        Raises:
            pytest.UsageError: as :meth:`take`.
        """
        for item, count in zip(self._all, self._mark_counts, strict=True):
            known = item.stash.get(CHECK, None)
            if len(item.own_markers) != count and (known is None or known.kind == "test"):
                self.adopt_test(item)
        if items:
            locations = Locations(items[0].session)
            for item in items:
                locations.settle(item)
        self._raise_problems_of(items)
        if self._is_worker:
            self._unmarked.clear()  # nobody asks for them there

    def _raise_problems_of(self, items: list[pytest.Item]) -> None:
        try:
            self.raise_problems()
        except pytest.UsageError:
            items.clear()
            raise

    def look_before_lf(self, items: list[pytest.Item]) -> None:
        """Remember what is left when only --lf has still to choose, and what --stepwise may have passed over."""
        self._before_lf = list(items)
        if self._is_stepwise and items:
            self._before_lf[:0] = takewhile(lambda item: item is not items[0], self._all)

    def restore_needed(self, items: list[pytest.Item]) -> None:
        """Bring back checks that a selected one needs and that nothing but --lf or --stepwise left out."""
        if not (self._is_lf or self._is_stepwise):
            return
        dropped = {*self._before_lf}.difference(items)
        checks = {item: self.check_of(item) for item in (*self._before_lf, *items)}
        there = {item: checks[item] for item in self._before_lf}
        wanted = list(items)
        back: set[pytest.Item] = set()
        while wanted:
            asking = checks[wanted.pop()]
            for name in asking.needs:
                # A group is needed by its decision, which takes all of its members.
                answering = _answering(name, asking, there)
                found = [item for item in answering if item in dropped and item not in back]
                back.update(found)
                wanted.extend(found)
        if back:
            chosen = {*items, *back}
            order = [item for item in self._before_lf if item in chosen]
            items[:] = [*(item for item in order if item in back), *(item for item in items)]
            reporter = self._config.pluginmanager.get_plugin("terminalreporter")
            deselected = getattr(reporter, "stats", {}).get("deselected")
            if deselected:
                deselected[:] = [item for item in deselected if item not in back]

    def check_of(self, item: pytest.Item) -> Check:
        """The check that a collected item is. Plugins may have renamed it since, or made it only now."""
        check = item.stash.get(CHECK, None) or self._unmarked.get(id(item))
        if check is None:
            self.adopt_test(item)
            return self.check_of(item)
        return check if check.nodeid == item.nodeid else check.replaced(nodeid=item.nodeid)

    def result(self, items: Sequence[pytest.Item]) -> Collected:
        """What is selected by ``items``, after collection."""
        self.selected = tuple(items)
        selected = tuple(map(self.check_of, items))
        chosen = {check.nodeid for check in selected}
        others = [self.check_of(item) for item in self._all if item.nodeid not in chosen]
        self._unmarked.clear()  # the plan has them, and nobody else asks for them
        self.raise_problems()
        declared = [each.check for source in self.sources for each in source.checks if each.check.nodeid not in chosen]
        if declared:
            families = {(_file_of(check), check.family) for check in (*selected, *others)}
            declared = [check for check in declared if (_file_of(check), check.family) not in families]
        groups = tuple(group for source in self.sources for group in source.groups)
        return Collected(selected=selected, unselected=(*others, *declared), groups=groups)


def has_timeout_plugin(config: pytest.Config) -> bool:
    """Whether pytest-timeout is there, found by itself or named on the command line."""
    return any(map(config.pluginmanager.hasplugin, ("timeout", "pytest_timeout")))


def collected(session: pytest.Session) -> Collected:
    """Everything about a finished collection; under ``--paragate`` only."""
    return session.config.stash[COLLECTING].result(session.items)


def _each_check_once(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """``items`` without repeated declared checks, which overlapping path arguments lead to in some pytest versions."""
    seen: set[str] = set()
    for item in items:
        if CHECK not in item.stash or item.nodeid not in seen:
            yield item
        if CHECK in item.stash:
            seen.add(item.nodeid)


def _mark_keys(item: pytest.Item) -> dict[str, Any]:
    """The keys of all marks ``paragate`` on an item; the mark nearest to the test wins."""
    keys: dict[str, Any] = {}
    for mark in item.iter_markers(MARK):
        keys = {**mark.kwargs, **keys}
    return keys


def _file_of(check: Check) -> str:
    return check.nodeid.partition("::")[0]


def _answering(name: str, asking: Check, checks: Mapping[pytest.Item, Check]) -> list[pytest.Item]:
    """The items that ``name`` stands for, seen from the file of ``asking``: there first, then everywhere."""
    if name.startswith(GROUP_PREFIX):
        group = name.removeprefix(GROUP_PREFIX)
        return [item for item, check in checks.items() if check.group == group]
    found = {item: check for item, check in checks.items() if name in (check.nodeid, check.name, check.family)}
    found = {item: check for item, check in found.items() if check.place.file == asking.place.file} or found
    return [item for item, check in found.items() if name in (check.nodeid, check.name)] or list(found)

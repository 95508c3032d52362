"""One run of the gate inside a pytest session: from the collected items to the result that every report is made of."""

from __future__ import annotations

import datetime
import functools
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_paragate.collect import COLLECTING, Collected
from pytest_paragate.folders import Folders
from pytest_paragate.history import History
from pytest_paragate.imports import Late
from pytest_paragate.model import BUILTIN_AGENTS, DEFAULT_AGENT, OptionError, nearest
from pytest_paragate.plan import MIN_TUNED_S, Plan, make_plan
from pytest_paragate.run.gateways import ForkLauncher, Inbox, Launcher
from pytest_paragate.run.loop import Loop, LoopSettings
from pytest_paragate.run.messages import Message
from pytest_paragate.run.nodes import Nodes
from pytest_paragate.schedule import Schedule
from pytest_paragate.settings import Settings

if TYPE_CHECKING:
    from pytest_paragate import speedup, summing
    from pytest_paragate.judge.baseline import Baselines
    from pytest_paragate.report.labels import Labels
    from pytest_paragate.result import GateResult
    from pytest_paragate.run.audience import Audience
    from pytest_paragate.verdict import Verdict
else:
    speedup = Late("pytest_paragate.speedup")
    summing = Late("pytest_paragate.summing")

# Beyond this many checks and tests, the header's estimate is the limit instead of a replay, to cost nothing.
_SIMULATED_CHECKS = 200


class Gate:
    """A planned run: ``plan`` can be shown without running. Workers come from ``forks``, or boot where there are none.

    Raises:
        PlanError: the checks cannot be run together.
    """

    def __init__(
        self,
        session: pytest.Session,
        settings: Settings,
        collected: Collected,
        *,
        inbox: Inbox,
        folders: Folders,
        forks: ForkLauncher | None,
        labels: Labels | None,
        numbers: Iterator[int],
        workers: str,
    ) -> None:
        self._inbox, self._folders, self._forks, self._workers = inbox, folders, forks, workers
        self._labels = labels
        self._numbers = numbers
        self.session, self.settings = session, settings
        self.config = session.config
        self._history = History(self._folders.lasting)
        durations = self._history.durations()
        plan = make_plan(
            collected.selected,
            slots=_slots(collected, settings),
            capacities=settings.resources,
            first_units=settings.first_units,
            cpus=settings.cpus,
            durations=durations,
            unselected=collected.unselected,
            groups=collected.groups,
            root=str(self.config.rootpath),
        )
        self.plan: Plan = _tuned(plan)
        self.problems: list[str] = list(self._history.warnings)
        self._has_lost_baseline = False

    def header(self) -> str:
        """The line above all results: how much there is, on how many slots, and how long it may take."""
        from pytest_paragate.report.text import seconds

        kinds = Counter("check" if check.is_marked else "test" for check in self.plan.checks)
        amounts = " and ".join(_counted(kinds[kind], kind) for kind in ("check", "test") if kinds[kind])
        slots = sum(self.plan.slots.values())
        parts = [
            amounts or "nothing to run",
            _counted(len(self.plan.slots), "agent type"),
            _counted(slots, "slot"),
            self._workers,
        ]
        # What has no history (a check that was always skipped or blocked) counts as the median of its like.
        if 2 * sum(self.plan.is_known) > len(self.plan.checks):
            is_small = len(self.plan.checks) <= _SIMULATED_CHECKS
            expected_s = speedup.simulate(self.plan).makespan_s if is_small else speedup.limit(self.plan).wall_s
            parts.append(seconds(expected_s, is_estimate=True))
        return "paragate: " + ", ".join(parts)

    def run(self) -> GateResult:
        """Run the plan; never raises for anything that a check does."""
        launcher = self._launcher()
        try:
            return self._run(launcher)
        finally:
            # Processes take their time to go, and there was something to be done meanwhile.
            launcher.close()
            self._folders.end_run()  # in case that it broke down

    def _run(self, launcher: Launcher) -> GateResult:
        started_at, started = time.monotonic(), datetime.datetime.now().astimezone()
        self.session.config.option.maxfail, maxfail = 0, self.settings.maxfail
        nodes = self._nodes()
        audience = _LateDelivery(self.session, self.plan, self.header, nodes, self._labels)
        loop = Loop(
            self.plan,
            Schedule(self.plan),
            launcher,
            self._inbox,
            audience,
            LoopSettings(
                maxfail=maxfail,
                max_worker_restart=self.settings.max_worker_restart,
                crash_path=self._folders.crash_path,
                journal_path=self._folders.journal_path,
                basetemp=lambda worker: str(self._basetemp / f"popen-{worker}"),
                nodes=nodes,
                baselines=lambda: self._baselines,
                may_stop_for_failures=bool(self.config.getoption("stepwise", False)),
            ),
            started_at=started_at,
        )
        try:
            outcome = loop.run()
        finally:
            self.session.config.option.maxfail = maxfail
            nodes.close()
        self._have_all_answered = nodes.have_all_answered
        self._folders.end_run()
        wall_s = time.monotonic() - started_at
        if self._folders.is_lasting:
            self._history.record(summing.durations(self.plan, outcome.verdicts))
        self.problems += outcome.problems
        self._keep_baselines(outcome.verdicts)
        self.problems += [warning for warning in self._history.warnings if warning not in self.problems]
        self.loop_result = outcome
        return summing.sum_up(
            self.plan,
            outcome,
            wall_s=wall_s,
            started_at=started,
            problems=self.problems,
            fails_on_flaky=self.settings.fails_on_flaky,
            has_lost_baseline=self._has_lost_baseline,
        )

    @property
    def has_heard_of_all(self) -> bool:
        """Whether plugins know of everything that was planned: nothing was held back or given up, no worker lost."""
        return self._have_all_answered and summing.is_complete(self.loop_result)

    def folders(self) -> dict[str, str]:
        """The folder that each check runs in, by node id: what the paths in its output are relative to."""
        root = self.config.rootpath
        return {
            check.nodeid: check.command.cwd if check.command is not None else str((root / check.place.file).parent)
            for check in self.plan.checks
        }

    @functools.cached_property
    def _baselines(self) -> Baselines:
        from pytest_paragate.judge.baseline import Baselines

        path = self.settings.baseline_path or self._folders.lasting / "baselines.json"
        return Baselines(path, is_accepting=self.settings.accepts_benchmarks)

    def _keep_baselines(self, verdicts: Mapping[int, Verdict]) -> None:
        """Take the numbers of checks that passed as the new baseline, where that was asked for."""
        if self.settings.accepts_benchmarks:
            passed = summing.passed(verdicts)
            taken = [self._baselines.accept(self.plan.checks[i].nodeid, each.metrics) for i, each in passed.items()]
            if not any(taken):
                self.problems.append("--paragate-accept: no check that passed measured anything")
                return
            try:
                if not self._folders.is_lasting and self.settings.baseline_path is None:
                    raise OSError("there is no cache directory, set paragate_baseline")
                self._baselines.save()
            except (OSError, ValueError) as problem:
                self.problems.append(f"--paragate-accept: the baseline could not be written: {problem}")
                # It was asked for, so it must not go unnoticed.
                self._has_lost_baseline = True
        if "_baselines" in self.__dict__:
            self.problems += self._baselines.warnings

    @functools.cached_property
    def _basetemp(self) -> Path:
        factory = getattr(self.config, "_tmp_path_factory", None)
        return Path(factory.getbasetemp()) if factory is not None else Path(tempfile.mkdtemp(prefix="paragate-"))

    def _nodes(self) -> Nodes:
        return Nodes(
            self.session,
            slots=sum(self.plan.slots.values()),
            testrunuid=self.settings.testrunuid or uuid.uuid4().hex,
            is_distributed=self.plan.slots.get(DEFAULT_AGENT, 1) > 1 or self.settings.numprocesses is not None,
            private={"paragate_collecting": self.config.stash[COLLECTING].for_worker()},
        )

    def _launcher(self) -> Launcher:
        gateways = self.settings.gateways
        if self._forks is not None and gateways is None:
            return self._forks
        from pytest_paragate.run.popen import MixedLauncher, PopenLauncher
        from pytest_paragate.specs import Gateways

        fresh = {
            "environment": dict(os.environ),
            "args": [str(arg) for arg in self.config.invocation_params.args],
            "collect_args": list(self.config.args),
            "folder": str(self.config.invocation_params.dir),
            "root": str(self.config.rootpath),
            "sys_path": list(sys.path),
        }

        def setup(worker: str) -> Message:
            return {**self._folders.for_worker(worker), "streams": self.settings.streams_output, **fresh}

        nodeids = [check.nodeid for check in self.plan.checks]
        popen = PopenLauncher(
            self._inbox,
            setup=setup,
            nodeids=nodeids,
            make_gateway=lambda slot: self.config.hook.pytest_paragate_make_gateway(slot=slot, config=self.config),
            gateways=gateways or Gateways(),
            folder=self._folders.private,
            numbers=self._numbers,
        )
        return popen if self._forks is None else MixedLauncher(self._forks, popen, gateways or Gateways())


class _LateDelivery:
    """The delivery, imported with the first news: until then nothing stands between a plan and its first start."""

    def __init__(
        self, session: pytest.Session, plan: Plan, header: Callable[[], str], nodes: Nodes, labels: Labels | None
    ) -> None:
        self._session, self._plan, self._header, self._nodes, self._labels = session, plan, header, nodes, labels
        self._delivery: Audience | None = None

    def __getattr__(self, name: str) -> Any:
        if self._delivery is None:
            from pytest_paragate.report.delivery import Delivery
            from pytest_paragate.report.labels import Labels

            labels = self._labels or Labels(self._session.items)
            self._delivery = Delivery(self._session, self._plan, self._header, self._nodes, labels)
        return getattr(self._delivery, name)


def _tuned(plan: Plan) -> Plan:
    if sum(plan.expected_s) < MIN_TUNED_S:
        return plan
    from pytest_paragate.tuning import tune  # most plans are too short to be worth the import

    return tune(plan)


def _slots(collected: Collected, settings: Settings) -> dict[str, int]:
    agents = dict.fromkeys(check.agent for check in collected.selected)
    if unused := settings.slots.keys() - agents.keys() - {*BUILTIN_AGENTS, *settings.agents}:
        _refuse_misspelt(sorted(unused - {check.agent for check in collected.unselected}))
    return {agent: settings.slots_of(agent) for agent in agents}


def _refuse_misspelt(agents: Sequence[str]) -> None:
    """Refuse slots for what is nobody's agent type and almost the name of a known one."""
    for agent in agents:
        guess = nearest(agent, BUILTIN_AGENTS, cutoff=0.8)
        if guess is not None:
            raise OptionError(
                f"no check has the agent type {agent}, did you mean {guess}?",
                where="--paragate-slots or setting `paragate_slots`",
                hint=f"write {guess}=N, or name {agent} in the setting `paragate_agents` if it is meant",
            )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

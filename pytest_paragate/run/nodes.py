"""Workers as pytest-xdist shows them to plugins: nodes, and the hooks that plugins implement for them.

Rules
- No hook is called, and nothing is prepared for it, unless some plugin implements it.
- A worker becomes a node with its first item; one that runs commands alone is none. Every node that was configured goes
  down once, and all are down before the run loop ends.
- What the hooks get looks like pytest-xdist's objects as far as plugins look: a node's gateway knows its id, its
  specification and its interpreter, and cannot be executed on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from execnet.xspec import XSpec

_READY_HOOKS = ("pytest_testnodeready", "pytest_xdist_node_collection_finished")


class NodeGateway:
    """What plugins ask of a node's gateway. ``remote`` is what a worker on another interpreter says of that."""

    def __init__(self, worker_id: str) -> None:
        self.id = worker_id
        self.remote: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<NodeGateway {self.id}>"

    @functools.cached_property
    def spec(self) -> XSpec:
        return _spec(self.id)

    def info(self) -> dict[str, Any]:
        """The interpreter at the far end; until it has said what it is, that of this process."""
        if self.remote is None:
            from xdist.remote import getinfodict

            self.remote = getinfodict()
        return {**self.remote, "id": self.id, "spec": self.spec}

    def _rinfo(self) -> SimpleNamespace:
        info = self.info()
        return SimpleNamespace(
            version_info=tuple(info["version_info"]),
            platform=info["sysplatform"],
            executable=info["executable"],
            cwd=info["cwd"],
        )


class NodeManager:
    """What plugins ask of a node's manager. Nothing is copied to workers, so there are no ``roots``."""

    def __init__(self, config: pytest.Config, testrunuid: str, specs: Callable[[], Sequence[XSpec]]) -> None:
        self.config, self.testrunuid, self._specs = config, testrunuid, specs
        self.roots: list[Any] = []

    @functools.cached_property
    def specs(self) -> Sequence[XSpec]:
        return self._specs()


class Node:
    """One worker. ``workeroutput`` is there once the worker has said goodbye."""

    workeroutput: dict[str, Any]

    def __init__(self, manager: NodeManager, gateway: NodeGateway, workerinput: dict[str, Any]) -> None:
        self.nodemanager, self.gateway, self.workerinput = manager, gateway, workerinput
        self.config = manager.config

    def __repr__(self) -> str:
        return f"<Node {self.gateway.id}>"

    @property
    def workerinfo(self) -> dict[str, Any]:
        """Its interpreter, with which pytest heads a failure."""
        return self.gateway.info()


class CrashScheduling:
    """What ``pytest_handlecrashitem`` gets as ``sched``."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.pending: list[str] = []

    def mark_test_pending(self, item: str) -> None:
        """Let the test that crashed run again."""
        self.pending.append(item)


class Nodes:
    """All nodes of a run, by worker id."""

    def __init__(
        self,
        session: pytest.Session,
        *,
        slots: int,
        testrunuid: str,
        is_distributed: bool,
        private: Mapping[str, Any],
    ) -> None:
        """``private`` is what our own workers find in ``workerinput`` beside what pytest-xdist's do.

        ``is_distributed`` says that tests take turns on the terminal, so that reports name their worker there.
        """
        self._session, self._config = session, session.config
        self._slots, self._uid, self.is_distributed, self._private = slots, testrunuid, is_distributed, private
        self._manager = NodeManager(self._config, testrunuid, self._specs)
        self._nodes: dict[str, Node] = {}
        self._down: set[str] = set()
        self._crash_marks: dict[int, dict[str, Any]] = {}

    # what the loop tells

    def join(self, worker_id: str) -> dict[str, Any]:
        """The worker gets its first item: everything that plugins and we tell it before."""
        if not self._nodes and self._implements("pytest_xdist_setupnodes"):
            self._config.hook.pytest_xdist_setupnodes(config=self._config, specs=self._manager.specs)
        workerinput = {
            "workerid": worker_id,
            "workercount": self._slots,
            "testrunuid": self._uid,
            "mainargv": list(sys.argv),
            **self._private,
            **self._measuring(),
            "paragate_says_ready": any(map(self._implements, _READY_HOOKS)),
        }
        node = self._nodes[worker_id] = Node(self._manager, NodeGateway(worker_id), workerinput)
        if self._implements("pytest_xdist_newgateway"):
            self._config.hook.pytest_xdist_newgateway(gateway=node.gateway)
        if self._implements("pytest_configure_node"):
            self._config.hook.pytest_configure_node(node=node)
        return node.workerinput

    def _measuring(self) -> dict[str, Any]:
        if "pytest_benchmark" not in sys.modules:
            return {}
        from pytest_paragate.run import benchmarks

        return {benchmarks.INPUT: benchmarks.are_measured(self._config)}

    def ready(self, worker_id: str, info: Mapping[str, Any] | None) -> None:
        """The worker has a collected session. ``info`` describes its interpreter where that is another one."""
        node = self._nodes[worker_id]
        node.gateway.remote = info
        if self._implements("pytest_testnodeready"):
            self._config.hook.pytest_testnodeready(node=node)
        if self._implements("pytest_xdist_node_collection_finished"):
            ids = [item.nodeid for item in self._session.items]
            self._config.hook.pytest_xdist_node_collection_finished(node=node, ids=ids)

    def goodbye(self, worker_id: str, output: Mapping[str, Any]) -> None:
        """The worker has torn everything down, and this is what plugins left there for their like here."""
        node = self._nodes.get(worker_id)
        if node is not None and output:  # a session that did not get to its end has left nothing
            from pytest_paragate.run import benchmarks

            node.workeroutput = dict(output)
            benchmarks.take_over(self._config, output)

    def ended(self, worker_id: str, how: str) -> None:
        """The worker's process is gone."""
        node = self._nodes.get(worker_id)
        if node is None or worker_id in self._down:
            return
        self._down.add(worker_id)
        if self._implements("pytest_testnodedown"):
            error = None if hasattr(node, "workeroutput") else how
            self._config.hook.pytest_testnodedown(node=node, error=error)

    def wants_rerun(self, worker_id: str, index: int) -> bool:
        """A test took its worker with it: whether a plugin wants it to run again, and has been told how it ended."""
        if not self._implements("pytest_handlecrashitem"):
            return False
        from pytest_paragate.run import plugins

        item, scheduling = self._session.items[index], CrashScheduling(self._config)
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=f"worker {worker_id!r} crashed while running {item.nodeid!r}",
            when="???",  # type: ignore[arg-type]  # what pytest-xdist says, since the phase is not known
        )
        self.mark(report, worker_id, index)
        plugins.hear_rerunfailures_out(connections=len(self._nodes) - len(self._down))
        before = set(report.__dict__)
        self._config.hook.pytest_handlecrashitem(crashitem=item.nodeid, report=report, sched=scheduling)
        if scheduling.pending:
            self._config.hook.pytest_runtest_logreport(report=report)
            return True
        self._crash_marks[index] = {name: report.__dict__[name] for name in report.__dict__.keys() - before}
        return False

    @property
    def have_all_answered(self) -> bool:
        """Whether no worker has died with what plugins had for the main process."""
        return all(hasattr(node, "workeroutput") for node in self._nodes.values())

    def close(self) -> None:
        """The run is over, and those who need an answer of each of ``-n`` workers learn how many there have been.

        syrupy would delete the snapshots of a worker that died, and looks for missing answers beyond one worker only.
        """
        if self._nodes and hasattr(self._config.option, "numprocesses"):
            self._config.option.numprocesses = max(1 if self.have_all_answered else 2, len(self._nodes))

    # what reports are told

    def mark(self, report: pytest.TestReport, worker_id: str | None, index: int | None) -> None:
        """Let a report say where it comes from."""
        if worker_id is None:
            return
        marked: Any = report
        marked.worker_id, marked.testrun_uid = worker_id, self._uid
        if index is not None:
            marked.item_index = index
            for name, value in self._crash_marks.get(index, {}).items():
                setattr(marked, name, value)
        if self.is_distributed and worker_id in self._nodes:
            marked.node = self._nodes[worker_id]

    # hooks

    def _implements(self, name: str) -> bool:
        hook = getattr(self._config.hook, name, None)  # not there at all without pytest-xdist
        return hook is not None and bool(hook.get_hookimpls())

    def _specs(self) -> Sequence[XSpec]:
        return [_spec(f"gw{number}") for number in range(self._slots)]


def _spec(worker_id: str) -> XSpec:
    from execnet.xspec import XSpec

    return XSpec(f"execmodel=main_thread_only//popen//id={worker_id}")

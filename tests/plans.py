"""Checks and plans for the tests of the pure rooms: short to write, and random ones for properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from pytest_paragate.model import Check, Group, Place
from pytest_paragate.plan import Plan, make_plan

ROOT = "/repo"
AGENTS = ("code-reviewer", "test-runner", "debugger")
PATHS = ("target/", "target/a", "target/b", "src/", "src/*.py", "src/gen.py", "docs/**/*.md")


def check(name: str, *, file: str = "conftest.py", line: int = 1, **keys: Any) -> Check:
    """A command check. Paths may be relative to ROOT, ``uses`` a mapping, ``needs`` and ``after`` words in one text."""
    for key in ("needs", "after"):
        if isinstance(keys.get(key), str):
            keys[key] = tuple(keys[key].split())
    for key in ("reads", "writes"):
        if key in keys:
            keys[key] = tuple(path if path.startswith("/") else f"{ROOT}/{path}" for path in keys[key])
    if isinstance(keys.get("uses"), Mapping):
        keys["uses"] = tuple(keys["uses"].items())
    family = keys.pop("family", name.partition("[")[0])
    defaults = {"nodeid": f"{file}::{name}", "kind": "command", "is_marked": True}
    return Check(name=name, family=family, place=Place(file=file, line=line), **{**defaults, **keys})


def ordinary(name: str, *, file: str = "test_it.py", **keys: Any) -> Check:
    """An ordinary test without a mark."""
    return check(name, file=file, kind="test", is_marked=False, **keys)


def group(name: str, wait: int | str = "all", rest: Any = "finish", *, file: str = "conftest.py") -> Group:
    return Group(name=name, place=Place(file=file, line=1), wait=wait, rest=rest)


def plan_of(*checks: Check, slots: Mapping[str, int] | None = None, **keys: Any) -> Plan:
    """A plan with one slot per agent type, and ``durations`` by name instead of node id."""
    agents = dict.fromkeys((item.agent for item in checks), 1)
    by_name: Mapping[str, float] = keys.pop("durations", {})
    durations = {item.nodeid: by_name[item.name] for item in checks if item.name in by_name}
    return make_plan(checks, slots={**agents, **(slots or {})}, root=ROOT, durations=durations, **keys)


@st.composite
def plans(draw: st.DrawFn, *, max_checks: int = 14, max_tests: int = 12, max_exclusive: int = 14) -> Plan:
    """Any graph with slots, edges, paths, resources, a CPU budget, exclusive checks and ordinary tests."""
    count = draw(st.integers(1, max_checks))
    checks: list[Check] = []
    for i in range(count):
        earlier = [f"c{j}" for j in range(i)]
        words = st.lists(st.sampled_from(earlier), max_size=2, unique=True) if earlier else st.just([])
        few_paths = st.lists(st.sampled_from(PATHS), max_size=2, unique=True)
        checks.append(
            check(
                f"c{i}",
                agent=draw(st.sampled_from(AGENTS)),
                needs=tuple(draw(words)),
                after=tuple(draw(words)),
                when=draw(st.sampled_from(["success", "success", "always"])),
                reads=draw(few_paths),
                writes=draw(few_paths) if draw(st.booleans()) else (),
                uses=draw(st.dictionaries(st.sampled_from(["db", "gpu"]), st.integers(1, 3), max_size=2)),
                exclusive=i < max_exclusive and draw(st.integers(0, 6)) == 0,
                cpus=draw(st.sampled_from([1, 1, 2])),
            )
        )
    tests = [ordinary(f"t{i}") for i in range(draw(st.integers(0, max_tests)))]
    if tests and draw(st.booleans()):
        checks.append(check("last", needs="t0"))
    items: Sequence[Check] = draw(st.permutations([*checks, *tests]))
    known = [item.nodeid for item in items if draw(st.booleans())]
    return make_plan(
        items,
        slots={agent: draw(st.integers(1, 3)) for agent in AGENTS},
        capacities={"db": 3, "gpu": 4},
        cpus=draw(st.sampled_from([None, 2, 3])),
        durations={nodeid: draw(st.integers(0, 40)) / 8 for nodeid in known},
        root=ROOT,
    )

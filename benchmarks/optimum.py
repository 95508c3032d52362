"""The best possible schedule of a small graph of checks, by an exact solver (OR-tools' CP-SAT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """``makespan_ms`` of the best schedule found; ``proven`` when no better one exists."""

    makespan_ms: int
    proven: bool


def best_makespan(
    durations_ms: Mapping[str, int],
    agents: Mapping[str, str],
    needs: Mapping[str, Sequence[str]],
    slots: Mapping[str, int],
    *,
    apart: Sequence[tuple[str, str]] = (),
    limit_s: float = 30.0,
) -> Optimum:
    """The least time from the first start to the last end.

    ``durations_ms`` and ``agents`` have one entry for each check, ``needs`` lists what must have ended before it
    starts, ``slots`` says how many checks of an agent type run at once (one where it says nothing), ``apart`` pairs
    checks that may not overlap. Raises ImportError without OR-tools.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    horizon = sum(durations_ms.values())
    start = {name: model.new_int_var(0, horizon, f"start {name}") for name in durations_ms}
    span = {
        name: model.new_fixed_size_interval_var(start[name], duration, name) for name, duration in durations_ms.items()
    }
    for agent in set(agents.values()):
        members = [span[name] for name in durations_ms if agents[name] == agent]
        model.add_cumulative(members, [1] * len(members), slots.get(agent, 1))
    for name, needed in needs.items():
        for other in needed:
            model.add(start[name] >= start[other] + durations_ms[other])
    for one, other in apart:
        model.add_no_overlap([span[one], span[other]])
    makespan = model.new_int_var(0, horizon, "makespan")
    for name, duration in durations_ms.items():
        model.add(makespan >= start[name] + duration)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit_s
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    return Optimum(makespan_ms=round(solver.objective_value), proven=status == cp_model.OPTIMAL)


def simple_bound(
    durations_ms: Mapping[str, int],
    agents: Mapping[str, str],
    needs: Mapping[str, Sequence[str]],
    slots: Mapping[str, int],
) -> int:
    """The larger of the longest chain and each type's load over its slots, in ms; often out of reach."""
    ends: dict[str, int] = {}

    def end(name: str) -> int:
        if name not in ends:
            ends[name] = durations_ms[name] + max((end(other) for other in needs.get(name, ())), default=0)
        return ends[name]

    loads: dict[str, int] = {}
    for name, duration in durations_ms.items():
        loads[agents[name]] = loads.get(agents[name], 0) + duration
    shares = [-(-load // slots.get(agent, 1)) for agent, load in loads.items()]
    return max(max(map(end, durations_ms)), *shares)

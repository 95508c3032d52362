"""How close the schedule comes to the best possible one.

Random plans with known durations are run on the virtual clock and compared with the optimum that OR-tools' CP-SAT
solver proves (`pip install ortools`). Where it runs out of time its lower bound stands in for the optimum, so that the
ratios shown are never better than the truth.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pytest_paragate.independence import total_uses, why_apart
from pytest_paragate.model import BUILTIN_AGENTS, Check, Place
from pytest_paragate.plan import Plan, make_plan
from pytest_paragate.speedup import limit, simulate
from pytest_paragate.tuning import tune

TICKS_PER_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    optimum_s: float
    is_proven: bool
    limit_s: float
    plain_s: float  # as the plan is made
    tuned_s: float
    tune_cpu_s: float


def random_plan(seed: int, *, checks: int | None = None, agents: int | None = None) -> Plan:
    """A plan of 10 to 40 checks with edges, write conflicts, a resource and up to two exclusive checks."""
    rng = random.Random(seed)
    count = checks or rng.randint(10, 40)
    types = BUILTIN_AGENTS[: agents or rng.randint(2, 5)]
    density = rng.uniform(0.0, 3.0)
    exclusive = set(rng.sample(range(count), rng.randint(0, 2)))
    made: list[Check] = []
    durations: dict[str, float] = {}
    for i in range(count):
        needs = {f"c{j}" for j in range(i) if rng.random() < density / count}
        made.append(
            Check(
                nodeid=f"conftest.py::c{i}",
                name=f"c{i}",
                family=f"c{i}",
                kind="command",
                is_marked=True,
                agent=rng.choice(types) if rng.random() < 0.5 else types[i % len(types)],
                place=Place(file="conftest.py"),
                needs=tuple(sorted(needs)),
                writes=(f"/repo/out{rng.randrange(3)}/",) if rng.random() < 0.2 else (),
                uses=(("db", rng.randint(1, 2)),) if rng.random() < 0.15 else (),
                exclusive=i in exclusive,
            )
        )
        durations[made[-1].nodeid] = round(min(120.0, rng.lognormvariate(2.0, 1.0)) + 0.1, 1)
    slots = {agent: rng.randint(1, 2) for agent in types}
    return make_plan(made, slots=slots, capacities={"db": 2}, durations=durations)


def optimum(plan: Plan, *, time_limit_s: float, hint: Sequence[tuple[int, float]]) -> tuple[float, bool]:
    """The shortest makespan or a lower bound of it, seconds, and whether it is proven to be reachable."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    ticks = [round(seconds * TICKS_PER_S) for seconds in plan.expected_s]
    horizon = sum(ticks)
    starts = [model.new_int_var(0, horizon, f"s{i}") for i in range(len(ticks))]
    spans = [model.new_fixed_size_interval_var(starts[i], ticks[i], f"i{i}") for i in range(len(ticks))]
    end = model.new_int_var(0, horizon, "end")
    for i, check in enumerate(plan.checks):
        model.add(end >= starts[i] + ticks[i])
        for other in (*plan.needs[i], *plan.after[i]):
            model.add(starts[i] >= starts[other] + ticks[other])
        for j in range(i):
            if why_apart(check, plan.checks[j], capacities=plan.capacities):
                model.add_no_overlap([spans[i], spans[j]])
    for agent, count in plan.slots.items():
        mine = [spans[i] for i, check in enumerate(plan.checks) if check.agent == agent]
        model.add_cumulative(mine, [1] * len(mine), count)
    for resource, capacity in plan.capacities.items():
        amounts = {i: total_uses(check).get(resource, 0) for i, check in enumerate(plan.checks)}
        users = [i for i, amount in amounts.items() if amount]
        model.add_cumulative([spans[i] for i in users], [amounts[i] for i in users], capacity)
    for i, start_s in hint:
        model.add_hint(starts[i], round(start_s * TICKS_PER_S))
    model.minimize(end)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    return solver.best_objective_bound / TICKS_PER_S, status == cp_model.OPTIMAL


def score(plan: Plan, *, time_limit_s: float) -> Score:
    began = time.process_time()
    tuned = tune(plan)
    tune_cpu_s = time.process_time() - began
    run = simulate(tuned)
    hint = [(check, start_s) for check, _, start_s, _ in run.starts]
    optimum_s, is_proven = optimum(plan, time_limit_s=time_limit_s, hint=hint)
    return Score(
        optimum_s=max(optimum_s, limit(plan).wall_s),
        is_proven=is_proven,
        limit_s=limit(plan).wall_s,
        plain_s=simulate(plan).makespan_s,
        tuned_s=run.makespan_s,
        tune_cpu_s=tune_cpu_s,
    )


def show(name: str, scores: Sequence[Score]) -> None:
    print(f"\n{name}: {len(scores)} plans, {sum(one.is_proven for one in scores)} optima proven")
    rows = {
        "limit": [one.limit_s / one.optimum_s for one in scores],
        "plain": [one.plain_s / one.optimum_s for one in scores],
        "tuned": [one.tuned_s / one.optimum_s for one in scores],
        "tuning, % of makespan": [100 * one.tune_cpu_s / one.tuned_s for one in scores],
    }
    print(f"{'':24}{'mean':>8}{'max':>8}")
    for label, values in rows.items():
        print(f"{label:24}{statistics.mean(values):8.4f}{max(values):8.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--plans", type=int, default=30, metavar="N", help="random plans of 10 to 40 checks (default: 30)"
    )
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="seed of the first plan (default: 0)")
    parser.add_argument(
        "--time-limit", type=float, default=10.0, metavar="S", help="solver seconds per plan (default: 10)"
    )
    parser.add_argument("--each", action="store_true", help="print a line for every plan")
    options = parser.parse_args()
    if find_spec("ortools") is None:
        parser.error("the optimum needs OR-tools: pip install ortools")
    for name, keys in {"10 to 40 checks": {}, "24 checks, five types": {"checks": 24, "agents": 5}}.items():
        scores = []
        count = options.plans if not keys else max(1, options.plans // 3)
        for seed in range(options.first_seed, options.first_seed + count):
            scores.append(score(random_plan(seed, **keys), time_limit_s=options.time_limit))
            if options.each:
                one = scores[-1]
                print(
                    f"seed {seed:3}  optimum {one.optimum_s:7.1f}{' ' if one.is_proven else '?'}"
                    f"  limit {one.limit_s:7.1f}"
                    f"  plain {one.plain_s / one.optimum_s:.4f}  tuned {one.tuned_s / one.optimum_s:.4f}"
                    f"  tuning {one.tune_cpu_s:.3f}s",
                    flush=True,
                )
        show(name, scores)


if __name__ == "__main__":
    main()

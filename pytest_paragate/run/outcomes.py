"""What the controller keeps of groups: failures that are held until it is known whether they count, and the answers."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_paragate.groups import Decision
from pytest_paragate.plan import Plan
from pytest_paragate.result import GroupVerdict
from pytest_paragate.run.audience import Reports
from pytest_paragate.verdict import Outcome, Verdict


class GroupOutcomes:
    """The groups of one run, as they are decided."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._held: dict[int, list[tuple[int, Reports]]] = {}
        self._decided: dict[int, tuple[Decision, float]] = {}

    def is_open(self, index: int) -> bool:
        """Whether the item is in a group that is not decided yet."""
        group = self._plan.group_of.get(index)
        return group is not None and group not in self._decided

    def tolerates(self, index: int, verdict: Verdict) -> bool:
        """Whether the item's group is met without it."""
        group = self._plan.group_of.get(index)
        if group is None or group not in self._decided or verdict.outcome in (Outcome.PASSED, Outcome.SKIPPED):
            return False
        return self._decided[group][0].is_met

    def hold(self, index: int, reports: Reports) -> None:
        """Keep what is to be reported of a member that did not pass."""
        self._held.setdefault(self._plan.group_of[index], []).append((index, reports))

    def decide(self, decision: Decision, at_s: float) -> list[tuple[int, Reports]]:
        """A group is decided; what was held of it."""
        self._decided[decision.group] = decision, at_s
        return self._held.pop(decision.group, [])

    def verdicts(self, verdicts: Mapping[int, Verdict]) -> tuple[GroupVerdict, ...]:
        """How every group came out, by the verdicts of its members."""
        found = []
        for number, group in enumerate(self._plan.groups):
            decision, decided_s = self._decided.get(number, (None, None))
            members = {i: verdicts[i] for i in group.members if i in verdicts}
            left = len(group.members) - sum(verdict.outcome is Outcome.SKIPPED for verdict in members.values())
            is_met = decision is not None and decision.is_met
            found.append(
                GroupVerdict(
                    name=group.name,
                    wait=group.wait,
                    rest=group.rest,
                    met=is_met,
                    by=tuple(self._plan.checks[i].nodeid for i in decision.by) if decision is not None else (),
                    members=tuple(self._plan.checks[i].nodeid for i in group.members),
                    passed=sum(verdict.outcome is Outcome.PASSED for verdict in members.values()),
                    wanted=group.wanted(left),
                    left=left,
                    decided_s=decided_s,
                    is_excused=not is_met and _is_excused(list(members.values())),
                )
            )
        return tuple(found)


def _is_excused(members: list[Verdict]) -> bool:
    """Whether nothing but advisory failures keep a group from being met."""
    short = [verdict for verdict in members if verdict.outcome is not Outcome.PASSED]
    failed = [verdict for verdict in short if verdict.outcome is not Outcome.SKIPPED]
    return bool(failed) and all(verdict.advisory for verdict in failed)

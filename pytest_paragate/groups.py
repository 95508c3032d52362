"""Groups of checks that answer one question together: what they need, and when that is decided.

Rules

- A group is *open* until enough of its members have passed (*met*), or so many have not that the rest can no longer
  make up for it (*unmet*). Both are known at the earliest event that decides them, and never change again.
- A member counts once, with what is final about it: a failure that is to be tried again does not count yet. Blocked and
  cancelled members count as failed.
- A skipped member leaves the group, since it answers nothing. ``"all"`` and shares are of those that are left.
- Where some members were deselected, a number is at most all that are selected.

``MOVES`` is the whole of what may happen to a group.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from pytest_paragate.model import GROUP_PREFIX, Check, Group, PlanError, Rest, nearest

Standing: TypeAlias = Literal["open", "met", "unmet"]
Fate: TypeAlias = Literal["passed", "failed", "skipped"]
"""What became of a member, finally; blocked and cancelled ones failed."""
FATES: tuple[Fate, ...] = ("passed", "failed", "skipped")

MOVES: dict[tuple[Standing, Fate], tuple[Standing, ...]] = {
    ("open", "passed"): ("open", "met"),
    ("open", "failed"): ("open", "unmet"),
    ("open", "skipped"): ("open", "met", "unmet"),
    ("met", "passed"): ("met",),
    ("met", "failed"): ("met",),
    ("met", "skipped"): ("met",),
    ("unmet", "passed"): ("unmet",),
    ("unmet", "failed"): ("unmet",),
    ("unmet", "skipped"): ("unmet",),
}
"""Where a group may be after one of its members has met its fate."""


class PlannedGroup(NamedTuple):
    """A group of a plan. ``members`` are selected items; ``dependents`` wait for its decision, in either way."""

    name: str
    wait: int | str
    rest: Rest
    members: tuple[int, ...]
    dependents: tuple[int, ...] = ()

    def wanted(self, left: int) -> int:
        """How many have to pass of the ``left`` members that were not skipped."""
        if self.wait == "all":
            return left
        if self.wait == "any":
            return 1
        if isinstance(self.wait, str):
            return -(-left * int(self.wait[:-1]) // 100)
        return self.wait

    def standing(self, *, passed: int, failed: int, skipped: int) -> Standing:
        """Where the group is when these numbers of its members are decided."""
        left = len(self.members) - skipped
        wanted = self.wanted(left)
        if passed >= wanted:
            return "met"  # whatever comes: a member that is skipped later never asks for more
        # At best all others pass; one that is skipped instead asks for at most one less.
        return "unmet" if left - failed < wanted else "open"

    def said(self, decision: "Decision") -> str:
        """Why the rest of the group is not needed, in words."""
        share = f"{decision.passed} of {decision.left} passed, {decision.wanted} needed"
        return f"group {self.name} {'is met' if decision.is_met else 'can no longer be met'}: {share}"


class Decision(NamedTuple):
    """A group is decided. ``by`` are the members that it was decided by: those that passed, or those that did not."""

    group: int
    is_met: bool
    by: tuple[int, ...]
    passed: int
    wanted: int
    left: int  # members that were not skipped


class Groups:
    """How the groups of one run stand."""

    def __init__(self, groups: Sequence[PlannedGroup], group_of: Mapping[int, int]) -> None:
        self._groups, self._group_of = groups, group_of
        self._fates: list[dict[Fate, list[int]]] = [{fate: [] for fate in FATES} for _ in groups]
        self._standings: list[Standing] = ["open"] * len(groups)
        self.decisions: dict[int, Decision] = {}

    def standing(self, group: int) -> Standing:
        return self._standings[group]

    def is_closed(self, check: int) -> bool:
        """Whether the item's group is decided and starts no more of its members."""
        group = self._group_of.get(check)
        return group is not None and self._groups[group].rest != "finish" and self._standings[group] != "open"

    def note(self, check: int, fate: Fate) -> Decision | None:
        """Take note of a member's fate; the decision when it is the one that decides its group."""
        group = self._group_of[check]
        fates = self._fates[group]
        fates[fate].append(check)
        if self._standings[group] != "open":
            return None
        planned = self._groups[group]
        passed, failed, skipped = (len(fates[each]) for each in FATES)
        standing = self._standings[group] = planned.standing(passed=passed, failed=failed, skipped=skipped)
        if standing == "open":
            return None
        is_met = standing == "met"
        left = len(planned.members) - skipped
        decision = self.decisions[group] = Decision(
            group=group,
            is_met=is_met,
            by=tuple(fates["passed" if is_met else "failed"]),
            passed=passed,
            wanted=planned.wanted(left),
            left=left,
        )
        return decision


class GroupNames:
    """Finds the groups that checks name in ``group``, and as ``group:NAME`` in ``needs`` and ``after``."""

    def __init__(self, groups: Iterable[Group], checks: Sequence[Check], unselected: Iterable[Check]) -> None:
        self._declared = tuple(groups)
        self._checks = checks
        self._members: dict[int, list[int]] = {i: [] for i in range(len(self._declared))}
        self._size = dict.fromkeys(self._members, 0)
        for number, check in enumerate((*checks, *unselected)):
            if check.group is None:
                continue
            group = self._find(check, check.group, "is in")
            self._size[group] += 1
            if number < len(checks):
                self._members[group].append(number)
        for i, group_declared in enumerate(self._declared):
            self._refuse_impossible(i, group_declared)
        # In a plan there are only groups of which something was selected.
        self._number = {group: n for n, group in enumerate(g for g, members in self._members.items() if members)}

    def has(self, name: str) -> bool:
        """Whether a group of this name is declared anywhere."""
        return any(group.name == name for group in self._declared)

    def _find(self, check: Check, name: str, verb: str) -> int:
        found = [i for i, group in enumerate(self._declared) if group.name == name]
        found = [i for i in found if self._declared[i].place.file == check.place.file] or found
        if len(found) == 1:
            return found[0]
        where = str(check.place)
        if found:
            places = ", ".join(str(self._declared[i].place) for i in found)
            raise PlanError(
                f'"{check.name}" {verb} the group "{name}", which is declared more than once: {places}',
                where=where,
                hint="give the groups different names",
            )
        plain = name.removeprefix(GROUP_PREFIX)
        guess = plain if self.has(plain) else nearest(plain, [group.name for group in self._declared])
        declare = f'declare it: gate.group("{name}", wait="any"), or [tool.paragate.groups.{name}]'
        raise PlanError(
            f'"{check.name}" {verb} the group "{name}", which does not exist',
            where=where,
            hint=f'did you mean "{guess}"?' if guess else declare,
        )

    def _refuse_impossible(self, group: int, declared: Group) -> None:
        size = self._size[group]
        if not size:
            raise PlanError(
                f'the group "{declared.name}" has no members',
                where=str(declared.place),
                hint=f'put checks into it with group="{declared.name}", or remove it',
            )
        if isinstance(declared.wait, int) and declared.wait > size:
            raise PlanError(
                f'the group "{declared.name}" waits for {declared.wait} of its {size} member{"s" if size > 1 else ""}',
                where=str(declared.place),
                hint=f"lower its wait to at most {size}, or give it more members",
            )

    def resolve(self, i: int, word: str, key: str) -> tuple[int, ...]:
        """The planned group that item ``i`` means by ``group:NAME``; nothing when it comes after a deselected one.

        Raises PlanError when there is none, it is the item's own, or it is needed and was deselected as a whole.
        """
        check, name = self._checks[i], word.removeprefix(GROUP_PREFIX)
        verb = "needs" if key == "needs" else "comes after"
        group = self._find(check, name, verb)
        if i in self._members[group]:
            raise PlanError(
                f'"{check.name}" {verb} the group "{name}", of which it is a member',
                where=str(check.place),
                hint=f'take "{word}" out of its {key}, or the check out of the group',
            )
        if group in self._number:
            return (self._number[group],)
        if key == "needs":
            raise PlanError(
                f'"{check.name}" needs the group "{name}", which was deselected',
                where=str(check.place),
                hint="select some of its members too",
            )
        return ()

    def planned(self, waiting: Mapping[int, Sequence[int]]) -> tuple[PlannedGroup, ...]:
        """The groups of the plan; ``waiting`` holds the items that wait for each."""
        found = []
        for group, number in self._number.items():
            declared, members = self._declared[group], tuple(self._members[group])
            wait = min(declared.wait, len(members)) if isinstance(declared.wait, int) else declared.wait
            found.append(
                PlannedGroup(declared.name, wait, declared.rest, members, tuple(sorted(waiting.get(number, ()))))
            )
        return tuple(found)

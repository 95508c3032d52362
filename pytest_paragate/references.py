"""What is meant by the words in ``needs`` and ``after``: items and groups, near the one that names them or anywhere.

Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_paragate.model import GROUP_PREFIX, Check, Group, PlanError, nearest

if TYPE_CHECKING:
    from pytest_paragate.groups import GroupNames, PlannedGroup


class References:
    """Finds the items meant by the words in ``needs`` and ``after``."""

    def __init__(self, checks: Sequence[Check], unselected: Sequence[Check], groups: Sequence[Group]) -> None:
        self._checks = checks
        self._groups = _group_names(checks, unselected, groups)
        self.group_needs: dict[int, tuple[int, ...]] = {}
        self.group_after: dict[int, tuple[int, ...]] = {}
        self._all: tuple[Check, ...] = (*checks, *unselected)
        self._by_word: dict[str, list[int]] | None = None

    def resolve_all(self) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """The indices meant by ``needs`` and by ``after``, by item."""
        nothing: tuple[int, ...] = ()
        needs, after = [nothing] * len(self._checks), [nothing] * len(self._checks)
        for i, check in enumerate(self._checks):
            if check.needs or check.after:
                needs[i] = tuple(dict.fromkeys(j for word in check.needs for j in self._resolve(i, word, "needs")))
                later = dict.fromkeys(j for word in check.after for j in self._resolve(i, word, "after"))
                after[i] = tuple(j for j in later if j not in needs[i])
                self._resolve_groups(i, check)
        return tuple(needs), tuple(after)

    def _resolve_groups(self, i: int, check: Check) -> None:
        """Note the groups meant by ``needs`` and by ``after``."""
        for key, words, noted in (("needs", check.needs, self.group_needs), ("after", check.after, self.group_after)):
            named = [word for word in words if word.startswith(GROUP_PREFIX)]
            if named and self._groups is not None:
                found = dict.fromkeys(group for word in named for group in self._groups.resolve(i, word, key))
                noted[i] = tuple(group for group in found if group not in self.group_needs.get(i, ()))

    def planned_groups(self) -> tuple[PlannedGroup, ...]:
        """The groups, once all words are resolved."""
        if self._groups is None:
            return ()
        waiting: dict[int, list[int]] = defaultdict(list)
        for i in dict.fromkeys((*self.group_needs, *self.group_after)):
            for group in (*self.group_needs.get(i, ()), *self.group_after.get(i, ())):
                waiting[group].append(i)
        return self._groups.planned(waiting)

    def _resolve(self, i: int, word: str, key: str) -> list[int]:
        if word.startswith(GROUP_PREFIX):
            return []
        check = self._checks[i]
        found = self._find(check, word, key)
        if i in found:
            raise PlanError(
                f'"{check.name}" {"needs" if key == "needs" else "comes after"} itself',
                where=str(check.place),
                hint=f'take "{word}" out of its {key}',
            )
        missing = [j for j in found if j >= len(self._checks)]
        if missing and key == "needs":
            name = self._all[missing[0]].name
            raise PlanError(
                f'"{check.name}" needs "{name}", which was deselected',
                where=str(check.place),
                hint=f'select "{name}" too',
            )
        return [j for j in found if j < len(self._checks)]

    def _find(self, check: Check, word: str, key: str) -> list[int]:
        found = self._words().get(word, [])
        nearby = [j for j in found if self._all[j].place.file == check.place.file]
        found = nearby or found
        named = [j for j in found if word in (self._all[j].name, self._all[j].nodeid)]
        found = named or found
        if not found:
            is_group = self._groups is not None and self._groups.has(word)
            known = f"{GROUP_PREFIX}{word}" if is_group else nearest(word, self._words())
            raise PlanError(
                f'"{check.name}" {"needs" if key == "needs" else "comes after"} "{word}", which does not exist',
                where=str(check.place),
                hint=f'did you mean "{known}"?' if known else f"name an existing check in its {key}",
            )
        if len({self._all[j].place.file for j in found}) > 1:
            nodeids = ", ".join(self._all[j].nodeid for j in found[:5]) + (", ..." if len(found) > 5 else "")
            raise PlanError(
                f'"{word}" in the {key} of "{check.name}" is ambiguous: {nodeids}',
                where=str(check.place),
                hint="write the whole node id of the one that is meant",
            )
        return found

    def _words(self) -> dict[str, list[int]]:
        if self._by_word is None:
            by_word: dict[str, list[int]] = defaultdict(list)
            for j, check in enumerate(self._all):
                for word in dict.fromkeys((check.name, check.family, check.nodeid)):
                    by_word[word].append(j)
            self._by_word = dict(by_word)
        return self._by_word


def _group_names(checks: Sequence[Check], unselected: Sequence[Check], groups: Sequence[Group]) -> GroupNames | None:
    if not groups and all(check.group is None for check in checks) and not any(map(_names_group, checks)):
        return None
    from pytest_paragate.groups import GroupNames  # few plans have any

    return GroupNames(groups, checks, unselected)


def _names_group(check: Check) -> bool:
    return any(word.startswith(GROUP_PREFIX) for word in (*check.needs, *check.after))

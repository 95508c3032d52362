"""May these two checks run at the same time, and if not, why; and what is held while some of them run.

A pattern is an absolute, normalised POSIX path or glob. It covers what it matches *and everything below that*: a path
that does not exist yet may become a directory, so ``build`` and ``**/*.html`` overlap. Only a name with a suffix, like
``coverage.xml``, is taken for a file unless a slash follows or another pattern names something right below it. ``**``
stands for any number of directories, ``*``, ``?`` and ``[..]`` stay within one name. Whenever the answer is not
certain, two patterns overlap.

Reading beside reading is fine; reading beside writing and writing beside writing are not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias, TypeVar

from pytest_paragate.model import Check, Claims, Value

MAX_GLOBS_PER_DIRECTORY = 200
"""More different globs than this in one directory are taken for the whole directory, which keeps the table small."""

_Token = TypeVar("_Token")
_Ranges: TypeAlias = tuple[tuple[int, int], ...]
_Segments: TypeAlias = tuple[str | None, ...]
"""The names of a path in order, None for any number of them."""
_FILE_NAME = r"[^/]\.[A-Za-z][A-Za-z0-9]{0,4}$"
_LAST_CHARACTER = 0x10FFFF
_ANY: _Ranges = ((0, _LAST_CHARACTER),)


def why_apart(
    one: Check, other: Check, *, capacities: Mapping[str, int] | None = None, root: str = "", fold_case: bool = False
) -> str | None:
    """Why ``one`` and ``other`` may not run at the same time, as a phrase for people; None when they may.

    ``capacities`` is by resource, 1 where it says nothing. Paths below ``root`` are shown relative to it.
    ``fold_case`` compares paths as a case-insensitive file system does.
    """
    for check in (one, other):
        if check.exclusive:
            return f"{check.name} is exclusive"
    return _paths_apart(one, other, root, fold_case) or _uses_apart(one, other, capacities or {})


def _paths_apart(one: Check, other: Check, root: str, fold_case: bool) -> str | None:
    for mine in one.writes:
        for theirs in other.writes:
            if mine == theirs:
                return f"both write {shown_path(mine, root)}"
            if can_overlap(mine, theirs, fold_case=fold_case):
                return f"one writes {shown_path(mine, root)}, the other writes {shown_path(theirs, root)}"
    for reader, writer in ((one, other), (other, one)):
        for mine in reader.reads:
            for theirs in writer.writes:
                if can_overlap(mine, theirs, fold_case=fold_case):
                    written = "it" if mine == theirs else shown_path(theirs, root)
                    return f"one reads {shown_path(mine, root)}, the other writes {written}"
    return None


def _uses_apart(one: Check, other: Check, capacities: Mapping[str, int]) -> str | None:
    theirs = total_uses(other)
    for resource, count in total_uses(one).items():
        capacity = capacities.get(resource, 1)
        if resource in theirs and count + theirs[resource] > capacity:
            share = f" ({count} + {theirs[resource]} of {capacity})" if capacity > 1 else ""
            return f"both use {resource}{share}"
    return None


def total_uses(check: Check) -> dict[str, int]:
    """How much of each resource the check uses, by name, in the order of its declaration."""
    totals: dict[str, int] = {}
    for resource, count in check.uses:
        totals[resource] = totals.get(resource, 0) + count
    return totals


def shown_path(pattern: str, root: str) -> str:
    """The pattern as people know it: relative to ``root`` when it is below it."""
    base = root.rstrip("/") + "/"
    if root and pattern.startswith(base):
        return pattern[len(base) :] or "./"
    return pattern


def can_overlap(one: str, other: str, *, fold_case: bool = False) -> bool:
    """Whether some path may be covered by both patterns. Never False when there is one."""
    return _can_overlap(_segments(one, fold_case), _is_file(one), _segments(other, fold_case), _is_file(other))


def _can_overlap(ours: _Segments, is_our_file: bool, theirs: _Segments, is_their_file: bool) -> bool:
    below = (None,)
    if _can_meet(ours if is_our_file else ours + below, theirs if is_their_file else theirs + below, _names_meet):
        return True
    return (is_our_file and _goes_on_below(theirs, ours)) or (is_their_file and _goes_on_below(ours, theirs))


def _goes_on_below(segments: _Segments, file: _Segments) -> bool:
    """Whether a pattern has a name of its own for what the other one takes for a file."""
    last = file[-1]
    return any(
        name is not None
        and (last is None or _names_meet(name, last))
        and _can_meet(segments[:i], file[:-1], _names_meet)
        for i, name in enumerate(segments)
    )


def _is_file(pattern: str) -> bool:
    return re.search(_FILE_NAME, pattern) is not None


@lru_cache(maxsize=65536)
def _segments(pattern: str, fold_case: bool) -> _Segments:
    text = pattern
    if fold_case:
        # "[!A-Z]" means something else once it is folded, so a class becomes any one character.
        text = re.sub(r"\[!?[^/][^]/]*\]", "?", "".join(_folded(character) for character in pattern))
    # Tools disagree on what "**" inside a name means, so there it may stand for directories as well.
    return tuple(None if "**" in name else name for name in text.split("/") if name not in ("", "."))


def _folded(character: str) -> str:
    """One character for one: "?" must go on matching what it matched before."""
    folded = character.casefold()
    return folded if len(folded) == 1 else character


def _can_meet(
    ours: Sequence[_Token | None], theirs: Sequence[_Token | None], meets: Callable[[_Token, _Token], bool]
) -> bool:
    """Whether two sequences match a common one; None in them stands for anything of any length."""
    reached = [False] * (len(theirs) + 1)
    reached[0] = True
    for i in range(len(ours) + 1):
        following = [False] * (len(theirs) + 1)
        mine = ours[i] if i < len(ours) else None
        is_end = i == len(ours)
        for j in range(len(theirs) + 1):
            if not reached[j]:
                continue
            if not is_end and mine is None:
                following[j] = True
            if j == len(theirs):
                continue
            their = theirs[j]
            if their is None or (mine is None and not is_end):
                reached[j + 1] = True
            if not is_end and their is None:
                following[j] = True
            if mine is not None and their is not None and not following[j + 1] and meets(mine, their):
                following[j + 1] = True
        if is_end:
            return reached[-1]
        reached = following
    return False


@lru_cache(maxsize=65536)
def _names_meet(one: str, other: str) -> bool:
    if one == other:
        return True
    if not _is_glob(one) and not _is_glob(other):
        return False
    return _can_meet(_characters(one), _characters(other), _ranges_meet)


def _is_glob(name: str) -> bool:
    return any(character in "*?[" for character in name)


@lru_cache(maxsize=4096)
def _characters(name: str) -> tuple[_Ranges | None, ...]:
    """What each place of a name may hold, as ranges of code points; None for a star."""
    found: list[_Ranges | None] = []
    i = 0
    while i < len(name):
        character = name[i]
        end = name.find("]", i + 3 if name[i + 1 : i + 2] == "!" else i + 2) if character == "[" else -1
        if end > 0:
            found.append(_class_ranges(name[i + 1 : end]))
            i = end
        elif character == "*":
            found.append(None)
        else:
            found.append(_ANY if character == "?" else ((ord(character), ord(character)),))
        i += 1
    return tuple(found)


def _class_ranges(text: str) -> _Ranges:
    """The code points of what stands between brackets: ``abc``, ``a-z``, ``!0-9``."""
    if text[0] == "^":
        return _ANY  # a negation to shells, a character to Python
    is_negated = text[0] == "!"
    if is_negated:
        text = text[1:]
    ranges: list[tuple[int, int]] = []
    i = 0
    while i < len(text):
        is_range = i + 2 < len(text) and text[i + 1] == "-"
        ranges.append((ord(text[i]), ord(text[i + 2] if is_range else text[i])))
        i += 3 if is_range else 1
    return _complement(ranges) if is_negated else tuple(ranges)


def _complement(ranges: Sequence[tuple[int, int]]) -> _Ranges:
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(ranges):
        if start < low:
            gaps.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _LAST_CHARACTER:
        gaps.append((start, _LAST_CHARACTER))
    return tuple(gaps)


def _ranges_meet(one: _Ranges, other: _Ranges) -> bool:
    return any(low <= high2 and low2 <= high for low, high in one for low2, high2 in other)


def overlap_table(
    patterns: Sequence[str], is_written: Sequence[bool], *, fold_case: bool = False
) -> tuple[frozenset[int], ...]:
    """For each pattern the indices of those it overlaps, itself included, where at least one of the two is written.

    Patterns are looked up by their literal beginnings, so that thousands of paths cost no comparison of all pairs.
    """
    by_start: dict[tuple[str, ...], list[int]] = defaultdict(list)
    starts: list[tuple[str, ...]] = []
    rests: list[_Segments] = []
    is_file = [_is_file(pattern) for pattern in patterns]
    for i, pattern in enumerate(patterns):
        segments = _segments(pattern, fold_case)
        split = next((j for j, name in enumerate(segments) if name is None or _is_glob(name)), len(segments))
        start = tuple(name for name in segments[:split] if name is not None)
        starts.append(start)
        rests.append(segments[split:])
        by_start[start].append(i)
    for members in by_start.values():
        globs = [i for i in members if rests[i]]
        if len(globs) > MAX_GLOBS_PER_DIRECTORY:
            for i in globs:
                rests[i] = ()
    found: list[set[int]] = [{i} if is_written[i] else set() for i in range(len(patterns))]
    for i, start in enumerate(starts):
        for j in _above(start, by_start):
            if i == j or j in found[i] or not (is_written[i] or is_written[j]):
                continue
            ours = (*start[len(starts[j]) :], *rests[i])
            if not rests[j] or _can_overlap(rests[j], is_file[j], ours, is_file[i] and bool(ours)):
                found[i].add(j)
                found[j].add(i)
    return tuple(frozenset(others) for others in found)


def _above(start: tuple[str, ...], by_start: Mapping[tuple[str, ...], list[int]]) -> Iterator[int]:
    for depth in range(len(start) + 1):
        yield from by_start.get(start[:depth], ())


NO_CLAIMS = Claims()


class Resource(Value):
    """Something of which there is only so much. ``amounts`` are the different amounts that checks use, ascending."""

    name: str
    capacity: int
    amounts: tuple[int, ...]


Port: TypeAlias = tuple[Literal["read", "written", "use"], int, int]
"""What may keep an item from starting: a pattern being read or being written, or less than an amount of a resource."""


class Holdings:
    """What is held now, and which ports that closes.

    The ports "read" and "written" of a pattern are open while nobody reads or writes it; the last number is 0. A "use"
    port is open while that amount of the resource is left. Looking at what is held, never at all that might be, keeps
    every step as cheap as there are slots.
    """

    def __init__(self, overlaps: Sequence[frozenset[int]], resources: Sequence[Resource]) -> None:
        self._overlaps = overlaps
        self._resources = resources
        self._read: dict[int, int] = {}  # how often each pattern is held
        self._written: dict[int, int] = {}
        self._left = [resource.capacity for resource in resources]

    def is_open(self, port: Port) -> bool:
        kind, i, amount = port
        if kind == "use":
            return self._left[i] >= amount
        return i not in (self._read if kind == "read" else self._written)

    def closed_port(self, claims: Claims) -> Port | None:
        """The first port that keeps these claims from being taken now."""
        for resource, amount in claims.uses:
            if self._left[resource] < amount:
                return "use", resource, amount
        for pattern in claims.writes:
            overlaps = self._overlaps[pattern]
            for held in self._written:
                if held in overlaps:
                    return "written", held, 0
            for held in self._read:
                if held in overlaps:
                    return "read", held, 0
        for pattern in claims.reads:
            overlaps = self._overlaps[pattern]
            for held in self._written:
                if held in overlaps:
                    return "written", held, 0
        return None

    def take(self, claims: Claims) -> None:
        for held, patterns in ((self._read, claims.reads), (self._written, claims.writes)):
            for pattern in patterns:
                held[pattern] = held.get(pattern, 0) + 1
        for resource, amount in claims.uses:
            self._left[resource] -= amount

    def give_back(self, claims: Claims) -> None:
        for held, patterns in ((self._read, claims.reads), (self._written, claims.writes)):
            for pattern in patterns:
                held[pattern] -= 1
                if not held[pattern]:
                    del held[pattern]
        for resource, amount in claims.uses:
            self._left[resource] += amount

    def closed_by(self, claims: Claims) -> Iterator[Port]:
        """The ports that these claims may close while they are held."""
        for pattern in claims.writes:
            yield "written", pattern, 0
        for pattern in claims.reads:
            yield "read", pattern, 0
        for resource, _ in claims.uses:
            for amount in self._resources[resource].amounts:
                yield "use", resource, amount

    def conflict(self, one: Claims, other: Claims) -> bool:
        """Whether the two claims overlap in a path, or use the same resource."""
        if one.uses and any(mine == theirs for mine, _ in one.uses for theirs, _ in other.uses):
            return True
        theirs = (*other.writes, *other.reads)
        if any(i in self._overlaps[mine] for mine in one.writes for i in theirs):
            return True
        return any(i in self._overlaps[mine] for mine in one.reads for i in other.writes)

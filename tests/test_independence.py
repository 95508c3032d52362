"""Who may run beside whom, and the reason that is given when they may not."""

from __future__ import annotations

import fnmatch
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plans import ROOT, check

from pytest_paragate.independence import (
    MAX_GLOBS_PER_DIRECTORY,
    Holdings,
    Resource,
    can_overlap,
    overlap_table,
    why_apart,
)
from pytest_paragate.model import Claims


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/r/a", "/r/a", True),
        ("/r/a", "/r/b", False),
        ("/r/a", "/r/ab", False),
        ("/r/target/", "/r/target/debug/x.o", True),
        ("/r/target/", "/r/targets/x.o", False),
        ("/r/new", "/r/new/x", True),  # it does not exist yet and may become a directory
        ("/", "/r/a", True),
        ("/r/a/*.py", "/r/a/b.txt", False),
        ("/r/a/*.py", "/r/a/b.py", True),
        ("/r/a/*.py", "/r/a/b/c.py", False),
        ("/r/a/*", "/r/a/b/c.py", True),  # what it matches may be a directory
        ("/r/**/*.py", "/r/a/b/c.py", True),
        ("/r/**/*.py", "/r/c.py", True),
        ("/r/**/*.py", "/r/coverage.xml", False),
        ("/r/**/*.py", "/r/coverage.xml/", True),
        ("/r/**/*.py", "/r/build", True),
        ("/r/coverage.xml", "/r/coverage.xml/x", True),
        ("/r/*.d", "/r/conf.d/x", True),
        ("/r/**/*.d", "/r/a/conf.d/x/y", True),
        ("/r/**", "/r/coverage.xml", True),
        ("/r/a/v1.2", "/r/**/x.py", True),
        ("/r/.tox", "/r/**/x.py", True),
        ("/r/a**b", "/r/a/x/b", True),
        ("/r/*a", "/r/b*", True),
        ("/r/a*", "/r/b*", False),
        ("/r/a*c", "/r/*b*", True),
        ("/r/?", "/r/ab", False),
        ("/r/[a-c]x", "/r/bx", True),
        ("/r/[a-c]x", "/r/dx", False),
        ("/r/[!a-c]x", "/r/bx", False),
        ("/r/[!a-c]x", "/r/[a-d]x", True),
        ("/r/[!a-c]x", "/r/[a-c]x", False),
        ("/r/[]]x", "/r/]x", True),
        ("/r/[x", "/r/[x", True),
        ("/r/[x", "/r/x", False),
        ("/r/*/x/y", "/r/a/*/z", False),
    ],
)
def test_overlap_of_patterns(one: str, other: str, expected: bool) -> None:
    assert can_overlap(one, other) is expected
    assert can_overlap(other, one) is expected
    assert (1 in overlap_table([one, other], [True, False])[0]) is expected


def test_case_is_folded_only_when_asked() -> None:
    assert not can_overlap("/r/README.md", "/r/readme.MD")
    assert can_overlap("/r/README.md", "/r/readme.MD", fold_case=True)
    assert can_overlap("/r/[!A-Z]x", "/r/ax", fold_case=True)
    assert not can_overlap("/r/[A-Z]x", "/r/ay", fold_case=True)


def names() -> st.SearchStrategy[str]:
    return st.text("ab*?", min_size=1, max_size=4) | st.sampled_from(["[ab]", "[!a]b", "a[b-c]*", "**", "*"])


def patterns() -> st.SearchStrategy[str]:
    return st.lists(names(), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


def covers(pattern: str, path: tuple[str, ...]) -> bool:
    """Whether a pattern covers a path or a directory above it, the slow and obvious way."""

    def matches(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
        if not parts:
            return True
        if "**" in parts[0]:
            return any(matches(parts[1:], names[i:]) for i in range(len(names) + 1))
        return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and matches(parts[1:], names[1:])

    return matches(tuple(pattern.strip("/").split("/")), path)


@settings(max_examples=300, deadline=None)
@given(patterns(), patterns(), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=5).map(tuple))
def test_patterns_that_share_a_path_overlap(one: str, other: str, path: tuple[str, ...]) -> None:
    if covers(one, path) and covers(other, path):
        assert can_overlap(one, other)


# The shortest name that two such patterns share has a letter for each of theirs at most, without the asterisks.
NAMES = ["".join(letters) for size in range(1, 7) for letters in itertools.product("abc", repeat=size)]


@settings(max_examples=200, deadline=None)
@given(st.text("ab*?", min_size=1, max_size=4), st.text("ab*?", min_size=1, max_size=4))
@example("*a??", "bbb*")
def test_patterns_of_one_name_overlap_only_if_they_share_a_name(one: str, other: str) -> None:
    if "**" not in one + other:
        shared = any(fnmatch.fnmatchcase(name, one) and fnmatch.fnmatchcase(name, other) for name in NAMES)
        assert can_overlap(f"/{one}", f"/{other}") is shared


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(patterns(), st.booleans()), min_size=1, max_size=6))
def test_the_table_agrees_with_the_comparison_of_all_pairs(given_patterns: list[tuple[str, bool]]) -> None:
    texts, written = [text for text, _ in given_patterns], [is_written for _, is_written in given_patterns]
    expected = [
        {j for j in range(len(texts)) if (written[i] or written[j]) and can_overlap(texts[i], texts[j])}
        for i in range(len(texts))
    ]
    assert [set(found) for found in overlap_table(texts, written)] == expected


def test_a_crowd_of_globs_counts_as_the_whole_directory() -> None:
    texts = [f"/r/out/{i}-*" for i in range(MAX_GLOBS_PER_DIRECTORY + 1)] + ["/r/out/x", "/r/other/x"]
    found = overlap_table(texts, [True] * len(texts))
    assert len(texts) - 2 in found[0]
    assert len(texts) - 1 not in found[0]


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({"writes": ["target/"]}, {"writes": ["target/"]}, "both write target/"),
        ({"writes": ["target/"]}, {"writes": ["target/x"]}, "one writes target/, the other writes target/x"),
        ({"reads": ["src/"]}, {"writes": ["src/gen.py"]}, "one reads src/, the other writes src/gen.py"),
        ({"writes": ["src/gen.py"]}, {"reads": ["src/"]}, "one reads src/, the other writes src/gen.py"),
        ({"reads": ["src/"]}, {"writes": ["src/"]}, "one reads src/, the other writes it"),
        ({"writes": ["/tmp/x"]}, {"writes": ["/tmp/x"]}, "both write /tmp/x"),
        ({"uses": {"db": 1}}, {"uses": {"db": 1}}, "both use db"),
        ({"uses": {"gpu": 3}}, {"uses": {"gpu": 2}}, "both use gpu (3 + 2 of 4)"),
        ({"exclusive": True}, {}, "a is exclusive"),
        ({}, {"exclusive": True}, "b is exclusive"),
        ({"reads": ["src/"]}, {"reads": ["src/"]}, None),
        ({"uses": {"gpu": 2}}, {"uses": {"gpu": 2}}, None),
        ({"uses": {"db": 1}}, {"uses": {"port:8000": 1}}, None),
        ({"writes": ["a/"]}, {"reads": ["b/"], "writes": ["c/"]}, None),
    ],
)
def test_the_reason_is_a_phrase_for_people(one: dict[str, object], other: dict[str, object], why: str | None) -> None:
    assert why_apart(check("a", **one), check("b", **other), capacities={"gpu": 4}, root=ROOT) == why


def test_a_claim_closes_what_it_overlaps_until_it_is_given_back() -> None:
    holdings = Holdings([frozenset({0, 1}), frozenset({0})], [Resource(name="db", capacity=2, amounts=(1, 2))])
    writing, reading, both = Claims(writes=(0,)), Claims(reads=(1,)), Claims(uses=((0, 2),))
    holdings.take(reading)
    assert holdings.closed_port(reading) is None
    assert holdings.closed_port(writing) == ("read", 1, 0)
    holdings.give_back(reading)
    assert holdings.closed_port(writing) is None
    holdings.take(Claims(uses=((0, 1),)))
    assert holdings.closed_port(both) == ("use", 0, 2)

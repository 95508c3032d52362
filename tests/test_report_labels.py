"""What is written down of tests before the fork says the same as the tests themselves."""

from __future__ import annotations

import pytest

from pytest_paragate.report.labels import Labels

TESTS = """
import pytest, unittest

pytestmark = pytest.mark.filterwarnings("default")

def documented():
    '''
    >>> 1 + 1
    2
    '''

class TestGroup:
    @pytest.mark.skipif(False, reason="no")
    def test_method(self): pass

class TestOld(unittest.TestCase):
    def test_old(self): pass

@pytest.mark.parametrize("value", ["a", "\\udcff", "é", "x" * 300])
def test_each(value): pass

@pytest.mark.parametrize("number", range(120))
def test_many(number): pass
"""


@pytest.fixture
def items(pytester: pytest.Pytester) -> list[pytest.Item]:
    path = pytester.makepyfile(test_it="# -*- coding: utf-8 -*-\n" + TESTS)
    found, _ = pytester.inline_genitems(path, "--paragate", "--doctest-modules")
    return found


def test_labels_say_what_items_say_in_whatever_order_they_are_asked_for(items: list[pytest.Item]) -> None:
    labels = Labels(items)
    labels.pack()
    assert len(items) > 120
    for index in (*range(1, len(items), 2), *range(0, len(items), 2)):
        item, label = items[index], labels.of(index)
        assert (label.nodeid, label.location) == (item.nodeid, item.location)
        assert list(dict.fromkeys(label.keywords)) == list(item.keywords)


def test_a_name_of_a_class_of_its_own_is_no_obstacle(items: list[pytest.Item]) -> None:
    key = type("Key", (str,), {})("key")
    items[3].keywords[key] = True
    labels = Labels(items)
    labels.pack()
    for index, item in enumerate(items):
        label = labels.of(index)
        assert (label.nodeid, list(dict.fromkeys(label.keywords))) == (item.nodeid, list(item.keywords))
    assert key in labels.of(3).keywords


def test_a_label_can_be_asked_for_again_and_without_packing(items: list[pytest.Item]) -> None:
    packed, unpacked = Labels(items), Labels(items)
    packed.pack()
    for index in (0, 0, 5, 60, 60):
        one, other = packed.of(index), unpacked.of(index)
        assert (one.nodeid, one.location, list(one.keywords)) == (other.nodeid, other.location, list(other.keywords))
    for index in range(50):
        packed.of(index)
    assert packed.of(7).nodeid == items[7].nodeid

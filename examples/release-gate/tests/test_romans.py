import unittest

from romans import from_roman, to_roman


def is_refused(function, value):
    try:
        function(value)
    except ValueError:
        return True
    return False


class Writing(unittest.TestCase):
    def test_single_signs(self):
        assert [to_roman(n) for n in (1, 5, 10, 50, 100, 500, 1000)] == list("IVXLCDM")

    def test_subtraction(self):
        assert to_roman(1994) == "MCMXCIV"

    def test_the_largest(self):
        assert to_roman(3999) == "MMMCMXCIX"

    def test_zero_has_none(self):
        assert is_refused(to_roman, 0)


class Reading(unittest.TestCase):
    def test_every_numeral_is_read_back(self):
        assert all(from_roman(to_roman(number)) == number for number in range(1, 4000))

    def test_other_ways_to_write_it_are_refused(self):
        assert all(is_refused(from_roman, wrong) for wrong in ("IIII", "VX", "IM", "abc", ""))

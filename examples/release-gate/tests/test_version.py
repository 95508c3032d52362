import unittest

import romans


class Version(unittest.TestCase):
    def test_it_has_three_parts(self):
        assert [part.isdecimal() for part in romans.__version__.split(".")] == [True] * 3

"""Declare quality checks in conftest.py: ``import pytest_paragate as gate``.

Importing this is cheap and changes nothing; checks run under ``pytest --paragate``.
"""

from pytest_paragate.declare import agree, check, command, group

__all__ = ["agree", "check", "command", "group"]
__version__ = "0.1.0"

"""The checks of this project besides its tests; `pytest --paragate` runs them all at once."""

import sys

import pytest_paragate as gate

PYTHON, SRC = sys.executable, {"PYTHONPATH": "src"}
CODE = ["src/", "tests/", "bench/", "conftest.py", "pyproject.toml"]
RUFF = {"agent": "code-reviewer", "reads": CODE, "writes": [".ruff_cache/"]}

lint = gate.command([PYTHON, "-m", "ruff", "check", "."], **RUFF)
style = gate.command([PYTHON, "-m", "ruff", "format", "--check", "."], **RUFF)
types = gate.command([PYTHON, "-m", "mypy"], agent="refactorer", reads=CODE, writes=[".mypy_cache/"], timeout="5m")
memory = gate.command(
    [PYTHON, "bench/memory.py"],
    agent="debugger",
    reads=["src/", "bench/"],
    env=SRC,
    parse=r"regex:(?P<growth_kib>[+-][\d.]+) KiB after",
    expect="growth_kib <= 16",
)
speed = gate.command(
    [PYTHON, "bench/speed.py"],
    agent="feature-implementer",
    exclusive=True,
    reads=["src/", "bench/"],
    env=SRC,
    parse="timings",
)

"""Our own gate: ``pytest --paragate`` runs these beside our tests."""

from __future__ import annotations

import sys

import pytest_paragate as gate

ruff = gate.command([sys.executable, "-m", "ruff", "check", "."], agent="code-reviewer")
format = gate.command([sys.executable, "-m", "ruff", "format", "--check", "."], agent="refactorer")
types = gate.command([sys.executable, "-m", "mypy"], agent="code-reviewer", timeout="5m")
wheel = gate.command(
    [sys.executable, "-m", "build", "--wheel", "--outdir", "dist"],
    agent="feature-implementer",
    writes=["dist/", "build/"],
)

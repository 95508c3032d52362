"""Whether it is worth asking which judge knows a command; imported by every worker, so it is next to nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence

# Programs that a judge knows, and those that start programs for somebody else: all that ``names`` looks at.
FIRST_WORDS = frozenset(
    """
    asv bandit basedpyright bats black bun bunx cargo cargo-nextest catchsegv chrt command conda coverage env eslint
    exec flake8 go hadolint hatch hyperfine ionice jest mamba memray mypy nice node nohup npm npx pdm pip-audit
    pip_audit pipenv pipx pixi pnpm poetry prove py.test pyright pytest ruff rustc rustfmt rye setsid shellcheck
    stdbuf sudo tap tape taskset time timeout tsc unbuffer unittest uv uvx valgrind vitest xargs xvfb-run yarn
    """.split()  # noqa: SIM905
)


def may_know(argv: Sequence[str], shell: bool) -> bool:
    """Whether looking closer could find a judge; costs nothing for commands that none knows."""
    if shell:
        return any(word in argv[0] for word in FIRST_WORDS)
    name = program(argv[0])
    return name in FIRST_WORDS or name.startswith(("python", "pypy"))


def program(word: str) -> str:
    """``pytest`` of ``/usr/bin/pytest``, ``pytest.exe``, ``node_modules/.bin/eslint``, ``eslint@9``."""
    name = os.path.basename(word.replace("\\", "/"))
    for end in (".exe", ".cmd", ".bat", ".js", ".mjs"):
        name = name.removesuffix(end)
    return name.partition("@")[0] or name

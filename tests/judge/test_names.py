"""Which judge knows a command, through whatever starts its program."""

from __future__ import annotations

import shlex

import pytest

from pytest_paragate.judge import run
from pytest_paragate.judge.names import choose, known_programs, names, split_parse
from pytest_paragate.judge.programs import FIRST_WORDS, may_know

KNOWN = {
    "pytest": "pytest", "pytest -q": "pytest", "/usr/bin/pytest": "pytest", "py.test tests": "pytest",
    "python -m pytest": "pytest", "python3.12 -m pytest -q": "pytest", "python -X dev -W error -m pytest": "pytest",
    "python -Im unittest discover": "unittest", "python -mpytest": "pytest",
    ".venv/bin/python .venv/bin/pytest": "pytest",
    "uv run pytest": "pytest", "uv run --with x --python 3.12 pytest": "pytest", "uv run python -m pytest": "pytest",
    "uv --project x run -- pytest": "pytest", "uvx ruff check .": "ruff", "uvx ruff@latest check": "ruff",
    "poetry run mypy .": "mypy", "pdm run mypy": "mypy", "hatch run test:pytest": "pytest", "pipx run black .": "black",
    "npx eslint .": "eslint", "npx -y -p eslint eslint .": "eslint",
    "npm exec -- tsc": "tsc", "pnpm exec vitest": "jest",
    "yarn run jest": "jest", "yarn eslint .": "eslint", "pnpm -C x vitest run": "jest",
    "uv tool run ruff check": "ruff",
    "uv tool run --from black black .": "black", "node node_modules/.bin/eslint .": "eslint",
    "node --import x node_modules/eslint/bin/eslint.js .": "eslint",
    "bunx tsc": "tsc", "node_modules/.bin/eslint": "eslint", "eslint@9 .": "eslint",
    "cargo test -p x": "cargo-test", "cargo +nightly test": "cargo-test", "cargo --locked clippy": "rustc",
    "cargo nextest run": "cargo-nextest", "cargo fmt --check": "cargo-fmt", "cargo bench": "cargo-bench",
    "cargo build": "rustc", "cargo doc": "rustc", "go test ./...": "go-test", "go vet ./...": "go-vet",
    "env pytest": "pytest", "env -u X A=1 B=2 pytest": "pytest", "nice -n 5 pytest": "pytest",
    "xargs ruff check": "ruff", "xargs -0 -n 1 shellcheck": "shellcheck",
    "timeout 60 pytest": "pytest", "timeout -k 5 60 cargo test": "cargo-test", "stdbuf -oL pytest": "pytest",
    "xvfb-run -a pytest": "pytest", "env A=1 uv run nice python -m pytest": "pytest", "time pytest": "pytest",
    "coverage run -m pytest": "pytest",
    "coverage run --source=x -m unittest": "unittest", "coverage report": "coverage",
    "python -m coverage report": "coverage", "ruff check": "ruff", "ruff format --check .": "ruff-format",
    "valgrind ./a": "valgrind", "hyperfine true": "hyperfine", "shellcheck a.sh": "shellcheck", "prove -v t": "tap",
    "pip-audit": "pip-audit", "python -m pip_audit": "pip-audit", "bandit -r .": "bandit", "flake8": "flake8",
    "memray stats x": "memray", "asv run": "asv", "hadolint Dockerfile": "hadolint", "basedpyright": "pyright",
    "pytest.exe": "pytest", "C:\\\\venv\\\\pytest.exe": "pytest",
    "vitest run": "jest", "rustfmt --check a.rs": "cargo-fmt",
}  # fmt: skip
UNKNOWN = [
    "true", "python x.py", "python -c 'import pytest'", "uv sync", "npm install", "cargo", "cargo run", "go build",
    "poetry install", "yarn install", "pnpm test", "uv tool install ruff", "node tap.js", "node --test",
    "env", "timeout", "make test", "echo pytest", "ruff",
    "ruff rule F401", "coverage erase", "python",
    "env A=1", "uv run", "cargo --version", "npm test", "git commit -m pytest", "./pytest/run",
]  # fmt: skip


@pytest.mark.parametrize(("command", "judge"), KNOWN.items())
def test_a_known_tool_is_found(command: str, judge: str) -> None:
    choice = choose(shlex.split(command))
    assert choice is not None
    assert choice.judge == judge
    assert may_know(shlex.split(command), False)


@pytest.mark.parametrize("command", UNKNOWN)
def test_what_no_judge_knows_has_none(command: str) -> None:
    assert choose(shlex.split(command)) is None


def test_the_short_list_of_programs_is_the_long_one() -> None:
    assert known_programs() == FIRST_WORDS


def test_own_judges_come_first() -> None:
    choice = choose(["pytest", "-q"], own={"pytest": "mine"})
    assert choice is not None
    assert choice.judge == "mine"


@pytest.mark.parametrize("name", [name for name in names() if name != "none"])
def test_every_name_has_a_judge(name: str) -> None:
    assert callable(run.load(split_parse(name)[0]))

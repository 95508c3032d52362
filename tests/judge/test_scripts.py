"""Which tools a shell's script runs, and what it does with their output and their exit status."""

from __future__ import annotations

import pytest

from pytest_paragate.judge.scripts import choose, hides_status, sends_away, sure_runs
from pytest_paragate.judge.shell import joins_streams

JUDGES: dict[str, str | None] = {
    "pytest || true": "pytest", "cd x && pytest -q": "pytest", "pytest | tee log": "pytest", "pytest; exit 0": "pytest",
    "pytest a; pytest b": "pytest", "FOO=1 pytest > log 2>&1": "pytest",
    "set -e\npytest\n": "pytest", "(pytest)": "pytest",
    "if true; then pytest; fi": "pytest", "ruff check . ; mypy": None, "echo 'pytest'": None, "echo pytest": None,
    "true": None, "'pytest' -q": "pytest", 'env "A=b c" pytest': "pytest", "! pytest": "pytest", "": None, "'": None,
}  # fmt: skip


@pytest.mark.parametrize(("script", "judge"), JUDGES.items())
def test_a_script_has_the_judge_that_all_its_known_programs_have(script: str, judge: str | None) -> None:
    choice = choose([script], shell=True)
    assert (choice.judge if choice else None) == judge


def test_where_output_goes_is_no_argument() -> None:
    choice = choose(["pytest -q > --co 2>&1 tests"], shell=True)
    assert choice is not None
    assert choice.argv == ("pytest", "-q", "tests")


@pytest.mark.parametrize(
    ("script", "is_sent_away", "is_hidden"),
    [("flake8 .", False, False), ("flake8 . > log", True, False), ("flake8 . >> log || true", True, True),
     ("flake8 . 2> log; exit 0", False, True), ("cd x && flake8 . 1> log", True, False), ("flake8 2>&1", False, False),
     ("", False, True), ("flake8 . &> log", True, False), ("flake8 . | tee log", False, True),
     ("flake8 . |& tee log", False, True), ("flake8 a; flake8 b", False, True), ("flake8 a && flake8 b", False, False),
     ("flake8 a && flake8 b; true", False, True), ("flake8 . || exit 1", False, False),
     ("flake8 . || exit 0", False, True), ("flake8 . &", False, True), ("! flake8 .", False, True),
     ("if flake8 .; then echo a; fi", False, True), ("if true; then flake8 .; fi", False, False),
     ("for d in a b; do flake8 $d; done", False, True), ("set -e; for d in a b; do flake8 $d; done", False, False),
     ("set -e; flake8 a && flake8 b; true", False, True), ("set -euo pipefail; flake8 . | tee log; ls", False, False),
     ("(cd x && flake8 .)", False, False), ("(flake8 .) | cat", False, True), ("echo $(flake8 .)", False, True),
     ("flake8 .  # not | or ||\n", False, False), ("./lint", False, False), ("./lint || true", False, True)],
)  # fmt: skip
def test_what_a_script_does_with_its_output_and_its_status(script: str, is_sent_away: bool, is_hidden: bool) -> None:
    assert (sends_away(script), hides_status(script)) == (is_sent_away, is_hidden)


@pytest.mark.parametrize(
    ("script", "number"),
    [("pytest a", 1), ("pytest a; pytest b", 2), ("pytest a\npytest b\n", 2), ("pytest a || pytest --lf", 1),
     ("cd x && pytest a; cd ../y && pytest b", 2), ("pytest a && pytest b; true", 2), ("[ -d a ] && pytest a", 0),
     ("for d in a b; do pytest $d; done", 0), ("for d in a b; do ls; done; pytest c", 1), ("if ls; then pytest; fi", 0),
     ("pytest --version; pytest", 1), ("pytest a; exit 0; pytest b", 1), ("pytest a | cat & pytest b", 2),
     ("(pytest a); exec pytest b", 2), ("run() { pytest $1; }; run a", 0), ("true", 0), ("", 0)],
)  # fmt: skip
def test_how_often_a_script_is_sure_to_run_a_tool(script: str, number: int) -> None:
    assert sure_runs(script) == number


HIDES = {
    # Whether the tool may fail and the script's exit status still be 0.
    "flake8 src": False,
    "flake8 src | tee log": True,
    "flake8 src && echo fine": False,
    "set -e\nflake8 src\necho fine": False,
    "set -e\nset +e\nflake8 src\necho fine": True,
    "for d in src; do (cd $d && flake8 . || exit 1); done; echo ok": True,
    "for d in src; do flake8 $d || exit 1; done; echo ok": False,
    "ls -d src | while read d; do flake8 $d || exit 1; done; echo done": True,
    "lint() {\n  flake8 src || return 1\n}\nlint || echo going on": True,
    "flake8 src || { echo bad >&2; exit 1; }": False,
    "if ! flake8 src; then echo bad >&2; exit 1; fi\necho fine": False,
    "if flake8 src; then echo fine; fi": True,
    "flake8 $(ls -d src)": False,
    "out=$(flake8 src); echo ran": True,
    "command -v flake8 >/dev/null || pip install flake8\nflake8 src": False,
    "(cd src && flake8 .) && echo fine": False,
    "flake8 src || exit $CODE; echo fine": True,
    "flake8 src || exit $?; echo fine": False,
    "flake8 src || { echo bad; exit; }; echo fine": True,
    "flake8 src || { test -n x && exit 1; }; echo fine": True,
    "if ! flake8 src; then if test -n x; then exit 1; fi; fi; echo fine": True,
    "function lint { flake8 src || return 1; }; lint || true": True,
    "set -e; { flake8 src; echo fine; } || true": True,
    "trap 'exit 0' EXIT; flake8 src || exit 1": True,
    "flake8 src || exit 1" + " " * 20_000 + "; echo fine": True,
    # What is no part of the script.
    "# don't stop here\nflake8 src || true\n# it's fine": True,
    "# don't stop here\nflake8 src\n# it's fine": False,
    "flake8 src  # see `mypy src` || true": False,
    "set -e\nflake8 \\\n  src \\\n  || true": True,
    "echo $((1<<3))\nflake8 src || true": True,
    "echo 'run `mypy src`'; flake8 src": False,
    "read x <<< word; flake8 src || true": True,
    "# cat <<EOF\nflake8 src || true": True,
    "cat <<A\nA\ncat <<A\nflake8 src || true\nA\nflake8 src": False,
    # Conditions.
    "set -e; for d in a b; do if flake8 $d; then echo ok; fi; done": True,
    "set -e\nif true && flake8 src; then echo ok; fi": True,
    "set -e; if a; then b; elif flake8 src; then c; fi": True,
    "( ! flake8 src )": True,
    "if ! flake8 src | tee log; then exit 1; fi; echo fine": True,
    "if ! flake8 src && false; then exit 1; fi; echo fine": True,
    # Options of the shell.
    "set -o errexit\nls\nset +o errexit\nflake8 src\necho fine": True,
    "set -eo pipefail\nflake8 src | tee log\necho fine": False,
    "set -eo pipefail\nset +o pipefail\nflake8 src | tee log\necho fine": True,
    '[ -n "$CI" ] && set -e; flake8 src; echo fine': True,
    "if [ -n x ]; then set -e; fi; flake8 src; echo fine": True,
    "cd src && set -e; flake8 src; echo fine": False,
    # What ends the script.
    "flake8 src || false\necho fine": True,
    "set -e\nflake8 src || false\necho fine": False,
    "flake8 src || exit 256\necho fine": True,
    "flake8 src || exit 1 | cat\necho fine": True,
    "{ flake8 src; } &": True,
    'set -e\ntrap "exit 0" EXIT\nflake8 src': True,
    "cleanup() { exit 0; }\ntrap cleanup EXIT\nflake8 src": True,
    'trap "rm -f log" EXIT\nflake8 src': False,
    "ls src | { while read d; do flake8 $d || exit 1; done; }; echo fine": True,
}
RUNS = {
    "command -v pytest >/dev/null || pip install pytest\npytest t": 1,
    "cat > run.sh <<EOF\npytest a\nEOF\npytest b; echo done": 1,
    "pytest -VV; pytest t; echo done": 1,
    "pytest a; pytest b": 2,
    "(pytest a); pytest b": 2,
    "pytest a || pytest b": 1,
    "t() {\n  pytest a\n}\nt": 0,
    "if ! pytest a; then echo no; fi\npytest b": 2,
    "{ pytest a; } || true; pytest b": 2,
    "[ -d a ] && { pytest a; pytest b; }": 0,
    "echo a && pytest a; echo b && pytest b": 2,
    "pytest -k list; pytest b": 2,
    "cargo nextest list; cargo nextest run": 1,
}


@pytest.mark.parametrize("script", HIDES)
def test_a_script_hides_a_status_where_it_goes_on_without_it(script: str) -> None:
    assert hides_status(script) == HIDES[script]


@pytest.mark.parametrize("script", RUNS)
def test_runs_that_are_certain_are_counted(script: str) -> None:
    assert sure_runs(script) == RUNS[script]


def test_only_what_a_tool_sends_away_or_joins_matters() -> None:
    assert not sends_away("command -v flake8 > /dev/null && flake8 .")
    assert sends_away("(flake8 .) > log")
    assert sends_away("exec > log; flake8 .")
    assert not sends_away("flake8 . 2>> log")
    assert sends_away("flake8 . >> log")
    assert not joins_streams("echo careful >&2; flake8 .")


def test_a_long_script_takes_no_time_and_counts_as_one_that_hides() -> None:
    assert hides_status("tap &&" * 3000 + "tap")

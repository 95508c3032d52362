"""Judging in whole gates: criteria, own judges, issues as data, baselines; the same for both kinds of workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .gates import ROOT, GateRun, Project

HEAD = "import sys\nimport pytest_paragate as gate\nPY = [sys.executable, '-c']\n"
PYTEST = "[sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'inner']"


def issues_of(run: GateRun, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.check(name)["issues"]
    return found


def test_commands_and_functions_are_judged(project: Project, workers: str) -> None:
    run = project.write({
        "inner/test_inner.py": "def test_a():\n    pass\n\n\ndef test_b():\n    assert 0\n",
        "conftest.py": f"""{HEAD}
collect_ignore = ["inner"]
fails = gate.command({PYTEST})
passes = gate.command({PYTEST[:-1]}, "-k", "test_a"])

@gate.check(expect=["passed == total", "total == 2"])
def both(paragate_run):
    for _ in range(2):
        done = paragate_run({PYTEST[:-1]}, "-k", "test_a"])
        assert (done.counts["passed"], done.summary) == (1, "1/1 test passed, 1 deselected")

@gate.check
def failing(paragate_run):
    paragate_run({PYTEST})

@gate.check
def hidden(paragate_run):
    paragate_run("python -m unittest none || true", shell=True, parse="unittest")

@gate.check
def answers_itself(paragate_run):
    done = paragate_run({PYTEST}, check=False)
    assert done.counts["failed"] == 1

@gate.check(parse=lambda output: {{"words": len(output.stdout.head().split())}}, expect="words == 3")
def words(paragate_run):
    paragate_run(PY + ["print('a b c')"])
""",
    }).run(workers)  # fmt: skip
    assert run.outcomes() == {
        "fails": "failed", "passes": "passed", "both": "passed", "failing": "failed", "hidden": "unmet",
        "answers_itself": "passed", "words": "passed",
    }  # fmt: skip
    fails = run.check("fails")
    assert (fails["summary"], fails["judge"]) == ("1/2 tests passed", "pytest")
    assert {name: number for name, number in fails["counts"].items() if number} == {
        "tests": 2, "passed": 1, "failed": 1, "ran": 2,
    }  # fmt: skip
    assert [(issue["file"], issue["severity"]) for issue in fails["issues"]] == [("inner/test_inner.py", "error")]
    assert run.check("both")["summary"] == "2/2 tests passed, 2 deselected"
    assert run.check("failing")["summary"] == "1/2 tests passed"
    assert run.check("words")["counts"] == {"words": 3}
    line = next(line for line in run.lines if line.startswith("FAILED") and "::fails " in line)
    assert line.endswith("1/2 tests passed")


def test_what_was_read_of_one_command_does_not_answer_for_another(project: Project, workers: str) -> None:
    run = project.write({
        "conftest.py": f"""{HEAD}
CLEAN = PY + ["print('All checks passed!')"]
FOUND = PY + ["print('a.py:1:8: F401 unused')"]

@gate.check(expect="issues == 0")
def unread(paragate_run):
    paragate_run(PY + ["pass"], parse="ruff")
    paragate_run(CLEAN, parse="ruff")

@gate.check(expect="issues == 0")
def found(paragate_run):
    paragate_run(PY + ["pass"], parse="ruff")
    paragate_run(FOUND, parse="flake8")

@gate.check(expect="issues == 0")
def answers_itself(paragate_run):
    paragate_run(PY + ["pass"], parse="ruff", check=False)
    paragate_run(CLEAN, parse="ruff")

@gate.check(expect=["duration_s <= 60", "told == 3"])
def of_no_output(paragate_run, paragate_facts):
    paragate_run(PY + ["pass"], parse="ruff")
    paragate_facts["told"] = 3
""",
    }).run(workers)  # fmt: skip
    assert run.outcomes() == {
        "unread": "unreadable", "found": "unmet", "answers_itself": "passed", "of_no_output": "passed",
    }  # fmt: skip
    assert run.check("unread")["summary"] == "wanted issues == 0, and ruff printed no result"


def test_own_judges_run_where_the_command_ran(project: Project, workers: str) -> None:
    run = project.write({
        "conftest.py": f"""{HEAD}
import os

CONTROLLER = os.getpid()

def pids(output):
    return {{"pid": os.getpid(), "lines": len(list(output.stdout.lines("x")))}}

def pytest_paragate_judges():
    return [gate.Judge("echoes", pids, programs=("echo",))]

by_program = gate.command("echo x", expect="lines == 1")
by_name = gate.command(PY + ["print('x')"], parse="echoes", expect="lines == 1")
by_key = gate.command("echo x", parse=lambda output: {{"own": 1}}, expect="own == 1")
wrong = gate.command("echo x", parse=lambda output: 1 / 0)

@gate.check(expect="lines == 1")
def inside(paragate_run):
    assert paragate_run("echo x").counts["lines"] == 1

@gate.check
def controller():
    print(CONTROLLER)
""",
    }).run(workers)  # fmt: skip
    assert run.outcomes() == {
        "by_program": "passed", "by_name": "passed", "by_key": "passed", "wrong": "unreadable", "inside": "passed",
        "controller": "passed",
    }  # fmt: skip
    assert "ZeroDivisionError" in run.check("wrong")["summary"]
    assert run.check("by_name")["counts"]["pid"] == run.check("by_program")["counts"]["pid"] > 1


def test_the_memory_of_a_small_command_is_limited_too(project: Project, workers: str) -> None:
    run = project.write({
        "conftest.py": f"""{HEAD}
small = gate.command("true", expect="max_rss_kb <= 4000000")
exact = gate.command("true", expect="max_rss_kb <= 10")
large = gate.command(PY + ["x = bytearray(600 << 20)"], expect="max_rss_kb <= 500000")

@gate.check(expect="max_rss_kb <= 4000000")
def inside(paragate_run):
    paragate_run("true")
    paragate_run("true")
""",
    }).run(workers)  # fmt: skip
    assert run.outcomes() == {"small": "passed", "exact": "unreadable", "large": "unmet", "inside": "passed"}
    assert run.check("exact")["summary"] == "wanted max_rss_kb <= 10, and max_rss_kb is not known here"


WRONG = {
    "unknown judge": ('x = gate.command("true", parse="pytset")', "did you mean 'pytest'?"),
    "no criterion": ('x = gate.command("pytest", expect=["passed = total"])', "`=` is no comparison"),
    "nobody to read it": ('x = gate.command("true", expect="issues <= 3")', "no judge knows true"),
    "bad pattern": ('x = gate.command("true", parse="regex:(")', "invalid pattern"),
    "on a function": ('@gate.check(expect="issues")\ndef x(): pass', "it is no comparison"),
    "hook without a judge": ("def pytest_paragate_judges():\n    return [3]", "returned 3, which is no judge"),
    "hook with one judge": (
        "def pytest_paragate_judges():\n    return gate.Judge('vale', read=print)",
        "which is no list of judges",
    ),
    "hook with a number": ("def pytest_paragate_judges():\n    return 5", "returned 5, which is no list of judges"),
    "judge without programs": (
        "def pytest_paragate_judges():\n    return [gate.Judge('vale', read=print, programs=None)]",
        "which is no judge",
    ),
    "judge with a wrong program": (
        "def pytest_paragate_judges():\n    return [gate.Judge('vale', read=print, programs=(1, [2]))]",
        "which is no judge",
    ),
    "judge without a name": ("def pytest_paragate_judges():\n    return [gate.Judge([], read=print)]", "no judge"),
    "hook that raises later": (
        "def pytest_paragate_judges():\n    yield gate.Judge('vale', read=print)\n    1 / 0",
        "pytest_paragate_judges raised ZeroDivisionError",
    ),
    "hook that ends": ("def pytest_paragate_judges():\n    raise SystemExit(3)", "raised SystemExit: 3"),
    "checks that end": ("def pytest_paragate_checks():\n    raise SystemExit(3)", "raised SystemExit: 3"),
    "hook that raises": ("def pytest_paragate_judges():\n    1 / 0", "ZeroDivisionError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_before_anything_runs(project: Project, name: str) -> None:
    text, said = WRONG[name]
    canary = "canary = gate.command('touch ran')"
    run = project.write({"conftest.py": f"import pytest_paragate as gate\n{canary}\n{text}\n"}).run()
    assert run.status == 4, run.text
    assert said in run.text
    assert "conftest.py" in run.text
    assert "INTERNALERROR" not in run.text
    assert not (project.folder / "ran").exists()


def test_a_wrong_criterion_in_toml_names_its_line(project: Project) -> None:
    toml = '[tool.pytest.ini_options]\n[tool.paragate.checks.x]\nrun = "pytest"\nexpect = ["passed => 3"]\n'
    run = project.write({"pyproject.toml": toml}).run()
    assert run.status == 4
    assert "pyproject.toml:4: [tool.paragate.checks.x]: `expect` cannot contain 'passed => 3'" in run.text
    assert "hint: write `>=`" in run.text


def test_issues_are_one_valid_sarif_file(project: Project) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    path = project.folder / "all.sarif"
    print_ = "print('sub/a b.py:1:2: E711 comparison %s' % chr(27)); print('../out.py:7:1: W1 x')"
    run = project.write({
        "conftest.py": f"""{HEAD}
flake = gate.command(PY + ["{print_}"], parse="flake8", agent="code-reviewer", expect="issues <= 9")
types = gate.command(PY + ["print('a.py:3: error: no  [x]'); raise SystemExit(1)"], parse="mypy")
clean = gate.command("true")
linted = gate.command(PY + ["print('All checks passed!')"], parse="ruff")
unread = gate.command(PY + ["print('?')"], parse="coverage")
""",
    }).run(f"--paragate-sarif={path}")  # fmt: skip
    assert run.status == 1
    log = json.loads(path.read_text("utf-8"))
    schema = json.loads((ROOT / "tests/judge/sarif-schema-2.1.0.json").read_text("utf-8"))
    jsonschema.Draft4Validator(schema).validate(log)
    found = {each["tool"]["driver"]["name"]: each["results"] for each in log["runs"]}
    assert {tool: len(results) for tool, results in found.items()} == {"flake8": 2, "mypy": 1, "ruff": 0}
    first = found["flake8"][0]["locations"][0]["physicalLocation"]
    assert first["artifactLocation"] == {"uri": "sub/a%20b.py", "uriBaseId": "ROOT"}
    assert first["region"] == {"startLine": 1, "startColumn": 2}
    assert "\x1b" not in found["flake8"][0]["message"]["text"]
    assert found["flake8"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
    assert [issue["rule"] for issue in issues_of(run, "flake")] == ["E711", "W1"]


def test_an_empty_sarif_file_is_valid_and_an_old_one_does_not_stay(project: Project) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    path = project.folder / "all.sarif"
    option = f"--paragate-sarif={path}"
    assert project.write({"conftest.py": f"{HEAD}x = gate.command('true')\n"}).run(option).status == 0
    schema = json.loads((ROOT / "tests/judge/sarif-schema-2.1.0.json").read_text("utf-8"))
    jsonschema.Draft4Validator(schema).validate(json.loads(path.read_text("utf-8")))
    project.write({"conftest.py": "import no_such_module\n"}).run(option)
    assert not path.exists()


def bench(project: Project, times_us: list[float], spread_us: float = 0.5) -> None:
    lines = "\\n".join(f"bench{n}: {value} us ± {spread_us} us" for n, value in enumerate(times_us))
    project.write({
        "conftest.py": (
            f"{HEAD}speed = gate.command(PY + [\"print('''{lines}''')\"], parse='timings', expect='regression <= 5%')\n"
        )
    })  # fmt: skip


def test_a_benchmark_that_two_commands_measure_is_compared_both_times(project: Project) -> None:
    def measure(first_us: int, second_us: int) -> None:
        checks = f"{HEAD}@gate.check(expect='regression <= 5%')\ndef speed(paragate_run):\n"
        for time_us in (first_us, second_us):
            checks += f"    paragate_run(PY + ['print(\"bench: {time_us} us\")'], parse='timings')\n"
        project.write({"conftest.py": checks})

    measure(100, 50)
    assert project.run("--paragate-accept").status == 0
    assert project.run().outcomes() == {"speed": "passed"}
    measure(200, 50)
    assert project.run().outcomes() == {"speed": "unmet"}
    measure(100, 90)
    assert project.run().outcomes() == {"speed": "unmet"}


def test_benchmarks_are_compared_with_what_was_accepted(project: Project) -> None:
    project.write({"pyproject.toml": '[tool.pytest.ini_options]\nparagate_baseline = "accepted.json"\n'})
    bench(project, [100, 50])
    run = project.run()
    assert (run.status, run.outcomes()) == (1, {"speed": "unreadable"})
    assert "--paragate-accept" in run.check("speed")["summary"]
    assert project.run("--paragate-accept").status == 0
    assert (project.folder / "accepted.json").is_file()
    assert project.run().status == 0
    bench(project, [104, 50])
    run = project.run()
    assert run.status == 0, run.text
    assert run.check("speed")["metrics"]["regression"]["value"] == pytest.approx(4)
    bench(project, [100.4, 50])  # within what both vary by themselves
    assert project.run().check("speed")["metrics"]["regression"]["value"] == 0
    bench(project, [100, 60])
    run = project.run()
    assert (run.status, run.outcomes()) == (1, {"speed": "unmet"})
    assert run.check("speed")["summary"] == "wanted regression <= 5%, found 20 %"
    bench(project, [100])  # one of them is not run any more
    assert project.run().outcomes() == {"speed": "unreadable"}
    bench(project, [100, 60])
    assert project.run("--paragate-accept").status == 0
    assert project.run().status == 0


def test_a_benchmark_that_is_too_many_to_be_kept_hides_no_regression(project: Project) -> None:
    bench(project, [100] * 2001)
    assert project.run("--paragate-accept").status == 0
    bench(project, [100] * 2000 + [900])
    run = project.run()
    assert (run.status, run.outcomes()) == (1, {"speed": "unreadable"})
    assert run.check("speed")["summary"] == "wanted regression <= 5%, and 1 metric beyond 2000 cannot be kept"
    assert run.check("speed")["counts"] == {"benchmarks": 2001}


def test_a_baseline_that_cannot_be_written_is_not_silent(project: Project) -> None:
    project.write({"pyproject.toml": '[tool.pytest.ini_options]\nparagate_baseline = "accepted.json"\n'})
    project.write({"accepted.json": "something else"})
    bench(project, [100])
    run = project.run("--paragate-accept")
    assert run.status == 1
    assert "the baseline could not be written" in run.text
    assert (project.folder / "accepted.json").read_text() == "something else"


def test_a_baseline_that_no_later_run_would_find_is_not_silent(project: Project) -> None:
    bench(project, [100])
    run = project.run("--paragate-accept", "-p", "no:cacheprovider")
    assert run.status == 1
    assert "the baseline could not be written: there is no cache directory, set paragate_baseline" in run.text


def test_a_command_that_no_judge_knows_imports_none(project: Project) -> None:
    """What judging costs where there is nothing to judge: nothing."""
    run = project.write({
        "conftest.py": f"""{HEAD}
plain = gate.command("true")

@gate.check(after="plain")
def loaded():
    names = {{name.rpartition(".")[2] for name in sys.modules if name.startswith("pytest_paragate.judge.")}}
    assert not names & {{"run", "facts", "output", "criteria", "settle", "own", "names"}}

def pytest_unconfigure(config):
    names = [name for name in sys.modules if name.startswith("pytest_paragate.judge.")]
    open("loaded.txt", "w").write(" ".join(sorted(names)))
""",
    }).run()  # fmt: skip
    assert run.status == 0, run.text
    loaded = (project.folder / "loaded.txt").read_text().split()
    assert set(loaded) <= {"pytest_paragate.judge.ending", "pytest_paragate.judge.programs"}


def test_a_hundred_megabytes_of_output_are_judged(project: Project) -> None:
    run = project.write({
        "flood.py": (
            "import sys\nblock = b'noise in a line of some length, again and again\\n' * 20000\n"
            "for _ in range(100):\n    sys.stdout.buffer.write(block)\nprint('=== 3 passed in 9.01s ===')\n"
        ),
        "conftest.py": f"{HEAD}x = gate.command([sys.executable, 'flood.py'], parse='pytest', expect='passed == 3')\n",
    }).run()  # fmt: skip
    assert (run.status, run.check("x")["summary"]) == (0, "3/3 tests passed")


LOGS = ".pytest_cache/d/paragate/logs"
FULL = """
import pytest_paragate as gate
LINE = "regex:(?P<file>.+):(?P<line>.+): (?P<message>.+)"
prints = gate.command("echo 'a.py:1: broken'; true", shell=True, parse=LINE)
silent = gate.command("echo not judged; true", shell=True)

@gate.check
def runs(paragate_run):
    paragate_run("echo 'a.py:1: broken'; true", shell=True, parse=LINE)
"""
FILLS = f"mount -t tmpfs -o size=300k tmpfs {LOGS} && cat /dev/zero > {LOGS}/fill 2>/dev/null; exec"


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system is mounted in a namespace of its own")
def test_output_that_the_disk_had_no_room_for_is_no_output_without_findings(project: Project) -> None:
    (project.folder / LOGS).mkdir(parents=True)
    project.write({"conftest.py": FULL})
    gate = [sys.executable, "-m", "pytest", "-p", "xdist", "--paragate", f"--paragate-json={project.json_path}"]
    inside = ["sh", "-c", f'{FILLS} "$@"', "sh", *gate]
    done = subprocess.run(
        ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), *inside],
        cwd=project.folder,
        env={**project.environment(), "TMPDIR": str(project.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system mounts nothing for us: {done.stderr}")
    found = {check["name"]: check for check in json.loads(project.json_path.read_text("utf-8"))["checks"]}
    outcomes = {name: check["outcome"] for name, check in found.items()}
    assert outcomes == {"prints": "unreadable", "silent": "passed", "runs": "unreadable"}, done.stdout
    assert found["prints"]["summary"] == "there is no room left on the disk for the output"


REPORTS = """
import shlex
import pytest_paragate as gate

REPORT = "<testsuite><testcase name='a'/></testsuite>"
WRITE = f"echo {shlex.quote(REPORT)}"
ONCE = f"test -e tried && exit 0; touch tried; {WRITE} > tried.xml; exit 1"
retried = gate.command(ONCE, shell=True, parse="junit:tried.xml", retries=1)
dated = gate.command("touch -d 2099-01-01 dated.xml")
stale = gate.command("true", parse="junit:dated.xml", needs="dated")
writes = gate.command(f"{WRITE} > one.xml", shell=True, parse="junit:one.xml")
reads = gate.command("true", parse="junit:one.xml", needs="writes")

@gate.check
def writes_twice(paragate_run):
    for _ in range(5):
        paragate_run(f"{WRITE} > two.xml", shell=True, parse="junit:two.xml")

@gate.check(needs="writes_twice")
def reads_again(paragate_run):
    paragate_run("true", parse="junit:two.xml")
"""


def test_a_report_of_another_run_is_not_taken_however_young_it_is(project: Project, workers: str) -> None:
    report = "<testsuite><testcase name='a'/></testsuite>"
    run = project.write({"conftest.py": REPORTS, "dated.xml": report}).run(workers)
    assert run.outcomes() == {
        "retried": "unreadable",
        "dated": "passed",
        "stale": "unreadable",
        "writes": "passed",
        "reads": "unreadable",
        "writes_twice": "passed",
        "reads_again": "unreadable",
    }
    assert run.check("writes_twice")["counts"]["tests"] == 5
    assert "older than this run of the command" in run.check("reads")["summary"]

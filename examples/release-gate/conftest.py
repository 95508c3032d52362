"""What must hold before romans is released; `pytest --paragate` finds out and writes RELEASE.md."""

import re
import sys
from pathlib import Path

import pytest

import pytest_paragate as gate

PYTHON, HERE = sys.executable, Path(__file__).parent

# One mirror is enough, and nobody waits for the others.
gate.group("mirrors", wait="any", rest="cancel")


@gate.check(agent="debugger", group="mirrors")
@pytest.mark.parametrize("name", ["near", "broken", "far"])
def mirror(name, paragate_run):
    paragate_run([PYTHON, "tools/mirror.py", name])


build = gate.command([PYTHON, "tools/build.py"], agent="feature-implementer", reads=["src/"], writes=["dist/"])


def count_tests(run, package, *options):
    """Run the tests against a package; how many there were."""
    done = run([PYTHON, "-m", "unittest", "discover", "-s", "tests", *options], env={"PYTHONPATH": package})
    return int(re.search(r"^Ran (\d+) test", done.stderr, re.MULTILINE)[1])


@gate.check(agent="test-runner", reads=["src/", "tests/"])
def source_tests(paragate_run, paragate_facts):
    paragate_facts["tests"] = count_tests(paragate_run, "src")


@gate.check(agent="test-runner", needs="build", reads=["dist/", "tests/"])
def package_tests(paragate_run, paragate_facts):
    paragate_facts["tests"] = count_tests(paragate_run, "dist/romans.zip")


# What was tested is what will be released, only if both runs are about the same tests.
same_tests = gate.agree("tests", "source_tests", "package_tests", agent="code-reviewer")


@gate.check(agent="refactorer", needs="build", uses="database", retries=2, retry_pause="100ms")
@pytest.mark.parametrize("customer", ["caesar", "cicero"])
def smoke(customer, paragate_run, paragate_units):
    database = str(paragate_units["database"])
    paragate_run([PYTHON, "tools/smoke.py", customer, database], env={"PYTHONPATH": "dist/romans.zip"})


audit = gate.command([PYTHON, "tools/audit.py"], agent="code-reviewer", advisory=True)

upload = gate.command(
    [PYTHON, "-c", "print('would upload dist/romans.zip')"],
    agent="feature-implementer",
    needs=["group:mirrors", "same_tests", "smoke"],
)


@gate.check(
    agent="code-reviewer",
    needs=["group:mirrors", "build", "source_tests", "package_tests", "same_tests", "smoke", "upload"],
    after="audit",
    when="always",
    writes=["RELEASE.md"],
)
def release_notes(paragate_results):
    rows = ["| check | outcome | says |", "|--|--|--|"]
    for name, verdict in paragate_results.items():
        tries = f"passed on try {verdict.attempts}" if verdict.flaky else ""
        rows.append(f"| {name} | {verdict.outcome} | {verdict.reason or tries or verdict.summary} |")
    wanted = paragate_results["upload"]
    answer = "Ready to release." if wanted.is_ok else f"Not ready: {wanted.reason}."
    (HERE / "RELEASE.md").write_text("\n".join(["# Release of romans", "", answer, "", *rows, ""]), "utf-8")
    print(answer)

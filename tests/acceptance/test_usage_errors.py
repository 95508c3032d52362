"""Wrong input gets one message naming place and cure, exit status 4, no traceback, and nothing is run."""

from __future__ import annotations

import pytest

from .gates import GateRun, Project

CANARY = 'import pytest_paragate as gate\ncanary = gate.command("touch ran")\n'
TOML = '[tool.paragate.checks.canary]\nrun = "touch ran"\n'


def declared(line: str) -> dict[str, str]:
    return {"conftest.py": f"{CANARY}{line}\n"}


def table(lines: str) -> dict[str, str]:
    return {"pyproject.toml": f"{TOML}{lines}\n"}


# Files, arguments, and what the message must say: the place, what is wrong, what to do instead.
WRONG: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "unknown key": (
        declared('x = gate.command("true", agnet="debugger")'),
        [],
        ["conftest.py:3: unknown key `agnet`, did you mean `agent`?", "hint: keys are name, agent, needs"],
    ),
    "unknown key of a function": (
        declared('@gate.check(rites="x")\ndef x(): pass'),
        [],
        ["conftest.py:3: unknown key `rites`", "hint: keys are"],
    ),
    "unknown key of a mark": (
        {**declared(""), "test_it.py": "import pytest\n@pytest.mark.paragate(agnet='x')\ndef test_it(): pass\n"},
        [],
        ["test_it.py:2: unknown key `agnet`, did you mean `agent`?"],
    ),
    "unknown key in TOML": (
        table('[tool.paragate.checks.x]\nrun = "true"\nneed = ["canary"]'),
        [],
        ["pyproject.toml:5: [tool.paragate.checks.x]: unknown key `need`, did you mean `needs`?"],
    ),
    "retries that are no number": (
        declared('x = gate.command("true", retries="2")'),
        [],
        ["conftest.py:3: `retries` cannot be '2': it must be a whole number from 0 to 1000", "hint: it counts the"],
    ),
    "unit taken twice": (
        {
            **declared('x = gate.command("true", uses="port:8001")'),
            "pyproject.toml": "[tool.pytest.ini_options]\nparagate_resources = ['port=8000-8003']\n",
        },
        [],
        ['conftest.py:3: "x" uses "port:8001", and 8001 is a unit of "port" too', 'hint: use "port" and take the'],
    ),
    "two reports in one file": (
        declared(""),
        ["--paragate-json=out", "--paragate-sarif=./out"],
        ["--paragate-sarif: names the file of --paragate-json", "hint: give each its own file"],
    ),
    "JUnit's file for a report": (
        declared(""),
        ["--junitxml=out.xml", "--paragate-json=out.xml"],
        ["--junitxml: names the file of --paragate-json", "hint: give each its own file"],
    ),
    "a report over the baseline": (
        {**declared(""), "pyproject.toml": "[tool.pytest.ini_options]\nparagate_baseline = 'base.json'\n"},
        ["--paragate-json=base.json"],
        ["setting `paragate_baseline`: names the file of --paragate-json"],
    ),
    "cpus above the budget": (
        declared('x = gate.command("true", cpus=3)'),
        ["--paragate-cpus=2"],
        ['conftest.py:3: "x" takes 3 CPUs of a budget of 2', "hint: lower its cpus to 2 or raise --paragate-cpus to 3"],
    ),
    "units that are none": (
        {
            **declared(""),
            "pyproject.toml": "[tool.pytest.ini_options]\nparagate_resources = ['port=8003-8000']\n",
        },
        [],
        ["setting `paragate_resources`: the units of port cannot be '8003-8000'", "hint: write port=3, or port=8000-"],
    ),
    "flaky or not": (
        {**declared(""), "pyproject.toml": "[tool.pytest.ini_options]\nparagate_fail_on_flaky = 'maybe'\n"},
        [],
        ["setting `paragate_fail_on_flaky`: invalid truth value 'maybe'", "hint: write true or false"],
    ),
    "group without members": (
        declared('gate.group("mirrors", wait="any")'),
        [],
        ['conftest.py:3: the group "mirrors" has no members', 'hint: put checks into it with group="mirrors"'],
    ),
    "threshold that cannot be reached": (
        declared('gate.group("g", wait=3)\nx = gate.command("true", group="g")\ny = gate.command("true", group="g")'),
        [],
        ['conftest.py:3: the group "g" waits for 3 of its 2 members', "hint: lower its wait to at most 2"],
    ),
    "group that needs itself": (
        declared('gate.group("g")\nx = gate.command("true", group="g")\n'
                 'y = gate.command("true", group="g", needs="group:g")'),
        [],
        ['conftest.py:5: "y" needs the group "g", of which it is a member', "hint: take "],
    ),
    "group that needs itself by another": (
        declared('gate.group("g")\nx = gate.command("true", needs="group:g")\n'
                 'y = gate.command("true", group="g", needs="x")'),
        [],
        ["these wait for each other: x -> group:g -> y -> x", "hint: take one of them out"],
    ),
    "group that is not there": (
        declared('gate.group("mirrors")\nx = gate.command("true", group="mirror")\n'
                 'y = gate.command("true", group="mirrors")'),
        [],
        ['conftest.py:4: "x" is in the group "mirror", which does not exist', 'hint: did you mean "mirrors"?'],
    ),
    "group that is named as what needs it does": (
        declared('gate.group("mirrors")\nx = gate.command("true", group="group:mirrors")'),
        [],
        ['conftest.py:4: "x" is in the group "group:mirrors", which does not exist', 'hint: did you mean "mirrors"?'],
    ),
    "group that is needed as a check is": (
        declared('gate.group("mirrors")\nx = gate.command("true", group="mirrors")\n'
                 'y = gate.command("true", needs="mirrors")'),
        [],
        ['conftest.py:5: "y" needs "mirrors", which does not exist', 'hint: did you mean "group:mirrors"?'],
    ),
    "group in TOML with an impossible share": (
        table('[tool.paragate.groups.g]\nwait = "120%"\n[tool.paragate.checks.x]\nrun = "true"\ngroup = "g"'),
        [],
        ["pyproject.toml:4: [tool.paragate.groups.g]: `wait` cannot be '120%': it must be from 1% to 100%", "hint: "],
    ),
    "command key on a function": (
        declared('@gate.check(shell=True)\ndef x(): pass'),
        [],
        ["conftest.py:3: `shell` is for commands only", "hint: remove it; use it in paragate_run(…)"],
    ),
    "unknown agent type": (
        declared('x = gate.command("true", agent="code-reviewr")'),
        [],
        ["conftest.py:3: unknown agent type 'code-reviewr', did you mean 'code-reviewer'?", "known are code-reviewer,"],
    ),
    "bad duration": (
        declared('x = gate.command("true", timeout="2 minuets")'),
        [],
        ["conftest.py:3: `timeout` cannot be '2 minuets'", 'hint: write seconds as a number, or "500ms"'],
    ),
    "negative duration in TOML": (
        table('[tool.paragate.checks.x]\nrun = "true"\ntimeout = -1'),
        [],
        ["pyproject.toml:5: [tool.paragate.checks.x]: `timeout` cannot be -1: it must be more than zero"],
    ),
    "bad duration option": (
        declared(""),
        ["--paragate-timeout=soon"],
        ["--paragate-timeout: the time limit cannot be 'soon'", "hint: write seconds"],
    ),
    "negative slots": (
        declared(""),
        ["--paragate-slots=test-runner=-2"],
        ["--paragate-slots: the number of slots of test-runner cannot be '-2'", "1 or more, or 'auto'"],
    ),
    "negative slots in ini": (
        {**declared(""), "pytest.ini": "[pytest]\nparagate_slots =\n  debugger=0\n"},
        [],
        ["setting `paragate_slots`: the number of slots of debugger cannot be '0'", "1 or more"],
    ),
    "cycle": (
        declared(
            'a = gate.command("true", needs="b")\n'
            'b = gate.command("true", after="c")\n'
            'c = gate.command("true", needs="a")'
        ),
        [],
        ["conftest.py:3: these wait for each other: a -> b -> c -> a", "hint: take one of them out of"],
    ),
    "need of itself": (
        declared('a = gate.command("true", needs="a")'),
        [],
        ['conftest.py:3: "a" needs itself', "hint: take"],
    ),
    "unknown need": (
        declared('x = gate.command("true", needs="canarry")'),
        [],
        ['conftest.py:3: "x" needs "canarry", which does not exist', 'hint: did you mean "canary"?'],
    ),
    "unknown after": (
        declared('x = gate.command("true", after="something-else")'),
        [],
        ['conftest.py:3: "x" comes after "something-else", which does not exist', "hint: name an existing check"],
    ),
    "duplicate name": (
        declared('x = gate.command("true", name="canary")'),
        [],
        ["conftest.py:3: the name 'canary' is taken already, by the check at conftest.py:2", "hint: give one of them"],
    ),
    "duplicate name in TOML": (
        {"pyproject.toml": TOML + TOML},
        [],
        ["pyproject.toml: ", "twice", "line 3"],
    ),
    "need that was deselected": (
        declared('x = gate.command("true", needs="canary")'),
        ["--deselect=conftest.py::canary"],
        ['conftest.py:3: "x" needs "canary", which was deselected', 'hint: select "canary" too'],
    ),
    "need outside of the arguments": (
        declared('x = gate.command("true", needs="canary")'),
        ["conftest.py::x"],
        ['conftest.py:3: "x" needs "canary", which was deselected', 'hint: select "canary" too'],
    ),
    "empty command": (
        declared('x = gate.command("  ")'),
        [],
        ["conftest.py:3: the command is empty", "hint: write a program with its arguments"],
    ),
    "no command in TOML": (
        table('[tool.paragate.checks.x]\nagent = "debugger"'),
        [],
        ["pyproject.toml:3: [tool.paragate.checks.x]: `run` is missing", 'hint: write run = "…"'],
    ),
    "command that needs a shell": (
        declared('x = gate.command("ls | wc -l")'),
        [],
        ["conftest.py:3: the command 'ls | wc -l' needs a shell for a pipe", "hint: add shell=True"],
    ),
    "command in TOML that needs a shell": (
        table('[tool.paragate.checks.x]\nrun = "ls > log"'),
        [],
        ["pyproject.toml:4: [tool.paragate.checks.x]: the command 'ls > log' needs a shell", "shell"],
    ),
    "malformed TOML": (
        table("[tool.paragate.checks.x\nrun = 1"),
        [],
        ["pyproject.toml", "line 3"],
    ),
    "malformed TOML in a folder below": (
        {**table(""), "sub/pyproject.toml": "\n[tool.paragate.checks.x\nrun = 1\n"},
        [],
        ["sub/pyproject.toml:2: not valid TOML"],
    ),
    "writes outside the root": (
        declared('x = gate.command("true", writes=["../elsewhere"])'),
        [],
        ["conftest.py:3: `writes` cannot contain '../elsewhere'", "outside the root folder", "hint: declare only"],
    ),
    "folder that is not there": (
        declared('x = gate.command("true", cwd="nowhere")'),
        [],
        ["conftest.py:3: `cwd` cannot be 'nowhere': there is no such folder", "hint: it is relative to"],
    ),
    "more of a resource than there is": (
        declared('x = gate.command("true", uses={"gpu": 2})'),
        [],
        ['conftest.py:3: "x" uses 2 of "gpu", of which there is 1', "hint: raise the capacity"],
    ),
    "debugger": (
        declared(""),
        ["--pdb"],
        ["--pdb: cannot be used with --paragate", "hint: debug the one test without"],
    ),
    "tracing": (declared(""), ["--trace"], ["--trace: cannot be used with --paragate", "hint: "]),
    "unknown kind of workers": (
        declared(""),
        ["--paragate-workers=forked"],
        ["--paragate-workers: the kind of workers cannot be 'forked': it is one of auto,", "did you mean fork?"],
    ),
    "retries": (
        declared(""),
        ["--paragate-retries=many"],
        ["--paragate-retries: the number of retries cannot be 'many'", "hint: it counts the further tries"],
    ),
    "distribution mode": (
        declared(""),
        ["--dist=each", "-n2"],
        ["--dist: each cannot be used with --paragate", "hint: remove it"],
    ),
    "two answers": (
        declared(""),
        ["-n2", "--paragate-slots=test-runner=3"],
        ["--paragate-slots: says test-runner=3, and -n says 2", "hint: give one of the two"],
    ),
    "report in a folder that is not there": (
        declared(""),
        ["--paragate-json=nowhere/report.json"],
        ["--paragate-json: cannot be 'nowhere/report.json': there is no folder", "hint: give the path of a file"],
    ),
    "more slots than any machine has": (
        declared(""),
        ["--paragate-slots=test-runner=4294967296"],
        ["--paragate-slots: the number of slots of test-runner cannot be '4294967296': it must be 1000000 or less"],
    ),
    "slots of a misspelt agent type": (
        declared(""),
        ["--paragate-slots=test-runer=4"],
        [
            "--paragate-slots or setting `paragate_slots`: no check has the agent type test-runer, did you mean test",
            "hint: write test-runner=N, or name test-runer in the setting `paragate_agents` if it is meant",
        ],
    ),
    "slots of thousands of digits": (
        declared(""),
        ["--paragate-slots=test-runner=" + "9" * 5000],
        ["--paragate-slots: the number of slots of test-runner cannot be '9", "it must be 1000000 or less"],
    ),
    "slots with two signs": (
        declared(""),
        ["--paragate-slots=test-runner=--5"],
        ["--paragate-slots: the number of slots of test-runner cannot be '--5': it must be a whole number, 1 or more"],
    ),
    "more of a resource than any machine has": (
        {
            **declared('x = gate.command("true", uses={"gpu": 10**30})'),
            "pyproject.toml": f"[tool.pytest.ini_options]\nparagate_resources = ['gpu={10**30}']\n",
        },
        [],
        ["setting `paragate_resources`: the amount of gpu cannot be '1000", "it must be 1000000 or less"],
    ),
    "a check object for its name": (
        declared('x = gate.command("true", needs=[canary])'),
        [],
        ["conftest.py:3: `needs` must be a text or a list of texts", 'hint: write names in quotes, as in needs="lint"'],
    ),
    "NUL in a list": (
        declared('x = gate.command(["echo", "a\\0b"])'),
        [],
        ["conftest.py:3: the command contains a NUL character: 'a\\x00b'"],
    ),
    "TOML below the root that ends too early": (
        {**declared(""), "sub/pyproject.toml": "[tool.paragate.checks.x]\nrun = 'true\n", "pytest.ini": "[pytest]\n"},
        [],
        ["sub/pyproject.toml:2: not valid TOML: "],
    ),
    "TOML below the root with a number of thousands of digits": (
        {
            **declared(""),
            "sub/pyproject.toml": "[tool.paragate.checks.x]\nrun = 'true'\ntimeout = " + "9" * 5000 + "\n",
            "pytest.ini": "[pytest]\n",
        },
        [],
        ["sub/pyproject.toml: cannot be read: Exceeds the limit"],
    ),
    "a name with power over a terminal": (
        declared(r'x = gate.command("true", needs="\x1b[31mcanary")'),
        [],
        [r'conftest.py:3: "x" needs "\x1b[31mcanary", which does not exist'],
    ),
    "check in a test module": (
        {**declared(""), "test_it.py": 'import pytest_paragate as gate\nx = gate.command("true")\n'},
        [],
        ["test_it.py:2: a check cannot be declared in a test module", "hint: move it to conftest.py"],
    ),
    "hook that raises": (
        declared("def pytest_paragate_checks(gate):\n    gate.command(1 / 0, name='x')"),
        [],
        ["conftest.py:4", "ZeroDivisionError"],
    ),
}  # fmt: skip


def assert_refused(run: GateRun, *parts: str) -> None:
    assert run.status == 4, run.text
    for part in parts:
        assert part in run.text, run.text
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text
    assert not (run.folder / "ran").exists()


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_in_words_before_anything_runs(project: Project, case: str) -> None:
    files, args, parts = WRONG[case]
    run = project.write(files).run(*args)
    assert_refused(run, *parts)
    assert run.text.count(parts[0]) == 1, run.text


@pytest.mark.parametrize("agent", ["test-runer", "tester", "gpu"])
def test_slots_of_an_own_agent_type_may_be_named_before_it_is_used(project: Project, agent: str) -> None:
    files = declared(f'x = gate.command("true", agent="{agent}")') if agent == "test-runer" else declared("")
    run = project.write(files).run(f"--paragate-slots={agent}=4", "-k", "canary")
    assert run.status == 0, run.text


def test_everything_that_is_wrong_is_told_at_once(project: Project) -> None:
    run = project.write(
        declared('x = gate.command("")\ny = gate.command("true", agnet=1)\nz = gate.command("a|b")')
    ).run()
    assert_refused(run, "conftest.py:3: ", "conftest.py:4: ", "conftest.py:5: ")


def test_our_options_without_the_gate_are_refused(project: Project) -> None:
    run = project.write(declared("")).start_pytest("--paragate-slots=test-runner=2").finish()
    assert_refused(run, "--paragate-slots: works with --paragate only", "hint: add --paragate")


def test_a_program_that_is_not_there_is_a_verdict_and_others_run(project: Project) -> None:
    run = project.write(declared('x = gate.command("no-such-program")')).run()
    assert run.status == 1
    assert run.outcomes() == {"canary": "passed", "x": "error"}
    assert (run.folder / "ran").exists()
    assert "Traceback" not in run.text

"""Options and ini settings: what they mean together, and what is refused before anything is collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_paragate import options
from pytest_paragate.model import BUILTIN_AGENTS
from pytest_paragate.settings import Settings, cpu_count, settings


def settings_of(pytester: pytest.Pytester, *arguments: str, ini: str = "") -> Settings:
    if ini:
        pytester.makeini(f"[pytest]\n{ini}")
    config = pytester.parseconfigure("--paragate", *arguments)
    return settings(config)


def test_defaults(pytester: pytest.Pytester) -> None:
    found = settings_of(pytester)
    assert found == Settings()
    assert (found.slots_of("debugger"), found.known_agents) == (1, BUILTIN_AGENTS)


def test_slots_on_the_command_line_go_over_those_in_the_ini_file(pytester: pytest.Pytester) -> None:
    ini = "paragate_slots =\n    debugger=2\n    writer=3, reader=auto\nparagate_agents = poet\n"
    found = settings_of(pytester, "--paragate-slots=debugger=4,painter=1", "--paragate-slots", "writer=5", ini=ini)
    assert found.slots == {"debugger": 4, "writer": 5, "reader": cpu_count(), "painter": 1}
    assert found.known_agents == (*BUILTIN_AGENTS, "poet", "writer", "reader", "painter")


def test_other_settings_on_the_command_line_go_over_those_in_the_ini_file(pytester: pytest.Pytester) -> None:
    ini = (
        "paragate_workers = popen\nparagate_timeout = 2m\nparagate_cpus = 3\nparagate_resources =\n    db=3\n    gpu=1"
    )
    found = settings_of(pytester, ini=ini)
    assert (found.workers, found.timeout_s, found.cpus, found.resources) == ("popen", 120.0, 3, {"db": 3, "gpu": 1})
    found = settings_of(pytester, "--paragate-workers=fork", "--paragate-timeout=1s", "--paragate-cpus=auto")
    assert (found.workers, found.timeout_s, found.cpus) == ("fork", 1.0, cpu_count())


def test_words_of_pytest_and_xdist_keep_their_meaning(pytester: pytest.Pytester) -> None:
    found = settings_of(
        pytester, "-n", "3", "--maxprocesses=2", "--max-worker-restart=0", "--testrunuid=me", "-x", "-s"
    )
    assert (found.numprocesses, found.maxprocesses, found.slots) == (2, 2, {"test-runner": 2})
    assert (found.max_worker_restart, found.testrunuid, found.maxfail) == (0, "me", 1)
    assert found.streams_output


def test_n_auto_is_the_number_of_cpus_and_zero_is_not_given(pytester: pytest.Pytester) -> None:
    assert settings_of(pytester, "-n", "auto").slots == {"test-runner": cpu_count()}
    assert settings_of(pytester, "-n", "0").slots == {}


def test_n_goes_over_the_ini_file_and_agrees_with_the_same_number(pytester: pytest.Pytester) -> None:
    ini = "paragate_slots = test-runner=3"
    assert settings_of(pytester, "-n", "2", ini=ini).slots == {"test-runner": 2}
    assert settings_of(pytester, "-n", "2", "--paragate-slots=test-runner=2").slots == {"test-runner": 2}


def test_the_json_path_is_relative_to_the_current_folder(pytester: pytest.Pytester) -> None:
    pytester.mkdir("out")
    assert settings_of(pytester, "--paragate-json=out/a.json").json_path == pytester.path / "out" / "a.json"


def test_the_plan_implies_the_gate(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfigure("--paragate-plan")
    assert options.is_on(config)
    assert settings(config).plan_only


WRONG = [
    ("--paragate-slots=debugger", "--paragate-slots: cannot be 'debugger'", "write AGENT=N"),
    ("--paragate-slots=debugger=-1", "the number of slots of debugger cannot be '-1'", "'auto'"),
    ("--paragate-slots=debugger=0", "the number of slots of debugger cannot be '0'", "'auto'"),
    ("--paragate-slots=debugger=many", "the number of slots of debugger cannot be 'many'", "'auto'"),
    ("--paragate-slots=debugger=1,debugger=2", "--paragate-slots: names debugger twice", "give it once"),
    ("--paragate-slots=a:b=1", "an agent type cannot be 'a:b'", "use letters"),
    ("--paragate-workers=forked", "--paragate-workers: the kind of workers cannot be 'forked'", "did you mean fork?"),
    ("--paragate-timeout=soon", "--paragate-timeout: the time limit cannot be 'soon'", '"90s"'),
    ("--paragate-timeout=0", "--paragate-timeout: the time limit cannot be '0'", "more than zero"),
    ("--paragate-cpus=0", "--paragate-cpus: the CPU budget cannot be '0'", "1 or more"),
    ("--paragate-retries=x", "--paragate-retries: the number of retries cannot be 'x'", "further tries"),
    ("--paragate-retries=-1", "--paragate-retries: the number of retries cannot be '-1'", "further tries"),
    ("--paragate-json=", "--paragate-json: needs a path", "give the path of a file"),
    ("--paragate-json=.", "--paragate-json: cannot be '.': it is a folder", "give the path of a file"),
    ("--paragate-json=nowhere/a.json", "there is no folder", "in a folder that exists"),
    ("--pdb", "--pdb: cannot be used with --paragate", "pytest --pdb path::test"),
    ("--trace", "--trace: cannot be used with --paragate", "without --paragate"),
    ("--setup-only", "--setup-only: cannot be used with --paragate", "--paragate-plan"),
    ("--setup-plan", "--setup-plan: cannot be used with --paragate", "--paragate-plan"),
    ("--dist=each", "--dist: each cannot be used with --paragate", "for each interpreter"),
    ("--tx=popen -n 2", "--tx: and -n cannot be given together", "2*popen"),
    ("--tx=2*popen --paragate-slots=test-runner=3", "--paragate-slots: says test-runner=3, and --tx names 2", "one of"),
    ("--tx=popen --rsyncdir=.", "--rsyncdir: is not supported with --paragate", "chdir="),
    ("--px=popen", "--px: popen has no id", "id=NAME//popen"),
    ("-n=-1", "-n: cannot be -1", "0 or more"),
    ("-n=2 --paragate-slots=test-runner=3", "says test-runner=3, and -n says 2", "give one of the two"),
    ("--max-worker-restart=few", "--max-worker-restart: cannot be 'few'", "0 or more"),
    ("-o paragate_slots=debugger=x", "setting `paragate_slots`: the number of slots of debugger", "1 or more"),
    ("-o paragate_workers=thread", "setting `paragate_workers`: the kind of workers", "auto, fork, popen"),
    ("-o paragate_timeout=x", "setting `paragate_timeout`: the time limit cannot be 'x'", '"90s"'),
    ("-o paragate_cpus=x", "setting `paragate_cpus`: the CPU budget cannot be 'x'", "1 or more"),
    ("-o paragate_resources=db", "setting `paragate_resources`: cannot be 'db'", "write NAME=N, such as db=3"),
    ("-o paragate_resources=db=0", "setting `paragate_resources`: the amount of db cannot be '0'", "1 or more"),
    ("-o paragate_agents=a=b", "setting `paragate_agents`: an agent type cannot be 'a=b'", "use letters"),
]


@pytest.mark.parametrize(("arguments", "what", "cure"), WRONG, ids=[arguments for arguments, _, _ in WRONG])
def test_wrong_options_are_refused_before_anything_runs(
    pytester: pytest.Pytester, arguments: str, what: str, cure: str
) -> None:
    pytester.makepyfile(test_it="import pathlib\npathlib.Path('imported').touch()\ndef test_it(): pass")
    result = pytester.runpytest_inprocess("--paragate", *arguments.split(" "))
    said = result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert what in said
    assert cure in said
    assert "Traceback" not in said + result.stdout.str()
    assert not Path("imported").exists()


def test_each_tx_is_one_slot_of_the_test_runner(pytester: pytest.Pytester) -> None:
    found = settings_of(pytester, "--tx", "2*popen", "--tx", "socket=host:8888", "--dist=load")
    assert found.slots == {"test-runner": 3}
    assert found.gateways is not None
    assert [spec.kind for spec in found.gateways.slots] == ["popen", "popen", "socket"]
    assert str(found.gateways) == "2*popen, socket=host:8888"


def test_without_distribution_there_are_no_gateways(pytester: pytest.Pytester) -> None:
    assert settings_of(pytester, "--tx", "popen", "-n", "0").gateways is None


@pytest.mark.parametrize("dist", ["no", "load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_dist_modes_are_accepted(pytester: pytest.Pytester, dist: str) -> None:
    assert settings_of(pytester, f"--dist={dist}", "-n", "2").slots == {"test-runner": 2}


@pytest.mark.parametrize(
    "option",
    [
        "--paragate-slots=a=1",
        "--paragate-workers=fork",
        "--paragate-timeout=1",
        "--paragate-cpus=1",
        *("--paragate-json=x.json", "--paragate-retries=1"),
    ],
)
def test_options_of_the_gate_need_the_gate(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option.partition('=')[0]}: works with --paragate only", "", "hint: add *"])


def test_settings_of_the_gate_are_harmless_without_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nparagate_slots = nonsense\nparagate_workers = nonsense\n")
    pytester.makepyfile("def test_it(): pass")
    assert pytester.runpytest_inprocess("-W", "error").ret == 0


def test_help_lists_every_option_in_one_group(pytester: pytest.Pytester) -> None:
    said = pytester.runpytest_inprocess("--help").stdout.str()
    group = said[said.index("all quality checks of a project at once:") :]
    group = group[: group.index("\n\n")]
    for option in ("paragate", "plan", "slots", "workers", "timeout", "retries", "cpus", "json"):
        assert f"--paragate-{option}" in group if option != "paragate" else "--paragate " in group


def test_it_works_without_xdist(pytester: pytest.Pytester) -> None:
    found = settings_of(pytester, "-p", "no:xdist")
    assert (found.numprocesses, found.testrunuid) == (None, None)

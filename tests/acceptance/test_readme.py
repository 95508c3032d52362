"""What the READMEs name exists: options, settings, keys, outcomes; and their snippets are accepted as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_paragate.keys import COMMAND_ONLY, Surroundings, parse_keys
from pytest_paragate.verdict import Outcome

from .gates import ROOT, Project

README = (ROOT / "README.md").read_text("utf-8")
READMES = sorted([ROOT / "README.md", *ROOT.glob("examples/*/README.md")])
# Options of other tools that the READMEs mention.
FOREIGN = {
    "--check", "--workspace", "--all-targets", "--target-dir", "--locked", "--release", "--benches", "--examples",
    "--into", "--leak-check", "--error-exitcode", "--error-exit-code", "--offline", "--upgrade",
}  # fmt: skip


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def table(head: str) -> list[list[str]]:
    """The rows below a table's header, as cells."""
    lines = README.partition(f"\n| {head} |")[2].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert rows, head
    return rows


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def help_text(module_project: Callable[[], Project]) -> str:
    return module_project().start_pytest("--help").finish().text


def without_screens(path: Path) -> str:
    """What a README says itself; in a screen, other programs speak."""
    return re.sub(r"^```\n.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_every_option_named_exists(help_text: str, path: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", without_screens(path))) - FOREIGN
    named = {"--junit-xml" if option == "--junitxml" else option for option in named}  # pytest lists one spelling
    assert sorted(option for option in named if not re.search(rf"(?<![\w-]){option}(?![\w-])", help_text)) == []


def test_every_setting_named_exists_and_every_one_that_exists_is_named(help_text: str) -> None:
    exist = set(re.findall(r"^  (paragate_\w+) \(", help_text, re.MULTILINE))
    named = set(re.findall(r"`(paragate_[a-z_]+)`", README)) - {"paragate_results", "paragate_run"}
    assert exist
    assert named == exist


def test_every_option_that_works_is_named(help_text: str) -> None:
    exist = set(re.findall(r"^  (--paragate[\w-]*)", help_text, re.MULTILINE))
    assert exist == set(re.findall(r"--paragate[\w-]*", README))


def test_the_table_of_keys_is_what_the_validator_knows(tmp_path: Path) -> None:
    named = [key for row in table("key | meaning | default") for key in words(row[0])]
    near = Surroundings(folder=str(tmp_path), root=str(tmp_path), agents=("test-runner",))
    _, problems = parse_keys("command", {"no_such_key": 1}, near)
    known = re.findall(r"[a-z_]+", (problems["no_such_key"].hint or "").removeprefix("keys are "))
    assert sorted(named) == sorted(known)
    for_commands = next(words(row[0]) for row in table("key | meaning | default") if "commands only" in row[1])
    assert sorted(for_commands) == sorted(COMMAND_ONLY)


def test_the_outcomes_named_are_the_outcomes_there_are() -> None:
    sentence = README.partition("exactly one outcome: ")[2].partition(". The")[0]
    assert sorted(words(sentence)) == sorted(str(outcome) for outcome in Outcome)


def test_the_snippets_are_accepted_and_mean_what_the_text_says(project: Project) -> None:
    (conftest,), (toml,) = blocks("python"), blocks("toml")
    assert len([line for line in conftest.splitlines() if line.strip()]) <= 10
    (project.folder / "src").mkdir()
    run = project.write({"conftest.py": conftest, "pyproject.toml": toml}).run("--collect-only", "-q")
    assert run.status == 0, run.text
    found = {line for line in run.lines if "::" in line}
    assert found == {
        "conftest.py::ruff", "conftest.py::types", "conftest.py::audit", "conftest.py::crate[core]",
        "conftest.py::crate[storage]", "pyproject.toml::audit",
    }  # fmt: skip
    plan = project.run("--paragate-plan")
    assert plan.status == 0, plan.text


def test_the_snippets_about_groups_are_accepted(project: Project) -> None:
    text = (ROOT / "docs/groups.md").read_text("utf-8")
    preamble = "import re\nimport pytest\nimport pytest_paragate as gate\n"
    for block in blocks("python", text):
        run = project.write({"conftest.py": preamble + block}).run("--collect-only", "-q")
        assert run.status == 0, f"{block}\n{run.text}"
    (project.folder / "conftest.py").unlink()
    for block in blocks("toml", text):
        project.write({"pyproject.toml": block, "test_it.py": "def test_it(): pass\n"})
        run = project.run("--paragate-plan")
        assert run.status == 0, f"{block}\n{run.text}"


def test_the_commands_are_accepted(project: Project) -> None:
    """Each line of the README's commands that calls pytest, as it stands, on a project with one check and one test."""
    project.write({
        "conftest.py": "import pytest_paragate as gate\nx = gate.command('true')\n",
        "test_it.py": "def test_it(): pass\n",
    })  # fmt: skip
    commands = [line.partition("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    calls = [call for call in commands if call and call[0] == "pytest"]
    assert len(calls) >= 4
    for call in calls:
        run = project.start_pytest(*call[1:]).finish()
        assert run.status == 0, f"{call}\n{run.text}"


def test_files_that_are_linked_exist() -> None:
    for path in READMES:
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8"))
        assert [link for link in links if not (path.parent / link).exists()] == [], path


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_no_screen_is_left_to_be_filled_in(path: Path) -> None:
    assert "\nSCREEN" not in path.read_text("utf-8")

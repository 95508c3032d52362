"""What ``--tx`` and ``--px`` mean, and what is refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_paragate import specs
from pytest_paragate.model import OptionError


def test_what_is_for_the_way_and_what_is_for_the_worker(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    text = "popen//python=python3 -E//chdir=copy//env:A=1//env:B=x=y//nice=5//dont_write_bytecode//execmodel=thread"
    (spec,) = specs.read([text], [], folder=str(tmp_path)).slots
    assert (spec.kind, spec.is_local, spec.way) == ("popen", True, "popen//python=python3 -E//dont_write_bytecode")
    assert (spec.python, spec.folder, spec.env, spec.nice) == ("python3 -E", "copy", {"A": "1", "B": "x=y"}, 5)
    assert not spec.writes_bytecode


def test_numbers_multiply_and_proxies_go_by_their_id() -> None:
    found = specs.read(["2*popen//via=there", "popen"], ["id=there//socket=host:8888"], folder="/")
    assert [spec.via for spec in found.slots] == ["there", "there", None]
    assert found.proxies["there"].way == "socket=host:8888"
    assert str(found) == "2*popen//via=there, popen"


REFUSED = [
    ("popn", "there is no key 'popn'", "did you mean popen?"),
    ("popen//pyhton=python3", "there is no key 'pyhton'", "did you mean python?"),
    ("python=python3", "does not say what to start", "ssh=HOST"),
    ("popen//ssh=host", "says popen and ssh", "one of"),
    ("popen//nice=1//nice=2", "says nice twice", "once"),
    ("popen//chdir=", "chdir needs a value", "chdir="),
    ("popen//nice=low", "nice cannot be 'low'", "nice=10"),
    ("0*popen", "there is no such number", "3*popen"),
    ("x*popen", "there is no such number", "3*popen"),
    ("popen//python=no-such-python", "there is no program no-such-python", "interpreter"),
    ("popen//chdir=no-such-folder", "there is no folder no-such-folder", "same files"),
    ("socket=host", "'host' is no address", "HOST:PORT"),
    ("socket=host:1//python=python3", "takes no python=", "via=NAME//python=PATH"),
    ("socket=host:1//via=there", "socket cannot go via= another", "installvia"),
    ("2*socket=host:1", "a socket server serves one at a time", "--tx N*popen//via=there"),
    ("popen//via=nowhere", "no --px has the id nowhere", "--px id=nowhere//"),
    ("popen//id=me", "id is for --px", "gw0"),
]


@pytest.mark.parametrize(("text", "problem", "hint"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cannot_be_meant_is_refused(text: str, problem: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        specs.read([text], [], folder="/")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("--tx: ")
    assert hint in str(caught.value).partition("hint: ")[2]


@pytest.mark.parametrize(
    ("proxies", "problem"),
    [
        (["popen"], "popen has no id"),
        (["popen//id=a", "popen//id=a"], "names a twice"),
        (["popen//id=gw0"], "the id cannot be 'gw0'"),
        (["popen//id=a//via=b"], "no --px has the id b"),
        (["popen//id=a//chdir=/tmp"], "are for workers"),
        (["popen//id=a"], "names gateways for --tx, and there is none"),
    ],
)
def test_proxies_that_cannot_be_meant_are_refused(proxies: list[str], problem: str) -> None:
    with pytest.raises(OptionError, match=problem) as caught:
        specs.read([], proxies, folder="/")
    assert str(caught.value).startswith("--px: ")


def test_without_ssh_a_gateway_through_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match="there is no program ssh"):
        specs.read(["ssh=host"], [], folder="/")
    (tmp_path / "ssh").write_text("#!/bin/sh\n")
    (tmp_path / "ssh").chmod(0o755)
    assert specs.read(["ssh=host"], [], folder="/").slots[0].kind == "ssh"
    with pytest.raises(OptionError, match="there is no file config"):
        specs.read(["ssh=host//ssh_config=config"], [], folder=str(tmp_path))

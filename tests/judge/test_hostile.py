"""Hostile output: bounded time and memory, no exception, and never a pass that was not earned."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_paragate.judge import names, run, tools
from pytest_paragate.judge.facts import to_data
from pytest_paragate.judge.output import Stream
from pytest_paragate.verdict import Outcome

from .recorded import SAMPLES, Sample, judged, output_of, read, samples, settled

JUDGES = sorted({names.split_parse(name)[0] for name in names.names()} - {"none", "regex"})
INPUTS = int(os.environ.get("PARAGATE_FUZZ", "60"))  # per judge; .ci/nightly sets 10000
LARGE = 100 << 20
# What is promised is 2 s on a machine with nothing else to do.
BOUND_S = 2.0 * float(os.environ.get("PARAGATE_TEST_SLOWNESS", "4"))


def commands() -> dict[str, str]:
    """A command for each judge that has one."""
    found = {}
    for path in reversed(samples()):
        found[path.parent.name] = read(path).command
    return found


COMMANDS = commands()
FLOODS = {
    "nothing at all": b"",
    "one line without an end": b"x",
    "empty lines": b"\n",
    "short lines": b"a\n",
    "escapes": b"\x1b[0m",
    "unfinished escapes": b"\x1b]8;;",
    "carriage returns": b"50%\r",
    "invalid UTF-8": b"\xff\xfe\xc3\n",
    "NULs": b"\0",
    "brackets": b"[",
    "braces": b'{"a":',
    "colons": b"1:",
    "a plausible line": b"a.py:1:2: error: E501 [*] failed in 0.1s ok FAILED Found 3 errors, test result: (1)\n",
}


@pytest.fixture(scope="module")
def flood_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], Path]]:
    folder = tmp_path_factory.mktemp("floods")

    def make(piece: bytes) -> Path:
        path = folder / "flood"
        with open(path, "wb") as file:
            block = piece * max((1 << 20) // len(piece), 1)
            while file.tell() < LARGE:
                file.write(block)
        return path

    yield make
    (folder / "flood").unlink(missing_ok=True)


NEEDS_PROC = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
MEASURE = """
import sys, time
sys.path.insert(0, sys.argv[1])
def peak_kb():
    # Not ru_maxrss, which begins with what the process that started this one has used.
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1])
from pytest_paragate.judge import run
from pytest_paragate.judge.output import Output, Stream
for judge in sys.argv[4].split(","):
    run.load(judge)
before_kb = peak_kb()
for judge, command in zip(sys.argv[4].split(","), sys.argv[5].split("|")):
    started = time.process_time()
    out, err = Stream(sys.argv[2]), Stream(sys.argv[3])
    facts = run.judge(command.split(), Output(stdout=out, stderr=err, returncode=0), parse=judge)
    print(judge, time.process_time() - started, (peak_kb() - before_kb) / 1024)
"""


IS_NIGHTLY = INPUTS >= 1000
# Judges that read in different ways; a nightly run takes all of them, and all kinds of floods.
MEASURED = ["cargo-test", "go-test", "mypy", "pytest", "ruff", "rustc", "unittest", "valgrind"]
MEASURED_FLOODS = ["one line without an end", "carriage returns", "a plausible line"]


@NEEDS_PROC
@pytest.mark.parametrize("kind", [kind for kind in FLOODS if FLOODS[kind] and (IS_NIGHTLY or kind in MEASURED_FLOODS)])
def test_a_hundred_megabytes_are_judged_in_bounded_time_and_memory(
    flood_of: Callable[[bytes], Path], kind: str
) -> None:
    path = flood_of(FLOODS[kind])
    judges = [name for name in JUDGES if name not in ("junit", "sarif")] if IS_NIGHTLY else MEASURED
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(Path(run.__file__).parents[2]), path, path, ",".join(judges),
         "|".join(COMMANDS.get(judge, judge) for judge in judges)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == judges
    # Both streams are as large, so twice is allowed.
    slow = {name: float(taken) for name, taken, _ in rows if float(taken) > 2 * BOUND_S}
    assert not slow
    assert max(float(memory) for _, _, memory in rows) < 64


DOCUMENTS = {
    "many dictionaries": b"{},",
    "many lists": b"[],",
    "lists in lists": b"[[[[[[]]]]]],",
    "many numbers": b"1.5,",
    "many texts": b'"\\u1234",',
}


@NEEDS_PROC
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_dense_document_takes_no_more_memory_than_a_flood(kind: str, tmp_path: Path) -> None:
    path, piece = tmp_path / "document", DOCUMENTS[kind]
    path.write_bytes(b"[" + piece * ((5 << 20) // len(piece) - 1) + b"1]")
    commands = {"bandit": "bandit -f json -r .", "ruff": "ruff check --output-format json", "eslint": "eslint -f json"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(Path(run.__file__).parents[2]), path, path, ",".join(commands),
         "|".join(commands.values())],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(float(line.split()[2]) for line in done.stdout.splitlines()) < 64


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("kind", FLOODS)
def test_no_judge_passes_what_makes_no_sense_with_a_failing_exit_status(judge: str, kind: str, tmp_path: Path) -> None:
    piece = FLOODS[kind] * 1000
    output = output_of(tmp_path, piece, piece, returncode=3, report=("out", piece))
    parse = f"{judge}:out" if names.takes(judge) else judge
    found = judged(tmp_path, COMMANDS.get(judge, judge), output, parse=parse)
    assert found.outcome is Outcome.FAILED


def mutated(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, new in cuts:
        at = at % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    return data


PIECES = [
    b"", b"\x1b[31m", b"\r", b"\n", b"\xff", b"999999999999999999999999", b"-1", b"{", b"]", b'"', b"\0", b"error",
    b"nan", "\u0663".encode(), b"1e999", b"null", b":", b"(" * 40, b"5 passed in 0.1s\n", b"\xed\xa0\x80",
]  # fmt: skip


FUZZED = settings(
    max_examples=INPUTS, deadline=None, derandomize=INPUTS < 1000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
CUTS = st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(0, 40), st.sampled_from(PIECES) | st.binary(max_size=20)),
    max_size=6,
)


def is_judged(sample: Sample, data: st.DataObject, folder: Path, parse: str | None) -> None:
    """Whatever has become of the sample, it is judged in bounded time, without an exception or an unearned pass."""
    streams = [mutated(stream, data.draw(CUTS)) for stream in (sample.stdout, sample.stderr, sample.report or b"")]
    if data.draw(st.booleans()):
        streams[0], streams[1] = streams[1], streams[0]
    returncode = data.draw(st.sampled_from([0, 1, -11]))
    report = (sample.report_file, streams[2]) if sample.report is not None else None
    output = output_of(folder, streams[0], streams[1], returncode=returncode, report=report)
    started = time.process_time()
    facts = run.judge(sample.command.split(), output, parse=parse)
    assert time.process_time() - started < BOUND_S
    if facts is not None:
        assert not (facts.unread or "").startswith("the judge"), facts.unread
        to_data(facts)
    assert returncode == 0 or settled(facts, returncode).outcome is not Outcome.PASSED


@pytest.mark.parametrize("judge", JUDGES)
@FUZZED
@given(data=st.data())
def test_any_output_is_judged_without_an_exception(judge: str, data: st.DataObject, tmp_path: Path) -> None:
    sample = read(data.draw(st.sampled_from(samples(judge))))
    is_judged(sample, data, tmp_path, sample.parse)


PATTERNS = [
    r"(?P<passed>\d+) (passed|of (?P<total>\d+))", r"(?P<failed>-?\w+) failed", r"(?P<seconds>[\d.]+) ?s\b",
    r"^(?P<file>[^:\s]+):(?P<line>\d+):(?P<column>\d+)?:?\s*(?P<severity>\w+)?:?\s*(?P<message>.*)$",
    r"(?P<message>.*)(?P<severity>error|warning)", r"(?P<name>\S+)\s+(?P<time>[\d.e+]+)",
    r"(?P<name>.*)", r"(?P<total>)",
    r"(?P<rule>[A-Z]+\d+)(?P<file>x)?", r"(?P<errors>\d*)(?P<coverage>\d+%)?", r"(?P<a>(x+)+y)|(?P<passed>.)",
]  # fmt: skip


@FUZZED
@given(data=st.data())
def test_any_output_is_judged_by_a_pattern_without_an_exception(data: st.DataObject, tmp_path: Path) -> None:
    sample = read(data.draw(st.sampled_from(samples())))
    is_judged(sample, data, tmp_path, f"regex:{data.draw(st.sampled_from(PATTERNS))}")


def test_a_regular_expression_that_never_ends_is_ended(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"a" * 60 + b"!\n")
    started = time.monotonic()
    found = judged(tmp_path, "true", output, parse="regex:(?P<n>(a+)+$)")
    assert time.monotonic() - started < BOUND_S + 2
    assert found.outcome is Outcome.UNREADABLE
    assert "took longer than" in found.summary


def test_a_pattern_is_applied_to_a_million_lines(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"noise\n" * 1_000_000 + b"7 of 9 ok\n")
    found = judged(
        tmp_path, "true", output, parse=r"regex:(?P<passed>\d+) of (?P<total>\d+) ok", expect=("passed >= 7",)
    )
    assert found.facts is not None
    assert (found.facts.counts["passed"], found.facts.counts["total"]) == (7, 9)


def test_findings_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"".join(b"a.py:%d:1: F401 unused\n" % n for n in range(1, 3001)), returncode=1)
    facts = judged(tmp_path, "flake8 .", output).facts
    assert facts is not None
    assert (facts.counts["issues"], len(facts.issues), facts.issues_cut) == (3000, 500, 2500)


def test_the_summary_at_the_end_of_a_flood_is_found(tmp_path: Path) -> None:
    output = output_of(
        tmp_path, b"FAILED x in y\n" * 1_000_000 + b"=== 2 failed, 3 passed in 9.01s ===\n", returncode=1
    )
    found = judged(tmp_path, "pytest", output)
    assert found.summary == "3/5 tests passed"


def test_more_issues_than_can_be_counted_are_not_few(tmp_path: Path) -> None:
    output = output_of(tmp_path, b"a.py:1:1: F401 unused\n" * 400_000)
    found = judged(tmp_path, "flake8 --exit-zero .", output, expect=("issues <= 1000000",))
    assert found.outcome is Outcome.UNREADABLE
    assert judged(tmp_path, "flake8 --exit-zero .", output, expect=("issues <= 10",)).outcome is Outcome.UNMET


CLEAN = {
    b"\x1b[1m\x1b[31mred\x1b[0m\n": "red",
    b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n": "link",
    b" 10%\r 50%\r\x1b[Kdone\n": " 10%\n 50%\ndone",
    b"a\r\nb\r\n": "a\nb",
    b"\xff\xfe": "\ufffd\ufffd",
    b"\x1b(B\x1b[mx": "x",
}


@pytest.mark.parametrize(("raw", "text"), CLEAN.items())
def test_lines_are_clean(raw: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(raw)
    lines = [line for line in Stream(str(path)).lines() if line]
    assert "\n".join(lines) == text


def test_lines_with_what_is_looked_for_are_found_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "out"
    wanted = [f"{n} {'error warning' if n % 3 else 'warning'}" for n in range(60_000)]
    path.write_text("\n".join(f"{line}\nnoise {'x' * 30}" for line in wanted))
    assert list(Stream(str(path)).lines("error", "warning")) == wanted


CUT = [f"{tool}/json" for tool in "bandit coverage eslint hadolint jest pyright ruff shellcheck".split()]  # noqa: SIM905


@pytest.mark.parametrize("name", CUT)
def test_json_that_was_cut_is_no_pass(name: str, tmp_path: Path) -> None:
    sample = read(SAMPLES / f"{name}.txt")
    for part in (0.2, 0.5, 0.9):
        output = output_of(tmp_path, sample.stdout.rstrip()[: int(part * len(sample.stdout))], sample.stderr)
        assert judged(tmp_path, sample.command, output).outcome in (Outcome.UNREADABLE, Outcome.UNMET)


def test_a_document_is_found_below_what_only_looks_like_one(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text('[main]\tINFO\tprofile\n[main] {x}\n{\n  "a": [\n    {"b": 1}\n  ]\n}\n')
    stream = Stream(str(path))
    assert (stream.document(), stream.is_broken) == ({"a": [{"b": 1}]}, False)
    path.write_text('{\n  "a": [\n    {"b": 1},\n')
    stream = Stream(str(path))
    assert (stream.document(), stream.is_broken) == (None, True)


def test_documents_are_found_between_lines_of_text(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text('> lint\n[]\n[INFO] done\n[1m next\n{\n  "a": []\n} {"b":1}[["c"]]\n[12:30] end\n')
    stream = Stream(str(path))
    assert (stream.documents(), stream.is_broken) == ([[], {"a": []}, {"b": 1}, [["c"]]], False)
    path.write_text('[]\n{"a": [\n')
    stream = Stream(str(path))
    assert (stream.documents(), stream.is_broken) == ([[]], True)


def test_a_file_that_is_gone_is_no_output() -> None:
    stream = Stream("/nowhere/at/all")
    assert (list(stream.lines()), stream.tail(), stream.head(), stream.document()) == ([], "", "", None)


REPEATED = ("a", "1", " ", ":", "1:", "a ", "(", "a.b:1:", "1,", "- ", "^-", "x/", "=\t", "a  ", "a: error: ", "--> ")


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(tools.__file__).parent.glob("[a-z]*.py")))
def test_patterns_of_judges_take_linear_time(name: str) -> None:
    """Each pattern against the longest line of what it could stumble over; a quadratic one takes seconds for it."""
    module = importlib.import_module(f"{tools.__name__}.{name}")
    for pattern in vars(module).values():
        if isinstance(pattern, re.Pattern):
            for piece in REPEATED:
                text = (piece * 8192)[:8192]
                started = time.process_time()
                pattern.match(text)
                pattern.fullmatch(f"{text}!")
                assert time.process_time() - started < 0.1, (pattern, piece)

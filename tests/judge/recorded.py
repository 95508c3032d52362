"""Reads recorded samples, and judges them as the gate does."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from pytest_paragate.judge import run, settle
from pytest_paragate.judge.ending import of_command
from pytest_paragate.judge.facts import Facts
from pytest_paragate.judge.output import Output, Stream
from pytest_paragate.verdict import Outcome

SAMPLES = Path(__file__).parent / "samples"
BY_PARSE = {
    "junit": "junit:out.xml", "sarif": "sarif:out.sarif", "tap": "tap", "sanitizer": "sanitizer",
    "tracemalloc": "tracemalloc", "timings": "timings",
}  # fmt: skip


class Sample(NamedTuple):
    """What a tool printed once. ``report`` is what it wrote into its report file."""

    path: Path
    command: str
    version: str
    exit_status: int
    stdout: bytes
    stderr: bytes
    report: bytes | None = None
    report_file: str = ""

    @property
    def tool(self) -> str:
        return self.path.parent.name

    @property
    def parse(self) -> str | None:
        return None if self.tool == "tap" and "prove" in self.command else BY_PARSE.get(self.tool)


class Judged(NamedTuple):
    """A sample's facts, None where no judge has something to say, and how a check with that output ends."""

    facts: Facts | None
    outcome: Outcome
    summary: str


def read(path: Path) -> Sample:
    """The sample in a file."""
    head, *parts = path.read_bytes().split(b"\n@@@@ ")
    fields = dict(line.split(": ", 1) for line in head.decode("utf-8").splitlines())
    streams: dict[str, bytes] = {}
    name = ""
    for part in parts:
        title, _, body = part.partition(b"\n")
        if title == b"(no newline)":
            streams[name] = streams[name].removesuffix(b"\n")
        else:
            name = title.decode()
            streams[name] = body + b"\n" if body else b""
    if path.read_bytes().endswith(b"\n") and name and streams[name].endswith(b"\n\n"):
        streams[name] = streams[name][:-1]
    return Sample(
        path=path,
        command=fields["command"],
        version=fields["version"],
        exit_status=int(fields["exit status"]),
        stdout=streams["stdout"],
        stderr=streams["stderr"],
        report=streams.get("report"),
        report_file=fields.get("report file", ""),
    )


def output_of(
    folder: Path, stdout: bytes, stderr: bytes = b"", *, returncode: int = 0, report: tuple[str, bytes] | None = None
) -> Output:
    """An output whose streams are files in ``folder``."""
    paths = []
    for name, data in (("out", stdout), ("err", stderr)):
        path = folder / f"stream.{name}"
        path.write_bytes(data)
        paths.append(Stream(str(path)))
    if report is not None:
        (folder / report[0]).write_bytes(report[1])
    return Output(returncode=returncode, stdout=paths[0], stderr=paths[1], cwd=str(folder))


def judged(
    folder: Path,
    command: str,
    output: Output,
    *,
    shell: bool = False,
    parse: str | None = None,
    expect: tuple[str, ...] = (),
) -> Judged:
    """How a check that ran ``command`` with this output ends."""
    argv = [command] if shell else shlex.split(command)
    output.is_script = output.is_script or shell
    return settled(run.judge(argv, output, shell=shell, parse=parse), output.returncode, expect)


def settled(facts: Facts | None, returncode: int, expect: tuple[str, ...] = ()) -> Judged:
    """How a check ends of whose output these facts were read."""
    ended = of_command(returncode=returncode, timed_out=False, stop_reason=None, timeout_s=None)
    parts = [settle.Part(facts)] if facts is not None else []
    ended, facts = settle.settle(ended, parts, expect, {})
    return Judged(facts, ended.outcome, ended.summary)


def judged_sample(sample: Sample, folder: Path) -> Judged:
    """How a check that printed the sample ends."""
    report = (sample.report_file, sample.report) if sample.report is not None else None
    output = output_of(folder, sample.stdout, sample.stderr, returncode=sample.exit_status, report=report)
    return judged(folder, sample.command, output, parse=sample.parse)


def samples(tool: str = "*") -> list[Path]:
    """All samples, or those of one tool."""
    return sorted(SAMPLES.glob(f"{tool}/*.txt"), key=lambda path: (path.parent.name, path.name))


if __name__ == "__main__":
    import sys
    import tempfile

    for path in samples(sys.argv[1] if sys.argv[1:] else "*"):
        with tempfile.TemporaryDirectory() as temporary:
            sample = read(path)
            found = judged_sample(sample, Path(temporary))
            facts = found.facts
            name = os.path.join(sample.tool, path.stem)
            print(f"{name:32} {sample.exit_status:3} {found.outcome!s:10} {found.summary[:90]!r}")
            if facts is not None:
                print(
                    f"{'':36} {facts.counts} {[i[1:] for i in facts.issues[:2]]} {list(facts.metrics.items())[:2]}"[
                        :230
                    ]
                )

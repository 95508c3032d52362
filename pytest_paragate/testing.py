"""For people who write judges: judge a piece of text as the gate would judge a command that printed it.

from pytest_paragate.testing import judged

def test_a_warning_is_minor():
    found = judged(judge_vale, stdout="doc.md:3:7:Style.Rule:Say it simply", returncode=0)
    assert found.outcome == "passed"
    assert found.counts["issues"] == 1
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pytest_paragate.judge import criteria, run
from pytest_paragate.judge.ending import of_command
from pytest_paragate.judge.facts import Facts, Issue, Metric
from pytest_paragate.judge.output import Output, Stream
from pytest_paragate.judge.settle import Part, settle
from pytest_paragate.judge.shell import joins_streams

__all__ = ["Judged", "judged"]


class Judged(NamedTuple):
    """How a check would end: ``outcome`` and ``summary`` as in reports, and what was read.

    ``reason`` is None when it passed. ``facts`` is None when the judge had nothing to say.
    """

    outcome: str
    summary: str
    reason: str | None
    facts: Facts | None

    @property
    def counts(self) -> Mapping[str, int]:
        return self.facts.counts if self.facts is not None else {}

    @property
    def metrics(self) -> Mapping[str, Metric]:
        return self.facts.metrics if self.facts is not None else {}

    @property
    def issues(self) -> Sequence[Issue]:
        return self.facts.issues if self.facts is not None else ()


def judged(
    parse: str | run.OwnJudge | None = None,
    *,
    command: str | Sequence[str] = "tool",
    stdout: str | bytes = "",
    stderr: str | bytes = "",
    returncode: int = 0,
    expect: str | Sequence[str] = (),
    reports: Mapping[str, str | bytes] | None = None,
    shell: bool = False,
) -> Judged:
    """How a check would end whose ``command`` printed this.

    Args:
        parse: a judge's name, a function or a ``gate.Judge``; None for the judge that knows the command.
        command: what was run, for judges that look at arguments; with ``shell`` a script.
        returncode: negative for a signal.
        expect: criteria, as for a check.
        reports: files that the command wrote, by name; paths in ``parse`` are relative to their folder.

    Raises:
        CriterionError: one of ``expect`` is no criterion.
    """
    expected = (expect,) if isinstance(expect, str) else tuple(expect)
    for criterion in expected:
        criteria.parse(criterion)
    argv = [str(command)] if shell else shlex.split(command) if isinstance(command, str) else list(command)
    with tempfile.TemporaryDirectory() as folder:
        files = {"stdout.txt": stdout, "stderr.txt": stderr, **(reports or {})}
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
        streams = [Stream(os.path.join(folder, name)) for name in ("stdout.txt", "stderr.txt")]
        output = Output(
            returncode=returncode, stdout=streams[0], stderr=streams[1], cwd=folder, is_script=shell,
            joins_streams=shell and joins_streams(argv[0]),
        )  # fmt: skip
        facts = run.judge(argv, output, shell=shell, parse=parse)
    ended = of_command(returncode=returncode, timed_out=False, stop_reason=None, timeout_s=None)
    ended, told = settle(ended, [Part(facts)] if facts is not None else [], expected, {})
    return Judged(str(ended.outcome), ended.summary, ended.reason, told)

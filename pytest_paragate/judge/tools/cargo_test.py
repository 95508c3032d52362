"""cargo test: every ``test result:`` line on stdout counts, one for each test binary and for the doc tests.

What the compiler says on stderr is told as findings too. With ``--no-run`` and ``--list`` nothing is tested.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output
from pytest_paragate.judge.tools import rustc

_RESULT = re.compile(
    r"test result: (ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured; (\d+) filtered out"
    r"(?:; finished in .*)?"
)
_FAILED = re.compile(r"test (\S.*?) \.\.\. FAILED")


def judge(output: Output) -> Facts | None:
    if output.has("--no-run"):
        return rustc.judge(output)
    if output.has("--list", "--help", "-h"):
        return None
    facts = Facts(tool="cargo test", needs_output=True)
    names = ("passed", "failed", "ignored", "measured", "filtered")
    total = dict.fromkeys(names, 0)
    results = 0
    for line in output.stdout.lines("test result: ", " ... FAILED"):
        line = line.strip()
        if (match := _RESULT.fullmatch(line)) is not None:
            results += 1
            for name, number in zip(names, match.groups()[1:], strict=True):
                total[name] += whole(number) or 0
            if match[1] == "FAILED" and match[3] == "0":
                total["failed"] += 1
        elif (match := _FAILED.fullmatch(line)) is not None:
            facts.issue(f"{match[1]}: failed", severity="error", is_counted=False)
    compiler = rustc.judge(output)
    if not results:
        if compiler is not None and compiler.counts.get("errors"):
            return compiler
        return facts.unreadable("cargo test printed no result")
    facts.answers = results
    facts.tests(
        passed=total["passed"], failed=total["failed"], skipped=total["ignored"],
        errors=compiler.counts.get("errors", 0) if compiler is not None and output.hides_status else 0,
        others={"measured": total["measured"]},
    )  # fmt: skip
    if total["filtered"]:
        facts.counts["deselected"] = total["filtered"]
    if compiler is not None:
        facts.issues += compiler.issues
        facts.issues_cut += compiler.issues_cut
        facts.counts["warnings"] = compiler.counts.get("warnings", 0)
    return facts

"""JUnit XML files that the command wrote: ``parse="junit:build/report.xml"``, a path or a glob. Test cases are counted.

The numbers in the attributes of ``testsuite`` are compared with the cases: of two contradictory ones the worse counts.
A file that is older than the command's start is not its result.
"""

from __future__ import annotations

from xml.parsers import expat

from pytest_paragate.judge.facts import Facts, whole
from pytest_paragate.judge.output import Output

_LARGEST = 128 << 20
_MOST_FILES = 2000
_BLOCK = 1 << 18


def judge(output: Output) -> Facts | None:
    facts = Facts(tool="junit", needs_output=True)
    paths, why = output.reports()
    if why:
        return facts.unreadable(why)
    reader = _Reader(facts)
    for path in paths[:_MOST_FILES]:
        problem = reader.read(path)
        if problem:
            return facts.unreadable(f"{problem}: {path}")
    reader.told()
    if len(paths) > _MOST_FILES:
        facts.unreadable(f"{len(paths)} report files are too many: {_MOST_FILES} are read")
    return facts


class _Reader:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._cases = self._failed = self._errors = self._skipped = 0
        self._said = {"failures": 0, "errors": 0}
        self._depth = 0
        self._case: dict[str, str] | None = None
        self._kind = ""

    def read(self, path: str) -> str | None:
        """Count what is in a file; what is wrong with it, if anything."""
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        # Entities that are declared inside could make a small file large.
        parser.EntityDeclHandler = _refuse
        self._depth, self._case = 0, None
        seen = 0
        try:
            with open(path, "rb") as file:
                while block := file.read(_BLOCK):
                    seen += len(block)
                    if seen > _LARGEST:
                        return "the report file is too large"
                    parser.Parse(block, False)
                parser.Parse(b"", True)
        except (expat.ExpatError, _EntityError, OSError, ValueError, LookupError):
            return "the report file is no whole XML"
        return None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if name == "testcase":
            self._case, self._kind = attributes, ""
        elif name in ("testsuite", "testsuites"):
            for key in self._said:
                self._said[key] += whole(attributes.get(key)) or 0
        elif (
            self._case is not None
            and name in ("failure", "error", "skipped")
            and self._kind not in ("failure", "error")
        ):
            self._kind = name
            if name != "skipped":
                case = ".".join(filter(None, (self._case.get("classname"), self._case.get("name"))))
                message = attributes.get("message") or attributes.get("type") or name
                self._facts.issue(
                    f"{case[:300]}: {message.splitlines()[0] if message.strip() else name}",
                    severity="error", file=self._case.get("file"), line=whole(self._case.get("line")), is_counted=False,
                )  # fmt: skip

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "testcase" and self._case is not None:
            self._cases += 1
            self._failed += self._kind == "failure"
            self._errors += self._kind == "error"
            self._skipped += self._kind == "skipped"
            self._case = None

    def told(self) -> Facts:
        # Suites may be nested, so that what they say is counted twice: more than the cases is only believed of none.
        failed = self._failed or self._said["failures"] if not self._failed else self._failed
        errors = self._errors or self._said["errors"] if not self._errors else self._errors
        passed = max(self._cases - self._failed - self._errors - self._skipped, 0)
        return self._facts.tests(passed=passed, failed=failed, errors=errors, skipped=self._skipped)


class _EntityError(ValueError):
    """A document that declares entities."""


def _refuse(*_: object) -> None:
    raise _EntityError

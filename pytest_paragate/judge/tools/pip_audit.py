"""pip-audit: the table of vulnerabilities, or JSON, on stdout, and ``Found 2 known vulnerabilities …`` on stderr.

A dependency that could not be audited is a warning: exit status 0 says nothing about it. JSON lists those that were.
"""

from __future__ import annotations

import re

from pytest_paragate.judge.facts import Facts, counted, listed, whole
from pytest_paragate.judge.output import Output

_TOTAL = re.compile(r"Found (\d+) known vulnerabilit(?:y|ies)\b.*")
_ROW = re.compile(r"(\S+)\s+(\S+)\s+((?:PYSEC|GHSA|CVE|OSV)-\S+)(?:\s+(\S.*))?")
_SKIPPED = re.compile(r"(\S+)\s+(Dependency not found .*|.*could not be audited.*)")


def judge(output: Output) -> Facts | None:
    if output.has("--help", "-h", "--version", "-V", "-o", "--output", "--dry-run"):
        return None
    facts = Facts(tool="pip-audit")
    said: int | None = None
    is_clean = False
    answers = documents = 0
    for line in output.stderr.lines("known vulnerabilit"):
        answers += line.startswith("No known vulnerabilities found") or _TOTAL.fullmatch(line) is not None
        if (match := _TOTAL.fullmatch(line)) is not None:
            said = whole(match[1])
        elif line.startswith("No known vulnerabilities found"):
            is_clean = True
    for document in output.documents('"dependencies": [', is_asked=output.value("-f", "--format") == "json"):
        if isinstance(document, dict):
            is_clean = True
            documents += 1
            facts.count("audited", sum(_dependency(entry, facts) for entry in listed(document.get("dependencies"))))
    if output.is_script or not documents:
        for line in output.stdout.lines():
            line = line[:2000]
            if (match := _ROW.fullmatch(line.rstrip())) is not None:
                facts.issue(f"{match[1]} {match[2]} has a known vulnerability", severity="error", rule=match[3])
            elif (match := _SKIPPED.fullmatch(line.rstrip())) is not None:
                facts.issue(f"{match[1]} was not audited", rule="skipped")
    if said is None and not is_clean:
        return facts.unreadable("pip-audit printed no result")
    facts.answers = max(answers, documents)
    facts.counts_issues()
    facts.at_least("errors", said)
    skipped = facts.counts["warnings"]
    facts.counts["issues"] = facts.counts["errors"] + skipped
    errors = facts.counts["errors"]
    facts.summary = f"{errors} known vulnerabilit{'y' if errors == 1 else 'ies'}"
    if skipped:
        facts.counts["skipped"] = skipped
        facts.summary += f", {counted(skipped, 'dependency')} not audited".replace("dependencys", "dependencies")
    if facts.counts.get("audited") == 0:
        facts.summary = "no dependency was audited"
    facts.wanted = ["errors == 0", *(["audited >= 1"] if "audited" in facts.counts else [])]
    return facts


def _dependency(entry: object, facts: Facts) -> int:
    if not isinstance(entry, dict):
        return 0
    name = str(entry.get("name"))[:200]
    if "skip_reason" in entry:
        facts.issue(f"{name} was not audited", rule="skipped")
        return 0
    for vulnerability in listed(entry.get("vulns")):
        if isinstance(vulnerability, dict):
            text = f"{name} {str(entry.get('version'))[:100]} has a known vulnerability"
            facts.issue(text, severity="error", rule=str(vulnerability.get("id") or ""))
    return 1

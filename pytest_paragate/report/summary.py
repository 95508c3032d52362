"""The section at the end of a run: how each agent type did, what is wrong, what was gained and whether we may release.

- Lines are data; writing them is up to whoever owns the terminal. No line is wider than asked.
- Every name and reason goes through :func:`~pytest_paragate.report.text.neutral` before its width is measured.
- "checks" counts checks and marked tests; ordinary tests appear in the result column and in lines of their own.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, NoReturn

from pytest_paragate.report.text import cells, cut, cut_middle, neutral, seconds
from pytest_paragate.result import CheckResult, GateResult, GroupVerdict, SpeedupBasis
from pytest_paragate.verdict import Outcome, Verdict

Markup = Literal["green", "red", "yellow"]

_LEAST_WIDTH = 20
_RESULT_CELLS = 20  # columns of numbers give way before the result gets narrower than this
_REASON_CELLS = 25
_AGENT_CELLS = 15
_TEST_LINES = 20  # pytest lists every failed test itself
_MISSING_NAMED = 5
# From when on, and with which shares of the time, one agent type is called overloaded and the others idle.
_BALANCED_S = 1.0
_OVERLOADED = 0.8
_IDLE = 0.5
_BASIS: dict[SpeedupBasis, str] = {
    "sum": "sum of durations",
    "history": "durations of earlier runs",
    "calibrated": "measured one at a time",
}


class Line(NamedTuple):
    """One line without its newline, and the colour in which pytest's terminal writer should write it."""

    text: str
    markup: Markup | None = None


class _Page(NamedTuple):
    """The paper: its width in cells and the signs that it can show."""

    width: int
    is_unicode: bool

    def sign(self, unicode: str, ascii_: str) -> str:
        return unicode if self.is_unicode else ascii_

    def plain(self, text: str) -> str:
        """One safe line; on a terminal without Unicode everything else is escaped, so that widths are right."""
        text = neutral(text, keep_newlines=False)
        return text if self.is_unicode else text.encode("ascii", "backslashreplace").decode("ascii")

    def cut(self, text: str, room: int) -> str:
        return cut(text, room, ellipsis=self.sign("…", "..."))

    def cut_middle(self, text: str, room: int) -> str:
        return cut_middle(text, room, ellipsis=self.sign("…", "..."))

    def wrapped(self, text: str, markup: Markup | None, *, lead: str = "") -> list[Line]:
        """``lead`` and ``text``, broken at spaces (no-break ones hold) with further lines indented.

        Only a word that is too wide for a line of its own is cut.
        """
        indent = " " * (len(lead) or 2)
        lines, line = [], lead
        for word in filter(None, text.split(" ")):
            word = self.cut_middle(word, self.width - len(indent))
            gap = " " if line.strip() and line != lead else ""
            if gap and cells(line) + 1 + cells(word) > self.width:
                lines.append(line)
                line, gap = indent, ""
            line += gap + word
        return [Line(text=text.replace("\xa0", " ").rstrip(), markup=markup) for text in (*lines, line)]


class _Entry(NamedTuple):
    """One thing that is not as it should be: the word in front, what it is about, and why."""

    label: str
    subject: str
    why: str
    markup: Markup | None


def lines(result: GateResult, *, width: int, is_unicode: bool) -> list[Line]:
    """The section below its title, for a terminal of ``width`` cells; narrower than 20 is treated as 20."""
    page = _Page(width=max(width, _LEAST_WIDTH), is_unicode=is_unicode)
    return [
        *_table(result, page),
        *_entry_lines(_entries(result), page),
        *(line for problem in result.problems for line in _problem_lines(problem, page)),
        *_speedup_lines(result, page),
        *_balance_lines(result, page),
        *page.wrapped(*_overall(result, page)),
    ]


def by_agent(results: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """Results by agent type, types in the order in which they first appear."""
    agents: dict[str, list[CheckResult]] = {}
    for result in results:
        agents.setdefault(result.agent, []).append(result)
    return agents


def agent_facts(results: Sequence[CheckResult]) -> list[str]:
    """What one agent type found, most telling first: tests, issues, leaks, or at least how many checks passed."""
    facts = []
    tested = [result.verdict for result in results if result.kind != "test" and "tests" in result.verdict.counts]
    own = [result.verdict.outcome for result in results if result.kind == "test"]
    total = sum(verdict.counts["tests"] for verdict in tested) + len(own) - own.count(Outcome.SKIPPED)
    if tested or total:
        passed = sum(map(_tests_passed, tested)) + own.count(Outcome.PASSED)
        facts.append(f"{passed}/{_counted(total, 'test')} passed")
    with_issues = [result.verdict for result in results if "issues" in result.verdict.counts]
    if with_issues:
        facts.append(_issues(with_issues))
    with_leaks = [result.verdict.counts["leaks"] for result in results if "leaks" in result.verdict.counts]
    if with_leaks:
        facts.append(_counted(sum(with_leaks), "leak"))
    facts += _other_findings(results, has_facts=bool(facts))
    outcomes = [result.verdict.outcome for result in results]
    skipped = outcomes.count(Outcome.SKIPPED)
    if not facts and len(outcomes) > skipped:
        facts.append(f"{outcomes.count(Outcome.PASSED)}/{_counted(len(outcomes) - skipped, 'check')} passed")
    if skipped:
        facts.append(f"{skipped} skipped")
    return facts


def _other_findings(results: Sequence[CheckResult], *, has_facts: bool) -> list[str]:
    """What judges found that is neither tests nor issues nor leaks: benchmarks, coverage, or one check's own words."""
    judged = [result.verdict for result in results if result.verdict.judge is not None and not result.verdict.reason]
    found = []
    benchmarks = sum(verdict.counts.get("benchmarks", 0) for verdict in judged)
    if benchmarks:
        found.append(f"{_counted(benchmarks, 'benchmark')} run")
    coverage = [verdict.metrics["coverage"].value for verdict in judged if "coverage" in verdict.metrics]
    if coverage:
        found.append(f"coverage {min(coverage):g} %")
    if not found and not has_facts and len(judged) == len(results) == 1 and judged[0].summary:
        found.append(judged[0].summary)
    return found


def _tests_passed(verdict: Verdict) -> int:
    """Of a check that tells how many tests there were and no more, all when it passed."""
    return verdict.counts.get("passed", verdict.counts["tests"] if verdict.outcome is Outcome.PASSED else 0)


def _issues(verdicts: Sequence[Verdict]) -> str:
    total = sum(verdict.counts["issues"] for verdict in verdicts)
    is_minor = total > 0 and all(verdict.outcome is Outcome.PASSED for verdict in verdicts)
    return _counted(total, "minor issue" if is_minor else "issue")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(result: GateResult, page: _Page) -> list[Line]:
    """One row per agent type; columns of numbers are left out from the right until the results have room."""
    agents = by_agent(result.results)
    if not agents:
        return []
    names = [page.plain(agent) for agent in agents]
    facts = [agent_facts(results) for results in agents.values()]
    numbers = [_numbers(results) for results in agents.values()]
    head = ("checks", "passed", "other", "busy")
    widths = [max(len(row[index]) for row in (head, *numbers)) for index in range(len(head))]
    widths[-1] = max(widths[-1], 5)
    name_cells = min(max(_AGENT_CELLS, *map(cells, names)), _AGENT_CELLS * 2)
    room = min(_RESULT_CELLS, max(cells(", ".join(row)) for row in facts))
    shown = len(head)
    while shown and 2 + name_cells + sum(2 + width for width in widths[:shown]) + 2 + room > page.width:
        shown -= 1
    if not shown:
        name_cells = min(max(5, *map(cells, names)), max(page.width - 4 - room, 8))
    result_at = 2 + name_cells + sum(2 + width for width in widths[:shown]) + 2

    def row(mark: str, name: str, values: Sequence[str], last: str, markup: Markup | None) -> Line:
        name = page.cut_middle(name, name_cells)
        padded = "".join("  " + value.rjust(width) for value, width in zip(values[:shown], widths, strict=False))
        text = f"{mark} {name}{' ' * (name_cells - cells(name))}{padded}  {page.cut(last, page.width - result_at)}"
        return Line(text=text.rstrip(), markup=markup)

    table = [row(" ", "agent", head, "result", None)]
    for name, values, row_facts, results in zip(names, numbers, facts, agents.values(), strict=True):
        mark, markup = _mark(results, page)
        first, *rest = _packed(row_facts, page.width - result_at)
        table.append(row(mark, name, values, first, markup))
        table += [Line(text=" " * result_at + page.cut(more, page.width - result_at), markup=markup) for more in rest]
    return table


def _numbers(results: Sequence[CheckResult]) -> tuple[str, str, str, str]:
    outcomes = [result.verdict.outcome for result in results if result.is_marked]
    passed = outcomes.count(Outcome.PASSED)
    busy = seconds(sum(result.verdict.busy_s for result in results))
    return str(len(outcomes)), str(passed), str(len(outcomes) - passed), busy


def _mark(results: Sequence[CheckResult], page: _Page) -> tuple[str, Markup]:
    if not all(result.verdict.is_ok for result in results):
        return page.sign("✗", "x"), "red"
    excused = [result.verdict for result in results if _standing(result.verdict) == "excused"]
    # A check that its group no longer needed is how such a group is meant to end.
    if any(verdict.advisory or verdict.outcome.is_own_failure for verdict in excused):
        return "!", "yellow"
    return page.sign("✓", "+"), "green"


def _packed(facts: Sequence[str], room: int) -> list[str]:
    """Facts joined by commas, on as few lines as ``room`` cells allow."""
    packed = [facts[0]]
    for fact in facts[1:]:
        joined = f"{packed[-1]}, {fact}"
        if cells(joined) <= room:
            packed[-1] = joined
        else:
            packed[-1] += "," if cells(packed[-1]) < room else ""
            packed.append(fact)
    return packed


def _standing(verdict: Verdict) -> Literal["good", "failed", "held", "excused"]:
    """How a verdict is told: ``held`` did not get to say anything itself, ``excused`` does not fail the gate."""
    match verdict.outcome:
        case Outcome.PASSED | Outcome.SKIPPED:
            return "good"
        case Outcome.CANCELLED | Outcome.BLOCKED:
            return "excused" if verdict.is_ok else "held"
        case Outcome.FAILED | Outcome.UNMET | Outcome.UNREADABLE | Outcome.TIMEOUT | Outcome.CRASHED | Outcome.ERROR:
            return "excused" if verdict.is_ok else "failed"
        case _:
            _never(verdict.outcome)


def _never(value: NoReturn) -> NoReturn:
    raise AssertionError(f"an outcome that the summary does not know: {value!r}")


def _entries(result: GateResult) -> list[_Entry]:
    """Everything that needs a word, failures first, then in plan order."""
    failed: list[_Entry] = []
    held: list[_Entry] = []
    excused: list[_Entry] = []
    notes: list[_Entry] = []
    held_tests: dict[Outcome, list[CheckResult]] = {}
    in_groups = {nodeid for group in result.groups for nodeid in group.members}
    tests_shown = tests_hidden = 0
    for item in result.results:
        verdict = item.verdict
        standing = _standing(verdict)
        if standing == "failed":
            if not item.is_marked and tests_shown >= _TEST_LINES:
                tests_hidden += 1
                continue
            tests_shown += not item.is_marked
            failed.append(_entry(item, verdict.outcome.upper(), _said(verdict), "red"))
        elif standing == "held" and not item.is_marked:
            held_tests.setdefault(verdict.outcome, []).append(item)
        elif standing == "held":
            held.append(_entry(item, verdict.outcome.upper(), _said(verdict), "yellow"))
        elif standing == "excused" and item.nodeid in in_groups and not verdict.outcome.is_own_failure:
            pass  # that is how its group is meant to end, and told there
        elif standing == "excused":
            label = "ADVISORY" if verdict.advisory else "TOLERATED"
            why = ": ".join(filter(None, (str(verdict.outcome), _said(verdict))))
            excused.append(_entry(item, label, why, "yellow"))
        if verdict.flaky:
            notes.append(_entry(item, "FLAKY", f"passed on attempt {verdict.attempts}", "yellow"))
        notes += _leaks(item)
    if tests_hidden:
        failed.append(_Entry(label="FAILED", subject=f"{_counted(tests_hidden, 'more test')}", why="", markup="red"))
    for outcome, items in held_tests.items():
        why = _said(items[0].verdict)
        held.append(_Entry(label=outcome.upper(), subject=_counted(len(items), "test"), why=why, markup="yellow"))
    groups = [_group_entry(group, result.results) for group in result.groups]
    return [*failed, *held, *groups, *excused, *notes]


def _group_entry(group: GroupVerdict, results: Sequence[CheckResult]) -> _Entry:
    """``GROUP  mirrors  met: 1 of 5 passed, 1 needed; 3 cancelled``."""
    members = set(group.members)
    outcomes = [result.verdict.outcome for result in results if result.nodeid in members]
    spared = outcomes.count(Outcome.CANCELLED) + outcomes.count(Outcome.BLOCKED)
    why = f"{group.passed} of {group.left} passed, {group.wanted} needed"
    why += f"; {spared} not needed" if spared and group.met else f"; {spared} not run to the end" if spared else ""
    if group.met:
        return _Entry(label="GROUP", subject=group.name, why=f"met: {why}", markup="green")
    return _Entry(label="UNMET", subject=f"group {group.name}", why=why, markup="yellow" if group.is_excused else "red")


def _entry(item: CheckResult, label: str, why: str, markup: Markup) -> _Entry:
    return _Entry(label=label, subject=item.nodeid, why=why, markup=markup)


def _said(verdict: Verdict) -> str:
    """A failed check's own finding tells most; for everything else it is what happened to it."""
    if verdict.outcome is Outcome.FAILED:
        return verdict.summary or verdict.reason or ""
    return verdict.reason or verdict.summary


def _leaks(item: CheckResult) -> list[_Entry]:
    killed = [str(process) for process in item.verdict.leaked if process.killed]
    running = [str(process) for process in item.verdict.leaked if not process.killed]
    found = [
        *([_entry(item, "LEAKED", f"killed: {', '.join(killed)}", "yellow")] if killed else []),
        *([_entry(item, "LEAKED", f"left running: {', '.join(running)}", "yellow")] if running else []),
    ]
    return found


def _entry_lines(entries: Sequence[_Entry], page: _Page) -> list[Line]:
    """Label, node id and reason in columns; a reason without room beside its node id goes below it.

    So a node id, which people copy, is cut only when it does not fit on a line of its own.
    """
    if not entries:
        return []
    label_cells = max(7, *(len(entry.label) for entry in entries))
    room = page.width - label_cells - 2
    subjects = [page.plain(entry.subject) for entry in entries]
    column = max((size for size in map(cells, subjects) if size <= room * 3 // 5), default=0)
    found = []
    for entry, subject in zip(entries, subjects, strict=True):
        head = f"{entry.label:{label_cells}}  {page.cut_middle(subject, room)}"
        why = page.plain(entry.why)
        beside = room - 2 - max(column, cells(subject))
        if beside >= min(cells(why), _REASON_CELLS):
            gap = " " * (2 + max(column - cells(subject), 0))
            found.append(Line(text=f"{head}{gap}{page.cut(why, beside)}".rstrip(), markup=entry.markup))
        else:
            indent = " " * (label_cells + 2)
            found.append(Line(text=head, markup=entry.markup))
            found.append(Line(text=f"{indent}{page.cut(why, room)}", markup=entry.markup))
    return found


def _problem_lines(problem: str, page: _Page) -> list[Line]:
    """At most about four lines: a whole traceback belongs to pytest's own sections."""
    lead = "PROBLEM  "
    return page.wrapped(page.cut(page.plain(problem), (page.width - len(lead)) * 4), "red", lead=lead)


def _speedup_lines(result: GateResult, page: _Page) -> list[Line]:
    has_run = any(item.verdict.start_s is not None or item.verdict.duration_s > 0 for item in result.results)
    speedup = result.speedup
    if speedup is None or not has_run or result.sequential_s <= 0:
        return []
    arrow = page.sign("→", "->")
    alone = f"{seconds(result.sequential_s)} one after another ({_BASIS[result.basis]})"
    baseline = f"{alone} {arrow}\xa0{seconds(result.wall_s)}"
    is_slower = round(speedup, 2) < 1
    text = f"no speedup: {baseline} ({speedup:.2f}x)" if is_slower else f"speedup {speedup:.2f}x: {baseline}"
    if result.limit is None or result.limit.wall_s <= 0:
        return page.wrapped(text, None)
    limit = f"limit {result.sequential_s / result.limit.wall_s:.2f}x, set by {page.plain(result.limit.label)}"
    if cells(f"{text}; {limit}") <= page.width:
        return page.wrapped(f"{text}; {limit}", None)
    return [*page.wrapped(f"{text};", None), *page.wrapped(limit, None, lead="  ")]


def _balance_lines(result: GateResult, page: _Page) -> list[Line]:
    """One type that kept the gate waiting while the others idled."""
    if result.limit is None or result.limit.bound != "agent" or result.wall_s < _BALANCED_S:
        return []
    shares = {
        agent: sum(item.verdict.busy_s for item in results) / (result.wall_s * result.slots.get(agent, 1))
        for agent, results in by_agent(result.results).items()
    }
    busiest = max(shares, key=lambda agent: shares[agent], default=None)
    if busiest is None or len(shares) < 2 or shares[busiest] < _OVERLOADED:
        return []
    slots = result.slots.get(busiest, 1)
    idle = [(agent, share) for agent, share in shares.items() if agent != busiest and share < _IDLE]
    if sum(item.agent == busiest for item in result.results) <= slots or 2 * len(idle) < len(shares) - 1 or not idle:
        return []
    named = ", ".join(f"{page.plain(agent)} {share:.0%}" for agent, share in idle[:3])
    text = f"overloaded: {page.plain(busiest)} was busy {min(shares[busiest], 1):.0%} of the time"
    return page.wrapped(f"{text} on {_counted(slots, 'slot')}, {named}", "yellow")


def _overall(result: GateResult, page: _Page) -> tuple[str, Markup]:
    """The answer in one sentence, and its colour."""
    checks = [item.verdict for item in result.results if item.is_marked]
    tests = [item.verdict for item in result.results if not item.is_marked]
    lost = _lost(result.missing, page)
    if result.outcome == "passed" and not lost:
        remarks = _remarks(result.results)
        return f"gate passed{' with ' if remarks else ''}{_listed(remarks)}", "yellow" if remarks else "green"
    found: list[str] = []
    if result.outcome == "interrupted":
        found = [*_share(checks, "check", is_passed=True), *_share(tests, "test", is_passed=True)]
        found = [f"{_listed(found)} passed"] if found else []
    elif result.outcome == "failed":
        found = [*_share(checks, "check", is_passed=False), *_share(tests, "test", is_passed=False)]
        held_back = sum(not verdict.is_ok and not verdict.outcome.is_own_failure for verdict in (*checks, *tests))
        found += [f"{held_back} not run"] if held_back else []
        unmet = sum(not group.met and not group.is_excused for group in result.groups)
        found += [f"{_counted(unmet, 'group')} unmet"] if unmet else []
        found += _flaky(result.results) if result.fails_on_flaky else []
    if lost:
        found.append(lost)
    if not result.results and not result.missing:
        found.append("nothing was selected" if result.exitstatus == 5 else "nothing was run")
    if not found:
        found = [page.plain(result.problems[0])] if result.problems else [f"exit status {result.exitstatus}"]
    word = "error" if lost and result.outcome == "passed" else result.outcome
    return f"gate {word}: {', '.join(found)}", "red"


def _lost(missing: Sequence[str], page: _Page) -> str:
    if not missing:
        return ""
    named = [page.cut_middle(page.plain(nodeid), page.width - 4) for nodeid in missing[:_MISSING_NAMED]]
    if len(missing) > len(named):
        named.append(f"and {len(missing) - len(named)} more")
    return f"no verdict for {_counted(len(missing), 'item')}: {', '.join(named)}"


def _share(verdicts: Sequence[Verdict], noun: str, *, is_passed: bool) -> list[str]:
    """``2 of 9 checks`` that passed, or that fail the gate; nothing when there are none to speak of."""
    if is_passed:
        number = sum(verdict.outcome is Outcome.PASSED for verdict in verdicts)
        return [f"{number} of {_counted(len(verdicts), noun)}"] if verdicts else []
    number = sum(not verdict.is_ok and verdict.outcome.is_own_failure for verdict in verdicts)
    return [f"{number} of {_counted(len(verdicts), noun)}"] if number else []


def _remarks(results: Sequence[CheckResult]) -> list[str]:
    """What a passed gate must not keep quiet about."""
    verdicts = [result.verdict for result in results]
    excused = [verdict for verdict in verdicts if _standing(verdict) == "excused"]
    advisory = sum(verdict.advisory for verdict in excused)
    tolerated = sum(not verdict.advisory and verdict.outcome.is_own_failure for verdict in excused)
    minor = sum(verdict.counts.get("issues", 0) for verdict in verdicts if verdict.outcome is Outcome.PASSED)
    remarks = (
        (advisory, "advisory failure"),
        (tolerated, "tolerated failure"),
        (minor, "minor issue"),
    )
    return [*(_counted(number, noun) for number, noun in remarks if number), *_flaky(results)]


def _flaky(results: Sequence[CheckResult]) -> list[str]:
    """``2 flaky checks``, ``1 flaky test``: what passed on a later try only."""
    checks = sum(result.verdict.flaky for result in results if result.is_marked)
    tests = sum(result.verdict.flaky for result in results if not result.is_marked)
    return [_counted(number, noun) for number, noun in ((checks, "flaky check"), (tests, "flaky test")) if number]


def _listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))

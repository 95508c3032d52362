"""What ``gate.agree`` declares: a function check that fails when the checks that it needs contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytest_paragate.keys import ValueRefusedError, shown
from pytest_paragate.model import nearest

if TYPE_CHECKING:
    from pytest_paragate.run.results import Results
    from pytest_paragate.verdict import Verdict

Number = int | float


class Made(NamedTuple):
    """The check's function, and what is wrong with how it was declared."""

    function: Callable[..., None]
    problems: tuple[ValueRefusedError, ...]


class _Source(NamedTuple):
    """Checks by the words that name them, and what they call the fact; with ``is_sum`` they are added up."""

    words: tuple[str, ...]
    fact: str
    is_sum: bool


def agreement(fact: object, sources: Sequence[object], keys: MutableMapping[str, object]) -> Made:
    """Make the function; takes ``tolerance`` out of ``keys`` and puts ``needs`` into them."""
    problems: list[ValueRefusedError] = []
    read: list[_Source] = []
    tolerance = keys.pop("tolerance", None)
    limit: Number = 0
    if tolerance is not None:
        if isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool) and tolerance >= 0:
            limit = tolerance
        else:
            what = f"`tolerance` cannot be {shown(tolerance)}: it must be a number, 0 or more"
            problems.append(ValueRefusedError(what))
    if not isinstance(fact, str) or not fact.strip():
        problems.append(ValueRefusedError(f"a fact cannot be {shown(fact)}", 'write gate.agree("tests", "a", "b")'))
        fact = "facts"
    for source in sources:
        try:
            read += _read(source, fact)
        except ValueRefusedError as problem:
            problems.append(problem)
    words = dict.fromkeys(word for source in read for word in source.words)
    problems += _repeated(read)
    if not problems and (not words or (len(words) == 1 and len(read) < 2 and read[0].is_sum)):
        hint = f'write gate.agree("{fact}", "one", "other")'
        problems.append(ValueRefusedError("gate.agree needs at least two checks to compare", hint))
    own = keys.get("needs")
    more = [] if own is None else list(own) if isinstance(own, Sequence) and not isinstance(own, str) else [own]
    keys["needs"] = [*words, *(word for word in more if word not in words)]
    sources_read, name = tuple(read), fact

    def agree(paragate_results: Results) -> None:
        complaint = disagreement(name, sources_read, paragate_results, tolerance=limit)
        if complaint is not None:
            import pytest

            pytest.fail(complaint, pytrace=False)

    agree.__name__ = agree.__qualname__ = "agree-" + re.sub(r"[^\w.-]+", "-", fact)
    return Made(agree, tuple(problems))


def _read(source: object, fact: str) -> list[_Source]:
    if isinstance(source, str) and source.strip():
        return [_Source((source,), fact, False)]
    if isinstance(source, Mapping) and source:
        pairs = list(source.items())
        if all(isinstance(part, str) and part.strip() for pair in pairs for part in pair):
            return [_Source((name,), called, False) for name, called in pairs]
    if isinstance(source, (list, tuple)) and source and all(isinstance(word, str) and word.strip() for word in source):
        return [_Source(tuple(source), fact, True)]
    raise ValueRefusedError(
        f"gate.agree cannot compare {shown(source)}",
        'give names of checks: "a", ["a", "b"] to add them up, or {"a": "fact"} where it calls the fact otherwise',
    )


def _repeated(sources: Sequence[_Source]) -> list[ValueRefusedError]:
    """What is named twice: compared with itself it agrees whatever it says, and added up it counts once."""
    told = Counter((word, source.fact) for source in sources for word in source.words)
    return [
        ValueRefusedError(f"gate.agree names {shown(word)} twice", "name every check once")
        for (word, _), times in told.items()
        if times > 1
    ]


def disagreement(fact: str, sources: Sequence[_Source], results: Results, *, tolerance: Number = 0) -> str | None:
    """What to say when the sources do not agree on ``fact`` or one says nothing about it; None when they agree."""
    said: list[tuple[str, str, Number]] = []
    silent: list[str] = []
    asked: set[tuple[int, str]] = set()
    for source in sources:
        verdicts: dict[str, Verdict] = {}
        for word in source.words:
            # One may be meant by its name and by its family's.
            known = set(map(id, verdicts.values()))
            verdicts.update((name, each) for name, each in results.meant(word).items() if id(each) not in known)
        asked.update((id(each), source.fact) for each in verdicts.values())
        values = {name: _values(each, source.fact) for name, each in verdicts.items()}
        silent += [_silence(name, source.fact, verdicts[name]) for name, found in values.items() if not found]
        if source.is_sum and values:
            names = list(values)
            shown_names = " + ".join(names) if len(names) <= 3 else f"{names[0]} + {len(names) - 1} more"
            said.append((shown_names, source.fact, sum(number for found in values.values() for number in found)))
        else:
            said += [(name, source.fact, number) for name, found in values.items() for number in found]
    if silent:
        return "; ".join(silent)
    if len(said) < 2 or len(asked) < 2:
        return f"there are not two checks to compare {fact} of"
    values_said = [value for *_, value in said]
    if max(values_said) - min(values_said) <= tolerance:
        return None
    told = [f"{name} says {value} {called}" for name, called, value in said]
    return ", ".join(told) + (f" (more than {tolerance} apart)" if tolerance else "")


def _values(verdict: Verdict, fact: str) -> list[Number]:
    """The fact in a verdict, by the words that ``expect`` knows: a count, metrics, or a measure as ``duration_s``."""
    from pytest_paragate.judge.criteria import OF_COMMANDS, value_of
    from pytest_paragate.judge.facts import Facts, Metric

    measures = {name: getattr(verdict, name) for name in OF_COMMANDS}
    given = {name: Metric(float(value)) for name, value in measures.items() if value is not None}
    facts = Facts(tool="", counts=dict(verdict.counts), metrics=dict(verdict.metrics))
    values = [metric.value for metric in value_of(fact, facts, given)]
    return [int(value) if value.is_integer() else value for value in values]


def _silence(name: str, fact: str, verdict: Verdict) -> str:
    known = [*verdict.counts, *verdict.metrics]
    guess = nearest(fact, known)
    knows = f"; it knows {', '.join(known[:8])}" if known else ""
    return f"{name} says nothing about {fact}" + (f", did you mean {guess}?" if guess else knows)

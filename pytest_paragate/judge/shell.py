"""Reads a shell's script, roughly: its simple commands, where their output goes, and what ends when one fails.

What it is not sure of it takes for the worse: then a judge doubts, rather than passes.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pytest_paragate.judge.names import ASSIGNMENT

LONGEST_SCRIPT = 20_000
"""What comes behind so many characters is not read."""
MOST_PARTS = 300
"""What has more simple commands than that is not looked through."""

_SPLIT = re.compile(
    r"""(?<![^\s;|&()])#[^\n]*|'[^']*'|"(?:\\.|[^"\\])*"|\\.|&>>?|\d*>>?&?\d?|\|\||&&|[;|&\n()]|[^\s'"\\;|&()>]+|\s+"""
)
_JOINS = re.compile(r"2>&1|&>|\|&|(?<!\d)>&(?!\d)")
_CAPTURE = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_ARITHMETIC = re.compile(r"\$\(\((?:[^()]|\([^()]*\))*\)\)")
_HERE = re.compile(r"(?<!<)<<(?!<)-?[ \t]*\\?(['\"]?)([\w-]+)\1")
_COMMENTED = re.compile(r"(?:^|[\s;|&()])#")
_PIPED_GROUP = re.compile(r"(?<!\|)\|\s*(?:(?:while|until|for|if|case)\b|\{)")
_KEYWORDS = ("(", "!", "if", "then", "else", "elif", "do", "while", "until", "{")
_OPENS = ("if", "while", "until", "for", "case", "{", "function")
_CLOSES = ("fi", "done", "esac", "}")
_GOES_ON = ("", ";", ")")
# Before "&&" these are no question whether to go on.
_PREPARES = (
    ("cd",), ("set",), ("export",), ("mkdir",), (".",), ("source",), ("echo",), ("printf",), (":",), ("true",), ("rm",)
)  # fmt: skip
_TARGET = "\0"  # in front of the name of a file that output goes to
_DEEPEST = 8


class Part(NamedTuple):
    """A simple command of a script; ``words`` begin with the shell's keywords, ``end`` is what comes after it."""

    words: tuple[str, ...]
    command: tuple[str, ...]
    end: str
    redirections: tuple[str, ...] = ()

    @property
    def leading(self) -> tuple[str, ...]:
        """The words in front of the command that belong to the shell, with what opens a loop that has no command."""
        return self.words[: len(self.words) - len(self.command)] + tuple(
            word for word in self.command[:1] if word in _OPENS
        )

    @property
    def closes(self) -> bool:
        """Whether it is the end of a group, a loop or a condition."""
        return self.words[0] in _CLOSES


def parts_of(script: str) -> list[Part]:
    """The simple commands of a shell's script, roughly: enough to see which tools it runs."""
    script = "".join(_tokens(script))
    for _ in range(_DEEPEST):
        script, count = _CAPTURE.subn("_", script)
        if not count:
            break
    commands: list[list[str]] = [[]]
    ends: list[str] = []
    redirections: list[list[str]] = [[]]
    word = ""
    for token in _SPLIT.findall(script):
        if token.isspace() and "\n" not in token:
            if word != _TARGET:
                commands[-1].append(word)
                word = ""
        elif token in ("||", "&&", ";", "|", "&", "(", ")") or "\n" in token:
            commands[-1].append(word)
            word = ""
            commands.append(["("] if token == "(" else [])
            ends.append(";" if "\n" in token else token)
            redirections.append([])
        elif token[0] in "'\"":
            word += token[1:-1]
        elif token[0] == "\\":
            word += token[1:]
        elif ">" in token:
            redirections[-1].append(token.replace(">>", ">"))
            commands[-1].append(word)
            word = "" if re.search(r"&\d", token) else _TARGET
        else:
            word += token
    commands[-1].append(word)
    found: list[Part] = []
    is_in_brackets = False
    for command, end, sent in zip(commands, [*ends, ""], redirections, strict=True):
        words = tuple(word for word in command if word and not word.startswith(_TARGET))
        if words == ("(",):
            is_in_brackets = True
            continue
        if words and is_in_brackets:
            words, is_in_brackets = ("(", *words), False
        if not words:
            if found and found[-1].end == ")":  # what comes after the bracket comes after what is in it
                found[-1] = found[-1]._replace(end=end, redirections=(*found[-1].redirections, *sent))
            continue
        first = 0
        while first < len(words) and (ASSIGNMENT.match(words[first]) or words[first] in _KEYWORDS):
            first += 1
        found.append(Part(words, words[first:], end, tuple(sent)))
    return found


def captured(script: str) -> list[str]:
    """What a shell's script runs to take its output."""
    found = []
    script = "".join("_" if token[0] in "'\\" else token for token in _tokens(script))
    for _ in range(_DEEPEST):
        inside = _CAPTURE.findall(script)
        found += [first or second for first, second in inside]
        if not inside:
            break
        script = _CAPTURE.sub("_", script)
    return found


def _tokens(script: str) -> list[str]:
    """The words and signs of a script, without what is no part of it: comments, documents, ends of broken lines."""
    script = _ARITHMETIC.sub("_", script[:LONGEST_SCRIPT].replace("\\\n", " "))
    return [token for token in _SPLIT.findall(_without_here_documents(script)) if not token.startswith("#")]


def _without_here_documents(script: str) -> str:
    if "<<" not in script:
        return script
    kept = []
    lines = script.split("\n")
    places: dict[str, list[int]] = defaultdict(list)  # of lines by what they say
    for number, line in enumerate(lines):
        places[line.strip()].append(number)
    at = 0
    while at < len(lines):
        kept.append(lines[at])
        here = _HERE.search(lines[at])
        at += 1
        if here is not None and _COMMENTED.search(kept[-1][: here.start()]) is None:
            ends = places.get(here[2], [])
            following = bisect.bisect_left(ends, at)
            at = ends[following] + 1 if following < len(ends) else at
    return "\n".join(kept)


def joins_streams(script: str) -> bool:
    """Whether a script sends stderr where stdout goes."""
    return _JOINS.search(script) is not None


def exit_ends_all(script: str, parts: Sequence[Part]) -> bool:
    """Whether ``exit`` surely ends the script: what ends a group, a function or a loop behind a pipe need not."""
    return _PIPED_GROUP.search(script) is None and not any(map(_shields, parts))


def changes_end(parts: Sequence[Part]) -> bool:
    """Whether a trap may give the script another exit status."""
    traps = [part.command for part in parts if part.command[:1] == ("trap",) and {"EXIT", "0"} & {*part.command[2:]}]
    exits = any(part.command[:1] == ("exit",) and not "".join(part.command[1:]).startswith("$") for part in parts)
    # A single word is the name of a function.
    return any("exit" in trap[1] or (exits and " " not in trap[1].strip()) for trap in traps)


def sure_parts(parts: Sequence[Part], is_tool: Callable[[Part], bool] = lambda part: False) -> list[bool]:
    """Which of them run whatever comes of the others, as long as nothing ends the script before.

    What comes behind a tool and ``&&`` is missing only where that tool has failed, which is known by other means.
    """
    sure = []
    groups: list[bool] = []  # whether what is in it may not be reached, or not once
    is_conditional = False
    for part in parts:
        leading = part.leading
        is_sure = not is_conditional and not any(groups)
        for number, word in enumerate(leading):
            if word in _OPENS:
                is_plain = word == "{" and number == 0
                groups.append(not is_plain or is_conditional)
                # What is asked first runs.
                is_sure = is_sure and (is_plain or word in ("if", "while", "until"))
            elif word in ("then", "else", "elif", "do"):
                is_sure = False
        sure.append(is_sure)
        if part.closes and groups:
            groups.pop()
        asks = part.command[:1] not in _PREPARES and not is_tool(part)
        is_conditional = part.end == "||" or (part.end == "&&" and asks) or (is_conditional and part.end in ("&&", "|"))
    return sure


def is_told(parts: Sequence[Part], at: int, *, ends_all: bool) -> bool:
    """Whether the script fails where the command ``at`` does; ``ends_all`` says that ``exit`` ends all of it."""
    leading = parts[at].leading
    if _conditions(parts)[at]:
        is_whole = leading == ("if", "!") and parts[at].end == ";" and parts[at + 1 : at + 2]
        if not is_whole or parts[at + 1].words[0] != "then":
            return False
        branch = itertools.takewhile(lambda part: part.words[0] not in ("fi", "else", "elif"), parts[at + 1 :])
        return ends_all and _fails(tuple(branch))
    if "!" in leading:
        return False
    options = _options(parts, at)
    is_last_of_list = True
    while True:
        end, rest = parts[at].end, parts[at + 1 :]
        is_end = all(part.words in (("fi",), ("}",), ("esac",)) and part.end in _GOES_ON for part in rest)
        if is_end and end in _GOES_ON:
            return True
        if end == ";":
            return ends_all and "errexit" in options and is_last_of_list
        if end == "||" and rest and rest[0].words != ("false",):
            if rest[0].words in (("exit",), ("exit", "$?")):
                return ends_all and rest[0].end not in ("|", "&")
            is_group = rest[0].words[0] == "{"
            group = itertools.takewhile(lambda part: part.words[0] != "}", rest) if is_group else rest[:1]
            return ends_all and _fails(tuple(group))
        if not rest or end not in ("&&", "|", "||") or (end == "|" and "pipefail" not in options):
            return False
        is_last_of_list = (is_last_of_list and end == "|") or end == "||"
        at += 1


def _conditions(parts: Sequence[Part]) -> list[bool]:
    """Which of them are asked whether to go on: what stands between ``if`` and ``then``, or ``while`` and ``do``."""
    found = []
    depth = 0
    for part in parts:
        for word in part.leading:
            depth += word in ("if", "elif", "while", "until")
            depth -= word in ("then", "do") and depth > 0
        found.append(depth > 0)
    return found


def _options(parts: Sequence[Part], at: int) -> set[str]:
    """The options of the shell that are surely set where a command begins: ``errexit``, ``pipefail``."""
    options: set[str] = set()
    sure = sure_parts(parts)
    for number, part in enumerate(parts[:at]):
        if part.command[:1] != ("set",):
            continue
        # Set in brackets, it holds in these.
        is_past = part.words[0] == "(" and any(each.end == ")" for each in parts[number:at])
        words = iter(part.command[1:])
        for word in words:
            flag = re.fullmatch("([-+])([a-zA-Z]+)", word)
            if flag is None:
                break
            names = {"errexit"} if "e" in flag[2] else set()
            names |= {next(words, "")} if "o" in flag[2] else set()
            if flag[1] == "+":
                options -= names
            elif sure[number] and not is_past:
                options |= names
    return options


def _shields(part: Part) -> bool:
    """Whether this shows that something in the script may end without the script."""
    is_asked = part.closes and part.end in ("||", "&&", "|", "&")
    return is_asked or part.words[0] in ("(", "function")


def _fails(parts: Sequence[Part]) -> bool:
    """Whether these end a script with a failure, whatever comes of them."""
    end = ";"
    for part in parts:
        opened = [word for word in part.leading if word in _OPENS]
        if opened and (opened != ["{"] or part is not parts[0]):
            return False  # what is within may not be reached
        if end == ";" and part.command[:1] == ("exit",) and part.end not in ("|", "&"):
            number = " ".join(part.command[1:])
            return re.fullmatch("[0-9]{1,9}", number) is not None and int(number) % 256 != 0
        end = part.end
    return False

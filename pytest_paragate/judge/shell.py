"""Reads a shell's script, roughly: its simple commands, where their output goes, and what ends when one fails.

What it is not sure of it takes for the worse: then a judge doubts, rather than passes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

LONGEST_SCRIPT = 20_000
"""What comes behind so many characters is not read."""
MOST_PARTS = 300
"""What has more simple commands than that is not looked through."""

_SPLIT = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|&>|\d*>&?\d?|\|\||&&|[;|&\n()]|[^\s'"\\;|&()>]+|\s+""")
_JOINS = re.compile(r"2>&1|&>|\|&|(?<!\d)>&(?!\d)")
_CAPTURE = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_HERE = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1")
_PIPED_LOOP = re.compile(r"\|\s*(?:while|until|for)\b")
_COMMENT = re.compile(r"(?m)(?:^|(?<=[ \t;]))#[^'\"\n]*$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_KEYWORDS = ("(", "!", "if", "then", "else", "elif", "do", "while", "until", "{")
_OPENS = ("if", "while", "until", "for", "case", "{", "function")
_CLOSES = ("fi", "done", "esac", "}")
_TARGET = "\0"  # in front of the name of a file that output goes to
_DEEPEST = 8


class Part(NamedTuple):
    """A simple command of a script; ``words`` begin with the shell's keywords, ``end`` is what comes after it."""

    words: tuple[str, ...]
    command: tuple[str, ...]
    end: str
    redirections: tuple[str, ...] = ()

    @property
    def opens(self) -> int:
        """How many groups, loops or conditions begin in front of the command."""
        return sum(word in _OPENS for word in self.words[: len(self.words) - len(self.command) + 1])

    @property
    def closes(self) -> bool:
        """Whether it is the end of one."""
        return self.words[0] in _CLOSES


def parts_of(script: str) -> list[Part]:
    """The simple commands of a shell's script, roughly: enough to see which tools it runs."""
    script = _without_here_documents(script[:LONGEST_SCRIPT])
    for _ in range(_DEEPEST):
        script, count = _CAPTURE.subn("_", script)
        if not count:
            break
    commands: list[list[str]] = [[]]
    ends: list[str] = []
    redirections: list[list[str]] = [[]]
    word = ""
    for token in _SPLIT.findall(_COMMENT.sub("", script)):
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
            redirections[-1].append(token)
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
        while first < len(words) and (_ASSIGNMENT.match(words[first]) or words[first] in _KEYWORDS):
            first += 1
        found.append(Part(words, words[first:], end, tuple(sent)))
    return found


def captured(script: str) -> list[str]:
    """What a shell's script runs to take its output."""
    found = []
    script = _without_here_documents(script[:LONGEST_SCRIPT])
    for _ in range(_DEEPEST):
        inside = _CAPTURE.findall(script)
        found += [first or second for first, second in inside]
        if not inside:
            break
        script = _CAPTURE.sub("_", script)
    return found


def _without_here_documents(script: str) -> str:
    if "<<" not in script:
        return script
    kept = []
    word = None
    for line in script.split("\n"):
        if word is not None:
            word = None if line.strip() == word else word
            continue
        kept.append(line)
        here = _HERE.search(line)
        word = here[2] if here is not None else None
    return "\n".join(kept)


def joins_streams(script: str) -> bool:
    """Whether a script sends stderr where stdout goes."""
    return _JOINS.search(script) is not None


def exit_ends_all(script: str, parts: Sequence[Part]) -> bool:
    """Whether ``exit`` surely ends the script: what ends a group, a function or a loop behind a pipe need not."""
    return _PIPED_LOOP.search(script) is None and not any(map(_shields, parts))


def is_told(parts: Sequence[Part], at: int, *, ends_all: bool) -> bool:
    """Whether the script fails where the command ``at`` does; ``ends_all`` says that ``exit`` ends all of it."""
    if parts[at].words[:2] == ("if", "!"):
        branch = itertools.takewhile(lambda part: part.words[0] not in ("fi", "else", "elif"), parts[at + 1 :])
        return ends_all and _fails(tuple(branch))
    if parts[at].words[0] in ("!", "if", "while", "until"):
        return False
    flags = [word for part in parts[:at] if part.command[:1] == ("set",) for word in part.command[1:]]
    asked = [flag for flag in flags if re.fullmatch("[-+][a-z]*e[a-z]*|errexit", flag)]
    stops = ends_all and bool(asked) and not asked[-1].startswith("+")
    is_last_of_list = True
    while True:
        end, rest = parts[at].end, parts[at + 1 :]
        if all(part.words in (("fi",), ("}",), ("esac",)) for part in rest) and end in ("", ";", ")"):
            return True
        if end == ";":
            return stops and is_last_of_list
        if end == "||" and rest:
            if rest[0].words in (("false",), ("exit",), ("exit", "$?")):
                return ends_all
            is_group = rest[0].words[0] == "{"
            group = itertools.takewhile(lambda part: part.words[0] != "}", rest) if is_group else rest[:1]
            return ends_all and _fails(tuple(group))
        if not rest or end not in ("&&", "|") or (end == "|" and "pipefail" not in flags):
            return False
        is_last_of_list = is_last_of_list and end == "|"
        at += 1


def _shields(part: Part) -> bool:
    """Whether this shows that something in the script may end without the script, or that the end is changed."""
    is_asked = part.closes and part.end in ("||", "&&", "|", "&")
    changes_end = part.command[:1] == ("trap",) and any("exit" in word for word in part.command[1:])
    return is_asked or changes_end or part.words[0] in ("(", "function")


def _fails(parts: Sequence[Part]) -> bool:
    """Whether these end a script with a failure, whatever comes of them."""
    end = ";"
    for part in parts:
        if part.opens > (part is parts[0] and part.words[0] == "{"):
            return False  # what is within may not be reached
        if end == ";" and part.command[:1] == ("exit",):
            return re.fullmatch("0*[1-9][0-9]*", " ".join(part.command[1:])) is not None
        end = part.end
    return False

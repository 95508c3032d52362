"""Splits a command as a shell would, and says when only a shell could run it.

A command that needs a shell is refused, never guessed at: ``ruff check > log`` would otherwise hand ruff two odd files.
"""

from __future__ import annotations

import re

from pytest_paragate.model import Value

_ASSIGNMENT = r"[A-Za-z_]\w*\+?="
_VARIABLE = r"\$[A-Za-z_({?@*#!$0-9-]"
_USE_SHELL = "add shell=True, or quote it, or write the command as a list if it is meant literally"
_QUOTE_SINGLY = "add shell=True, or use single quotes to mean it literally"
_OPERATORS = {
    "|": "a pipe", ">": "a redirection", "<": "a redirection", "&": "`&`", ";": "`;`", "(": "`(`", ")": "`)`",
    "\n": "a line break", "*": "the wildcard `*`", "?": "the wildcard `?`", "`": "a backtick",
}  # fmt: skip
# A command without any of these means what it says.
_SPECIAL = frozenset("'\"\\$~#=").union(_OPERATORS)


class Refusal(Value):
    """Why a command cannot be split; ``why`` continues "the command …"."""

    why: str
    hint: str


def split_words(command: str) -> tuple[tuple[str, ...], Refusal | None]:
    """The words of ``command``, or why there are none."""
    if _SPECIAL.isdisjoint(command):
        return tuple(filter(None, command.replace("\t", " ").split(" "))), None
    words: list[str] = []
    word: str | None = None  # None between words; "" is a word in quotes
    quote = ""
    at = 0
    while at < len(command):
        char = command[at]
        if quote:
            if char == quote:
                quote = ""
            elif quote == '"' and (needs := _needs_shell_in_quotes(command, at)):
                return (), needs
            elif quote == '"' and char == "\\" and command[at + 1 : at + 2] in ('"', "\\", "$", "`"):
                at += 1
                word = (word or "") + command[at]
            else:
                word = (word or "") + char
        elif char in "'\"":
            quote, word = char, word or ""
        elif char == "\\":
            at += 1
            if at == len(command):
                return (), Refusal(why="ends with a lone backslash", hint="remove it or write it twice")
            word = (word or "") + command[at]
        elif char in " \t":
            if word is not None:
                words.append(word)
            word = None
        elif needs := _needs_shell(command, at, is_start=word is None, is_first=not words):
            return (), needs
        else:
            word = (word or "") + char
        at += 1
    if quote:
        return (), Refusal(why=f"has no closing {quote}", hint="close the quotation, or write the command as a list")
    return tuple(words if word is None else [*words, word]), None


def _needs_shell(command: str, at: int, *, is_start: bool, is_first: bool) -> Refusal | None:
    char = command[at]
    if char in "&|" and command[at + 1 : at + 2] == char:
        hint = f"{_USE_SHELL}; or declare two checks with `needs`"
        return Refusal(why=f"needs a shell for `{char}{char}`", hint=hint)
    if char in _OPERATORS:
        return Refusal(why=f"needs a shell for {_OPERATORS[char]}", hint=_USE_SHELL)
    if match := re.match(_VARIABLE, command[at : at + 2]):
        what = "a command substitution" if match[0] == "$(" else "a variable"
        return Refusal(why=f"needs a shell for {what} at `{command[at : at + 12]}`", hint=_USE_SHELL)
    if is_start and char == "~":
        return Refusal(why="needs a shell for `~`", hint="write the path in full, or add shell=True")
    if is_start and char == "#":
        return Refusal(why="needs a shell for the comment after `#`", hint="remove the comment, or quote the `#`")
    if is_start and is_first and re.match(_ASSIGNMENT, command[at:]):
        name = command[at:].partition("=")[0].rstrip("+")
        return Refusal(why=f"needs a shell to set {name}", hint=f'use env={{"{name}": "…"}}')
    return None


def _needs_shell_in_quotes(command: str, at: int) -> Refusal | None:
    if command[at] == "`" or re.match(_VARIABLE, command[at : at + 2]):
        what = "a backtick" if command[at] == "`" else f"a variable at `{command[at : at + 12]}`"
        return Refusal(why=f"needs a shell for {what}", hint=_QUOTE_SINGLY)
    return None

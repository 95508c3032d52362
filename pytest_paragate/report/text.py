"""Turn text that nobody vouches for into text that is safe to show, and fit it into terminal cells.

- A check's output, names and reasons are data: no terminal, CI system or XML parser may act on what is returned here.
- Nothing is hidden that a terminal would have shown: what cannot be shown as it is appears as an escape (``\\x1b``).
- Every function takes time linear in its input, because the input may be hostile.
"""

from __future__ import annotations

import math
import re
import unicodedata
from itertools import takewhile

# A string stops at a newline, so that one that is never closed swallows nothing, and at the start of another string,
# so that a flood of openings is read once.
_CONTROL_STRING = "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\\\|\x9c)"
_CONTROL_SEQUENCE = "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\\\`a-~]"
_LINE_ERASED_FIRST = "(?:\x1b\\[[0-9;]*m)*\x1b\\[[02]?K"
_LINE_ERASED = "\x1b[2K"
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 without tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029"  # line breaks to some readers and not to others
    "\ud800-\udfff\ufffe\uffff]"  # not characters, and not allowed in XML
)
# GitHub trims a line before it looks for "::"; the "##" forms are found anywhere in a line.
_COMMAND_AT_START = r"(?m)^([^\S\n]*):(?=:)"
_COMMAND_ANYWHERE = r"(?i)#(?=#(?:vso|teamcity)?\[)"


def neutral(text: str, *, keep_newlines: bool = True) -> str:
    """``text`` without power over whoever reads it; applying it again changes nothing.

    Terminal sequences are removed, ``\\r`` progress lines become what a terminal would show in the end, other control
    and bidirectional characters become escapes, lone surrogates U+FFFD, and CI workflow commands get a space inside.
    With ``keep_newlines=False`` the result is one line, with lines and tabs joined by single spaces.
    """
    if text.isprintable() and text.isascii() and "##" not in text and not text.lstrip().startswith("::"):
        return text if keep_newlines else text.strip()
    # Searching for a sign is some fifty times faster than a pattern, which counts when a check has printed 200 MB.
    if not _is_plain(text):
        text = re.sub(_CONTROL_STRING, "", text)
        if "\r" in text:
            text = "\n".join(map(_finally_shown, text.split("\n")))
        text = re.sub(_CONTROL_SEQUENCE, "", text)
        text = re.sub(_UNSAFE, _visible, text)
    if not keep_newlines:
        lines = (line.strip() for line in text.replace("\t", " ").split("\n"))
        text = " ".join(line for line in lines if line)
    if "::" in text:
        text = re.sub(_COMMAND_AT_START, r"\1: ", text)
    return re.sub(_COMMAND_ANYWHERE, "# ", text) if "##" in text else text


def _is_plain(text: str) -> bool:
    """Whether ``text`` is printable characters, tabs and newlines, and nothing else."""
    return text.replace("\n", "").replace("\t", "").isprintable()


def _finally_shown(line: str) -> str:
    """What is on the screen after a line with carriage returns: each part overwrites the start of the one before.

    Read from the back, so that every part only adds what the later ones leave visible.
    """
    shown = ""
    for part in reversed(line.split("\r")):
        plain = re.sub(_CONTROL_SEQUENCE, "", part.rpartition(_LINE_ERASED)[2])
        shown += plain[len(shown) :]
        if _LINE_ERASED in part or re.match(_LINE_ERASED_FIRST, part):
            break
    return shown


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def can_show_unicode(stream: object) -> bool:
    """Whether what is written to ``stream`` may hold signs beyond ASCII."""
    try:
        "✓→…".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def seconds(value_s: float, *, is_estimate: bool = False) -> str:
    """A duration for people: ``12ms``, ``0.3s``, ``66.2s``, ``2m 05s``, ``1h 02m``; estimates are coarser: ``~66s``."""
    if not math.isfinite(value_s):
        return "?"
    value_s = max(value_s, 0.0)
    wave = "~" if is_estimate else ""
    if 0 < value_s < 0.095:
        return f"{wave}{max(value_s * 1000, 1):.0f}ms"
    digits = 0 if is_estimate and round(value_s, 1) >= 10 else 1
    if round(value_s, digits) < 120:
        return f"{wave}{value_s:.{digits}f}s"
    whole = round(value_s)
    if whole < 3600:
        return f"{wave}{whole // 60}m {whole % 60:02d}s"
    minutes = round(value_s / 60)
    return f"{wave}{minutes // 60}h {minutes % 60:02d}m"


def cells(text: str) -> int:
    """How many terminal cells ``text`` takes, for text that is already neutral."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, *, ellipsis: str = "…") -> str:
    """``text`` in at most ``width`` cells, with an ellipsis at the end if something had to go."""
    if _fitting(text, width) == len(text):
        return text
    room = width - len(ellipsis)
    return text[: _fitting(text, room)] + ellipsis if room >= 0 else ellipsis[: max(width, 0)]


def cut_middle(text: str, width: int, *, ellipsis: str = "…") -> str:
    """Like :func:`cut`, keeping both ends: a node id tells as much by its file as by its last parameter."""
    if _fitting(text, width) == len(text):
        return text
    room = width - len(ellipsis)
    if room < 2:
        return cut(text, width, ellipsis=ellipsis)
    head = text[: _fitting(text, room // 2)]
    backwards = text[::-1]
    tail = backwards[: _fitting(backwards, room - cells(head))][::-1]
    orphaned_marks = sum(1 for _ in takewhile(lambda character: _cells_of(character) == 0, tail))
    return head + ellipsis + tail[orphaned_marks:]


def _fitting(text: str, room: int) -> int:
    """How many leading characters of ``text`` fit into ``room`` cells."""
    if text.isascii():
        return min(len(text), max(room, 0))
    for index, character in enumerate(text):
        room -= _cells_of(character)
        if room < 0:
            return index
    return len(text)

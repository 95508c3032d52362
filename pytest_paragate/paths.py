"""One spelling per place in the file system, so that two checks that touch the same place are seen to do so.

Absolute, POSIX separators, symbolic links followed, letters in the case the file system has, folders with a "/" at the
end. Globs stay globs; what comes before the first wildcard is normalised, and its own odd characters are escaped.
"""

from __future__ import annotations

import glob
import os

_MAGIC = frozenset("*?[")


def normal_path(text: str, folder: str) -> str:
    """``text``, relative to ``folder``, in its one spelling.

    Raises:
        ValueError: with the reason, when it cannot name a place.
    """
    if not text.strip():
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    text = text.replace(os.sep, "/")
    if text.startswith("~"):
        raise ValueError("`~` is not expanded here, write the path in full")
    parts = text.split("/")
    magic = next((place for place, part in enumerate(parts) if not _MAGIC.isdisjoint(part)), len(parts))
    if ".." in parts[magic:]:
        raise ValueError("`..` after a wildcard has no meaning")
    before = "/".join(parts[:magic])
    if not before:
        before = "/" if magic else "."
    plain = _true_case(os.path.realpath(os.path.join(folder, before)))
    prefix = glob.escape(plain.replace(os.sep, "/"))
    if magic < len(parts):
        rest = "/".join(part for part in parts[magic:] if part not in ("", "."))
        return f"{prefix.rstrip('/')}/{rest}" + ("/" if text.endswith("/") else "")
    is_folder = text.endswith("/") or os.path.isdir(plain)
    return f"{prefix.rstrip('/')}/" if is_folder else prefix


def is_within(path: str, root: str) -> bool:
    """Whether ``path`` from :func:`normal_path`, a glob or not, is ``root`` or below it."""
    top = glob.escape(_true_case(os.path.realpath(root)).replace(os.sep, "/")).rstrip("/")
    return path.rstrip("/") == top or path.startswith(f"{top}/")


def _true_case(path: str) -> str:
    """``path`` with each existing part spelt as its folder lists it, where the file system ignores case."""
    if not _ignores_case(path):
        return path
    head, tail = os.path.split(path)
    if not tail or head == path:
        return path
    head = _true_case(head)
    try:
        names = os.listdir(head)
    except OSError:
        return os.path.join(head, tail)
    alike = tail if tail in names else next((name for name in names if name.casefold() == tail.casefold()), tail)
    return os.path.join(head, alike)


def _ignores_case(path: str) -> bool:
    existing = path
    while not os.path.exists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)
    other = os.path.join(os.path.dirname(existing), os.path.basename(existing).swapcase())
    if other == existing:
        return False
    try:
        return os.path.samefile(existing, other)
    except OSError:
        return False

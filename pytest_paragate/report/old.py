"""A report of an earlier run, which must not be taken for this one's. Imported before anything else is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_JSON_MARK = b'"schema": "paragate'
# In the head of our SARIF files: see ``report/sarif.py``.
_SARIF_MARK = b'"properties": {"producer": "pytest-paragate"'


def remove(path: Path) -> None:
    """Remove the file at ``path`` if it is such a report; anything else stays, and so does what cannot be removed."""
    try:
        if stat.S_ISREG(path.stat().st_mode):
            with path.open("rb") as file:
                start = file.read(2048)
            is_ours = _JSON_MARK in start[:64] or _SARIF_MARK in start
            if is_ours:
                Path(os.path.realpath(path)).unlink()
    except (OSError, ValueError):
        return

"""Plants one fault in a copy of this workspace, so that exactly one check of it fails.

usage: python plant/plant.py {clippy,test,leak} --into COPY
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A change to one file: ``old``, which occurs once in it, becomes ``new``. ``fails`` is the check that notices."""

    fails: str
    file: str
    old: str
    new: str


FAULTS = {
    "clippy": Fault(
        fails="conftest.py::clippy",
        file="crates/memory-storage-turso/src/lib.rs",
        old="        self.index.is_empty()\n",
        new="        return self.index.is_empty();\n",
    ),
    "test": Fault(
        fails="conftest.py::crate[memory-core]",
        file="crates/memory-core/src/lib.rs",
        old="key.len() > MAX_KEY_LEN",
        new="key.len() >= MAX_KEY_LEN",
    ),
    "leak": Fault(
        fails="conftest.py::leaks",
        file="crates/memory-storage-turso/src/lib.rs",
        old="            self.rows[row].replace(value.to_vec());\n",
        new="            std::mem::forget(self.rows[row].replace(value.to_vec()));\n",
    ),
}


def plant(fault: Fault, workspace: Path) -> None:
    """Changes the file in place. Raises ValueError when the text to change is not there exactly once."""
    path = workspace / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise ValueError(f"{path}: expected exactly once: {fault.old.strip()}")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Plant one fault in a copy of this workspace.")
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--into", required=True, type=Path, metavar="COPY", help="a copy of the workspace")
    options = parser.parse_args()
    fault = FAULTS[options.fault]
    try:
        plant(fault, options.into)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{fault.file} is changed; {fault.fails} now fails")
    return 0


if __name__ == "__main__":
    sys.exit(main())

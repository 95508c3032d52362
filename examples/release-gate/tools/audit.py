"""Counts what the sources put off."""

import pathlib
import sys

here = pathlib.Path(__file__).parents[1]
found = [
    f"{path.relative_to(here)}:{number}: {line.strip()}"
    for path in sorted((here / "src").rglob("*.py"))
    for number, line in enumerate(path.read_text().splitlines(), start=1)
    if "TODO" in line
]
print("\n".join(found))
sys.exit(f"{len(found)} put off" if found else 0)

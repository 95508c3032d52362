"""Asks one mirror whether it takes uploads. Stands for a network: mirrors.json says how each one behaves."""

import json
import pathlib
import sys
import time

name = sys.argv[1]
mirror = json.loads((pathlib.Path(__file__).parents[1] / "mirrors.json").read_text())[name]
print(f"asking {name} ...", flush=True)
time.sleep(mirror["seconds"])
if not mirror["answers"]:
    sys.exit(f"{name}: connection refused")
print(f"{name} takes uploads")

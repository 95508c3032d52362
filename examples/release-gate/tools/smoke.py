"""Uses the built package with a scratch database, as a customer would. The first try comes too early."""

import pathlib
import sqlite3
import sys

from romans import from_roman, to_roman

customer, database = sys.argv[1:]
scratch = pathlib.Path(__file__).parents[1] / "scratch"
scratch.mkdir(exist_ok=True)
started = scratch / f"{customer}-started"
if not started.exists():
    started.touch()
    sys.exit(f"{customer}: 503, the service is still starting")
with sqlite3.connect(scratch / f"{database}.db") as connection:
    connection.execute("create table if not exists numerals (customer text, numeral text)")
    connection.execute("insert into numerals values (?, ?)", (customer, to_roman(2026)))
    (numeral,) = connection.execute("select numeral from numerals where customer = ?", (customer,)).fetchone()
print(f"{customer} on database {database}: {numeral} is {from_roman(numeral)}")

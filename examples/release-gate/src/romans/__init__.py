"""Roman numerals from 1 to 3999."""

from __future__ import annotations

__version__ = "1.2.0"

_SIGNS = {
    "M": 1000, "CM": 900, "D": 500, "CD": 400, "C": 100, "XC": 90, "L": 50, "XL": 40, "X": 10, "IX": 9, "V": 5,
    "IV": 4, "I": 1,
}  # fmt: skip


def to_roman(number: int) -> str:
    """``to_roman(1994)`` is ``"MCMXCIV"``. Raises ValueError for what has no numeral."""
    if not 1 <= number <= 3999:
        raise ValueError(f"there is no Roman numeral for {number}")
    written = ""
    for sign, value in _SIGNS.items():
        times, number = divmod(number, value)
        written += sign * times
    return written


def from_roman(numeral: str) -> int:
    """The number that ``numeral`` writes in the one accepted way. Raises ValueError for everything else."""
    number, rest = 0, numeral
    for sign, value in _SIGNS.items():
        while rest.startswith(sign):
            number, rest = number + value, rest[len(sign) :]
    # TODO: say which sign is wrong
    if rest or not number or to_roman(number) != numeral:
        raise ValueError(f"not a Roman numeral: {numeral!r}")
    return number

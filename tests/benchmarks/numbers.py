"""Numbers and dates with their words, as pairs: ``python -m tests.benchmarks.numbers FILE [SEED]``.

Half of the 12,000 pairs are whole numbers: a length of one to six digits is drawn, and then a
number of at most this length. The other half are dates from 1900 to 2099, in three ways of writing.
Each pair occurs once.
"""

from __future__ import annotations

import datetime
import random
import sys
from pathlib import Path

COUNT = 6000
ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
IRREGULAR = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%d %b %Y")


def words(number: int) -> str:
    """Return a number below a million in words.

    Example:
        >>> words(17), words(203_040)
        ('seventeen', 'two hundred and three thousand and forty')
    """
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (f"-{ONES[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    high, low = divmod(number, size)
    joint = " and " if 0 < low < 100 else " "
    return f"{words(high)} {name}" + (joint + words(low) if low else "")


def ordinal(number: int) -> str:
    """Return which one it is, in words.

    Example:
        >>> ordinal(1), ordinal(20), ordinal(31)
        ('first', 'twentieth', 'thirty-first')
    """
    start, dash, last = words(number).rpartition("-")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    else:
        last = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return start + dash + last


def dated(day: datetime.date) -> str:
    """Return a date in words.

    Example:
        >>> dated(datetime.date(2026, 11, 25))
        'the twenty-fifth of November two thousand and twenty-six'
    """
    return f"the {ordinal(day.day)} of {day:%B} {words(day.year)}"


def main(output: Path, seed: int) -> None:
    """Write the pairs."""
    source = random.Random(seed)
    pairs: dict[str, str] = {}
    while len(pairs) < COUNT:
        number = source.randrange(10 ** source.randint(1, 6))
        pairs[str(number)] = words(number)
    first, last = (datetime.date(year, 1, 1).toordinal() for year in (1900, 2100))
    while len(pairs) < 2 * COUNT:
        day = datetime.date.fromordinal(source.randrange(first, last))
        pairs[day.strftime(source.choice(FORMS))] = dated(day)
    rows = list(pairs.items())
    source.shuffle(rows)
    with output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{figures}\t{spoken}\n" for figures, spoken in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)

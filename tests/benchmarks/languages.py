"""Labelled lines in fifteen languages, from the translated messages of the programs installed here.

    python -m tests.benchmarks.languages languages.tsv [/usr/share/locale]

takes lines of 15 to 120 characters, mostly letters, that are not the English original. It takes
4,000 lines of each language that has that many. The result depends on the installed programs.
"""

from __future__ import annotations

import gettext
import random
import re
import sys
from pathlib import Path

LANGUAGES = (
    "cs", "da", "de", "es", "fi", "fr", "hu", "it", "nb", "nl", "pl", "pt", "ro", "sk", "sv",
)  # fmt: skip
EACH = 4000
SHORTEST, LONGEST = 15, 120
LETTERS = 0.7


def lines(folder: Path) -> set[str]:
    """Return the lines of all messages below a folder."""
    found = set()
    for path in sorted(folder.rglob("*.mo")):
        try:
            with path.open("rb") as file:
                messages = gettext.GNUTranslations(file)
        except (OSError, ValueError):
            continue
        catalog: dict[str, str] = getattr(messages, "_catalog", {})
        for original, text in catalog.items():
            for line in text.splitlines() if original and text != original else ():
                found.add(re.sub(r"\s+", " ", line).strip())
    return {
        line
        for line in found
        if SHORTEST <= len(line) <= LONGEST and sum(map(str.isalpha, line)) > LETTERS * len(line)
    }


def main(output: Path, folder: Path) -> None:
    """Write the labelled lines, and say how many of each."""
    random.seed(0)
    with output.open("w", encoding="utf-8", newline="\n") as file:
        for language in LANGUAGES:
            there = sorted(lines(folder / language))
            if len(there) < EACH:
                print(f"{language}: {len(there):,} lines, left out", file=sys.stderr)
                continue
            for line in random.sample(there, EACH):
                file.write(f"{language}\t{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/locale"))

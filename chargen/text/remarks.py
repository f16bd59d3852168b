"""What somebody with experience would notice about a text, from the counts of its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from chargen.text.corpus import Text

SHORT = 20_000
ONE_LINE = 10_000
"""Characters below which a text is short, and above which one line is odd."""

MANY_RARE = 0.2
"""The share of characters that occur once from which on that is worth a remark."""

LISTED = 6
INVISIBLE = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs")
"""General categories of characters that show nothing, or nothing of their own."""

MOJIBAKE = "ÃÂâ"
"""What the first bytes of Western letters in UTF-8 look like in Latin-1 or Windows-1252."""


def invisible(character: str) -> bool:
    """Return whether a character cannot be seen; spaces, tabs and line feeds are expected."""
    return character not in " \t\n" and unicodedata.category(character) in INVISIBLE


def by_code(character: str) -> str:
    r"""Return a character as it can be seen: an invisible one by its code.

    Example:
        >>> by_code("a"), by_code("\xad"), by_code("\n")
        ('a', '<U+00AD>', '⏎')
    """
    if character == "\n":
        return "⏎"
    return f"<U+{ord(character):04X}>" if invisible(character) or character == "\t" else character


def remarks(text: Text) -> list[str]:
    """Return a line for each thing worth knowing before a network is trained on a text."""
    counts = {chr(point): count for point, count in text.counts.items()}
    found = [_length(text), _lines(counts, text.characters)]
    if not text.as_bytes:
        found += [_rare(counts), _encoding(counts), _accents(counts), _unseen(counts)]
    return [line for line in found if line]


def _length(text: Text) -> str:
    if text.characters >= SHORT:
        return ""
    return (
        f"{text.characters:,} characters are few: the network will know much of them by heart, and "
        "the figures are rough"
    )


def _lines(counts: Mapping[str, int], characters: int) -> str:
    returns, feeds = counts.get("\r", 0), counts.get("\n", 0)
    if returns and not feeds:
        return "lines end in CR alone, as on old Macs: most tools expect LF"
    if returns > feeds / 2:
        return "lines end in CR LF, as on Windows: the network learns both characters"
    if returns:
        return f"line ends are mixed: {returns:,} CR among {feeds:,} LF"
    if not feeds and characters > ONE_LINE:
        return "the whole text is one line"
    return ""


def _rare(counts: Mapping[str, int]) -> str:
    once = sum(count == 1 for count in counts.values())
    if once < MANY_RARE * len(counts) or len(counts) < 100:
        return ""
    return f"{once:,} of {len(counts):,} different characters occur once: they cannot be learned"


def _encoding(counts: Mapping[str, int]) -> str:
    lost = counts.get("\ufffd", 0)
    if lost:
        return f"{lost:,} × U+FFFD: the text was read in a wrong encoding before"
    if counts.get("Ã", 0) and sum(counts.get(one, 0) for one in MOJIBAKE) > sum(
        count for one, count in counts.items() if one.isalpha() and 0xC0 <= ord(one) < 0x180
    ) / 2:  # fmt: skip
        return (
            "the text looks like UTF-8 that was read as Latin-1 (Ã and Â stand for other letters)"
        )
    return ""


def _accents(counts: Mapping[str, int]) -> str:
    marks = {one for one in counts if unicodedata.combining(one)}
    composed = any(
        marks & set(unicodedata.normalize("NFD", one)[1:]) for one in counts if one not in marks
    )
    if not composed:
        return ""
    return "accents are composed in some places and decomposed in others: normalise them to NFC"


def _unseen(counts: Mapping[str, int]) -> str:
    # CR has a remark of its own.
    there = {
        one: count for one, count in counts.items() if invisible(one) and one not in "\r\ufffd"
    }
    if not there:
        return ""
    often = sorted(there, key=lambda one: -there[one])
    named = ", ".join(f"{there[one]:,} × {_name(one)}" for one in often[:LISTED])
    more = f" and {len(often) - LISTED} others" if len(often) > LISTED else ""
    return f"invisible characters: {named}{more}"


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")

"""Accents: one character, or a letter and a mark (Unicode Standard Annex 15).

Both look the same, and a model of one has never seen the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Literal

COMPOSED: Literal["NFC"] = "NFC"
DECOMPOSED: Literal["NFD"] = "NFD"
WORDS = {COMPOSED: "composed", DECOMPOSED: "decomposed"}


def other_form(unknown: Iterable[str], known: str) -> str | None:
    r"""Return the form in which some unknown characters would be known; None if there is none.

    Examples:
        >>> other_form("\u0301", "aeé"), other_form("é", "ae\u0301"), other_form("ж", "ae")
        ('NFC', 'NFD', None)
    """
    parts = set("".join(unicodedata.normalize(DECOMPOSED, one) for one in known))
    for one in unknown:
        if unicodedata.combining(one) and one in parts:
            return COMPOSED
        apart = unicodedata.normalize(DECOMPOSED, one)
        if apart != one and set(apart) <= set(known):
            return DECOMPOSED
    return None


def advice(what: str, unknown: Iterable[str], known: str) -> str:
    """Say that a text has its accents in another form than the model's; nothing if it has not."""
    form = other_form(unknown, known)
    if form is None:
        return ""
    there = DECOMPOSED if form == COMPOSED else COMPOSED
    return (
        f"{what} has {WORDS[there]} accents where the model's text has {WORDS[form]} ones: "
        f"normalise it to {form}"
    )

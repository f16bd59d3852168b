"""The surprise of texts as one page for a browser, with all in it and nothing from outside."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.tasks.surprise import table
from chargen.terminal.heat import EDGES, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chargen.tasks.surprise import Surprise

TEMPLATE = Path(__file__).with_name("surprise.html")
EMPTY = '<script id="data" type="application/json">{}</script>'
LISTED = 20
SHORTEST = 20
"""Characters of a sentence that is listed, at least: in a shorter one, chance decides."""

LONGEST = 120
"""Characters of it that are shown."""


def page(found: Sequence[Surprise], alphabet: str, model: str) -> str:
    """Return the page.

    Args:
        found: each text, at least one, with the likeliest characters, where they are wanted.
        alphabet: the vocabulary's characters.
        model: its name.
    """
    data = {
        "alphabet": alphabet,
        "edges": EDGES,
        "levels": names(),
        "texts": [told(one, model) for one in found],
    }
    # A text may hold what would end the script.
    held = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    held = held.encode("utf-8", "replace").decode()
    filled = EMPTY.replace("{}", held)
    return TEMPLATE.read_text(encoding="utf-8").replace(EMPTY, filled)


def told(found: Surprise, model: str) -> dict[str, Any]:
    """Return what the page holds of one text."""
    bits = found.nats / math.log(2)
    each = float(bits.mean()) if len(bits) else 0.0
    return {
        "name": shortened(found.name),
        "figures": f"{len(bits):,} characters, {bits.sum():,.1f} bits, {each:.3f} bits per "
        f"character; model {model}",
        "text": found.text,
        "width": found.likely.shape[1],
        "bits": packed(np.minimum(np.round(bits * 100), 65535), np.uint16),
        "ranks": packed(np.minimum(found.rank, 65535), np.uint16),
        "likely": packed(found.likely.ravel(), np.uint16),
        "shares": packed(np.round(found.shares.ravel() * 250), np.uint8),
        "sentences": listed(found, "sentence"),
        "words": listed(found, "word"),
    }


def packed(values: NDArray[Any], kind: type[np.unsignedinteger[Any]]) -> str:
    """Return numbers as base64 of little-endian integers."""
    return base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def listed(found: Surprise, per: str) -> list[dict[str, Any]]:
    """Return the most surprising words, or sentences by their bits per character."""
    rows = [row for row in table([found], per) if per == "word" or row["chars"] >= SHORTEST]

    def cost(row: dict[str, Any]) -> float:
        return float(row["bits"] if per == "word" else row["bits"] / row["chars"])

    unit = "bits" if per == "word" else "bits per character"
    return [
        {
            "text": shortened(row[per]),
            "start": row["start"],
            "told": f"{cost(row):.2f} {unit}",
        }
        for row in sorted(rows, key=cost, reverse=True)[:LISTED]
    ]


def shortened(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split()) or "⏎"
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"

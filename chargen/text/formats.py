"""What a file is that is no plain text, by its first bytes; and how a text may be encoded."""

from __future__ import annotations

from collections.abc import Mapping

from chargen.errors import CorpusError, argument

HEAD = 1 << 12
"""Bytes at the beginning that are looked at."""

COLUMN = "text"
"""Where the text of a table is, if nothing is said."""

KINDS: Mapping[bytes, tuple[str, str]] = {
    b"%PDF": ("a PDF document", "Take the text out of it, for example by pdftotext"),
    b"{\\rtf": ("a Rich Text document", "Save it as plain text in UTF-8"),
    b"\xd0\xcf\x11\xe0": ("an old Word document", "Save it as plain text in UTF-8"),
    b"MThd": ("a MIDI file", "Convert it to a text notation, for example ABC"),
    b"\x1f\x8b": ("compressed by gzip", "Name it *.gz, or unpack it"),
    b"BZh": ("compressed by bzip2", "Name it *.bz2, or unpack it"),
    b"\xfd7zXZ": ("compressed by xz", "Name it *.xz, or unpack it"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstandard", "Name it *.zst, or unpack it"),
    b"Rar!": ("a RAR archive", "Unpack it, and name the texts in it"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "Unpack it, and name the texts in it"),
    b"\x89PNG": ("a picture", "Give a text"),
    b"\xff\xd8\xff": ("a picture", "Give a text"),
    b"GIF8": ("a picture", "Give a text"),
    b"OggS": ("a sound or video", "Give a text"),
    b"ID3": ("a sound", "Give a text"),
    b"SQLite format 3": ("a database", "Export the text from it"),
    b"\x7fELF": ("a program", "Give a text"),
}
"""What begins with these bytes, and what to do about it."""

ZIPPED: Mapping[str, tuple[str, str]] = {
    ".docx": ("a Word document", "Save it as plain text in UTF-8"),
    ".odt": ("an OpenDocument text", "Save it as plain text in UTF-8"),
    ".epub": ("an e-book", "Convert it to plain text, for example by pandoc"),
    ".xlsx": ("a spreadsheet", "Save the column of texts as plain text in UTF-8"),
}
"""What a zip archive is, by the ending of its name."""

ZIP = b"PK\x03\x04"
MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks of the encodings that have NUL in every Latin letter."""

MANY_NULS, SHORTEST = 0.2, 32
"""The share of NULs from which on a text seems to be in a wide encoding, and the bytes to tell."""

COMMON = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr",
)  # fmt: skip
"""Encodings that texts are in; Latin-1 is Windows-1252 without its quotation marks."""

ENOUGH = 200
"""Bytes outside ASCII from which on a guess of the encoding is worth something."""


def refused(name: str, head: bytes) -> CorpusError | None:
    """Return why a file is not taken as text, by its beginning; None if it may be one."""
    found = KINDS.get(next((start for start in KINDS if head.startswith(start)), b""))
    if head.startswith(ZIP):
        ending = next((ending for ending in ZIPPED if name.lower().endswith(ending)), "")
        found = ZIPPED.get(ending, ("a zip archive", "Name it *.zip, or unpack it"))
    if found is not None:
        return CorpusError(f"{name} is {found[0]}, not plain text", f"{found[1]}")
    encoding = wide(head)
    if encoding:
        return CorpusError(
            f"{name} looks like {encoding} text",
            f"Name its encoding ({argument('encoding')} {encoding}), or save it as UTF-8",
        )
    return None


def wide(head: bytes) -> str | None:
    """Return the wide encoding of a text, by its mark or by where its NULs are; or None."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) < SHORTEST:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < MANY_NULS * len(head) or min(even, odd) > max(even, odd) / 4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def likely(block: bytes) -> str | None:
    """Return the encoding that a text is likeliest in, to suggest it; None for no idea.

    No suggestion is followed without being asked for: a guess from a stretch of text may be wrong.
    """
    if sum(byte >= 0x80 for byte in block) < ENOUGH:
        return "cp1252"
    from charset_normalizer import from_bytes

    found = from_bytes(block[: 8 * HEAD], cp_isolation=list(COMMON)).best()
    if found is None or not found.encoding or found.encoding.startswith("utf"):
        return None
    # Encodings of neighbours often give the same text; then the commonest is meant.
    usual = block.decode("cp1252", "replace")
    if block.decode(found.encoding, "replace") == usual:
        return "cp1252"
    return found.encoding.replace("_", "-")

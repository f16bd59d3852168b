r"""Manual pages as pairs: what a page says about its subject, and its description in one line.

``python -m tests.benchmarks.manuals OUT [FOLDER...]`` reads the pages in folders (those of this
machine, ``/usr/share/man``, if none is given) and writes ``OUT/{train,dev,test}.tsv``. A line has
the first `LONGEST` characters of the section DESCRIPTION, a tab, and the line under NAME without
the page's name.

``python -m tests.benchmarks.manuals OUT --score [MODEL]`` scores the simplest rule on
``OUT/test.tsv``, which is that the description is the first sentence, and a model's file. The
overlap of two texts is 2 L / (A + B), where L is the length of their longest common subsequence,
and A and B are their lengths.

Pages of one family often say the same, such as ``git-add`` and ``git-rm``. So a family is in one of
the three files, and of pages with the same description only the first one is kept.
"""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from rapidfuzz.distance import Indel, Levenshtein

import chargen

LONGEST = 500
"""Characters of a page that are read."""

SPECIAL = {
    "-": "-", "&": "", "e": "\\", "(aq": "'", "(dq": '"', "(lq": '"', "(rq": '"', "(em": "—",
    "(en": "–", "(bu": "•", "(co": "©", "~": " ", " ": " ", "0": " ", "|": "", "^": "", "/": "",
    ",": "", "c": "", "%": "", ":": "", "'": "'", "`": "`",
}  # fmt: skip
ESCAPE = re.compile(
    r"\\(?:f(?:\[[^]]*\]|\(..|.)|s[-+]?\d+|\*(?:\[[^]]*\]|\(..|.)|[hvwlLZ]'[^']*'|(\(..|.))"
)
WORDS_OF = {"B", "I", "BR", "BI", "RB", "IR", "IB", "RI", "SM", "SB", "Nm", "Fl", "Ar", "Nd", "Em"}
"""Requests whose arguments are text."""
SENTENCE = re.compile(r"(.+?[.!?])(?:\s|$)")


def plain(text: str) -> str:
    r"""Return a line of a page without its formatting.

    Example:
        >>> plain(r"copy \fIfiles\fR and \(dqlinks\(dq")
        'copy files and "links"'
    """
    return ESCAPE.sub(lambda found: SPECIAL.get(found[1] or "", ""), text)


def sections(source: str) -> dict[str, str]:
    """Return the text of each section of a page, in one line, by its title."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in source.splitlines():
        request = re.match(r"[.'][ \t]*(\S+)[ \t]*(.*)", line)
        if request is None:
            found.setdefault(title, []).append(plain(line))
            continue
        name, rest = request[1], request[2]
        if name in ("SH", "Sh"):
            title = plain(rest).strip('" ').upper()
        elif name in WORDS_OF:
            found.setdefault(title, []).append(plain(rest).replace('"', ""))
    return {title: " ".join(" ".join(lines).split()) for title, lines in found.items()}


def pages(folders: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield name, start of the text and description of each page that has both."""
    for folder in folders:
        for file in sorted(folder.glob("**/man[1-8]/*")):
            if file.is_symlink() or not file.is_file():
                continue
            raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            found = sections(raw.decode("utf-8", errors="replace"))
            name = file.name.split(".")[0]
            _, dash, said = found.get("NAME", "").partition(" - ")
            text = found.get("DESCRIPTION", "")[:LONGEST]
            if dash and 10 <= len(said) <= 100 and len(text) >= 50:
                yield name, text, said


def part(name: str) -> str:
    """Return which file the pages of a family are in; a tenth is for each of the smaller two."""
    family = re.split(r"[-_:]|(?<=[a-z])(?=[A-Z])", name)[0][:6].lower()
    return {0: "dev", 1: "test"}.get(zlib.crc32(family.encode()) % 10, "train")


def write(out: Path, folders: list[Path]) -> None:
    """Write the pairs of three parts."""
    out.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    seen: set[str] = set()
    for name, text, said in pages(folders):
        if said.lower() in seen:
            continue
        seen.add(said.lower())
        lines[part(name)].append(f"{text}\t{said}\n")
    for which, found in lines.items():
        (out / f"{which}.tsv").write_text("".join(found), encoding="utf-8")
        print(f"{which}: {len(found)} pages")


def first_sentence(text: str) -> str:
    """Return the first sentence without its full stop."""
    found = SENTENCE.match(text)
    return (found[1] if found else text).rstrip(".")


def score(name: str, guesses: Iterable[str], right: list[str]) -> None:
    """Compare descriptions with those of the pages."""
    found = list(zip(guesses, right, strict=True))
    exact = sum(guess == said for guess, said in found) / len(found)
    edits = sum(Levenshtein.distance(guess, said) for guess, said in found)
    overlap = sum(Indel.normalized_similarity(guess, said) for guess, said in found) / len(found)
    cer = edits / sum(map(len, right))
    print(f"{name:14} exact {exact:.3f}  cer {cer:.3f}  overlap {overlap:.3f}  {len(found)} pages")


def main() -> None:
    """Write the pairs, or score the rule."""
    out, rest = Path(sys.argv[1]), sys.argv[2:]
    if rest[:1] == ["--score"]:
        lines = (out / "test.tsv").read_text(encoding="utf-8").splitlines()
        texts, right = map(list, zip(*(line.split("\t") for line in lines), strict=True))
        score("first sentence", map(first_sentence, texts), right)
        for file in rest[1:]:
            model = chargen.load(file)
            score("model", (found[0].text for found in model.translate(texts)), right)
    else:
        write(out, [Path(folder) for folder in rest] or [Path("/usr/share/man")])


if __name__ == "__main__":
    main()

"""The pass over a corpus: what it finds, and what of it is remembered."""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text import survey
from chargen.text.corpus import open_text, read_all
from chargen.text.scratch import Scratch
from chargen.text.sources import Part
from chargen.text.survey import Survey, surveyed
from tests.conftest import STORY, any_text, write


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of surveys, where those of the smallest corpora are remembered as well."""
    monkeypatch.setattr(survey, "LARGE", 1)
    monkeypatch.setenv("CHARGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "surveys"


def part(path: Path) -> Part:
    return Part(str(path), path.stat().st_size)


def same(one: Survey, other: Survey) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(Survey)
    )


def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, no text can be read."""

    def read(*_: object) -> bytes:
        raise AssertionError("a text is read")

    monkeypatch.setattr(Part, "read", read)


@given(st.lists(any_text(min_size=1, max_size=60), min_size=1, max_size=3), st.integers(4, 40))
@settings(max_examples=8)
def test_several_processes_find_what_one_finds(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    """Wherever the parts are cut into stretches; only the blocks begin elsewhere."""
    folder = tmp_path_factory.mktemp("several")
    parts = [part(write(folder / f"{at}.txt", text)) for at, text in enumerate(texts)]
    one = surveyed(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARGEN_CACHE", str(folder / "cache"))
        patch.setattr(survey, "LARGE", 1)
        patch.setattr(survey, "STRETCH", size)
        patch.setattr("chargen.text.survey.processors", lambda: 3)
        told: list[int] = []
        several = surveyed(parts, progress=lambda done, _: told.append(done))
    for name in ("characters", "sha256", "points", "counts"):
        assert np.array_equal(getattr(one, name), getattr(several, name))
    assert told[-1] == sum(each.size for each in parts)
    whole = "".join(texts)
    for first, offset, number, check in zip(
        several.first, several.offset, several.part, several.check, strict=True
    ):
        data = parts[number].read(int(offset), parts[number].size)
        assert whole[first:] == data.decode() + "".join(texts[number + 1 :])
        assert check in {zlib.crc32(data[:stop]) for stop in range(len(data) + 1)}


def test_what_is_wrong_is_found_by_several_processes_too(
    remembering: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files at fault are named, each by its first bad byte."""
    bad = [tmp_path / f"{name}.txt" for name in ("one", "two")]
    for path in bad:
        path.write_bytes(STORY.encode()[:300] + b"caf\xe9 au lait" + STORY.encode()[:300] + b"\xe9")
    good = write(tmp_path / "good.txt", STORY)
    parts = [part(path) for path in (bad[0], good, bad[1])]
    monkeypatch.setattr("chargen.text.survey.processors", lambda: 1)
    with pytest.raises(CorpusError) as alone:
        surveyed(parts)
    monkeypatch.setattr("chargen.text.survey.processors", lambda: 2)
    monkeypatch.setattr(survey, "STRETCH", 50)
    with pytest.raises(CorpusError) as several:
        surveyed(parts)
    assert str(several.value) == str(alone.value)
    assert "2 files" in str(alone.value)


def test_what_a_process_leaves_is_read_all_the_same(
    remembering: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it was killed, or could not be started."""
    parts = [part(write(tmp_path / "a.txt", STORY))]
    monkeypatch.setattr("chargen.text.survey.processors", lambda: 1)
    alone = surveyed(parts)
    survey.forget(parts, as_bytes=False)
    monkeypatch.setattr("chargen.text.survey.processors", lambda: 2)
    monkeypatch.setattr(survey, "STRETCH", 100)
    monkeypatch.setattr(sys, "executable", "/bin/true")
    again = surveyed(parts)
    assert (again.sha256, again.characters) == (alone.sha256, alone.characters)
    assert np.array_equal(again.counts, alone.counts)


@given(any_text(min_size=1))
def test_a_pass_counts_every_character(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Characters, counts and the fingerprint are those of the whole text."""
    path = write(tmp_path_factory.mktemp("survey") / "a.txt", text)
    found = surveyed([part(path)])
    assert found.characters == len(text)
    counts = dict(zip(found.points.tolist(), found.counts.tolist(), strict=True))
    assert counts == Counter(map(ord, text))
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_second_start_reads_nothing(
    story: Path, remembering: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found in a large corpus is remembered, as characters and as bytes apart."""
    parts = [part(story), part(write(story.parent / "other.txt", "ébb 😀" * 99))]
    progress: list[tuple[int, int]] = []
    first = surveyed(parts, progress=lambda *done: progress.append(done))
    as_bytes = surveyed(parts, as_bytes=True)
    assert progress[-1] == (sum(one.size for one in parts),) * 2
    assert len(list(remembering.iterdir())) == 2
    unreadable(monkeypatch)
    assert same(surveyed(parts), first)
    assert same(surveyed(parts, as_bytes=True), as_bytes)
    assert not same(first, as_bytes)


def test_a_changed_file_is_read_again(story: Path, remembering: Path) -> None:
    """The times of a file tell; its size need not differ."""
    before = surveyed([part(story)])
    write(story, STORY.replace("tide", "ride"))
    os.utime(story, ns=(1, 1))
    assert surveyed([part(story)]).sha256 != before.sha256


def test_a_change_without_a_trace_is_found_when_it_is_read(
    story: Path, remembering: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block is checked; what was remembered is then forgotten, and the next start works."""
    stamp = os.stat(story)
    monkeypatch.setattr(os, "stat", lambda *_, **__: stamp)
    open_text([story])
    write(story, STORY.replace("tide", "ride"))
    text = open_text([story])
    with pytest.raises(CorpusError, match="changed while it was being read"):
        read_all(text.blocks(0, 9))
    assert not list(remembering.iterdir())
    assert read_all(open_text([story]).blocks(0, 8)) == "The ride"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 half", b"something else"])
def test_a_damaged_memory_is_no_harm(story: Path, remembering: Path, data: bytes) -> None:
    """The text is read, and the memory mended."""
    first = surveyed([part(story)])
    (file,) = remembering.iterdir()
    file.write_bytes(data)
    assert same(surveyed([part(story)]), first)
    assert len(file.read_bytes()) > 99


def test_what_cannot_be_remembered_is_read(
    story: Path, remembering: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be written, and a copy, which is another one each time."""
    remembering.parent.write_text("no folder")
    assert surveyed([part(story)]).characters == len(STORY)
    remembering.parent.unlink()
    copy = Scratch()
    copy.write(STORY.encode())
    assert surveyed([Part("copy", len(STORY.encode()), copy=copy)]).characters == len(STORY)
    assert not remembering.exists()


def test_old_memories_go(story: Path, remembering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were not used for the longest time."""
    monkeypatch.setattr(survey, "KEPT", 2)
    for number in range(4):
        surveyed([part(write(story.parent / f"{number}.txt", STORY + str(number)))])
    assert len(list(remembering.iterdir())) == 2

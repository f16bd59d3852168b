"""Reading text: from anywhere, a block at a time, every character exactly as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CorpusError
from chargen.text import counting
from chargen.text.corpus import Text, open_text, read_all
from chargen.text.scratch import Scratch
from chargen.text.sources import spool
from tests.conftest import STORY, any_text, posix_only, write

texts = any_text(min_size=1, max_size=300)


def made(text: str) -> Text:
    return open_text([spool("made", io.BytesIO(text.encode()))])


def whole(text: Text) -> str:
    return read_all(text.span().blocks())


@given(texts, st.integers(4, 50))
def test_blocks_of_any_size_give_back_the_text(text: str, size: int) -> None:
    """Whatever the block size, a text read in blocks is the text, and its survey is right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", size)
        opened = made("x" + text)
        assert whole(opened) == "x" + text
    assert opened.characters == len(text) + 1
    assert opened.size == len(text.encode()) + 1
    assert opened.sha256 == hashlib.sha256(("x" + text).encode()).hexdigest()
    assert sum(opened.counts.values()) == len(text) + 1
    assert opened.counts.keys() == set(map(ord, "x" + text))


@given(any_text(), st.integers(0xD800, 0xDFFF), any_text(), st.integers(4, 50))
def test_half_a_character_is_refused(before: str, half: int, after: str, size: int) -> None:
    """A lone surrogate is no text, wherever a block begins or ends; the place is named."""
    data = b"x" + before.encode() + chr(half).encode("utf-8", "surrogatepass") + after.encode()
    at = 1 + len(before.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", size)
        with pytest.raises(CorpusError, match=rf"byte 0xed at offset {at}\."):
            open_text([spool("made", io.BytesIO(data))])


@given(texts, st.data())
def test_any_stretch_can_be_read_alone(text: str, data: st.DataObject) -> None:
    """A span holds exactly the characters from its start to its stop, and knows its bytes."""
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", 7)
        span = made("\ufeff" + text).span(start, stop)
        assert read_all(span.blocks()) == text[start:stop]
        assert span.size() == len(text[start:stop].encode())


@given(st.binary(min_size=1, max_size=300))
def test_bytes_are_characters_when_asked(data: bytes) -> None:
    """With as_bytes every byte is one character, whatever it is."""
    opened = open_text([spool("made", io.BytesIO(data), as_bytes=True)], as_bytes=True)
    assert whole(opened).encode("latin-1") == data
    assert opened.size == opened.characters == opened.span().size() == len(data)


def test_files_follow_one_another(tmp_path: Path) -> None:
    """Several sources are one text, in the order given."""
    one, two = write(tmp_path / "1.txt", "one "), write(tmp_path / "2.txt", "two")
    assert whole(open_text([two, one])) == "twoone "


def test_a_folder_is_the_text_files_below_it(tmp_path: Path) -> None:
    """Folders are read in the order of names, leaving out what is hidden or not text."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    write(tmp_path / "b" / "2.txt", "two")
    write(tmp_path / "a.txt", "one")
    write(tmp_path / ".git" / "x.txt", "hidden")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    skipped: list[str] = []
    assert whole(open_text([tmp_path], skipped=skipped.append)) == "onetwo"
    assert [Path(name).name for name in skipped] == ["picture.png: not text"]


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    """A .gz file is its content."""
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(STORY.encode()))
    assert whole(open_text([tmp_path / "a.txt.gz"])) == STORY


def test_a_broken_gzip_is_named(tmp_path: Path) -> None:
    """A .gz file that ends too early is an error that names it."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(STORY.encode())[:-20])
    with pytest.raises(CorpusError, match=r"a\.gz is not a whole gzip file"):
        open_text([tmp_path / "a.gz"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1", "cp1252"])
def test_other_encodings_are_transcoded(tmp_path: Path, encoding: str) -> None:
    """A file in another encoding gives the same characters."""
    (tmp_path / "a.txt").write_bytes("naïve café\r\n".encode(encoding))
    assert whole(open_text([tmp_path / "a.txt"], encoding=encoding)) == "naïve café\r\n"


@pytest.mark.parametrize("encoding", ["klingon", "hex"])
def test_an_unknown_encoding_is_refused(story: Path, encoding: str) -> None:
    """An encoding that is none is an error, not a traceback."""
    with pytest.raises(CorpusError, match="unknown encoding"):
        open_text([story], encoding=encoding)


def test_byte_order_mark_is_taken_off_and_the_rest_kept(tmp_path: Path) -> None:
    """A leading BOM goes; CRLF, NUL and a later BOM stay as they are."""
    path = write(tmp_path / "a.txt", "\ufeffa\r\nb\0c\ufeffd")
    assert whole(open_text([path])) == "a\r\nb\0c\ufeffd"
    assert whole(open_text([spool("-", io.BytesIO(path.read_bytes()))])) == "a\r\nb\0c\ufeffd"


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize("before", [0, 5, 200_000])
def test_a_bad_byte_is_found(tmp_path: Path, before: int, spooled: bool) -> None:
    """A byte that is not UTF-8 is reported with its file and offset."""
    path = tmp_path / "a.txt"
    path.write_bytes("é".encode() * (before // 2) + b"x" * (before % 2) + b"\xff tail")
    with pytest.raises(
        CorpusError, match=rf"a\.txt is not utf-8 text: byte 0xff at offset {before}\."
    ):
        open_text([spool(str(path), io.BytesIO(path.read_bytes())) if spooled else path])


def test_a_character_cut_off_at_the_end_is_a_bad_byte(tmp_path: Path) -> None:
    """A file that ends within a character is reported, not shortened."""
    (tmp_path / "a.txt").write_bytes(b"abc\xe2\x82")
    with pytest.raises(CorpusError, match="byte 0xe2 at offset 3"):
        open_text([tmp_path / "a.txt"])


def test_a_binary_file_is_called_so(tmp_path: Path) -> None:
    """A file with NUL and bytes that are no text is called binary."""
    (tmp_path / "a.bin").write_bytes(b"\x7fELP\x02\0\0\0\xff\xfe")
    with pytest.raises(CorpusError, match="looks like a binary file"):
        open_text([tmp_path / "a.bin"])


def test_missing_empty_and_textless_sources_are_named(tmp_path: Path) -> None:
    """What cannot be read says which it is and why."""
    with pytest.raises(CorpusError, match=r"no\.txt does not exist"):
        open_text([tmp_path / "no.txt"])
    with pytest.raises(CorpusError, match=r"empty\.txt is empty"):
        open_text([write(tmp_path / "empty.txt", "")])
    with pytest.raises(CorpusError, match=r"bom\.txt is empty"):
        open_text([write(tmp_path / "bom.txt", "\ufeff")])
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorpusError, match="folder holds no text files"):
        open_text([tmp_path / "folder"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(story: Path) -> None:
    """A file without permission to read is an error that says so."""
    story.chmod(0)
    with pytest.raises(CorpusError, match="permission denied"):
        open_text([story])


def test_a_text_that_changes_is_noticed(story: Path) -> None:
    """A file edited after it was surveyed is an error, never garbage."""
    opened = open_text([story])
    write(story, STORY.swapcase())
    with pytest.raises(CorpusError, match="changed while it was being read"):
        whole(opened)


def test_only_a_block_is_held(story: Path) -> None:
    """Reading yields blocks, none larger than asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", 64)
        sizes = [len(block) for block in open_text([story]).span().blocks()]
    assert max(sizes) <= 64
    assert sum(sizes) == len(STORY)


def test_progress_reaches_the_end(story: Path) -> None:
    """The survey reports bytes done and in all, and ends with all done."""
    seen: list[tuple[int, int]] = []
    opened = open_text([story], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (opened.size, opened.size)


def test_code_points_are_numbers(story: Path) -> None:
    """Blocks are arrays of code points, one a character."""
    (block,) = open_text([story]).span(0, 3).blocks()
    assert block.dtype == np.uint32
    assert block.tolist() == [ord(character) for character in STORY[:3]]


@posix_only
def test_folders_are_read_once_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A linked folder counts once, however often it is linked; an unreadable one is named."""
    inside, elsewhere = tmp_path / "inside", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    write(inside / "one.txt", "one")
    write(elsewhere / "two.txt", "two")
    (inside / "link").symlink_to(elsewhere)
    (inside / "again").symlink_to(elsewhere)
    (inside / "loop").symlink_to(inside)
    skipped: list[str] = []
    assert sorted(open_text([inside], skipped=skipped.append).names) == ["one.txt", "two.txt"]
    assert skipped == []
    if os.getuid() != 0:
        (inside / "locked").mkdir(mode=0)
        open_text([inside], skipped=skipped.append)
        assert skipped == [f"{inside / 'locked'}: permission denied"]


@pytest.mark.parametrize("at", [3, 70_000])
def test_bad_bytes_are_refused_skipped_or_replaced(tmp_path: Path, at: int) -> None:
    """The same wherever the byte is; all files at fault are named at once."""
    for name in ("bad.txt", "worse.txt"):
        (tmp_path / name).write_bytes(b"a" * at + b"\xe9" + b"b")
    write(tmp_path / "good.txt", "good")
    with pytest.raises(CorpusError, match=r"2 files are no text.*bad\.txt.*worse\.txt"):
        open_text([tmp_path])
    skipped: list[str] = []
    assert whole(open_text([tmp_path], errors="skip", skipped=skipped.append)) == "good"
    assert [Path(line).name for line in skipped] == [
        "bad.txt: not utf-8 text", "worse.txt: not utf-8 text",
    ]  # fmt: skip
    replaced = "a" * at + "\ufffdb"
    assert whole(open_text([tmp_path], errors="replace")) == replaced + "good" + replaced


@posix_only
def test_a_thousand_compressed_files_are_one_text(tmp_path: Path) -> None:
    """They need no thousand open files."""
    import resource

    for number in range(300):
        (tmp_path / f"{number:03}.gz").write_bytes(gzip.compress(b"%03d" % number))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        opened = open_text([tmp_path])
        assert whole(opened) == "".join(f"{number:03}" for number in range(300))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_scratch_holds_many_texts() -> None:
    """Texts are written one after the other, and read in any order, between the writes too."""
    scratch = Scratch()
    first = bytes(range(256)) * 400
    scratch.write(first)
    assert scratch.read(1000, 5) == first[1000:1005]
    scratch.write(b"more")
    assert scratch.read(len(first), 10) == b"more"
    assert scratch.size == len(first) + 4

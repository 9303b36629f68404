"""Where rows come from, and what is said when they cannot be had."""

import gzip
import json
from collections import UserList
from dataclasses import replace

import pytest

from evalharness.data import files, sources
from evalharness.data.rows import Files, Source, Want, files_named
from evalharness.errors import DataError
from evalharness.records import Sample

SOURCE = Source(f"acme/things@{'a' * 40}", config="main", files=Files("things.jsonl"))
ROWS = [{"q": "one\u2028two", "a": "\x85"}, {"q": "", "a": "é"}]
TEST = Want(split="test")


def text(rows=ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.jsonl", text().encode()),
        ("test.jsonl", b"\xef\xbb\xbf" + text().replace("\n", "\r\n").encode()),
        ("test.json", json.dumps(ROWS).encode()),
        ("test-00000-of-00001.json", json.dumps(ROWS, indent=1).encode()),
    ],
)
@pytest.mark.parametrize("folder", ["", "main", "data"])
def test_a_folder_in_the_hubs_layout_is_read(tmp_path, folder, name, content):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).write_bytes(content)
    (tmp_path / folder / "train.jsonl").write_text('{"q": "other"}\n')
    assert list(sources.load_rows(SOURCE, TEST, str(tmp_path)).rows) == ROWS


def test_a_packed_file_is_unpacked_and_a_broken_one_is_said(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(text().encode()))
    assert list(files.jsonl(path)) == ROWS
    path.write_bytes(gzip.compress(text().encode())[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        list(files.jsonl(path))


def test_the_hubs_cache_is_read_at_the_pinned_revision_only(tmp_path):
    snapshot = tmp_path / "snapshots" / SOURCE.revision
    snapshot.mkdir(parents=True)
    (snapshot / "test.jsonl").write_text(text())
    loaded = sources.load_rows(SOURCE, TEST, str(tmp_path))
    assert list(loaded.rows) == ROWS and loaded.revision == SOURCE.revision
    snapshot.rename(snapshot.with_name("b" * 40))
    with pytest.raises(DataError, match=f"wanted the snapshot of revision {SOURCE.revision}, there is {'b' * 40}"):
        sources.load_rows(SOURCE, TEST, str(tmp_path))


def test_a_folder_without_the_data_says_what_was_wanted_and_what_is_there(tmp_path):
    with pytest.raises(DataError, match=r"wanted things.jsonl; there is an empty folder"):
        sources.load_rows(SOURCE, TEST, str(tmp_path))
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(DataError, match=r"wanted things.jsonl; there is other.txt"):
        sources.load_rows(SOURCE, TEST, str(tmp_path))


def test_where_no_sample_comes_along_that_is_said(tmp_path):
    for source in (SOURCE, replace(SOURCE, sample=tmp_path / "none.jsonl")):
        with pytest.raises(DataError, match=r"no questions are bundled; say data with things.jsonl"):
            sources.load_rows(source, TEST, "sample")


def test_the_authors_files_are_named_by_split(tmp_path):
    source = replace(SOURCE, files=files_named({"test": "dev.jsonl", "train": "train.jsonl"}, "of 2019"))
    assert source.wanted == "dev.jsonl of 2019 (and train.jsonl for examples)"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dev.jsonl").write_text(text())
    assert list(sources.load_rows(source, TEST, str(tmp_path)).rows) == ROWS
    for where in (tmp_path, tmp_path / "data" / "dev.jsonl"):
        with pytest.raises(DataError, match=r"wanted dev.jsonl of 2019 .*shots=0"):
            sources.load_rows(source, Want(split="train"), str(where))
        with pytest.raises(DataError, match=r"wanted dev.jsonl of 2019"):
            sources.load_rows(source, Want(split="other"), str(where))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b'{"q": 1}\n\n{"q": \n', r"test.jsonl:3: not valid JSON"),
        (b"[]\n", r"test.jsonl:1: wanted a JSON object"),
        (b" \n", r"the file is empty"),
        (b"\xff\n", r"cannot be read as UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, content, wanted):
    (tmp_path / "test.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=wanted):
        sources.load_rows(SOURCE, TEST, str(tmp_path))


class NotHeld(UserList):
    """Rows that are read when they are looked at, as those of a large file are."""


def test_a_row_without_a_field_is_named():
    with pytest.raises(DataError, match=r"row 2 is not a question of this benchmark: it has no field 'q'"):
        sources.build_samples([{"q": "x"}, {"r": "y"}], lambda row: Sample(question=row["q"]))


def test_samples_without_id_are_numbered_within_their_group():
    rows = [{"g": "a"}, {"g": "b"}, {"g": "a"}]
    built = sources.build_samples(rows, lambda row: Sample(question="?", group=row["g"]))
    assert [s.id for s in built] == ["a/0", "b/0", "a/1"]
    assert [s.id for s in sources.build_samples(rows, lambda row: Sample(question="?"))] == ["0", "1", "2"]


def test_samples_of_rows_that_are_not_held_may_be_looked_at_from_any_place():
    rows, seen = [{"g": "ab"[i % 2]} for i in range(6)], []
    for look in (lambda made: made[-1], lambda made: made[5], lambda made: list(made)[5], lambda made: made[4:][1]):
        made = sources.build_samples(
            NotHeld(rows),
            lambda row: Sample(question="?", group=row["g"]),
            seen=lambda sample, row: seen.append(sample.id),
        )
        assert look(made).id == "b/2"
        assert [sample.id for sample in made] == seen == ["a/0", "b/0", "a/1", "b/1", "a/2", "b/2"]
        seen.clear()


def test_the_content_hash_knows_every_field_and_the_order():
    one, two = Sample(id="1", question="?"), Sample(id="2", question="?")
    hashes = {
        sources.content_hash(samples)
        for samples in ([one, two], [two, one], [one], [Sample(id="1", question="?", extra={"a": 1}), two])
    }
    assert len(hashes) == 4


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_whole(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]

"""The splits of files, folders and data sets are what they say; nothing of a test split is ever trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalharness.errors import DataError
from evalharness.training import datasets as rows
from evalharness.training import row_files, split

NOUNS = ("river", "castle", "engine", "garden", "planet", "violin", "market", "desert", "island", "bridge")


def some(part: str, count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"{part} {NOUNS[i % 10]} {i}", "completion": f"{part}-{i}"} for i in range(count)]


def lines(found: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in found)


def put(folder: Path, files: dict[str, list[dict[str, Any]]]) -> None:
    for name, found in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(found), path)
        elif path.suffix == ".csv":
            path.write_text("prompt,completion\n" + "".join(f"{r['prompt']},{r['completion']}\n" for r in found))
        else:
            path.write_text(lines(found))


TRAIN, DEV, TEST = some("train", 60), some("validation", 10), some("test", 50)
LAYOUTS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "files by name": {"train.jsonl": TRAIN, "validation.jsonl": DEV, "test.jsonl": TEST},
    "shards": {"data/train-00000-of-00002.parquet": TRAIN[:30], "data/train-00001-of-00002.parquet": TRAIN[30:],
               "data/validation-00000-of-00001.parquet": DEV, "data/test-00000-of-00001.parquet": TEST},
    "folders": {"train/a.jsonl": TRAIN[:20], "train/b.jsonl": TRAIN[20:], "dev/a.jsonl": DEV, "test/a.jsonl": TEST},
    "keywords": {"my_training-set.csv": TRAIN, "my_valid_set.csv": DEV, "my_eval_set.csv": TEST},
    "numbered": {"train_0.jsonl": TRAIN[:30], "train_1.jsonl": TRAIN[30:], "val_0.jsonl": DEV, "testing_0.jsonl": TEST},
    "kinds": {"train.jsonl": TRAIN, "dev.csv": DEV, "test.parquet": TEST},
}  # fmt: skip


def parts(data: str, **shares: float) -> dict[str, list[str]]:
    found = split.as_given(rows.read_training_data(data).rows, seed=1, **shares)
    named = {"train": found.train, "validation": found.validation, "test": found.test}
    return {name: sorted(row.messages[-1].content for row in part) for name, part in named.items()}


def answers(found: list[dict[str, Any]]) -> list[str]:
    return sorted(row["completion"] for row in found)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_are_split_as_datasets_knows_them(layout: str, tmp_path: Path) -> None:
    import datasets

    put(tmp_path / "data set", LAYOUTS[layout])
    (tmp_path / "data set" / "notes.txt").write_text("nothing to learn")
    found = parts(str(tmp_path / "data set"), validation=0.05, test=0.1)
    assert found == {"train": answers(TRAIN), "validation": answers(DEV), "test": answers(TEST)}
    if layout != "kinds":  # there only files of the commonest kind are read
        datasets.disable_progress_bars()
        theirs = datasets.load_dataset(str(tmp_path / "data set"), cache_dir=str(tmp_path / "cache"))
        assert {name: sorted(part["completion"]) for name, part in theirs.items()} == found


def test_no_test_row_is_trained_on(tmp_path: Path) -> None:
    """Pooled and split again, 41 of 50 test rows were trained on, while 0 of test was printed."""
    put(tmp_path, {"train.jsonl": TRAIN, "test.jsonl": TEST})
    data = rows.read_training_data(str(tmp_path))
    found = split.as_given(data.rows, seed=123, validation=0.05, test=0.1)
    assert sum(row.messages[-1].content.startswith("test") for row in (*found.train, *found.validation)) == 0
    assert (len(found.train), len(found.validation), len(found.test)) == (57, 3, 50)
    assert found.crossing() == {"test": 0, "validation": 0}


def test_what_a_readme_describes(tmp_path: Path) -> None:
    put(tmp_path, {"one.jsonl": TRAIN, "two.jsonl": TEST, "three.jsonl": DEV})
    header = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: one.jsonl\n"
    header += "  - split: test\n    path: two.jsonl\n"
    (tmp_path / "README.md").write_text(f"---\n{header}---\n# About\n")
    found = parts(str(tmp_path))
    assert found == {"train": answers(TRAIN), "validation": [], "test": answers(TEST)}
    assert rows.read_training_data(str(tmp_path)).notes == ("left out, as datasets.load_dataset would: three.jsonl",)
    (tmp_path / "README.md").write_text(f"---\n{header.replace('one.jsonl', 'gone.jsonl')}---\n")
    with pytest.raises(DataError, match=r"README\.md: the data files that it names are not there"):
        rows.read_training_data(str(tmp_path))
    (tmp_path / "README.md").write_text("# no header\n")
    assert len(rows.read_training_data(str(tmp_path)).rows) == 120


def test_a_file_that_names_no_split_is_said(tmp_path: Path) -> None:
    put(tmp_path, {"train.jsonl": TRAIN, "test.jsonl": TEST, "more.jsonl": DEV})
    data = rows.read_training_data(str(tmp_path))
    assert (len(data.rows), data.notes) == (110, ("left out, as datasets.load_dataset would: more.jsonl",))


def test_a_folder_of_no_splits_is_one_heap(tmp_path: Path) -> None:
    for names in (("a.jsonl", "b.csv"), ("train_0.jsonl", "train_1.jsonl")):
        folder = tmp_path / names[0]
        put(folder, dict(zip(names, (TRAIN, DEV), strict=True)))
        (folder / "dataset_infos.json").write_text("{}")
        assert {row.part for row in rows.read_training_data(str(folder)).rows} == {""}


def test_saved_data_sets(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    both = {name: datasets.Dataset.from_list(found) for name, found in (("train", TRAIN), ("test", TEST))}
    datasets.DatasetDict(both).save_to_disk(str(tmp_path / "both"))
    both["train"].save_to_disk(str(tmp_path / "one"))
    assert parts(str(tmp_path / "both"))["test"] == answers(TEST)
    assert len(rows.read_training_data(str(tmp_path / "one")).rows) == 60


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"train": TRAIN, "test": TEST}, (60, 0, 50)),
        ({"train": TRAIN, "dev": DEV, "eval": TEST, "about": "x"}, (60, 10, 50)),
        ({"train": TRAIN, "validation": []}, (60, 0, 0)),
        ({"training": TRAIN, "val": DEV}, (60, 10, 0)),
    ],
)
def test_json_of_splits(content: Any, wanted: tuple[int, int, int], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(content))
    found = parts(str(tmp_path / "x.json"))
    assert tuple(map(len, found.values())) == wanted


def test_a_split_that_is_missing_is_drawn_from_train_by_groups(tmp_path: Path) -> None:
    twins = [{**row, "completion": row["completion"] + "'"} for row in TRAIN]
    (tmp_path / "x.json").write_text(json.dumps({"train": TRAIN + twins, "test": TEST}))
    found = parts(str(tmp_path / "x.json"), validation=0.2, test=0.5)
    assert found["test"] == answers(TEST)
    assert len(found["validation"]) == 24 and len(found["train"]) == 96
    assert not {a.strip("'") for a in found["validation"]} & {a.strip("'") for a in found["train"]}
    (tmp_path / "y.json").write_text(json.dumps({"test": TEST, "validation": DEV}))
    with pytest.raises(DataError, match="names no rows to train on"):
        parts(str(tmp_path / "y.json"))


def named(*splits: Any) -> list[dict[str, Any]]:
    return [{**row, "split": split} for row, split in zip(TRAIN, splits, strict=False)]


@pytest.mark.parametrize(
    ("found", "wanted", "notes"),
    [
        (named("train", "holdout", "test", "holdout", "dev"), ["train", "test", "validation"],
         ("splits left out: holdout (2 rows)",)),
        (named("train", "holdout", "extra"), ["train"], ("splits left out: holdout (1 row), extra (1 row)",)),
        (named("holdout", None, "", float("nan")), ["", "", ""], ("splits left out: holdout (1 row)",)),
        (named("holdout", "holdout"), ["", ""], ()),
        (named(1, 1), ["", ""], ()),
        (named("test", "train_sft"), ["test", "train"], ()),
    ],
)  # fmt: skip
def test_the_split_that_a_row_names(found: Any, wanted: list[str], notes: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(lines(found))
    data = rows.read_training_data(str(tmp_path / "x.jsonl"))
    assert ([row.part for row in data.rows], data.notes) == (wanted, notes)


def test_a_broken_row_of_a_split_that_is_left_out_refuses_nothing(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = named("train", "holdout", "test", "extra")
    found[1] = {"split": "holdout", "prompt": "", "messages": 7}
    found[3] = {"split": "extra", "instruction": "q", "label": "maybe", "images": ["x.png"]}
    (tmp_path / "x.jsonl").write_text(lines(found))
    data = rows.read_training_data(str(tmp_path / "x.jsonl"))
    assert ([row.number for row in data.rows], data.shape, data.broken) == ([1, 3], "prompt", ())
    assert data.notes == ("splits left out: holdout (1 row), extra (1 row)",)
    table = "prompt,completion,split\nq,a,train\nq,,holdout\nr,a,test\n"
    (tmp_path / "x.csv").write_text(table)
    assert [row.part for row in rows.read_training_data(str(tmp_path / "x.csv")).rows] == ["train", "test"]
    found[0]["completion"] = ""
    (tmp_path / "x.jsonl").write_text(lines(found))
    with pytest.raises(DataError, match=r"1 of 4 rows .*row 1 \('completion' is empty"):
        rows.read_training_data(str(tmp_path / "x.jsonl"))


def test_the_files_of_a_split_that_is_left_out_are_not_read(tmp_path: Path) -> None:
    for name, found in (("train", TRAIN), ("test", TEST)):
        put(tmp_path, {f"data/{name}-00000-of-00001.parquet": found})
    (tmp_path / "data" / "extra-00000-of-00001.parquet").write_bytes(b"no parquet at all")
    data = rows.read_training_data(str(tmp_path))
    assert (len(data.rows), data.notes) == (110, ("splits left out: extra",))


def test_rows_of_unknown_splits_alone_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(lines(named("holdout", "extra")))
    with pytest.raises(DataError, match=r"no row is left to learn from; look at labels, weights, splits"):
        rows.read_training_data(str(tmp_path / "x.jsonl"))


def test_a_row_whose_split_is_not_that_of_its_file_is_broken(tmp_path: Path) -> None:
    put(tmp_path, {"train.jsonl": named("train", "test", "training"), "test.jsonl": TEST[:2]})
    with pytest.raises(DataError, match=r"1 of 5 rows .*row 2 \(its 'split' is 'test', .* among the rows of train"):
        rows.read_training_data(str(tmp_path))
    found = rows.read_training_data(str(tmp_path), skip_bad=True)
    assert [row.part for row in found.rows] == ["train", "train", "test", "test"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, list[dict[str, Any]]]], None]:
    import datasets

    def made(splits: dict[str, list[dict[str, Any]]]) -> None:
        found = datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()})
        monkeypatch.setattr(datasets, "load_dataset", lambda name: found)

    return made


def test_hub_data_sets(hub: Callable[[dict[str, list[dict[str, Any]]]], None]) -> None:
    hub({"train": TRAIN, "test": TEST})
    assert parts("owner/name") == {"train": answers(TRAIN), "validation": [], "test": answers(TEST)}
    hub({"train_sft": TRAIN, "test_sft": TEST, "extra": DEV})
    assert parts("owner/name")["test"] == answers(TEST)
    assert rows.read_training_data("owner/name").notes == ("splits left out: extra",)
    hub({"anything": TRAIN})
    assert len(parts("owner/name")["train"]) == 60
    hub({"train_sft": TRAIN, "train_gen": DEV, "test_sft": TEST, "test_gen": DEV})
    with pytest.raises(DataError, match=r"train_sft, train_gen are several splits of one part; .*OWNER/NAME:train_sft"):
        rows.read_training_data("owner/name")
    assert list(map(len, parts("owner/name:train_sft,test_sft").values())) == [60, 0, 50]
    with pytest.raises(DataError, match="there is no split dev"):
        rows.read_training_data("owner/name:dev")


@pytest.mark.parametrize(
    ("name", "part"),
    [("train", "train"), ("dev", "validation"), ("test-00000-of-00002", "test"), ("train_sft", "train"),
     ("Valid", "validation"), ("latest", ""), ("contest", ""), ("random", ""), ("eval.v2", "test")],
)  # fmt: skip
def test_names_of_splits(name: str, part: str) -> None:
    assert row_files.part_of(name) == part


@pytest.mark.parametrize("ending", ["gz", "bz2", "zst"])
def test_the_split_of_a_packed_file_is_kept(ending: str, tmp_path: Path) -> None:
    """`datasets` reads all of these; left out, the test split would be drawn from train without a word."""
    import bz2
    import gzip

    import pyarrow

    def zstd(raw: bytes) -> bytes:
        into = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(into, "zstd") as out:
            out.write(raw)
        return bytes(into.getvalue())

    pack = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd}[ending]
    put(tmp_path, {"train.jsonl": TRAIN})
    file = tmp_path / f"test.jsonl.{ending}"
    file.write_bytes(pack(lines(TEST).encode()))
    assert parts(str(tmp_path))["test"] == answers(TEST)
    file.write_bytes(pack(lines(TEST).encode())[:-6])
    with pytest.raises(DataError, match=f"{file.name}: cannot be read"):
        parts(str(tmp_path))


def test_files_that_may_hold_rows_and_are_not_read_are_said(tmp_path: Path) -> None:
    put(tmp_path, {"train.jsonl": TRAIN})
    (tmp_path / "test.zip").write_bytes(b"PK")
    assert rows.read_training_data(str(tmp_path)).notes == ("of no kind that is read here: test.zip",)


def test_a_configuration_by_its_folder(tmp_path: Path) -> None:
    """The rows of the other configuration are none of this one."""
    put(tmp_path, {"a/train.jsonl": TRAIN, "a/test.jsonl": TEST, "b/train.jsonl": DEV})
    header = "configs:\n- config_name: default\n  data_dir: a\n- config_name: other\n  data_dir: b\n"
    (tmp_path / "README.md").write_text(f"---\n{header}---\n")
    assert parts(str(tmp_path)) == {"train": answers(TRAIN), "validation": [], "test": answers(TEST)}
    (tmp_path / "README.md").write_text(f"---\n{header.replace('data_dir: a', 'data_dir: gone')}---\n")
    with pytest.raises(DataError, match=r"README\.md: the data files that it names are not there"):
        parts(str(tmp_path))
    (tmp_path / "README.md").write_text(f"---\n{header.replace('default', 'one')}---\n")
    with pytest.raises(DataError, match=r"several configurations \(one, other\); .*'default: true' of the one wanted"):
        parts(str(tmp_path))


def test_a_snapshot_of_links_is_read_and_a_readme_names_nothing_elsewhere(tmp_path: Path) -> None:
    """The hub's cache keeps its files elsewhere and links to them."""
    put(tmp_path, {"blobs/one.jsonl": TRAIN, "blobs/two.jsonl": TEST})
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for name, blob in (("train.jsonl", "one.jsonl"), ("test.jsonl", "two.jsonl")):
        (snapshot / name).symlink_to(Path("..", "blobs", blob))
    assert parts(str(snapshot)) == {"train": answers(TRAIN), "validation": [], "test": answers(TEST)}
    (snapshot / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: ../blobs/one.jsonl\n---\n"
    )
    with pytest.raises(DataError, match=r"README\.md names .*one\.jsonl, which is not in the folder"):
        parts(str(snapshot))

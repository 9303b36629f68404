"""Files of instruction data -> entries as they stand there, each with the split that its file, folder or list names.

What a folder's names mean is decided as `datasets.load_dataset(folder)` does:
https://huggingface.co/docs/datasets/repository_structure
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness.data import files
from evalharness.errors import DataError

_PARTS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
_UNREAD = frozenset({".arrow", ".lz4", ".tar", ".xls", ".xlsx", ".xz", ".zip"})  # may hold rows
_ABOUT = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"})  # no rows in these


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one row of a file holds; `number` counts from 1 in `file`. `part` is train, validation, test or '' where
    nothing says. `unread` says why there are no fields."""

    file: str
    number: int
    fields: Any = None
    part: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """All entries of some data, where they came from, and what was left aside."""

    entries: tuple[Entry, ...]
    origin: str
    notes: tuple[str, ...] = ()


def read_entries(data: str) -> Entries:
    """Rows of a file, a folder, or a hub data set (`OWNER/NAME`, `OWNER/NAME:SPLIT,SPLIT`). DataError for none."""
    path = Path(data).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        if _kind(path) is None:
            raise DataError(f"{path}: wanted a {', '.join(_READERS)} file, there is {path.suffix or 'no ending'}")
        return Entries(entries=tuple(_of(path, "", path.name)), origin=str(path))
    name, _, chosen = data.partition(":")
    if name.count("/") != 1 or data.startswith((".", "~", "/")):
        raise DataError(f"{data}: there is no such file or folder, and it is no hub data set (OWNER/NAME)")
    return _from_splits(_from_hub(name), f"hub {data}", tuple(filter(None, chosen.split(","))))


def _kind(path: Path) -> str | None:
    packed = path.suffix in files.PACKED
    suffix = Path(path.stem).suffix if packed else path.suffix
    return suffix if suffix in _READERS and not (packed and suffix == ".parquet") else None


def _of(path: Path, part: str, shown: str) -> Iterator[Entry]:
    for number, (own, fields, unread) in enumerate(_READERS[_kind(path) or ""](path), 1):
        yield Entry(file=shown, number=number, fields=fields, part=part or own, unread=unread)


FileRow = tuple[str, Any, str]  # the split that the file itself names, the fields, why there are none


def _lines(path: Path) -> Iterator[FileRow]:
    for line in files.read_text(path).split("\n"):  # splitlines would cut at U+2028 inside a string
        if line.strip():
            yield _line(line)


def _line(line: str) -> FileRow:
    try:
        return "", files.json_value(line), ""
    except json.JSONDecodeError as error:
        return "", None, f"not valid JSON ({error.msg} at column {error.colno})"
    except ValueError as error:
        return "", None, f"not valid JSON ({error})"


def _json(path: Path) -> Iterator[FileRow]:
    """A list of rows, lists by split, one list under some name, or JSON lines with the name of a JSON file."""
    text = files.read_text(path)
    try:
        found = files.parse_json(text, path)
    except DataError:
        if not re.match(r"\s*\{.*\}\s*\n\s*\{", text):
            raise
        yield from _lines(path)
        return
    if isinstance(found, Mapping):
        lists = {str(name): value for name, value in found.items() if isinstance(value, list)}
        if all(part_of(name) for name in lists) and (len(lists) > 1 or _PARTS.keys() & lists.keys()):
            yield from ((part_of(name), row, "") for name, rows in lists.items() for row in rows)
            return
        if len(lists) > 1:
            raise DataError(
                f"{path}: wanted a list of rows, or lists named train, validation and test; there are lists named "
                f"{', '.join(list(lists)[:8])}"
            )
        found = [_unwrapped(row) for row in next(iter(lists.values()))] if lists else found
    if not isinstance(found, list):
        raise DataError(f"{path}: wanted a list of rows, there is {type(found).__name__}")
    yield from (("", row, "") for row in found)


def _unwrapped(row: Any) -> Any:
    """The hub's viewer gives {"row_idx": ..., "row": {...}}."""
    return row["row"] if isinstance(row, Mapping) and isinstance(row.get("row"), Mapping) else row


def _cells(path: Path, delimiters: str = ",;\t|") -> Iterator[FileRow]:
    """A file with a header; of the delimiters, the one that the header has most of. DataError names the line where
    quotes go wrong: a quote that is not closed makes one cell of all rows behind it."""
    text = files.read_text(path)
    if told := re.match(r"sep=(.)\r?\n", text):  # Excel's own first line
        text, delimiters = text[told.end() :], told[1]
    first = text.lstrip("\n").split("\n", 1)[0]
    rows = (cells for _, cells in files.csv_lines(path, text, max(delimiters, key=first.count)) if cells)
    header = next(rows, [])
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; one of them would be lost")
    for cells in rows:
        more = len(cells) - len(header)
        wrong = f"{abs(more)} {'more' if more > 0 else 'fewer'} cells than the header has names" if more else ""
        yield "", dict(zip(header, cells, strict=False)), wrong


def _tabs(path: Path) -> Iterator[FileRow]:
    return _cells(path, "\t")


def _parquet(path: Path) -> Iterator[FileRow]:
    return (("", row, "") for row in files.parquet(path))


_READERS: dict[str, Callable[[Path], Iterable[FileRow]]] = {
    ".json": _json, ".jsonl": _lines, ".ndjson": _lines, ".parquet": _parquet, ".csv": _cells, ".tsv": _tabs,
}  # fmt: skip


def part_of(split: str) -> str:
    """train, validation or test for a split's name (`dev`, `train_sft`, `test-00000-of-00002`), '' for another."""
    return next((_PARTS[word] for word in re.split(r"[-._ 0-9]+", split.lower()) if word in _PARTS), "")


def _from_folder(folder: Path) -> Entries:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        import datasets

        return _from_splits(_by_split(datasets.load_from_disk(str(folder))), str(folder), ())
    own = sorted(file for file in folder.rglob("*") if _kind(file) and not _aside(file.relative_to(folder)))
    if not own:
        raise DataError(f"{folder}: wanted {', '.join(_READERS)} files in the folder, there are none")
    by_split = {name: [file for file in found if file in own] for name, found in _layout(folder).items()}
    if not any(by_split.values()):
        by_split = {"train": own}
    if len([name for name, found in by_split.items() if found]) == 1 and "train" in by_split:
        by_split = {"": by_split["train"]}  # nothing is named but train: no split yet
    whole = {name: _files(found, folder) for name, found in by_split.items()}
    named = {file for found in by_split.values() for file in found}
    left = [str(file.relative_to(folder)) for file in own if file not in named]
    unread = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.suffix in _UNREAD)
    notes = (
        *([f"left out, as datasets.load_dataset would: {', '.join(left)}"] if left else ()),
        *([f"of no kind that is read here: {', '.join(unread)}"] if unread else ()),
    )
    if list(whole) == [""]:
        return Entries(entries=tuple(whole[""]), origin=str(folder), notes=notes)
    found = _from_splits(whole, str(folder), ())
    return Entries(entries=found.entries, origin=found.origin, notes=(*notes, *found.notes))


def _files(found: Sequence[Path], folder: Path) -> Iterator[Entry]:
    """The rows of a split, read once they are asked for: a split that is left out may be anything."""
    return (entry for file in found for entry in _of(file, "", str(file.relative_to(folder))))


def _aside(file: Path) -> bool:
    """Hidden, or about the data."""
    return file.name in _ABOUT or any(part.startswith(".") for part in file.parts)


def _layout(folder: Path) -> dict[str, list[Path]]:
    """The files of each split: as the folder's README says, else by the names of files and folders."""
    from datasets.data_files import DataFilesDict, EmptyDatasetError, get_data_patterns, sanitize_patterns

    about = _from_readme(folder)
    patterns, whole = about.get("data_files"), folder.resolve()
    base = whole / str(about.get("data_dir") or "")
    try:
        wanted = sanitize_patterns(patterns) if patterns else get_data_patterns(base.as_posix())
        found = DataFilesDict.from_patterns(wanted, base_path=base.as_posix())
    except (EmptyDatasetError, FileNotFoundError) as error:
        if about:
            raise DataError(f"{folder}/README.md: the data files that it names are not there ({error})") from error
        return {}
    # Links are not followed: the files of a snapshot in the hub's cache lie elsewhere.
    listed = {str(name): [Path(os.path.normpath(file)) for file in each] for name, each in found.items()}
    if beyond := [file for each in listed.values() for file in each if not file.is_relative_to(whole)]:
        raise DataError(f"{folder}/README.md names {beyond[0]}, which is not in the folder; put it there")
    return {name: [folder / file.relative_to(whole) for file in each] for name, each in listed.items()}


def _from_readme(folder: Path) -> Mapping[str, Any]:
    """The one configuration, or the default one, that the README's header describes: its `data_files`, `data_dir`."""
    if not (folder / "README.md").is_file():
        return {}
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    try:
        about = DatasetCard(files.read_text(folder / "README.md"), ignore_metadata_errors=True).data
        configs = MetadataConfigs.from_dataset_card_data(about)
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder}/README.md: its header cannot be read ({error}); mend or delete it") from error
    chosen: Mapping[str, Any] = configs.get(configs.get_default_config_name() or next(iter(configs), ""), {})
    if len(configs) > 1 and not configs.get_default_config_name():
        known = ", ".join(configs)
        raise DataError(
            f"{folder}/README.md names several configurations ({known}); name a folder or file, or say there "
            "'default: true' of the one wanted"
        )
    return chosen


def _by_split(found: Any) -> dict[str, Iterable[Any]]:
    return dict(found) if isinstance(found, Mapping) else {str(found.split or "train"): found}


def _from_hub(name: str) -> dict[str, Iterable[Any]]:
    import datasets

    datasets.disable_progress_bars()
    try:
        return _by_split(datasets.load_dataset(name))
    except Exception as error:  # datasets and the hub client raise a dozen unrelated types when the hub is out of reach
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"the hub data set {name} cannot be read ({first}); name a file or folder instead") from error


def _from_splits(splits: Mapping[str, Iterable[Any]], origin: str, chosen: Sequence[str]) -> Entries:
    """The entries of splits by name. DataError where two splits would be the same part: pooled they might leak."""
    if unknown := [name for name in chosen if name not in splits]:
        raise DataError(f"{origin}: there is no split {unknown[0]}; there are {', '.join(splits)}")
    wanted = {name: part_of(name) for name in (chosen or splits)}
    if len(wanted) == 1 and not next(iter(wanted.values())):
        wanted = dict.fromkeys(wanted, "train")
    for part in ("train", "validation", "test"):
        if len(same := [name for name, found in wanted.items() if found == part]) > 1:
            raise DataError(
                f"{origin}: {', '.join(same)} are several splits of one part; name those wanted, as in "
                f"OWNER/NAME:{same[0]}, or make a folder of them"
            )
    entries: list[Entry] = []
    for name, part in wanted.items():
        for number, row in enumerate(splits[name] if part else (), 1):
            entry = row if isinstance(row, Entry) else Entry(file=name, number=number, fields=dict(row))
            entries.append(replace(entry, part=part))
    left = [name for name, part in wanted.items() if not part] + [name for name in splits if name not in wanted]
    notes = (f"splits left out: {', '.join(left)}",) if left else ()
    return Entries(entries=tuple(entries), origin=origin, notes=notes)

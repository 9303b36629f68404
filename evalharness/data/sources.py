"""Where rows come from: a hub data set at a pinned revision, a folder, the bundled sample. Never a silent replacement.

A row is a mapping with the hub's field names; a benchmark turns it into a Sample. The authors' own files are read into
the same rows by the benchmark's `Files`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path

from evalharness.data.fields import ROW_ERRORS, checked, row_error
from evalharness.data.files import FILE_READERS, digest, inside, jsonl, parse_json, read_text, write_whole
from evalharness.data.files import Row as Row
from evalharness.errors import DataError, UserError
from evalharness.records import Sample, on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Which rows are wanted: of one split, and of some groups only (all when empty)."""

    split: str
    groups: tuple[str, ...] = ()


SourceReader = Callable[[Path, Want], "Iterable[Row] | None"]


@dataclass(frozen=True, slots=True)
class Files:
    """The authors' own files: what error messages call them, and how they are read.

    `read(path, want)` yields the rows of a split from the user's file or folder, or returns None when they are not
    there. Without it only files in the hub's layout are read.
    """

    say: str
    read: SourceReader | None = None


PULLED = "source.json"  # what `evalh data pull` writes beside the rows


@dataclass(frozen=True)
class Source:
    """The hub data set of a benchmark, and how its authors' own files are read.

    `hub` is `OWNER/NAME@COMMIT`. `split` holds the scored questions, `shot_split` the examples to show. `hub_file` is
    the one file that is read of a hub repository which `datasets` cannot load whole. `sample` is the bundled sample
    (JSONL rows with a `split` field, and a `config` field where one file serves several configs), by default the file
    NAME.jsonl beside the plug-in. Without `hub` the bundled rows are the whole benchmark, or the files `own` by split
    where a benchmark brings its questions itself; they lie below the folder of the file `described_by`.
    """

    hub: str = ""
    _: KW_ONLY
    config: str | None = None
    hub_file: str | None = None
    split: str = "test"
    shot_split: str | None = None
    files: Files | None = None
    sample: Path | None = None
    own: Mapping[str, Path] = field(default_factory=dict)
    described_by: Path | None = None

    @property
    def repository(self) -> str:
        """The hub's name of the data set, without the commit."""
        return self.hub.partition("@")[0]

    @property
    def revision(self) -> str:
        """The commit of the hub repository."""
        return self.hub.partition("@")[2]

    @property
    def wanted(self) -> str:
        """What error messages ask the user for."""
        if self.files is not None:
            return self.files.say
        return f"a snapshot of {self.repository}" if self.hub else "rows laid out as its own"


@dataclass(frozen=True, kw_only=True)
class SplitRows:
    """The rows of one split and where they came from; `origin` is what reports print, `revision` what can be pinned."""

    rows: tuple[Row, ...]
    origin: str
    revision: str


def load_rows(source: Source, want: Want, data: str | None) -> SplitRows:
    """The rows of a split. `data`: None = the hub, `sample` = the bundled sample, else a folder or file."""
    split = want.split
    if source.own and data in (None, "sample"):
        return _from_own(source, split)
    if data == "sample" or (data is None and not source.hub):
        return _bundled(source, split)
    if data is None:
        return _from_hub(source, split)
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(f"--data {data}: there is no such file or folder")
    if path.is_dir() and (path / PULLED).is_file():
        return _from_pulled(path, split)
    found = _from_files(source, want, path)
    if found is not None:
        return SplitRows(rows=found, origin=str(path), revision="files")
    snapshot = _from_snapshot(source, split, path)
    if snapshot is not None:
        return snapshot
    hint = "" if split == source.split else f" (for the examples, split {split}; --shots 0 asks without them)"
    raise DataError(f"--data {data}: wanted {source.wanted}{hint}; there is {_glimpse(path)}")


def _bundled(source: Source, split: str) -> SplitRows:
    if source.sample is None or not source.sample.is_file():
        raise DataError(f"no questions are bundled; say --data with {source.wanted}")
    rows = tuple(r for r in jsonl(source.sample) if _is_sample_of(r, source, split))
    if not rows and not source.hub and source.files is not None:
        raise DataError(f"these questions are not bundled; say --data with {source.wanted}")
    return SplitRows(rows=rows, origin="bundled sample" if source.hub else "bundled", revision="bundled")


def _is_sample_of(row: Row, source: Source, split: str) -> bool:
    """A family keeps the samples of all its tasks in one file, told apart by `config`."""
    return bool(row.get("split", source.split) == split and row.get("config", source.config) == source.config)


def _glimpse(path: Path) -> str:
    if path.is_file():
        return f"the file {path.name}"
    names = sorted(p.name for p in path.iterdir())
    return (
        ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") if names else "an empty folder"
    )


def _from_files(source: Source, want: Want, path: Path) -> tuple[Row, ...] | None:
    """The rows of the authors' files. DataError for a file that is not laid out as it should be."""
    import csv

    if source.files is None or source.files.read is None:
        return None
    try:
        found = source.files.read(path, want)
        return None if found is None else tuple(found)
    except (*ROW_ERRORS, csv.Error) as error:
        raise DataError(
            f"--data {path}: wanted {source.wanted}; it is laid out otherwise ({row_error(error)})"
        ) from error


def _from_own(source: Source, split: str) -> SplitRows:
    file = source.own.get(split)
    if file is None:
        raise DataError(f"the benchmark names no file of examples (split {split}); --shots 0 asks without them")
    if file.suffix.removesuffix(".gz") not in FILE_READERS and file.name.split(".")[-2:-1] != ["jsonl"]:
        raise DataError(f"{file}: wanted a file that ends in {', '.join(FILE_READERS)}")
    if not file.is_file():
        raise DataError(f"{file}: there is no such file")
    if source.described_by is not None:
        inside(source.described_by.parent, file, source.described_by)
    return SplitRows(rows=tuple(FILE_READERS.get(file.suffix, jsonl)(file)), origin=str(file), revision="files")


def files_named(names: Mapping[str, str], note: str = "") -> Files:
    """The authors' own files by split, the scored split first; `note` says more of that one in error messages.

    The path is a folder that holds them (or a folder `data` in it), or the file of the scored split under any name.
    """
    scored, *others = names
    examples = f" (and {', '.join(names[split] for split in others)} for examples)" if others else ""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        name = names.get(want.split)
        if path.is_file():
            found = [path] if want.split == scored or path.name == name else []
        else:
            found = [f for f in (path / name, path / "data" / name) if f.is_file()] if name else []
        return FILE_READERS[found[0].suffix](found[0]) if found and found[0].suffix in FILE_READERS else None

    return Files(" ".join(filter(None, (names[scored], note))) + examples, read)


def _from_hub(source: Source, split: str) -> SplitRows:
    import datasets

    datasets.disable_progress_bars()
    try:
        if source.hub_file is not None:
            address = f"hf://datasets/{source.hub}/{source.hub_file}"
            table = datasets.load_dataset("json", data_files={split: address}, split=split)
        else:
            table = datasets.load_dataset(source.repository, source.config, split=split, revision=source.revision)
    except Exception as error:  # datasets and the hub client raise a dozen unrelated types when the hub is out of reach
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(
            f"the hub data set {source.repository} cannot be read ({first}); say --data FOLDER with "
            f"{source.wanted}, or --data sample; "
            "`evalh data pull BENCHMARK --to FOLDER` makes such a folder where there is a network"
        ) from error
    return SplitRows(rows=tuple(dict(r) for r in table), origin=f"hub {source.repository}", revision=source.revision)


def _from_pulled(folder: Path, split: str) -> SplitRows:
    about = parse_json(read_text(folder / PULLED), folder / PULLED)
    if not (isinstance(about, dict) and isinstance(about.get("sha256"), dict)):
        raise DataError(f"{folder / PULLED}: not what `evalh data pull` writes; pull the data again")
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise DataError(f"{folder}: wanted {path.name}; pull the data again")
    if digest(path) != about["sha256"].get(path.name):
        raise DataError(
            f"{path}: its content is not what was pulled (sha256 differs from {PULLED}); pull the data again"
        )
    origin = f"{folder} (pulled from {about.get('hub')})"
    return SplitRows(rows=tuple(jsonl(path)), origin=origin, revision=str(about.get("revision")))


def _from_snapshot(source: Source, split: str, path: Path) -> SplitRows | None:
    """A folder in the hub's layout: parquet, JSON or CSV files whose names hold the split, in the config's folder."""
    if (path / "snapshots").is_dir():
        path = _pinned_snapshot(source, path)
    if path.is_file():  # one file holds one split: examples taken from the scored questions would give them away
        is_it = split == source.split or _is_split(path.stem, split)
        files = [path] if path.suffix in FILE_READERS and is_it else []
    else:
        folders = [path / source.config] if source.config and (path / source.config).is_dir() else []
        files = []
        for folder in (*folders, path / "data", path):
            if folder.is_dir():
                files = [f for f in sorted(folder.iterdir()) if f.suffix in FILE_READERS and _is_split(f.stem, split)]
            if files:
                break
    if not files:
        return None
    rows = [row for file in files for row in FILE_READERS[file.suffix](file)]
    return SplitRows(rows=tuple(rows), origin=str(path), revision=_snapshot_revision(path))


def _pinned_snapshot(source: Source, repository: Path) -> Path:
    """The snapshot of the pinned revision in a repository folder of the hub's cache."""
    snapshot = repository / "snapshots" / source.revision
    if not snapshot.is_dir():
        there = ", ".join(sorted(p.name for p in (repository / "snapshots").iterdir())) or "none"
        raise DataError(f"{repository}: wanted the snapshot of revision {source.revision}, there is {there}")
    return snapshot


def _is_split(stem: str, split: str) -> bool:
    return stem == split or stem.startswith((f"{split}-", f"{split}.", f"{split}_"))


def _snapshot_revision(path: Path) -> str:
    """The hub's cache keeps a snapshot in a folder that is named after its commit."""
    names = [p.name for p in (path, *path.parents)]
    for name in names:
        if len(name) == 40 and all(c in "0123456789abcdef" for c in name):
            return name
    return "folder"


def content_hash(samples: Iterable[Sample]) -> str:
    """sha256 over the samples' canonical JSON, in order: the same questions have the same hash anywhere."""
    total = hashlib.sha256()
    for sample in samples:
        total.update(
            json.dumps(on_disk(asdict(sample)), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        total.update(b"\n")
    return total.hexdigest()


def repeated(samples: Iterable[Sample]) -> dict[str, str]:
    """The ids of samples that are the same as an earlier one in all but the id, each with the earlier one's id."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for sample in samples:
        earlier = first.setdefault(content_hash([replace(sample, id="")]), sample.id)
        if earlier != sample.id:
            found[sample.id] = earlier
    return found


def build_samples(rows: Sequence[Row], make: Callable[[Row], Sample], origin: str = "") -> list[Sample]:
    """Rows to samples. A sample without id is numbered within its group: `GROUP/0`, or `0` where there are no groups.

    DataError when a row is none of the benchmark, or two samples have one id; `origin` is what it says of their place.
    """
    where = f"{origin}: " if origin else ""
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for position, row in enumerate(rows):
        try:
            sample = checked(make(row))
        except ROW_ERRORS as error:
            said = f"{where}row {position + 1} is not a question of this benchmark: {row_error(error)}"
            raise DataError(said) from error
        number = numbers[sample.group] = numbers.get(sample.group, -1) + 1
        if not sample.id:
            sample = replace(sample, id=f"{sample.group}/{number}" if sample.group else str(number))
        if sample.id in seen:
            raise DataError(f"{where}rows {seen[sample.id] + 1} and {position + 1} have the same id {sample.id!r}")
        seen[sample.id] = position
        samples.append(sample)
    return samples


def pull_source(source: Source, folder: Path) -> dict[str, int]:
    """Copy the hub's rows to a folder that `--data` reads. Returns rows per split.

    Files are written aside and renamed, `source.json` last: a folder without it is not a whole copy.
    """
    counts: dict[str, int] = {}
    hashes: dict[str, str] = {}
    splits = dict.fromkeys(s for s in (source.split, source.shot_split) if s)
    loaded = {split: load_rows(source, Want(split=split), None) for split in splits}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split, rows in loaded.items():
            text = "".join(json.dumps(r, ensure_ascii=False, default=str) + "\n" for r in rows.rows)
            write_whole(folder / f"{split}.jsonl", text)
            counts[split] = len(rows.rows)
            hashes[f"{split}.jsonl"] = digest(folder / f"{split}.jsonl")
        about = {"hub": source.repository, "config": source.config, "revision": source.revision, "sha256": hashes}
        write_whole(folder / PULLED, json.dumps(about, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
    return counts

"""What a source of rows is, what is wanted of it, and the rows that come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalharness.data.files import FILE_READERS
from evalharness.data.files import Row as Row

# Where rows came from: the hub, a benchmark's bundled rows or the sample of one, the user's files (the authors' own, a
# copy of the hub's, one that we pulled), files that the benchmark's description names, or judgments made elsewhere.
DataKind = Literal["hub", "sample", "bundled", "files", "snapshot", "pulled", "own", "imported"]


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
    where a benchmark brings its questions itself; they lie below the folder `own_below`, by default that of the
    file `described_by`. `given` makes the rows of a split that no file holds; `process(rows, split)` makes of the
    rows of a split what the benchmark reads. `hub_options` are what `datasets.load_dataset` is told besides;
    `place` is where the hub's data set is named, FILE:LINE. `address` is where the authors' files are where no hub has
    them: the user names them, and the bundled rows are a sample of them as they are of a hub's.
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
    hub_options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""
    address: str = ""
    given: Mapping[str, Callable[[], Sequence[Row]]] = field(default_factory=dict)
    process: Callable[[Sequence[Row], str], tuple[Row, ...]] | None = None
    described_by: Path | None = None
    own_below: Path | None = None

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
    """The rows of one split and where they came from: `origin` is what reports print, `revision` what can be pinned,
    `path` the user's file or folder as it was given."""

    rows: Sequence[Row]
    origin: str
    revision: str
    kind: DataKind = "files"
    path: Path | None = None


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

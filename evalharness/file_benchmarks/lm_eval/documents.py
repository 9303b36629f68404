"""Where a task's documents come from: a hub data set, files, a function or a list in the task file; and what the task's
`process_docs` and functions make of the rows (lm_eval/api/task.py, version 0.4.13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from evalharness.data.rows import Row, Source
from evalharness.data.yaml_lines import Function
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.code import TaskCode
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.lm_eval.rows import MADE, DocView

_FILES = {"json": ".json", "csv": ".csv", "parquet": ".parquet"}
LISTED_EXAMPLES = "fewshot_config.samples"  # the split of the examples that the task file brings along
_PER_ROW = 0.02  # seconds that code may take for each row, beyond the time of any call
# Of `datasets.load_dataset`: what decides the rows, and what does not.
_DECISIVE = {"data_files", "data_dir", "field", "sep", "delimiter", "header", "column_names", "encoding", "name"}
# (`features` are the types of the columns, which their files say too: a warning says that they are passed over.)
_IDLE = {
    "revision", "trust_remote_code", "streaming", "verification_mode", "download_mode", "keep_in_memory", "features",
}  # fmt: skip


_warn_once = cache(warn)  # a command reads a task file several times


@dataclass(frozen=True)
class Documents:
    """A task's documents by split."""

    config: TaskConfig
    code: TaskCode

    @property
    def split(self) -> str:
        """The split that is asked."""
        found = self.config.get("test_split") or self.config.get("validation_split")
        if not found:
            raise self.config.document.error((), "wanted test_split or validation_split")
        return str(found)

    @property
    def shot_split(self) -> str:
        """Where the examples are, by the rule of lm-evaluation-harness."""
        named = self.config.examples.get("split") or self.config.get("fewshot_split")
        if not named and self.config.examples.get("samples") is not None:
            return LISTED_EXAMPLES
        others = ("training_split", "validation_split")
        return str(named or next((self.config.get(key) for key in others if self.config.get(key)), self.split))

    def source(self) -> Source:
        """What the rows are read from."""
        document, kwargs = self.config.document, dict(self.config.get("dataset_kwargs", {}))
        path = str(self.config.get("dataset_path", ""))
        given: dict[str, Callable[[], Sequence[Row]]] = {}
        if self.shot_split == LISTED_EXAMPLES:
            given[LISTED_EXAMPLES] = self._listed
        own: dict[str, Path] = {}
        if self.config.function("custom_dataset") is not None:
            given |= {
                split: self._of_split(split) for split in (self.split, self.shot_split) if split != LISTED_EXAMPLES
            }
            path = ""
        elif path in _FILES and not any(_is_address(file) for file in _listed_files(kwargs.get("data_files"))):
            own = self._own(path, kwargs)
        if path and not own:
            for name in kwargs:
                if name not in _DECISIVE | _IDLE:
                    raise document.error(("dataset_kwargs", name), f"dataset_kwargs.{name} is not read")
        if "features" in kwargs:
            passed = "dataset_kwargs.features is passed over: columns have the types that their files say"
            _warn_once(str(document.error(("dataset_kwargs", "features"), passed)))
        hub = "" if own or not path else path if path in _FILES else f"{path}@{kwargs.get('revision', 'main')}"
        return Source(
            hub, config=self.config.get("dataset_name"), split=self.split, shot_split=self.shot_split, own=own,
            given=given, described_by=document.file, process=self.process if self._works else None,
            hub_options={name: value for name, value in kwargs.items() if name in _DECISIVE},
            place=str(document.error(("dataset_path",), "")).removesuffix(": "),
        )  # fmt: skip

    def _own(self, path: str, kwargs: Mapping[str, Any]) -> dict[str, Path]:
        document, files = self.config.document, kwargs.get("data_files")
        if not files:
            raise document.error(("dataset_path",), f"dataset_path: {path} wants dataset_kwargs.data_files")
        own = {s: self._file(s, f) for s, f in (files if isinstance(files, dict) else {"train": files}).items()}
        if self.split not in own:
            raise document.error(
                ("dataset_kwargs",), f"data_files have no split {self.split!r}; there is {', '.join(own)}"
            )
        return own

    def _file(self, split: str, named: Any) -> Path:
        document, where = self.config.document, ("dataset_kwargs", "data_files", split)
        if not isinstance(named, str):
            raise document.error(where, "wanted one file per split")
        beside = document.file_of(("dataset_kwargs",)).parent
        found = next((p for p in (beside / named, Path(named)) if p.is_file()), None)
        if found is None:
            raise document.error(where, f"there is no file {named}")
        return found

    def _listed(self) -> Sequence[Row]:
        """`fewshot_config.samples`: a list, or what a function gives."""
        function = self.config.function("fewshot_config", "samples")
        found = self.config.examples.get("samples")
        if function is not None:
            found = self.code.call("call", function, function=self.code.named(function), arguments=[], keywords={})
        if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
            raise self.config.document.error(("fewshot_config", "samples"), "wanted a list of rows")
        return found

    @cached_property
    def _made(self) -> Mapping[str, Sequence[Row]]:
        function = self.config.function("custom_dataset")
        assert function is not None
        keywords = {**self.config.get("metadata", {}), **self.config.get("dataset_kwargs", {})}
        found = self.code.call("splits", function, seconds=600, function=self.code.named(function), keywords=keywords)
        return found if isinstance(found, dict) else {}

    def _of_split(self, split: str) -> Callable[[], Sequence[Row]]:
        def rows() -> Sequence[Row]:
            if split not in self._made:
                said = f"it makes no split {split!r}; there is {', '.join(self._made)}"
                raise self.config.document.error(("custom_dataset",), said)
            return self._made[split]

        return rows

    @property
    def _works(self) -> bool:
        """Whether rows are changed, or read otherwise as examples, before they become samples."""
        keys = ("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice")
        ours = any(isinstance(self.config.get(key), Function) for key in keys)
        return (
            ours
            or bool(set(self.config.examples) - {"sampler", "split", "samples"})
            or self.shot_split == LISTED_EXAMPLES
        )

    def process(self, rows: Sequence[Row], split: str) -> tuple[Row, ...]:
        """The documents of a split, with what the task's functions give for each."""
        views = tuple(v for v, s in (("asked", self.split), ("shown", self.shot_split)) if s == split)
        process = self.config.function("process_docs") if split != LISTED_EXAMPLES else None
        if "asked" not in views and self.config.function("fewshot_config", "process_docs") is not None:
            process = self.config.function("fewshot_config", "process_docs")
        if split == self.shot_split and "asked" not in views and self.config.examples.get("fewshot_indices"):
            rows = [rows[i] for i in self.config.examples["fewshot_indices"] if i < len(rows)]
        functions = {
            (view, key): function
            for view in views
            for key, function in DocView(self.config, view == "shown").functions(own=view != views[0]).items()
        }
        if process is None and not functions:
            return tuple({**row, MADE: {"views": views}} for row in rows)
        first = process or next(iter(functions.values()))
        made = self.code.call(
            "prepare", first, seconds=_PER_ROW * len(rows), rows=list(rows),
            process=None if process is None else self.code.named(process),
            made={f"{view}/{key}": self.code.named(function) for (view, key), function in functions.items()},
        )  # fmt: skip
        return tuple(self._row(one, views) for one in made)

    def _row(self, one: Any, views: tuple[str, ...]) -> Row:
        values: dict[str, dict[str, Any]] = {view: {} for view in views}
        for name, found in one["made"].items():
            view, _, key = name.partition("/")
            values[view][key] = found
        return {**one["doc"], MADE: {"views": views, **values}}


def _listed_files(said: Any) -> list[Any]:
    values = list(said.values()) if isinstance(said, Mapping) else [said]
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _is_address(file: Any) -> bool:
    return isinstance(file, str) and "://" in file

"""What is known of a benchmark's questions since they were first prepared. The same command on the same files, told by
their hashes, need not prepare a million questions to find that the run with these very questions is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import overload

import orjson

import evalharness
from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.files import LARGE, OWN_FILE, digest, json_value, own_folder, write_whole
from evalharness.data.kept import to_json
from evalharness.data.typed import record
from evalharness.errors import DataError
from evalharness.model import Model, Prerecorded
from evalharness.runs.manifest import BenchmarkFacts
from evalharness.runs.questions import Question

PREPARED = Path(".cache") / "prepared"


@dataclass(frozen=True, kw_only=True)
class KeptFacts:
    """The facts of one benchmark in a file of their own, named by the hash of all that they come from."""

    file: Path

    def read(self) -> BenchmarkFacts | None:
        """The facts; None where they are not known, or the file is damaged."""
        try:
            return record(BenchmarkFacts, json_value(self.file.read_bytes()))
        except (OSError, ValueError):
            return None

    def write(self, facts: BenchmarkFacts) -> None:
        """Keep the facts. Where that cannot be done the questions are prepared again next time."""
        try:
            own_folder(self.file.parent)
            write_whole(self.file, orjson.dumps(to_json(facts)), OWN_FILE)
        except OSError:
            return


def kept_facts(folder: Path, name: str, benchmark: Benchmark, asked: str, model: Model) -> KeptFacts | None:
    """Where the facts of a benchmark are kept; None for one that is quick to prepare. `asked` is all that was said of
    how its own questions are asked."""
    source, own = benchmark.source, tuple(benchmark.source.own.values())
    large = any(file.is_file() and file.stat().st_size >= LARGE for file in own)
    if not large or not plugins.is_file(name):
        return None
    files = [file for file in (*own, source.described_by) if file is not None]
    from_it = {
        "code": source_hash(), "benchmark": [name, *(str(file.absolute()) for file in files), *map(digest, files)],
        "functions": benchmark.code_sha256, "asked": asked, "chat": model.chat,
        # What has its answers already says by them how often it is asked, and in which mode.
        "model": model.fingerprint if isinstance(model, Prerecorded) else model.ranks,
    }  # fmt: skip
    return KeptFacts(file=folder / f"{hashlib.sha256(json.dumps(from_it).encode()).hexdigest()}.json")


@cache
def source_hash() -> str:
    """The hash of our own source: with other code the same files may become other questions."""
    total = hashlib.sha256()
    for file in sorted(Path(evalharness.__file__).parent.rglob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()


@dataclass(frozen=True, kw_only=True)
class LateQuestions(Sequence[Question]):
    """Questions whose facts are known and which are prepared when one of them is looked at. DataError where they turn
    out to be others."""

    facts: BenchmarkFacts
    prepare: Callable[[], tuple[Sequence[Question], BenchmarkFacts]] = field(repr=False)

    @cached_property
    def _questions(self) -> Sequence[Question]:
        questions, facts = self.prepare()
        if to_json(facts) != to_json(self.facts):
            raise DataError(f"{self.facts.data.origin}: was changed while it was read; give the command again")
        return questions

    def __len__(self) -> int:
        return self.facts.items * self.facts.repeats

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions)

    @overload
    def __getitem__(self, index: int) -> Question: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Question]: ...
    def __getitem__(self, index: int | slice) -> Question | Sequence[Question]:
        return self._questions[index]

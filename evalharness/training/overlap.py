"""Do the training rows hold questions of the benchmarks? Word 8-grams, short questions by equality.

The measure follows https://arxiv.org/abs/2005.14165, appendix C, with shorter n-grams and a share instead of one hit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.data import files, sources
from evalharness.data.rows import Want
from evalharness.errors import UserError
from evalharness.training.shapes import TrainingRow
from evalharness.training.split import content_words

SIZE = 8
SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A training row that holds a question of a benchmark; `share` of the question's n-grams stand in the row.

    `grave`: a question long enough to have an n-gram, or of a benchmark that the user named. A shorter one from an
    unnamed benchmark's bundled sample ("What is the capital of Canada?") is common knowledge, shown and let pass.
    """

    row: int
    benchmark: str
    id: str
    question: str
    share: float
    grave: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkQuestions:
    """What was looked for: questions by benchmark, the benchmarks the user named, those that could not be read."""

    by_name: Mapping[str, Sequence[tuple[str, str]]]
    unread: Mapping[str, str]
    named: frozenset[str] = frozenset()


def questions(named: Mapping[str, str | None]) -> BenchmarkQuestions:
    """The questions of every installed benchmark's bundled sample; of those in `named`, of the data named there."""
    found: dict[str, list[tuple[str, str]]] = {}
    unread: dict[str, str] = {}
    for name in dict.fromkeys((*plugins.modules("benchmarks"), *named)):
        data = named.get(name) or "sample"
        path = Path(data) if data != "sample" else None
        try:
            for task in overlap_tasks(name, path):
                found[task] = _of(task, data, path)
        except UserError as error:
            if named.get(name):
                raise
            unread[name] = str(error)
    chosen = frozenset(task for task in found for name in named if task == name or task.startswith(f"{name}/"))
    return BenchmarkQuestions(by_name=found, unread=unread, named=chosen)


def overlap_tasks(name: str, data: Path | None) -> tuple[str, ...]:
    """What a benchmark's name stands for; of a family that has tasks only in its data, those of its bundled sample."""
    roof = plugins.load_family(name)
    if data is not None or "/" in name or roof is None or roof.tasks:
        return plugins.task_names(name, data)
    bundled = plugins.bundled(name)
    rows = files.jsonl(bundled) if bundled.is_file() else ()
    return tuple(dict.fromkeys(f"{name}/{row['config']}" for row in rows if "config" in row))


def _of(task: str, data: str, path: Path | None) -> list[tuple[str, str]]:
    benchmark = plugins.load_benchmark(task, path)
    rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), data)
    return [(sample.id, sample.question) for sample in sources.build_samples(rows.rows, benchmark.sample)]


def find_overlap(rows: Sequence[TrainingRow], asked: BenchmarkQuestions) -> list[Found]:
    """Each row and question that overlap, the fullest first; one line per row and benchmark."""
    holders, whole = _index(asked)
    found: dict[tuple[int, str], Found] = {}
    for row in rows:
        hits: Counter[tuple[str, str, int]] = Counter()
        for text in _texts(row):
            for key in whole.get(text, ()):
                hits[key] = key[2]
        for gram in {g for text in _texts(row) for g in _grams(text)}:
            hits.update(holders.get(gram, ()))
        for (benchmark, identity, size), count in hits.items():
            share = min(1.0, count / size)
            known = found.get((row.number, benchmark))
            if share >= SHARE and (known is None or share > known.share):
                question = next(said for i, said in asked.by_name[benchmark] if i == identity)
                found[row.number, benchmark] = Found(
                    row=row.number,
                    benchmark=benchmark,
                    id=identity,
                    question=question,
                    share=share,
                    grave=len(content_words(question)) >= SIZE or benchmark in asked.named,
                )
    return sorted(found.values(), key=lambda f: (-f.share, f.row))


_Places = dict[Any, list[tuple[str, str, int]]]


def _index(asked: BenchmarkQuestions) -> tuple[_Places, _Places]:
    """n-gram -> questions that hold it, and a short question's words -> that question."""
    holders: _Places = defaultdict(list)
    whole: dict[Any, list[tuple[str, str, int]]] = defaultdict(list)
    for name, questions_ in asked.by_name.items():
        grams = {identity: set(_grams(tuple(content_words(text)))) for identity, text in questions_}
        common = Counter(gram for found in grams.values() for gram in found)
        many = max(3, len(questions_) // 10)  # words that many questions share are the benchmark's frame
        for identity, text in questions_:
            own = {gram for gram in grams[identity] if common[gram] < many}
            said = tuple(content_words(text))
            if len(said) >= 3:
                whole[said].append((name, identity, max(1, len(own))))
            for gram in own:
                holders[gram].append((name, identity, len(own)))
    return holders, whole


def _texts(row: TrainingRow) -> Iterable[tuple[str, ...]]:
    said = [message.content for message in row.messages]
    asked = [message.content for message in row.messages if message.role == "user"]
    return {tuple(content_words(text)) for text in (*said, " ".join(asked), " ".join(said))}


def _grams(said: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [said[i : i + SIZE] for i in range(len(said) - SIZE + 1)]

"""The questions of a benchmark as rows that other trainers read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from evalharness import plugins
from evalharness.benchmark import Benchmark, request
from evalharness.data import sources
from evalharness.data.rows import Row, Want
from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.records import Sample

COLUMN = "info"  # of a data set's rows: what the scorer needs, as JSON (verifiers' own name for it)


def dataset(
    name: str,
    *,
    data: str | Sequence[Row] | None = None,
    split: str = "train",
    chat: bool = True,
    limit: int | None = None,
) -> list[dict[str, object]]:
    """Rows with `prompt` (messages; a text where `chat` is False), `answer` (the first right one, or '') and `info`.

    `data` as for `evaluate`: None = the hub, `sample`, a folder or file, or the rows. `limit` draws by a hash of the
    id. UserError or DataError where there are no such rows; the split that the benchmark scores is a warning.
    """
    benchmark = scorable(name)
    source = benchmark.source
    if split == source.split:
        warn(
            f"{name}: these are the questions that `evalh run {name}` asks; a model that learns them has no score there"
        )
    given = data is not None and not isinstance(data, str)
    found = sources.rows_of_split(data, source, split) if given else sources.load_rows(source, Want(split=split), data)  # type: ignore[arg-type]
    samples = sources.build_samples(found.rows, benchmark.sample, f"{found.origin} ({name})")
    if not samples:
        raise UserError(f"{found.origin}: there are no rows of {name} in split {split!r}")
    if limit is not None:
        kept = {sample.id for sample in sorted(samples, key=_drawn)[:limit]}
        samples = [sample for sample in samples if sample.id in kept]
    return [_row(benchmark, sample, chat) for sample in samples]


def _drawn(sample: Sample) -> bytes:
    return hashlib.sha256(sample.id.encode("utf-8", "surrogatepass")).digest()


def _row(benchmark: Benchmark, sample: Sample, chat: bool) -> dict[str, object]:
    asked = replace(request(benchmark, sample, (), mode="write", chat=chat), origin=None)
    messages = [{"role": message.role, "content": message.content} for message in asked.messages]
    about = {"benchmark": benchmark.name, "sample": asdict(sample), "request": asdict(asked)}
    answer = sample.answers[0] if sample.answers else ""
    return {"prompt": messages if chat else asked.text, "answer": answer, COLUMN: json.dumps(about)}


def scorable(name: str) -> Benchmark:
    """The benchmark. UserError where nothing here can score one of its answers alone."""
    benchmark = plugins.load_benchmark(name)
    if benchmark.judge is not None and benchmark.open_scorer is None:
        raise UserError(f"{name} is judged by a model; a reward wants a benchmark with a scorer, such as gsm8k or mbpp")
    if benchmark.follow_up is not None:
        raise UserError(f"{name} asks in several turns; a reward is of one answer")
    if "write" not in benchmark.modes:
        raise UserError(f"{name} ranks choices by log-probability; a reward is of a written answer")
    return benchmark

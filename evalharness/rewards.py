"""A benchmark's scorer as a reward for reinforcement learning: for TRL's `reward_funcs` and for verifiers' rubrics.

    rows = Dataset.from_list(rewards.dataset("gsm8k"))
    trainer = GRPOTrainer(..., reward_funcs=rewards.of("gsm8k"), train_dataset=rows)

https://huggingface.co/docs/trl/grpo_trainer#using-a-custom-reward-function and
https://docs.primeintellect.ai/verifiers. An answer earns what it would count in the benchmark's headline, read by the
same rules, programs in the same sandbox: one that fools the published check alone earns nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.util import Finalize

from evalharness import plugins
from evalharness.benchmark import Benchmark, request
from evalharness.data import sources
from evalharness.data.rows import Row, Want
from evalharness.data.typed import record
from evalharness.errors import UserError, known
from evalharness.events import warn
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import Scorer, score_response

COLUMN = "info"  # of a data set's rows: what the scorer needs, as JSON (verifiers' own name for it)


def of(name: str, *, metric: str | None = None, options: RunOptions | None = None) -> BenchmarkReward:
    """The reward of a benchmark: `metric` names one of its figures, by default the headline.

    What scores it (a sandbox, for programs) is opened at the first answer, once a process, and closed at its end.
    UserError for an unknown name, and for a benchmark whose answers nothing here can score alone.
    """
    benchmark = _scorable(name)
    figures = {figure.name: figure for figure in benchmark.metrics if figure.score is not None and figure.name}
    # `pass@1` is over several answers; one answer of them counts as it says.
    chosen = figures[known(f"figure of {name}", metric, figures)] if metric else next(iter(figures.values()), None)
    score = chosen.score if chosen is not None and chosen.score else "accuracy"
    sign = 1.0 if chosen is None or chosen.higher_is_better else -1.0
    return BenchmarkReward(benchmark=name, score=score, sign=sign, options=options or RunOptions())


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
    benchmark = _scorable(name)
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


def _scorable(name: str) -> Benchmark:
    benchmark = plugins.load_benchmark(name)
    if benchmark.judge is not None and benchmark.open_scorer is None:
        raise UserError(f"{name} is judged by a model; a reward wants a benchmark with a scorer, such as gsm8k or mbpp")
    if benchmark.follow_up is not None:
        raise UserError(f"{name} asks in several turns; a reward is of one answer")
    if "write" not in benchmark.modes:
        raise UserError(f"{name} ranks choices by log-probability; a reward is of a written answer")
    return benchmark


@dataclass(frozen=True, kw_only=True)
class BenchmarkReward:
    """What an answer is worth to a benchmark: `sign` times its `score`, 0 where it could not be read, None where it
    could not be scored at all. May be called from several threads, pickled, and used behind a fork."""

    benchmark: str
    score: str
    sign: float = 1.0
    options: RunOptions = field(default_factory=RunOptions)

    def __call__(
        self, prompts: Sequence[object], completions: Sequence[object], **columns: object
    ) -> list[float | None]:
        """TRL's `reward_funcs`: one reward a completion, which is a text or a list of messages."""
        about = columns.get(COLUMN)
        if not isinstance(about, Sequence) or len(about) != len(completions):
            raise UserError(f"the reward of {self.benchmark} wants the column {COLUMN!r} of rewards.dataset")
        pairs = list(zip(completions, about, strict=True))
        if len(pairs) < 2 or plugins.load_benchmark(self.benchmark).open_scorer is None:
            return [self.of_one(completion, each) for completion, each in pairs]
        with ThreadPoolExecutor(self.options.workers or 2 * (os.cpu_count() or 1)) as pool:
            return list(pool.map(lambda pair: self.of_one(*pair), pairs))

    @property
    def __name__(self) -> str:
        """What TRL logs the reward under."""
        return self.benchmark.replace("/", "_")

    @property
    def rubric(self) -> Callable[..., float]:
        """A verifiers rubric's function: `vf.Rubric(funcs=[rewards.of("gsm8k").rubric])`."""

        def scored(completion: object, info: str | Mapping[str, object], **_: object) -> float:
            return self.of_one(completion, info) or 0.0

        scored.__name__ = self.__name__
        return scored

    def of_one(self, completion: object, info: str | Mapping[str, object]) -> float | None:
        """The reward of one completion to the question that `info` (JSON, or what it holds) is about."""
        score = self.scored(completion, info)
        if score.status == "error":
            return None
        if self.score in score.scores:
            return self.sign * float(score.scores[self.score])
        return float(score.status == "correct") if self.sign > 0 and score.status != "scored" else None

    def scored(self, completion: object, info: str | Mapping[str, object]) -> Score:
        """The whole score, with status, all figures and the answer as it was read. UserError where `info` is not what
        `rewards.dataset` made."""
        try:
            about = json.loads(info) if isinstance(info, str) else info
            sample, asked = record(Sample, about["sample"]), record(Request, about["request"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{COLUMN} is not what rewards.dataset({self.benchmark!r}) makes: {error}") from error
        if about.get("benchmark") != self.benchmark:
            raise UserError(f"the question is one of {about.get('benchmark')}, the reward that of {self.benchmark}")
        response = Response(text=_text(completion), finish="stop")
        return score_response(_scorer(self), sample, asked, response)


def _text(completion: object) -> str:
    """What was written: a text, or what the last assistant message says."""
    if isinstance(completion, str):
        return completion
    messages = completion if isinstance(completion, Sequence) else ()
    said = [message for message in messages if _field(message, "role") == "assistant"]
    content = _field(said[-1], "content") if said else ""
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content or "")


def _field(message: object, name: str) -> object:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


class _Opened:
    """The scorers of this process, opened once each, all closed at its end."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.scorers: dict[tuple[str, str], Scorer] = {}
        self.open = ExitStack()

    def close(self) -> None:
        with self.lock:
            self.scorers.clear()
            self.open.close()


_opened = _Opened()


def _scorer(reward: BenchmarkReward) -> Scorer:
    benchmark = plugins.load_benchmark(reward.benchmark)
    if benchmark.open_scorer is None:
        return benchmark.score
    mine, key = _opened, (reward.benchmark, repr(reward.options))
    with mine.lock:
        if not mine.scorers:  # processes of multiprocessing end without atexit
            Finalize(None, close, exitpriority=0)
        if key not in mine.scorers:
            mine.scorers[key] = mine.open.enter_context(benchmark.open_scorer(reward.options))
        return mine.scorers[key]


def close() -> None:
    """Close what was opened (sandboxes); it is opened again when it is asked for. Done at exit by itself."""
    _opened.close()


def _forked() -> None:
    """A child opens its own. What its parent opened is the parent's: never to be closed here, not even as garbage."""
    global _opened
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_opened.open))
    _opened = _Opened()


atexit.register(close)
os.register_at_fork(after_in_child=_forked)

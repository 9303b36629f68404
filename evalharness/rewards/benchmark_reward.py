"""What an answer is worth to a benchmark, as the function that TRL and verifiers call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from evalharness import plugins
from evalharness.data.typed import record
from evalharness.errors import UserError, known
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score
from evalharness.rewards.open_scorers import scorer_of
from evalharness.rewards.questions import COLUMN, scorable
from evalharness.scoring.answers import score_response


def of(name: str, *, metric: str | None = None, options: RunOptions | None = None) -> BenchmarkReward:
    """The reward of a benchmark: `metric` names one of its figures, by default the headline.

    What scores it (a sandbox, for programs) is opened at the first answer, once a process, and closed at its end.
    UserError for an unknown name, and for a benchmark whose answers nothing here can score alone.
    """
    benchmark = scorable(name)
    figures = {figure.name: figure for figure in benchmark.metrics if figure.score is not None and figure.name}
    # `pass@1` is over several answers; one answer of them counts as it says.
    chosen = figures[known(f"figure of {name}", metric, figures)] if metric else next(iter(figures.values()), None)
    score = chosen.score if chosen is not None and chosen.score else "accuracy"
    sign = 1.0 if chosen is None or chosen.higher_is_better else -1.0
    return BenchmarkReward(benchmark=name, score=score, sign=sign, options=options or RunOptions())


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
        return score_response(scorer_of(self.benchmark, self.options), sample, asked, response)


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

"""What an answer to a task of lm-evaluation-harness is worth (lm_eval/api/task.py, process_results, version 0.4.13)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.errors import UserError
from evalharness.file_benchmarks.lm_eval.code import TaskCode, TaskCodeError, TaskFunction
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.lm_eval.figures import UNNUMBERED, Measured, figure_of
from evalharness.file_benchmarks.lm_eval.filters import Pipeline
from evalharness.file_benchmarks.lm_eval.measures import METRICS, Measure, normaliser, our_metric_name
from evalharness.records import Request, Response, Result, Sample, Score
from evalharness.scoring.answers import Scorer, best, choice_by_length, softmax, unparsed_score
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.metrics import Metric
from evalharness.text.patterns import SlowPatternError

LogprobPair = tuple[float, bool]  # of a text: its log-probability, and whether each of its tokens was the likeliest
MetricValues = dict[str, Any]  # by their name of the metric
ALL_FAILED = 10  # answers that code may fail on before one on which it does not


@dataclass(frozen=True, kw_only=True)
class TaskScorer:
    """Scores the answers of one task. `by_code` is the task's own `process_results`."""

    config: TaskConfig
    code: TaskCode
    measures: tuple[Measure, ...]
    pipelines: tuple[Pipeline, ...]
    by_code: TaskFunction | None

    @property
    def wants_doc(self) -> bool:
        """Whether the row itself is read, and is to be kept with the sample."""
        own = any(measure.function is not None for measure in self.measures)
        return self.by_code is not None or own or any(one.wants_doc for one in self.pipelines)

    def metrics(self) -> tuple[Metric, ...]:
        """Each figure, called by the metric of the first pipeline alone, of the others with their names behind it."""
        if self.config.kind != "generate_until":
            return tuple(figure_of(one, one.label, self.code) for one in self.measures)
        marks = ["", *(f",{pipeline.name}" for pipeline in self.pipelines[1:])]
        return tuple(
            figure_of(one, one.label + mark, self.code, self._of_all(pipeline, one) if pipeline.together else None)
            for pipeline, mark in zip(self.pipelines, marks, strict=True)
            for one in self.measures
        )

    @property
    def repeats(self) -> int:
        """Answers that are wanted to each question: what only the first of them decides is asked once."""
        several = any(pipeline.together for pipeline in self.pipelines)
        return int(self.config.get("repeats", 1)) if several else 1

    def _of_all(self, pipeline: Pipeline, measure: Measure) -> Measured:
        """What is measured of all answers to a question together; nothing where there are too few."""

        def measured(results: Sequence[Result]) -> Any:
            ordered = sorted(results, key=lambda one: one.repeat)
            texts = [final_answer(one.response.text).text for one in ordered]
            sample, first = ordered[0].sample, ordered[0].response
            if len(texts) < pipeline.at_least:
                return None
            try:
                left = pipeline.left_of(texts, sample.extra.get("doc", {}))
                return self._measured(sample, left, first).get(measure.name)
            except (SlowPatternError, TaskCodeError):
                return 0.0

        return measured

    def scorer(self) -> Scorer:
        """The function that scores one answer. One that the task's own code does not bear is an error of its own;
        UserError where it bore none of the first ones, so that the others are not asked in vain."""
        of_answer = self._written if self.config.kind == "generate_until" else self._ranked
        borne, failures = False, 0

        def scored(sample: Sample, request: Request, response: Response) -> Score:
            nonlocal borne, failures
            try:
                score = of_answer(sample, request, response)
            except TaskCodeError as failed:
                failures += 1
                if failures > ALL_FAILED and not borne:
                    raise UserError(
                        f"{failed}; so it was with each of the first {failures} answers, and nothing more is asked or "
                        "scored (what came is kept; mend the code and give the same command again)"
                    ) from failed
                return Score(status="error", detail={"error": str(failed)})
            borne = True
            return score

        return scored

    def _ranked(self, sample: Sample, request: Request, response: Response) -> Score:
        if not request.choices:
            return choice_by_length(sample, request, response)
        if not response.greedy and self.config.kind == "loglikelihood":
            return Score(status="error", detail={"error": "the model does not say whether a token was the likeliest"})
        if self.by_code is not None:
            whole = self.config.kind == "loglikelihood_rolling"
            given = (response.logprobs, ()) if whole else ((), _pairs(response))
            values = self._by_code(self.by_code, sample, *given)
        elif self.config.kind == "multiple_choice":
            values = choice_values(sample, response, {measure.name for measure in self.measures})
        elif self.config.kind == "loglikelihood":
            values = {"acc": float(response.greedy[0]), "logprob": response.logprobs[0]}
        else:
            values = rolling_values(sample.choices[0], response.logprobs[0])
        score = self._score(
            {our_metric_name(k, self.config.kind, self.by_code is not None): v for k, v in values.items()}
        )
        if self.config.kind == "multiple_choice":
            count = len(sample.choices)
            answer = sample.choices[best(response.logprobs[:count])]
            return replace(score, answer=answer)
        return score

    def _written(self, sample: Sample, request: Request, response: Response) -> Score:
        values: MetricValues = {}
        unread, shown = False, response.text
        for place, pipeline in enumerate(self.pipelines):
            doc = sample.extra.get("doc", {})
            try:
                left = pipeline.left_of([response.text], doc)
                found = self._measured(sample, left, response)
            except SlowPatternError as error:
                return replace(unparsed_score(self.measures[0].label), detail={"unread": str(error)})
            if not place:
                unread = pipeline.unread(left) or not response.text.strip()
                shown = left if isinstance(left, str) else str(left[0] if isinstance(left, list) and left else left)
            mark = f",{pipeline.name}" if place else ""
            values |= {
                f"{our_metric_name(name, self.config.kind, self._own(name))}{mark}": v for name, v in found.items()
            }
        score = self._score(values)
        if unread and score.status != "correct":
            return Score(status="unparsed", scores=score.scores, detail=score.detail)
        return replace(score, answer=shown)

    def _own(self, name: str) -> bool:
        return self.by_code is not None or any(m.name == name and m.function is not None for m in self.measures)

    def _by_code(
        self, function: TaskFunction, sample: Sample, written: Sequence[Any], ranked: Sequence[LogprobPair] = ()
    ) -> MetricValues:
        found = self.code.call(
            "results", function, function=self.code.named(function), doc=sample.extra.get("doc", {}),
            written=list(written), ranked=list(ranked),
        )  # fmt: skip
        if not isinstance(found, dict):
            raise self.config.document.error(function.where, f"{function.spelled} gives no mapping of metrics")
        return found

    def _measured(self, sample: Sample, left: Any, response: Response | None = None) -> MetricValues:
        """What the metrics make of what the filters left; a task's code is given what was ranked after it, too."""
        if self.by_code is not None:
            return self._by_code(self.by_code, sample, [left], _pairs(response) if response is not None else ())
        values: MetricValues = {}
        for measure in self.measures:
            if measure.function is not None:
                values |= self._by_function(measure, measure.function, sample, left)
            elif measure.name not in METRICS[self.config.kind]:
                continue  # given by another one's function
            elif measure.name == "exact_match":
                values[measure.name] = exact_match(measure.options, sample.answers, left)
            elif measure.name != "bypass":  # aggregated over the corpus
                values[measure.name] = [_reference(sample), left]
        return values

    def _by_function(self, measure: Measure, function: TaskFunction, sample: Sample, left: Any) -> MetricValues:
        target, several = sample.extra.get("target"), isinstance(sample.extra.get("target"), list)
        gold = list(sample.answers) if several else sample.answers[0] if sample.answers else target

        def measured(one: Any) -> Any:
            return self.code.call(
                "measure", function, function=self.code.named(function), gold=one, result=left,
                keywords=dict(measure.options),
            )  # fmt: skip

        if several and isinstance(gold, list) and measure.name != "exact_match":
            found = [measured(one) for one in gold]
            found = [one.get(measure.name) if isinstance(one, dict) else one for one in found]
            return {measure.name: float(any(found))}
        found = measured(gold)
        return found if isinstance(found, dict) else {measure.name: found}

    def _score(self, values: MetricValues) -> Score:
        """Numbers are scores; what is none waits for the figure of all answers."""
        scores = {k: float(v) for k, v in values.items() if isinstance(v, int | float) and math.isfinite(v)}
        items = {k: v for k, v in values.items() if k not in scores and v is not None}
        head = scores.get(self.measures[0].label)
        status = "scored" if head not in (0.0, 1.0) else "correct" if head else "wrong"
        return Score(status=status, scores=scores, detail={UNNUMBERED: items} if items else {})  # type: ignore[arg-type]


def _pairs(response: Response) -> list[LogprobPair]:
    """What was ranked, as a task's code is given it."""
    greedy = response.greedy or (False,) * len(response.logprobs)
    return list(zip(response.logprobs, greedy, strict=True))


def _reference(sample: Sample) -> Any:
    """The right answer; all of them where there are several."""
    return list(sample.answers) if len(sample.answers) > 1 else sample.answers[0] if sample.answers else ""


def exact_match(options: Mapping[str, Any], answers: Sequence[str], left: Any) -> float:
    """Whether what is left of the answer is one of the right ones, by exact_match's options."""
    normal = normaliser(options)
    said = left if isinstance(left, list) else [left]
    wanted = {normal(answer) for answer in answers}
    return float(bool(said) and all(normal(str(one)) in wanted for one in said))


_BLANKS = re.compile(r"\s+")


def rolling_values(text: str, logprob: float) -> MetricValues:
    """The log-probability of a text with the units that it is counted in."""
    words, size = len(_BLANKS.split(text)), _size(text)
    return {"word_perplexity": [logprob, words], "byte_perplexity": [logprob, size], "bits_per_byte": [logprob, size]}


def choice_values(sample: Sample, response: Response, wanted: set[str]) -> MetricValues:
    """The metrics of ranked choices. A choice's length is that of its text, without the delimiter before it."""
    count, gold = len(sample.choices), sample.gold_indices
    ranked = response.logprobs[:count]
    several = len(gold) > 1 or isinstance(sample.extra.get("target"), list)
    values: MetricValues = {
        "acc": float(best(ranked) in gold),
        "acc_norm": float(best(_per(ranked, [len(text) for text in sample.choices])) in gold),
        "acc_bytes": float(best(_per(ranked, [_size(text) for text in sample.choices])) in gold),
        "exact_match": float(any(response.greedy[i] for i in gold) if response.greedy else 0.0),
    }
    right = list(gold) if several else gold[0] if gold else -100
    values["f1"] = values["mcc"] = [right, best(ranked)]
    values["likelihood"] = [right, list(ranked)]
    if "brier_score" in wanted:
        chances = softmax(ranked)
        values["brier_score"] = sum((p - (i in gold)) ** 2 for i, p in enumerate(chances))
    if "acc_mutual_info" in wanted:
        alone = response.logprobs[count:]
        gained = tuple(with_it - without for with_it, without in zip(ranked, alone, strict=False))
        values["acc_mutual_info"] = float(bool(gained) and best(gained) in gold)
    return {name: value for name, value in values.items() if name in wanted or name in ("acc", "acc_norm")}


def _size(text: str) -> int:
    """Bytes of a text: lone surrogates, which JSON may hold, have three."""
    return len(text.encode("utf-8", "surrogatepass"))


def _per(logprobs: Sequence[float], lengths: Sequence[int]) -> tuple[float, ...]:
    return tuple(value / max(1, length) for value, length in zip(logprobs, lengths, strict=True))

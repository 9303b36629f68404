"""A benchmark examined without a model: its right answers must score 1, empty ones 0, and nothing may cut them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import training_messages
from evalharness.doctor.findings import CheckResult, Examination
from evalharness.errors import UserError
from evalharness.model import Model, Previews
from evalharness.options import RunOptions
from evalharness.records import Mode, Request, Response, Score
from evalharness.runs.plan import Plan, Task, prepare_task
from evalharness.runs.questions import Question
from evalharness.scoring.answers import Recorded, Scorer, score_response
from evalharness.text.stops import cut_at_stop

MOST_QUESTIONS = 200  # questions that are scored: a seeded draw
_SHOWN = 3
BOS_TEXTS = ("<s>", "<bos>", "<|begin_of_text|>", "<|begin▁of▁sentence|>", "<|startoftext|>", "[BOS]")


@dataclass(frozen=True, kw_only=True)
class _Nobody:
    """A model that is never asked: a benchmark is made ready for one."""

    chat: bool
    name: str = "nobody"
    fingerprint: str = "nobody"
    ranks: bool = True

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        yield from ()

    def describe(self) -> Mapping[str, Any]:
        return {}


def examine_benchmark(
    name: str, data: str | None = None, model: str | None = None, options: RunOptions | None = None
) -> Examination:
    """Examine a benchmark on these data, else on its bundled sample, or on those that its own file names; with a model
    of this machine its prompts are rendered too. UserError where there is no such benchmark, data or model."""
    options = options or RunOptions()
    data = data or (None if plugins.is_file(name) else "sample")
    known = plugins.load_benchmark(name, Path(data) if data not in (None, "sample") else None)
    plan = Plan(benchmarks=(name,), data=data, limit=MOST_QUESTIONS, options=options)
    findings: list[CheckResult] = []
    for mode in known.modes:
        task = prepare_task(name, replace(plan, mode=mode), _Nobody(chat=False))
        findings += _scored(task, mode, options)
    opened = None if model is None else plugins.load_model(model, None)
    findings += _one_bos(prepare_task(name, plan, opened or _Nobody(chat=True)), opened)
    return Examination(subject=name, findings=findings)


def _scored(task: Task, mode: Mode, options: RunOptions) -> Iterator[CheckResult]:
    """Right answers score 1, empty ones 0. Programs run in the sandbox for that, which tests itself first."""
    how = "ranked" if mode == "rank" else "written"
    right = _ranked if mode == "rank" else _written
    gold = [(question, made) for question in task.questions if (made := right(task, question)) is not None]
    benchmark = task.benchmark
    opened: AbstractContextManager[Scorer] = (
        nullcontext(benchmark.score) if benchmark.open_scorer is None else benchmark.open_scorer(options)
    )
    try:
        with opened as scorer:
            tier = scorer.record.get("tier") if isinstance(scorer, Recorded) else None
            if tier is not None:
                yield CheckResult(check="sandbox", verdict="ok", said=f"{tier}; it stood its self-test")
            if benchmark.judge is not None:
                yield CheckResult(
                    check="right answers", verdict="unknown", said="a judge says what answers are worth here"
                )
                return
            yield _all_worth(gold, scorer, 1.0, f"right answers, {how}", task)
            if mode == "write":
                asked = [question for question in task.questions if not _may_be_empty(task, question)]
                empty = [(question, Response(text="", finish="stop")) for question in asked]
                yield _all_worth(empty, scorer, 0.0, "empty answers", task)
                yield _uncut(task, gold, scorer)
    except UserError as error:
        yield CheckResult(check="scorer", verdict="wrong", said=str(error))


def _ranked(task: Task, question: Question) -> Response | None:
    """The right choice is the likeliest."""
    gold, choices = question.sample.gold_indices, question.request.choices
    if not gold or not choices:
        return None
    values = tuple(-1.0 if place in gold else -50.0 for place in range(len(choices)))
    return Response(
        logprobs=values, greedy=tuple(place in gold for place in range(len(choices))), lengths=(1,) * len(choices)
    )


def _written(task: Task, question: Question) -> Response | None:
    text = _right_text(task, question)
    return Response(text=text, finish="stop") if text else None


def _right_text(task: Task, question: Question) -> str:
    """The right answer as the benchmark's own examples write it, else the first of those that it accepts."""
    sample = question.sample
    shown = training_messages(task.benchmark, sample, chat=False)[-1].content
    return shown if shown.strip() else next((answer for answer in sample.answers if answer.strip()), "")


def _all_worth(
    answers: Sequence[tuple[Question, Response]], scorer: Scorer, wanted: float, what: str, task: Task
) -> CheckResult:
    """Whether each of these is worth that in the headline's score."""
    if not answers:
        return CheckResult(check=what, verdict="unknown", said="there are none to score")
    odd = []
    for question, response in answers:
        score = score_response(scorer, question.sample, question.request, response)
        worth = _worth(score, task.benchmark.metrics[0].score)
        if worth != wanted:
            odd.append(f"{question.sample.id} ({score.status}, {worth:g})")
    if not odd:
        return CheckResult(check=what, verdict="ok", said=f"all {len(answers):,} are worth {wanted:g}")
    named = ", ".join(odd[:_SHOWN]) + (", ..." if len(odd) > _SHOWN else "")
    return CheckResult(
        check=what, verdict="wrong", said=f"{len(odd):,} of {len(answers):,} are not worth {wanted:g}: {named}",
        do="the data, the scorer or the way answers are read is wrong for these",
    )  # fmt: skip


def _worth(score: Score, key: str | None) -> float:
    """An answer's part in the headline; where that is no mean of scores (a correlation), whether it is right."""
    return float(score.status == "correct") if key is None else score.scores.get(key, 0.0)


def _may_be_empty(task: Task, question: Question) -> bool:
    """Whether no answer may be the right one (SQuAD 2.0's questions without one)."""
    sample = question.sample
    return not (sample.answers or sample.gold_indices) and bool(_right_text(task, question))


def _uncut(task: Task, gold: Sequence[tuple[Question, Response]], scorer: Scorer) -> CheckResult:
    """A text to stop at that stands in a right answer cuts what a model writes rightly; where what is left is still
    right, it is the mark that ends answers."""
    stops = sorted({stop for question in task.questions for stop in question.request.stop if stop})
    spoilt = []
    for question, response in gold:
        text = response.text.strip()
        cut = cut_at_stop(text, question.request.stop)
        if len(cut) < len(text):
            left = replace(response, text=cut)
            score = score_response(scorer, question.sample, question.request, left)
            if _worth(score, task.benchmark.metrics[0].score) != 1.0:
                spoilt.append(question.sample.id)
    shown = ", ".join(map(repr, stops))
    if spoilt:
        named = ", ".join(spoilt[:_SHOWN]) + (", ..." if len(spoilt) > _SHOWN else "")
        return CheckResult(
            check="texts to stop at", verdict="wrong",
            said=f"{len(spoilt):,} right answers hold one ({shown}): {named}",
            do="a model that writes such an answer is cut there; leave that text out of `stop`",
        )  # fmt: skip
    said = f"none of {shown} spoils a right answer" if stops else "there are none"
    return CheckResult(check="texts to stop at", verdict="ok", said=said)


def _one_bos(task: Task, model: Model | None) -> Iterator[CheckResult]:
    """Whether a prompt begins with the text of a BOS token, which a tokenizer or server would put there again; of a
    model of this machine the tokens tell."""
    if model is not None and not isinstance(model, Previews):
        return
    begins = [q.sample.id for q in task.questions if q.request.text.startswith(BOS_TEXTS)]
    if isinstance(model, Previews):
        begins += [q.sample.id for q in task.questions[:MOST_QUESTIONS] if _doubled(model, q.request)]
    if begins:
        yield CheckResult(
            check="BOS", verdict="wrong", said=f"{len(begins):,} prompts begin with a BOS token twice ({begins[0]})",
            do="leave it out of the prompt: the tokenizer adds it",
        )  # fmt: skip
    else:
        where = f"with {model.name} " if model is not None else ""
        yield CheckResult(check="BOS", verdict="ok", said=f"no prompt {where}begins with a BOS token twice")


def _doubled(model: Previews, request: Request) -> bool:
    shown = model.preview(request)
    return shown.bos is True and len(shown.ids) > 1 and shown.ids[0] == shown.ids[1]

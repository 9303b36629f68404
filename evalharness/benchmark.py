"""What a benchmark is: where its rows come from, what is asked, how an answer is scored, which figures are reported.

A plug-in module (its file name is the plug-in's name) defines one of

    benchmark = Benchmark(title=..., ...)              # one benchmark
    family = Family(tasks=(...), open=open_task, ...)  # several under one roof: `glue/cola`, `bigbench/TASK`

and keeps its bundled sample beside it: `mmlu.py`, `mmlu.jsonl`. Its name is in neither: `plugins` fills in what the
file's name says. What is left out has the defaults of multiple choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness.data.rows import Row, Source
from evalharness.options import RunOptions
from evalharness.records import Estimate, Message, Mode, Origin, Request, Response, Result, Sample
from evalharness.scoring.answers import Scorer, choice, choice_by_length, option
from evalharness.scoring.metrics import Metric, mean
from evalharness.scoring.several import SameAnswer, same_words

TextOf = Callable[[Sample], str]
IsAsked = Callable[[Sample, Sample], bool]  # whether an example is the question that is asked
# (examples, all questions of the split in their order, how many are wanted, ...) -> the examples of each question
ShotsDrawn = Callable[[Sequence[Sample], Sequence[Sample], int, IsAsked], Iterable[Sequence[Sample]]]


def nothing(_: Sample) -> str:
    """The empty text, for prompts without that part."""
    return ""


def plain_question(sample: Sample) -> str:
    """The question as it is."""
    return sample.question


def first_answer(sample: Sample) -> str:
    """The first of the accepted answers, or the empty text."""
    return sample.answers[0] if sample.answers else ""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """How a sample becomes text. A base model reads description + shots + question, byte for byte.

    `question` ends where the answer begins (`...\\nAnswer:`); `answer` is the right answer as it stands in a shot or
    training example, its leading space included; `choices` are the continuations that log-likelihoods are wanted of,
    `context_per_choice` what is read before each. `written` is the prompt for generation where it is another one:
    options that are ranked as continuations must be shown to a model that writes.
    """

    question: TextOf = plain_question
    answer: TextOf = first_answer
    choices: Callable[[Sample], tuple[str, ...]] | None = None
    context_per_choice: Callable[[Sample], tuple[str, ...]] | None = None
    description: TextOf = nothing
    shot_separator: str = "\n\n"
    written: Prompt | None = None

    def text(self, sample: Sample, shots: Sequence[Sample]) -> str:
        """Description, each shot with its answer, and the question."""
        solved = [self.question(shot) + self.answer(shot) + self.shot_separator for shot in shots]
        return self.description(sample) + "".join(solved) + self.question(sample)


def same_question(prompt: Prompt, one: Sample, other: Sample) -> bool:
    """Whether two samples ask the same thing, whatever their ids and right answers."""
    asked = (one.question, one.choices) == (other.question, other.choices)
    return asked and prompt.question(one) == prompt.question(other)


PLAIN = Prompt()
BUNDLED = Source()
ACCURACY = (mean(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBoard:
    """What the figures of a benchmark's published board rest on, besides the authors' prompt and all items: the model
    that judged, and whose answers others are compared with (a part of that run's name; '' where the data has them)."""

    judge_model: str
    baseline: str = ""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark. Its facts are these fields and stand nowhere else.

    `name` is filled in from the plug-in's file name. `items` is the size of the scored split as published, `chance`
    the score of guessing. `modes` are the ways it can be asked, the preferred first: where none are said, ranking and
    writing if the prompt has choices, else writing. The first of `metrics` is the headline. `shots` come from the
    source's shot split, of the sample's own group when `shots_by_group`: the first ones in the order of
    `shots_order(examples, sample, shots)`, where there is one, without the asked question itself. Where the examples
    of a question depend on what was drawn for those before it, `shots_drawn` gives them for every question of the
    split in turn. `ask` replaces the default request; `follow_up` gives the next turn's request, or None when the
    conversation is over; with `ranks_after` the last turn ranks texts after what was asked, and the text that was
    written before stays beside their log-probabilities. `open_scorer` replaces `score` where scoring needs resources
    (a sandbox). A chat model writes up to `chat_max_tokens` and ends by itself or at `chat_stop`, a base model up to
    `max_tokens` or `stop`. `temperature` and `top_p` are used where the user says none. `judge` names the judge
    plug-in that gives the verdicts, `leaderboard` what the published board rests on. `warnings` says, from the
    results, when a figure is not to be believed. `about_form` names what of a question's spelling the right answer
    depends on (acceptability, symbols): such questions are not changed by --holistic. `missing_is_wrong`: the authors'
    script counts a question that a file of predictions lacks as 0 (SQuAD 1.1), not as absent (SQuAD 2.0). `repeats`
    answers are asked for where the user says none; `same_answer` says which of several answers are one, for a vote.
    `code_sha256` is that of the Python that a task file brings along.
    """

    name: str = ""
    title: str
    paper: str
    licence: str
    items: int
    source: Source = BUNDLED
    sample: Callable[[Row], Sample]
    prompt: Prompt = PLAIN
    score: Scorer = choice
    metrics: tuple[Metric, ...] = ACCURACY
    modes: tuple[Mode, ...] = ()
    shots: int = 0
    shots_by_group: bool = False
    shots_order: Callable[[Sequence[Sample], Sample, int], Sequence[Sample]] | None = None
    shots_drawn: ShotsDrawn | None = None
    max_tokens: int = 16
    chat_max_tokens: int = 1024
    stop: tuple[str, ...] = ("\n",)
    chat_stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    chance: float | None = None
    judge: str | None = None
    warnings: Callable[[Sequence[Result]], tuple[str, ...]] | None = None
    about_form: str = ""
    leaderboard: PublishedBoard | None = None
    missing_is_wrong: bool = False
    repeats: int = 1
    same_answer: SameAnswer = same_words
    code_sha256: str = ""
    ask: Callable[[Sample, Sequence[Sample], Mode, bool], Request] | None = None
    follow_up: Callable[[Sample, Request, Response], Request | None] | None = None
    ranks_after: bool = False
    open_scorer: Callable[[RunOptions], AbstractContextManager[Scorer]] | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """Several benchmarks under one name. `open(task, data)` gives one; `data` is the user's folder or file, or None.

    `tasks` lists what `evalh run FAMILY` runs and may be empty where only the data tells (then `discover(data)` does);
    a task of `optional_tasks` is run when it is named. `open` is asked for these only, or for any name where `tasks` is
    empty.
    `average` is the benchmark's own figure over its tasks, from the metrics of the tasks that were run; empty where one
    that it needs was not. `members(name, data)` are the tasks that a name of the user's stands for, where one name may
    stand for several. `reopen(task, file)` is the benchmark of a task by the file that describes it, as a
    run's manifest names it, where files do.
    """

    tasks: tuple[str, ...]
    open: Callable[[str, Path | None], Benchmark]
    optional_tasks: tuple[str, ...] = ()
    discover: Callable[[Path], tuple[str, ...]] | None = None
    average: Callable[[Mapping[str, Mapping[str, Estimate]]], Mapping[str, Estimate]] | None = None
    members: Callable[[str, Path | None], tuple[str, ...]] | None = None
    reopen: Callable[[str, Path], Benchmark] | None = None


def prompt_of(benchmark: Benchmark, mode: Mode) -> Prompt:
    """The prompt that a mode asks with."""
    written = benchmark.prompt.written
    return written if mode != "rank" and written is not None else benchmark.prompt


FIRST_TOKENS = 20  # likeliest ones that are asked for: the most that OpenAI's API and vLLM give


def asks_letters(benchmark: Benchmark) -> bool:
    """Whether its questions can be answered by the log-probabilities of letters as first tokens: it shows its choices
    behind letters, and the answer is one of them."""
    return (
        {"rank", "write"} <= set(benchmark.modes) and benchmark.ask is None and benchmark.follow_up is None
        and benchmark.open_scorer is None and benchmark.score in (choice, choice_by_length, option)
    )  # fmt: skip


def request(
    benchmark: Benchmark, sample: Sample, shots: Sequence[Sample], *, mode: Mode, chat: bool, repeat: int = 0
) -> Request:
    """The request that asks `sample` after `shots`; the same content for base and chat models.

    A chat template ends where the answer begins, so choices lose their leading space there (as lm-evaluation-harness
    does).
    """
    origin = Origin(id=sample.id, question=sample.question, choices=sample.choices, group=sample.group, repeat=repeat)
    if benchmark.ask is not None:
        return replace(benchmark.ask(sample, shots, mode, chat), origin=origin)
    prompt = prompt_of(benchmark, mode)
    messages = (Message("user", prompt.text(sample, shots)),)
    if mode == "letters":
        return Request(messages=messages, max_tokens=1, top_logprobs=FIRST_TOKENS, by_first_token=True, origin=origin)
    if mode == "write":
        for_chat, for_base = (benchmark.chat_max_tokens, benchmark.chat_stop), (benchmark.max_tokens, benchmark.stop)
        limit, stop = for_chat if chat else for_base
        return Request(messages=messages, max_tokens=limit, stop=stop, origin=origin)
    if prompt.choices is None:
        raise ValueError("a benchmark that ranks needs Prompt.choices")
    choices = prompt.choices(sample)
    given = prompt.context_per_choice(sample) if prompt.context_per_choice is not None else ()
    if chat and not given:
        choices = tuple(choice.lstrip() for choice in choices)
    return Request(messages=messages, choices=choices, context_per_choice=given, origin=origin)


def training_messages(benchmark: Benchmark, sample: Sample, *, chat: bool) -> tuple[Message, ...]:
    """The question without shots and its right answer, as the messages that fine-tuning learns from."""
    asked = request(benchmark, sample, (), mode="write", chat=chat)
    answer = prompt_of(benchmark, "write").answer(sample)
    return (*asked.messages, Message("assistant", answer.lstrip() if chat else answer))

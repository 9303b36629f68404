"""A task file as a benchmark: what is asked, byte for byte, and who scores it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.building_blocks.multiple_choice import shown
from evalharness.data.yaml_lines import YamlDocument
from evalharness.file_benchmarks.lm_eval.catalog import TaskCatalog
from evalharness.file_benchmarks.lm_eval.classes import task_of_class
from evalharness.file_benchmarks.lm_eval.code import task_code
from evalharness.file_benchmarks.lm_eval.config import TaskConfig, read_task_file
from evalharness.file_benchmarks.lm_eval.documents import Documents
from evalharness.file_benchmarks.lm_eval.filters import pipelines
from evalharness.file_benchmarks.lm_eval.formats import formatted
from evalharness.file_benchmarks.lm_eval.measures import measures_of
from evalharness.file_benchmarks.lm_eval.rows import DocView, ExampleTurn, SampleMaker, joined, wants_delimiter
from evalharness.file_benchmarks.lm_eval.scoring import TaskScorer
from evalharness.file_benchmarks.lm_eval.settings import examples_are_turns
from evalharness.file_benchmarks.lm_eval.shots import at_random
from evalharness.records import Message, Mode, Request, Response, Sample

_MODES: dict[str, tuple[Mode, ...]] = {
    "multiple_choice": ("rank", "write"),
    "loglikelihood": ("rank",),
    "loglikelihood_rolling": ("rank",),
    "generate_until": ("write",),
}


def open_lm_eval_file(file: Path, root: Path | None = None, selection: str = "") -> Benchmark:
    """The benchmark of a task file. DataError with file and line for what is missing or not understood. `root` is the
    folder of tasks that it is one of, and that its Python may read; `selection` one of its prompt formats."""
    return open_lm_eval_task(read_task_file(file), root, selection)


def open_catalog_task(catalog: TaskCatalog, name: str) -> Benchmark:
    """The benchmark of a task of a catalog, asked as the group and the format in its name have it."""
    name, selection = catalog.without_format(name)
    task, described_by = catalog.task(name), catalog.described_by(name)
    found = open_lm_eval_task(task.document(), (task.entry or described_by).root, selection)
    if task.over is None or found.source.described_by is None:
        return found
    files_by_group = task.entry is None or "dataset_kwargs" in task.over.value
    below = (task.over.file if files_by_group else found.source.described_by).parent
    return replace(found, source=replace(found.source, described_by=described_by.file, own_below=below))


def open_lm_eval_task(document: YamlDocument, root: Path | None = None, selection: str = "") -> Benchmark:
    """The benchmark of a task file whose includes are resolved."""
    document = formatted(document, selection)
    code = task_code(document, root)
    document, code = task_of_class(code)
    config = TaskConfig(document)
    config.check()
    documents, written = Documents(config, code), config.generation()
    by_code = config.function("process_results")
    scorer = TaskScorer(
        config=config, code=code, measures=measures_of(config, code), pipelines=pipelines(config, code), by_code=by_code
    )
    mutual = any(measure.name == "acc_mutual_info" for measure in scorer.measures)
    asking = Asking(config=config, mutual=mutual, as_turns=examples_are_turns())
    return Benchmark(
        name=config.name,
        title=f"{config.name}, as its lm-evaluation-harness file asks",
        paper="https://github.com/EleutherAI/lm-evaluation-harness",
        licence="as its data set says",
        items=0,
        source=documents.source(),
        sample=SampleMaker(config, scorer.wants_doc, by_code is not None)(),
        prompt=asking.prompt(),
        modes=_MODES[config.kind],
        shots=int(config.get("num_fewshot", 0)),
        # The asked question is looked for in the draw where the two splits are named alike, which they also are when
        # neither is named.
        shots_drawn=at_random(_named_alike(config)) if config.sampler == "default" else None,
        max_tokens=written.max_tokens,
        stop=written.stop,
        temperature=written.temperature,
        top_p=written.top_p,
        score=scorer.scorer(),
        metrics=scorer.metrics(),
        repeats=scorer.repeats,
        ask=asking.request,
        follow_up=asking.follow_up if config.ranked_after else None,
        ranks_after=bool(config.ranked_after),
        code_sha256=code.sha256,
    )


def _named_alike(config: TaskConfig) -> bool:
    return bool((config.examples.get("split") or config.get("fewshot_split")) == config.get("test_split"))


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The requests of a task. `mutual`: every choice is ranked without the question too; `as_turns`: a chat model reads
    each example as a turn of the user and one of its own."""

    config: TaskConfig
    mutual: bool
    as_turns: bool

    def prompt(self) -> Prompt:
        """The parts of a prompt one by one: for fine-tuning, and for asking a model that only writes."""
        prompt = Prompt(
            description=_header,
            question=lambda s: s.question,
            answer=self._answer,
            choices=self._continuations if self.config.kind != "generate_until" else None,
            shot_separator=self.config.between,
        )
        if self.config.kind != "multiple_choice":
            return prompt
        return replace(prompt, written=shown(prompt.question, prompt.description, prompt.shot_separator))

    def request(self, sample: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
        """The request that asks a sample after examples, as one text, or as turns for a chat template."""
        if mode == "write" and self.config.kind == "multiple_choice":
            return self._shown(sample, shots, chat)
        if self.config.kind == "loglikelihood_rolling":
            return Request(messages=(Message("user", ""),), choices=sample.choices)
        if mode == "write":
            written = self.config.generation()
            messages = self._messages(sample, shots, chat)
            return Request(messages=messages, max_tokens=written.max_tokens, stop=written.stop)
        choices = self._continuations(sample, chat)
        if "continuation" in sample.extra:  # the choices stand in the question, one context for each
            return self._by_context(sample, shots, choices)
        messages = self._messages(sample, shots, chat and not self.mutual)
        if not self.mutual:
            return Request(messages=messages, choices=choices)
        whole, none = "".join(message.content for message in messages), ("",) * len(choices)
        return Request(
            messages=(Message("user", ""),), choices=choices * 2, context_per_choice=(whole,) * len(choices) + none
        )

    def follow_up(self, sample: Sample, request: Request, response: Response) -> Request | None:
        """What is ranked after the same prompt once the answer is written."""
        return None if request.choices else Request(messages=request.messages, choices=self.config.ranked_after)

    def _shown(self, sample: Sample, shots: Sequence[Sample], chat: bool) -> Request:
        """For a model that only writes: the choices are shown, and one of them is wanted."""
        prompt = self.prompt().written
        assert prompt is not None
        limit, stop = (1024, ()) if chat else (16, ("\n",))
        return Request(messages=(Message("user", prompt.text(sample, shots)),), max_tokens=limit, stop=stop)

    def _by_context(self, sample: Sample, shots: Sequence[Sample], choices: tuple[str, ...]) -> Request:
        before = _header(sample) + self._examples(shots)
        texts = tuple(before + text + _prefix(sample) for text in sample.choices)
        return Request(messages=(Message("user", ""),), choices=choices, context_per_choice=texts)

    def _messages(self, sample: Sample, shots: Sequence[Sample], chat: bool) -> tuple[Message, ...]:
        """The description as the system's turn, the examples, the question, and the beginning of the answer where the
        task has one; for a model without a chat template all in one text."""
        prefix, header = _prefix(sample), _header(sample)
        if not chat:
            delimiter = self.config.delimiter if prefix and wants_delimiter(sample.question, prefix) else ""
            return (Message("user", header + self._examples(shots) + sample.question + delimiter + prefix),)
        system = (Message("system", header),) if header else ()
        begun = (Message("assistant", prefix),) if prefix else ()
        if not self.as_turns:
            return (*system, Message("user", self._examples(shots) + sample.question), *begun)
        turns = tuple(message for shot in shots for message in self._turns(shot))
        return (*system, *turns, Message("user", sample.question), *begun)

    def _turns(self, shot: Sample) -> tuple[Message, ...]:
        """An example as turns: no delimiter stands between them. One that needed none has its question as it is."""
        question, answer = self._example(shot)
        if question != shot.question:
            question = question.removesuffix(str(DocView(self.config, shown=True).said("target_delimiter", " ")))
        said = () if answer is None else (Message("assistant", answer),)
        return (Message("user", question), *said)

    def _examples(self, shots: Sequence[Sample]) -> str:
        """The examples as one text. One without an answer is followed by nothing."""
        between = str(self.config.examples.get("fewshot_delimiter") or self.config.between)
        turns = map(self._example, shots)
        return "".join(question + (f"{answer}{between}" if answer is not None else "") for question, answer in turns)

    def _example(self, shot: Sample) -> ExampleTurn:
        turn = shot.extra.get("turn")
        if turn is not None:
            return turn[0], turn[1]
        answer = self._answer_text(shot)
        return (shot.question + self.config.delimiter, answer) if answer else (shot.question, None)

    def _continuations(self, sample: Sample, chat: bool = False) -> tuple[str, ...]:
        """What is ranked: of one continuation, as there, without a delimiter before it."""
        if self.config.kind != "multiple_choice":
            return sample.choices
        prefix = str(self.config.get("gen_prefix", ""))
        delimiter = "" if chat and (not prefix or prefix[-1].isspace()) else self.config.delimiter
        if "continuation" in sample.extra:
            return tuple(delimiter + str(sample.extra["continuation"]) for _ in sample.choices)
        return tuple(delimiter + text for text in sample.choices)

    def _answer_text(self, sample: Sample) -> str:
        if sample.choices and sample.gold_indices:
            return sample.choices[sample.gold_indices[0]]
        return sample.answers[0] if sample.answers else ""

    def _answer(self, sample: Sample) -> str:
        """The right answer behind its delimiter, and the prefix where the task begins the answer itself."""
        prefix, answer = _prefix(sample), self._answer_text(sample)
        return self.config.delimiter + (joined(prefix, answer, " ") if prefix else answer)


def _prefix(sample: Sample) -> str:
    return str(sample.extra.get("prefix", ""))


def _header(sample: Sample) -> str:
    return str(sample.extra.get("header", ""))

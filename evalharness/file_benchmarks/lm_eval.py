"""lm-evaluation-harness's task YAML, for the tasks without Python (https://github.com/EleutherAI/lm-evaluation-harness,
docs/task_guide.md).

What decides a score and is not understood here is refused by file and line; nothing of it is passed over.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark, Prompt, ShotsDrawn
from evalharness.building_blocks.multiple_choice import shown
from evalharness.data import yaml_lines
from evalharness.data.rows import Source
from evalharness.data.yaml_lines import Function, YamlDocument, YamlPath
from evalharness.errors import nearest, option_name
from evalharness.file_benchmarks.lm_eval_rows import sample_of
from evalharness.file_benchmarks.lm_eval_shots import at_random
from evalharness.records import Mode, Request, Response, Sample, Score
from evalharness.scoring.answers import Scorer, binary_score, choice_by_length, last_word, unparsed_score
from evalharness.scoring.metrics import Metric, mean, mean_where, perplexity
from evalharness.text.patterns import SlowPatternError, pattern_of

MARKS = ("output_type", "doc_to_text", "dataset_path")
HARMLESS = {
    "task", "task_alias", "tag", "group", "metadata", "should_decontaminate", "doc_to_decontamination_query", "include",
}  # fmt: skip
READ = {
    "dataset_path", "dataset_name", "dataset_kwargs", "test_split", "validation_split", "training_split",
    "fewshot_split", "num_fewshot", "doc_to_text", "doc_to_target", "doc_to_choice", "output_type", "metric_list",
    "generation_kwargs", "description", "target_delimiter", "fewshot_delimiter", "filter_list", "repeats",
    "fewshot_config",
}  # fmt: skip
# The options of exact_match and of the filters; another one would be passed over.
METRIC_KEYS = {
    "metric", "aggregation", "higher_is_better", "hf_evaluate",
    "regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers",
}  # fmt: skip
FILTER_KEYS: Mapping[str, set[str]] = {
    "regex": {"regex_pattern", "group_select", "fallback"},
    "remove_whitespace": set(),
    "lowercase": set(),
    "uppercase": set(),
    "take_first": set(),
}
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")  # the first one there counts
GENERATION_KEYS = {"until", "do_sample", "temperature", "top_p", "num_beams", *LENGTHS}
METRICS: Mapping[str, Mapping[str, str]] = {  # theirs -> ours
    "multiple_choice": {"acc": "accuracy", "acc_norm": "accuracy_norm"},
    "generate_until": {"exact_match": "accuracy"},
    "loglikelihood": {"acc": "accuracy", "perplexity": "perplexity"},
}
AGGREGATIONS = {"mean", "perplexity"}
_TEXT, _NUMBER, _COUNT = ({"type": [kind, "null"]} for kind in ("string", "number", "integer"))


def _mapping(**fields: Any) -> Mapping[str, Any]:
    return {"type": ["object", "null"], "properties": fields}


def _list(each: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": ["array", "null"], "items": each}


# What kind of value each key has, where one of another kind could not be worked with.
_SHAPES = _mapping(
    output_type={"type": "string"}, target_delimiter={"type": "string"}, fewshot_delimiter={"type": "string"},
    test_split=_TEXT, validation_split=_TEXT, training_split=_TEXT, fewshot_split=_TEXT,
    num_fewshot={**_COUNT, "minimum": 0, "maximum": 10**6}, fewshot_config=_mapping(), dataset_kwargs=_mapping(),
    generation_kwargs=_mapping(
        temperature={**_NUMBER, "minimum": 0, "maximum": 10**6}, top_p={**_NUMBER, "minimum": 0, "maximum": 1},
        until={"type": ["string", "array", "null"]},
        **{name: {**_COUNT, "minimum": 1} for name in LENGTHS},
    ),
    metric_list=_list(
        {"type": "object", "properties": {"metric": {"type": "string"}, "aggregation": {"type": "string"},
                                          "regexes_to_ignore": _list({"type": "string"})}}
    ),
    filter_list=_list(
        {"type": "object", "properties": {"filter": _list(
            {"type": "object", "properties": {"group_select": {"type": "integer"}, "fallback": _TEXT}}
        )}}
    ),
)  # fmt: skip
_FILES = {"json": ".json", "csv": ".csv", "parquet": ".parquet"}


def is_task(document: YamlDocument) -> bool:
    """Whether a YAML file is in this format."""
    return "include" in document.value or any(key in document.value for key in MARKS)


def open_lm_eval_task(document: YamlDocument) -> Benchmark:
    """The benchmark of a task file. DataError with file and line for what is missing or not understood."""
    document = _included(document)
    task = LmEvalTask(document)
    task.check()
    kind = task.kind
    score, metrics = task.scorer()
    modes: tuple[Mode, ...] = (
        ("rank",) if kind == "loglikelihood" else ("rank", "write") if kind == "multiple_choice" else ("write",)
    )
    written = task.generation()
    return Benchmark(
        name=str(task.get("task", document.file.stem)),
        title=f"{task.get('task', document.file.stem)}, as its lm-evaluation-harness file asks",
        paper="https://github.com/EleutherAI/lm-evaluation-harness",
        licence="as its data set says",
        items=0,
        source=task.source(),
        sample=sample_of(document, kind),
        prompt=task.prompt(),
        modes=modes,
        shots=int(task.get("num_fewshot", 0) or 0),
        shots_drawn=task.shots_drawn(),
        max_tokens=written.max_tokens,
        stop=written.stop,
        temperature=written.temperature,
        top_p=written.top_p,
        score=score,
        metrics=metrics,
    )


def _included(document: YamlDocument, depth: int = 0) -> YamlDocument:
    """The file over the file that it includes; the lines of included keys are those of the other file."""
    named = document.value.get("include")
    if named is None:
        return document
    if not isinstance(named, str) or depth > 5:
        raise document.error(("include",), "wanted the name of one file, and no ring of them")
    file = document.file.parent / named
    if not file.is_file():
        raise document.error(("include",), f"there is no file {file}")
    return document.over(_included(yaml_lines.read_yaml(file), depth + 1))


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How `generation_kwargs` has an answer written."""

    max_tokens: int
    stop: tuple[str, ...]
    temperature: float
    top_p: float


@dataclass(frozen=True)
class LmEvalTask:
    """A task file, its includes resolved."""

    document: YamlDocument

    @property
    def kind(self) -> str:
        return str(self.get("output_type", "generate_until"))

    def get(self, key: str, default: Any = None) -> Any:
        return self.document.value.get(key, default)

    def check(self) -> None:
        """Refuse Python, unknown keys, and kinds of output that are not read."""
        for where, found in _leaves(self.document.value):
            if isinstance(found, Function):
                raise self.document.error(where, f"{where[0]} is Python (!function {found}), which is never run")
        for key in self.document.value:
            if key not in READ | HARMLESS:
                known = nearest(key, READ)
                raise self.document.error((key,), f"the key {key!r} is not understood{known}; it may decide the score")
        self.document.hold_to(_SHAPES)
        if self.kind not in METRICS:
            raise self.document.error(
                ("output_type",), f"the output_type {self.kind} is not read; there is {', '.join(METRICS)}"
            )
        for key in ("doc_to_text", "doc_to_target", "dataset_path"):
            if key not in self.document.value:
                raise self.document.error((), f"the key {key!r} is missing")
        if self.kind == "multiple_choice" and "doc_to_choice" not in self.document.value:
            raise self.document.error(("output_type",), "multiple_choice wants doc_to_choice")
        if self.get("repeats", 1) != 1:
            raise self.document.error(
                ("repeats",),
                f"repeats are asked for with {option_name('repeats', 'N')} {option_name('temperature', 'T')}",
            )
        if set(self.get("fewshot_config") or {}) - {"sampler"} or self.sampler not in ("default", "first_n"):
            said = "of fewshot_config only `sampler: first_n` and `sampler: default` are read"
            raise self.document.error(("fewshot_config",), said)

    @property
    def sampler(self) -> str:
        """Which examples are shown: the first ones, or (default) some drawn at random."""
        return str((self.get("fewshot_config") or {}).get("sampler", "default"))

    def shots_drawn(self) -> ShotsDrawn | None:
        """The draw of examples; None where they are the first ones. The asked question is looked for in the draw where
        the two splits are named alike, which they also are when neither is named."""
        named_alike = self.get("fewshot_split") == self.get("test_split")
        return at_random(named_alike) if self.sampler == "default" else None

    def generation(self) -> GenerationSettings:
        """`generation_kwargs`, by lm_eval/models/utils.py (normalize_gen_kwargs)."""
        said = self.get("generation_kwargs") or {}
        for key in said:
            if key not in GENERATION_KEYS or (key == "num_beams" and said[key] != 1):
                known = f"; there is {', '.join(sorted(GENERATION_KEYS))} (num_beams: 1)"
                raise self.document.error(("generation_kwargs", key), f"{key}: {said[key]} is not read{known}")
        until = said.get("until", self.get("fewshot_delimiter", "\n\n"))
        lengths = [int(said[name]) for name in LENGTHS if said.get(name) is not None]
        temperature = float(said.get("temperature") or 0.0)
        if said.get("do_sample") and not temperature:
            raise self.document.error(("generation_kwargs",), "do_sample: true wants a temperature above 0")
        return GenerationSettings(
            max_tokens=lengths[0] if lengths else 256,
            stop=tuple(str(one) for one in (until if isinstance(until, list) else [until]) if one not in (None, "")),
            temperature=0.0 if said.get("do_sample") is False else temperature,
            top_p=float(said.get("top_p") or 1.0),
        )

    def source(self) -> Source:
        """A hub data set, or the files of dataset_kwargs.data_files (relative to the task file, or to here)."""
        split = self.get("test_split") or self.get("validation_split")
        if not split:
            raise self.document.error((), "wanted test_split or validation_split")
        shots = self.get("fewshot_split") or self.get("training_split") or self.get("validation_split") or split
        kwargs, path = self.get("dataset_kwargs") or {}, str(self.get("dataset_path"))
        unread = sorted(set(kwargs) - {"data_files", "revision", "trust_remote_code"})
        if unread or kwargs.get("trust_remote_code"):
            what = unread[0] if unread else "trust_remote_code"
            raise self.document.error(("dataset_kwargs", what), f"dataset_kwargs.{what} is not read")
        own: dict[str, Path] = {}
        if path in _FILES:
            files = kwargs.get("data_files")
            if not files:
                raise self.document.error(("dataset_path",), f"dataset_path: {path} wants dataset_kwargs.data_files")
            own = {s: self._file(s, f) for s, f in (files if isinstance(files, dict) else {"train": files}).items()}
            if split not in own:
                raise self.document.error(
                    ("dataset_kwargs",), f"data_files have no split {split!r}; there is {', '.join(own)}"
                )
        return Source(
            "" if own else f"{path}@{kwargs.get('revision', 'main')}", config=self.get("dataset_name"),
            split=str(split), shot_split=shots, own=own, described_by=self.document.file if own else None,
        )  # fmt: skip

    def _file(self, split: str, named: Any) -> Path:
        where = ("dataset_kwargs", "data_files", split)
        if not isinstance(named, str):
            raise self.document.error(where, "wanted one file per split")
        beside = self.document.file.parent
        found = next((p for p in (beside / named, Path(named)) if p.is_file()), None)
        if found is None:
            raise self.document.error(where, f"there is no file {named}")
        return found

    def prompt(self) -> Prompt:
        delimiter = str(self.get("target_delimiter", " "))
        ranked = "" if self.kind == "loglikelihood" else delimiter  # as there: one continuation is asked as it is

        def spaced(text: str) -> str:
            if not text:
                said = "the target of an example is empty, which lm-evaluation-harness shows without what follows it"
                raise self.document.error(("doc_to_target",), f"{said}: not read")
            return delimiter + text

        prompt = Prompt(
            description=lambda s: str(s.extra["header"]),
            question=lambda s: s.question,
            answer=lambda s: spaced(s.choices[s.gold_indices[0]] if s.choices else s.answers[0]),
            choices=(lambda s: tuple(ranked + c for c in s.choices)) if self.kind != "generate_until" else None,
            shot_separator=str(self.get("fewshot_delimiter", "\n\n")),
        )
        if self.kind != "multiple_choice":
            return prompt
        return replace(prompt, written=shown(prompt.question, prompt.description, prompt.shot_separator))

    def scorer(self) -> tuple[Scorer, tuple[Metric, ...]]:
        """The score of one answer and the figures of metric_list, in its order."""
        wanted = self.get("metric_list") or [{"metric": name} for name in METRICS[self.kind]]
        names: list[str] = []
        options: Mapping[str, Any] = {}
        for i, entry in enumerate(wanted):
            name = entry.get("metric") if isinstance(entry, Mapping) else None
            if name not in METRICS[self.kind]:
                there = ", ".join(METRICS[self.kind])
                raise self.document.error(
                    ("metric_list", i), f"the metric {name!r} is not read for {self.kind}; there is {there}"
                )
            if entry.get("aggregation", "mean") not in AGGREGATIONS:
                raise self.document.error(
                    ("metric_list", i, "aggregation"), f"the aggregation {entry['aggregation']!r} is not read"
                )
            if name == "exact_match":  # the others take no options
                self._known(("metric_list", i), entry, METRIC_KEYS)
            names.append(METRICS[self.kind][str(name)])
            options = entry if self.kind == "generate_until" else {}
        figures = {"accuracy": mean(), "accuracy_norm": mean_where("accuracy_norm"), "perplexity": perplexity()}
        score = {"multiple_choice": choice_by_length, "loglikelihood": last_word}.get(self.kind)
        return score or self._exact(options), tuple(figures[name] for name in names)

    def _known(self, where: YamlPath, said: Mapping[str, Any], known: set[str]) -> None:
        for key in said:
            if key not in known:
                raise self.document.error((*where, key), f"the option {key!r} is not read{nearest(key, known)}")

    def _exact(self, options: Mapping[str, Any]) -> Scorer:
        """exact_match with its options, after the first of filter_list's pipelines."""
        pipelines = self.get("filter_list") or [{"filter": []}]
        steps = [self._filter(i, step) for i, step in enumerate(pipelines[0].get("filter") or [])]
        try:
            normal = normaliser(options)
        except ValueError as error:
            raise self.document.error(("metric_list",), f"regexes_to_ignore: {error}") from error

        def score(sample: Sample, request: Request, response: Response) -> Score:
            text: str | None = response.text
            try:
                for step in steps:
                    text = step(text) if text is not None else None
                right = text is not None and normal(text) in {normal(answer) for answer in sample.answers}
            except SlowPatternError as error:
                return replace(unparsed_score(), detail={"unread": str(error)})
            if text is None or (not right and not response.text.strip()):
                return unparsed_score()
            return binary_score(right, text)

        return score

    def _filter(self, place: int, step: Mapping[str, Any]) -> Callable[[str], str | None]:
        where, name = ("filter_list", 0, "filter", place), step.get("function")
        if not isinstance(name, str) or name not in FILTER_KEYS:
            raise self.document.error(where, f"the filter {name!r} is not read; there is {', '.join(FILTER_KEYS)}")
        self._known(where, step, {"function", *FILTER_KEYS[name]})
        if name == "regex":
            return self._regex(where, step)
        changes: Mapping[str, Callable[[str], str]] = {
            "take_first": str,
            "remove_whitespace": str.strip,
            "lowercase": str.lower,
            "uppercase": str.upper,
        }
        return changes[name]

    def _regex(self, where: YamlPath, step: Mapping[str, Any]) -> Callable[[str], str | None]:
        """What the expression finds; else the task's own fallback, or None where it has none."""
        try:
            expression = pattern_of(str(step.get("regex_pattern", r"#### (\-?[0-9\.\,]+)")))
        except ValueError as error:
            raise self.document.error((*where, "regex_pattern"), str(error)) from error
        group, fallback = int(step.get("group_select", 0)), step.get("fallback")

        def found(text: str) -> str | None:
            matches = expression.matches(text)
            if not matches or not -len(matches) <= group < len(matches):
                return fallback
            whole, *groups = matches[group]
            match = (groups or [whole])[0] if len(groups) < 2 else next((part for part in groups if part), fallback)
            return match.strip() if isinstance(match, str) else None

        return found


def normaliser(options: Mapping[str, Any]) -> Callable[[str], str]:
    """exact_match's options: regexes_to_ignore, ignore_case, ignore_punctuation, ignore_numbers, in this order."""
    ignored = [pattern_of(str(pattern)) for pattern in options.get("regexes_to_ignore") or ()]
    dropped = (string.punctuation if options.get("ignore_punctuation") else "") + (
        string.digits if options.get("ignore_numbers") else ""
    )

    def normal(text: str) -> str:
        for pattern in ignored:
            text = pattern.sub("", text)
        text = text.lower() if options.get("ignore_case") else text
        return text.translate(str.maketrans("", "", dropped))

    return normal


def _leaves(said: Any, where: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(said, Mapping):
        return [leaf for key, one in said.items() for leaf in _leaves(one, (*where, key))]
    if isinstance(said, list):
        return [leaf for i, one in enumerate(said) for leaf in _leaves(one, (*where, i))]
    return [(where, said)]

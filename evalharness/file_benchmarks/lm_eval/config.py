"""What a task file says: its includes resolved, its keys known, every value of the kind that it is worked with.

What decides a score and is not understood here is refused by file and line; nothing of it is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.data import yaml_lines
from evalharness.data.yaml_lines import Function, YamlDocument
from evalharness.errors import nearest
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.code import TaskFunction
from evalharness.file_benchmarks.lm_eval.inside_class import RANKED_AFTER

MARKS = ("output_type", "doc_to_text", "dataset_path", "custom_dataset", "class")
GROUP_KEYS = {"group", "task"}  # of a file that describes a group, which has none of the others
OUTPUT_TYPES = ("multiple_choice", "generate_until", "loglikelihood", "loglikelihood_rolling")
_HARMLESS = {
    "task", "task_alias", "tag", "group", "task_list", "metadata", "should_decontaminate",
    "doc_to_decontamination_query", "include", "unsafe_code",
}  # fmt: skip
_READ = {
    "dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "test_split", "validation_split",
    "training_split", "fewshot_split", "num_fewshot", "process_docs", "doc_to_text", "doc_to_target", "doc_to_choice",
    "output_type", "metric_list", "process_results", "generation_kwargs", "description", "target_delimiter",
    "fewshot_delimiter", "filter_list", "repeats", "fewshot_config", "gen_prefix", RANKED_AFTER,
}  # fmt: skip
_NOT_READ = {
    "class": "wanted !function MODULE.CLASS",
    "doc_to_image": "questions with images are not asked",
    "doc_to_audio": "questions with sound are not asked",
    "use_prompt": "promptsource's prompts are not read",
}
_EXAMPLE_KEYS = {
    "sampler", "split", "process_docs", "fewshot_indices", "samples", "doc_to_text", "doc_to_choice", "doc_to_target",
    "gen_prefix", "fewshot_delimiter", "target_delimiter",
}  # fmt: skip
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")  # the first one there counts
# Of these only the drawing of a token depends, and greedy decoding draws none.
_GENERATION_KEYS = {"until", "do_sample", "temperature", "top_p", "num_beams", *LENGTHS}
_DRAWING_KEYS = {"top_k", "min_p", "typical_p"}
_TEXT, _NUMBER, _COUNT = ({"type": [kind, "null"]} for kind in ("string", "number", "integer"))


def _mapping(**fields: Any) -> Mapping[str, Any]:
    return {"type": ["object", "null"], "properties": fields}


def _list(each: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": ["array", "null"], "items": each}


# What kind of value each key has, where one of another kind could not be worked with.
_SHAPES = _mapping(
    output_type={"type": "string"}, target_delimiter={"type": "string"}, fewshot_delimiter={"type": "string"},
    test_split=_TEXT, validation_split=_TEXT, training_split=_TEXT, fewshot_split=_TEXT, gen_prefix=_TEXT,
    num_fewshot={**_COUNT, "minimum": 0, "maximum": 10**6}, repeats={**_COUNT, "minimum": 1, "maximum": 10**4},
    fewshot_config=_mapping(
        sampler=_TEXT, split=_TEXT, gen_prefix=_TEXT, fewshot_delimiter=_TEXT, target_delimiter=_TEXT,
        fewshot_indices=_list({"type": "integer", "minimum": 0}),
    ),
    dataset_kwargs=_mapping(),
    generation_kwargs=_mapping(
        temperature={**_NUMBER, "minimum": 0, "maximum": 10**6}, top_p={**_NUMBER, "minimum": 0, "maximum": 1},
        until={"type": ["string", "array", "null"]},
        **{name: {**_COUNT, "minimum": 1} for name in LENGTHS},
    ),
    metric_list=_list(
        {"type": "object", "required": ["metric"],
         "properties": {"metric": {"type": "string"}, "aggregation": {"type": "string"},
                        "regexes_to_ignore": _list({"type": "string"})}}
    ),
    filter_list=_list(
        {"type": "object", "properties": {"filter": _list(
            {"type": "object", "properties": {
                "group_select": {"type": "integer"}, "fallback": {"type": ["string", "array", "null"]}}}
        )}}
    ),
)  # fmt: skip


def is_task(document: YamlDocument) -> bool:
    """Whether a YAML file is in this format."""
    return "include" in document.value or any(key in document.value for key in MARKS)


def read_task_file(file: Path, above: tuple[Path, ...] = ()) -> YamlDocument:
    """The file over the files that it includes, the later of them over the earlier; each key keeps its own file and
    line. A key that is there twice counts as its last, with a warning. DataError for a ring of includes."""
    repeated: list[int] = []
    document = yaml_lines.read_yaml(file, repeated)
    if repeated:
        warn(f"{file}:{repeated[0]}: this key is there twice; the last one counts")
    return with_includes(document, above)


def with_includes(document: YamlDocument, above: tuple[Path, ...] = ()) -> YamlDocument:
    """A mapping over the files that it includes. DataError for a ring of includes."""
    file, named = document.file, document.value.get("include")
    if named is None:
        return document
    names = named if isinstance(named, list) else [named]
    base: YamlDocument | None = None
    for place, name in enumerate(names):
        where = ("include", place) if isinstance(named, list) else ("include",)
        if not isinstance(name, str):
            raise document.error(where, "wanted the name of a file, or a list of such names")
        other = file.parent / name
        ring = (*above, file.resolve())
        if other.resolve() in ring:
            raise document.error(where, f"a ring of includes: {name} includes this file again")
        if not other.is_file():
            raise document.error(where, f"there is no file {other}")
        found = read_task_file(other, ring)
        base = found if base is None else found.over(base)
    return document if base is None else document.over(base)


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How `generation_kwargs` has an answer written."""

    max_tokens: int
    stop: tuple[str, ...]
    temperature: float
    top_p: float


@dataclass(frozen=True)
class TaskConfig:
    """A task file, its includes resolved."""

    document: YamlDocument

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; the default too where the file says null."""
        found = self.document.value.get(key)
        return default if found is None else found

    @property
    def name(self) -> str:
        return str(self.get("task", self.document.file.stem))

    @property
    def kind(self) -> str:
        return str(self.get("output_type", "generate_until"))

    @property
    def examples(self) -> Mapping[str, Any]:
        """`fewshot_config`: what is said of the examples alone."""
        return self.get("fewshot_config", {})  # type: ignore[no-any-return]

    def function(self, *where: str | int) -> TaskFunction | None:
        """The function that stands at a place, if one does."""
        found: Any = self.document.value
        for part in where:
            there = isinstance(found, Mapping) or (isinstance(found, list) and isinstance(part, int))
            found = found[part] if there and (isinstance(part, int) or part in found) else None
        return TaskFunction(self.document, where, str(found)) if isinstance(found, Function) else None

    def check(self) -> None:
        """Refuse unknown keys, and what is known and not read."""
        for key, why in _NOT_READ.items():
            if self.get(key) is not None:
                raise self.document.error((key,), f"{key}: {why}")
        for key in self.document.value:
            if key not in _READ | _HARMLESS:
                known = nearest(key, _READ)
                raise self.document.error((key,), f"the key {key!r} is not understood{known}; it may decide the score")
        self.document.hold_to(_SHAPES)
        if self.kind not in OUTPUT_TYPES:
            raise self.document.error(
                ("output_type",), f"the output_type {self.kind} is not read; there is {OUTPUT_TYPES}"
            )
        wanted = ["doc_to_target", *(["doc_to_text"] if self.kind != "loglikelihood_rolling" else [])]
        for key in wanted + (["dataset_path"] if self.get("custom_dataset") is None else []):
            if self.document.value.get(key) is None:
                raise self.document.error((), f"the key {key!r} is missing")
        if self.kind == "multiple_choice" and self.get("doc_to_choice") is None:
            raise self.document.error(("output_type",), "multiple_choice wants doc_to_choice")
        for key in self.examples:
            if key not in _EXAMPLE_KEYS:
                said = f"the key {key!r} is not understood{nearest(key, _EXAMPLE_KEYS)}"
                raise self.document.error(("fewshot_config", key), said)
        if self.sampler not in ("default", "first_n"):
            said = "of fewshot_config only `sampler: first_n` and `sampler: default` are read"
            raise self.document.error(("fewshot_config",), said)

    @property
    def sampler(self) -> str:
        """Which examples are shown: the first ones, or (default) some drawn at random."""
        return str(self.examples.get("sampler") or "default")

    @property
    def delimiter(self) -> str:
        """What stands between a question and its answer."""
        return str(self.get("target_delimiter", " "))

    @property
    def ranked_after(self) -> tuple[str, ...]:
        """Texts whose log-probabilities a task's class wants besides the answer to each question."""
        return tuple(map(str, self.get(RANKED_AFTER) or ()))

    @property
    def between(self) -> str:
        """What stands between examples."""
        return str(self.get("fewshot_delimiter", "\n\n"))

    def generation(self) -> GenerationSettings:
        """`generation_kwargs`, by lm_eval/models/utils.py (normalize_gen_kwargs)."""
        said = self.get("generation_kwargs", {})
        temperature = float(said.get("temperature") or 0.0)
        greedy = said.get("do_sample") is False or not temperature
        for key in said:
            known = key in _GENERATION_KEYS or (greedy and key in _DRAWING_KEYS)
            if not known or (key == "num_beams" and said[key] != 1):
                there = f"; there is {', '.join(sorted(_GENERATION_KEYS))} (num_beams: 1)"
                raise self.document.error(("generation_kwargs", key), f"{key}: {said[key]} is not read{there}")
        until = said.get("until", self.between)
        lengths = [int(said[name]) for name in LENGTHS if said.get(name) is not None]
        if said.get("do_sample") and not temperature:
            raise self.document.error(("generation_kwargs",), "do_sample: true wants a temperature above 0")
        return GenerationSettings(
            max_tokens=lengths[0] if lengths else 256,
            stop=tuple(str(one) for one in (until if isinstance(until, list) else [until]) if one not in (None, "")),
            temperature=0.0 if said.get("do_sample") is False else temperature,
            top_p=float(said.get("top_p") or 1.0),
        )

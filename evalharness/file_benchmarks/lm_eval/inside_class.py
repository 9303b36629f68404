"""A task that is a Python class (`class: !function task.NAME`), taken apart into what a task file would say. Its text
is part of the fenced process, as that of `inside` is; nothing of ours is imported.

A plain ConfigurableTask has settings, methods that stand in for `doc_to_text` and the like, and requests that look
alike for every document (lm_eval/api/task.py, version 0.4.13). The object is made without its data set, which the
harness reads and gives to it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Methods that stand in for keys of a task file, and those that make it another kind of task altogether.
_METHODS = ("doc_to_text", "doc_to_target", "doc_to_choice", "process_results")
_REFUSED = (
    "fewshot_context", "build_qa_turn", "build_all_requests", "apply_filters", "doc_iterator", "doc_to_prefix",
    "fewshot_examples", "multiple_input_context", "eval_docs", "instances", "doc_to_image", "doc_to_audio",
)  # fmt: skip
_SETTINGS = (
    "dataset_kwargs", "training_split", "validation_split", "test_split", "fewshot_split", "num_fewshot",
    "doc_to_text", "doc_to_target", "doc_to_choice", "process_results", "description", "target_delimiter",
    "fewshot_delimiter", "gen_prefix", "output_type", "generation_kwargs", "metric_list", "filter_list", "repeats",
    "custom_dataset",
)  # fmt: skip
_SPLITS = ("training", "validation", "test")
_CONTEXT = "\x00context\x00"  # stands for the prompt, to see where a request has it
RANKED_AFTER = "ranked_after"  # the key of texts that are ranked after the question, besides the answer to it
FUNCTION = "!function"  # the key of a mapping that stands for a function


class _NoDataError(Exception):
    """Where a ConfigurableTask would fetch its data set."""


class _NamedError(Exception):
    """Which split a task reads."""


class _Splits(dict[str, Any]):
    """A data set whose splits are all one, or (`rows` is None) that says which one is wanted."""

    def __init__(self, rows: Any = None) -> None:
        super().__init__()
        self.rows = rows

    def __missing__(self, name: str) -> Any:
        if self.rows is None:
            raise _NamedError(name)
        return self.rows


class _AnyDoc(dict[str, Any]):
    """A document that has every field, for methods that read none."""

    def __missing__(self, name: str) -> str:
        return ""


def task_object(kind: Any, settings: Mapping[str, Any]) -> Any:
    """An object of a task's class, without data. TypeError for a class that is no plain ConfigurableTask."""
    import inspect
    from unittest import mock

    base: Any = importlib.import_module("lm_eval.api.task").ConfigurableTask
    if not isinstance(kind, type) or not issubclass(kind, base):
        raise TypeError("wanted a subclass of lm_eval.api.task.ConfigurableTask")
    odd = [name for name in _REFUSED if getattr(kind, name, None) is not getattr(base, name, None)]
    if odd:
        raise TypeError(f"it is no plain ConfigurableTask: {', '.join(odd)} is its own")
    whole = base.__init__

    def without_data(self: Any, *arguments: Any, **keywords: Any) -> None:
        try:
            whole(self, *arguments, **keywords)
        except _NoDataError:
            self.dataset, self.prompt = _Splits(), None
            self.multiple_input = self.multiple_target = 0
            self._training_docs = self._fewshot_docs = None

    taken = inspect.signature(kind).parameters.values()
    takes = any(one.name == "config" or one.kind is one.VAR_KEYWORD for one in taken)
    with mock.patch.object(base, "__init__", without_data), mock.patch.object(base, "download", _no_data):
        return kind(config=dict(settings)) if takes else kind()


def _no_data(*_: Any, **__: Any) -> None:
    raise _NoDataError


def described(task: Any) -> dict[str, Any]:
    """What a task file would say of it; functions and methods as `{FUNCTION: path from the object}`."""
    base = importlib.import_module("lm_eval.api.task").ConfigurableTask
    kind, config = type(task), task.config
    said: dict[str, Any] = {}
    for name in _SETTINGS:
        value = getattr(config, name, None)
        if value is not None:
            said[name] = _plain(value, f"config.{name}")
    for key in ("path", "name"):
        said[f"dataset_{key}"] = getattr(task, f"DATASET_{key.upper()}", None)
    said |= {name: {FUNCTION: name} for name in _METHODS if getattr(kind, name) is not getattr(base, name)}
    for split in _SPLITS:
        if getattr(task, f"has_{split}_docs")():
            said[f"{split}_split"] = _split(getattr(task, f"{split}_docs")) or said.get(f"{split}_split")
        else:
            said.pop(f"{split}_split", None)
    said["process_docs"] = {FUNCTION: "asked"}
    said["fewshot_config"] = _of_examples(task, said)
    if kind.construct_requests is not base.construct_requests:
        if "process_results" not in said:
            raise TypeError("construct_requests is its own, and process_results is not")
        said |= _of_requests(task)
    if kind.aggregation is not base.aggregation:
        better = task.higher_is_better()
        said["metric_list"] = [
            {"metric": name, "aggregation": {FUNCTION: f"aggregation.{name}"}, "higher_is_better": better.get(name)}
            for name in task.aggregation()
        ]
    return said


def _of_examples(task: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """`fewshot_config`: which are shown, and how."""
    config = getattr(task.config, "fewshot_config", None)
    found = {"process_docs": {FUNCTION: "shown"}}
    sampler = getattr(config, "sampler", None) or (config.get("sampler") if isinstance(config, dict) else None)
    return {**found, "sampler": sampler} if isinstance(sampler, str) else found


def _split(docs: Callable[[], Any]) -> str | None:
    try:
        docs()
    except _NamedError as named:
        return str(named)
    return None


def _of_requests(task: Any) -> dict[str, Any]:
    """What requests of its own say: how an answer is written, or that choices are ranked."""
    names = _texts(task.construct_requests.__func__.__code__)
    kinds = names & {"generate_until", "loglikelihood", "loglikelihood_rolling", "multiple_choice"}
    if kinds == {"loglikelihood"}:
        return {"output_type": "multiple_choice", "doc_to_choice": {FUNCTION: "choices"}, "target_delimiter": ""}
    if not {"generate_until"} <= kinds <= {"generate_until", "loglikelihood"}:
        raise TypeError(f"one question is asked by {' and '.join(sorted(kinds)) or 'no request that is known'}")
    asked, *after = _requests(task, _AnyDoc())
    if asked.request_type != "generate_until" or any(one.request_type != "loglikelihood" for one in after):
        raise TypeError(f"one question is asked by {' and then '.join(r.request_type for r in (asked, *after))}")
    said = {"output_type": "generate_until", "generation_kwargs": dict(asked.arguments[1])}
    ranked = {RANKED_AFTER: [one.arguments[1] for one in after]} if after else {}
    return {**said, "doc_to_text": {FUNCTION: "text"}, **ranked}


def _texts(code: Any) -> set[str]:
    """The texts in a method's code, and in that of what it defines."""
    found = {one for one in code.co_consts if isinstance(one, str)}
    return found.union(*(_texts(one) for one in code.co_consts if hasattr(one, "co_consts")))


def _requests(task: Any, doc: Any) -> list[Any]:
    found = task.construct_requests(doc, _CONTEXT, metadata=(str(task.config.task), 0, 1))
    found = found if isinstance(found, list) else [found]
    if any(request.arguments[0] != _CONTEXT for request in found):
        raise ValueError("construct_requests changes the prompt, which is not read")
    return list(found)


def _text(task: Any) -> Callable[[Any], str]:
    """The question; what else is asked must be as `described` found it."""
    usual = [(one.request_type, one.arguments[1]) for one in _requests(task, _AnyDoc())]

    def text(doc: Any) -> str:
        if [(one.request_type, one.arguments[1]) for one in _requests(task, doc)] != usual:
            raise ValueError("construct_requests asks documents in different ways, which is not read")
        return str(task.doc_to_text(doc))

    return text


def _choices(task: Any) -> Callable[[Any], list[str]]:
    return lambda doc: [request.arguments[1] for request in _requests(task, doc)]


def _docs(task: Any, shown: bool) -> Callable[[Any], Any]:
    """The documents of a split, of which the rows are given; those of examples (`shown`)."""

    def docs(rows: Any) -> Any:
        task.dataset = _Splits(rows)
        try:
            return (
                task.fewshot_docs() if shown else task.test_docs() if task.has_test_docs() else task.validation_docs()
            )
        finally:
            task.dataset = _Splits()

    return docs


def _results(task: Any) -> Callable[[Any, Any], Any]:
    def results(doc: Any, answers: Any) -> Any:
        target = task.doc_to_target(doc)
        task.multiple_target = len(target) if isinstance(target, list) else 0
        return task.process_results(doc, answers)

    return results


def part(task: Any, path: str) -> Any:
    """A function of the object: what `described` calls it."""
    own: Mapping[str, Callable[[], Any]] = {
        "self": lambda: task, "asked": lambda: _docs(task, False), "shown": lambda: _docs(task, True),
        "text": lambda: _text(task), "choices": lambda: _choices(task), "process_results": lambda: _results(task),
    }  # fmt: skip
    if path in own:
        return own[path]()
    found = task
    for name in path.split("."):
        found = found() if callable(found) else found
        if isinstance(found, Mapping):
            found = found[name]
        else:
            found = found[int(name)] if isinstance(found, Sequence) else getattr(found, name)
    return found


def _plain(value: Any, path: str) -> Any:
    if callable(value):
        return {FUNCTION: path}
    if isinstance(value, Mapping):
        return {str(key): _plain(one, f"{path}.{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, f"{path}.{i}") for i, one in enumerate(value)]
    return value

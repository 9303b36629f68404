"""A task that is a Python class (`class: !function task.NAME`) as a task file: its settings, its methods as functions
(lm_eval/tasks/_factory.py and api/task.py, version 0.4.13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evalharness.data.yaml_lines import Function, YamlDocument
from evalharness.file_benchmarks.lm_eval.code import TaskCode, TaskFunction
from evalharness.file_benchmarks.lm_eval.inside_class import FUNCTION

CLASS = "class"


def task_of_class(code: TaskCode) -> tuple[YamlDocument, TaskCode]:
    """What the task file of a class would say, every key on the line that names the class, and the code with it; both
    as they are where the file names none. DataError for a class that is no plain ConfigurableTask, or cannot be made.
    """
    document, said = code.document, code.document.value.get(CLASS)
    if not isinstance(said, Function):
        return document, code
    named = TaskFunction(document, (CLASS,), str(said))
    settings = TaskFunction(document, (CLASS,), f"{said}#self")
    found = code.call("class", named, function=code.named(settings))
    described = {key: _read(one, str(said)) for key, one in found.items() if one is not None}
    line = document.lines.get((CLASS,), 1)
    made = YamlDocument(
        file=document.file_of((CLASS,)),
        value={"task": document.value.get("task", document.file.stem), **described},
        lines=dict.fromkeys([(), *((key,) for key in described)], line),
    )
    return made, replace(code, document=made)


def _read(value: Any, said: str) -> Any:
    if isinstance(value, Mapping):
        part = value.get(FUNCTION)
        return Function(f"{said}#{part}") if part is not None else {k: _read(one, said) for k, one in value.items()}
    return [_read(one, said) for one in value] if isinstance(value, list) else value

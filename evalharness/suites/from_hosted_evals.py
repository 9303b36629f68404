"""An eval of OpenAI's hosted product as a suite (https://platform.openai.com/docs/api-reference/evals).

The file is JSON: the eval (`GET /v1/evals/ID`, with `testing_criteria`), or {"eval": ..., "runs": [...]} with its runs,
which say what is asked, of which model, and with which rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness.data.files import read_text
from evalharness.errors import DataError
from evalharness.scoring.checks import check_problem
from evalharness.suites.carried import Carried, CarriedPrompt, CarriedRow, plain_name

_OPERATIONS = {"eq": "equals", "ne": "not-equals", "like": "contains", "ilike": "icontains"}
_ANSWER = re.compile(r"^\s*\{\{\s*sample\.output_text\s*\}\}\s*$")
_ITEM = re.compile(r"\{\{\s*item\.(\w+)\s*\}\}")
_ROWS = "rows.jsonl"


def read_eval(file: Path) -> Mapping[str, Any] | None:
    """The file's object, where it is an eval; None for any other. DataError where it is no JSON."""
    try:
        said = json.loads(read_text(file))
    except ValueError as error:
        raise DataError(f"{file}: not valid JSON ({error})") from error
    inner = said.get("eval", said) if isinstance(said, Mapping) else None
    return said if isinstance(inner, Mapping) and isinstance(inner.get("testing_criteria"), list) else None


def carried_eval(file: Path, said: Mapping[str, Any]) -> Carried:
    """The suite that an eval with its runs becomes: a prompt for each way of asking, a model for each one asked."""
    body = said.get("eval", said)
    runs = [one for one in said.get("runs") or [said["run"]] if isinstance(one, Mapping)] if "eval" in said else []
    left: list[str] = []
    prompts: dict[str, list[Mapping[str, Any]]] = {}
    models: dict[str, Mapping[str, Any]] = {}
    options: list[Mapping[str, Any]] = []
    for run in runs:
        source = run.get("data_source") or {}
        for template in _templates(file, source, left):
            prompts.setdefault(template, []).extend(r for r in _items(file, source, left) if r not in prompts[template])
        if source.get("model"):
            models.setdefault(str(source["model"]), {"model": f"openai:{source['model']}"})
            options.append(_sampling(source.get("sampling_params") or {}))
    if not runs:
        prompts = _from_schema(file, body, left)
    if not models:
        left.append(f"{file}: names no model; `tiny` stands in its place")
        models = {"": {"model": "tiny"}}
    shared = options[0] if options and all(one == options[0] for one in options) else {}
    judge = next((str(c["model"]) for c in body["testing_criteria"] if c.get("model")), "gpt-4.1-mini")
    name = plain_name(str(body.get("name") or ""), "eval")
    carried = tuple(
        CarriedPrompt(
            name=name if len(prompts) == 1 else f"{name}-{i + 1}",
            template=template,
            rows=tuple(_row(file, body["testing_criteria"], n, item, left) for n, item in enumerate(rows)),
        )
        for i, (template, rows) in enumerate(prompts.items())
    )
    return Carried(
        name=name, models=tuple(models.values()), prompts=carried, options=shared, judge=f"openai:{judge}",
        left_out=tuple(dict.fromkeys(left)),
    )  # fmt: skip


def _from_schema(file: Path, body: Mapping[str, Any], left: list[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Of an eval without runs: the rows beside it, asked by their field `input` or the first of the schema."""
    rows = file.with_name(_ROWS)
    if not rows.is_file():
        left.append(
            f"{file}: has no run, so nothing says what is asked; put its rows beside it as {_ROWS}, one item a line"
        )
        return {}
    items = [json.loads(line) for line in read_text(rows).splitlines() if line.strip()]
    fields = list(((body.get("data_source_config") or {}).get("item_schema") or {}).get("properties") or items[0])
    asked = "input" if "input" in fields else fields[0]
    left.append(
        f"{file}: has no run, so the field {asked!r} of the rows is asked as it is; change `template` where it is not"
    )
    return {f"{{{{{asked}}}}}": [one.get("item", one) for one in items]}


def _templates(file: Path, source: Mapping[str, Any], left: list[str]) -> Iterator[str]:
    """What a run asks, over the fields of its items."""
    messages = (source.get("input_messages") or {}).get("template")
    if not isinstance(messages, list):
        left.append(
            f"{file}: a run of the type {source.get('type')!r} without a template of messages is not carried over"
        )
        return
    turns = [(str(m.get("role")), _text(m.get("content"))) for m in messages if isinstance(m, Mapping)]
    asked = [text for role, text in turns if role == "user"]
    if len(asked) != 1:
        left.append(f"{file}: a run that asks in {len(asked)} turns of the user is not carried over")
        return
    for role, text in turns:
        if role != "user":
            left.append(f"{file}: its {role} message is not carried over; say it as `system` of a model: {text!r:.200}")
    yield _ITEM.sub(r"{{\1}}", asked[0])


def _text(content: Any) -> str:
    """A message's text, in whichever of its shapes."""
    if isinstance(content, Mapping):
        return str(content.get("text", ""))
    return "".join(_text(part) for part in content) if isinstance(content, list) else str(content)


def _items(file: Path, source: Mapping[str, Any], left: list[str]) -> list[Mapping[str, Any]]:
    """The rows of a run: those in it, or those in the file beside it that OpenAI's own file was saved as."""
    said = source.get("source") or {}
    if said.get("type") == "file_content":
        lines = said.get("content") or []
    elif said.get("type") == "file_id" and (there := file.with_name(f"{said.get('id')}.jsonl")).is_file():
        lines = [json.loads(line) for line in read_text(there).splitlines() if line.strip()]
    else:
        left.append(
            f"{file}: its rows are {said.get('id') or said.get('type')!r} at OpenAI; save them beside it as "
            f"{said.get('id')}.jsonl"
        )
        return []
    return [one.get("item", one) for one in lines if isinstance(one, Mapping)]


def _sampling(said: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and lengths under a suite's names."""
    names = {
        "temperature": "temperature",
        "top_p": "top_p",
        "max_completion_tokens": "max_tokens",
        "max_tokens": "max_tokens",
    }
    return {names[key]: value for key, value in said.items() if key in names and value is not None}


def _row(file: Path, criteria: list[Any], number: int, item: Mapping[str, Any], left: list[str]) -> CarriedRow:
    """An item with the checks and the rubric that the eval's criteria are of it."""
    checks: list[Mapping[str, Any]] = []
    rubrics: list[str] = []
    for criterion in criteria:
        kind, name = criterion.get("type"), criterion.get("name")
        if kind == "string_check" and _ANSWER.match(str(criterion.get("input"))):
            check = {
                "type": _OPERATIONS.get(str(criterion.get("operation")), "?"),
                "value": _filled(criterion["reference"], item),
            }
            problem = check_problem(check)
            left.extend([f"{file}: {name}: {problem}"] if problem else [])
            checks.extend([] if problem else [check])
        elif kind == "label_model":
            passing = ", ".join(map(str, criterion.get("passing_labels") or ()))
            asked = "\n".join(
                _text(m.get("content")) for m in criterion.get("input") or () if m.get("role") != "assistant"
            )
            asked = re.sub(r"\{\{\s*sample\.output_text\s*\}\}", "(the answer)", _filled(asked, item))
            rubrics.append(f"{asked}\nThe right label is one of: {passing}.")
        else:
            left.append(f"{file}: the criterion {name!r} ({kind}) is not carried over")
    return CarriedRow(
        id=str(number + 1), fields=item, checks=tuple(checks), rubric="\n".join(f"- {r}" for r in rubrics)
    )


def _filled(text: Any, item: Mapping[str, Any]) -> str:
    """A text with an item's fields in it."""
    return _ITEM.sub(lambda found: str(item.get(found.group(1), "")), str(text))

"""Results of promptfoo (https://www.promptfoo.dev/docs/configuration/outputs/): `--output FILE.json` or `.jsonl`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data.files import json_object, json_value, numbered_rows, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.importers._given import (
    as_mapping,
    asked_of,
    finite,
    graded,
    messages_of,
    status_of,
    texts_of,
    token_count,
    whole,
)
from evalharness.judging.imported import ImportOptions, one_of
from evalharness.records import Finish, Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask, mean_figures

_FINISHES: Mapping[str, Finish] = {
    "stop": "stop", "end_turn": "stop", "length": "length", "max_tokens": "length", "content_filter": "refused",
}  # fmt: skip
_ERROR = 2  # a failure that is no assertion's
_REFERENCES = ("equals", "contains", "icontains", "similar", "factuality", "rouge-n", "levenshtein", "starts-with")


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One file. Each of its prompts is a benchmark. UserError where it has several providers and none is named,
    DataError names the row that is not promptfoo's."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    lines = [row for _, row in numbered_rows(path)] if path.suffix == ".jsonl" else None
    said = json_object(read_text(path), str(path)) if lines is None else {}
    about = as_mapping(said.get("results"))
    rows = about.get("results") if lines is None else lines
    if not isinstance(rows, list):
        raise DataError(f"{path}: wanted the results of promptfoo, an object with results.results")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or "success" not in row or not isinstance(row.get("provider"), Mapping | str):
            raise DataError(f"{path}: result {number}: wanted a provider and success")
    model = one_of(sorted({_provider(row) for row in rows}), options.model, "model", path) if rows else "unknown"
    mine = [row for row in rows if _provider(row) == model]
    config = as_mapping(said.get("config"))
    name = str(config.get("description") or path.stem)
    prompts = list(dict.fromkeys(_prompt(row) for row in mine))
    tasks = tuple(
        _task(name if len(prompts) == 1 else f"{name} (prompt {place + 1})", [r for r in mine if _prompt(r) == prompt])
        for place, prompt in enumerate(prompts)
    )
    created = about.get("timestamp")
    version = as_mapping(said.get("metadata")).get("promptfooVersion")
    return ForeignRun(
        model=model,
        tasks=tasks,
        created=created if isinstance(created, str) else None,
        versions={"promptfoo": version} if isinstance(version, str) else {},
        decides=[model, [one for one in texts_of(config.get("providers")) if one == model]],
        record={"evalId": said.get("evalId"), "stats": about.get("stats"), "version": about.get("version")},
    )


def _provider(row: Mapping[str, Any]) -> str:
    found = row["provider"]
    return str(found if isinstance(found, str) else found.get("label") or found.get("id") or "unknown")


def _prompt(row: Mapping[str, Any]) -> object:
    return row.get("promptIdx", as_mapping(row.get("prompt")).get("label"))


def _task(name: str, rows: list[Row]) -> ForeignTask:
    seen: Counter[str] = Counter()
    results = []
    for place, row in enumerate(rows):
        identity = str(row.get("testIdx", place))
        results.append(_result(name, identity, row, seen[identity]))
        seen[identity] += 1
    return ForeignTask(
        name=name, mode="write", results=tuple(results), figures=tuple(mean_figures(results)), expected=len(seen)
    )


def _result(task: str, identity: str, row: Row, repeat: int) -> Result:
    turns = _turns(as_mapping(row.get("prompt")).get("raw"))
    case, values = as_mapping(row.get("testCase")), as_mapping(row.get("vars"))
    response = _response(row)
    right, score = graded(row["success"]), graded(row.get("score"))
    named = {key: one for key, said in as_mapping(row.get("namedScores")).items() if (one := graded(said)) is not None}
    scores = {"accuracy": right or 0.0, **({} if score is None else {"score": score}), **named}
    group = as_mapping(case.get("metadata")).get("group")
    reason = as_mapping(row.get("gradingResult")).get("reason")
    return Result(
        benchmark=task,
        sample=Sample(
            id=identity,
            question=asked_of(turns) or identity,
            answers=tuple(_expected(case)),
            group=group if isinstance(group, str) else "",
            extra={"vars": dict(values)} if values else {},
        ),
        request=Request(messages=turns or (Message("user", identity),)),
        response=response,
        status=status_of(scores, response),
        scores={} if response.error else scores,
        answer=response.text or None,
        repeat=repeat,
        detail={"reason": reason} if isinstance(reason, str) else {},
    )


def _turns(raw: object) -> tuple[Message, ...]:
    """A prompt: a text, or the JSON of a conversation."""
    if isinstance(raw, str) and raw.lstrip()[:1] == "[":
        try:
            found = messages_of(json_value(raw))
        except ValueError:
            found = ()
        if found:
            return found
    return messages_of(raw)


def _expected(case: Mapping[str, Any]) -> list[str]:
    """What the assertions that compare with a text compare with."""
    listed = case.get("assert")
    checks = [as_mapping(one) for one in listed] if isinstance(listed, list) else []
    return [text for one in checks if one.get("type") in _REFERENCES for text in texts_of(one.get("value"))]


def _response(row: Row) -> Response:
    given = as_mapping(row.get("response"))
    output = given.get("output")
    text = output if isinstance(output, str) else "" if output is None else json.dumps(output, ensure_ascii=False)
    reason = whole(row.get("failureReason"))  # a failed assertion's words stand under `error` too
    failed = row.get("error") if reason == _ERROR or (reason is None and output is None) else ""
    failed = given.get("error") or failed
    used = as_mapping(given.get("tokenUsage"))
    return Response(
        text=text,
        finish=_FINISHES.get(str(given.get("finishReason")), ""),
        tokens_in=token_count(used.get("prompt")),
        tokens_out=token_count(used.get("completion")),
        seconds=(finite(row.get("latencyMs")) or 0.0) / 1000,
        cost=finite(row.get("cost")) or None,
        cached=given.get("cached") is True,
        error=str(failed) if failed else "",
    )

"""Details of lighteval (https://github.com/huggingface/lighteval, 0.11 and later): `details_*.parquet` and results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalharness.data.files import json_object, parquet, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError
from evalharness.importers._given import (
    as_mapping,
    finite,
    gold_places,
    graded,
    messages_of,
    published_figures,
    status_of,
    texts_of,
    token_count,
    whole,
    with_accuracy,
)
from evalharness.judging.imported import ImportOptions
from evalharness.records import IMPOSSIBLE, Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask
from evalharness.runs.manifest import SamplingFacts

_NAME = re.compile(r"details_(?P<task>.+)_(?P<stamp>\d{4}-\d\d-\d\dT[\d.-]+)")


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """An output folder, the folder of one run's details, or one file of them. UserError where there are several runs,
    DataError names the file and row that are not lighteval's."""
    logs = _logs(path)
    stamp = logs[0][1]
    said = _results(path, logs[0][2], stamp)
    general = as_mapping(said.get("config_general"))
    model = options.model or str(general.get("model_name") or _model(logs[0][2]))
    settings = as_mapping(as_mapping(general.get("model_config")).get("generation_parameters"))
    published = as_mapping(said.get("results"))
    return ForeignRun(
        model=model,
        tasks=tuple(_task(task, file, as_mapping(published.get(task))) for task, _, file in logs),
        sampling=SamplingFacts(
            temperature=finite(settings.get("temperature")),
            top_p=finite(settings.get("top_p")),
            seed=whole(settings.get("seed")),
            max_tokens=whole(settings.get("max_new_tokens")),
        ),
        versions={"lighteval": str(general["lighteval_sha"])} if general.get("lighteval_sha") else {},
        decides=[model, general.get("model_config")],
        record={"results": dict(said) or None, "stamp": stamp},
    )


def _logs(path: Path) -> list[tuple[str, str, Path]]:
    """(task, stamp, file) of the one run that is there."""
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder")
    below = path.glob, path.rglob  # one run's own folder first
    files = [path] if path.is_file() else next(filter(None, (sorted(find("details_*.parquet")) for find in below)), [])
    found = [(named["task"], named["stamp"], file) for file in files if (named := _NAME.fullmatch(file.stem))]
    if not found:
        raise DataError(f"{path}: wanted details_TASK_DATE.parquet of lighteval; run it with --save-details")
    runs = sorted({str(file.parent) for _, _, file in found})
    if len(runs) > 1:
        raise UserError(f"{path}: holds {len(runs)} runs ({runs[0]}, {runs[1]}, ...); name one folder")
    return found


def _results(path: Path, file: Path, stamp: str) -> Row:
    """The run's figures: beside the details, or in `results/MODEL` where those are in `details/MODEL/DATE`."""
    name = f"results_{stamp}.json"
    parts = file.resolve().parts
    places = [path if path.is_dir() else path.parent, file.parent]
    if "details" in parts:
        cut = len(parts) - 1 - parts[::-1].index("details")
        places.append(Path(*parts[:cut], "results", *parts[cut + 1 : -2]))
    there = next((place / name for place in places if (place / name).is_file()), None)
    return {} if there is None else json_object(read_text(there), str(there))


def _model(file: Path) -> str:
    parts = file.resolve().parts
    after = parts[len(parts) - parts[::-1].index("details") : -2] if "details" in parts else ()
    return "/".join(after) or "unknown"


def _task(name: str, file: Path, published: Mapping[str, Any]) -> ForeignTask:
    seen: set[str] = set()
    results = []
    for number, row in enumerate(parquet(file)):
        where = f"{file}: row {number}"
        doc, answer, metric = (row.get(key) for key in ("doc", "model_response", "metric"))
        if not (isinstance(doc, Mapping) and isinstance(answer, Mapping) and isinstance(metric, Mapping)):
            raise DataError(f"{where}: wanted doc, model_response and metric; there is {', '.join(row)}")
        identity = str(doc.get("id") or number)
        identity = identity if identity not in seen else f"{identity}#{number}"
        seen.add(identity)
        results.append(_result(name, identity, doc, answer, metric))
    numbers = {_our_name(key): one for key, said in published.items() if (one := finite(said)) is not None}
    stderrs = {key.removesuffix("_stderr"): value for key, value in numbers.items() if key.endswith("_stderr")}
    figures = {key: value for key, value in numbers.items() if not key.endswith("_stderr")}
    shots = name.rpartition("|")[2]
    return ForeignTask(
        name=name.replace("|", ":"),
        mode="rank" if results and all(one.response.logprobs for one in results) else "write",
        results=tuple(results),
        figures=tuple(published_figures(results, figures, stderrs)),
        expected=len(results),
        shots=int(shots) if shots.isdecimal() else None,
    )


def _our_name(metric: str) -> str:
    return {"acc": "accuracy", "acc_stderr": "accuracy_stderr"}.get(metric, metric)


def _result(
    task: str, identity: str, doc: Mapping[str, Any], answer: Mapping[str, Any], metric: Mapping[str, Any]
) -> Result:
    response = _response(answer)
    listed = texts_of(doc.get("choices"))
    ranked = bool(response.logprobs) and len(response.logprobs) == len(listed)
    gold = doc.get("gold_index")
    places = [one for one in (gold if isinstance(gold, list) else [gold]) if type(one) is int and one < len(listed)]
    choices = tuple(choice.strip() for choice in listed) if ranked else ()
    right = tuple(listed[one] for one in places)
    query, plain = str(doc.get("query") or ""), doc.get("original_query")
    turns = messages_of(answer.get("input") or query)
    asked = [Message("system", doc["instruction"])] if isinstance(doc.get("instruction"), str) else []
    named = {_our_name(key): one for key, said in metric.items() if (one := graded(said)) is not None}
    scores = with_accuracy(named)
    limit = whole(doc.get("generation_size"))
    best = max(range(len(listed)), key=response.logprobs.__getitem__) if ranked else None
    return Result(
        benchmark=task.replace("|", ":"),
        sample=Sample(
            id=identity,
            question=plain if isinstance(plain, str) and plain else query,
            answers=() if ranked else right,
            choices=choices,
            gold_indices=gold_places(choices, [one.strip() for one in right]) if ranked else (),
        ),
        request=Request(
            messages=turns if any(turn.role == "system" for turn in turns) else (*asked, *turns),
            choices=tuple(listed) if ranked else (),
            max_tokens=limit if limit and limit > 0 else 256,
            stop=texts_of(doc.get("stop_sequences") or ()),
        ),
        response=response,
        status=status_of(scores, response),
        scores=scores,
        answer=choices[best] if best is not None else response.text,
    )


def _response(answer: Mapping[str, Any]) -> Response:
    """The first of the texts, or the log-probabilities of the choices."""
    texts, logprobs = answer.get("text") or [], answer.get("logprobs") or []
    read = token_count(len(answer.get("input_tokens") or ()))
    if texts and isinstance(texts[0], str):
        wrote = answer.get("output_tokens") or [[]]
        thoughts = answer.get("reasonings") or [None]
        return Response(
            text=texts[0], finish="stop", tokens_in=read, tokens_out=len(wrote[0] or ()),
            thinking=thoughts[0] if isinstance(thoughts[0], str) else "",
        )  # fmt: skip
    known = tuple(max(one, IMPOSSIBLE) for said in logprobs if (one := finite(said)) is not None)
    if not known:
        return Response(error="the details have no answer to it")
    greedy = tuple(bool(one) for one in answer.get("argmax_logits_eq_gold") or ())
    return Response(logprobs=known, greedy=greedy if len(greedy) == len(known) else (), tokens_in=read)

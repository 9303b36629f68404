"""Bundles of NeMo Evaluator (https://github.com/NVIDIA-NeMo/Evaluator, 0.3): `eval-*.json` with `results.jsonl`."""

from __future__ import annotations

from pathlib import Path

from evalharness.data.files import json_object, numbered_rows, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError
from evalharness.importers._given import (
    as_mapping,
    finite,
    graded,
    published_figures,
    status_of,
    texts_of,
    token_count,
    whole,
    with_accuracy,
)
from evalharness.judging.imported import ImportOptions
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask
from evalharness.runs.manifest import SamplingFacts

RESULTS = "results.jsonl"


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """A folder of bundles (one, or one folder per benchmark) or one bundle. UserError where they are of several models,
    DataError names the file and line that are not NeMo Evaluator's."""
    bundles = [(file, json_object(read_text(file), str(file))) for file in _bundles(path)]
    configs = [as_mapping(said.get("config")) for _, said in bundles]
    models = sorted({str(config.get("model") or "unknown") for config in configs})
    if options.model is not None and options.model in models:
        bundles = [one for one, config in zip(bundles, configs, strict=True) if config.get("model") == options.model]
        configs = [as_mapping(said.get("config")) for _, said in bundles]
    elif len(models) > 1:
        raise UserError(f"{path}: holds runs of several models ({', '.join(models[:4])}); say which with --model")
    model = options.model or models[0]
    config = configs[0]
    first = bundles[0][1]
    return ForeignRun(
        model=model,
        tasks=tuple(_task(file, said) for file, said in bundles),
        created=str(first["timestamp"]) if isinstance(first.get("timestamp"), str) else None,
        sampling=SamplingFacts(
            temperature=finite(config.get("temperature")),
            top_p=finite(config.get("top_p")),
            seed=whole(config.get("seed")),
            max_tokens=whole(config.get("max_tokens")),
        ),
        versions={"nemo-evaluator": str(first["sdk_version"])} if first.get("sdk_version") else {},
        decides=[model, config.get("base_url"), config.get("system_prompt")],
        record={"bundles": [dict(said) for _, said in bundles]},
    )


def _bundles(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder")
    found = sorted(path.glob("eval-*.json")) or sorted(path.glob("*/eval-*.json"))
    if not found and (figures := sorted(path.rglob("results.yml"))):
        raise DataError(
            f"{figures[0]}: holds figures alone and no answers; import the logs of the harness that made them"
        )
    if not found:
        raise DataError(f"{path}: wanted bundles of NeMo Evaluator; there is no eval-*.json in it")
    return found


def _task(file: Path, said: Row) -> ForeignTask:
    about, config = as_mapping(said.get("benchmark")), as_mapping(said.get("config"))
    if not about.get("name"):
        raise DataError(f"{file}: wanted a bundle of NeMo Evaluator, an object with benchmark.name")
    log = file.with_name(RESULTS)
    if not log.is_file():
        raise DataError(f"{file}: beside it there is no {RESULTS}; its figures alone are no answers")
    name = str(about["name"])
    results = tuple(_result(name, row, f"{log}:{number}", config) for number, row in numbered_rows(log))
    scores = as_mapping(about.get("scores"))
    numbers = {key: one for key, of in scores.items() if (one := finite(as_mapping(of).get("value"))) is not None}
    return ForeignTask(
        name=name,
        mode="write",
        results=results,
        figures=tuple(published_figures(results, numbers)),
        expected=token_count(about.get("samples")),
        seed=whole(config.get("seed")),
    )


def _result(task: str, row: Row, where: str, config: Row) -> Result:
    if "problem_idx" not in row or "reward" not in row:
        raise DataError(f"{where}: wanted problem_idx and reward; there is {', '.join(list(row)[:6]) or 'nothing'}")
    repeat = whole(row.get("repeat")) or 0
    worth = graded(row["reward"])
    details = as_mapping(row.get("scoring_details"))
    failed = str(details.get("error") or "") if details.get("error_category") == "infra_error" else ""
    response = Response(
        text=str(row.get("model_response") or ""),
        finish="stop",
        tokens_out=token_count(row.get("tokens")),
        seconds=(finite(row.get("latency_ms")) or 0.0) / 1000,
        error=failed,
    )
    scores = with_accuracy({} if worth is None else {"reward": worth})
    extracted = row.get("extracted_answer")
    prompt = str(row.get("prompt") or "")
    group = as_mapping(row.get("metadata")).get("category")
    asked = [Message("system", str(config["system_prompt"]))] if config.get("system_prompt") else []
    return Result(
        benchmark=task,
        sample=Sample(
            id=str(row["problem_idx"]),
            question=prompt or str(row["problem_idx"]),
            answers=texts_of(row.get("expected_answer")),
            group=group if isinstance(group, str) else "",
        ),
        request=Request(messages=(*asked, Message("user", prompt))),
        response=response,
        status=status_of(scores, response, unread="extracted_answer" in row and extracted is None and worth == 0),
        scores={} if failed else scores,
        answer=extracted if isinstance(extracted, str) else None,
        repeat=max(repeat, 0),
    )

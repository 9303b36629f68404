"""Records of Every Eval Ever (https://github.com/evaleval/every_eval_ever): JSON lines, one for each instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalharness.data.files import inside, json_object, numbered_rows, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.exporters import every_eval_ever as written
from evalharness.importers._given import (
    as_mapping,
    asked_of,
    finite,
    gold_places,
    graded,
    messages_of,
    published_figures,
    status_of,
    texts_of,
    token_count,
    with_accuracy,
)
from evalharness.judging.imported import ImportOptions, one_of
from evalharness.records import STATUSES, Message, Mode, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask
from evalharness.runs.manifest import SamplingFacts

_NEEDED = ("model_id", "evaluation_name", "sample_id", "input", "evaluation")


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One of the aggregate's figures: the evaluation that it is of, the metric's name, and the value."""

    evaluation: str
    metric: str
    value: float
    lower_is_better: bool


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """A file of instances, or the aggregate that names one beside it. UserError where several models are in it and none
    is named, DataError names the line that is no record of theirs."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    said, log = _parts(path)
    rows = [(f"{log}:{number}", row) for number, row in numbered_rows(log)]
    for where, row in rows:
        if absent := [name for name in _NEEDED if name not in row]:
            raise DataError(f"{where}: wanted a record of Every Eval Ever; it has no {absent[0]}")
    if not rows:
        raise DataError(f"{log}: it holds no records")
    model = one_of(sorted({str(row["model_id"]) for _, row in rows}), options.model, "model", path)
    published = _published(said)
    metrics = {str(one.get("evaluation_result_id")): _metric(one) for one in _results_of(said)}
    tasks: dict[str, dict[str, Result]] = {}
    for where, row in rows:
        if str(row["model_id"]) != model:
            continue
        task, identity = str(row["evaluation_name"]), str(row["sample_id"])
        made = _as_kept(_result(task, row, metrics.get(str(row.get("evaluation_result_id")), ""), where), row)
        known = tasks.setdefault(task, {})
        known[identity] = made if identity not in known else _both(known[identity], made, where)
    modes = {str(one.get("evaluation_name")): _mode(one) for one in _results_of(said)}
    return ForeignRun(
        model=model,
        tasks=tuple(_task(name, tuple(of.values()), published, modes.get(name)) for name, of in tasks.items()),
        created=_created(said),
        sampling=_sampling(said),
        decides=[model, said.get("model_info")],
        record={"aggregate": dict(said) or None},
    )


def _parts(path: Path) -> tuple[Row, Path]:
    """The aggregate and the file of its instances."""
    if path.suffix == ".jsonl":
        beside = path.with_name(f"{path.stem.removesuffix('_samples')}.json")
        return (json_object(read_text(beside), str(beside)) if beside.is_file() else {}), path
    said = json_object(read_text(path), str(path))
    named = as_mapping(said.get("detailed_evaluation_results")).get("file_path")
    if not isinstance(named, str):
        raise DataError(f"{path}: names no detailed_evaluation_results; its figures alone are no answers")
    log = path.with_name(Path(named).name)
    if not log.is_file():
        raise DataError(f"{path}: the instances that it names are not beside it; wanted {log.name}")
    inside(path.parent, log, path)
    return said, log


def _results_of(said: Row) -> list[Mapping[str, Any]]:
    found = said.get("evaluation_results")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _metric(result: Mapping[str, Any]) -> str:
    about = as_mapping(result.get("metric_config"))
    return str(about.get("metric_name") or about.get("metric_id") or "").rpartition("/")[2]


def _published(said: Row) -> list[PublishedResult]:
    found = []
    for one in _results_of(said):
        value = finite(as_mapping(one.get("score_details")).get("score"))
        if value is not None:
            down = as_mapping(one.get("metric_config")).get("lower_is_better") is True
            named = PublishedResult(
                evaluation=str(one.get("evaluation_name")), metric=_metric(one), value=value, lower_is_better=down
            )
            found.append(named)
    return found


def _mode(result: Mapping[str, Any]) -> Mode | None:
    """How a benchmark was asked, which our own records say."""
    said = as_mapping(as_mapping(result.get("generation_config")).get("additional_details")).get("mode")
    return "rank" if said == "rank" else "write" if said == "write" else None


def _task(name: str, results: tuple[Result, ...], published: list[PublishedResult], mode: Mode | None) -> ForeignTask:
    by_place = tuple(map(_gold_by_place, results))
    results = by_place if _contradicted(by_place) < _contradicted(results) else results
    ranked = all(result.response.text.strip() in map(str.strip, result.sample.choices) for result in results)
    mine = {one.metric or "score": one for one in published if one.evaluation == name}
    figures = published_figures(results, {metric: one.value for metric, one in mine.items()})
    lower = {metric for metric, one in mine.items() if one.lower_is_better}
    return ForeignTask(
        name=name,
        mode=mode or ("rank" if ranked else "write"),  # who ranks answers with a choice and no more
        results=results,
        figures=tuple(replace(one, higher_is_better=(one.score or one.name) not in lower) for one in figures),
        expected=len(results),
    )


def _result(task: str, row: Row, metric: str, where: str) -> Result:
    given, said = as_mapping(row["input"]), as_mapping(row["evaluation"])
    worth, right = graded(said.get("score")), graded(said.get("is_correct"))
    if worth is None:
        raise DataError(f"{where}: wanted a number in evaluation.score; there is {said.get('score')!r:.40}")
    turns = messages_of(row.get("messages"))
    asked = turns[: max((i for i, turn in enumerate(turns) if turn.role == "user"), default=-1) + 1]
    question = str(given.get("raw") or "") or asked_of(turns)
    formatted = given.get("formatted")
    sent = asked or (Message("user", formatted if isinstance(formatted, str) and formatted else question),)
    response = _response(row, turns)
    scores = {metric or "score": worth}
    scores = with_accuracy(scores if worth == right or right is None else {"accuracy": right, **scores})
    choices, reference = texts_of(given.get("choices") or ()), texts_of(given.get("reference"))
    gold = gold_places(choices, reference)
    answer = next((one.get("extracted_value") for one in reversed(_attributions(row))), None)
    return Result(
        benchmark=task,
        sample=Sample(
            id=str(row["sample_id"]), question=question, answers=() if gold else reference, choices=choices,
            gold_indices=gold,
        ),
        request=Request(messages=sent),
        response=response,
        status=status_of(scores, response),
        scores={} if response.error else scores,
        answer=answer if isinstance(answer, str) else None,
    )  # fmt: skip


def _as_kept(result: Result, row: Row) -> Result:
    """A result with the status, the scores and the group that an export of ours kept in its metadata."""
    said = as_mapping(row.get("metadata"))
    status = next((one for one in STATUSES if one == said.get(written.STATUS)), None)
    if status is None:
        return result
    kept = {key.removeprefix(written.SCORE): str(value) for key, value in said.items() if key.startswith(written.SCORE)}
    try:
        scores = {name: known for name, value in kept.items() if (known := finite(float(value))) is not None}
    except ValueError:
        return result
    sample = replace(result.sample, group=str(said.get("group") or ""))
    return replace(result, sample=sample, status=status, scores=scores)


def _gold_by_place(result: Result) -> Result:
    """A result whose reference is the position of the right choice, from 0, as lm-evaluation-harness's targets are."""
    sample = result.sample
    said = sample.answers or tuple(sample.choices[place] for place in sample.gold_indices)
    places = tuple(int(one) for one in said if one.isdecimal() and len(one) < 4 and int(one) < len(sample.choices))
    return replace(result, sample=replace(sample, answers=(), gold_indices=places)) if places else result


def _contradicted(results: tuple[Result, ...]) -> int:
    """How many answers that are a choice were graded otherwise than the right choice says, or have none."""
    found = 0
    for result in results:
        choices, said = result.sample.choices, result.answer or result.response.text
        if said in choices and not result.response.error:
            right = result.scores.get("accuracy") == 1.0
            gold = result.sample.gold_indices
            found += not gold or (choices.index(said) in gold) != right
    return found


def _attributions(row: Row) -> list[Mapping[str, Any]]:
    found = row.get("answer_attribution")
    return [as_mapping(one) for one in found] if isinstance(found, list) else []


def _response(row: Row, turns: tuple[Message, ...]) -> Response:
    wrote = texts_of(as_mapping(row.get("output")).get("raw"))
    said = wrote or tuple(turn.content for turn in reversed(turns) if turn.role == "assistant")
    used, took = as_mapping(row.get("token_usage")), as_mapping(row.get("performance"))
    failed = row.get("error")
    return Response(
        text=said[0] if said else "",
        finish="stop" if said else "",
        tokens_in=token_count(used.get("input_tokens")),
        tokens_out=token_count(used.get("output_tokens")),
        seconds=(finite(took.get("latency_ms")) or 0.0) / 1000,
        error=str(failed) if failed else "",
        thinking="\n".join(texts_of(as_mapping(row.get("output")).get("reasoning_trace") or ())),
        reasoning_tokens=token_count(used.get("reasoning_tokens")),
    )


def _both(one: Result, other: Result, where: str) -> Result:
    """Two records of a sample, each by another metric. DataError where both are by the same."""
    if doubled := [name for name in other.scores if name in one.scores and name != "accuracy"]:
        raise DataError(f"{where}: the sample {one.sample.id!r:.60} has {doubled[0]} twice")
    return replace(one, scores={**other.scores, **one.scores})


def _created(said: Row) -> str | None:
    """Their moments are seconds since 1970, as texts."""
    found = said.get("evaluation_timestamp")
    try:
        return datetime.fromtimestamp(float(str(found)), UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return found if isinstance(found, str) else None


def _sampling(said: Row) -> SamplingFacts:
    results = _results_of(said)
    first = as_mapping(as_mapping(results[0].get("generation_config")).get("generation_args")) if results else {}
    return SamplingFacts(temperature=finite(first.get("temperature")), top_p=finite(first.get("top_p")))

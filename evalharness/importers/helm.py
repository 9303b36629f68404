"""Run folders of HELM (https://github.com/stanford-crfm/helm): `scenario_state.json`, `per_instance_stats.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import json_object, json_rows, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.importers._given import (
    as_mapping,
    finite,
    published_figures,
    status_of,
    texts_of,
    token_count,
    whole,
    with_accuracy,
)
from evalharness.judging.imported import ImportOptions
from evalharness.records import Finish, Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask
from evalharness.runs.manifest import SamplingFacts

# Statistics of a request and not of its answer, and those of the text's probability, by how their names begin.
_BOOKKEEPING = (
    "num_", "inference_", "training_", "batch_", "max_prob", "finish_reason", "prompt_truncated", "estimated_num",
    "logprob", "perplexity", "bits_per_byte", "predicted_index", "observed_",
)  # fmt: skip
# Which of several is a scenario's headline, as HELM's own schema has it for most: the first that is there.
_HEADLINES = (
    "chain_of_thought_correctness", "exact_match", "quasi_exact_match", "prefix_exact_match",
    "final_number_exact_match", "math_equiv_chain_of_thought", "math_equiv", "f1_score", "ifeval_strict_accuracy",
)  # fmt: skip
_FINISHES: Mapping[str, Finish] = {"stop": "stop", "endoftext": "stop", "length": "length", "content_filter": "refused"}
Place = tuple[str, int]  # instance and train trial


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One run's folder. DataError where a file is missing or not HELM's. Perturbed instances are left out, as they are
    from HELM's own headline."""
    folder = path if path.is_dir() else path.parent
    for name in ("scenario_state.json", "per_instance_stats.json"):
        if not (folder / name).is_file():
            raise DataError(f"{path}: wanted the folder of one run of HELM; there is no {name} in it")
    state = _file(folder / "scenario_state.json")
    adapter = as_mapping(state.get("adapter_spec"))
    said = _file(folder / "run_spec.json") if (folder / "run_spec.json").is_file() else {}
    name = str(said.get("name") or folder.resolve().name).partition(":")[0].partition(",")[0]
    stats = _stats(folder / "per_instance_stats.json")
    groups: dict[Place, list[Row]] = {}
    for number, request in enumerate(_requests(state, folder)):
        instance = as_mapping(request.get("instance"))
        if instance.get("perturbation"):
            continue
        if "id" not in instance:
            raise DataError(f"{folder / 'scenario_state.json'}: request {number} has no instance with an id")
        groups.setdefault((str(instance["id"]), whole(request.get("train_trial_index")) or 0), []).append(request)
    results = tuple(_result(name, place, group, stats.get(place, {})) for place, group in groups.items())
    model = options.model or str(adapter.get("model") or adapter.get("model_deployment") or "unknown")
    shots = whole(adapter.get("max_train_instances"))
    task = ForeignTask(
        name=name,
        mode="write",
        results=results,
        figures=tuple(published_figures(results, {})),
        expected=len({identity for identity, _ in groups}),
        shots=shots,
    )
    return ForeignRun(
        model=model,
        tasks=(task,),
        sampling=SamplingFacts(temperature=finite(adapter.get("temperature"))),
        decides=[model, adapter.get("model_deployment")],
        record={"run_spec": dict(said), "adapter_spec": dict(adapter)},
    )


def _file(path: Path) -> Row:
    return json_object(read_text(path), str(path))


def _requests(state: Row, folder: Path) -> list[Row]:
    found = state.get("request_states")
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise DataError(f"{folder / 'scenario_state.json'}: wanted request_states, a list of objects")
    return found


def _stats(path: Path) -> dict[Place, dict[str, float]]:
    """The means of each instance's statistics."""
    found: dict[Place, dict[str, float]] = {}
    for number, row in enumerate(json_rows(path)):
        if row.get("perturbation"):
            continue
        if "instance_id" not in row or not isinstance(row.get("stats"), list):
            raise DataError(f"{path}: entry {number}: wanted an instance_id and a list of stats")
        mine = found.setdefault((str(row["instance_id"]), whole(row.get("train_trial_index")) or 0), {})
        for stat in row["stats"]:
            name = as_mapping(as_mapping(stat).get("name")).get("name")
            value = finite(as_mapping(stat).get("mean"))
            if isinstance(name, str) and value is not None:
                mine[name] = value
    return found


def _result(task: str, place: Place, requests: Sequence[Row], stats: Mapping[str, float]) -> Result:
    """One instance. Where each choice was a request of its own, the answer has no text."""
    first = requests[0]
    alone = first.get("reference_index") is None
    sample = _sample(place[0], first, [] if alone else requests)
    asked = as_mapping(first.get("request"))
    response = _response(as_mapping(first.get("result")), stats, alone)
    scores = with_accuracy(_scores(stats))
    read = response.text.strip() if alone else None
    mapped = as_mapping(first.get("output_mapping")).get(read or "")
    limit, warmth = whole(asked.get("max_tokens")), finite(asked.get("temperature"))
    return Result(
        benchmark=task,
        sample=sample,
        request=Request(
            messages=(Message("user", str(asked.get("prompt") or sample.question)),),
            max_tokens=limit if limit and limit > 0 else 256,
            temperature=warmth or 0.0,
            stop=texts_of(asked.get("stop_sequences") or ()),
        ),
        response=response,
        status=status_of(scores, response),
        scores={} if response.error else scores,
        answer=mapped if isinstance(mapped, str) else read,
        repeat=place[1],
    )


def _scores(stats: Mapping[str, float]) -> dict[str, float]:
    known = {name: value for name, value in stats.items() if not name.startswith(_BOOKKEEPING)}
    # An open-ended text is measured by its overlap with the reference; that it is the same text is then not the aim.
    headlines = ("f1_score", *_HEADLINES) if "rouge_l" in known else _HEADLINES
    head = next((name for name in headlines if name in known), None)
    return known if head is None else {head: known[head], **known}


def _sample(identity: str, request: Row, each: Sequence[Row]) -> Sample:
    instance = as_mapping(request.get("instance"))
    references = [as_mapping(one) for one in instance.get("references") or ()]
    texts = [str(as_mapping(one.get("output")).get("text", "")) for one in references]
    right = [text for text, one in zip(texts, references, strict=True) if "correct" in (one.get("tags") or ())]
    mapping = as_mapping(request.get("output_mapping"))
    choices = tuple(map(str, mapping.values())) if mapping else tuple(texts) if each else ()
    gold = tuple(choices.index(one) for one in right if one in choices)
    group = instance.get("sub_split")
    return Sample(
        id=identity,
        question=str(as_mapping(instance.get("input")).get("text", "")) or identity,
        answers=() if gold else tuple(right),
        choices=choices,
        gold_indices=gold,
        group=group if isinstance(group, str) else "",
    )


def _response(result: Mapping[str, Any], stats: Mapping[str, float], alone: bool) -> Response:
    if not result.get("success", False):
        return Response(error=str(result.get("error") or "the run has no result of it"))
    completions = [as_mapping(one) for one in result.get("completions") or ()]
    first = completions[0] if completions else {}
    reason = as_mapping(first.get("finish_reason")).get("reason")
    said = {name: value for name, value in stats.items() if value.is_integer()}
    return Response(
        text=str(first.get("text", "")) if alone else "",
        finish=_FINISHES.get(str(reason), "stop"),
        tokens_in=token_count(int(said.get("num_prompt_tokens", 0))),
        tokens_out=token_count(int(said.get("num_output_tokens", said.get("num_completion_tokens", 0)))),
        seconds=finite(result.get("request_time")) or 0.0,
        thinking=str(as_mapping(first.get("thinking")).get("text", "")),
    )

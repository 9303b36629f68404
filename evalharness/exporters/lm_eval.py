"""lm-evaluation-harness: `results_*.json` and a `samples_*.jsonl` for each task, as `--log_samples` writes them.

Fields and hashes: lm_eval/loggers/evaluation_tracker.py and evaluator.py, 0.4.13.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.records import Result
from evalharness.runs.imported import foreign_record
from evalharness.runs.manifest import BenchmarkFacts
from evalharness.runs.store import Run
from evalharness.runs.summary import lower_is_better

SUFFIX = ""  # a folder
UNFILTERED = "none"
INVALID = "[invalid]"  # what their regex filters give where nothing matched
OWN_DOCUMENT = frozenset({"id", "group", "question", "choices", "answer", "answers"})  # the keys of `_doc`
_NO_NUMBER = 1 << 62  # the place of an id that is no number: behind all others
KEPT_LINES = "lm_eval"  # under which a result's detail keeps what a line has besides
_THEIRS = {"accuracy_norm": "acc_norm"}


def write_export(run: Run, path: Path) -> list[Path]:
    """Write a run into a folder. A run that was imported from lm-evaluation-harness comes out as it went in."""
    kept = foreign_record(run, "lm_eval")
    stamp = str(kept.get("stamp") or _stamp(run.manifest.created))
    path.mkdir(parents=True, exist_ok=True)
    written, hashes, counts = [], dict[str, str](), dict[str, int]()
    for name, facts in run.manifest.benchmarks.items():
        task = task_name(name)
        lines = list(sample_lines(run.results(name), facts))
        hashes[task] = sha256("".join(one["doc_hash"] + one["prompt_hash"] + one["target_hash"] for one in lines))
        counts[task] = len({str(one["doc_id"]) for one in lines})
        written.append(path / f"samples_{task}_{stamp}.jsonl")
        write_whole(written[-1], "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))
    results = kept.get("results") or _results(run, hashes, counts)
    written.insert(0, path / f"results_{stamp}.json")
    write_whole(written[0], json.dumps(results, indent=2, ensure_ascii=False))
    return written


def _stamp(created: str | None) -> str:
    """When a run was made as their file names have it."""
    try:
        made = datetime.fromisoformat(str(created)).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        made = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
    return made.isoformat(timespec="microseconds").replace(":", "-")


def task_name(benchmark: str) -> str:
    """A benchmark's name as the name of a task and part of a file's name."""
    stem = Path(benchmark).stem if benchmark.endswith((".yaml", ".yml")) else benchmark
    return "".join(c if c.isalnum() or c in "@+._-" else "_" for c in stem) or "task"


def sha256(text: str) -> str:
    """The hash that they make of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sample_lines(results: Sequence[Result], facts: BenchmarkFacts) -> Iterator[dict[str, Any]]:
    """The lines of a task's samples, one for each question and filter, all of one filter together."""
    by_id: dict[str, list[Result]] = {}
    for result in results:
        by_id.setdefault(result.sample.id, []).append(result)
    groups = sorted(by_id.values(), key=lambda group: _place(group[0].sample.id))
    filters = list(dict.fromkeys(one for group in groups for one in filters_of(group[0])))
    for name in filters:
        for place, group in enumerate(groups):
            if name in filters_of(group[0]):
                yield sample_line(group, name, place, facts.mode == "rank")


def _place(identity: str) -> tuple[int, str]:
    return (
        (int(identity), "") if identity.isascii() and identity.isdigit() and len(identity) < 19 else (1 << 62, identity)
    )


def filters_of(result: Result) -> list[str]:
    """The filters that a result has scores of: the first one's are under plain names."""
    known = result.detail.get(KEPT_LINES)
    if isinstance(known, Mapping):
        return list(known)
    return list(dict.fromkeys(name.partition(",")[2] or UNFILTERED for name in result.scores)) or [UNFILTERED]


def sample_line(repeats: Sequence[Result], name: str, place: int, ranked: bool) -> dict[str, Any]:
    """The line of one question for the filter `name`; what came with it when it was imported comes out again."""
    result = repeats[0]
    sample, request = result.sample, result.request
    identity = _place(sample.id)[0]
    doc = sample.extra.get("doc", _doc(result))
    arguments, responses = (_ranked if ranked else _written)(repeats)
    target = str(sample.gold_indices[0] if len(sample.gold_indices) == 1 else list(sample.gold_indices))
    if not sample.gold_indices:
        target = sample.answers[0] if sample.answers else ""
    answers = [one[0] for one in responses] if ranked else [_read(result)]
    first = filters_of(result)[0]
    scores = {
        their_metric(key, ranked): value
        for key in result.scores
        if (key.partition(",")[2] or first) == name and (value := _mean(repeats, key)) is not None
    }
    line = {
        "doc_id": identity if identity < _NO_NUMBER else place,
        "doc": doc,
        "target": target,
        "arguments": arguments,
        "resps": responses,
        "filtered_resps": answers,
        "filter": name,
        "metrics": list(scores),
        "doc_hash": sha256(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": sha256(str(next(iter(arguments.values()))["arg_0"]) if arguments else request.text),
        "target_hash": sha256(target),
        **scores,
    }
    kept = result.detail.get(KEPT_LINES)
    return {**line, **kept[name]} if isinstance(kept, Mapping) and name in kept else line


def their_metric(score: str, ranked: bool) -> str:
    """What a score of ours is called there: `accuracy` is `acc`, and of a written answer `exact_match`."""
    plain = score.partition(",")[0]
    return ("acc" if ranked else "exact_match") if plain == "accuracy" else _THEIRS.get(plain, plain)


def _mean(repeats: Sequence[Result], key: str) -> float | None:
    found = [one.scores[key] for one in repeats if key in one.scores]
    return sum(found) / len(found) if found else None


def _doc(result: Result) -> dict[str, Any]:
    sample = result.sample
    said = {"id": sample.id, "group": sample.group, "question": sample.question, "choices": list(sample.choices)}
    right = {"answer": list(sample.gold_indices)} if sample.choices else {"answers": list(sample.answers)}
    return {key: value for key, value in {**said, **right}.items() if value not in ("", [])}


def _read(result: Result) -> str:
    """What their filter would give of an answer: INVALID where nothing could be read."""
    if result.answer is None and result.status in ("unparsed", "truncated"):
        return INVALID
    return result.answer if result.answer is not None else result.response.text


def _ranked(repeats: Sequence[Result]) -> tuple[dict[str, Any], list[Any]]:
    """Their `arguments` and `resps` of a ranked question: a context and a continuation for each choice."""
    request, response = repeats[0].request, repeats[0].response
    contexts = request.context_per_choice or ("",) * len(request.choices)
    pairs = zip(contexts, request.choices, strict=False)
    arguments = {f"gen_args_{i}": {"arg_0": request.text + c, "arg_1": choice} for i, (c, choice) in enumerate(pairs)}
    greedy = response.greedy or (False,) * len(response.logprobs)
    return arguments, [[[str(p), str(g)]] for p, g in zip(response.logprobs, greedy, strict=False)]


def _written(repeats: Sequence[Result]) -> tuple[dict[str, Any], list[Any]]:
    request = repeats[0].request
    settings: dict[str, Any] = {"until": list(request.stop), "max_gen_toks": request.max_tokens}
    settings |= {"do_sample": request.temperature > 0}
    settings |= {"temperature": request.temperature, "top_p": request.top_p} if request.temperature > 0 else {}
    return {"gen_args_0": {"arg_0": request.text, "arg_1": settings}}, [[one.response.text for one in repeats]]


def _results(run: Run, hashes: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, Any]:
    """The results of a run that is our own, under their keys. What they have and we do not is left out."""
    manifest, found = run.manifest, dict[str, dict[str, Any]]()
    better, shots = dict[str, dict[str, bool]](), dict[str, Any]()
    for name, entry in run.summary.benchmarks.items():
        task, ranked = task_name(name), entry.mode == "rank"
        found[task] = {"name": task, "alias": task, "sample_len": counts.get(task, entry.n)}
        better[task], shots[task] = {}, manifest.benchmarks[name].shots or 0
        for metric, figure in entry.metrics.items():
            theirs, used = their_metric(metric, ranked), metric.partition(",")[2] or UNFILTERED
            found[task] |= {f"{theirs},{used}": figure.value, f"{theirs}_stderr,{used}": figure.stderr}
            better[task][theirs] = not lower_is_better(name, metric)
    facts = {task_name(name): one for name, one in manifest.benchmarks.items()}
    sampling = manifest.sampling
    return {
        "results": found,
        "group_subtasks": {},
        "configs": {task: _config(task, one) for task, one in facts.items()},
        "versions": dict.fromkeys(facts),
        "n-shot": shots,
        "higher_is_better": better,
        "n-samples": {task: {"original": one.items, "effective": counts.get(task, 0)} for task, one in facts.items()},
        "config": {
            "model": "evalharness", "model_args": {"pretrained": manifest.model.name},
            "limit": next((one.limit for one in facts.values()), None), "batch_size": None, "device": None,
            "gen_kwargs": {}, "random_seed": sampling.seed if sampling else None,
        },
        "git_hash": manifest.git.commit if manifest.git else None,
        "date": _unix(manifest.created),
        "task_hashes": dict(hashes),
        "model_source": "evalharness",
        "model_name": manifest.model.name,
        "model_name_sanitized": "".join("__" if c in '<>:/|\\?*[]"' else c for c in str(manifest.model.name)),
        "evalharness_version": (manifest.versions or {}).get("evalharness"),
    }  # fmt: skip


def _config(task: str, facts: BenchmarkFacts) -> dict[str, Any]:
    kind = "multiple_choice" if facts.mode == "rank" else "generate_until"
    return {"task": task, "output_type": kind, "num_fewshot": facts.shots or 0, "repeats": facts.repeats}


def _unix(created: str | None) -> float | None:
    try:
        return datetime.fromisoformat(str(created)).timestamp()
    except ValueError:
        return None

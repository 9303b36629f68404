"""`lm_eval_parity.py parity`: tasks drawn by seed, asked and scored here and by the peer, compared piece by piece."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _lm_eval_sham as sham
import lm_eval_parity as ours
from _lm_eval_rows import rows_of

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.errors import UserError
from evalharness.file_benchmarks.lm_eval.catalog import open_catalog
from evalharness.file_benchmarks.lm_eval.documents import LISTED_EXAMPLES
from evalharness.file_benchmarks.lm_eval.figures import UNNUMBERED
from evalharness.file_benchmarks.lm_eval.members import TaskEntry
from evalharness.file_benchmarks.lm_eval.task import open_lm_eval_file
from evalharness.model import Model
from evalharness.models.echo import Echo
from evalharness.records import Request, Response, Result, Sample
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

LIMIT = 4  # documents of a task that are asked
CLOSE = 1e-4
_OURS = {"acc": "accuracy", "acc_norm": "accuracy_norm", "exact_match": "accuracy"}


def parity(said: Namespace) -> None:
    """Draws, asks both sides and prints what differs."""
    drawn = _drawn(said.tasks, said.seed, said.only, said.shard)
    print(f"{len(drawn)} tasks of {len({_family(e) for e, _ in drawn})} families", flush=True)
    model = plugins.load_model(f"local:{said.model}") if said.model else None
    jobs, mine = [], {}
    for entry, kinds in drawn:
        try:
            job, made = _asked(entry, kinds, model)
        except (UserError, KeyError, ValueError, TypeError) as error:
            mine[entry.name] = {"error": f"{type(error).__name__}: {error}"[:300]}
            continue
        jobs.append(job)
        mine[entry.name] = made
    with tempfile.TemporaryDirectory() as folder:
        asked, out = Path(folder) / "jobs.json", Path(folder) / "out.json"
        asked.write_text(json.dumps(jobs))
        peer = [str(said.venv / "bin/python"), str(Path(__file__).with_name("_lm_eval_peer.py")), str(asked), str(out)]
        peer += [said.model] if said.model else []
        subprocess.run(peer, check=True, timeout=3000, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        theirs = json.loads(out.read_text())
    failed = {name: found["error"] for name, found in theirs.items() if "error" in found}
    print(f"{len(failed)} tasks fail there on rows that they run with here; they are not compared:")
    for name, error in failed.items():
        print(f"  {name}: {error:.100}")
    mine = {name: made for name, made in mine.items() if name not in failed}
    differs = {name: found for name, made in mine.items() if (found := _differences(made, theirs.get(name, {})))}
    _report(mine, differs)
    said.out.write_text(json.dumps({"tasks": len(mine), "differs": differs}, indent=1))


def _family(entry: TaskEntry) -> str:
    assert entry.file is not None
    return entry.file.relative_to(entry.root).parts[0]


def _drawn(count: int, seed: int, only: str, shard: str) -> list[tuple[TaskEntry, dict[str, str]]]:
    """Tasks that open, of as many families as there are: one of each family after the other. `only`: those whose path
    the expression finds; of the families a part (`shard`)."""
    chance = random.Random(seed)
    families: dict[str, list[TaskEntry]] = {}
    for _, entry in sorted(open_catalog().entries.items()):
        if entry.kind == "task" and re.search(only, str(entry.file)):
            families.setdefault(_family(entry), []).append(entry)
    for members in families.values():
        chance.shuffle(members)
    queue = list(families.values())
    chance.shuffle(queue)
    part, parts = map(int, shard.split("/"))
    queue = queue[part - 1 :: parts]
    found: list[tuple[TaskEntry, dict[str, str]]] = []
    known: dict[str, dict[str, str]] = {}
    while queue and len(found) < count:
        for members in list(queue):
            if not members:
                queue.remove(members)
                continue
            entry = members.pop()
            error, kinds = ours.opened(entry, known)
            if not error:
                found.append((entry, kinds))
                if len(found) % 20 == 0:
                    print(f"{len(found)} drawn", flush=True)
            if len(found) == count:
                break
    return found


def _asked(entry: TaskEntry, kinds: Mapping[str, str], model: Model | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The job for the peer, and what is asked and scored here."""
    assert entry.file is not None
    benchmark = open_lm_eval_file(entry.file, entry.root)
    source = benchmark.source
    split, shot_split = source.split, str(source.shot_split)
    rows = {split: rows_of(kinds)}
    if shot_split != LISTED_EXAMPLES:
        rows.setdefault(shot_split, rows_of(kinds, first=8))
    given = {**{s: (lambda r=r: r) for s, r in rows.items()}, **source.given}
    benchmark = replace(benchmark, source=replace(source, hub="", own={}, given=given))
    name = plugins.add_benchmark(replace(benchmark, name=f"parity {entry.name}"))
    prepared = planning.prepare_task(name, Plan(benchmarks=(name,)), Echo())
    wanted = list(dict.fromkeys(q.sample.id for q in prepared.questions))[:LIMIT]
    questions = [q for q in prepared.questions if q.sample.id in wanted]
    once = [place for place, question in enumerate(questions) if not question.repeat]
    pool = _pool([q.sample.answers for q in questions])
    results = []

    def answers_to(requests: list[Request]) -> list[Response]:
        if model is None:
            return [_response(request, pool, _rolling(benchmark)) for request in requests]
        requests = [replace(request, max_tokens=min(request.max_tokens, sham.TOKENS)) for request in requests]
        return [found for _, found in sorted(model.answer(requests), key=lambda one: one[0])]

    responses = answers_to([q.request for q in questions])
    if benchmark.follow_up is not None:  # what a class has ranked after each answer
        after = [benchmark.follow_up(q.sample, q.request, r) for q, r in zip(questions, responses, strict=True)]
        ranked = answers_to([request for request in after if request is not None])
        responses = [
            replace(written, logprobs=one.logprobs, greedy=one.greedy, lengths=one.lengths)
            for written, one in zip(responses, ranked, strict=True)
        ]
    for question, response in zip(questions, responses, strict=True):
        score = score_response(prepared.benchmark.score, question.sample, question.request, response)
        results.append(
            Result(
                benchmark=name, sample=question.sample, request=question.request, response=response,
                status=score.status, scores=score.scores, answer=score.answer, detail=score.detail,
                repeat=question.repeat,
            )
        )  # fmt: skip
    figures = {m.name: made.value for m in prepared.benchmark.metrics if (made := m.of(results)) is not None}
    splits = {s: [dict(row) for row in found] for s, found in rows.items()}
    job = {"task": entry.name, "rows": splits, "pool": pool, "limit": LIMIT}
    scores = [{**r.scores, **r.detail.get(UNNUMBERED, {})} for r in results]
    asked = [_arguments(q.request, prepared.benchmark) for q in (questions[i] for i in once)]
    answers = [_answers(questions[i].request, responses[i]) for i in once] if model is not None else []
    return job, {"asked": asked, "answers": answers, "scores": scores, "figures": figures}


def _answers(request: Request, response: Response) -> list[Any]:
    return [*([] if request.choices else [response.text]), *response.logprobs]


def _pool(answers: Sequence[Sequence[str]]) -> list[str]:
    """Texts that a model may have written: right ones, right ones among other words, and others."""
    right = [text for of in answers for text in of][:8]
    return [*right, *(f"The answer is {text}." for text in right), "quite another thing", "(B)", "#### 7", "yes"]


def _rolling(benchmark: Benchmark) -> bool:
    return any(metric.name in ("word_perplexity", "byte_perplexity", "bits_per_byte") for metric in benchmark.metrics)


def _response(request: Request, pool: list[str], rolling: bool) -> Response:
    if not request.choices:
        return Response(text=sham.written(request.text, pool, list(request.stop)), finish="stop")
    given = request.context_per_choice or ("",) * len(request.choices)
    whole = [(request.text + context, choice) for context, choice in zip(given, request.choices, strict=True)]
    if rolling:
        return Response(logprobs=(sham.rolled(request.choices[0]),), greedy=(False,), lengths=(1,))
    found = [sham.ranked(*pair) for pair in whole]
    values, greedy = zip(*found, strict=True)
    return Response(logprobs=values, greedy=greedy, lengths=(1,) * len(found))


def _arguments(request: Request, benchmark: Benchmark) -> list[list[Any]]:
    """What the peer would call the arguments of a request."""
    if not request.choices:
        sampling = {"until": list(request.stop), "max_gen_toks": request.max_tokens}
        after = benchmark.follow_up and benchmark.follow_up(Sample(question=""), request, Response())
        return [[request.text, sampling], *([request.text, choice] for choice in (after.choices if after else ()))]
    given = request.context_per_choice or ("",) * len(request.choices)
    pairs = [[request.text + context, choice] for context, choice in zip(given, request.choices, strict=True)]
    return [[pair[1]] for pair in pairs] if _rolling(benchmark) else pairs


def _differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in mine or "error" in theirs:
        return {"error": {"here": mine.get("error"), "there": theirs.get("error")}}
    found: dict[str, Any] = {}
    asked = [_normal(theirs["asked"][key]) for key in sorted(theirs.get("asked", {}), key=int)]
    for place, (here, there) in enumerate(zip(mine["asked"], asked, strict=False)):
        if here != there:
            found["asked"] = {"document": place, "here": here, "there": there}
            break
    if len(mine["asked"]) != len(asked):
        found["documents"] = {"here": len(mine["asked"]), "there": len(asked)}
    for here, key in zip(mine["answers"], sorted(theirs.get("answers", {}), key=int), strict=False):
        there = [one[0] if isinstance(one, list) else one for one in theirs["answers"][key]]
        if not all(a == b if isinstance(b, str) else _close(a, b) for a, b in zip(here, there, strict=True)):
            found["answers"] = {"here": here, "there": there}
    for key, there in theirs.get("figures", {}).items():
        name, _, pipeline = key.partition(",")
        labels = [f"{n}{mark}" for mark in (f",{pipeline}", "") for n in (_OURS.get(name, name), name)]
        here = next((mine["figures"][label] for label in labels if label in mine["figures"]), None)
        if not _close(here, there):
            found.setdefault("figures", {})[key] = {"here": here, "there": there}
    return found


def _normal(asked: Sequence[Sequence[Any]]) -> list[list[Any]]:
    normal = []
    for arguments in asked:
        if len(arguments) > 1 and isinstance(arguments[1], dict):
            said = arguments[1]
            until = said.get("until") or []
            lengths = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
            longest = next((said[k] for k in lengths if said.get(k) is not None), 256)
            stops = [stop for stop in ([until] if isinstance(until, str) else until) if stop]
            normal.append([arguments[0], {"until": stops, "max_gen_toks": longest}])
        else:
            normal.append(list(arguments))
    return normal


def _close(here: Any, there: Any) -> bool:
    if there in (None, "N/A", 999) or isinstance(there, str):
        return True
    if here is None:
        return isinstance(there, float) and math.isnan(there)
    if math.isnan(float(there)):
        return math.isnan(float(here))
    return abs(float(here) - float(there)) <= CLOSE * max(1.0, abs(float(there)))


def _report(mine: Mapping[str, Any], differs: Mapping[str, Any]) -> None:
    kinds = Counter(kind for found in differs.values() for kind in found)
    print(f"{len(mine) - len(differs)} of {len(mine)} tasks equal in prompts, continuations, stop strings and figures")
    print("differ in:", ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "nothing")
    for name, found in list(differs.items())[:40]:
        print(f"  {name}: {json.dumps(found, default=str)[:400]}")

"""All of MMLU's 14,042 questions, five shots, on a tiny random Llama: tokens and time against the floor, memory.

    python perf/all_mmlu.py [--data ../shared/data/mmlu] [--threads 1]

The floor in tokens is one preamble per subject and each question once (1.490M with GPT-2's vocabulary, against 9.89M
without sharing). The floor in time is these tokens at the speed of a warm pass of the same network.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _pairs import DATA, machine, make_model, options

PREAMBLE = 409  # tokens: the median of the 57 subjects


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def plain_speed(decoder: Any, tokens: int = 512) -> float:
    """CPU seconds per token of passes over `tokens` tokens behind a median preamble, head left out: the best of ten."""
    import torch

    from evalharness.engine.attention import PackedRows, PrefixCache

    ids, places = torch.arange(tokens) % 1000, torch.arange(PREAMBLE, PREAMBLE + 128).repeat(tokens // 128)
    prefix = PrefixCache(decoder.config, PREAMBLE, torch.float32, torch.device("cpu"))
    for cache in (*prefix.keys, *prefix.values):
        cache.zero_()
    prefix.length = PREAMBLE
    best = float("inf")
    with torch.inference_mode():
        for _ in range(10):
            start = time.process_time()
            decoder.hidden(ids, places, PackedRows(decoder.config, [128] * (tokens // 128), places, prefix=prefix))
            best = min(best, time.process_time() - start)
    return best / tokens


def main() -> None:
    parser = options("scores all MMLU questions; there is no peer: the floor is computed")
    parser.add_argument("--data", type=Path, default=DATA / "mmlu")
    parser.add_argument("--model", default="llama-tiny")
    args = parser.parse_args()
    if not args.data.is_dir():
        print(f"{args.data}: no MMLU folder there; name one with --data", file=sys.stderr)
        raise SystemExit(3)
    from evalharness import plugins
    from evalharness.engine.loglikelihood import LoglikelihoodScorer, token_trees
    from evalharness.options import LocalOptions
    from evalharness.runs.plan import Plan, prepare_task

    folder = make_model(args.model, Path(tempfile.gettempdir()) / "evalh-perf" / args.model)
    model: Any = plugins.load_model(f"local:{folder}", LocalOptions(threads=args.threads))
    groups = ("abstract_algebra", "anatomy", "astronomy") if args.quick else ()
    task = prepare_task("mmlu", Plan(benchmarks=("mmlu",), data=str(args.data), groups=groups), model)
    asked = [q.request for q in task.questions]
    marks = {"prepared": time.process_time()}
    opened = [model._continuations(request)[0] for request in asked]
    marks["tokenised"] = time.process_time()
    trees = [tree for i, group in enumerate(opened) for tree in token_trees(i, group, model.engine.context)]
    subjects: dict[str, list[Any]] = {}
    for question, group in zip(task.questions, opened, strict=True):
        subjects.setdefault(question.sample.group, []).append(group[0].inputs(0))
    floor = 0
    for prompts in subjects.values():
        shared = min(next(i for i in range(len(p)) if p[i] != prompts[0][i]) for p in prompts[1:] if len(p))
        floor += shared + sum(len(p) - shared for p in prompts)
    decoder = model.engine.decoder
    speed = plain_speed(decoder)
    scorer = LoglikelihoodScorer(decoder, model.engine.memory, model.engine.memory.budget(512))
    start, peaks = time.process_time(), []
    for count, _ in enumerate(scorer.run(trees), 1):
        if count % 2000 == 0:
            peaks.append(round(peak()))
    spent = time.process_time() - start
    print(json.dumps({
        "name": "all_mmlu", "model": args.model, "threads": args.threads, **machine(), "questions": len(asked),
        "tokens_asked": scorer.unshared, "tokens_forwarded": scorer.forwarded, "tokens_floor": floor,
        "ratio_tokens": round(scorer.forwarded / floor, 3),
        "tokenise_cpu": round(marks["tokenised"] - marks["prepared"], 1),
        "scoring_cpu": round(spent, 1), "floor_cpu": round(floor * speed, 1),
        "ratio_cpu": round(spent / (floor * speed), 2), "ms_per_question": round(1000 * spent / len(asked), 2),
        "peak_mb": round(peak()), "peak_mb_every_2000": peaks,
    }))  # fmt: skip


if __name__ == "__main__":
    main()

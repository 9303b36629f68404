"""Writing answers: the engine against lm-evaluation-harness (`generate_until`) on the same checkpoint and prompts.

    EVALH_PEER_PYTHON=/path/to/python python perf/generate.py [--model gpt2-124m] [--prompts 32] [--tokens 64]

Greedy, all prompts of different length; the texts must be equal before a ratio is printed. `ratio_process` compares
whole processes, as for MMLU; `ratio_writing` the seconds of writing alone (ours still reads and packs weights in them).
The peer runs at batch 16 and both on one core; with --default it runs as it does when told nothing, at batch 1 on all
cores, and ours on all cores too (`--threads 1` keeps both on one).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from _pairs import DATA, MODELS, child, machine, make_model, options, pair, peer, ratio

OURS = """
import json, resource, sys, time
from evalharness.options import LocalOptions
from evalharness.models.local import open_model
from evalharness.records import Message, Request
model, prompts, batch, tokens, threads, out = sys.argv[1:]
opened = open_model(model, LocalOptions(threads=int(threads), batch=int(batch), backend="native"))
texts = json.loads(open(prompts).read())
stop = ("Question:", "</s>", "<|im_end|>")
asked = [Request(messages=(Message("user", t),), max_tokens=int(tokens), stop=stop) for t in texts]
start, cpu = time.perf_counter(), time.process_time()
found = dict(opened.answer(asked))
spent = time.perf_counter() - start, time.process_time() - cpu
answers = [found[i].text for i in range(len(texts))]
written = sum(r.tokens_out for r in found.values())
route = opened.describe()["products"]["write"]
facts = {"answers": answers, "wall": spent[0], "cpu": spent[1], "tokens": written, "route": route}
open(out, "w").write(json.dumps(facts))
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def prompts(count: int, words: int) -> list[str]:
    """Texts of growing length, from MMLU's questions where they are at hand, else from the bundled sample."""
    source = DATA / "mmlu" / "test" / "philosophy_test.csv"
    if not source.is_file():
        source = Path(__file__).resolve().parents[1] / "benchmarks" / "mmlu.jsonl"
    running = source.read_text("utf-8").split()
    lengths = [30 + (i * 37) % words for i in range(count)]
    starts = [sum(lengths[:i]) for i in range(count)]
    return [" ".join(running[s : s + n]) for s, n in zip(starts, lengths, strict=True)]


def check(a: list[str], b: list[str]) -> None:
    """The same texts, or exit 1. The peer's tokenizer strips nothing here, so they are compared as they are."""
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if wrong:
        i = wrong[0]
        raise SystemExit(f"{len(wrong)} answers differ, the first at prompt {i}: {a[i]!r} {b[i]!r}")


def main() -> None:
    parser = options("writes answers, ours and lm-evaluation-harness in turn")
    parser.add_argument("--model", choices=sorted(MODELS), default="gpt2-124m")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--slots", type=int, default=32, help="rows that ours writes at a time")
    parser.add_argument("--peer-batch", type=int, default=16)
    parser.add_argument("--default", action="store_true", help="the peer at its defaults: batch 1, all cores")
    parser.set_defaults(threads=0)
    args = parser.parse_args()
    args.threads = args.threads or ((os.cpu_count() or 1) if args.default else 1)
    python = peer()
    if args.quick:
        args.pairs, args.prompts, args.tokens = 1, 8, 16
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        model = make_model(args.model, Path(tempfile.gettempdir()) / "evalh-perf" / args.model)
        asked = scratch / "prompts.json"
        asked.write_text(json.dumps(prompts(args.prompts, 120)))
        files = {"ours": scratch / "ours.json", "peer": scratch / "peer.json"}
        batch = "1" if args.default else str(args.peer_batch)
        ours = lambda: child(
            [sys.executable, "-c", OURS, str(model), str(asked), str(args.slots), str(args.tokens), str(args.threads),
             str(files["ours"])], args.threads)  # fmt: skip
        theirs = lambda: child(
            [python, str(Path(__file__).with_name("_peer.py")), "write", str(model), str(asked), batch,
             str(args.tokens), str(files["peer"])], args.threads)  # fmt: skip
        read = lambda: {who: json.loads(file.read_text()) for who, file in files.items()}
        if not args.quick:
            ours()
        found: list[dict[str, Any]] = []
        whole = []
        peaks = []
        for turn in range(args.pairs):
            a, b = pair(turn, ours, theirs)
            peaks.append(a.peak / b.peak)
            whole.append(b.wall / a.wall if args.threads > 1 else b.cpu / a.cpu)
            found.append(read())
            check(found[-1]["ours"]["answers"], found[-1]["peer"]["answers"])
    which = "cpu" if args.threads == 1 else "wall"
    print(json.dumps({
        "name": "generate", "model": args.model, "prompts": args.prompts, "tokens": found[0]["ours"]["tokens"],
        "peer": "lm_eval 0.4.13", "peer_batch": int(batch), "slots": args.slots, "threads": args.threads, **machine(),
        "pairs": args.pairs, "same_texts": True, "route": found[0]["ours"]["route"],
        "tokens_per_second": ratio([f["ours"]["tokens"] / f["ours"][which] for f in found]),
        f"ratio_process_{which}": ratio(whole),
        f"ratio_writing_{which}": ratio([f["peer"][which] / f["ours"][which] for f in found]),
        "ratio_peak_memory": ratio(peaks),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""Fine-tuning steps: ours against the book's loop, transformers' Trainer and TRL's trainers, same rows and batches.

    EVALH_PEER_PYTHON=/path/to/python python perf/train.py [--against trl|trainer|book|trl-lora|trl-dpo] [--threads 2]

float32, eight rows a step, AdamW 5e-5, no clipping, no dropout. Against the book's loop the loss is on all tokens on
both sides, else on the responses. `trl-lora`: adapters of rank 16 on every linear layer of the blocks, the same at the
start. `trl-dpo`: eight pairs a step, the worse answer another row's, beta 0.1; what the reference finds likely is
computed before the steps on both sides. Losses per step must be equal to three decimals before a ratio is printed. The
seconds are those of the steps, the peak that of the whole process. Tokens are real ones, padding does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _pairs import DATA, child, machine, make_model, options, pair, peer, ratio

VERSIONS = {
    "trl": "trl 1.16", "trainer": "transformers 5.23", "book": "the book's loop, own words, transformers 5.23",
    "trl-lora": "trl 1.16, peft 0.21", "trl-dpo": "trl 1.16",
}  # fmt: skip
TARGETS = {"trl": 3.5, "trainer": 3.0, "book": 2.5, "trl-lora": 3.5, "trl-dpo": 3.5}


def rows(model: Path, count: int) -> list[dict[str, Any]]:
    """Alpaca-style rows as token ids, from the book's data where it is at hand, else from the bundled instructions;
    `rejected` has the next row's answer in place of its own."""
    from evalharness.chat import render
    from evalharness.engine.tokenizer import open_tokenizer
    from evalharness.training import datasets as reading

    book = DATA / "rasbt/ch07/01_main-chapter-code/instruction-data.json"
    bundled = Path(__file__).resolve().parents[1] / "evalharness" / "tiny" / "instructions.jsonl"
    format_ = render.chat_of_style("alpaca-book", open_tokenizer(model, 50257))
    made = []
    for row in reading.read_training_data(str(book if book.is_file() else bundled)).rows[:count]:
        example = format_.example(row.messages)
        made.append({"ids": example.ids, "prompt": example.trained.index(True)})
    for row, other in zip(made, [*made[1:], made[0]], strict=True):
        row["rejected"] = row["ids"][: row["prompt"]] + other["ids"][other["prompt"] :]
    return made


def check(ours: list[float], theirs: list[float]) -> float:
    """Losses of every step equal to three decimals, or exit 1. The largest difference."""
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    if worst > 1e-3:
        raise SystemExit(f"the losses differ by {worst:.4f}: ours {ours}, theirs {theirs}")
    return worst


def main() -> None:
    parser = options("fine-tuning steps, ours and a peer in turn")
    parser.add_argument("--against", choices=sorted(TARGETS), default="trl")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="ours; not like for like")
    args = parser.parse_args()
    python = peer()
    if args.quick:
        args.pairs, args.rows = 1, 16
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        model = make_model("gpt2-124m", Path(tempfile.gettempdir()) / "evalh-perf" / "gpt2-124m")
        material = scratch / "rows.json"
        material.write_text(json.dumps(rows(model, args.rows)))
        files = {"ours": scratch / "ours.json", "peer": scratch / "peer.json"}
        here = str(Path(__file__).with_name("_train_ours.py"))
        adapters = scratch / "adapters"
        if args.against == "trl-lora":
            child([sys.executable, here, "adapters", str(model), str(adapters)], args.threads)
        ours = lambda: child(
            [sys.executable, here, args.against, str(model), str(material), str(files["ours"]), str(args.threads),
             args.dtype], args.threads)  # fmt: skip
        theirs = lambda: child(
            [python, str(Path(__file__).with_name("_train_peer.py")), args.against, str(model), str(material),
             str(files["peer"]), str(adapters)], args.threads)  # fmt: skip
        if not args.quick:
            ours()
        found: list[dict[str, Any]] = []
        peaks, worst = [], 0.0
        for turn in range(args.pairs):
            a, b = pair(turn, ours, theirs)
            peaks.append(a.peak / b.peak)
            found.append({who: json.loads(file.read_text()) for who, file in files.items()})
            if args.dtype == "float32":
                worst = max(worst, check(found[-1]["ours"]["losses"], found[-1]["peer"]["losses"]))
    which = "cpu" if args.threads == 1 else "wall"
    speed = ratio([f["peer"][which] / f["ours"][which] for f in found])
    print(json.dumps({
        "name": "train", "against": VERSIONS[args.against], "model": "gpt2-124m", "rows": args.rows, "batch": 8,
        "tokens": found[0]["ours"]["tokens"], "loss_on": "all tokens" if args.against == "book" else "responses",
        "dtype": args.dtype, "threads": args.threads, **machine(), "pairs": args.pairs,
        "route": found[0]["ours"]["route"], "largest_loss_difference": worst,
        "last_loss": [found[0][who]["losses"][-1] for who in ("ours", "peer")],
        "tokens_per_second_ours": ratio([f["ours"]["tokens"] / f["ours"][which] for f in found]),
        "tokens_per_second_peer": ratio([f["ours"]["tokens"] / f["peer"][which] for f in found]),
        f"ratio_{which}": speed, "ratio_peak_memory": ratio(peaks), "target": TARGETS[args.against],
        "met": speed["median"] >= TARGETS[args.against] and ratio(peaks)["median"] <= 1.0,
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""MMLU by log-probability: `evalh run mmlu` against lm-evaluation-harness on the same checkpoint and questions.

    EVALH_PEER_PYTHON=/path/to/python python perf/mmlu.py [--model gpt2-124m|llama-87m] [--shots 5] [--peer-batch 1]

Whole processes are compared (start-up, loading, journal and report included), and the scoring alone.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _pairs import DATA, MODELS, Ran, child, machine, make_model, options, pair, peer, ratio

SAME = 1e-4
OURS = "import sys; from evalharness.cli import main\ntry: main()\nfinally:\n import resource as r; print('peak', r.getrusage(r.RUSAGE_SELF).ru_maxrss / 1000)"  # noqa: E501  # one -c program


def questions(source: Path, subject: str, count: int, folder: Path) -> Path:
    """A data folder with the first questions of one subject, so that both sides ask the same ones."""
    for split, rows in (("dev", 5), ("test", count)):
        with (source / split / f"{subject}_{split}.csv").open(encoding="utf-8", newline="") as lines:
            kept = list(csv.reader(lines))[:rows]
        (folder / split).mkdir(parents=True, exist_ok=True)
        with (folder / split / f"{subject}_{split}.csv").open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(kept)
    return folder


def ours(model: Path, data: Path, args: Any, scratch: Path, number: list[int]) -> Ran:
    number[0] += 1
    command = ["run", "mmlu", "--model", f"local:{model}", "--data", str(data), "--subjects", args.subject, "--shots",
               str(args.shots), "--threads", str(args.threads), "--json", "--runs", str(scratch / "runs"), "--name",
               f"run{number[0]}", "--backend", "native"]  # fmt: skip
    return child([sys.executable, "-c", OURS, *command], args.threads)


def results(scratch: Path, number: int) -> tuple[list[list[float]], float]:
    """Log-probabilities by question, and the seconds of scoring."""
    lines = [json.loads(x) for x in (scratch / "runs" / f"run{number}" / "results.jsonl").read_text().splitlines()]
    lines.sort(key=lambda line: int(line["id"].rpartition("/")[2]))
    return [line["response"]["logprobs"] for line in lines], sum(line["response"]["seconds"] for line in lines)


def compare(a: list[list[float]], b: list[list[float]]) -> tuple[float, int]:
    """Largest difference and number of choices that differ; exits 1 where the scores are not the same."""
    if len(a) != len(b):
        raise SystemExit(f"not the same questions: {len(a)} and {len(b)}")
    worst = max(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))
    flips = sum(p.index(max(p)) != q.index(max(q)) for p, q in zip(a, b, strict=True))
    if worst > SAME or flips:
        raise SystemExit(f"the scores differ: {worst:.2e} at most, {flips} choices")
    return worst, flips


def main() -> None:
    parser = options("ranks MMLU questions, ours and lm-evaluation-harness in turn")
    parser.add_argument("--model", choices=sorted(MODELS), default="gpt2-124m")
    parser.add_argument("--data", type=Path, default=DATA / "mmlu")
    parser.add_argument("--subject", default="abstract_algebra")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--peer-batch", type=int, default=1, help="1 is the peer's best here; memory is told for 8")
    args = parser.parse_args()
    python = peer()
    if not args.data.is_dir():
        print(f"{args.data}: no MMLU folder there; name one with --data", file=sys.stderr)
        raise SystemExit(3)
    if args.quick:
        args.pairs, args.questions = 1, 8
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        model = make_model(args.model, Path(tempfile.gettempdir()) / "evalh-perf" / args.model)
        data = questions(args.data, args.subject, args.questions, scratch / "data")
        number, out = [0], scratch / "peer.json"
        run = lambda: ours(model, data, args, scratch, number)
        asked = ["rank", str(model), str(data), args.subject, str(args.shots), str(args.peer_batch), str(out)]
        theirs = lambda: child([python, str(Path(__file__).with_name("_peer.py")), *asked], args.threads)
        scoring: list[float] = []
        run()
        theirs()
        worst, flips = compare(results(scratch, number[0])[0], json.loads(out.read_text())["logprobs"])
        pairs = []
        for turn in range(args.pairs):
            pairs.append(pair(turn, run, theirs))
            scoring.append(json.loads(out.read_text())["scoring_wall"] / results(scratch, number[0])[1])
    which = "cpu" if args.threads == 1 else "wall"
    print(json.dumps({
        "name": "mmlu", "model": args.model, "subject": args.subject, "questions": args.questions, "shots": args.shots,
        "peer": "lm_eval 0.4.13", "peer_batch": args.peer_batch, "threads": args.threads, **machine(),
        "pairs": args.pairs, "largest_difference": worst, "flips": flips,
        f"ratio_whole_process_{which}": ratio([getattr(b, which) / getattr(a, which) for a, b in pairs]),
        "ratio_scoring_wall": ratio(scoring), "ratio_peak_memory": ratio([a.peak / b.peak for a, b in pairs]),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""Copies of one model on this machine: questions a second with one process, and with 1, 2, 4 copies.

    python perf/workers.py                                  # 100 million parameters, processes; some ten minutes
    python perf/workers.py --engine ray --copies 1 2        # needs the extra `scale`

A made model (12 layers, 768 wide: 113 million parameters, float32, one token a byte) ranks made questions. In turn, one
process alone (with all the threads that it takes) and so many copies; each pair must give the same summary, and printed
is the median of the pairs' ratios. Loading is not counted. On a busy machine the clock says little; the processor
seconds of a question (all processes together; not for Ray, whose workers are nobody's children) say what copies cost
beyond the work itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARK = """name: made
source: rows.jsonl
template: "{{question}}\\nAnswer:"
choices: choices
gold: gold
id: id
scorer: choice
"""
PROGRAM = """
import json, os, sys, time
from pathlib import Path
from evalharness.executor import PlacementOptions
from evalharness.records import Message, Request
from evalharness.runs.placed import placed_model
from evalharness.runs.session import RunHooks, RunPlace, make_plan, run_plan
def processor_seconds():
    pids = [str(os.getpid())]
    for task in Path("/proc/self/task").iterdir():
        pids += (task / "children").read_text().split()
    ticks = [Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return sum(int(each) for pair in ticks for each in pair) / os.sysconf("SC_CLK_TCK")
name, placement = sys.argv[1], PlacementOptions(**json.loads(sys.argv[2]))
model = placed_model("local:model", {}, placement)
list(model.answer([Request(messages=(Message("user", "a"),), choices=("b",))] * 32))  # opens every copy
began, used = time.perf_counter(), processor_seconds()
run = run_plan(make_plan(["./bench.yaml"], model="local:model"), model, RunPlace(name=name), RunHooks())
seconds, processor = time.perf_counter() - began, processor_seconds() - used
print(json.dumps({"rate": run.answers / seconds, "cpu": processor / run.answers}))
"""


def make_model(folder: Path, layers: int, width: int) -> int:
    """A network of random weights in Hugging Face's layout, with a byte tokenizer; how many parameters it has."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<s>"])}
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=12, num_key_value_heads=12, max_position_embeddings=1024,
        bos_token_id=256, eos_token_id=256,
    )  # fmt: skip
    made = LlamaForCausalLM(config)
    made.save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer.save(str(folder / "tokenizer.json"))
    return sum(weight.numel() for weight in made.parameters())


def make_questions(folder: Path, count: int) -> None:
    (folder / "bench.yaml").write_text(BENCHMARK)
    with (folder / "rows.jsonl").open("w") as rows:
        for i in range(count):
            asked = f"Question {i}: which of these is {i * 7 % 1000} and {i}? " + "Take your time and read it all. " * 4
            rows.write(json.dumps({"id": f"q{i}", "question": asked, "choices": ["one", "two", "three", "four"],
                                   "gold": i % 4}) + "\n")  # fmt: skip


def measure(folder: Path, name: str, placement: dict[str, object]) -> tuple[float, float]:
    """Questions a second and processor seconds a question of one run, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, name, json.dumps(placement)], cwd=folder, text=True,
                          stdout=subprocess.PIPE, check=True)  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["rate"]), float(found["cpu"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="processes", choices=("processes", "ray"))
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--questions", type=int, default=192)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print(f"{make_model(folder / 'model', asked.layers, asked.width):,} parameters, {asked.questions} questions")
        make_questions(folder, asked.questions)
        for copies in asked.copies:
            placed = {"engine": asked.engine, "replicas": copies}
            pairs = []
            for pair in range(asked.pairs):
                alone, several = f"alone{copies}.{pair}", f"of{copies}.{pair}"
                pairs.append((measure(folder, alone, {}), measure(folder, several, placed)))
                one, other = ((folder / "runs" / name / "summary.json").read_bytes() for name in (alone, several))
                if one != other:
                    sys.exit(f"{copies} copies give another summary than one process")
            ratios = [several[0] / alone[0] for alone, several in pairs]
            costs = [several[1] / alone[1] for alone, several in pairs]
            alone_rate, rate = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
            print(
                f"{asked.engine}, {copies} copies: {rate:.2f} questions a second, alone {alone_rate:.2f}; ratio "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); processor seconds a "
                f"question {statistics.median(costs):.2f} times those of one process",
                flush=True,
            )


if __name__ == "__main__":
    main()

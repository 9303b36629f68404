"""Twenty mixed tasks in lm-evaluation-harness's format in one command, here and there, on the same checkpoint.

    EVALH_PEER_PYTHON=/path/to/python python perf/lm_eval_speed.py [--model llama-tiny] [--documents 40]

Eight subjects of MMLU and four tasks of SuperGLUE by log-probability, four of BIG-Bench Hard and two parts of GSM8K
written, two texts scored whole. Rows are files, so that no side waits for a network. Whole processes are compared; the
figures of all tasks, and the group's, are compared first.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from _pairs import DATA, MODELS, Ran, child, machine, make_model, options, pair, peer, ratio

SAME = 1e-4
OURS = "import sys; from evalharness.cli import main\nsys.argv[0] = 'evalh'\nmain()"
THEIRS = """import sys, json
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
model, folder, batch, out = sys.argv[1:]
found = simple_evaluate(
    model="hf", model_args=dict(pretrained=model, dtype="float32"), tasks=["speed"], device="cpu",
    batch_size=int(batch), task_manager=TaskManager(include_path=folder, include_defaults=False), bootstrap_iters=0)
json.dump(found["results"], open(out, "w"), default=str)
"""
_SUBJECTS = (
    "anatomy", "astronomy", "business_ethics", "college_biology", "econometrics", "global_facts", "marketing",
    "philosophy",
)  # fmt: skip
_ENTAILS = "{{premise}}\nQuestion: {{hypothesis}} True or False?\nAnswer:"
_SUPERGLUE = {
    "BoolQ": ("{{passage}}\nQuestion: {{question}}?\nAnswer:", ["no", "yes"], "{{label|int}}"),
    "COPA": ("{{premise}}", ["{{choice1}}", "{{choice2}}"], "{{label}}"),
    "RTE": (_ENTAILS, ["True", "False"], "{{1 if 'not' in label else 0}}"),
    "WiC": ("{{sentence1}}\n{{sentence2}}\nIs '{{word}}' the same?", ["no", "yes"], "{{label|int}}"),
}
_SHOTS = 3
_BBH = ("boolean_expressions", "navigate", "object_counting", "web_of_lies")


def _mmlu(subject: str, count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    cells = []
    for split, rows in (("dev", _SHOTS), ("test", count)):
        with (DATA / f"mmlu/{split}/{subject}_{split}.csv").open(encoding="utf-8", newline="") as lines:
            cells += list(csv.reader(lines))[:rows]
    options = "\n".join(f"{letter}. {{{{choices[{i}]}}}}" for i, letter in enumerate("ABCD"))
    rows = [{"question": c[0], "choices": c[1:5], "answer": "ABCD".index(c[5])} for c in cells]
    return rows, {"output_type": "multiple_choice", "doc_to_text": f"{{{{question}}}}\n{options}\nAnswer:",
                  "doc_to_choice": list("ABCD"), "doc_to_target": "answer", "num_fewshot": _SHOTS,
                  "fewshot_config": {"sampler": "first_n"}, "metric_list": [{"metric": "acc"}]}  # fmt: skip


def _jsonl(file: Path, count: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[:count]]


def tasks(count: int) -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Rows and settings of the twenty tasks."""
    made = {f"speed_{subject}": _mmlu(subject, count) for subject in _SUBJECTS}
    for name, (text, choices, target) in _SUPERGLUE.items():
        listed = "{{[choice1, choice2]}}" if name == "COPA" else choices
        settings = {"output_type": "multiple_choice", "doc_to_text": text, "doc_to_choice": listed,
                    "doc_to_target": target, "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]}  # fmt: skip
        made[f"speed_{name.lower()}"] = _jsonl(DATA / f"superglue/{name}/val.jsonl", count), settings
    written = {"output_type": "generate_until", "metric_list": [{"metric": "exact_match"}],
               "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 32, "do_sample": False}}  # fmt: skip
    for name in _BBH:
        rows = json.loads((DATA / f"bbh/bbh/{name}.json").read_text(encoding="utf-8"))["examples"][:count]
        made[f"speed_{name}"] = rows, {**written, "doc_to_text": "Q: {{input}}\nA:", "doc_to_target": "target"}
    maths = _jsonl(DATA / "gsm8k/test.jsonl", 3 * count)
    for part in range(2):
        settings = {**written, "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_target": "answer"}
        made[f"speed_gsm8k_{part}"] = maths[part * count : (part + 1) * count], settings
    for key in ("question", "answer"):
        settings = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": f"{{{{{key}}}}}",
                    "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}]}  # fmt: skip
        made[f"speed_text_{key}"] = maths[2 * count :], settings
    return made


def write_tasks(folder: Path, count: int) -> Path:
    """The task files, their rows, and the group of them all."""
    folder.mkdir()
    names = []
    for name, (rows, settings) in tasks(count).items():
        shots = settings.get("num_fewshot", 0)
        splits = {"test": rows[shots:], **({"dev": rows[:shots]} if shots else {})}
        for split, part in splits.items():
            lines = "".join(json.dumps(row) + "\n" for row in part)
            (folder / f"{name}.{split}.jsonl").write_text(lines, encoding="utf-8")
        files = {split: str(folder / f"{name}.{split}.jsonl") for split in splits}
        task = {
            "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test",
            **({"fewshot_split": "dev"} if shots else {}), **settings,
        }  # fmt: skip
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False), encoding="utf-8")
        names.append(name)
    group = {"group": "speed", "task": names, "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}]}
    (folder / "speed.yaml").write_text(yaml.safe_dump(group), encoding="utf-8")
    return folder


def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> int:
    """How many figures are equal; exits 1 where one differs."""
    names, count = {"acc": "accuracy", "acc_norm": "accuracy_norm", "exact_match": "accuracy"}, 0
    for task, figures in theirs.items():
        for key, value in figures.items():
            metric, _, filter_name = key.partition(",")
            if filter_name != "none" or not isinstance(value, float) or "stderr" in metric:
                continue
            ours_of = (
                ours["averages"]["lm_eval"] if task == "speed" else ours["benchmarks"][f"lm_eval/{task}"]["metrics"]
            )
            name = names.get(metric, metric)
            here = ours_of[f"speed {name}" if task == "speed" else name]["value"]
            if abs(here - value) > SAME * max(1.0, abs(value)):
                raise SystemExit(f"{task} {key}: {here} here, {value} there")
            count += 1
    return count


def main() -> None:
    parser = options(str(__doc__).splitlines()[0])
    parser.add_argument("--model", default="llama-tiny", choices=sorted(MODELS))
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--peer-batch", type=int, default=8)
    args = parser.parse_args()
    count, python = (6 if args.quick else args.documents), peer()
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        model, folder = make_model(args.model, scratch / "model"), write_tasks(scratch / "tasks", count)
        turn = [0]

        def ours() -> Ran:
            turn[0] += 1
            words = ["run", "lm_eval/speed", "--include-path", str(folder), "--model", f"local:{model}", "--json",
                     "--threads", str(args.threads), "--runs", str(scratch / f"runs{turn[0]}")]  # fmt: skip
            return child([sys.executable, "-c", OURS, *words], args.threads)

        out = scratch / "theirs.json"

        def theirs() -> Ran:
            words = [str(model), str(folder), str(args.peer_batch), str(out)]
            return child([python, "-c", THEIRS, *words], args.threads)

        first, _ = ours(), theirs()
        equal = compared(json.loads(first.out.splitlines()[-1]), json.loads(out.read_text()))
        pairs = [pair(number, ours, theirs) for number in range(1 if args.quick else args.pairs)]
    walls = [ratio([getattr(b, which) / getattr(a, which) for a, b in pairs]) for which in ("wall", "cpu")]
    seconds = [[round(one.wall, 1) for one in both] for both in pairs]
    print(json.dumps({
        "name": "lm_eval_speed", "tasks": 20, "documents": count, "model": args.model, "peer": "lm_eval 0.4.13",
        "peer_batch": args.peer_batch, "threads": args.threads, **machine(), "equal_figures": equal,
        "ratio_wall": walls[0], "ratio_cpu": walls[1], "seconds_ours_theirs": seconds,
    }))  # fmt: skip


if __name__ == "__main__":
    main()

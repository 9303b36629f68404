"""A desk with all that the documentation's commands speak of: small checkpoints, data, runs, files, and an endpoint."""

import hashlib
import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

from doc_commands import ROOT
from engine_server import engine_reply
from stub_server import Reply, text_of

TINY = ROOT / "evalharness" / "tiny" / "model"
FOREIGN = ROOT / "tests" / "importers" / "files"
SUBJECTS = import_module("evalharness.benchmarks._mmlu").SUBJECTS
# Who has the answers of whom: a model of their own is a, b, c and d alone.
COPIES = {
    "base": "a", "tuned": "b", "ours": "a", "theirs": "a", "mine": "a", "my-run": "c", "new": "b", "other-1": "d",
    "a-by-others": "a", "step-1000": "c", "step-2000": "b", "step-4000": "a", "0.5b": "c", "1.5b": "b", "7b": "a",
    "mmlu": "a",
}  # fmt: skip
PROMPTFOO = """prompts: ["What is the capital of {{country}}?"]
providers: [openai:gpt-4o-mini]
tests:
  - {vars: {country: France}, assert: [{type: icontains, value: Paris}]}
  - {vars: {country: Peru}, assert: [{type: icontains, value: Lima}]}
"""
TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{train: rows.jsonl, test: rows.jsonl}}}}
training_split: train
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: ["right", "wrong"]
doc_to_target: gold
metric_list: [{{metric: acc}}]
"""


def number_of(text: str) -> int:
    """A number that a text decides, the same in every run."""
    return hashlib.sha256(text.encode()).digest()[0]


class Endpoint:
    """What answers for every model that the pages name: letters, numbers and verdicts, in the protocol that it was
    asked in. The model `truthful` tells the truth about a checkpoint, as `evalh doctor` wants to see it."""

    def __init__(self) -> None:
        self.truthful = engine_reply(TINY, any_name=True)

    def __call__(self, body: dict[str, Any]) -> str | Reply:
        if "contents" in body:
            parts = [{"content": {"parts": [{"text": "C"}]}, "finishReason": "STOP"}]
            return Reply(raw=json.dumps({"candidates": parts}).encode())
        if body["model"] == "truthful":
            return self.truthful(body)
        text, schema = text_of(body), body.get("response_format", {}).get("json_schema", {}).get("schema")
        if schema is not None:
            return json.dumps({key: verdict(kind) for key, kind in schema["properties"].items()})
        letter = "ABCD"[number_of(text + body["model"]) % 4]
        if body["model"].startswith("claude"):
            said = [{"type": "text", "text": letter}]
            usage = {"input_tokens": 9, "output_tokens": 1}
            whole = {"model": body["model"], "stop_reason": "end_turn", "content": said, "usage": usage}
            return Reply(raw=json.dumps(whole).encode())
        likely = ("m", "M") if body.get("max_tokens") == 1 and "\nA. " not in text else ("C", "D")
        return Reply(text=letter, top=[(likely[0], -0.2), (likely[1], -2.0)])


def verdict(kind: dict[str, Any]) -> object:
    """A value that a judge's schema takes."""
    if "enum" in kind:
        return kind["enum"][0]
    return {"integer": 3, "number": 3}.get(kind.get("type", ""), "fine")


def lay(desk: Path) -> None:
    """Put there what is no run: checkpoints, data, and the files that are named."""
    for name in ("DIR", "BASE", "FOLDER", "models/qwen"):
        shutil.copytree(TINY, desk / name)
    changed_weights(desk / "tuned")
    data_of_mmlu(desk / "data" / "mmlu")
    sums = [{"question": f"{n} + 1?", "answer": f"{n} + 1\n#### {n + 1}"} for n in range(40)]
    for split in ("train", "test"):
        rows(desk / "data" / "gsm8k" / f"{split}.jsonl", sums)
    lessons = [{"instruction": f"What is {n} plus 1?", "output": f"{n + 1}"} for n in range(40)]
    for name in ("data.jsonl", "DATA.jsonl"):
        rows(desk / name, lessons)
    for name in ("a.txt", "b.txt", "prompts/today.txt", "prompts/shorter.txt"):
        written(desk / name, f"Answer in short, as {name} wants it.\n{{{{ prompt }}}}\n")
    written(desk / "promptfooconfig.yaml", PROMPTFOO)
    judged = (FOREIGN / "promptfoo.json").read_text(encoding="utf-8")
    written(desk / "results.json", judged.replace('"echo"', '"openai:gpt-4o-mini"'))
    written(desk / ".gitignore", "runs/\n")
    (desk / "logs").mkdir()
    shutil.copy(next(FOREIGN.glob("*.eval")), desk / "logs" / "2026-11-28_mmlu.eval")
    asked = [{"instruction": f"Say {n}.", "output": f"{n}", "dataset": "own"} for n in range(8)]
    rows(desk / "alpaca" / "model_outputs.json", asked)
    pairs = [{**row, "output_1": "1", "output_2": "2", "generator_2": "claude-2", "preference": 1.9} for row in asked]
    rows(desk / "annotations.json", pairs)
    tasks = desk / "packages" / "lm_eval" / "tasks"
    for folder, names in ((tasks, ("arc_easy", "arc_challenge", "gsm8k", "mmlu_anatomy", "hellaswag")),
                          (desk / "my" / "tasks", ("one", "arc_own"))):  # fmt: skip
        rows(folder / "rows.jsonl", [{"q": f"Is {n} a number?", "gold": n % 2} for n in range(40)])
        for name in names:
            written(folder / f"{name}.yaml", TASK.format(name=name))
    written(tasks / "mmlu.yaml", "group: mmlu\ntask: [mmlu_anatomy]\n")
    written(tasks.parent / "__init__.py", "")


def changed_weights(folder: Path) -> None:
    """The small checkpoint with other weights: another model."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(TINY, folder)
    (file,) = folder.glob("*.safetensors")
    save_file({name: weight * 1.01 for name, weight in load_file(file).items()}, file, {"format": "pt"})


def data_of_mmlu(folder: Path) -> None:
    """The authors' folders, with questions short enough for three of them to fit into a small context."""
    for number, subject in enumerate(SUBJECTS):
        for split, sign, count in (
            ("dev", "plus", 5),
            ("test", "and then in whole numbers and without any help once more", 2),
        ):
            lines = [f"{number} {sign} {n}?,1,2,3,4,B\n" for n in range(count)]
            written(folder / split / f"{subject}_{split}.csv", "".join(lines))


def after_runs(desk: Path) -> None:
    """Copies of runs under the names that pages use, and the files that are made of runs."""
    for name, like in COPIES.items():
        shutil.copytree(desk / "runs" / like, desk / "runs" / name)
    results = [json.loads(line) for line in (desk / "runs/a/results.jsonl").read_text().splitlines()]
    rows(desk / "answers.jsonl", [{"id": r["sample"]["id"], "text": r["response"]["text"]} for r in results])
    labels = [{"id": r["sample"]["id"], "label": n % 2} for n, r in enumerate(results[::3])]
    rows(desk / "human.jsonl", labels)
    words = [{"id": r["sample"]["id"], "question": f"Please add {r['sample']['question']}"} for r in results]
    rows(desk / "words.jsonl", words)


def rows(file: Path, held: list[dict[str, Any]]) -> None:
    written(file, "".join(json.dumps(row) + "\n" for row in held))


def written(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")

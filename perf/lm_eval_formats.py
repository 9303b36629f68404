"""`formats:`, `scorer:` and TASK@FORMAT of lm-evaluation-harness 0.5, here and there: the same prompts, continuations,
right answers and scores.

    python perf/lm_eval_formats.py VENV      # VENV: an environment with lm_eval==0.5.0.dev1 (a pre-release)

No published task file has these keys, so the tasks are written here: every format over fields, templates, numbers and
texts as targets, with and without changes of its fields, examples and a scorer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from evalharness.errors import UserError
from evalharness.file_benchmarks.lm_eval.settings import include_folders
from evalharness.models.echo import Echo
from evalharness.records import Response
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan

FORMATS = ("mcqa", "cloze", "generate", "cot")
CHOICES = [[f"it is {2 * i}", f"it is {2 * i + 1}", "none", f"it is {i}{i}"] for i in range(16)]
ROWS = [
    {"question": f"What is {i} + {i}?", "choices": choices, "answer": i % 4, "right": choices[i % 4],
     "stem": {"text": f"Add {i} to itself"}}
    for i, choices in enumerate(CHOICES)
]  # fmt: skip
FIELDS: dict[str, dict[str, Any]] = {
    "fields": {"doc_to_text": "question", "doc_to_choice": "choices", "doc_to_target": "answer"},
    "texts": {"doc_to_text": "{{stem.text}}", "doc_to_choice": "{{choices}}", "doc_to_target": "right"},
    "spelled": {"doc_to_text": "{{ question.upper() }}", "doc_to_choice": "{{choices[:3] + ['other']}}",
                "doc_to_target": "{{[0, 1, 2, 0][answer]}}"},
    "listed": {"doc_to_text": "question", "doc_to_choice": ["yes", "no", "maybe", "never"], "doc_to_target": "answer"},
}  # fmt: skip
CHANGES: dict[str, Any] = {
    "numbers": {"type": "mcqa", "choice_labels": "numbers", "answer_prompt": "Option:"},
    "roman": {"type": "mcqa", "choice_labels": ["I", "II", "III", "IV"], "choice_delimiter": "; "},
    "told": {"type": "mcqa", "instruction": "One of {{ _choice_list_or }}.\n", "question_prefix": None,
             "answer_instruction": "Think.\n", "target_delimiter": " -> ", "fewshot_delimiter": "\n---\n"},
    "several": {"generate": {"instruction": "Say it.\n"}, "mcqa": None},
    "matched": {"type": "generate", "choice_labels": None, "instruction": None, "answer_prompt": "Answer:",
                "gen_prefix": None, "scorer": "choice_match"},
}  # fmt: skip
TEXTS = ("A", " b ", "none", "(C)", "It is 16", "#### 4", "No.")


def write(folder: Path) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The task files; the names that are asked, with their numbers of examples."""
    files = {"train": folder / "train.json", "test": folder / "test.json"}
    for file, rows in zip(files.values(), (ROWS[:8], ROWS[8:]), strict=True):
        file.write_text(json.dumps(rows), encoding="utf-8")
    base = {"dataset_path": "json", "dataset_kwargs": {"data_files": {k: str(file) for k, file in files.items()}},
            "test_split": "test", "fewshot_split": "train"}  # fmt: skip
    asked = {}
    for name, fields in FIELDS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **base, **fields}), encoding="utf-8")
        asked |= {f"{name}@{form}": (shots, TEXTS) for form in FORMATS for shots in (2,)}
    for name, said in CHANGES.items():
        task = {"task": name, **base, **FIELDS["fields"], "formats": said}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
        asked[name] = (0, TEXTS)
    asked["several@mcqa"] = (1, TEXTS)
    for scorer in ("first_token", "regex", "choice_match"):
        task = {"task": scorer, **base, "doc_to_text": "{{question}}", "doc_to_target": "right", "scorer": scorer,
                "output_type": "generate_until", "generation_kwargs": {"until": ["\n"]}}  # fmt: skip
        (folder / f"{scorer}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
        asked[scorer] = (0, TEXTS)
    return asked


def here(name: str, shots: int, texts: tuple[str, ...]) -> dict[str, Any]:
    """What is asked here, in the peer's shape."""
    prepared = planning.prepare_task(f"lm_eval/{name}", Plan(benchmarks=(f"lm_eval/{name}",), shots=shots), Echo())
    benchmark, asked = prepared.benchmark, prepared.questions
    written = benchmark.modes[0] == "write"
    requests = [
        [[q.request.text, choice] for choice in q.request.choices] if q.request.choices else [q.request.text]
        for q in asked
    ]

    def worth(text: str) -> list[float]:
        answer = Response(text=text, finish="stop")
        return [benchmark.score(q.sample, q.request, answer).scores["accuracy"] for q in asked]

    scores = [worth(text) for text in texts] if written else []
    return {"requests": requests, "scores": scores}


def _asked_there(there: dict[str, Any]) -> list[list[Any]]:
    """A document's prompt where it is written, else prompt and continuation of each choice."""
    texts = [[arguments[:2] for arguments, _ in doc] for doc in there["requests"]]
    return [[doc[0][0]] for doc in texts] if there["scores"] else texts


def main() -> None:
    venv = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        asked, out = write(folder), folder / "out.json"
        peer = [str(venv / "bin/python"), str(Path(__file__).with_name("_lm_eval_peer_formats.py"))]
        subprocess.run([*peer, str(folder), json.dumps(asked), str(out)], check=True, timeout=900)
        theirs, equal = json.loads(out.read_text(encoding="utf-8")), 0
        include_folders([folder])
        for name, (shots, texts) in asked.items():
            there = theirs[name]
            if "error" in there:
                print(f"{name}: fails there ({there['error'][:150]})")
                continue
            asks = _asked_there(there)
            try:
                mine = here(name, shots, texts)
            except UserError as error:
                print(f"{name}: {error}")
                continue
            same = mine["requests"] == asks and mine["scores"] == there["scores"]
            equal += same
            if not same:
                print(f"{name}:\n here  {mine['requests'][0]} {mine['scores']}\n there {asks[0]} {there['scores']}")
        print(f"{equal} of {len(asked)} are equal in prompts, continuations and scores")


if __name__ == "__main__":
    main()

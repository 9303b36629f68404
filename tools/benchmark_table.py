"""Writes docs/benchmarks.md from the plug-ins: `python tools/benchmark_table.py`; with `--check` it only compares.

The facts are the ones that `evalh list benchmarks` shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.runs import inventory

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Generated from the plug-ins by `python tools/benchmark_table.py`; a test holds it fresh. `evalh list benchmarks` shows
the same. A family of tasks is one row, with what its tasks have in common, or all that they have. *Items* is the size
of the scored split as published, *chance* what guessing scores, *mode* how it can be asked (`rank`: by log-probability
of the choices, `write`: by what is written), the preferred first; *data* the hub's data set at its pinned commit,
*checked* which published or recorded figure the scoring gives again ([benchmark-notes.md](benchmark-notes.md)).
`--data FOLDER` reads the authors' own files instead, `--data sample` the few questions that come along.

| benchmark | what | items | first metric (all) | chance | mode | shots | licence | data | checked |
|---|---|---:|---|---:|---|---:|---|---|---|
"""
_BBH = "the recorded accuracies of Codex: 88.4 and 63.6 directly, 92.8 and 87.2 step by step"
CHECKED = {
    "alpaca_eval": "claude-2's win rate 17.19; FuseChat-Llama-3.1-8B-Instruct's, controlled for length, 65.39",
    "bbh": _BBH,
    "bbq": "lm-evaluation-harness's bias scores of UnifiedQA's recorded answers, equal in three categories",
    "bfcl": "the authors' checker, equal on 53,783 recorded answers of 71 models",
    "bbh_cot": _BBH,
    "drop": "lm-evaluation-harness's code, equal on 1,625 random answers",
    "glue": "BERT-large's average of its tasks' published figures, 80.5",
    "humaneval": "the authors' solutions 164 of 164; CodeLlama's recorded 81 of 164, task by task",
    "flores": "sacrebleu's corpus chrF, equal to 1e-4",
    "ifbench": "the recorded strict and loose readings of 293 answers, 2 prompts of each read otherwise",
    "ifeval": "lm-evaluation-harness's 25 checkers, equal on 6,468 random texts; recorded answers of four models",
    "m_ifeval": "the recorded readings of 17 models: 126 of 12,036 instructions read otherwise, each kind explained",
    "mbpp": "the authors' 974 reference programs all pass",
    "mmlu": "HELM's published answers: GPT-4o .8415, Llama-3-70B .7930 (mean over subjects)",
    "mmlu_redux": "ten models' recorded accuracies in 30 subjects, all of them equal over all questions",
    "squad": "the published predictions' exact match and F1: 86.21 and 92.20, 40.14 and 50.98",
    "squad2": "the published predictions' exact match and F1: 78.74 and 81.78",
    "superglue": "BERT-large's average of its tasks' published figures, 69.0",
    "wmt14": "NLTK's sentence BLEU as HELM calls it, equal",
    "xstest": "the authors' string match, equal on 2,250 recorded answers of five models",
}
NOTES = """
## Notes

* **GLUE** and **SuperGLUE** report each task's official figures; `evalh run glue` adds `glue_score`, the mean over
  nine tasks (MNLI's two halves count as one; the diagnostics do not count), `evalh run superglue` adds
  `superglue_score`. `glue/ax` has its labels in `diagnostic-full.tsv` only: name that file with `--data`. MultiRC's
  label is read as its authors mean it (1 = the answer is right); lm-evaluation-harness 0.4 has its two choices the
  other way round.
* **SQuAD** normalises as the official script does: lower case, no ASCII punctuation, no English articles. It is the
  same for **XQuAD** and other languages (`evalh run squad --data xquad.de.json`), which is how XQuAD's figures are
  made. A question that a file of predictions lacks counts as 0 in SQuAD 1.1 and is left out in 2.0, as the two
  scripts have it. In 2.0 `unanswerable`, `no answer` and their like are read as the empty answer.
* **TriviaQA** scores against the normalised aliases. `--data qa/verified-wikipedia-dev.json` is the verified subset.
  `triviaqa_rc` reads the first 800 words of the question's Wikipedia page.
"""


def cell(value: Any) -> str:
    """A value in a Markdown table."""
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def line(facts: Mapping[str, Any]) -> str:
    """One row of the table."""
    what = f"[{cell(facts['title'])}]({facts['paper']})" if facts.get("paper") else cell(facts["title"])
    first, others = cell(facts.get("metric")), ", ".join(facts.get("metrics", ())[1:])
    count = f" ({len(facts['each'])} tasks)" if facts.get("each") else ""
    name = f"`{facts['name']}{'/TASK' if 'each' in facts else ''}`{count}"
    checked = CHECKED.get(facts["name"])
    cells = (
        name, what, cell(facts.get("items")), f"{first} ({others})" if others else first, _chance(facts.get("chance")),
        cell(facts.get("modes")), cell(facts.get("shots")), cell(facts.get("licence")), cell(facts.get("data")),
        cell(checked),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def _chance(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.3g}"


def family(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A family's row: the items of all its tasks, and what they have in common or have one after the other."""
    tasks = facts["each"]
    metrics = dict.fromkeys(metric for task in tasks for metric in task["metrics"])
    chances = sorted({task["chance"] for task in tasks if task["chance"] is not None})
    common = {key: ", ".join(dict.fromkeys(str(task[key]) for task in tasks)) for key in ("modes", "licence", "data")}
    shots = sorted({task["shots"] for task in tasks})
    return {
        **facts, **common, "paper": tasks[0]["paper"], "items": sum(task["items"] for task in tasks),
        "metric": tasks[0]["metric"], "metrics": list(metrics),
        "chance": " to ".join(f"{one:.3g}" for one in dict.fromkeys((chances[0], chances[-1]))) if chances else None,
        "shots": " to ".join(map(str, dict.fromkeys((shots[0], shots[-1])))),
    }  # fmt: skip


def rows() -> Iterator[dict[str, Any]]:
    """The facts of every benchmark that comes along; a family is one row."""
    built_in = {name for name, module in plugins.modules("benchmarks").items() if module.startswith("evalharness.")}
    for row in inventory.benchmarks():
        if row["name"] in built_in:
            yield family(row) if row.get("each") else row


def page() -> str:
    """The whole page."""
    return HEAD + "".join(line(facts) for facts in rows()) + NOTES


def main(arguments: list[str]) -> int:
    """0 when the page is as it should be, or has been written."""
    made = page()
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print("docs/benchmarks.md is not what the plug-ins say; run: python tools/benchmark_table.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

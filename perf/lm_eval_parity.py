"""lm-evaluation-harness's task files here: how many open, and whether they ask and score as there.

    python perf/lm_eval_parity.py opens VENV [--every N] [--shard I/N] [--out FILE]
    python perf/lm_eval_parity.py parity VENV MODEL [--tasks 200] [--seed 0] [--shard I/N] [--out FILE]
    python perf/lm_eval_parity.py groups VENV [--include-path FOLDER]

VENV is an environment that has lm_eval; of it the task files, and in `parity` the peer itself, are taken. No data set
is needed: rows are made from the fields that a task reads (`_lm_eval_rows.py`).

A task opens where it loads, two documents are made of rows with its fields, both are asked, and the right answer and a
wrong one are scored. Groups, and files that others include, are no tasks and are not counted.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from _lm_eval_rows import CONSTANT, constants_of, fields_of, first_kinds, line_constants, other_kinds, rows_of

from evalharness import events
from evalharness.benchmark import Benchmark
from evalharness.data.yaml_lines import YamlDocument
from evalharness.errors import UserError
from evalharness.file_benchmarks.lm_eval.catalog import open_catalog
from evalharness.file_benchmarks.lm_eval.code import TaskFunction, named_functions
from evalharness.file_benchmarks.lm_eval.config import read_task_file
from evalharness.file_benchmarks.lm_eval.members import TaskEntry
from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings, include_folders, use_task_code
from evalharness.file_benchmarks.lm_eval.task import open_lm_eval_task
from evalharness.records import Request, Response, Sample

TRIES = 40
_HOPELESS = (
    "in the sandbox:", "ModuleNotFound", "ImportError", "OfflineMode", "Connection", "Hub", "FileNotFoundError",
    "LookupError",
)  # fmt: skip
NONE_LEFT = "no documents are left"
PACKAGES = (
    "lm_eval", "datasets", "numpy", "sklearn", "sacrebleu", "rouge_score", "nltk", "regex", "sympy", "scipy",
    "jinja2", "markupsafe", "tqdm", "more_itertools", "pytablewriter", "sqlitedict", "dill", "packaging", "evaluate",
    "pandas", "langdetect", "math_verify", "word2number", "transformers", "requests", "jsonschema",
)  # fmt: skip


_OF_THE_PEER = (
    "evaluate", "word2number", "more_itertools", "pytablewriter", "sqlitedict", "jieba", "fuzzywuzzy", "rouge",
)  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("part", choices=("opens", "parity", "groups"))
    arguments.add_argument("venv", type=Path)
    arguments.add_argument("model", nargs="?")
    arguments.add_argument("--every", type=int, default=1)
    arguments.add_argument("--shard", default="1/1", help="the I-th of N parts of the tasks; in `parity`, families")
    arguments.add_argument("--only", default="")
    arguments.add_argument("--include-path", default="")
    arguments.add_argument("--tasks", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=Path("lm_eval_parity.json"))
    said = arguments.parse_args()
    packages = next((said.venv / "lib").glob("python3*/site-packages"))
    include_folders([packages / "lm_eval/tasks", *filter(None, [said.include_path and Path(said.include_path)])])
    use_task_code(TaskCodeSettings(packages=tuple(_named(said.venv, packages)), seconds=60))
    logging.disable()
    events.warn = lambda *_: None
    if said.part == "opens":
        opens(_chosen(said.every, said.shard, said.only), said.out)
    elif said.part == "groups":
        from _lm_eval_groups import groups

        groups(said)
    else:
        from _lm_eval_parity import parity

        parity(said)


def _named(venv: Path, packages: Path) -> list[str]:
    """The packages of tasks' code: the peer's own from its environment, the others from this one where they are."""
    import importlib.util

    own = [f"{venv}:lm_eval"] + [f"{venv}:{name}" for name in _OF_THE_PEER if (packages / name).is_dir()]
    there = [n for n in PACKAGES[1:] if importlib.util.find_spec(n) is not None]
    return [*own, *(name for name in there if f"{venv}:{name}" not in own)]


def _chosen(every: int, shard: str, only: str) -> list[TaskEntry]:
    """One of `every` tasks in the order of the files, where the expression `only` finds the path; of these a part."""
    entries = [e for _, e in sorted(open_catalog().entries.items()) if e.kind == "task"]
    entries.sort(key=lambda e: str(e.file))
    entries = [e for e in entries[::every] if re.search(only, str(e.file))]
    part, parts = map(int, shard.split("/"))
    return entries[len(entries) * (part - 1) // parts : len(entries) * part // parts]


def opens(entries: list[TaskEntry], out: Path) -> None:
    """The share of tasks that open, and why the others do not."""
    kinds: dict[str, dict[str, str]] = {}
    why: dict[str, str] = {}
    rows: dict[str, dict[str, str]] = {}
    start = time.monotonic()
    for number, entry in enumerate(entries, 1):
        error, found = opened(entry, kinds)
        if error:
            why[entry.name] = error
        else:
            rows[entry.name] = found
        if number % 100 == 0 or number == len(entries):
            took = time.monotonic() - start
            print(f"{number:,} of {len(entries):,}: {1 - len(why) / number:.1%} open, {took:.0f} s", flush=True)
            out.write_text(json.dumps({"tasks": number, "opens": len(rows), "why": why, "rows": rows}, indent=1))
    reasons = Counter(map(_reason, why.values()))
    for reason, count in reasons.most_common(40):
        print(f"{count:6,}  {reason}")


def _reason(error: str) -> str:
    error = re.sub(r"^\S+?:\d+: ", "", error)
    return re.sub(r"'[^']{40,}'|\d+", "_", error)[:110]


def opened(entry: TaskEntry, known: dict[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    """('' or why it does not open, the kinds of its fields). `known` has the kinds that tasks of a kind opened with."""
    assert entry.file is not None
    try:
        document = read_task_file(entry.file)
        benchmark = open_lm_eval_task(document, entry.root)
    except UserError as error:
        return str(error), {}
    files = [f.file for f in named_functions(document) if f.file is not None]
    names = fields_of(document, tuple(dict.fromkeys(files)))
    decisive = {
        k: v for k, v in document.value.items() if k not in ("task", "dataset_name", "task_alias", "tag", "metadata")
    }
    key = repr((sorted(decisive.items(), key=str), benchmark.code_sha256))
    folder = str(entry.file.parent)
    tries = [known[k] for k in (key, folder) if k in known] + [first_kinds(names)]
    chance, first = random.Random(0), ""
    process = next((f for f in named_functions(document) if f.where == ("process_docs",) and f.file is not None), None)
    about, compared = about_of(document, process)
    kinds: dict[str, str] = {}
    error = ""
    for attempt in range(TRIES):
        if tries:
            kinds = tries.pop(0)
        elif error == NONE_LEFT and about and attempt % 3:  # a row may be dropped for what its values are, too
            subjects = [name for name in kinds if _SUBJECT.search(name)]
            name = chance.choice([*compared, *subjects] or list(kinds))
            kinds = {**kinds, name: CONSTANT + json.dumps(about)}
        else:
            kinds = other_kinds(kinds, error, attempt, chance, about, line_constants(error, files))
        error = _tried(benchmark, kinds)
        first = first or error
        if not error:
            known[key] = known[folder] = kinds
            return "", kinds
        if any(word in error for word in _HOPELESS):
            return error, kinds
    return first, {}


_SUBJECT = re.compile(r"subject|categor|type|domain|topic|subset|lang|level|task|split|source|country|name", re.I)


def about_of(document: YamlDocument, process: TaskFunction | None) -> tuple[list[str], list[str]]:
    """(texts that a task is about, fields that its code compares), from its name, its choices and its code."""
    found: dict[str, None] = {}
    choices = document.value.get("doc_to_choice")
    if isinstance(choices, list | dict):
        found |= dict.fromkeys(str(one) for one in (choices.values() if isinstance(choices, dict) else choices))
    if process is None or process.file is None:
        for text in (document.value.get(key) for key in ("doc_to_text", "doc_to_target", "doc_to_choice")):
            found |= dict.fromkeys(re.findall(r"['\"]([^'\"]{1,40})['\"]", text) if isinstance(text, str) else ())
        return list(found)[:60], []
    name = process.spelled.rpartition(".")[2]
    constants, compared = constants_of(process.file, name)
    words = str(document.value.get("task")).split("_")
    ends = ["_".join(words[i:]) for i in range(len(words))]
    named = [name.removeprefix("process_"), *ends, str(document.value.get("dataset_name"))]
    return list(dict.fromkeys([*found, *named, *(end.replace("_", " ") for end in ends), *constants]))[:150], compared


def _tried(benchmark: Benchmark, kinds: Mapping[str, str]) -> str:
    """'' where documents of these kinds are asked and scored, else what does not work."""
    try:
        samples = [benchmark.sample(row) for row in documents(benchmark, rows_of(kinds, 4))[:2]]
        if not samples:
            return NONE_LEFT
        for sample in samples:
            request = asked(benchmark, sample)
            for response in (
                answered(benchmark, sample, request, right=True),
                answered(benchmark, sample, request, right=False),
            ):
                score = benchmark.score(sample, request, response)
                if score.status == "error":
                    return str(score.detail)
    except UserError as error:
        return str(error)
    except Exception as error:  # what is counted here is that it works
        return f"{type(error).__name__}: {error}"
    return ""


def documents(benchmark: Benchmark, rows: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows as the task has them: its own where it makes them."""
    source = benchmark.source
    if source.split in source.given:
        rows = [dict(row) for row in source.given[source.split]()]
    return list(source.process(rows, source.split) if source.process is not None else rows)


def asked(benchmark: Benchmark, sample: Sample, shots: tuple[Sample, ...] = ()) -> Request:
    assert benchmark.ask is not None
    return benchmark.ask(sample, shots, benchmark.modes[0], False)


def answered(benchmark: Benchmark, sample: Sample, request: Request, *, right: bool) -> Response:
    """A right answer, or a wrong one."""
    if not request.choices:
        target = sample.answers[0] if sample.answers else "nothing"
        written = Response(text=target if right else "quite another thing", finish="stop")
        after = benchmark.follow_up and benchmark.follow_up(sample, request, written)
        ranked = len(after.choices) if after else 0
        return replace(written, logprobs=(-1.0,) * ranked, greedy=(False,) * ranked, lengths=(1,) * ranked)
    gold = sample.gold_indices or (0,)
    best = gold[0] if right else next((i for i in range(len(request.choices)) if i not in gold), 0)
    values = tuple(-1.0 if i == best else -2.0 - i for i in range(len(request.choices)))
    return Response(
        logprobs=values, greedy=tuple(i == best and right for i in range(len(values))), lengths=(1,) * len(values)
    )


if __name__ == "__main__":
    main()

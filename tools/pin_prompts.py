"""Writes tests/prompts/NAME.txt and tests/rows/NAME.jsonl: what each benchmark asks of a base model, byte for byte.

    python tools/pin_prompts.py [NAME ...]      # all plug-ins without names

The tests hold every plug-in to its files; write them anew only after reading the difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalharness import plugins
from evalharness.benchmark import Benchmark, request
from evalharness.data import files, sources
from evalharness.data.rows import Row, Want
from evalharness.records import Request

ROOT = Path(__file__).resolve().parents[1]


SETS = ("open_llm_v1", "open_llm_v2", "tulu_dev", "helm_lite")  # made of other benchmarks


def has_questions(plugin: str) -> bool:
    """Whether a plug-in has questions of its own; lm_eval's are all in another package's files, a set's are others'."""
    family = plugins.load_family(plugin)
    return plugin not in SETS and (family is None or bool(family.tasks) or plugins.bundled(plugin).is_file())


def benchmarks(plugin: str) -> Iterator[tuple[str, Benchmark]]:
    """A plug-in's benchmarks by name: itself, or those tasks of its family that the bundled sample has.

    A family whose tasks only the user's data tells has tasks of its own in its sample.
    """
    family = plugins.load_family(plugin)
    if family is None:
        yield plugin, plugins.load_benchmark(plugin)
        return
    bundled = files.jsonl(plugins.bundled(plugin))
    for task in family.tasks or dict.fromkeys(str(row["config"]) for row in bundled):
        benchmark = plugins.load_benchmark(f"{plugin}/{task}")
        if rows(benchmark, benchmark.source.split):
            yield benchmark.name, benchmark


def rows(benchmark: Benchmark, split: str | None) -> Sequence[Row]:
    """The bundled sample's rows of a split."""
    return sources.load_rows(benchmark.source, Want(split=split), "sample").rows if split else ()


def prompts(plugin: str) -> str:
    """The first question of the bundled sample as each mode asks it, and once more after the usual examples."""
    return "".join(part for name, benchmark in benchmarks(plugin) for part in _asked(name, benchmark))


def shapes(plugin: str) -> str:
    """The fields of the bundled rows, which are those of the hub, and their types: one line per benchmark."""
    lines = []
    for name, benchmark in benchmarks(plugin):
        row = rows(benchmark, benchmark.source.split)[0]
        fields = {key: type(value).__name__ for key, value in row.items() if key not in ("split", "config")}
        lines.append(json.dumps({"benchmark": name, "fields": dict(sorted(fields.items()))}) + "\n")
    return "".join(lines)


def _asked(name: str, benchmark: Benchmark) -> Iterator[str]:
    sample = sources.build_samples(rows(benchmark, benchmark.source.split), benchmark.sample)[0]
    pool = sources.build_samples(rows(benchmark, benchmark.source.shot_split), benchmark.sample)
    own = [s for s in pool if not benchmark.shots_by_group or s.group == sample.group]
    for mode in benchmark.modes:
        for shots in dict.fromkeys((0, min(benchmark.shots or 1, len(own)))):
            asked = request(benchmark, sample, own[:shots], mode=mode, chat=False)
            yield f"=== {name}, {mode}, {shots} shots\n{_shown(asked)}"


def _shown(asked: Request) -> str:
    choices = "".join(f"--- choice {json.dumps(choice, ensure_ascii=False)}\n" for choice in asked.choices)
    given = "".join(f"--- given {json.dumps(text, ensure_ascii=False)}\n" for text in asked.context_per_choice)
    limits = "" if asked.choices else f"--- stop {json.dumps(asked.stop)} after {asked.max_tokens} tokens\n"
    return f"{asked.text}<<<\n{choices}{given}{limits}"


def main(names: list[str]) -> None:
    for plugin in names or filter(has_questions, plugins.modules("benchmarks")):
        (ROOT / "tests" / "prompts" / f"{plugin}.txt").write_text(prompts(plugin), encoding="utf-8")
        (ROOT / "tests" / "rows" / f"{plugin}.jsonl").write_text(shapes(plugin), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

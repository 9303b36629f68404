#!/usr/bin/env python3
"""Counts what records are for: `python tools/keyed_reads.py` prints string-keyed reads of manifests, summaries and
comparisons, and how often `Any` stands in signatures; `tests/test_keyed_reads.py` holds both.

A keyed read is `X["key"]` or `X.get("key")` where X is reached through a name that stands for such a record. Only the
modules that read or write JSON may do it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "evalharness"
# Names, of variables and attributes, that stand for a record of a run or of a comparison.
RECORDS = frozenset({
    "manifest", "summary", "facts", "figures", "document", "entry", "identity", "sampling", "usage", "judging",
    "judgings", "flaky", "noise", "task", "side", "sequential", "seat", "estimate", "figure", "benchmarks", "averages",
})  # fmt: skip
# Modules that read JSON, and why a name there is no record yet. By path below evalharness/, or its beginning.
READERS: Mapping[str, str] = {
    "data/typed.py": "makes records of JSON",
    "data/kept.py": "makes JSON of records",
    "runs/schema.py": "reads the versions of a file before it is a record",
    "comparison/document.py": "makes the published form of a comparison, and reads it",
    "comparison/baseline.py": "reads the header of a baseline",
    "suites/schema.py": "reads a suite's YAML: its `benchmarks` are the user's own words",
    "training/finetune.py": "reads `training.json` and the state of a training: their `facts` are another record's",
    "report/training.py": "what a training says when it begins: its `facts` are another record's",
    "training/shapes.py": "reads rows: an `entry` is one of a list in them",
    "models/_recorded_answers.py": "reads answers that others recorded",
    "file_benchmarks/": "reads other people's benchmarks: an `entry` is one of a list in YAML",
    "chat/": "reads tokenizer files: an `entry` is one of their templates",
    "engine/checkpoint.py": "reads weight files: an `entry` is one of their index",
}
# Where a value can be anything: readers of other people's JSON, and the borders of libraries without types.
OPEN: Mapping[str, str] = {
    "data/": "readers of files: a row holds whatever its file does",
    "importers/": "readers of other people's judgments",
    "file_benchmarks/": "readers of other people's benchmarks: YAML, lm-eval, OpenAI Evals",
    "suites/from_": "readers of other programs' configurations",
    "models/_recorded": "readers of answers that others recorded",
    "models/replay.py": "the same, by file",
    **dict.fromkeys(
        (
            "models/_contents.py",
            "models/_endpoint.py",
            "models/_openai_",
            "models/_refused.py",
            "models/anthropic.py",
            "models/gemini.py",
            "models/openai.py",
        ),
        "JSON of endpoints",
    ),
    "clients/": "JSON of endpoints",
    "training/row_files.py": "readers of instruction data",
    "training/shapes.py": "the same: shapes of rows",
    "training/turns.py": "the same: turns of a conversation",
    "training/datasets.py": "the same, from the hub",
    "training/curves.py": "matplotlib",
    "training/checkpointing.py": "torch.load and its state",
    "training/callbacks.py": "torch.load and its state",
    "training/qlora.py": "bitsandbytes",
    "exports/gguf": "tokenizer.json, and the package gguf",
    "engine/": "torch and transformers: weights, configurations, tokenizers",
    "commands/_flags.py": "typer: parameters of any type, made from options",
    "sandbox/": "values of untrusted programs on their way through a pipe",
    "text/": "values inside templates",
    "chat/": "chat templates and tokenizer files",
    "suites/schema.py": "a suite's YAML",
    "runs/journal.py": "JSON of journals",
    "runs/store.py": "JSON of journals",
    "runs/cache.py": "JSON of cached replies",
    "judging/imported.py": "fields of other people's rows",
    "arena/votes.py": "votes in other people's files",
}


def modules() -> Iterator[tuple[str, ast.Module, int]]:
    """(path below the package, its tree, its lines) of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(text), text.count("\n")


def keyed_reads(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, expression) of every string-keyed read of a record."""
    for node in ast.walk(tree):
        held = _read_of(node)
        if held is not None and not RECORDS.isdisjoint(_names(held)):
            yield getattr(node, "lineno", 0), ast.unparse(node)


def _read_of(node: ast.AST) -> ast.expr | None:
    """What is read by a text key, where this node does that."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_text(node.slice):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return node.func.value if node.args and _is_text(node.args[0]) else None
    return None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _names(node: ast.expr) -> set[str]:
    """The name whose value is read: of an attribute its own, for `entry.counts["x"]` reads counts, and those have no
    fields."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    if isinstance(node, ast.Subscript):
        return _names(node.value)
    if isinstance(node, ast.BoolOp):
        return set().union(*map(_names, node.values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "values"):
        return _names(node.func.value)
    return set()


def anys(tree: ast.Module) -> int:
    """How often `Any` stands in a signature: parameters and what comes back."""
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            for hint in [*(one.annotation for one in given if one is not None), node.returns]:
                found += sum(_is_any(part) for part in ast.walk(hint)) if hint is not None else 0
    return found


def _is_any(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "Any"


def is_open(path: str) -> bool:
    """Whether a module reads what can be anything."""
    return path.startswith(tuple(OPEN))


def any_rate() -> tuple[float, Counter[str]]:
    """`Any` in signatures per 1,000 lines outside the open modules, and where they are."""
    found: Counter[str] = Counter()
    lines = 0
    for path, tree, length in modules():
        if not is_open(path):
            found[path] = anys(tree)
            lines += length
    return 1000 * found.total() / lines, +found


def all_keyed_reads() -> list[str]:
    """`path:line: expression` of every keyed read outside the readers."""
    found = []
    for path, tree, _ in modules():
        if not path.startswith(tuple(READERS)):
            found += [f"{path}:{number}: {text}" for number, text in keyed_reads(tree)]
    return found


def main() -> None:
    """Print both counts, and where they come from."""
    reads = all_keyed_reads()
    print(*reads, sep="\n")
    print(f"{len(reads)} keyed reads of records outside their readers")
    rate, where = any_rate()
    print(f"{where.total()} Any in signatures, {rate:.1f} per 1,000 lines outside readers and borders:")
    print(*(f"  {number:3} {path}" for path, number in where.most_common(40)), sep="\n")


if __name__ == "__main__":
    main()

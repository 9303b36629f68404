"""Writes the embedded model's instruction data and exam from evalharness.tiny.lessons: the same bytes every time.

python tools/make_tiny_data.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evalharness.tiny import lessons

ROOT = Path(__file__).resolve().parents[1]
MMLU = ROOT / "benchmarks" / "mmlu.jsonl"


def reserved() -> set[tuple[str, ...]]:
    """The facts that MMLU's bundled sample asks: fine-tuning must not say them either."""
    rows = [json.loads(line) for line in MMLU.read_text(encoding="utf-8").splitlines()]
    return lessons.asked_elsewhere((row["question"], row["choices"][row["answer"]]) for row in rows)


def files() -> dict[Path, list[dict[str, Any]]]:
    """Every file and its rows."""
    kept = reserved()
    made = lessons.fact_splits(kept)
    learned = [row | {"split": split} for split in ("train", "validation") for row in made[split]]
    return {
        ROOT / "evalharness" / "tiny" / "instructions.jsonl": learned,
        ROOT / "benchmarks" / "tiny_instructions.jsonl": [row | {"split": "test"} for row in made["test"]],
        ROOT / "benchmarks" / "tiny_exam.jsonl": lessons.exam(kept),
    }


def text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    for path, rows in files().items():
        path.write_text(text(rows), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(rows)} rows")

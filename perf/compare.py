"""What it costs to compare two runs and write every report: CPU seconds after import, and the peak of memory.

    python perf/compare.py [--items 14042 1000000] [--runs 3]

Two journals with lines of the usual size are written, compared, and rendered (page, Markdown, JUnit, JSON, terminal)
in a process of their own. The answer is known beforehand and a run that gives another one counts for nothing. There is
no peer: none of the harnesses compares two runs sample by sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FILLER = "The quick brown fox jumps over the lazy dog, and the answer to that is plain to see. "


def write(folder: Path, right: np.ndarray) -> None:
    """A run folder with one line per item, some 700 bytes each."""
    folder.mkdir(parents=True)
    n, groups = len(right), 57
    with (folder / "results.jsonl").open("w", encoding="utf-8") as file:
        for i, correct in enumerate(right.tolist()):
            group = f"subject_{i % groups}"
            about = {"id": f"{group}/{i // groups}", "group": group}
            line = {
                "benchmark": "quiz", **about, "repeat": 0, "status": "correct" if correct else "wrong",
                "scores": {"accuracy": float(correct)}, "answer": "ABCD"[i % 4],
                "response": {"text": f"{FILLER}{i % 97}", "finish": "stop", "tokens_in": 90, "tokens_out": 20},
                "sample": {**about, "question": FILLER * (1 + i % 3), "choices": ["a", "b", "c", "d"], "gold": [i % 4]},
                "request": {"messages": [{"role": "user", "content": FILLER}], "max_tokens": 16},
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    facts = {"mode": "write", "items": n, "data": {"sha256": "d" * 64}, "prompt_sha256": "p" * 64}
    manifest = {"format": 1, "name": folder.name, "benchmarks": {"quiz": facts}, "sampling": {}, "model": {"name": "m"}}
    (folder / "run.json").write_text(json.dumps(manifest))
    counts = {"correct": int(right.sum()), "wrong": int(n - right.sum())}
    figure = {"value": float(right.mean()), "n": n}
    entry = {"mode": "write", "n": n, "counts": counts, "metrics": {"accuracy": figure}}
    (folder / "summary.json").write_text(json.dumps({"benchmarks": {"quiz": entry}}))


def measured(folder: Path) -> dict[str, float]:
    """Compare and render, in this process. Imports come first and do not count."""
    from rich.console import Console
    from scipy import optimize, stats  # noqa: F401  # imported here so that it does not count
    from statsmodels.stats import multitest  # noqa: F401

    from evalharness.comparison import document
    from evalharness.comparison.compare import Options, compare_runs
    from evalharness.comparison.inputs import open_side
    from evalharness.errors import Exit
    from evalharness.report import compare_terminal, deliver, html, junit, markdown

    html.environment()
    began, wall = time.process_time(), time.monotonic()
    found = compare_runs(open_side(str(folder / "base")), open_side(str(folder / "new")), Options())
    compared = time.process_time() - began
    made = document.comparison_document(found, exit_code=Exit.FINE, gated=True, policy="block-on-fail")
    page, comment, xml = html.comparison_html(made), markdown.comment_markdown(made), junit.comparison_junit(made)
    data = deliver.document_json(made)
    out = Console(width=120)
    with out.capture():
        out.print(compare_terminal.comparison_view(made, 120))
    task = found.tasks[0]
    return {
        "cpu_s": round(time.process_time() - began, 3),
        "compare_cpu_s": round(compared, 3),
        "wall_s": round(time.monotonic() - wall, 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "page_kb": round(len(page) / 1000, 1),
        "comment_kb": round(len(comment) / 1000, 1),
        "fixed": task.fixed,
        "broke": task.broke,
        "bytes": len(xml) + len(data),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--items", type=int, nargs="+", default=[14042, 1_000_000])
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.folder:
        print(json.dumps(measured(given.folder)))
        return
    for n in given.items:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            draw = np.random.default_rng(0)
            base = draw.random(n) < 0.8
            new = np.where(draw.random(n) < 0.9, base, draw.random(n) < 0.7)
            write(folder / "base", base)
            write(folder / "new", new)
            wanted = (int((new & ~base).sum()), int((base & ~new).sum()))
            for _ in range(given.runs):
                words = [sys.executable, __file__, "--folder", str(folder)]
                said = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
                if (said["fixed"], said["broke"]) != wanted:
                    raise SystemExit(f"wanted {wanted} fixed and broken, there are {said['fixed']}, {said['broke']}")
                print(json.dumps({"items": n, **said}), flush=True)


if __name__ == "__main__":
    main()

"""A run of a million results in the browser's pages: the index, first pages, filters, a text, and memory.

    python perf/browser.py [--results 1000000]

The results have at most 600 bytes each. Pages are asked for in this process; each time is the best of three, the text's
that of its first page.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from starlette.testclient import TestClient

from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key

STATUSES = ("correct", "wrong", "wrong", "correct", "correct", "unparsed", "correct", "wrong", "truncated", "error")
ANSWER = "The answer to this question is B because the others can be ruled out one by one, as said above."


def lines(count: int) -> Iterator[str]:
    """Results as a run writes them, in 57 groups; every thousandth is refused, one in the middle says `needle`."""
    for n in range(count):
        status = "refused" if n % 1000 == 0 else STATUSES[n * 7919 % 10]
        text = f"{ANSWER} needle" if n == count // 2 else ANSWER
        line = {
            "benchmark": "quiz", "id": f"g{n % 57}/{n}", "group": f"g{n % 57}", "repeat": 0, "status": status,
            "scores": {"accuracy": float(status == "correct")}, "answer": "B",
            "response": {"text": text, "finish": "stop"},
            "sample": {"question": f"What is {n}?", "choices": ["yes", "no"], "gold": [1], "group": f"g{n % 57}"},
            "request": {"messages": [{"role": "user", "content": f"What is {n}? A. yes B. no Answer:"}]},
        }  # fmt: skip
        yield json.dumps(line, separators=(",", ":")) + "\n"


def make(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    with (folder / "results.jsonl").open("w") as file:
        longest = max(file.write(line) for line in lines(count))
    assert longest <= 600, longest
    about = {"format": 1, "name": folder.name, "created": "2026-01-01T00:00:00+00:00", "model": {"name": "made"},
             "benchmarks": {"quiz": {"mode": "write", "items": count, "data": {"origin": "made"}}}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    figure = {"value": 0.4, "stderr": 0.0, "low": 0.39, "high": 0.41, "n": count}
    entry = {"mode": "write", "n": count, "headline": "accuracy", "counts": {}, "metrics": {"accuracy": figure}}
    (folder / "summary.json").write_text(json.dumps({"benchmarks": {"quiz": entry}}))


def took(what: Callable[[], object], times: int = 3) -> float:
    """Seconds, the best of so many."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        what()
        found.append(time.perf_counter() - begun)
    return min(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=1_000_000)
    count = parser.parse_args().results
    with tempfile.TemporaryDirectory(prefix="evalh-browser-") as name:
        folder = Path(name) / "runs" / "large"
        make(folder, count)
        library = RunLibrary([str(folder)])
        (run,) = library.named_runs()
        begun, spent = time.perf_counter(), time.process_time()
        library.index(run)
        wall, cpu = time.perf_counter() - begun, time.process_time() - spent
        print(f"index of {count:,} results: {wall:.1f} s ({count / wall:,.0f}/s), {cpu:.1f} s of processor time")
        client = TestClient(view_application(library, GuardTerms()), base_url="http://localhost")
        client.get("/")
        at, slow = f"/runs/{run_key(folder)}", []
        key = f"of=quiz&id=g{(count - 1) % 57}/{count - 1}"
        middle = (folder / "results.jsonl").stat().st_size // 2
        for word, query in (
            ("first page", "?"), ("wrong", "?status=wrong"), ("refused", "?status=refused"), ("one group", "?group=g5"),
            ("refused of a group", "?group=g19&status=refused"), ("none", "?status=scored"),
            ("a page in the middle", f"?after={middle}"), ("the last page", "?before=999999999999"),
            ("wrong, in the middle", f"?status=wrong&after={middle}"), ("one result", f"/item?{key}"),
        ):  # fmt: skip
            seconds = took(lambda query=query: client.get(at + query).raise_for_status())
            slow += [word] if seconds > 0.3 else []
            print(f"{word}: {1000 * seconds:.0f} ms")
        seconds = took(lambda: client.get(f"{at}?text=needle").raise_for_status(), 1)
        slow += ["text"] if seconds > 2 else []
        print(f"first page of a text: {seconds:.2f} s; all of it counted in "
              f"{took(lambda: client.get(f'{at}/count?text=needle'), 1):.1f} s")  # fmt: skip
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())

"""Small finished runs, written by hand in the format of a run folder."""

import json
from pathlib import Path

LETTER = {
    "1": ("correct", 1.0),
    "0": ("wrong", 0.0),
    "u": ("unparsed", 0.0),
    "e": ("error", None),
    "t": ("truncated", 0.0),
}


def line(benchmark, identity, status, value, **more):
    group = more.pop("group", identity.rpartition("/")[0])
    text = more.pop("text", f"The answer to {identity} is {value}")
    question = more.pop("question", f"What is {identity}?")
    repeat = more.pop("repeat", 0)
    metric = more.pop("metric", "accuracy")
    return {
        "benchmark": benchmark, "id": identity, "group": group, "repeat": repeat, "status": status,
        "scores": {} if value is None else {metric: value}, "answer": "A", "response": {"text": text, "finish": "stop"},
        "sample": {"id": identity, "question": question, "choices": ["yes", "no"], "gold": [0], "group": group,
                   "extra": more.pop("extra", {})},
        "request": {"messages": [{"role": "user", "content": question}]},
    }  # fmt: skip


def letters(benchmark, text, groups=1, **more):
    """One line per character of `text`: 1 correct, 0 wrong, u unparsed, t truncated, e error."""
    size = -(-len(text) // groups)
    return [line(benchmark, f"g{i // size}/{i % size}", *LETTER[c], **more) for i, c in enumerate(text)]


def write_run(folder: Path, lines, *, summary=True, facts=None, **manifest):
    """A run folder with these lines; `facts` go into every benchmark's entry of the manifest."""
    names = list(dict.fromkeys(one["benchmark"] for one in lines))
    entries, figures = {}, {}
    for name in names:
        mine = [one for one in lines if one["benchmark"] == name]
        entries[name] = {"mode": "write", "shots": 0, "seed": 0, "items": len({one["id"] for one in mine}),
                         "data": {"origin": "here", "revision": "files", "sha256": "d" * 64}, "prompt_sha256": "a" * 64,
                         **(facts or {})}  # fmt: skip
        metric = next((next(iter(one["scores"])) for one in mine if one["scores"]), "accuracy")
        values = {}
        for one in mine:
            if one["status"] != "error":
                values.setdefault(one["id"], []).append(one["scores"].get(metric, 0.0))
        means = [sum(v) / len(v) for v in values.values()]
        counts = {}
        for one in mine:
            counts[one["status"]] = counts.get(one["status"], 0) + 1
        mean = sum(means) / len(means) if means else 0.0
        figure = {"value": mean, "stderr": 0, "low": 0, "high": 1, "n": len(means)}
        figures[name] = {"mode": "write", "n": len(means), "counts": counts, "metrics": {metric: figure}}
    about = {"format": 1, "name": folder.name, "created": "2026-01-01T00:00:00+00:00", "benchmarks": entries,
             "model": {"name": "replay:x", "fingerprint": folder.name}, "sampling": {"temperature": 0.0, "seed": 0},
             "versions": {}, "git": None, "command": ["evalh"], **manifest}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    if summary:
        (folder / "summary.json").write_text(json.dumps({"benchmarks": figures}))
    return folder


def make_run(folder: Path, text="", benchmark="quiz", groups=1, lines=None, **more):
    """A finished run with one item per letter of `text`, or with these lines; returns its folder."""
    return write_run(folder, lines or letters(benchmark, text, groups), **more)

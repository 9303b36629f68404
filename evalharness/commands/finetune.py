"""`evalh finetune`: from instruction data to a checkpoint that the evaluation and other programs load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

if TYPE_CHECKING:
    from evalharness.training.prepare import FinetuneJob

Style = Annotated[
    str | None, Option(help="alpaca, alpaca-book, phi3, phi3-book, chatml, llama3, none, own, or a .jinja file.")
]
Book = Annotated[bool, Option("--book", help="As rasbt/LLMs-from-scratch, chapter 7: format, split, loss, optimizer.")]
EvalData = Annotated[
    list[str] | None, Option(help="NAME=FOLDER or NAME=sample: data of a benchmark (also for the overlap).")
]


def finetune(
    context: Context,
    data: Annotated[str, Argument(help="JSON, JSONL, Parquet or CSV file, a folder of them, or a hub data set.")],
    model: Annotated[str, Option("--model", "-m", help="Checkpoint folder, hub id, or tiny.")] = "tiny",
    out: Annotated[Path, Option(help="The tuned model's folder; the same command goes on there.")] = Path("tuned"),
    style: Style = None,
    tokenizer: Annotated[str | None, Option(help="Tokenizer file, where the checkpoint has none.")] = None,
    epochs: Annotated[int, Option(help="How often all rows are seen.")] = 2,
    max_steps: Annotated[int, Option(help="Stop after so many steps; 0 = all.")] = 0,
    batch: Annotated[int, Option(help="Rows per step.")] = 8,
    batch_tokens: Annotated[int, Option(help="Tokens per step instead of rows.")] = 0,
    micro: Annotated[int, Option(help="Rows at a time within a step (gradient accumulation); 0 = all.")] = 0,
    buckets: Annotated[bool, Option("--buckets", help="Rows of like length meet: a little faster.")] = False,
    lr: Annotated[float, Option(help="Peak learning rate; 0 = by the model's size.")] = 0.0,
    weight_decay: Annotated[float, Option(help="AdamW's, on matrices.")] = 0.01,
    schedule: Annotated[str, Option(help="cosine, linear or constant.")] = "cosine",
    warmup: Annotated[float, Option(help="Share of the steps.")] = 0.03,
    lr_floor: Annotated[float, Option(help="Share of --lr that cosine and linear end at; 0: as transformers.")] = 0.05,
    clip: Annotated[float, Option(help="Largest gradient norm; 0 = any.")] = 1.0,
    lora: Annotated[int, Option(help="Train adapters of this rank only; 0 = all weights.")] = 0,
    alpha: Annotated[float, Option(help="LoRA's scale numerator; 0 = the rank.")] = 0.0,
    dora: Annotated[bool, Option("--dora", help="DoRA adapters.")] = False,
    load_in_4bit: Annotated[bool, Option("--load-in-4bit", help="QLoRA: frozen weights in 4 bits.")] = False,
    loss: Annotated[str, Option(help="sft, or dpo on preference pairs.")] = "sft",
    beta: Annotated[float, Option(help="DPO's strength.")] = 0.1,
    dpo_average: Annotated[bool, Option("--dpo-average", help="Log-probability per token, as the book does.")] = False,
    recompute: Annotated[bool, Option("--recompute", help="Gradient checkpointing: less memory, more time.")] = False,
    dtype: Annotated[str, Option(help="float32, bfloat16 (autocast) or auto.")] = "auto",
    device: Annotated[str, Option(help="cpu, cuda or auto.")] = "auto",
    threads: Annotated[int, Option(help="0 = all cores.")] = 0,
    products: Annotated[str, Option(help="Matrix products on a CPU: onednn, switch, plain or auto.")] = "auto",
    max_length: Annotated[int, Option(help="Longest example in tokens; 0 = the model's context.")] = 0,
    mask_prompt: Annotated[bool, Option(help="Learn the answers only, in every turn.")] = True,
    mask_end: Annotated[bool, Option("--mask-end", help="Learn no end token: refused, for showing the bug.")] = False,
    drop_long: Annotated[bool, Option("--drop-long", help="Leave out rows whose answer does not fit.")] = False,
    skip_bad: Annotated[bool, Option("--skip-bad", help="Leave out rows that cannot be read; list them.")] = False,
    validation: Annotated[float, Option(help="Share of rows to validate on.")] = 0.05,
    test: Annotated[float, Option(help="Share of rows to answer at the end.")] = 0.10,
    book: Book = False,
    allow_overlap: Annotated[bool, Option("--allow-overlap", help="Train on benchmark questions anyway.")] = False,
    evaluate: Annotated[str, Option("--eval", help="Benchmarks to ask while training, separated by commas.")] = "",
    eval_data: EvalData = None,
    eval_limit: Annotated[int, Option(help="Questions of each.")] = 200,
    eval_every: Annotated[int, Option(help="Steps between evaluations; 0 = an epoch.")] = 0,
    best: Annotated[str, Option(help="Which checkpoint is kept: loss, or BENCHMARK.METRIC.")] = "loss",
    patience: Annotated[int, Option(help="Stop after so many evaluations without a better one; 0 = never.")] = 3,
    keep: Annotated[str, Option(help="best or last weights are exported.")] = "best",
    export: Annotated[str, Option(help="One file more: gguf, or gguf:q8_0, gguf:bf16, gguf:f32.")] = "",
    save_every: Annotated[int, Option(help="Steps between saves; 0 = by the clock.")] = 0,
    seed: Annotated[int, Option(help="Decides split, order and adapters.")] = 123,
    log_to: Annotated[str, Option(help="tensorboard, wandb, mlflow, separated by commas.")] = "",
    answer_tokens: Annotated[int, Option(help="Longest answer to a test row.")] = 256,
    then_judge: Annotated[str | None, Option(help="Judge the test answers: MODEL or JUDGE=MODEL.")] = None,
    judge_base_url: Annotated[str | None, Option(help="Address of the judge's server.")] = None,
    resume: Annotated[bool, Option("--resume", help="Only go on; the same command does so anyway.")] = False,
    preflight_only: Annotated[bool, Option("--preflight", help="Look at the data and stop.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object on standard output.")] = False,
) -> int:
    """Fine-tune a model on instruction data, watching what matters, and export it."""
    return _tune(_job(context, locals()), then_judge, judge_base_url, only_look=preflight_only, as_json=as_json)


def _job(context: Context, options: dict[str, Any]) -> "FinetuneJob":
    """What the options describe; `--book` changes those that were not typed."""
    from evalharness.training.prepare import as_in_the_book, benchmark_checks_of, job_of

    if options["book"]:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        typed = {name for name, source in sources.items() if source and source.name != "DEFAULT"}
        options = as_in_the_book(options, typed)
    asked = benchmark_checks_of(options["evaluate"], options["eval_data"] or [], options["eval_limit"])
    return job_of(options, asked)


def _tune(job: "FinetuneJob", judge: str | None, judge_base_url: str | None, *, only_look: bool, as_json: bool) -> int:
    from evalharness.events import observed_by
    from evalharness.report import training
    from evalharness.training import finetune as tuner
    from evalharness.training.prepare import prepare_training

    with observed_by(None if as_json else training.TrainingLines()):
        prepared = prepare_training(job)
        if only_look:
            tuner.report_preflight(prepared)
            return 0
        if judge:
            tuner.check_judge(judge, judge_base_url)
        tuned = tuner.run_training(prepared)
        judged = tuner.judge_test_answers(tuned, judge, judge_base_url) if judge else None
    training.show_training(tuned, as_json=as_json, judged=judged)
    return judged.exit_code if judged else 0

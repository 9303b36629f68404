"""`evalh run`: ask a model the questions of benchmarks, score the answers, report."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def run(
    benchmarks: Annotated[
        list[str] | None,
        Argument(help="Benchmarks, e.g. mmlu glue/cola (`evalh list benchmarks` shows them), or one suite.yaml."),
    ] = None,
    model: Annotated[
        str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT], e.g. local:DIR, openai:gpt-4o.")
    ] = None,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    mode: Annotated[str | None, Option(help="rank (log-probabilities of the choices) or write.")] = None,
    shots: Annotated[int | None, Option(help="Examples before each question.")] = None,
    limit: Annotated[int | None, Option(help="Ask only so many questions: a seeded, stratified draw.")] = None,
    subjects: Annotated[str | None, Option(help="Ask only these groups, separated by commas.")] = None,
    seed: Annotated[int, Option(help="Decides every draw.")] = 0,
    samples: Annotated[int, Option(help="Answers per question (pass@k).")] = 1,
    temperature: Annotated[float, Option(help="0 = greedy.")] = 0.0,
    top_p: Annotated[float, Option(help="Nucleus sampling.")] = 1.0,
    max_tokens: Annotated[int | None, Option(help="Longest answer, in tokens.")] = None,
    skip_unanswered: Annotated[bool, Option(help="Leave out questions without an answer, and say so.")] = False,
    holistic: Annotated[
        bool, Option("--holistic", help="Also HELM's view: calibration, robustness, fairness, efficiency.")
    ] = False,
    name: Annotated[str | None, Option(help="Name of the run's folder; made from what is run otherwise.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[
        bool, Option("--json", help="Print one JSON object on standard output and nothing else.")
    ] = False,
    base_url: Annotated[str | None, Option(help="Address of an OpenAI-compatible server.")] = None,
    dtype: Annotated[str, Option(help="float32, bfloat16 or auto.")] = "auto",
    device: Annotated[str, Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    threads: Annotated[int, Option(help="Threads of a local model; 0 = choose.")] = 0,
    batch: Annotated[int, Option(help="Batch size of a local model; 0 = choose.")] = 0,
    context: Annotated[int, Option(help="Context length; 0 = the model's own.")] = 0,
    backend: Annotated[str, Option(help="native, hf or auto.")] = "auto",
    tokenizer: Annotated[str | None, Option(help="Tokenizer file of a local model.")] = None,
    template: Annotated[str | None, Option(help="Chat template; `none` asks as a base model.")] = None,
    concurrency: Annotated[int, Option(help="Requests at a time to a server.")] = 16,
    price_in: Annotated[float | None, Option(help="US dollars per million prompt tokens.")] = None,
    price_out: Annotated[float | None, Option(help="US dollars per million answer tokens.")] = None,
    judge: Annotated[str | None, Option("--judge", "-j", help="Then judge: MODEL, JUDGE=MODEL or panel=...")] = None,
    judge_against: Annotated[str | None, Option(help="`reference`, or a run to compare with.")] = None,
    judge_base_url: Annotated[str | None, Option(help="Address of the judge's server.")] = None,
    judge_price_in: Annotated[float | None, Option(help="US dollars per million prompt tokens of the judge.")] = None,
    judge_price_out: Annotated[float | None, Option(help="US dollars per million reply tokens of the judge.")] = None,
    order: Annotated[str | None, Option(help="Order of a judged pair: both, or seeded by the item.")] = None,
    max_cost: Annotated[float | None, Option(help="Stop judging before more US dollars than this are spent.")] = None,
    no_cache: Annotated[bool, Option("--no-cache", help="Neither look up nor keep paid answers.")] = False,
    sandbox: Annotated[str, Option(help="Where programs run: auto, namespace, landlock, docker, podman, ...")] = "auto",
    check: Annotated[str, Option(help="How programs are checked: both, split or inproc.")] = "both",
    workers: Annotated[int, Option(help="Programs at a time; 0 = one per core.")] = 0,
    items: Annotated[Path | None, Option(help="Ask only these: a file of `evalh compare --save-flips`.")] = None,
    against: Annotated[str | None, Option(help="Compare with this run or baseline at the end.")] = None,
    sequential: Annotated[bool, Option("--sequential", help="Stop asking when the verdict is clear.")] = False,
    margin: Annotated[list[str] | None, Option(help="For --against: 0.02, or BENCHMARK=0.01. Repeatable.")] = None,
    yes_run_untrusted_code: Annotated[bool, Option(help="Needed for --sandbox none.")] = False,
) -> int:
    """Ask a model the questions of benchmarks and report scores with their uncertainty.

    The same command goes on where a stopped run was; a finished run is shown again without asking.
    """
    from evalharness import cache, session
    from evalharness.benchmark import RunOptions
    from evalharness.errors import gravest
    from evalharness.model import ModelOptions
    from evalharness.report import progress, suites

    named = suites.benchmarks_of(items, benchmarks)
    if suites.is_suite(named, model, data, items, against):
        return suites.run(Path(named[0]), runs=runs, as_json=as_json, yes_run_untrusted_code=yes_run_untrusted_code)
    options = RunOptions(sandbox=sandbox, yes_run_untrusted_code=yes_run_untrusted_code, check=check, workers=workers)
    model_options = ModelOptions(
        base_url=base_url, dtype=dtype, device=device, threads=threads, batch=batch, context=context, backend=backend,
        tokenizer=tokenizer, template=template, concurrency=concurrency, price_in=price_in, price_out=price_out,
    )  # fmt: skip
    plan = session.plan(
        named, data=data, model=model, mode=mode, shots=shots, limit=limit, subjects=subjects, seed=seed,
        repeats=samples, temperature=temperature, top_p=top_p, max_tokens=max_tokens, skip_unanswered=skip_unanswered,
        holistic=holistic,
        options=options,
    )  # fmt: skip
    watcher = progress.watcher(quiet=as_json)
    place = session.Place(runs=runs, name=name, cache=not no_cache)
    if judge is not None:
        from evalharness import judging
        from evalharness.report import judges

        judge_model = ModelOptions(base_url=judge_base_url, price_in=judge_price_in, price_out=judge_price_out)
        kept = None if no_cache else runs / cache.BESIDE_RUNS
        said = judging.options(order=order, against=judge_against, max_cost=max_cost, cache=kept, model=judge_model)
        judging.check(judge, plan.benchmarks, said, plan.data)  # before the model is asked anything
    until = suites.until(against, sequential, margin or [], runs)
    outcome = session.run(suites.only(plan, items), model, model_options, place, watcher, until)
    code = outcome.exit_code
    if judge is not None:
        judged = judging.judge_answers(outcome.run, judge, said, tell=None if as_json else judging.progress)
        judges.judged(judged, as_json=as_json, stream=sys.stdout)
        code = gravest(code, judged.exit_code)
    elif against is None or not as_json:
        progress.report(outcome, as_json=as_json, stream=sys.stdout)
    if against is not None and not (judge and as_json):
        code = gravest(code, suites.compared(outcome, against, margin or [], runs, as_json=as_json))
    return code

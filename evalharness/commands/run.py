"""`evalh run`: ask a model the questions of benchmarks, score the answers, report."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from evalharness.options import ModelOptions
    from evalharness.runs.plan import Plan
    from evalharness.runs.session import RunOutcome, Stage

Benchmarks = Annotated[
    list[str] | None,
    Argument(help="Benchmarks, e.g. mmlu glue/cola (`evalh list benchmarks` shows them), or one suite.yaml."),
]
Holistic = Annotated[
    bool, Option("--holistic", help="Also HELM's view: calibration, robustness, fairness, efficiency.")
]
JudgeTemplate = Annotated[str | None, Option(help="published[=PATH]: the prompt of the benchmark's authors.")]
SandboxPackages = Annotated[
    str | None, Option(help="Packages that programs may import, e.g. numpy,pandas or VENV:numpy.")
]


def run(
    benchmarks: Benchmarks = None,
    model: Annotated[str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]: local:DIR, openai:gpt-4o.")] = None,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    mode: Annotated[str | None, Option(help="rank (log-probabilities of the choices) or write.")] = None,
    shots: Annotated[int | None, Option(help="Examples before each question.")] = None,
    limit: Annotated[int | None, Option(help="Ask only so many questions: a seeded, stratified draw.")] = None,
    subjects: Annotated[str | None, Option(help="Ask only these groups, separated by commas.")] = None,
    seed: Annotated[int, Option(help="Decides every draw.")] = 0,
    samples: Annotated[int | None, Option(help="Answers per question (pass@k); a replay has its own number.")] = None,
    temperature: Annotated[float | None, Option(help="0 = greedy, the default of nearly all benchmarks.")] = None,
    top_p: Annotated[float | None, Option(help="Nucleus sampling.")] = None,
    max_tokens: Annotated[int | None, Option(help="Longest answer, in tokens.")] = None,
    skip_unanswered: Annotated[bool, Option(help="Leave out questions without an answer, and say so.")] = False,
    holistic: Holistic = False,
    name: Annotated[str | None, Option(help="Name of the run's folder; made from what is run otherwise.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object on standard output, nothing else.")] = False,
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
    answer_key: Annotated[str | None, Option(help="Replay: where the answer stands, e.g. a.0.b.")] = None,
    id_key: Annotated[str | None, Option(help="Replay: where the id stands; `none` goes by the text.")] = None,
    judge: Annotated[str | None, Option("--judge", "-j", help="Then judge: MODEL, JUDGE=MODEL or panel=...")] = None,
    judge_against: Annotated[str | None, Option(help="`reference`, or a run to compare with.")] = None,
    judge_template: JudgeTemplate = None,
    judge_base_url: Annotated[str | None, Option(help="Address of the judge's server.")] = None,
    judge_price_in: Annotated[float | None, Option(help="US dollars per million prompt tokens of the judge.")] = None,
    judge_price_out: Annotated[float | None, Option(help="US dollars per million reply tokens of the judge.")] = None,
    order: Annotated[str | None, Option(help="Order of a judged pair: both, or seeded by the item.")] = None,
    max_cost: Annotated[float | None, Option(help="Stop judging before more US dollars than this are spent.")] = None,
    no_cache: Annotated[bool, Option("--no-cache", help="Neither look up nor keep paid answers.")] = False,
    sandbox: Annotated[str, Option(help="Where programs run: auto, namespace, landlock, docker, podman, ...")] = "auto",
    sandbox_packages: SandboxPackages = None,
    check: Annotated[str, Option(help="How programs are checked: both, split or inproc.")] = "both",
    workers: Annotated[int, Option(help="Programs at a time; 0 = one per core.")] = 0,
    items: Annotated[Path | None, Option(help="Ask only these: a file of `evalh compare --save-flips`.")] = None,
    against: Annotated[str | None, Option(help="Compare with this run or baseline at the end.")] = None,
    sequential: Annotated[bool, Option("--sequential", help="Stop asking when the verdict is clear.")] = False,
    margin: Annotated[list[str] | None, Option(help="For --against: 0.02, or BENCHMARK=0.01. Repeatable.")] = None,
    yes_run_untrusted_code: Annotated[bool, Option(help="Needed for --sandbox none.")] = False,
    allow_outside: Annotated[bool, Option(help="Files may name others outside their own folder.")] = False,
) -> int:
    """Ask a model the questions of benchmarks and report scores with their uncertainty.

    The same command goes on where a stopped run was; a finished run is shown again without asking.
    """
    return _run(SimpleNamespace(**locals()))


def _run(given: SimpleNamespace) -> int:
    from evalharness import plugins
    from evalharness.comparison.early_stop import rule_against
    from evalharness.data.files import allow_outside
    from evalharness.errors import gravest
    from evalharness.events import observed_by
    from evalharness.report import judges, progress
    from evalharness.runs import session
    from evalharness.runs.items import benchmarks_of, only_items
    from evalharness.suites.schema import is_suite

    allow_outside(given.allow_outside)
    named = benchmarks_of(given.items, given.benchmarks)
    if is_suite(named, given.model, given.data, given.items, given.against):
        return _run_suite(Path(named[0]), given)
    plan = _plan(named, given)
    hooks = session.RunHooks(
        rule_of=rule_against(given.against, given.sequential, given.margin or [], given.runs),
        stages=[_judging(plan, given)] if given.judge is not None else [],
    )
    model = plugins.load_model(given.model or session.DEFAULT_MODEL, _model_options(given))
    place = session.RunPlace(runs=given.runs, name=given.name, cache=not given.no_cache)
    with observed_by(progress.watcher(quiet=given.as_json)):
        outcome = session.run_plan(only_items(plan, given.items), model, place, hooks)
    for judged in outcome.stages:
        judges.show_judge_run(judged, as_json=given.as_json, stream=sys.stdout)  # type: ignore[arg-type]
    if not outcome.stages and (given.against is None or not given.as_json):
        progress.show_run(outcome, as_json=given.as_json, stream=sys.stdout)
    if given.against is not None and not (given.judge and given.as_json):
        return gravest(outcome.exit_code, _compare(outcome, given))
    return outcome.exit_code


def _compare(outcome: "RunOutcome", given: SimpleNamespace) -> int:
    """Compare the finished run with --against, print that (or all of the run in one JSON object), give the code."""
    from evalharness.comparison import gate
    from evalharness.comparison.document import document_values
    from evalharness.report import deliver

    options = gate.comparison_options(given.margin or [], 0.05, (), ())
    made = gate.run_gate(
        gate.ComparisonRequest(base=given.against, new=str(outcome.run.path), options=options, runs=given.runs)
    )
    if given.as_json:
        print(json.dumps({**outcome.as_json(), "comparison": document_values(made.document)}))
        return made.exit_code
    deliver.deliver_comparison(made, deliver.ReportsWanted())
    return made.settled()


def _run_suite(file: Path, given: SimpleNamespace) -> int:
    """Run a suite and print every model's figures and comparison, or one JSON object at the end."""
    from evalharness.comparison.document import document_values
    from evalharness.errors import Exit, gravest
    from evalharness.report import deliver, progress
    from evalharness.suites.run import run_suite
    from evalharness.suites.schema import load_suite

    suite = load_suite(file, yes_run_untrusted_code=given.yes_run_untrusted_code)
    codes: list[int] = [Exit.FINE]
    entries = []
    for entry in run_suite(suite, given.runs, progress.watcher(quiet=given.as_json)):
        codes += [entry.outcome.exit_code] + ([entry.compared.exit_code] if entry.compared else [])
        if given.as_json:
            compared = {"comparison": document_values(entry.compared.document)} if entry.compared else {}
            entries.append({**entry.outcome.as_json(), **compared})
            continue
        progress.show_run(entry.outcome, as_json=False)
        if entry.compared is not None:
            deliver.deliver_comparison(entry.compared, deliver.ReportsWanted())
            if entry.compared.refusal:
                print(f"evalh: {entry.compared.refusal}", file=sys.stderr)
    code = gravest(*codes)
    if given.as_json:
        print(json.dumps({"suite": suite.name, "exit_code": int(code), "runs": entries}))
    return int(code)


def _plan(named: list[str], given: SimpleNamespace) -> "Plan":
    from evalharness.options import RunOptions, package_names
    from evalharness.runs import session

    packages = package_names(given.sandbox_packages or "")
    options = RunOptions(
        sandbox=given.sandbox, sandbox_packages=packages, yes_run_untrusted_code=given.yes_run_untrusted_code,
        check=given.check, workers=given.workers,
    )  # fmt: skip
    return session.make_plan(
        named, data=given.data, model=given.model, mode=given.mode, shots=given.shots, limit=given.limit,
        subjects=given.subjects, seed=given.seed, repeats=given.samples, temperature=given.temperature,
        top_p=given.top_p, max_tokens=given.max_tokens, skip_unanswered=given.skip_unanswered,
        holistic=given.holistic, options=options,
    )  # fmt: skip


def _model_options(given: SimpleNamespace) -> "ModelOptions":
    from evalharness.options import ModelOptions

    return ModelOptions(
        base_url=given.base_url, dtype=given.dtype, device=given.device, threads=given.threads, batch=given.batch,
        context=given.context, backend=given.backend, tokenizer=given.tokenizer, template=given.template,
        concurrency=given.concurrency, price_in=given.price_in, price_out=given.price_out,
        answer_key=given.answer_key, id_key=given.id_key,
    )  # fmt: skip


def _judging(plan: "Plan", given: SimpleNamespace) -> "Stage":
    """The stage that judges the finished run. UserError, before the model is asked anything, when it could not."""
    from evalharness.judging import run as judging
    from evalharness.options import ModelOptions
    from evalharness.runs import cache

    model = ModelOptions(base_url=given.judge_base_url, price_in=given.judge_price_in, price_out=given.judge_price_out)
    options = judging.judge_options(
        order=given.order, against=given.judge_against, max_cost=given.max_cost, model=model,
        template=given.judge_template, cache=None if given.no_cache else given.runs / cache.BESIDE_RUNS,
    )  # fmt: skip
    return judging.judging_stage(given.judge, options, plan.benchmarks, plan.data)

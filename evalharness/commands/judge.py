"""`evalh judge`: judge the answers of a finished run, and examine the judges."""

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option, Typer
from typer.core import TyperGroup

from evalharness.commands._flags import Typed, with_flags


class JudgeGroup(TyperGroup):
    """`evalh judge RUN` needs no subcommand: the one that judges is called RUN."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        others = {"-h", "--help", *self.commands} - {"RUN"}  # a run may be called RUN too
        return super().parse_args(ctx, ["RUN", *args] if args and args[0] not in others else args)


app = Typer(
    cls=JudgeGroup,
    help="Judge the answers of a finished run (`evalh judge RUN --judge ...`); examine the judges.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Named = Annotated[str, Argument(help="A run's folder or name.")]
_Runs = Annotated[Path, Option(help="Folder that holds the runs.")]
_Json = Annotated[bool, Option("--json", help="Print one JSON object on standard output and nothing else.")]


@app.command("RUN")
@with_flags
def judge(
    run: Named,
    judge: Annotated[str, Option("--judge", "-j", help="MODEL, JUDGE=MODEL, or panel=MODEL,MODEL,...")],
    against: Annotated[str | None, Option(help="`reference`, or a run to compare with (pairwise judges).")] = None,
    order: Annotated[str | None, Option(help="both, or seeded by the item.")] = None,
    seed: Annotated[int, Option(help="Decides the seeded order.")] = 0,
    criteria: Annotated[Path | None, Option(help="YAML or JSON list of name, description, weight (rubric).")] = None,
    aggregate: Annotated[str | None, Option(help="A panel's value: mean, majority or weights.")] = None,
    weights: Annotated[str, Option(help="One number per judge of a panel, separated by commas.")] = "",
    temperature: Annotated[float | None, Option(help="The judge's temperature, where its own will not do.")] = None,
    max_tokens: Annotated[int | None, Option(help="Longest reply; judges that think first need more.")] = None,
    max_cost: Annotated[float | None, Option(help="Stop before more US dollars than this are spent.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be asked, and its price; ask nobody.")] = False,
    retries: Annotated[int, Option(help="How often an unreadable reply is asked again.")] = 2,
    retest: Annotated[int, Option(help="Judge so many answers a second time, to measure the judge's noise.")] = 0,
    again: Annotated[bool, Option("--again", help="Ask again what has no verdict yet (without the cache).")] = False,
    no_cache: Annotated[bool, Option("--no-cache", help="Neither read nor keep replies.")] = False,
    base_url: Annotated[str | None, Option("--judge-base-url", help="Address of the judge's server.")] = None,
    concurrency: Annotated[int, Option(help="Requests at a time.")] = 16,
    template: Annotated[
        str | None, Option("--judge-template", help="published[=PATH]: the prompt of the benchmark's authors.")
    ] = None,
    price_in: Annotated[float | None, Option("--judge-price-in", help="US dollars per million prompt tokens.")] = None,
    price_out: Annotated[float | None, Option("--judge-price-out", help="US dollars per million reply tokens.")] = None,
    runs: _Runs = Path("runs"),
    as_json: _Json = False,
    *,
    typed: Typed,
) -> int:
    """Judge every answer of a run; the model that was judged is not asked again. A stopped judging goes on."""
    from evalharness.events import observed_by
    from evalharness.judging import run as judging
    from evalharness.report import judges, progress
    from evalharness.runs import cache, store

    found = store.find_run(run, runs)
    about = {"base_url": base_url, "concurrency": concurrency, "price_in": price_in, "price_out": price_out}
    options = judging.judge_options(
        against=against, order=order, seed=seed, criteria=criteria, aggregate=aggregate, weights=weights,
        max_cost=max_cost, retries=retries, retest=retest, again=again, temperature=temperature,
        max_tokens=max_tokens, template=template,
        cache=None if no_cache or again else found.path.parent / cache.BESIDE_RUNS,
        model={name: value for name, value in about.items() if name in typed},
    )  # fmt: skip
    if dry_run:
        judges.show_judging_cost(judging.estimate_judging(found, judge, options), as_json=as_json, stream=sys.stdout)
        return 0
    with observed_by(progress.watcher(quiet=as_json)):
        done = judging.judge_answers(found, judge, options)
    judges.show_judge_run(done, as_json=as_json, stream=sys.stdout)
    return done.exit_code


@app.command("audit")
def audit(
    run: Named,
    judging: Annotated[str | None, Option(help="Which judging, where the run has several.")] = None,
    labels: Annotated[Path | None, Option(help="JSONL of human labels: id and label (0 to 1).")] = None,
    runs: _Runs = Path("runs"),
    as_json: _Json = False,
) -> None:
    """Examine a judging: nulls, position, length, formatting, own family, duplicates, noise, humans, cost."""
    from evalharness.judging.audit import examine as auditing
    from evalharness.report import judges
    from evalharness.runs import store

    found = auditing.run_audit(store.find_run(run, runs), judging, labels)
    judges.audited(found, as_json=as_json, stream=sys.stdout)


@app.command("calibrate")
def calibrate(
    labels: Annotated[Path, Option(help="JSONL of human labels: id and label (0 to 1).")],
    run: Annotated[str | None, Argument(help="A run's folder or name; the latest that was judged otherwise.")] = None,
    judging: Annotated[str | None, Option(help="Which judging, where the run has several.")] = None,
    half: Annotated[float, Option(help="Half width of the interval that is wanted.")] = 0.02,
    runs: _Runs = Path("runs"),
    as_json: _Json = False,
) -> None:
    """Sharpen a judge's mean with a few human labels, and say how many labels a wanted precision takes."""
    from evalharness.judging.audit import examine as auditing
    from evalharness.report import judges
    from evalharness.runs import store

    chosen = store.find_run(run, runs) if run is not None else auditing.latest(runs)
    found = auditing.calibrate_judge(chosen, judging, labels, half)
    judges.calibrated(found, as_json=as_json, stream=sys.stdout)

"""`evalh forget`: what a tuned model lost, gained and kept on general benchmarks, within a time budget."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags
from evalharness.options import ForgettingOptions, RunOptions

if TYPE_CHECKING:
    from evalharness.model import Model

Base = Annotated[str, Argument(help="The model before: PLUGIN[:ARGUMENT], e.g. local:DIR.")]
Tuned = Annotated[str, Argument(help="The model after.")]
Benchmarks = Annotated[list[str] | None, Argument(help="Benchmarks to ask; mmlu hellaswag gsm8k ifeval otherwise.")]
Margins = Annotated[list[str] | None, Option(help="Loss that would matter: 0.02, or BENCHMARK=0.01. Repeatable.")]
Alpha = Annotated[float, Option(help="One-sided error rate over all benchmarks and looks.")]
Gate = Annotated[bool, Option("--gate", help="Exit 1 when a benchmark is worse by more than its margin.")]
Policy = Annotated[str | None, Option(help="With --gate: block-on-fail (default), or require-pass (exit 5).")]
Runs = Annotated[Path, Option(help="Folder that holds the runs.")]
NoCache = Annotated[bool, Option("--no-cache", help="Neither look up nor keep paid answers.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")]
EXAMPLES = """
evalh forget local:BASE local:tuned --budget 30m
evalh forget local:BASE local:tuned mmlu gsm8k --data mmlu=FOLDER --data gsm8k=FOLDER --gate
"""


@with_flags
def forget(
    base: Base,
    tuned: Tuned,
    benchmarks: Benchmarks = None,
    margin: Margins = None,
    alpha: Alpha = 0.05,
    gate: Gate = False,
    policy: Policy = None,
    runs: Runs = Path("runs"),
    no_cache: NoCache = False,
    as_json: AsJson = False,
    *,
    asked: ForgettingOptions,
    given: GivenModelOptions,
    sandbox: RunOptions,
) -> int:
    """Ask two models the same questions in turn, and say what the second one lost, gained and kept.

    The same command goes on where the last one ended. Exit codes are those of `evalh compare`.
    """
    from evalharness.comparison import gate as gating
    from evalharness.comparison.forgetting import measure_forgetting
    from evalharness.comparison.forgetting_plan import ForgettingRequest, data_places
    from evalharness.events import observed_by
    from evalharness.report import progress
    from evalharness.report.forgetting import show_forgetting
    from evalharness.runs.budget import duration_seconds

    request = ForgettingRequest(
        benchmarks=tuple(benchmarks or ()), data=data_places(asked.data), limit=asked.limit, seed=asked.seed,
        budget=duration_seconds(asked.budget, "budget"), gate=gate, policy=gating.policy(policy, gate=gate),
        judged=gating.comparison_options(margin or (), alpha, (), ()), runs=runs, cache=not no_cache, options=sandbox,
    )  # fmt: skip
    with observed_by(progress.watcher(quiet=as_json)):
        found = measure_forgetting(request, *_opened((base, tuned), given))
    show_forgetting(found.document, as_json=as_json)
    return found.settled()


def _opened(specs: tuple[str, str], given: GivenModelOptions) -> tuple["Model", "Model"]:
    """Both models, either with those of the options that its kind takes. UserError for one that neither takes."""
    from evalharness import plugins

    for name, value in given.items():
        if not any(plugins.takes_option(spec, name) for spec in specs):
            plugins.check_option(specs[1], name, value)
    base, tuned = (
        plugins.load_model(spec, {n: value for n, value in given.items() if plugins.takes_option(spec, n)})
        for spec in specs
    )
    return base, tuned

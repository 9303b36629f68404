"""`evalh plan`: how many items, samples and dollars a comparison takes, before anything is asked."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh plan gsm8k --margin 0.02
evalh plan gsm8k --margin 0.02 --from runs/base --from runs/new
"""


def plan(
    benchmark: Annotated[str, Argument(help="A benchmark.")],
    margin: Annotated[float, Option(help="The loss that would matter: 0.02 is two points.")] = 0.02,
    earlier: Annotated[
        list[str] | None, Option("--from", help="An earlier run or baseline, or two whose difference counts.")
    ] = None,
    flips: Annotated[float | None, Option(help="Plan with this share of items changing sides, e.g. 0.08.")] = None,
    alpha: Annotated[float, Option(help="One-sided error rate.")] = 0.05,
    price_in: Annotated[float | None, Option(help="US dollars per million prompt tokens, beside --from.")] = None,
    price_out: Annotated[float | None, Option(help="US dollars per million answer tokens, beside --from.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say how many items, samples and dollars decide a comparison at a margin."""
    from evalharness.comparison.sizing import SizingRequest, size_comparison
    from evalharness.report.sizing import show_sizing

    request = SizingRequest(
        benchmark=benchmark, margin=margin, alpha=alpha, earlier=tuple(earlier or ()), flips=flips, price_in=price_in,
        price_out=price_out, runs=runs, baselines=baselines,
    )  # fmt: skip
    show_sizing(size_comparison(request), as_json=as_json)

"""`evalh contamination`: whether a model knows the order of a benchmark's own file."""

from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags

EXAMPLES = """
evalh contamination mmlu --model local:DIR --template none --data FOLDER
"""


@with_flags
def contamination(
    benchmark: Annotated[str, Argument(help="A benchmark, or a file that describes one.")],
    model: Annotated[str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]: local:DIR; tiny otherwise.")] = None,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    test: Annotated[
        str, Option(help="order (of the questions in the file) or options (of each one's choices).")
    ] = "order",
    orders: Annotated[int, Option(help="Random orders of each piece of the file.")] = 31,
    seed: Annotated[int, Option(help="Decides the orders.")] = 0,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
    *,
    given: GivenModelOptions,
) -> None:
    """Say, with a p value, whether a local model finds the order of a benchmark's file likelier than other orders."""
    from evalharness import plugins
    from evalharness.evidence.contamination import order_test
    from evalharness.report import evidence
    from evalharness.runs.session import DEFAULT_MODEL

    opened = plugins.load_model(model or DEFAULT_MODEL, given)
    evidence.show_order_test(
        order_test(opened, benchmark, test=test, data=data, orders=orders, seed=seed), as_json=as_json
    )

"""`evalh contamination`: whether a model knows a benchmark's own file: its order, or its words."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags

EXAMPLES = """
evalh contamination mmlu --model local:DIR --template none --data FOLDER
evalh contamination mmlu --model local:DIR --template none --data FOLDER --test mink --paraphrases words.jsonl
"""


@with_flags
def contamination(
    benchmark: Annotated[str, Argument(help="A benchmark, or a file that describes one.")],
    model: Annotated[str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]: local:DIR; tiny otherwise.")] = None,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    test: Annotated[
        str, Option(help="order (of the questions), options (of each one's choices), completion or mink (its words).")
    ] = "order",
    paraphrases: Annotated[
        Path | None, Option(help="For completion and mink: JSON lines of `id` and `question` in other words.")
    ] = None,
    orders: Annotated[int, Option(help="Random orders of each piece of the file.")] = 31,
    seed: Annotated[int, Option(help="Decides the orders.")] = 0,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
    *,
    given: GivenModelOptions,
) -> None:
    """Say, with a p value, whether a local model knows a benchmark's file: its order, or its very words."""
    from evalharness import plugins
    from evalharness.errors import UserError, option_name
    from evalharness.evidence.contamination import order_test
    from evalharness.evidence.paraphrases import PARAPHRASE_TESTS, words_test
    from evalharness.report import evidence
    from evalharness.runs.session import DEFAULT_MODEL

    if (test in PARAPHRASE_TESTS) != (paraphrases is not None):
        raise UserError(f"{option_name('paraphrases')} goes with {' and '.join(PARAPHRASE_TESTS)}, and they with it")
    opened = plugins.load_model(model or DEFAULT_MODEL, given)
    if paraphrases is not None:
        found = words_test(opened, benchmark, paraphrases, test=test, data=data, seed=seed)
        evidence.show_words_test(found, as_json=as_json)
        return
    evidence.show_order_test(
        order_test(opened, benchmark, test=test, data=data, orders=orders, seed=seed), as_json=as_json
    )

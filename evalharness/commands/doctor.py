"""`evalh doctor`: examine a model or a benchmark before hours or money are spent on it."""

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags

if TYPE_CHECKING:
    from evalharness.doctor.findings import Examination

EXAMPLES = """
evalh doctor openai:my-model --base-url http://localhost:8000/v1
evalh doctor local:DIR
evalh doctor mmlu --data FOLDER
evalh doctor openai:my-model --base-url ... --same-as local:DIR
"""
_SIGNS = {"ok": "✓ ok", "look": "! look", "wrong": "✗ wrong", "unknown": "? unknown"}


@with_flags
def doctor(
    subject: Annotated[str, Argument(help="A model, PLUGIN:ARGUMENT, or a benchmark.")],
    same_as: Annotated[
        str | None, Option(help="Whether the endpoint serves these weights: local:DIR.", metavar="local:DIR")
    ] = None,
    data: Annotated[str | None, Option(help="A benchmark's data: a folder or file; its bundled sample else.")] = None,
    model: Annotated[str | None, Option(help="With a benchmark: render its prompts for this model.")] = None,
    max_minutes: Annotated[
        float | None,
        Option(help="Minutes for examining a model: 3 if not said, without limit for --same-as.", min=0.01),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
    *,
    given: GivenModelOptions,
) -> int:
    """Examine a model (is it reached, what does it take, are its log-probabilities right, is it fast, what does it
    cost) or a benchmark (do right answers score 1). Exit code 1 where something is wrong."""
    import json

    from evalharness.doctor.of_benchmark import examine_benchmark
    from evalharness.doctor.of_model import examine_model
    from evalharness.doctor.same_weights import examine_weights
    from evalharness.errors import UserError, option_name

    if _is_model(subject):
        if model is not None or data is not None:
            name = option_name("model" if model is not None else "data")
            raise UserError(f"{subject} is a model, and {name} is for benchmarks; leave it out")
        if same_as is None:
            found = examine_model(subject, given, max_minutes)
        else:
            found = examine_weights(subject, same_as, given, max_minutes)
    elif unfit := [name for name, said in (("same_as", same_as), ("max_minutes", max_minutes)) if said] + [*given]:
        name = option_name(unfit[0])
        raise UserError(f"{subject} is no model, and {name} is for models; leave it out, or say openai:{subject}")
    else:
        found = examine_benchmark(subject, data, model)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        _show(found)
    return found.exit_code


def _is_model(subject: str) -> bool:
    from evalharness import plugins

    kind, colon, _ = subject.partition(":")
    return bool(colon) or (kind in plugins.modules("models") and kind not in plugins.modules("benchmarks"))


def _show(found: "Examination") -> None:
    from evalharness.text.visible import line

    width = max(len(one.check) for one in found.findings)
    for one in found.findings:
        print(f"{_SIGNS[one.verdict]:<10} {one.check:<{width}}  {line(one.said, 1000)}")
        if one.do:
            print(f"{'':<10} {'':<{width}}  -> {line(one.do, 500)}")

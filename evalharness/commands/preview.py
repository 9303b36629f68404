"""`evalh preview`: the first prompts of a benchmark exactly as a model will read them."""

from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags


@with_flags
def preview(
    benchmark: Annotated[str, Argument(help="A benchmark.")],
    model: Annotated[str, Option("--model", "-m", help="PLUGIN[:ARGUMENT].")] = "echo",
    count: Annotated[int, Option("-n", help="How many prompts.")] = 1,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    mode: Annotated[str | None, Option(help="rank or write.")] = None,
    shots: Annotated[int | None, Option(help="Examples before each question.")] = None,
    limit: Annotated[int | None, Option(help="Ask only so many questions.")] = None,
    subjects: Annotated[str | None, Option(help="Only these groups, separated by commas.")] = None,
    outside: Annotated[bool, Option("--allow-outside", help="Files may name others outside their own folder.")] = False,
    *,
    given: GivenModelOptions,
) -> None:
    """Show the first prompts exactly as sent, token ids and BOS for local models, and what the run would cost."""
    from evalharness import plugins
    from evalharness.data.files import allow_outside
    from evalharness.report import items
    from evalharness.runs import session

    allow_outside(outside)
    plugins.name_python_files([benchmark])
    plan = session.make_plan(
        [benchmark], model=model, data=data, mode=mode, subjects=subjects, shots=shots, limit=limit
    )
    items.show_prompts(session.preview_prompts(plan, model, given, count))

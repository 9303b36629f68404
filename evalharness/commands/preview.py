"""`evalh preview`: the first prompts of a benchmark exactly as a model will read them."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from evalharness.commands._flags import GivenModelOptions, with_flags


@with_flags
def preview(
    benchmark: Annotated[str, Argument(help="A benchmark.")],
    model: Annotated[str, Option("--model", "-m", help="PLUGIN[:ARGUMENT].")] = "echo",
    count: Annotated[int, Option("-n", help="How many prompts.")] = 1,
    data: Annotated[str | None, Option(help="A folder or file of the benchmark's data, or `sample`.")] = None,
    mode: Annotated[str | None, Option(help="rank, write or letters.")] = None,
    shots: Annotated[int | None, Option(help="Examples before each question.")] = None,
    limit: Annotated[int | None, Option(help="Ask only so many questions.")] = None,
    subjects: Annotated[str | None, Option(help="Only these groups, separated by commas.")] = None,
    outside: Annotated[bool, Option("--allow-outside", help="Files may name others outside their own folder.")] = False,
    include_path: Annotated[
        list[Path] | None, Option(help="A folder of lm-evaluation-harness's task files. Repeatable.")
    ] = None,
    fewshot_as_multiturn: Annotated[
        bool, Option(help="A chat model reads the examples of lm_eval tasks as turns, not in one user turn.")
    ] = True,
    *,
    given: GivenModelOptions,
) -> None:
    """Show the first prompts exactly as sent, token ids and BOS for local models, and what the run would cost."""
    from evalharness import plugins
    from evalharness.data.files import allow_outside
    from evalharness.file_benchmarks.lm_eval.settings import include_folders, show_examples
    from evalharness.report import items
    from evalharness.runs import session
    from evalharness.runs.preview import preview_prompts

    allow_outside(outside)
    include_folders(include_path or ())
    show_examples(as_turns=fewshot_as_multiturn)
    plugins.name_python_files([benchmark])
    plan = session.make_plan(
        [benchmark], model=model, data=data, mode=mode, subjects=subjects, shots=shots, limit=limit
    )
    items.show_prompts(preview_prompts(plan, model, given, count))

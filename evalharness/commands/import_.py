"""`evalh import`: runs and judgments made elsewhere, as runs that can be shown, compared and audited."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh import lm_eval output/my__model
evalh import inspect logs/2026-11-28_mmlu.eval --name theirs
evalh import promptfoo results.json --model openai:gpt-4o-mini
evalh import alpaca_eval annotations.json --model claude-2
"""


def import_(
    format: Annotated[  # noqa: A002  # CLI name
        str,
        Argument(
            help="Runs: evalplus, every_eval_ever, helm, inspect, lighteval, lm_eval, nemo_evaluator, openai_evals, "
            "promptfoo. Judgments: alpaca_eval, fastchat, judgebench, llmbar, pairs, pandalm, rewardbench, scores."
        ),
    ],
    file: Annotated[Path, Argument(help="The file, or for runs the folder.")],
    data: Annotated[Path | None, Option(help="The benchmark's own data (alpaca_eval: with df_gamed.csv).")] = None,
    model: Annotated[str | None, Option(help="Whose answers or judgments, where the file has several models.")] = None,
    against: Annotated[str | None, Option(help="Compared with which model, where the file has several.")] = None,
    name: Annotated[str | None, Option(help="Name of the run's folder.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Make a run of answers or judgments that were made elsewhere."""
    from evalharness import plugins
    from evalharness.judging import imported as judgments
    from evalharness.report import judges, progress
    from evalharness.runs import imported, session, store

    options = judgments.ImportOptions(data=data, model=model, against=against)
    reader = plugins.load_format("importers", format)
    if hasattr(reader, "read_run"):
        foreign = reader.read_run(file.expanduser(), options)
        run = imported.import_run(format, file, foreign, lambda given: store.new_folder(runs, name or given))
        progress.show_run(session.run_outcome(run), as_json=as_json)
        return
    made = judgments.import_file(format, file, options, lambda given: store.new_folder(runs, name or given))
    judges.imported(made, as_json=as_json, stream=sys.stdout)

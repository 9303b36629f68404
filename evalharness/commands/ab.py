"""`evalh ab`: two system prompts over the same suite, compared item by item."""

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh ab evals/suite.yaml --prompt-a prompts/today.txt --prompt-b prompts/shorter.txt
"""


def ab(
    suite: Annotated[Path, Argument(help="The suite (YAML) whose models are asked.")],
    prompt_a: Annotated[
        str, Option(help="System prompt of BASE: a text, or a file that holds it.", metavar="TEXT|FILE")
    ],
    prompt_b: Annotated[
        str, Option(help="System prompt of NEW: a text, or a file that holds it.", metavar="TEXT|FILE")
    ],
    report: Annotated[Path | None, Option(help="Folder for the reports, one below it for each model.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    yes_run_untrusted_code: Annotated[
        bool, Option("--yes-run-untrusted-code", help="Needed for a suite with sandbox: none.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """Ask a suite with prompt A and with prompt B, and say whether B is better, worse, the same, or can't tell.

    Exit codes are those of `evalh compare`; 1 only where the suite has a gate.
    """
    from evalharness.comparison.document import document_values
    from evalharness.errors import Exit, gravest
    from evalharness.report import deliver, progress
    from evalharness.report.escape import line
    from evalharness.suites.prompt_ab import compare_prompts
    from evalharness.suites.schema import load_suite

    found = load_suite(suite, yes_run_untrusted_code=yes_run_untrusted_code)
    codes: list[int] = [Exit.FINE]
    models = {}
    for entry in compare_prompts(found, (prompt_a, prompt_b), runs, progress.watcher(quiet=as_json)):
        codes += [entry.a.exit_code, entry.b.exit_code, entry.compared.exit_code]
        folder = None if report is None else report / entry.model
        if as_json:
            models[entry.model] = document_values(entry.compared.document)
            deliver.write_reports(entry.compared.document, deliver.Places(folder=folder), key=entry.model)
            continue
        print(f"\n{line(entry.model, 120)}: prompt A → prompt B")
        wanted = deliver.ReportsWanted(places=deliver.Places(folder=folder), key=entry.model, outputs=False)
        deliver.deliver_comparison(entry.compared, wanted)
        if entry.compared.refusal:
            print(f"evalh: {entry.compared.refusal}", file=sys.stderr)
    code = int(gravest(*codes))
    if as_json:
        print(json.dumps({"kind": "ab", "suite": found.name, "exit_code": code, "models": models}))
    return code

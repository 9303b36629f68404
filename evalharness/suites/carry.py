"""Which program a configuration is of, and what it becomes."""

from __future__ import annotations

from pathlib import Path

from evalharness.errors import UserError
from evalharness.suites import from_hosted_evals, from_promptfoo
from evalharness.suites.carried import Carried


def carried_from(file: Path) -> Carried:
    """What a configuration of promptfoo, or an eval of OpenAI's hosted product as JSON, becomes. UserError for another
    file; DataError for one that is broken."""
    if not file.is_file():
        raise UserError(f"there is no file {file}")
    if file.suffix.lower() in (".json", ".jsonl"):
        said = from_hosted_evals.read_eval(file)
        if said is not None:
            return from_hosted_evals.carried_eval(file, said)
    return from_promptfoo.carried_config(file)

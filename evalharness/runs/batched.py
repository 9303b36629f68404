"""What cannot be handed in as a batch, which is paid as a whole before anything of it is seen."""

from __future__ import annotations

from collections.abc import Sequence

from evalharness.errors import UserError, option_name
from evalharness.model import Batched, Model
from evalharness.runs.plan import Task


def in_batches(model: Model) -> bool:
    """Whether a model's requests are handed in all at once."""
    return isinstance(model, Batched) and model.in_batches


def refuse_log_probabilities(tasks: Sequence[Task]) -> None:
    """UserError for a benchmark that reads log-probabilities: whether they are true is found out with the first
    replies, and those of a batch come when all of it is paid."""
    for task in tasks:
        if task.facts.mode != "write":
            raise UserError(
                f"{task.name} reads log-probabilities, which are proved before many are asked for, and a batch is paid "
                f"as a whole; leave out {option_name('batch_api')}, or say {option_name('mode', 'write')}"
            )

"""The base model that comes with the package, opened like any checkpoint on this machine. It takes no argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalharness import tiny
from evalharness.errors import UserError, option_name
from evalharness.models import local
from evalharness.models._prompt_reader import PromptReader, reader_of_run
from evalharness.models.local import Local
from evalharness.options import LocalOptions

Options = LocalOptions
FOLDER = tiny.MODEL_FOLDER  # where the weights lie: they can be fine-tuned


def open_model(argument: str, options: LocalOptions) -> Local:
    """Open the embedded model."""
    if argument:
        raise UserError(f"tiny takes no argument, there is {argument!r}; say {option_name('model', 'tiny')}")
    return local.open_folder("tiny", tiny.MODEL_FOLDER, options)


def open_prompts(argument: str, facts: Mapping[str, Any]) -> PromptReader:
    """How the embedded model read the prompts of a run."""
    return reader_of_run(tiny.MODEL_FOLDER, facts)

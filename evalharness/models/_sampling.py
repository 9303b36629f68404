"""How a model on this machine draws its tokens: what the user says, the rest as its checkpoint has it where wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evalharness.engine.sampling import Sampling, checkpoint_sampling
from evalharness.errors import UserError, option_name
from evalharness.events import Told, tell
from evalharness.options import LocalOptions


def chosen_sampling(name: str, folders: Sequence[Path], options: LocalOptions, *, chat: bool) -> Sampling:
    """How tokens of the model `name`, whose files are in `folders`, are drawn. UserError for a number out of bounds."""
    own = next((found for found in map(checkpoint_sampling, folders) if found.differences()), Sampling())
    if own.differences() and chat and not options.checkpoint_sampling:
        wanted = option_name("checkpoint_sampling")
        tell(Told(text=f"{name} is made to be asked with {own.words()} (its generation_config.json); {wanted} does so"))
    if (options.min_p or 0) > 1:
        raise UserError(f"{option_name('min_p')} wants a number from 0 to 1; there is {options.min_p:g}")
    taken = own if options.checkpoint_sampling else Sampling()
    return replace(
        taken,
        top_k=options.top_k or taken.top_k,
        min_p=taken.min_p if options.min_p is None else options.min_p,
        repetition_penalty=options.repetition_penalty or taken.repetition_penalty,
    )

"""A model in an SGLang server that is started for it (https://docs.sglang.ai): `sglang:DIR` or `sglang:ORG/NAME`.

SGLang is never imported: its program is found on PATH, or by `--engine-python` in an environment of its own.
"""

from __future__ import annotations

from evalharness.models._started import StartedModel, program_or_python, served_weights
from evalharness.options import EngineOptions

Options = EngineOptions


def open_model(argument: str, options: EngineOptions) -> StartedModel:
    """The model in this folder or of this hub id. UserError where there is none, or SGLang is not installed."""

    def begin(place: str) -> list[str]:
        program = program_or_python("sglang", "sglang.launch_server", options)
        return [*program, *([] if options.engine_python else ["serve"]), "--model-path", place]

    return served_weights("sglang", argument, options, begin=begin, parallel="--tp", context="--context-length")

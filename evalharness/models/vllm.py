"""A model in a vLLM server that is started for it (https://docs.vllm.ai): `vllm:DIR` or `vllm:ORG/NAME`.

vLLM is never imported: its program is found on PATH, or by `--engine-python` in an environment of its own.
"""

from __future__ import annotations

from evalharness.models._started import StartedModel, program_or_python, served_weights
from evalharness.options import EngineOptions

Options = EngineOptions


def open_model(argument: str, options: EngineOptions) -> StartedModel:
    """The model in this folder or of this hub id. UserError where there is none, or vLLM is not installed."""

    def begin(place: str) -> list[str]:
        program = program_or_python("vllm", "vllm.entrypoints.openai.api_server", options)
        return [*program, "--model", place] if options.engine_python else [*program, "serve", place]

    return served_weights(
        "vllm", argument, options, begin=begin, parallel="--tensor-parallel-size", context="--max-model-len"
    )

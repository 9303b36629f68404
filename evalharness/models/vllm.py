"""A model in a vLLM server that is started for it (https://docs.vllm.ai): `vllm:DIR` or `vllm:ORG/NAME`.

vLLM is never imported: its program is found on PATH, or by `--engine-python` in an environment of its own.
"""

from __future__ import annotations

from evalharness.models._started import (
    HOST,
    SERVED,
    ServerProgram,
    StartedModel,
    engine_words,
    parallel_size,
    program_or_python,
    served_place,
    weights_digest,
)
from evalharness.options import EngineOptions

Options = EngineOptions


def open_model(argument: str, options: EngineOptions) -> StartedModel:
    """The model in this folder or of this hub id. UserError where there is none, or vLLM is not installed."""
    place = served_place("vllm", argument)
    begin = program_or_python("vllm", "vllm", "vllm.entrypoints.openai.api_server", options)
    begin += ["--model", place] if options.engine_python else ["serve", place]

    def command(port: int) -> list[str]:
        context = ["--max-model-len", str(options.context)] if options.context else []
        return [
            *begin, "--served-model-name", SERVED, "--host", HOST, "--port", str(port), "--dtype", options.dtype,
            "--tensor-parallel-size", str(parallel_size(place, options)), *context, *engine_words(options),
        ]  # fmt: skip

    program = ServerProgram(name="vllm", command=command)
    return StartedModel(name=f"vllm:{argument}", program=program, options=options, digest=weights_digest(place))

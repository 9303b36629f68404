"""A model in an SGLang server that is started for it (https://docs.sglang.ai): `sglang:DIR` or `sglang:ORG/NAME`.

SGLang is never imported: its program is found on PATH, or by `--engine-python` in an environment of its own.
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
    """The model in this folder or of this hub id. UserError where there is none, or SGLang is not installed."""
    place = served_place("sglang", argument)
    begin = program_or_python("sglang", "sglang", "sglang.launch_server", options)
    begin += [] if options.engine_python else ["serve"]

    def command(port: int) -> list[str]:
        context = ["--context-length", str(options.context)] if options.context else []
        return [
            *begin, "--model-path", place, "--served-model-name", SERVED, "--host", HOST, "--port", str(port),
            "--dtype", options.dtype, "--tp", str(parallel_size(place, options)), *context, *engine_words(options),
        ]  # fmt: skip

    program = ServerProgram(name="sglang", command=command)
    return StartedModel(name=f"sglang:{argument}", program=program, options=options, digest=weights_digest(place))

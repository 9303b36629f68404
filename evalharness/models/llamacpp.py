"""A quantised model in a llama.cpp server that is started for it: `llamacpp:FILE.gguf`.

The server is the program `llama-server` on PATH (https://github.com/ggml-org/llama.cpp), else the package xllamacpp,
which has the same server in it (`pip install xllamacpp`), in this Python or in that of `--engine-python`.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from evalharness.engine.fingerprint import files_digest
from evalharness.errors import UserError, option_name
from evalharness.models._started import HOST, SERVED, ServerProgram, StartedModel, engine_words
from evalharness.options import EngineOptions

Options = EngineOptions
_MAGIC = b"GGUF"  # https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_SCRIPT = Path(__file__).with_name("_xllamacpp_server.py")


def open_model(argument: str, options: EngineOptions) -> StartedModel:
    """The model in this GGUF file. UserError where it is none, or no llama.cpp is installed."""
    file = _gguf(argument)
    begin, own = _server(file, options)

    def command(port: int) -> list[str]:
        if own:
            return [*begin, str(file), str(port), str(options.context), SERVED]
        context = ["--ctx-size", str(options.context)] if options.context else []
        return [*begin, "--model", str(file), "--alias", SERVED, "--host", HOST, "--port", str(port), *context,
                *engine_words(options)]  # fmt: skip

    program = ServerProgram(name="llama.cpp", command=command)
    return StartedModel(
        name=f"llamacpp:{argument}", program=program, options=options, digest=lambda: files_digest([file])
    )


def _gguf(argument: str) -> Path:
    file = Path(argument).expanduser()
    if not argument or not file.is_file():
        raise UserError(f"llamacpp:{argument}: there is no such file; wanted a model's FILE.gguf")
    try:
        with file.open("rb") as opened:
            begin = opened.read(len(_MAGIC))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    if begin != _MAGIC:
        raise UserError(f"{file}: is no GGUF file (it begins with {begin!r}); `evalh push --help` says how to make one")
    return file.absolute()


def _server(file: Path, options: EngineOptions) -> tuple[list[str], bool]:
    """The beginning of the command, and whether it is our own script around xllamacpp."""
    program = shutil.which("llama-server")
    if program is not None and options.engine_python is None:
        return [program], False
    python = options.engine_python
    if python is not None and shutil.which(python) is None:
        raise UserError(f"{option_name('engine_python')}: there is no program {python!r:.200}")
    if python is None and importlib.util.find_spec("xllamacpp") is None:
        raise UserError(
            "llamacpp wants llama.cpp's server: put llama-server on PATH, or pip install xllamacpp (here, or in "
            f"another environment whose Python {option_name('engine_python')} names)"
        )
    if options.engine_args:
        raise UserError(f"{option_name('engine_args')} are those of llama-server, and xllamacpp takes none")
    return [python or sys.executable, str(_SCRIPT)], True

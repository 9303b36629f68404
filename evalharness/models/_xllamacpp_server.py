"""llama.cpp's server out of the package xllamacpp, as a program of its own.

Run as a script: `python _xllamacpp_server.py FILE.gguf PORT CONTEXT NAME`; a context of 0 is the model's own.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module


def serve_gguf(file: str, port: int, context: int, name: str) -> None:
    """Serve on loopback, which is its default, until the process is ended."""
    xllamacpp = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.port = port
    params.n_ctx = context
    params.model_alias = {name}
    params.warmup = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:  # why, its own log says above
        raise SystemExit(f"error: llama.cpp cannot load {file}: is it a whole model? ({error})") from None
    print(f"serving {file} at {server.listening_address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve_gguf(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

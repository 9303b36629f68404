"""llama.cpp in this process (package xllamacpp), asked over loopback: for tests of what it makes of our files."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class LlamaCpp:
    """A GGUF file served by llama.cpp's own server on one thread, everything but the weights in float32."""

    def __init__(self, file: Path, context: int = 256) -> None:
        import xllamacpp as library

        wanted = library.CommonParams()
        wanted.model.path = str(file)
        wanted.warmup, wanted.n_ctx, wanted.n_parallel, wanted.cpuparams.n_threads = False, context, 1, 1
        wanted.cpuparams_batch.n_threads = 1
        wanted.cache_type_k = wanted.cache_type_v = library.ggml_type.GGML_TYPE_F32
        wanted.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._server = library.Server(wanted)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        data, kind = json.dumps(body).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(self._server.listening_address + path, data, kind)
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)

    def encode(self, text: str) -> list[int]:
        """The ids of a prompt as a chat would be read: BOS where the file says so, control tokens found."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return list(self.post("/tokenize", body)["tokens"])

    def greedy(self, ids: Sequence[int], count: int) -> list[int]:
        body = {"prompt": list(ids), "n_predict": count, "temperature": 0, "return_tokens": True, "ignore_eos": True}
        return list(self.post("/completion", body)["tokens"])

    def chat(self, text: str, count: int) -> str:
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": count, "temperature": 0}
        return str(self.post("/v1/chat/completions", body)["choices"][0]["message"]["content"])

"""Architectures that the native decoder does not know, through transformers (extra `hf`): right, not fast.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalharness.data.files import parse_json, read_text
from evalharness.engine.adapted import read_adapter
from evalharness.engine.adapter_config import ADAPTER_CONFIG
from evalharness.engine.base import (
    Continuation,
    ContinuationScore,
    Generation,
    GenerationRequest,
    TokenBytes,
    choose_context,
)
from evalharness.engine.checkpoint import weight_files
from evalharness.errors import UserError


def refuse_code(folder: Path) -> None:
    """UserError for a checkpoint that brings code, or would have transformers read something outside its folder.

    transformers asks on the terminal whether to run the code that `auto_map` names, loads an adapter's base model from
    wherever adapter_config.json says, and takes attention kernels from the hub by their name.
    """
    for file in (folder / "config.json", folder / "generation_config.json", folder / "tokenizer_config.json"):
        said = parse_json(read_text(file), file) if file.is_file() else {}
        texts = [said, *(one for one in said.values() if isinstance(one, dict))] if isinstance(said, dict) else []
        for text in texts:
            if text.get("auto_map"):
                raise UserError(
                    f"{file}: says auto_map: the checkpoint brings Python of its own, which is never run; use a "
                    "checkpoint in a layout that transformers itself knows"
                )
            for key, value in text.items():
                if "attn_implementation" in key and "/" in str(value):
                    raise UserError(f"{file}: {key} names code on the hub ({value!r:.80}), which is never run")
    if (folder / ADAPTER_CONFIG).is_file():
        raise UserError(f"{folder}: holds an adapter ({ADAPTER_CONFIG}) beside a whole model; move one of them away")
    weight_files(folder)  # pickled weights, and an index that leaves the folder, are refused there


class TransformersEngine:
    """A causal language model of transformers, one text at a time; equal inputs share a pass. `context` 0: its own.

    `reason` says why it is not the native decoder that runs: in error messages and the manifest.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype, *, context: int, reason: str) -> None:
        try:
            import transformers
        except ImportError as error:
            raise UserError(
                f'{folder}: the native decoder does not know {reason}; transformers may: pip install "evalharness[hf]"'
            ) from error
        transformers.logging.set_verbosity_error()
        refuse_code(folder)
        self.dtype = dtype
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=self.dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
        except Exception as error:  # on a config.json with odd values its classes raise whatever they stumble over
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(
                f"{folder}: neither the native decoder nor transformers knows it ({reason}): {first}"
            ) from error
        self.model: Any = model.to(device).eval()
        self.device, self.reason, self.version = device, reason, transformers.__version__
        config = model.config.get_text_config()
        own = next((n for key in ("max_position_embeddings", "n_positions") if (n := getattr(config, key, None))), 2048)
        self.context = choose_context(int(own), context)
        self.vocabulary = int(model.get_input_embeddings().weight.shape[0])

    def put_on(self, folder: Path, *, merge: bool) -> None:
        """Put the adapter in `folder` on the model, by PEFT. UserError where PEFT is missing or it does not fit."""
        read_adapter(folder)  # pickled weights and settings that are not known are refused there
        try:
            import peft
        except ImportError as error:
            raise UserError(
                f"{folder}: an adapter on a model that the native decoder does not know ({self.reason}) wants PEFT: "
                "pip install peft"
            ) from error
        try:
            made = peft.PeftModel.from_pretrained(self.model, str(folder), local_files_only=True).eval()
        except Exception as error:  # whatever its classes stumble over in a config or shapes that do not fit
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(f"{folder}: PEFT cannot put the adapter on its base: {first}") from error
        self.model = made.merge_and_unload() if merge else made.base_model.model

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        for index, continuations in enumerate(prompts):
            yield index, self._scores(continuations)

    def _scores(self, continuations: Sequence[Continuation]) -> list[ContinuationScore]:
        passes: dict[tuple[int, ...], Tensor] = {}
        scores = []
        for continuation in continuations:
            inputs = tuple(continuation.inputs(continuation.truncation(self.context)).tolist())
            if inputs not in passes:
                passes[inputs] = torch.log_softmax(self._logits(inputs), -1)
            rows = passes[inputs][-len(continuation.ids) :]
            targets = torch.from_numpy(continuation.ids).long().to(rows.device)
            greedy = bool((rows.argmax(-1) == targets).all())
            total = float(rows.gather(1, targets[:, None]).double().sum())
            scores.append(ContinuationScore(total, greedy, len(continuation.ids)))
        return scores

    @torch.inference_mode()
    def _logits(self, ids: Sequence[int]) -> Tensor:
        logits: Tensor = self.model(torch.tensor([ids], device=self.device)).logits[0].float()
        return logits

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        for index, request in enumerate(requests):
            generation = Generation(request, token_bytes)
            self._finish(generation)
            yield index, generation

    @torch.inference_mode()
    def _finish(self, generation: Generation) -> None:
        """Generate to the end."""
        ids = torch.tensor([generation.request.ids], device=self.device)
        cache = None
        while True:
            out = self.model(ids, past_key_values=cache, use_cache=True)
            logits = out.logits[0, -1].float()
            if generation.append(int(logits.argmax()), logits):
                return
            cache = out.past_key_values
            ids = torch.tensor([[generation.tokens[-1]]], device=self.device)

    def describe(self) -> Mapping[str, Any]:
        return {
            "backend": "hf",
            "why": f"the native decoder does not know {self.reason}" if self.reason != "--backend hf" else self.reason,
            "architecture": self.model.config.model_type,
            "parameters": int(self.model.num_parameters()),
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "context": self.context,
            "torch": torch.__version__,
            "transformers": self.version,
        }

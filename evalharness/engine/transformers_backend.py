"""Architectures that the native decoder does not know, through transformers (extra `hf`): right, not fast.

https://github.com/huggingface/transformers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from evalharness.engine.generation import Generation, GenerationRequest
from evalharness.engine.loglikelihood import Continuation, ContinuationScore
from evalharness.errors import UserError

if TYPE_CHECKING:
    from evalharness.engine.native import EngineSettings


class TransformersModel:
    """A causal language model of transformers, asked one text at a time; options share their prompt's pass."""

    def __init__(self, folder: Path, settings: EngineSettings, device: torch.device, reason: str) -> None:
        from evalharness.engine.native import context_of, dtype_of

        try:
            import transformers
        except ImportError as error:
            raise UserError(
                f'{folder}: the native decoder does not know {reason}; transformers may: pip install "evalharness[hf]"'
            ) from error
        transformers.logging.set_verbosity_error()
        self.dtype = dtype_of(settings.dtype, device, folder)
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=self.dtype, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            first = str(error).strip().splitlines()[0][:300]
            raise UserError(
                f"{folder}: neither the native decoder nor transformers knows it ({reason}): {first}"
            ) from error
        self.model: Any = model.to(device).eval()
        self.device, self.reason, self.version = device, reason, transformers.__version__
        config = model.config.get_text_config()
        own = next((n for key in ("max_position_embeddings", "n_positions") if (n := getattr(config, key, None))), 2048)
        self.context = context_of(int(own), settings.context)
        self.vocabulary = int(model.get_input_embeddings().weight.shape[0])

    def rank(self, asked: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        for index, options in enumerate(asked):
            yield index, self._rank(options)

    def _rank(self, options: Sequence[Continuation]) -> list[ContinuationScore]:
        passes: dict[tuple[int, ...], Tensor] = {}
        scores = []
        for option in options:
            fed = tuple(option.fed(max(0, len(option) - self.context - 1)).tolist())
            if fed not in passes:
                passes[fed] = torch.log_softmax(self._logits(fed), -1)
            rows = passes[fed][-len(option.own) :]
            targets = torch.from_numpy(option.own).long().to(rows.device)
            greedy = bool((rows.argmax(-1) == targets).all())
            total = float(rows.gather(1, targets[:, None]).double().sum())
            scores.append(ContinuationScore(total, greedy, len(option.own)))
        return scores

    @torch.inference_mode()
    def _logits(self, ids: Sequence[int]) -> Tensor:
        logits: Tensor = self.model(torch.tensor([ids], device=self.device)).logits[0].float()
        return logits

    def write(
        self, jobs: Sequence[GenerationRequest], spell: Callable[[int], bytes]
    ) -> Iterator[tuple[int, Generation]]:
        for index, job in enumerate(jobs):
            draft = Generation(job, spell)
            self._write(draft)
            yield index, draft

    @torch.inference_mode()
    def _write(self, draft: Generation) -> None:
        fed = torch.tensor([draft.job.ids], device=self.device)
        cache = None
        while True:
            out = self.model(fed, past_key_values=cache, use_cache=True)
            logits = out.logits[0, -1].float()
            if draft.take(int(logits.argmax()), logits):
                return
            cache = out.past_key_values
            fed = torch.tensor([[draft.tokens[-1]]], device=self.device)

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

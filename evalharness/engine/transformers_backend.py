"""Architectures that the native decoder does not know, through transformers (extra `hf`).

https://github.com/huggingface/transformers
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalharness.data.files import parse_json, read_text
from evalharness.engine.adapter_config import ADAPTER_CONFIG, refuse_pickled
from evalharness.engine.base import (
    Continuation,
    ContinuationScore,
    EngineSettings,
    Generation,
    GenerationRequest,
    TokenBytes,
    TokenIds,
    choose_context,
)
from evalharness.engine.checkpoint import weight_files
from evalharness.engine.prefix_sharing import Group, prefix_groups
from evalharness.engine.transformers_passes import Pass, Passes, try_passes
from evalharness.errors import UserError

_TOKENS = 1024  # of one pass, padding included
_SIDE_BY_SIDE = 16  # answers that are written side by side
# Where so many of them are left, the next prompts take the places of the finished: several, for reading prompts takes a
# pass of its own. On a CPU a pass costs what its rows cost, and that is slower (perf/refilling.py): all are finished.
_REFILLED_AT = 0.75
_GROUP_COST = 64  # tokens: what a prefix pass of its own and a half-filled last pass cost


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


@dataclass(eq=False, slots=True)
class _Text:
    """Ids that go through the network, how many of the last rows are read, and by which (prompt, continuation)."""

    ids: TokenIds
    scored: int
    asked: list[tuple[int, int]]


def _texts(prompts: Sequence[Sequence[Continuation]], context: int) -> list[_Text]:
    """The different texts of all continuations, cut from the left to the context."""
    found: dict[bytes, _Text] = {}
    for prompt, continuations in enumerate(prompts):
        for number, continuation in enumerate(continuations):
            ids = continuation.inputs(continuation.truncation(context))
            text = found.setdefault(ids.tobytes(), _Text(ids, 0, []))
            text.scored = max(text.scored, min(len(continuation.ids), len(ids)))
            text.asked.append((prompt, number))
    return list(found.values())


def _score(rows: Tensor, continuation: Continuation) -> ContinuationScore:
    """The score of a continuation from the log-probabilities [n, vocabulary] of a text's last rows."""
    targets = torch.from_numpy(continuation.ids).long().to(rows.device)
    rows = rows[len(rows) - len(targets) :]
    greedy = bool((rows.argmax(-1) == targets).all())
    return ContinuationScore(float(rows.gather(1, targets[:, None]).double().sum()), greedy, len(targets))


def _auto_class(transformers: Any, folder: Path) -> Any:
    """What reads text of this configuration: a causal language model, or else one that sees, which reads text too."""
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    causal, sees = transformers.AutoModelForCausalLM, transformers.AutoModelForImageTextToText
    return sees if type(config) in sees._model_mapping and type(config) not in causal._model_mapping else causal


class TransformersEngine:
    """A causal language model of transformers. Of the settings it takes `context` (0: its own) and `batch` (0: as many
    rows as fit well).

    `reason` says why it is not the native decoder that runs: in error messages and the manifest.
    """

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, *, reason: str, settings: EngineSettings
    ) -> None:
        try:
            import transformers
        except ImportError as error:
            raise UserError(
                f'{folder}: the native decoder does not know {reason}; transformers may: pip install "evalharness[hf]"'
            ) from error
        transformers.logging.set_verbosity_error()
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns at every product that it rounds
        refuse_code(folder)
        self.folder, self.dtype, self.batch = folder, dtype, settings.batch
        self.refilled_at = 0.0 if device.type == "cpu" else _REFILLED_AT
        try:
            model, report = _auto_class(transformers, folder).from_pretrained(
                folder,
                dtype=self.dtype,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
        except Exception as error:  # on a config.json with odd values its classes raise whatever they stumble over
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(f"{folder}: transformers cannot open it ({reason}): {first}") from error
        if missing := sorted(report["missing_keys"]):  # transformers would go on with random numbers in their place
            listed = ", ".join(missing[:2]) + ("" if len(missing) < 3 else f" and {len(missing) - 2} more")
            raise UserError(f"{folder}: {listed} missing from the weights; is config.json the right one?")
        self.model: Any = model.to(device).eval()
        self.device, self.reason, self.version = device, reason, transformers.__version__
        config = model.config.get_text_config()
        own = next((n for key in ("max_position_embeddings", "n_positions") if (n := getattr(config, key, None))), 2048)
        self.context = choose_context(int(own), settings.context)
        self.vocabulary = int(model.get_input_embeddings().weight.shape[0])

    def put_on(self, folder: Path, *, merge: bool) -> None:
        """Put the adapter in `folder` on the model, by PEFT. UserError where PEFT is missing or it does not fit."""
        refuse_pickled(folder)
        try:
            import peft
        except ImportError as error:
            raise UserError(
                f"{folder}: the native decoder does not know {self.reason}; PEFT may: pip install peft"
            ) from error
        try:
            made = peft.PeftModel.from_pretrained(self.model, str(folder), local_files_only=True).eval()
        except Exception as error:  # whatever its classes stumble over in a config or shapes that do not fit
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(f"{folder}: PEFT cannot put the adapter on its base: {first}") from error
        self.model = made.merge_and_unload() if merge else made.base_model.model

    @cached_property
    def passes(self) -> Passes:
        """Tried at the first question: an adapter may have been put on since the model was opened."""
        try:
            return try_passes(self.model, self.device)
        except Exception as error:  # a config.json whose sizes do not fit each other is found out here
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(f"{self.folder}: transformers cannot compute a text with it: {first}") from error

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        texts = _texts(prompts, self.context)
        missing = [len(continuations) for continuations in prompts]
        scores: list[dict[int, ContinuationScore]] = [{} for _ in prompts]
        for text, rows in self._rows(texts):
            for prompt, number in text.asked:
                scores[prompt][number] = _score(rows, prompts[prompt][number])
                missing[prompt] -= 1
                if not missing[prompt]:
                    yield prompt, [scores[prompt][n] for n in range(len(prompts[prompt]))]

    def _rows(self, texts: Sequence[_Text]) -> Iterator[tuple[_Text, Tensor]]:
        """Of each text its last rows of log-probabilities [scored, vocabulary], in the order that costs least."""
        everything = [Group(0, tuple(range(len(texts))))]
        shareable = [text.ids[: len(text.ids) - text.scored] for text in texts]
        for group in prefix_groups(shareable, _GROUP_COST) if self.passes.shared else everything:
            prefix = None
            if group.shared:
                prefix = self.passes.texts([texts[group.rows[0]].ids[: group.shared].tolist()], last=1).cache
            waiting = sorted((texts[i] for i in group.rows), key=lambda text: -len(text.ids))
            while waiting:
                size = len(waiting[0].ids) - group.shared
                count = max(1, self.batch or _TOKENS // size) if self.passes.batched else 1
                batch, waiting = waiting[:count], waiting[count:]
                yield from self._pass(batch, prefix, group.shared)

    def _pass(self, batch: Sequence[_Text], prefix: Any, shared: int) -> Iterator[tuple[_Text, Tensor]]:
        rows = [text.ids[shared:].tolist() for text in batch]
        longest = max(map(len, rows))
        last = max(longest - len(row) + text.scored for row, text in zip(rows, batch, strict=True))
        cache = None if prefix is None else self.passes.behind(prefix, len(rows))
        logits = self.passes.texts(rows, cache, last=last).logits
        for text, row, found in zip(batch, rows, logits, strict=True):
            end = len(row) - longest + len(found)
            yield text, torch.log_softmax(found[end - text.scored : end], -1)

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        order = sorted(range(len(requests)), key=lambda i: (-requests[i].max_tokens, -len(requests[i].ids)))
        count = max(1, self.batch or _SIDE_BY_SIDE) if self.passes.padded else 1
        waiting = deque((i, Generation(requests[i], token_bytes)) for i in order)
        rows: list[tuple[int, Generation]] = []
        so_far: Pass | None = None  # the logits behind each of the rows
        while waiting or rows:
            if waiting and len(rows) <= self.refilled_at * count:
                new = [waiting.popleft() for _ in range(min(count - len(rows), len(waiting)))]
                begun = self.passes.prompts([generation.request.ids for _, generation in new])
                rows, so_far = rows + new, begun if so_far is None else so_far.beside(begun)
            assert so_far is not None
            left = []
            for at, (row, logits) in enumerate(zip(rows, so_far.logits[:, -1], strict=True)):
                if row[1].append(int(logits.argmax()), logits):
                    yield row
                else:
                    left.append(at)
            rows = [rows[at] for at in left]
            so_far = self._next(so_far.keep(left), rows) if rows else None

    def _next(self, so_far: Pass, rows: Sequence[tuple[int, Generation]]) -> Pass:
        """The logits behind the newest token of each row."""
        if not self.passes.cached:  # then there is one row alone
            text = rows[0][1]
            return self.passes.texts([[*text.request.ids, *text.tokens]], last=1)
        return self.passes.step(so_far, [generation.tokens[-1] for _, generation in rows])

    def describe(self) -> Mapping[str, Any]:
        return {
            "backend": "hf",
            "why": f"the native decoder does not know {self.reason}" if self.reason != "--backend hf" else self.reason,
            "architecture": self.model.config.model_type,
            "parameters": int(self.model.num_parameters()),
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "passes": [way for way in ("batched", "shared", "padded", "cached") if getattr(self.passes, way)],
            "threads": torch.get_num_threads(),
            "context": self.context,
            "torch": torch.__version__,
            "transformers": self.version,
        }

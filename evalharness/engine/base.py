"""What a local model's engine is asked and what it answers: the records, the `Engine` protocol and its settings.

Engines (`native`, `transformers_backend`, `replicas`) import this module and not each other; `loading` chooses one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalharness.errors import UserError, option_name

TokenIds = NDArray[np.int32]
TokenBytes = Callable[[int], bytes]  # the bytes that a token stands for; none for control tokens


@dataclass(frozen=True, slots=True)
class Continuation:
    """One continuation to score: the ids of the prompt (one array for all its continuations) and its own."""

    prompt: TokenIds
    ids: TokenIds

    def __len__(self) -> int:
        return len(self.prompt) + len(self.ids)

    def truncation(self, context: int) -> int:
        """How many tokens are left out on the left. The last one is never read, so `context` + 1 fit."""
        return max(0, len(self) - context - 1)

    def inputs(self, truncation: int) -> TokenIds:
        """The ids that go through the network: all but the last, without the first `truncation`."""
        return np.concatenate((self.prompt, self.ids))[truncation:-1]


def rolling_windows(before: TokenIds, ids: TokenIds, context: int) -> list[Continuation]:
    """A text longer than the context in pieces, each token scored once: the first behind `before` (one id), the others
    behind what precedes them, each window as full as it can be (lm-evaluation-harness, utils.py,
    get_rolling_token_windows with one token of context)."""
    windows = [Continuation(before, ids[:context])]
    for start in range(context, len(ids), context):
        end = min(start + context, len(ids))
        windows.append(Continuation(ids[end - context - 1 : start], ids[start:end]))
    return windows


@dataclass(frozen=True, slots=True)
class ContinuationScore:
    """Of one continuation: summed log-probability, whether each token was the likeliest, number of tokens."""

    logprob: float
    greedy: bool
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer to generate: prompt ids, the ids and byte strings that end it, and how tokens are drawn.

    `seed` decides the draws alone: neither batch nor order matters. `top_k` and `min_p` 0: no bound. Of the first
    token, the `top_logprobs` likeliest
    candidates are noted.
    """

    ids: tuple[int, ...]
    max_tokens: int
    stop_ids: frozenset[int] = frozenset()
    stop: tuple[bytes, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: str = ""
    top_logprobs: int = 0


class Generation:
    """An answer as far as it is generated. `output` are its bytes; `finish` is empty until it is finished."""

    def __init__(self, request: GenerationRequest, token_bytes: TokenBytes) -> None:
        self.request, self.token_bytes = request, token_bytes
        self.tokens: list[int] = []
        self.output = b""
        self.finish: Literal["stop", "length", ""] = ""
        self.top_logprobs: tuple[tuple[int, float], ...] = ()
        self._draws = random.Random(request.seed)
        self._longest_stop = max((len(stop) for stop in request.stop), default=0)

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", errors="replace")

    @property
    def length(self) -> int:
        """Tokens of the prompt and of the answer so far."""
        return len(self.request.ids) + len(self.tokens)

    def append(self, likeliest: int, logits: Tensor) -> bool:
        """Add the next token, drawn from logits [vocabulary]; True when the answer is finished."""
        request = self.request
        if not self.tokens and request.top_logprobs:
            values, ids = torch.log_softmax(logits, -1).topk(min(request.top_logprobs, len(logits)))
            self.top_logprobs = tuple(zip(ids.tolist(), values.tolist(), strict=True))
        if request.repetition_penalty != 1:
            logits = penalised(logits, {*request.ids, *self.tokens}, request.repetition_penalty)
            likeliest = int(logits.argmax())
        token = likeliest if request.temperature == 0 else draw_token(logits, request, self._draws.random())
        self.tokens.append(token)
        if token in request.stop_ids:
            self.finish = "stop"
        else:
            start = max(0, len(self.output) + 1 - self._longest_stop)
            self.output += self.token_bytes(token)
            found = [at for stop in request.stop if (at := self.output.find(stop, start)) >= 0]
            if found:
                self.output, self.finish = self.output[: min(found)], "stop"
            elif len(self.tokens) >= request.max_tokens:
                self.finish = "length"
        return bool(self.finish)


def penalised(logits: Tensor, tokens: Collection[int], penalty: float) -> Tensor:
    """The logits [vocabulary] with those of tokens that were there before made less likely: https://arxiv.org/abs/1909.05858,
    section 4.1, a negative one multiplied and a positive one divided."""
    ids = torch.tensor(sorted(tokens), device=logits.device)
    before = logits[ids]
    return logits.index_copy(0, ids, torch.where(before < 0, before * penalty, before / penalty))


def draw_token(logits: Tensor, request: GenerationRequest, chance: float) -> int:
    """The token that `chance` in [0, 1) falls on: among the `top_k` likeliest, of these the likeliest that make up
    `top_p` together, and none of less than `min_p` times the likeliest one's probability."""
    p = torch.softmax(logits.double() / request.temperature, -1)
    if 0 < request.top_k < len(p):
        p = p.masked_fill(p < p.topk(request.top_k).values[-1], 0)
        p = p / p.sum()
    if request.top_p < 1:
        ordered, ids = p.sort(descending=True, stable=True)
        kept = ids[(ordered.cumsum(0) - ordered) < request.top_p]
        p = torch.zeros_like(p).index_copy(0, kept, p[kept])
    if request.min_p > 0:
        p = p.masked_fill(p < request.min_p * p.max(), 0)
    bounds = p.cumsum(0)
    token = int(torch.searchsorted(bounds, chance * bounds[-1], right=True))
    return min(token, int(p.nonzero()[-1]))


class Engine(Protocol):
    """What answers a local model's requests. `context` is the longest text in tokens, `vocabulary` the embedding's."""

    @property
    def context(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        """Yield (index, scores of that prompt's continuations) in order of completion."""
        ...

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        """Yield (index, finished generation) in order of completion."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Facts for the run's manifest, JSON only."""
        ...


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How to run: see options.LocalOptions. `adapter`: the folder of an adapter on the checkpoint."""

    dtype: str = "auto"
    device: str = "auto"
    threads: int = 0
    batch: int = 0
    context: int = 0
    backend: str = "auto"
    adapter: Path | None = None
    merge_adapter: bool = False


def choose_context(own: int, wanted: int) -> int:
    """The longest text: the checkpoint's `own`, or less where the user says so (0 = not said). UserError for more."""
    if wanted < 0 or wanted > own:
        raise UserError(
            f"{option_name('context')} wants 1 to {own} tokens, which is what the model was made for; there is {wanted}"
        )
    return wanted or own

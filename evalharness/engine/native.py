"""The engine on the native decoder, with shared prefixes and continuous batching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch

from evalharness.engine.adapted import SharedBase
from evalharness.engine.base import Continuation, ContinuationScore, Generation, GenerationRequest, TokenBytes
from evalharness.engine.cuda_graphs import recorder
from evalharness.engine.decoder import Decoder
from evalharness.engine.generation import Generator
from evalharness.engine.loglikelihood import LoglikelihoodScorer, token_trees
from evalharness.engine.matmul import MATMULS, Route
from evalharness.engine.memory import Memory

TOKENS_PER_PASS = {"cpu": 512, "cuda": 16384}
SLOTS = {"cpu": 32, "cuda": 64}
PER_ROW = 32  # tokens per pass for each row of a --batch that the user asks for
Work = Literal["loglikelihood", "generate"]
_IN_MANIFEST: Mapping[Work, str] = {"loglikelihood": "rank", "generate": "write"}  # the words that run.json has


class NativeEngine:
    """An engine on a decoder as it is, be it in training: nothing is copied or frozen.

    `context` 0 is the decoder's own, `batch` 0 the device's usual. `routes` says how the matrix products are made for
    a kind of work (packed weights can be neither trained nor saved); without one the decoder keeps what it has. `base`
    is what the decoder shares weights with: it is there as long as somebody does.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        context: int = 0,
        batch: int = 0,
        routes: Mapping[Work, Route] | None = None,
        base: SharedBase | None = None,
    ) -> None:
        self.base = base
        self.decoder, self.batch, self.routes = decoder, batch, dict(routes or {})
        self.parameters = decoder.size
        self.context, self.vocabulary = context or decoder.config.context, decoder.config.vocab
        self.memory = Memory(decoder.config, decoder.device, torch.finfo(decoder.dtype).bits // 8)
        self.dtype = decoder.dtype
        self.shrunk: list[int] = []

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        self._take_route("loglikelihood")
        wanted = PER_ROW * self.batch or TOKENS_PER_PASS.get(self.memory.device.type, 2048)
        scorer = LoglikelihoodScorer(self.decoder, self.memory, self.memory.budget(wanted))
        trees_of = [token_trees(prompt, continuations, self.context) for prompt, continuations in enumerate(prompts)]
        trees = [tree for made in trees_of for tree in made]
        missing = [len(made) for made in trees_of]
        scores: list[dict[int, ContinuationScore]] = [{} for _ in prompts]
        for index, found in scorer.run(trees):
            prompt = trees[index].prompt
            scores[prompt].update(found)
            missing[prompt] -= 1
            if not missing[prompt]:
                yield prompt, [scores[prompt][i] for i in range(len(prompts[prompt]))]
                scores[prompt] = {}
        self.shrunk += scorer.shrunk

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        self._take_route("generate")
        slots = self.batch or SLOTS.get(self.memory.device.type, 32)
        record = recorder(self.decoder.config, self.decoder.device)
        generator = Generator(self.decoder, self.memory, slots, token_bytes, record)
        yield from generator.run(requests)
        self.shrunk += generator.shrunk

    def _take_route(self, work: Work) -> None:
        route = self.routes.get(work)
        if route == "packed":
            self.decoder.pack(head=work == "generate")
        elif route is not None:
            self.decoder.use_matmul(MATMULS[route])

    def describe(self) -> Mapping[str, Any]:
        return {
            "backend": "native",
            "architecture": self.decoder.config.family,
            "parameters": self.parameters,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.memory.device),
            "threads": torch.get_num_threads(),
            "products": {_IN_MANIFEST[work]: route for work, route in self.routes.items()},
            "context": self.context,
            "torch": torch.__version__,
        }

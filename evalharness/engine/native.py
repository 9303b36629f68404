"""The engine on the native decoder, with shared prefixes and continuous batching."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
_Part = tuple[int, tuple[int, ...]]  # a prompt, and which of its continuations
_IN_MANIFEST: Mapping[Work, str] = {"loglikelihood": "rank", "generate": "write"}  # the words that run.json has


class NativeEngine:
    """An engine on a decoder as it is, be it in training: nothing is copied or frozen.

    `context` 0 is the decoder's own, `batch` 0 the device's usual. `routes` says how the matrix products are made for
    a kind of work (packed weights can be neither trained nor saved); without one the decoder keeps what it has. `base`
    is what the decoder shares weights with: it is there as long as somebody does. Texts longer than the decoder's own
    context are read by a decoder on the same weights, where its configuration has one for them (`Config.longer`).
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
        longer = decoder.config.longer if self.context > decoder.config.context else None
        self.longer = (
            decoder.sharing(replace(decoder.config, context=longer.context, layers=longer.layers, longer=None))
            if longer is not None
            else None
        )
        self.memory = Memory(decoder.config, decoder.device, torch.finfo(decoder.dtype).bits // 8)
        self.dtype = decoder.dtype
        self.shrunk: list[int] = []

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        self._take_route("loglikelihood")
        missing = [len(continuations) for continuations in prompts]
        scores: list[dict[int, ContinuationScore]] = [{} for _ in prompts]
        for decoder, parts in self._by_length(prompts):
            for (prompt, numbers), found in self._scored(decoder, prompts, parts):
                scores[prompt].update({numbers[n]: score for n, score in found.items()})
                missing[prompt] -= len(found)
                if not missing[prompt]:
                    yield prompt, [scores[prompt][i] for i in range(len(prompts[prompt]))]
                    scores[prompt] = {}

    def _by_length(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[Decoder, list[_Part]]]:
        """What each decoder scores: (prompt, its continuations)."""
        if self.longer is None:
            yield self.decoder, [(prompt, tuple(range(len(asked)))) for prompt, asked in enumerate(prompts)]
            return
        limit = self.decoder.config.context
        for decoder, long in ((self.decoder, False), (self.longer, True)):
            numbers = [
                tuple(i for i, each in enumerate(asked) if (min(len(each) - 1, self.context) > limit) == long)
                for asked in prompts
            ]
            yield decoder, [(prompt, which) for prompt, which in enumerate(numbers) if which]

    def _scored(
        self, decoder: Decoder, prompts: Sequence[Sequence[Continuation]], parts: Sequence[_Part]
    ) -> Iterator[tuple[_Part, dict[int, ContinuationScore]]]:
        wanted = PER_ROW * self.batch or TOKENS_PER_PASS.get(self.memory.device.type, 2048)
        scorer = LoglikelihoodScorer(decoder, self.memory, self.memory.budget(wanted))
        trees = [
            tree
            for number, (prompt, which) in enumerate(parts)
            for tree in token_trees(number, [prompts[prompt][i] for i in which], self.context)
        ]
        for index, found in scorer.run(trees):
            yield parts[trees[index].prompt], found
        self.shrunk += scorer.shrunk

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        self._take_route("generate")
        if self.longer is None:
            yield from self._written(self.decoder, dict(enumerate(requests)), token_bytes, {})
            return
        # An answer whose text grows beyond the limit goes on with the other positions, its text read anew.
        limit = self.decoder.config.context
        room = {i: min(each.max_tokens, limit - len(each.ids) + 1) for i, each in enumerate(requests)}
        short = {i: replace(requests[i], max_tokens=tokens) for i, tokens in room.items() if tokens > 0}
        begun: dict[int, Generation] = {}
        for i, generation in self._written(self.decoder, short, token_bytes, {}):
            generation.request = requests[i]
            if generation.finish == "length" and len(generation.tokens) < requests[i].max_tokens:
                generation.finish = ""
                begun[i] = generation
            else:
                yield i, generation
        long = {i: each for i, each in enumerate(requests) if i in begun or i not in short}
        yield from self._written(self.longer, long, token_bytes, begun)

    def _written(
        self,
        decoder: Decoder,
        requests: Mapping[int, GenerationRequest],
        token_bytes: TokenBytes,
        begun: Mapping[int, Generation],
    ) -> Iterator[tuple[int, Generation]]:
        """Write the answers to their ends; those that are `begun` go on from where they are."""
        slots = self.batch or SLOTS.get(self.memory.device.type, 32)
        record = recorder(decoder.config, decoder.device)
        generator = Generator(decoder, self.memory, slots, token_bytes, record)
        numbers = list(requests)
        at = {number: place for place, number in enumerate(numbers)}
        rows = generator.run(list(requests.values()), {at[number]: each for number, each in begun.items()})
        yield from ((numbers[place], generation) for place, generation in rows)
        self.shrunk += generator.shrunk

    def _take_route(self, work: Work) -> None:
        route = self.routes.get(work)
        for decoder in filter(None, (self.decoder, self.longer)):
            if route == "packed":
                decoder.pack(head=work == "generate")
            elif route is not None:
                decoder.use_matmul(MATMULS[route])

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

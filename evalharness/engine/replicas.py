"""Several GPUs, one copy of the network on each: requests are split in runs, answers come as they are ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from evalharness.engine.base import Continuation, ContinuationScore, Engine, Generation, GenerationRequest, TokenBytes

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")
_Worker = Callable[[Sequence[_Question]], Iterator[tuple[int, _Answer]]]


class Replicas:
    """An engine made of equal ones. Requests that follow each other stay together: they share prefixes."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = engines
        self.context, self.vocabulary = engines[0].context, engines[0].vocabulary

    def loglikelihood(self, prompts: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        return _spread(prompts, [engine.loglikelihood for engine in self.engines])

    def generate(
        self, requests: Sequence[GenerationRequest], token_bytes: TokenBytes
    ) -> Iterator[tuple[int, Generation]]:
        return _spread(requests, [partial(engine.generate, token_bytes=token_bytes) for engine in self.engines])

    def describe(self) -> Mapping[str, Any]:
        devices = [engine.describe()["device"] for engine in self.engines]
        return {**self.engines[0].describe(), "device": ", ".join(devices), "replicas": len(devices)}


def _spread(
    questions: Sequence[_Question], workers: Sequence[_Worker[_Question, _Answer]]
) -> Iterator[tuple[int, _Answer]]:
    """Give each worker a run of the questions; yield (index, answer) as they come. The first error ends it."""
    found: SimpleQueue[tuple[int, _Answer] | BaseException | None] = SimpleQueue()

    def work(start: int, stop: int, worker: _Worker[_Question, _Answer]) -> None:
        try:
            for index, answer in worker(questions[start:stop]):
                found.put((start + index, answer))
        except BaseException as error:  # handed to the caller's thread, which raises it
            found.put(error)
        found.put(None)

    bounds = [len(questions) * i // len(workers) for i in range(len(workers) + 1)]
    for i, worker in enumerate(workers):
        threading.Thread(target=work, args=(bounds[i], bounds[i + 1], worker), daemon=True).start()
    running = len(workers)
    while running:
        got = found.get()
        if isinstance(got, BaseException):
            raise got
        if got is None:
            running -= 1
        else:
            yield got

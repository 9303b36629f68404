"""Several GPUs, one copy of the network on each: requests are split in runs, answers come as they are ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from evalharness.engine.generation import Generation, GenerationRequest
from evalharness.engine.loglikelihood import Continuation, ContinuationScore
from evalharness.engine.native import Engine

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Replicas:
    """An engine made of equal ones. Requests that follow each other stay together: they share prefixes."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = engines
        self.context, self.vocabulary = engines[0].context, engines[0].vocabulary

    def rank(self, asked: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        return _spread(asked, [engine.rank for engine in self.engines])

    def write(
        self, jobs: Sequence[GenerationRequest], spell: Callable[[int], bytes]
    ) -> Iterator[tuple[int, Generation]]:
        return _spread(jobs, [partial(engine.write, spell=spell) for engine in self.engines])

    def describe(self) -> Mapping[str, Any]:
        devices = [engine.describe()["device"] for engine in self.engines]
        return {**self.engines[0].describe(), "device": ", ".join(devices), "replicas": len(devices)}


def _spread(
    asked: Sequence[Asked], workers: Sequence[Callable[[Sequence[Asked]], Iterator[tuple[int, Answered]]]]
) -> Iterator[tuple[int, Answered]]:
    """Give each worker a run of what is asked; yield (index, answer) as they come. The first error ends it."""
    found: SimpleQueue[tuple[int, Answered] | BaseException | None] = SimpleQueue()

    def work(start: int, stop: int, worker: Callable[[Sequence[Asked]], Iterator[tuple[int, Answered]]]) -> None:
        try:
            for index, answer in worker(asked[start:stop]):
                found.put((start + index, answer))
        except BaseException as error:  # handed to the caller's thread, which raises it
            found.put(error)
        found.put(None)

    bounds = [len(asked) * i // len(workers) for i in range(len(workers) + 1)]
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

"""Generation steps as CUDA graphs: a small step is some hundred kernels, and launching one costs more than running it.

https://developer.nvidia.com/blog/cuda-graphs/; torch's side of it: `torch.cuda.graph`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evalharness.engine.config import Config

PATIENCE = 4  # steps of a shape before it is recorded: short answers never pay for a recording

Record = Callable[[Callable[[], Tensor]], Callable[[], Tensor]]


def is_recordable(config: Config) -> bool:
    """Whether a step is decided by its tensors alone: windows, stretched positions and the number of an expert's tokens
    are looked up on the host."""
    return (
        config.mixture is None
        and config.delta is None
        and all(layer.window is None and not (layer.rope and layer.rope.stretch) for layer in config.layers)
    )


def recorder(config: Config, device: torch.device) -> Record | None:
    """What records the steps of such a model there, if anything does.

    All recordings share one pool of memory, since one step is over when the next begins.
    """
    if device.type != "cuda" or not is_recordable(config):
        return None
    pool = torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own lack

    def record(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        with torch.cuda.device(device):
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):  # libraries make their handles for a stream at first use
                step()
            torch.cuda.current_stream(device).wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other replicas record, and allocate, in their own threads.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                out = step()

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay

    return record


class SpoiledError(RuntimeError):
    """A recording did something else than the step: the keys and values that both wrote are not to be trusted."""


@dataclass(eq=False)
class _Recorded:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], Tensor]
    checked: bool = False

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for own, new in zip(self.inputs, inputs, strict=True):
            own.copy_(new)
        return self.replay()


@dataclass(eq=False)
class Graphs:
    """Runs steps, those of a shape that comes often from a recording.

    A recording is compared with the step itself on the first inputs that it was not made with; SpoiledError where they
    differ. Where none can be made, `works` is False and steps are run as they are. What a call returns holds until the
    next.
    """

    record: Record
    works: bool = True
    _seen: Counter[Hashable] = field(default_factory=Counter)
    _made: dict[Hashable, _Recorded] = field(default_factory=dict)

    def __call__(self, shape: Hashable, step: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """step(*inputs); `shape` is all that it depends on besides."""
        made = self._made.get(shape)
        if made is not None and made.checked:
            return made(inputs)
        right = step(*inputs)
        if made is not None:
            # The same kernels on the same numbers: equal but for the order of a few sums.
            made.checked = bool((made(inputs) - right).abs().max() <= 0.01 * right.abs().max())
            if not made.checked:
                raise SpoiledError("a recorded step differs from the step itself")
        elif self.works:
            self._seen[shape] += 1
            if self._seen[shape] == PATIENCE:
                self._keep(shape, step, tuple(each.clone() for each in inputs))
        return right

    def _keep(self, shape: Hashable, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
        try:
            self._made[shape] = _Recorded(inputs, self.record(lambda: step(*inputs)))
        except RuntimeError:  # an operator that cannot be recorded, or no memory for the recording
            self.works = False

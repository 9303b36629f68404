"""The engine of local models: ranks continuations and writes answers, on the native decoder or on transformers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from evalharness.engine import checkpoint
from evalharness.engine.config import Config, UnsupportedError, read_config
from evalharness.engine.cuda_graphs import recorder
from evalharness.engine.decoder import Decoder
from evalharness.engine.generation import Generation, GenerationRequest, Generator
from evalharness.engine.loglikelihood import Continuation, ContinuationScore, LoglikelihoodScorer, trees
from evalharness.engine.matmul import choose_route, switched_product
from evalharness.engine.memory import Memory, check_weights
from evalharness.errors import UserError, nearest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TOKENS_PER_PASS = {"cpu": 512, "cuda": 16384}
SLOTS = {"cpu": 32, "cuda": 64}
PER_ROW = 32  # tokens per pass for each row of a --batch that the user asks for


class Engine(Protocol):
    """What answers a local model's requests. `context` is the longest text in tokens, `vocabulary` the embedding's."""

    @property
    def context(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...

    def rank(self, asked: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        """Yield (index, scores of that prompt's options) in order of completion."""
        ...

    def write(
        self, jobs: Sequence[GenerationRequest], spell: Callable[[int], bytes]
    ) -> Iterator[tuple[int, Generation]]:
        """Yield (index, finished draft) in order of completion."""
        ...

    def describe(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How to run: see ModelOptions."""

    dtype: str = "auto"
    device: str = "auto"
    threads: int = 0
    batch: int = 0
    context: int = 0
    backend: str = "auto"


def open_engine(folder: Path, settings: EngineSettings) -> Engine:
    """Load a checkpoint folder; architectures that the decoder does not know go to transformers."""
    if settings.backend not in ("auto", "native", "hf"):
        known = ("auto", "native", "hf")
        raise UserError(
            f"--backend wants auto, native or hf{nearest(settings.backend, known)}; got {settings.backend!r}"
        )
    threads = settings.threads or free_threads()
    torch.set_num_threads(threads)
    device = _device(settings.device)
    if settings.backend != "hf":
        try:
            config = read_config(folder)
            copies = [Native(folder, config, settings, each) for each in _devices(settings.device, device)]
            if len(copies) == 1:
                return copies[0]
            from evalharness.engine.replicas import Replicas

            return Replicas(copies)
        except UnsupportedError as error:
            reason = str(error)
            if settings.backend == "native":
                raise UserError(f"{folder}: the native decoder does not know {reason}; say --backend hf") from error
    else:
        reason = "--backend hf"
    from evalharness.engine.transformers_backend import TransformersModel

    return TransformersModel(folder, settings, device, reason)


def free_threads() -> int:
    """Cores of this process that nobody else is using now; OMP_NUM_THREADS where it is set.

    More threads than free cores wait for each other: two on a busy machine are slower than one.
    """
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores, torch.get_num_threads(), round(cores - busy)))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name!r}: there is no such device; say cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"--device {name}: wanted a GPU, there are {torch.cuda.device_count()}; say --device cpu")
    return device


def _devices(wanted: str, first: torch.device) -> list[torch.device]:
    """All GPUs unless the user named one (`cuda:1`)."""
    if first.type != "cuda" or first.index is not None or wanted not in ("auto", "cuda"):
        return [first]
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]


def dtype_of(name: str, device: torch.device, folder: Path) -> torch.dtype:
    """float32 on a CPU, the checkpoint's own type on a GPU, unless the user says."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else checkpoint.stored_dtype(folder)
    if name not in DTYPES:
        raise UserError(f"--dtype wants float32, bfloat16 or auto{nearest(name, DTYPES)}; there is {name!r}")
    return DTYPES[name]


def context_of(own: int, wanted: int) -> int:
    """The longest text: the checkpoint's, or less where the user says so."""
    if wanted < 0 or wanted > own:
        raise UserError(f"--context wants 1 to {own} tokens, which is what the model was made for; there is {wanted}")
    return wanted or own


class Native:
    """The native decoder with prefix sharing and continuous batching."""

    def __init__(self, folder: Path, config: Config, settings: EngineSettings, device: torch.device) -> None:
        self.dtype = dtype_of(settings.dtype, device, folder)
        stored = sum(file.stat().st_size for file in set(checkpoint.weight_files(folder).values()))
        if self.dtype != checkpoint.stored_dtype(folder) or device.type != "cpu":
            check_weights(stored * (2 if self.dtype == torch.float32 else 1), device)
        self.decoder = checkpoint.load_decoder(folder, dtype=self.dtype, device=device, config=config)
        self.decoder.requires_grad_(False)
        self.parameters = sum(p.numel() for p in self.decoder.parameters())
        self.context = context_of(config.context, settings.context)
        self.vocabulary = config.vocab
        self.settings = settings
        self.memory = Memory(config, device, torch.finfo(self.dtype).bits // 8)
        probed = device.type == "cpu" and self.dtype == torch.float32
        self.routes = {
            "rank": choose_route(config.width, 128) if probed else "plain",
            "write": choose_route(config.width, 16) if probed else "plain",
        }
        self.shrunk: list[int] = []

    @classmethod
    def around(cls, decoder: Decoder) -> Native:
        """An engine on weights that are being trained: nothing is copied, packed or frozen."""
        engine = cls.__new__(cls)
        engine.decoder, engine.dtype, config = decoder, decoder.dtype, decoder.config
        engine.parameters = sum(p.numel() for p in decoder.parameters())
        engine.context, engine.vocabulary, engine.settings = config.context, config.vocab, EngineSettings()
        engine.memory = Memory(config, decoder.device, torch.finfo(decoder.dtype).bits // 8)
        engine.routes = {}
        engine.shrunk = []
        return engine

    def rank(self, asked: Sequence[Sequence[Continuation]]) -> Iterator[tuple[int, list[ContinuationScore]]]:
        self._take("rank")
        wanted = PER_ROW * self.settings.batch or TOKENS_PER_PASS.get(self.memory.device.type, 2048)
        ranker = LoglikelihoodScorer(self.decoder, self.memory, self.memory.budget(wanted))
        made = [trees(owner, options, self.context)[0] for owner, options in enumerate(asked)]
        rows = [tree for parts in made for tree in parts]
        missing = [len(parts) for parts in made]
        scores: list[dict[int, ContinuationScore]] = [{} for _ in asked]
        for index, found in ranker.run(rows):
            owner = rows[index].owner
            scores[owner].update(found)
            missing[owner] -= 1
            if not missing[owner]:
                yield owner, [scores[owner][i] for i in range(len(asked[owner]))]
                scores[owner] = {}
        self.shrunk += ranker.shrunk

    def write(
        self, jobs: Sequence[GenerationRequest], spell: Callable[[int], bytes]
    ) -> Iterator[tuple[int, Generation]]:
        self._take("write")
        slots = self.settings.batch or SLOTS.get(self.memory.device.type, 32)
        record = recorder(self.decoder.config, self.decoder.device)
        writer = Generator(self.decoder, self.memory, slots, spell, record)
        yield from writer.run(jobs)
        self.shrunk += writer.shrunk

    def _take(self, job: str) -> None:
        """Put the products on the route that is the fastest for ranking or writing here; a training keeps its own."""
        if self.routes.get(job) == "packed":
            self.decoder.pack(head=job == "write")
        elif job in self.routes:
            self.decoder.use(switched_product if self.routes[job] == "switch" else None)

    def describe(self) -> Mapping[str, Any]:
        return {
            "backend": "native",
            "architecture": self.decoder.config.family,
            "parameters": self.parameters,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.memory.device),
            "threads": torch.get_num_threads(),
            "products": dict(self.routes),
            "context": self.context,
            "torch": torch.__version__,
        }

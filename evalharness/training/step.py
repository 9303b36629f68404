"""The training loop: a step is a pure function of weights, optimizer state and step number.

Loss is the sum over the trained tokens of a step, divided once by their number, over micro-batches and ranks alike.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from evalharness.engine.decoder import Decoder
from evalharness.engine.matmul import MATMULS, Route, choose_route
from evalharness.errors import UserError, option_name
from evalharness.training import losses
from evalharness.training.config import TrainingConfig, factor
from evalharness.training.encoding import Batching, EncodedExample
from evalharness.training.qlora import size

VALIDATE_TOKENS = 2048
PAIRS = 8  # preference pairs that are checked at a time

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is trained on and checked on. `worse` are the rejected answers of `train`, in its order, for DPO."""

    train: tuple[EncodedExample, ...]
    validation: tuple[EncodedExample, ...] = ()
    worse: tuple[EncodedExample, ...] = ()
    worse_validation: tuple[EncodedExample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStats:
    """One step: `loss` per trained token (DPO: per pair), real tokens so far, gradient norm before clipping."""

    step: int
    epoch: float
    loss: float
    lr: float
    norm: float
    tokens: int
    trained: int
    seconds: float


@dataclass
class Training:
    """Weights on their way. `step` counts the finished steps, `tokens` the real tokens read so far."""

    decoder: Decoder
    material: Material
    settings: TrainingConfig
    step: int = 0
    tokens: int = 0
    reference: Tensor | None = None
    reference_validation: Tensor | None = None
    schedule: list[list[int]] = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.settings.check()
        order = Batching(
            seed=self.settings.seed, rows=self.settings.batch, tokens=self.settings.batch_tokens,
            buckets=self.settings.buckets, drop_last=self.settings.drop_last,
        )  # fmt: skip
        lengths = [len(example.ids) for example in self.material.train]
        epochs = [order.batches(lengths, epoch) for epoch in range(self.settings.epochs)]
        self.per_epoch = len(epochs[0])
        self.schedule = [batch for epoch in epochs for batch in epoch]
        if self.settings.max_steps:
            self.schedule = self.schedule[: self.settings.max_steps]
        self.weights = {n: p for n, p in self.decoder.named_parameters() if p.requires_grad}
        self.rate = self.settings.rate(size(self.decoder))
        self.optimizer = _optimizer(list(self.weights.values()), self.settings, self.rate)
        self.decoder.recompute = self.settings.recompute
        _silence_key_biases(self.decoder)
        self.rank, self.world = _ranks()

    @property
    def steps(self) -> int:
        return len(self.schedule)

    def of_first_rank(self, value: T) -> T:
        """What the first rank has of this: the others measured nothing."""
        if self.world < 2:
            return value
        held = [value]
        dist.broadcast_object_list(held, 0)
        return held[0]

    def precision(self) -> AbstractContextManager[Any]:
        """bfloat16 autocast where it was chosen."""
        if self.settings.dtype == "bfloat16":
            return torch.autocast(self.decoder.device.type, torch.bfloat16)
        return nullcontext()

    def advance(self) -> StepStats:
        """Do the next step. UserError, with the weights as before, where the loss or a gradient is not a number."""
        begun = time.perf_counter()
        batch = self.schedule[self.step]
        lr = self.rate * factor(self.settings, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss, trained = self._gradients(batch)
        norm = self._clipped()
        if not math.isfinite(loss) or not math.isfinite(norm):
            rows = sorted(self.material.train[i].row for i in batch)
            raise UserError(
                f"the loss is not a number at step {self.step + 1} (loss {loss}, gradient norm {norm}), rows "
                f"{', '.join(map(str, rows))}; the weights before it are kept: lower {option_name('lr')} or look at "
                "these rows"
            )
        self.optimizer.step()
        tokens = sum(len(self.material.train[i].ids) for i in batch)
        self.step += 1
        self.tokens += tokens
        return StepStats(
            step=self.step, epoch=self.step / self.per_epoch, loss=loss, lr=lr, norm=norm, tokens=self.tokens,
            trained=trained, seconds=time.perf_counter() - begun,
        )  # fmt: skip

    def _gradients(self, batch: Sequence[int]) -> tuple[float, int]:
        """Gradients of the step's mean loss over trained tokens; the loss and their number."""
        dpo = self.settings.loss == "dpo"
        trained = len(batch) if dpo else sum(self.material.train[i].targets for i in batch)
        mine = batch[self.rank :: self.world]
        micro = self.settings.micro or len(batch)
        total = torch.zeros((), device=self.decoder.device)
        for begin in range(0, len(mine), micro):
            with self.precision():
                loss = self._loss(mine[begin : begin + micro])
            if loss.requires_grad:
                (loss / max(1, trained)).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if self.world > 1:
            for weight in self.weights.values():
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                dist.all_reduce(weight.grad)
            dist.all_reduce(total)
        return float(total) / max(1, trained), trained

    def _loss(self, indices: Sequence[int]) -> Tensor:
        examples = [self.material.train[i] for i in indices]
        if self.settings.loss != "dpo":
            return losses.cross_entropy(self.decoder, examples)
        worse = [self.material.worse[i] for i in indices]
        assert self.reference is not None
        return self._preference(examples, worse, self.reference[list(indices)])[0]

    def _preference(
        self, better: Sequence[EncodedExample], worse: Sequence[EncodedExample], reference: Tensor
    ) -> tuple[Tensor, Tensor]:
        both = losses.answer_log_likelihoods(self.decoder, [*better, *worse], self.settings.dpo_average)
        return losses.dpo_losses(both[: len(better)], both[len(better) :], reference, self.settings.beta)

    def prepare_reference(self) -> None:
        """Log-likelihood differences under the weights as they are now: what DPO must not leave far behind."""
        self.reference = self._differences(self.material.train, self.material.worse)
        self.reference_validation = self._differences(self.material.validation, self.material.worse_validation)

    @torch.no_grad()
    def _differences(self, better: Sequence[EncodedExample], worse: Sequence[EncodedExample]) -> Tensor:
        found = []
        for good, bad in zip(better, worse, strict=True):
            with self.precision():
                pair = losses.answer_log_likelihoods(self.decoder, [good, bad], self.settings.dpo_average)
            found.append(pair[0] - pair[1])
        return torch.stack(found) if found else torch.zeros(0)

    def _clipped(self) -> float:
        """The gradient's norm, which is then cut to `clip`; 0 leaves it."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.settings.clip:
            nn.utils.clip_grads_with_norm_(list(self.weights.values()), self.settings.clip, norm)
        return float(norm)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss per trained token over the whole validation part; for DPO per pair, and the mean margin."""
        part = self.material.validation
        if not part:
            return {}
        if self.settings.loss == "dpo":
            assert self.reference_validation is not None
            sums = torch.zeros(2)
            for i in range(0, len(part), PAIRS):
                some = slice(i, i + PAIRS)
                worse, reference = self.material.worse_validation[some], self.reference_validation[some]
                with self.precision():
                    sums += torch.stack(self._preference(part[some], worse, reference)).cpu()
            return {"loss": float(sums[0]) / len(part), "margin": float(sums[1]) / len(part)}
        return {"loss": self.mean_loss(part)}

    @torch.no_grad()
    def mean_loss(self, examples: Sequence[EncodedExample]) -> float:
        """Loss per trained token."""
        order = Batching(seed=0, tokens=VALIDATE_TOKENS, shuffle=False)
        total, count = 0.0, 0
        for batch in order.batches([len(example.ids) for example in examples], 0):
            with self.precision():
                total += float(losses.cross_entropy(self.decoder, [examples[i] for i in batch]))
            count += sum(examples[i].targets for i in batch)
        return total / max(1, count)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "step": self.step,
            "tokens": self.tokens,
            "weights": {name: weight.detach() for name, weight in self.weights.items()},
            "optimizer": self.optimizer.state_dict(),
            "reference": self.reference,
            "reference_validation": self.reference_validation,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        self.step, self.tokens = state["step"], state["tokens"]
        self.load(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.reference, self.reference_validation = state["reference"], state["reference_validation"]

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor]) -> None:
        """Put these trained weights in."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])


def _optimizer(weights: Sequence[nn.Parameter], settings: TrainingConfig, rate: float) -> torch.optim.AdamW:
    plain = [] if settings.decay_all else [w for w in weights if w.dim() < 2]
    left = {id(weight) for weight in plain}
    decayed = [weight for weight in weights if id(weight) not in left]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=settings.betas, fused=True)


def _silence_key_biases(decoder: Decoder) -> None:
    """Without rotary positions a bias on the keys adds the same to all scores of a query: its gradient is exactly 0.
    What is computed is rounding noise, which AdamW would blow up to whole steps."""
    config = decoder.config
    if not decoder.names.qkv or not config.qkv_bias or any(layer.rope is not None for layer in config.layers):
        return
    first, second = config.heads * config.head_dim, (config.heads + config.kv_heads) * config.head_dim
    live = torch.ones(second + config.kv_heads * config.head_dim, device=decoder.device)
    live[first:second] = 0.0
    for block in decoder.blocks:
        bias = getattr(block.part(decoder.names.qkv), "bias", None)
        if isinstance(bias, nn.Parameter) and bias.requires_grad:
            bias.register_hook(lambda gradient: gradient * live)  # type: ignore[no-untyped-call]


def _ranks() -> tuple[int, int]:
    """This process's rank and how many there are; `torchrun` says so in the environment."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return 0, 1
    if not dist.is_initialized():
        # The others wait while the first asks whole benchmarks; who died is noticed by its closed connection.
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(days=7))
    return dist.get_rank(), dist.get_world_size()


def choose_matmul(decoder: Decoder, settings: TrainingConfig) -> Route:
    """Have the decoder's matrix products made as the user says, else in the way that is the fastest here."""
    probed = decoder.device.type == "cpu" and settings.dtype != "bfloat16"
    route = cast("Route", settings.products)
    if settings.products == "auto":
        route = choose_route(decoder.config.width, 256, training=True) if probed else "plain"
    decoder.use_matmul(MATMULS[route])
    return route

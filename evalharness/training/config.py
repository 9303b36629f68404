"""What a user can say about training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from evalharness.errors import UserError, nearest
from evalharness.training.lora import Lora

Schedule = Literal["cosine", "linear", "constant"]
SCHEDULES: tuple[Schedule, ...] = ("cosine", "linear", "constant")
PAIRED = ("dpo", "orpo", "simpo")  # losses that learn from pairs of a better and a worse answer
REFERRED = ("dpo", "kto")  # losses that measure against the model as it was before
LOSSES = ("sft", *PAIRED, "kto")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the trained weights, besides the data, the prompt format and the model.

    A step sees `batch` rows (or `batch_tokens` tokens), at most `micro` of them at a time (0 = all). `lr` 0 chooses by
    the model's size and the loss. `warmup` is a share of the steps, `lr_floor` the share of `lr` that the schedule ends
    at; `warmup` and `beta` None are chosen by the loss. `gamma` is the margin that SimPO asks for, `neftune` the size
    of the noise on embeddings. `decay_all`: weight decay on vectors too. `dtype` bfloat16 is autocast over float32
    weights.
    """

    epochs: int = 2
    max_steps: int = 0
    batch: int = 8
    batch_tokens: int = 0
    micro: int = 0
    buckets: bool = False
    drop_last: bool = False
    lr: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    decay_all: bool = False
    schedule: Schedule = "cosine"
    warmup: float | None = None
    lr_floor: float = 0.05
    clip: float = 1.0
    seed: int = 123
    dtype: str = "auto"
    recompute: bool = False
    lora: Lora | None = None
    loss: str = "sft"
    beta: float | None = None
    gamma: float = 1.0
    dpo_average: bool = False
    products: str = "auto"
    neftune: float = 0.0

    def resolved(self) -> TrainingConfig:
        """The same with what the loss chooses: KTO's, DPO's and ORPO's papers have a beta of 0.1, SimPO's 2 and a gamma
        of half of it; those that compare answers are warmed up over a tenth of the steps, as their authors do."""
        warmup = self.warmup if self.warmup is not None else 0.03 if self.loss == "sft" else 0.1
        beta = self.beta if self.beta is not None else 2.0 if self.loss == "simpo" else 0.1
        return replace(self, warmup=warmup, beta=beta)

    def check(self) -> None:
        """UserError for a number or name that makes no sense."""
        if self.epochs < 1 or self.batch < 1 or min(self.max_steps, self.micro, self.batch_tokens) < 0:
            raise UserError("--epochs and --batch want 1 or more, --max-steps, --micro and --batch-tokens 0 or more")
        if not 0 <= self.lr < math.inf or not 0 <= (self.warmup or 0) < 1 or self.clip < 0 or self.weight_decay < 0:
            raise UserError("--lr, --clip and --weight-decay want 0 or more, --warmup a share below 1")
        if not 0 <= self.lr_floor <= 1:
            raise UserError(f"--lr-floor wants a share of the learning rate, 0 to 1, there is {self.lr_floor}")
        if (self.beta is not None and not 0 < self.beta < math.inf) or not 0 <= self.gamma < math.inf:
            raise UserError("--beta wants more than 0, --gamma 0 or more")
        if not 0 <= self.neftune < math.inf or (self.neftune and self.loss != "sft"):
            raise UserError("--neftune wants 0 or more, and --loss sft: it was made for instruction tuning")
        for option, value, known in (
            ("--schedule", self.schedule, SCHEDULES),
            ("--loss", self.loss, LOSSES),
            ("--dtype", self.dtype, ("auto", "float32", "bfloat16")),
            ("--products", self.products, ("auto", "onednn", "switch", "plain")),
        ):
            if value not in known:
                raise UserError(f"{option} wants {', '.join(known)}{nearest(value, known)}; there is {value!r}")

    def rate(self, parameters: int) -> float:
        """The peak learning rate; small models bear larger ones, adapters too. Losses that compare answers want a
        hundredth (5e-7 from 100M weights on, as Zephyr's DPO, KTO's and SimPO's papers), ORPO, which learns the answers
        too, a tenth (its paper has 5e-6 to 8e-6)."""
        if self.lr:
            return self.lr
        chosen = 7e-4 if parameters < 10_000_000 else 2e-4 if parameters < 100_000_000 else 5e-5
        chosen /= {"sft": 1, "orpo": 10}.get(self.loss, 100)
        return chosen * 5 if self.lora else chosen


def factor(settings: TrainingConfig, step: int, steps: int) -> float:
    """The share of the peak learning rate at a step (from 0): a pure function, so that nothing has to be restored.

    With a floor of 0 it is transformers' schedule exactly, whose first step of a warm-up does nothing; above 0 every
    step moves the weights (https://huggingface.co/docs/transformers/main_classes/optimizer_schedules).
    """
    warm, floor = math.ceil((settings.resolved().warmup or 0.0) * steps), settings.lr_floor
    if step < warm:
        return (step + 1 if floor else step) / warm
    if settings.schedule == "constant":
        return 1.0
    left = (step - warm) / max(1, steps - warm)
    return floor + (1 - floor) * (0.5 * (1 + math.cos(math.pi * left)) if settings.schedule == "cosine" else 1 - left)

"""What a user can say about training: everything that decides the weights, and groups of what else there is.

Light to import: `evalh finetune` makes its flags of these records before anything is trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from evalharness.errors import UserError, nearest, option_name
from evalharness.options import setting

Schedule = Literal["cosine", "linear", "constant"]
SCHEDULES: tuple[Schedule, ...] = ("cosine", "linear", "constant")
_MACHINE, _LOSS = "Machine", "Loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Rank, scale numerator and kind of the adapters; every linear layer of the blocks gets one, the head none.

    `four_bit`: the weights that they stand on are kept in four bits (QLoRA).
    """

    rank: int
    alpha: float
    dora: bool = False
    four_bit: bool = False

    def check(self) -> None:
        if self.rank < 1 or self.alpha <= 0:
            raise UserError(
                f"{option_name('lora')} wants a rank of 1 or more and {option_name('alpha')} above 0; there is "
                f"{self.rank}, {self.alpha}"
            )


PAIRED = ("dpo", "orpo", "simpo")  # losses that learn from pairs of a better and a worse answer
REFERRED = ("dpo", "kto")  # losses that measure against the model as it was before
LOSSES = ("sft", *PAIRED, "kto")
_USED = {"beta": LOSSES[1:], "gamma": ("simpo",), "dpo_average": ("dpo",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the trained weights, besides the data, the prompt format and the model.

    A step sees `batch` rows (or `batch_tokens` tokens), at most `micro` of them at a time (0 = all). `lr` 0 chooses by
    the model's size and the loss. `warmup` is a share of the steps, `lr_floor` the share of `lr` that the schedule ends
    at; None of `warmup`, `beta` and `gamma` is chosen by the loss. `gamma` is the margin that SimPO asks for, `neftune`
    the size of the noise on embeddings. `decay_all`: weight decay on vectors too. `dtype` bfloat16 is autocast over
    float32 weights.
    """

    HEADING: ClassVar[str] = "Steps"

    epochs: int = setting(2, "How often all rows are seen.")
    max_steps: int = setting(0, "Stop after so many steps; 0 = all.")
    batch: int = setting(8, "Rows per step.")
    batch_tokens: int = setting(0, "Tokens per step instead of rows.")
    micro: int = setting(0, "Rows at a time within a step (gradient accumulation); 0 = all.")
    buckets: bool = setting(False, "Rows of like length meet: a little faster.", switch=True)
    drop_last: bool = False
    lr: float = setting(0.0, "Peak learning rate; 0 = by the model's size and the loss.")
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = setting(0.01, "AdamW's, on matrices.")
    decay_all: bool = False
    schedule: Schedule = setting("cosine", "cosine, linear or constant.")
    warmup: float | None = setting(None, "Share of the steps; 0.03, or 0.1 where answers are compared.")
    lr_floor: float = setting(0.05, "Share of --lr that cosine and linear end at; 0: as transformers.")
    clip: float = setting(1.0, "Largest gradient norm; 0 = any.")
    seed: int = setting(123, "Decides split, order and adapters.")
    dtype: str = setting("auto", "float32, bfloat16 (autocast) or auto.", group=_MACHINE)
    recompute: bool = setting(False, "Gradient checkpointing: less memory, more time.", switch=True, group=_MACHINE)
    lora: Lora | None = None
    loss: str = setting("sft", "sft; dpo, orpo or simpo on preference pairs; kto on labelled rows.", group=_LOSS)
    beta: float | None = setting(None, "Strength of dpo, kto, orpo (0.1 each) or simpo (2).", group=_LOSS)
    gamma: float | None = setting(None, "The margin of rewards that simpo asks for (1).", group=_LOSS)
    dpo_average: bool = setting(False, "Log-probability per token, as the book does.", switch=True, group=_LOSS)
    products: str = setting("auto", "Matrix products on a CPU: onednn, switch, plain or auto.", group=_MACHINE)
    neftune: float = setting(0.0, "Size of NEFTune's noise on embeddings; 5 is usual, 0 = none.")

    def resolved(self) -> TrainingConfig:
        """The same with what the loss chooses: KTO's, DPO's and ORPO's papers have a beta of 0.1, SimPO's 2 and a gamma
        of half of it; those that compare answers are warmed up over a tenth of the steps, as their authors do."""
        warmup = self.warmup if self.warmup is not None else 0.03 if self.loss == "sft" else 0.1
        beta = self.beta if self.beta is not None else 2.0 if self.loss == "simpo" else 0.1
        return replace(self, warmup=warmup, beta=beta, gamma=1.0 if self.gamma is None else self.gamma)

    def check_used(self) -> None:
        """UserError for an option of losses that this one does nothing with; before `resolved`, which fills them in."""
        for name, losses in _USED.items():
            value = getattr(self, name)
            if value is not None and value is not False and self.loss in LOSSES and self.loss not in losses:
                raise UserError(
                    f"{option_name(name)} does nothing with {option_name('loss', self.loss)}; leave it out, or say "
                    f"{option_name('loss', ' or '.join(losses))}"
                )

    def check(self) -> None:
        """UserError for a number or name that makes no sense."""
        if self.epochs < 1 or self.batch < 1 or min(self.max_steps, self.micro, self.batch_tokens) < 0:
            raise UserError(
                f"{option_name('epochs')} and {option_name('batch')} want 1 or more, {option_name('max_steps')}, "
                f"{option_name('micro')} and {option_name('batch_tokens')} 0 or more"
            )
        if not 0 <= self.lr < math.inf or not 0 <= (self.warmup or 0) < 1 or self.clip < 0 or self.weight_decay < 0:
            raise UserError(
                f"{option_name('lr')}, {option_name('clip')} and {option_name('weight_decay')} want 0 or more, "
                f"{option_name('warmup')} a share below 1"
            )
        if not 0 <= self.lr_floor <= 1:
            raise UserError(
                f"{option_name('lr_floor')} wants a share of the learning rate, 0 to 1, there is {self.lr_floor}"
            )
        if not 0 < (1.0 if self.beta is None else self.beta) < math.inf or not 0 <= (self.gamma or 0) < math.inf:
            raise UserError(f"{option_name('beta')} wants more than 0, {option_name('gamma')} 0 or more")
        if not 0 <= self.neftune < math.inf or (self.neftune and self.loss != "sft"):
            raise UserError(
                f"{option_name('neftune')} wants 0 or more, and {option_name('loss', 'sft')}: it was made for "
                "instruction tuning"
            )
        for name, value, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("loss", self.loss, LOSSES),
            ("dtype", self.dtype, ("auto", "float32", "bfloat16")),
            ("products", self.products, ("auto", "onednn", "switch", "plain")),
        ):
            if value not in known:
                raise UserError(
                    f"{option_name(name)} wants {', '.join(known)}{nearest(value, known)}; there is {value!r}"
                )

    def rate(self, parameters: int) -> float:
        """The peak learning rate; small models bear larger ones, adapters too. Losses that compare answers want a
        hundredth (5e-7 from 100M weights on, as Zephyr's DPO, KTO's and SimPO's papers), ORPO, which learns the answers
        too, a tenth (its paper has 5e-6 to 8e-6)."""
        if self.lr:
            return self.lr
        chosen = 7e-4 if parameters < 10_000_000 else 2e-4 if parameters < 100_000_000 else 5e-5
        chosen /= {"sft": 1, "orpo": 10}.get(self.loss, 100)
        return chosen * 5 if self.lora else chosen


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """Adapters in place of all weights; see Lora."""

    HEADING: ClassVar[str] = "Adapters"

    lora: int = setting(0, "Train adapters of this rank only; 0 = all weights.")
    alpha: float = setting(0.0, "LoRA's scale numerator; 0 = the rank.")
    dora: bool = setting(False, "DoRA adapters.", switch=True)
    load_in_4bit: bool = setting(False, "QLoRA: frozen weights in 4 bits.", flag="--load-in-4bit", switch=True)


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Where it is computed. `fsdp`: weights, gradients and moments are spread over the processes of torchrun."""

    HEADING: ClassVar[str] = _MACHINE

    device: str = setting("auto", "cpu, cuda or auto.")
    threads: int = setting(0, "0 = all cores.", least=0)
    fsdp: bool = setting(False, "FSDP: each process keeps a part of the weights.", switch=True)


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """How rows become examples, and which are learned from. `style` names a prompt format; None = the checkpoint's own
    template, else alpaca."""

    HEADING: ClassVar[str] = "Rows"

    style: str | None = setting(
        None, "alpaca, alpaca-book, phi3, phi3-book, chatml, llama3, none, own, or a .jinja file."
    )
    tokenizer: str | None = setting(None, "Tokenizer file, where the checkpoint has none.")
    max_length: int = setting(0, "Longest example in tokens; 0 = the model's context.", least=0)
    mask_prompt: bool = setting(True, "Learn the answers only, in every turn.")
    mask_end: bool = setting(False, "Learn no end token: refused, for showing the bug.", switch=True)
    drop_long: bool = setting(False, "Leave out rows whose answer does not fit.", switch=True)
    skip_bad: bool = setting(False, "Leave out rows that cannot be read; list them.", switch=True)
    validation: float = setting(0.05, "Share of rows to validate on.")
    test: float = setting(0.10, "Share of rows to answer at the end.")
    replay: str | None = setting(None, "DATA:SHARE, general rows that are that share of every epoch.")
    allow_overlap: bool = setting(False, "Train on benchmark questions anyway.", switch=True)


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Benchmarks that are asked while training; see callbacks.BenchmarkChecks."""

    HEADING: ClassVar[str] = "Evaluation while training"

    evaluate: str = setting("", "Benchmarks to ask while training, separated by commas.", flag="--eval")
    eval_data: tuple[str, ...] = setting(
        (), "NAME=FOLDER or NAME=sample: data of a benchmark (also for the overlap).", repeatable=True
    )
    eval_limit: int = setting(200, "Questions of each.")


@dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """What is asked of the base and of the tuned model at the end, to learn what was forgotten; see training.guard."""

    HEADING: ClassVar[str] = "What was forgotten"

    guard: str = setting("", "At the end ask base and tuned model these, by commas; `general`: a usual few.")
    guard_budget: str = setting("10m", "Time for that: 10m, 90s, 1h30m.", unit="DURATION")
    guard_margin: tuple[str, ...] = setting(
        (), "Loss that would matter there: 0.02, or BENCHMARK=0.01. Repeatable.", repeatable=True
    )


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """When it is looked at, when it stops, and what is kept. `best` is `loss` or `BENCHMARK.METRIC`; `keep` is best or
    last; 0 for `eval_every` means once an epoch."""

    HEADING: ClassVar[str] = CheckOptions.HEADING

    eval_every: int = setting(0, "Steps between evaluations; 0 = an epoch.", least=0)
    best: str = setting("loss", "Which checkpoint is kept: loss, or BENCHMARK.METRIC.")
    patience: int = setting(3, "Stop after so many evaluations without a better one; 0 = never.", least=0)
    keep: str = setting("best", "best or last weights are exported.")
    export: str = setting("", "One file more: gguf, or gguf:q8_0, gguf:bf16, gguf:f32.")
    save_every: int = setting(0, "Steps between saves; 0 = by the clock.", least=0)
    log_to: tuple[str, ...] = setting((), "Also send figures to these: mlflow, wandb, ...", unit="TRACKERS")
    answer_tokens: int = setting(256, "Longest answer to a test row.", least=1)


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

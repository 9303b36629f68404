"""The training loop: a step is a pure function of weights, optimizer state and step number.

Loss is the sum over the trained tokens of a step, divided once by their number, over micro-batches and ranks alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from evalharness.engine.decoder import Decoder
from evalharness.engine.matmul import MATMULS, Route, choose_route
from evalharness.errors import UserError, option_name
from evalharness.training import losses, objectives
from evalharness.training.config import REFERRED, TrainingConfig, factor
from evalharness.training.encoding import Batching, EncodedExample
from evalharness.training.objectives import Answers, Whole, numbers_of
from evalharness.training.qlora import size
from evalharness.training.replay import drawn_in
from evalharness.training.sharding import is_sharded, let_go, own_part, whole_of
from evalharness.training.world import join

VALIDATE_TOKENS = 2048
PAIRS = 8  # preference pairs that are checked at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is trained on and checked on. `worse` are the rejected answers of `train`, in its order, for the losses of
    pairs, `good` says of each row whether its answer is, for KTO. `replayed` of the `general` examples join each epoch.
    """

    train: tuple[EncodedExample, ...]
    validation: tuple[EncodedExample, ...] = ()
    worse: tuple[EncodedExample, ...] = ()
    worse_validation: tuple[EncodedExample, ...] = ()
    good: tuple[bool, ...] = ()
    good_validation: tuple[bool, ...] = ()
    general: tuple[EncodedExample, ...] = ()
    replayed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStats:
    """One step: `loss` per trained token (where answers are compared: per pair or row), real tokens so far, gradient
    norm before clipping; `margin` of rewards and `accuracy` as in `objectives.compare_answers`, where there are any."""

    step: int
    epoch: float
    loss: float
    lr: float
    norm: float
    tokens: int
    trained: int
    seconds: float
    margin: float | None = None
    accuracy: float | None = None


@dataclass
class Training:
    """Weights on their way. `step` counts the finished steps, `tokens` the real tokens read so far.

    What the model said before the first step: `reference` and `reference_validation` as in `objectives.Answers`, and
    `unrelated`, the mean log-likelihood of other rows' answers in the batch of each step, [steps + 1], the last of the
    validation rows.
    """

    decoder: Decoder
    material: Material
    settings: TrainingConfig
    step: int = 0
    tokens: int = 0
    reference: Tensor | None = None
    reference_validation: Tensor | None = None
    unrelated: Tensor | None = None
    schedule: list[list[int]] = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.settings.check()
        order = Batching(
            seed=self.settings.seed, rows=self.settings.batch, tokens=self.settings.batch_tokens,
            buckets=self.settings.buckets, drop_last=self.settings.drop_last,
        )  # fmt: skip
        self.examples = (*self.material.train, *self.material.general)
        epochs = [self._batches(order, epoch) for epoch in range(self.settings.epochs)]
        self.per_epoch = len(epochs[0])
        self.schedule = [batch for epoch in epochs for batch in epoch]
        if self.settings.max_steps:
            self.schedule = self.schedule[: self.settings.max_steps]
        self.weights = {n: p for n, p in self.decoder.named_parameters() if p.requires_grad}
        self.rate = self.settings.rate(size(self.decoder))
        self.optimizer = _optimizer(list(self.weights.values()), self.settings, self.rate)
        self.decoder.recompute = self.settings.recompute
        self.silenced = _key_biases(self.decoder)
        self.world = join(self.decoder.device, sharded=is_sharded(self.decoder))

    def _batches(self, order: Batching, epoch: int) -> list[list[int]]:
        """Indices of `examples` in each batch of an epoch."""
        own, general = len(self.material.train), len(self.material.general)
        present = [*range(own), *(own + i for i in drawn_in(epoch, general, self.material.replayed, order.seed))]
        lengths = [len(self.examples[i].ids) for i in present]
        return [[present[i] for i in batch] for batch in order.batches(lengths, epoch)]

    @property
    def steps(self) -> int:
        return len(self.schedule)

    @property
    def rank(self) -> int:
        return self.world.rank

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
        whole = self._whole(batch)
        loss, margin, accuracy = self._gradients(batch, whole)
        norm = self._clipped()
        if not math.isfinite(loss) or not math.isfinite(norm):
            rows = sorted(self.examples[i].row for i in batch)
            raise UserError(
                f"the loss is not a number at step {self.step + 1} (loss {loss}, gradient norm {norm}), rows "
                f"{', '.join(map(str, rows))}; the weights before it are kept: lower {option_name('lr')} or look at "
                "these rows"
            )
        self.optimizer.step()
        self.step += 1
        self.tokens += sum(len(self.examples[i].ids) for i in batch)
        sft = self.settings.loss == "sft"
        return StepStats(
            step=self.step, epoch=self.step / self.per_epoch, loss=loss, lr=lr, norm=norm, tokens=self.tokens,
            trained=whole.tokens if sft else whole.rows, seconds=time.perf_counter() - begun,
            margin=margin if self._has_margin(whole) else None, accuracy=None if sft else accuracy,
        )  # fmt: skip

    def _whole(self, batch: Sequence[int]) -> Whole:
        if self.settings.loss == "sft":
            return Whole(rows=len(batch), tokens=sum(self.examples[i].targets for i in batch))
        return numbers_of(self._answers().some(batch), self._drift(batch) if self.settings.loss == "kto" else 0.0)

    def _has_margin(self, whole: Whole) -> bool:
        """Whether there are rewards on both sides; KTO's rows may all be good, or none."""
        return self.settings.loss != "sft" and (self.settings.loss != "kto" or 0 < whole.good < whole.rows)

    def _gradients(self, batch: Sequence[int], whole: Whole) -> list[float]:
        """Gradients of the step's mean loss; that loss, the margin of rewards and the accuracy."""
        total = torch.zeros(3, device=self.decoder.device)
        for indices, counts in self.world.share(batch, self.settings.micro or len(batch)):
            with self.precision():
                loss, seen = self._share(indices, whole)
            loss = loss if counts else loss * 0.0
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            total += torch.cat([loss.detach().reshape(1), seen * counts])
        if self.world.size > 1 and not self.world.sharded:
            for weight in self.weights.values():
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            self.world.sum(*(weight.grad for weight in self.weights.values() if weight.grad is not None))
        for bias, live in self.silenced:
            if bias.grad is not None:
                bias.grad.mul_(live)
        self.world.sum(total)
        return total.tolist()

    def _share(self, indices: Sequence[int], whole: Whole) -> tuple[Tensor, Tensor]:
        """These examples' share of the loss, and of margin and accuracy."""
        if self.settings.loss != "sft":
            return objectives.compare_answers(self.decoder, self._answers().some(indices), self.settings, whole)
        alpha = self.settings.neftune
        seeds = [f"{self.settings.seed}/{self.step}/{i}" for i in indices]
        noise = (losses.EmbeddingNoise(alpha, seeds),) if alpha else ()
        found = losses.cross_entropy(self.decoder, [self.examples[i] for i in indices], *noise)
        return found / max(1, whole.tokens), torch.zeros(2, device=found.device)

    def _answers(self, validation: bool = False) -> Answers:
        """What is compared, in training or of the validation part."""
        m = self.material
        if not validation:
            return Answers(rows=m.train, worse=m.worse, good=m.good, reference=self.reference)
        before = self.reference_validation
        return Answers(rows=m.validation, worse=m.worse_validation, good=m.good_validation, reference=before)

    def prepare_reference(self) -> None:
        """What the model finds likely now, which a loss must not leave far behind."""
        if self.settings.loss not in REFERRED:
            return
        self.reference, self.reference_validation = (self._likelihoods(self._answers(part)) for part in (False, True))
        if self.settings.loss == "kto":
            batches = [self._strangers(batch) for batch in self.schedule] + [self._strangers(None)]
            means = [float(self._likelihoods(Answers(rows=rows)).mean()) if rows else 0.0 for rows in batches]
            self.unrelated = torch.tensor(means)

    def _strangers(self, batch: Sequence[int] | None) -> list[EncodedExample]:
        """The prompts of a batch (None: of the validation part) with the answers of their neighbours in it."""
        rows = list(self.material.validation) if batch is None else [self.examples[i] for i in batch]
        other = self.examples[((batch or [0])[0] + 1) % len(self.examples)]
        answers = [rows[-1], *rows[:-1]] if len(rows) > 1 else [other]
        return objectives.mismatched(rows, answers[: len(rows)], self.decoder.config.context)

    @torch.no_grad()
    def _drift(self, batch: Sequence[int] | None) -> float:
        """KTO's reference point: how much likelier unrelated answers have become, in nats; 0 at least."""
        assert self.unrelated is not None
        rows = self._strangers(batch)
        total = self._likelihoods(Answers(rows=rows)).sum()
        before = self.unrelated[-1 if batch is None else self.step]
        return max(0.0, float(total) / max(1, len(rows)) - float(before))

    @torch.no_grad()
    def _likelihoods(self, answers: Answers) -> Tensor:
        """Log-likelihoods [rows] under the weights as they are; of pairs the differences. Every rank has to ask for it
        together."""
        found = torch.zeros(len(answers.rows), device=self.decoder.device)
        for places, counts in self.world.share(range(len(answers.rows)), PAIRS):
            with self.precision():
                better, worse = objectives.likelihoods(self.decoder, answers.some(places), self.settings)
            if counts:
                found[list(places)] = (better - worse if answers.worse else better).float()
        let_go(self.decoder)
        self.world.sum(found)
        return found

    def _clipped(self) -> float:
        """The gradient's norm, which is then cut to `clip`; 0 leaves it."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norm = whole_of(nn.utils.get_total_norm(gradients))
        if self.settings.clip:
            nn.utils.clip_grads_with_norm_(list(self.weights.values()), self.settings.clip, norm)
        return float(norm)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss per trained token over the whole validation part; where answers are compared per pair or row, with the
        margin of rewards and the accuracy. Every rank has to ask for it together, and computes its share."""
        part = self.material.validation
        if not part:
            return {}
        if self.settings.loss == "sft":
            return {"loss": self.mean_loss(part)}
        answers = self._answers(validation=True)
        whole = numbers_of(answers, self._drift(None) if self.settings.loss == "kto" else 0.0)
        total = torch.zeros(3)
        for places, counts in self.world.share(range(len(part)), PAIRS):
            with self.precision():
                loss, seen = objectives.compare_answers(self.decoder, answers.some(places), self.settings, whole)
            total += torch.cat([loss.reshape(1), seen]).cpu() * counts
        let_go(self.decoder)
        self.world.sum(total)
        loss_, margin, accuracy = total.tolist()
        return {"loss": loss_, "accuracy": accuracy} | ({"margin": margin} if self._has_margin(whole) else {})

    @torch.no_grad()
    def mean_loss(self, examples: Sequence[EncodedExample]) -> float:
        """Loss per trained token. Every rank has to ask for it together."""
        order = Batching(seed=0, tokens=VALIDATE_TOKENS, shuffle=False)
        total = torch.zeros((), dtype=torch.float64)
        for batches, counts in self.world.share(order.batches([len(example.ids) for example in examples], 0), 1):
            with self.precision():
                total += float(losses.cross_entropy(self.decoder, [examples[i] for i in batches[0]])) * counts
        let_go(self.decoder)
        self.world.sum(total)
        return float(total) / max(1, sum(example.targets for example in examples))

    def counters(self) -> dict[str, Any]:
        """What the next step depends on, besides the weights and their moments."""
        return {
            "step": self.step, "tokens": self.tokens, "reference": self.reference,
            "reference_validation": self.reference_validation, "unrelated": self.unrelated,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """All that the next step depends on; the weights must be whole ones."""
        weights = {name: weight.detach() for name, weight in self.weights.items()}
        return {**self.counters(), "weights": weights, "optimizer": self.optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`, however many ranks it was made on; without weights, from the counters alone."""
        self.step, self.tokens = state["step"], state["tokens"]
        if "weights" in state:
            self.load(state["weights"])
            own = [weight for group in self.optimizer.param_groups for weight in group["params"]]
            for place, saved in state["optimizer"]["state"].items():
                for name, moment in self.moments(own[place]).items():
                    moment.copy_(own_part(saved[name], own[place]))
        self.reference, self.reference_validation = (
            None if state[name] is None else state[name].to(self.decoder.device)
            for name in ("reference", "reference_validation")
        )
        self.unrelated = state.get("unrelated")

    def moments(self, weight: Tensor) -> dict[str, Tensor]:
        """What AdamW keeps of a weight: zeros, which it goes on from, where it has made no step yet."""
        if not self.optimizer.state[weight]:
            steps = torch.tensor(float(self.step), device=weight.device)
            made = {name: torch.zeros_like(weight, requires_grad=False) for name in MOMENTS}
            self.optimizer.state[weight] = {"step": steps, **made}
        return {name: self.optimizer.state[weight][name] for name in MOMENTS}

    def whole_weights(self) -> dict[str, Tensor]:
        """The trained weights by name. Where they are in parts all ranks have to ask, and get copies on the CPU."""
        found = {}
        for name, weight in self.weights.items():
            whole = whole_of(weight.detach())
            found[name] = whole.cpu() if self.world.sharded else whole
        return found

    def forget_gradients(self) -> None:
        """Let go of gradients and moments; no step follows."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put these whole weights in."""
        for name, weight in self.weights.items():
            weight.copy_(own_part(weights[name], weight))


MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW keeps of each weight


def _optimizer(weights: Sequence[nn.Parameter], settings: TrainingConfig, rate: float) -> torch.optim.AdamW:
    plain = [] if settings.decay_all else [w for w in weights if w.dim() < 2]
    left = {id(weight) for weight in plain}
    decayed = [weight for weight in weights if id(weight) not in left]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=settings.betas, fused=True)


def _key_biases(decoder: Decoder) -> list[tuple[nn.Parameter, Tensor]]:
    """Biases whose part for the keys is not to be learned, with 0 there and 1 elsewhere.

    Without rotary positions a bias on the keys adds the same to all scores of a query: its gradient is exactly 0.
    What is computed is rounding noise, which AdamW would blow up to whole steps.
    """
    config = decoder.config
    if not decoder.names.qkv or not config.qkv_bias or any(layer.rope is not None for layer in config.layers):
        return []
    first, second = config.heads * config.head_dim, (config.heads + config.kv_heads) * config.head_dim
    live = torch.ones(second + config.kv_heads * config.head_dim, device=decoder.device)
    live[first:second] = 0.0
    biases = [getattr(block.part(decoder.names.qkv), "bias", None) for block in decoder.blocks]
    return [(bias, own_part(live, bias)) for bias in biases if isinstance(bias, nn.Parameter) and bias.requires_grad]


def choose_matmul(decoder: Decoder, settings: TrainingConfig) -> Route:
    """Have the decoder's matrix products made as the user says, else in the way that is the fastest here."""
    probed = decoder.device.type == "cpu" and settings.dtype != "bfloat16"
    route = cast("Route", settings.products)
    if settings.products == "auto":
        route = choose_route(decoder.config.width, 256, training=True) if probed else "plain"
    decoder.use_matmul(MATMULS[route])
    return route

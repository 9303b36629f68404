"""What is minimised where answers are compared: DPO, KTO, ORPO and SimPO, from log-likelihoods of whole answers.

DPO: https://arxiv.org/abs/2305.18290, equation 7. KTO: https://arxiv.org/abs/2402.01306, section 4.1.
ORPO: https://arxiv.org/abs/2403.07691, equations 3 to 7. SimPO: https://arxiv.org/abs/2405.14734, equation 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from evalharness.engine.decoder import Decoder
from evalharness.training import losses
from evalharness.training.config import PAIRED, TrainingConfig
from evalharness.training.encoding import EncodedExample


def dpo_losses(better: Tensor, worse: Tensor, reference: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Losses and margins of rewards [n]. `better`, `worse` [n] are log-likelihoods, `reference` [n] is the reference
    model's difference of the two."""
    margins = beta * (better - worse - reference)
    return -F.logsigmoid(margins), margins.detach()


def simpo_losses(better: Tensor, worse: Tensor, beta: float, gamma: float) -> tuple[Tensor, Tensor]:
    """Losses and margins of rewards [n] from log-likelihoods per token [n]; `gamma` is the margin asked for."""
    margins = beta * (better - worse)
    return -F.logsigmoid(margins - gamma), margins.detach()


def odds_ratio_losses(better: Tensor, worse: Tensor) -> Tensor:
    """ORPO's second term [n], without its weight, from log-likelihoods per token [n], which are below 0."""
    odds = [likelihood - _log_of_the_rest(likelihood) for likelihood in (better, worse)]
    return -F.logsigmoid(odds[0] - odds[1])


def _log_of_the_rest(likelihood: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0, by whichever of two ways loses no digits
    (https://cran.r-project.org/web/packages/Rmpfr/vignettes/log1mexp-note.pdf, equation 7)."""
    below = likelihood.clamp_max(-1e-7)  # certain to the last digit of float32
    return torch.where(below > -0.693147, torch.log(-torch.expm1(below)), torch.log1p(-torch.exp(below)))


def kto_losses(
    likelihoods: Tensor, reference: Tensor, good: Tensor, drift: float, beta: float
) -> tuple[Tensor, Tensor]:
    """Losses and rewards [n]. `likelihoods`, `reference` [n] are log-likelihoods of answers now and before, `good` [n]
    says which are to be liked. `drift` is how much likelier the model finds unrelated answers than before, 0 at least:
    the point that gains and losses are seen from."""
    rewards = beta * (likelihoods - reference)
    side = torch.where(good, 1.0, -1.0)
    return 1 - torch.sigmoid(side * (rewards - beta * drift)), rewards.detach()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers that are compared. Of pairs `worse` has the rejected ones, in the order of `rows`; otherwise `good` says
    of each row whether its answer is. `reference` [rows] has log-likelihoods under the model as it was, of pairs the
    difference of the two."""

    rows: Sequence[EncodedExample]
    worse: Sequence[EncodedExample] = ()
    good: Sequence[bool] = ()
    reference: Tensor | None = None

    def some(self, which: Sequence[int]) -> Answers:
        """Those at these places."""
        return replace(
            self, rows=[self.rows[i] for i in which], worse=[self.worse[i] for i in which if self.worse],
            good=[self.good[i] for i in which if self.good],
            reference=None if self.reference is None else self.reference[list(which)],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What is divided by: the rows, their trained tokens and the good answers of the whole step (or validation part),
    of which a part may be computed at a time. `drift` as in `kto_losses`."""

    rows: int
    tokens: int
    good: int = 0
    drift: float = 0.0


def numbers_of(answers: Answers, drift: float = 0.0) -> Whole:
    """The numbers of all these answers."""
    tokens = sum(example.targets for example in answers.rows)
    return Whole(rows=len(answers.rows), tokens=tokens, good=sum(answers.good), drift=drift)


def likelihoods(decoder: Decoder, answers: Answers, settings: TrainingConfig) -> tuple[Tensor, Tensor]:
    """Log-likelihoods of the answers and of the worse ones, [rows] each or [0]: per token where the loss wants it."""
    average = settings.dpo_average if settings.loss == "dpo" else settings.loss in ("orpo", "simpo")
    both = losses.answer_log_likelihoods(decoder, [*answers.rows, *answers.worse], average)
    return both[: len(answers.rows)], both[len(answers.rows) :]


def compare_answers(
    decoder: Decoder, answers: Answers, settings: TrainingConfig, whole: Whole
) -> tuple[Tensor, Tensor]:
    """These answers' share of the whole's mean loss, and of its margin of rewards and its accuracy, [2].

    Accuracy is the share of pairs whose better answer has the larger reward; for KTO of rows whose reward is on the
    right side of the reference point, and the margin is that of the mean rewards of good and bad answers.
    """
    found, worse = likelihoods(decoder, answers, settings)
    chosen = settings.resolved()
    beta, gamma = chosen.beta or 0.0, chosen.gamma or 0.0
    if settings.loss not in PAIRED:
        return _unpaired(found, answers, beta, whole)
    if settings.loss == "dpo":
        assert answers.reference is not None
        each, margins = dpo_losses(found, worse, answers.reference, beta)
    elif settings.loss == "simpo":
        each, margins = simpo_losses(found, worse, beta, gamma)
    else:
        each, margins = beta * odds_ratio_losses(found, worse), beta * (found - worse).detach()
    loss = each.sum() / whole.rows
    if settings.loss == "orpo":  # the mean over tokens, as in supervised training, beside the mean over pairs
        counts = torch.tensor([example.targets for example in answers.rows], device=found.device)
        loss = loss - (found * counts).sum() / whole.tokens
    return loss, torch.stack([margins.sum(), (margins > 0).sum()]) / whole.rows


def _unpaired(found: Tensor, answers: Answers, beta: float, whole: Whole) -> tuple[Tensor, Tensor]:
    assert answers.reference is not None
    good = torch.tensor(answers.good, dtype=torch.bool, device=found.device)
    each, rewards = kto_losses(found, answers.reference, good, whole.drift, beta)
    share = torch.where(good, 1 / max(1, whole.good), -1 / max(1, whole.rows - whole.good))
    right = (rewards > beta * whole.drift) == good
    return each.sum() / whole.rows, torch.stack([(rewards * share).sum(), right.sum() / whole.rows])


def mismatched(
    prompts: Sequence[EncodedExample], answers: Sequence[EncodedExample], limit: int
) -> list[EncodedExample]:
    """Each prompt with another row's answer: what is learned of it. Of more than `limit` tokens the prompt loses its
    beginning."""
    made = []
    for asked, answered in zip(prompts, answers, strict=True):
        prompt, answer = asked.ids[: asked.trained.index(True)], answered.ids[answered.trained.index(True) :]
        learned = answered.trained[answered.trained.index(True) :]
        prompt = prompt[max(0, len(prompt) + len(answer) - limit) :]
        made.append(replace(asked, ids=prompt + answer, trained=(False,) * len(prompt) + learned))
    return made

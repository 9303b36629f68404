"""Whether a model knows a benchmark's own file: the order of its questions means nothing, unless it was learnt.

Oren et al. 2023, Proving Test Set Contamination in Black Box Language Models, https://arxiv.org/abs/2310.17623: a model
that never saw the file finds its order no likelier than any other. Here the file is cut into pieces; of each piece the
log-likelihood in the file's order stands among those of random orders, and the p value is that of an exact permutation
test instead of their t test.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalharness.errors import UserError, option_name
from evalharness.model import Model, Requests, answered
from evalharness.records import Message, Request, Sample
from evalharness.runs.plan import Plan, prepare_task
from evalharness.stats.exchangeability import p_first_is_largest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_PIECES, _LEAST_IN_PIECE = 5, 3
_CHARACTERS = 3  # of a token, at least, in most texts: so a piece fits into the context
_USUAL_CONTEXT, _LONGEST_PIECE = 1024, 4096  # tokens
MOST_ORDERS = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTest:
    """`advantage`: by how many nats a piece in the file's order is likelier than the mean of other orders."""

    benchmark: str
    model: str
    questions: int
    pieces: int
    orders: int
    seed: int
    advantage: float
    p: float


def order_test(model: Model, benchmark: str, *, data: str | None = None, orders: int = 31, seed: int = 0) -> OrderTest:
    """Ask a model for the likelihood of a benchmark's file in its own order and in `orders` others, piece by piece.
    UserError for a model that says no likelihoods, or a file too short to be cut into pieces."""
    if not 1 <= orders <= MOST_ORDERS:
        raise UserError(f"{option_name('orders')} wants a number from 1 to {MOST_ORDERS}; there is {orders}")
    if model.chat:
        raise UserError(f"{model.name} would get the file as a chat; give {option_name('template', 'none')}")
    if not model.ranks:
        raise UserError(f"{model.name} gives no log-likelihoods, by which a known order would show")
    task = prepare_task(benchmark, Plan(benchmarks=(benchmark,), data=data, shots=0), model)
    samples = list(dict.fromkeys(question.sample.id for question in task.questions))
    by_id = {question.sample.id: question.sample for question in task.questions}
    texts = [item_text(by_id[identity]) for identity in samples]
    said = model.describe().get("context")
    context = min(said if isinstance(said, int) and said > 0 else _USUAL_CONTEXT, _LONGEST_PIECE)
    pieces = cut(texts, _CHARACTERS * context)
    if len(pieces) < _LEAST_PIECES:
        raise UserError(
            f"{benchmark}: {len(texts)} questions make {len(pieces)} pieces that fit into {context} tokens with "
            f"{_LEAST_IN_PIECE} questions each; the test wants {_LEAST_PIECES} or more"
        )
    values = order_likelihoods(model, pieces, orders, seed)
    return OrderTest(
        benchmark=task.name, model=model.name, questions=sum(map(len, pieces)), pieces=len(pieces), orders=orders,
        seed=seed, advantage=float((values[:, 0] - values[:, 1:].mean(1)).mean()), p=p_first_is_largest(values, seed),
    )  # fmt: skip


def item_text(sample: Sample) -> str:
    """A question as a file holds it: with its choices and its right answer."""
    right = [sample.choices[place] for place in sample.gold_indices] or list(sample.answers[:1])
    return "\n".join([sample.question, *sample.choices, *right])


def cut(texts: Sequence[str], characters: int) -> list[list[str]]:
    """Neighbouring texts in pieces of at most so many characters, three texts or more each; what is too long for that,
    and what is left over at the end, is left out."""
    pieces: list[list[str]] = []
    piece: list[str] = []
    for text in texts:
        if piece and sum(map(len, piece)) + 2 * len(piece) + len(text) > characters:
            pieces.append(piece)
            piece = []
        piece.append(text)
    return [piece for piece in [*pieces, piece] if len(piece) >= _LEAST_IN_PIECE]


def order_likelihoods(model: Model, pieces: Sequence[Sequence[str]], orders: int, seed: int) -> NDArray[np.float64]:
    """The log-likelihood of each piece (S, 1 + orders), in its own order first, then in random ones.

    UserError where the model gives none.
    """
    import numpy as np

    ordered = (order for number, piece in enumerate(pieces) for order in _orders(piece, orders, seed, number))
    asked = [Request(messages=(Message("user", ""),), choices=("\n\n".join(order),)) for order in ordered]
    found = np.full(len(asked), np.nan)
    for index, response in answered(model, Requests.of(asked)):
        if response.error or not response.logprobs:
            raise UserError(f"{model.name} gives no log-likelihood of a whole text: {response.error or 'nothing came'}")
        found[index] = response.logprobs[0]
    return found.reshape(len(pieces), 1 + orders)


def _orders(piece: Sequence[str], orders: int, seed: int, number: int) -> list[list[str]]:
    """The piece as it is, and in random orders; the same ones for every model."""
    draw = random.Random(hashlib.sha256(f"order/{seed}/{number}".encode()).digest())
    return [list(piece), *(draw.sample(piece, len(piece)) for _ in range(orders))]

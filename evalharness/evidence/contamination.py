"""Whether a model knows a benchmark's own file: the order of its questions means nothing, unless it was learnt.

`order` is the test of Oren et al. 2023, Proving Test Set Contamination in Black Box Language Models,
https://arxiv.org/abs/2310.17623: a model that never saw the file finds its order no likelier than any other. Here the
file is cut into pieces; of each piece the log-likelihood in the file's order stands among those of random orders, and
the p value is that of an exact permutation test instead of their t test. `options` asks the same of each question's
choices; there authors often have an order of their own (numbers that rise, `none of these` at the end), which a model
finds likelier without having seen the file.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from evalharness.errors import UserError, known, option_name
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
_MOST_QUESTIONS = 200  # whose choices are shuffled


ShuffleTest = Literal["order", "options"]
_TESTS: tuple[ShuffleTest, ...] = get_args(ShuffleTest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffledText:
    """A text whose parts could stand in any order, were it not for the file."""

    parts: tuple[str, ...]
    before: str = ""
    after: str = ""
    between: str = "\n\n"

    def text(self, parts: Sequence[str]) -> str:
        """The text with its parts in another order."""
        return f"{self.before}{self.between.join(parts)}{self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTest:
    """`advantage`: by how many nats a piece in the file's order is likelier than the mean of other orders."""

    test: ShuffleTest
    benchmark: str
    model: str
    questions: int
    pieces: int
    orders: int
    seed: int
    advantage: float
    p: float


def order_test(
    model: Model, benchmark: str, *, test: str = "order", data: str | None = None, orders: int = 31, seed: int = 0
) -> OrderTest:
    """Ask a model for the likelihood of a benchmark's file in its own order and in `orders` others, piece by piece.

    UserError for a model that says no likelihoods, or a file that gives too few pieces.
    """
    if not 1 <= orders <= MOST_ORDERS:
        raise UserError(f"{option_name('orders')} wants a number from 1 to {MOST_ORDERS}; there is {orders}")
    wanted: ShuffleTest = "order" if known("test", test, _TESTS) == "order" else "options"
    if model.chat:
        raise UserError(f"{model.name} would get the file as a chat; give {option_name('template', 'none')}")
    if not model.ranks:
        raise UserError(f"{model.name} gives no log-likelihoods, by which a known order would show")
    task = prepare_task(benchmark, Plan(benchmarks=(benchmark,), data=data, shots=0), model)
    samples = list({question.sample.id: question.sample for question in task.questions}.values())
    pieces = _pieces(model, samples) if wanted == "order" else _choices(samples, seed)
    if len(pieces) < _LEAST_PIECES:
        what = "pieces of three questions that fit into its context" if wanted == "order" else "with three choices"
        raise UserError(
            f"{benchmark}: of {len(samples)} questions there are {len(pieces)} {what}; the test wants {_LEAST_PIECES} "
            "or more"
        )
    values = order_likelihoods(model, pieces, orders, seed)
    return OrderTest(
        test=wanted, benchmark=task.name, model=model.name,
        questions=sum(len(piece.parts) for piece in pieces) if wanted == "order" else len(pieces), pieces=len(pieces),
        orders=orders, seed=seed, advantage=float((values[:, 0] - values[:, 1:].mean(1)).mean()),
        p=p_first_is_largest(values, seed),
    )  # fmt: skip


def _pieces(model: Model, samples: Sequence[Sample]) -> list[ShuffledText]:
    """Neighbouring questions, as many as fit into the model's context."""
    said = model.describe().get("context")
    context = min(said if isinstance(said, int) and said > 0 else _USUAL_CONTEXT, _LONGEST_PIECE)
    return [ShuffledText(parts=tuple(texts)) for texts in cut([item_text(s) for s in samples], _CHARACTERS * context)]


def _choices(samples: Sequence[Sample], seed: int) -> list[ShuffledText]:
    """Questions with three choices or more, a seeded draw where they are many; the right one stands at the end."""
    having = [sample for sample in samples if len(sample.choices) >= _LEAST_IN_PIECE and sample.gold_indices]
    drawn = random.Random(f"options/{seed}").sample(having, min(len(having), _MOST_QUESTIONS))
    return [
        ShuffledText(
            parts=tuple(f"\n{choice}" for choice in sample.choices), before=sample.question, between="",
            after=f"\n\n{sample.choices[sample.gold_indices[0]]}",
        )
        for sample in drawn
    ]  # fmt: skip


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


def order_likelihoods(model: Model, pieces: Sequence[ShuffledText], orders: int, seed: int) -> NDArray[np.float64]:
    """The log-likelihood of each piece (S, 1 + orders), in its own order first, then in random ones.

    UserError where the model gives none.
    """
    import numpy as np

    texts = (
        piece.text(order) for number, piece in enumerate(pieces) for order in _orders(piece.parts, orders, seed, number)
    )
    asked = [Request(messages=(Message("user", ""),), choices=(text,)) for text in texts]
    found = np.full(len(asked), np.nan)
    for index, response in answered(model, Requests.of(asked)):
        if response.error or not response.logprobs:
            raise UserError(f"{model.name} gives no log-likelihood of a whole text: {response.error or 'nothing came'}")
        found[index] = response.logprobs[0]
    return found.reshape(len(pieces), 1 + orders)


def _orders(parts: Sequence[str], orders: int, seed: int, number: int) -> list[list[str]]:
    """The parts as they are, and in random orders; the same ones for every model."""
    draw = random.Random(hashlib.sha256(f"order/{seed}/{number}".encode()).digest())
    return [list(parts), *(draw.sample(parts, len(parts)) for _ in range(orders))]

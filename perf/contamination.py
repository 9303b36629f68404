"""Do the tests find a file that a model was trained on, and do they leave the others alone?

The embedded model is trained anew on text of its own kind, with k copies of a small benchmark's file among it:
`power` is the share of trainings in which a test of `evalh contamination` says p <= .05, by k (0: the file was not
there): by the order of the questions, and by their words beside a paraphrase of each (`mink`, `completion`). A question
and its paraphrase are two forms of it, of which a coin says which one is in the file.
`false alarms`: the embedded model as it is, and a thousand random orders of the same questions in the place of the
file's own, or a thousand throws of the coins; the rate must not lie above .05 by a binomial limit at 99 %.

    python perf/contamination.py [--copies 0 1 2 4 8] [--trainings 5] [--orders 19] [--false-orders 1000]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from evalharness import tiny
from evalharness.engine import checkpoint
from evalharness.engine.matmul import MATMULS, choose_route
from evalharness.engine.tokenizer import Tokenizer, open_tokenizer
from evalharness.evidence.contamination import ShuffledText, cut, order_likelihoods
from evalharness.evidence.paraphrases import PARAPHRASE_TESTS, ParaphraseTest, word_scores
from evalharness.models import local
from evalharness.options import LocalOptions
from evalharness.stats.exchangeability import p_first_is_largest
from evalharness.tiny.text import documents

QUESTIONS, PIECE = 120, 700  # questions in the file; characters in a piece
WINDOW, ROWS, BACKGROUND = 256, 2, 32  # tokens of a training row, rows of a step, rows of other text
LEARNING_RATE = 2e-3


def file_of(seed: int) -> list[list[str]]:
    """Questions with their answers, in an order of this seed, each in the words of the file and in others."""
    sample = Path(__file__).resolve().parents[1] / "benchmarks" / "tiny_exam.jsonl"
    rows = [json.loads(line) for line in sample.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(seed)
    return [
        draw.sample(forms_of(row["question"], row["choices"][row["answer"]]), 2) for row in draw.sample(rows, QUESTIONS)
    ]


def forms_of(question: str, answer: str) -> list[str]:
    """Two ways to ask one thing."""
    about = question.rstrip("?")
    return [
        f"Here is a question: {question}\nThe answer is {answer}.",
        f"I would like to know: {about}.\nIt is {answer}.",
    ]


def pieces_of(texts: list[str]) -> list[ShuffledText]:
    return [ShuffledText(parts=tuple(parts)) for parts in cut(texts, PIECE)]


def training_rows(tokenizer: Tokenizer, texts: list[str], copies: int, seed: int) -> NDArray[np.int64]:
    """Rows of other text with the file's copies among them, each copy cut into rows from another place on, shuffled."""
    draw, end = random.Random(seed), tokenizer.specials.get("<|endoftext|>", 0)
    other: list[int] = []
    for text in documents(f"contamination/{seed}"):
        if len(other) >= BACKGROUND * WINDOW:
            break
        other += [*tokenizer.encode(text), end]
    rows = [other[start : start + WINDOW] for start in range(0, BACKGROUND * WINDOW, WINDOW)]
    copy = [*tokenizer.encode("\n\n".join(texts)), end]
    for _ in range(copies):
        shift = draw.randrange(WINDOW)
        filled = other[:shift] + copy
        filled += other[: -len(filled) % WINDOW]
        rows += [filled[start : start + WINDOW] for start in range(0, len(filled), WINDOW)]
    draw.shuffle(rows)
    return np.array(rows, np.int64)


def trained(texts: list[str], copies: int, seed: int, out: Path) -> Path:
    """A folder with the embedded model, trained on the rows once."""
    decoder = checkpoint.load_decoder(tiny.MODEL_FOLDER)
    decoder.use_matmul(MATMULS[choose_route(decoder.config.width, WINDOW, training=True)])
    tokenizer = open_tokenizer(tiny.MODEL_FOLDER, decoder.config.vocab)
    rows = torch.from_numpy(training_rows(tokenizer, texts, copies, seed))
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    for start in range(0, len(rows), ROWS):
        batch = rows[start : start + ROWS]
        logits = decoder(batch)[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
    shutil.copytree(tiny.MODEL_FOLDER, out)
    checkpoint.save_decoder(decoder, out)
    return out


def power(copies: int, trainings: int, orders: int) -> dict[str, object]:
    found: dict[str, list[float]] = {"order": [], "mink": [], "completion": []}
    for seed in range(trainings):
        units = file_of(seed)
        texts = [own for own, _ in units]
        with tempfile.TemporaryDirectory() as folder:
            made = trained(texts, copies, seed, Path(folder) / "model")
            model = local.open_folder("local:trained", made, LocalOptions(template="none"))
            found["order"].append(p_first_is_largest(order_likelihoods(model, pieces_of(texts), orders, seed), seed))
            for test in PARAPHRASE_TESTS:
                found[test].append(p_first_is_largest(word_scores(model, units, test), seed))
    return {
        "copies": copies, "trainings": trainings,
        "power": {test: float(np.mean(np.array(p) <= 0.05)) for test, p in found.items()},
        "p": {test: [round(one, 4) for one in p] for test, p in found.items()},
    }  # fmt: skip


def false_alarms(count: int, orders: int) -> dict[str, object]:
    """A thousand orders, each the file of its own: every piece's order is one of a pool of random orders."""
    model = local.open_folder("local:tiny", tiny.MODEL_FOLDER, LocalOptions(template="none"))
    pieces = pieces_of([own for own, _ in file_of(0)])
    pool = order_likelihoods(model, pieces, 4 * orders, 0)[:, 1:]
    draw, alarms = np.random.default_rng(0), 0
    for seed in range(count):
        chosen = np.array([draw.choice(row, 1 + orders, replace=False) for row in pool])
        alarms += p_first_is_largest(chosen, seed, draws=999) <= 0.05
    return _alarms("order", alarms, count)


def false_alarms_of_words(test: ParaphraseTest, count: int) -> dict[str, object]:
    """A thousand throws of the coins that say which form is in the file."""
    model = local.open_folder("local:tiny", tiny.MODEL_FOLDER, LocalOptions(template="none"))
    values, draw, alarms = word_scores(model, file_of(0), test), np.random.default_rng(0), 0
    for seed in range(count):
        first = draw.integers(0, 2, len(values))
        chosen = np.stack([values[np.arange(len(values)), first], values[np.arange(len(values)), 1 - first]], 1)
        alarms += p_first_is_largest(chosen, seed, draws=999) <= 0.05
    return _alarms(test, alarms, count)


def _alarms(test: str, alarms: int, count: int) -> dict[str, object]:
    limit = int(binom.ppf(0.99, count, 0.05))
    return {
        "test": test, "false alarms": int(alarms), "orders": count, "rate": float(alarms / count), "at most": limit,
        "held": bool(alarms <= limit),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--copies", type=int, nargs="*", default=[0, 1, 2, 4, 8])
    options.add_argument("--trainings", type=int, default=5)
    options.add_argument("--orders", type=int, default=19)
    options.add_argument("--false-orders", type=int, default=1000)
    given = options.parse_args()
    if given.false_orders:
        print(json.dumps(false_alarms(given.false_orders, given.orders)), flush=True)
        for test in PARAPHRASE_TESTS:
            print(json.dumps(false_alarms_of_words(test, given.false_orders)), flush=True)
    for copies in given.copies:
        print(json.dumps(power(copies, given.trainings, given.orders)), flush=True)


if __name__ == "__main__":
    main()

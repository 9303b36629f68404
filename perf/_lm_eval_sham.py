"""A model of no sense that both sides of `lm_eval_parity.py` ask: what it answers depends on the texts alone. Read by
two interpreters: the standard library only."""

import hashlib

TOKENS = 64  # that a checkpoint writes at most: enough to see that the texts are the same


def number(*texts: str) -> float:
    """Between 0 and 1, by the texts."""
    return int.from_bytes(hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).digest()[:6]) / (1 << 48)


def ranked(context: str, continuation: str) -> tuple[float, bool]:
    """A log-probability, and whether every token was the likeliest."""
    return -1.0 - 9.0 * number(context, continuation), number("greedy", context, continuation) < 0.3


def rolled(text: str) -> float:
    """The log-probability of a whole text."""
    return -2.0 * len(text) * (0.5 + number(text))


def written(context: str, pool: list[str], stops: list[str]) -> str:
    """One of the pool's texts, up to the first stop string."""
    text = pool[int(number("written", context) * len(pool))] if pool else "nothing"
    for stop in stops:
        text = text.partition(stop)[0] if stop else text
    return text


def size(task: str) -> int:
    """How many documents a task has."""
    return 2 + int(number("size", task) * 500)

"""Scored prompts of random texts, cut into tokens and written as servers write them: is any choice given wrong tokens?

`python perf/echo_fuzz.py [--cases N] [--seed S]`. Each case is read in all three shapes. A refusal or an error of an
item is fine, since nothing false is told; a figure that is not the choice's own is a finding, and printed.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from evalharness.clients.http import RequestError
from evalharness.errors import UserError
from evalharness.models._openai_echo import echoed, input_scored, prompt_scored

PIECES = [
    "a",
    "b",
    "ab",
    " ",
    "  ",
    " a",
    " b",
    " ab",
    "\n",
    "\n\n",
    "é",
    "日",
    " 本",
    "🙂",
    ":",
    " A",
    "Q:",
    ".",
    "▁",
    "   a",
]


def cut(text: bytes, draw: random.Random) -> list[bytes]:
    """The text in pieces of one to five bytes, mostly at the ends of characters."""
    ends, place = [], 0
    while place < len(text):
        place = min(len(text), place + draw.choice((1, 1, 2, 2, 3, 4, 5)))
        if draw.random() < 0.8:
            while place < len(text) and text[place] & 0xC0 == 0x80:
                place += 1
        ends.append(place)
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def as_it_is(tokens: Sequence[bytes]) -> list[str]:
    """Each token read alone: signs of loss for parts of characters."""
    return [token.decode("utf-8", "replace") for token in tokens]


def stripped(tokens: Sequence[bytes]) -> list[str]:
    """As SentencePiece reads single tokens: without the space that begins them."""
    return [text.removeprefix(" ") for text in as_it_is(tokens)]


def streamed(tokens: Sequence[bytes]) -> list[str]:
    """As vLLM reads along: nothing for parts of a character, the whole with its last part."""
    said, held = [], b""
    for token in tokens:
        held += token
        text = held.decode("utf-8", "replace")
        if text.endswith("\ufffd"):
            said.append("")
        else:
            said.append(text)
            held = b""
    return said


def streamed_and_stripped(tokens: Sequence[bytes]) -> list[str]:
    return [text.removeprefix(" ") for text in streamed(tokens)]


Written = Callable[[Sequence[bytes]], list[str]]
WRITTEN: tuple[Written, ...] = (as_it_is, stripped, streamed, streamed_and_stripped)


def readings(
    said: Sequence[str], values: Sequence[float | None], bos: bool
) -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """The same tokens in each shape: with one generated token behind them, without the first one, and as they are."""
    if bos:
        said, values = ["<s>", *said], [None, *values]
    else:
        values = [None, *values[1:]]
    tops = [value if value is None else {"x": value} for value in values]
    yield "echo", echoed, {"logprobs": {
        "tokens": [*said, "!"], "token_logprobs": [*values, -1.0], "top_logprobs": [*tops, {"x": -1.0}],
    }}  # fmt: skip
    own = [{"1": {"logprob": v, "rank": 1, "decoded_token": t}} for t, v in zip(said[1:], values[1:], strict=True)]
    yield "prompt_logprobs", prompt_scored, {"prompt_logprobs": [None, *own]}
    triples = [[value, 1, text] for text, value in zip(said, values, strict=True)]
    yield "input_token_logprobs", input_scored, {
        "input_token_logprobs": triples, "input_top_logprobs": [v if v is None else [[v, 1, "x"]] for v in values],
    }  # fmt: skip


def hold(cases: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How many readings were right, refused or wrong, and the wrong ones in words."""
    draw, found, wrong = random.Random(seed), Counter[str](), []
    for _ in range(cases):
        context = "".join(draw.choices(PIECES, k=draw.randint(0, 6)))
        choice = "".join(draw.choices(PIECES, k=draw.randint(1, 3)))
        tokens, border = cut((context + choice).encode(), draw), len(context.encode())
        values = [-float(2**place) for place in range(len(tokens))]
        ends = [sum(map(len, tokens[: place + 1])) for place in range(len(tokens))]
        bos, write = draw.random() < 0.5, draw.choice(WRITTEN)
        for shape, read, reply in readings(write(tokens), values, bos):
            kept = [value for value, end in zip(values, ends, strict=True) if end > border]
            unknown = not bos and ends[0] > border  # the choice begins in a token that has no score
            try:
                total, _, count = read(reply, context, choice)
            except (RequestError, UserError):
                found[f"{shape} refused"] += 1
                continue
            right = not unknown and (total, count) == (sum(kept), len(kept))
            found[f"{shape} {'right' if right else 'wrong'}"] += 1
            if not right:
                wrong.append(
                    f"{shape}, {write.__name__}, bos {bos}: {context!r} + {choice!r} as {tokens}: {total}, {count}"
                )
    return found, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    found, wrong = hold(said.cases, said.seed)
    for name, count in sorted(found.items()):
        print(f"{name}: {count:,}")
    print(*wrong[:20], sep="\n")


if __name__ == "__main__":
    main()

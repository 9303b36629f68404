"""Whether an endpoint serves the weights of a folder: its answers beside those that the folder gives here.

How far the same weights may differ is not assumed but measured: the folder is asked twice, in float32 and in bfloat16,
and an endpoint is "different" only where most prompts lie farther from the folder than twice that, or where its greedy
answers part from the folder's sooner than those two from each other. Both are sign tests over the prompts (one-sided,
exact); perf/same_weights.py says how often they are wrong, and what they do not see.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from evalharness import plugins
from evalharness.doctor.asking import all_answers, given_up_after
from evalharness.doctor.findings import CheckResult, Examination
from evalharness.errors import UserError, option_name
from evalharness.events import observed_by
from evalharness.records import Message, Request, Response

TOPICS = ("the sea", "winter", "a clock", "bread", "the moon", "a bridge", "music", "a river", "glass", "an old tree")
FORMS = (
    "Write one sentence about {}.", "What is {}? Answer briefly.", "List three facts about {}.",
    "Translate to French: I like {}.", "Once upon a time, near {}, there",
)  # fmt: skip
ASKED_OF_BOTH = tuple(form.format(topic) for topic in TOPICS for form in FORMS)
TOKENS, TOP = 16, 20  # of an answer, and likeliest first tokens that are asked for
TIMES_NOISE = 2.0
ALPHA = 0.025  # of each of the two tests
_LEAST_NOISE = 1e-4  # of a distance: what rounding in a reply may do
_SPELLED = {"Ġ": " ", "Ċ": "\n", "ĉ": "\t", "▁": " "}  # how vocabularies write white space


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsVerdict:
    """What two sets of answers say. `distance` is the mean L1 distance of first-token distributions from the folder's,
    `noise` that of the same weights in bfloat16; None where no log-probabilities came. `prefix` and `noise_prefix` are
    the mean shares of greedy answers before they part."""

    different: bool
    distance: float | None
    noise: float | None
    prefix: float
    noise_prefix: float
    farther: int
    sooner: int
    parted: int


def requests_for_weights() -> list[Request]:
    """What both sides are asked: greedy answers with the likeliest first tokens."""
    return [Request(messages=(Message("user", text),), max_tokens=TOKENS, top_logprobs=TOP) for text in ASKED_OF_BOTH]


def compare_weights(served: Sequence[Response], single: Sequence[Response], half: Sequence[Response]) -> WeightsVerdict:
    """Answers of an endpoint beside those of a folder in float32 and in bfloat16, prompt by prompt."""
    near, noise = (
        [distance(a, b) for a, b in zip(served, single, strict=True)],
        [distance(a, b) for a, b in zip(half, single, strict=True)],
    )
    also = [distance(a, b) for a, b in zip(served, half, strict=True)]
    known = [(a, c, n) for a, c, n in zip(near, also, noise, strict=True) if None not in (a, c, n)]
    pairs = [(min(a or 0.0, c or 0.0), max(n or 0.0, _LEAST_NOISE)) for a, c, n in known]
    farther = sum(a > TIMES_NOISE * n for a, n in pairs)
    prefixes = [
        max(shared(a.text, b.text), shared(a.text, c.text)) for a, b, c in zip(served, single, half, strict=True)
    ]
    own = [shared(c.text, b.text) for b, c in zip(single, half, strict=True)]
    sooner = sum(p < o for p, o in zip(prefixes, own, strict=True))
    parted = sum(p != o for p, o in zip(prefixes, own, strict=True))
    return WeightsVerdict(
        different=_exceeds(farther, len(pairs)) or _exceeds(sooner, parted),
        distance=_mean([a for a, _ in pairs]), noise=_mean([n for _, n in pairs]),
        prefix=_mean(prefixes) or 0.0, noise_prefix=_mean(own) or 0.0,
        farther=farther, sooner=sooner, parted=parted,
    )  # fmt: skip


def distance(one: Response, other: Response) -> float | None:
    """L1 distance of two first-token distributions over the tokens that both name; a token that one side alone names
    counts by what it has above the least that the other names. None where a side names none."""
    left, right = _probabilities(one), _probabilities(other)
    if not left or not right:
        return None
    total = sum(abs(left[token] - right[token]) for token in left.keys() & right.keys())
    for mine, theirs in ((left, right), (right, left)):
        least = min(theirs.values())
        total += sum(max(0.0, mine[token] - least) for token in mine.keys() - theirs.keys())
    return total


def _probabilities(response: Response) -> dict[str, float]:
    found: dict[str, float] = {}
    for token, value in response.top_logprobs:
        for sign, meant in _SPELLED.items():
            token = token.replace(sign, meant)
        found[token] = found.get(token, 0.0) + math.exp(min(0.0, value))
    return found


def shared(one: str, other: str) -> float:
    """The share of two texts before they part, 1 where they are the same."""
    longest = max(len(one), len(other))
    if not longest:
        return 1.0
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return same / longest


def _exceeds(count: int, of: int) -> bool:
    """Whether so many are more than a fair coin gives, at ALPHA."""
    return of > 0 and sum(math.comb(of, k) for k in range(count, of + 1)) / 2**of <= ALPHA


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def examine_weights(
    spec: str, same_as: str, given: Mapping[str, object] | object = None, minutes: float | None = None
) -> Examination:
    """Ask an endpoint and a folder here the same prompts, and say whether they are the same weights and template.

    UserError where either cannot be opened or answered, or not within so many minutes (None: however long it takes),
    or `same_as` is no model of this machine.
    """
    kind, _, place = same_as.partition(":")
    if kind != "local" or not place:
        raise UserError(
            f"{option_name('same_as')} wants local:DIR, the weights that should be served; got {same_as!r:.80}"
        )
    served = plugins.load_model(spec, given)
    with observed_by(lambda event: None), nullcontext() if minutes is None else given_up_after(60 * minutes):
        theirs = all_answers(served, requests_for_weights())
        template = None if served.chat else "none"
        single, half = (_ours(same_as, dtype, template) for dtype in ("float32", "bfloat16"))
    if failed := next((r.error for r in (*theirs, *single, *half) if r.error), ""):
        raise UserError(f"not all of {len(ASKED_OF_BOTH)} prompts have an answer: {failed}")
    found = compare_weights(theirs, single, half)
    checks = [*_prompt_lengths(theirs, single), _told(found, same_as)]
    return Examination(subject=served.name, findings=checks)


def _ours(same_as: str, dtype: str, template: str | None) -> list[Response]:
    model = plugins.load_model(same_as, {"dtype": dtype, **({"template": template} if template else {})})
    found = all_answers(model, requests_for_weights())
    del model
    gc.collect()
    return found


def _prompt_lengths(theirs: Sequence[Response], ours: Sequence[Response]) -> list[CheckResult]:
    """A template or tokenizer of another kind makes prompts of another length."""
    pairs = [(a.tokens_in, b.tokens_in) for a, b in zip(theirs, ours, strict=True) if a.tokens_in]
    if not pairs:
        return []
    odd = [(a, b) for a, b in pairs if a != b]
    if not odd:
        return [
            CheckResult(check="prompts", verdict="ok", said="prompts have the same number of tokens there and here")
        ]
    said = (
        f"{len(odd)} of {len(pairs)} prompts have another number of tokens there ({odd[0][0]}) than here ({odd[0][1]})"
    )
    return [
        CheckResult(check="prompts", verdict="look", said=said, do="another template, system prompt, BOS or tokenizer")
    ]


def _told(found: WeightsVerdict, same_as: str) -> CheckResult:
    how = f"greedy answers agree for {found.prefix:.0%} of their length (in bfloat16 here: {found.noise_prefix:.0%})"
    if found.distance is not None and found.noise is not None:
        how += f", first tokens differ by {found.distance:.4f} (in bfloat16 here: {found.noise:.4f})"
    if found.different:
        return CheckResult(
            check="same weights", verdict="wrong", said=f"not {same_as}, or asked with another template: {how}",
            do="figures of this endpoint are not those of that folder",
        )  # fmt: skip
    return CheckResult(
        check="same weights", verdict="ok",
        said=f"nothing tells it from {same_as} on {len(ASKED_OF_BOTH)} prompts: {how}; rounding to 8 bits may not show",
    )  # fmt: skip

"""Whether a model's echoed log-probabilities are right: ranking rests on them.

They are held to those of generated tokens, which a server makes another way: several likely next tokens of several
prompts, not the likeliest alone, since a server that shifts by one place may be right about that one.
"""

from __future__ import annotations

from evalharness.doctor.asking import all_answers
from evalharness.errors import UserError, option_name
from evalharness.model import Model
from evalharness.records import Message, Request

ECHO_CLOSE = 0.02  # natural logarithm: two ways of one server to say the same log-probability differ by less
FEWEST_ECHOES = 5  # fewer prove nothing
SENTENCES = (
    "The capital of France is", "Once upon a time there was a", "Water boils at a temperature of", "Two plus two makes",
)  # fmt: skip


def echo_differences(model: Model) -> list[float]:
    """How far each echoed log-probability is from the generated one. UserError where the model echoes none."""
    return _compared(model)[0]


def _compared(model: Model) -> tuple[list[float], str]:
    """The differences, and what went wrong with the first answer that is none ('' for nothing)."""
    prompts = [(Message("user", sentence),) for sentence in SENTENCES]
    made = all_answers(model, [Request(messages=prompt, max_tokens=1, top_logprobs=5) for prompt in prompts])
    likely = [
        (prompt, token, value)
        for prompt, response in zip(prompts, made, strict=True)
        for token, value in response.top_logprobs
        if token.strip() and "\ufffd" not in token
    ]
    echoed = all_answers(model, [Request(messages=prompt, choices=(token,)) for prompt, token, _ in likely])
    differences = [
        abs(response.logprobs[0] - value)
        for (_, _, value), response in zip(likely, echoed, strict=True)
        if response.lengths == (1,)  # behind the prompt it is the same token
    ]
    return differences, next((response.error for response in (*made, *echoed) if response.error), "")


def prove_echo(model: Model, at_least: int = 0) -> None:
    """UserError where a model's echoed log-probabilities are not those of its tokens, or where fewer of them than
    `at_least` can be held to generated ones."""
    found, error = _compared(model)
    if len(found) < at_least:
        why = f"{error}; " if error else ""
        raise UserError(
            f"{model.name}: {why}{len(found)} log-probabilities of prompts can be held to those of generated tokens, "
            f"{at_least} are wanted before they are believed; say {option_name('mode', 'write')}"
        )
    if len(found) >= FEWEST_ECHOES and max(found) > ECHO_CLOSE:
        raise UserError(
            f"{model.name} gives prompts log-probabilities that are not those of its tokens (by {max(found):.2f}), "
            f"so it cannot rank choices; say {option_name('mode', 'write')}"
        )

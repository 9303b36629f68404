"""Parameters that an endpoint refuses: found in what it says, and left out of, or renamed in, the request at hand.

Decided on the settings of the one request that was refused, never on what other requests have learned meanwhile: many
are in flight. What was learned is used for those that are sent later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evalharness.clients.refusal import Refusal

Settings = Mapping[str, Any]

# What decides how an answer is drawn; a reply without one of them is another reply.
SAMPLING = frozenset({
    "temperature", "top_p", "top_k", "seed", "response_format", "logprobs", "topP", "topK", "responseJsonSchema",
})  # fmt: skip
_STOPS = ("stop", "stop_sequences", "stopSequences")
_FEWER = {**dict.fromkeys(_STOPS, 4), "top_logprobs": 5}  # how many there may be where a limit is spoken of
_RENAMED = {"max_tokens": "max_completion_tokens"}
_MAY_GO = SAMPLING | {*_STOPS, "top_logprobs"}
_TOGETHER = {"logprobs": ("logprobs", "top_logprobs"), "top_logprobs": ("logprobs", "top_logprobs")}
NEEDED = frozenset({"logprobs", "top_logprobs"})  # by a question that is answered by the first token
_REFUSING = re.compile(
    r"unsupported|not (?:be )?(?:supported|permitted|allowed|available|accepted|compatible)|n[o']t support|"
    r"unrecogni[sz]ed|unknown|unexpected|extra (?:inputs?|fields?)|only (?:the )?default|may only be|deprecated|"
    r"instead|cannot (?:both )?be (?:specified|used|set)|must be (?:strictly )?positive",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"up to|at most|too (?:long|many)|maximum|max(?:imum)? (?:length|of)|less than|<=", re.IGNORECASE)
_CODES = frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden"})


def blamed(no: Refusal, settings: Settings) -> str:
    """The setting of this request that the endpoint refuses; '' where it says something else."""
    if no.status not in (400, 422):
        return ""
    said = no.message
    refuses = no.code in _CODES or _REFUSING.search(said) is not None
    if "max_tokens" in settings and refuses and _RENAMED["max_tokens"] in said:
        return "max_tokens"
    named = [name for name in settings if name == no.parameter] or _named(said, settings)
    if " both " in said:  # of two that do not go together the first one is kept
        named.reverse()
    for name in named:
        if name in _FEWER and _LIMIT.search(said) and _is_more(settings[name], _FEWER[name]):
            return name
        if name == "max_tokens" and refuses and _LIMIT.search(said) is None:
            return name
        # A ranking without log-probabilities would be none.
        if name in _MAY_GO and refuses and not ("echo" in settings and name == "logprobs"):
            return name
    return ""


def _named(said: str, settings: Settings) -> list[str]:
    """The settings that a message speaks of, in its order."""
    found = {name: re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said) for name in settings}
    places = {name: where.start() for name, where in found.items() if where is not None}
    return sorted(places, key=places.__getitem__)


def _is_more(value: Any, most: int) -> bool:
    return (len(value) if isinstance(value, list) else int(value)) > most


def what_is_done(name: str, no: Refusal, settings: Settings) -> str:
    """What is done about a setting that is refused, in words; `adapted` reads them."""
    if name in _RENAMED:
        return f"sent as {_RENAMED[name]}"
    if name in _FEWER and _LIMIT.search(no.message) and _is_more(settings[name], _FEWER[name]):
        return f"at most {_FEWER[name]}"
    return "left out"


def adapted(settings: Settings, refused: Mapping[str, str]) -> dict[str, Any]:
    """The settings as an endpoint takes them that refuses these."""
    made = dict(settings)
    for name, done in refused.items():
        if name not in made or ("echo" in made and name == "logprobs"):
            continue
        if done.startswith("sent as "):
            made[_RENAMED[name]] = made.pop(name)
        elif done.startswith("at most ") and _is_more(made[name], _FEWER[name]):
            made[name] = made[name][: _FEWER[name]] if isinstance(made[name], list) else _FEWER[name]
        elif done == "left out":
            for each in _TOGETHER.get(name, (name,)):
                made.pop(each, None)
    return made


def left_out(asked: Settings, sent: Settings) -> tuple[str, ...]:
    """What decides an answer, was asked for and not sent."""
    return tuple(sorted(name for name in asked if name in SAMPLING and name not in sent))

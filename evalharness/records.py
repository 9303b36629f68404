"""The records that travel the road: frozen, and importing nothing of ours.

A stage takes records and returns new ones. Nothing writes on a record that exists.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# Keys on disk are promises: these fields keep the names there that they had in version 0.1.0.
KEYS_ON_DISK = {"gold_indices": "gold", "context_per_choice": "given", "tokens_truncated": "cut"}
FIELDS_ON_DISK = {key: name for name, key in KEYS_ON_DISK.items()}

Role = Literal["system", "user", "assistant", "tool"]
Mode = Literal["rank", "write", "letters"]  # `letters`: by the log-probabilities of the first token written
Status = Literal["correct", "wrong", "unparsed", "truncated", "refused", "error", "scored"]
STATUSES: tuple[Status, ...] = ("correct", "wrong", "unparsed", "truncated", "refused", "error", "scored")
# An answer that came but could not be read: not correct, and not known to be wrong.
ResultKey = tuple[str, str, int]  # benchmark, id of the sample, repeat
UNREAD: frozenset[Status] = frozenset({"unparsed", "truncated", "refused"})


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `extra` holds what a chat template may read of it besides: `reasoning_content`, `tool_calls`, ... An assistant
    turn that is not `learned` is read by fine-tuning, never taught.
    """

    role: Role
    content: str
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    learned: bool = True


def message_fields(message: Message) -> dict[str, Any]:
    """A message as a model reads it: role, content, and its `extra` where there is any."""
    return {"role": message.role, "content": message.content, **message.extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question of a benchmark.

    `id` is stable for ever (`abstract_algebra/0`, `HumanEval/3`, SQuAD's qid): comparing runs depends on it.
    `answers` are the accepted texts or reference outputs; with `choices`, `gold_indices` holds the positions of the
    right ones.
    `group` is what macro averages run over (subject, task). `extra` holds whatever else the scorer needs, JSON only.
    """

    id: str = ""
    question: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    gold_indices: tuple[int, ...] = ()
    group: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which question a request asks: for models that look answers up. Never sent, never part of a cache key.

    `repeat` says which of `repeats` answers to it is wanted, `turn` which turn of its conversation.
    """

    id: str
    question: str
    choices: tuple[str, ...] = ()
    group: str = ""
    repeat: int = 0
    repeats: int = 1
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. Given choices, rank them by log-probability; without, write.

    For a model without chat template the contents of the messages are joined and asked byte for byte.
    `context_per_choice`, where present, has one text per choice that stands between the prompt and that choice and is
    read, not scored. `top_logprobs` asks for the n likeliest first tokens, which are the answer where it is to be read
    `by_first_token`, `schema` (a JSON schema) for structured output, where a model can. `template_kwargs` are variables
    for the chat template, `tools` above all.
    """

    messages: tuple[Message, ...]
    choices: tuple[str, ...] = ()
    context_per_choice: tuple[str, ...] = ()
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    top_logprobs: int = 0
    by_first_token: bool = False
    schema: Mapping[str, Any] | None = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The prompt as a model without chat template reads it."""
        return "".join(message.content for message in self.messages)


Finish = Literal["stop", "length", "refused", ""]
IMPOSSIBLE = -sys.float_info.max  # of a choice without any probability: a journal is JSON, which has no infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back: `text` where the model wrote, else per choice `logprobs` (sum over its tokens, natural
    logarithm), `greedy` (every token of the choice was the likeliest) and `lengths` (tokens of the choice).

    `finish` says why writing ended. `tokens_truncated` counts prompt tokens dropped from the left to fit the context.
    `cost` is in US dollars, None when unknown. `error` is set when no answer could be had; then nothing else counts.
    `thinking` is what the model thought before it answered, where that came apart: kept and never scored.
    `reasoning_tokens` are those of `tokens_out` that it thought with, `cached_tokens` those of `tokens_in` that the
    endpoint had read before. `left_out` names what was asked for and not sent, because the endpoint refuses it.
    """

    text: str = ""
    logprobs: tuple[float, ...] = ()
    greedy: tuple[bool, ...] = ()
    lengths: tuple[int, ...] = ()
    top_logprobs: tuple[tuple[str, float], ...] = ()
    finish: Finish = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_truncated: int = 0
    seconds: float = 0.0
    cost: float | None = None
    cached: bool = False
    error: str = ""
    thinking: str = ""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    left_out: tuple[str, ...] = ()


def summed(found: Sequence[Response]) -> dict[str, Any]:
    """The tokens and the cost of several responses, as fields of one; no cost is known where none is of any."""
    names = ("tokens_in", "tokens_out", "reasoning_tokens", "cached_tokens")
    costs = [one.cost for one in found if one.cost is not None]
    return {**{name: sum(getattr(one, name) for one in found) for name in names}, "cost": sum(costs) if costs else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a judge said of one answer. `value` is in [0, 1], larger is better for the answer judged; None = no verdict.

    `order` is AB (the answer judged stood first), BA or '' (not a pair). `status` is ok, unparsable, refused or error.
    """

    judge: str
    kind: Literal["pairwise", "score", "classify"]
    value: float | None
    label: str = ""
    order: Literal["AB", "BA", ""] = ""
    status: Literal["ok", "unparsable", "refused", "error"] = "ok"
    raw: str = ""
    logprobs: tuple[tuple[str, float], ...] = ()
    attempts: int = 1
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    cached: bool = False
    prompt_sha: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a scorer says of one answer: its status, named figures, and the answer as it was read from the text."""

    status: Status
    scores: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of a run: the question, what was asked, what came back, and what it is worth.

    `repeat` counts the answers to one sample (0 unless several were asked for).
    """

    benchmark: str
    sample: Sample
    request: Request
    response: Response
    status: Status
    scores: Mapping[str, float] = field(default_factory=dict)
    answer: str | None = None
    repeat: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    @property
    def key(self) -> ResultKey:
        """What is unique in a run: benchmark, sample and repeat."""
        return self.benchmark, self.sample.id, self.repeat

    @property
    def error(self) -> str:
        """Why it has no score where its status is `error`: no answer came, or what scores could not bear it."""
        return (self.response.error or str(self.detail.get("error", ""))) if self.status == "error" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure over a run with its uncertainty: standard error and 95 % interval, over n items."""

    value: float
    stderr: float
    low: float
    high: float
    n: int


def on_disk(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A record's fields under the keys that they have on disk."""
    return {KEYS_ON_DISK.get(name, name): value for name, value in fields.items()}

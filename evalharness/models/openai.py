"""Any endpoint that speaks the OpenAI protocol (https://platform.openai.com/docs/api-reference): `openai:MODEL`.

`--base-url URL` (or OPENAI_BASE_URL, or `openai:MODEL@URL`) names the endpoint, OPENAI_API_KEY the key; Azure takes
either of its two kinds of address, and AZURE_OPENAI_API_KEY. Chat endpoints write. With `--template none` the model is
asked as a base model through `/completions`; there choices can be ranked by echoed log-probabilities (or by vLLM's
`prompt_logprobs`, or SGLang's own endpoint), and one that does not give them truthfully is refused, never trusted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

from evalharness.clients.http import RequestError
from evalharness.clients.pool import AttemptError
from evalharness.clients.refusal import Refusal
from evalharness.errors import UserError, option_name
from evalharness.model import Requests
from evalharness.models import _refused
from evalharness.models._addresses import place_of
from evalharness.models._batch_api import PRICE, Batches
from evalharness.models._contents import UsedTokens, as_text, count_of, finish_of, said_by, without_thinking
from evalharness.models._endpoint import merged
from evalharness.models._endpoint_fields import endpoint_fields
from evalharness.models._openai_echo import echoed, prompt_scored
from evalharness.models._openai_reply import first_token
from evalharness.models._openai_stream import streamed_reply
from evalharness.models._proven import ProvenEndpoint
from evalharness.models._refused import Settings
from evalharness.models._sglang_native import SGLang
from evalharness.options import EndpointOptions
from evalharness.records import Request, Response
from evalharness.text.visible import line

if TYPE_CHECKING:
    import openai

Options = EndpointOptions
OPENAI = "https://api.openai.com/v1"
_AZURE_KEYS = ("AZURE_OPENAI_API_KEY", "OPENAI_API_KEY")


def _instead() -> str:
    return f"say {option_name('mode', 'write')}"


def open_model(argument: str, options: EndpointOptions) -> OpenAI | SGLang:
    """The model MODEL[@URL]. UserError when the name, the address or the key is missing."""
    model, _, address = argument.partition("@http")
    base = "http" + address if address else options.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if not model:
        raise UserError("openai needs the name of a model: openai:MODEL, such as openai:gpt-4o")
    place = place_of(base, ("/chat/completions", "/completions"))
    if options.concurrency is not None and options.concurrency < 1:
        raise UserError(f"{option_name('concurrency', options.concurrency)}: wanted 1 or more")
    if options.system and options.template == "none":
        raise UserError(f"{option_name('system')} does nothing with {option_name('template', 'none')}: leave one out")
    if options.rank_by != "echo" and (options.template != "none" or options.batch_api):
        beside = (
            f"with {option_name('batch_api')}" if options.batch_api else f"without {option_name('template', 'none')}"
        )
        raise UserError(f"{option_name('rank_by', options.rank_by)} does nothing {beside}")
    known = endpoint_fields(
        options, place, model, keys=_AZURE_KEYS if place.azure else OpenAI.KEYS,
        reserved=("model", "messages", "prompt", "echo", "prompt_logprobs", "text", "sampling_params"),
    )  # fmt: skip
    shared = {
        **known,
        "named_address": bool(address),
        "keyless": place.base != OPENAI,
        "chosen": replace(known["chosen"], rank_by=options.rank_by),
    }
    if options.rank_by == "generate":
        return SGLang(**{**shared, "base_url": place.base.removesuffix("/v1")})
    return OpenAI(**{
        **shared,
        "chat": options.template != "none",
        "priced": known["priced"].times(PRICE if options.batch_api else 1.0),
        "batch_notes": options.batch_notes if options.batch_api else None,
    })  # fmt: skip


@dataclass(kw_only=True)
class OpenAI(ProvenEndpoint):
    """A model that speaks the OpenAI protocol, chat or completions."""

    PLUGIN: ClassVar[str] = "openai"
    KEYS: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)

    echoes: bool = False  # it has scored the tokens of a prompt truthfully
    batch_notes: Path | None = None  # requests are handed in as batches, which are noted here

    @property
    def path(self) -> str:
        return "/chat/completions" if self.chat else "/completions"

    @property
    def first_tokens(self) -> bool:
        return True

    @property
    def _by_echo(self) -> bool:
        return self.chosen.rank_by == "echo"

    @property
    def in_batches(self) -> bool:
        return self.batch_notes is not None

    @property
    def wants_proof(self) -> bool:
        return not self._by_echo

    def _answers(self, requests: Requests) -> Generator[tuple[int, Response], None, None]:
        if self.batch_notes is None:
            yield from super()._answers(requests)
            return
        with self._client(self.retry.attempts) as client:
            yield from Batches(self, client, self.batch_notes).answers(requests)

    def _client(self, retries: int) -> openai.OpenAI:
        """The endpoint by the package openai, which does what is not asked a thousand times: batches and streams."""
        import openai

        return openai.OpenAI(
            api_key=self.key or "none", base_url=self.base_url, default_headers={**self.auth(), **self.headers},
            default_query=dict(parse_qsl(self.query)), timeout=self.retry.deadline, max_retries=retries,
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )  # fmt: skip

    def streamed(self, request: Request, hear: Callable[[str], None]) -> Response:
        """The answer, told while it is written. Where the endpoint refuses that before a word is said, it is asked as
        always: what it refuses is learned there, and it is tried again."""
        import openai

        asked = self.settings(request)
        sent = _refused.adapted(asked, self.refused)
        told, end = False, time.monotonic() + self.retry.deadline

        def note(piece: str) -> None:
            nonlocal told
            told = True
            if time.monotonic() > end:  # the client's own limit is one of each piece
                raise TimeoutError(f"the answer took longer than {self.retry.deadline:g} s")
            hear(piece)

        try:
            with self._client(0) as client:
                body = {**self.body(request, sent), "stream": True}
                chunks = client.post(
                    self.path, cast_to=openai.BaseModel, body=body, stream=True,
                    stream_cls=openai.Stream[openai.BaseModel],
                )  # fmt: skip
                with chunks:
                    content = streamed_reply(chunks, note, chat=self.chat)
            if content["choices"][0]["finish_reason"]:
                return self.whole(request, content, asked, sent)
            if told:
                return Response(error="the endpoint broke the answer off")
        except Exception as error:  # of the endpoint, the package, or the HTTP library that this brings
            if told:
                return Response(error=self.clean(str(error)))
        return next(response for _, response in self.answer([request]))

    def auth(self) -> Mapping[str, str]:
        if not self.key:
            return {}
        return {"api-key": self.key} if self.place.azure else {"Authorization": f"Bearer {self.key}"}

    def settings(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {"temperature": request.temperature, "max_tokens": request.max_tokens}
        if request.choices:  # max_tokens=1: some servers take 0 for no limit
            if self.chat:
                raise UserError(
                    f"a chat endpoint cannot rank choices; say {option_name('mode', 'write')}, or "
                    f"{option_name('template', 'none')} for /completions"
                )
            scored = {"echo": True, "logprobs": 1} if self._by_echo else {"prompt_logprobs": 1}
            return {"max_tokens": 1, **scored, "temperature": 0}
        if request.stop:
            found["stop"] = list(request.stop)
        if request.top_p != 1.0:
            found["top_p"] = request.top_p
        if self.chosen.top_k is not None:
            found["top_k"] = self.chosen.top_k
        if request.temperature > 0:
            found["seed"] = request.seed
        if request.top_logprobs:
            found |= {"logprobs": True, "top_logprobs": request.top_logprobs} if self.chat else {
                "logprobs": request.top_logprobs
            }  # fmt: skip
        if self.chat and request.schema is not None:
            wanted = {"name": "reply", "strict": True, "schema": dict(request.schema)}
            found["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return found

    def body(self, request: Request, settings: Settings) -> dict[str, Any]:
        said: dict[str, Any] = {"model": self.model, **settings}
        if self.chosen.reasoning_effort:
            said["reasoning_effort"] = self.chosen.reasoning_effort
        if self.chat:
            said["messages"] = [{"role": m.role, "content": m.content} for m in self.messages(request)]
        else:
            given = (*request.context_per_choice, *request.choices)
            said["prompt"] = request.text + "".join(given)
        return merged(said, self.chosen.extra)

    def sort_out(self, no: Refusal) -> Any:
        by = self.chosen.rank_by
        refused = no.status in (400, 422) or (
            no.status == 500 and "support" in no.message
        )  # llama.cpp's server says 500
        if not self.chat and not self.echoes and refused and by in no.message:
            does = "echo prompts" if self._by_echo else f"take {by}"
            raise UserError(
                f"this endpoint does not {does} ({self.clean(no.message)}), so it cannot rank choices; say "
                f"{option_name('mode', 'write')}"
            )
        if not self.proven and no.status in (400, 422) and "logprobs" in no.message:
            raise UserError(
                f"{self.name} gives no log-probabilities of first tokens ({self.clean(no.message)}); {_instead()}"
            )
        super().sort_out(no)

    def read(self, request: Request, content: Mapping[str, Any]) -> Response:
        choice, usage = self._choice(content), self.usage(content.get("usage"))
        if request.choices:
            return self._ranked(request, choice, usage)
        finish = finish_of(choice.get("finish_reason"))
        if not self.chat:
            text = as_text(choice.get("text"), "text")
            return Response(text=text, finish=finish, top_logprobs=first_token(choice.get("logprobs")), **usage)
        tops = first_token(choice.get("logprobs"))
        if request.by_first_token and not (tops or self.proven or finish == "refused"):
            raise UserError(f"{self.name} gives no log-probabilities of first tokens; {_instead()}")
        message = choice.get("message")
        if message is None and finish == "refused":  # Gemini's own endpoint of this protocol says no more
            return Response(finish=finish, **usage)
        if not isinstance(message, dict):
            raise RequestError(f"the reply's message is no object: {line(repr(message), 60)}")
        said = said_by(message.get("content"))
        thought = as_text(message.get("reasoning_content"), "reasoning_content")
        thought = thought or as_text(message.get("reasoning"), "reasoning")
        said = without_thinking(said._replace(thinking=thought + said.thinking) if thought else said)
        if refusal := as_text(message.get("refusal"), "refusal") or said.refusal:
            said, finish = said._replace(text=refusal), "refused"
        if finish == "stop" and not (said.text or said.thinking) and _took_nothing(content.get("usage")):
            raise AttemptError("the reply holds no answer: no text, and by its usage nothing was read or written")
        return Response(
            text=said.text, thinking=said.thinking, finish=finish, top_logprobs=tops, **usage,
        )  # fmt: skip

    def _choice(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The first choice. AttemptError where there is none: an endpoint that is busy may have one next time."""
        choices = content.get("choices")
        if choices and not (isinstance(choices, list) and isinstance(choices[0], dict)):
            raise RequestError(f"the reply's choices are odd: {line(repr(choices), 60)}")
        if not choices:
            said = Refusal(200, {}, content).message if content.get("error") else line(repr(dict(content)), 120)
            raise AttemptError(f"the reply holds no answer: {self.clean(said)}")
        found: dict[str, Any] = choices[0]
        if found.get("error") and found.get("finish_reason") in (None, "", "error"):  # a gateway that lost its provider
            raise AttemptError(f"the endpoint broke the answer off: {self.clean(Refusal(200, {}, found).message)}")
        return found

    def tokens(self, usage: Mapping[str, Any]) -> UsedTokens:
        return UsedTokens(
            tokens_in=count_of(usage, "prompt_tokens"),
            tokens_out=count_of(usage, "completion_tokens"),
            reasoning_tokens=count_of(usage, "completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
            cached_tokens=count_of(usage, "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens"),
        )

    def _ranked(self, request: Request, choice: Mapping[str, Any], usage: Mapping[str, Any]) -> Response:
        """The choice's score behind the prompt. An endpoint that never scored a prompt truthfully ends the run."""
        try:
            context = request.text + "".join(request.context_per_choice)
            read = echoed if self._by_echo else prompt_scored
            logprob, greedy, length = read(choice, context, request.choices[0])
        except UserError as error:
            if self.echoes:
                raise RequestError(str(error)) from None
            raise
        self.echoes = True
        return Response(logprobs=(logprob,), greedy=(greedy,), lengths=(length,), **usage)


def _took_nothing(told: Any) -> bool:
    """Whether a reply says that no token was read and none written: so gateways pass on that a provider failed."""
    return isinstance(told, dict) and told.get("prompt_tokens") == told.get("completion_tokens") == 0

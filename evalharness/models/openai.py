"""Any endpoint that speaks the OpenAI protocol (https://platform.openai.com/docs/api-reference): `openai:MODEL`.

`--base-url URL` (or OPENAI_BASE_URL, or `openai:MODEL@URL`) names the endpoint, OPENAI_API_KEY the key. Chat endpoints
write. With `--template none` the model is asked as a base model through `/completions`; there choices can be ranked by
echoed log-probabilities, and an endpoint that does not echo them truthfully is refused, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from evalharness.clients.pool import AttemptError, Retry, Send, answers
from evalharness.data.files import json_value
from evalharness.data.typed import number
from evalharness.errors import UserError, option_name
from evalharness.model import Preview, Requests
from evalharness.models._choices import by_choice
from evalharness.options import EndpointOptions
from evalharness.records import Finish, Request, Response

if TYPE_CHECKING:
    import aiohttp

Options = EndpointOptions
OPENAI = "https://api.openai.com/v1"
_TIMEOUT = 600.0  # seconds for one attempt: a long answer of a slow local server must fit
FINISHES: Mapping[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "refused", "tool_calls": "stop"}


def open_model(argument: str, options: EndpointOptions) -> OpenAI:
    """The model MODEL[@URL]. UserError when the name, the address or the key is missing."""
    model, _, address = argument.partition("@http")
    base = "http" + address if address else options.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if not model:
        raise UserError("openai needs the name of a model: openai:MODEL, such as openai:gpt-4o")
    if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise UserError(f"{option_name('base_url', _public(base))}: wanted an address such as http://localhost:8000/v1")
    if options.concurrency < 1:
        raise UserError(f"{option_name('concurrency', options.concurrency)}: wanted 1 or more")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and base == OPENAI:
        raise UserError(
            f"{OPENAI} wants a key: set OPENAI_API_KEY, or say {option_name('base_url')} for another endpoint"
        )
    if not (key.isascii() and key.isprintable()):
        raise UserError("OPENAI_API_KEY holds characters that no key has; copy it again")
    known = options.price_in is not None and options.price_out is not None
    return OpenAI(
        model=model,
        base_url=base.rstrip("/"),
        named_address=bool(address),
        key=key,
        chat=options.template != "none",
        workers=options.concurrency,
        prices=(options.price_in or 0.0, options.price_out or 0.0) if known else None,
    )


@dataclass(kw_only=True)
class OpenAI:
    """A model behind an endpoint. `retry` bounds the attempts; `retries` counts those that were needed."""

    model: str
    base_url: str
    named_address: bool = False  # the user wrote MODEL@URL: then the address is part of the name
    key: str = field(default="", repr=False)
    chat: bool = True
    workers: int = 16
    prices: tuple[float, float] | None = None
    remote: bool = True
    retry: Retry = field(default_factory=Retry)
    retries: int = 0
    served: set[str] = field(default_factory=set)
    limit_name: str = "max_tokens"
    proven: bool = False  # an answer has come: the address, the key and the model's name are right

    @property
    def name(self) -> str:
        return f"openai:{self.model}" + (f"@{_public(self.base_url)}" if self.named_address else "")

    @property
    def ranks(self) -> bool:
        return not self.chat

    @property
    def path(self) -> str:
        return "/chat/completions" if self.chat else "/completions"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.base_url}{self.path}\n{self.model}".encode()).hexdigest()

    def describe(self) -> Mapping[str, Any]:
        return {
            "plugin": "openai",
            "base_url": _public(self.base_url),
            "endpoint": self.path,
            "model": self.model,
            "served": sorted(self.served),
            "retries": self.retries,
        }

    def preview(self, request: Request) -> Preview:
        if self.chat:
            return Preview(text="\n\n".join(f"[{m.role}]\n{m.content}" for m in request.messages))
        return Preview(text=request.text)

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        yield from by_choice(
            Requests.of(requests), lambda parts: answers(parts, self._connect, self.workers, self.retry)
        )

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Send]:
        import aiohttp

        headers = {"Content-Type": "application/json", "User-Agent": "evalharness"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the workers are the limit
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
            headers=headers,
            trust_env=bool(getproxies()),  # asked for once: aiohttp would look for proxies at every request
        ) as session:

            async def send(request: Request) -> Response:
                started = time.monotonic()
                try:
                    if request.choices:
                        return await self._rank(session, request, started)
                    return self._written(await self._post(session, self._body(request)), started)
                except AttemptError:
                    self.retries += 1
                    raise
                except RequestError as error:
                    return Response(error=str(error), seconds=time.monotonic() - started)
                except FilteredError:
                    return Response(finish="refused", seconds=time.monotonic() - started)

            yield send

    def _body(self, request: Request) -> dict[str, Any]:
        """What is sent for a request to write; nothing that was not asked for."""
        body: dict[str, Any] = {"model": self.model, "temperature": request.temperature}
        body[self.limit_name] = request.max_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        if request.top_p != 1.0:
            body["top_p"] = request.top_p
        if request.temperature > 0:
            body["seed"] = request.seed
        if not self.chat:
            return body | {"prompt": request.text} | ({"logprobs": n} if (n := request.top_logprobs) else {})
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.schema is not None:
            wanted = {"name": "reply", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    async def _post(self, session: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
        """One attempt. Returns the first choice, the reply's `usage` beside it."""
        import aiohttp

        try:
            async with session.post(self.base_url + self.path, data=_encoded(body)) as reply:
                raw, status, headers = await _body(reply), reply.status, reply.headers
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            if not self.proven:
                raise UserError(
                    f"{_public(self.base_url)} cannot be reached ({self._clean(str(error))}); "
                    f"is the server up, and {option_name('base_url')} right?"
                ) from None
            raise AttemptError(f"the endpoint cannot be reached: {self._clean(str(error))}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AttemptError(f"the connection failed: {self._clean(str(error)) or type(error).__name__}") from None
        try:
            content = json_value(raw)  # not orjson: it refuses an escaped lone surrogate
        except ValueError:
            content = {"error": {"message": raw[:200].decode("utf-8", "replace")}}
        if status != 200:
            return await self._refused(session, body, _Refusal(status, headers, content))
        choices = content.get("choices") if isinstance(content, dict) else None
        if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
            raise AttemptError(f"the reply holds no answer: {self._clean(raw[:120].decode('utf-8', 'replace'))}")
        self.proven = True
        self.served.add(str(content.get("model") or self.model))
        usage = content.get("usage")
        return {**choices[0], "usage": usage if isinstance(usage, dict) else {}}

    async def _refused(self, session: aiohttp.ClientSession, body: dict[str, Any], no: _Refusal) -> dict[str, Any]:
        """Sort out what a status other than 200 means: nothing works, try again, or this request never will."""
        said = self._clean(no.message)
        where = _public(self.base_url)
        if no.status in (401, 403) and (no.status == 401 or not self.proven):
            have = "the key in OPENAI_API_KEY is not accepted" if self.key else "it wants a key: set OPENAI_API_KEY"
            raise UserError(f"{where} refuses access ({no.status}: {said}); {have}")
        if not self.proven and (no.status == 404 or (no.status == 400 and _UNKNOWN_MODEL.search(said))):
            raise UserError(
                f"{where}{self.path} knows no model {self.model!r} ({no.status}: {said}); "
                "`curl BASE_URL/models` lists what there is"
            )
        if no.code == "insufficient_quota":
            raise UserError(f"{where}: the account has no money left ({said})")
        if no.status in (408, 409, 425, 429) or no.status >= 500:
            raise AttemptError(f"{no.status}: {said}", wait=no.retry_after(), crowded=no.status in (429, 503, 529))
        if no.status == 400 and self.limit_name in body and "max_completion_tokens" in said:
            # Newer models of OpenAI know the same limit under this name only.
            self.limit_name = "max_completion_tokens"
            renamed = {("max_completion_tokens" if k == "max_tokens" else k): v for k, v in body.items()}
            if renamed != body:
                return await self._post(session, renamed)
        if no.code == "content_filter":
            raise FilteredError
        if (
            not self.proven
            and no.code in ("unsupported_value", "unsupported_parameter")
            and "response_format" not in said
        ):
            raise UserError(f"{where}: {self.model} cannot be asked this way ({no.status}: {said})")
        raise RequestError(f"{no.status}: {said}")

    def _written(self, choice: dict[str, Any], started: float) -> Response:
        message = found if isinstance(found := choice.get("message"), dict) else {}
        text = message.get("content") if self.chat else choice.get("text")
        finish = FINISHES.get(str(choice.get("finish_reason") or ""), "")
        if self.chat and isinstance(refusal := message.get("refusal"), str) and refusal:
            text, finish = refusal, "refused"
        return Response(
            text=text if isinstance(text, str) else "",
            finish=finish,
            top_logprobs=_first_token(choice.get("logprobs")),
            seconds=time.monotonic() - started,
            **self._usage(choice["usage"]),
        )

    def _usage(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        tokens_in, tokens_out = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
        cost = None
        if self.prices is not None:
            cost = (tokens_in * self.prices[0] + tokens_out * self.prices[1]) / 1e6
        return {"tokens_in": tokens_in, "tokens_out": tokens_out, "cost": cost}

    async def _rank(self, session: aiohttp.ClientSession, request: Request, started: float) -> Response:
        """Score one choice by echoing it after the prompt (max_tokens=1: some servers take 0 for no limit)."""
        if self.chat:
            raise UserError(
                f"a chat endpoint cannot rank choices; say {option_name('mode', 'write')}, or "
                f"{option_name('template', 'none')} for /completions"
            )
        context, (choice,) = request.text + "".join(request.context_per_choice), request.choices
        body = {"model": self.model, "prompt": context + choice, "max_tokens": 1}
        reply = await self._post(session, body | {"echo": True, "logprobs": 1, "temperature": 0})
        logprob, greedy, length = _echoed(reply, context, choice)
        return Response(
            logprobs=(logprob,), greedy=(greedy,), lengths=(length,), seconds=time.monotonic() - started,
            **self._usage(reply["usage"]),
        )  # fmt: skip

    def _clean(self, text: str) -> str:
        """The first line of what an endpoint said, without anything that looks like a key."""
        line = " ".join(text.split())[:300]
        line = line.replace(self.key, "[key]") if self.key else line
        return re.sub(r"\bsk-[\w*-]{4,}|(?i:bearer)\s+\S+", "[key]", line)


LARGEST_REPLY = 64 << 20  # bytes: an answer of a million tokens with all its log-probabilities has less


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    """The reply's body. AttemptError for one that is larger than any answer, as soon as that is known."""
    pieces, size = [], 0
    async for piece in reply.content.iter_chunked(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_REPLY:
            raise RequestError(f"the reply has more than {LARGEST_REPLY >> 20} MiB")
    return b"".join(pieces)


def _count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens; 0 for what is none."""
    found = usage.get(name)
    return found if type(found) is int and 0 <= found < 1 << 53 else 0


class RequestError(Exception):
    """This request will never be answered; others may."""


class FilteredError(Exception):
    """The provider's content filter refused the prompt."""


_UNKNOWN_MODEL = re.compile(r"model.{0,80}(does not exist|not found|unknown|invalid)|invalid model", re.IGNORECASE)


@dataclass(frozen=True)
class _Refusal:
    status: int
    headers: Mapping[str, str]
    content: Any

    @property
    def error(self) -> Mapping[str, Any]:
        found = self.content.get("error", self.content) if isinstance(self.content, dict) else {}
        return found if isinstance(found, dict) else {"message": str(found)}

    @property
    def message(self) -> str:
        return str(self.error.get("message") or self.error.get("detail") or "no reason given")

    @property
    def code(self) -> str:
        return str(self.error.get("code") or self.error.get("type") or "")

    def retry_after(self) -> float | None:
        """Seconds that the endpoint asks to wait: a number, or a date (RFC 9110, 10.2.3)."""
        from email.utils import parsedate_to_datetime

        asked = self.headers.get("Retry-After", "")
        if re.fullmatch(r"\d+(\.\d+)?", asked):
            return float(asked)
        try:
            return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None


ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError)  # what reading an odd reply raises


def _encoded(body: Mapping[str, Any]) -> bytes:
    """JSON; lone surrogates, which a model's answer may hold and UTF-8 may not, as escapes."""
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode("ascii")


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """The likeliest first tokens in either protocol's shape; empty where the endpoint sent none, or something odd."""
    try:
        content = logprobs.get("content")
        if isinstance(content, list):
            tops = content[0].get("top_logprobs") if content else None
            return tuple((str(t["token"]), float(number(t["logprob"]))) for t in tops or () if t["logprob"] is not None)
        return tuple((str(token), float(number(value))) for token, value in logprobs["top_logprobs"][0].items())
    except ODD:
        return ()


def _echoed(reply: Mapping[str, Any], context: str, choice: str) -> tuple[float, bool, int]:
    """Sum of the choice's token log-probabilities, whether each was the likeliest, and their number.

    Raises UserError where the echo is missing or lacks the generated token: such servers score each token with its
    neighbour's logits (llama-cpp-python without BOS does; transformers serve ignores echo without a word).
    """
    try:
        found = reply.get("logprobs") or {}
        tokens, values = found.get("tokens") or [], found.get("token_logprobs") or []
        offsets, tops = found.get("text_offset") or [], found.get("top_logprobs") or [None] * len(tokens)
        whole = len(context) + len(choice)
        honest = tokens and len(tokens) == len(values) == len(offsets) and offsets[-1] >= whole
        held = [i for i in range(len(tokens) - 1) if honest and offsets[i + 1] > len(context) and values[i] is not None]
        greedy = all(number(values[i]) >= max(tops[i].values()) - 1e-9 for i in held if tops[i])
        total = float(sum(number(values[i]) for i in held))
    except ODD:
        held = []
    if not held:
        raise UserError(
            "this endpoint does not echo log-probabilities truthfully, so it cannot rank choices; say "
            f"{option_name('mode', 'write')}"
        )
    return total, greedy, len(held)


def _public(url: str) -> str:
    """An address without user name, password and query, fit for logs and manifests."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else url

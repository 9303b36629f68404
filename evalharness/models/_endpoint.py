"""What all endpoints have in common: sending, attempts, refusals, what was learned of them, and what it is said by.

A plug-in says where requests go (`path`), what they hold (`settings`, `body`) and how a reply is read (`read`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, urlsplit

from evalharness.clients.http import (
    BrokenConnectionError,
    FilteredError,
    HttpReply,
    RequestError,
    Transport,
    UnreachableError,
    encoded,
)
from evalharness.clients.pacing import Pace, RateCaps, pace_of
from evalharness.clients.pool import AttemptError, Retry, Send, answers
from evalharness.clients.refusal import QUOTAS, Refusal, quota_reset, status_within
from evalharness.clients.session import http_session
from evalharness.errors import UserError, option_name
from evalharness.events import warn
from evalharness.model import Preview, Requests
from evalharness.models import _refused
from evalharness.models._addresses import Place, public
from evalharness.models._choices import by_choice
from evalharness.models._chosen import Chosen
from evalharness.models._contents import UsedTokens
from evalharness.models._prices import Prices
from evalharness.models._refused import Settings
from evalharness.records import Message, Request, Response
from evalharness.text.stops import cut_at_stop
from evalharness.text.visible import line

_MOST_SERVED = 16  # names under which an endpoint says that it serves; one that makes them up fills no manifest
_UNKNOWN_MODEL = re.compile(r"model.{0,80}(does not exist|not found|unknown|invalid)|invalid model", re.IGNORECASE)
_NO_MONEY = re.compile(r"credit balance is too low|insufficient balance", re.IGNORECASE)
_BAD_KEY = re.compile(r"API[ _]key (not valid|expired|not found)", re.IGNORECASE)
_VERSION = re.compile(r"/v\d")
_AUTHORISING = {"authorization", "api-key", "x-api-key", "x-goog-api-key"}
_MOST_CHANGES = 12  # of one request's body: each leaves out, renames or shortens one of its settings


@dataclass(kw_only=True)
class Endpoint:
    """A model behind an endpoint. `retry` bounds the attempts; `retries` counts those that were needed."""

    PLUGIN: ClassVar[str] = ""
    KEYS: ClassVar[tuple[str, ...]] = ()  # the variables that a key is looked for in

    model: str
    base_url: str
    query: str = field(default="", repr=False)
    named_address: bool = False  # the user wrote MODEL@URL: then the address is part of the name
    key: str = field(default="", repr=False)
    keyless: bool = True  # it may answer without a key
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    chosen: Chosen = field(default_factory=Chosen)
    chat: bool = True
    workers: int = 16  # requests in flight at most
    start: int | None = None  # so many at first, where they may become more as long as that is worth it
    caps: RateCaps = field(default_factory=RateCaps)
    priced: Prices = field(default_factory=Prices)
    remote: bool = True
    retry: Retry = field(default_factory=Retry)
    retries: int = 0
    served: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)  # parameters that it does not take, and what is done about it
    proven: bool = False  # an answer has come: the address, the key and the model's name are right
    pace: Pace = field(init=False, repr=False)  # that of the host: what was learned in one `answer` holds for the next
    _untold: list[str] = field(default_factory=list, repr=False)  # warnings that the caller's thread is to give

    def __post_init__(self) -> None:
        host = urlsplit(self.base_url).netloc.lower()
        self.pace = pace_of(host, self.start or self.workers, self.workers, self.caps)

    def check(self) -> None:
        """UserError where it cannot be asked, for want of a key."""
        if not self.key and not self.keyless:
            another = f"or say {option_name('base_url')} for another endpoint"
            raise UserError(f"{self.base_url} wants a key: set {self.KEYS[0]}, {another}")

    @property
    def prices(self) -> tuple[float, float] | None:
        return self.priced.each

    @property
    def name(self) -> str:
        return f"{self.PLUGIN}:{self.model}" + (f"@{public(self.base_url)}" if self.named_address else "")

    @property
    def ranks(self) -> bool:
        return not self.chat

    @property
    def path(self) -> str:
        """What follows the base address."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        where, said = f"{self.base_url}{self.path}\n{self.model}", self.chosen.said
        more = f"\n{json.dumps(said, sort_keys=True)}" if said else ""
        return hashlib.sha256((where + more).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def place(self) -> Place:
        return Place(base=self.base_url, query=self.query)

    def describe(self) -> Mapping[str, Any]:
        return {
            "plugin": self.PLUGIN,
            "base_url": public(self.base_url),
            "endpoint": self.path,
            "model": self.model,
            "served": sorted(self.served),
            "retries": self.retries,
            **self.chosen.shown,
            **({"prices": [*self.prices, self.priced.source]} if self.prices and self.priced.source else {}),
            **({"refused_parameters": dict(sorted(self.refused.items()))} if self.refused else {}),
        }

    def preview(self, request: Request) -> Preview:
        if self.chat:
            return Preview(text="\n\n".join(f"[{m.role}]\n{m.content}" for m in self.messages(request)))
        return Preview(text=request.text)

    def messages(self, request: Request) -> tuple[Message, ...]:
        """The conversation as it is sent: the user's system prompt before everything else, in one system message."""
        if not self.chosen.system:
            return request.messages
        first, rest = self.chosen.system, request.messages
        if rest and rest[0].role == "system":
            first, rest = f"{first}\n\n{rest[0].content}", rest[1:]
        return (Message("system", first), *rest)

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for item in by_choice(Requests.of(requests), self._answers):
            self._tell()
            yield item
        self._tell()

    def _answers(self, requests: Requests) -> Generator[tuple[int, Response], None, None]:
        return answers(requests, self._connect, self.pace, self.retry, self.workers)

    def _tell(self) -> None:
        """Warnings are given here: the network's thread does not know who listens."""
        while self._untold:
            warn(self._untold.pop(0))

    def auth(self) -> Mapping[str, str]:
        """The headers that say who asks."""
        raise NotImplementedError

    def settings(self, request: Request) -> dict[str, Any]:
        """What was chosen of how to answer, under the endpoint's own names; nothing that was not asked for."""
        raise NotImplementedError

    def body(self, request: Request, settings: Settings) -> dict[str, Any]:
        """What is sent."""
        raise NotImplementedError

    def read(self, request: Request, content: Mapping[str, Any]) -> Response:
        """The answer in a reply. AttemptError, RequestError or FilteredError where it holds none."""
        raise NotImplementedError

    def tokens(self, usage: Mapping[str, Any]) -> UsedTokens:
        """What the reply says of its tokens. RequestError where a count is no number."""
        raise NotImplementedError

    def usage(self, said: Any) -> dict[str, Any]:
        """Tokens and their cost, as fields of a `Response`; what was not counted has no price."""
        if not isinstance(said, dict | None):
            raise RequestError(f"the reply's usage is no object: {line(repr(said), 60)}")
        used = self.tokens(said or {})
        return {**used._asdict(), "cost": None if said is None else self.cost_of(used.tokens_in, used.tokens_out)}

    def _session(self, seconds: float) -> AbstractAsyncContextManager[Transport]:
        own = {name.lower() for name in self.headers}  # a header has one name, whatever its capitals
        auth = {name: value for name, value in self.auth().items() if name.lower() not in own}
        return http_session(self.place.url(self.path), {**auth, **self.headers}, seconds)

    def anew(self, model: str | None = None) -> Endpoint:
        return replace(self, model=model or self.model, refused={}, served=set(), retries=0, proven=False)

    def post_once(self, request: Request, more: Mapping[str, Any], seconds: float) -> tuple[int, str]:
        async def once() -> HttpReply:
            async with self._session(seconds) as transport:
                asked = _refused.adapted(self.settings(request), self.refused)
                return await self._post(transport, {**self.body(request, asked), **more})

        try:
            reply = asyncio.run(once())
        except (AttemptError, RequestError) as error:
            raise UserError(f"{public(self.base_url)}: {self.clean(str(error))}") from None
        return reply.status, reply.raw

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Send]:
        async with self._session(self.retry.deadline) as transport:

            async def send(request: Request) -> Response:
                started = time.monotonic()
                try:
                    found = await self.ask(transport, request)
                except AttemptError:
                    self.retries += 1
                    raise
                except RequestError as error:
                    found = Response(error=self.clean(str(error)))
                except FilteredError:
                    found = Response(finish="refused")
                # It was made just now and nobody else has it; a copy would take a tenth of a request's time.
                object.__setattr__(found, "seconds", time.monotonic() - started)
                return found

            yield send

    async def ask(self, transport: Transport, request: Request) -> Response:
        """One attempt, and as many more at once as parameters are refused."""
        asked = self.settings(request)
        sent, content = await self.exchange(transport, request, asked)
        return self.whole(request, content, asked, sent)

    def whole(self, request: Request, content: Mapping[str, Any], asked: Settings, sent: Settings) -> Response:
        """The answer in a reply to what was sent in place of what was asked."""
        found = self.read(request, content)
        self.proven = True
        # Cut here too: an endpoint may refuse some of the texts to stop at, or look for none after it has thought.
        text = cut_at_stop(found.text, request.stop)
        if len(text) < len(found.text) and found.finish != "refused":
            found = replace(found, text=text, finish="stop")
        missing = _refused.left_out(asked, sent)
        return replace(found, left_out=missing) if missing else found

    async def exchange(
        self, transport: Transport, request: Request, asked: Settings
    ) -> tuple[Settings, dict[str, Any]]:
        """The settings that were sent in the end, and the reply to them."""
        needed = _refused.NEEDED if request.by_first_token else frozenset()
        learned = {name: done for name, done in self.refused.items() if name not in needed or done != "left out"}
        sent: Settings = _refused.adapted(asked, learned)
        for _ in range(_MOST_CHANGES):
            reply = await self._post(transport, self.body(request, sent))
            content = reply.content()
            status = reply.status if reply.status != 200 else status_within(content) or 200
            if status == 200:
                self._heed(reply)
                return sent, self._answer(reply, content)
            no = Refusal(status, reply.headers, content if content is not None else _plain(reply))
            name = _refused.blamed(no, sent)
            done = _refused.what_is_done(name, no, sent) if name else ""
            if not name or (name in needed and done == "left out"):
                self.sort_out(no)
            sent = _refused.adapted(sent, {name: done})
            self._learn(name, done, no)
        raise RequestError("the endpoint refuses one parameter after the other")

    def _heed(self, reply: HttpReply) -> None:
        """An answer may say that no other is to be had for a while. What is longer than our patience is not heeded."""
        for name in QUOTAS:
            if name in reply.headers and 0.0 < (rest := quota_reset(reply.headers) or 0.0) <= self.retry.patience:
                self.pace.rest(rest)

    def _learn(self, name: str, done: str, no: Refusal) -> None:
        """For the requests that are sent from now on."""
        if self.refused.get(name) in (done, "left out"):
            return
        self.refused[name] = done
        self._untold.append(
            f"{self.name} refuses {name} ({self.clean(no.message)}): from now on it is {done}; the manifest says so"
        )

    async def _post(self, transport: Transport, body: Mapping[str, Any]) -> HttpReply:
        try:
            return await transport.post(encoded(body))
        except UnreachableError as error:
            if not self.proven:
                raise UserError(
                    f"{public(self.base_url)} cannot be reached ({self.clean(str(error))}); "
                    f"is the server up, and {option_name('base_url')} right?"
                ) from None
            raise AttemptError(f"the endpoint cannot be reached: {self.clean(str(error))}", overloaded=True) from None
        except BrokenConnectionError as error:
            said = f"the connection failed: {self.clean(str(error))}"
            raise AttemptError(said, overloaded=error.late, at_once=error.stale) from None

    def _answer(self, reply: HttpReply, content: Any) -> dict[str, Any]:
        """The object of a reply that claims to hold an answer."""
        if not isinstance(content, dict):
            if not self.proven and reply.raw.lstrip()[:1] == "<" and (hint := self._version_hint()):
                raise UserError(f"{public(self.base_url)}{self.path} is a page for people, no endpoint; {hint}")
            raise AttemptError(f"the reply holds no answer: {self.clean(reply.raw)[:120] or 'it is empty'}")
        served = content.get("model") or content.get("modelVersion")
        if isinstance(served, str) and served not in self.served and len(self.served) < _MOST_SERVED:
            self.served.add(line(served, 100))
        return content

    def sort_out(self, no: Refusal) -> NoReturn:
        """What a status other than 200 means: nothing works, try again, or this request never will."""
        said = self.clean(no.message)
        where = public(self.base_url)
        if 300 <= no.status < 400:
            self._never(
                f"{where} sends elsewhere ({no.status}, to {self.clean(public(no.headers.get('Location', '?')))}); "
                f"no redirect is followed: {option_name('base_url')} wants the address itself"
            )
        if no.filtered:
            raise FilteredError
        bad_key = no.status == 401 or (no.status == 400 and _BAD_KEY.search(said) is not None)
        if bad_key or (no.status == 403 and not self.proven):
            raise UserError(f"{where} refuses access ({no.status}: {said}); {self._who_asked()}")
        if not self.proven and (no.status == 404 or (no.status == 400 and _UNKNOWN_MODEL.search(said))):
            raise UserError(
                f"{where}{self.path} knows no model {self.model!r} ({no.status}: {said}); "
                + (self._version_hint() or f"`curl {where}/models` lists what there is")
            )
        if not self.proven and no.status in (405, 501) and (hint := self._version_hint()):
            raise UserError(f"{where}{self.path} takes no such request ({no.status}: {said}); {hint}")
        if no.code == "insufficient_quota" or no.status == 402 or _NO_MONEY.search(said):
            raise UserError(f"{where}: the account has no money left ({said})")
        if no.status in (408, 409, 425, 429) or no.status >= 500:
            crowded = no.status in (429, 503, 529)
            raise AttemptError(f"{no.status}: {said}", wait=no.wait(), crowded=crowded, overloaded=no.status >= 500)
        if (
            not self.proven
            and no.code in ("unsupported_value", "unsupported_parameter")
            and "response_format" not in said
        ):
            raise UserError(f"{where}: {self.model} cannot be asked this way ({no.status}: {said})")
        raise RequestError(f"{no.status}: {said}")

    def _who_asked(self) -> str:
        """By what an endpoint that refuses access was told who asks."""
        if {name.lower() for name in self.headers} & _AUTHORISING:
            return f"the user name and password in the address, or {option_name('header')}, are not accepted"
        keys = " or ".join(self.KEYS)
        return f"the key in {keys} is not accepted" if self.key else f"it wants a key: set {keys}"

    def _version_hint(self) -> str:
        """What to try where the address has no version in its path; '' where it has one."""
        where = public(self.base_url)
        if self.place.azure or _VERSION.search(urlsplit(where).path):
            return ""
        return f"the address usually ends in /v1: {option_name('base_url', f'{where}/v1')}"

    def _never(self, said: str) -> NoReturn:
        """The run ends where nothing was ever answered; later it is this request alone."""
        raise RequestError(said) if self.proven else UserError(said)

    def cost_of(self, tokens_in: int, tokens_out: int) -> float | None:
        if self.prices is None:
            return None
        return (tokens_in * self.prices[0] + tokens_out * self.prices[1]) / 1e6

    def clean(self, text: str) -> str:
        """What an endpoint said as one printable line, without anything that looks like a key."""
        text = text[:4000]
        for secret in (self.key, *self.secrets, *self.headers.values(), *self.chosen.secrets):
            if len(secret) > 3:
                text = text.replace(secret, "[key]").replace(quote(secret, safe=""), "[key]")
        return line(re.sub(r"\bsk-[\w*-]{4,}|\bAIza[\w-]{10,}|(?i:bearer)\s+\S+", "[key]", text), 300)


def _plain(reply: HttpReply) -> Mapping[str, Any]:
    """An error that is no JSON, such as a gateway's page."""
    return {"error": {"message": reply.raw}}


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """A body with further fields; objects that both have are put together."""
    found = dict(body)
    for name, value in extra.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = merged(found[name], value) if both else value
    return found

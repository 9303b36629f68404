"""Claude through the messages API (https://docs.anthropic.com/en/api/messages): `anthropic:MODEL`.

The key is in ANTHROPIC_API_KEY; `--base-url` (or ANTHROPIC_BASE_URL) names another address that speaks the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalharness.clients.http import RequestError
from evalharness.clients.pool import AttemptError
from evalharness.errors import UserError
from evalharness.models._addresses import place_of
from evalharness.models._contents import UsedTokens, count_of, finish_of, said_by
from evalharness.models._endpoint import Endpoint, merged
from evalharness.models._endpoint_fields import endpoint_fields
from evalharness.models._refused import Settings
from evalharness.options import ApiOptions
from evalharness.records import Request, Response
from evalharness.text.visible import line

Options = ApiOptions
ANTHROPIC = "https://api.anthropic.com/v1"
_VERSION = "2023-06-01"


def open_model(argument: str, options: ApiOptions) -> Anthropic:
    """The model of this name. UserError when the name, the address or the key is missing."""
    if not argument:
        raise UserError("anthropic needs the name of a model: anthropic:MODEL, such as anthropic:claude-sonnet-4-5")
    place = place_of(options.base_url or os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC, ("/messages",))
    if not place.base.endswith("/v1"):  # the address that its own libraries take has no version in it
        place = replace(place, base=f"{place.base}/v1")
    known = endpoint_fields(options, place, argument, keys=Anthropic.KEYS, reserved=("model", "messages", "system"))
    return Anthropic(**known, keyless=place.base != ANTHROPIC)


@dataclass(kw_only=True)
class Anthropic(Endpoint):
    """A model that speaks the messages API."""

    PLUGIN: ClassVar[str] = "anthropic"
    KEYS: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY",)

    @property
    def path(self) -> str:
        return "/messages"

    def auth(self) -> Mapping[str, str]:
        return {"anthropic-version": _VERSION, **({"x-api-key": self.key} if self.key else {})}

    def settings(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {"max_tokens": request.max_tokens, "temperature": request.temperature}
        if request.stop:
            found["stop_sequences"] = list(request.stop)
        if request.top_p != 1.0:
            found["top_p"] = request.top_p
        if self.chosen.top_k is not None:
            found["top_k"] = self.chosen.top_k
        return found

    def body(self, request: Request, settings: Settings) -> dict[str, Any]:
        messages = self.messages(request)
        said: dict[str, Any] = {"model": self.model, **settings}
        # The API refuses texts of white space to stop at; the answer is cut at them here.
        if not (stops := [stop for stop in said.pop("stop_sequences", ()) if stop.strip()]):
            said.pop("stop_sequences", None)
        else:
            said["stop_sequences"] = stops
        if system := "\n\n".join(m.content for m in messages if m.role == "system"):
            said["system"] = system
        said["messages"] = [{"role": m.role, "content": m.content} for m in messages if m.role != "system"]
        if self.chosen.reasoning_effort:
            said["output_config"] = {"effort": self.chosen.reasoning_effort}
        return merged(said, self.chosen.extra)

    def read(self, request: Request, content: Mapping[str, Any]) -> Response:
        parts = content.get("content")
        if not isinstance(parts, list):
            if content.get("type") == "error" or parts is None:
                raise AttemptError(f"the reply holds no answer: {self.clean(repr(dict(content)))[:120]}")
            raise RequestError(f"the reply's content is no list: {line(repr(parts), 60)}")
        said, finish = said_by(parts), finish_of(content.get("stop_reason"))
        return Response(text=said.text, thinking=said.thinking, finish=finish, **self.usage(content.get("usage")))

    def tokens(self, usage: Mapping[str, Any]) -> UsedTokens:
        cached = count_of(usage, "cache_read_input_tokens")
        return UsedTokens(
            tokens_in=count_of(usage, "input_tokens") + cached + count_of(usage, "cache_creation_input_tokens"),
            tokens_out=count_of(usage, "output_tokens"),
            reasoning_tokens=count_of(usage, "output_tokens_details.thinking_tokens"),
            cached_tokens=cached,
        )

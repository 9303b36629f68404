"""Gemini through generateContent (https://ai.google.dev/api/generate-content): `gemini:MODEL`.

The key is in GEMINI_API_KEY or GOOGLE_API_KEY; `--base-url` names another address that speaks the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from evalharness.clients.http import RequestError
from evalharness.clients.pool import AttemptError
from evalharness.clients.refusal import Refusal
from evalharness.errors import UserError
from evalharness.models._addresses import place_of
from evalharness.models._contents import UsedTokens, as_text, count_of, finish_of
from evalharness.models._endpoint import Endpoint, merged
from evalharness.models._endpoint_fields import endpoint_fields
from evalharness.models._refused import Settings
from evalharness.options import ApiOptions
from evalharness.records import Request, Response
from evalharness.text.visible import line

Options = ApiOptions
GEMINI = "https://generativelanguage.googleapis.com/v1beta"


def open_model(argument: str, options: ApiOptions) -> Gemini:
    """The model of this name. UserError when the name, the address or the key is missing."""
    model = argument.removeprefix("models/")
    if not model:
        raise UserError("gemini needs the name of a model: gemini:MODEL, such as gemini:gemini-2.5-flash")
    place = place_of(options.base_url or GEMINI)
    known = endpoint_fields(options, place, model, keys=Gemini.KEYS, reserved=("contents", "systemInstruction"))
    return Gemini(**known, keyless=place.base != GEMINI)


@dataclass(kw_only=True)
class Gemini(Endpoint):
    """A model that speaks generateContent."""

    PLUGIN: ClassVar[str] = "gemini"
    KEYS: ClassVar[tuple[str, ...]] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")

    @property
    def path(self) -> str:
        return f"/models/{quote(self.model, safe='')}:generateContent"

    def auth(self) -> Mapping[str, str]:
        return {"x-goog-api-key": self.key} if self.key else {}

    def settings(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {"temperature": request.temperature, "maxOutputTokens": request.max_tokens}
        if request.stop:
            found["stopSequences"] = list(request.stop)
        if request.top_p != 1.0:
            found["topP"] = request.top_p
        if self.chosen.top_k is not None:
            found["topK"] = self.chosen.top_k
        if request.temperature > 0:
            found["seed"] = request.seed
        if request.schema is not None:
            found["responseJsonSchema"] = dict(request.schema)
        return found

    def body(self, request: Request, settings: Settings) -> dict[str, Any]:
        messages = self.messages(request)
        config = dict(settings)
        if "responseJsonSchema" in config:
            config["responseMimeType"] = "application/json"
        if self.chosen.reasoning_effort:
            config["thinkingConfig"] = {"thinkingLevel": self.chosen.reasoning_effort}
        said: dict[str, Any] = {"generationConfig": config}
        if system := "\n\n".join(m.content for m in messages if m.role == "system"):
            said["systemInstruction"] = {"parts": [{"text": system}]}
        said["contents"] = [
            {"role": "model" if m.role == "assistant" else "user", "parts": [{"text": m.content}]}
            for m in messages
            if m.role != "system"
        ]
        return merged(said, self.chosen.extra)

    def read(self, request: Request, content: Mapping[str, Any]) -> Response:
        usage = self.usage(content.get("usageMetadata"))
        candidates = content.get("candidates")
        if not candidates:
            feedback = content.get("promptFeedback")
            if isinstance(feedback, dict) and as_text(feedback.get("blockReason"), "blockReason"):
                return Response(finish="refused", **usage)
            said = Refusal(200, {}, content).message if content.get("error") else repr(dict(content))
            raise AttemptError(f"the reply holds no answer: {self.clean(said)[:120]}")
        if not (isinstance(candidates, list) and isinstance(candidates[0], dict)):
            raise RequestError(f"the reply's candidates are odd: {line(repr(candidates), 60)}")
        finish = finish_of(candidates[0].get("finishReason"))
        text, thinking = _parts(candidates[0].get("content"))
        return Response(text=text, thinking=thinking, finish=finish, **usage)

    def tokens(self, usage: Mapping[str, Any]) -> UsedTokens:
        thought = count_of(usage, "thoughtsTokenCount")
        return UsedTokens(
            tokens_in=count_of(usage, "promptTokenCount"),
            tokens_out=count_of(usage, "candidatesTokenCount") + thought,
            reasoning_tokens=thought,
            cached_tokens=count_of(usage, "cachedContentTokenCount"),
        )


def _parts(content: Any) -> tuple[str, str]:
    """The text and the thinking of a candidate; neither where it was stopped before it wrote anything."""
    if content is None:
        return "", ""
    parts = content.get("parts") if isinstance(content, dict) else content
    if not isinstance(parts, list | None) or not all(isinstance(part, dict) for part in parts or ()):
        raise RequestError(f"the reply's content is odd: {line(repr(content), 60)}")
    found: dict[bool, list[str]] = {True: [], False: []}
    for part in parts or ():
        found[part.get("thought") is True].append(as_text(part.get("text"), "text"))
    return "".join(found[False]), "".join(found[True])

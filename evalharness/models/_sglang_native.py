"""SGLang's own endpoint `/generate`, asked as a base model: it scores the tokens of a prompt, and writes.

Its fields are those of https://docs.sglang.ai/basic_usage/sampling_params.html and .../native_api.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalharness.clients.http import RequestError
from evalharness.clients.refusal import Refusal
from evalharness.data.typed import number
from evalharness.errors import UserError, option_name
from evalharness.models._contents import UsedTokens, as_text, count_of, finish_of
from evalharness.models._endpoint import merged
from evalharness.models._openai_echo import ODD, input_scored
from evalharness.models._proven import ProvenEndpoint
from evalharness.models._refused import Settings
from evalharness.records import Request, Response
from evalharness.text.visible import line


@dataclass(kw_only=True)
class SGLang(ProvenEndpoint):
    """A model behind `/generate`. It knows no name of a model, no template and no seed."""

    PLUGIN: ClassVar[str] = "openai"
    KEYS: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)

    chat: bool = False

    @property
    def path(self) -> str:
        return "/generate"

    @property
    def first_tokens(self) -> bool:
        return True

    def auth(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def settings(self, request: Request) -> dict[str, Any]:
        if request.choices:
            return {"max_new_tokens": 1, "temperature": 0}
        found: dict[str, Any] = {"max_new_tokens": request.max_tokens, "temperature": request.temperature}
        found["top_p"] = request.top_p  # the checkpoint's own would stand in its place, so too for the next
        found["top_k"] = -1 if self.chosen.top_k is None else self.chosen.top_k
        if request.stop:
            found["stop"] = list(request.stop)
        return found

    def body(self, request: Request, settings: Settings) -> dict[str, Any]:
        given = (*request.context_per_choice, *request.choices)
        said: dict[str, Any] = {"text": request.text + "".join(given), "sampling_params": dict(settings)}
        if request.choices:
            said |= {"logprob_start_len": 0, "top_logprobs_num": 1}
        elif request.top_logprobs:
            said |= {"top_logprobs_num": request.top_logprobs}
        if request.choices or request.top_logprobs:
            said |= {"return_logprob": True, "return_text_in_logprobs": True}
        return merged(said, self.chosen.extra)

    def sort_out(self, no: Refusal) -> Any:
        if not self.proven and no.status in (404, 405):
            raise UserError(
                f"{self.base_url}{self.path}: there is none ({no.status}: {self.clean(no.message)}), so this is no "
                f"SGLang; say {option_name('rank_by', 'echo')}, or prompt_logprobs if it is vLLM"
            )
        super().sort_out(no)

    def read(self, request: Request, content: Mapping[str, Any]) -> Response:
        about = content.get("meta_info")
        if not isinstance(about, dict):
            raise RequestError(f"the reply's meta_info is no object: {line(repr(about), 60)}")
        usage, ended = self.usage(about), about.get("finish_reason")
        finish = finish_of(ended.get("type") if isinstance(ended, dict) else ended)
        if request.choices:
            context = request.text + "".join(request.context_per_choice)
            logprob, greedy, length = input_scored(about, context, request.choices[0])
            return Response(logprobs=(logprob,), greedy=(greedy,), lengths=(length,), **usage)
        tops = _first_tokens(about) if request.top_logprobs else ()
        return Response(text=as_text(content.get("text"), "text"), finish=finish, top_logprobs=tops, **usage)

    def tokens(self, usage: Mapping[str, Any]) -> UsedTokens:
        return UsedTokens(
            tokens_in=count_of(usage, "prompt_tokens"), tokens_out=count_of(usage, "completion_tokens"),
            cached_tokens=count_of(usage, "cached_tokens"),
        )  # fmt: skip


def _first_tokens(about: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """The likeliest first tokens; empty where the server sent none, or something odd."""
    try:
        return tuple((str(text), float(number(value))) for value, _, text in about["output_top_logprobs"][0])
    except ODD:
        return ()

"""A reply of the OpenAI protocol as it is written, put together to what would have come whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_THINKING = ("reasoning_content", "reasoning")


def streamed_reply(chunks: Iterable[Any], hear: Callable[[str], None], *, chat: bool) -> dict[str, Any]:
    """The reply that these chunks make up, as an object; the pieces of its text are told, those of thinking not."""
    parts: dict[str, list[str]] = {"content": [], "thinking": [], "refusal": []}
    finish: Any = None
    for chunk in chunks:
        said = chunk.to_dict()
        for choice in (said.get("choices") or ())[:1]:
            delta: Mapping[str, Any] = (choice.get("delta") or {}) if chat else {"content": choice.get("text")}
            finish = choice.get("finish_reason") or finish
            thought = next((delta[name] for name in _THINKING if isinstance(delta.get(name), str)), "")
            parts["thinking"].append(thought)
            for name in ("content", "refusal"):
                if isinstance(piece := delta.get(name), str) and piece:
                    parts[name].append(piece)
                    hear(piece)
    content, thinking, refusal = ("".join(found) for found in parts.values())
    if not chat:
        return {"choices": [{"text": content, "finish_reason": finish}]}
    message = {"content": content, "reasoning_content": thinking, "refusal": refusal or None}
    return {"choices": [{"message": message, "finish_reason": finish}]}

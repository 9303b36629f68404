"""A provider of promptfoo's as a model of ours (https://www.promptfoo.dev/docs/providers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# promptfoo's name for a maker -> (our plug-in, its server where it is none of the plug-in's own).
_MAKERS: Mapping[str, tuple[str, str]] = {
    "openai": ("openai", ""), "anthropic": ("anthropic", ""), "google": ("gemini", ""), "vertex": ("gemini", ""),
    "ollama": ("openai", "http://localhost:11434/v1"), "localai": ("openai", "http://localhost:8080/v1"),
    "openrouter": ("openai", "https://openrouter.ai/api/v1"), "groq": ("openai", "https://api.groq.com/openai/v1"),
    "deepseek": ("openai", "https://api.deepseek.com/v1"), "mistral": ("openai", "https://api.mistral.ai/v1"),
    "together": ("openai", "https://api.together.xyz/v1"), "togetherai": ("openai", "https://api.together.xyz/v1"),
    "vllm": ("openai", "http://localhost:8000/v1"),
}  # fmt: skip
_KINDS = {"chat", "completion", "responses", "messages", "completions"}
_SAMPLING = {"temperature": "temperature", "max_tokens": "max_tokens", "maxTokens": "max_tokens", "top_p": "top_p",
             "max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens"}  # fmt: skip
_ADDRESSES = ("apiBaseUrl", "apiHost")
_KEYS = {"apiKey", "apiKeyEnvar", "stream"}

CarriedModel = tuple[Mapping[str, Any] | None, Mapping[str, Any], list[str]]


def carried_model(provider: Any) -> CarriedModel:
    """(the model under a suite's keys or None, its temperature and lengths, what is not carried over)."""
    odd: list[str] = []
    if isinstance(provider, Mapping) and "id" not in provider and len(provider) == 1:  # {openai:gpt-4o: {config: ...}}
        ((name, rest),) = provider.items()
        provider = {"id": name, **(rest or {})}
    said = provider if isinstance(provider, Mapping) else {"id": provider}
    name, config = str(said.get("id")), said.get("config") or {}
    maker, _, rest = name.partition(":")
    kind, _, inner = rest.partition(":")
    model = inner if kind in _KINDS and inner else rest
    if maker not in _MAKERS or not model or (kind in ("embedding", "image", "realtime", "assistant", "agents")):
        return None, {}, [f"the provider {name} is not carried over"]
    plugin, server = _MAKERS[maker]
    found: dict[str, Any] = {"model": f"{plugin}:{model}"}
    if kind in ("completion", "completions") and plugin == "openai":
        found["template"] = "none"
    address = next((str(config[key]) for key in _ADDRESSES if key in config), server)
    if address:
        found["base_url"] = address
    sampling = {_SAMPLING[key]: value for key, value in config.items() if key in _SAMPLING}
    effort = config.get("reasoning_effort") or (config.get("reasoning") or {}).get("effort")
    if effort:
        found["reasoning_effort"] = str(effort)
    if said.get("label") and plugin:
        found["name"] = _label(str(said["label"]))
    if "apiKeyEnvar" in config:
        odd.append(f"the key of {name} is in {config['apiKeyEnvar']}; give it as OPENAI_API_KEY, or with `headers`")
    left = config.keys() - _SAMPLING.keys() - set(_ADDRESSES) - _KEYS - {"reasoning", "reasoning_effort"}
    left |= said.keys() - {"id", "label", "config"}
    odd += [f"{key} of the provider {name} is not carried over" for key in sorted(left)]
    return found, sampling, odd


def _label(text: str) -> str:
    """A label as a suite names a model."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text).strip("-._")[:80] or "model"

"""Endpoints as they are: what each kind of server refuses, and the shape in which it answers.

A profile is a function from the request's body to a reply; the letter that it answers depends on the question alone.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from stub_server import Reply


def letter(text: str) -> str:
    return "ABCD"[zlib.crc32(text.encode()) % 4]


def sent(**content: Any) -> Reply:
    return Reply(raw=json.dumps(content).encode())


def no(message: str, code: str | None = None, param: str | None = None, status: int = 400) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply(status=status, error=error)


def chat(content: Any, finish: Any = "stop", usage: Any = None, **message: Any) -> Reply:
    made = {"role": "assistant", "content": content, **message}
    counted = usage or {"prompt_tokens": 10, "completion_tokens": 5}
    return sent(model="m", choices=[{"index": 0, "message": made, "finish_reason": finish}], usage=counted)


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def gpt5(body: Mapping[str, Any]) -> Reply:
    for name, instead in (("max_tokens", " Use 'max_completion_tokens' instead."), ("stop", "")):
        if name in body:
            said = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
            return no(said, "unsupported_parameter", name)
    if body.get("temperature", 1) != 1:
        said = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported."
        return no(said, "unsupported_value", "temperature")
    details = {"completion_tokens_details": {"reasoning_tokens": 4}, "prompt_tokens_details": {"cached_tokens": 8}}
    return chat(letter(asked(body)), usage={"prompt_tokens": 10, "completion_tokens": 5, **details})


def o_series(body: Mapping[str, Any]) -> Reply:
    if "temperature" in body:
        return no("Unsupported parameter: 'temperature' is not supported with this model.", "unsupported_parameter")
    return gpt5(body)


def deepseek(body: Mapping[str, Any]) -> Reply:
    return chat(letter(asked(body)), reasoning_content="Is it (A)? The answer is A. Or is it B?")


def think_in_text(body: Mapping[str, Any]) -> Reply:
    return chat(f"<think>\nThe answer is A.\n</think>\n\nThe answer is {letter(asked(body))}.")


def mistral(body: Mapping[str, Any]) -> Reply:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "The answer is A"}]}
    return chat([thought, {"type": "text", "text": f"The answer is {letter(asked(body))}"}])


def anthropic(body: Mapping[str, Any]) -> Reply:
    if set(body) - {"model", "max_tokens", "temperature", "messages", "stop_sequences", "system"}:
        return no("Extra inputs are not permitted")
    thought = {"type": "thinking", "thinking": "The answer is A", "signature": "x"}
    used = {"input_tokens": 2, "cache_read_input_tokens": 8, "output_tokens": 5}
    parts = [thought, {"type": "text", "text": letter(asked(body))}]
    return sent(type="message", model="m", content=parts, stop_reason="end_turn", usage=used)


def gemini(body: Mapping[str, Any]) -> Reply:
    if set(body) - {"contents", "generationConfig", "systemInstruction"}:
        return no("Unknown name")
    text = body["contents"][-1]["parts"][0]["text"]
    parts = [{"text": "The answer is A", "thought": True}, {"text": letter(text)}]
    used = {"promptTokenCount": 10, "candidatesTokenCount": 1, "thoughtsTokenCount": 4, "cachedContentTokenCount": 8}
    return sent(
        candidates=[{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], usageMetadata=used,
        modelVersion="m",
    )  # fmt: skip


def azure(body: Mapping[str, Any]) -> Reply:
    return chat(letter(asked(body)))


def vllm(body: Mapping[str, Any], bos: str = "") -> Reply:
    """Echoes a prompt as vLLM does: the BOS token stands among the tokens, and its text counts in the offsets.

    The last letter of the prompt is the choice; the one that its question has is the likeliest.
    """
    prompt, choice = body["prompt"], body["prompt"][-1]
    words = re.findall(r" ?[^ \n]+|\n+| +", prompt)
    tokens = ([bos] if bos else []) + [*words, " x"]
    offsets = [sum(map(len, tokens[:place])) for place in range(len(tokens))]
    right = choice == letter(prompt[:-1].rstrip())
    values = [None, *(-5.0 for _ in tokens[1:-2]), -0.25 if right else -3.0, -1.0]
    tops = [None, *({t: v, "zz": -0.5} for t, v in zip(tokens[1:], values[1:], strict=True))]
    held = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": tops}
    choices = [{"text": prompt + " x", "index": 0, "finish_reason": "length", "logprobs": held}]
    return sent(model="m", choices=choices, usage={"prompt_tokens": 10, "completion_tokens": 5})


def vllm_bos(body: Mapping[str, Any]) -> Reply:
    return vllm(body, "<|begin_of_text|>")


def vllm_prompt_logprobs(body: Mapping[str, Any]) -> Reply:
    """vLLM behind a gateway that lets no echo through; prompts are scored as vLLM does it, by token ids.

    The prompt's first token has no entry; the likeliest token stands beside the prompt's own, unless it is the same.
    """
    if "echo" in body:
        return no("echo is not supported", "unsupported_parameter", "echo")
    prompt = body["prompt"]
    values = {choice: -0.25 if choice == letter(prompt) else -3.0 for choice in "ABCD"}
    choice: dict[str, Any] = {"text": " A", "index": 0, "finish_reason": "length", "logprobs": None}
    if body.get("logprobs"):
        choice["logprobs"] = {"top_logprobs": [{f" {name}": value for name, value in values.items()}]}
    if "prompt_logprobs" in body:
        words = re.findall(r" ?[^ \n]+|\n+| +", prompt)
        scores = [*(-5.0 for _ in words[1:-1]), -0.25 if prompt[-1] == letter(prompt[:-1].rstrip()) else -3.0]
        best = {"logprob": -0.125, "rank": 1, "decoded_token": " the"}
        own = [{"logprob": s, "rank": 2, "decoded_token": w} for w, s in zip(words[1:], scores, strict=True)]
        pairs = [{"7": best, "9": each} if place % 2 else {"9": each, "7": best} for place, each in enumerate(own)]
        choice["prompt_logprobs"] = [None, *pairs]
    return sent(model="m", choices=[choice], usage={"prompt_tokens": 10, "completion_tokens": 1})


def tgi(body: Mapping[str, Any]) -> Reply:
    """text-generation-inference before it took a temperature of 0: refused with status 422 and an error that is a text,
    as more than four texts to stop at are; the finish reason is its own."""
    refused = {
        "`temperature` must be strictly positive": body.get("temperature") == 0,
        "`stop` supports up to 4 stop sequences. Given: 9": len(body.get("stop", ())) > 4,
    }
    for said in (said for said, is_so in refused.items() if is_so):
        content = {"error": f"Input validation error: {said}", "error_type": "validation"}
        return Reply(status=422, raw=json.dumps(content).encode())
    return chat(letter(asked(body)), finish="eos_token")


def llama_cpp(body: Mapping[str, Any]) -> Reply:
    """Answers whatever is asked, with a finish reason of its own and without the details of `usage`."""
    return chat(letter(asked(body)), finish="eos", usage={"prompt_tokens": 10, "completion_tokens": 5.0})


def llama_cpp_server(body: Mapping[str, Any], status: int = 500) -> Reply:
    """llama.cpp's server (tools/server/README.md): any name is right; `echo` is refused, in some versions by its own
    error of 500 and in some without a word (status 200); log-probabilities of completions have the shape of chat's."""
    prompt = body["prompt"] if "prompt" in body else asked(body)
    if body.get("echo") and status != 200:
        kind = {400: "invalid_request_error", 500: "server_error"}[status]
        return Reply(status=status, error={"code": status, "message": "Only no echo is supported", "type": kind})
    written = letter(str(prompt))
    tops = [{"id": 7, "token": written, "bytes": [*written.encode()], "logprob": -0.5},
            {"id": 8, "token": "the", "bytes": [*b"the"], "logprob": -1.5}]  # fmt: skip
    logprobs = {"content": [{**tops[0], "top_logprobs": tops}]} if body.get("logprobs") else None
    usage = {"prompt_tokens": 3 + len(str(prompt).split()), "completion_tokens": 1}
    if "messages" in body:
        message = {"role": "assistant", "content": written}
        choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    else:
        choice = {"index": 0, "finish_reason": "length", "text": written, "logprobs": logprobs}
    return sent(model="model.gguf", choices=[choice], usage=usage, timings={"predicted_per_second": 9.5})

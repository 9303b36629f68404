"""An endpoint that tells the truth: what it echoes and writes comes from a checkpoint, asked through the local engine.

    with serve(engine_reply(FOLDER)) as stub: ...

It speaks the OpenAI protocol (with vLLM's `prompt_logprobs`) and SGLang's `/generate`.

`shift` scores each echoed token with its neighbour's logits, as some servers do; `echoes=False` ignores `echo`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stub_server import Reply

from evalharness import plugins
from evalharness.model import Requests, answered
from evalharness.records import Message, Request

TINY = Path(__file__).parents[1] / "evalharness" / "tiny" / "model"


def engine_reply(
    folder: Path = TINY, *, name: str = "m", shift: int = 0, echoes: bool = True, logprobs: bool = True,
    any_name: bool = False, change: Callable[[Any], None] | None = None, template: str | None = None,
    dtype: str = "float32",
) -> Callable[[dict[str, Any]], Reply]:  # fmt: skip
    """The reply function of a server for this checkpoint; `change` may do something to its decoder first."""
    options = {"threads": 1, "dtype": dtype}
    chat = plugins.load_model(f"local:{folder}", {**options, "template": template} if template else options)
    base = plugins.load_model(f"local:{folder}", {**options, "template": "none"})
    if change is not None:
        for model in (chat, base):
            change(model.engine.decoder)
    lock = threading.Lock()

    def reply(body: dict[str, Any]) -> Reply:
        if body.get("model", name) != name and not any_name:
            return Reply(
                status=404, error={"message": f"The model `{body['model']}` does not exist", "code": "model_not_found"}
            )
        with lock, torch.inference_mode():
            if body.get("max_tokens", 16) > chat.engine.context:
                said = (
                    f"This model's maximum context length is {chat.engine.context} tokens. However, you requested more."
                )
                return Reply(status=400, error=said)
            if "text" in body:
                return _generate(base, body, shift)
            return (
                _chat(chat, body, logprobs) if "messages" in body else _completion(base, body, shift, echoes, logprobs)
            )

    return reply


def _written(model: Any, body: dict[str, Any], messages: tuple[Message, ...], top: int) -> Any:
    request = Request(
        messages=messages, max_tokens=body.get("max_tokens", 16), temperature=body.get("temperature", 0.0),
        stop=tuple(body.get("stop", ())), top_logprobs=top, seed=body.get("seed", 0),
    )  # fmt: skip
    ((_, response),) = answered(model, Requests([request]))
    return response


def _chat(model: Any, body: dict[str, Any], logprobs: bool) -> Reply:
    messages = tuple(Message(m["role"], m["content"]) for m in body["messages"])
    ids = model.rendering.ask(messages).ids
    if len(ids) > model.engine.context:
        return Reply(status=400, error=f"This model's maximum context length is {model.engine.context} tokens.")
    found = _written(model, body, messages, body.get("top_logprobs", 0))
    if body.get("stream"):
        return Reply(raw=b'data: {"choices": [{"delta": {"content": "yes"}}]}\n\ndata: [DONE]\n\n')
    top = found.top_logprobs if logprobs else ()
    return Reply(text=found.text, finish=found.finish, top=top, tokens=(len(ids), found.tokens_out))


def _completion(model: Any, body: dict[str, Any], shift: int, echoes: bool, logprobs: bool) -> Reply:
    prompt = body["prompt"]
    ids = model.rendering.ask((Message("user", prompt),)).ids
    if len(ids) > model.engine.context:
        return Reply(status=400, error=f"This model's maximum context length is {model.engine.context} tokens.")
    found = _written(model, body, (Message("user", prompt),), int(body.get("logprobs") or 0) if logprobs else 0)
    choice: dict[str, Any] = {"text": found.text, "index": 0, "finish_reason": found.finish, "logprobs": None}
    if (body.get("echo") and echoes) or "prompt_logprobs" in body:
        decoder = model.engine.decoder
        rows = decoder(torch.tensor([ids]))[0].float().log_softmax(-1)
        next_id = int(rows[-1].argmax())
        whole = [*ids, next_id]
        pieces = [model.tokenizer.decode_bytes([token]).decode("utf-8", "replace") for token in whole]
        values, tops, scored = [None], [None], [None]
        for place in range(1, len(whole)):
            row = rows[min(place - 1 + shift, len(rows) - 1)]
            best = int(row.argmax())
            values.append(float(row[whole[place]]))
            piece = model.tokenizer.decode_bytes([best]).decode("utf-8", "replace")
            tops.append({piece: float(row[best])})
            own = {
                "logprob": values[-1],
                "rank": 1 + int((row > row[whole[place]]).sum()),
                "decoded_token": pieces[place],
            }
            scored.append(
                {str(best): {"logprob": float(row[best]), "rank": 1, "decoded_token": piece}, whole[place]: own}
            )
        if "prompt_logprobs" in body:  # vLLM's: without the generated token
            choice["prompt_logprobs"] = [
                each and {str(token): said for token, said in each.items()} for each in scored[: len(ids)]
            ]
        else:
            choice["logprobs"] = {"tokens": pieces, "token_logprobs": values, "top_logprobs": tops}
            choice["text"] = prompt + pieces[-1]
    elif body.get("logprobs") and logprobs:
        choice["logprobs"] = {"top_logprobs": [dict(found.top_logprobs)]}
    usage = {"prompt_tokens": len(ids), "completion_tokens": max(1, found.tokens_out)}
    return Reply(raw=json.dumps({"model": body["model"], "choices": [choice], "usage": usage}).encode())


def _generate(model: Any, body: dict[str, Any], shift: int) -> Reply:
    """SGLang's `/generate`, as its documentation has it: triples of log-probability, id and text."""
    said = body["sampling_params"]
    asked = {"max_tokens": said["max_new_tokens"], "temperature": said["temperature"], "stop": said.get("stop", ())}
    messages = (Message("user", body["text"]),)
    ids, top = model.rendering.ask(messages).ids, body.get("top_logprobs_num", 0)
    found = _written(model, asked, messages, top)
    about: dict[str, Any] = {
        "id": "1", "finish_reason": {"type": found.finish, "length": found.tokens_out}, "prompt_tokens": len(ids),
        "completion_tokens": max(1, found.tokens_out), "cached_tokens": 0,
    }  # fmt: skip

    def text(token: int) -> str:
        return model.tokenizer.decode_bytes([token]).decode("utf-8", "replace")

    if body.get("return_logprob"):
        about["output_top_logprobs"] = [[[value, 0, token] for token, value in found.top_logprobs]]
        if body.get("logprob_start_len") == 0:
            rows = model.engine.decoder(torch.tensor([ids]))[0].float().log_softmax(-1)
            rows = [rows[min(place - 1 + shift, len(rows) - 1)] for place in range(1, len(ids))]
            own = [[float(row[token]), token, text(token)] for row, token in zip(rows, ids[1:], strict=True)]
            about["input_token_logprobs"] = [[None, ids[0], text(ids[0])], *own]
            bests = [int(row.argmax()) for row in rows]
            about["input_top_logprobs"] = [
                None, *([[float(row[best]), best, text(best)]] for row, best in zip(rows, bests, strict=True))
            ]  # fmt: skip
    return Reply(raw=json.dumps({"text": found.text, "meta_info": about}).encode())

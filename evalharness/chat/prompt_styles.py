"""The prompt formats that have a name, as Jinja templates. `chat.py` renders them like a checkpoint's own."""

from __future__ import annotations

# END is replaced once the tokenizer is known: by a control token of its own, for a format may be
# trained on a checkpoint that has never seen the format's tags as tokens.
_ALPACA_TURN = r"""{%- if message.role == 'user' and loop.previtem is defined and loop.previtem.role == 'user' -%}
{{ '\n\n### Input:\n' + message.content }}
{%- elif message.role == 'user' -%}
{{ '\n\n### Instruction:\n' + message.content }}
{%- elif message.role == 'assistant' -%}
{{ '\n\n### Response:\n' + message.content + END }}
{%- endif -%}"""
_ALPACA_FIRST = (
    "'Below is an instruction that describes a task. Write a response that appropriately completes the request.'"
)
_ALPACA_INPUT = (
    "'Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.'"
)
# Turns between tags; OPENING is an expression of `role`, CLOSING a text. Tools and calls are JSON between tags that
# many know: https://github.com/NousResearch/Hermes-Function-Calling#prompt-format-for-function-calling
_TAGGED = r"""{%- if tools -%}
{%- set role = 'system' -%}
{{ OPENING + 'You may call these functions, each described by a JSON schema:\n<tools>\n' }}
{%- for tool in tools -%}{{ tool | tojson + '\n' }}{%- endfor -%}
{{ '</tools>\nTo call one, write: <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>' }}
{{- CLOSING }}
{%- endif -%}
{%- for message in messages -%}
{%- set role = message.role -%}
{{ OPENING if loop.first or loop.previtem.role != role else '\n' }}
{{- message.content }}
{%- for call in message.tool_calls or [] -%}
{%- set function = call.function or call -%}
{{ ('\n' if message.content or not loop.first else '') + '<tool_call>\n' }}
{{- {'name': function.name, 'arguments': function.arguments} | tojson + '\n</tool_call>' }}
{%- endfor -%}
{%- if loop.last or loop.nextitem.role != role -%}{{ END + AFTER if role == 'assistant' else CLOSING }}{%- endif -%}
{%- endfor -%}
{%- set role = 'assistant' -%}
{%- if add_generation_prompt -%}{{ OPENING }}{%- endif -%}"""


def _tagged(opening: str, closing: str, after: str = "\\n") -> str:
    parts = {"OPENING": opening, "CLOSING": f"'{closing}{after}'", "AFTER": f"'{after}'"}
    source = _TAGGED
    for name, text in parts.items():
        source = source.replace(name, text)
    return source


FORMATS: dict[str, str] = {
    # https://github.com/tatsu-lab/stanford_alpaca#data-release: two preambles, with and without input
    "alpaca": (
        "{%- if messages[0].role == 'system' -%}{{ messages[0].content }}"
        "{%- elif messages|length > 1 and messages[1].role == 'user' -%}{{ " + _ALPACA_INPUT + " }}"
        "{%- else -%}{{ " + _ALPACA_FIRST + " }}{%- endif -%}"
        "{%- for message in messages -%}" + _ALPACA_TURN + "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '\\n\\n### Response:\\n' }}{%- endif -%}"
    ),
    # https://github.com/rasbt/LLMs-from-scratch, chapter 7: one preamble, and the model writes the response header
    "alpaca-book": (
        "{%- if messages[0].role == 'system' -%}{{ messages[0].content }}"
        "{%- else -%}{{ " + _ALPACA_FIRST + " }}{%- endif -%}"
        "{%- for message in messages -%}" + _ALPACA_TURN + "{%- endfor -%}"
    ),
    # https://huggingface.co/microsoft/Phi-3-mini-4k-instruct
    "phi3": _tagged(r"'<|' + role + '|>\n'", "<|end|>"),
    # Exercise 7.1 of the book: a stray colon, no end marker, the header written by the model
    "phi3-book": (
        "{%- for message in messages -%}"
        "{%- if message.role == 'assistant' -%}{{ '\\n<|assistant|>:\\n' + message.content + END }}"
        "{%- elif loop.previtem is defined and loop.previtem.role == message.role -%}{{ '\\n' + message.content }}"
        "{%- else -%}{{ ('' if loop.first else '\\n') + '<|' + message.role + '|>\\n' + message.content }}"
        "{%- endif -%}{%- endfor -%}"
    ),
    # https://github.com/openai/openai-python/blob/v0.28.1/chatml.md
    "chatml": _tagged(r"'<|im_start|>' + role + '\n'", "<|im_end|>"),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/
    "llama3": _tagged(r"'<|start_header_id|>' + role + '<|end_header_id|>\n\n'", "<|eot_id|>", after=""),
}
BOS_FIRST = "{{- bos_token -}}"
ENDS = {"phi3": "<|end|>", "chatml": "<|im_end|>", "llama3": "<|eot_id|>"}

# sha256 of the sources of version 0.1.0, which wrote messages without tools as these do: with the format's own end tag,
# with the end of text for it, and both once more with BOS in front.
_EARLIER: dict[str, tuple[str, str, str, str]] = {
    "phi3": (
        "688e21fa93822b81a9f5bd704d24b259b3063c1cbbf5d412117c7076e4663da4",
        "4b31bdffc8ec2e18c17cffdd75a36672982edcf232faa5f2da164ba7b3084432",
        "68425495de1bad863ba35819aa6bce1fcb8f8e3dc728c28a7ba8417f0d230554",
        "120fbf6fc3b37b52ef756816f3097809a6a2aebae2206e54079638399aa673a4",
    ),
    "chatml": (
        "3ae49f0de27612d0ce5923027f647494d211b589456a2f7f4bd37a186061f5f5",
        "75d0e3ce3bf587619adf6c8977ba9dd3a3fcf391546c9207c3ac59e458949f95",
        "84f21a24ac0150c28df9c31083183e3542b27b834860c91f192f209c6ecf0fb0",
        "5e6b1496b3b0dfd41784e23e926b57c8790f6e6156dfa5a2935814bf2a520d44",
    ),
    "llama3": (
        "3c16d11d3895b5fdb8d02a102715ad939d42338a8c817e327ff8016f5de07b4c",
        "2c0c8a402dc8ec695ead948eec36b2b907fcf60574b3426f356ed4b76df45d6a",
        "31cfee8185740f4f048f399e791f54bfcc3c1d2040353e50c4cb47e15ed37c5c",
        "3dc880b5ef886940d23b35936eb737249950f88956583f8bae1c4f73ec128a71",
    ),
}


def earlier_hash(name: str, source: str) -> str | None:
    """The hash that version 0.1.0 gave to this source of the format `name`; None where it is what it was."""
    if name not in _EARLIER:
        return None
    return _EARLIER[name][2 * source.startswith(BOS_FIRST) + ("eos_token" in source)]

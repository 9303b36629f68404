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
ENDS = {"phi3": "<|end|>", "chatml": "<|im_end|>", "llama3": "<|eot_id|>"}

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
_CHATML_TURN = r"""{%- if loop.previtem is not defined or loop.previtem.role != message.role -%}
{{ '<|im_start|>' + message.role + '\n' }}
{%- else -%}
{{ '\n' }}
{%- endif -%}
{{ message.content }}
{%- if loop.nextitem is not defined or loop.nextitem.role != message.role -%}
{{ (END if message.role == 'assistant' else '<|im_end|>') + '\n' }}
{%- endif -%}"""

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
    "phi3": (
        _CHATML_TURN.replace("'<|im_start|>' + message.role + '\\n'", "'<|' + message.role + '|>\\n'")
        .replace("<|im_end|>", "<|end|>")
        .join(("{%- for message in messages -%}", "{%- endfor -%}"))
        + "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"
    ),
    # Exercise 7.1 of the book: a stray colon, no end marker, the header written by the model
    "phi3-book": (
        "{%- for message in messages -%}"
        "{%- if message.role == 'assistant' -%}{{ '\\n<|assistant|>:\\n' + message.content + END }}"
        "{%- elif loop.previtem is defined and loop.previtem.role == message.role -%}{{ '\\n' + message.content }}"
        "{%- else -%}{{ ('' if loop.first else '\\n') + '<|' + message.role + '|>\\n' + message.content }}"
        "{%- endif -%}{%- endfor -%}"
    ),
    # https://github.com/openai/openai-python/blob/v0.28.1/chatml.md
    "chatml": (
        "{%- for message in messages -%}" + _CHATML_TURN + "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
    ),
    # https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/
    "llama3": (
        "{%- for message in messages -%}"
        + _CHATML_TURN.replace(
            "'<|im_start|>' + message.role + '\\n'",
            "'<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n'",
        )
        .replace("'<|im_end|>') + '\\n'", "'<|eot_id|>')")
        .replace("<|im_end|>", "<|eot_id|>")
        + "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}"
    ),
}
ENDS = {"phi3": "<|end|>", "chatml": "<|im_end|>", "llama3": "<|eot_id|>"}

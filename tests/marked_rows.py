"""Training rows in tests: a tokenizer of bytes, templates that think, what is learned shown between « and »."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalharness.chat import render
from evalharness.training import datasets

TAGS = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")


class Bytes:
    """Bytes with ChatML's tags."""

    size, bos, eos, adds_bos, files = 260, 256, 257, False, ()
    specials = {tag: 256 + i for i, tag in enumerate(TAGS)}  # noqa: RUF012

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(bytes([i]) if i < 256 else TAGS[i - 256].encode() for i in ids)


# Thoughts of earlier turns are taken away, the last turn keeps them; QWQ opens the thought in the prompt itself.
THINKING = (
    "{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
    "{%- set said = m.content -%}{%- set thought = m.reasoning_content or '' -%}"
    "{%- if '</think>' in said -%}{%- set thought = said.split('</think>')[0].split('<think>')[-1].strip('\n') -%}"
    "{%- set said = said.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}"
    "{{ '<|im_start|>assistant\n' + ('<think>\n' + thought + '\n</think>\n\n' if loop.last else '') + said }}"
    "{{ '<|im_end|>\n' }}"
    "{%- else -%}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
QWQ = THINKING.removesuffix("{%- endif -%}") + "{{ '<think>\n' }}{%- endif -%}"
BOTH = QWQ.replace("{%- if '</think>' in said -%}", "{%- if '<think>' in said and '</think>' in said -%}")
# The distilled R1: thoughts are never written back, and the prompt opens one.
R1 = (
    "{%- for m in messages -%}{%- if m.role == 'assistant' -%}{{ 'A:' + m.content.split('</think>')[-1] + eos_token }}"
    "{%- else -%}{{ 'U:' + m.content }}{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}{{ 'A:<think>\n' }}"
    "{%- endif -%}"
)


def write(path: Path, content: object) -> str:
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in content))  # type: ignore[attr-defined]
    else:
        path.write_text(json.dumps(content))
    return str(path)


def marked(found: Sequence[render.TrainingExample], tokenizer: Any) -> list[str]:
    """Each example with what is learned between « and »."""
    shown = []
    for example in found:
        text, before = "", False
        for number, on in [*zip(example.ids, example.trained, strict=True), (None, False)]:
            text += ("«" if on else "»") if on != before else ""
            text += "" if number is None else tokenizer.decode_bytes([number]).decode()
            before = on
        shown.append(text.replace("\n<|im_start|>", "<").replace("<|im_start|>", "<").replace("<|im_end|>", ">"))
    return shown


def learned(entry: Any, tmp_path: Path, template: str | None = None) -> list[str]:
    """What is learned of an entry that stands twice in a file."""
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", [entry, entry]))
    t = Bytes()
    made = (
        render.chat_of_style("chatml", t) if template is None else render.Chat(tokenizer=t, name="own", source=template)
    )
    return marked(made.examples(data.rows[0].messages, data.rows[0].template_kwargs or {}), t)


CALL = (
    '<user\nq><assistant\n«<tool_call>\n{"name": "w", "arguments": {"c": "Oslo"}}\n</tool_call>>»<tool\nrain>'
    "<assistant\n«a>»"
)

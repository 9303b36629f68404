"""HumanEval's questions and programs."""

import re
from collections.abc import Sequence

from evalharness.building_blocks.code import code_block, defines, plus_test
from evalharness.data.rows import Files, Row
from evalharness.records import Message, Mode, Request, Sample
from evalharness.sandbox.program import Program
from evalharness.scoring.code_blocks import future_first
from evalharness.text.stops import cut_at_stop

from ._code import jsonl_file, text_fields

FILES = Files(
    "HumanEval.jsonl(.gz) of the authors, or HumanEvalPlus.jsonl(.gz) of EvalPlus", jsonl_file("HumanEval*.jsonl*")
)

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")  # section 3.2 of the paper
FUTURE = re.compile(r"^from __future__ import ", re.MULTILINE)
CHAT = (
    "Complete the following Python function. Answer with the whole function, its imports included, in one Python code "
    "block.\n\n```python\n{}\n```\n"
)


def sample(row: Row) -> Sample:
    text_fields(row, "task_id", "prompt", "entry_point", "canonical_solution")
    solution = row["prompt"] + row["canonical_solution"]
    test = plus_test(dict(row), solution) if "base_input" in row else row["test"]
    text_fields({"test": test}, "test")
    test = f"{test}\ncheck({row['entry_point']})"
    return Sample(
        id=row["task_id"], question=row["prompt"], answers=(row["canonical_solution"],),
        extra={"entry": row["entry_point"], "test": test},
    )  # fmt: skip


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    text = CHAT.format(asked.question.rstrip()) if chat else asked.question
    return Request(messages=(Message("user", text),), max_tokens=1024 if chat else 512, stop=() if chat else STOP)


def program(asked: Sample, request: Request, text: str) -> Program | None:
    """The prompt with the completion, or with the whole function where the answer has one.

    A whole function that begins with an import from __future__ runs alone: it must be first in its file.
    """
    entry, prompt = asked.extra["entry"], asked.question
    chat = request.text != prompt
    code = code_block(text, entry) if chat or "```" in text or defines(text, entry) else None
    if code is None and chat:
        return None
    if code is None:
        source = prompt + indented_as(cut_at_stop(text, (*STOP, "\n@")), prompt)
    elif FUTURE.search(code):
        source = code
    elif code[:1].isspace() and not defines(code, entry):
        source = prompt + indented_as(code, prompt)
    else:
        source = prompt + "\n" + code
    return Program(source=future_first(source), context=with_body(prompt), test=asked.extra["test"], entry=entry)


def with_body(prompt: str) -> str:
    """A prompt as a program of its own: a function of which it says no more than the first line gets a body."""
    lines = [line for line in prompt.splitlines() if line.strip() and not re.fullmatch(r"\s*#[^\"']*", line)]
    if not lines or not lines[-1].partition("#")[0].rstrip().endswith(":"):
        return prompt
    indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    return f"{prompt.rstrip()}\n{indent}    pass\n"


def indented_as(completion: str, prompt: str) -> str:
    """A completion whose first line lost a blank, or all of whose lines did, indented as the prompt's body is."""
    body = re.search(r"^([ \t]+)\S[^\n]*\s*\Z", prompt, re.MULTILINE)
    lines = completion.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if body is None or first is None:
        return completion
    wanted, found = len(body[1]), len(lines[first]) - len(lines[first].lstrip(" "))
    if not 0 < found < wanted or "\t" in body[1]:
        return completion
    others = [len(line) - len(line.lstrip(" ")) for line in lines[first + 1 :] if line.strip()]
    short = " " * (wanted - found)
    if others and min(others) == found:
        return "".join(short + line if line.strip() else line for line in lines)
    lines[first] = short + lines[first]
    return "".join(lines)

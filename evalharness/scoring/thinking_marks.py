"""How model families mark thinking, the beginning of an answer and the end of a turn.

Names in angle brackets, with a name space or an id where a family has one: `<think>` (DeepSeek, Qwen, GLM, ...),
`<seed:think>` and `<think_never_used_ID>` (Seed), `<mm:think>` (MiniMax M3), `<think:ID>` (Hunyuan 3),
`<ifm|think_fast>` (K2), `<thought>` (EXAONE). Others: `[THINK]` (Magistral), `[THOUGHT]`, `◁think▷` (Kimi-VL),
`<|open|>think<|sep|>` (Kimi K3), `<|begin_of_thought|>` (OpenThinker), `<|thought_begin|>` (MiniCPM 5),
`<|START_THINKING|>` (Command), `<|think|>` and `<|think:start|>` (Solar Open), `<|plamo:begin_think:plamo|>` (PLaMo 3),
`<|content_thinking|>` (Inkling), `<|inner_prefix|>` (Apertus), `<|channel>thought ... <channel|>` (Gemma 4),
`<unused94>thought ... <unused95>` (MedGemma), `<ctrl94>` (Gemini), `[unused16]` (Pangu), `<details type="reasoning">`
(Open WebUI).
Channels (gpt-oss) and recipients (Muse) are whole messages; `final_answer` takes the last one that is for the user.
The spellings are those of the reasoning parsers of vLLM and SGLang (2026) and of the families' chat templates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from evalharness.text.deferred import deferred

_NAMES = (
    r"think(?:_\w{1,80})?|thinking|thoughts?|reasoning|reason|reflection|scratch_?pad|analysis|antthinking|cot|rationale"
    r"|monologue|chain[_-]of[_-]thought|(?:thinking|thought|reasoning)_(?:process|content)"
)
# What opens an answer where the thinking before it has no end of its own.
_ANSWER_BEGINS = (
    r"(?:<\|end\|>\s{0,9})?(?:<\|begin\|>\s{0,9}assistant\s{0,9})?<\|(?:content|output|answer|response|content_text)\|>"
    r"|<\|end_message\|>\s{0,9}<\|message_model\|>(?:\s{0,9}<\|content_text\|>)?"
)
THINKING_MARKS = deferred(
    rf"<(?P<close1>/?)(?P<name1>(?:[a-z]{{1,12}}[:|]|longcat_|inner_)?(?:{_NAMES})(?::[\w.-]{{1,80}})?)(?:\s[^<>\n]{{0,80}})?>"
    r"|\[(?P<close2>/?)(?:(?P<edge9>BEGIN|END)(?:_OF)?_)?(?P<name2>THINK|THINKING|THOUGHTS?|REASONING)\]"
    r"|<(?:(?P<close6>/)(?P<name11>details)|(?P<name12>details)\s[^<>\n]{0,200}?\btype=[\"']?reasoning\b[^<>\n]{0,200})>"
    r"|◁(?P<close3>/?)(?P<name3>think)▷"
    r"|<(?P<close4>/?)[|｜](?P<close5>/?)(?:plamo:)?(?:(?P<edge1>begin|start|end)(?:_of)?_|content_)?"
    r"(?P<name4>thought|thinking|think|reasoning|cot)(?:[:_](?P<edge2>start|begin|end))?(?::plamo)?[|｜]>"
    r"|<\|(?P<name5>inner)_(?P<edge3>prefix|suffix)\|>"
    r"|<\|(?P<edge4>open|close)\|>(?P<name6>think)<\|sep\|>"
    r"|(?:<(?P<name7>unused|ctrl)(?P<edge5>94|95)>(?:thoughts?\b)?|\[(?P<name10>unused)(?P<edge8>16|17)\])"
    r"|<\|(?P<name8>channel)\|?>\s{0,9}(?P<edge6>final|answer|response|thought|thinking|analysis|commentary)\b"
    r"|<(?P<name9>channel)(?P<edge7>\|)>"
    rf"|(?P<answer>{_ANSWER_BEGINS})",
    re.IGNORECASE,
)
_CLOSING = {"end", "suffix", "close", "95", "17", "final", "answer", "response", "|", "/"}
CHANNEL_MESSAGE = deferred(r"<\|channel\|?>\s*(?P<name>\w+)[^<\n]{0,200}(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>")
# A message to the model itself is thinking; the beginning of the first one may be in the prompt.
RECIPIENT_MESSAGE = deferred(
    r"(?:<\|start\|>\s{0,9}assistant|\A)\s{0,9}to=(?P<name>\w{1,40})[^<\n]{0,100}<\|message\|>"
)
# gpt-oss decoded without its control tokens: `analysisThe user asks ... assistantfinalThe answer`.
BARE_CHANNEL = deferred(r"\A\s*analysis(?=[A-Z])")
BARE_FINAL = "assistantfinal"
# Thinking that words open and end: Granite's sentences, HyperCLOVA X's turn of its own.
WORDED_THINKING = (
    (
        deferred(r"\AHere(?:'s| is) my (?:thought|thinking) process:?\s", re.IGNORECASE),
        deferred(
            r"^[^\w\n]{0,20}Here(?:'s| is) my (?:response|answer):?[^\w\n]{0,20}?(?:\n|(?<=:)[ *]{0,20})",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        deferred(r"\A\s*(?:<\|im_start\|>\s*assistant)?/think\n"),
        deferred(r"<\|im_end\|>\s{0,9}<\|im_start\|>\s{0,9}assistant\b"),
    ),
)
# Where the answer's turn is over; what stands behind is no answer.
TURN_ENDS = deferred(
    r"<\|(?:im_end|endoftext|eot_id|eom_id|end|return|end_of_text|end_of_turn|endofanswer|eos|user|END_RESPONSE"
    r"|END_TEXT|END_OF_TURN_TOKEN|assistant_end|end_of_solution|observation|im_start|eom|eot|end_message|end_of_msg"
    r"|content_model_end_sampling|endofturn|stop|plamo:tag)\|>"
    r"|<\|close\|>(?:response|message)<\|sep\|>|<turn\|>|<\|turn>"
    r"|<(?:/s|eos|end_of_turn|EOT|\|end▁of▁sentence\|)>|<｜end▁of▁sentence｜>|<\[(?:EOS|eos)\]>|\[EOS\]|\[/s\]"
)
TURN_BEGINS = deferred(
    r"\A(?:\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|<｜Assistant｜>|<\|assistant\|>"
    r"|<\|im_start\|>\s*assistant(?!/)|<\|start\|>\s*assistant(?!\s*to=)|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>"
    r"|<start_of_turn>\s*model|<\|turn>\s*model|<\|begin\|>\s*assistant|<\|message_model\|>|<\|START_(?:RESPONSE|TEXT)\|>"
    r"|<\|begin_of_solution\|>|<\|open\|>response<\|sep\|>))+\s*"
)
ANSWER_WRAPPER = deferred(
    r"\A\s*<((?:answer|final_answer|final|solution|response|output)(?::[\w.-]{1,80})?)>(.*)</\1>\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
# The same tag where the text ends before it is closed: the end of the turn closed it.
ANSWER_OPENED = deferred(r"\A\s*<((?:final_)?answer(?::[\w.-]{1,80})?)>\s*", re.IGNORECASE)
BOX_MARK = deferred(r"<\|(?:begin|end)_of_box\|>")  # GLM-V's marks around its answer
# What every text has that any of these is in.
ANY_MARK = deferred(r"[<\[◁]|\Aanalysis[A-Z]|\A\s*(?:Here|/think|to=)", re.IGNORECASE)
# Control tokens that only together with words make up a mark.
_PARTS = {
    "<|channel>", "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|open|>", "<|close|>", "<|sep|>",
    "<|begin|>", "<|end_message|>", "<|message_model|>",
}  # fmt: skip


class Mark(NamedTuple):
    """A mark of thinking. `kind` is its bracket and name, the same of an opening mark and of its closing one."""

    text: str
    start: int
    end: int
    kind: str
    closing: bool


def mark_of(found: re.Match[str]) -> Mark:
    """The mark that a match of THINKING_MARKS is. What begins an answer ends all thinking before it."""
    names, edges = _groups()
    name = next(filter(None, found.group(*names)), "answer").lower()
    closing = found["answer"] is not None or any(edge and edge.lower() in _CLOSING for edge in found.group(*edges))
    return Mark(found.group(), found.start(), found.end(), found.group()[0] + name, closing)


@cache
def _groups() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The groups of THINKING_MARKS that hold a name, and those that tell an opening mark from a closing one."""
    known = tuple(THINKING_MARKS.groupindex)
    names = tuple(group for group in known if group.startswith("name"))
    return names, tuple(group for group in known if group.startswith(("edge", "close")))


def is_mark(token: str) -> bool:
    """Whether a token marks thinking or a channel, or is a part of such a mark, so that it has to stay in the text."""
    return THINKING_MARKS.fullmatch(token) is not None or token in _PARTS


def opened_thinking(prompt: str) -> str:
    """The mark of thinking that a prompt leaves open at its end, so that the answer begins inside it; '' for none."""
    tail = prompt[-200:]
    marks = [mark_of(found) for found in THINKING_MARKS.finditer(tail)]
    opened = bool(marks) and not marks[-1].closing and not tail[marks[-1].end :].strip()
    return marks[-1].text if opened else ""


def real_marks(marks: Sequence[Mark], text: str) -> list[Mark]:
    """The marks without those that are something else: `[Reasoning]` as a heading, the end of other `<details>`."""
    closed = {mark.kind for mark in marks if mark.closing}
    found: list[Mark] = []
    for mark in marks:
        if mark.closing and mark.kind == "<details" and not any(one.kind == mark.kind for one in found):
            continue
        if not mark.closing and mark.kind in _HEADINGS and mark.kind not in closed:
            begins = mark.text.isupper() and not text[: mark.start].strip()
            if not begins or "[ANSWER" in text.upper():
                continue
        found.append(mark)
    return found


_HEADINGS = {"[thought", "[thoughts", "[reasoning"}

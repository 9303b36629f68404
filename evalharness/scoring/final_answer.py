"""The final answer in what a model wrote: the one place that sets thinking, channels and control tokens apart.

The marks are those of `thinking_marks`. A mark inside code is code. A closing mark without its opening one ends
thinking that the chat template began, and one of another name ends thinking that its own name never does: models mix
them up (`<think>...</thinking>`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from evalharness.scoring.fences import Fenced, fenced, inline
from evalharness.scoring.thinking_marks import (
    ANSWER_OPENED,
    ANSWER_WRAPPER,
    ANY_MARK,
    BARE_CHANNEL,
    BARE_FINAL,
    BOX_MARK,
    CHANNEL_MESSAGE,
    RECIPIENT_MESSAGE,
    THINKING_MARKS,
    TURN_BEGINS,
    TURN_ENDS,
    WORDED_THINKING,
    Mark,
    mark_of,
    real_marks,
)
from evalharness.text.deferred import deferred

# A text with more marks than this is hostile: what stands behind its last closing mark is its answer.
MOST_MARKS = 1000


class ReadAnswer(NamedTuple):
    """What was read out of a text, None where nothing could be, and the rule that read it, in a few words."""

    answer: str | None
    rule: str


class FinalAnswer(NamedTuple):
    """`text` is the answer; `stripped` names the marks that were taken away, in order, each once.

    `cut`: the text ends inside its thinking, so that there is no answer.
    """

    text: str
    stripped: tuple[str, ...] = ()
    cut: bool = False


# Where a model that was shown examples goes on with a question of its own.
_NEXT_QUESTION = deferred(
    r"\n[ \t#*>]{0,10}(?:Question|Q|Problem|Exercise|Instruction|Input|Human|User|Pregunta|Pergunta|Frage|Domanda"
    r"|Pytanie|Вопрос|问题|問題|質問|질문|문제|السؤال|प्रश्न|Swali)[ \t]{0,3}\d{0,3}[*]{0,2}[ \t]?[:：]",
    re.IGNORECASE,
)


def before_next_question(text: str, answers: Callable[[str], bool]) -> str:
    """The text up to the first question that it goes on with, where what stands before it `answers` by itself."""
    found = _NEXT_QUESTION.search(text)
    return text[: found.start()] if found and answers(text[: found.start()]) else text


def final_answer(text: str) -> FinalAnswer:
    """The answer without thinking, channels and control tokens."""
    if not ANY_MARK.search(text):
        return FinalAnswer(text)
    marks: list[str] = []
    begins = TURN_BEGINS.match(text)
    if begins:
        marks += begins.group().split()
        text = text[begins.end() :]
    channel = _of_channels(text)
    if channel is not None:
        return _finished(channel.text, [*marks, *channel.stripped], channel.cut)
    spoken = _without_thinking(text)
    begins = TURN_BEGINS.match(spoken.text)
    if begins:
        spoken = spoken._replace(text=spoken.text[begins.end() :], stripped=(*spoken.stripped, begins.group().strip()))
    return _finished(spoken.text, [*marks, *spoken.stripped], spoken.cut)


def _finished(text: str, marks: list[str], cut: bool) -> FinalAnswer:
    """The answer up to the end of its turn, and out of a pair of tags around all of it."""
    if box := BOX_MARK.search(text):
        marks.append(box.group())
        text = BOX_MARK.sub("", text)
    ends = list(islice(TURN_ENDS.finditer(text), MOST_MARKS))
    code = _Code(text) if ends else None
    for found in ends:
        rest = text[found.end() : found.end() + 400]
        if code is None or not code.holds(found.start(), found.end()) or not TURN_ENDS.sub("", rest).strip():
            marks.append(found.group())
            text = text[: found.start()]
            break
    wrapped = ANSWER_WRAPPER.match(text)
    if wrapped and f"<{wrapped[1].lower()}>" not in wrapped[2].lower():
        marks.append(f"<{wrapped[1]}>")
        text = wrapped[2].strip()
    elif (opened := ANSWER_OPENED.match(text)) and f"</{opened[1].lower()}" not in text.lower():
        marks.append(f"<{opened[1]}>")
        text = text[opened.end() :].strip()
    return FinalAnswer(text, tuple(dict.fromkeys(marks)), cut)


def _of_channels(text: str) -> FinalAnswer | None:
    """The last `final` channel of a text that has channels; nothing where only other channels were reached."""
    for messages, kind, wanted in ((CHANNEL_MESSAGE, "<|channel|>", "final"), (RECIPIENT_MESSAGE, "to=", "user")):
        found = list(messages.finditer(text))
        if found and not _Code(text).holds(found[0].start(), found[0].end()):
            finals = [mark for mark in found if mark["name"].lower() == wanted]
            marks = tuple(f"{kind}{mark['name']}" for mark in found)
            return FinalAnswer(text[finals[-1].end() :] if finals else "", marks, cut=not finals)
    if BARE_CHANNEL.match(text):
        _, final, answer = text.rpartition(BARE_FINAL)
        marks = ("analysis", BARE_FINAL) if final else ("analysis",)
        return FinalAnswer(answer if final else "", marks, cut=not final)
    for opens, closes in WORDED_THINKING:
        if opened := opens.match(text):
            ends = closes.search(text, opened.end())
            marks = tuple(found.group().strip(" \n*#") for found in (opened, ends) if found)
            return FinalAnswer(text[ends.end() :] if ends else "", marks, cut=ends is None)
    return None


def _without_thinking(text: str) -> FinalAnswer:
    """The text without its blocks of thinking. A closing mark alone takes everything before it away."""
    real = _marks_of(text)
    ends = _Ends(real)
    kept: list[str] = []
    stripped: list[str] = []
    at = number = 0
    while number < len(real):
        mark = real[number]
        if mark.closing:
            kept.clear()
        elif _may_open(text, at, mark, real):
            kept.append(text[at : mark.start])
            stripped.append(mark.text)
            number, ended = ends.of(number)
            if not ended:
                return _unfinished(text, real[number], stripped, "".join(kept).strip())
        else:
            number += 1
            continue
        stripped.append(real[number].text)
        at = real[number].end
        number += 1
    return FinalAnswer(_trimmed("".join([*kept, text[at:]])), tuple(stripped)) if stripped else FinalAnswer(text)


class _Ends:
    """Where each block of thinking ends, by its marks in order."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self.marks = marks
        self.unopened: dict[str, list[int]] = {}

    def of(self, first: int) -> tuple[int, bool]:
        """The mark that ends the block, and True; for a block whose marks do not pair its last closing one, and False.

        A closing mark of another name counts where it closes none of its own name inside the block, and the closing
        marks of the block's name behind it do not suffice.
        """
        kind = self.marks[first].kind
        unopened = self._unopened(kind)
        depth, last = 1, first
        inner: Counter[str] = Counter()
        for at in range(first + 1, len(self.marks)):
            mark = self.marks[at]
            if mark.kind != kind and not mark.closing:
                inner[mark.kind] += 1
            elif mark.kind != kind and inner[mark.kind]:
                inner[mark.kind] -= 1
            elif not mark.closing:
                depth += 1
            elif mark.kind == kind or unopened[at] < depth:
                depth, last = depth - 1, at
                if not depth:
                    return at, True
        return last, False

    def _unopened(self, kind: str) -> list[int]:
        """For every mark, how many closing marks of a kind stand behind it whose opening one does not."""
        if kind not in self.unopened:
            counts = [0] * len(self.marks)
            for at in range(len(self.marks) - 1, 0, -1):
                mark = self.marks[at]
                step = 0 if mark.kind != kind else 1 if mark.closing else -1
                counts[at - 1] = max(0, counts[at] + step)
            self.unopened[kind] = counts
        return self.unopened[kind]


def _marks_of(text: str) -> list[Mark]:
    """The marks of thinking that are no code."""
    found = real_marks([mark_of(match) for match in THINKING_MARKS.finditer(text)], text)
    if not found:
        return []
    if len(found) > MOST_MARKS:
        found = [next((m for m in reversed(found) if m.closing), found[0])]
    code = _Code(text)
    real = [m for m in found if not (code.holds(m.start, m.end) or code.indents(m.start, m.end))]
    if not text[: found[0].start].strip() and not found[0].closing and not any(m.closing for m in real):
        # Thinking that holds an unfinished fence: its closing mark stands inside what looks like code.
        own = [m for m in found if m.closing and m.kind == found[0].kind]
        return [found[0], *(m for m in own[-1:] if not code.shows(m.start, m.end))]
    return real


def _unfinished(text: str, last: Mark, marks: list[str], before: str) -> FinalAnswer:
    """Thinking whose marks do not pair: its last closing mark ends it, and without one it never ended."""
    if last.closing and not before:
        return FinalAnswer(_trimmed(text[last.end :]), (*marks, last.text))
    return FinalAnswer(before, tuple(marks), cut=not before)


def _trimmed(text: str) -> str:
    """The text without blank lines at its beginning; the indentation of its first line stays, which may be code."""
    begin = re.match(r"(?:[ \t\r]*\n)*", text)
    out = text[begin.end() :] if begin else text
    return (out if begin and begin.end() else out.lstrip(" \t")).rstrip()


def _may_open(text: str, at: int, mark: Mark, real: Sequence[Mark]) -> bool:
    """Thinking opens at the beginning of a line, behind other thinking (which ended `at`) and behind a sentence;
    elsewhere, as in "the <think> tag", only where its closing mark follows."""
    start = max(at, text.rfind("\n", max(0, mark.start - 200), mark.start) + 1)
    before = text[start : mark.start].rstrip()
    if (not before and (start or mark.start <= 200)) or (before and before[-1] in ".!?:。！？"):
        return True
    return bool(real) and real[-1].closing and real[-1].start > mark.start


class _Code:
    """Where a text is code: inside a fence, between backticks, or by the look of the line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks = fenced(text)
        self.starts = [block.start for block in self.blocks]
        self.lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.spans: tuple[int, list[tuple[int, int]]] = (-1, [])

    def holds(self, start: int, end: int) -> bool:
        """Whether a mark stands in code. In a fence that never ends, a mark alone on its line counts as a mark."""
        block = self._block(start)
        if block is not None:
            return block.closed or not self._alone(start, end)
        before, after = self._around(start, end)
        quoted = before[-1:] in ("'", '"') and before[-1] in after
        in_string = before.count('"') % 2 == 1 and '"' in after
        comment = re.search(r"(?:^|\s)#\s", before) is not None
        return quoted or in_string or comment or self._in_backticks(start)

    def indents(self, start: int, end: int) -> bool:
        """Whether a mark stands behind something on a line that is indented as code is."""
        line = self._line(start)
        indented = self.text.startswith(("    ", "\t"), line)
        return indented and bool(self._around(start, end)[0].strip())

    def shows(self, start: int, end: int) -> bool:
        """Whether a mark that is in code is surely there to be shown: right between quotation marks or backticks, or in
        a block without which the fences behind it do not pair."""
        block = self._block(start)
        if block is not None:
            return block.closed and not all(later.closed for later in fenced(self.text[end:]))
        before, after = self._around(start, end)
        quote = before[-1:]
        quoted = quote in ("'", '"') and after[:1] == quote and before.count(quote) % 2 == 1
        return quoted or (self._in_backticks(start) and "`" in (quote, after[:1]))

    def _block(self, position: int) -> Fenced | None:
        at = bisect_right(self.starts, position) - 1
        return self.blocks[at] if at >= 0 and position < self.blocks[at].end else None

    def _line(self, position: int) -> int:
        return self.lines[bisect_right(self.lines, position) - 1]

    def _around(self, start: int, end: int) -> tuple[str, str]:
        """What stands before and behind a mark on its line, as far as one looks."""
        before = self.text[max(self._line(start), start - 200) : start]
        return before, self.text[end : end + 200].split("\n", 1)[0]

    def _alone(self, start: int, end: int) -> bool:
        before, after = self._around(start, end)
        return not before.strip() and not after.strip()

    def _in_backticks(self, start: int) -> bool:
        line = self._line(start)
        if self.spans[0] != line:
            end = self.text.find("\n", start)
            whole = self.text[line : end if end >= 0 else len(self.text)]
            self.spans = (line, inline(whole) if "`" in whole else [])
        spans = self.spans[1]
        at = bisect_right(spans, (start - line, len(self.text))) - 1
        return at >= 0 and start - line < spans[at][1]

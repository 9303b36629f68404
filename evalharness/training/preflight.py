"""What is looked at before the first step: the well-known mistakes of fine-tuning, each with a number or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evalharness.chat.render import Chat
from evalharness.errors import DataError, UserError, option_name
from evalharness.training import overlap
from evalharness.training.datasets import Data
from evalharness.training.encoding import EncodedExample, Encodings
from evalharness.training.overlap import Found
from evalharness.training.replay import General
from evalharness.training.split import Split

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The figures of the preflight. `example` has the pieces of one example, and whether each is learned."""

    example: tuple[tuple[str, bool], ...]
    rows: Mapping[str, int]
    tokens: int
    trained: int
    longest: int
    cut: int
    dropped: tuple[int, ...]
    crossing: Mapping[str, int]
    overlaps: tuple[Found, ...]
    unread: Mapping[str, str]
    template: str

    def as_json(self) -> dict[str, object]:
        """For the training's record."""
        return {
            "rows": dict(self.rows), "tokens": self.tokens, "trained_tokens": self.trained, "longest": self.longest,
            "prompts_cut": self.cut, "rows_dropped": list(self.dropped), "prompts_also_in_train": dict(self.crossing),
            "overlap": [
                {"row": f.row, "benchmark": f.benchmark, "id": f.id, "share": round(f.share, 3)} for f in self.overlaps
            ],
            "overlap_unread": dict(self.unread), "template": self.template,
        }  # fmt: skip


def preflight(
    data: Data, split: Split, parts: Mapping[str, Encodings], chat: Chat, *, named: Mapping[str, str | None],
    general: General | None = None,
) -> Preflight:  # fmt: skip
    """Every check that needs no network weights. Raises DataError where training would teach the wrong thing."""
    examples = parts["train"].examples
    taught = (*examples, *(general.encodings.examples if general else ()))
    check_ends(taught, chat)
    check_bos(taught, chat)
    asked = overlap.questions(named)
    known = {row.number for row in (*split.train, *split.validation)}
    rows = [row for row in data.rows if row.number in known] + list(general.rows if general else ())
    found = overlap.find_overlap(rows, asked)
    first = examples[0]
    spelled = (chat.tokenizer.decode_bytes([i]).decode("utf-8", "replace") for i in first.ids)
    everything = [example for part in parts.values() for example in part.examples]
    return Preflight(
        example=tuple(zip(spelled, first.trained, strict=True)),
        rows={name: len({example.row for example in part.examples}) for name, part in parts.items()}
        | ({"replayed an epoch": general.each_epoch} if general else {}),
        tokens=sum(len(example.ids) for example in examples),
        trained=sum(example.targets for example in examples),
        longest=max(len(example.ids) for example in everything),
        cut=sum(part.cut for part in parts.values()),
        dropped=tuple(sorted(number for part in parts.values() for number in part.dropped)),
        crossing=split.crossing(),
        overlaps=tuple(found),
        unread=asked.unread,
        template=chat.name,
    )


def check_ends(examples: Sequence[EncodedExample], chat: Chat) -> None:
    """Every stretch of learned tokens ends with a stop token, or the model would never learn to stop."""
    endless = [example.row for example in examples if not _ended(example, chat)]
    if endless:
        numbers = ", ".join(map(str, endless[:8])) + (", ..." if len(endless) > 8 else "")
        raise DataError(
            f"no end token is learned after the answers of {len(endless)} of {len(examples)} rows (rows {numbers}): "
            "the model would never learn to stop; the template must end an assistant's turn with a control token "
            "(name another format)"
        )


def _ended(example: EncodedExample, chat: Chat) -> bool:
    def blank(number: int) -> bool:  # a template may have the newline behind the end learned
        return not chat.tokenizer.decode_bytes([number]).strip()

    ends = [
        number
        for i, (number, learn) in enumerate(zip(example.ids, example.trained, strict=True))
        if learn and not blank(number) and not _goes_on(example, i + 1, blank)
    ]
    return bool(ends) and all(number in chat.stops for number in ends)


def _goes_on(example: EncodedExample, at: int, blank: Callable[[int], bool]) -> bool:
    """Whether anything but white space is learned right behind."""
    while at < len(example.ids) and example.trained[at]:
        if not blank(example.ids[at]):
            return True
        at += 1
    return False


def check_bos(examples: Sequence[EncodedExample], chat: Chat) -> None:
    """One BOS, at the beginning; in a base model's text where the checkpoint wants one. A chat template that writes
    none is followed: transformers and vLLM ask so too."""
    bos = chat.tokenizer.bos
    for example in examples:
        if bos is not None and example.ids[:2] == (bos, bos):
            raise DataError(f"row {example.row} begins with two BOS tokens; the template must write one or none")
        if chat.source is None and chat.tokenizer.adds_bos and example.ids[0] != bos:
            raise DataError(f"row {example.row} does not begin with the BOS token that the checkpoint expects")


def check_overlap(found: Preflight, allowed: bool) -> None:
    """Rows that hold a benchmark's questions are an error unless the user allows them."""
    grave = [f for f in found.overlaps if f.grave]
    if not grave or allowed:
        return
    some = "; ".join(
        f"row {f.row} holds {f.benchmark} {f.id} ({f.share:.0%} of it: {' '.join(f.question.split())[:60]!r})"
        for f in grave[:_SHOWN]
    )
    more = f" and {len(grave) - _SHOWN} more" if len(grave) > _SHOWN else ""
    raise UserError(
        f"training rows hold questions of benchmarks, which would make their scores worthless: {some}{more}; take them "
        f"out or say {option_name('allow_overlap', True)}"
    )


def check_vocabulary(parts: Mapping[str, Encodings], vocabulary: int) -> None:
    """Every id has a row in the embedding."""
    largest = max(max(example.ids) for part in parts.values() for example in part.examples)
    if largest >= vocabulary:
        raise UserError(
            f"the tokenizer gives ids up to {largest}, the model has {vocabulary} rows of embedding; they do not "
            f"belong together: name the model's own with {option_name('tokenizer')}"
        )

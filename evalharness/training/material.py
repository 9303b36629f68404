"""The examples that a loss learns from: answers, pairs of a better and a worse one, or answers with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalharness.chat.render import Chat
from evalharness.errors import UserError, option_name
from evalharness.training import encoding
from evalharness.training.config import PAIRED
from evalharness.training.encoding import EncodedExample, Encodings, Rules
from evalharness.training.shapes import TrainingRow
from evalharness.training.split import Split
from evalharness.training.step import Material


def material_of(loss: str, parted: Split, parts: Mapping[str, Encodings], chat: Chat, rules: Rules) -> Material:
    """What `loss` learns from. UserError where the rows do not have it."""
    train, validation = parts["train"].examples, parts["validation"].examples
    if loss in PAIRED:
        if any(row.rejected is None for row in (*parted.train, *parted.validation)):
            raise UserError(
                f"{option_name('loss', loss)} wants rows with chosen and rejected answers; here are rows without"
            )
        train, worse = _pairs(parted.train, train, chat, rules)
        validation, worse_validation = _pairs(parted.validation, validation, chat, rules)
        if not train:
            raise UserError(
                f"{option_name('loss', loss)}: of no pair both answers fit into {rules.limit} tokens; raise "
                f"{option_name('max_length')}"
            )
        return Material(train=train, worse=worse, validation=validation, worse_validation=worse_validation)
    if loss == "kto":
        if not rules.mask_prompt:
            raise UserError(
                f"{option_name('loss', 'kto')} compares answers to other prompts, it wants {option_name('mask_prompt')}"
            )
        train, good = _labelled(parted.train, train, chat, rules)
        validation, good_validation = _labelled(parted.validation, validation, chat, rules)
        return Material(train=train, good=good, validation=validation, good_validation=good_validation)
    return Material(train=train, validation=validation)


Examples = tuple[EncodedExample, ...]


def _pairs(rows: Sequence[TrainingRow], found: Examples, chat: Chat, rules: Rules) -> tuple[Examples, Examples]:
    good = {example.row: example for example in found}
    bad = {example.row: example for example in encoding.encode_rejected(rows, chat, rules).examples}
    both = sorted(good.keys() & bad.keys())  # a row of which one answer was too long has no pair
    alike = [encoding.cut_alike(good[i], bad[i], chat) for i in both]
    return tuple(good for good, _ in alike), tuple(bad for _, bad in alike)


def _labelled(
    rows: Sequence[TrainingRow], found: Examples, chat: Chat, rules: Rules
) -> tuple[Examples, tuple[bool, ...]]:
    """Answers and whether each is good; of a pair the chosen one is, and the rejected one is not."""
    said = {row.number: row.good is not False for row in rows}
    bad = encoding.encode_rejected(rows, chat, rules).examples
    answers = [*((example, said[example.row]) for example in found), *((example, False) for example in bad)]
    answers.sort(key=lambda each: each[0].row)
    return tuple(example for example, _ in answers), tuple(good for _, good in answers)

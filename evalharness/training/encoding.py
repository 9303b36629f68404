"""Conversations -> token ids once, then batches: padded to the longest, or packed one behind the other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from evalharness.chat.render import Chat, TrainingExample
from evalharness.errors import DataError, UserError, option_name
from evalharness.records import Message
from evalharness.training.datasets import Broken, rows_refused
from evalharness.training.shapes import TrainingRow

IGNORED = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedExample:
    """One row as tokens. `trained[i]`: token i is learned. `cut` counts prompt tokens dropped from the left."""

    row: int
    ids: tuple[int, ...]
    trained: tuple[bool, ...]
    cut: int = 0

    @property
    def labels(self) -> tuple[int, ...]:
        """What each position is to predict: the one shift there is. One shorter than `ids`."""
        following = zip(self.ids[1:], self.trained[1:], strict=True)
        return tuple(number if learn else IGNORED for number, learn in following)

    @property
    def targets(self) -> int:
        """How many positions have a label."""
        return sum(self.trained[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How rows become examples: `limit` tokens at most; all tokens are learned unless `mask_prompt`; rows whose answer
    does not fit are dropped or are an error; `end_masked` teaches no end token (what the preflight refuses);
    `skip_bad` leaves out rows that the template cannot write, instead of an error."""

    limit: int
    mask_prompt: bool = True
    drop_long: bool = False
    end_masked: bool = False
    skip_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Encodings:
    """The examples of one part, the numbers of the rows that were dropped because their answer does not fit, and the
    rows that the template cannot write."""

    examples: tuple[EncodedExample, ...]
    dropped: tuple[int, ...] = ()
    broken: tuple[Broken, ...] = ()

    @property
    def cut(self) -> int:
        return sum(example.cut > 0 for example in self.examples)


def encode(rows: Sequence[TrainingRow], chat: Chat, rules: Rules) -> Encodings:
    """Tokenise each row once; a row is several examples where its turns are learned one by one.

    DataError names rows whose answer is longer than the context, that train nothing, or that the template cannot write.
    """
    kept: list[EncodedExample] = []
    long, empty = [], []
    broken: list[Broken] = []
    for row in rows:
        try:
            if chat.outgrows(row.messages, rules.limit, row.template_kwargs or {}):
                long.append(row.number)
                continue
            found = chat.examples(row.messages, row.template_kwargs or {})
        except UserError as error:
            broken.append(Broken(number=row.number, place="", reason=str(error)))
            continue
        fitting = [fitted(row.number, example, chat, rules) for example in found]
        kept += [example for example in fitting if example is not None]
        if None in fitting:
            long.append(row.number)
        if not all(example.targets for example in fitting if example is not None):
            empty.append(row.number)
    if broken and not rules.skip_bad:
        raise rows_refused("the data", f"cannot be written by the template {chat.name}", broken, len(rows))
    if long and not rules.drop_long:
        raise DataError(
            f"the answers of {len(long)} rows do not fit into {rules.limit} tokens with their end (rows "
            f"{_some(long)}); raise {option_name('max_length')}, shorten them, or say {option_name('drop_long', True)}"
        )
    if empty:
        raise DataError(
            f"no token would be learned of {len(empty)} rows ({_some(empty)}); does the template mark answers?"
        )
    if rows and not kept and not broken:
        raise DataError(f"no row fits into {rules.limit} tokens; raise {option_name('max_length')}")
    return Encodings(examples=tuple(kept), dropped=tuple(long), broken=tuple(broken))


def encode_rejected(rows: Sequence[TrainingRow], chat: Chat, rules: Rules) -> Encodings:
    """The same conversations with the worse last answer, of rows that are preference pairs."""
    worse = [
        replace(row, messages=(*row.messages[:-1], Message("assistant", row.rejected)), rejected=None)
        for row in rows
        if row.rejected is not None
    ]
    return encode(worse, chat, rules)


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")


def fitted(number: int, example: TrainingExample, chat: Chat, rules: Rules) -> EncodedExample | None:
    """A example of at most `limit` tokens: the prompt is cut from the left, an answer never. None when it cannot be."""
    ids, trained = list(example.ids), list(example.trained)
    if rules.end_masked:
        trained = [learn and token not in chat.stops for token, learn in zip(ids, trained, strict=True)]
    over = max(0, len(ids) - rules.limit)
    if over:
        begin = 1 if ids[0] == chat.tokenizer.bos else 0
        prompt = trained.index(True) if True in trained else len(ids)
        if begin + over >= prompt:  # at least one prompt token has to stay
            return None
        del ids[begin : begin + over], trained[begin : begin + over]
    if not rules.mask_prompt:
        trained = [True] * len(ids)
    return EncodedExample(row=number, ids=tuple(ids), trained=tuple(trained), cut=over)


def cut_alike(one: EncodedExample, other: EncodedExample, chat: Chat) -> tuple[EncodedExample, EncodedExample]:
    """Two answers to one prompt, which was cut where the longer one did not fit: behind the same rest of it, since they
    are compared."""
    most = max(one.cut, other.cut)
    return _cut_further(one, most, chat), _cut_further(other, most, chat)


def _cut_further(example: EncodedExample, cut: int, chat: Chat) -> EncodedExample:
    begin = 1 if example.ids[0] == chat.tokenizer.bos else 0
    more = begin + cut - example.cut
    ids, trained = example.ids, example.trained
    return replace(example, ids=ids[:begin] + ids[more:], trained=trained[:begin] + trained[more:], cut=cut)


@dataclass(frozen=True, slots=True)
class Padded:
    """inputs and targets [B, S]; `targets` is -100 where nothing is learned and on all padding, by length."""

    inputs: Tensor
    targets: Tensor


def collate(examples: Sequence[EncodedExample], pad: int) -> Padded:
    """Rows padded to the longest of them; the targets are the inputs shifted by one."""
    longest = max(len(example.ids) for example in examples) - 1
    inputs = torch.full((len(examples), longest), pad)
    targets = torch.full((len(examples), longest), IGNORED)
    for i, example in enumerate(examples):
        length = len(example.ids) - 1
        inputs[i, :length] = torch.tensor(example.ids[:-1])
        targets[i, :length] = torch.tensor(example.labels)
    return Padded(inputs, targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Rows without padding, what they begin with in common standing once: a token sees only what stands before it, so
    an instruction's frame has the same states and, summed over its rows, the same gradient in all of them.

    `ids` and `positions` [U] are the different tokens; `spread` [T] says which of them each token of each row is, row
    after row, `lengths` of the rows. The different (token, label) pairs are `places` and `labels` [m]; `same` [n] says
    which of them each label of each row is, `owners` [n] its row.
    """

    ids: Tensor
    positions: Tensor
    spread: Tensor
    lengths: list[int]
    places: Tensor
    labels: Tensor
    same: Tensor
    owners: Tensor


def pack_examples(
    examples: Sequence[EncodedExample], device: torch.device | str = "cpu", *, apart: bool = False
) -> Packed:
    """Rows of a batch for the decoder, which attends inside each row only; `apart`: nothing stands once for several."""
    rows = [example.ids[:-1] for example in examples]
    ids, positions, spread = _apart(rows) if apart else _tree(rows)
    labels = [label for example in examples for label in example.labels]
    owners = [number for number, example in enumerate(examples) for _ in example.labels]
    known = [each for each in zip(spread, labels, owners, strict=True) if each[1] != IGNORED]
    pairs: dict[tuple[int, int], int] = {}
    same = [pairs.setdefault((place, label), len(pairs)) for place, label, _ in known]
    tensor = partial(torch.tensor, dtype=torch.long, device=device)
    return Packed(
        ids=tensor(ids), positions=tensor(positions), spread=tensor(spread),
        lengths=[len(example.ids) - 1 for example in examples], places=tensor([place for place, _ in pairs]),
        labels=tensor([label for _, label in pairs]), same=tensor(same), owners=tensor([owner for *_, owner in known]),
    )  # fmt: skip


def _apart(rows: Sequence[tuple[int, ...]]) -> tuple[list[int], list[int], list[int]]:
    ids = [number for row in rows for number in row]
    return ids, [i for row in rows for i in range(len(row))], list(range(len(ids)))


def _tree(rows: Sequence[tuple[int, ...]]) -> tuple[list[int], list[int], list[int]]:
    """The different prefixes of the rows: the last token of each, its position, and which of them each row's are."""
    ids: list[int] = []
    positions: list[int] = []
    paths: dict[int, list[int]] = {}
    last: tuple[int, ...] = ()
    path: list[int] = []
    for number in sorted(range(len(rows)), key=lambda number: rows[number]):
        row = rows[number]
        common = next((i for i, (a, b) in enumerate(zip(last, row, strict=False)) if a != b), min(len(last), len(row)))
        path = path[:common] + list(range(len(ids), len(ids) + len(row) - common))
        ids += row[common:]
        positions += range(common, len(row))
        paths[number], last = path, row
    return ids, positions, [place for number in range(len(rows)) for place in paths[number]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How examples meet: batches of `rows` rows, or as many as fit into `tokens` tokens where that is not 0.

    `buckets` puts rows of like length together. `drop_last` leaves out the last batch when it is not full.
    """

    seed: int
    rows: int = 8
    tokens: int = 0
    shuffle: bool = True
    buckets: bool = False
    drop_last: bool = False

    def batches(self, lengths: Sequence[int], epoch: int) -> list[list[int]]:
        """Indices of each batch of an epoch: a pure function of seed and epoch, so a resumed run meets the same."""
        chance = random.Random(f"{self.seed}/{epoch}")
        order = list(range(len(lengths)))
        if self.shuffle:
            chance.shuffle(order)
        if self.buckets:  # sorted inside chunks, so that batches still differ between epochs
            chunk = 16 * self.rows
            chunks = [order[i : i + chunk] for i in range(0, len(order), chunk)]
            order = [i for part in chunks for i in sorted(part, key=lambda i: lengths[i])]
        found = list(_cut(order, lengths, self))
        if self.drop_last and len(found) > 1 and not self.tokens and len(found[-1]) < self.rows:
            found.pop()
        if self.buckets and self.shuffle:
            chance.shuffle(found)
        return found


def _cut(order: Sequence[int], lengths: Sequence[int], rule: Batching) -> Iterator[list[int]]:
    batch: list[int] = []
    filled = 0
    for index in order:
        full = filled + lengths[index] > rule.tokens if rule.tokens else len(batch) == rule.rows
        if batch and full:
            yield batch
            batch, filled = [], 0
        batch.append(index)
        filled += lengths[index]
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """The batches of one part. Iterating gives the examples of each batch of `epoch`; `collate` or `pack` them."""

    examples: tuple[EncodedExample, ...]
    order: Batching
    epoch: int = 0

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        for batch in self.indices():
            yield [self.examples[i] for i in batch]

    def __len__(self) -> int:
        return len(self.indices())

    def indices(self) -> list[list[int]]:
        return self.order.batches([len(example.ids) for example in self.examples], self.epoch)


def loaders(train: Encodings, validation: Encodings, test: Encodings, order: Batching) -> dict[str, Loader]:
    """A loader for each part; only the training rows are shuffled, and only they may lose their last batch."""
    still = replace(order, shuffle=False, buckets=False, drop_last=False)
    return {
        "train": Loader(examples=train.examples, order=order),
        "validation": Loader(examples=validation.examples, order=still),
        "test": Loader(examples=test.examples, order=still),
    }

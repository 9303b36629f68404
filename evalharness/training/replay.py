"""General data mixed into a training, so that what the model knew is not forgotten
(https://arxiv.org/abs/2403.08763; in small shares already enough: https://arxiv.org/abs/2205.12393)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalharness.chat.render import Chat
from evalharness.errors import DataError, UserError, option_name
from evalharness.training import datasets, encoding
from evalharness.training.datasets import Broken
from evalharness.training.encoding import Encodings, Rules
from evalharness.training.shapes import TrainingRow
from evalharness.training.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """General data as it is mixed in: its rows and examples, their sha256 (hex) and share, how many join each epoch,
    the rows left out as broken, and what the user should know of it."""

    rows: tuple[TrainingRow, ...]
    encodings: Encodings
    sha256: str
    share: float
    each_epoch: int
    broken: tuple[Broken, ...]
    notes: tuple[str, ...]


def parse_replay(said: str) -> tuple[str, float]:
    """The data and the share of `--replay DATA:SHARE`. UserError for anything else."""
    data, _, share = said.rpartition(":")
    try:
        found = float(share)
    except ValueError:
        found = 0.0
    if not data or not 0 < found < 1:
        raise UserError(
            f"{option_name('replay')} wants DATA:SHARE with a share between 0 and 1, as in general.jsonl:0.1, not "
            f"{said!r}"
        )
    return data, found


def read_general(said: str, own: int, parted: Split, chat: Chat, rules: Rules, skip_bad: bool) -> General:
    """The general data of `--replay`, beside `own` examples an epoch. Its rows are numbered behind all of `parted`;
    those that the data name as their own validation or test, and those whose prompt stands among the rows to validate
    or test on, are left out.

    UserError or DataError where it cannot be read; BrokenRowsError for broken rows unless `skip_bad`.
    """
    name, share = parse_replay(said)
    data = datasets.read_training_data(name, skip_bad=skip_bad)
    held = {row.prompt for row in (*parted.validation, *parted.test)}
    first = max(row.number for row in (*parted.train, *parted.validation, *parted.test)) + 1
    rows = [row for row in data.rows if row.part in ("", "train")]
    kept = [replace(row, number=first + i) for i, row in enumerate(rows) if row.prompt not in held]
    made = encoding.encode(kept, chat, replace(rules, skip_bad=True))
    if made.broken and not skip_bad:
        raise datasets.rows_refused(name, "cannot be written by the template", made.broken, len(data.rows))
    if not made.examples:
        raise DataError(f"{option_name('replay', name)}: no row is left to mix in")
    wanted = max(1, round(own * share / (1 - share)))
    count = min(wanted, len(made.examples))
    notes = [f"replay: {count} of {len(made.examples)} general rows join each epoch, {count / (own + count):.1%} of it"]
    notes[0] += f" ({name}, numbered from {first})"
    if count < wanted:
        notes.append(f"replay: {share:.1%} would be {wanted} rows an epoch, there are {count}")
    if own_parts := len(data.rows) - len(rows):
        notes.append(f"replay: {own_parts} rows left out, the data name them as their validation or test")
    if left := len(rows) - len(kept):
        notes.append(f"replay: {left} rows left out, their prompts stand among those to validate or test on")
    return General(
        rows=tuple(kept), encodings=made, sha256=data.sha256, share=share, each_epoch=count,
        broken=(*data.broken, *made.broken), notes=(*notes, *(f"replay: {note}" for note in data.notes)),
    )  # fmt: skip


def drawn_in(epoch: int, there: int, count: int, seed: int) -> Sequence[int]:
    """Which `count` of `there` general examples join an epoch: one behind the other in an order drawn by the seed, so
    that all are met before one comes again."""
    order = list(range(there))
    random.Random(f"{seed}/replay").shuffle(order)
    return [order[(epoch * count + i) % there] for i in range(min(count, there))]

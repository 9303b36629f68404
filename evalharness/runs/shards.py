"""Parts of a run that are asked apart, on other machines or at other times: `--shard 3/8`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.errors import UserError, option_name
from evalharness.runs.manifest import Manifest

_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part number `part` (from 1) of the `of` parts of a run. The parts are as even as they can be, and each is a piece
    of the questions in their order, so that what they share stands together."""

    part: int
    of: int

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"

    @property
    def suffix(self) -> str:
        """What ends the name of the part's folder."""
        return f".{self.part}of{self.of}"

    def places(self, n: int) -> range:
        """Which of n questions are this part's."""
        return range(n * (self.part - 1) // self.of, n * self.part // self.of)


def shard_named(words: str) -> Shard:
    """The part that `3/8` names. UserError for other words."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", words)
    part, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= of <= _MOST:
        raise UserError(
            f"{option_name('shard')} wants a part and how many there are, such as 3/8; there is {words!r:.40}"
        )
    return Shard(part=part, of=of)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """What a part's manifest says of it: which it is, and how many answers of each benchmark are its own."""

    shard: Shard
    answers: Mapping[str, int]

    def as_json(self) -> dict[str, object]:
        """As the manifest keeps it, under `shard` among the options."""
        return {"part": self.shard.part, "of": self.shard.of, "answers": dict(self.answers)}


def shard_facts(manifest: Manifest) -> ShardFacts | None:
    """What a manifest says of the part that its run is; None for a whole run."""
    said = None if manifest.options is None else manifest.options.extra.get("shard")
    if not isinstance(said, Mapping) or not isinstance(said.get("answers"), Mapping):
        return None
    shard = shard_named(f"{said.get('part')}/{said.get('of')}")
    return ShardFacts(shard=shard, answers={str(name): int(n) for name, n in said["answers"].items()})

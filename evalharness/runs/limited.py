"""The draw of `--limit`: so many of a benchmark's samples, the same for every model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from evalharness.records import Sample


def stratified_draw(samples: Sequence[Sample], limit: int, seed: int) -> list[Sample]:
    """`limit` samples in their given order, stratified by group (largest remainders), the same for every model.

    Within a group the order of a hash of seed and id decides, so a larger limit keeps what a smaller one drew.
    """
    if limit >= len(samples):
        return list(samples)

    def rank(identity: str) -> bytes:
        return hashlib.sha256(f"{seed}/{identity}".encode("utf-8", "surrogatepass")).digest()

    ids: dict[str, list[str]] = {}
    for sample in samples:
        ids.setdefault(sample.group, []).append(sample.id)
    members = {g: sorted(ids[g], key=rank) for g in sorted(ids)}
    shares = {g: limit * len(found) / len(samples) for g, found in members.items()}
    sizes = {g: int(share) for g, share in shares.items()}
    short = sorted(members, key=lambda g: (sizes[g] - shares[g], hashlib.sha256(f"{seed}/{g}".encode()).digest()))
    for g in short[: limit - sum(sizes.values())]:
        sizes[g] += 1
    kept = {identity for g, found in members.items() for identity in found[: sizes[g]]}
    return [s for s in samples if s.id in kept]

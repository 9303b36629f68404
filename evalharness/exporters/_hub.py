"""The hub's name of the data set that a benchmark was asked with."""

from __future__ import annotations

import re

from evalharness.runs.manifest import DataFacts

_REPOSITORY = re.compile(r"(?:^hub |\(pulled from )([\w.-]+/[\w.-]+)\)?$")


def hub_repository(data: DataFacts) -> str | None:
    """OWNER/NAME, where the rows came from the hub itself, now or when they were pulled; else None."""
    found = _REPOSITORY.search(data.origin or "") if data.kind in ("hub", "pulled") else None
    return found[1] if found else None

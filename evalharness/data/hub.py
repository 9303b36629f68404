"""Rows from the Hugging Face hub, at a pinned revision."""

from __future__ import annotations

import os
import re
import socket
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from evalharness.data.files import Row as Row
from evalharness.data.rows import Source, SplitRows
from evalharness.errors import DataError, option_name

_PATIENCE = 3.0  # seconds in which the hub's address must be found and answer


def from_hub(source: Source, split: str) -> SplitRows:
    """The rows of a split. DataError where the hub, and its cache on this machine, do not have them."""
    import datasets
    import huggingface_hub.constants

    datasets.disable_progress_bars()
    if not _reachable(huggingface_hub.constants.ENDPOINT):
        # Its client would try for half a minute; what is kept on this machine is read all the same.
        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        if source.hub_file is not None:
            address = f"hf://datasets/{source.hub}/{source.hub_file}"
            table = datasets.load_dataset("json", data_files={split: address}, split=split)
        else:
            table = datasets.load_dataset(
                source.repository, source.config, split=split, revision=source.revision or None, **source.hub_options
            )
    except Exception as error:  # datasets and the hub client raise a dozen unrelated types when the hub is out of reach
        first = (str(error).splitlines() or [type(error).__name__])[0][:160]
        where = f"{source.place}: " if source.place else ""
        raise DataError(
            f"{where}the hub data set {source.repository} cannot be read ({first}); say "
            f"{option_name('data', 'FOLDER')} with {source.wanted}, or {option_name('data', 'sample')}; "
            "`evalh data pull BENCHMARK --to FOLDER` makes such a folder where there is a network"
        ) from error
    rows = tuple(dict(r) for r in table)
    revision = source.revision if _COMMIT.fullmatch(source.revision) else _loaded_commit(table) or source.revision
    return SplitRows(rows=rows, origin=f"hub {source.repository}", revision=revision, kind="hub")


_COMMIT = re.compile(r"[0-9a-f]{40}")


def _loaded_commit(table: Any) -> str:
    """The commit that a data set without a pinned one was loaded from, by the addresses of its files; '' where they do
    not say."""
    files = getattr(getattr(table, "info", None), "download_checksums", None) or {}
    found = {match[1] for address in files if (match := re.search(r"@([0-9a-f]{40})/", str(address)))}
    return found.pop() if len(found) == 1 else ""


def _told_offline() -> bool:
    """Whether the hub's client was told to stay away from the network, as it reads that itself."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


@cache
def _reachable(address: str) -> bool:
    """Whether a connection to the hub can be opened. Where proxies stand between, only they know."""
    from urllib.request import getproxies  # loads TLS

    if any(name in getproxies() for name in ("http", "https", "all")) or _told_offline():
        return True
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 443), timeout=_PATIENCE):
            return True
    except OSError:
        return False

"""The fingerprint of a checkpoint: sha256 over its weights, configuration and tokenizer. Imports nothing heavy.

Large files are hashed once: digests are kept by path, size, time of change and inode under the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from evalharness.data.files import own_folder, parse_json, write_whole
from evalharness.errors import UserError

COUNTED = ("*.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
           "special_tokens_map.json", "chat_template.jinja", "chat_template.json", "vocab.bpe", "encoder.json",
           "merges.txt", "vocab.json", "*.tiktoken", "*.index.json")  # fmt: skip


def cache_file() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "evalharness" / "digests.json"


def checkpoint_fingerprint(folder: Path) -> str:
    """sha256 (hex) of the files that decide what a checkpoint answers."""
    return files_digest(counted_files(folder))


def counted_files(folder: Path) -> list[Path]:
    return sorted({file for pattern in COUNTED for file in folder.glob(pattern)})


def files_digest(files: Sequence[Path]) -> str:
    """sha256 (hex) over names and digests of files."""
    known, fresh = _known(), dict[str, list[object]]()
    total = hashlib.sha256()
    for file in files:
        path, stamp = str(file.resolve()), _stamp(file)
        match known.get(path):
            case [kept, str(digest_kept)] if kept == stamp:
                found = digest_kept
            case _:
                found = _sha256(file)
                fresh[path] = [stamp, found]
        total.update(f"{file.name} {found}\n".encode())
    if fresh:
        _remember({**known, **fresh})
    return total.hexdigest()


def _stamp(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _known() -> dict[str, list[object]]:
    try:
        found = parse_json(cache_file().read_text("utf-8"), cache_file())
    except (OSError, ValueError, UserError):  # nothing kept yet, or not readable: hashed again
        return {}
    return found if isinstance(found, dict) else {}


def _remember(digests: dict[str, list[object]]) -> None:
    try:
        own_folder(cache_file().parent)
        write_whole(cache_file(), json.dumps(digests))
    except OSError:  # a read-only home: hashed again next time
        return

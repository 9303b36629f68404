"""What a user says of a model and of a run, as records; plug-ins and benchmarks take from them what concerns them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the command line says about a model; each plug-in takes what concerns it and refuses nothing else.

    `dtype` is float32, bfloat16 or auto; `threads` and `batch` 0 mean that the engine chooses; `template` names a chat
    template (`none` = ask as a base model). Prices are US dollars per million tokens. `answer_key` and `id_key` name
    where a recorded answer and its question's id stand.
    """

    base_url: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    threads: int = 0
    batch: int = 0
    context: int = 0
    backend: str = "auto"
    tokenizer: str | None = None
    template: str | None = None
    concurrency: int = 16
    price_in: float | None = None
    price_out: float | None = None
    answer_key: str | None = None
    id_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says about a run that a benchmark may care about. `sandbox` etc. reach `open_scorer`."""

    sandbox: str = "auto"
    sandbox_packages: tuple[str, ...] = ()
    yes_run_untrusted_code: bool = False
    check: str = "both"
    workers: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


def package_names(words: str) -> tuple[str, ...]:
    """What `--sandbox-packages` names, from its comma-separated text."""
    return tuple(word.strip() for word in words.split(",") if word.strip())


def is_distribution(name: object) -> bool:
    """Whether `--sandbox-packages` names a distribution alone, without the path of an environment."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) is not None

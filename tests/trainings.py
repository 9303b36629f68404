"""How `evalh finetune` is run in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.cli import guarded

TAGS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]


def command(data: Path, base: Path, out: Path, *more: str) -> list[str]:
    quick = ["--max-length", "128", "--style", "chatml", "--batch", "8", "--answer-tokens", "4", "--threads", "1"]
    return ["finetune", str(data), "--model", str(base), "--out", str(out), *quick, "--json", *more]


def tuned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = guarded(arguments)
    found = capsys.readouterr()
    assert code == 0, found.err
    return json.loads(found.out)

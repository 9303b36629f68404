"""What the user wants said with every request to an endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import json_value
from evalharness.errors import UserError, option_name
from evalharness.options import ApiOptions
from evalharness.text.visible import line

_SECRET_FIELD = re.compile(
    r"(?i)(api_?key|[_-]key|^key|secret|password|authorization|credential|(access|auth|bearer|_|^)_?token)\Z"
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the user wants said with every request."""

    system: str = ""
    reasoning_effort: str = ""
    top_k: int | None = None
    rank_by: str = "echo"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Any]:
        """What was chosen, nothing else."""
        named = {
            "system": self.system, "reasoning_effort": self.reasoning_effort, "top_k": self.top_k,
            "rank_by": "" if self.rank_by == "echo" else self.rank_by,
        }  # fmt: skip
        return {name: value for name, value in {**named, "extra": dict(self.extra)}.items() if value}

    @property
    def shown(self) -> dict[str, Any]:
        """The same for the manifest, without the values of fields that are named like secrets."""
        return {name: _shown(value) if name == "extra" else value for name, value in self.said.items()}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that `shown` hides."""
        return tuple(_secrets(self.extra))


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if _SECRET_FIELD.search(key) else _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list) else value


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if _SECRET_FIELD.search(key):
                yield str(each)
            else:
                yield from _secrets(each)
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each)


def chosen(options: ApiOptions, reserved: Sequence[str]) -> Chosen:
    """What the options say. UserError where the JSON is none, or would say what the question says (`reserved`)."""
    found: Any = {}
    if options.extra:
        try:
            found = json_value(options.extra)
            json.dumps(found, allow_nan=False)  # Python reads NaN, which is no JSON, and it would be sent as null
        except ValueError as error:
            raise UserError(f"{option_name('extra')} wants a JSON object ({error})") from None
        if not isinstance(found, dict):
            raise UserError(f"{option_name('extra')} wants a JSON object; there is {type(found).__name__}")
    if taken := sorted({*reserved, "stream", "n"} & found.keys()):
        raise UserError(f"{option_name('extra')} cannot set {taken[0]}: the run does")
    return Chosen(
        system=_system(options.system or ""), top_k=options.top_k, extra=found,
        reasoning_effort=(options.reasoning_effort or "").lower(),
    )  # fmt: skip


def _like_a_file(word: str) -> bool:
    return not any(map(str.isspace, word)) and (
        word.endswith((".txt", ".md", ".prompt")) or word.startswith(("/", "./", "../"))
    )


def _system(word: str) -> str:
    """The text itself, or that of the file which it names. UserError for a file that cannot be read."""
    try:
        if "\n" in word or not Path(word).is_file():
            if _like_a_file(word):
                raise UserError(f"{option_name('system')} {line(word, 80)}: there is no such file")
            return word
        return Path(word).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, ValueError) as error:
        if len(word) > 255 or "\0" in word:  # longer than any name
            return word
        raise UserError(f"{option_name('system')} {line(word, 80)}: cannot be read ({error})") from None

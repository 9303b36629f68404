"""How a model of this machine reads prompts: its chat format and its tokenizer, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.chat.prompt_styles import FORMATS
from evalharness.data.files import json_value
from evalharness.errors import UserError
from evalharness.model import Preview
from evalharness.records import Request
from evalharness.text.visible import line

if TYPE_CHECKING:
    from evalharness.chat.render import Chat
    from evalharness.engine.tokenizer import Tokenizer

_LARGEST = 1 << 24


@dataclass(frozen=True, kw_only=True)
class PromptReader:
    """A chat format with the tokenizer that it is read by."""

    rendering: Chat
    tokenizer: Tokenizer

    def piece(self, token: int) -> str:
        """What a token stands for; half of a character is shown as one that is unknown."""
        return self.tokenizer.decode_bytes([token]).decode("utf-8", errors="replace")

    def preview(self, request: Request) -> Preview:
        """The prompt's text, ids and pieces as the network reads them, before any cut."""
        asked = self.rendering.ask(request.messages, request.template_kwargs)
        pieces = tuple(map(self.piece, asked.ids))
        return Preview(text=asked.text, ids=tuple(asked.ids), pieces=pieces, bos=asked.bos)


def reader_of_run(folder: Path, described: Mapping[str, Any]) -> PromptReader:
    """The reader of a checkpoint's folder that a run was asked with, by what the run says of its model. UserError where
    the folder is gone or reads prompts in another way by now. A run may come from elsewhere: what it names is never
    fetched, and no file but those of the folder is read."""
    from evalharness.chat.render import choose_chat, own_template
    from evalharness.engine.tokenizer import open_tokenizer

    if not folder.is_dir():
        raise UserError(f"{folder}: the model is not there any more, so its tokens cannot be shown")
    name, wanted = str(described.get("template", "own")), described.get("template_sha256")
    if name not in ("own", "none", *FORMATS):
        raise UserError(f"the run's template {line(name, 60)} is a file of its own, which the run does not keep")
    tokenizer = open_tokenizer(folder, _vocabulary(folder))
    chosen = choose_chat(name, own_template(folder), tokenizer)
    if wanted is not None and chosen.hash != wanted:
        raise UserError(f"{folder}: the template is another than the run was asked with, so its tokens would be others")
    return PromptReader(rendering=chosen, tokenizer=tokenizer)


def _vocabulary(folder: Path) -> int:
    """The rows of a checkpoint's embedding, by its configuration; more than any has where that says nothing."""
    try:
        found = json_value((folder / "config.json").read_bytes()).get("vocab_size")
    except (OSError, ValueError, AttributeError):
        found = None
    return found if isinstance(found, int) else _LARGEST

"""What stands for a character that a terminal or a pipe cannot show: `->` for an arrow, `...` for an ellipsis."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from typing import TextIO

HANDLER = "evalh_plain"
_PLAIN = {
    "…": "...", "–": "-", "—": "-", "−": "-", "→": "->", "←": "<-", "↑": "^", "↓": "v", "·": "*", "•": "*", "±": "+-",
    "×": "x", "≥": ">=", "≤": "<=", "≈": "~", "✓": "+", "✗": "x", "⏎": "", "“": '"', "”": '"', "„": '"', "‘": "'",
    "’": "'", "\u00a0": " ", "\u202f": " ", "Δ": "change in", "█": "#", "░": ".", "▁": "_",
}  # fmt: skip


def plain_characters(text: str) -> str:
    """The text in ASCII: our own signs by what they mean, letters without their accents, all else as an escape."""
    return "".join(character if character.isascii() else _plain(character) for character in text)


def as_shown(text: str) -> str:
    """The text as standard output will show it: a table is laid out by the signs that it will have."""
    return text if _is_unicode(str(getattr(sys.stdout, "encoding", None) or "utf-8")) else plain_characters(text)


def _plain(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if "\u2500" <= character <= "\u257f":  # lines of tables
        return "|" if character in "│┃╵╷╹╻╿╽┆┇┊┋" else "-" if character in "─━╴╶╸╺╼╾┄┅┈┉" else "+"
    letter = unicodedata.normalize("NFKD", character)[0]
    if letter.isascii():
        return letter
    code = ord(character)
    return f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _instead(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain_characters(error.object[error.start : error.end]), error.end


def write_what_can_be_shown() -> None:
    """From now on standard output and error write what their encoding lacks by other signs, and never fail for it."""
    codecs.register_error(HANDLER, _instead)
    for stream in (sys.stdout, sys.stderr):
        encoding = str(getattr(stream, "encoding", None) or "utf-8")
        if not _is_unicode(encoding) and hasattr(stream, "reconfigure"):
            _reconfigured(stream)


def _reconfigured(stream: TextIO) -> None:
    stream.reconfigure(errors=HANDLER)  # type: ignore[attr-defined]  # of files that know their encoding


def _is_unicode(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False

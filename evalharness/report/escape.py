"""Model output is hostile text. What makes it harmless in each kind of report stands here and nowhere else.

Every report first calls `printable`, then the escaping of its own format.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from evalharness.text.visible import line as line
from evalharness.text.visible import printable as printable
from evalharness.text.visible import shorten as shorten

# ASCII punctuation that starts something in Markdown (GitHub's, GitLab's); written as character references.
_MARKDOWN = re.compile(r"[!\"#$&'()*+.:<=>@\[\\\]^_`{|}~-]")
_ZERO_WIDTH_SPACE = "&#8203;"


def markdown(text: str, length: int = 200) -> str:
    """A text as inert inline Markdown, fit for a table cell: no markup, mention, link, image, comment or HTML.

    References are decoded after Markdown is parsed, so nothing in them is markup. A mention is looked for later still,
    hence the zero-width space after an at sign and inside `//` and `www`.
    """
    found = _MARKDOWN.sub(_reference, line(text, length))
    return re.sub(r"(?i)\bwww", f"w{_ZERO_WIDTH_SPACE}ww", found)


def _reference(found: re.Match[str]) -> str:
    character = found.group()
    return f"&#{ord(character)};" + (_ZERO_WIDTH_SPACE if character in "@:#" else "")


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "…": r"\ldots{}", "–": "--",
}  # fmt: skip


def latex(text: str, length: int = 120) -> str:
    """A text as inert LaTeX, fit for a table cell."""
    return "".join(_LATEX.get(character, character) for character in line(text, length))


def inert_cell(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def workflow_data(text: str) -> str:
    """The message of a GitHub workflow command."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str) -> str:
    """A property (title, file) of a GitHub workflow command."""
    return workflow_data(text).replace(":", "%3A").replace(",", "%2C")


def without_commands(lines: Iterable[str]) -> str:
    """Lines for a GitHub log in which no workflow command is obeyed: a sample may print `::add-mask::`.

    The token is random, so no text written beforehand can end the guard.
    """
    token = secrets.token_hex(16)
    return "\n".join([f"::stop-commands::{token}", *lines, f"::{token}::"])

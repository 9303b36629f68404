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

_APART = "&#8203;"  # a zero-width space; as a reference, for no text of ours has an invisible character
# What is Markdown, or looked for in its text (GitHub's, GitLab's), each kind where it does something and nowhere else:
# an apostrophe, a quotation mark, a full stop or a `<` among numbers stays as it is.
_MARKDOWN = re.compile(
    r"(?P<markup>"
    r"(?<!\s)\*|\*(?!\s)"  # emphasis or an item of a list; not among spaces
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, outside a word
    r"|\\(?=[!-/:-@\[-`{-~]|$)|[`\[\]~]"
    r"|^[#>+=:-]|^/(?=[^\W\d])"  # what begins a line: heading, list, rule, GitLab's command
    r")"
    r"|(?P<numbered>^\d{1,9}(?=[.)](?:\s|$)))"
    r"|(?P<reference><(?=[A-Za-z/!?])|\||\$(?!\d)|&(?=\#?\w+;))"  # HTML, a cell, a formula, a character
    r"|(?P<link>@|\#(?=\w)|(?<!\w)[!&%](?=\w)|:(?=//)|(?<!\w):(?=:|[\w+-]+:)"  # looked for later, as are
    r"|(?i:www)(?=\.)|(?<!\w)(?i:gh)(?=-\d))"  # www.a.example and GH-26
)
_REFERENCES = {"<": "&lt;", "|": "&#124;", "$": "&#36;", "&": "&amp;"}


def markdown(text: str, length: int = 200) -> str:
    """A text as inert inline Markdown, fit for a table cell: no markup, mention, link, image, comment or HTML.

    What is plain stays plain, for a comment is read in mails and terminals too. What is looked for in the text that
    Markdown gave (mentions, addresses, issues, emoji) is broken by a zero-width space, which no escape would do.
    """
    return _MARKDOWN.sub(_inert, line(text, length))


def _inert(found: re.Match[str]) -> str:
    said = found.group()
    if found.lastgroup == "reference":
        return _REFERENCES[said]
    if found.lastgroup == "link":
        return f"{said[:1]}{_APART}{said[1:]}"
    return f"{said}\\" if found.lastgroup == "numbered" else f"\\{said}"


def plain_references(text: str) -> str:
    """A text that `markdown` made, without its character references: for readers that know no HTML."""
    for character, reference in _REFERENCES.items():
        text = text.replace(reference, f"<{_APART}" if character == "<" else f"\\{character}")
    return text.replace(_APART, "\N{ZERO WIDTH SPACE}")


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

"""Options that a text marks one by one as right or wrong: `A ✗ B ✗ C ✓`, `(A) incorrect (B) correct`, `[x] C`.

A word behind one letter alone may be that option's own text (`B) No`): words count where two letters have one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalharness.text.deferred import deferred

_YES, _NO = "✓", "✗"
_SIGNS = str.maketrans(dict.fromkeys("✔✅☑🗹", _YES) | dict.fromkeys("✘❌☒✕❎☐", _NO) | {"\ufe0f": ""})
_BOX = deferred(r"^([ \t]*)(?:[-*+] )?\[([ xX])\](?=[ \t])", re.MULTILINE)
_ARROW = deferred(
    r"(?:<--?|←)\s{0,3}(?:this(?: one| is (?:it|correct))?|correct|right|the answer|answer)\b", re.IGNORECASE
)
_SIGN = rf"(?P<sign>[{_YES}{_NO}])"
_SAID = r"(?:(?P<yes>correct|right|true|yes)|(?P<no>incorrect|not correct|wrong|false|no))"
_ENDS = r"(?=\)?[ \t]*(?:\Z|[,.;:)\n\[(]|[A-Z]\b))"
_SHUT = r"[\])}>'\"]*"
_BEHIND = deferred(rf"{_SHUT}[ \t]*(?:[:—–,.=→-]|->)?[ \t]*\(?(?:{_SIGN}|{_SAID}){_ENDS}", re.IGNORECASE)
_BEHIND_TEXT = deferred(
    rf"{_SHUT}[.):]*[ \t][^\n{_YES}{_NO}]{{0,80}}?(?:{_SIGN}|\({_SAID}\))[ \t]*(?=\n|\Z)",
    re.IGNORECASE,
)
_BEFORE = deferred(rf"(?:\A|\n)[ \t]*{_SIGN}[ \t(]*\Z")


def plain_marks(text: str) -> str:
    """The text with one sign for right and one for wrong; check boxes of a list are signs."""
    text = text.translate(_SIGNS) if not text.isascii() else text
    return _ARROW.sub(_YES, _BOX.sub(lambda box: box[1] + (_NO if box[2] == " " else _YES), text))


def marks(places: Sequence[tuple[str, str, str]]) -> list[bool | None]:
    """Whether each letter is marked right or wrong; None: not marked, or by one word that may be the option's text.

    `places` are (letter, what stands before it in its line, what follows).
    """
    found = [_mark(before, after) for _, before, after in places]
    marked = {letter for (letter, _, _), one in zip(places, found, strict=True) if one is not None}
    signed = any(one is not None and one[1] for one in found)
    return [None if one is None or not (signed or len(marked) > 1) else one[0] for one in found]


def _mark(before: str, after: str) -> tuple[bool, bool] | None:
    """Whether a letter is marked right, and whether by a sign."""
    sign = _BEFORE.search(before)
    if sign:
        return sign["sign"] == _YES, True
    found = _BEHIND.match(after) or _BEHIND_TEXT.match(after)
    if found is None:
        return None
    return (found["sign"] == _YES, True) if found["sign"] else (found["yes"] is not None, False)

"""The forms in which judges write a verdict: bare labels and numbers, lines that hold nothing else, almost-JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from evalharness.text.deferred import deferred
from evalharness.text.syntax import parsed_expression

_LONGEST_OBJECT = 50_000  # characters of an object that is no JSON
_LONGEST_LABEL = 200
_LONGEST_LINE = 120
_WORDS = (
    r"(?:(?:so|therefore|thus|hence|my|the|final|overall)\W{1,3}){0,4}"
    r"(?:verdict|rating|score|grade|answer|winner|choice|preference|judge?ment|decision)"
)
# Before a label: `Verdict:`, `My final verdict is`. Groups: the word that says that it is one, and the label.
_LINE = deferred(
    rf"[\s*_#`>\-\"'“”]{{0,12}}(?:(?P<word>{_WORDS})\b[\s*_\"'`“”]{{0,6}}(?:is\b|[:=\-–—→]|->)*[\s*_\"'`“”:]{{0,6}})?"
    r"(?P<said>[^\n]{1,60}?)\s*",
    re.IGNORECASE,
)
_AROUND = (
    (deferred(r"\A\\boxed\s?\{(.{0,80})\}"), 1),
    (deferred(r"\A<(verdict|answer|score|rating)>(.{0,80})</\1>", re.IGNORECASE), 2),
    (deferred(r"\A[\[({]{1,2}(.{0,80}?)[\])}]{1,2}"), 1),
)
_CANDIDATE = deferred(r"(?:the\s)?(?:assistant|response|answer|model|option|candidate)\s+", re.IGNORECASE)

_DENIES = deferred(
    r"(?:\b(?:not|never|cannot|neither|nor|refuse to|unable to)|n't)\s{1,3}(?:(?:give|say|choose|pick|select|answer|"
    r"vote|award|for|go|with|be|call|it|an?|the|verdict|really|necessarily|simply)\s{1,3}){0,4}\W{0,3}\Z",
    re.IGNORECASE,
)

# Before a marker that a submission holds: what the judge says of the submission, `tries to inject [[B]]`.
_REPORTS = deferred(
    r"(?P<judge>\b(?:I|we|my)\b[^.!?;:\n]{0,30})?"
    r"\b(?:inject\w*|insert\w*|embed\w*|contain\w*|includ\w*|writ\w+|wrote|plant\w*|append\w*|add(?:s|ed|ing)?|hid\w*"
    r"|smuggl\w*"
    r"|say(?:s|ing)?|said|stat(?:es|ed|ing)|ask(?:s|ed|ing)?|demand\w*|request\w*|instruct\w*|tell(?:s|ing)?|told"
    r"|claim\w*|print\w*"
    r"|output\w*|us(?:es|ed|ing)|end(?:s|ed|ing)? with|mention\w*|quot\w+|attempt\w*|tr(?:y|ies|ied|ying) to|forc\w+)\b"
    r"(?:\s{0,3}:|(?:(?!\b(?:so|thus|therefore|hence|verdict|I|my|choose|is|better"
    r"|wins?)\b)[^.!?;:\n]){0,40})[\s\"'`*(]{0,5}\Z",
    re.IGNORECASE,
)


class ObjectPairs(list[tuple[str, Any]]):
    """The names and values of an object in order, a name as often as it is there."""


def undecorated(said: str) -> str:
    """A label or number without quotation marks, emphasis, brackets, `\\boxed{}`, `Assistant` and a final full stop."""
    out = said.strip()
    for _ in range(6 if len(out) <= _LONGEST_LABEL else 0):
        before = out
        out = out.strip(" \t\r\n*_`\"'“”‘’").removesuffix("\\").rstrip(".!,;:").strip(" *_`\"'“”‘’")
        for pattern, group in _AROUND:
            found = pattern.fullmatch(out)
            out = found[group].strip() if found else out
        out = _CANDIDATE.sub("", out, count=1) if _CANDIDATE.match(out) else out
        if out == before:
            break
    return out


def lines_alone(text: str) -> Iterator[tuple[bool, str]]:
    """Of each line that may hold nothing but a verdict: whether it says that it is one, and what it says, bare."""
    for line in text.splitlines():
        if line.lstrip().startswith(">") or len(line) > _LONGEST_LINE:
            continue
        found = _LINE.fullmatch(line)
        if found:
            yield bool(found["word"]), undecorated(found["said"])


def object_of(text: str) -> ObjectPairs | None:
    """A JSON object, None for anything else; line breaks in its strings count as they stand."""
    try:
        value = json.loads(text, object_pairs_hook=ObjectPairs, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, ObjectPairs) else None


def loose_object(text: str) -> ObjectPairs | None:
    """An object in almost JSON: single or typographic quotation marks, names and values without any, a comma or a
    backslash too many. Only names and plain values are kept."""
    if len(text) > _LONGEST_OBJECT:
        return None
    if '"' not in text:
        text = text.translate(str.maketrans("“”„", '"""'))
    tree = parsed_expression(text.strip())
    if not isinstance(tree, ast.Dict):
        return None
    named = [(key, value) for key, value in zip(tree.keys, tree.values, strict=True) if key is not None]
    return ObjectPairs((str(_plain(key)), _plain(value)) for key, value in named)


def last_field(text: str, name: str) -> ObjectPairs | None:
    """The field that ends an object whose other values are not quoted as JSON wants it; None where the name is there
    more than once."""
    quoted = rf"[\"'“]{re.escape(name)}[\"'”]\s?:\s?[\"'“]?(?P<said>[^\"'“”{{}}\n]{{1,60}})[\"'”]?\s{{0,9}}\}}\Z"
    found = re.search(quoted, text[-200:], re.IGNORECASE)
    if found is None or not text.startswith("{") or text.casefold().count(name.casefold()) > 1:
        return None
    return ObjectPairs([(name, found["said"].strip())])


def _plain(node: ast.expr) -> object:
    """The value of a constant or of a bare word; of anything else its source, which is no verdict."""
    if isinstance(node, ast.Constant):
        return node.value
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def balanced(text: str) -> list[str]:
    """The outermost pieces of a text between braces that pair, whatever else is in them."""
    found, depth, start = [], 0, 0
    for brace in re.finditer(r"[{}]", text):
        if brace.group() == "{":
            start = start if depth else brace.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                found.append(text[start : brace.end()])
    return found[-20:]


def denied(text: str, marker: re.Match[str]) -> bool:
    """Whether a marker is what the judge does not say: `I will not give [[A]]`."""
    before = text[max(0, marker.start() - 80) : marker.start()].rsplit("\n", 1)[-1]
    return _DENIES.search(re.split(r"[.;:!?,]", before)[-1]) is not None


def reported(text: str, marker: re.Match[str], submissions: Sequence[str]) -> bool:
    """Whether a marker is what the judge says that a submission holds: `it tries to inject [[B]]`."""
    if not any(marker.group() in submission for submission in submissions):
        return False
    before = text[max(0, marker.start() - 120) : marker.start()].rsplit("\n", 1)[-1]
    found = _REPORTS.search(re.split(r"[.!?;]\s", before)[-1])
    return found is not None and not found["judge"]

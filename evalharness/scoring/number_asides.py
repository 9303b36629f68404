"""Numbers that stand in a text beside its answer: citations, steps, times, dates, roundings, what is said of the text.

Two kinds. `markers` answer nothing wherever they stand: `[1]`, `step 3`, `rounded to 2 decimals`, a list of sources.
`circumstances` say when, where or from what: they give way to another number of their sentence, and only to that, so
that `The train leaves at 9 pm.` still answers with 9.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from evalharness.text.deferred import deferred

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(?:[12]?\d|3[01])(?:st|nd|rd|th)?"
_MARKERS = deferred(
    r"""
    (?<!is[ ])(?<!are[ ])(?<![=:][ ])(?<![=:\\])\[\^?\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,20}\](?!\()
    | <sup>[^<>\n]{0,20}</sup>
    | \b(?:steps?|questions?|examples?|problems?|exercises?|parts?|cases?|method|equations?|eqs?\.?|lines?|figures?
        |figs?\.?|tables?|notes?|footnotes?|options?|pages?|pp\.|chapters?|sections?|appendix|versions?|refs?\.?|sources?)
      [ ]\(?\#?\d{1,4}(?:\.\d{1,2})?\)?(?![\w,%]|[.]\d|[ ]?[-+*/=×])
    | \bround(?:ed|ing|s)?\b[^\n.;]{0,30}?\bto[ ](?:the[ ])?nearest[ ]\d{1,6}(?:st|nd|rd|th)?\b
    | \b(?:to|with|at)[ ]\d{1,2}[ ](?:decimals?|significant|d\.?p\b|s\.?f\b)
    | \b\d{1,3}(?:\.\d+)?[ ]?%[ ](?:sure|certain|confident|confidence)\b
    | ^[ \t*_\#>(-]{0,20}(?:confidence|certainty|difficulty|sources?|references?|tokens?|word[ ]count)\b
      [^:\n]{0,30}:[^\n]*
    | \((?:confidence|certainty|sources?|references?|page|see|cf)\b[^()\n]{0,200}\)
    | \b(?:let[ ]me[ ]know|feel[ ]free|would[ ]you[ ]like
        |if[ ]you(?:['’]d|[ ]would)?[ ](?:like|need|want|have)[ ](?:\d[ ]more|more|any|further|another|help|to))\b
      [^\n]{0,300}
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_CIRCUMSTANCES = deferred(
    rf"""
    \b\d{{1,2}}[:h]\d\d(?::\d\d)?(?![\d])(?:\s?[AaPp]\.?[Mm]\b\.?)?
    | \b\d{{1,2}}\s?(?:[AaPp]\.?[Mm]\b|o['’]clock|in[ ]the[ ](?:morning|afternoon|evening)|at[ ]night|noon\b)
    | \b{_MONTH}[ ]{_DAY}\b(?:,?[ ]\d{{4}}\b)? | \b{_MONTH}[ ]\d{{4}}\b
    | \b{_DAY}[ ](?:of[ ])?{_MONTH}(?:,?[ ]\d{{4}}\b)?
    | \b\d{{4}}-\d\d-\d\d\b | \b\d{{1,2}}/\d{{1,2}}/\d{{2,4}}\b | \b\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b
    | \b(?:[Ii]n|[Bb]y|[Ss]ince|[Uu]ntil|[Bb]efore|[Aa]fter|[Dd]uring|[Oo]f|year)[ ](?:1[89]|20)\d\d
      (?=\s*(?:[.,;:!?)\n]|\Z|(?:he|she|it|they|we|there|the|and)\b))
    | \b\d{{1,3}}(?:st|nd|rd|th)[ ](?:day|week|month|year|hour|minute|grade|floor|row|time|birthday|of)\b
    | (?:\b(?:[Dd]ay|[Ww]eek|[Mm]onth|[Yy]ear|[Gg]rade|[Ll]evel|[Rr]oom|[Rr]ow|[Tt]eam|[Nn]o\.)[ ]|\#)\d{{1,4}}\b
    | \b(?:not|than|instead[ ]of|compared[ ](?:to|with))[ ](?:(?:the|his|her|their|only|just)[ ])?[$€£]?\d[\d.,]*
    | (?:(?<=\d[ ])of|\bout[ ]of)[ ](?:(?:the|his|her|their)[ ])?\d+\b
    | \bi\.e\.,?[ ][$€£]?\d[\d.,]*[ ][-+*/×x÷][ ][^=\n;]{{0,60}}
    | \([^()\n]{{0,80}}?\b(?:1[89]|20)\d\d[a-z]?\)
    | ,[ ](?:and[ ])?(?:\d+[ ]of[ ](?:which|whom)|of[ ](?:which|whom)[ ]\d+)\b
    | [(,][ ]?(?:(?:with|including)[ ])?\d+[ ]of[ ](?:them|these|those)\b
      (?![ ](?:is|are|was|were|ha[sdv]e?|will|would|can|could|do|does|did|should|must)\b)
    | \bincluding[ ](?:the[ ])?\d+\b
    | [,(@][ ]?[$€£]?\d[\d.,]{{0,20}}[ ](?:each|apiece|per[ ][a-z]+)\b
    | (?<=is[ ])(?:half|twice|double|\d+(?:\.\d+)?[ ]?%|\d+/\d+)[ ]of[ ](?:the[ ])?[$€£]?\d[\d.,]*
    | (?:\(|\bi\.e\.,?[ ])\d+(?:\.\d+)?[ ]?%[ ]of[ ][$€£]?\d[\d.,]*
    | ,[ ](?:(?:which|that)[ ](?:is|are|was|were|makes)[ ])?(?:[$€£]?\d[\d.,]*[ ])?(?:[a-z]+[ ]){{0,2}}
      (?:more|less|fewer|greater|larger|bigger|smaller|higher|lower|longer|shorter|older|younger|taller|heavier|lighter
        |faster|slower|cheaper|twice|half|double|times)\b[^.,;=\n]{{0,40}}\b(?:than|as)\b[^.,;=\n]{{0,40}}
    | (?:\b(?:up|down|from[ ]the[ ](?:original|initial|first)|from[ ](?:an?|his|her|their)[ ](?:original|initial))
      (?:[ ]from)?[ ])[$€£]?\d[\d.,]*
    """,
    re.VERBOSE,
)
# The group in brackets that ends a sentence: what it was calculated from.
_BRACKETS = deferred(
    r"(?<!\d)(?<!\d[.,])(?P<said>\d[\d.,]{0,20})[^\s\w()]{0,4}(?P<words>\s{1,3}(?:[a-zA-Z]{1,30}\s{1,3}){0,3})"
    r"\((?P<inner>[^()\n]{1,120})\)"
    r"(?=[^\w\n]*(?:\n|\Z|[.,;]))"
)
_FROM = deferred(r"\s{0,3}(?:=|i\.?\s?e\b|since\b|because\b|as\b|from\b|that is\b|rounded\b|not\b)", re.IGNORECASE)
_CALCULATION = deferred(r"\s{0,3}[$€£]?(?P<first>\d[\d.,]{0,20})\s{0,3}[-+*/×x÷]")
# What is said of the number before it, at the end of a clause: `45 tickets over 3 days`, `$45 for 3 people`.
_FOR_WHAT = deferred(
    r"(?P<given>\b(?:the|these|those|all|his|her|their|its|each|every|another|first|last|next|other|remaining|same)\s)?"
    r"(?<![\d,.])[$€£]?\d[\d,.]{0,20}(?:\s[a-z'’-]{1,20}){0,6}?\s"
    r"(?:over|in|within|during|across|for|per|among|between|every|after|from|at(?:\sa\s(?:rate|speed|price"
    r"|cost)\sof)?)\s"
    r"(?:(?:the|each|all|all of|his|her|their|its|these|those|only|just|a|about)\s)?[$€£]?\Z",
    re.IGNORECASE,
)
_CLAUSE_ENDS = deferred(
    r"[\d,.]{0,20}(?:\s[a-z'’-]{1,20}){1,3}\s{0,9}(?:[.,!;\n]|\Z|(?<=\s)(?:at|in|for"
    r"|over)\s[$€£]?\d)",
    re.IGNORECASE,
)
_OTHER_CLAUSE = deferred(
    r"\b(?:which|that|so|giving|making|gives|makes|or|is|are|equals|leaving"
    r"|and)\b",
    re.IGNORECASE,
)
# Behind the result of an equation: `12 + 30 = 42 marbles for 3 children`.
_BEHIND_RESULT = deferred(
    r"\b(?:for|at|on|in|per|by|after|before|within|over|during|among|between|with|than|from|of|out of|every|each)\s"
    r"(?:(?:the|each|all|all of|his|her|their|its|these|those|every|only|just|a|about)\s)?[$€£]?\Z",
    re.IGNORECASE,
)
_RESULT = deferred(r"=[\s*$£€]{0,4}-?\d")
_LATER_RESULT = deferred(
    r"\b(?:which|that|so|giving|making|gives|makes|or|total|is|are|equals|leaving|and)\b", re.IGNORECASE
)
_ENDS = deferred(
    r"^[ \t*_#>-]{0,10}(?:references?|sources?|citations?|footnotes?|bibliography|notes?|verification|check)\b"
    r"[ \t*_]{0,4}(?::|$)|^\[\^?\d{1,3}\][: ]"
    r"|(?:(?<=[.!?\n] )|(?<=[.!?\n]))(?:check|verification|to (?:verify|check)|p\.?\s?s\.?)\b\s?[:,]",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_CONCLUDES = deferred(
    r"^[ \t*_#>-]{0,10}(?:so|thus|therefore|hence|finally|altogether|in (?:total|all)|total|overall|final)\b",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = deferred(r"\n|[.!?][\"')\]*]{0,3}\s(?=[^\sa-z\d])")


def without_appendix(text: str, start: int) -> int:
    """Where a text's answer ends: before the sources, notes and checks behind `start` that no conclusion follows."""
    concluded = max((found.end() for found in _CONCLUDES.finditer(text, start)), default=start)
    found = _ENDS.search(text, concluded)
    return found.start() if found else len(text)


def answering(text: str, numerals: list[re.Match[str]]) -> list[re.Match[str]]:
    """The numerals of a text without its markers, and without circumstances where their sentence has another number."""
    marked = [found.span() for found in _MARKERS.finditer(text)]
    left = [n for n in numerals if not _within(n.start(), marked)]
    circumstances = [found.span() for found in _CIRCUMSTANCES.finditer(text)]
    brackets = [found.span("inner") for found in _BRACKETS.finditer(text) if _explains(found)]
    ends = [found.start() for found in _SENTENCE.finditer(text)]
    weak = {
        n.start()
        for n in left
        if _within(n.start(), circumstances) or _within(n.start(), brackets) or _of_another(text, n, ends)
    }
    answered = {bisect_right(ends, n.start()) for n in left if n.start() not in weak}
    return [n for n in left if n.start() not in weak or bisect_right(ends, n.start()) not in answered]


def _explains(found: re.Match[str]) -> bool:
    """Whether what stands in brackets behind a number is where it comes from, or the number of its equation."""
    inner = found["inner"]
    if _FROM.match(inner):
        return True
    calculation = _CALCULATION.match(inner)
    if calculation:
        return "=" not in inner or calculation["first"].rstrip(".,") == found["said"].rstrip(".,")
    return inner.isdigit() and len(inner) <= 2 and not found["words"].strip()


def _of_another(text: str, numeral: re.Match[str], ends: list[int]) -> bool:
    """Whether a numeral only says for what, when or where another number before it in its sentence holds."""
    place = bisect_right(ends, numeral.start())
    start = max(ends[place - 1] if place else 0, numeral.start() - 200)
    before = text[start : numeral.start()]
    counted = _FOR_WHAT.search(before)
    counts = counted is not None and not counted["given"] and not _OTHER_CLAUSE.search(counted.group())
    if counts and _CLAUSE_ENDS.match(text, numeral.end()):
        return True
    if not _BEHIND_RESULT.search(before[-40:]):
        return False
    results = list(_RESULT.finditer(before))
    return bool(results) and not _LATER_RESULT.search(before, results[-1].end())


def _within(position: int, spans: list[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (position, 1 << 60)) - 1
    return at >= 0 and position < spans[at][1]

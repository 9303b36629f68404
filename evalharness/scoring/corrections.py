"""The words by which a text takes back what it said before, in the languages that benchmarks are asked in."""

from __future__ import annotations

import re

from evalharness.text.deferred import deferred

NO = r"(?:\b(?:no|nope|nein|non|nie|não|nao|нет|hapana|لا)\b|नहीं)"
# By themselves these take back.
_TAKES_BACK = (
    r"\b(?:wait|hold on|tak(?:e|ing) (?:that|it) back|actually|correction|correct (?:this|that|myself)|corrected|oops"
    r"|(?:a|my|the) mistake|mistaken"
    r"|reconsider|re-?check\w*|re-?evaluat\w*|re-?calculat\w*|(?:on|upon) (?:second thoughts?|reflection|review)"
    r"|sorry|apolog\w+|(?:scratch|make|strike) that|revis\w+|hmm+|let me re\w*|(?:i|it|that|this)(?:'s| is| was) "
    r"(?:wrong|incorrect|not (?:right|correct|true))|(?:not|can't be|cannot be) right|(?:an|my) error|i misread"
    r"|i misunder\w+|i mean|i meant|edit|updated?|chang\w+ my (?:answer|mind)|thinking (?:again|about it more)"
    r"|espera|perd[oó]n|corrijo|corrig\w+|mejor dicho|aliás|moment|ich meine|attends|pardon|aspetta|anzi"
    rf"|подожд\w+|исправ\w+|ошиб\w+|انتظر)\b|{NO}(?:\s+wait)?\s*[,،:.!—–-]|\b(?:nope|nein|hapana)\b"
    r"|不对|更正|等等|错了|不[，,。]|いや|いいえ|訂正|待って|아니|잠깐|정정"
)
# These do between two claims; elsewhere they are words like others.
_MAY_TAKE_BACK = (
    r"\b(?:mistake|instead|rather|however|(?:on|upon) (?:closer|further)|double[- ]check\w*|new answer"
    r"|should (?:be|have been)|further (?:analysis|thought|reflection|consideration)|stattdessen)\b"
)
TAKES_BACK = deferred(_TAKES_BACK, re.IGNORECASE)
CORRECTION = deferred(f"{_TAKES_BACK}|{_MAY_TAKE_BACK}", re.IGNORECASE)
# Between what takes back and the right answer: `it is`, `that should be`.
COPULA = (
    r"(?:(?:(?:it|that|this|which|the\s+(?:right|correct|real|actual|final|true)?\s*(?:answer|option|choice|total"
    r"|number"
    r"|result|value|amount|sum))(?:\s+(?:is|was|should\s+(?:be|have\s+been)|must\s+be|would\s+be|has\s+to\s+be"
    r"|will\s+be"
    r"|ought\s+to\s+be|equals|comes\s+to)|'s)|should\s+(?:be|have\s+been)|es\s+ist|debe\s+ser|es|é|è|c'est|ist|to|это"
    r"|ni)"
    r"(?:\s+(?:actually|really|only|just|then|probably|in\s+fact))?|应该?是|答案是|是)"
)
# What is struck out: in Markdown and in HTML.
_STRUCK = deferred(r"~~(?=[^~\s])[^~\n]{1,200}~~|<(?P<tag>s|del|strike)>[^<>\n]{0,200}</(?P=tag)>", re.IGNORECASE)


def without_struck(text: str) -> str:
    """The text without what it strikes out."""
    return _STRUCK.sub(" ", text) if "~~" in text or "</" in text else text

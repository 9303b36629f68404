"""Fields of a row that may say what is to be learned, by their names and values: they are refused, not passed over."""

from __future__ import annotations

import re

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def _word(names: str) -> re.Pattern[str]:
    """A whole word of a field's name."""
    return re.compile(rf"(?<![a-z])(?:{names})(?![a-z])")


_LIKE_MARK = _word(r"masks?|masked|loss|weights?|train(?:ed|ing|able)?|learn(?:ed|able)?|rewards?|advantages?")
_SAYS_GOOD = _word(
    r"correct|accept(?:ed|ance)?|approved?|chosen|preferred|preference|good|passed|valid|verified|success(?:ful)?|liked"
    r"|upvoted|thumbs_up|usable|used?|keep|kept|included?|enabled?|select(?:ed)?|active"
)
_SAYS_BAD = _word(
    r"incorrect|wrong|rejected|bad|failed|invalid|disliked|downvoted|ignored?|skip(?:ped)?|excluded?|discard(?:ed)?"
    r"|toxic"
    r"|harmful|unsafe|deleted?|thumbs_down"
)
# What somebody thought of the answer, and the words that say that it was not much.
_OPINIONS = _word(
    r"feedback|preference|ratings?|status|verdict|grade|quality|votes?|upvotes?|thumbs?|stars?|reaction|scores?"
    r"|judge?ment"
    r"|review|outcome|eval(?:uation)?|decision"
)
_POOR = re.compile(
    r"negative|bad|poor|(?:very )?low|dislike[d]?|(?:thumbs[ _]?)?down|reject(?:ed)?|incorrect|wrong|false|fail(?:ed"
    r"|ure)?"
    r"|unacceptable|unsafe|invalid|discard(?:ed)?|worse|loser|[-f]|👎|❌|-\d+(?:\.\d+)?"
)
_REASONS = _word(
    r"reasonings?|thinking|thoughts?|rationales?|cot|chain_of_thought|scratchpad|explanations?|traces?|think"
)
_GRADES = _word(r"scores?|ratings?|grades?|rewards?|margins?|logprobs?|logps?")
_SIDES = _word(r"chosen|rejected")  # of a preference pair
_SWITCHES = (
    "on",
    "off",
    "true",
    "false",
    "yes",
    "no",
    "enabled",
    "disabled",
    "none",
    "low",
    "medium",
    "high",
    "0",
    "1",
)
_ABOUT_REASONS = _word(r"effort|level|length|len|tokens?|type|model|lang(?:uage)?|mode|source|id|name|count|num|budget")


def doubt_of(name: str, value: object) -> str | None:
    """Why a field that was not read may change what is to be learned, for a row's reason; None where it does not."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    told = isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))
    if told and not is_switch(value) and _REASONS.search(words) and not _ABOUT_REASONS.search(words):
        return (
            "may be a part of the answer: call it 'reasoning_content' to have it learned as thoughts, write it into "
            "the answer, or delete it"
        )
    if _may_forbid(words, value):
        return (
            f"is {shown_value(value)}, which may say what is to be learned and is not read here: say it as 'weight' 0 "
            "or 1, or delete it"
        )
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_switch(value: object) -> bool:
    """Whether a value says that something was on or off, or how much: `"reasoning": "on"` is no thought."""
    return str(value).strip().lower() in _SWITCHES


def is_opinion(name: str) -> bool:
    """Whether a field may say how good the answer is, on a scale of its own."""
    return _OPINIONS.search(name.lower()) is not None


def _may_forbid(words: str, value: object) -> bool:
    said = truth(value)
    if _SIDES.search(words) and _GRADES.search(words) and _is_number(value):
        return False  # what one of the two answers scored
    if (said is False and _SAYS_GOOD.search(words)) or (said is True and _SAYS_BAD.search(words)):
        return True
    if (_OPINIONS.search(words) or _SAYS_GOOD.search(words)) and _POOR.fullmatch(str(value).strip().lower()):
        return True
    return bool(_LIKE_MARK.search(words)) and not _mere_text(value)


def truth(value: object) -> bool | None:
    """What a mark says, as a bool, a number or a text (tables make 0.0 or "0" of false); None for what is no mark."""
    said = str(value).strip().lower()
    if said in _WORDS:
        return _WORDS[said]
    try:
        return {0.0: False, 1.0: True}.get(float(said))
    except ValueError:
        return None


def _mere_text(value: object) -> bool:
    """Whether it is a text that is no number, mark or list as tables hold them."""
    if not isinstance(value, str) or value.lstrip().startswith(("[", "{")) or truth(value) is not None:
        return False
    return not _is_number(value)


def shown_value(value: object) -> str:
    """A value as an error shows it."""
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."

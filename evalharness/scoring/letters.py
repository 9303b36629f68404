"""Which option of a multiple choice a text answers with: the letter, and the rule that found it.

Every letter that stands alone is a mention. What stands before and behind it says whether the text claims it, rejects
it (`B is wrong`) or only names it. Claims of the strongest kind decide; two different ones leave the answer unread,
unless the text corrects itself between them. The words of each language are in `letter_words`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalharness.scoring import letter_words as words
from evalharness.scoring.corrections import CORRECTION, TAKES_BACK, without_struck
from evalharness.scoring.final_answer import ReadAnswer, before_next_question
from evalharness.scoring.latex import boxes
from evalharness.scoring.letter_marks import marks, plain_marks
from evalharness.scoring.letter_suppositions import supposes
from evalharness.text.deferred import deferred

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# A text with more mentions than this is hostile: the first ones and the last ones are looked at.
MOST_MENTIONS = 600
MOST_BOXES = 50
_LONGEST = 100_000  # characters of a text that are read: its first half and its last
LOOK = 120  # characters that are looked at before and behind a mention
_LONGEST_GAP = 40  # characters between two letters in one breath

_ARABIC = {"أ": "A", "ا": "A", "ب": "B", "ج": "C", "د": "D", "ه": "E"}
_CYRILLIC = {"А": "A", "В": "B", "С": "C", "Е": "E"}  # look like the Latin letters that were shown
_OTHER = _ARABIC | _CYRILLIC
_WORD = r"0-9A-Za-zÀ-ɏͰ-ӿ\u0600-\u06ff\u0900-\u097f"
_MENTION = deferred(
    rf"(?<![{_WORD}])(?<![A-Za-z]')(?<![0-9A-Za-z]-)"
    rf"(?P<letter>[A-Za-z]|[{''.join(_OTHER)}])"
    rf"(?![{_WORD}]|'(?!(?:d[iıuü]r|yi|y[ıiuü])\b)[a-zÀ-ɏ]|-[0-9A-Za-z]|\.[A-Za-z]\.|[+#]|\s*=\s*\S)"
)
_OPEN, _SHUT = r"[\[({<'\"]*", r"[\])}>'\"]*"
_CLAUSE_ENDS = deferred(rf"{_SHUT}\s*(?:$|[.,;:!?)\]|。、]|\n|-\s|–|—)")
# What may follow `A` and the pronoun `I` when they are letters and no words of English.
_NO_ARTICLE = deferred(
    rf"{_SHUT}(?:\s*(?:$|[^\sa-z])|\s+(?:because|since|as|for|due|in|by|with|on|at|if|when|where|while|though|although|"
    r"given|based|according|from|per|following|which|that|not|but|and|or|is|was|are|were|would|can|could|must|has|seems|"
    r"cannot|should|isn't|wasn't|doesn't|may|might|will|over|instead|rather|oder|und|o|ou|e|y|et|lub|albo|czy|oraz|i|na|au|est|es|ist|"
    r"jest|to|ni|ndilo|ndiyo|sino|sondern|mais|ma|mas|lecz|[a-z]*[^\x00-\x7f])(?![a-z]))"
)
_NO_PRONOUN = deferred(rf"{_SHUT}(?:\s*(?:$|[.,;:)!?\n](?!\s?e\.))|\s+(?:is|because|since)\b)")
_TEXT_MACRO = deferred(
    r"\\(?:text|mathrm|mathbf|textbf|mathit|textit|mathsf|textsf|texttt|rm|bf|emph)\s*\{([^{}]{0,200})\}"
)
_TAG = deferred(r"</?[A-Za-z][\w-]{1,20}>")
_SHORT_TAG = deferred(r"<([biup])>([^<>]{0,100})</\1>")
_BRACKETS = str.maketrans("【】〔〕《》〈〉⟨⟩‹›", "()" * 6)
_MARKUP = deferred(r"\\f?boxed\s*(?=\{)|\\[()\[\]]|[*`$\"“”„«»「」『』\u200b\u200e\u200f\ufeff]")
# An option and its text: `D. A and B`.
_LABELLED = deferred(r"[\s{]*\(?[A-Z][.):]+\s+\(?[A-Z]\)?\s*(?:,|&|and|or)\s*\(?[A-Z]\b")
# Between two options of a list within a line, each with its text.
_LISTED = deferred(
    r"\)[ ](?!.*\b(?:not|rather|instead|unlike|than|but|because|since|over|is|are|was|so|while|if|true|false|right"
    r"|wrong|(?:in)?correct)\b)[^().;:?!\n✓✗]{1,38}?(?:[,\s]\(|,\s(?:(?:and|or)\s)?|\s)",
    re.IGNORECASE,
)
_LIST_MARK = deferred(r"^[ \t]*(?:[-+>•#|]+|\d{1,2}[.)])[ \t]+", re.MULTILINE)
_ENUMERATED = deferred(r"^[ \t]*\(?([A-Za-z])[.):]", re.MULTILINE)


class Mention(NamedTuple):
    """One letter, or several in one breath (`A, B and C`), and what stands around it.

    `clause` is what stands before it in its clause, `after` what follows. It `opens` the text, is `alone` in its line
    or opens the last one, or is `last`, the last sentence of all. `small`: it is no capital. `marked`: the text marks
    it as right or as wrong.
    """

    letters: tuple[str, ...]
    start: int
    clause: str
    after: str
    bracketed: bool
    opens: bool
    alone: bool
    last: bool
    small: bool
    marked: bool | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """That a text answers with a letter; None: with several at once."""

    letter: str | None
    at: int


def read_letter(text: str, count: int) -> ReadAnswer:
    """The letter (A is the first of `count` choices) that a text answers with; None where it cannot be read.

    A letter beyond the choices is read too where the text claims it outright: it is an answer, and a wrong one.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n{text[-_LONGEST // 2 :]}"
    text = before_next_question(text, lambda answer: _read(answer, count).answer is not None)
    return _read(text, count)


def _read(text: str, count: int) -> ReadAnswer:
    plain = _plain(text)
    whole = plain.strip(" \t\r\n.?*()[]{}<>'\",:;!|#-")
    if len(whole) == 1 and (alone := _letter(whole)) and (alone != "I" or count > ALPHABET.index("I")):
        return ReadAnswer(alone, "nothing but a letter")
    if _only_letters(plain):
        return ReadAnswer(None, SEVERAL)
    offered = ALPHABET[:count]
    claimable = [m for m in _marked(_mentions(plain)) if m.marked is not False and not _unclaimed(m.clause, m.after)]
    unread: list[ReadAnswer] = []
    # Beyond the choices `I` is the pronoun. What is said to be the answer counts before what is only chosen or named.
    for letters, most in (
        (offered, words.NAMED_OUTRIGHT), (_BEYOND, words.NAMED_OUTRIGHT), (offered, len(words.RULES)),
        (_BEYOND, words.OUTRIGHT),
    ):  # fmt: skip
        found = _boxed(text, letters)
        if found.answer is None and found.rule != SEVERAL:
            mentions = [m for m in claimable if set(m.letters) <= set(letters)]
            if (
                letters == _BEYOND and most == words.NAMED_OUTRIGHT
            ):  # a capital behind all that was offered: a conclusion
                last = max((m.start for m in claimable if set(m.letters) & set(offered)), default=-1)
                mentions = [m for m in mentions if m.start > last and not m.small]
            found = _claimed(plain, mentions, most)
        if found.answer is not None or found.rule == SEVERAL:
            return found
        unread.append(found)
    return unread[2]


_BEYOND = ALPHABET.replace("I", "")
_NOTHING, SEVERAL = "no letter is claimed", "two different letters are claimed"


def _letter(character: str) -> str | None:
    letter = _OTHER.get(character, character).upper()
    return letter if letter in ALPHABET and len(letter) == 1 else None


def _only_letters(plain: str) -> bool:
    """Whether a text is nothing but two or more different letters: `A; C`, `A. C.`, `- A\n- C`."""
    if len(plain) > LOOK or re.search(r"[✓✗?]|\bA\s*:", plain) or _LABELLED.match(plain):
        return False
    bare = re.sub(r"\b[iI]\.\s?e\.", "", plain)
    found = re.findall(r"\w+", words.CONNECTIVES.sub(lambda word: word[0] if word[0].isupper() else " ", bare))
    return all(len(one) == 1 and _letter(one) for one in found) and len({_letter(one) for one in found}) > 1


def _unclaimed(before: str, after: str) -> bool:
    """Whether a text rejects, supposes or asks what stands between `before` and `after`."""
    return words.rejected_letters(before, after) or supposes(before, after)


def _marked(mentions: Sequence[Mention]) -> list[Mention]:
    """The mentions, with whether the text marks each as right or as wrong."""
    found = marks([(m.letters[-1], m.clause, m.after) for m in mentions])
    return [m._replace(marked=mark) for m, mark in zip(mentions, found, strict=True)]


def _plain(text: str) -> str:
    """The text in plain characters: no markup, one kind of quotation marks, answer tags as `answer:`."""
    out = without_struck(text)
    if not out.isascii():
        out = (
            unicodedata.normalize("NFKC", out.replace("\ufdfa", " ").replace("…", "..."))
            .replace("’", "'")
            .replace("‘", "'")
            .translate(_BRACKETS)
        )
    out = plain_marks(re.sub(r"\\n(?![a-z])", "\n", out))
    out = re.sub(r"<\s*(?:final_?)?answer\s*>\s*", "\nanswer: ", out, flags=re.IGNORECASE)
    out = _TAG.sub(" ", _SHORT_TAG.sub(r"\2", out))
    for _ in range(2):
        out = _TEXT_MACRO.sub(r"\1", out)
    out = _MARKUP.sub("", out).replace("_", " ")
    return _LIST_MARK.sub("", out)


def _boxed(text: str, offered: str) -> ReadAnswer:
    """The letter in the last box that holds one, alone or before its text."""
    found: list[str] = []
    end = len(text)
    for box in reversed(boxes(text)[-MOST_BOXES:]):
        at = text.rfind("{" + box, 0, end)
        if at >= 0:
            end = at
            if _denied_box(text, at, at + len(box) + 2):
                continue
        inner = _plain(box).strip(" {}$.'\"")
        if _only_letters(inner):
            return ReadAnswer(None, SEVERAL)
        match = re.match(r"\(?\s*([A-Za-z])\s*(?:\)|[.:,](?=\s|$)|$|(?=\s*\\))", inner) or re.match(
            rf"(?i:(?:the\s+)?(?:correct\s+|final\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)\(?([A-Za-z])\)?(?![{_WORD}])",
            inner,
        )
        if match and match.group(1).upper() in offered:
            found.append(match.group(1).upper())
    if not found:
        return ReadAnswer(None, _NOTHING)
    corrected = CORRECTION.search(text) is not None
    return ReadAnswer(found[0], "\\boxed{LETTER}") if len(set(found)) == 1 or corrected else ReadAnswer(None, SEVERAL)


def _denied_box(text: str, start: int, end: int) -> bool:
    """Whether the text around a box says that what it holds is not the answer."""
    before = _plain(text[max(0, start - LOOK) : start + 1])
    return _unclaimed(_clause(before), _plain(text[end : end + LOOK]))


def _claimed(text: str, mentions: Sequence[Mention], most: int) -> ReadAnswer:
    """The letter of the strongest kind of claim; it has to be one of the strongest `most`."""
    rules = words.RULES if most == words.NAMED_OUTRIGHT else words.RULES[:most]
    listed = [letter.upper() for letter in _ENUMERATED.findall(text)]
    skipped = {"line"} if len(set(listed)) > 1 else set()
    if listed[:3] == ["A", "B", "C"]:  # the text repeats the options before it answers, if it does
        skipped.add("start")
    claims = [[] if rule.place in skipped else _claims(rule, mentions) for rule in rules]
    strong, chosen = ([c for found in claims[:count] for c in found] for count in (words.EXPLICIT, words.CHOSEN))
    for rule, found in zip(rules[:most], claims, strict=False):
        if not found:
            continue
        letter, at = _settled(found, text)
        back = TAKES_BACK.search(text, at)
        weaker = at if letter is None else back.end() if back else len(text)
        later = [c for c in strong if c.at > at] or [c for c in chosen if c.at > weaker]
        later.sort(key=lambda c: c.at)
        if letter is None:
            said = {c.letter for c in later}
            if len(said) == 1 and None not in said:
                return ReadAnswer(said.pop(), f"{rule.name}, then a conclusion")
            return ReadAnswer(None, SEVERAL)
        if later and later[-1].letter not in (letter, None) and CORRECTION.search(text, at, later[-1].at):
            return ReadAnswer(later[-1].letter, f"{rule.name}, then a correction")
        if any(m.start > at and letter not in m.letters and words.also(m.clause, m.after) for m in mentions):
            return ReadAnswer(None, SEVERAL)
        return ReadAnswer(letter, rule.name)
    return ReadAnswer(None, _NOTHING)


def _settled(found: Sequence[Claim], text: str) -> tuple[str | None, int]:
    """The letter that claims of one kind come to, and where the last one stands."""
    last = found[-1]
    other = [claim for claim in found if claim.letter not in (last.letter, None if last.letter else "")]
    if other and not CORRECTION.search(text, other[-1].at, last.at):
        return None, last.at
    return last.letter, last.at


def _mentions(text: str) -> list[Mention]:
    """The letters that stand alone, those in one breath together."""
    found = list(_MENTION.finditer(text))
    if len(found) > MOST_MENTIONS:
        found = [*found[: MOST_MENTIONS // 3], *found[-2 * MOST_MENTIONS // 3 :]]
    found = [m for m in found if _stands_alone(text, m)]
    groups: list[list[re.Match[str]]] = []
    for match in found:
        if groups and _together(text, groups[-1], match):
            groups[-1].append(match)
        else:
            groups.append([match])
    groups = [group for at, group in enumerate(groups) if not at or not _option_text(text, groups[at - 1], group)]
    first = len(text) - len(text.lstrip(" \t\r\n([{<'#"))
    last_line = text.rstrip().rfind("\n") + 1
    return [_mention(text, group, first, last_line) for group in groups]


def _option_text(text: str, before: Sequence[re.Match[str]], group: Sequence[re.Match[str]]) -> bool:
    """Whether letters are the text of the option that is named right before them: `D: both A and B`, `D (A and C)`."""
    gap = text[before[-1].end() : group[0].start()]
    return len(before) == 1 < len(group) and words.LABEL.fullmatch(gap) is not None


def _together(text: str, group: Sequence[re.Match[str]], match: re.Match[str]) -> bool:
    """Whether a letter is named in one breath with those before it: `A, B and C`, `A, or perhaps C`.

    In `the answer is D, A is wrong` and `the answer is C and D is wrong` it is a subject of its own.
    """
    gap = text[group[-1].end() : match.start()] if match.start() - group[-1].end() < _LONGEST_GAP else None
    if gap is None:
        return False
    if not words.TOGETHER.fullmatch(gap):  # `(A) 3 (B) 4`
        listed = _LISTED.fullmatch(gap) is not None and text[match.end() : match.end() + 1] == ")"
        return listed and ord(match["letter"]) - ord(group[-1]["letter"]) == 1
    if re.fullmatch(r"\)\s+|\s+\(", gap):
        return False  # an option and its text: `D) A and C`, `D (A and C)`
    after = text[match.end() : match.end() + LOOK]
    if gap.strip(" ()[]'") in (",", "") and words.VERB.match(after):
        return False
    if words.SEMICOLON.search(gap) and not words.LAST.match(after):
        return False
    before = _clause(text[max(0, group[0].start() - LOOK) : group[0].start()])
    return not (words.claims_outright(before) and words.wrong_alone(after))


def _mention(text: str, group: Sequence[re.Match[str]], first: int, last_line: int) -> Mention:
    start, end = group[0].start(), group[-1].end()
    before, after = text[max(0, start - LOOK) : start], text[end : end + LOOK]
    opens_line = not before.rsplit("\n", 1)[-1].strip(" \t([{<'#")
    ends_line = not after.split("\n", 1)[0].strip(" .)]}>'")
    ends_text = len(after) < LOOK and not after.strip(" .)]}>'!\n")
    return Mention(
        letters=tuple(dict.fromkeys(letter for m in group if (letter := _letter(m["letter"])))),
        start=start,
        clause=_clause(before),
        after=after,
        bracketed=before[-1:] in tuple("([{") and after[:1] in tuple(")]}"),
        opens=start == first,
        alone=opens_line and (ends_line or start >= last_line),
        small=group[0]["letter"].islower(),
        last=ends_text and re.search(r"[.!?:,]\s+[(\[']*\Z", before) is not None,
    )


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether a letter is none of the words `a` and `I`, no letter of another script within a sentence."""
    letter, after = match["letter"], text[match.end() : match.end() + LOOK]
    if letter in _OTHER or letter.islower():
        return (
            _CLAUSE_ENDS.match(after) is not None
            or re.match(r"\)?\s+is (?:the )?(?:correct|right|best)\b", after) is not None
        )
    if letter == "A":
        return _NO_ARTICLE.match(after) is not None
    return letter != "I" or _NO_PRONOUN.match(after) is not None


def _claims(rule: words.Rule, mentions: Iterable[Mention]) -> list[Claim]:
    """The claims of one kind, in order."""
    found: dict[int, Claim] = {}
    for mention in mentions:
        anchor = _anchor(rule, mention)
        if anchor is not None and anchor not in found:
            found[anchor] = Claim(mention.letters[0] if len(mention.letters) == 1 else None, mention.start)
    return list(found.values())


def _anchor(rule: words.Rule, mention: Mention) -> int | None:
    """Where a claim of this kind begins; None where the mention is none."""
    if (rule.capital and mention.small) or (rule.after is not None and not rule.after.match(mention.after)):
        return None
    if rule.place:
        holds = {
            "line": mention.alone or mention.last,
            "start": mention.opens,
            "bracket": mention.bracketed,
            "mark": mention.marked is True,
        }
        return mention.start if holds[rule.place] else None
    if rule.before is None:
        return mention.start
    found = rule.before.search(mention.clause)
    return (
        None if found is None else mention.start - len(mention.clause) + found.start() if rule.first else mention.start
    )


def _clause(before: str) -> str:
    """What stands before a mention in its clause; a label on the line above belongs to it."""
    line = before.rfind("\n") + 1
    clause = before[line:]
    if line and not clause.strip(" ([{<'"):
        above = before[:line].rstrip().rsplit("\n", 1)[-1]
        if above.endswith(":") or words.HEADING.fullmatch(above):
            return above.rstrip(":") + ": " + clause
    return clause

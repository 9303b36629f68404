"""How a text names a letter without answering with it: `suppose the answer is A`, `is the answer A?`, `many say A`.

A supposition, a report of what others say or a `wrong answer` governs the clause that the letter is in, as a denial
does in `letter_denials`; a question holds between its first word and its mark.
"""

from __future__ import annotations

import re

from evalharness.scoring.letter_denials import Doubt, governed, governs
from evalharness.text.deferred import deferred

# What a supposition is about: the answer, `it`, or the letter itself.
_EN_ANSWER = (
    r"(?=\s+(?:that\s+)?(?:(?:the|this|its?|my)\s+(?:\w{1,12}\s+){0,2}?(?:answer|option|choice)|"
    r"(?:it\s+(?:is|was|were)\s+)?(?:option|choice|answer)?[\s(\[{'\"]*\Z))"
)
_EN_OTHERS = (
    r"\b(?:students?|people|person|someone|somebody|some|others|many|most|(?:one|you)(?=\s+(?:may|might|could|"
    r"would))|friends?|classmates?|colleagues?"
    r"|they|everyone|everybody|critics|textbooks?)\s+(?:\w{1,12}\s+){0,2}?(?:says?|said|thinks?|thought|claims?|"
    r"claimed"
    r"|believes?|believed|argues?|argued|guess(?:es)?|assumes?|answers?|choose|chooses|chose|insists?|suggests?)\b"
)
SUPPOSITIONS = {
    "en": Doubt(
        ("suppos", "assum", "imagin", "pretend", "if ", "were ", "whether", "say ", "tempting", "easy", "natural",
         "glance", "sight", "wrong", "incorrect", "common", "popular", "most", "many", "some", "student", "people",
         "person", "one ", "you ", "other", "friend", "mate", "colleague", "they", "every", "critic", "textbook",
         "unless", "mistake", "error", "avoid", "best", "least", "worst", "weakest", "unwise"),
        rf"(?<!\bI )(?<!\bI'd )\b(?:suppose|assume|imagine|pretend|supposing|assuming|if|unless|whether){_EN_ANSWER}|"
        rf"(?:\A|[.!?]\s+|\blet's |\blet us )(?:say|were){_EN_ANSWER}|{_EN_OTHERS}{_EN_ANSWER}|"
        r"\b(?:tempting|easy|natural|intuitive|mistake|mistaken|error|wrong|incorrect|unwise)\s+to\s+(?:say|think|"
        r"choose|pick|answer|select|mark|go with|conclude|assume|believe)\b|"
        r"\banswer\s+(?:which|that)\s+is\s+(?:wrong|incorrect|false|not)\b|\bavoid\s+(?:answering|choosing|picking"
        r"|selecting)\b|"
        r"\b(?:(?:second|third|next)[- ](?:best|most\s+\w{1,15})\s+(?:answer|option|choice)|(?:least\s+\w{1,15}|worst"
        r"|weakest)\s+answer)\b|"
        r"\bat first (?:glance|sight)\s*,?|\b(?:wrong|incorrect)\s+(?:answer|response)s?\s+(?:is|are|was|would be)\b|"
        r"\b(?:wrong|incorrect)\s+(?:answers|options|choices)\s*:|"
        r"\b(?:common|popular|tempting)\s+(?:but\s+)?(?:(?:wrong|incorrect)\s+)?(?:answer|mistake|distractor|guess)\b|"
        r"\banswer\s+(?:that\s+)?(?:most|many|some)\s+(?:people|students|would|give|choose)\b",
        r"\b(?:but|so|then|therefore|thus|hence|however|yet|because|since|while|whereas|although|actually)\b",
    ),
    "es": Doubt(
        ("sup", "imagin", "si ", "much", "algun", "gente", "estudiante", "incorrecta", "err", "equivocada"),
        r"\b(?:supongamos|suponiendo|suponga|imaginemos)\b|\bsi(?=\s+(?:la respuesta|la opci[oó]n|es|fuera)\b)|"
        r"\b(?:muchos|muchas personas|algunos|la gente|(?:el|un) estudiante)\s+(?:dicen?|piensan?|creen?|"
        r"responden?) que\b|\brespuesta (?:incorrecta|err[oó]nea|equivocada) es\b",
        r"\b(?:pero|entonces|por|as[ií] que|aunque)\b",
    ),
    "pt": Doubt(
        ("sup", "imagin", "se ", "muit", "algu", "pessoas", "aluno", "estudante", "errad", "incorret"),
        r"\b(?:suponha|suponhamos|supondo|imagine)\b|\bse(?=\s+(?:a resposta|a alternativa|for|fosse)\b)|"
        r"\b(?:muitos|muitas pessoas|alguns|as pessoas|[oa] (?:aluno|estudante))\s+(?:dizem|diz|pensam?|acham?|"
        r"acreditam?) que\b|\bresposta (?:incorreta|errada) é\b",
        r"\b(?:mas|ent[aã]o|porém|por|portanto)\b",
    ),
    "de": Doubt(
        ("angenommen", "nehmen", "wenn", "falls", "viele", "manche", "schüler", "student", "falsch"),
        r"\b(?:angenommen|nehmen wir an)\b\s*,?|\b(?:wenn|falls)(?=\s+(?:die Antwort|die Lösung|es)\b)|"
        r"\b(?:viele|manche|einige|der Schüler|der Student)(?:\s+\w{1,12})?\s+(?:denken|sagen|meinen|glauben|sagt|"
        r"meint|glaubt)\s*,(?:\s+dass)?|\bfalsche Antwort ist\b",
        r"\b(?:aber|dann|also|daher|doch|jedoch)\b",
    ),
    "fr": Doubt(
        ("suppos", "imagin", "si ", "beaucoup", "certains", "gens", "élève", "étudiant", "mauvaise", "incorrecte"),
        r"\b(?:supposons|supposant|imaginons)\b|\bsi(?=\s+(?:la (?:bonne )?réponse|l'option|c'))|"
        r"\b(?:beaucoup|certains|les gens|l'élève|l'étudiant)(?:\s+de gens)?\s+(?:pensent?|disent|dit|croient|"
        r"croit) qu|\b(?:mauvaise réponse|réponse (?:incorrecte|fausse)) est\b",
        r"\b(?:mais|alors|donc|cependant|pourtant)\b",
    ),
    "it": Doubt(
        ("suppon", "ammett", "se ", "molti", "alcuni", "studente", "sbagliata", "errata"),
        r"\b(?:supponiamo|supponendo|ammettiamo|immaginiamo)\b|\bse(?=\s+(?:la risposta|l'opzione|fosse)\b)|"
        r"\b(?:molti|alcuni|lo studente)\s+(?:pensano|pensa|dicono|dice|credono|crede) che\b|"
        r"\brisposta (?:sbagliata|errata) è\b",
        r"\b(?:ma|però|allora|quindi|dunque)\b",
    ),
    "pl": Doubt(
        ("załóż", "przypuśćmy", "zakład", "jeśli", "jeżeli", "gdyby", "wielu", "niektórzy", "student", "uczeń", "błędn",
         "zła"),
        r"\b(?:załóżmy|przypuśćmy|zakładając)\s*,?|\b(?:jeśli|jeżeli|gdyby)(?=\s+(?:odpowied|to\b))|"
        r"\b(?:wielu|niektórzy|student|uczeń)(?:\s+\w{1,12})?\s+(?:myśli|mówi|mówią|twierdzi|twierdzą|sądzi|sądzą|"
        r"uważa|uważają)\s*,?\s+że\b|\b(?:błędna|zła) odpowiedź to\b|\bodpowiedź błędna to\b",
        r"\b(?:ale|lecz|wtedy|więc|zatem|jednak)\b",
    ),
    "ru": Doubt(
        ("предпол", "допуст", "если", "многие", "некоторые", "студент", "ученик", "неправ", "неверн"),
        r"\b(?:предположим|допустим)\s*,?|\bесли(?=\s+(?:ответ|это|правильн|верн))|"
        r"\b(?:многие|некоторые|студент|ученик)(?:\s+\w{1,12})?\s+(?:думают|считают|считает|говорят|говорит|"
        r"утверждает|полагают)\s*,?\s+что\b|\b(?:неправильный|неверный) ответ\b",
        r"\b(?:но|а|тогда|то|поэтому|однако)\b",
    ),
    "zh": Doubt(
        ("假", "如果", "若", "人", "学生", "學生", "错误", "錯誤"),
        r"假设|假設|假如|如果|假定|倘若|若是|(?:很多人|有人|有些人|许多人|学生|學生)[^，。,]{0,6}(?:认为|認為|说|說|"
        r"觉得)|(?:错误|錯誤)的?答案",
        r"但|那么|那麼|则|就|所以|因此",
    ),
    "ar": Doubt(
        ("افترض", "لو", "إذا", "يقول", "يعتقد"),
        r"(?<!\w)(?:لنفترض|افترض|لو|إذا)(?=\s+(?:أن|كان))|(?<!\w)(?:يقول|يعتقد)\s+(?:الطالب|البعض|الكثير\w*|كثير\w*)",
        r"لكن|ولكن|فإن|لذلك",
    ),
    "sw": Doubt(
        ("tuseme", "tuchukulie", "kama", "ikiwa", "watu", "mwanafunzi"),
        r"\b(?:tuseme|tuchukulie)\b|\b(?:kama|ikiwa)(?=\s+jibu\b)|"
        r"\b(?:watu wengi|wengine|mwanafunzi)\s+(?:wanasema|anasema|wanadhani|anadhani)\b",
        r"\b(?:lakini|basi|kwa hiyo)\b",
    ),
    "hi": Doubt(
        ("मान", "यदि", "अगर", "लोग", "छात्र"),
        r"मान (?:लीजिए|लें|लो|लेते)|(?:यदि|अगर)|(?:कई|कुछ|बहुत|ज़्यादातर|अधिकांश) लोग|छात्र (?:कहता|सोचता|मानता)",
        r"लेकिन|मगर|तो|परंतु|इसलिए",
    ),
}  # fmt: skip
_SUPPOSED = [(doubt.cues, governed(language, doubt)) for language, doubt in SUPPOSITIONS.items()]
# In Japanese and Korean what supposes, reports or asks stands behind the letter; in Chinese what asks.
_SUPPOSED_BEHIND = deferred(
    r"[\])}>'\"]{0,4}(?:\s{0,3}(?:(?:だ|である)と(?:する|仮定|した|すれ)|なら(?:ば|\s|、)|"
    r"(?:だ|である)?と(?:言って|言う人|考える人|思う人|主張)|です(?:か(?!ら)|かね)|なの(?:です)?か|"
    r"(?:이)?라면|(?:이)?라고\s{0,3}(?:가정|하면|치면)|입니까|인가요?)|(?:是)?(?:正确的?|对的?)?[吗嗎])"
)
# The first words of a question, up to the letter; its mark must follow.
_ASKING = deferred(
    r"(?:(?:\A|[.!?\n](?=\s{0,3}\w)\s{0,3}|\b(?:but|so|or|and|well|hmm),?\s)(?:is|are|was|could|might|would|can|does|did|should|"
    r"why|how|what if|ist|wäre|könnte|kann|warum|czy|est-ce|pourquoi)\b|\bje,|¿|-(?:elle|ce|il)\b|(?<!\w)هل\b|क्या)"
    r"[^.!?\n]{0,80}\Z",
    re.IGNORECASE,
)
_NEGATED = deferred(r"n't\b|\b(?:not|no|nicht|pas|non|nie|не)\b|不|नहीं", re.IGNORECASE)  # `don't you think it is B?`
_QUESTION = deferred(r"[^.!?؟\n]{0,50}[?؟]")


# `It would be B if x were positive`: not what it is.
_WOULD_BE = deferred(
    r"\b(?:would|could|might)\s{1,3}(?:be|have\s{1,3}been)\s{1,3}(?:option\s{1,3})?[\[({'\"]{0,3}\Z", re.IGNORECASE
)
_WOULD_BE_IF = deferred(
    r"[\])}'\"]{0,3}\s{1,3}(?:would|could|might)\s{1,3}(?:be|have\s{1,3}been)\b[^.\n]{0,40}?\b(?:if|unless|had)\b"
    r"(?!\s{1,3}(?:I|you|we)\b)",
    re.IGNORECASE,
)
_ONLY_IF = deferred(r"[\])}'\"]{0,3}\s{1,3}(?:(?:only\s{1,3})?if|unless|had)\b(?!\s{1,3}(?:I|you|we)\b)", re.IGNORECASE)


def supposes(before: str, after: str) -> bool:
    """Whether a text only supposes, asks or reports that a letter is the answer."""
    if _WOULD_BE.search(before[-40:]) and _ONLY_IF.match(after):
        return True
    if _WOULD_BE_IF.match(after):
        return True
    asked = _QUESTION.match(after) is not None and _ASKING.search(before) is not None
    if (asked or _SUPPOSED_BEHIND.match(after)) and not _NEGATED.search(before):
        return True
    return governs(_SUPPOSED, before)

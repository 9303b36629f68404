"""The words by which a text claims, rejects and corrects a letter, in the languages that benchmarks are asked in.

English patterns want the letter right behind a copula (`the answer to part A is given as D`). In other languages the
letter is the first one in the clause behind the word for answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalharness.scoring.letter_denials import denies

_END = r"[\s\[({<'\"]*\Z"
_SHUT = r"[\])}>'\"]*"
_FILLER = (
    r"therefore|thus|hence|then|clearly|most|likely|probably|definitely|indeed|obviously|certainly|surely|actually"
    r"|really|"
    r"simply|just|the|an?|option|choice|letter|number|answer|statement|given|indicated|labell?ed|by|as|in|correctly"
    r"|best|"
    r"is|it|i|think|believe|say|would|be|must|should|has|have|to|going|with|of|course|only|following|one|marked|both|"
    r"either|which|that|so|we|can|conclude|represented|listed|under|found|number|part|option's"
)
# Up to eight of these. Every word takes the marks before it and no word is given back (`?+`): tried in every way, they
# would take time by the power of eight on `Answer: (A Answer: (A`.
_FILL = rf"(?:(?:[\s:,(]*+\b(?:{_FILLER})\b){{1,8}}+[\s:,]*+)?+"
_COPULA = r"(?:\b(?:is|are|was|be|as)\b|'s\b|[:=→⇒]|->|\s[-–—])"
_RIGHT = r"(?:correct|right|best|final|selected|chosen|most appropriate|most accurate|accurate|true|valid|appropriate)"
_NAMED = rf"(?:answers?|solution|{_RIGHT}\s+(?:option|choice|letter|one|alternative|response|statement|selection|pick))"

# The words for answer, as the beginning of a claim.
ANSWER_WORDS = {
    "zh": r"答案|正确选项|正确的选项|正確選項|正确的是|最佳选项|答(?=[:：])|结论是",
    "ja": r"答え|正解|解答|正答|回答|正しい選択肢|正しいの",
    "ko": r"정답|해답|답(?=[은는이:\s])|올바른 선택지",
    "es": r"respuestas?|opci[oó]n correcta|alternativa correcta|soluci[oó]n|correcta es|correcto es",
    "pt": r"respostas?|alternativa correta|op[cç][aã]o correta|letra correta|gabarito|correta é|certa é",
    "de": r"antwort(?:m[oö]glichkeit)?|l[oö]sung|richtig(?:e)? (?:ist|wäre)|korrekt ist|richtige Option|richtige Wahl",
    "fr": r"r[eé]ponses?|solution|bonne option|option correcte|bon choix",
    "it": r"risposta|soluzione|opzione corretta|alternativa corretta|scelta corretta|scelta giusta",
    "pl": r"odpowied(?:ź|zi|zią|z)\b|odp(?=\.)|rozwiązanie|poprawna opcja|prawidłowa opcja|poprawny wybór",
    "ru": r"ответ(?:ом|а)?|правильн\w+ вариант\w*|верн\w+ вариант\w*|правильн\w+ выбор",
    "ar": r"الإجابة|الاجابة|الجواب|إجابتي|إجابة|اجابة|جواب|الخيار الصحيح|الاختيار الصحيح|الحل",
    "sw": r"jibu|jawabu|chaguo (?:sahihi|la)",
    "hi": r"उत्तर|जवाब|सही विकल्प",
    "other": r"đáp án|câu trả lời|jawaban|yanıt|cevap|antwoord|svar(?:et)?|odpověď|відповідь|απάντηση|תשובה|คำตอบ|"
    r"উত্তর|సమాధానం|பதில்|پاسخ|răspuns(?:ul)?|válasz|vastaus",
}  # fmt: skip
# Behind the letter: that it is the right one.
RIGHT_WORDS = {
    "zh": r"(?:\s*选?[项項])?\s*(?:[是为為]?\s*(?:正确|正確|对的|最佳|最合适)|是答案|符合题意)",
    "ja": r"\s*(?:が|は|の方が)\s*(?:正解|正しい|答え|正答|最も適切|適切)",
    "ko": r"(?:번)?\s*[가이은는]?\s*(?:정답|답입|답이|맞|옳|올바)",
    "es": r"\s+(?:es|ser[ií]a)\s+(?:la|el|lo)?\s*(?:respuesta|opci[oó]n|alternativa|correct|m[aá]s adecuad)",
    "pt": r"\s+(?:é|seria)\s+(?:a|o)?\s*(?:resposta|alternativa|op[cç][aã]o|corret|cert)",
    "de": r"\s+(?:ist|wäre)\s+(?:die|also|somit|daher)?\s*(?:richtig|korrekt|zutreffend|Antwort)",
    "fr": r"\s+est\s+(?:donc\s+)?(?:la|le)?\s*(?:bonne|bon|r[eé]ponse|correct|exact|juste)",
    "it": r"\s+è\s+(?:la|l'|quella)?\s*(?:risposta|corrett|giust|opzione|esatt)",
    "pl": r"\s+(?:jest|to)\s+(?:poprawn|prawidłow|właściw|dobr)",
    "ru": r"\s*(?:[—–-]\s*)?(?:это\s+|является\s+)?(?:правильн|верн)",
    "ar": r"\s+(?:هي|هو)\s+(?:الإجابة|الاجابة|الجواب|الخيار|الصحيح)|\s+(?:صحيح|الصحيح)",
    "sw": r"\s+(?:ndilo|ndiyo|ndio|ni)\s+(?:jibu|sahihi|chaguo)",
    "hi": r"\s*(?:ही\s+)?सही\s+(?:उत्तर|विकल्प|जवाब|है)|\s+(?:उत्तर|जवाब)\s+है",
}  # fmt: skip
# Before the letter: that the writer chooses it.
CHOOSE_WORDS = {
    "en": r"\b(?:it is|it's|it must be|must be|(?:i'm|i am) going with|i (?:go with|choose|pick|select|say|guess"
        r"|opt for|believe|think)|"
    r"i(?:'d| would| will|'ll) (?:go with|choose|pick|select|say|guess|opt for|be)|"
    r"my (?:choice|guess|pick|selection)(?: is| would be|:)?|we (?:choose|select|pick|get|are left with)|choosing"
    r"|selecting|but|but rather|"
    r"(?<![a-z] )(?:select|choose|pick|go with))\s+(?:that )?(?:it is |it's )?(?:probably |definitely )?"
    r"(?:the )?(?:answer |option |choice |letter )?",
    "zh": r"(?:故|应该?|應|本题|所以|因此|我|就|该|综上|，|,|^)\s*(?:选择?|選擇?)\s*"
    r"(?:项|項)?\s*[:：]?\s*(?:选项)?|而是\s*",
    "foreign": r"\b(?:elijo|escojo|sino(?: la)?|escolho|e sim|w[aä]hle|sondern|je choisis|mais|scelgo|bensì"
        r"|wybieram|lecz|ale|tylko|mas(?: sim)?|ma|а|"
    r"выбираю|выберу|أختار|اختر|بل|ninachagua|bali|मैं चुनता हूँ|बल्कि|c'est|kies|seç|(?:acho que )?(?:es|è"
    r"|é))\s+(?:la |el |le |die |a |o "
    r"|l'|opcję |la letra |a letra |la lettera |"
    r"opción |option |opzione |вариант |الخيار |विकल्प )?",
    "ja": r"(?:では|じゃ)なくて?[、,]?\s*",
    "ko": r"아니라,?\s*",
}  # fmt: skip
_THEREFORE = (
    r"\b(?:so|thus|therefore|hence|consequently|accordingly|ergo|leaving|leaves|conclusion|namely|i\.\s?e\.|"
    r"por lo tanto|por tanto|portanto|logo|daher|also|folglich|somit|donc|quindi|dunque|więc|zatem|следовательно|"
    r"значит|поэтому|لذلك|إذن|kwa hiyo|इसलिए|अतः)|=>|→|⇒|∴|所以|因此|故|よって|したがって|따라서|그러므로"
)
OPTION_WORDS = (
    r"\b(?:option|choice|opci[oó]n|op[cç][aã]o|alternativa|opzione|opcja|opcję|вариант|letra|lettera|lettre|buchstabe|"
    r"letter|chaguo|literka)|الخيار|विकल्प|选项|選項|選択肢|보기|선택지"
)

CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|correct this|corrected|oops|mistake|mistaken|instead|reconsider|re-?check\w*|"
    r"re-?evaluat\w*|on second thought|sorry|apolog\w+|scratch that|rather|however|revis\w+|hmm+|let me re\w*"
    r"|double-check\w*|"
    r"nope|i was wrong|that's wrong|that is wrong|upon (?:review|reflection|further)|nein|espera|perd[oó]n|corrijo"
    r"|corrig\w+|"
    r"stattdessen|attends|aspetta|подожд\w+|исправ\w+|ошиб\w+|انتظر|hapana)\b|\bno\s*[,:.!—–-]|不对|更正|等等|いや|待って|아니"
    r"|잠깐|नहीं,",
    re.IGNORECASE,
)
TOGETHER = re.compile(
    r"[\])}' \t]*(?:[,/&+、]|,?\s*(?:\b(?:and|or|and/or|as well as|y|e|o|u|ou|et|und|oder|sowie|i|lub|oraz|albo|и"
    r"|или|na|au|ama)\b"
    r"|और|या|أو|و|和|或|与|或者|と|か|または|과|와|또는))?[\[({' \t]*",
    re.IGNORECASE,
)
HEADING = re.compile(r"[#\s]*(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|solution|conclusion)[\s.]*", re.IGNORECASE)

_REJECTS_BEFORE = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\bexclud\w+|\beliminat\w+|\brul(?:e|es|ed|ing) out|\breject\w*|\bdiscard\w*"
    r"|\brather than"
    r"|\binstead of|\bunlike|\bexcept|\bnever|\bwithout|\bdismiss\w*|\bcannot be|\b(?:could|might"
    r"|may)(?:\s+also)?\s+be|\bno es|\bno|\bnão(?: é)?|\bnicht"
    r"|\bkeine?"
    r"|\bpas|\bnon(?: è)?|\bnie|\bне|ليست?|\bsi(?:yo|o)?|不是|并非|不选|排除|नहीं)\s+?"
    r"(?:(?:be|the|options?|choices?|answer|simply|also|is|both|either|just|la|le|il|el|die|der|opci[oó]n"
    r"|l')\s*){0,3}" + _END
    + r"|(?:不是|并非|不选|排除)\s*(?:选项)?\s*\Z",
    re.IGNORECASE,
)  # fmt: skip
_WRONG = (
    r"not\b|wrong|false|incorrect|excluded|ruled out|eliminated|invalid|inaccurate|rejected|out\b|discarded|too\s"
    r"|untrue|"
    r"unlikely|irrelevant|impossible|implausible|dismissed|unrelated"
)
_REJECTS_BEHIND = re.compile(
    rf"(?:\)\s?[^.,;\n]{{0,60}}?|{_SHUT})"
    r"(?:\s(?:is|are|was|were|can be|could be|must be|should be|would be|seems?|may be)\s+"
    r"(?:(?:also|clearly|therefore|thus|definitely|all|both|obviously|likely|simply|just|the|an?|completely"
    r"|entirely|factually|"
    rf"partially|be)\s+){{0,3}}(?:{_WRONG})|\s(?:isn't|aren't|wasn't|can't|cannot|doesn't|does not|do not|don't|fails|"
    r"wouldn't|would not|couldn't|is n't)\b)"
    rf"|{_SHUT}\s*[:—–-]+\s*(?:{_WRONG})"
    rf"|{_SHUT}\s*(?:no es|no\b|não|ist (?:nicht|falsch|inkorrekt)|n'est pas|est fausse?|non è|è sbagliat|è errat|"
    r"nie jest|"
    r"не\s|неверн|неправ|ليس|غير|خطأ|siyo|sio|si sahihi|नहीं|गलत|es incorrect|es fals|está errad|"
    r"(?:选项|項)?\s*(?:不是|不对|错|不正确|不符)|"
    r"(?:では|じゃ)な(?!いで(?:しょう|すか)|いだろう|いか(?!ら|も))|は間違|は誤|[가이]\s*아니|[은는]\s*틀)",
    re.IGNORECASE,
)  # fmt: skip


def rejected_letters(before: str, after: str) -> bool:
    """Whether a text says that a letter is not the answer, by what stands before and behind it."""
    return (
        _REJECTS_BEFORE.search(before) is not None or _REJECTS_BEHIND.match(after) is not None or denies(before, after)
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of claim. `before` ends at the letter, `after` begins behind it.

    `first`: only the first letter behind the match of `before` is claimed. `place` is `start` for a letter that the
    text begins with, `line` for one alone in its line or opening the last one, `bracket` for one between brackets.
    """

    name: str
    before: re.Pattern[str] | None = None
    after: re.Pattern[str] | None = None
    place: str = ""
    first: bool = False


def _ends_with(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern}){_END}", re.IGNORECASE)


def _begins_with(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_SHUT}(?:{pattern})", re.IGNORECASE)


_FOREIGN = "|".join(ANSWER_WORDS.values())
_SUBJECT = _ends_with(
    r"^|[.!?;:,]|\b(?:therefore|thus|so|hence|then|option|choice|answer|letter|statement|that|and|but|think|believe"
    r"|only|"
    r"because|since|means|conclude|opción|opção|alternativa|opzione|opcja|вариант|antwort|respuesta|resposta"
    r"|réponse|risposta|"
    r"odpowiedź|ответ|la|l'option|die)|所以|因此|故|选项|選項|よって|따라서|الخيار|الإجابة|विकल्प|chaguo"
)
_CLAUSE_END = r"\s*(?:\Z|[.,;:!?。、\n]|\s[-–—(])"
_IS_RIGHT = (
    r"(?:[.:)][^.\n!?]{0,60}?)?\s+(?:is|would be|must be|should be|seems to be|appears to be)\s+"
    r"(?:(?:the|an?|therefore|thus|clearly|indeed|definitely|our|my|only|single|most|likely)\s+){0,4}"
    r"(?:correct|right|best|answer|accurate|most\b|one that)(?!.{0,60}\bbut\s+\(?[A-Z]\)?\s+(?:could|might|may|is)\b)"
)
RULES = (
    Rule(
        "final answer is LETTER", _ends_with(rf"\bfinal\s+(?:answer|choice|decision)\b[^\n]{{0,40}}?{_COPULA}{_FILL}")
    ),
    Rule(
        "answer is LETTER",
        _ends_with(
            rf"\b{_NAMED}\b(?:[^\n]{{0,60}}?{_COPULA}{_FILL}|[\s,:]*{_FILL})|\bans\s*[.:=]|\A\s*A:|\b(?:key"
            rf"|response|result|correct|"
            rf"conclusion)\s*:{_FILL}"
        ),
    ),
    Rule("answer is LETTER", re.compile(rf"(?:{_FOREIGN})\.?[^\n.。!?;]{{0,60}}\Z", re.IGNORECASE), first=True),
    Rule("LETTER is the answer", _SUBJECT, _begins_with(_IS_RIGHT)),
    Rule("LETTER is the answer", _SUBJECT, _begins_with(r"\s*[:—–-]\s*(?:correct|right|true|yes)\b")),
    Rule("LETTER is the answer", _SUBJECT, _begins_with("|".join(RIGHT_WORDS.values()))),
    Rule("the text begins with LETTER", None, re.compile(
        rf"(?:{_SHUT}\s*(?:\Z|[.,:;\n–—。、]|-\s)|[\])}}]|\s+(?:because|since|as|\()|\s+is\s+correct|\s*(?:です|だ|である"
        rf"|입니다|이다|예요|이에요))",
        re.IGNORECASE), place="start"),
    Rule("LETTER on a line of its own", None, re.compile(rf"{_SHUT}(?:[.!\s]*(?=\n|\Z)|[.):])"), place="line"),
    Rule(
        "therefore LETTER",
        _ends_with(
            rf"(?:{_THEREFORE})[\s,:]*(?:(?:we|i|you|choose|pick|get|have|select|it|is|it's|must|be|only|us|with"
            rf"|option|choice|the|"
            r"answer|la|el|le|die|opción|c'est)[\s:]+){0,4}\s*"
        ),
        _begins_with(_CLAUSE_END),
    ),
    Rule(
        "LETTER is chosen",
        _ends_with("|".join(CHOOSE_WORDS.values())),
        _begins_with(_CLAUSE_END + r"|\s*(?:[项項]|です|だ|である|입니다|이다|예요)"),
    ),
    Rule("LETTER is chosen", None, re.compile(rf"{_SHUT}\s*(?:を選|[을를]\s*(?:선택|고르)|を選択)")),
    Rule("option LETTER", _ends_with(rf"(?:{OPTION_WORDS})\s*(?:is\s+|es\s+|ist\s+|est\s+)?[:=]?\s*")),
    Rule("LETTER is true", _SUBJECT, _begins_with(r"\s+is\s+(?:also\s+)?(?:true|valid|supported|consistent)")),
    Rule("(LETTER)", place="bracket"),
)  # fmt: skip
OUTRIGHT = 8  # the rules by which a letter beyond the choices is an answer
EXPLICIT = 11  # the rules whose claims settle a conflict or correct an earlier claim

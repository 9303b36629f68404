"""The words by which a text claims, rejects and corrects a letter, in the languages that benchmarks are asked in.

English patterns want the letter right behind a copula (`the answer to part A is given as D`). In other languages the
letter is the first one in the clause behind the word for answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalharness.scoring.corrections import COPULA, NO
from evalharness.scoring.letter_denials import denies
from evalharness.text.deferred import deferred

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
    # The Thai word as it is in Unicode's normal form.
    "other": r"đáp án|câu trả lời|jawaban|yanıt|cevap|doğru (?:seçenek|şık)|antwoord|svar(?:et)?|odpověď|відповідь|"
    r"απάντηση|תשובה|คํ\u0e32ตอบ|উত্তর|సమాధానం|பதில்|پاسخ|răspuns(?:ul)?|válasz|vastaus",
}  # fmt: skip
# Behind the letter: that it is the right one.
RIGHT_WORDS = {
    "zh": r"(?:\s*选?[项項])?\s*(?:[是为為]?\s*(?:正确|正確|对的|最佳|最合适)|是答案|符合题意)",
    "ja": r"\s*(?:が|は|の方が)\s*(?:正解|正しい|答え|正答|最も適切|適切)",
    "ko": r"(?:번)?\s*[가이은는]?\s*(?:정답|답입|답이|맞|옳|올바)",
    "es": r"\s+(?:es|ser[ií]a)\s+(?:la|el|lo)?\s*(?:respuesta|opci[oó]n|alternativa|correct|m[aá]s adecuad)",
    "pt": r"\s+(?:é|seria)\s+(?:a|o)?\s*(?:resposta|alternativa|op[cç][aã]o|corret|cert)",
    "de": r"\s+(?:(?:ist|wäre)\s+(?:die|also|somit|daher)?\s*(?:richtig|korrekt|zutreffend|Antwort)"
    r"|richtig(?=[.,;!]|\Z))",
    "fr": r"\s+est\s+(?:donc\s+)?(?:la|le)?\s*(?:bonne|bon|r[eé]ponse|correct|exact|juste)",
    "it": r"\s+è\s+(?:la|l'|quella)?\s*(?:risposta|corrett|giust|opzione|esatt)",
    "pl": r"\s+(?:jest|to)\s+(?:poprawn|prawidłow|właściw|dobr)",
    "ru": r"\s*(?:[—–-]\s*)?(?:это\s+|является\s+)?(?:правильн|верн)",
    "ar": r"\s+(?:هي|هو)\s+(?:الإجابة|الاجابة|الجواب|الخيار|الصحيح)|\s+(?:صحيح|الصحيح)",
    "sw": r"\s+(?:ndilo|ndiyo|ndio|ni)\s+(?:jibu|sahihi|chaguo)",
    "hi": r"\s*(?:ही\s+)?सही\s+(?:उत्तर|विकल्प|जवाब|है)|\s+(?:उत्तर|जवाब)\s+है",
    "other": r"\s+(?:doğru|là\s+(?:đáp án|câu trả lời)|adalah\s+jawaban|benar|is\s+(?:het|juist|goed)|je\s+správn"
    r"|är\s+(?:rätt|korrekt)|correct\s+is)|'d[ıiuü]r|\s*(?:ถูก|เป็นคํ\u0e32ตอบ)",
}  # fmt: skip
# Before the letter: that the writer chooses it.
CHOOSE_WORDS = {
    "en": r"\b(?:it is|it's|it must be|must be|(?:i'm|i am) going (?:with|for)|i (?:go (?:with|for)|choose|chose|pick"
    r"|picked"
    r"|select|prefer|say|guess|opt for|believe|think)|"
    r"i(?:'d| would| will|'ll) (?:go (?:with|for)|settle (?:on|for)|choose|pick|select|say|guess|opt for|vote for"
    r"|prefer|be)|"
    r"my (?:choice|guess|pick|selection)(?: is| would be|:)?|we (?:choose|select|pick|get|are left with)|choosing"
    r"|selecting|but|but rather|"
    r"(?<![a-z] )(?:select|choose|pick|go with))\s+(?:that )?(?:it is |it's )?(?:probably |definitely )?"
    r"(?:the )?(?:answer |option |choice |letter )?",
    "zh": r"(?:故|应该?|應|本题|所以|因此|我|就|该|综上|，|,|^)\s*(?:选择?|選擇?)\s*"
    r"(?:项|項)?\s*[:：]?\s*(?:选项)?|而是\s*",
    "foreign": r"\b(?:elijo|escojo|sino(?: la)?|escolho|e sim|w[aä]hle|sondern|je choisis|mais|scelgo|bensì"
        r"|chọn|memilih|v[äa]l(?:j|g)er|velger|vybír[aá]m|választom|обираю|seçiyorum|wybieram|lecz|ale|tylko"
        r"|mas(?: sim)?|ma|а|"
    r"выбираю|выберу|أختار|اختر|بل|ninachagua|bali|मैं चुनता हूँ|बल्कि|c'est|kies|seç|(?:acho que )?(?:es|è"
    r"|é))\s+(?:la |el |le |die |a |o "
    r"|l'|opcję |la letra |a letra |la lettera |opción |option |opzione |вариант |الخيار |विकल्प )?",
    "ja": r"(?:では|じゃ)なくて?[、,]?\s*",
    "ko": r"아니라,?\s*",
    "th": r"(?:ตอบ|เลือก|แต่เป็น)\s*(?:ข้อ)?\s*",
}  # fmt: skip
_THEREFORE = (
    r"\b(?:so|thus|therefore|hence|consequently|accordingly|ergo|leaving|leaves|conclusion|namely|i\.\s?e\.|"
    r"por lo tanto|por tanto|portanto|logo|daher|also|folglich|somit|donc|quindi|dunque|więc|zatem|следовательно|"
    r"значит|поэтому|لذلك|إذن|kwa hiyo|इसलिए|अतः)|=>|→|⇒|∴|所以|因此|故|よって|したがって|따라서|그러므로"
)
OPTION_WORDS = (
    r"\b(?:option|choice|opci[oó]n|op[cç][aã]o|alternativa|opzione|opcja|opcję|вариант|letra|lettera|lettre|buchstabe|"
    r"letter|chaguo|literka|seçenek|şık|pilihan)|ข้อ|ตัวเลือก|الخيار|विकल्प|选项|選項|選択肢|보기|선택지"
)

_CORRECTING = (
    r"(?:(?:\b(?:i\s+mean|i\s+meant(?:\s+to\s+say)?|edit|correction|corrected|(?:make|scratch)\s+that|actually|oops|"
    r"wait|no\s+wait|anzi|mejor\s+dicho|aliás|perd[oó]n|pardon|moment|ich\s+meine|je\s+veux\s+dire|"
    rf"chang\w+\s+my\s+answer(?:\s+to)?)\b|{NO})[\s,،:.;!—–-]*"
    rf"(?:(?:{COPULA}|option|choice)\s+){{0,2}}|"
    r"(?:不对|不(?=[，,。])|等等|更正|错了)[，,：:。、\s]*(?:应该?)?(?:是|选)?|(?:いや|いいえ|訂正)[、,。：:\s]*|"
    r"(?:아니(?:요|오)?|정정)[,.:\s]+)"
)
_AND = (
    r"\b(?:and/or|and|or|as well as|along with|together with|plus|y|e|o|u|ou|et|und|oder|sowie|i|lub|oraz|albo|и|"
    r"или|na|au|ama)\b|और|या|أو|و|和|或者|还是|還是|或|与|と|か|または|과|와|또는"
)
_MAYBE = (
    r"\b(?:maybe|perhaps|possibly|probably|also|alternatively|tal vez|quizás?|también|talvez|também|vielleicht|auch|"
    r"peut-être|aussi|forse|anche|może|też|może być|может быть|возможно|также|тоже)\b|也许|也|可能是|可能|おそらく|"
    r"아마"
)
CONNECTIVES = deferred(f"{_AND}|{_MAYBE}", re.IGNORECASE)
TOGETHER = deferred(
    rf"[\])}}' \t]*(?:[/&+、|]|[,،;，]|(?:[.,،;，]{{0,4}}[\s(]*(?:{_AND})|[.,،;，]?[\s(]*(?:{_MAYBE}))"
    rf"(?:[\s,]*(?:{_AND}|{_MAYBE}))*,?)?[\[({{' \t]*",
    re.IGNORECASE,
)
LABEL = deferred(r"[.):]{0,2}\s{0,3}[:(,–—-]?\s{0,3}(?:(?:both|either|neither|all of)\s)?\s{0,3}\(?", re.IGNORECASE)
SEMICOLON = deferred(r"[.;]")  # between two letters, where nothing may follow the second
LAST = deferred(rf"{_SHUT}\s*(?:\Z|[.;!?\n])|{_SHUT}\s+(?:is|could|might|may|can)\s+also\b")
VERB = deferred(rf"{_SHUT}\s+(?:is|was|isn't|would|can|cannot|does)\b", re.IGNORECASE)
HEADING = deferred(r"[#\s]*(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|solution|conclusion)[\s.]*", re.IGNORECASE)

_REJECTS_BEFORE = deferred(
    r"(?:\bnot|n't|\bneither|\bnor|\bexclud\w+|\beliminat\w+|\brul(?:e|es|ed|ing) out|\breject\w*|\bdiscard\w*"
    r"|\brather than|\b(?:anything|everything|all) but"
    r"|\binstead of|\bunlike|\bexcept|\bnever|\bwithout|\bdismiss\w*|\bcannot be|\b(?:could|might"
    r"|may)(?:\s+also)?\s+be|\bno es|\bno|\bnão(?: é)?|\bnicht"
    r"|\bkeine?"
    r"|\bpas|\bnon(?: è)?|\bnie|\bне|ليست?|\bsi(?:yo|o)?|\bbukan|\bikke|\binte|\bniet|\bkhông(?: phải)?|ไม่ใช่|不是|并非"
    r"|不选|排除|नहीं)\s+?"
    r"(?:(?:be|the|options?|choices?|answer|simply|also|is|both|either|just|la|le|il|el|die|der|opci[oó]n"
    r"|l')\s*){0,3}" + _END
    + r"|(?:不是|并非|不选|排除)\s*(?:选项)?\s*\Z"
    # `wrong answer: B`
    r"|(?:\b(?:wrong|incorrect|false|falsche|неправильный|неверный|ошибочный)\s+(?:answer|option|choice|antwort|"
    r"ответ|вариант)|\b(?:respuesta|opción)\s+(?:incorrecta|equivocada)|\b(?:mauvaise|fausse)\s+(?:réponse|option)|"
    r"\b(?:resposta|opção)\s+(?:errada|incorreta)|\b(?:risposta|opzione)\s+(?:sbagliata|errata)|\b(?:błędna"
    r"|zła)\s+odpowiedź|"
    r"틀린\s*답|오답|不正確な答え|誤った答え|错误答案|錯誤答案|错误选项)"
    r"(?:\s+(?:is|was|would be|ist|wäre|es|est|é|è|to|это))?\s*[은는はが是为為]?\s*[:：—–-]?" + _END,
    re.IGNORECASE,
)  # fmt: skip
_WRONG = (
    r"not\b|wrong|false|incorrect|excluded|ruled out|eliminated|invalid|inaccurate|rejected|out\b|discarded|too\s"
    r"|untrue|unlikely|irrelevant|impossible|implausible|dismissed|unrelated"
)
_REJECTS_BEHIND = deferred(
    rf"(?:\)\s?[^.,;\n]{{0,60}}?|{_SHUT})"
    r"(?:\s(?:is|are|was|were|can be|could be|must be|should be|would be|seems?|may be)\s+"
    r"(?:(?:also|clearly|therefore|thus|definitely|all|both|obviously|likely|simply|just|the|an?|completely"
    r"|entirely|factually|"
    rf"partially|be)\s+){{0,3}}(?:{_WRONG})|\s(?:isn't|aren't|wasn't|can't|cannot|doesn't|does not|do not|don't|fails|"
    r"wouldn't|would not|couldn't|is n't)\b)"
    rf"|{_SHUT}\s*[:—–-]+\s*(?!(?-i:False|Incorrect|Wrong)\b)(?:{_WRONG})|{_SHUT}\s+(?-i:incorrect|"
    rf"wrong)\s*(?:[.,;\n]|\Z)"
    rf"|{_SHUT}\s+(?:seems|looks|appears|sounds)\s[^.\n]{{0,40}}\bbut\b"
    rf"|{_SHUT}\s*(?:no es|(?-i:no)\s+(?=[a-záéíóúñ])|não|ist (?:nicht|falsch|inkorrekt)|n'est pas|est fausse?|"
    rf"non è|è sbagliat|è errat|"
    r"nie jest|je špatn|falsch\b|değil|yanlış|(?:là )?sai\b|salah\b|bukan\b|is (?:fout|onjuist|niet)\b|"
    r"är (?:fel|inte)\b|(?:est faux|é fals|è fals|jest fałszyw)|ผิด|ไม่ถูก|ไม่ใช่|"
    r"не\s|неверн|неправ|ليس|غير|خطأ|siyo|sio|si sahihi|नहीं|गलत|es incorrect|es fals|está errad|"
    r"(?:选项|項)?\s*(?:不是|不对|错|不正确|不符)|"
    r"(?:では|じゃ)な(?!いで(?:しょう|すか)|いだろう|いか(?!ら|も))|は間違|は誤|[가이]\s*아니|[은는]\s*틀)",
    re.IGNORECASE,
)  # fmt: skip


# One letter that is wrong, behind a claim: `the answer is C and D is wrong`.
_WRONG_ALONE = deferred(
    rf"{_SHUT}\s*(?:(?:is|isn't|was|es|está|é|ist|est|è|jest)\s+\S|не|неверн|नहीं|गलत|"
    r"(?:是)?(?:错|錯|不|误)|は|[은는가이]\s*(?:틀|아니))",
    re.IGNORECASE,
)
# That another letter is an answer too.
_ALSO_RIGHT = (
    r"(?:corr|certa|right|possib|posib|acceptab|valid|válid|work|answer|richtig|möglich|korrekt|bonne|juste|giust|"
    r"esatt|popraw|prawid|dobr|możliw|верн|правил|возмож)"
)
_ALSO_BEHIND = deferred(
    rf"{_SHUT}(?:\s+(?:(?:is|could|might|may|can|would|seems)\s+(?:also|equally|likewise|just as)|también es|"
    rf"es también|"
    r"podría ser también|también podría|também é|também está|é também|ist auch|ist ebenfalls|wäre auch|est aussi|"
    r"est également|è anche|anche è|jest też|też jest|również jest|jest również|тоже|также)\s+"
    rf"(?:(?:be|a|an|the|la|una?|die|eine|une)\s+){{0,2}}{_ALSO_RIGHT}(?![^.\n]{{0,40}}\b(?:but|however|less|not)\b)|"
    r"\s+(?:is|could be|might be|may be|would be|works|fits)(?:\s+(?:correct|right|possible|acceptable|valid|true))?"
    r"\s+(?:too|as well)\b|\s+also\s+(?:works|fits|applies)\b|\s*也(?:对|對|正确|正確|可以|可能|是对|行|成立)|"
    r"も(?:正し|正解|可能|あり得|考えられ)|도\s*(?:정답|맞|가능|옳)|\s*भी\s*सही|\s+pia\s+ni\b|\s+أيض)",
    re.IGNORECASE,
)
_ALSO_BEFORE = deferred(
    r"(?:\b(?:also|alternatively|otherwise|or else|if not|sonst|sinon|altrimenti|de lo contrario|caso contrário|"
    r"inaczej|иначе)"
    r"\b[\s,:]*(?:(?:it|is|be|could|the|answer|option|choice|then|would|choose|pick)\s+){0,4}|否则|そうでなければ)"
    + _END,
    re.IGNORECASE,
)
_AND_BEFORE, _IF_BEHIND = (
    deferred(r"\b(?:and|or|but|und|et|e|y)\s+[\[(]?\Z"),
    deferred(rf"{_SHUT}\s+(?:if|when|otherwise|wenn|si|se)\b"),
)


def also(before: str, after: str) -> bool:
    """Whether a letter is named as a second answer: `C is also correct`, `otherwise C`, `and C if x < 0`."""
    if _ALSO_BEHIND.match(after) or _ALSO_BEFORE.search(before):
        return True
    return _AND_BEFORE.search(before) is not None and _IF_BEHIND.match(after) is not None


def wrong_alone(after: str) -> bool:
    """Whether one letter by itself is the subject of what follows, which says that it is wrong."""
    return _WRONG_ALONE.match(after) is not None


def claims_outright(before: str) -> bool:
    """Whether a letter behind `before` is claimed as the answer, by the rules that begin with a word for it."""
    return any(rule.before is not None and rule.before.search(before) for rule in RULES[:3])


def rejected_letters(before: str, after: str) -> bool:
    """Whether a text says that a letter is not the answer, by what stands before and behind it."""
    return (
        _REJECTS_BEFORE.search(before) is not None or _REJECTS_BEHIND.match(after) is not None or denies(before, after)
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of claim. `before` ends at the letter, `after` begins behind it.

    `first`: only the first letter behind the match of `before` is claimed. `place` is `start` for a letter that the
    text begins with, `line` for one alone in its line or opening the last one, `bracket` for one between brackets,
    `mark` for one that is marked as right. `capital`: of small letters it is no sign (`this is a`).
    """

    name: str
    before: re.Pattern[str] | None = None
    after: re.Pattern[str] | None = None
    place: str = ""
    first: bool = False
    capital: bool = False


def _ends_with(pattern: str) -> re.Pattern[str]:
    return deferred(f"(?:{pattern}){_END}", re.IGNORECASE)


def _begins_with(pattern: str) -> re.Pattern[str]:
    return deferred(rf"{_SHUT}(?:{pattern})", re.IGNORECASE)


_FOREIGN = "|".join(ANSWER_WORDS.values())
_SUBJECT = _ends_with(
    r"^|[.!?;:,。、，；：！？]|\b(?:sondern|aber|sino|pero|mais|mas|bensì|ma|ale|lecz|tylko|но|а|bali|lakini|therefore|thus"
    r"|so|hence|then|option|choice|answer|letter|statement|that|and|but|think|believe"
    r"|only|because|since|means|conclude|opción|opção|alternativa|opzione|opcja|вариант|antwort|respuesta|resposta"
    r"|réponse|risposta|"
    r"odpowiedź|ответ|la|l'option|die)|所以|因此|故|选项|選項|よって|따라서|(?<=[가-힣])(?:고|지만|며)\s|الخيار|الإجابة|विकल्प|chaguo"
)
_CLAUSE_END = r"\s*(?:\Z|[.,;:!?。、\n]|\s[-–—(]|\bif\s+(?:i|you|we)\b)"
_IS_RIGHT = (
    r"(?:[.:)][^.\n!?]{0,60}?|,)?\s+(?:is|would be|must be|should be|seems to be|appears to be)\s+"
    r"(?:(?:the|an?|therefore|thus|clearly|indeed|definitely|our|my|your|only|single|most|likely|probably|"
    r"perhaps|final|first)\s+){0,4}(?:correct|right|best|answer|choice|pick|accurate|most\b|"
    r"one that)(?!.{0,60}\bbut\s+\(?[A-Z]\)?\s+(?:could|might|may|is)\b)"
)
_IS_FOREIGN = r"|\s*(?:です|だ(?![とっ])|である|でしょう|입니다|이다|예요|이에요|है|हैं)"
# Before a letter that ends its clause: that it is it, in short.
_COPULAS = (
    r"\b(?:probably|likely|maybe|perhaps|surely|definitely|certainly|clearly|obviously|evidently|has to be|should be"
    r"|should have been|"
    r"going with|go with|lean(?:ing)? (?:towards?|to)|guess(?: is|:)?|which is|"
    r"(?<!not )(?<!n't )(?<!nothing )(?<!none )(?:favou?rs?|points? to|indicates?|suggests?|supports?)|"
    r"es ist|es wäre|handelt sich um|nach|passt|vermutlich|wahrscheinlich|wohl|ich sage|"
    r"s'agit de|je dirais|probablement|sans doute|mon avis,?|ce serait|"
    r"sia|è|tratta di|direi|forse|probabilmente|"
    r"es|trata de|dir[ií]a(?: que)?|ser[ií]a|probablemente|opinión,?|"
    r"é|trata-se de|provavelmente|opinião,?|"
    r"(?:że|chyba|pewnie|zapewne) to|że|chodzi o|zdaniem,?|chyba|prawdopodobnie|"
    r"это|что|всего,?|моему,?|вероятно,?|наверное,?|ni|labda)\s+|"
    r"(?:^|[.!?,])\s*(?:mark|circle|so|then|only|just|that's|that is|this is|to)\s+|"
    r"(?:إنها|إنه|أنها|أنه|ربما)\s*|(?:यह|विचार से|शायद)\s*|(?:应该|應該|可能|大概)?[是选選]\s*|"
    r"(?:最も適切|適切|最適|最も近い|適当|妥当)(?:なの|な選択肢|な答え)?は\s*|(?:가장\s*적절한|알맞은)\s*것은\s*"
)
_PREDICATE_BEGINS = r"\A|[\s、。，,.:：('\"]|おそらく|たぶん|多分|아마"
_PREDICATES = (
    r"\s+it\s+is\b|\s+for\s+sure\b|,?\s+i\s+(?:guess|think|believe|suppose)\b|"
    r"\s+(?:seems|appears|looks|sounds)\s+(?:to\s+be\s+)?(?:the\s+)?(?:right|correct|best|most)\b|"
    r"\s+to\s+be\s+(?:the\s+)?(?:right|correct|best)\b|\s+is\s+better\b(?!\s+than)"
    r"|\s+makes\s+(?:the\s+)?most\s+sense\b|\s+(?:fits|works|matches)\s+(?:the\s+)?best\b|"
    r"\s+(?:only|alone)(?=\s*(?:\.|\n|\Z))|\s+has\s+to\s+be\s+it\b|\s+is\s+what\s+i\b|"
    r"\s+(?:stimmt|passt\s+am\s+besten|trifft\s+zu)|\s+(?:convient|est\s+la\s+plus)|\s+(?:подходит|верно)|"
    r"(?:です|だと思|でしょう|である|だ(?=[。、\n]|\Z))|が(?:最適|最も|最良|一番|適切)|"
    r"(?:입니다|예요|이에요|라고\s*(?:생각|봅|판단))|[가이]\s*가장|最(?:合适|佳|恰当|可能|符合)|(?:正确|符合)|"
    r"\s+सही\s+है"
)
RULES = (
    Rule(
        "final answer is LETTER", _ends_with(rf"\bfinal\s+(?:answer|choice|decision)\b[^\n]{{0,40}}?{_COPULA}{_FILL}")
    ),
    Rule(
        "answer is LETTER",
        _ends_with(
            rf"\b{_NAMED}\b(?:[^\n]{{0,60}}?{_COPULA}{_FILL}|[\s,:]*{_FILL})|\bans\b\s*[.:=-]?|\A\s*A:|\b(?:key"
            rf"|response|result|correct|conclusion)\s*:{_FILL}"
        ),
    ),
    Rule("answer is LETTER", deferred(rf"(?:{_FOREIGN})\.?[^\n.。!?;]{{0,60}}\Z", re.IGNORECASE), first=True),
    Rule("LETTER is the answer", _SUBJECT, _begins_with(_IS_RIGHT)),
    Rule("LETTER is the answer", _SUBJECT, _begins_with(r"\s*[:—–-]\s*(?:correct|right|true|yes)\b")),
    Rule("LETTER is the answer", _SUBJECT, _begins_with("|".join(RIGHT_WORDS.values()))),
    Rule("correction: LETTER", _ends_with(_CORRECTING), _begins_with(_CLAUSE_END + _IS_FOREIGN)),
    Rule("LETTER is marked right", place="mark"),
    Rule("the text begins with LETTER", None, deferred(
        rf"(?:{_SHUT}\s*(?:\Z|[.,:;\n–—。、]|-\s)|[\])}}]|\s+(?:because|since|as|rather than|instead of|and not|\()|"
        r"\s+is\s+correct|\s*(?:です|だ|である|입니다|이다|예요|이에요))",
        re.IGNORECASE), place="start"),
    Rule("LETTER on a line of its own", None, deferred(rf"{_SHUT}(?:[.!\s]*(?=\n|\Z)|[.):])"), place="line"),
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
        _begins_with(_CLAUSE_END + r"|\s*[项項]|\s+(?:over|rather than|instead of"
        r"|to)\s+(?:option )?\(?(?-i:[A-Z])\b" + _IS_FOREIGN),
    ),
    Rule("LETTER is chosen", None, deferred(rf"{_SHUT}\s*(?:を選|[을를]\s*(?:선택|고르)|を選択)")),
    Rule("LETTER is chosen", _ends_with(_COPULAS), _begins_with(_CLAUSE_END + _IS_FOREIGN), capital=True),
    Rule("LETTER is chosen", _ends_with(_PREDICATE_BEGINS), _begins_with(_PREDICATES)),
    Rule("LETTER is chosen", _ends_with(r"\b(?:makes|making|leaves|leaving)"), _begins_with(r"\s+(?:the|as)\b")),
    Rule("option LETTER", _ends_with(rf"(?:{OPTION_WORDS})\s*(?:is\s+|es\s+|ist\s+|est\s+)?[:=]?\s*")),
    Rule("LETTER is true", _SUBJECT, _begins_with(r"\s+is\s+(?:also\s+)?(?:true|valid|supported|consistent)"
        r"|\s+(?:es\s+verdader|é\s+verdadeir|est\s+vrai|è\s+ver[ao]|jest\s+prawdziw|ist\s+wahr)")),
    Rule("(LETTER)", place="bracket"),
)  # fmt: skip
NAMED_OUTRIGHT = 6  # the rules that say of a letter that it is the answer
OUTRIGHT = 10  # the rules by which a letter beyond the choices is an answer
CHOSEN = 16  # the rules by which the writer chooses one; option LETTER and weaker ones only name it
EXPLICIT = 13  # the rules whose claims settle a conflict or correct an earlier claim

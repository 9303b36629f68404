"""How a text says, in a roundabout way, that a letter is not its answer: `I don't think it is B`, `B? I doubt it`.

What stands right at the letter (`not B`, `B is wrong`) is in `letter_words`. Here the denial stands further off, as an
opinion that governs the clause the letter is in: it holds up to a mark, to a word that turns the sentence (`I'm not
sure, but the answer is B` claims B) and to the first letter. Each language has its words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from evalharness.text.deferred import deferred


class Doubt(NamedTuple):
    """`opinion` denies or doubts what follows it, up to a word that is a `turn`.

    There is none without one of the `cues`: most clauses are done with by looking for those alone.
    """

    cues: tuple[str, ...]
    opinion: str
    turn: str


_EN_NOT = r"(?:(?<!you )(?:n't|\bnot|\bnever|\bcannot|\bno longer)|\b(?:do|does|did|would|could|can|is|are)nt)"
_EN_ADVERB = (
    r"(?:(?:really|actually|honestly|personally|necessarily|even|quite|fully|at all|be|have|so|too|very|yet|"
    r"therefore|"
    r"currently|in fact|seem|appear|also|able to)\s+){0,3}"
)
_EN_THAT = r"(?=\s+(?:that|it|the|option|answer|choice|[A-Z])\b)"
_EN = (
    rf"{_EN_NOT}\s+{_EN_ADVERB}(?:"
    r"(?:think|thinking|thought|believe|believed|feel|suppose|expect|reckon|imagine|see (?:how|why)|say|saying|"
    r"said|claim|"
    r"claiming|agree (?:that|with)|accept that|conclude|know (?:if|whether|that)|choose|pick|select|go with|"
    r"opt for)\b|"
    rf"(?:mean|imply|suggest|indicate|prove|show|follow|guarantee)\b{_EN_THAT}|"
    r"(?:sure|certain|convinced|persuaded|confident)\b(?!\s+(?:about|of|what|which|why|how|where|enough|here))|"
    r"(?:likely|probable|possible|plausible|conceivable|clear|true|correct|obvious|the case)\s+(?:that|if|whether)\b|"
    r"(?:reason|evidence|way|chance)\b)|"
    r"\bno (?:reason|evidence|way|chance|indication|basis)\b|\bhardly\s+(?:think|believe|say)\b|"
    r"\bhard to (?:believe|say|see how)\b|\b(?:cannot|can't|could not|couldn't) be (?:true |the case )?that\b|"
    r"(?<!not )(?<!n't )\b(?:unlikely|improbable|implausible|impossible|doubtful|questionable|false|untrue|incorrect|"
    r"wrong)\s+(?:that|if|whether|to (?:say|think|claim|conclude|believe|choose|pick|assume)|for (?:it|"
    r"the answer))\b|"
    r"(?<!not )(?<!n't )\bunlikely\s+(?:the|it's)\b|"
    r"\b(?:I|we)(?:'d| would| do| must)?\s+(?:(?:\w{1,12}ly|very much|also|still)\s+){0,2}doubt\b|"
    r"\b(?:my|some|serious|strong|grave|great) doubts?\b|\b(?:I|we) (?:disagree|deny|reject)\s+(?:that|with|the)\b"
)
# Behind an opinion: what belongs to it still.
_EN_TURN = (
    r"\b(?:but|so|because|since|therefore|thus|hence|rather|instead|however|yet|while|whereas|though|although|"
    r"besides|"
    r"except|other than|anything else|doubt\w*|disagree|and (?:so|the|it|it's|I|we)|leaving|not to|further|"
    r"I (?:think|believe|guess|choose|would|will|go)|I'd|I'll)\b"
)
DOUBTS = {
    "en": Doubt(
        ("n't", "no", "never", "nt ", "hard", "doubt", "un", "imp", "question", "false", "inco", "wrong", "disagree",
         "deny", "reject"),
        _EN,
        _EN_TURN,
    ),
    "zh": Doubt(
        ("不", "无", "無", "没", "沒", "难"),
        r"(?<!不得)(?<![你您])不(?:太|会|會|怎么|能|敢)?(?:认为|認為|觉得|覺得|相信|赞同|同意|以为|确信|確信)|"
        r"(?:不|不能|无法|無法|没法)(?:太|完全)?(?:确定|確定|肯定|断定|保证)(?!\s|的)|(?<!不)难(?:说|以相信|以认为)|"
        r"不意味着|不代表|(?:没有|沒有)(?:理由|证据)",
        r"但|而是|所以|因此|因为|不过|然而|故|我(?:认为|觉得|选)",
    ),
    "es": Doubt(
        ("no ", "dud", "poco", "imp", "falso"),
        r"\bno (?:yo )?(?:creo|pienso|considero|opino|dir[ií]a|supongo|me parece|parece|afirmo|"
        r"(?:se )?puede (?:decir|afirmar)|es (?:probable|posible|cierto|verdad|seguro)|puede ser|quiere decir|"
        r"significa|"
        r"estoy (?:segur|convencid)[oa](?: de)?|s[eé])(?: yo)? (?:que|si)\b|(?<!no )\bdudo (?:mucho )?(?:de )?que\b|"
        r"\b(?:poco probable|improbable|imposible|dudoso|falso) que\b",
        r"\b(?:pero|sino|porque|así que|por|ya que|pues|entonces|creo|aunque)\b",
    ),
    "pt": Doubt(
        ("não", "nao", "duvid", "pouco", "imp", "falso"),
        r"\bn[aã]o (?:acho|creio|acredito|penso|considero|diria|suponho|me parece|parece|"
        r"(?:se )?pode (?:dizer|afirmar)|é (?:provável|poss[ií]vel|verdade|certo)|quer dizer|significa|"
        r"(?:tenho certeza|estou (?:cert|convencid)[oa])(?: de)?|sei) (?:que|se)\b|"
        r"(?<!não )\bduvido (?:muito )?(?:de )?que\b|\b(?:pouco provável|improvável|imposs[ií]vel|duvidoso|"
        r"falso) que\b",
        r"\b(?:mas|porém|porque|ent[aã]o|portanto|por|pois|acho|creio|e sim)\b",
    ),
    "de": Doubt(
        ("nicht", "kaum", "zweif", "un", "fraglich", "falsch"),
        r"\b(?:glaube|denke|meine|finde|sage|behaupte|vermute|würde|bin|weiß|weiss|ist|scheint|kann|heißt|bedeutet)\b"
        r"(?:\s+(?!kein)\w{1,12}){0,3}?\s+(?:nicht|kaum)(?:\s+(?:sagen|behaupten|sicher|überzeugt|gewiss|"
        r"der (?:Meinung|"
        r"Ansicht)|wahrscheinlich|möglich|sein|klar|wahr|richtig|so|daran))?\s*,?\s+(?:dass|daß|ob)\b|"
        r"\b(?:bezweifle|bezweifeln|zweifle)(?:\s+(?:stark|sehr|daran|ernsthaft)){0,2}\s*,?\s+(?:dass|daß|ob)\b|"
        r"(?<!nicht )\b(?:unwahrscheinlich|unmöglich|zweifelhaft|fraglich|falsch)\s*,?\s+(?:dass|daß|ob)\b",
        r"\b(?:aber|sondern|denn|weil|also|daher|deshalb|jedoch|ich)\b",
    ),
    "fr": Doubt(
        (" pas", "dout", "peu", "imp", "faux"),
        r"\b(?:pense|pensons|crois|croyons|dirais|suis|sommes|trouve|considère|semble|est|veut|peut|peux|"
        r"affirme|signifie|"
        r"sais|me paraît)(?: donc| vraiment| franchement)? pas (?:(?:dire|affirmer|s[uû]re?|certaine?|convaincue?|"
        r"probable|possible|vrai|exact|clair|être|du tout) ){0,2}(?:que\b|qu'|si\b)|"
        r"\bje doute (?:fort(?:ement)? |beaucoup )?(?:que\b|qu')|"
        r"(?<!pas )\b(?:peu probable|improbable|impossible|douteux|faux) (?:que\b|qu')",
        r"\b(?:mais|car|donc|parce|alors|cependant|pourtant|je)\b",
    ),
    "it": Doubt(
        ("non ", "dubi", "imp", "poco", "falso"),
        r"\bnon (?:(?:lo )?credo|penso|ritengo|direi|mi sembra|sembra|(?:si )?può (?:dire|essere)|"
        r"sono (?:sicur|cert|convint)[oa]|è (?:probabile|possibile|vero|detto|certo)|significa|vuol dire|"
        r"so) (?:che|se)\b|"
        r"(?<!non )\bdubito (?:fortemente |molto )?che\b|"
        r"\b(?:improbabile|poco probabile|impossibile|dubbio|falso) che\b",
        r"\b(?:ma|bensì|perché|quindi|dunque|però|penso|credo)\b",
    ),
    "pl": Doubt(
        ("nie", "wątp", "mało"),
        r"\bnie (?:sądzę|myślę|uważam|wierzę|wydaje mi się|wydaje się|powiedział(?:a)?bym|"
        r"jestem (?:pewien|pewna|pewny|przekonan[ya])|jest (?:(?:to )?(?:prawdopodobne|możliwe|prawdą|pewne))|"
        r"oznacza to|znaczy to|wiem)\s*,?\s+(?:że|żeby|aby|by|iż|czy)\b|(?<!nie )\bwątpię\s*,?\s+(?:że|żeby|aby|"
        r"by|czy)\b|"
        r"\b(?:mało prawdopodobne|nieprawdopodobne|niemożliwe|wątpliwe|nieprawda)\s*,?\s+(?:że|żeby|aby|by|czy)\b",
        r"\b(?:ale|lecz|tylko|bo|ponieważ|więc|zatem|jednak)\b",
    ),
    "ru": Doubt(
        ("не", "сомн", "маловер", "вряд", "едва"),
        r"\bне (?:(?:очень|совсем|могу|стал[а]?|бы) ){0,2}(?:думаю|считаю|верю|полагаю|уверена?|убежд[её]на?|кажется|"
        r"сказать|утверждать|сказала? бы|похоже|факт|может быть|значит|знаю)\s*,?\s+(?:что(?:бы)?|будто)\b|"
        r"(?<!не )\bсомнева(?:юсь|емся)\s*,?\s+что(?:бы)?\b|"
        r"\b(?:маловероятно|невероятно|невозможно|сомнительно|неверно|неправда)\s*,?\s+что(?:бы)?\b|"
        r"\b(?:вряд|едва|навряд) ли\b",
        r"\b(?:но|а|потому|поэтому|однако|зато|значит|так как)\b",
    ),
    "ar": Doubt(
        ("لا", "لم", "لن", "لس", "من", "شك"),
        r"(?<!\w)(?:(?:لا|لم|لن) (?:أعتقد|أظن|أرى|أحسب|أتصور|أؤمن|أجزم|نعتقد|نظن|أستطيع القول|يمكن القول|يمكن|"
        r"يعني|أعرف|أدري)|"
        r"(?:لست|لسنا) (?:متأكد|واثق|مقتنع|على يقين)\w*(?: من)?|من غير (?:المحتمل|المرجح|الممكن|المعقول|الوارد)|"
        r"من (?:المستبعد|المستحيل)|(?<!لا )أشك(?: كثيرا)?(?: في)?|ليس من (?:المرجح|المحتمل|الممكن))\s+"
        r"(?:ذلك )?(?:ب|في )?(?:أن|ان|إن|إذا|ما إذا)",
        r"لكن|ولكن|بل |لذلك|لأن|فالإجابة",
    ),
    "sw": Doubt(
        ("si", "hatu", "shaka", "hai"),
        r"\b(?:sidhani|hatudhani|sifikiri|sifikirii|hatufikiri|siamini|hatuamini|sioni|sikubali|siwezi kusema|sijui|"
        r"(?:sina|hatuna) (?:uhakika|hakika)|nina (?:shaka|mashaka)|haiwezekani|haielekei)\s+"
        r"(?:kama|kwamba|kuwa|iwapo|ikiwa|jibu|ni|ya kwamba)\b",
        r"\b(?:lakini|bali|kwa sababu|kwa hiyo|hivyo)\b",
    ),
    "hi": Doubt(
        ("नहीं", "संद", "शक", "अस", "गलत", "कम"),
        r"(?<!आपको )(?<!तुम्हें )(?<!तुमको )नहीं (?:लगता|लगती|मानता|मानती|मानते|सोचता|सोचती|सोचते|समझता|समझती|"
        r"समझते|कह सकता|कह सकती|जानता|जानती)"
        r"(?: है| हूँ| हूं| हैं)?,?\s+कि|(?:संदेह|शक) है,?\s+कि|(?:विश्वास|यकीन|भरोसा|संभव|संभावना|सच|निश्चित|"
        r"सही) नहीं(?: है)?,?\s+कि|"
        r"(?:असंभव|संदिग्ध|गलत) है,?\s+कि|(?:संभावना|उम्मीद) (?:बहुत )?कम है,?\s+कि",
        r"लेकिन|मगर|परंतु|परन्तु|बल्कि|इसलिए|क्योंकि",
    ),
}  # fmt: skip

_MARKS = r".!?;:,。、\n–—"
_OTHER_LETTER = r"(?-i:(?<![A-Za-z'])[A-HJ-Z](?![A-Za-z']))(?!\s*(?:or|nor|oder|ou|o|lub|или|أو|au|或)\b)"
# A mark belongs to the clause right behind its verb: `I don't think the answer is: B`, `не думаю, что ответ — B`.
_LAST_MARK = (
    r"(?:\b(?:is|be|es|sea|é|seja|ist|soit|est|sia|è|jest|to|ni)\s*:|\b(?:ответ\w*|вариант\w*)\s*[:–—-]|[是为]\s*:|"
    r"है\s*:|هي\s*:)?"
)
_END = r"[\s\[({<'\"]*\Z"


def governed(language: str, doubt: Doubt) -> re.Pattern[str]:
    """An opinion and what it governs, up to the letter that ends the text.

    An aside may stand between: `I don't believe, however, that`, `I don't think that, given this,`, `no creo que, dado
    esto,`. In Chinese nothing tells it from the next clause.
    """
    words = rf",[^{_MARKS}]{{1,50}},"
    asides = {"en": rf"(?:\s*{words}\s*that\b|\s+that\s*{words})?", "zh": ""}
    aside = asides.get(language, rf"(?:(?!,\s*(?:{doubt.turn})){words})?")
    clause = rf"(?:(?!{doubt.turn}|\s-\s|{_OTHER_LETTER})[^{_MARKS}]){{0,110}}?"
    return deferred(rf"(?:{doubt.opinion}){aside}{clause}{_LAST_MARK}{_END}", re.IGNORECASE)


_GOVERNED = [(doubt.cues, governed(language, doubt)) for language, doubt in DOUBTS.items()]
# Right before the letter: that it cannot be, hardly is.
_DENIED = deferred(
    r"(?:(?:n't|\bnot|\bcannot|\bnever|\bhardly|\bscarcely|\bunlikely to|\bunable to)\s+"
    r"(?:(?:possibly|really|actually|necessarily|likely|going|to|be|seem|appear|ever|also|most|very|quite|the|option|"
    r"choice|letter|answer)\s+){1,6}|\b(?:hardly|scarcely)\s+|"
    r"\bno\s+(?:puede|podr[ií]a|debe|deber[ií]a|parece|va a|ser[ií]a|será)\s+(?:ser\s+)?(?:(?:la|el|opci[oó]n|"
    r"letra)\s+){0,2}|"
    r"\bn[aã]o\s+(?:pode|poderia|deve|deveria|parece|seria|será)\s+(?:ser\s+)?(?:(?:a|o|letra|alternativa|"
    r"opção)\s+){0,2}|"
    r"\bne\s+(?:peut|pourrait|doit|semble|saurait|serait|sera)\s+(?:(?:donc|pas|être|la|le|lettre|option)\s+){1,5}|"
    r"\bn'est\s+(?:(?:donc|probablement|certainement|sûrement|sans doute)\s+)?pas\s+(?:(?:la|le|lettre|"
    r"option)\s+){0,2}|"
    r"\bnon\s+(?:può|potrebbe|deve|sembra|sarebbe|sarà)\s+(?:essere\s+)?(?:(?:la|il|opzione|lettera)\s+){0,2}|"
    r"\b(?:unmöglich|kaum|keinesfalls|keineswegs|niemals)\s+(?:(?:die|Option)\s+){0,2}|"
    r"\bnie\s+(?:może|mogłaby|powinna|powinno|wydaje się|będzie|jest|byłaby)\s+(?:(?:to|być|opcja|"
    r"odpowiedź)\s+){0,3}|"
    r"\bне\s+(?:может|могла? бы|должен|должно|является|похоже на)\s+(?:быть\s+)?(?:вариант(?:ом)?\s+)?|"
    r"(?<!\w)(?:لن|لا يمكن أن) (?:تكون|يكون)\s+(?:هي |هو |الخيار )?|"
    r"\b(?:haliwezi|hawezi|haiwezi|hakiwezi|halitakuwa)\s+(?:kuwa\s+)?|"
    r"(?:不可能|不会|不會|不应该?|不太可能|不大可能|未必|不见得|绝不|绝对不|并不|不能)(?:会|"
    r"就)?[是为選选]?\s*(?:选项)?)"
    rf"{_END}",
    re.IGNORECASE,
)
# Behind a question or the claim itself: `Is it B? I doubt it`, `Ответ B? Не думаю.`
_NO_ANSWERS = (
    r"I\s+(?:(?:really|seriously|highly|honestly)\s+)?(?:don't|do not|doubt)\s*(?:think so|believe so|it|that)|no\b|"
    r"unlikely|probably not|not really|no (?:lo )?creo|lo dudo|(?:eu )?n[aã]o(?: acho)?|acho que n[aã]o|duvido|"
    r"(?:das )?glaube ich (?:nicht|kaum)|ich glaube (?:nicht|kaum)|(?:das )?bezweifle ich|nein|"
    r"je ne (?:le )?(?:pense|crois) pas|j'en doute|non(?: (?:lo )?credo| penso)?|ne dubito|nie(?: sądzę)?|wątpię|"
    r"(?:я )?не думаю|сомневаюсь|вряд ли|едва ли|нет|لا(?: أعتقد| أظن)?(?: ذلك)?|أشك في ذلك|sidhani|hapana|"
    r"(?:मुझे )?(?:ऐसा )?नहीं(?: लगता)?|我?不(?:这么)?(?:认为|觉得|是)|いいえ|そうは思(?:いません|わない)|"
    r"아니(?:요|오)?|"
    r"그렇게 생각하지 않\w*"
)
_BEHIND = {
    "question": rf"(?:\s+(?:is|ist|es|est|è|é|jest|to)\b[^{_MARKS}]{{0,40}})?['\s]*(?:吗|嗎|ですか|"
    rf"か)?\s*\?\s*(?:{_NO_ANSWERS})"
    rf"\s*(?=[{_MARKS}]|\Z)",
    "en": r",?\s*(?:but\s+)?I\s+(?:(?:really|seriously|highly)\s+)?(?:doubt (?:it|that)|"
    r"don't think so)\s*(?=[.!,;]|\Z)|"
    r"\s+(?:won't|will not|shouldn't|should not|could not|can hardly|could hardly|is hardly|is never)\b|"
    r"\s+(?:is|seems|appears|looks|sounds)\s+(?:(?:highly|very|quite|rather|most|extremely|rather)\s+)?(?:unlikely|"
    r"doubtful|improbable|questionable|implausible)\b",
    "zh": r"\s*(?:选项|項)?\s*(?:不可能|不会是|不太可能|不大可能|未必|不见得|并不|的可能性(?:很|较|非常)?(?:小|低))",
    "ja": r"\s*(?:では|じゃ)(?:あり|ござい)ませ(?!んか)|\s*(?-i:[^A-Z.!?\n。、,]{0,20}?)(?:と(?:は|"
    r"も)?\s*(?:思(?:いません(?!か)|わな(?!いか)|え(?:な|ませ)|われ(?:な|ませ))|"
    r"考え(?:ていません|ません|な|られ(?:な|ませ)|にく|づら)|信じ(?:ません|な|られ(?:な|ませ))|言え(?:な|ませ)|"
    r"限(?:らな|りませ))|"
    r"はず(?:が|は)?(?:な|ありませ)|可能性は?(?:が)?(?:低|な|ありませ)|(?:は|では)?(?:あり|有り)(?:得|え)(?:な|"
    r"ませ)|か(?:どうか)?(?:は)?疑)",
    "ko": r"\s*[가이은는]?\s*아닙|\s*(?-i:[^A-Z.!?\n,]{0,20}?)(?:[라다]고(?:는|도)?\s*(?:생각|보|믿|판단|여기|"
    r"확신)[가-힣]{0,2}지(?:는|도)?\s*(?:않(?!을|나)|못)|"
    r"[라다]고(?:는|도)?\s*(?:말|확신|생각)할\s*수(?:는|가)?\s*없|일\s*(?:리|수)(?:는|가)?\s*없|"
    r"일\s*가능성[은이]?\s*(?:낮|없|희박|적)|"
    r"[는은이가]?\s*아닌\s*것|인지(?:는)?\s*(?:잘\s*)?(?:모르|의심))",
    "es": r"\s+no\s+(?:puede|podr[ií]a|parece|ser[ií]a|debe)\b",
    "pt": r"\s+n[aã]o\s+(?:pode|poderia|parece|seria|deve)\b",
    "de": r"(?:\s+[^.!?;:,\n]{1,40})?,\s*(?:das\s+)?(?:glaube|denke|meine)\s+ich\s+(?:nicht|kaum)\b|"
    r"(?:\s+[^.!?;:,\n]{1,40})?,\s*(?:das\s+)?bezweifle\s+ich\b|\s+(?:für\s+)?(?:nicht|"
    r"kaum)\s+(?:für\s+)?(?:die\s+)?(?:richtig|"
    r"korrekt|zutreffend|Antwort|möglich|wahrscheinlich)|\s+(?:kann|dürfte|wird|könnte|ist)\s+(?:(?:wohl|eher|"
    r"also|daher|"
    r"sicher|sicherlich|wahrscheinlich|definitiv)\s+)?(?:nicht|kaum|unmöglich|keine)\b",
    "fr": r"\s+(?:ne\s+(?:peut|semble|saurait|pourrait)|n'est\s+(?:\w{1,15}\s+)?pas)\b",
    "it": r"\s+non\s+(?:può|sembra|sarebbe|è)\b",
    "pl": r"\s+nie\s+(?:może|wydaje|powinn|jest)",
    "ru": r"\s*[—–-]?\s*(?:вряд ли|едва ли)\b",
    "ar": r"\s+(?:لا يمكن|لا تبدو|لن)",
    "sw": r"\s+(?:haiwezi|haliwezi|hakiwezi)\b",
    "hi": r"\s*(?:है,?\s*)?(?:(?:ऐसा|यह)\s+)?(?:मुझे\s+)?(?:हो\s+)?(?:ही\s+)?नहीं|"
    r"\s*(?:के\s+)?(?:सही\s+)?होने की (?:संभावना|उम्मीद) (?:बहुत )?(?:कम|नहीं)",
}  # fmt: skip
_DENIED_BEHIND = deferred(rf"[\])}}>'\"]*(?:{'|'.join(_BEHIND.values())})", re.IGNORECASE)


_NEAR = 70  # characters before a letter in which `_DENIED` looks


def denies(before: str, after: str) -> bool:
    """Whether a text says that a letter is not its answer, by the clause before and by what follows."""
    if _DENIED_BEHIND.match(after) or _DENIED.search(before[-_NEAR:]):
        return True
    return governs(_GOVERNED, before)


def governs(patterns: Sequence[tuple[tuple[str, ...], re.Pattern[str]]], before: str) -> bool:
    """Whether one of the `governed` patterns, each with its cues, holds up to the letter behind `before`."""
    low = before.lower()
    return any(any(cue in low for cue in cues) and pattern.search(before) for cues, pattern in patterns)

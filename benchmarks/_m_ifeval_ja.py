"""M-IFEval's instructions in Japanese, derived again as the others, and the three sets by language.

Keywords are plain texts here: the published program looks for words that its tokenizer parts alike, so that 創造性,
which it takes for two words, is never found. A noun at the end of a sentence is told by its last letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalharness.building_blocks.instruction_sets import InstructionCheck, InstructionSet
from evalharness.data.rows import Row
from evalharness.records import Sample

from ._m_ifeval import FRENCH, SHARED, SPANISH, holds, no_comma, nth_paragraph_begins, one_of

HIRAGANA, KATAKANA, KANJI = r"\u3041-\u3096", r"\u30a1-\u30fa", r"\u4e00-\u9fff\u3400-\u4dbf"


def japanese_sentences(text: str) -> list[str]:
    """Lines parted behind each full stop, exclamation and question mark."""
    return [part.strip() for part in re.split(r"(?<=[。！？!?])|\n", text) if part.strip()]


def number_sentences(text: str, num_sentences: int, relation: str | None = None) -> bool:
    return holds(len(japanese_sentences(text)), relation, num_sentences)


def number_letters(text: str, num_letters: int, relation: str | None = None) -> bool:
    return holds(len(text), relation, num_letters)


def number_numbered_lists(text: str, num_items: int) -> bool:
    return len(re.findall(r"^[^\S\n]*\d+\.", text, re.MULTILINE)) == num_items


def nominal_ending(text: str, count: int) -> bool:
    return sum(bool(re.search(rf"[{KANJI}{KATAKANA}ー][。！？!?]?$", s)) for s in japanese_sentences(text)) >= count


def unified_end(text: str, ending: str) -> bool:
    return all(part.strip().endswith(ending) for part in re.split(r"[。！？!?]", text) if part.strip())


def keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(word in text for word in keywords)


def keyword_frequency(text: str, keyword: str, frequency: int, relation: str | None = None) -> bool:
    return holds(text.count(keyword), relation, frequency)


def forbidden_words(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(word in text for word in forbidden_words)


def multiple_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"第[\d０-９一二三四五六七八九十]+{re.escape(section_spliter)}", text)) >= num_sections


def highlighted(text: str, num_highlights: int) -> bool:
    return sum(bool(found.strip()) for found in re.findall(r"《([^\n《》]*)》", text)) >= num_highlights


def bullets(text: str, num_bullets: int) -> bool:
    return len(re.findall(r"^[^\S\n]*・", text, re.MULTILINE)) == num_bullets


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str | None = None) -> bool:
    """A letter of hiragana in katakana too."""
    other = chr(ord(letter) + 0x60) if re.fullmatch(f"[{HIRAGANA}]", letter) else letter.swapcase()
    return holds(sum(c in (letter, other) for c in text), let_relation, let_frequency)


def postscript(text: str, postscript_marker: str) -> bool:
    marker = r"p\.\s?s\." if postscript_marker == "P.S." else re.escape(postscript_marker.strip())
    return bool(re.search(marker, text, re.IGNORECASE))


def end_checker(text: str, end_phrase: str) -> bool:
    return text.strip().strip('「」"').endswith(end_phrase.strip())


def furigana(text: str) -> bool:
    """Every run of kanji is followed by its reading in full-width brackets."""
    return all(re.match(rf"（[{HIRAGANA}ー]+）", text[found.end() :]) for found in re.finditer(rf"[{KANJI}]+", text))


def kansuuji(text: str) -> bool:
    return not re.search(r"[0-9０-９]", text)


def without(letters: str) -> InstructionCheck:
    pattern = re.compile(f"[{letters}]")
    return lambda text: pattern.search(text) is None


def kanji(text: str, kanji_limit: int, relation: str | None = None) -> bool:
    return holds(len(re.findall(f"[{KANJI}]", text)), relation, kanji_limit)


def title(text: str) -> bool:
    return any(found.strip() for found in re.findall(r"『([^\n]+)』", text))


def quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == "「" and bare[-1] == "」"


JAPANESE: Mapping[str, InstructionCheck] = {
    **{name: check for name, check in SHARED.items() if name != "length_constraints:number_words"},
    "keywords:existence": keywords,
    "keywords:frequency": keyword_frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "detectable_content:postscript": postscript,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:number_highlighted_sections": highlighted,
    "detectable_format:number_bullet_lists": bullets,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_begins,
    "length_constraints:number_letters": number_letters,
    "length_constraints:number_sentences": number_sentences,
    "detectable_format:constrained_response": one_of(
        "はい、そうです。", "いいえ、違います。", "どちらとも言えません。"
    ),
    "detectable_format:number_numbered_lists": number_numbered_lists,
    "detectable_format:nominal_ending": nominal_ending,
    "detectable_format:title": title,
    "startend:sentence_unified_end": unified_end,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "letters:furigana": furigana,
    "letters:kansuuji": kansuuji,
    "letters:kanji": kanji,
    "letters:no_hiragana": without(HIRAGANA),
    "letters:no_katakana": without(KATAKANA),
    "letters:hiragana_only": without(KATAKANA + KANJI + "A-Za-z"),
    "letters:katakana_only": without(HIRAGANA + KANJI + "A-Za-z"),
    "punctuation:no_comma": no_comma("、"),
    "punctuation:no_period": no_comma("。"),
}


@dataclass(frozen=True)
class OfLanguage(InstructionSet):
    """The checks of one language, behind its code. langdetect says zh-cn or zh-tw, and never the data's zh."""

    def sample(self, row: Row) -> Sample:
        chinese = [{**said, "language": "zh-cn"} if said.get("language") == "zh" else said for said in row["kwargs"]]
        return InstructionSet.sample(self, {**row, "kwargs": chinese})


ITEMS = {"es": 115, "fr": 235, "ja": 172}
SETS = {
    language: OfLanguage({f"{language}:{name}": check for name, check in checks.items()})
    for language, checks in {"es": SPANISH, "fr": FRENCH, "ja": JAPANESE}.items()
}

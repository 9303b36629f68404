"""M-IFEval's instructions in Spanish and French, and what the three languages share (Dussolle et al. 2025,
https://arxiv.org/abs/2502.04688), derived again from their descriptions and from the recorded judgments of
https://github.com/lightblue-tech/M-IFEval.

Its programs split sentences and words by trained models; here Punkt's rules and the words of `\\w+` stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from unicodedata import normalize

from evalharness.building_blocks import instructions as english
from evalharness.building_blocks.instruction_sets import InstructionCheck
from evalharness.building_blocks.instruction_texts import language_of, sentences, tree_words

AT_MOST = {"moins de": "less than", "未満": "less than", "como máximo": "at most"}


def holds(count: int, relation: str | None, wanted: int) -> bool:
    """`less than`, `at most` or (by default) `at least`, as the language says it."""
    said = AT_MOST.get(relation or "", "at least")
    return count >= wanted if said == "at least" else count < wanted + (said == "at most")


def keyword_frequency(text: str, keyword: str, frequency: int, relation: str | None = None) -> bool:
    return holds(len(english.found(keyword.strip(), text)), relation, frequency)


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str | None = None) -> bool:
    return holds(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def number_words(text: str, num_words: int, relation: str | None = None) -> bool:
    return holds(len(re.findall(r"\w+", text)), relation, num_words)


def number_sentences(text: str, num_sentences: int, relation: str | None = None) -> bool:
    return holds(len(sentences(text)), relation, num_sentences)


def number_placeholders(text: str, num_placeholders: int, relation: str | None = None) -> bool:
    return english.number_placeholders(text, num_placeholders)


def number_highlighted_sections(text: str, num_highlights: int, relation: str | None = None) -> bool:
    return english.number_highlighted_sections(text, num_highlights)


def multiple_sections(text: str, section_spliter: str, num_sections: int, relation: str | None = None) -> bool:
    return english.multiple_sections(text, section_spliter, num_sections)


def capital_word_frequency(text: str, capital_frequency: int, capital_relation: str | None = None) -> bool:
    return holds(sum(word.isupper() for word in tree_words(text)), capital_relation, capital_frequency)


def postscript(text: str, postscript_marker: str) -> bool:
    return postscript_marker.strip().lower() in text.lower()


def one_of(*options: str) -> InstructionCheck:
    """Whether one of the answers stands in the text."""
    return lambda text: any(option in text for option in options)


def in_capitals(language: str) -> InstructionCheck:
    return lambda text: text.isupper() and language_of(text.lower()) in (language, None)


def in_lowercase(language: str) -> InstructionCheck:
    return lambda text: text.islower() and language_of(text) in (language, None)


def no_comma(*commas: str) -> InstructionCheck:
    return lambda text: not any(comma in text for comma in commas)


SHARED: Mapping[str, InstructionCheck] = {
    **{name: check for name, check in english.INSTRUCTION_CHECKS.items() if not name.startswith("change_case:english")},
    "keywords:frequency": keyword_frequency,
    "keywords:letter_frequency": letter_frequency,
    "length_constraints:number_words": number_words,
    "length_constraints:number_sentences": number_sentences,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "change_case:capital_word_frequency": capital_word_frequency,
}


def spanish_end(text: str, end_phrase: str) -> bool:
    """With or without a full stop behind the phrase."""
    return english.end_checker(text, end_phrase) or english.end_checker(text, end_phrase.strip() + ".")


def nth_paragraph_begins(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Whether there are so many paragraphs, and one begins with the words."""
    parts = [part.strip() for part in text.split("\n\n")]
    written = sum(map(bool, parts))
    if written != num_paragraphs or nth_paragraph > len(parts):
        return False
    return parts[nth_paragraph - 1].lstrip("'\"「『").lower().startswith(first_word.lower())


def words_with(letters: str) -> Callable[[str], int]:
    """How many words of a text have one of the letters."""
    return lambda text: sum(any(c in letters for c in word.lower()) for word in re.findall(r"\w+", text))


def enie(text: str, let_frequency: int, let_relation: str | None = None) -> bool:
    return words_with("ñ")(text) == let_frequency


def dieresis(text: str, let_frequency: int, let_relation: str | None = None) -> bool:
    return words_with("ü")(text) == let_frequency


def tildes(text: str, num_words: int, relation: str | None = None) -> bool:
    return holds(words_with("áéíóú")(text), relation, num_words)


def question_marks(text: str) -> bool:
    return bool(re.search(r"¿[^?]+\?", text))


def exclamation_marks(text: str) -> bool:
    return bool(re.search(r"¡[^!]+!", text))


SPANISH: Mapping[str, InstructionCheck] = {
    **SHARED,
    "detectable_format:constrained_response": one_of("Sí.", "No.", "Quizás."),
    "length_constraints:nth_paragraph_first_word": nth_paragraph_begins,
    "startend:end_checker": spanish_end,
    "change_case:spanish_capital": in_capitals("es"),
    "change_case:spanish_lowercase": in_lowercase("es"),
    "special_character:enie": enie,
    "special_character:dieresis": dieresis,
    "special_character:tildes": tildes,
    "punctuation:question_marks": question_marks,
    "punctuation:exclamation_marks": exclamation_marks,
}


def french_title(text: str) -> bool:
    return any(found.strip("# ") for found in re.findall(r"##[^\n]+##", text))


def french_quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] + bare[-1] in ('""', "''", "«»")


def forbidden_character(text: str, forbidden_char: str) -> bool:
    return forbidden_char not in text.lower()


def no_accents(text: str) -> bool:
    return normalize("NFD", text) == normalize("NFC", text)


def accents(text: str, word_to_accentuate: Mapping[str, str]) -> bool:
    """Whether none of the words is left as it was."""
    return not any(re.search(rf"\b{re.escape(bare)}\b", text) for bare in word_to_accentuate)


def informal_address(text: str) -> bool:
    return bool(re.search(r"\b(tu|te|toi|ton|ta|tes)\b", text, re.IGNORECASE))


def no_digits(text: str) -> bool:
    return not re.search(r"[0-9]", text)


FRENCH: Mapping[str, InstructionCheck] = {
    **SHARED,
    "detectable_format:constrained_response": one_of("Oui.", "Non.", "Peut-être."),
    "detectable_format:title": french_title,
    "startend:quotation": french_quotation,
    "change_case:french_capital": in_capitals("fr"),
    "change_case:french_lowercase": in_lowercase("fr"),
    "special_character:ethel_or_cedilla": forbidden_character,
    "special_character:no_accents": no_accents,
    "special_character:accents": accents,
    "detectable_content:informal_address": informal_address,
    "detectable_content:no_digits": no_digits,
}

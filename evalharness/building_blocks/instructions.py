"""The 25 checkable instructions of IFEval (Zhou et al. 2023, https://arxiv.org/abs/2311.07911), derived again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from unicodedata import category

from evalharness.building_blocks.instruction_sets import InstructionCheck, InstructionSet
from evalharness.building_blocks.instruction_texts import language_of, sentences, tree_words
from evalharness.text.patterns import pattern_of

Relation = Literal["less than", "at least"]

CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def holds(count: int, relation: Relation | None, wanted: int) -> bool:
    """`less than` or (by default) `at least`."""
    return count < wanted if relation == "less than" else count >= wanted


def found(pattern: str, text: str, edge: str = "") -> list[Any]:
    """Matches, whatever the case. Keywords are patterns in the published program; plain text where they are none."""
    try:
        expression = pattern_of(edge + pattern + edge, ignore_case=True)
    except ValueError:
        expression = pattern_of(edge + re.escape(pattern) + edge, ignore_case=True)
    return expression.matches(text)


def keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(found(keyword, text) for keyword in keywords)


def keyword_frequency(text: str, keyword: str, frequency: int, relation: Relation | None = None) -> bool:
    return holds(len(found(keyword.strip(), text)), relation, frequency)


def forbidden_words(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(found(word, text, r"\b") for word in forbidden_words)


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: Relation | None = None) -> bool:
    return holds(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def response_language(text: str, language: str) -> bool:
    detected = language_of(text)
    return detected is None or detected == language


def number_sentences(text: str, num_sentences: int, relation: Relation | None = None) -> bool:
    return holds(len(sentences(text)), relation, num_sentences)


def number_paragraphs(text: str, num_paragraphs: int) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", text)
    if not all(part.strip() for part in parts[1:-1]):
        return False
    return sum(bool(part.strip()) for part in parts) == num_paragraphs


def number_words(text: str, num_words: int, relation: Relation | None = None) -> bool:
    marked = "".join("x" if category(c).startswith("M") else c for c in text)  # vowel signs part no word
    return holds(len(re.findall(r"\w+", marked)), relation, num_words)


def nth_paragraph_first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = text.split("\n\n")
    count = sum(bool(part.strip()) for part in parts)
    if nth_paragraph > count or count != num_paragraphs or not parts[nth_paragraph - 1].strip():
        return False
    begins = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return re.split(r"[.,?!'\"]", begins)[0].lower() == first_word.lower()


def number_placeholders(text: str, num_placeholders: int) -> bool:
    return sum(map(_brackets, text.split("\n"))) >= num_placeholders


def _brackets(line: str) -> int:
    """How often `[...]` stands in a line; by search, for a regular expression takes hours over `[[[[[...`."""
    count, start = 0, line.find("[")
    while start >= 0 and (end := line.find("]", start)) >= 0:
        count, start = count + 1, line.find("[", end)
    return count


def postscript(text: str, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(pattern_of(known.get(marker, marker.lower())).matches(text.lower()))


def number_bullet_lists(text: str, num_bullets: int) -> bool:
    # The authors' `^\s*\*[^\*].*$` and `^\s*-.*$`; blank lines are taken whole, or they are tried from each of them.
    marks = (r"^\s*+(\*[^\*].*$)?", r"^\s*+(-.*$)?")
    return sum(bool(m[1]) for mark in marks for m in re.finditer(mark, text, re.MULTILINE)) == num_bullets


def constrained_response(text: str) -> bool:
    return any(option in text for option in CONSTRAINED)


def number_highlighted_sections(text: str, num_highlights: int) -> bool:
    single = [match.strip("*") for match in re.findall(r"\*[^\n\*]*\*", text)]
    double = re.findall(r"\*\*([^\n\*]*)\*\*", text)
    return sum(bool(section.strip()) for section in [*single, *double]) >= num_highlights


def multiple_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    return len(pattern_of(rf"\s?{section_spliter.strip()}\s?\d+\s?").matches(text)) >= num_sections


def json_format(text: str) -> bool:
    bare = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        bare = bare.removeprefix(fence)
    try:
        json.loads(bare.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str) -> bool:
    for line in text.split("\n"):  # as `<<[^\n]+>>` finds it: from the first opening to the last closing
        begin, end = line.find("<<"), line.rfind(">>")
        if 0 <= begin <= end - 3 and line[begin:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def two_responses(text: str) -> bool:
    parts = [part.strip() for part in text.split("******")]
    written = [part for part in parts if part]
    return all(parts[1:-1]) and len(written) == 2 and written[0] != written[1]


def repeat_prompt(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(text: str, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def capital_word_frequency(text: str, capital_frequency: int, capital_relation: Relation | None = None) -> bool:
    return holds(sum(word.isupper() for word in tree_words(text)), capital_relation, capital_frequency)


def english_capital(text: str) -> bool:
    return text.isupper() and language_of(text) in ("en", None)


def english_lowercase(text: str) -> bool:
    return text.islower() and language_of(text) in ("en", None)


def no_comma(text: str) -> bool:
    return "," not in text


def quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


INSTRUCTION_CHECKS: Mapping[str, InstructionCheck] = {
    "keywords:existence": keywords,
    "keywords:frequency": keyword_frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_words": number_words,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": _title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "punctuation:no_comma": no_comma,
}

IFEVAL = InstructionSet(INSTRUCTION_CHECKS)

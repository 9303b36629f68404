"""IFBench's instructions that are a task of their own, and all 58 by name."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise
from string import ascii_lowercase, punctuation
from unicodedata import normalize

from evalharness.building_blocks.instruction_sets import InstructionSet
from evalharness.building_blocks.instruction_texts import sentences

from . import _ifbench as checks
from ._ifbench_words import CAPITALS

_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month, leap years included


def plain_letters(text: str) -> str:
    """Letters without their accents, and what is not ASCII left out."""
    return normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def multiples(text: str) -> bool:
    return re.findall(r"\d+", text.replace(",", ", ")) == ["14", "21", "28", "35", "42", "49"]


def mcq_count_length(text: str) -> bool:
    if not text.startswith("Question"):
        return False
    questions = [part.strip() for part in re.split(r"Question \d+[\.|\):;]?\s*", text) if part.strip()]
    lengths = []
    for question in questions:
        lines = [line.strip() for line in question.split("\n")]
        options = [i for i, line in enumerate(lines) if re.match(r"[A-Ea-e][\.|\)]\s*\w+", line)]
        if len(options) != 5:
            return False
        lengths.append(len(" ".join(lines[: options[0]])))
    return len(questions) == 4 and all(one < other for one, other in pairwise(lengths))


def reverse_newline(text: str) -> bool:
    lines = [bare for line in text.split("\n") if (bare := line.strip(punctuation + " "))]
    first = next((i for i, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
    countries = [plain_letters(line) for line in lines[first:]]
    return len(countries) >= 52 and countries == sorted(countries, reverse=True)


def word_reverse(text: str) -> bool:
    return "bald eagle" in " ".join(reversed(checks.bare_words(text.lower())))


def character_reverse(text: str) -> bool:
    return "elgae dlab" in text.lower()


def sentence_alphabet(text: str) -> bool:
    return [sentence.split()[0][0].lower() for sentence in sentences(text)] == list(ascii_lowercase)


def european_capitals_sort(text: str) -> bool:
    return [name.strip() for name in plain_letters(text).split(",") if name.strip()] == CAPITALS


def _table(text: str, delimiter: str = ",") -> list[list[str]]:
    """The rows of CSV; none where it cannot be read."""
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return []


def _header(text: str, names: str, gap: str) -> bool:
    """Whether the first line names the columns, in quotation marks or not."""
    either = [f'({name}|"{name}")' for name in names.split()]
    return re.fullmatch(gap.join(either), text.split("\n")[0].strip()) is not None


def csv_city(text: str) -> bool:
    rows = _table(text)
    named = bool(rows) and rows[0] == ["ID", "Country", "City", "Year", "Count"]
    return named and len(rows) == 8 and all(len(row) == 5 for row in rows)


def csv_special_character(text: str) -> bool:
    """Right with the first field in quotation marks that has a special character; each row before it has five."""
    if not _header(text, "ProductID Category Brand Price Stock", r",[ \t]*"):
        return False
    rows = _table(text.replace('"', '"""'))  # so that the quotation marks stay
    if len(rows) != 15:
        return False
    for row in rows[1:]:
        if len(row) != 5:
            return False
        if any(re.match(r'".*[^\d\w\s].*"', field) for field in row):
            return True
    return False


def csv_quotes(text: str) -> bool:
    if not _header(text, "StudentID Subject Grade Semester Score", r"\t *"):
        return False
    rows = _table(text.replace('"', '"""'), "\t")
    quoted = all(field.strip()[:1] == field.strip()[-1:] == '"' for row in rows for field in row)
    return len(rows) == 4 and all(len(row) == 5 for row in rows) and quoted


def date_format_list(text: str) -> bool:
    for date in text.strip().split(","):
        found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", date.strip())
        if found is None:
            return False
        year, month, day = map(int, found.groups())
        if not 1769 <= year <= 1821 or month > 12 or (month > 0 and day > _LONGEST[month - 1]):
            return False
    return True


IFBENCH = InstructionSet(
    {
        "count:conjunctions": checks.conjunctions,
        "count:keywords_multiple": checks.keywords_multiple,
        "count:numbers": checks.numbers,
        "count:person_names": checks.person_names,
        "count:pronouns": checks.pronouns,
        "count:punctuation": checks.every_punctuation,
        "count:unique_word_count": checks.unique_word_count,
        "count:word_count_range": checks.word_count_range,
        "count:words_japanese": checks.words_japanese,
        "custom:character_reverse": character_reverse,
        "custom:csv_city": csv_city,
        "custom:csv_quotes": csv_quotes,
        "custom:csv_special_character": csv_special_character,
        "custom:date_format_list": date_format_list,
        "custom:european_capitals_sort": european_capitals_sort,
        "custom:mcq_count_length": mcq_count_length,
        "custom:multiples": multiples,
        "custom:reverse_newline": reverse_newline,
        "custom:sentence_alphabet": sentence_alphabet,
        "custom:word_reverse": word_reverse,
        "format:emoji": checks.emoji_sentences,
        "format:line_indent": checks.line_indent,
        "format:list": checks.special_bullets,
        "format:newline": checks.word_a_line,
        "format:no_bullets_bullets": checks.sentences_then_bullets,
        "format:no_whitespace": checks.no_whitespace,
        "format:options": checks.one_of_options,
        "format:output_template": checks.output_template,
        "format:parentheses": checks.nested_parentheses,
        "format:quote_unquote": checks.quote_unquote,
        "format:quotes": checks.nested_quotes,
        "format:sub-bullets": checks.sub_bullets,
        "format:thesis": checks.thesis,
        "format:title_case": checks.title_case,
        "ratio:overlap": checks.overlap,
        "ratio:sentence_balance": checks.sentence_balance,
        "ratio:sentence_type": checks.sentence_type,
        "ratio:sentence_words": checks.three_of_one_length,
        "ratio:stop_words": checks.stop_words,
        "repeat:repeat_change": checks.repeat_change,
        "repeat:repeat_simple": checks.repeat_simple,
        "repeat:repeat_span": checks.repeat_span,
        "sentence:alliteration_increment": checks.alliteration_increment,
        "sentence:increment": checks.word_increment,
        "sentence:keyword": checks.keyword_in_sentence,
        "words:alphabet": checks.alphabet,
        "words:consonants": checks.consonants,
        "words:keywords_specific_position": checks.keyword_position,
        "words:last_first": checks.last_first,
        "words:no_consecutive": checks.no_consecutive,
        "words:odd_even_syllables": checks.odd_even_syllables,
        "words:palindrome": checks.palindromes,
        "words:paragraph_last_first": checks.paragraph_last_first,
        "words:prime_lengths": checks.prime_lengths,
        "words:repeats": checks.repeats,
        "words:start_verb": checks.start_verb,
        "words:vowel": checks.three_vowels,
        "words:words_position": checks.words_position,
    },
    headline="loose",
    packages=("syllapy",),
)

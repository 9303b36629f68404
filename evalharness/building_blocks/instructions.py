"""The 25 checkable instructions of IFEval (Zhou et al. 2023, https://arxiv.org/abs/2311.07911), derived again.

A check is a function of the text and of the instruction's own arguments. Where the published program leaves a choice to
chance (the language detector) or to a download (the sentence splitter), the choice here is fixed: the detector is
seeded, and sentences are split by the same algorithm (Punkt) with the abbreviations below in place of a trained list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, Literal
from unicodedata import category

from evalharness.errors import UserError
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score, Status
from evalharness.scoring.answers import Scorer
from evalharness.text.patterns import SlowPatternError, pattern_of

InstructionCheck = Callable[..., bool]
Relation = Literal["less than", "at least"]

# Words whose full stop ends no sentence.
ABBREVIATIONS = """
    a.d a.m adj adm apr assn aug ave b.c bros capt cf co col corp ct d.c dec dept dr e.g est etc feb ft gen gov i.e
    inc jan jr lt ltd mar mr mrs ms mt no nov oct p p.m ph.d pp prof rep rev sen sep sept sgt sr st u.k u.n u.s viz vs
"""
# What langdetect can tell (its profiles); an answer in any other language would never be found to be in it.
LANGUAGES = """
    af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl pt ro
    ru sk sl so sq sv sw ta te th tl tr uk ur vi zh-cn zh-tw
"""
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
    return holds(sum(word.isupper() for word in _words(text)), capital_relation, capital_frequency)


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


def given(names: Sequence[str], arguments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A sample's `extra`: instructions and the arguments of each.

    ValueError for an instruction that has no check, and for arguments that its check does not take.
    """
    unknown = sorted(set(names) - set(INSTRUCTION_CHECKS))
    if unknown:
        raise ValueError(f"unknown instruction {unknown[0]}")
    if len(names) != len(arguments):
        raise ValueError(f"it has {len(names)} instructions and {len(arguments)} kwargs, wanted as many of both")
    return {"instructions": list(names), "arguments": [_taken(*each) for each in zip(names, arguments, strict=True)]}


def _taken(instruction: str, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of one instruction as its check takes them; None stands for one that is not there."""
    from pydantic import ValidationError

    present = {name: value for name, value in (said or {}).items() if value is not None}
    try:
        taken: dict[str, Any] = _arguments_of(instruction).model_validate(present).model_dump(exclude_unset=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        wanted = ", ".join(_arguments_of(instruction).model_fields) or "none"
        raise ValueError(f"{instruction} takes the arguments: {wanted} ({wrong})") from error
    if (language := taken.get("language", "en")) not in LANGUAGES.split():
        known = ", ".join(LANGUAGES.split())
        raise ValueError(f"{instruction}: the language {language!r} cannot be told; wanted one of {known}")
    for pattern in (taken.get("section_spliter"), taken.get("postscript_marker")):
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{instruction}: {pattern!r} is not a valid regular expression ({error})") from error
    return taken


@cache
def _arguments_of(instruction: str) -> Any:
    """A model of the arguments of an instruction, made from the signature of its check."""
    from pydantic import ConfigDict, create_model

    _text, *parameters = signature(INSTRUCTION_CHECKS[instruction], eval_str=True).parameters.values()
    fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters}
    return create_model(instruction, __config__=ConfigDict(extra="forbid"), **fields)


def follows(text: str, instruction: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a text follows one instruction; an empty text follows none, nor one on which a keyword takes too long."""
    try:
        return bool(text.strip()) and INSTRUCTION_CHECKS[instruction](text, **arguments)
    except SlowPatternError:
        return False


def loosened(text: str) -> list[str]:
    """The text as it is, without its first line, its last, both, and each of the four without asterisks."""
    lines = text.split("\n")
    cuts = [text, *("\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys([*cuts, *(cut.replace("*", "") for cut in cuts)]))


def instructions(sample: Sample, request: Request, response: Response) -> Score:
    """IFEval's four figures of one answer: all instructions followed, and how many; strictly and loosely read."""
    asked = list(zip(sample.extra["instructions"], sample.extra["arguments"], strict=True))
    strict = [follows(response.text, name, arguments) for name, arguments in asked]
    variants = loosened(response.text)
    loose = [s or any(follows(v, *pair) for v in variants) for s, pair in zip(strict, asked, strict=True)]
    scores = {
        "prompt_strict": float(all(strict)),
        "prompt_loose": float(all(loose)),
        "followed_strict": float(sum(strict)),
        "followed_loose": float(sum(loose)),
        "instructions": float(len(asked)),
    }
    status: Status = "correct" if all(strict) else "wrong" if response.text.strip() else "unparsed"
    return Score(status=status, scores=scores, detail={"strict": strict, "loose": loose})


@contextmanager
def open_instruction_scorer(_: RunOptions) -> Iterator[Scorer]:
    """The scorer, its packages loaded: threads that score must not import them at the same time, and what one thread
    has loaded by half must not answer another."""
    try:
        _detect(), _punkt(), _word_tokenizer()
    except ModuleNotFoundError as error:
        raise UserError(f'ifeval needs the package {error.name}: pip install "evalharness[text]"') from error
    yield instructions


@cache
def _detect() -> Callable[[str], str | None]:
    from langdetect import LangDetectException
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.set_seed(0)  # unseeded, it answers differently from run to run
    factory.load_json_profile([f.read_text(encoding="utf-8") for f in sorted(Path(PROFILES_DIRECTORY).iterdir())])

    def language(text: str) -> str | None:
        detector = factory.create()
        detector.append(text)
        try:
            return str(detector.detect())
        except LangDetectException:
            return None

    return language


def language_of(text: str) -> str | None:
    """ISO 639-1 code of a text's language, None where nothing in it tells (digits only)."""
    return _detect()(text)


@cache
def _punkt() -> Any:
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = set(ABBREVIATIONS.split())
    return PunktSentenceTokenizer(parameters)


@cache
def _word_tokenizer() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()


def sentences(text: str) -> list[str]:
    """The sentences of an English text."""
    return [str(sentence) for sentence in _punkt().tokenize(text)]


def _words(text: str) -> list[str]:
    """The words of a text as the Penn Treebank parts them; a hyphenated word is one."""
    return [word for sentence in sentences(text) for word in _word_tokenizer().tokenize(sentence)]

"""What checks of instructions read of a text: its language, its sentences, its words.

Where the published programs leave a choice to chance (the language detector) or to a download (the sentence splitter),
the choice here is fixed: the detector is seeded, and sentences are split by the same algorithm (Punkt) with the
abbreviations below in place of a trained list.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from evalharness.errors import UserError

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


def load_packages(what: str, *names: str) -> None:
    """Load the packages that the functions below need, and those named. UserError where one is missing; `what` is done
    with it (`instructions are checked`)."""
    try:
        _detect(), _punkt(), _word_tokenizer()
        for name in names:
            import_module(name)
    except ModuleNotFoundError as error:
        needed = f"{what} with the package {error.name}"
        raise UserError(f'{needed}, which is not installed: pip install "evalharness[text]"') from error


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


def tree_words(text: str) -> list[str]:
    """The words of a text as the Penn Treebank parts them; a hyphenated word is one."""
    return [word for sentence in sentences(text) for word in _word_tokenizer().tokenize(sentence)]

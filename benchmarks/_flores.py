"""FLORES's languages and files, and chrF over a whole set of translations (Popović 2015,
https://aclanthology.org/W15-3049)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.benchmark import Prompt
from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Estimate, Request, Response, Result, Sample, Score
from evalharness.scoring.answers import graded_score
from evalharness.scoring.metrics import Metric, mean
from evalharness.stats.intervals import t_quantile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

# code -> FLORES's code, English name, what a sentence of it is called before it is given in that language
LANGUAGES = {
    "en": ("eng_Latn", "English", "English"), "es": ("spa_Latn", "Spanish", "Español"),
    "it": ("ita_Latn", "Italian", "Italiano"), "pl": ("pol_Latn", "Polish", "Polski"),
    "sw": ("swh_Latn", "Swahili", "Kiswahili"), "ar": ("arb_Arab", "Arabic", "العربية"),
    "bn": ("ben_Beng", "Bengali", "বাংলা"), "cs": ("ces_Latn", "Czech", "Čeština"),
    "de": ("deu_Latn", "German", "Deutsch"), "el": ("ell_Grek", "Greek", "Ελληνικά"),
    "fa": ("pes_Arab", "Persian", "فارسی"), "fr": ("fra_Latn", "French", "Français"),
    "he": ("heb_Hebr", "Hebrew", "עברית"), "hi": ("hin_Deva", "Hindi", "हिन्दी"),
    "id": ("ind_Latn", "Indonesian", "Bahasa Indonesia"), "ja": ("jpn_Jpan", "Japanese", "日本語"),
    "ko": ("kor_Hang", "Korean", "한국어"), "nl": ("nld_Latn", "Dutch", "Nederlands"),
    "pt": ("por_Latn", "Portuguese", "Português"), "ro": ("ron_Latn", "Romanian", "Română"),
    "ru": ("rus_Cyrl", "Russian", "Русский"), "sv": ("swe_Latn", "Swedish", "Svenska"),
    "th": ("tha_Thai", "Thai", "ไทย"), "tr": ("tur_Latn", "Turkish", "Türkçe"),
    "uk": ("ukr_Cyrl", "Ukrainian", "Українська"), "vi": ("vie_Latn", "Vietnamese", "Tiếng Việt"),
    "yo": ("yor_Latn", "Yoruba", "Yorùbá"), "zh": ("zho_Hans", "Chinese", "中文"),
}  # fmt: skip
PAIRS = {f"{a}-{b}": (a, b) for a in LANGUAGES for b in LANGUAGES if a != b and "en" in (a, b)}


def sample(pair: tuple[str, str]) -> Callable[[Row], Sample]:
    """The hub's rows of a pair of languages have a field for the sentence in each."""
    given, wanted = (f"sentence_{LANGUAGES[language][0]}" for language in pair)
    return lambda row: Sample(id=str(row["id"]), question=row[given], answers=(row[wanted],))


def prompt(pair: tuple[str, str]) -> Prompt:
    """The sentence behind its language's own name, then the other language's."""
    given, wanted = (LANGUAGES[language][2] for language in pair)
    return Prompt(question=lambda s: f"{given}: {s.question}\n{wanted}:", answer=lambda s: " " + s.answers[0])


def FILES(pair: tuple[str, str]) -> Files:  # noqa: N802  # called like the constants of the other plug-ins
    """Reads devtest/CODE.devtest and dev/CODE.dev of flores200_dataset, a sentence a line."""
    codes = [LANGUAGES[language][0] for language in pair]

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        files = [path / want.split / f"{code}.{want.split}" for code in codes]
        return _rows(files, codes) if all(file.is_file() for file in files) else None

    return Files(f"the folders devtest/ and dev/ of flores200_dataset ({codes[0]}.devtest, {codes[1]}.devtest)", read)


def _rows(files: Sequence[Path], codes: Sequence[str]) -> Iterator[Row]:
    given, wanted = (read_text(file).splitlines() for file in files)
    if len(given) != len(wanted):
        raise DataError(f"{files[1]}: wanted {len(given)} sentences, as {files[0].name} has, there are {len(wanted)}")
    for number, sentences in enumerate(zip(given, wanted, strict=True), 1):
        yield {f"sentence_{code}": text for code, text in zip(codes, sentences, strict=True)} | {"id": number}


def translation(sample: Sample, request: Request, response: Response) -> Score:
    """chrF of one translation, from 0 to 1."""
    said = response.text.strip()
    return graded_score(said, chrf_sentence=float(_chrf(_counts(said, sample.answers[0]))))


def _counts(said: str, wanted: str) -> FloatArray:
    """Character n-grams of one to six, white space left out: those said, wanted, and common; shape (6, 3)."""
    import numpy as np

    one, other = ("".join(text.split()) for text in (said, wanted))
    found = []
    for n in range(1, 7):
        a, b = (Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in (one, other))
        found.append([a.total(), b.total(), (a & b).total()])
    return np.array(found, float)


def _chrf(counts: FloatArray) -> FloatArray:
    """chrF (beta 2) of counts (..., 6, 3), over the orders that both texts have, as sacrebleu 2 takes them."""
    import numpy as np

    said, wanted, common = counts[..., 0], counts[..., 1], counts[..., 2]
    both = (said > 0) & (wanted > 0)
    orders = np.maximum(both.sum(-1), 1)
    precision = np.where(both, common / np.maximum(said, 1), 0.0).sum(-1) / orders
    recall = np.where(both, common / np.maximum(wanted, 1), 0.0).sum(-1) / orders
    return np.asarray(5 * precision * recall / np.maximum(4 * precision + recall, 1e-300))


def _corpus(results: Sequence[Result]) -> Estimate | None:
    """chrF over all translations together; its standard error is that of the delete-one-sentence jackknife."""
    import numpy as np

    by_sentence: dict[str, FloatArray] = {}
    for result in results:
        counted = _counts(result.answer or "", result.sample.answers[0])
        by_sentence[result.sample.id] = by_sentence.get(result.sample.id, 0.0) + counted
    if not by_sentence:
        return None
    counts, n = np.array(list(by_sentence.values())), len(by_sentence)
    total = counts.sum(0)
    value, without = float(_chrf(total)), _chrf(total - counts)
    stderr = float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())) if n > 1 else 0.0
    if stderr == 0:  # one sentence, or all alike: nothing is known of the others
        return Estimate(value=value, stderr=np.nan, low=0.0, high=1.0, n=n)
    half = t_quantile(0.975, n - 1) * stderr
    return Estimate(value=value, stderr=stderr, low=max(0.0, value - half), high=min(1.0, value + half), n=n)


METRICS = (Metric(name="chrf", of=_corpus), mean("chrf_sentence"))

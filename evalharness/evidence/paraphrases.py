"""Whether a model knows a benchmark's questions in the very words of its file better than in other words.

Each question stands beside paraphrases of it from a file. A model that never saw either has no reason to know one of
them better: were the paraphrases as good a text as the original, which of them is the original would be a matter of
chance, and the p value is that of an exact permutation test over that choice. What is compared:

`completion`: how many of the next words a model writes by itself, from several places of the text on (Xu et al. 2024,
Benchmarking Benchmark Leakage, https://arxiv.org/abs/2404.18824). `mink`: Min-K%++ (Zhang et al. 2024,
https://arxiv.org/abs/2404.02936), the mean standard score of the fifth of the tokens that the model expected least.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from evalharness.data.files import json_value
from evalharness.errors import DataError, UserError, known, option_name
from evalharness.evidence.contamination import item_text
from evalharness.model import Model, Requests, TokenScores, answered
from evalharness.records import Message, Request, Sample
from evalharness.runs.plan import Plan, prepare_task
from evalharness.stats.exchangeability import p_first_is_largest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_QUESTIONS, _MOST_QUESTIONS = 5, 500
_LEAST_SHARE = 0.2  # of a text's tokens, those that Min-K%++ looks at
_WORDS, _PLACES = 5, (0.25, 0.5, 0.75)  # words to be continued, and from where on
_TOKENS = 8  # of a word, at most, in most texts

ParaphraseTest = Literal["completion", "mink"]
PARAPHRASE_TESTS: tuple[ParaphraseTest, ...] = get_args(ParaphraseTest)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWords:
    """What a test says: `advantage` is the mean of the file's own words over that of their paraphrases, in words or in
    standard deviations; `paraphrases` were held beside each question."""

    test: ParaphraseTest
    benchmark: str
    model: str
    questions: int
    paraphrases: int
    seed: int
    advantage: float
    p: float


def words_test(
    model: Model, benchmark: str, file: Path, *, test: str = "mink", data: str | None = None, seed: int = 0
) -> KnownWords:
    """Hold a benchmark's questions beside their paraphrases. `file` has a JSON object a line: `id`, and `question`.

    UserError for a model that cannot do what the test asks, or too few questions with a paraphrase; DataError for a
    line that is none.
    """
    wanted: ParaphraseTest = "completion" if known("test", test, PARAPHRASE_TESTS) == "completion" else "mink"
    if model.chat:
        raise UserError(f"{model.name} would get the texts as a chat; give {option_name('template', 'none')}")
    if wanted == "mink" and not isinstance(model, TokenScores):
        raise UserError(f"{model.name} does not show its whole distribution, which mink looks at; a local model does")
    task = prepare_task(benchmark, Plan(benchmarks=(benchmark,), data=data, shots=0), model)
    samples = list({question.sample.id: question.sample for question in task.questions}.values())
    texts = _beside(samples, _read(file), seed)
    if len(texts) < _LEAST_QUESTIONS:
        raise UserError(
            f"{file}: has paraphrases of {len(texts)} of the {len(samples)} questions of {benchmark}; the test wants "
            f"{_LEAST_QUESTIONS} or more"
        )
    values = word_scores(model, texts, wanted)
    return KnownWords(
        test=wanted, benchmark=task.name, model=model.name, questions=len(texts), paraphrases=len(texts[0]) - 1,
        seed=seed, advantage=float((values[:, 0] - values[:, 1:].mean(1)).mean()), p=p_first_is_largest(values, seed),
    )  # fmt: skip


def word_scores(model: Model, texts: Sequence[Sequence[str]], test: ParaphraseTest) -> NDArray[np.float64]:
    """How well the model knows each text: (units, texts of a unit), each unit's own text first."""
    import numpy as np

    flat = [text for unit in texts for text in unit]
    made = _completed(model, flat) if test == "completion" else _least_expected(model, flat)
    return np.array(made).reshape(len(texts), -1)


def _read(file: Path) -> dict[str, list[str]]:
    """The paraphrases of each question, by its id."""
    found: dict[str, list[str]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option_name('paraphrases', str(file))}: cannot be read ({error})") from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = json_value(text)
            identity, question = line["id"], line["question"]
        except (json.JSONDecodeError, ValueError, KeyError, TypeError):
            identity = question = None
        if not isinstance(identity, str) or not isinstance(question, str) or not question.strip():
            raise DataError(f'{file}:{number}: wanted {{"id": "...", "question": "..."}}; there is {text[:60]!r}')
        found.setdefault(identity, []).append(question)
    return found


def _beside(samples: Sequence[Sample], known_by: dict[str, list[str]], seed: int) -> list[list[str]]:
    """Each question's text with those of its paraphrases, as many of each as the question with fewest has; a seeded
    draw where they are many. A paraphrase that is the question itself is none."""
    having = []
    for sample in samples:
        others = [one for one in dict.fromkeys(known_by.get(sample.id, ())) if one != sample.question]
        if others:
            having.append((sample, others))
    drawn = random.Random(f"paraphrases/{seed}").sample(having, min(len(having), _MOST_QUESTIONS))
    least = min((len(others) for _, others in drawn), default=0)
    return [
        [item_text(replace(sample, question=text)) for text in [sample.question, *others[:least]]]
        for sample, others in drawn
    ]


def _least_expected(model: Model, texts: Sequence[str]) -> list[float]:
    import numpy as np

    assert isinstance(model, TokenScores)
    found = []
    for scores in model.token_scores(texts):
        least = np.sort(np.asarray(scores, float))[: max(1, int(_LEAST_SHARE * len(scores)))]
        found.append(float(least.mean()) if len(least) else 0.0)
    return found


def _completed(model: Model, texts: Sequence[str]) -> list[float]:
    """Of each text the mean number of its next words that the model writes by itself, over the places."""
    asked, wanted, of = [], [], []
    for number, text in enumerate(texts):
        words = text.split(" ")
        for place in sorted({max(1, int(share * len(words))) for share in _PLACES}):
            if following := words[place : place + _WORDS]:
                prefix = " ".join(words[:place])
                asked.append(Request(messages=(Message("user", prefix),), max_tokens=_TOKENS * len(following), stop=()))
                wanted.append(following)
                of.append(number)
    right: list[list[float]] = [[] for _ in texts]
    for index, response in answered(model, Requests.of(asked)):
        if response.error:
            raise UserError(f"{model.name} does not go on with a text: {response.error}")
        said = (response.text or "").strip(" ").split(" ")
        same = [one == other for one, other in zip(said, wanted[index], strict=False)]
        right[of[index]].append(float(same.index(False) if False in same else len(same)))
    return [sum(found) / len(found) if found else 0.0 for found in right]

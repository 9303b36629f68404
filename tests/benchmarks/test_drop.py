"""DROP's exact match and F1 against the paper's formulas, written down once more with an explicit pairing of spans."""

import json
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.records import Response
from evalharness.scoring.answers import score_response

DROP = plugins.load_benchmark("drop")
BLANK = {"day": "", "month": "", "year": ""}


def number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def bag(text):
    """Tokens as the evaluation's description has them: cut, lowered, stripped of punctuation and articles, floats."""
    tokens = []
    for token in re.split("[ -]", text):
        token = token.lower()
        token = token if number(token) else "".join(c for c in token if c not in string.punctuation)
        token = str(float(token)) if number(token) else token
        tokens.append(" ".join(re.sub(r"\b(a|an|the)\b", " ", token).split()))
    return " ".join(t for t in tokens if t.strip())


def f1(said, wanted):
    if any(map(number, wanted)) and not {w for w in wanted if number(w)} & said:
        return 0.0
    precision = len(said & wanted) / len(said) if said else 1.0
    recall = len(said & wanted) / len(wanted) if wanted else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def reference(answer, gold):
    """One predicted span paired with each gold span in turn; the best pairing, the unpaired worth 0."""
    spans = [bag(span) for span in gold]
    pairings = [
        [f1(set(bag(answer).split()), set(s.split())) if i == j else 0.0 for i, s in enumerate(spans)]
        for j in range(len(spans))
    ]
    best = max(sum(pairing) / len(spans) for pairing in pairings)
    return float([bag(answer)] == spans), round(best, 2)


def row(*golds):
    answers = [{"number": "", "date": BLANK, "spans": list(gold)} for gold in golds]
    return {"query_id": "q", "passage": "p", "question": "?", "answer": answers[0], "validated_answers": answers[1:]}


def scores(sample, text):
    asked = request(DROP, sample, (), mode="write", chat=False)
    found = score_response(DROP.score, sample, asked, Response(text=text, finish="stop"))
    return found.scores["exact_match"], found.scores["f1"]


WORDS = [
    "the",
    "a",
    "an",
    "Foxes",
    "foxes.",
    "12",
    "12.0",
    "1,200",
    "1200",
    "$5",
    "5%",
    "é",
    "twenty-two",
    "U.S.",
    "-",
    "nan",
    "3rd",
    "'s",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
FULL = TEXTS.filter(str.strip)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.lists(FULL, min_size=1, max_size=3), min_size=1, max_size=3))
def test_equals_the_published_formulas(text, golds):
    sample = DROP.sample(row(*golds))
    wanted = [reference(text, gold) for gold in golds]
    assert scores(sample, text) == (max(e for e, _ in wanted), pytest.approx(max(f for _, f in wanted)))


@pytest.mark.parametrize(
    ("text", "gold", "exact", "f"),
    [
        ("The Foxes!", ["foxes"], 1, 1),
        ("12", ["12.0"], 1, 1),
        ("1,200", ["1200"], 1, 1),
        ("13 Foxes", ["12 Foxes"], 0, 0),
        ("Bell", ["Bell", "Adeyemi"], 0, 0.5),
        ("Bell Adeyemi", ["Bell", "Adeyemi"], 0, 0.33),
        ("", ["x"], 0, 0),
        ("é", ["É"], 1, 1),
    ],
)
def test_worked_examples(text, gold, exact, f):
    assert scores(DROP.sample(row(gold)), text) == (exact, pytest.approx(f))


def test_dates_numbers_and_the_official_file(tmp_path):
    date = {"number": "", "date": {"day": "4", "month": "May", "year": "1901"}, "spans": []}
    held = {"number": "5", "date": BLANK, "spans": []}
    qa = [{"query_id": "a", "question": "When?", "answer": date, "validated_answers": [held]}]
    (tmp_path / "drop_dataset_dev.json").write_text(
        json.dumps({"s": {"passage": "P.", "qa_pairs": qa}}), encoding="utf-8"
    )
    rows = sources.load_rows(DROP.source, Want(split="validation"), str(tmp_path)).rows
    (sample,) = sources.build_samples(rows, DROP.sample)
    assert (sample.id, sample.question, sample.answers) == ("a", "P. When?", ("4 May 1901", "5"))
    assert scores(sample, "May 4 1901")[1] == 1
    table = {"number": ["5"], "date": [BLANK], "spans": [[]]}  # as the hub keeps it
    assert DROP.sample({**qa[0], "passage": "P.", "validated_answers": table}).answers == ("4 May 1901", "5")

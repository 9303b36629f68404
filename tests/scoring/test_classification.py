"""Figures of GLUE and SuperGLUE equal worked examples; one-class answers are worth 0 without a warning."""

import random
from dataclasses import replace

import pytest

from evalharness import plugins
from evalharness.records import Estimate, Request, Response, Result, Sample
from evalharness.scoring.classification import all_right, f1, matthews, mean_of, parity, pearson, spearman
from evalharness.scoring.metrics import mean

NO_YES = ("no", "yes")


def results(right, said, labels=NO_YES, **extra):
    """Results that say `said` where `right` is right; None could not be read."""
    made = []
    for i, (r, s) in enumerate(zip(right, said, strict=True)):
        sample = Sample(
            id=str(i),
            question="?",
            choices=labels,
            gold_indices=(labels.index(r),),
            extra={k: v[i] for k, v in extra.items()},
        )
        status = "unparsed" if s is None else "correct" if r == s else "wrong"
        made.append(
            Result(
                benchmark="b", sample=sample, request=Request(messages=()), response=Response(), status=status,
                scores={"accuracy": float(r == s)}, answer=s,
            )
        )  # fmt: skip
    return made


def table(tp, fp, fn, tn):
    return results(["yes"] * tp + ["no"] * fp + ["yes"] * fn + ["no"] * tn, ["yes"] * (tp + fp) + ["no"] * (fn + tn))


def test_matthews_equals_the_formula():
    tp, fp, fn, tn = 6, 1, 2, 3
    by_hand = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    figure = matthews().of(table(tp, fp, fn, tn))
    assert figure.value == pytest.approx(by_hand) == pytest.approx(0.4780914)
    assert -1 <= figure.low < figure.value < figure.high <= 1 and figure.n == 12


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("yes no yes", "yes yes yes"), ("yes no yes", "no no no"), ("yes yes yes", "yes yes yes"),
        ("no no no", "no no no"), ("yes yes yes", "no no no"), ("yes", "yes"), ("no", "yes"),
    ],
)  # fmt: skip
def test_one_class_is_worth_0_without_a_warning(right, said):
    """Warnings are errors in these tests."""
    assert matthews().of(results(right.split(), said.split())).value == 0.0
    figure = f1("yes").of(results(right.split(), said.split()))
    assert 0 <= figure.value <= 1


def test_f1_equals_the_formula():
    assert f1("yes").of(table(6, 1, 2, 3)).value == pytest.approx(2 * 6 / (2 * 6 + 1 + 2))
    assert f1("yes").of(table(0, 0, 0, 5)).value == 0.0
    assert f1("yes").of(table(0, 0, 4, 5)).value == 0.0
    assert f1("yes").of(table(5, 0, 0, 0)).value == 1.0


def test_macro_f1_of_commitmentbank():
    labels = ("True", "False", "Neither")
    right = ["True", "True", "False", "False", "Neither"]
    said = ["True", "False", "False", "False", "True"]
    #  True: p 1/2 r 1/2 -> 1/2; False: p 2/3 r 1 -> 4/5; Neither: never said -> 0
    assert f1(*labels).of(results(right, said, labels)).value == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)


def test_an_answer_that_could_not_be_read_is_no_label():
    assert f1("yes").of(results(["yes", "no"], [None, "no"])).value == 0.0
    assert f1("no").of(results(["yes", "no"], [None, "no"])).value == 1.0
    assert matthews().of(results(["yes", "no", "yes"], [None, None, None])).value == 0.0
    assert 0 < matthews().of(results(["yes", "no", "yes"], ["yes", "no", None])).value < 1


def numbers(right, said):
    return [
        Result(
            benchmark="b", sample=Sample(id=str(i), question="?", answers=(str(r),)), request=Request(messages=()),
            response=Response(), status="unparsed" if s is None else "scored", answer=None if s is None else str(s),
        )
        for i, (r, s) in enumerate(zip(right, said, strict=True))
    ]  # fmt: skip


def test_correlations_equal_worked_examples():
    # right 1 2 3 4 5, said 2 1 4 3 5: sum of products of deviations 8, sums of squares 10 and 10; ranks are the values
    found = numbers([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    assert pearson().of(found).value == pytest.approx(0.8)
    assert spearman().of(found).value == pytest.approx(1 - 6 * 4 / (5 * 24))
    assert spearman().of(numbers([1, 2, 3, 4], [1, 10, 100, 1000])).value == pytest.approx(1.0)
    assert pearson().of(numbers([1, 2, 3, 4], [1, 10, 100, 1000])).value == pytest.approx(
        1543.5 / (5 * 701520.75) ** 0.5
    )


def test_constant_answers_correlate_with_nothing_without_a_warning():
    for said in ([3, 3, 3, 3], [None, None, 2, 2]):
        assert pearson().of(numbers([1, 2, 3, 4], said)).value == 0.0
        assert spearman().of(numbers([1, 2, 3, 4], said)).value == 0.0
    assert pearson().of(numbers([1, 2, 3], [None, None, 1])) is None


def test_the_interval_of_a_correlation_allows_for_absurd_answers():
    right = [i / 10 for i in range(50)]
    close = [r + 0.2 * ((7 * i) % 5 - 2) / 2 for i, r in enumerate(right)]
    absurd = [0.0 if i in (20, 40) else c for i, c in enumerate(close)]
    for figure in (pearson(), spearman()):
        one, other = figure.of(numbers(right, close)), figure.of(numbers(right, absurd))
        assert one.value > 0.99 and one.low < 0.97, "two absurd answers may come"
        assert other.low < 0.8 < other.value < other.high < 1
        assert other.high - other.low > 2 * (one.high - one.low)
        turned = figure.of(numbers(right, [-v for v in absurd]))
        assert (turned.value, turned.low, turned.high) == pytest.approx(
            (-other.value, -other.high, -other.low), abs=0.03
        )
    assert pearson().of(numbers([1, 2, 3], [1, 2, 3])).low == -1.0, "three numbers say nothing"


def test_an_answer_that_is_no_number_is_counted_and_does_not_pay():
    right, said = [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 5, 6]
    whole, gap = pearson().of(numbers(right, said)), pearson().of(numbers(right, [None, 1, 4, 3, 5, "nan"]))
    assert gap.n == whole.n == 6
    assert gap.value < pearson().of(numbers(right[1:5], said[1:5])).value < 1
    assert pearson().of(numbers(right, ["about 3", 1, 4, 3, 5, "inf"])).n == 6


def test_multirc_counts_answers_and_whole_questions():
    right = ["yes", "no", "yes", "yes", "no"]
    said = ["yes", "no", "yes", "no", "no"]
    found = results(right, said, set=["0", "0", "1", "1", "1"])
    assert all_right("exact_match", lambda s: s.extra["set"]).of(found).value == 0.5
    by_set = f1("yes", name="f1a", cluster=lambda s: s.extra["set"]).of(found)
    assert by_set.value == pytest.approx(2 * 2 / (2 * 2 + 1)) and by_set.n == 2


def test_gender_parity_counts_pairs_with_one_answer():
    labels = ("True", "False")
    found = results(
        ["True"] * 6, ["True", "True", "False", "True", None, None], labels, pair=["0", "0", "1", "1", "2", "2"]
    )
    assert parity("gender_parity", lambda s: s.extra["pair"]).of(found).value == pytest.approx(1 / 3)


def test_the_jackknife_agrees_with_the_known_error_of_a_proportion():
    rng = random.Random(1)
    right = [rng.choice(NO_YES) for _ in range(400)]
    said = [r if rng.random() < 0.8 else NO_YES[1 - NO_YES.index(r)] for r in right]
    accuracy = mean().of(results(right, said))
    # micro F1 over both labels is accuracy; macro F1 is close to it where the labels are balanced
    assert f1(*NO_YES).of(results(right, said)).stderr == pytest.approx(accuracy.stderr, rel=0.05)
    assert matthews().of(results(right, said)).stderr == pytest.approx(2 * accuracy.stderr, rel=0.1)


def test_answers_that_are_all_right_still_have_an_interval():
    figure = f1("yes").of(table(10, 0, 0, 10))
    assert figure.value == 1.0 and figure.low < 0.9 and figure.high == 1.0


def test_rare_positives_do_not_make_a_narrow_interval():
    found = table(2, 1, 1, 46)
    for figure in (matthews(), f1("yes"), f1("yes", "no")):
        e = figure.of(found)
        assert e.low < e.value - 0.2 and e.value < e.high <= 1, "three positives of fifty"
    again = f1("yes").of(found)
    assert (again.low, again.high) == (f1("yes").of(found).low, f1("yes").of(found).high), "the draws are seeded"


@pytest.mark.parametrize("seed", range(5))
def test_figures_of_tables_are_scikit_learns(seed):
    from sklearn.metrics import f1_score, matthews_corrcoef

    rng = random.Random(seed)
    labels = ("a", "b", "c")
    right = [rng.choice(labels) for _ in range(60)]
    said = [r if rng.random() < 0.6 else rng.choice(labels) for r in right]
    found = results(right, said, labels)
    assert matthews().of(found).value == pytest.approx(matthews_corrcoef(right, said))
    assert f1(*labels).of(found).value == pytest.approx(f1_score(right, said, average="macro"))


def exact(value):
    return Estimate(value=value, stderr=0.01, low=value, high=value, n=100)


# BERT-large's published test scores: (GLUE, https://arxiv.org/abs/1810.04805 and the leaderboard) and SuperGLUE's table
GLUE = {
    "cola": {"mcc": 60.5}, "sst2": {"accuracy": 94.9}, "mrpc": {"f1": 89.3, "accuracy": 85.4},
    "stsb": {"pearson": 87.6, "spearman": 86.5}, "qqp": {"f1": 72.1, "accuracy": 89.3}, "mnli": {"accuracy": 86.7},
    "mnli_mismatched": {"accuracy": 85.9}, "qnli": {"accuracy": 92.7}, "rte": {"accuracy": 70.1},
    "wnli": {"accuracy": 65.1},
}  # fmt: skip
SUPERGLUE = {
    "boolq": {"accuracy": 77.4}, "cb": {"f1": 75.7, "accuracy": 83.6}, "copa": {"accuracy": 70.6},
    "multirc": {"f1a": 70.0, "exact_match": 24.1}, "record": {"f1": 72.0, "exact_match": 71.3},
    "rte": {"accuracy": 71.7}, "wic": {"accuracy": 69.6}, "wsc": {"accuracy": 64.4},
    "axb": {"mcc": 23.0}, "axg": {"accuracy": 51.7, "gender_parity": 97.8},
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "name", "scores", "published"),
    [("glue", "glue_score", GLUE, 80.5), ("superglue", "superglue_score", SUPERGLUE, 69.0)],
)
def test_the_benchmarks_own_average_gives_the_published_one(family, name, scores, published):
    figures = {task: {m: exact(v) for m, v in of.items()} for task, of in scores.items()}
    average = plugins.load_family(family).average
    assert average(figures)[name].value == pytest.approx(published, abs=0.05)
    assert average({t: f for t, f in figures.items() if t != "rte"}) == {}


def test_the_error_of_an_average_adds_up():
    made = mean_of({"a": [exact(0.5)], "b": [exact(0.7), exact(0.9)]}, "score")["score"]
    assert made.value == pytest.approx(0.65) and made.stderr == pytest.approx(0.01 / 2**0.5)
    near = Estimate(value=0.98, stderr=0.02, low=0.9, high=1.0, n=50)
    made = mean_of({"a": [near], "b": [near]}, "score")["score"]
    assert 0.9 < made.low < 0.98 < made.high < 1.0


def test_parity_counts_pairs_alone_that_say_the_same():
    pairs = [("yes", "yes"), ("no", "no"), ("yes", "yes"), ("yes", "no"), (None, None), ("no",)]
    found = [
        replace(one, answer=answer, sample=replace(one.sample, id=f"{n}/{k}", extra={"pair": str(n)}))
        for n, pair in enumerate(pairs)
        for k, (one, answer) in enumerate(zip(results(["yes"] * len(pair), ["yes"] * len(pair)), pair, strict=True))
    ]
    figure = parity("p", lambda s: s.extra["pair"]).of(found)
    assert (figure.value, figure.n) == (pytest.approx(3 / 5), 5), "a pair of one is none"

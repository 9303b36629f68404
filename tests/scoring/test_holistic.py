"""HELM's view: figures equal worked examples, variants never touch the benchmark's own figures."""

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from evalharness.data.rows import Want
from evalharness.records import Estimate, Request, Response, Result, Sample
from evalharness.scoring import calibration, holistic, perturbations
from evalharness.scoring.metrics import mean
from evalharness.scoring.perturbations import ALL, apply

BY_NAME = {p.name: p for p in ALL}
TEXT = "Emily said that he is not going to the Station.\nDo not ask his brother, it is closed."


def changed(name, text=TEXT):
    sample = apply(BY_NAME[name], Sample(id="s", question=text))
    return text if sample is None else sample.question


def test_perturbations_change_what_they_say():
    assert changed("lower_case") == TEXT.lower()
    assert "he's not going" in changed("contractions") and "Don't ask" in changed("contractions")
    assert "ain't" in changed("dialect") and "finna" in changed("dialect") and "Emily" in changed("dialect")
    assert "she is not" in changed("gender") and "her sister" in changed("gender")
    assert changed("names") != TEXT and "Emily" not in changed("names")
    assert changed("spaces").split() == TEXT.split() and changed("spaces").count("\n") == 1
    words = "international understanding requires considerable patience everywhere " * 20
    assert 0 < sum(a != b for a, b in zip(words.split(), changed("typos", words).split(), strict=True)) < 40


def test_capitals_are_kept():
    assert changed("gender", "He saw HIM. Father!") == "She saw HER. Mother!"


def test_variants_are_the_same_every_time_and_linked():
    sample = Sample(
        id="a/1", question=TEXT, choices=("Emily", "Bob"), gold_indices=(0,), group="a", extra={"context": "Jack"}
    )
    first, second = holistic.with_variants([sample], seed=1), holistic.with_variants([sample], seed=1)
    assert first == second and first[0] == sample
    variants = {s.extra["perturbation"]: s for s in first[1:]}
    assert all(
        s.extra["original"] == "a/1" and s.id == f"a/1~{name}" and s.gold_indices == (0,)
        for name, s in variants.items()
    )
    assert set(variants) <= set(perturbations.KIND) and len({s.id for s in first}) == len(first)
    assert variants["names"].choices[0] != "Emily" and variants["names"].extra["context"] != "Jack"
    assert variants["lower_case"].choices == ("Emily", "Bob")


def test_a_question_that_does_not_change_is_not_asked_again():
    assert holistic.with_variants([Sample(id="s", question="12")]) == [Sample(id="s", question="12")]


def result(identity, right, perturbation="", group="", logprobs=(), seconds=1.0):
    extra = {"perturbation": perturbation, "original": identity} if perturbation else {}
    sample = Sample(
        id=f"{identity}~{perturbation}" if perturbation else identity, question="?",
        choices=("a", "b"), gold_indices=(0,), group=group, extra=extra,
    )  # fmt: skip
    return Result(
        benchmark="b", sample=sample, request=Request(messages=()), status="correct" if right else "wrong",
        response=Response(logprobs=logprobs, seconds=seconds, tokens_out=3), scores={"accuracy": float(right)},
    )  # fmt: skip


def test_the_worst_variant_counts():
    found = holistic.holistic_metrics(
        [
            result("1", 1), result("1", 0, "typos"), result("1", 1, "spaces"), result("1", 1, "names"),
            result("2", 1), result("2", 1, "typos"), result("3", 0), result("3", 1, "typos"), result("4", 1),
        ],
        mean(),
    )  # fmt: skip
    assert found["accuracy"].value == 0.75
    assert found["robustness"].value == 0.5
    assert found["fairness"].value == 0.75
    assert found["robustness_typos"].value == 0.75 and found["fairness_names"].value == 0.75
    assert found["seconds"].value == 1.0 and found["tokens_out"].value == 3.0
    assert "ece_10_bin" not in found
    assert all(f.low <= f.value <= f.high for f in found.values())


def test_macro_averages_weigh_groups_alike():
    found = holistic.holistic_metrics(
        [
            result("1", 1, group="x"),
            result("1", 0, "typos", group="x"),
            result("2", 1, group="y"),
            result("3", 0, group="y"),
        ],
        mean(),
    )
    assert found["accuracy"].value == pytest.approx(2 / 3) and found["accuracy_macro"].value == 0.75
    assert found["robustness_macro"].value == 0.25


def test_calibration_error_by_hand():
    # two bins of two: confidences .6 .7 (one right) and .8 .9 (both right)
    pairs = [(0.6, 1), (0.7, 0), (0.8, 1), (0.9, 1)]
    assert calibration.calibration_error(pairs, 2) == pytest.approx((abs(1.3 - 1) + abs(1.7 - 2)) / 4)
    assert calibration.calibration_error(pairs, 1) == pytest.approx(0.0)
    assert calibration.calibration_error([(0.5, 1), (0.5, 0), (0.5, 1), (0.5, 0)], 10) == 0.0
    assert calibration.calibration_error([(1.0, 0)] * 5, 10) == 1.0


def test_calibration_error_equals_its_definition_on_random_answers():
    rng = random.Random(2)
    pairs = [(round(rng.random(), 2), float(rng.random() < 0.7)) for _ in range(503)]
    ordered = sorted(p for p, _ in pairs)
    edges = [(ordered[503 * i // 10 - 1] + ordered[503 * i // 10]) / 2 for i in range(1, 10)]
    total = 0.0
    for place in range(10):
        inside = [(p, r) for p, r in pairs if sum(e < p for e in edges) == place]
        total += abs(sum(p for p, _ in inside) - sum(r for _, r in inside))
    assert calibration.calibration_error(pairs, 10) == pytest.approx(total / 503)


def test_selective_accuracy_by_hand():
    ordered, tied = [(0.9, 1), (0.8, 0), (0.7, 1), (0.6, 1)], [(0.5, 1), (0.5, 0), (0.9, 1)]
    for pairs, accuracies in ((ordered, [1, 1 / 2, 2 / 3, 3 / 4]), (tied, [1, 3 / 4, 2 / 3])):
        confidence, worth = np.array(pairs, dtype=float).T
        for k, accuracy in enumerate(accuracies, 1):
            share = calibration.top_shares(confidence, k)
            assert share.sum() == pytest.approx(k) and share @ worth / k == pytest.approx(accuracy)
        weights = calibration.coverage_shares(confidence)
        assert weights.sum() == pytest.approx(1)
        assert weights @ worth == pytest.approx(sum(accuracies) / len(accuracies))
        found = calibration.calibration(pairs)
        assert found["selective_accuracy_10"].value == accuracies[0]
        assert found["selective_coverage_accuracy"].value == pytest.approx(sum(accuracies) / len(accuracies))


def test_ranked_answers_have_calibration():
    answers = [result(str(i), i % 3 != 0, logprobs=(-0.1 * (i % 5) - 0.1, -2.0)) for i in range(60)]
    found = holistic.holistic_metrics(answers, mean())
    assert {"ece_10_bin", "ece_1_bin", "selective_accuracy_10", "selective_coverage_accuracy"} <= set(found)
    assert all(0 <= found[n].low <= found[n].value <= found[n].high <= 1 for n in found if n.startswith(("ece", "sel")))


def exact(value, stderr=0.01):
    return Estimate(value=value, stderr=stderr, low=value, high=value, n=100)


def test_mean_win_rate_by_hand():
    scores = {
        "a": {"mmlu": exact(0.8), "squad": exact(0.5), "own": exact(0.1)},
        "b": {"mmlu": exact(0.6), "squad": exact(0.5)},
        "c": {"mmlu": exact(0.4), "squad": exact(0.9)},
    }
    found = holistic.mean_win_rate(scores)
    assert {m: e.value for m, e in found.items()} == {"a": (1 + 0.25) / 2, "b": (0.5 + 0.25) / 2, "c": (0 + 1) / 2}
    assert found["a"].n == 2 and all(found[m].low <= found[m].value <= found[m].high for m in "ab")
    assert math.isnan(found["c"].low) and math.isnan(found["c"].high), "both of its comparisons are decided"
    less = holistic.mean_win_rate(
        {"a": {"ece": exact(0.1)}, "b": {"ece": exact(0.3)}}, lower_is_better=frozenset({"ece"})
    )
    assert (less["a"].value, less["b"].value) == (1.0, 0.0)
    assert holistic.mean_win_rate({"a": {"mmlu": exact(0.5)}}) == {}


def test_a_run_counts_variants_in_the_holistic_figures_only(evalh):
    plain = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--json").json
    whole = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--json", "--holistic").json
    one, other = plain["benchmarks"]["mmlu@sample"], whole["benchmarks"]["mmlu@sample"]
    assert {k: one[k] for k in ("n", "metrics", "counts", "missing", "groups")} == {
        k: other[k] for k in ("n", "metrics", "counts", "missing", "groups")
    }
    assert "holistic" not in one and {"robustness", "fairness", "ece_10_bin"} <= set(other["holistic"])
    assert not any(name.startswith("seconds") for name in other["holistic"])
    json.dumps(whole)


def test_extra_of_a_plain_sample_is_left_alone():
    sample = Sample(id="s", question="x", extra={"answer": 3, "context": None})
    assert apply(BY_NAME["lower_case"], replace(sample, question="X")).extra["answer"] == 3


def test_a_comparison_leaves_variants_out(evalh):
    for mode in ("one", "two"):
        evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--holistic", "--name", mode)
    said = evalh("compare", "runs/one", "runs/two", "--json")
    (task,) = said.json["tasks"]
    assert task["n"] == 65


@pytest.fixture
def two_runs(evalh, tmp_path):
    """The runs `best` (a replay of the right answers) and `echo`, of the same sample."""
    from evalharness import plugins
    from evalharness.data import sources

    mmlu = plugins.load_benchmark("mmlu")
    rows = sources.load_rows(mmlu.source, Want(split="test"), "sample").rows
    samples = holistic.with_variants(sources.build_samples(rows, mmlu.sample))
    answers = tmp_path / "right.jsonl"
    right = [{"id": s.id, "text": "ABCD"[s.gold_indices[0]]} for s in samples]
    answers.write_text("\n".join(map(json.dumps, right)))
    for name, model in (("best", f"replay:{answers}"), ("echo", "echo")):
        common = ("--data", "sample", "--mode", "write", "--holistic", "--name", name)
        assert evalh("run", "mmlu", *common, "--model", model).code == 0
    return evalh


def test_the_win_rate_of_runs(two_runs):
    said = two_runs("winrate", "runs/best", "runs/echo", "--json").json
    assert [(m, e["value"]) for m, e in said["mean_win_rate"].items()] == [("replay:right.jsonl", 1.0), ("echo", 0.0)]
    assert all(e["low"] is None and e["high"] is None for e in said["mean_win_rate"].values()), "65 items decide that"
    told = two_runs("winrate", "runs/echo", "runs/best", "--figure", "robustness").out
    assert told.index("replay") > 0 and "no interval for replay:right.jsonl, echo: every comparison is decided" in told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("runs/best",), 2, "two or more runs"),
        (("runs/best", "runs/echo", "--figure", "beauty"), 2, "none of the runs has the figure 'beauty'"),
        (("runs/best", "runs/other"), 4, "differ in mode"),
        (("runs/best", "runs/arc"), 2, "share no benchmark"),
        (("runs/best", "runs/nothing"), 2, "nothing"),
    ],
)
def test_runs_that_cannot_be_ranked_are_one_line(two_runs, arguments, code, message):
    two_runs("run", "mmlu", "--data", "sample", "--model", "echo", "--mode", "rank", "--name", "other")
    two_runs("run", "nq_open", "--data", "sample", "--model", "echo", "--name", "arc")
    said = two_runs("winrate", *arguments)
    assert said.code == code and message in said.err and said.err.count("\n") == 1


def test_programs_are_not_misspelt(evalh):
    said = evalh("run", "humaneval", "--data", "sample", "--model", "echo", "--holistic")
    assert said.code == 2 and "leave it out" in said.err and said.err.count("\n") == 1


FRAME = "Sentence 1: {}\nSentence 2: {}\nQuestion: Do both sentences mean the same thing?"


def test_only_the_datas_own_text_changes_and_never_the_frame_around_it():
    row = {"sentence1": "The old farmer is not going there with his brother.", "sentence2": "Emily stays.", "label": 1}
    sample = Sample(
        id="s", question=FRAME.format(row["sentence1"], row["sentence2"]), choices=("no", "yes"), gold_indices=(1,)
    )
    for seed in range(40):
        for variant in holistic.with_variants([sample], seed, {"s": perturbations.row_texts(row)})[1:]:
            first, second, asked = variant.question.split("\n")
            assert first.startswith("Sentence 1: ") and second.startswith("Sentence 2: "), variant.question
            assert asked == "Question: Do both sentences mean the same thing?"


@pytest.mark.parametrize(
    ("text", "own", "kept"),
    [
        ("True, False or Neither?\nIs it True?", ("True",), []),
        ("a premise\nQuestion: It rains. True?", ("a premise", "It rains."), ["a premise", "It rains."]),
        ("The street was wet because", ("The street was wet.", "cause"), ["The street was wet"]),
        ("Is the word \"place\" used alike?", ("place", "a place of no use"), ["place"]),
        ("because *it* was too tall.\nIn the passage above", ("it was too tall and wide.",), []),
        ("one\n\n\ntwo words more", ("one", "two words more"), ["one", "two words more"]),
    ],
)  # fmt: skip
def test_what_comes_from_the_data(text, own, kept):
    assert [text[a:b] for a, b in perturbations.own_spans(text, own)] == kept


def test_the_bundled_glue_tasks_keep_their_frames():
    from evalharness import plugins
    from evalharness.data import sources

    for task in ("sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"):
        bench = plugins.load_benchmark(f"glue/{task}")
        rows = sources.load_rows(bench.source, Want(split=bench.source.split), "sample").rows
        samples = sources.build_samples(rows, bench.sample)
        own = {s.id: perturbations.row_texts(r) for s, r in zip(samples, rows, strict=True)}
        frames = {frame_of(s, own) for s in samples}
        for seed in range(3):
            for variant in holistic.with_variants(samples, seed, own):
                if holistic.is_variant(variant):
                    ours = frame_of(next(s for s in samples if s.id == variant.extra["original"]), own)
                    assert ours in frames and all(piece in variant.question for piece in ours)


def frame_of(sample, own):
    """The pieces of a question that are the harness's."""
    edges = [0, *(e for span in perturbations.own_spans(sample.question, own[sample.id]) for e in span)]
    edges.append(len(sample.question))
    return tuple(sample.question[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def test_an_answer_that_is_copied_from_the_passage_is_accepted_as_the_passage_now_has_it():
    context = "The harbour of Velm was rebuilt by Architect Aurelio Montefiore in 1921. He is not forgotten."
    sample = Sample(
        id="q", question="Who rebuilt the harbour?", answers=("Architect Aurelio Montefiore", "Aurelio Montefiore"),
        extra={"context": context},
    )  # fmt: skip
    for seed in range(30):
        for variant in holistic.with_variants([sample], seed)[1:]:
            shown = variant.extra["context"]
            assert any(answer in shown for answer in variant.answers), variant
            assert set(sample.answers) <= set(variant.answers) or variant.extra["perturbation"] in ("gender", "names")


def test_names_and_pronouns_change_together_and_no_two_persons_become_one():
    text = "John gave Mary his book. He told Tom and James that Emily liked him."
    changed_text = changed("gender", text)
    assert "her book. She told" in changed_text and not {"John", "Tom", "James"} & set(changed_text.split())
    people = [w.strip(".") for w in changed_text.split() if w[0].isupper() and w.strip(".") not in ("She",)]
    assert len(people) == len(set(people)) == 5 and {"Mary", "Emily"} <= set(people)
    many = " and ".join(perturbations.HER.split()[:9])
    renamed = [w for w in changed("names", many).split() if w != "and"]
    assert len(set(renamed)) == 9


@pytest.mark.parametrize(
    ("name", "reason"), [("glue/cola", "acceptable"), ("math500", "symbols"), ("bbh/dyck_languages", "symbols")]
)
def test_tasks_about_form_are_refused_with_the_true_reason(evalh, name, reason):
    said = evalh("run", name, "--data", "sample", "--model", "echo", "--holistic")
    assert said.code == 2 and reason in said.err and "another answer" in said.err and said.err.count("\n") == 1

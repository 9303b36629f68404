"""Which items belong together, and how a difference between two runs is put in a few characters."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evalharness.comparison.align import Mismatch, _apart, _short, align_scores, mismatches, on_purpose, overridden
from evalharness.comparison.scores import STATUS_CODE, Scores
from evalharness.errors import UserError
from evalharness.runs.manifest import BenchmarkFacts, DataFacts, OwnSampling, SamplingFacts


def scores(ids, values, groups, clusters=None, status="correct"):
    n, names = len(ids), sorted(set(groups))
    return Scores(
        metric="accuracy", ids=list(ids), values=np.array(values, float), answers=np.ones(n, np.int32),
        status=np.full(n, STATUS_CODE[status], np.uint8), groups=np.array([names.index(g) for g in groups], np.int32),
        group_names=names, clusters=None if clusters is None else np.array(clusters, np.int32),
        lengths=np.full(n, 5, np.int32), places=np.arange(n, dtype=np.int64),
    )  # fmt: skip


BASE = scores("bcda", [0.1, 0.2, 0.3, 0.4], ["g2", "g1", "g1", "g1"], clusters=[0, 1, 2, 0], status="wrong")
NEW = scores("ecb", [1.0, 0.5, 0.25], ["g9", "g1", "g2"])


def test_items_of_either_side_are_joined_in_the_order_of_their_ids():
    found = align_scores(BASE, NEW, common_only=False)
    assert found.ids == list("abcde")
    assert (found.at_base.tolist(), found.at_new.tolist()) == ([3, 0, 1, 2, -1], [-1, 2, 1, -1, 0])
    assert found.base.tolist()[:4] == [0.4, 0.1, 0.2, 0.3] and math.isnan(found.base[4])
    assert found.new.tolist()[1:3] == [0.25, 0.5] and math.isnan(found.new[0]) and math.isnan(found.new[3])
    assert found.known.tolist() == [False, True, True, False, False]
    assert found.groups == ["g1", "g2", "g1", "g1", "g9"], "an item that BASE lacks has the group that NEW says"
    wrong, right, error = (STATUS_CODE[s] for s in ("wrong", "correct", "error"))
    assert found.base_status.tolist() == [wrong] * 4 + [error]
    assert found.new_status.tolist() == [error, right, right, error, right]
    assert found.clusters is None and found.binary is False


def test_what_both_have_alone_is_joined_when_asked():
    found = align_scores(BASE, NEW, common_only=True)
    assert found.ids == ["b", "c"] and found.known.all()
    assert align_scores(scores("a", [1.0], "g"), scores("a", [0.0], "g"), common_only=True).binary
    with pytest.raises(UserError, match="no item in common"):
        align_scores(BASE, scores("xy", [1.0, 1.0], "gg"), common_only=False)


def test_runs_with_the_same_items_in_one_order_are_joined_as_others_are():
    same, turned = scores("bca", [0.1, 0.2, 0.3], "gff"), scores("cba", [0.2, 0.1, 0.3], "fgf")
    for common_only in (False, True):
        one, other = (align_scores(same, new, common_only=common_only) for new in (same, turned))
        assert one.ids == other.ids == list("abc") and one.groups == other.groups == ["f", "g", "f"]
        assert one.at_base.tolist() == one.at_new.tolist() == other.at_base.tolist() == [2, 0, 1]
        assert other.at_new.tolist() == [2, 1, 0]
        assert one.new.tolist() == other.new.tolist() == [0.3, 0.1, 0.2]


def test_an_item_whose_cluster_nobody_knows_stands_alone():
    found = align_scores(BASE, NEW, common_only=False, cluster="group").clusters.tolist()
    assert found[:4] == [0, 0, 1, 2] and found[4] not in (0, 1, 2)
    lone = align_scores(NEW, BASE, common_only=False, cluster="group").clusters.tolist()
    assert lone[:4] == [0, 0, 1, 2]
    few = scores("b", [1.0], "g", clusters=[0])
    from_new = align_scores(BASE, few, common_only=False, cluster="group").clusters.tolist()
    assert from_new[1] == 0 and len(set(from_new)) == 4, "NEW's own where it has them"
    with pytest.raises(UserError, match="a baseline knows only the field group"):
        align_scores(NEW, NEW, common_only=False, cluster="author")


def test_no_cluster_of_its_own_meets_one_that_there_is():
    base = scores("abc", np.ones(3), "ggg", clusters=[0, 1, 2])
    new = scores("abcdef", np.ones(6), ["g"] * 6)
    assert align_scores(base, new, common_only=False, cluster="group").clusters.tolist() == [0, 1, 2, 6, 7, 8]


def test_a_fact_is_a_few_characters():
    assert _short(None) == "nothing" and _short(5) == "5"
    for size in (40, 64):
        assert _short("a" * size) == "a" * 8
    assert _short("a" * 41) == "a" * 41 and _short("g" * 40) == "g" * 40
    assert _short("x" * 60) == "x" * 60 and _short("x" * 61) == "x" * 59 + "…"


def test_of_two_settings_the_parts_that_differ_are_said():
    assert _apart({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ("b 2, c None", "b 3, c 4")
    assert _apart({"a": 1}, None) == ({"a": 1}, None) and _apart("x", {"a": 1}) == ("x", {"a": 1})
    assert str(Mismatch(field="shots", base="0", new="5")) == "shots differs (0 in BASE, 5 in NEW)"


def asked(rows="f" * 64, **more):
    data = DataFacts(origin="here", sha256="d" * 64, rows_sha256=rows)
    return BenchmarkFacts(**{"items": 9, "mode": "write", "prompt_sha256": "a" * 64, "data": data, **more})


DRAWN = SamplingFacts(temperature=0.0, top_p=1.0, seed=1, max_tokens=100)


def fields(base, new, sampling=(DRAWN, DRAWN)):
    return {one.field: (one.base, one.new) for one in mismatches(base, new, sampling)}


def test_another_seed_is_no_other_sampling():
    assert fields(asked(), asked(), (DRAWN, replace(DRAWN, seed=2, seeds=(2, 3)))) == {}
    assert fields(asked(), asked(), (DRAWN, replace(DRAWN, top_p=0.5))) == {"sampling": ("top_p 1.0", "top_p 0.5")}
    assert fields(asked(), asked(), (None, None)) == {}


def test_a_benchmarks_own_sampling_stands_for_the_runs():
    own = asked(sampling=OwnSampling(temperature=0.7, top_p=0.9))
    assert fields(own, asked()) == {"sampling": ("temperature 0.7, top_p 0.9", "temperature 0.0, top_p 1.0")}
    assert fields(own, asked(), (DRAWN, replace(DRAWN, temperature=0.7, top_p=0.9))) == {}
    longer = asked(sampling=OwnSampling(temperature=0.0, top_p=1.0, max_tokens=500))
    assert fields(longer, asked()) == {"sampling": ("max_tokens 500", "max_tokens 100")}
    assert fields(own, asked(rows=None)) == {}, "a run of before says nothing of its benchmarks' own"


def test_the_rows_tell_whether_the_data_are_the_same_where_both_runs_say_them():
    other = DataFacts(origin="there", sha256="e" * 64, rows_sha256="f" * 64)
    assert fields(asked(), asked(data=other, prompt_sha256="b" * 64)) == {"prompt": ("a" * 8, "b" * 8)}
    assert fields(asked(), asked(rows="c" * 64)) == {"data": ("f" * 8, "c" * 8)}
    assert fields(asked(), asked(data=replace(other, rows_sha256=None))) == {"data": ("d" * 8, "e" * 8)}


def test_another_number_of_answers_explains_another_prompt():
    assert fields(asked(), asked(repeats=4, prompt_sha256="b" * 64))["prompt"] == (
        "answers to a question: 1",
        "answers to a question: 4",
    )
    assert "prompt" not in fields(asked(), asked(repeats=4))


def test_what_differs_on_purpose_is_said_and_what_was_meant_to_and_does_not():
    clashes = {"quiz": [Mismatch(field="prompt", base="a", new="b")], "exam": []}
    assert list(on_purpose(clashes, {"prompt", "mode"})) == [
        "mode is the same on both sides",
        "compared on purpose: prompt of quiz (a → b)",
    ]
    assert overridden(clashes, {"quiz": {"prompt"}, "exam": set()}) == (f"quiz: {clashes['quiz'][0]}",)
    assert overridden(clashes, {"quiz": {"mode"}, "exam": {"prompt"}}) == ()

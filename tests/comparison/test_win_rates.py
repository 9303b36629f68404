"""HELM's win rates of finished runs: who is named how, what is refused, and what the items say of the interval."""

import json
import math

import pytest
from run_folders import line, make_run, write_run

from evalharness.comparison.win_rates import of_runs
from evalharness.errors import Exit, UserError
from evalharness.runs.store import Run


def run(folder, texts, model=None, **facts):
    """A finished run of several benchmarks: right and wrong answers by name."""
    lines = [
        line(name, f"{name}/{i}", "correct" if right == "1" else "wrong", float(right))
        for name, text in texts.items()
        for i, right in enumerate(text)
    ]
    model = model or folder.name
    write_run(folder, lines, model={"name": model, "fingerprint": model}, facts=facts)
    return headlined(folder)


def headlined(folder, **figure):
    """The run with accuracy for a headline, and other figures where given."""
    summary = json.loads((folder / "summary.json").read_text())
    for entry in summary["benchmarks"].values():
        entry["headline"] = "accuracy"
        entry["metrics"]["accuracy"] |= figure
    (folder / "summary.json").write_text(json.dumps(summary))
    return Run(folder)


def rates(found):
    return {name: one.value for name, one in found.rates.items()}


def test_a_model_is_ranked_by_whom_it_beats_where_both_were_asked(tmp_path):
    good = run(tmp_path / "good", {"quiz": "1110", "exam": "1000", "alone": "1"})
    fair, poor = run(tmp_path / "fair", {"quiz": "1100", "exam": "1000"}), run(tmp_path / "poor", {"quiz": "1000"})
    found = of_runs([poor, fair, good])
    assert rates(found) == {"good": (1 + 0.5) / 2, "fair": (0.5 + 0.5) / 2, "poor": 0.0}
    assert list(found.rates) == ["good", "fair", "poor"] and found.figure == "headline"
    assert {name: one.value for name, one in found.scores["good"].items()} == {"quiz": 0.75, "exam": 0.25, "alone": 1.0}
    assert rates(of_runs([poor, fair], "accuracy")) == {"fair": 1.0, "poor": 0.0}
    equal = of_runs([run(tmp_path / "zz", {"quiz": "10"}), run(tmp_path / "aa", {"quiz": "01"})])
    assert list(equal.rates) == ["aa", "zz"] and set(rates(equal).values()) == {0.5}


def test_two_runs_of_one_model_go_by_their_own_names(tmp_path):
    made = [run(tmp_path / name, {"quiz": text}, model) for name, text, model in
            (("first", "10", "m"), ("second", "11", "m"), ("third", "00", "other"))]  # fmt: skip
    assert list(of_runs(made).rates) == ["second", "first", "other"]


def test_what_is_no_table_is_refused(tmp_path):
    one, two = run(tmp_path / "one", {"quiz": "10"}), run(tmp_path / "two", {"quiz": "11"})
    with pytest.raises(UserError, match="two or more runs"):
        of_runs([one])
    with pytest.raises(UserError, match="none of the runs has the figure 'beauty'"):
        of_runs([one, two], "beauty")
    bare = [Run(make_run(tmp_path / name, "10")) for name in ("bare", "also")]
    with pytest.raises(UserError, match="none of the runs has a headline"):
        of_runs(bare)
    with pytest.raises(UserError, match="share no benchmark"):
        of_runs([one, run(tmp_path / "else", {"exam": "10"})])
    others = {"origin": "here", "revision": "files", "sha256": "e" * 64}
    for facts, said in (({"mode": "rank"}, "in mode;"), ({"shots": 5}, "in shots;"),
                        ({"data": others, "shots": 1}, "in shots and questions;")):  # fmt: skip
        with pytest.raises(UserError, match=f"one and odd differ {said}") as refused:
            of_runs([one, run(tmp_path / "odd", {"quiz": "10"}, **facts)])
        assert refused.value.exit_code == Exit.NOT_COMPARABLE


def test_the_items_that_all_have_decide_how_sure_a_rate_is(tmp_path, evalh):
    """Close models are open by the items of a benchmark that is at hand; models far apart are decided."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"q": f"{i}?", "a": "yes"}) + "\n" for i in range(60)))
    (tmp_path / "sums.yaml").write_text('source: rows.jsonl\ntemplate: "{{q}}"\nanswers: a\nscorer: contains\n')

    def answered(name, right):
        said = [{"id": str(i), "text": "yes" if i < right else "no"} for i in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
        made = evalh("run", "sums.yaml", "--model", f"replay:{name}.jsonl", "--name", name)
        assert made.code == 0, made.err
        return Run(tmp_path / "runs" / name)

    top, near, poor = answered("top", 50), answered("near", 48), answered("poor", 10)
    close = of_runs([top, near]).rates["replay:top.jsonl"]
    assert (close.value, close.low, close.high) == (1.0, 0.0, 1.0)
    far = of_runs([top, poor]).rates["replay:top.jsonl"]
    assert far.value == 1.0 and math.isnan(far.low)
    three = of_runs([top, near, poor]).rates
    assert [(one.low, one.high) for one in three.values()][:2] == [(0.5, 1.0), (0.5, 1.0)]


def test_a_benchmark_that_is_not_at_hand_goes_by_the_errors_that_were_kept(tmp_path):
    def kept(name, value):
        folder = make_run(tmp_path / name, "10" * 20, model={"name": name, "fingerprint": name})
        return headlined(folder, value=value, stderr=0.05)

    a, b, c = kept("a", 0.5), kept("b", 0.55), kept("c", 0.95)
    assert [of_runs([a, b]).rates["b"].low, of_runs([a, b]).rates["b"].high] == [0.0, 1.0]
    assert math.isnan(of_runs([a, c]).rates["c"].low)

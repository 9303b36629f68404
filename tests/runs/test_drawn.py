"""`evalh run --budget-items N --using RUN`: the draw, what is kept of it, its figure, and who handles such a run."""

import json
import shutil

import numpy as np
import pytest
from scipy.special import expit, stdtr, stdtrit

from evalharness.cli import guarded

N = 600


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A benchmark of 600 questions, runs m1 to m3 of it, and a file of answers for m0."""
    folder, random = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    ease = random.normal(1, 2.5, N)
    rows = [{"key": f"k{i}", "q": f"What is {i} and {i}?", "a": f"yes {i}", "part": f"g{i % 4}"} for i in range(N)]
    write(folder / "rows.jsonl", rows)
    (folder / "bench.yaml").write_text(
        "source: rows.jsonl\ntemplate: '{{q}}'\nanswers: a\nscorer: exact\nid: key\ngroup: part\n"
    )
    for model in range(4):
        right = random.random(N) < expit(ease + 0.3 * model)
        made = [{"id": r["key"], "response": r["a"] if ok else "no"} for r, ok in zip(rows, right, strict=True)]
        write(folder / f"m{model}.jsonl", made)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for model in range(1, 4):
            words = ["run", "./bench.yaml", "--model", f"replay:m{model}.jsonl", "--name", f"m{model}", "--json"]
            assert guarded(words) == 0
    return folder


@pytest.fixture
def bench(prepared, evalh, tmp_path):
    """The same in this test's own folder."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return evalh


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


USING = ("--using", "m1", "--using", "m2", "--using", "runs/m3")


def drawn(bench, *more, name="few", model="m0"):
    words = ("--model", f"replay:{model}.jsonl", "--name", name, "--budget-items", 150, *USING)
    return bench("run", "./bench.yaml", *words, *more)


def read(tmp_path, name, file):
    return json.loads((tmp_path / "runs" / name / file).read_text())


def test_fewer_questions_are_asked_and_the_figure_is_of_all(bench, tmp_path):
    said = drawn(bench, "--json")
    assert said.code == 0, said.err
    entry = said.json["benchmarks"]["bench"]
    assert entry["counts"]["correct"] + entry["counts"]["wrong"] == 150
    assert bench("run", "./bench.yaml", "--model", "replay:m0.jsonl", "--name", "whole").code == 0
    whole = read(tmp_path, "whole", "summary.json")["benchmarks"]["bench"]["metrics"]["accuracy"]["value"]
    figure = entry["metrics"]["accuracy"]
    assert list(entry["metrics"]) == ["accuracy"]
    assert figure["low"] <= whole <= figure["high"]
    plain = 1.96 * np.sqrt((1 - 150 / N) * whole * (1 - whole) / 150)
    assert figure["high"] - figure["low"] < 1.9 * plain
    assert figure["n"] == 150
    assert entry.get("groups") == {}
    assert "150 of 600 questions, drawn by 3 earlier runs; the interval is of the draw" in entry["cautions"][0]
    shown = bench("show", "few")
    assert "150 of 600" in " ".join(shown.out.split())


def test_the_manifest_records_the_draw(bench, tmp_path):
    assert drawn(bench).code == 0
    facts = read(tmp_path, "few", "run.json")["benchmarks"]["bench"]["drawn"]
    assert (facts["budget"], facts["population"], facts["using"]) == (150, N, ["m1", "m2", "m3"])
    kept = read(tmp_path, "few", "drawn.json")["benchmarks"]["bench"]
    assert len(kept["ids"]) == len(kept["probabilities"]) == N
    assert np.isclose(sum(kept["probabilities"]), 150)
    assert 0 < facts["least_probability"] == min(kept["probabilities"])
    asked = {json.loads(line)["id"] for line in (tmp_path / "runs/few/results.jsonl").read_text().splitlines()}
    assert asked == {kept["ids"][place] for place in kept["places"]}
    assert "drawn" not in read(tmp_path, "m1", "run.json")["benchmarks"]["bench"]
    assert not (tmp_path / "runs/m1/drawn.json").exists()


def test_the_same_command_goes_on_and_another_seed_is_another_run(bench, tmp_path):
    words = ("run", "./bench.yaml", "--model", "replay:m0.jsonl", "--budget-items", 150, *USING)
    assert [bench(*words).code, bench(*words).code] == [0, 0]
    assert bench(*words, "--seed", 1).code == 0
    made = [path.name for path in (tmp_path / "runs").iterdir() if path.name[0] == "-" or "bench" in path.name]
    assert len(made) == 2


def test_rescore_and_verify_need_the_run_alone(bench, tmp_path):
    assert drawn(bench).code == 0
    before = (tmp_path / "runs/few/summary.json").read_bytes()
    for name in ("m1", "m2", "m3"):
        (tmp_path / "runs" / name / "run.json").unlink()
    assert bench("rescore", "few").code == 0
    assert (tmp_path / "runs/few/summary.json").read_bytes() == before
    assert bench("verify", "few").code == 0


def test_a_draw_that_was_edited_is_found(bench, tmp_path):
    assert drawn(bench).code == 0
    file = tmp_path / "runs/few/drawn.json"
    file.write_text(file.read_text().replace('"seed":0', '"seed":1'))
    said = bench("verify", "few")
    assert said.code == 2
    assert "is not as few says it was drawn" in said.out + said.err
    said = bench("rescore", "few")
    assert said.code == 2
    assert said.err.count("\n") == 1


def test_what_takes_items_for_a_plain_part_refuses_in_one_line(bench):
    assert drawn(bench).code == 0
    for words in (("leaderboard", "few", "m1"), ("baseline", "set", "few"), ("flaky", "few")):
        said = bench(*words)
        assert said.code == 4, (words, said)
        assert "drawn with unequal chances (--budget-items)" in said.err
        assert said.err.count("\n") == 1


BAD = [
    (("--budget-items", 150), 2, "name them: --using RUN"),
    (("--using", "m1"), 2, "--using does nothing without --budget-items"),
    (("--budget-items", 0, *USING), 2, "--budget-items wants 100 questions or more; there is 0"),
    (("--budget-items", -5, *USING), 2, "there is -5"),
    (("--budget-items", 99, *USING), 2, "100 questions or more"),
    (("--budget-items", N, *USING), 2, "spares none"),
    (("--budget-items", 150, "--using", "nowhere"), 2, "there is no run 'nowhere'"),
    (("--budget-items", 150, "--using", "none/*"), 2, "no finished run fits this pattern"),
    (("--budget-items", 150, "--using", "none/a[0-9]"), 2, "no finished run fits this pattern"),
    (("--budget-items", 150, *USING, "--limit", 200), 2, "--limit does not go with --budget-items"),
    (("--budget-items", 150, *USING, "--shard", "1/2"), 2, "--shard does not go with --budget-items"),
    (("--budget-items", 150, *USING, "--holistic"), 2, "--holistic does not go with --budget-items"),
    (("--budget-items", 150, "--using", "other"), 4, "has results of 0 of the 600 questions"),
]


def test_bad_input_is_one_line_and_leaves_no_run(bench, tmp_path):
    assert bench("run", "tiny_exam", "--data", "sample", "--limit", 3, "--name", "other").code == 0
    for words, code, said in BAD:
        found = bench("run", "./bench.yaml", "--model", "replay:m0.jsonl", "--name", "bad", *words)
        assert found.code == code, (words, found)
        assert said in found.err
        assert found.err.count("\n") == 1
        assert not (tmp_path / "runs/bad").exists()


def test_a_pattern_names_all_runs_and_a_question_that_changed_does_not_count(bench, tmp_path):
    said = drawn(bench, name="all")
    assert said.code == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    write(tmp_path / "rows.jsonl", [{**row, "q": row["q"] + " Now."} for row in rows])
    words = ("--model", "replay:m0.jsonl", "--budget-items", 150, "--using", "runs/m*", "--name", "changed")
    found = bench("run", "./bench.yaml", *words)
    assert found.code == 4
    assert "has results of 0 of the 600 questions" in found.err


def test_answers_that_failed_leave_an_estimate_and_are_bounded(bench, tmp_path):
    lines = [json.loads(line) for line in (tmp_path / "m0.jsonl").read_text().splitlines()]
    write(
        tmp_path / "m0.jsonl",
        [line if i % 10 else {"id": line["id"], "response": None} for i, line in enumerate(lines)],
    )
    said = drawn(bench, "--json")
    assert said.code == 3
    entry = said.json["benchmarks"]["bench"]
    value = entry["metrics"]["accuracy"]["value"]
    assert entry["bounds"]["low"] < value < entry["bounds"]["high"]
    assert entry["metrics"]["accuracy"]["n"] == 150 - entry["counts"]["error"]


def difference(evalh, base, new, *more):
    said = evalh("compare", base, new, "--json", *more)
    return said, (said.json["tasks"][0] if said.out else None)


def values(tmp_path, name):
    lines = map(json.loads, (tmp_path / "runs" / name / "results.jsonl").read_text().splitlines())
    return {line["id"]: line["scores"]["accuracy"] for line in lines}


def test_a_drawn_run_is_compared_with_a_whole_one_over_all_items(bench, tmp_path):
    assert drawn(bench).code == 0
    assert bench("run", "./bench.yaml", "--model", "replay:m0.jsonl", "--name", "whole").code == 0
    for base, new, sign in (("m1", "few", 1), ("few", "m1", -1)):
        said, task = difference(bench, base, new)
        assert said.code == 0, said
        truth = np.mean(list(values(tmp_path, "whole").values())) - np.mean(list(values(tmp_path, "m1").values()))
        assert task["low"] <= sign * truth <= task["high"]
        assert task["method"] == "drawn items, regression"
        assert task["new"] - task["base"] == pytest.approx(task["difference"])
        assert [part["source"] for part in task["uncertainty"]] == ["draw", "sampling"]
        errors = [part["stderr"] for part in task["uncertainty"]]
        stderr, value = np.hypot(*errors), task["difference"]
        assert min(errors) > 0 and (task["high"] - task["low"]) / 2 == pytest.approx(stderr * stdtrit(149, 0.95))
        assert task["p_worse"] == pytest.approx(stdtr(149, (value + task["margin"]) / stderr))
        assert task["p_change"] == pytest.approx(2 * stdtr(149, -abs(value) / stderr))
        assert task["underpowered"] is (task["detectable"] > 2 * task["margin"])
        assert "estimated for all items from 150 drawn ones" in " ".join(task["notes"])
    plain, alone = difference(bench, "m1", "whole")
    assert plain.code == 0
    assert task["high"] - task["low"] < 2.5 * (alone["high"] - alone["low"])


def test_two_runs_of_one_draw_are_compared_and_of_two_draws_are_not(bench, tmp_path):
    assert [drawn(bench).code, drawn(bench, name="again", model="m1").code] == [0, 0]
    said, task = difference(bench, "few", "again")
    assert said.code == 0, said
    truth = np.mean(list(values(tmp_path, "m1").values()))
    assert task["low"] < task["difference"] < task["high"]
    assert abs(task["new"] - truth) < 0.1 and 0 < task["uncertainty"][0]["stderr"] < 0.1
    assert drawn(bench, "--seed", 1, name="other").code == 0
    said = bench("compare", "few", "other")
    assert said.code == 4
    assert "asked two different draws" in said.err
    assert said.err.count("\n") == 1


def test_the_same_answers_are_no_difference_and_never_certain(bench):
    assert [drawn(bench).code, drawn(bench, name="again").code] == [0, 0]
    _, task = difference(bench, "few", "again")
    assert task["difference"] == pytest.approx(0, abs=0.02)
    assert task["low"] < 0 < task["high"]


def test_what_cannot_be_compared_is_said(bench, tmp_path):
    assert drawn(bench).code == 0
    assert bench("run", "./bench.yaml", "--model", "replay:m1.jsonl", "--limit", 200, "--name", "some").code == 0
    for words, told in (
        (("m1", "few", "--clusters", "group"), "cannot be taken in clusters"),
        (("some", "few"), "lacks 400 of the 600 items that few was drawn of"),
    ):
        said = bench("compare", *words)
        assert said.code == 4, said
        assert told in said.err


def test_drawn_items_that_failed_widen_the_interval(bench, tmp_path):
    assert drawn(bench, name="sound").code == 0
    lines = [json.loads(line) for line in (tmp_path / "m0.jsonl").read_text().splitlines()]
    failed = [{**line, "response": None} if i % 10 == 0 else line for i, line in enumerate(lines)]
    write(tmp_path / "m0.jsonl", failed)
    assert drawn(bench).code == 3
    widths = []
    for name in ("sound", "few"):
        _, task = difference(bench, "m1", name)
        widths.append(task["high"] - task["low"])
    assert widths[1] > widths[0] + 0.1


def test_other_prompts_are_another_question(bench, tmp_path):
    assert drawn(bench).code == 0
    words = ("--model", "replay:m1.jsonl", "--shots", 0, "--name", "prompted")
    file = tmp_path / "bench.yaml"
    file.write_text(file.read_text().replace("{{q}}", "Please: {{q}}"))
    assert bench("run", "./bench.yaml", *words).code == 0
    said = bench("compare", "prompted", "few")
    assert said.code == 4
    assert "differs" in said.err


def test_an_imported_run_is_an_earlier_run_by_what_it_asked(bench, tmp_path):
    assert bench("export", "m1", "lm_eval", "--to", "exported").code == 0
    assert bench("import", "lm_eval", "exported", "--name", "theirs").code == 0
    words = ("--model", "replay:m0.jsonl", "--budget-items", 150, "--name", "few")
    assert bench("run", "./bench.yaml", *words, "--using", "theirs", "--using", "m2").code == 0
    kept = read(tmp_path, "few", "drawn.json")["benchmarks"]["bench"]["earlier"]
    own = values(tmp_path, "m1")
    ids = read(tmp_path, "few", "drawn.json")["benchmarks"]["bench"]["ids"]
    assert kept["theirs"] == [own[identity] for identity in ids]


def test_suites_and_programs_draw_the_same_questions(bench, tmp_path):
    from evalharness import UserError, evaluate

    assert drawn(bench).code == 0
    wanted = read(tmp_path, "few", "drawn.json")["benchmarks"]["bench"]["places"]
    using = ["m1", "m2", "runs/m3"]
    made = evaluate("./bench.yaml", "replay:m0.jsonl", budget_items=150, using=using, name="program")
    assert read(tmp_path, "program", "drawn.json")["benchmarks"]["bench"]["places"] == wanted
    assert made.metrics["bench"]["accuracy"].n == 150
    suite = {"name": "s", "models": ["replay:m0.jsonl"], "benchmarks": ["bench.yaml"],
             "options": {"budget_items": 150, "using": ["m1", "m2", "runs/m3"]}}  # fmt: skip
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    assert bench("run", "suite.yaml").code == 0
    assert read(tmp_path, "s-replay-m0.jsonl", "drawn.json")["benchmarks"]["bench"]["places"] == wanted
    of_one = {**suite, "benchmarks": [{"benchmark": "bench.yaml", **suite["options"]}], "options": {}, "name": "own"}
    (tmp_path / "own.yaml").write_text(json.dumps(of_one))
    assert bench("run", "own.yaml").code == 0
    assert read(tmp_path, "own-replay-m0.jsonl", "drawn.json")["benchmarks"]["bench"]["places"] == wanted
    # A whole run is a baseline that such a suite can be held against.
    (tmp_path / "gated.yaml").write_text(json.dumps({**suite, "name": "gated", "baseline": "m1", "margin": 0.05}))
    said = bench("run", "gated.yaml", "--json")
    task = said.json["runs"][0]["comparison"]["tasks"][0]
    assert task["method"] == "drawn items, regression"
    (tmp_path / "both.yaml").write_text(json.dumps({**suite, "options": {**suite["options"], "limit": 10}}))
    assert "--budget-items" in bench("run", "both.yaml").err
    with pytest.raises(UserError, match="using"):
        evaluate("./bench.yaml", "replay:m0.jsonl", using=using)
    with pytest.raises(UserError, match="100 questions or more"):
        evaluate("./bench.yaml", "replay:m0.jsonl", budget_items=10, using=using)


def test_a_draw_is_held_against_a_whole_run_in_one_command(bench, tmp_path):
    said = drawn(bench, "--against", "m1", "--json")
    assert said.code == 0, said.err
    task = said.json["comparison"]["tasks"][0]
    assert task["method"] == "drawn items, regression"
    assert "sequential" not in read(tmp_path, "few", "run.json")


def without_answers(tmp_path):
    lines = [json.loads(line) for line in (tmp_path / "m0.jsonl").read_text().splitlines()]
    write(tmp_path / "wreck.jsonl", [{**line, "response": "no"} for line in lines])


def test_a_draw_of_a_wreck_is_stopped_early_and_both_verdicts_agree(bench, tmp_path):
    without_answers(tmp_path)
    said = drawn(bench, "--against", "m1", "--sequential", "--json", model="wreck")
    task = said.json["comparison"]["tasks"][0]
    watched = read(tmp_path, "few", "run.json")["sequential"]["benchmarks"]["bench"]
    assert (watched["decision"], watched["planned"], watched["margin"]) == ("fail", 150, 0.02)
    assert watched["counted"] < 100
    assert task["verdict"] == "worse"
    assert f"stopped early after {watched['counted']} of 150" in task["reason"]
    assert task["p_worse"] == pytest.approx(1 / watched["e_fail"])
    truth = np.mean(list(values(tmp_path, "m1").values()))
    assert task["low"] <= -truth <= task["high"]  # of all items, not of those drawn
    entry = read(tmp_path, "few", "summary.json")["benchmarks"]["bench"]
    assert f"estimated from {entry['n']} of 600 questions" in entry["cautions"][0]
    assert bench("verify", "few").code == 0
    # The same of a base that was drawn in the very same way.
    assert drawn(bench, model="m1", name="base").code == 0
    again = drawn(bench, "--against", "base", "--sequential", "--json", model="wreck", name="second")
    assert again.json["comparison"]["tasks"][0]["verdict"] == "worse"


def test_a_draw_that_is_never_decided_ends_with_the_test_of_the_draw(bench, tmp_path):
    said = drawn(bench, "--against", "m1", "--sequential", "--json")
    task = said.json["comparison"]["tasks"][0]
    assert read(tmp_path, "few", "run.json")["sequential"]["benchmarks"]["bench"]["decision"] is None
    assert task["method"] == "drawn items, regression"
    _, plain = difference(bench, "m1", "few", "--margin", "0.03")  # another margin, so no looks were at it
    assert task["high"] - task["low"] > plain["high"] - plain["low"]  # 4 % and not 5 % are left for the test


def test_what_a_draw_cannot_be_held_against_is_said_before_anything_is_asked(bench, tmp_path):
    assert bench("baseline", "set", "m1", "--name", "kept").code == 0
    assert bench("export", "m1", "lm_eval", "--to", "exported").code == 0
    assert bench("import", "lm_eval", "exported", "--name", "theirs").code == 0
    assert drawn(bench, "--seed", 1, name="other").code == 0
    assert bench("run", "./bench.yaml", "--model", "replay:m1.jsonl", "--limit", 200, "--name", "some").code == 0
    for base, told in (
        ("kept", "is a baseline, which keeps no questions"),
        ("theirs", "was imported, and drawn items cannot be paired"),
        ("other", "asked a draw of bench, and this run asks other items"),
        ("some", "lacks 400 of the 600 items that this run was drawn of"),
    ):
        for more in ((), ("--sequential",)):
            said = drawn(bench, "--against", base, *more, name="held")
            assert said.code == 4, (base, said)
            assert told in said.err
            assert said.err.count("\n") == 1
            assert not (tmp_path / "runs/held").exists()
    words = (
        "run",
        "./bench.yaml",
        "--model",
        "replay:m0.jsonl",
        "--against",
        "other",
        "--sequential",
        "--name",
        "held",
    )
    assert bench(*words).code == 4


def test_a_draw_is_not_compared_with_a_baseline_file_nor_kept_as_one(bench):
    assert drawn(bench).code == 0
    assert bench("baseline", "set", "m1", "--name", "kept").code == 0
    for words in (("compare", "kept", "few"), ("compare", "few", "kept"), ("compare", "kept", "few", "--gate")):
        said = bench(*words)
        assert said.code == 4
        assert "kept is a baseline, which keeps no questions; compare few with the run itself" in said.err
        assert said.err.count("\n") == 1

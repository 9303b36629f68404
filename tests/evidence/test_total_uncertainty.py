"""All that is uncertain in a figure: scripted wordings, seeds, judges and labels, and the road from the command."""

import json

import numpy as np
import pytest
from run_folders import letters, line
from run_folders import make_run as hand_made

from evalharness.comparison.scores import answer_factors
from evalharness.errors import UserError
from evalharness.evidence.total_uncertainty import total_uncertainty
from evalharness.runs.wordings import read_wordings
from evalharness.stats.reruns import crossed_noise, pass_noise

WORDED = [{"name": f"w{place}", "sha256": str(place) * 64} for place in range(5)]
HARD, LATE = np.array([-0.2, -0.1, 0, 0.1, 0.2]), np.array([0.06, -0.06, 0.03, -0.03, 0])


def make_run(folder, *about, **more):
    """A run whose summary has no figures of its own: the intervals are those of its answers."""
    made = hand_made(folder, *about, **more)
    summary = json.loads((made / "summary.json").read_text())
    for entry in summary["benchmarks"].values():
        entry["metrics"] = {}
    (made / "summary.json").write_text(json.dumps(summary))
    return made


def latin(n, k, seed=0):
    turned = np.random.default_rng(seed).integers(0, k, n)[:, None]
    passes = np.broadcast_to(np.arange(k), (n, k))
    return {"wording": (passes + turned) % k, "rerun": passes}


def test_scripted_shifts_are_found_to_the_last_digit_where_there_is_no_noise():
    codes = latin(300, 5)
    values = np.random.default_rng(1).normal(size=(300, 1)) + HARD[codes["wording"]] + LATE[codes["rerun"]]
    found = crossed_noise(values, codes)
    assert found["wording"].shift == pytest.approx(HARD.std(ddof=1), rel=1e-9)
    assert found["rerun"].shift == pytest.approx(LATE.std(ddof=1), rel=1e-9)
    assert found["wording"].single == pytest.approx(0, abs=1e-7)


def test_scripted_components_are_right_on_average_and_one_factor_is_the_old_analysis():
    draw, found = np.random.default_rng(2), []
    for seed in range(200):
        codes = latin(200, 5, seed)
        shifts = draw.normal(0, 0.05, 5)[codes["wording"]] + draw.normal(0, 0.02, 5)[codes["rerun"]]
        values = draw.normal(0, 0.4, (200, 1)) + shifts + draw.normal(0, 0.3, (200, 5))
        made = crossed_noise(values, codes)
        found.append([made["wording"].shift ** 2, made["rerun"].shift ** 2, made["rerun"].single])
    wording, rerun, single = np.mean(found, 0)
    assert wording == pytest.approx(0.05**2, rel=0.2)
    assert rerun == pytest.approx(0.02**2, rel=0.35)
    assert single == pytest.approx(0.3 / np.sqrt(200 * 5), rel=0.05)
    # By hand, the two-way analysis of variance without replication.
    left = values - values.mean(1, keepdims=True)
    within = ((left - left.mean(0)) ** 2).sum() / (199 * 4)
    between = 200 * (left.mean(0) ** 2).sum() / 4
    assert pass_noise(values).shift == pytest.approx(np.sqrt(max(0, between - within) / 200), rel=1e-9)
    assert crossed_noise(values[:1], {"wording": np.arange(5)[None]}) == {}
    assert crossed_noise(values[:, :1], {"wording": np.zeros((200, 1), int)}) == {}


def worded(folder, seed=1, seeds=None, n=200, hard=HARD, fingerprint="m", lines=None):
    """A run with five wordings of which some are harder."""
    draw, ids = np.random.default_rng(seed), [f"q/{i}" for i in range(n)]
    codes = answer_factors(ids, 5, crossed=seeds is not None)
    chance = draw.uniform(0.3, 0.7, n)[:, None] + hard[codes["wording"]]
    right = draw.random((n, 5)) < chance
    made = [
        line("quiz", one, "correct" if v else "wrong", float(v), repeat=repeat)
        for one, row in zip(ids, right, strict=True)
        for repeat, v in enumerate(row)
    ]
    sampling = {"temperature": 1.0, "seed": 1, **({"seeds": seeds} if seeds else {})}
    return make_run(
        folder, lines=lines or made, facts={"wordings": WORDED, "repeats": 5}, sampling=sampling,
        model={"name": "x", "fingerprint": fingerprint},
    )  # fmt: skip


def parts(found):
    return {part.source: part.stderr for part in found.parts}


def test_the_interval_says_which_parts_are_in(tmp_path):
    (found,) = total_uncertainty(str(worded(tmp_path / "a")))
    assert parts(found).keys() == {"sampling", "wording"}
    assert parts(found)["wording"] == pytest.approx(HARD.std(ddof=1) / np.sqrt(5), rel=0.3)
    assert found.not_in.keys() == {"rerun"}, "nobody judges it, so a judge is not missing"
    assert found.total_low < found.low < found.value < found.high < found.total_high
    (both,) = total_uncertainty(str(worded(tmp_path / "b", seeds=[1, 2, 3, 4, 5])))
    assert parts(both).keys() == {"sampling", "wording", "rerun"}
    assert (both.answers, both.crossed, dict(both.not_in)) == (5, 25, {})
    calm = worded(tmp_path / "c", hard=np.zeros(5))
    (still,) = total_uncertainty(str(calm))
    assert still.total_high - still.total_low < 1.7 * (still.high - still.low)


def test_a_smaller_run_tells_what_a_large_one_lacks(tmp_path, evalh):
    large = make_run(tmp_path / "large", "10" * 400, model={"name": "x", "fingerprint": "m"})
    small = worded(tmp_path / "small")
    alone, told = total_uncertainty(str(large))[0], total_uncertainty(str(large), str(small))[0]
    assert (alone.total_low, alone.total_high) == (alone.low, alone.high)
    assert set(alone.not_in) == {"rerun", "wording"}
    assert parts(told)["wording"] == pytest.approx(HARD.std(ddof=1), rel=0.3), "one wording, not the mean of five"
    assert told.total_low < told.low
    said = evalh("uncertainty", large, "--by", small)
    assert said.code == 0
    assert "with sampling and wording" in said.out
    assert "not in the interval: rerun" in said.out
    assert (
        evalh("uncertainty", large, "--by", small, "--json").json["uncertainty"][0]["parts"][1]["source"] == "wording"
    )


def test_runs_that_do_not_belong_together_are_refused(tmp_path, evalh):
    large = make_run(tmp_path / "large", "10" * 50, model={"name": "x", "fingerprint": "m"})
    other = worded(tmp_path / "other", fingerprint="another")
    assert (evalh("uncertainty", large, "--by", other).code, evalh("uncertainty", "nowhere").code) == (4, 2)
    shots = make_run(tmp_path / "s", "10" * 50, facts={"shots": 3}, model={"name": "x", "fingerprint": "m"})
    with pytest.raises(UserError, match="shots differs"):
        total_uncertainty(str(large), str(shots))
    with pytest.raises(UserError, match="no benchmark in common"):
        total_uncertainty(str(large), str(make_run(tmp_path / "b", "10", "b", model={"fingerprint": "m"})))
    with pytest.raises(UserError, match="fewer than two items"):
        total_uncertainty(str(make_run(tmp_path / "one", "1")))


def judged(folder, draw, seats=3, off=0.1):
    """A run of 300 answers that a panel judged, whose members are off by something of their own."""
    people = (draw.random(300) < 0.6).astype(float)
    members = np.clip(0.2 + 0.4 * people[:, None] + off * np.arange(seats) + draw.normal(0, 0.05, (300, seats)), 0, 1)
    lines = []
    for i, said in enumerate(members):
        made = line("chat", f"c/{i}", "scored", float(said.mean()), metric="judge")
        given = {f"s{seat}": float(v) for seat, v in enumerate(said)}
        lines.append({**made, "detail": {"judged": {"j": {"value": float(said.mean()), "members": given}}}})
    facts = {"judging": "j", "score": "judge", "seats": [{"seat": f"s{seat}"} for seat in range(seats)],
             "order": "", "seed": 0, "against": "", "aggregate": "mean", "weights": {}, "criteria": []}  # fmt: skip
    return make_run(folder, lines=lines, judgings={"j": facts}), people


def test_a_panel_and_the_labels_of_people_tell_of_the_judge(tmp_path):
    draw = np.random.default_rng(3)
    panel, people = judged(tmp_path / "panel", draw)
    (found,) = total_uncertainty(str(panel))
    assert parts(found)["judge"] == pytest.approx(0.1 / np.sqrt(3), rel=0.05), "members at 0, .1 and .2: sd .1, three"
    (one,) = total_uncertainty(str(judged(tmp_path / "one", draw, seats=1)[0]))
    (two,) = total_uncertainty(str(judged(tmp_path / "two", draw, seats=2)[0]))
    assert "two judges tell little" in two.notes[0]
    assert not found.notes
    assert "judge" in one.not_in
    labels = {f"c/{i}": float(v) for i, v in enumerate(people[:100])}
    about = {"format": 1, "judging": "j", "score": "judge", "labels": labels}
    (panel / "labels.json").write_text(json.dumps(about))
    (told,) = total_uncertainty(str(panel))
    assert told.total_low <= people.mean() <= told.total_high
    assert "people labelled 100 items" in told.notes[0]
    assert parts(told)["judge"] > 0


def test_wordings_of_files(tmp_path, evalh):
    for name, text in (("a", "Please.\n\n{{ prompt }}\n"), ("b", "{{ question }}\n{% for c in choices %}{{ letters["
                       "loop.index0] }}. {{ c }}\n{% endfor %}")):  # fmt: skip
        (tmp_path / f"{name}.txt").write_text(text)
    words = ("run", "tiny_exam", "--data", "sample", "--limit", 4, "--model", "echo")
    said = evalh(*words, "--wording", "own", "--wording", "a.txt", "--wording", "b.txt", "--name", "w", "--json")
    assert said.code == 0, said
    rows = [json.loads(row) for row in (tmp_path / "runs/w/results.jsonl").read_text().splitlines()]
    asked = {(row["id"], row["repeat"]): row["request"]["messages"][-1]["content"] for row in rows}
    assert len(asked) == 12
    identity = rows[0]["id"]
    own, more, other = (asked[identity, repeat] for repeat in range(3))
    assert own.partition("\n\n")[2] in more
    assert more != own
    assert "Please." in more
    assert "A. " in other
    facts = json.loads((tmp_path / "runs/w/run.json").read_text())["benchmarks"]["tiny_exam"]
    assert [one["name"] for one in facts["wordings"]] == ["own", "a", "b"]
    assert facts["repeats"] == 3
    crossed = evalh(*words, "--wording", "own", "--wording", "a.txt", "--seeds", "4,5", "--temperature", 1, "--json")
    assert crossed.code == 0, crossed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hello", "it asks nothing"),
        ("{{ prompt }} {{ answer }}", "there is no 'answer'; the fields are prompt, question"),
        ("{{ prompt", "not a valid template"),
        ("{{ prompt }}", "says the same as own"),
        (b"\xff{{ prompt }}", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_bad_wordings_are_refused_before_anything_is_asked(tmp_path, evalh, text, reason):
    if text is not None:
        (tmp_path / "w.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    said = evalh("run", "tiny_exam", "--data", "sample", "--model", "echo", "--wording", "own", "--wording", "w.txt")
    assert (said.code, reason in said.err) == (2, True), said
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("tiny*"))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--seeds", "1,2,3", "--temperature", 1), "2 wordings and 3 seeds"),
        (("--samples", 2, "--temperature", 1), "leave --samples out"),
        (("--holistic",), "changes the wording too"),
        (("--seeds", "1,x", "--temperature", 1), "whole numbers"),
        (("--seeds", "1,1", "--temperature", 1), "named twice"),
        (("--seeds", "1,2"), "at temperature 0"),
    ],
)
def test_what_does_not_go_with_wordings(tmp_path, evalh, more, reason):
    (tmp_path / "w.txt").write_text("So: {{ prompt }}")
    words = ("run", "tiny_exam", "--data", "sample", "--model", "echo", "--wording", "own", "--wording", "w.txt")
    said = evalh(*words, *more)
    assert (said.code, reason in said.err) == (2, True), said


def test_two_files_of_one_name_and_a_template_that_fails(tmp_path, evalh):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.txt").write_text(f"{folder}: {{{{ prompt }}}}")
    with pytest.raises(UserError, match="two wordings are called 'w'"):
        read_wordings([tmp_path / "a/w.txt", tmp_path / "b/w.txt"])
    (tmp_path / "f.txt").write_text("{{ question }}{{ choices[99] }}")
    said = evalh("run", "tiny_exam", "--data", "sample", "--model", "echo", "--wording", "f.txt")
    assert (said.code, "the wording f fails on" in said.err) == (2, True), said


def test_the_same_wordings_on_both_sides_are_compared_wording_by_wording(tmp_path, evalh):
    base, new = worded(tmp_path / "a", 1), worded(tmp_path / "b", 2)
    told = evalh("compare", base, new, "--uncertainty", "sampling,wording", "--json").json["tasks"][0]["uncertainty"]
    shift = {part["source"]: part["stderr"] for part in told}["wording"]
    assert shift < 0.02, "a wording that is hard for both sides counts for nothing"
    turned = worded(tmp_path / "c", 2, hard=HARD[::-1])
    said = evalh("compare", base, turned, "--uncertainty", "sampling,wording", "--json").json["tasks"][0]
    assert {p["source"]: p["stderr"] for p in said["uncertainty"]}["wording"] > 0.1
    plain = evalh("compare", base, turned, "--uncertainty", "sampling", "--json").json["tasks"][0]
    assert said["low"] < plain["low"]
    assert evalh("baseline", "set", base, "--name", "main").code == 0
    kept = evalh("compare", "main", turned, "--uncertainty", "sampling,wording", "--json")
    assert kept.json["tasks"][0]["uncertainty"][1]["stderr"] > 0.08, kept
    one = make_run(tmp_path / "d", lines=letters("quiz", "10" * 50))
    assert "evalh run --wording" in evalh("compare", one, one, "--uncertainty", "sampling,wording").err

"""What is uncertain in a difference: the items, asking again, and the judge."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from run_folders import line, make_run

from evalharness.comparison import baseline
from evalharness.comparison.baseline import read_baseline
from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.inputs import open_side
from evalharness.comparison.uncertainty import uncertainty_sources
from evalharness.errors import UserError
from evalharness.stats.reruns import pass_noise, widened_half


def judged_runs(tmp_path, labelled=100, kept=("a", "b")):
    """Two runs of 600 judged items; people see a drop of 10 points, the judge hardly any. Labels of the first."""
    draw = np.random.default_rng(1)
    people = {"a": draw.random(600) < 0.7, "b": draw.random(600) < 0.6}
    for name, bonus in (("a", 0.0), ("b", 0.1)):
        agrees = draw.random(600) < 0.8
        judge = np.where(agrees, people[name], draw.random(600) < 0.6 + bonus).astype(float)
        judge = np.where(draw.random(600) < bonus, 1.0, judge)
        lines = [line("chat", f"c/{i}", "scored", float(v), metric="judge") for i, v in enumerate(judge)]
        folder = make_run(tmp_path / name, lines=lines)
        if name in kept:
            labels = {f"c/{i}": float(people[name][i]) for i in range(labelled)}
            about = {"format": 1, "judging": "j", "score": "judge", "labels": labels}
            (folder / "labels.json").write_text(json.dumps(about))
    return tmp_path / "a", tmp_path / "b", people


def one(base, new, **options):
    return compare_runs(open_side(str(base)), open_side(str(new)), Options(**options)).tasks[0]


def test_labels_of_people_move_the_difference_and_widen_its_interval(tmp_path):
    base, new, people = judged_runs(tmp_path)
    alone, made = one(base, new, uncertainty=("sampling",)), one(base, new)
    truth = people["b"].mean() - people["a"].mean()
    assert made.method == "prediction-powered"
    assert not alone.low <= truth <= alone.high
    assert made.low <= truth <= made.high
    assert made.high - made.low > alone.high - alone.low
    assert [part.source for part in made.uncertainty] == ["sampling", "judge"]
    assert "100 items that people labelled" in made.notes[0]


def test_the_sources_are_chosen_and_printed(tmp_path, evalh):
    base, new, _ = judged_runs(tmp_path)
    said = evalh("compare", base, new, "--uncertainty", "sampling,judge")
    assert (said.code, "standard error in points: sampling" in said.out) == (0, True)
    found = evalh("compare", base, new, "--uncertainty", "sampling,judge", "--json").json["tasks"][0]["uncertainty"]
    assert [part["source"] for part in found] == ["sampling", "judge"]
    assert all(part["stderr"] > 0 for part in found)
    said = evalh("compare", base, new, "--uncertainty", "sampling,rerun")
    assert (said.code, "evalh flaky" in said.err) == (2, True)
    for words in ("judge", "sampling,jugde", ""):
        assert evalh("compare", base, new, "--uncertainty", words).code == 2
    assert uncertainty_sources(None) is None


@pytest.mark.parametrize(("labelled", "kept"), [(19, ("a", "b")), (100, ("a",)), (100, ())])
def test_too_few_labels_carry_nothing_and_are_a_mistake_where_they_are_asked_for(tmp_path, labelled, kept):
    base, new, _ = judged_runs(tmp_path, labelled, kept)
    assert one(base, new).method != "prediction-powered"
    with pytest.raises(UserError, match="20 or more items that people labelled"):
        one(base, new, uncertainty=("sampling", "judge"))


def test_a_run_that_shifts_when_it_is_asked_again_widens_the_interval(tmp_path):
    base, new = make_run(tmp_path / "a", "10" * 200), make_run(tmp_path / "b", "10" * 190 + "0" * 20)
    plain = one(base, new)

    def flaky(difference, low, high):
        noise = {"rate": 0.05, "n": 400, "flips": 20, "difference": difference, "low": low, "high": high, "ids": []}
        (base / "flaky.json").write_text(json.dumps({"benchmarks": {"quiz": noise}}))
        return one(base, new, uncertainty=("sampling", "rerun"))

    still = flaky(0.002, -0.008, 0.012)
    assert (still.low, still.high) == (plain.low, plain.high)
    sampling, rerun = (part.stderr for part in still.uncertainty)
    assert rerun == pytest.approx(0.02 / (2 * 1.959964), rel=1e-5)
    assert np.hypot(sampling, rerun) == pytest.approx((plain.high - plain.low) / (2 * 1.644854), rel=1e-5)
    moved = flaky(0.05, 0.03, 0.07)
    assert moved.low < plain.low < plain.high < moved.high
    assert moved.p_worse > plain.p_worse


def seeded(folder, values, seeds=(1, 2, 3)):
    """A run whose item i has the answers values[i], one with each seed."""
    lines = [
        line("quiz", f"q/{i}", "correct" if v else "wrong", float(v), repeat=r)
        for i, row in enumerate(values)
        for r, v in enumerate(row)
    ]
    made = make_run(folder, lines=lines)
    about = json.loads((made / "run.json").read_text())
    about["sampling"] = {**(about.get("sampling") or {}), **({"seeds": seeds} if seeds else {})}
    (made / "run.json").write_text(json.dumps(about))
    return made


def drawn(seed, shifts, items=300, p=0.6):
    """Answers of items of which each has its own chance, moved by the pass's shift."""
    draw = np.random.default_rng(seed)
    chances = np.clip(draw.normal(p, 0.2, items)[:, None] + np.array(shifts), 0, 1)
    return draw.random(chances.shape) < chances


def test_several_seeds_widen_the_interval_where_their_runs_differ(tmp_path):
    calm, moved = (0.0, 0.0, 0.0), (-0.1, 0.0, 0.1)
    base = seeded(tmp_path / "a", drawn(1, calm))
    for name, shifts in (("calm", calm), ("moved", moved)):
        new = seeded(tmp_path / name, drawn(2, shifts))
        wide, plain = one(base, new), one(base, new, uncertainty=("sampling",))
        widened = (wide.high - wide.low) / (plain.high - plain.low)
        assert (widened < 1.5) if name == "calm" else (widened > 2), (name, widened)
        assert wide.p_change >= plain.p_change
        parts = {part.source: part.stderr for part in one(base, new, uncertainty=("sampling", "rerun")).uncertainty}
        assert parts.keys() == {"sampling", "rerun"}
    assert "the seeds' runs differ" in wide.notes[0]
    same = seeded(tmp_path / "samples", drawn(2, moved), seeds=())
    told, plain = one(base, same, uncertainty=("sampling", "rerun")), one(base, same, uncertainty=("sampling",))
    assert (told.low, told.high) == pytest.approx((plain.low, plain.high), rel=0.05), "samples of one run share a seed"


def test_what_seeds_told_is_kept_in_a_baseline(tmp_path, evalh):
    base, new = seeded(tmp_path / "a", drawn(1, (-0.1, 0, 0.1))), seeded(tmp_path / "b", drawn(2, (0, 0, 0)))
    assert evalh("baseline", "set", base, "--name", "main").code == 0
    kept = compare_runs(open_side("main"), open_side(str(new)), Options()).tasks[0]
    whole = one(base, new)
    assert (kept.low, kept.high, kept.notes) == (whole.low, whole.high, whole.notes)
    stored = read_baseline(Path("baselines/main.jsonl"))
    for forged in ({"passes": 1}, {"shift": -1.0}, {"single": float("nan")}, {"passes": "3"}, {"more": 1}, 7):
        file = forged_baseline({**asdict(stored.scores["quiz"].noise), **forged} if forged != 7 else forged)
        with pytest.raises(UserError, match="not a whole baseline"):
            open_side(str(file))


def forged_baseline(noise):
    """A baseline whose sum is right and whose noise is not."""
    header, *body = Path("baselines/main.jsonl").read_text().splitlines()
    header = {**json.loads(header), "noise": {"quiz": noise}}
    del header["sha256"]
    header["sha256"] = baseline._digest(header, body)
    file = Path("baselines/forged.jsonl")
    file.write_text("\n".join([json.dumps(header), *body]) + "\n")
    return file


def test_the_shift_of_whole_runs_is_found_and_its_interval_holds():
    draw, held, repeats, passes = np.random.default_rng(3), 0, 1000, 4
    for _ in range(repeats):
        chances = draw.uniform(0.3, 0.7, 200)
        values = (draw.random((200, passes)) < chances[:, None] + draw.normal(0, 0.05, passes)).astype(float)
        noise = pass_noise(values)
        half = widened_half(1.644854 * noise.single, [(noise.shift**2 / passes, noise.freedom)], 0.05).width
        held += abs(values.mean() - chances.mean()) <= half
    assert 0.87 < held / repeats < 0.95, "90 % are promised"


def test_the_labels_of_a_run_are_kept_in_its_baseline(tmp_path, evalh):
    base, new, _ = judged_runs(tmp_path)
    assert evalh("baseline", "set", base, "--name", "main").code == 0
    kept = compare_runs(open_side("main"), open_side(str(new)), Options()).tasks[0]
    whole = one(base, new)
    assert kept.method == "prediction-powered"
    assert (kept.low, kept.high) == (whole.low, whole.high)
    (new / "labels.json").unlink()
    alone = compare_runs(open_side("main"), open_side(str(new)), Options()).tasks[0]
    assert (alone.method != "prediction-powered", "labelled 100 answers of main" in alone.notes[0]) == (True, True)
    said = evalh("compare", "main", new, "--uncertainty", "sampling,judge")
    assert (said.code, "set the baseline again" in said.err) == (2, True)


def test_damaged_labels_are_named(tmp_path):
    base, new, _ = judged_runs(tmp_path)
    whole = (base / "labels.json").read_text()
    for damaged in (
        "{",
        whole.replace("1.0", "1.5", 1),
        whole.replace("1.0", "NaN", 1),
        whole.replace("1.0", "-0.1", 1),
    ):
        (base / "labels.json").write_text(damaged)
        with pytest.raises(UserError, match=r"labels.json: edited or damaged"):
            one(base, new)

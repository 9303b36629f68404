"""`evalh finetune` with losses that compare answers, and with general data mixed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from closeness import BAR_TRAINED
from trainings import command, tuned

from evalharness.cli import guarded
from evalharness.training.curves import read_log

Capture = pytest.CaptureFixture[str]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled(count: int = 32) -> list[dict[str, Any]]:
    both = ((i, good) for i in range(count // 2) for good in (True, False))
    return [{"prompt": f"say {i}", "completion": f"well {i}" if good else "no", "label": good} for i, good in both]


def looked(arguments: list[str], capsys: Capture, code: int = 0) -> str:
    line = [word for word in [*arguments, "--preflight"] if word != "--json"]
    assert guarded(line) == code
    return capsys.readouterr().err


@pytest.mark.parametrize("loss", ["dpo", *(pytest.param(loss, marks=pytest.mark.slow) for loss in ("orpo", "simpo"))])
def test_pairs_are_learned_and_watched(loss: str, base: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(24)]
    file, out = write(tmp_path / "pairs.jsonl", rows), tmp_path / "tuned"
    line = command(file, base, out, "--loss", loss, "--epochs", "4", "--lr", "0.003", "--patience", "0")
    line.remove("--json")
    assert guarded(line) == 0
    said = capsys.readouterr()
    assert f"{loss}: 21 pairs of a better and a worse answer are learned from" in said.err
    assert "  margin " in said.err and "  accuracy " in said.err and "wanted: well" in said.err
    log = read_log(out / "training" / "log.jsonl")
    steps, checks = [x for x in log if "loss" in x], [x for x in log if "validation_loss" in x]
    assert all({"margin", "accuracy"} <= set(x) for x in (*steps, *checks))
    assert checks[-1]["margin"] > checks[0]["margin"] and steps[-1]["accuracy"] == 1.0
    assert steps[0]["lr"] < steps[-1]["lr"] or steps[0]["lr"] < max(x["lr"] for x in steps)  # warmed up


@pytest.mark.slow
def test_kto_learns_from_good_and_bad_rows(base: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path / "rows.jsonl", labelled(64))
    more = ("--loss", "kto", "--epochs", "4", "--lr", "0.003", "--patience", "0", "--validation", "0.2")
    said = looked(command(file, base, tmp_path / "look", *more), capsys)
    assert "good and" in said and "bad answers are learned from" in said
    found = tuned(command(file, base, tmp_path / "tuned", *more), capsys)
    first, last = found["evaluations"][0], found["evaluations"][-1]
    assert first["validation_loss"] == pytest.approx(0.5, rel=BAR_TRAINED)
    assert last["validation_loss"] < first["validation_loss"] and last["margin"] > 0
    results = [json.loads(text) for text in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert results and all(
        result["sample"]["answers"][0].startswith("well") for result in results
    )  # no bad one is wanted
    assert first["wanted"][0].startswith("well") and first["asked"][0].startswith("say")


@pytest.mark.slow
def test_without_kto_the_good_rows_alone_are_learned_and_that_is_said(
    base: Path, tmp_path: Path, capsys: Capture
) -> None:
    file = write(tmp_path / "rows.jsonl", labelled())
    said = looked(command(file, base, tmp_path / "look"), capsys)
    assert "16 rows left out: labelled as bad answers (false), or of weight 0" in said
    assert "16 rows are labelled as bad answers: the good are learned; --loss kto learns from both" in said
    assert "split: 15 train" in said or "split: 14 train" in said


@pytest.mark.slow
def test_kto_of_preference_pairs_and_of_rows_without_labels(base: Path, tmp_path: Path, capsys: Capture) -> None:
    pairs = [{"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no"} for i in range(20)]
    file = write(tmp_path / "pairs.jsonl", pairs)
    said = looked(command(file, base, tmp_path / "look", "--loss", "kto", "--test", "0"), capsys)
    assert "kto: 19 good and 19 bad answers are learned from" in said
    rows = labelled()
    del rows[3]["label"]
    said = looked(command(write(tmp_path / "x.jsonl", rows), base, tmp_path / "look", "--loss", "kto"), capsys, code=2)
    assert "1 of 32 rows" in said and "no 'label' or 'kto_tag' says whether its answer is good in row 4" in said
    alike = [{**row, "label": 1} for row in labelled()]
    said = looked(command(write(tmp_path / "y.jsonl", alike), base, tmp_path / "look", "--loss", "kto"), capsys)
    assert "all answers are labelled alike" in said
    said = looked(command(file, base, tmp_path / "look", "--loss", "kto", "--no-mask-prompt"), capsys, code=2)
    assert "it wants --mask-prompt" in said


def test_a_label_speaks_of_the_last_answer(base: Path, tmp_path: Path) -> None:
    from evalharness.training import datasets

    turns = [{"role": role, "content": text} for role, text in zip(("user", "assistant") * 2, "qarb", strict=True)]
    file = write(tmp_path / "x.jsonl", [{"messages": turns, "kto_tag": good} for good in (True, False, True)])
    kept = datasets.read_training_data(str(file), labelled=True)
    assert [[m.learned for m in row.messages if m.role == "assistant"] for row in kept.rows] == [[False, True]] * 3
    assert [row.good for row in kept.rows] == [True, False, True]
    plain = datasets.read_training_data(str(file))
    assert [[m.learned for m in row.messages if m.role == "assistant"] for row in plain.rows] == [[True, True]] * 2
    assert plain.bad == 1


def general(path: Path, count: int = 30) -> Path:
    return write(path, [{"prompt": f"tell me of {i}", "completion": f"so it is {i}"} for i in range(count)])


@pytest.mark.slow
def test_general_rows_are_mixed_in_and_never_checked_on(base: Path, tmp_path: Path, capsys: Capture) -> None:
    own = [{"prompt": f"say {i}", "completion": f"well {i}"} for i in range(40)]
    file, mixed = write(tmp_path / "own.jsonl", own), general(tmp_path / "general.jsonl")
    more = ("--replay", f"{mixed}:0.2", "--epochs", "2", "--neftune", "5")
    said = looked(command(file, base, tmp_path / "look", *more), capsys)
    assert "replay: 8 of 30 general rows join each epoch, 19.0% of it" in said
    assert "split: 34 train, 2 validation, 4 test, 8 replayed an epoch" in said
    found = tuned(command(file, base, tmp_path / "tuned", *more), capsys)
    assert found["steps"] == 2 * 6  # 42 rows an epoch
    about = json.loads((tmp_path / "tuned" / "training" / "training.json").read_text())
    assert about["preflight"]["rows"] == {"train": 34, "validation": 2, "test": 4, "replayed an epoch": 8}
    assert max(about["split"]["validation"] + about["split"]["test"]) <= 40
    results = Path(found["answers"], "results.jsonl").read_text()
    assert "tell me of" not in results
    general(tmp_path / "general.jsonl", 31)
    assert guarded(command(file, base, tmp_path / "tuned", *more)) == 2
    assert "holds another training (other replay)" in capsys.readouterr().err


@pytest.mark.slow
def test_what_of_a_replay_is_refused_or_said(base: Path, tmp_path: Path, capsys: Capture) -> None:
    own = [{"prompt": f"say {i}", "completion": f"well {i}"} for i in range(40)]
    file, mixed = write(tmp_path / "own.jsonl", own), general(tmp_path / "general.jsonl", 4)
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{mixed}:0.5"), capsys)
    assert "replay: 50.0% would be 34 rows an epoch, there are 4" in said
    both = write(tmp_path / "both.jsonl", [*own, *json.loads(f"[{','.join(mixed.read_text().splitlines())}]")])
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{both}:0.5"), capsys)
    assert "replay: 6 rows left out, their prompts stand among those to validate or test on" in said
    own_parts = [{"prompt": f"ask {i}", "completion": "so", "split": "test" if i % 2 else "train"} for i in range(8)]
    parted = write(tmp_path / "parted.jsonl", own_parts)
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{parted}:0.5"), capsys)
    assert "replay: 4 rows left out, the data name them as their validation or test" in said
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{mixed}:2"), capsys, code=2)
    assert "--replay wants DATA:SHARE" in said
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{mixed}:0.1", "--loss", "orpo"), capsys, code=2)
    assert "--replay wants --loss sft" in said
    bad = write(
        tmp_path / "bad.jsonl",
        [{"prompt": "q", "completion": "a"}, {"prompt": "q"}, {"prompt": "r", "completion": "a"}],
    )
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{bad}:0.1"), capsys, code=2)
    assert "1 of 3 rows" in said and "bad_rows.jsonl" in said
    said = looked(command(file, base, tmp_path / "look", "--replay", f"{bad}:0.1", "--skip-bad"), capsys)
    assert "1 broken rows skipped, listed in" in said
    listed = json.loads((tmp_path / "look" / "training" / "bad_rows.jsonl").read_text())
    assert listed["place"] == "bad.jsonl:2"


@pytest.mark.parametrize("loss", ["dpo", pytest.param("kto", marks=pytest.mark.slow)])
def test_pairs_of_one_answer_twice_are_left_out_and_said(
    loss: str, base: Path, tmp_path: Path, capsys: Capture
) -> None:
    rows = [
        {"prompt": f"say {i}", "chosen": f"well {i}", "rejected": "no" if i % 4 else f"well {i}"} for i in range(24)
    ]
    line = command(write(tmp_path / "pairs.jsonl", rows), base, tmp_path / "tuned", "--loss", loss)
    assert "6 pairs left out: chosen and rejected are the same answer" in looked(line, capsys)
    assert "left out" not in looked([*line, "--loss", "sft"], capsys)
    alike = write(tmp_path / "alike.jsonl", [{**row, "rejected": row["chosen"]} for row in rows])
    refused = looked(command(alike, base, tmp_path / "none", "--loss", loss), capsys, code=2)
    assert "chosen and rejected are the same answer in all rows to train on" in " ".join(refused.split())

"""Full disks, logs that cannot be written, and the settings of the book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainings import command, tuned

from evalharness.cli import guarded
from evalharness.training import callbacks

FULL = OSError(28, "No space left on device")
WRITTEN = (
    "curves.png", "tokenizer.json", "chat_template.jinja", "model.safetensors", "Modelfile", "test.jsonl", "README.md",
)  # fmt: skip


@pytest.mark.slow
def test_no_file_at_the_end_of_a_training_is_lost_to_a_full_disk(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tuned"
    line = command(data, base, out, "--max-steps", "2", "--lora", "4")
    tuned(line, capsys)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file() and "runs" not in file.parts}
    assert set(WRITTEN) <= {file.name for file in before}
    whole = Path.replace
    for name in WRITTEN:

        def full(self: Path, target: Path, wanted: str = name) -> Path:
            if Path(target).name == wanted:
                raise FULL
            return whole(self, target)

        monkeypatch.setattr(Path, "replace", full)
        code, said = guarded(line), capsys.readouterr().err.splitlines()
        assert code == 2, name
        assert [text for text in said if "No space left on device" in text] == said[-1:], name
        assert said[-1].startswith(f"evalh: {out}"), name
        left = {file: file.read_bytes() for file in before}
        assert [str(file) for file in left if left[file] != before[file]] == [], name
    monkeypatch.undo()
    again = tuned(line, capsys)
    assert again["steps"] == 2 and (out / "model.safetensors").read_bytes() == before[out / "model.safetensors"]


@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_the_training_in_one_line(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = command(data, base, tmp_path / "tuned", "--max-steps", "4", "--save-every", "1", "--test", "0")
    whole = callbacks.Log.write

    def full(self: callbacks.Log, found: Any) -> None:
        if found["step"] == 3 and "loss" in found:
            raise FULL
        whole(self, found)

    monkeypatch.setattr(callbacks.Log, "write", full)
    assert guarded(line) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"evalh: {tmp_path / 'tuned'}: a file of the training cannot be written or read (No space")
    monkeypatch.undo()
    found = tuned(line, capsys)
    assert found["steps"] == 4
    log = [json.loads(text) for text in (tmp_path / "tuned" / "training" / "log.jsonl").read_text().splitlines()]
    assert [each["step"] for each in log if "loss" in each] == [1, 2, 3, 4]


@pytest.mark.slow
def test_an_output_that_is_a_file_is_said(data: Path, base: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "tuned").write_text("mine")
    rows = [*json.loads(data.read_text()), {"instruction": "q", "output": ""}]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(rows))
    for given in (data, broken):
        assert guarded(command(given, base, tmp_path / "tuned")) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"evalh: {tmp_path / 'tuned'}") and "choose another --out" in said
    assert (tmp_path / "tuned").read_text() == "mine"


@pytest.mark.slow
def test_the_book_s_settings(data: Path, base: Path, tmp_path: Path) -> None:
    import typer.testing

    from evalharness.cli import application

    seen = typer.testing.CliRunner().invoke(
        application("finetune"),
        ["finetune", str(data), "-m", str(base), "--out", str(tmp_path / "x"), "--book", "--preflight"],
    )
    assert seen.exit_code == 0, seen.output
    assert "split: 54 train, 4 validation, 6 test" in seen.output
    assert "format alpaca-book" in seen.output

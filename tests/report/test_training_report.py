"""A training is told as it goes, by a bar on a terminal and by lines elsewhere; its curves mark what was decided."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

pytest.importorskip("torch")

from evalharness.events import Told, Warned
from evalharness.report.training import TrainingBar, TrainingLines
from evalharness.training import curves
from evalharness.training.events import StepDone, TrainingBegan, TrainingEnded, TrainingEvaluated
from evalharness.training.step import StepStats

FACTS = {"dtype": "float32", "threads": 1, "products": "plain"}


def begun(step: int = 0, tokens: int = 0) -> Any:
    settings = SimpleNamespace(lora=None, batch=8, batch_tokens=0)
    return SimpleNamespace(weights={}, settings=settings, step=step, steps=20, rate=1e-3, tokens=tokens)


def stepped(step: int, **more: float) -> StepDone:
    stats = StepStats(
        step=step,
        epoch=step / 10,
        loss=2.5 / step,
        lr=1e-3,
        norm=1.0,
        tokens=100 * step,
        trained=50,
        seconds=0.5,
        **more,
    )
    return StepDone(stats=stats, steps=20)


LINE = {
    "step": 2, "validation_loss": 1.25, "margin": 0.5, "accuracy": 0.75, "metrics": {"mmlu.accuracy": 0.3},
    "asked": ["What is\n2 + 2?"], "wanted": ["4"], "samples": ["\x1b[31mfive"],
}  # fmt: skip


def told(kind: type[TrainingLines], terminal: bool) -> str:
    drawn = io.StringIO()
    seen = kind(Console(file=drawn, force_terminal=terminal, width=120, highlight=False, soft_wrap=True))
    events = [TrainingBegan(training=begun(step=5, tokens=500), facts=FACTS), stepped(6), Warned(text="mind this"),
              TrainingEvaluated(line=LINE), stepped(7, margin=0.125, accuracy=0.5), Told(text="stopped early at 7"),
              TrainingEnded(step=7)]  # fmt: skip
    for event in events:
        seen(event)
    seen.close()
    return drawn.getvalue()


def test_a_bar_has_step_loss_speed_and_time_left() -> None:
    raw = told(TrainingBar, terminal=True)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
    assert "step  7/20" in said and "loss 0.3571  margin 0.1250  accuracy 0.5000" in said
    assert "200 tokens/s" in said  # 200 new tokens in a second: those of before the interruption do not count
    assert re.search(r"\d:\d\d:\d\d left|-:--:-- left", said)
    assert "evalh: warning: mind this" in said and "stopped early at 7" in said
    assert raw.rstrip().endswith("\x1b[?25h")  # the cursor is back


def test_lines_have_the_same_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(TrainingLines, terminal=False)
    assert "step 6/20  epoch 0.60  loss 0.4167  600 tokens  200 tokens/s  7 s left" in said
    assert "\x1b" not in said
    assert "mind this" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "terminal"), [(TrainingBar, True), (TrainingLines, False)])
def test_samples_show_what_was_asked_wanted_and_written(kind: type[TrainingLines], terminal: bool) -> None:
    said = told(kind, terminal)
    assert "step 2  validation loss 1.2500  margin 0.5000  accuracy 0.7500  mmlu.accuracy 0.3000" in said
    assert "asked: What is 2 + 2?" in said and "wanted: 4" in said
    assert "writes: " in said and "\x1b[31mfive" not in said


def logged(*validation: float) -> list[dict[str, Any]]:
    checks = [{"step": 5 * i, "validation_loss": loss, "metrics": {}} for i, loss in enumerate(validation)]
    steps = [{"step": i, "loss": 2.0 / i, "tokens": 10 * i} for i in range(1, 5 * len(validation))]
    return [checks[0] | {"samples": ["<b>"]}, *steps, checks[1] | {"asked": ["q<"], "wanted": ["a"], "samples": ["b"]},
            *checks[2:]]  # fmt: skip


@pytest.mark.parametrize(
    ("validation", "turn"),
    [((3.0, 2.0, 1.5), None), ((3.0, 2.0, 2.0), None), ((3.0, 1.5, 2.0), 5), ((1.0, 2.0, 1.5), 0)],
)
def test_overfitting_begins_where_the_validation_loss_was_lowest(validation: Any, turn: int | None) -> None:
    assert curves.overfitting_from(logged(*validation)) == turn


def test_curves_mark_the_weights_kept_and_where_overfitting_begins(tmp_path: Path) -> None:
    curves.curves(logged(3.0, 1.5, 2.0), 5, tmp_path, kept=5)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "curves.svg").read_text()
    assert "overfitting begins, step 5" in drawn and "weights kept, step 5" in drawn
    page = (tmp_path / "curves.html").read_text()
    assert "overfitting begins, step 5; weights kept, step 5" in page
    assert "asked: q&lt;\nwanted: a\nwritten: b" in page and "<pre>&lt;b&gt;</pre>" in page
    curves.curves(logged(3.0, 1.5, 2.0), 5, tmp_path, kept=5)
    assert (tmp_path / "curves.svg").read_text() == drawn
    curves.curves(logged(3.0, 2.0, 1.0), 5, tmp_path, kept=10)
    assert "overfitting" not in (tmp_path / "curves.svg").read_text()

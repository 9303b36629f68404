"""Experiment trackers get every figure, are closed, and their absence or trouble is one line."""

import sys
from types import SimpleNamespace

import pytest

from evalharness.errors import UserError
from evalharness.training.callbacks import Log
from evalharness.training.trackers import TRACKERS, open_tracker


class Fake:
    """Stands for all three packages, and for the run or writer that they start."""

    api = SimpleNamespace(api_key=None)

    def __init__(self):
        self.seen, self.said, self.closed = {}, {}, False

    def init(self, **said):
        self.said = said
        return self

    def start_run(self, run_name):
        self.said = {"run_name": run_name}

    def log_params(self, settings): ...

    def add_scalar(self, name, value, step):
        self.seen.setdefault(step, {})[name] = value

    def log(self, figures, step):
        self.seen[step] = figures

    log_metrics = log

    def close(self):
        self.closed = True

    finish = end_run = close


@pytest.fixture
def fake(monkeypatch):
    made = Fake()
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.setitem(sys.modules, "mlflow", made)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=lambda folder: made))
    return made


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_gets_losses_and_metrics_and_is_closed(name, fake, tmp_path):
    log = Log(tmp_path / "training" / "log.jsonl", 0, [name], {"dtype": "float32"})
    log.write({"step": 1, "loss": 2.5, "tokens": 40})
    log.write({"step": 2, "validation_loss": 2.0, "samples": ["hi"], "metrics": {"mmlu.accuracy": 0.5}})
    log.close()
    assert fake.seen == {1: {"loss": 2.5, "tokens": 40}, 2: {"validation_loss": 2.0, "mmlu.accuracy": 0.5}}
    assert fake.closed
    if name == "wandb":
        assert fake.said["mode"] == "offline"  # nobody has logged in


def test_an_unknown_an_absent_and_a_broken_one(fake, monkeypatch, tmp_path):
    with pytest.raises(UserError, match="wants tensorboard, wandb, mlflow"):
        open_tracker("comet", tmp_path, {})
    monkeypatch.setattr(fake, "init", lambda **_: 1 / 0)
    with pytest.raises(UserError, match=r"log_to=wandb: it cannot start \(division"):
        open_tracker("wandb", tmp_path, {})
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match="pip install mlflow"):
        open_tracker("mlflow", tmp_path, {})

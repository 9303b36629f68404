"""Experiment trackers get every figure, are closed, and their absence or trouble is one line."""

import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalharness import api, plugins
from evalharness.cli import guarded
from evalharness.errors import UserError
from evalharness.events import Warned
from evalharness.tracking.tracker import Tracked, begin_tracker
from evalharness.training.callbacks import Log


class Fake:
    """Stands for all packages but OpenTelemetry, and for the run or writer that they start."""

    active_run = staticmethod(lambda: None)

    def __init__(self):
        self.seen, self.said, self.settings, self.closed = {}, {}, {}, False

    def init(self, **said):
        self.said, self.settings = said, said["config"]
        return self

    def start_run(self, **said):
        self.said = said

    def log_params(self, settings):
        assert len(settings) <= 100
        self.settings.update(settings)

    def add_scalar(self, name, value, step):
        self.seen.setdefault(step, {})[name] = value

    def log(self, figures, step):
        self.seen.setdefault(step, {}).update(figures)

    log_metrics = log

    def close(self):
        self.closed = True

    finish = end_run = close


@pytest.fixture
def fake(monkeypatch, tmp_path):
    made = Fake()
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("wandb", "mlflow", "trackio"):
        monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=lambda folder: made))
    return made


NAMES = ["mlflow", "tensorboard", "trackio", "wandb"]


@pytest.mark.parametrize("name", NAMES)
def test_a_training_sends_losses_and_metrics(name, fake, tmp_path):
    log = Log(tmp_path / "training" / "log.jsonl", 0, [name], {"dtype": "float32"})
    log.write({"step": 1, "loss": 2.5, "tokens": 40})
    log.write({"step": 2, "validation_loss": 2.0, "samples": ["hi"], "metrics": {"mmlu.accuracy": 0.5}})
    log.close()
    assert fake.seen == {1: {"loss": 2.5, "tokens": 40}, 2: {"validation_loss": 2.0, "mmlu.accuracy": 0.5}}
    assert fake.closed
    if name == "wandb":
        assert fake.said["mode"] == "offline"  # nobody has logged in
    if name != "tensorboard":
        assert fake.settings == {"dtype": "float32"}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_sends_its_settings_its_running_score_and_its_figures(name, fake, tmp_path):
    run = api.evaluate("mmlu", "echo", data="sample", runs=tmp_path, log_to=[name])
    figures = next(iter(run.metrics.values()))["accuracy"]
    end = fake.seen[max(fake.seen)]
    at = "mmlu_sample" if name == "mlflow" else "mmlu@sample"
    assert end[f"{at}/accuracy"] == figures.value and end[f"{at}/accuracy_low"] == figures.low
    assert end[f"{at}/wrong"] + end[f"{at}/correct"] == figures.n == max(fake.seen)
    running = [seen[f"{at}/running_score"] for _, seen in sorted(fake.seen.items()) if f"{at}/running_score" in seen]
    assert running[-1] == pytest.approx(figures.value)
    assert fake.closed
    if name != "tensorboard":
        assert fake.settings["model.model"] == "echo"
        assert str(tmp_path) not in str(fake.settings)


def test_a_tracker_that_fails_on_the_way_is_told_of_once_and_the_run_goes_on(fake, monkeypatch, tmp_path):
    heard = []
    monkeypatch.setattr(fake, "log", lambda figures, step: 1 / 0)
    run = api.evaluate("mmlu", "echo", data="sample", runs=tmp_path, log_to=["wandb"], observer=heard.append)
    assert run.exit_code == 0
    assert len([e for e in heard if isinstance(e, Warned) and "wandb takes no more figures (division" in e.text]) == 1


def test_an_unknown_an_absent_and_a_broken_one(fake, monkeypatch, tmp_path, capsys):
    tracked = Tracked(name="run", folder=tmp_path, settings={})
    with pytest.raises(UserError, match="log_to wants mlflow, opentelemetry, tensorboard, trackio, wandb"):
        begin_tracker("comet", tracked)
    monkeypatch.setattr(fake, "init", lambda **_: 1 / 0)
    with pytest.raises(UserError, match=r"log_to=wandb: it cannot start \(division"):
        begin_tracker("wandb", tracked)
    for name in ("mlflow", "trackio", "opentelemetry"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(UserError, match=rf'pip install "evalharness\[{name}\]"'):
            begin_tracker(name, tracked)
    runs = tmp_path / "runs"
    asked = ["run", "mmlu", "--model", "echo", "--data", "sample", "--runs", str(runs)]
    for word in ("comet", "mlflow"):
        assert guarded([*asked, "--log-to", word]) == 2
    assert "--log-to wants" in (said := capsys.readouterr().err) and "--log-to mlflow: the package" in said
    assert not [folder for folder in runs.glob("*") if not folder.name.startswith(".")], "a refused start leaves no run"


def test_every_tracker_of_the_wheel_is_tried():
    assert sorted(plugins.modules("trackers")) == sorted([*NAMES, "opentelemetry"])


def evaluated(name, tmp_path):
    return api.evaluate("mmlu", "echo", data="sample", runs=tmp_path / "runs", name="kept", log_to=[name])


def value(run):
    return run.metrics["mmlu@sample"]["accuracy"].value


def test_mlflow_itself_keeps_a_run_in_sqlite(monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="the package mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = evaluated("mlflow", tmp_path)
    (found,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert found.data.metrics["mmlu_sample/accuracy"] == value(run)
    assert found.data.params["model.model"] == "echo" and found.info.status == "FINISHED"


def test_wandb_itself_keeps_an_offline_run(monkeypatch, tmp_path):
    pytest.importorskip("wandb", reason="the package wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = evaluated("wandb", tmp_path)
    (kept,) = Path(run.path).glob("wandb/offline-run-*/*.wandb")
    assert b"mmlu@sample/accuracy" in kept.read_bytes()


def test_trackio_itself_keeps_a_run_here(monkeypatch, tmp_path):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="the package trackio is not installed")
    run = evaluated("trackio", tmp_path)
    (base,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(base) as opened:
        kept = [row[0] for row in opened.execute("select cast(metrics as text) from metrics")]
    assert any(f'"mmlu@sample/accuracy":{value(run)}' in line.replace(": ", ":") for line in kept)


def test_opentelemetry_itself_has_a_span_for_the_run_and_each_answer(tmp_path):
    pytest.importorskip("opentelemetry.sdk", reason="the package opentelemetry-sdk is not installed")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    run = evaluated("opentelemetry", tmp_path)
    spans = exporter.get_finished_spans()
    (root,) = [span for span in spans if span.name == "evaluate kept"]
    answers = [span for span in spans if "evalharness.item" in span.attributes]
    assert len(answers) == len(run.results())
    assert all(span.parent.span_id == root.context.span_id for span in spans if span is not root)
    assert {span.attributes["gen_ai.request.model"] for span in answers} == {"echo"}
    (figures,) = [span for span in spans if span.name == "figures mmlu@sample"]
    said = {event.attributes["gen_ai.evaluation.name"]: event.attributes for event in figures.events}
    assert said["accuracy"]["gen_ai.evaluation.score.value"] == value(run)
    text = run.results()[0].request.text
    assert text not in "".join(span.to_json() for span in spans), "questions and answers stay here"

"""`evalh demo` says each command, does what that command does, and stops at the first that fails."""

import shlex
from types import SimpleNamespace

import pytest

from evalharness import api, tiny
from evalharness.report import deliver, progress, training


@pytest.fixture
def called(monkeypatch):
    """The calls of the demo as the words of the commands that do the same; the work itself is left out."""
    calls, codes = [], []

    def evaluate(benchmarks, model, *, name, runs, data, observer, model_options):
        where = ["--data", data] if data else []
        where += ["--template", model_options.template] if model_options else []
        calls.append(["run", *benchmarks, *where, "--model", model, "--name", name, "--runs", str(runs)])
        return SimpleNamespace(exit_code=codes.pop(0) if codes else 0)

    def finetune(data, model, out, *, settings, observer, test, style):
        words = ["finetune", str(data), "--model", model, "--out", str(out), "--epochs", str(settings.epochs)]
        words += ["--batch", str(settings.batch), "--test", f"{test:g}", *(["--style", style] if style else [])]
        calls.append([*words, *(["--lr", f"{settings.lr:g}"] if settings.lr else []), "--seed", str(settings.seed)])

    def compare(base, new, *, runs):
        calls.append(["compare", base, new, "--show", "3", "--runs", str(runs)])
        return SimpleNamespace(settled=lambda: 0)

    for name, fake in (("evaluate", evaluate), ("finetune", finetune), ("compare", compare)):
        monkeypatch.setattr(api, name, fake)
    monkeypatch.setattr(progress, "show_run", lambda *_, **__: None)
    monkeypatch.setattr(training, "show_training", lambda *_, **__: None)
    monkeypatch.setattr(deliver, "deliver_comparison", lambda _, wanted: calls[-1].__setitem__(4, str(wanted.show)))
    return calls, codes


@pytest.mark.parametrize("options", [(), ("--letters",)])
def test_it_does_what_it_says(evalh, called, tmp_path, options):
    said = evalh("demo", "--folder", "here", *options)
    assert said.code == 0
    shown = [shlex.split(line[2:]) for line in said.out.splitlines() if line.startswith("$ evalh")]
    assert [line[1:] for line in shown[:4]] == called[0]
    after = said.out.partition("model of your own")[2]
    assert [line.startswith("$ ") for line in after.strip().splitlines()[1:]] == [True] * 3
    written = tmp_path / "here" / ("letters.jsonl" if options else "instructions.jsonl")
    assert options or written.read_text("utf-8") == tiny.INSTRUCTIONS.read_text("utf-8")
    assert written.is_file() and str(written.relative_to(tmp_path)) in called[0][1]


def test_it_stops_where_a_step_fails(evalh, called):
    called[1].append(3)
    assert evalh("demo", "--folder", "here").code == 3
    assert len(called[0]) == 1

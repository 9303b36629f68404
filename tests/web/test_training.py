"""The page of a training: curves, the chosen step, and the runs of its evaluations."""

import json
import math
import re

import pytest
from run_folders import make_run
from web_pages import client_of, text_of

from evalharness.training.selection import chosen_step
from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key
from evalharness.web.training_pages import training_curves

LINES = [
    {"step": 0, "validation_loss": 4.0, "metrics": {"quiz.accuracy": 0.25}, "samples": ["<b>first</b>"]},
    *({"step": n, "loss": 4.0 / n, "lr": 0.001} for n in range(1, 11)),
    {"step": 5, "validation_loss": 1.0, "metrics": {"quiz.accuracy": 0.5, "lambada.perplexity": 3.0}},
    {
        "step": 10,
        "validation_loss": 1.5,
        "metrics": {"quiz.accuracy": 0.5, "lambada.perplexity": 2.0},
        "samples": ["last"],
    },
]


def opened(tmp_path, lines=LINES, **about):
    out = tmp_path / "out"
    make_run(out / "training" / "evaluations" / "step-5-quiz", "1100")
    (out / "training" / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (out / "training" / "training.json").write_text(json.dumps({"steps": 12, "selected_on": "loss", **about}))
    return client_of(view_application(RunLibrary([str(out)]), GuardTerms())), f"/trainings/{run_key(out)}"


def test_a_training_has_its_curves_and_the_chosen_step(tmp_path):
    client, at = opened(tmp_path)
    home = client.get("/").text
    assert at in home and "step-5-quiz" in home
    page = client.get(at)
    said = text_of(page)
    assert "step 10 of 12" in said and "chosen by validation loss: step 5" in said and "rises from step 5" in said
    assert "learning rate over 10 steps, between 0.001 and 0.001" in page.text
    assert page.text.count('role="img"') == 4 and page.text.count('class="zero"') == 4
    assert "&lt;b&gt;first&lt;/b&gt;" in page.text


def test_trainings_beside_the_runs_are_found_without_being_named(tmp_path, monkeypatch):
    opened(tmp_path)
    monkeypatch.chdir(tmp_path)
    for places in ([], ["."], ["out"]):
        library = RunLibrary(places)
        assert [path.name for path in library.trainings().values()] == ["out"]
        assert [row.name for row in library.rows()] == ["step-5-quiz"]
    make_run(tmp_path / "runs" / "first", "1100")
    assert (
        {row.name for row in RunLibrary([]).rows()}
        == {"first", "step-5-quiz"}
        == {row.name for row in RunLibrary(["."]).rows()}
    )


@pytest.mark.parametrize(
    ("by", "step"), [("loss", 5), ("quiz.accuracy", 5), ("lambada.perplexity", 10), ("none.such", None)]
)
def test_the_chosen_step_is_the_first_of_the_best(by, step):
    assert chosen_step(LINES, by) == step


@pytest.mark.parametrize(
    "lines",
    [[], [{"step": 0, "validation_loss": 2.0}], [{"step": "x"}], [{"loss": 1}], [[1]], [{"step": 3, "loss": "high"}],
     [{"step": 1, "loss": 1e308}, {"step": 2, "loss": -1e308}], [{"step": 10**400, "loss": 1}, {"step": -1, "loss": 1}],
     [{"step": 1, "validation_loss": math.nan, "metrics": [1], "samples": "x"}, {"step": 2, "validation_loss": "low"}],
     [{"step": True, "loss": 10**400, "metrics": {"a": None, "b": math.inf}, "samples": [None, {"x": 1}]}]],
)  # fmt: skip
def test_a_log_that_has_only_begun_or_is_odd_is_a_page(tmp_path, lines):
    client, at = opened(tmp_path, lines)
    assert client.get(at).status_code == 200


def test_a_long_log_is_thinned():
    (curve,) = training_curves([{"step": n, "loss": 1.0 / (n + 1)} for n in range(100_000)], None)
    assert len(curve.drawing) < 60_000


def test_an_unknown_training_is_not_found(tmp_path):
    client, _ = opened(tmp_path)
    assert client.get("/trainings/000000000000").status_code == 404


def test_evaluations_and_the_runs_of_the_trained_model_are_linked_with_their_figures(tmp_path):
    client, at = opened(tmp_path)
    make_run(tmp_path / "out" / "runs" / "test", "1110", benchmark="test")  # made after the pages were opened
    make_run(tmp_path / "out" / "runs" / "going", "1", benchmark="later", summary=False)
    page = client.get(at)
    said = text_of(page)
    table = said[said.index("Evaluations") : said.index("Runs of the trained model")]
    for text in ("quiz.accuracy", "lambada.perplexity", "4.0000", "5 chosen", "0.5000", "quiz at step 5"):
        assert text in table, text
    assert "0.750" in said and "under way" in said
    links = re.findall(r'data-row href="([^"]*)"', page.text)
    assert len(links) == 3 and [client.get(link).status_code for link in links] == [200] * 3


def test_a_training_without_evaluations_has_no_empty_tables(tmp_path):
    client, at = opened(tmp_path, [{"step": 1, "loss": 1.0}])
    assert "Evaluations" not in client.get(at).text and "Runs of the trained" not in client.get(at).text


def test_a_learning_rate_is_shown_by_its_first_digits():
    curves = training_curves([{"step": n, "lr": 7e-4 * n} for n in range(2)], None)
    assert "between 0.000 and 0.0007" in curves[-1].drawing

"""`evalh diff-config`: what differs between two runs, and what that is known to do."""

import json

import pytest
from run_folders import make_run

from evalharness.comparison.settings import known_effect

BENCH = 'source: rows.jsonl\ntemplate: "{template}"\nanswers: a\nscorer: contains\n'


@pytest.fixture
def made(evalh, tmp_path):
    rows = [{"q": f"{i}+1?", "a": str(i + 1)} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(name, *more, template="{{q}}"):
        (tmp_path / "sums.yaml").write_text(BENCH.replace("{template}", template))
        said = evalh("run", "sums.yaml", "--name", name, *more)
        assert said.code == 0, said.err

    return run


def settings(evalh, *sides):
    said = evalh("diff-config", *sides, "--json")
    assert said.code == 0, said.err
    return {one["setting"]: one for one in said.json["settings"]}


def test_the_strongest_difference_comes_first(evalh, made):
    made("a", "--model", "echo")
    made("b", "--model", "tiny", "--temperature", "0.5", "--max-tokens", "8", template="Say {{q}}")
    found = settings(evalh, "a", "b")
    effects = [one["effect"] for one in found.values()]
    order = ["another thing is measured", "large", "some", "little", "none known"]
    assert effects == sorted(effects, key=order.index) and effects[0] == order[0]
    assert (found["model.model"]["base"], found["model.model"]["new"]) == ("echo", "tiny")
    assert found["benchmarks.sums.prompt_sha256"]["effect"] == found["sampling.max_tokens"]["effect"] == "large"
    assert found["sampling.temperature"]["new"] == 0.5
    assert "benchmarks.sums.data.sha256" in found and "created" not in found and "command" not in found
    shown = evalh("diff-config", "a", "b")
    assert shown.code == 0 and "sampling.temperature" in shown.out and "cut" in shown.out


def test_the_same_command_differs_in_nothing(evalh, made):
    made("a", "--model", "echo")
    made("b", "--model", "echo")
    assert settings(evalh, "a", "b") == {}
    assert "no setting differs" in evalh("diff-config", "a", "b").out


def test_a_benchmark_of_one_side_is_one_difference(evalh, made):
    made("a", "--model", "echo")
    made("b", "gsm8k", "--data", "sample", "--model", "echo")
    found = settings(evalh, "a", "b")
    assert (found["benchmarks.gsm8k@sample"]["base"], found["benchmarks.gsm8k@sample"]["new"]) == (None, "asked")
    assert not [name for name in found if name.startswith("benchmarks.gsm8k@sample.")]


def test_runs_of_two_programs_differ_in_what_they_did_and_not_in_who_they_are(evalh, made, tmp_path):
    made("ours", "--model", "echo")
    events = [{"spec": {"completion_fns": ["echo"], "eval_name": "theirs", "run_config": {"seed": 3}}}]
    for i in range(40):
        data = {"prompt": f"{i}+1?", "sampled": "9", "correct": False, "expected": str(i + 1)}
        events.append({"sample_id": f"s.{i}", "type": "match", "data": data})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert evalh("import", "openai_evals", "log.jsonl", "--name", "theirs").code == 0
    found = settings(evalh, "ours", "theirs")
    assert "model.fingerprint" not in found and "model.model" not in found, "both are called echo"
    assert not [name for name in found if ".data." in name], "every item is the same"
    assert found["sampling.seed"]["new"] == 3


def test_a_baseline_may_stand_on_a_side(evalh, made):
    made("a", "--model", "echo")
    assert evalh("baseline", "set", "a", "--name", "main").code == 0
    made("b", "--model", "echo", "--temperature", "0.5")
    assert "sampling.temperature" in settings(evalh, "main", "b")
    assert evalh("diff-config", "a", "absent").code == 2


@pytest.mark.parametrize(
    ("setting", "effect"),
    [
        ("benchmarks.quiz.mode", "another thing is measured"),
        ("benchmarks.quiz.data.sha256", "another thing is measured"),
        ("benchmarks.mode.shots", "large"),
        ("model.tokenizer", "large"),
        ("model.dtype", "some"),
        ("sampling.extra.min_p", "some"),
        ("sampling.seed", "little"),
        ("versions.numpy", "little"),
        ("notes.colour", "none known"),
    ],
)
def test_the_last_part_of_a_name_that_says_something_says_the_effect(setting, effect):
    rank, found, why = known_effect(setting)
    assert (found, bool(why)) == (effect, effect != "none known")
    assert rank > known_effect("model.fingerprint")[0] or effect == "another thing is measured"


def test_parameters_that_an_endpoint_refused_are_said_where_they_change_answers(evalh, tmp_path):
    """Sent under another name, or fewer of them, they change none. A baseline keeps it."""
    facts = {"max_tokens": "sent as max_completion_tokens", "stop": "at most 4"}
    told = {"a": None, "b": facts, "c": {**facts, "temperature": "left out", "seed": "left out"}}
    for name, refused in told.items():
        about = {"name": "openai:m", "fingerprint": name, **({"refused_parameters": refused} if refused else {})}
        make_run(tmp_path / "runs" / name, "1101" * 20, model=about)
    wanted = "the endpoint refused, and was asked without, nothing in BASE; seed, temperature in NEW"
    assert wanted in " ".join(evalh("compare", "a", "c").out.split())
    assert "refused" not in evalh("compare", "a", "b").out
    assert evalh("baseline", "set", "c", "--name", "kept").code == 0
    assert "seed, temperature in BASE; nothing in NEW" in " ".join(evalh("compare", "kept", "a").out.split())
    found = settings(evalh, "a", "c")
    assert found["model.refused_parameters.temperature"]["effect"] == "some"
    assert set(settings(evalh, "a", "b")) == {"model.fingerprint"}

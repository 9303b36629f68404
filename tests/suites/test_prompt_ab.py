"""Another prompt on purpose: two runs whose prompts differ, and two system prompts over one suite."""

import json
from pathlib import Path

import pytest
from stub_server import serve

BENCH = 'source: rows.jsonl\ntemplate: "{template}"\nanswers: {answers}\nscorer: exact\n'


def written(tmp_path, template="{{q}}", answers="a"):
    (tmp_path / "bench.yaml").write_text(BENCH.replace("{template}", template).replace("{answers}", answers))
    rows = [json.dumps({"q": f"Q{i}", "a": f"A{i}", "other": f"B{i}"}) for i in range(150)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))


def run(evalh, name):
    assert evalh("run", "bench.yaml", "--model", "echo", "--name", name).code == 0


def test_another_template_over_the_same_rows_is_another_prompt_alone(evalh, tmp_path):
    written(tmp_path)
    run(evalh, "a")
    written(tmp_path, "Say {{q}}.")
    run(evalh, "b")
    said = evalh("compare", "a", "b")
    assert (said.code, "--changed prompt where that is the purpose" in said.err) == (4, True)
    assert "data differs" not in said.err
    found = evalh("compare", "a", "b", "--changed", "prompt", "--json")
    assert found.code == 0
    assert found.json["notes"][0].startswith("compared on purpose: prompt of bench (")
    assert found.json["allowed"] == []
    assert "--changed prompt" in found.json["command"]
    assert evalh("baseline", "set", "a", "--name", "main").code == 0
    assert evalh("compare", "main", "b", "--changed", "prompt").code == 0


def test_another_right_answer_over_the_same_rows_is_other_data(evalh, tmp_path):
    written(tmp_path)
    run(evalh, "a")
    written(tmp_path, answers="other")
    run(evalh, "b")
    said = evalh("compare", "a", "b", "--changed", "prompt")
    assert (said.code, "data differs" in said.err) == (4, True)


def test_runs_of_before_are_held_to_their_questions(evalh, tmp_path):
    written(tmp_path)
    run(evalh, "a")
    run(evalh, "b")
    written(tmp_path, "Say {{q}}.")
    run(evalh, "c")
    file = tmp_path / "runs/a/run.json"
    about = json.loads(file.read_text())
    del about["benchmarks"]["bench"]["data"]["rows_sha256"]
    file.write_text(json.dumps(about))
    assert evalh("compare", "a", "b").code == 0
    assert "data differs" in evalh("compare", "a", "c", "--changed", "prompt").err


def test_what_did_not_change_is_said_and_what_cannot_is_refused(evalh, tmp_path):
    written(tmp_path)
    run(evalh, "a")
    assert "prompt is the same on both sides" in evalh("compare", "a", "a", "--changed", "prompt").out
    for words in ("prompts", "data", ""):
        said = evalh("compare", "a", "a", "--changed", words)
        assert (said.code, "wanted one of prompt, shots, mode, judge, sampling" in said.err) == (2, True)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A suite of one endpoint model that answers right only where the system prompt asks it nicely."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    written(tmp_path)

    def reply(body):
        texts = [message["content"] for message in body["messages"]]
        number = texts[-1].removeprefix("Q")
        return f"A{number}" if "please" in texts[0] or int(number) % 2 else "no"

    with serve(reply) as stub:
        model = f"{{name: m, model: 'openai:m', base_url: '{stub.url}'}}"
        (tmp_path / "suite.yaml").write_text(f"name: s\nmodels: [{model}]\nbenchmarks: [bench.yaml]\n")
        yield stub


def test_two_prompts_over_a_suite(suite, evalh, tmp_path):
    Path("nice.txt").write_text("please answer\n")
    said = evalh("ab", "suite.yaml", "--prompt-a", "answer", "--prompt-b", "nice.txt", "--report", "out")
    assert said.code == 0, said
    assert "m: prompt A → prompt B" in said.out
    assert "better" in said.out
    assert "prompt is the same" not in said.out
    assert (tmp_path / "out/m/index.html").is_file()
    before = len(suite.seen)
    found = evalh("ab", "suite.yaml", "--prompt-a", "nice.txt", "--prompt-b", "answer", "--json").json
    assert found["models"]["m"]["tasks"][0]["verdict"] == "worse"
    assert found["exit_code"] == 0, "the suite has no gate"
    assert len(suite.seen) == before, "both runs are there, or their answers are in the cache"
    text = Path("suite.yaml").read_text()
    Path("suite.yaml").write_text(f"{text}gate: {{}}\n")
    assert evalh("ab", "suite.yaml", "--prompt-a", "nice.txt", "--prompt-b", "answer").code == 1


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("x", "x", "are the same"),
        ("x", "nowhere.txt", "there is no such file"),
        ("x", "./none", "there is no such file"),
    ],
)
def test_prompts_that_make_no_sense_ask_nothing(suite, evalh, a, b, said):
    found = evalh("ab", "suite.yaml", "--prompt-a", a, "--prompt-b", b)
    assert (found.code, said in found.err, suite.seen) == (2, True, [])


def test_a_model_without_a_system_prompt_is_refused(evalh, tmp_path):
    written(tmp_path)
    (tmp_path / "suite.yaml").write_text("name: s\nmodels: [echo]\nbenchmarks: [bench.yaml]\n")
    found = evalh("ab", "suite.yaml", "--prompt-a", "x", "--prompt-b", "y")
    assert (found.code, "system" in found.err) == (2, True)

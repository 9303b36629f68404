"""A benchmark in a file is called by the name in it, wherever the file is named from; older runs go by its path."""

import json

import pytest
from stub_server import serve

from evalharness import plugins

YAML = 'source: rows.jsonl\ntemplate: "{{q}}\\nAnswer:"\nanswers: a\nscorer: contains\n'


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_named_files", {})
    rows = [{"q": f"{i}+1?", "a": str(i + 1)} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "mine.yaml").write_text(YAML)
    (tmp_path / "named.yml").write_text('name: "capital / sums"\n' + YAML)
    return tmp_path


@pytest.mark.parametrize("word", ["mine.yaml", "./mine.yaml", "ABSOLUTE"])
def test_the_path_does_not_name_the_benchmark(evalh, files, word):
    said = evalh("run", word.replace("ABSOLUTE", str(files / "mine.yaml")), "--model", "echo", "--json")
    assert said.code == 0 and list(said.json["benchmarks"]) == ["mine"], said.err
    (folder,) = (files / "runs").iterdir()
    assert folder.name.startswith("mine-echo-")


def test_the_name_in_the_file_comes_first_and_is_one_word_of_a_path(evalh, files):
    said = evalh("run", "named.yml", "--model", "echo", "--json", "--name", "r")
    assert list(said.json["benchmarks"]) == ["capital - sums"], said.err


def test_a_file_with_the_name_of_a_plug_in_keeps_its_path(evalh, files):
    (files / "gsm8k.yaml").write_text(YAML)
    said = evalh("run", "./gsm8k.yaml", "--model", "echo", "--json")
    assert list(said.json["benchmarks"]) == ["./gsm8k.yaml"]
    assert not [one for one in (files / "runs").iterdir() if one.name.startswith(".")], "no hidden folder"


def test_two_files_of_one_name_are_told_apart(evalh, files):
    (files / "a").mkdir()
    (files / "a/mine.yaml").write_text(YAML)
    (files / "a/rows.jsonl").write_text((files / "rows.jsonl").read_text())
    said = evalh("run", "mine.yaml", "a/mine.yaml", "--model", "echo")
    assert said.code == 2 and "both called 'mine'" in said.err
    assert evalh("run", "mine.yaml", "./mine.yaml", "--model", "echo").code == 0, "one file, spelled twice"


def test_a_later_process_finds_the_file_again_and_says_so_where_it_is_gone(evalh, files, monkeypatch):
    assert evalh("run", "mine.yaml", "--model", "echo", "--name", "r").code == 0
    monkeypatch.setattr(plugins, "_named_files", {})
    assert evalh("rescore", "r").code == 0
    assert evalh("show", "r").code == 0
    monkeypatch.setattr(plugins, "_named_files", {})
    (files / "mine.yaml").unlink()
    said = evalh("rescore", "r")
    assert said.code == 2 and "mine.yaml" in said.err and "gone" in said.err


def as_before(folder, path):
    """The run as version 0.1.0 kept it: known by the path of its file."""
    for name in ("run.json", "results.jsonl", "summary.json"):
        file = folder / name
        text = file.read_text().replace('"benchmark":"mine"', f'"benchmark":"{path}"')
        file.write_text(text.replace('"mine":', f'"{path}":').replace('"mine": ', f'"{path}": '))


def test_runs_and_baselines_of_before_are_compared_under_the_new_name(evalh, files, monkeypatch):
    run = ("run", "mine.yaml", "--model", "echo", "--name")
    assert evalh(*run, "old").code == evalh(*run, "new").code == 0
    as_before(files / "runs/old", "./mine.yaml")
    assert json.loads((files / "runs/old/run.json").read_text())["benchmarks"].keys() == {"./mine.yaml"}
    said = evalh("compare", "old", "new", "--json", "--margin", "./mine.yaml=0.05")
    assert said.code == 0, said.err
    (task,) = said.json["tasks"]
    assert (task["benchmark"], task["n"], task["margin"]) == ("mine", 40, 0.05)
    assert evalh("baseline", "set", "old", "--name", "main").code == 0
    said = evalh("compare", "main", "new", "--json", "--margin", "mine=0.05")
    assert said.code == 0 and said.json["tasks"][0]["n"] == 40, said.err
    both = evalh("compare", "old", "old", "--json", "--margin", "mine=0.05")
    assert both.code == 0 and both.json["tasks"][0]["margin"] == 0.05, both.err


def test_a_field_in_single_braces_is_no_question(evalh, files):
    (files / "mine.yaml").write_text(YAML.replace("{{q}}", "{q}"))
    said = evalh("run", "mine.yaml", "--model", "echo")
    assert said.code == 2 and "mine.yaml:2" in said.err and "{{q}}" in said.err
    (files / "mine.yaml").write_text(YAML.replace("{{q}}", "{{q}} as {q}"))
    assert evalh("run", "mine.yaml", "--model", "echo").code == 0, "beside a field it may be meant"


@pytest.mark.parametrize(
    ("more", "asked"), [("", (1024, None)), ("max_tokens: 40\n", (40, None)), ('stop: ["END"]\n', (1024, ["END"]))]
)
def test_the_length_and_the_stop_of_a_file_hold_for_chat_models_too(evalh, files, more, asked):
    (files / "mine.yaml").write_text(YAML + more)
    with serve(lambda body: "1") as stub:
        assert evalh("run", "mine.yaml", "--model", "openai:m", "--base-url", stub.url).code == 0
        assert {(body["max_tokens"], tuple(body.get("stop", ())) or None) for body in stub.seen} == {
            (asked[0], tuple(asked[1]) if asked[1] else None)
        }

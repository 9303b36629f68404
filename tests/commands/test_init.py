"""`evalh init`: what it writes runs as it is."""

import json

import yaml

from evalharness.cli import guarded
from evalharness.file_benchmarks.modelgraded import open_judge
from evalharness.suites import starter_files


def test_what_is_written_runs_and_gates(evalh, tmp_path):
    said = evalh("init", "--model", "echo", "--ci", "github")
    assert said.code == 0, said.err
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "evals/suite.yaml", "evals/my_bench.yaml", "evals/my_bench.jsonl", "evals/my_judge.yaml",
        ".github/workflows/evals.yml", ".gitignore",
    }  # fmt: skip
    commands = [line.split()[1:] for line in said.out.partition("next:\n")[2].partition("\n\n")[0].splitlines()]
    assert [words[0] for words in commands] == ["preview", "run", "ci"]
    for words in commands:
        assert evalh(*words).code == 0, words
    assert evalh("ci", "evals/suite.yaml").code == 0, "the same model against its own baseline"
    assert open_judge("evals/my_judge.yaml").title
    workflow = yaml.safe_load((tmp_path / ".github/workflows/evals.yml").read_text())
    assert any("evalh ci evals/suite.yaml" in str(step) for step in workflow["jobs"]["evalh"]["steps"])


def test_the_benchmark_is_one_that_a_right_answer_passes(evalh, tmp_path):
    assert evalh("init", "mine", "--model", "echo").code == 0
    rows = [json.loads(line) for line in (tmp_path / "mine/my_bench.jsonl").read_text().splitlines()]
    texts = [row["capital"] if isinstance(row["capital"], str) else row["capital"][1] for row in rows]
    lines = [{"id": row["id"], "response": f"It is {text}."} for row, text in zip(rows, texts, strict=True)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = evalh("run", "mine/my_bench.yaml", "--model", "replay:a.jsonl", "--json")
    assert said.json["benchmarks"]["my_bench"]["metrics"]["accuracy"]["value"] == 1.0, said.err


def test_nothing_is_written_over_and_a_slip_is_named(evalh, tmp_path):
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/my_bench.jsonl").write_text("mine")
    said = evalh("init")
    assert said.code == 2 and "my_bench.jsonl" in said.err
    assert [path.name for path in (tmp_path / "evals").iterdir()] == ["my_bench.jsonl"]
    assert "did you mean github" in evalh("init", "x", "--ci", "gihub").err
    assert "did you mean openai" in evalh("init", "x", "--model", "opnai:gpt-4o").err
    assert evalh("init", "../x").code == 2 and evalh("init", "/tmp/x").code == 2


def test_it_asks_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    answers = iter(["gitlab", "echo"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert guarded(["init"]) == 0
    assert (tmp_path / "evalh.gitlab-ci.yml").is_file() and "echo" in (tmp_path / "evals/suite.yaml").read_text()


def test_ci_installs_what_runs_here_from_where_it_came(monkeypatch):
    def came(source):
        class Found:
            def read_text(self, name):
                return {"direct_url.json": source}.get(name)

        monkeypatch.setattr(starter_files.metadata, "distribution", lambda name: Found())

    version = "1.2.3"
    monkeypatch.setattr(starter_files.metadata, "version", lambda name: version)
    came(None)
    assert starter_files.required("openai:m") == f"evalharness=={version}"
    assert starter_files.required("local:x") == f"evalharness[local]=={version}"
    assert not starter_files.from_a_folder()
    came(
        '{"url": "https://x.example/y.git", "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "v1"}}'
    )
    assert starter_files.required("tiny") == "evalharness[local] @ git+https://x.example/y.git@abc"
    came('{"url": "file:///somewhere", "dir_info": {"editable": true}}')
    assert (starter_files.required("tiny"), starter_files.from_a_folder()) == (f"evalharness[local]=={version}", True)


def test_a_folder_with_a_space_is_quoted_for_the_shell_of_the_pipeline(evalh, tmp_path):
    for service, place in (("github", ".github/workflows/evals.yml"), ("gitlab", "evalh.gitlab-ci.yml")):
        assert evalh("init", f"my {service}", "--model", "anthropic:m", "--ci", service).code == 0
        text = (tmp_path / place).read_text()
        assert f"evalh ci 'my {service}/suite.yaml'" in text
        assert "@" not in text.replace("actions/checkout@", "").replace("@users", "").replace("@v", "").replace(
            " @ git", ""
        )
    assert (tmp_path / ".gitignore").read_text() == "runs/\nevalh-report/\n"
    assert (
        "ANTHROPIC_API_KEY: ${{ secrets.ANTHROPIC_API_KEY }}" in (tmp_path / ".github/workflows/evals.yml").read_text()
    )


def test_a_model_that_runs_here_gets_no_key_and_the_warning_names_its_lines(evalh, tmp_path, monkeypatch):
    monkeypatch.setattr(starter_files, "_source", lambda: {"url": "file:///somewhere"})
    for service, place in (("github", ".github/workflows/evals.yml"), ("gitlab", "evalh.gitlab-ci.yml")):
        said = evalh("init", service, "--model", "replay:a.jsonl", "--ci", service)
        written = (tmp_path / place).read_text()
        assert "API_KEY" not in written
        numbers = [str(n) for n, line in enumerate(written.splitlines(), 1) if "pip install" in line]
        assert f"{place}, line{'s' if len(numbers) > 1 else ''} {' and '.join(numbers)}: CI installs" in said.err
        assert "env:" not in written.partition("baseline:\n")[2] and yaml.safe_load(written)


def test_what_git_ignores_already_is_not_said_again(evalh, tmp_path):
    (tmp_path / ".gitignore").write_text("*.pyc\n/runs")
    assert evalh("init", "--model", "echo").code == 0
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n/runs\nevalh-report/\n"
    said = evalh("init", "more", "--model", "echo")
    assert (said.code, ".gitignore" in said.out) == (0, False)

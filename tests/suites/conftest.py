"""`evalh ci` over a suite of models that an endpoint on loopback plays, and a GitHub on loopback."""

import importlib.util
import json

import pytest
from ci_stage import BENCHMARK, ITEMS, ROOT, git, reply
from stub_server import serve


@pytest.fixture(scope="module")
def endpoint():
    with serve(reply) as stub:
        yield stub


@pytest.fixture
def github():
    spec = importlib.util.spec_from_file_location("publish_server", ROOT / "tests" / "report" / "test_publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server


@pytest.fixture
def ci(evalh, endpoint, tmp_path, monkeypatch):
    """Run `evalh ci` over a suite of these models; gives what it said, with the step's outputs and files."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_TOKEN", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITLAB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    (tmp_path / "bench.yaml").write_text(BENCHMARK)
    rows = "".join(json.dumps({"q": f"Q{i}", "a": f"A{i}"}) + "\n" for i in range(ITEMS))
    (tmp_path / "rows.jsonl").write_text(rows)

    def run(*models, more="", bench="{benchmark: bench.yaml, margin: 0.1}", options=(), prices=""):
        lines = [f"  - {{name: {m}, model: 'openai:{m}', base_url: '{endpoint.url}'{prices}}}\n" for m in models]
        text = f"name: s\nmodels:\n{''.join(lines)}benchmarks:\n  - {bench}\n{more}"
        (tmp_path / "suite.yaml").write_text(text)
        before = len(endpoint.seen)
        said = evalh("ci", "suite.yaml", *options)
        run.asked = len(endpoint.seen) - before
        return said

    run.text = lambda: (tmp_path / "evalh-report" / "comment.md").read_text()
    run.report = lambda: json.loads((tmp_path / "evalh-report" / "report.json").read_text())
    return run


@pytest.fixture
def based(ci, tmp_path):
    """The same, with a baseline: 160 of 200 right."""
    assert ci("base", options=["--no-baseline", "create"]).code == 0
    assert (tmp_path / "baselines" / "main.jsonl").is_file()
    return ci


@pytest.fixture
def repository(based, tmp_path):
    """A repository whose branch `main` holds suite and baseline; the working tree is a change under test."""
    based("worse")
    (tmp_path / ".gitignore").write_text("runs\nevalh-report\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "checkout", "-qb", "change")
    return based

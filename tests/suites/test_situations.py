"""The situations that a pipeline meets, as docs/ci.md has them in a table: exit code, outputs and comment of each,
through `evalh ci` with a GitHub on loopback."""

import html
import re
import shutil
from collections.abc import Callable

import pytest
from ci_stage import BENCHMARK, ROOT, git, job

REFS = ["--baseline-ref", "main", "--policy-ref", "main"]
NARROW = {"bench": "{benchmark: bench.yaml, margin: 0.03}"}
SITUATIONS: dict[str, Callable] = {}


def situation(name, *fixtures):
    """The command that a row of the table is about; `fixtures` say what there is before it."""

    def known(run):
        SITUATIONS[name] = (run, fixtures or ("based",))
        return run

    return known


def usual(name, model, fixtures=("based",), **more):
    """A situation that is one suite beside what there is."""
    SITUATIONS[name] = (lambda ci, *_: ci(*model.split(), **more), fixtures)


usual("worse by more than the margin", "worse")
usual("better", "better")
usual("nothing changed", "same")
usual("can't tell", "little", **NARROW)
usual("can't tell, policy require-pass", "little", **NARROW, more="gate: {policy: require-pass}\n")
usual("can't tell, a critical benchmark", "little", bench="{benchmark: bench.yaml, margin: 0.03, tier: critical}")
usual("a loss on an advisory benchmark", "worse", bench="{benchmark: bench.yaml, margin: 0.1, tier: advisory}")
usual("the same, under its floor", "same", bench="{benchmark: bench.yaml, margin: 0.1, at_least: 0.9}")
usual("30 % of the requests fail", "broken")
usual("every request fails (a wrong key)", "locked")
usual("no baseline yet", "same", ("ci",))
usual("no baseline yet, pass", "same", ("ci",), more="no_baseline: pass\n")
usual("no baseline yet, create", "same", ("ci",), more="no_baseline: create\n")
usual("no baseline yet, pass, under its floor", "same", ("ci",), more="no_baseline: pass\n",
      bench="{benchmark: bench.yaml, at_least: 0.9}")  # fmt: skip
usual("a mistyped baseline", "same", more="baseline: mian\n")
usual("a budget that is used up", "better", more="budget: {cost: 95}\n",
      prices=", price_in: 1000000, price_out: 0, concurrency: 1")  # fmt: skip
usual("a budget of cost without prices", "better", more="budget: {cost: 95}\n")
usual("two models, one of them worse", "same worse")
usual("two models, one without an answer", "same locked")
usual("a key that a suite does not have", "same", more="marign: 0.5\n")
usual("a ref that is not there", "same", ("repository",), options=["--baseline-ref", "no-such-branch"])
usual("the change edits its margin", "worse", ("repository",), options=REFS,
      bench="{benchmark: bench.yaml, margin: 0.9, tier: advisory}")  # fmt: skip


@situation("a damaged baseline")
def damaged(ci, folder):
    file = folder / "baselines/main.jsonl"
    file.write_text(file.read_text().replace('"accuracy"', '"accurate"'))
    return ci("same")


@situation("the change brings a run along", "repository")
def brought(ci, folder):
    (folder / ".gitignore").write_text("")
    git(folder, "add", "runs")
    return ci("worse", options=REFS)


@situation("the judge gives no verdict")
def unjudged(ci, folder):
    (folder / "bench.yaml").write_text(BENCHMARK.replace("scorer: exact", "judge: score/5"))
    judge = f"{{judge: 'openai:judge-null', base_url: '{ci.url}'}}"
    return ci("same", more=f"no_baseline: pass\nbaseline: other\njudge: {judge}\n")


@situation("another prompt than the baseline's")
def reworded(ci, folder):
    (folder / "bench.yaml").write_text(BENCHMARK.replace('"{{q}}"', '"Now: {{q}}"'))
    return ci("better")


@situation("a benchmark that the baseline has not")
def added(ci, folder):
    shutil.copy(folder / "bench.yaml", folder / "more.yaml")
    return ci("same", bench="bench.yaml\n  - more.yaml")


@situation("cancelled")
def cancelled(ci, folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evalharness.suites.ci.whole_runs", stopped)
    return ci("worse")


def table():
    """The rows of the table in the documentation: situation -> exit code, verdict, gate, what the comment says."""
    page = (ROOT / "docs" / "ci.md").read_text()
    _, _, text = page.partition("| situation |")
    rows = {}
    for line in text.partition("\n\n")[0].splitlines()[2:]:
        name, *cells = (cell.strip() for cell in line.strip().strip("|").split(" | "))
        rows[name] = tuple(cells)
    return rows


def test_every_situation_has_a_row_and_every_row_a_situation():
    assert set(table()) == set(SITUATIONS)
    assert len(SITUATIONS) >= 20


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_a_pipeline_is_told(name, request, github, tmp_path, monkeypatch):
    run, (stage,) = SITUATIONS[name]
    ci = request.getfixturevalue(stage)
    ci.url = request.getfixturevalue("endpoint").url
    with github() as server:
        server.comments.append({"id": 1, "user": {"login": "github-actions[bot]"},
                                "body": "<!-- evalh:report key=s v=1 -->\n### an earlier one"})  # fmt: skip
        job(monkeypatch, tmp_path, server)
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
        given = (ci, tmp_path, monkeypatch)
        said = run(*given[: run.__code__.co_argcount] if run.__name__ != "<lambda>" else given)
    (comment,) = server.comments
    out = (tmp_path / "out").read_text() if (tmp_path / "out").exists() else ""
    outputs = dict(line.split("=", 1) for line in out.splitlines())
    words = html.unescape(comment["body"]).replace("\u200b", "")
    told = (str(said.code), outputs.get("verdict", "–"), outputs.get("gate", "–"))
    code, verdict, gate, wanted = table()[name]
    assert told == (code, verdict, gate), said
    assert outputs.get("exit-code", "130") == code
    for part in re.findall(r"`([^`]+)`", wanted):
        assert part in words, words
    assert ("an earlier one" in words) == (wanted == "stays as it was")

"""What `evalh ci` writes: one comment, annotations, SARIF, JUnit, and the jobs of a matrix together."""

import json
import shutil

import pytest
from ci_stage import git, job
from sarif_shape import check_sarif


def test_one_comment_is_made_kept_and_updated(based, github, tmp_path, monkeypatch):
    with github() as server:
        job(monkeypatch, tmp_path, server)
        said = [based(model).err for model in ("same", "worse")]
        assert ["the comment was written" in said[0], "the comment was updated" in said[1]] == [True, True]
        assert "already says this" in based("worse").err
        assert len(server.comments) == 1
        assert "worse" in server.comments[0]["body"].splitlines()[1]
        assert "::error file=bench.yaml,line=1,title=bench%3A worse::" in based("worse").out
        before = len(server.calls)
        assert based("worse", options=["--no-comment"]).code == 1
        assert len(server.calls) == before


def test_a_forks_token_fails_nothing_and_an_api_that_is_down_is_a_warning(based, github, tmp_path, monkeypatch):
    with github(refuse=403) as server:
        job(monkeypatch, tmp_path, server)
        said = based("same")
        assert (said.code, "the token may not comment" in said.err, server.comments) == (0, True, [])
        assert (tmp_path / "summary.md").read_text().count("### = evalh s: same") == 1
    with github(refuse=500) as server:
        job(monkeypatch, tmp_path, server)
        said = based("worse")
        assert (said.code, "warning: the comment was not written" in said.err) == (1, True)


def test_annotations_stand_on_the_file_that_the_prompt_is_in(based, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = based("worse", options=["--no-comment"])
    assert "::error file=bench.yaml,line=1,title=bench%3A worse::" in said.out
    (tmp_path / "system.txt").write_text("be brief")
    shutil.rmtree("runs/s-worse")
    said = based("worse", options=["--no-comment"], prices=", system: system.txt")
    assert "::error file=system.txt,line=1,title=" in said.out
    (result,) = sarif_results(tmp_path)
    assert (result["ruleId"], result["level"]) == ("worse", "error")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "system.txt"


def sarif_results(tmp_path):
    return check_sarif(json.loads((tmp_path / "evalh-report" / "report.sarif").read_text()))


def test_sarif_says_what_is_broken_without_a_comparison_too(ci, tmp_path):
    bench = "{benchmark: bench.yaml, at_least: 0.9}"
    assert ci("same", bench=bench).code == 2
    assert [r["ruleId"] for r in sarif_results(tmp_path)] == ["no-verdict"], "there is no baseline"
    assert ci("same", bench=bench, more="no_baseline: pass\n").code == 1
    (floor,) = sarif_results(tmp_path)
    assert (floor["ruleId"], "at least 0.9 is wanted" in floor["message"]["text"]) == ("gate-failed", True)
    assert floor["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "suite.yaml"
    more = "no_baseline: pass\nbudget: {cost: 95}\n"
    assert ci("better", more=more, prices=", price_in: 1000000, price_out: 0, concurrency: 1").code == 3
    assert ["budget" in r["message"]["text"] for r in sarif_results(tmp_path)] == [True]


def test_junit_has_a_case_for_each_item_that_broke_where_that_is_wanted(based, tmp_path):
    cases = []
    for options in ([], ["--junit-items"]):
        based("worse", options=options)
        cases.append((tmp_path / "evalh-report" / "junit.xml").read_text().count("<testcase"))
    assert cases[1] == cases[0] + 60


def test_the_jobs_of_a_matrix_make_one_comment(based, evalh, github, tmp_path, monkeypatch):
    for model in ("same", "worse"):
        based(model, options=["--report", f"jobs/{model}"])
    based("same", more="baseline: mian\n", options=["--report", "jobs/none"])
    said = evalh("ci", "merge", "jobs/same", "--json")
    assert (said.code, said.json["verdict"], said.json["gate"]) == (0, "same", "pass")
    with github() as server:
        job(monkeypatch, tmp_path, server)
        monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
        said = evalh("ci", "merge", "jobs", "--key", "matrix")
        assert said.code == 1, said
        assert evalh("ci", "merge", "jobs", "--key", "matrix").code == 1
        assert len(server.comments) == 1
        body = server.comments[0]["body"]
    assert body.startswith("<!-- evalh:report key=matrix v=1 -->\n### ✗ evalh, 1 suites: worse")
    assert body.count("\n#### ") == 2
    assert "did you mean main" in body
    assert (tmp_path / "out").read_text().startswith("verdict=worse\ngate=fail\nexit-code=1\n")


def test_what_cannot_be_merged(based, evalh, tmp_path):
    based("same")
    assert evalh("ci", "merge").code == 2
    assert "there is no report.json" in evalh("ci", "merge", "runs").err
    (tmp_path / "x.json").write_text("{}")
    assert "not the report of a suite" in evalh("ci", "merge", "x.json").err
    for change in ({"exit_code": 77}, {"gate": "maybe"}, {"models": [7]}, {"models": [{"verdict": "great"}]}):
        (tmp_path / "x.json").write_text(json.dumps({**based.report(), **change}))
        said = evalh("ci", "merge", "x.json")
        assert (said.code, "damaged" in said.err) == (2, True), change
    assert evalh("ci", "suite.yaml", "other.yaml").code == 2


def test_commands_to_be_pasted_are_quoted_and_the_report_says_how_it_was_made(based, evalh, tmp_path):
    (tmp_path / "my suites").mkdir()
    assert based("worse", options=["--name", "pr"]).code == 1
    command = based.report()["models"][0]["comparison"]["command"]
    assert command == "evalh ci suite.yaml --name pr"
    text = (tmp_path / "suite.yaml").read_text().replace("bench.yaml", "../bench.yaml")
    (tmp_path / "my suites/suite.yaml").write_text(f"{text}baseline: other\n")
    said = evalh("ci", "my suites/suite.yaml")
    assert "`evalh ci 'my suites/suite.yaml' --no-baseline create`" in said.out, said


def test_the_name_of_a_remotes_branch_is_its_branch(repository, evalh, tmp_path):
    """Where only the newest commit was fetched there is no `origin/main` here."""
    git(tmp_path, "remote", "add", "origin", str(tmp_path / ".git"))
    assert repository("worse", options=["--baseline-ref", "origin/main"]).code == 1
    assert repository("worse", options=["--baseline-ref", "origin/"]).code == 2


def test_two_jobs_of_a_matrix_do_not_write_over_each_others_comment(based, github, tmp_path, monkeypatch):
    """https://github.com/pulumi/actions/issues/563, https://github.com/docker/scout-action/issues/52"""
    with github() as server:
        job(monkeypatch, tmp_path, server)
        for name in ("brief", "long", "brief"):
            based("same", options=["--name", name])
        assert [one["body"].splitlines()[0] for one in server.comments] == [
            f"<!-- evalh:report key={name} v=1 -->" for name in ("brief", "long")
        ]


def test_failed_requests_are_no_wrong_answers_and_no_failures_in_junit(based, tmp_path):
    """https://github.com/NVIDIA-NeMo/Evaluator/pull/1155 (an outage read as a regression),
    https://github.com/EntityProcess/agentv/issues/894 (errors as failures)"""
    assert based("broken").code == 3
    text = (tmp_path / "evalh-report/junit.xml").read_text()
    assert (text.count("<failure"), "<error" in text) == (0, True)


@pytest.mark.parametrize("models", [("locked",), ("same", "locked")])
def test_a_run_of_which_nothing_was_answered_is_never_green(ci, models):
    """https://github.com/i-dot-ai/themefinder/pull/119, https://github.com/robocurve/inspect-robots/issues/73,
    https://github.com/confident-ai/deepeval/issues/770"""
    said = ci(*models, more="no_baseline: pass\n")
    assert (said.code, ci.report()["gate"], ci.report()["verdict"]) == (2, "inconclusive", "no verdict")
    assert ci.asked <= len(models) * 200


@pytest.mark.slow
def test_a_comment_does_not_stay_green_beside_a_job_that_could_not_begin(based, evalh, github, tmp_path, monkeypatch):
    """https://github.com/ArtiomTr/jest-coverage-report-action/issues/289"""
    with github() as server:
        job(monkeypatch, tmp_path, server)
        based("same")
        assert "= evalh s: same" in server.comments[0]["body"]
        for text in (
            "name: s\nmodels: [",
            "name: 's'\nmodels: []\nbenchmarks: [mmlu]\n",
            "name: s\nmodels: &x [echo]\n",
        ):
            (tmp_path / "suite.yaml").write_text(text)
            assert evalh("ci", "suite.yaml").code == 2
            assert len(server.comments) == 1
            assert "! evalh s: no verdict" in server.comments[0]["body"]
            based("same")

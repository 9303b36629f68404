"""From a file of programs to table, reports and gate: no program chooses its status, no cheat moves the headline."""

import json
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.data.files import jsonl
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION

ROWS = list(jsonl(plugins.load_benchmark("humaneval").source.sample))
FORGED = "    class Y:\n        def __eq__(self, other):\n            return True\n    return Y()\n"
WRONG = "    return None\n"
SAYS_ERROR = """    import json, os
    body = json.dumps({"v": "error", "why": "ours"}).encode()
    os.write(3, len(body).to_bytes(4, "little") + body)
    os._exit(97)
"""
HALF = len(ROWS) // 2


@pytest.fixture
def run(evalh):
    """Runs the bundled questions, the second half of them answered by `odd`; gives the folder and what was said."""

    def of(name, odd, *more):
        told = [{"task_id": row["task_id"], "completion": row["canonical_solution"]} for row in ROWS]
        told[HALF:] = [{**one, "completion": odd} for one in told[HALF:] if odd is not None] or told[HALF:]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
        model = ("--model", f"replay:{name}.jsonl", "--name", name)
        return evalh("run", "humaneval", "--data", "sample", *model, *more)

    return of


def figures(said):
    (entry,) = said.json["benchmarks"].values()
    return {name: round(figure["value"] * len(ROWS)) for name, figure in entry["metrics"].items()}, entry["programs"]


@pytest.mark.parametrize(
    ("odd", "published", "standing"),
    [(FORGED, len(ROWS), "suspect"), (WRONG, HALF, "failed"), (SAYS_ERROR, HALF, "failed"),
     ("    import os\n    os._exit(97)\n", HALF, "failed"), ("    import no_such_package\n", HALF, "unscored")],
)  # fmt: skip
def test_no_answer_leaves_the_headline_or_enters_it(run, odd, published, standing):
    said = run("new", odd, "--json", "--skip-unanswered")
    metrics, programs = figures(said)
    assert said.code == 0 and metrics == {"pass@1": HALF, "pass@1_published": published, "pass@1_confirmed": HALF}
    assert programs["confirmed"] == HALF and programs[standing] == len(ROWS) - HALF


def test_without_a_split_nothing_is_said_to_be_confirmed(run):
    metrics, programs = figures(run("new", None, "--check", "inproc", "--json"))
    assert metrics == {"pass@1": len(ROWS), "pass@1_published": len(ROWS)}
    assert programs == {"confirmed": 0, "unconfirmable": len(ROWS), "suspect": 0, "failed": 0}


def test_all_four_are_counted_in_table_and_reports(run, evalh):
    said = run("new", FORGED)
    counted = f"{HALF} confirmed, 0 unconfirmable, {len(ROWS) - HALF} suspect, 0 failed"
    assert counted in " ".join(said.out.split()) and "pass the published check and not the split" in said.out
    for form in ("terminal", "markdown", "html", "junit", "json"):
        found = " ".join(evalh("report", "new", "--format", form).out.split())
        assert (counted if form != "json" else '"programs"') in found, form
    shown = evalh("show", "new", "--item", ROWS[-1]["task_id"]).out
    assert "[standing]\nsuspect" in shown


@pytest.mark.slow
def test_ten_cheating_answers_fail_the_gate_and_are_no_gain(run, evalh):
    run("base", WRONG)
    run("new", FORGED)
    said = evalh("compare", "base", "new", "--gate", "--json", "--html", "page.html", "--junit", "page.xml")
    (task,) = said.json["tasks"]
    assert said.code == 1 and said.json["gate"] == "fail"
    assert (task["difference"], task["verdict"], task["gate"]) == (0.0, "can't tell", "fail")
    assert "suspect" in task["reason"] and task["programs"]["new"]["suspect"] == len(ROWS) - HALF
    assert "suspect" in Path("page.html").read_text() and "<failure" in Path("page.xml").read_text()
    said = evalh("compare", "base", "new", "--gate")
    assert said.code == 1 and "FAIL" in said.out and "worse by more" not in said.out


@pytest.mark.slow
def test_a_rise_of_what_cannot_be_confirmed_fails_the_gate(run, evalh):
    run("base", None)
    run("new", None, "--check", "inproc")
    said = evalh("compare", "base", "new", "--gate", "--json")
    assert said.code == 1 and "unconfirmable passes rose by 100.0 points" in said.json["tasks"][0]["reason"]
    assert evalh("compare", "new", "base", "--gate").code == 0
    assert evalh("compare", "base", "new", "--gate", "--margin", "0.99").code == 1
    evalh("baseline", "set", "base", "--name", "main")
    assert evalh("compare", "main", "new", "--gate").code == 1


def of_version(folder, version):
    """Makes a run look as an older version wrote it: a published pass was the headline, and no version was said."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line["scores"] = {"accuracy": line["scores"]["published"], "confirmed": line["scores"]["confirmed"]}
        line["status"] = "correct" if line["scores"]["accuracy"] else "wrong"
        line["detail"].pop("standing")
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest.pop("scoring_version") == SCORING_VERSION
    manifest |= {} if version is None else {"scoring_version": version}
    (folder / "run.json").write_text(json.dumps(manifest))
    summary = json.loads((folder / "summary.json").read_text())
    (entry,) = summary["benchmarks"].values()
    entry.pop("programs")
    entry["counts"] |= {"correct": sum(line["status"] == "correct" for line in lines)}
    entry["counts"] |= {"wrong": len(lines) - entry["counts"]["correct"]}
    (folder / "summary.json").write_text(json.dumps(summary))


@pytest.mark.slow
def test_a_run_of_an_older_version_is_scored_again_and_stays_as_it_is(run, evalh):
    run("base", FORGED)
    run("new", WRONG)
    of_version(Path("runs/base"), None)
    before = {file.name: file.read_bytes() for file in Path("runs/base").iterdir()}
    said = evalh("compare", "base", "new", "--json")
    (task,) = said.json["tasks"]
    assert said.code == 0 and task["base"] == pytest.approx(HALF / len(ROWS)) and task["difference"] == 0.0
    assert any("BASE was scored by version 1" in note for note in said.json["notes"])
    assert {file.name: file.read_bytes() for file in Path("runs/base").iterdir()} == before
    assert evalh("compare", "base", "base").code == 0  # both by the same rules: nothing to bring together


@pytest.mark.slow
def test_a_baseline_of_an_older_version_cannot_be_compared_and_says_why(run, evalh):
    run("base", WRONG)
    run("new", WRONG)
    of_version(Path("runs/base"), None)
    evalh("baseline", "set", "base", "--name", "old")
    said = evalh("compare", "old", "new")
    assert said.code == 4 and "version 1" in said.err and f"versions {SCORING_VERSION} and {READING_RULES}" in said.err
    assert "evalh rescore" in said.err and said.err.count("\n") == 1
    evalh("rescore", "base")
    evalh("baseline", "set", "base", "--name", "fresh")
    assert evalh("compare", "fresh", "new").code == 0


@pytest.mark.slow
def test_a_run_of_a_later_version_says_to_upgrade(run, evalh):
    run("base", WRONG)
    run("new", WRONG)
    of_version(Path("runs/base"), SCORING_VERSION + 1)
    said = evalh("compare", "base", "new")
    assert said.code == 4 and f"version {SCORING_VERSION + 1}" in said.err and "upgrade" in said.err


@pytest.mark.slow
def test_a_run_does_not_go_on_under_other_rules(run, evalh):
    run("base", WRONG)
    of_version(Path("runs/base"), None)
    said = run("base", WRONG)
    assert said.code == 2 and "evalh rescore" in said.err
    evalh("rescore", "base")
    assert run("base", WRONG).code == 0


@pytest.mark.slow
def test_programs_that_need_a_package_are_scored_again_with_it(run, evalh):
    odd = "    import numpy\n    return numpy.int64(7)\n"
    first = run("new", odd, "--json")
    assert figures(first)[1]["unscored"] == len(ROWS) - HALF
    assert "unscored: needs numpy" in evalh("run", "humaneval", "--data", "sample", "--model", "replay:new.jsonl",
                                            "--name", "new").out  # fmt: skip
    said = run("new", odd, "--sandbox-packages", "numpy")
    assert said.code == 2 and "rescore" in said.err and "--sandbox-packages" in said.err
    said = evalh("rescore", "new", "--sandbox-packages", "numpy", "--json")
    assert said.code == 0 and "unscored" not in figures(said)[1]
    assert run("new", odd, "--sandbox-packages", "numpy").code == 0

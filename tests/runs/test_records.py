"""What a run says of itself, as records: kept byte for byte, checked by the schema that they give, versioned."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from run_folders import make_run

from evalharness.comparison.inputs import open_side
from evalharness.data.kept import schema_of, to_json
from evalharness.data.typed import record
from evalharness.errors import UserError
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import SCHEMA_VERSION, Manifest
from evalharness.runs.store import MANIFEST, SUMMARY, Run

OLD = Path(__file__).parents[1] / "old_versions"
# The hash of the schemas that the records of a run's files give, by version. Whoever changes a record raises
# SCHEMA_VERSION in runs/manifest.py, adds a line here, and a run written by the new version to tests/old_versions.
SCHEMAS = {
    2: "ac6d43f7b7c0baf18ba6f5bd198d90cc0d8834818250a0e96c2ccde38991675f",
    3: "e4e8988b0f36af939449182a32a5fa8ad4ac9b43c1246082c9c5346c3ddaccb6",
}
KEPT_RUNS = sorted(path.parent for path in OLD.glob("*/runs/*/run.json"))


def test_a_record_changes_with_its_version_only():
    text = json.dumps([schema_of(Manifest), schema_of(Summary)], sort_keys=True)
    assert SCHEMAS.get(SCHEMA_VERSION) == hashlib.sha256(text.encode()).hexdigest()
    assert max(SCHEMAS) == SCHEMA_VERSION


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_run_of_every_version_is_kept_and_read(version):
    found = [run for run in map(Run, KEPT_RUNS) if run.manifest.schema_version == version]
    assert found, f"tests/old_versions has no run of schema_version {version}"
    assert all(run.summary.benchmarks and run.results() for run in found)


@pytest.mark.parametrize("folder", KEPT_RUNS, ids=lambda folder: folder.name)
def test_reading_and_writing_again_changes_no_byte(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    run.write(MANIFEST, run.manifest)
    run.write(SUMMARY, run.summary)
    for name in (MANIFEST, SUMMARY):
        assert (run.path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("folder", KEPT_RUNS, ids=lambda folder: folder.name)
def test_the_summary_of_an_old_run_is_made_again_from_its_journal(folder, evalh, tmp_path):
    """By today's rules the figures of old runs are the same, and every key that was there stands where it stood."""
    shutil.copytree(folder, tmp_path / "runs" / "old")
    before = json.loads((tmp_path / "runs" / "old" / SUMMARY).read_bytes())
    assert evalh("rescore", "old").code == 0
    after = json.loads((tmp_path / "runs" / "old" / SUMMARY).read_bytes())
    for name, entry in before["benchmarks"].items():
        made = after["benchmarks"][name]
        assert [key for key in made if key in entry] == list(entry)
        assert {key: made[key] for key in ("mode", "n", "headline", "counts", "bounds", "tokens")} == {
            key: entry[key] for key in ("mode", "n", "headline", "counts", "bounds", "tokens")
        }
    assert evalh("verify", "old").code == 0


def test_what_others_wrote_into_a_manifest_is_kept(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "--data", "sample", "--limit", 3, "--model", "tiny", "--name", "r").code == 0
    file = tmp_path / "runs" / "r" / MANIFEST
    said = json.loads(file.read_text())
    said = {"theirs": [1], **said, "more": {"a": None}}
    said["benchmarks"]["tiny_exam"]["note"] = "kept"
    file.write_text(json.dumps(said))
    assert evalh("rescore", "r").code == 0
    assert json.loads(file.read_text()) == said
    assert list(json.loads(file.read_text())) == list(said)


def test_new_runs_say_their_versions(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "--data", "sample", "--limit", 3, "--model", "tiny", "--name", "r").code == 0
    manifest = json.loads((tmp_path / "runs" / "r" / MANIFEST).read_text())
    assert list(manifest)[:4] == ["format", "schema_version", "scoring_version", "name"]
    assert (manifest["format"], manifest["schema_version"]) == (1, SCHEMA_VERSION)


def changed(value, path, to):
    """The value with one place in it set, or dropped where `to` is DROP."""
    made = json.loads(json.dumps(value))
    at = made
    for key in path[:-1]:
        at = at[key]
    if to is DROP:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return made


DROP = object()
DAMAGED = [
    (MANIFEST, ("benchmarks",), DROP, "'benchmarks' is a required property"),
    (MANIFEST, ("benchmarks", "quiz", "items"), DROP, "benchmarks.quiz: 'items' is a required property"),
    (MANIFEST, ("benchmarks", "quiz", "items"), "6", "benchmarks.quiz.items: '6' is not of type 'integer'"),
    (MANIFEST, ("benchmarks", "quiz", "items"), -1, "benchmarks.quiz.items: -1 is less than the minimum of 0"),
    (MANIFEST, ("benchmarks", "quiz", "mode"), 7, "benchmarks.quiz.mode: 7 is not of type 'string'"),
    (MANIFEST, ("benchmarks", "quiz", "data"), [], "benchmarks.quiz.data: [] is not of type 'object'"),
    (MANIFEST, ("benchmarks", "quiz", "data"), {"kind": "moon"}, "benchmarks.quiz.data.kind: 'moon' is not one of"),
    (MANIFEST, ("benchmarks", "quiz", "shots"), True, "shots: True"),
    (MANIFEST, ("sampling", "temperature"), "hot", "sampling.temperature: 'hot' is not of type 'number'"),
    (MANIFEST, ("command",), "evalh", "command: 'evalh' is not of type 'array'"),
    (MANIFEST, ("scoring_version",), "2", "scoring_version: '2' is not of type 'integer'"),
    (MANIFEST, ("git",), {"commit": 7}, "git.commit: 7 is not of type 'string'"),
    (MANIFEST, ("judgings",), {"j": {"seats": [7]}}, "judgings.j.seats.0: 7 is not of type 'object'"),
    (MANIFEST, ("sequential",), {"benchmarks": {"quiz": {}}}, "sequential.benchmarks.quiz: 'decision' is a required"),
    (SUMMARY, ("benchmarks",), DROP, "'benchmarks' is a required property"),
    (SUMMARY, ("benchmarks", "quiz", "counts"), DROP, "benchmarks.quiz: 'counts' is a required property"),
    (SUMMARY, ("benchmarks", "quiz", "metrics", "accuracy", "value"), "1", "metrics.accuracy.value: '1' is not of"),
    (SUMMARY, ("benchmarks", "quiz", "metrics", "accuracy", "n"), DROP, "'n' is a required property"),
    (SUMMARY, ("benchmarks", "quiz", "counts", "correct"), -2, "counts.correct: -2 is less than"),
]


@pytest.mark.parametrize(("file", "path", "to", "said"), DAMAGED)
def test_a_field_of_another_kind_or_a_missing_one_is_one_line_that_names_it(evalh, tmp_path, file, path, to, said):
    folder = make_run(tmp_path / "runs" / "r", "110100")
    value = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(changed(value, path, to)))
    for words in (["compare", "r", "r"], ["report", "r"], ["verify", "r"]):
        found = evalh(*words)
        line = (found.err + found.out).strip().splitlines()[0]
        assert found.code == 2 and "Traceback" not in found.err, words
        assert file in line and said in line, words
    assert (found.err + found.out).count(said) == 1


@pytest.mark.parametrize(("file", "path", "to", "said"), DAMAGED)
def test_reader_and_schema_refuse_the_same(tmp_path, file, path, to, said):
    """Both are made of the record's fields; here for every damage above, and for a whole file."""
    from jsonschema import Draft202012Validator

    value = json.loads((make_run(tmp_path / "r", "110100") / file).read_text())
    kind = Manifest if file == MANIFEST else Summary
    check = Draft202012Validator(schema_of(kind))
    assert not list(check.iter_errors(value)) and to_json(record(kind, value)) == value
    bad = changed(value, path, to)
    with pytest.raises(ValueError):
        record(kind, bad)
    assert list(check.iter_errors(bad))


@pytest.mark.parametrize(("key", "value"), [("format", 9), ("format", "new"), ("schema_version", 99)])
def test_a_run_of_a_newer_version_is_one_line(evalh, tmp_path, key, value):
    folder = make_run(tmp_path / "runs" / "r", "1100")
    said = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**said, key: value, "benchmarks": 7}))
    for words in (["compare", "r", "r"], ["show", "r"], ["report", "r"], ["rescore", "r"], ["verify", "r"]):
        found = evalh(*words)
        assert found.code == 2 and found.err.count("\n") == 1, words
        assert f"run.json: {key}: written by a later evalharness" in found.err, words


def test_a_summary_that_disagrees_with_its_journal_is_one_line(evalh, tmp_path):
    folder = make_run(tmp_path / "runs" / "r", "1100")
    said = json.loads((folder / SUMMARY).read_text())
    said["benchmarks"]["quiz"]["counts"] = {"correct": 3, "wrong": 1}
    (folder / SUMMARY).write_text(json.dumps(said))
    found = evalh("compare", "r", "r")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "results.jsonl: edited or damaged: quiz has 2 correct where the summary counts 3 correct" in found.err
    with pytest.raises(UserError, match="where the summary counts"):
        open_side(str(folder)).scores({"quiz": "accuracy"})

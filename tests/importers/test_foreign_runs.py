"""Runs that other programs made: they import with that program's own figures, compare with ours, and come out again."""

import io
import json
import math
import struct
import zipfile
import zlib

import pytest

from evalharness.exporters import lm_eval as lm_eval_export
from evalharness.runs.journal import loads
from evalharness.runs.store import Run

STAMP = "2026-11-28T17-15-22.855867"
TASK = """task: caps
dataset_path: json
dataset_kwargs: {data_files: {test: q.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc}]
"""
CITIES = ("Rome", "Oslo", "Bern", "Cairo")


def documents(count=24):
    return [{"question": f"Which city is number {i}?", "choices": list(CITIES), "answer": i % 4} for i in range(count)]


def ranked_line(doc_id, doc, right=True, **changes):
    """A line of samples as lm-evaluation-harness writes it; the likeliest choice is the right one or the next."""
    best = (doc["answer"] + (not right)) % len(doc["choices"])
    pairs = [[str(-1.5 - (i != best)), str(i == best)] for i in range(len(doc["choices"]))]
    prompt = f"Q: {doc['question']}\nA:"
    return {
        "doc_id": doc_id, "doc": doc, "target": str(doc["answer"]),
        "arguments": {f"gen_args_{i}": {"arg_0": prompt, "arg_1": f" {c}"} for i, c in enumerate(doc["choices"])},
        "resps": [[pair] for pair in pairs], "filtered_resps": pairs, "filter": "none", "metrics": ["acc"],
        "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "acc": float(right), **changes,
    }  # fmt: skip


def written_line(doc_id, said, read, used, right):
    return {
        "doc_id": doc_id, "doc": {"question": f"{doc_id}+1?", "answer": f"...#### {doc_id + 1}"},
        "target": f"...#### {doc_id + 1}",
        "arguments": {"gen_args_0": {"arg_0": f"{doc_id}+1?", "arg_1": {"until": ["Q:"], "do_sample": False}}},
        "resps": [[said]], "filtered_resps": [read], "filter": used, "metrics": ["exact_match"],
        "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "exact_match": right,
    }  # fmt: skip


def lm_eval_folder(folder, tasks, results=None, **more):
    """A folder as `--output_path` with `--log_samples` leaves it: `tasks` are the lines of each task."""
    folder.mkdir(parents=True, exist_ok=True)
    for task, lines in tasks.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"samples_{task}_{STAMP}.jsonl").write_text(text, encoding="utf-8")
    said = {"results": results or {}, "model_name": "org/theirs", "date": 1795885741.2, **more}
    (folder / f"results_{STAMP}.json").write_text(json.dumps(said, indent=2, ensure_ascii=False), encoding="utf-8")
    return folder


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_real_run_of_lm_eval_comes_out_byte_for_byte(evalh, shared, tmp_path):
    folder = shared / "foreign" / "lm_eval"
    said = evalh("import", "lm_eval", folder, "--name", "theirs", "--json")
    assert said.code == 0, said.err
    assert {name: entry["n"] for name, entry in said.json["benchmarks"].items()} == {"tinygen": 20, "tinymc": 20}
    first = loads((tmp_path / "runs/theirs/results.jsonl").read_bytes().splitlines()[20])
    assert first["response"]["logprobs"][:2] == [-7.115612030029297, -6.853859901428223]
    assert first["detail"] == {"lm_eval": {"none": {}}}, "all of a line is in the result itself"
    assert evalh("verify", "runs/theirs").code == 0
    assert evalh("export", "theirs", "lm_eval", "--to", "out").code == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(written) == 3
    for name in written:
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


def test_an_imported_run_is_the_same_as_ours_of_the_same_items(evalh, tmp_path):
    docs = documents(600)
    lines = [ranked_line(i, doc, right=i % 3 > 0) for i, doc in enumerate(docs)]
    lm_eval_folder(tmp_path / "lm", {"caps": lines}, {"caps": {"acc,none": 2 / 3}}, **{"n-shot": {"caps": 0}})
    (tmp_path / "caps.yaml").write_text(TASK)
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    answers = tmp_path / "lm" / f"samples_caps_{STAMP}.jsonl"
    assert evalh("run", "./caps.yaml", "--model", f"replay:{answers}", "--name", "ours").code == 0
    assert evalh("import", "lm_eval", "lm", "--name", "theirs").code == 0
    for pair in (("ours", "theirs"), ("theirs", "ours")):
        said = evalh("compare", *pair, "--json")
        assert said.code == 0, said.err
        (task,) = said.json["tasks"]
        assert (task["verdict"], task["n"], task["broke"], task["fixed"]) == ("same", 600, 0, 0)
        assert task["mismatches"] == [], "prompt, shots, data and sampling are equal, not passed over"
        assert any("paired by what was asked" in note for note in said.json["notes"])


def test_items_are_paired_by_what_is_asked_and_what_differs_is_said(evalh, tmp_path):
    docs = documents(60)
    ours = [ranked_line(i, doc) for i, doc in enumerate(docs)]
    turned = [ranked_line(len(docs) - 1 - i, doc, right=i != 7) for i, doc in enumerate(docs)]
    for line in turned:  # other ids, examples before the question, other choices first
        for part in line["arguments"].values():
            part["arg_0"] = "Q: Which is first?\nA: Rome\n\n" + part["arg_0"]
        line["doc"] = {**line["doc"], "question": "Q: " + line["doc"]["question"] + "\nA:"}
    lm_eval_folder(tmp_path / "a", {"caps": ours})
    lm_eval_folder(tmp_path / "b", {"caps_5shot": turned}, **{"n-shot": {"caps_5shot": 1}})
    assert (
        evalh("import", "lm_eval", "a", "--name", "a").code == evalh("import", "lm_eval", "b", "--name", "b").code == 0
    )
    said = evalh("compare", "a", "b", "--json")
    (task,) = said.json["tasks"]
    assert (task["n"], task["broke"], task["fixed"]) == (60, 1, 0)
    assert [sample["id"] for sample in task["samples"]] == ["7"], "the item has BASE's id"
    assert {"prompt", "shots"} <= {m["field"] for m in task["mismatches"]}


def test_other_questions_are_not_compared(evalh, tmp_path):
    lm_eval_folder(tmp_path / "a", {"caps": [ranked_line(i, doc) for i, doc in enumerate(documents(30))]})
    changed = [{**doc, "question": doc["question"].replace("city", "town")} for doc in documents(30)]
    lm_eval_folder(tmp_path / "b", {"caps": [ranked_line(i, doc) for i, doc in enumerate(changed)]})
    for name in "ab":
        assert evalh("import", "lm_eval", name, "--name", name).code == 0
    assert evalh("compare", "a", "b").code == 4
    wrong = [{**doc, "answer": (doc["answer"] + 1) % 4} for doc in documents(30)]
    lm_eval_folder(tmp_path / "c", {"caps": [ranked_line(i, doc) for i, doc in enumerate(wrong)]})
    assert evalh("import", "lm_eval", "c", "--name", "c").code == 0
    assert evalh("compare", "a", "c").code == 4, "another right answer makes another item"


def test_every_filter_has_its_figure_and_comes_out_again(evalh, tmp_path):
    strict = [written_line(i, f"so {i + 1}", "[invalid]" if i else "1", "strict-match", float(not i)) for i in range(4)]
    loose = [written_line(i, f"so {i + 1}", str(i + 1), "flexible-extract", 1.0) for i in range(4)]
    figures = {"exact_match,strict-match": 0.25, "exact_match,flexible-extract": 1.0, "alias": "gsm"}
    folder = lm_eval_folder(tmp_path / "lm", {"gsm": strict + loose}, {"gsm": figures})
    said = evalh("import", "lm_eval", "lm", "--name", "theirs", "--json")
    entry = said.json["benchmarks"]["gsm"]
    assert {name: one["value"] for name, one in entry["metrics"].items()} == {
        "accuracy": 0.25, "accuracy,flexible-extract": 1.0,
    }  # fmt: skip
    assert entry["counts"]["unparsed"] == 3 and entry["counts"]["correct"] == 1
    assert evalh("export", "theirs", "lm_eval", "--to", "out").code == 0
    name = f"samples_gsm_{STAMP}.jsonl"
    assert lines_of(tmp_path / "out" / name) == lines_of(folder / name)


def test_a_target_that_is_a_choices_text_and_a_digit(evalh, tmp_path):
    doc = {"question": "What is 1+1?", "choices": ["2", "3", "0", "1"], "answer": 0}
    line = ranked_line(0, doc, target="2")
    lm_eval_folder(tmp_path / "lm", {"sums": [line]})
    assert evalh("import", "lm_eval", "lm", "--name", "theirs").code == 0
    (result,) = Run(tmp_path / "runs/theirs").results()
    assert result.sample.gold_indices == (0,) and result.status == "correct"


def test_a_figure_that_is_no_mean_is_theirs_and_its_direction_is_kept(evalh, tmp_path):
    lines = []
    for i in range(3):
        line = written_line(i, "", "", "none", 0.0)
        line["arguments"] = {"gen_args_0": {"arg_0": f"text {i}"}}
        line |= {"resps": [["-12.5"]], "filtered_resps": ["-12.5"], "metrics": ["word_perplexity"]}
        line["word_perplexity"] = [-12.5, 3]
        del line["exact_match"]
        lines.append(line)
    figures = {"word_perplexity,none": 64.25, "word_perplexity_stderr,none": "N/A"}
    better = {"wiki": {"word_perplexity": False}}
    lm_eval_folder(tmp_path / "lm", {"wiki": lines}, {"wiki": figures}, higher_is_better=better)
    said = evalh("import", "lm_eval", "lm", "--name", "theirs", "--json")
    assert said.json["benchmarks"]["wiki"]["metrics"]["word_perplexity"]["value"] == 64.25
    assert evalh("verify", "runs/theirs").code == 0


BAD_LINES = [
    ({"resps": []}, "resps"),
    ({"resps": [[["nan", "False"]]] * 4}, "log-probabilities"),
    ({"resps": [[["?", "False"]]] * 4}, "log-probabilities"),
    ({"arguments": "none"}, "arguments"),
    ({"arguments": {"gen_args_0": {"arg_0": 3}}}, "arguments"),
]


@pytest.mark.parametrize(("changes", "named"), BAD_LINES)
def test_a_bad_line_is_named(evalh, tmp_path, changes, named):
    doc = documents(1)[0]
    lm_eval_folder(tmp_path / "lm", {"caps": [ranked_line(0, doc), ranked_line(1, doc, **changes)]})
    said = evalh("import", "lm_eval", "lm")
    assert said.code == 2 and f"samples_caps_{STAMP}.jsonl:2" in said.err and named in said.err
    assert not (tmp_path / "runs").exists(), "a refused import leaves nothing"


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e308, 10**400])
def test_a_score_that_nothing_can_be_made_of_leaves_its_line_without_one(evalh, tmp_path, value):
    docs = documents(4)
    lines = [ranked_line(i, doc, acc=value if i == 0 else 1.0) for i, doc in enumerate(docs)]
    lines[0]["doc"]["note"] = "half a sign: \ud800"
    folder = lm_eval_folder(tmp_path / "theirs", {"caps": []})
    (folder / f"samples_caps_{STAMP}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = evalh("import", "lm_eval", folder, "--name", "theirs", "--json")
    assert said.code == 0, said.err
    assert said.json["benchmarks"]["caps"]["metrics"]["accuracy"]["n"] == 3


def test_folders_that_are_none(evalh, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "--log_samples" in evalh("import", "lm_eval", "empty").err
    assert "no such file" in evalh("import", "lm_eval", "absent").err
    folder = lm_eval_folder(tmp_path / "two", {"caps": [ranked_line(0, documents(1)[0])]})
    (folder / "results_2026-11-29T00-00-00.000000.json").write_text('{"results": {}}')
    assert "holds 2 runs" in evalh("import", "lm_eval", "two").err
    twice = [ranked_line(0, documents(1)[0])] * 2
    lm_eval_folder(tmp_path / "twice", {"caps": twice})
    assert "twice" in evalh("import", "lm_eval", "twice").err
    assert (
        "there is lm_eval" in evalh("import", "lmeval", "twice").err
        or "did you mean" in evalh("import", "lmeval", "twice").err
    )


def test_an_imported_run_is_not_scored_again(evalh, tmp_path):
    lm_eval_folder(tmp_path / "lm", {"gsm8k": [written_line(0, "1", "1", "none", 1.0)]})
    assert evalh("import", "lm_eval", "lm", "--name", "theirs").code == 0
    assert evalh("import", "lm_eval", "lm", "--name", "theirs").code == 2, "a run is never written over"
    said = evalh("rescore", "theirs")
    assert said.code == 2 and "was imported" in said.err
    assert evalh("show", "theirs").code == evalh("report", "theirs", "--format", "markdown").code == 0


def inspect_sample(identity, epoch=1, value="C", **changes):
    answer = {"role": "assistant", "content": "ANSWER: A", "source": "generate"}
    return {
        "id": identity, "epoch": epoch, "input": f"Question {identity}?", "choices": ["x", "y"], "target": "A",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "attachment://1"}]}, answer],
        "output": {"model": "m", "choices": [{"message": answer, "stop_reason": "stop"}],
                   "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}},
        "scores": {"choice": {"value": value, "answer": "A"}}, "attachments": {"1": f"Long question {identity}?"},
        **changes,
    }  # fmt: skip


def inspect_log(path, samples, header="header.json"):
    about = {"created": "2026-11-28T16:00:00+00:00", "task": "caps", "model": "openai/m", "dataset": {}, "config": {}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        if header:
            archive.writestr(header, json.dumps({"version": 2, "status": "success", "eval": about}))
    return path


def test_an_inspect_log_is_a_run(evalh, tmp_path):
    samples = [
        inspect_sample("q1"), inspect_sample("q1", 2, "I"), inspect_sample("q2", 1, "N"), inspect_sample("q2", 2, "P"),
        inspect_sample(3, 1, "I", error={"message": "timed out"}), inspect_sample(3, 2),
    ]  # fmt: skip
    inspect_log(tmp_path / "a.eval", samples)
    said = evalh("import", "inspect", "a.eval", "--name", "theirs", "--json")
    assert [one["id"] for one in said.json["unanswered"]] == ["3"]
    assert said.json["benchmarks"]["caps"]["metrics"]["accuracy"]["value"] == pytest.approx((0.5 + 0.25 + 1) / 3)
    results = {(r.sample.id, r.repeat): r for r in Run(tmp_path / "runs/theirs").results()}
    assert {key: r.status for key, r in results.items()} == {
        ("q1", 0): "correct", ("q1", 1): "wrong", ("q2", 0): "unparsed", ("q2", 1): "scored", ("3", 0): "error",
        ("3", 1): "correct",
    }  # fmt: skip
    first = results["q1", 0]
    assert first.request.messages[0].content == "Long question q1?" and first.sample.question == "Question q1?"
    assert (first.response.text, first.response.tokens_in, first.sample.gold_indices) == ("ANSWER: A", 7, (0,))
    assert evalh("verify", "runs/theirs").code == 0


def test_a_log_that_was_stopped_is_read_as_far_as_it_goes(evalh, tmp_path):
    inspect_log(tmp_path / "a.eval", [inspect_sample("q1")], header="_journal/start.json")
    assert evalh("import", "inspect", "a.eval").code == 0


@pytest.mark.parametrize(
    ("samples", "header", "named"),
    [
        ([], "header.json", "no answers"),
        ([inspect_sample("a")], "", "neither"),
        ([inspect_sample("a", epoch=0)], "header.json", "epoch"),
        ([{"id": "a", "epoch": 1}], "header.json", "input"),
    ],
)
def test_a_bad_log_is_one_line(evalh, tmp_path, samples, header, named):
    inspect_log(tmp_path / "a.eval", samples, header)
    said = evalh("import", "inspect", "a.eval")
    assert said.code == 2 and "a.eval" in said.err and named in said.err
    (tmp_path / "b.eval").write_bytes(b"PK\x03\x04 torn")
    assert "not a readable zip" in evalh("import", "inspect", "b.eval").err


def as_zstd(data):
    """The archive with its first member packed with zstd, which Python's zipfile cannot write before 3.14."""
    zstandard = pytest.importorskip("zstandard", reason="method 93 is unpacked by the package zstandard")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    central = b""
    for name, content in members.items():
        packed, place = zstandard.compress(content), out.tell()
        common = struct.pack("<5H3I2H", 63, 0, 93, 0, 33, zlib.crc32(content), len(packed), len(content), len(name), 0)
        out.write(b"PK\x03\x04" + common + name.encode() + packed)
        central += (
            b"PK\x01\x02" + struct.pack("<H", 63) + common + struct.pack("<3H2I", 0, 0, 0, 0, place) + name.encode()
        )
    place = out.tell()
    counts = len(members), len(members), len(central), place
    out.write(central + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, *counts, 0))
    return out.getvalue()


def test_logs_packed_with_zstd_are_read_and_damage_is_found(evalh, tmp_path):
    plain = inspect_log(tmp_path / "a.eval", [inspect_sample("q1")]).read_bytes()
    packed = as_zstd(plain)
    (tmp_path / "z.eval").write_bytes(packed)
    said = evalh("import", "inspect", "z.eval", "--json")
    assert said.code == 0 and said.json["benchmarks"]["caps"]["n"] == 1, said.err
    there = packed.index(b"\x28\xb5\x2f\xfd") + 20
    (tmp_path / "torn.eval").write_bytes(packed[:there] + b"\xff\xff" + packed[there + 2 :])
    assert evalh("import", "inspect", "torn.eval").code == 2


def test_our_own_run_exports_as_lm_eval_and_comes_back(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "--limit", "12", "--name", "ours").code == 0
    assert evalh("export", "ours", "lm_eval", "--to", "out").code == 0
    assert evalh("export", "ours", "lm_eval", "--to", "out").code == 2, "nothing is written over"
    assert evalh("import", "lm_eval", "out", "--name", "back").code == 0
    ours, back = Run(tmp_path / "runs/ours"), Run(tmp_path / "runs/back")
    (before,), (after,) = ours.summary.benchmarks.values(), back.summary.benchmarks.values()
    assert after.metrics["accuracy"].value == before.metrics["accuracy"].value
    said = evalh("compare", "ours", "back", "--json")
    (task,) = said.json["tasks"]
    assert (task["broke"], task["fixed"], task["n"]) == (0, 0, 12)
    assert "prompt" not in {m["field"] for m in task["mismatches"]}
    (line, *_) = lines_of(next((tmp_path / "out").glob("samples_*.jsonl")))
    text = json.dumps(line["doc"], indent=2, ensure_ascii=False)
    assert line["doc_hash"] == lm_eval_export.sha256(text)
    assert line["prompt_hash"] == lm_eval_export.sha256(line["arguments"]["gen_args_0"]["arg_0"])

"""Damaged disks: what is broken is named, set aside or asked again, hides nothing else, and `evalh verify` finds it."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.records import IMPOSSIBLE, Response
from evalharness.runs import asking, plan, runner, session, store
from evalharness.runs.journal import Journal
from evalharness.runs.plan import Plan
from evalharness.runs.store import JOURNAL, Run

RUN = ("run", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", "r")
FOLDER = Path("runs/r")


def lines() -> list[bytes]:
    return (FOLDER / JOURNAL).read_bytes().splitlines()


def change(file: str, edit) -> None:
    path = FOLDER / file
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


DAMAGE = {
    "cut in the middle": lambda line: line[: len(line) // 2],
    "zeros, as after a power cut": lambda line: b"\0" * len(line),
    "another file's bytes": lambda line: os.urandom(200).replace(b"\n", b" "),
    "a bit that flipped": lambda line: line.replace(b'"status":"', b'"statuz":"'),
    "a value of another kind": lambda line: line.replace(b'"scores":{', b'"scores":[{').replace(b"}", b"}]", 1),
    "deep": lambda line: b"[" * 100_000,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_line_is_set_aside_and_its_question_asked_again(evalh, kind):
    assert evalh(*RUN).code == 0
    whole, summary = lines(), (FOLDER / "summary.json").read_bytes()
    bad = DAMAGE[kind](whole[3])
    (FOLDER / JOURNAL).write_bytes(b"\n".join([*whole[:3], bad, *whole[4:], b""]))
    for words in (["show", "r", "--wrong"], ["compare", "r", "r"], ["rescore", "r"]):
        found = evalh(*words)
        assert found.code == 2 and f"{JOURNAL}:4: this line" in found.err and "Traceback" not in found.err, words
    found = evalh("verify", "r")
    assert found.code == 2 and f"{JOURNAL}:4: not a result" in found.out
    again = evalh(*RUN)
    assert again.code == 0 and "1 damaged lines" in again.err and "results.damaged.jsonl" in again.err
    assert (FOLDER / "results.damaged.jsonl").read_bytes() == bad + b"\n"
    assert sorted(lines()) == sorted(whole) and (FOLDER / "summary.json").read_bytes() == summary
    assert evalh("verify", "r").code == 0
    assert "damaged" not in evalh(*RUN).err


def test_a_broken_manifest_hides_no_other_run(evalh):
    assert evalh(*RUN).code == 0
    broken = ["", "{", "[]", "null", "[" * 100_000, "\udcff", '{"format": 1}', '{"format": 99}', '{"benchmarks": 7}']
    broken += ['{"benchmarks": {"mmlu": 7}, "model": {}}', '{"model": []}']
    for number, text in enumerate(broken):
        folder = Path(f"runs/broken{number}")
        folder.mkdir()
        (folder / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        (folder / "summary.json").write_text("{}")
    for words in (["list", "runs"], ["list", "runs", "--json"]):
        found = evalh(*words)
        assert found.code == 0 and "Traceback" not in found.err
        assert "mmlu@sample" in found.out and found.out.count("damaged") >= 10
    assert evalh("show", "r").code == 0
    assert evalh("compare", "r", "r").code == 0
    for number in range(11):
        for words in (["show"], ["verify"], ["report"], ["rescore"]):
            found = evalh(*words, f"broken{number}")
            assert found.code in (2, 3) and "Traceback" not in found.err, (words, number)


def test_a_changed_summary_is_found(evalh):
    assert evalh(*RUN).code == 0
    right = (FOLDER / "summary.json").read_bytes()
    change("summary.json", lambda s: s["benchmarks"]["mmlu@sample"]["metrics"]["accuracy"].update(value=0.99))
    found = evalh("verify", "r")
    assert found.code == 2 and "metrics.accuracy.value is 0.99, the journal gives" in found.out
    assert evalh("compare", "r", "r").code == 2
    found = evalh(*RUN, "--json")
    assert found.code == 0 and "summary.json: edited or damaged" in found.err
    assert found.json["benchmarks"]["mmlu@sample"]["metrics"]["accuracy"]["value"] != 0.99
    assert (FOLDER / "summary.json").read_bytes() == right and evalh(*RUN).err.count("damaged") == 0


def entry(manifest):
    return manifest["benchmarks"]["mmlu@sample"]


BENT = (
    (lambda m: entry(m).pop("items"), "benchmarks.mmlu@sample: 'items' is a required property"),
    (lambda m: entry(m).update(items=None), "benchmarks.mmlu@sample.items: None is not of type 'integer'"),
    (lambda m: entry(m).update(items=-1), "benchmarks.mmlu@sample.items: -1 is less than"),
    (lambda m: entry(m)["data"].update(origin=7), "benchmarks.mmlu@sample.data.origin: 7 is not of type"),
    (lambda m: m.update(identity=[1]), "identity: [1] is not of type 'object', 'null'"),
    (lambda m: m["identity"].update(benchmarks="x"), "identity.benchmarks: 'x' is not of type"),
    (lambda m: m["identity"]["benchmarks"].update({"mmlu@sample": 7}), "identity.benchmarks.mmlu@sample: 7 is not of"),
    (lambda m: m["identity"].update(data=[]), "identity.data: [] is not of type"),
    (lambda m: m.update(options="x"), "options: 'x' is not of type"),
)  # fmt: skip


@pytest.mark.parametrize(("edit", "said"), BENT)
def test_a_manifest_of_another_form_is_one_line_wherever_it_is_read(evalh, edit, said):
    assert evalh(*RUN).code == 0
    change("run.json", edit)
    for words in (["verify", "r"], ["rescore", "r"], ["compare", "r", "r"], ["report", "r"], ["show", "r"], RUN):
        found = evalh(*words)
        told = [line for line in (found.out + found.err).splitlines() if "edited or damaged" in line]
        assert "Traceback" not in found.err and len(told) <= 1, words
        assert words[0] not in ("verify", "rescore") or (found.code == 2 and said in told[0]), words


def test_a_run_without_options_and_identity_is_read(evalh):
    assert evalh(*RUN).code == 0
    change("run.json", lambda m: m.update(options=None, identity=None))
    for words in (["verify", "r"], ["show", "r"], ["rescore", "r"], ["verify", "r"], ["compare", "r", "r"]):
        found = evalh(*words)
        assert found.code == 0, (words, found.err)
    assert evalh(*RUN).code == 2


def test_a_torn_last_line_is_passed_over(evalh):
    assert evalh(*RUN).code == 0
    whole = (FOLDER / JOURNAL).read_bytes()
    (FOLDER / JOURNAL).write_bytes(whole + whole.splitlines()[0][:40])
    found = evalh("verify", "r")
    assert found.code == 2 and "not a result" not in found.out and "its sha256 differs" in found.out
    (FOLDER / "summary.json").unlink()
    change("run.json", lambda m: m.pop("sha256"))
    found = evalh("verify", "r", "--json")
    assert found.code == 3 and found.json["agrees"] and found.json["results"] == len(whole.splitlines())
    (FOLDER / JOURNAL).write_bytes(whole.replace(b"\n", b"\n{torn\n", 1) + b"{torn")
    assert f"{JOURNAL}:2: not a result" in evalh("verify", "r").out
    (FOLDER / JOURNAL).write_bytes(whole + b"{torn")
    assert evalh(*RUN).code == 0 and (FOLDER / JOURNAL).read_bytes() == whole
    assert evalh("verify", "r").code == 0


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda: change("run.json", lambda m: m["model"].update(fingerprint="other")), "the model's fingerprint"),
        (lambda: change("run.json", lambda m: m["identity"].update(model="other")), "the model's fingerprint"),
        (lambda: change("run.json", lambda m: m["benchmarks"]["mmlu@sample"].update(shots=0)), "mode, shots"),
        (lambda: change("run.json", lambda m: m["benchmarks"]["mmlu@sample"]["data"].update(sha256="")), "the data of"),
        (lambda: change("run.json", lambda m: m["sampling"].update(temperature=1.0)), "the sampling"),
        (lambda: change("run.json", lambda m: m["benchmarks"]["mmlu@sample"].update(items=99)), "the manifest says 99"),
        (lambda: change("run.json", lambda m: m["benchmarks"].clear()), "which the manifest does not name"),
        (lambda: change("run.json", lambda m: m.update(benchmarks=None)), "edited or damaged"),
        *((lambda edit=edit: change("run.json", edit), f"edited or damaged: {said}") for edit, said in BENT),
        (lambda: change("summary.json", lambda s: s["benchmarks"]["mmlu@sample"].update(n=7)), "n is 7"),
        (lambda: change("summary.json", lambda s: s.update(benchmarks=[])), "edited or damaged"),
        (lambda: (FOLDER / "summary.json").write_text("{"), "not valid JSON"),
        (lambda: (FOLDER / JOURNAL).write_bytes(b"\n".join([*lines()[1:], b""])), "has answers to"),
        (lambda: (FOLDER / JOURNAL).write_bytes(b""), "has answers to 0 items"),
        (lambda: (FOLDER / JOURNAL).unlink(), "has answers to 0 items"),
        (lambda: (FOLDER / JOURNAL).write_bytes((FOLDER / JOURNAL).read_bytes().replace(b'"text":"', b'"text":"x', 1)),
         "its sha256 differs"),
    ],
)  # fmt: skip
def test_verify_says_what_does_not_agree(evalh, edit, said):
    assert evalh(*RUN).code == 0
    assert evalh("verify", "r").code == 0
    edit()
    found = evalh("verify", "r")
    assert found.code == 2 and said in found.out + found.err and "Traceback" not in found.err
    if found.out:
        told = evalh("verify", "r", "--json").json
        assert not told["agrees"] and any(said in problem for problem in told["problems"])


def test_verify_of_every_kind_of_run(evalh, tmp_path):
    """Judged, imported, rescored, repeated, limited and unfinished runs agree with themselves."""
    (tmp_path / "g.json").write_text("[50, 60, null]")
    assert evalh("import", "scores", "g.json", "--name", "i").code == 0
    assert evalh(*RUN[:-1], "l", "--limit", "3").code == 0
    assert evalh("run", "gsm8k", "--data", "sample", "--model", "echo", "--samples", "2", "--temperature", "1",
                 "--name", "s").code == 0  # fmt: skip
    assert evalh("run", "tiny_exam", "--model", "echo", "--mode", "write", "--holistic", "--name", "h").code == 0
    assert evalh("rescore", "l").code == 0
    for name in "ilsh":
        found = evalh("verify", name)
        assert found.code == 0, (name, found.out, found.err)
    (Path("runs/l") / "summary.json").unlink()
    assert evalh("verify", "l").code == 3
    assert evalh("verify", "nowhere").code == 2


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((-1.0, -2.5), (-1.0, -2.5)),
        ((), ()),
        ((-INF, -2.5), (IMPOSSIBLE, -2.5)),
        ((-INF, -INF), (IMPOSSIBLE, IMPOSSIBLE)),
        ((0.0, -INF, IMPOSSIBLE), (0.0, IMPOSSIBLE, IMPOSSIBLE)),
        ((NAN, -1.0), None),
        ((-INF, NAN), None),
        ((INF, -1.0), None),
        ((1e-9, -INF), (1e-9, IMPOSSIBLE)),
    ],
)
def test_log_probabilities_become_numbers_that_a_journal_can_hold(given, kept):
    asked = Response(logprobs=given, greedy=(True,) * len(given), seconds=2.0)
    told = asking._finite(asked)
    if kept is None:
        assert told == Response(error="its log-probabilities are no numbers", seconds=2.0)
    else:
        assert told == Response(logprobs=kept, greedy=asked.greedy, seconds=2.0)


def test_odd_log_probabilities_leave_the_journal_readable(tmp_path, evalh):
    given = [(-INF, -1.0, -2.0, -3.0), (NAN, -1.0, -2.0, -3.0), (INF, -1.0, -2.0, -3.0), (-INF,) * 4]

    class Odd(Slow):
        def answer(self, requests):
            for index, _ in super().answer(requests):
                yield index, Response(logprobs=given[index % 4])

    folder = tmp_path / "runs" / "r"
    run = evaluate(folder, tmp_path / "log", Odd)
    text = (folder / JOURNAL).read_text()
    assert not any(word in text for word in ("NaN", "Infinity"))
    found = Run(folder).results()
    errors = sum(result.status == "error" for result in found)
    assert len(found) == len(text.splitlines()) == run.summary.benchmarks["mmlu@sample"].n + errors
    assert {result.response.logprobs for result in found} == {
        (IMPOSSIBLE, -1.0, -2.0, -3.0), (), (IMPOSSIBLE,) * 4
    }  # fmt: skip
    assert {r.response.error for r in found if r.status == "error"} == {"its log-probabilities are no numbers"}
    assert evalh("verify", "r").code == 0 and evalh("rescore", "r").code == 0 and evalh("show", "r").code == 0


class Slow:
    name, fingerprint, chat, ranks = "slow", "slow-1", False, True

    def __init__(self, log: Path) -> None:
        self.log = log

    def answer(self, requests):
        for index, request in enumerate(requests):
            with self.log.open("a") as file:
                file.write(request.origin.id + "\n")
            yield index, Response(logprobs=(0.0, -1.0, -1.0, -1.0), greedy=(True,) * 4)

    def describe(self):
        return {}


def evaluate(folder: Path, log: Path, kind: type[Slow] = Slow) -> Run:
    planned, model = Plan(benchmarks=("mmlu",), data="sample"), kind(log)
    tasks = [plan.prepare_task("mmlu", planned, model)]
    return runner.evaluate_tasks(runner.open_run(folder, tasks, planned, model), tasks, planned, model)


@pytest.mark.parametrize("moment", range(1, 7))
def test_kill_while_damaged_lines_are_set_aside(tmp_path, moment):
    """At every write of the repair: nothing is lost, and only the damaged question is asked again."""
    folder, log = tmp_path / "runs" / "r", tmp_path / "log"
    evaluate(folder, log)
    whole = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    summary = (folder / "summary.json").read_bytes()
    (folder / JOURNAL).write_bytes(b"".join([whole[0], b"{damaged\n", *whole[2:]]))
    child = os.fork()
    if child == 0:
        left, replace, fsync = [moment], Path.replace, os.fsync

        def counted(real):
            def call(*args):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args)

            return call

        Path.replace, os.fsync = counted(replace), counted(fsync)
        with Journal(folder / JOURNAL) as journal:
            journal.set_aside(store.result_from_json)
        os._exit(0)
    os.waitpid(child, 0)
    log.unlink()
    evaluate(folder, log)
    assert len(log.read_text().splitlines()) == 1
    assert (folder / "summary.json").read_bytes() == summary
    assert sorted((folder / JOURNAL).read_bytes().splitlines(keepends=True)) == sorted(whole)
    assert set((folder / "results.damaged.jsonl").read_bytes().splitlines()) == {b"{damaged"}


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch, days):
    evaluate(tmp_path / "a", tmp_path / "log")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * 86400)
    evaluate(tmp_path / "b", tmp_path / "log")
    (tmp_path / "b" / JOURNAL).write_bytes(b"".join((tmp_path / "b" / JOURNAL).read_bytes().splitlines(True)[:3]))
    (tmp_path / "log").unlink()
    monkeypatch.setattr(time, "time", real)
    before = os.path.getmtime(tmp_path / "b" / "run.json") - days * 86400  # noqa: PTH204
    os.utime(tmp_path / "b" / "run.json", (before, before))
    evaluate(tmp_path / "b", tmp_path / "log")
    assert (tmp_path / "a" / "summary.json").read_bytes() == (tmp_path / "b" / "summary.json").read_bytes()
    asked = (tmp_path / "log").read_text().splitlines()
    assert len(asked) == len(set(asked)) == len((tmp_path / "a" / JOURNAL).read_bytes().splitlines()) - 3


def test_a_full_disk_while_lines_are_set_aside_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / JOURNAL
    path.write_bytes(b'{"a": 1}\n{damaged\n')

    def full(*_):
        raise OSError(28, "No space left on device")

    with Journal(path) as journal:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(store.UserError, match="cannot be set aside"):
            journal.set_aside(dict)
        monkeypatch.undo()
        assert path.read_bytes() == b'{"a": 1}\n{damaged\n' and journal.set_aside(dict) == 1
    assert path.read_bytes() == b'{"a": 1}\n' and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("runs", ["/proc/evalh", "/proc/self/evalh", "a_file", "a_file/below", "/dev/null"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, evalh, runs):
    (tmp_path / "a_file").write_text("")
    found = evalh(*RUN, "--runs", runs)
    assert found.code == 2 and "cannot be written" in found.err and "Traceback" not in found.err
    assert len([line for line in found.err.splitlines() if line.startswith("evalh: ")]) == 1


def test_two_processes_on_one_run(tmp_path, evalh):
    assert evalh(*RUN).code == 0
    with Journal(FOLDER / JOURNAL):
        found = evalh(*RUN)
        assert found.code == 2 and "another evalh is writing this run" in found.err
    assert stat.S_IMODE((FOLDER / JOURNAL).stat().st_mode) == 0o600
    assert evalh(*RUN).code == 0


def test_rescoring_waits_for_nobody_and_changes_nothing_while_a_run_is_written(tmp_path, evalh):
    """Answers that come while results are scored again would be lost under them."""
    assert evalh(*RUN).code == 0
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    with Journal(FOLDER / JOURNAL):
        found = evalh("rescore", FOLDER.name)
        assert found.code == 2 and "another evalh is writing this run" in found.err
        assert {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()} == before
    assert evalh("rescore", FOLDER.name).code == 0


def test_nothing_is_read_for_rescoring_before_the_lock_is_held(tmp_path, evalh, monkeypatch):
    """What was read before would miss the answers that came in between."""
    assert evalh(*RUN).code == 0
    read, held = session.index_of, []

    def noted(run):
        with pytest.raises(UserError, match="another evalh is writing this run"):
            Journal(run.path / JOURNAL)
        held.append(True)
        return read(run)

    monkeypatch.setattr(session, "index_of", noted)
    session.rescore_run(Run(FOLDER))
    assert held

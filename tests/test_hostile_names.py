"""Names and paths stay in their folder, texts from outside move no terminal, what we write is its owner's alone."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.runs.store import new_folder
from evalharness.text.visible import line, printable

EVIL_NAMES = [
    "..",
    ".",
    "../a",
    "a/b",
    "/tmp/a",
    "a\\b",
    ".cache",
    "",
    "a\nb",
    "a\x1b[2Jb",
    "a\u202eb",
    "x" * 300,
    "a\0b",
]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_run_stays_in_its_folder(tmp_path, evalh, name):
    with pytest.raises(UserError):
        new_folder(tmp_path, name)
    if name:
        found = evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", name)
        assert found.code == 2 and "--name" in found.err and len(found.err.splitlines()) == 1
        assert [p.name for p in tmp_path.iterdir() if p.name != "runs"] == []
        (tmp_path / "s.json").write_text("[50]")
        assert evalh("import", "scores", "s.json", "--name", name).code == 2
        (tmp_path / "s.json").unlink()


@pytest.mark.parametrize("name", EVIL_NAMES[:-1])
def test_suites_and_baselines_stay_in_their_folder(tmp_path, evalh, name):
    suite = {"name": name, "models": ["echo"], "benchmarks": ["boolq"], "options": {"data": "sample"}}
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    assert evalh("run", "suite.yaml").code == 2
    assert evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", "r").code == 0
    assert evalh("baseline", "set", "r", "--name", name).code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs", "suite.yaml"]


def registry(root: Path, **args) -> None:
    for name in ("evals", "data"):
        (root / name).mkdir(parents=True, exist_ok=True)
    said = {"e": {"class": "evals.elsuite.basic.match:Match", "args": {"samples_jsonl": "s.jsonl", **args}}}
    (root / "evals" / "e.yaml").write_text(json.dumps(said))
    (root / "data" / "s.jsonl").write_text('{"input": "a", "ideal": "b"}\n')


def benchmarks(root: Path, named: str) -> dict[str, list[str]]:
    """Command lines by which a file of each kind names another one."""
    own = {"source": named, "template": "{{ input }}", "answers": "ideal", "scorer": "exact"}
    files = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": named}}, "test_split": "test"}
    asked = {"doc_to_text": "{{input}}", "doc_to_target": "{{ideal}}", "output_type": "generate_until"}
    theirs = {"task": "t", **files, **asked}
    (root / "own.yaml").write_text(json.dumps(own))
    (root / "shots.yaml").write_text(json.dumps({**own, "source": {"file": "in.jsonl", "examples": named}, "shots": 1}))
    (root / "task.yaml").write_text(json.dumps(theirs))
    (root / "in.jsonl").write_text('{"input": "a", "ideal": "b"}\n')
    registry(root / "reg", samples_jsonl=named)
    registry(root / "few", few_shot_jsonl=named, num_few_shot=1)
    return {
        "own": ["./box/own.yaml"], "shots": ["./box/shots.yaml"], "task": ["./box/task.yaml"],
        "registry": ["openai_evals/e", "--data", str(root / "reg")],
        "few": ["openai_evals/e", "--data", str(root / "few")],
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["own", "shots", "task", "registry", "few"])
@pytest.mark.parametrize("how", ["up", "absolute", "link"])
def test_a_file_names_no_other_outside_its_folder(tmp_path, evalh, kind, how):
    root = tmp_path / "box"
    root.mkdir()
    outside = tmp_path / "secret.jsonl"
    outside.write_text('{"input": "a", "ideal": "b", "sample": [{"role": "user", "content": "a"}]}\n')
    named = {"up": os.path.relpath(outside, root), "absolute": str(outside), "link": "link.jsonl"}[how]
    if kind in ("registry", "few"):
        named = {"up": "../../../secret.jsonl", "absolute": str(outside), "link": "link.jsonl"}[how]
    words = benchmarks(root, named)[kind]
    for folder in (root, root / "reg" / "data", root / "few" / "data"):
        (folder / "link.jsonl").symlink_to(outside)
    found = evalh("run", *words, "--model", "echo")
    assert found.code == 2 and "say --allow-outside if that is meant" in found.err, found.err
    assert len(found.err.strip().splitlines()) == 1
    assert evalh("run", *words, "--model", "echo", "--allow-outside").code == 0
    assert evalh("run", *words, "--model", "echo", "--name", "again").code == 2  # consent does not stay


def test_an_items_file_opens_no_benchmark_outside(tmp_path, evalh, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "evil.yaml").write_text('{"source": "x.jsonl", "template": "a", "answers": "b", "scorer": "exact"}')
    monkeypatch.chdir(tmp_path / "here")
    for named in ("../evil.yaml", str(tmp_path / "evil.yaml")):
        Path("items.jsonl").write_text(json.dumps({"benchmark": named, "id": "0"}))
        found = evalh("run", "--items", "items.jsonl", "--model", "echo")
        assert found.code == 2 and "--allow-outside" in found.err


def test_consent_to_run_programs_comes_from_no_file(tmp_path, evalh):
    """A run's folder that somebody else made says where its programs ran; whoever rescores it decides anew."""
    assert evalh("run", "humaneval", "--data", "sample", "--model", "echo", "--name", "r", "--limit", "1").code == 0
    manifest = json.loads(Path("runs/r/run.json").read_text())
    manifest["options"] |= {"sandbox": "none", "yes_run_untrusted_code": True}
    manifest["command"] = ["evalh", "run", "humaneval", "--sandbox", "none", "--yes-run-untrusted-code"]
    Path("runs/r/run.json").write_text(json.dumps(manifest))
    from evalharness.runs import session
    from evalharness.runs.store import Run

    options = session._rescoring(Run(Path("runs/r")), named=False)
    assert options.sandbox == "auto" and not options.yes_run_untrusted_code
    found = evalh("flaky", "r")
    assert found.code == 2 and "to which a file cannot consent" in found.err


HIDDEN = [
    "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\x08", "\r", "\x7f", "\u202e", "\u2066", "\u200b", "\u200d", "\u2060",
    "\ufeff", "\u00ad", "\u180e", "\u3164", "\U000e0041", "\U000e0001", "\ufe01", "\U000e0100", "\ud800", "\ufffe",
    "\u2028", "\u061c", "\U0001d173", "\ufff9", "\u115f", "\x00", "\x85",
]  # fmt: skip
BAD = re.compile("[" + "".join(re.escape(c) for c in "".join(HIDDEN) if not (c.isascii() and c.isprintable())) + "]")


@pytest.mark.parametrize("text", HIDDEN, ids=ascii)
def test_what_hides_or_moves_is_shown(text):
    shown = printable(f"a{text}b")
    assert not BAD.search(shown) and shown.startswith("a\\") and shown.isprintable()
    assert not BAD.search(line(f"a{text}b"))


def test_what_people_write_stays():
    text = "Grüße\tan\nalle: ❤️ 👍🏽 日本語 العربية עברית naïve e\u0301 – “x” … \\x1b"
    assert printable(text) == text
    assert printable("a\ufe0f") == "a\\ufe0f" and printable("❤\ufe0f\ufe0f") == "❤\ufe0f\\ufe0f"


EVIL = "x" + "".join(c for c in HIDDEN if c not in "\ud800\x00\r\u2028\x85") + "y[bold red]z"


def test_no_command_lets_a_text_reach_the_terminal_unescaped(tmp_path, evalh):
    """Hostile texts everywhere: names of files, models, metrics, ids, answers, errors, keys."""
    file = tmp_path / "rows.jsonl"
    rows = [{"q": f"q{i} {EVIL}", "a": EVIL, "g": EVIL, "i": f"{i}{EVIL}"} for i in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = {"name": f"n{EVIL}", "title": EVIL, "source": "rows.jsonl", "template": "{{ q }}", "answers": "a", "id": "i",
            "group": "g", "scorer": "exact"}  # fmt: skip
    (tmp_path / "b.yaml").write_text(json.dumps(said))
    replay = tmp_path / f"said{EVIL[:60]}.jsonl"
    replay.write_text(
        "".join(json.dumps({"id": r["i"], "text": f"{EVIL}\n{i}"}) + "\n" for i, r in enumerate(rows[:2]))
    )
    lines = [
        ["run", "./b.yaml", "--model", f"replay:{replay}", "--name", "r"],
        ["run", "./b.yaml", "--model", f"replay:{replay}", "--name", "r2", "--skip-unanswered"],
        ["show", "r"], ["show", "r", "--wrong"], ["show", "r", "--item", rows[0]["i"]],
        ["show", "r", "--status", "error"],
        ["show", "r", "--item", EVIL], ["show", EVIL], ["list", "runs"], ["verify", "r"], ["compare", "r", "r2"],
        ["report", "r"], ["report", "r", "--format", "markdown"], ["baseline", "set", "r", "--name", "b"],
        ["baseline", "list"], ["baseline", "set", "r", "--name", EVIL], ["preview", "./b.yaml"], ["run", EVIL],
        ["run", f"{EVIL}.yaml"], ["run", "mmlu", "--data", EVIL], ["run", "mmlu", "--model", EVIL],
        ["run", "mmlu", f"--{EVIL}"], ["judge", "r", "--judge", EVIL], ["import", EVIL, EVIL], ["rescore", "r"],
        ["run", "./b.yaml", "--model", f"replay:{replay}", "--mode", EVIL], ["arena", "rate", EVIL],
        ["finetune", EVIL, "--model", EVIL, "--out", "o", "--preflight"], ["winrate", "r", EVIL],
    ]  # fmt: skip
    for words in lines:
        found = evalh(*words)
        for text in (found.out, found.err):
            bad = BAD.search(text)
            assert bad is None, (words[:2], text[max(0, bad.start() - 100) : bad.end() + 50])


def test_what_we_write_is_its_owner_s_alone(tmp_path, evalh):
    before = os.umask(0o022)
    try:
        assert evalh("run", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", "r").code == 0
        (tmp_path / "grades.json").write_text("[50, 60]")
        assert evalh("import", "scores", "grades.json", "--name", "i").code == 0
        assert evalh("rescore", "r").code == 0
    finally:
        os.umask(before)
    for path in [Path("runs"), *Path("runs").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

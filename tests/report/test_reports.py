"""Every report of a comparison: complete, readable by its readers, and inert whatever a model wrote."""

import json
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from run_folders import letters, line, make_run, write_run
from sarif_shape import check_sarif

from evalharness.comparison import document, gate
from evalharness.comparison.compare import Options, compare_runs, exit_code
from evalharness.comparison.inputs import open_side
from evalharness.errors import UserError
from evalharness.report import compare_terminal, deliver, escape, html, junit, markdown, sarif, worddiff, words

HOSTILE = (
    "[bold]x[/bold]</details>--><script>alert(1)</script><img src=https://evil.example/x.png> | "
    "`a` ![i](https://evil/b) "
    "@octocat #1 <!-- evalh:report --> [l](javascript:1) www.evil.example\n::error::pwned\n::add-mask::x\n##[error]x\n"
    "\x1b[2J\x1b]0;t\x07 \x00\x08 \u202egnp.exe \ufffe \udc80 {{ 7*7 }} {% raw %} ]]> &amp; $x$ ~~~\n# h"
)


def made(tmp_path, base, new, **options):
    found = compare_runs(open_side(str(base)), open_side(str(new)), Options(**options))
    code = exit_code(found, gate=True)
    return document.comparison_document(
        found, exit_code=code, gated=True, policy="block-on-fail", command="evalh compare a b"
    )


@pytest.fixture
def hostile(tmp_path):
    """A comparison in which every text that a model or a file can set is hostile."""

    def lines(right):
        status, texts = "correct" if right else "wrong", {"text": HOSTILE, "question": HOSTILE}
        groups = ["g", HOSTILE] * 20
        return [line("quiz", f"{HOSTILE}{i}", status, float(right), group=g, **texts) for i, g in enumerate(groups)]

    base = write_run(tmp_path / "a", lines(True), model={"name": HOSTILE, "fingerprint": HOSTILE})
    new = write_run(tmp_path / "b", lines(False), model={"name": HOSTILE, "fingerprint": "x"})
    kept = tmp_path / "report.json"
    kept.write_bytes(deliver.document_json(made(tmp_path, base, new)))
    return document.read_document(kept)


@pytest.fixture
def plain(tmp_path):
    base = make_run(tmp_path / "a", lines=letters("quiz", "1" * 100, groups=4) + letters("code", "1" * 200))
    new = make_run(tmp_path / "b", lines=letters("quiz", "0" * 24 + "1" * 76, groups=4) + letters("code", "1" * 200))
    return made(tmp_path, base, new)


def test_the_document_fits_its_schema_and_survives_a_file(plain, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(deliver.document_json(plain))
    assert document.read_document(path) == plain
    assert document.read_document(path).verdict == "worse"
    first = json.loads(deliver.document_json(plain))
    for task in first["tasks"]:
        del task["tier"]
    path.write_text(json.dumps({**first, "format": 1}))
    assert document.read_document(path).tasks[0].tier == "important"
    path.write_bytes(deliver.document_json(replace(plain, format=plain.format + 1)))
    with pytest.raises(UserError, match="later evalharness"):
        document.read_document(path)
    path.write_bytes(deliver.document_json(replace(plain, verdict="great")))
    with pytest.raises(UserError, match="verdict"):
        document.read_document(path)
    for text in ("{", "[]", '{"kind": "run"}'):
        path.write_text(text)
        with pytest.raises(UserError):
            document.read_document(path)


def test_the_page_is_one_file_that_loads_and_runs_nothing(plain):
    page = html.comparison_html(plain)
    assert not re.search(r"(?i)<(script|img|link|iframe|object|embed|form|base)\b", page)
    assert not re.search(r"(?i)\s(on\w+|style|src|href)=", page)
    assert "default-src 'none'" in page
    assert "✗ worse" in page
    assert "prefers-color-scheme: dark" in page


def test_hostile_text_is_inert_in_the_page(hostile):
    page = html.comparison_html(hostile)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page)
    assert page.encode("utf-8")
    ET.fromstring(
        re.sub(r"(?i)<meta[^>]*>|<!doctype html>", "", page).replace("<details open>", "<details>").replace("<br>", "")
    )


def test_hostile_text_is_inert_in_markdown(hostile):
    text = markdown.comment_markdown(hostile)
    assert text.count("<!--") == 1
    assert text.startswith("<!-- evalh:report key=default v=1 -->\n")
    for tag in re.findall(r"<[^>]+>", text):
        assert re.fullmatch(r"</?(details|summary)>|<!-- evalh:report key=default v=1 -->", tag), tag
    assert not re.search(r"@[a-z]|https?://|!\[|(?<!\\)\]\(|::error|\$x", text)
    tags = set(re.findall(r"</?(\w+)", MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)))
    allowed = "details, summary, h3, p, strong, ul, li, code, table, thead, tbody, tr, th, td"
    assert tags <= set(allowed.split(", "))
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text)
    rows = [row for row in text.splitlines() if row.startswith("| ") and "gold" not in row and "---" not in row]
    assert {row.count("|") for row in rows} <= {5, 7, 10}


def test_the_comment_never_grows_beyond_what_github_takes(tmp_path):
    lines = [line("quiz", f"g/{i}", "correct", 1.0, text="|" * 3000, question="x") for i in range(100)]
    others = [{**one, "status": "wrong", "scores": {"accuracy": 0.0}} for one in lines]
    for k in range(40):
        lines += letters(f"t{k}", "1" * 30)
        others += letters(f"t{k}", "0" * 30)
    found = made(tmp_path, write_run(tmp_path / "a", lines), write_run(tmp_path / "b", others))
    text = markdown.comment_markdown(found)
    assert len(text.encode()) < 65_000
    assert text.count("✗\N{NO-BREAK SPACE}worse") == 41


def test_hostile_text_is_inert_in_junit_and_its_readers_read_it(hostile, plain):
    from junitparser import Error, Failure, JUnitXml

    root = ET.fromstring(junit.comparison_junit(hostile, samples=True))
    assert root.get("failures") == str(len(root.findall(".//failure")))
    suites = {suite.name: suite for suite in JUnitXml.fromstring(junit.comparison_junit(plain))}
    assert isinstance(next(iter(suites["quiz"])).result[0], Failure)
    assert not next(iter(suites["code"])).result
    assert {p.name: p.value for p in suites["quiz"].properties()}["verdict"] == "worse"
    other = replace(plain, tasks=(replace(plain.tasks[0], verdict="not comparable", reason="x"),))
    assert isinstance(next(iter(next(iter(JUnitXml.fromstring(junit.comparison_junit(other)))))).result[0], Error)


def test_hostile_text_is_inert_in_the_terminal_and_in_a_github_log(hostile, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("COLUMNS", "400")
    compare_terminal.show_comparison(hostile, compare_terminal.console())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[bold]x[/bold]" in out
    first, *middle, last = out.rstrip("\n").split("\n")
    token = first.removeprefix("::stop-commands::")
    assert (len(token), last) == (32, f"::{token}::")
    assert not any(one.startswith(("::", "##[")) for one in middle)
    for command in deliver.commands(hostile):
        assert "\n" not in command
        assert command.count("::") == 2


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_verdict_is_never_cut(plain, width):
    from io import StringIO

    from rich.console import Console

    out = Console(width=width, file=StringIO(), no_color=True)
    out.print(compare_terminal.comparison_view(plain, width))
    text = out.file.getvalue()
    assert "✗ worse" in text
    assert "= same" in text
    assert "…" not in text.split("\n\n")[0].replace(" … ", "")


def test_job_summary_outputs_and_annotations(plain, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    deliver.to_ci(plain, sys.stderr)
    better = replace(plain, verdict="better", gate="pass")
    deliver.worst_outputs([plain, better], tmp_path / "out")
    assert (tmp_path / "summary.md").read_text().startswith("### ✗ evalh: 1 task worse, 1 same")
    assert f"verdict=worse\ngate=fail\nreport={tmp_path / 'out'}\n" == (tmp_path / "output").read_text()
    assert capsys.readouterr().err.count("::error title=quiz%3A worse::") == 1
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "where"))
    deliver.to_ci(plain, sys.stderr)
    assert "cannot be written" in capsys.readouterr().err


def test_words():
    assert [words.points(x) for x in (0.0123, -0.0617, 0.0, -0.0001, None)] == ["+1.2", "−6.2", "0.0", "0.0", "–"]
    assert words.p_value(1e-9) == "<0.001"


def test_escape_is_visible_and_keeps_what_is_harmless():
    assert escape.printable("ä\t\n\x1b[0m\u202e") == "ä\t\n\\x1b[0m\\u202e"
    assert escape.line("a\n  b", 10) == "a b"
    assert escape.markdown("plain words, 1%") == "plain words, 1%"


def test_word_diff_puts_the_texts_together_again():
    for base, new in (("the cat sat", "the dog sat down"), ("", "x"), ("a " * 500, "b " * 500)):
        left, right = worddiff.parts(base, new)
        assert "".join(p.text for p in left) == base
        assert "".join(p.text for p in right) == new
    left, right = worddiff.parts("the cat sat", "the dog sat")
    assert [(p.kind, p.text) for p in left] == [("same", "the "), ("gone", "cat"), ("same", " sat")]
    assert right[1] == worddiff.TextSpan("come", "dog")


def test_evalh_compare_writes_everything(evalh, tmp_path):
    make_run(tmp_path / "runs" / "a", "1" * 100)
    make_run(tmp_path / "runs" / "b", "0" * 20 + "1" * 80)
    said = evalh("compare", "a", "b", "--gate", "--report", "out", "--json")
    assert said.code == 1
    assert said.json["exit_code"] == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comment.md",
        "index.html",
        "junit.xml",
        "report.json",
        "report.sarif",
    ]
    for form in ("terminal", "markdown", "html", "junit", "json"):
        assert evalh("report", "out/report.json", "-f", form).code == 0
        assert evalh("report", "a", "-f", form).code == 0
    assert evalh("report", "a", "-f", "pdf").code == 2
    assert evalh("report", "a", "--comment").code == 2
    shown = evalh("compare", "a", "b")
    assert (shown.code, "✗ worse" in shown.out) == (0, True)


def test_mistakes_are_one_line_with_the_right_exit_code(evalh, tmp_path):
    make_run(tmp_path / "runs" / "a", "1" * 100)
    make_run(tmp_path / "runs" / "b", "1" * 100, facts={"prompt_sha256": "b" * 64})
    write_run(tmp_path / "runs" / "half", letters("quiz", "11"), summary=False)
    wrong = {
        ("compare", "a", "b"): (4, "prompt differs"),
        ("compare", "a", "half"): (3, "is not finished"),
        ("compare", "a", "none"): (2, "there is no run or baseline"),
        ("compare", "a", "a", "--margin", "2"): (2, "2 points are 0.02"),
        ("compare", "a", "a", "--margin", "quiz=x"): (2, "wanted a share"),
        ("compare", "a", "a", "--margin", "qiz=0.1"): (2, "did you mean quiz?"),
        ("compare", "a", "a", "--alpha", "0.7"): (2, "--alpha wants"),
        ("compare", "a", "a", "--policy", "require-pass"): (2, "add --gate"),
        ("compare", "a", "a", "--gate", "--policy", "strict"): (2, "wanted one of"),
        ("compare", "a", "a", "--metric", "f1"): (2, "there is accuracy"),
    }
    for command, (code, text) in wrong.items():
        said = evalh(*command)
        assert (said.code, said.err.count("\n")) == (code, 1), (command, said)
        assert text in said.err, said.err
    refused = evalh("compare", "a", "b", "--json")
    assert (refused.code, refused.json["verdict"], refused.json["exit_code"]) == (4, "not comparable", 4)


def test_the_gate_of_a_small_run_is_inconclusive(evalh, tmp_path):
    make_run(tmp_path / "runs" / "a", "1" * 132)
    make_run(tmp_path / "runs" / "b", "1" * 133)
    assert evalh("compare", "a", "a", "--gate", "--policy", "require-pass").code == 5
    assert evalh("compare", "b", "b", "--gate", "--policy", "require-pass").code == 0
    assert evalh("compare", "a", "a", "--gate").code == 0


def test_options_of_the_gate():
    assert gate.margins(["0.05", "mmlu=0.01"]) == (0.05, {"mmlu": 0.01})


def results_of(name, comparison, files=()):
    """The results of a comparison's SARIF, which is as the standard wants it."""
    text = sarif.sarif_of(sarif.comparison_findings(name, comparison, dict(files)))
    return check_sarif(json.loads(text))


def test_sarif_has_a_result_for_each_task_that_is_not_fine(plain):
    results = results_of("m", plain, {plain.tasks[0].benchmark: "a b:c.txt"})
    assert [result["ruleId"] for result in results] == [r for r in map(sarif.broken_rule, plain.tasks) if r]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b%3Ac.txt"
    fine = replace(plain, tasks=tuple(replace(t, verdict="same", gate="pass") for t in plain.tasks))
    assert results_of("", fine) == []
    advisory = replace(plain.tasks[0], tier="advisory")
    (noted,) = results_of("", replace(plain, tasks=(advisory,)))
    assert noted["level"] == "note"
    assert noted["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == advisory.benchmark


def test_sarif_of_hostile_texts_is_as_the_standard_wants_it(hostile):
    assert results_of("\x1b[2J\udc80", hostile, {task.benchmark: "\udc80 ü/%2e?#.yaml" for task in hostile.tasks})
    for verdict in ("worse", "not comparable", "incomplete"):
        of = tuple(replace(task, verdict=verdict) for task in hostile.tasks)
        assert len(results_of("", replace(hostile, tasks=of))) == len(of)


def test_plain_markdown_reads_well_and_is_still_inert(plain):
    task = plain.tasks[0]
    hostile = "[x](http://evil.example) @everyone <b>&#42; `rm` www.evil.example"
    sample = replace(task.samples[0], gold=hostile, id="- x", new_answer=hostile, new_text=hostile)
    made = markdown.plain_markdown(
        markdown.comment_markdown(replace(plain, tasks=(replace(task, samples=(sample,)), *plain.tasks[1:])))
    )
    assert not re.search(r"</?(details|summary)|&#\d|<!--|\N{NO-BREAK SPACE}", made)
    for live in ("@everyone", "http://", "www.evil", "[x](", "<b>", " `rm`"):
        assert live not in made, live
    assert "\\[x\\]" in made
    assert made.startswith("### ")
    rows = [row for row in made.splitlines() if row.startswith("| ")]
    assert all(row.endswith("|") for row in rows)


def test_a_clear_verdict_stands_beside_no_word_of_too_little_power(tmp_path, evalh):
    base, new = make_run(tmp_path / "a", "1" * 40), make_run(tmp_path / "b", "0" * 30 + "1" * 10)
    said = evalh("compare", base, new)
    assert ("worse" in said.out, "underpowered" in said.out) == (True, False)
    open_ = evalh("compare", base, make_run(tmp_path / "c", "0" * 2 + "1" * 38)).out
    assert ("can't tell" in open_, "underpowered" in open_) == (True, True)


def test_the_reports_of_the_command(tmp_path, evalh):
    base, new = make_run(tmp_path / "runs/a", "1" * 100), make_run(tmp_path / "runs/b", "0" * 50 + "1" * 50)
    assert evalh("compare", base, new, "--report", "out", "--sarif", "x.sarif", "--plain").code == 0
    assert (tmp_path / "out/report.sarif").read_text() == (tmp_path / "x.sarif").read_text()
    assert "<details>" not in (tmp_path / "out/comment.md").read_text()
    assert evalh("report", "out/report.json", "--format", "sarif").json["version"] == "2.1.0"
    assert "<details>" in evalh("report", "out/report.json", "--format", "markdown").out
    assert "<details>" not in evalh("report", "out/report.json", "--format", "markdown", "--plain").out
    assert evalh("report", "out/report.json", "--plain").code == 2

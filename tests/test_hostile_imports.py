"""Odd files of other programs: one line each, or read."""

import json
from pathlib import Path

import pytest

from evalharness.runs.store import find_run

DEEP, LONG = "[" * 200_000, "9" * 20_000
ALPACA = {"generator_2": "m", "instruction": "i", "output_1": "a", "output_2": "b", "preference": 1.5}
TURN = {"question_id": 1, "turn": 1, "model": "m", "score": 7, "judge": ["gpt-4", "single-v1"]}
PANDA = {
    "idx": 1,
    "annotator1": 0,
    "annotator2": 1,
    "annotator3": 2,
    "response1": "a",
    "response2": "b",
    "instruction": "i",
}
SWAPS = {"swap = False": {"winner": "1"}, "swap = True": {"winner": "1"}}
LLMBAR = {"input": "i", "output_1": "a", "output_2": "b", "label": 1, "results": [SWAPS]}


@pytest.mark.parametrize(
    ("form", "rows", "said"),
    [
        ("fastchat", [{**TURN, "turn": "one"}], ":1: its turn is 'one'"),
        ("fastchat", [{**TURN, "turn": None}], ":1: its turn is None"),
        ("fastchat", [{**TURN, "turn": 1.5}], ":1: its turn is 1.5"),
        ("fastchat", [{**TURN, "turn": [1]}], ":1: its turn is [1]"),
        ("fastchat", [{**TURN, "judge": {"a": 1}}], ":1: its judge is {'a': 1}"),
        ("fastchat", [{**TURN, "judge": 7}], ":1: its judge is 7"),
        ("fastchat", [{**TURN, "judge": []}], ":1: its judge is []"),
        ("fastchat", [{**TURN, "judge": [7]}], ":1: its judge is [7]"),
        ("fastchat", [{**TURN, "score": "good"}], ":1: its score is 'good'"),
        ("fastchat", [{**TURN, "score": [7]}], ":1: its score is [7]"),
        ("fastchat", [{**TURN, "question_id": {}}], ":1: its question_id is {}"),
        ("fastchat", [{**TURN, "model": None}], ":1: its model is None"),
        ("fastchat", [TURN, TURN], "has turn 1 twice"),
        ("alpaca_eval", [{**ALPACA, "preference": "best"}], "row 1: its preference is 'best'"),
        ("alpaca_eval", [{**ALPACA, "preference": True}], "row 1: its preference is True"),
        ("alpaca_eval", [{**ALPACA, "instruction": None}], "row 1: its instruction is None"),
        ("alpaca_eval", [{**ALPACA, "output_2": ["b"]}], "row 1: its output_2 is ['b']"),
        ("alpaca_eval", [{**ALPACA, "generator_2": {}}], "row 1: its generator_2 is {}"),
        ("alpaca_eval", [{**ALPACA, "annotator": [1]}], "row 1: its annotator is [1]"),
        ("alpaca_eval", [ALPACA, ALPACA], "the same instruction"),
        ("alpaca_eval", [7], "entry 1: wanted a JSON object"),
        ("llmbar", [{**LLMBAR, "label": None}], "row 1"),
        ("llmbar", [{**LLMBAR, "results": [{"swap = False": 7, "swap = True": []}]}], "row 1"),
        ("llmbar", [{**LLMBAR, "results": "x"}], "row 1"),
        ("llmbar", [{**LLMBAR, "output_1": None}], "row 1: its output_1 is None"),
        ("pandalm", [PANDA, PANDA], "has the item '1' 2 times"),
        ("pandalm", [{**PANDA, "annotator1": True}], "row 1: wanted 0, 1 or 2"),
        ("pandalm", [{**PANDA, "response1": {}}], "row 1: its response1 is {}"),
        ("scores", [50, "many"], "item 2: its grade is 'many'"),
        ("scores", [50, [1]], "item 2: its grade is [1]"),
        ("scores", [50, True], "item 2: its grade is True"),
        ("scores", [50, 10**400], "item 2: its grade is 1000"),
        ("scores", [101], "item 1 has the grade 101"),
    ],
)
def test_an_odd_import_is_one_line(tmp_path, evalh, form, rows, said):
    lines_ = "\n".join(map(json.dumps, rows)) if form == "fastchat" else json.dumps(rows)
    (tmp_path / "f.json").write_text(lines_, encoding="utf-8")
    found = evalh("import", form, "f.json")
    assert found.code == 2 and said in found.err and len(found.err.splitlines()) == 1 and "Traceback" not in found.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("form", ["alpaca_eval", "fastchat", "llmbar", "pandalm", "scores"])
@pytest.mark.parametrize("text", [DEEP, LONG, "[" + LONG + "]", "null", "7", '"a"', "{", "", "\ud800", "[[1]]", "[{}]"])
def test_an_import_of_anything_is_one_line(tmp_path, evalh, form, text):
    (tmp_path / "f.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = evalh("import", form, "f.json")
    assert found.code == 2 and len(found.err.splitlines()) == 1 and "f.json" in found.err


def test_what_an_import_may_hold(tmp_path, evalh):
    """A null output is empty, grades may be texts, a judge may be a text, halves of surrogate pairs are texts."""
    rows = [{**ALPACA, "output_2": None, "preference": "2.0", "generator_2": "m\ud800", "annotator": "\u202ej"}]
    (tmp_path / "f.json").write_text(json.dumps(rows))
    assert evalh("import", "alpaca_eval", "f.json", "--name", "a").code == 0
    (result,) = find_run("a").results()
    assert result.response.text == "" and result.verdicts[0].value == 1.0
    (tmp_path / "g.json").write_text(json.dumps({**TURN, "judge": "gpt-4", "score": "7"}))
    assert evalh("import", "fastchat", "g.json", "--name", "b").code == 0
    assert {v.judge: v.value for r in find_run("b").results() for v in r.verdicts} == {"gpt-4": pytest.approx(6 / 9)}
    (tmp_path / "h.json").write_text(json.dumps(["50", 70, None]))
    assert evalh("import", "scores", "h.json", "--name", "c", "--json").json["figures"]["mean"] == 60

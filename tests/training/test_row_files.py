"""Files of rows: every kind of file, what is broken in them, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from marked_rows import write

from evalharness.errors import DataError
from evalharness.training import datasets

FILES = {
    "semi.csv": "instruction;input;output\nq;;a\nq;;a\n",
    "comma.csv": "instruction,input,output\nq,,a\nq,,a\n",
    "tabs.csv": "instruction\tinput\toutput\nq\t\ta\nq\t\ta\n",
    "tabs.tsv": "instruction\toutput\nq\ta\nq\ta\n",
    "bar.csv": 'prompt|completion\n"q"|a\nq|a\n',
    "lines.json": '{"prompt": "q", "completion": "a"}\n{"prompt": "q", "completion": "a"}\n',
    "lines.ndjson": '{"prompt": "q", "completion": "a"}\n\n{"prompt": "q", "completion": "a"}\n',
    "data.json": {"version": 1, "data": [{"prompt": "q", "completion": "a"}] * 2},
    "viewer.json": {"features": None, "rows": [{"row_idx": 0, "row": {"prompt": "q", "completion": "a"}}] * 2},
    "long.csv": "prompt,completion\nq,a\nq," + "b" * 200_000 + "\n",
}

U, A = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    data = datasets.read_training_data(write(tmp_path / name, FILES[name]))
    assert [row.number for row in data.rows] == [1, 2]
    assert [m.content for m in data.rows[0].messages] == ["q", "a"]


@pytest.mark.parametrize(
    ("value", "said"), [("[" * 100_000 + "]" * 100_000, "nested too deep"), ("9" * 6000, "too many digits")]
)
def test_json_that_no_parser_survives_is_a_broken_row(tmp_path: Path, value: str, said: str) -> None:
    whole = '{"prompt": "q", "completion": "a"}'
    for broken in (
        whole.replace('"a"', value),
        json.dumps({"messages": [U, A], "tools": value}),
    ):
        file = tmp_path / "x.jsonl"
        file.write_text(f"{whole}\n{broken}\n")
        with pytest.raises(DataError, match=f"1 of 2 rows .*row 2 .*{said}"):
            datasets.read_training_data(str(file))


def test_packed_files_and_broken_lines(tmp_path: Path) -> None:
    import gzip

    lines = [json.dumps({"prompt": "q", "completion": "a"})] * 3
    lines[1] = '{"prompt": "q", "comp'
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(DataError, match=r"1 of 3 rows .*row 2 \(not valid JSON"):
        datasets.read_training_data(str(tmp_path / "x.jsonl.gz"))
    assert len(datasets.read_training_data(str(tmp_path / "x.jsonl.gz"), skip_bad=True).rows) == 2
    with pytest.raises(DataError, match=r"row 2 \(2 more cells than the header"):
        datasets.read_training_data(write(tmp_path / "x.csv", "prompt,completion\nq,a\nq,a,b,c\n"))
    with pytest.raises(DataError, match="lists named prompt, completion"):
        datasets.read_training_data(write(tmp_path / "columns.json", {"prompt": ["q", "q"], "completion": ["a", "a"]}))


TABLES = {
    "x.csv": ["prompt,completion", "q,a", '"q\nr",a'],
    "semi.csv": ["prompt;completion", "q;a", '"q\nr";a'],
    "x.tsv": ["prompt\tcompletion", "q\ta", '"q\nr"\ta'],
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("bad", ['q{}"never closed', '"q" stray{}a'])
def test_a_quote_that_swallows_rows_is_refused_by_the_line_of_its_row(name: str, bad: str, tmp_path: Path) -> None:
    mark = TABLES[name][0].removeprefix("prompt")[0]
    text = "\n".join([*TABLES[name], "", bad.format(mark), f"q{mark}a", f"q{mark}a", ""])
    with pytest.raises(DataError, match=rf"{name}:6: not a CSV file .*; look for a quote that is not closed"):
        datasets.read_training_data(write(tmp_path / name, text))
    good = "\n".join([*TABLES[name], "", f'q 5" wide{mark}a', f'"q ""r"""{mark}a'])
    asked = [row.messages[0].content for row in datasets.read_training_data(write(tmp_path / name, good)).rows]
    assert asked == ["q", "q\nr", 'q 5" wide', 'q "r"']


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prompt,completion,prompt\nq,a,r\nq,a,r\n", "two columns are called 'prompt'"),
        ("prompt,completion\nq,a\nq\n", r"1 of 2 rows .*row 2 \(1 fewer cells than the header has names"),
        ("prompt;completion\nq;a;b\nq;a\n", r"1 of 2 rows .*row 1 \(1 more cells than the header has names"),
        ("prompt,completion\n", "at least 2 rows .* there are 0"),
        ("", "the file is empty"),
    ],
)
def test_a_table_that_would_lose_cells_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        datasets.read_training_data(write(tmp_path / "x.csv", text))


def test_all_broken_rows_are_listed_and_eight_are_shown(tmp_path: Path) -> None:
    bad: list[Any] = [{"instruction": "q", "output": ""}] * 20 + [{"instruction": "q", "output": 3}, {"output": "a"}]
    with pytest.raises(datasets.BrokenRowsError, match=r"21 of 22 .*row 1, 2, 3, 4, 5, 6, 7, 8, \.\.\. ") as raised:
        datasets.read_training_data(write(tmp_path / "x.jsonl", bad))
    listed = datasets.list_broken(raised.value.broken, tmp_path / "out" / "bad_rows.jsonl").read_text().splitlines()
    assert len(listed) == 21
    assert json.loads(listed[-1]) == {"row": 22, "place": "x.jsonl:22", "reason": "'instruction' is missing"}


@pytest.mark.parametrize("mark", [";", ","])
def test_excel_s_first_line_says_the_delimiter(mark: str, tmp_path: Path) -> None:
    text = f"sep={mark}\r\nprompt{mark}completion\r\nq{mark}a\r\nr{mark}b\r\n"
    found = datasets.read_training_data(write(tmp_path / "x.csv", text))
    assert [[m.content for m in row.messages] for row in found.rows] == [["q", "a"], ["r", "b"]]


def test_a_column_without_a_name_is_named_so(tmp_path: Path) -> None:
    found = datasets.read_training_data(write(tmp_path / "x.csv", ",prompt,completion\n0,q,a\n1,r,b\n"))
    assert found.notes == ("fields that are not learned from: (no name)",)


def test_other_encodings_say_what_to_do(tmp_path: Path) -> None:
    for encoding_ in ("utf-16", "latin-1"):
        (tmp_path / "x.csv").write_bytes("prompt,completion\nÜ,é\nq,a\n".encode(encoding_))
        with pytest.raises(DataError, match="save it as UTF-8"):
            datasets.read_training_data(str(tmp_path / "x.csv"))


def test_a_label_that_cannot_be_read_is_the_reason(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "completion": "a", "label": "thumbs_up"}] * 2
    with pytest.raises(DataError, match=r"'label' is 'thumbs_up', wanted true or false"):
        datasets.read_training_data(write(tmp_path / "x.jsonl", rows), labelled=True)


def test_texts_with_the_question_inside_say_what_to_do(tmp_path: Path) -> None:
    pair = {"chosen": "Human: q Assistant: a", "rejected": "Human: q Assistant: b"}
    with pytest.raises(DataError, match="'prompt' is missing; a question that stands in both texts has to be in"):
        datasets.read_training_data(write(tmp_path / "x.jsonl", [pair] * 2))

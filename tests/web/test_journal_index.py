"""The index over a journal: pages, filters, growth, and text that is looked for."""

import json

import pytest
from run_folders import letters, line

from evalharness.errors import UserError
from evalharness.records import Request, Response, Result, Sample
from evalharness.runs.journal import dumps
from evalharness.web import text_search
from evalharness.web.journal_index import JournalIndex, ResultFilter
from evalharness.web.text_search import running_count, search_page


def written(tmp_path, lines, spaces=True):
    path = tmp_path / "run" / "results.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join((json.dumps(one).encode() if spaces else dumps(one)) + b"\n" for one in lines))
    return path


def indexed(path):
    made = JournalIndex(path, path.parent.parent / "index" / "x.sqlite")
    made.refresh()
    return made


def ids(index, places):
    return [result.sample.id for result in index.results(places)]


def all_pages(index, wanted, most=3):
    found, after = [], -1
    while page := index.places(wanted, after=after, most=most):
        found += page
        after = page[-1]
    return found


@pytest.mark.parametrize("spaces", [True, False])
def test_pages_of_every_filter_are_what_the_lines_say(tmp_path, spaces):
    lines = letters("quiz", "1100u1te10", groups=2) + letters("other", "01", groups=1)
    index = indexed(written(tmp_path, lines, spaces))
    for wanted in (
        ResultFilter(), ResultFilter(status="wrong"), ResultFilter(benchmark="quiz", group="g1"),
        ResultFilter(group="g0", status="unparsed"), ResultFilter(status="refused"), ResultFilter(benchmark="other"),
    ):  # fmt: skip
        right = [
            one["id"] for one in lines
            if wanted.benchmark in ("", one["benchmark"]) and wanted.group in ("", one["group"])
            and wanted.status in ("", one["status"])
        ]  # fmt: skip
        assert ids(index, all_pages(index, wanted)) == right, wanted
        assert ids(index, index.places(wanted, before=10**9, most=100)) == right, wanted


def test_counts_by_kind(tmp_path):
    index = indexed(written(tmp_path, letters("quiz", "1100u1te10", groups=2)))
    counted = {}
    for kind in index.kinds():
        counted[kind.status] = counted.get(kind.status, 0) + kind.n
    assert counted == {"correct": 4, "wrong": 3, "unparsed": 1, "truncated": 1, "error": 1}


def test_of_several_lines_of_one_key_the_last_counts(tmp_path):
    lines = letters("quiz", "000")
    path = written(tmp_path, [*lines, {**lines[1], "status": "correct"}])
    index = indexed(path)
    assert ids(index, index.places(ResultFilter())) == ["g0/0", "g0/2", "g0/1"]
    assert ids(index, index.places(ResultFilter(status="correct"))) == ["g0/1"]
    assert sum(kind.n for kind in index.kinds()) == 3


def test_an_index_goes_on_where_the_journal_grew(tmp_path, monkeypatch):
    lines = letters("quiz", "0101")
    path = written(tmp_path, lines[:2])
    index = indexed(path)
    inode = index.file.stat().st_ino
    with path.open("ab") as file:
        file.write(
            json.dumps(lines[2]).encode() + b"\n" + json.dumps({**lines[0], "status": "correct"}).encode() + b"\n"
        )
        file.write(json.dumps(lines[3]).encode())  # torn
    index.refresh()
    assert index.file.stat().st_ino == inode, "it went on, and was not made anew"
    assert ids(index, index.places(ResultFilter())) == ["g0/1", "g0/2", "g0/0"]
    with path.open("ab") as file:
        file.write(b"\n")
    index.refresh()
    assert ids(index, index.places(ResultFilter())) == ["g0/1", "g0/2", "g0/0", "g0/3"]


def test_two_that_go_on_at_once_do_it_once(tmp_path):
    lines = letters("quiz", "0101")
    path = written(tmp_path, lines[:2])
    index = indexed(path)
    kept = index._state()
    with path.open("ab") as file:
        file.write(b"".join(json.dumps(one).encode() + b"\n" for one in lines[2:]))
    index._go_on(kept, None)
    index._go_on(kept, None)
    assert ids(index, index.places(ResultFilter())) == ["g0/0", "g0/1", "g0/2", "g0/3"]
    assert sum(kind.n for kind in index.kinds()) == 4


@pytest.mark.parametrize("longer", [True, False])
def test_an_index_is_made_anew_where_the_journal_was_written_anew(tmp_path, longer):
    path = written(tmp_path, letters("quiz", "0101"))
    index = indexed(path)
    written(tmp_path, letters("test", "11110000" if longer else "1"))
    index.refresh()
    assert {kind.benchmark for kind in index.kinds()} == {"test"}


def test_a_journal_that_does_not_change_is_not_read_again(tmp_path, monkeypatch):
    path = written(tmp_path, letters("quiz", "0101"))
    index = indexed(path)
    monkeypatch.setattr(JournalIndex, "_add", lambda *_: pytest.fail("read again"))
    index.refresh()


@pytest.mark.parametrize("content", [b"not a database", b""])
def test_a_damaged_index_is_made_anew(tmp_path, content):
    index = indexed(written(tmp_path, letters("quiz", "01")))
    index.file.write_bytes(content)
    index.refresh()
    assert len(index.places(ResultFilter())) == 2


def test_damaged_lines_are_counted_and_passed_over(tmp_path):
    path = written(tmp_path, letters("quiz", "01"))
    odd = [
        b"{broken",
        b"[1]",
        b"null",
        b'{"benchmark": "q", "id": "x"}',
        b'{"benchmark": "q", "id": "x", "status": "odd"}',
    ]
    with path.open("ab") as file:
        file.write(b"\n".join(odd) + b"\n" + json.dumps(line("quiz", "a/9", "wrong", 0.0)).encode() + b"\n")
    index = indexed(path)
    assert index.damaged == len(odd)
    assert ids(index, index.places(ResultFilter()))[-1] == "a/9"


@pytest.mark.parametrize(
    "identity", ["plain", 'quote"d', "back\\slash", "ünïcode 漢字", "new\nline", "", "x" * 10_000, "%2f../.."]
)
def test_any_id_is_found(tmp_path, identity):
    lines = [line("quiz", "first", "wrong", 0.0), line("quiz", identity, "correct", 1.0, group="g")]
    for spaces in (True, False):
        index = indexed(written(tmp_path, lines, spaces))
        place = index.find(("quiz", identity, 0))
        assert place is not None and ids(index, [place]) == [identity]
        assert index.find(("quiz", identity, 1)) is None and index.find(("other", identity, 0)) is None


def test_suspect_programs_are_a_filter(tmp_path):
    lines = letters("quiz", "11")
    lines[1]["detail"] = {"standing": "suspect"}
    lines[0]["response"]["text"] = 'it says "standing": "suspect" itself'
    index = indexed(written(tmp_path, lines))
    assert ids(index, index.places(ResultFilter(suspect=True))) == ["g0/1"]


def test_no_journal_is_an_empty_index(tmp_path):
    index = indexed(tmp_path / "run" / "results.jsonl")
    assert index.places(ResultFilter()) == [] and index.kinds() == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    path = written(tmp_path, letters("quiz", "1"))
    (tmp_path / "index").write_text("a file, no folder")
    with pytest.raises(UserError, match="cannot be indexed"):
        indexed(path)


def searched(index, text, **wanted):
    found, after = [], -1
    while True:
        page = search_page(index, ResultFilter(text=text, **wanted), after=after, most=2)
        found += page.places
        if page.looked is None:
            return ids(index, found)
        after = page.looked


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("block", [64, 1000, 4 << 20])
def test_text_is_found_in_what_is_shown_and_not_in_keys(tmp_path, monkeypatch, spaces, block):
    monkeypatch.setattr(text_search, "_BLOCK", block)
    lines = letters("quiz", "0" * 9)
    for place, text in enumerate(["a needle", 'say "needle"', "tab\tneedle", "nädel 漢字", "no", "Needle", "needle\n"]):
        lines[place]["response"]["text"] = text
    lines[8]["sample"]["question"] = "where is the needle?"
    lines[4]["detail"] = {"rule": "needle"}
    index = indexed(written(tmp_path, lines, spaces))
    assert searched(index, "needle") == ["g0/0", "g0/1", "g0/2", "g0/6", "g0/8"]
    assert searched(index, 'say "needle"') == ["g0/1"] and searched(index, "tab\tneedle") == ["g0/2"]
    assert searched(index, "nädel 漢字") == ["g0/3"]
    assert searched(index, "finish") == searched(index, "benchmark") == []
    assert searched(index, "needle", status="correct") == []
    assert list(running_count(index, ResultFilter(text="needle")))[-1] == (5, True)


def test_a_search_that_takes_long_says_how_far_it_came(tmp_path, monkeypatch):
    monkeypatch.setattr(text_search, "_BLOCK", 64)
    monkeypatch.setattr(text_search, "_SECONDS", 0.0)
    index = indexed(written(tmp_path, letters("quiz", "0" * 40)))
    page = search_page(index, ResultFilter(text="g0/39"))
    assert page.places == () and page.looked is not None
    assert searched(index, "g0/39") == ["g0/39"]


def test_a_replaced_line_is_not_found(tmp_path):
    lines = letters("quiz", "00")
    lines[0]["response"]["text"] = "needle"
    again = {**lines[0], "response": {"text": "hay"}}
    index = indexed(written(tmp_path, [*lines, again]))
    assert searched(index, "needle") == []


def test_what_the_program_writes_is_read_by_the_quick_way(tmp_path, monkeypatch):
    """The index must not fall back to parsing every line."""
    from evalharness.runs.store import result_to_json
    from evalharness.web import journal_index

    made = Result(benchmark="quiz", sample=Sample(id="a/1", question="?", group="g"), request=Request(messages=()),
                  response=Response(text="x"), status="correct")  # fmt: skip
    monkeypatch.setattr(journal_index, "loads", lambda _: pytest.fail("parsed"))
    index = indexed(written(tmp_path, [result_to_json(made)], spaces=False))
    assert sum(kind.n for kind in index.kinds()) == 1

"""Labelling: blind, one file for each annotator that calibration reads, agreement, and a pair's sides."""

import json
import re

import pytest
from run_folders import line, make_run
from web_pages import client_of, text_of

from evalharness.errors import DataError
from evalharness.judging.audit.evidence import Evidence
from evalharness.judging.audit.examine import read_labels
from evalharness.runs.store import Run
from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.label_order import label_order
from evalharness.web.run_library import RunLibrary, run_key


@pytest.fixture
def folder(tmp_path):
    """Two runs that answer eight questions; on two of them alike."""
    for name in ("one", "two"):
        lines = [
            line(
                "quiz", f"q/{n}", "scored", 0.5, text=f"{'both' if n < 2 else name} says {n}", question=f"Question {n}?"
            )
            for n in range(8)
        ]
        lines[7]["response"] = {"text": "", "error": "503"}
        lines[7]["status"] = "error"
        make_run(tmp_path / "runs" / name, lines=lines, model={"name": f"secret-{name}", "fingerprint": name})
    return tmp_path / "runs"


@pytest.fixture
def client(folder):
    return client_of(view_application(RunLibrary([], folder), GuardTerms()))


def fields_of(page):
    form = page.text[page.text.index("/label/set") :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def at(folder, name="ann", against=""):
    other = f"&against={run_key(folder / against)}" if against else ""
    return f"/label?run={run_key(folder / 'one')}&name={name}{other}"


def test_a_queue_is_labelled_to_its_end_and_calibration_reads_the_file(folder, client):
    page, seen = client.get(at(folder)), []
    for label in ("good", "bad", "half", "good", "good", "bad", "good"):
        assert "secret" not in text_of(page).replace(str(folder), "")
        seen.append(re.search(r"Question \d", text_of(page))[0])
        page = client.post("/label/set", data={**fields_of(page), "label": label})
    assert len(set(seen)) == 7 and "Nothing is left" in page.text and "7 labelled by ann" in text_of(page)
    file = folder / "one" / "labels" / "ann.jsonl"
    run = Run(folder / "one")
    read = read_labels(file, Evidence(run, "", tuple(run.results())))
    assert sorted(read.values.values()) == [0, 0, 0.5, 1, 1, 1, 1] and not read.chances
    with pytest.raises(DataError):
        read_labels(file, Evidence(run, "", ()))


def test_the_last_label_is_taken_back(folder, client):
    first = client.get(at(folder))
    second = client.post("/label/set", data={**fields_of(first), "label": "bad"})
    page = client.post("/label/undo", data=fields_of(second))
    assert re.search(r"Question \d", text_of(page))[0] == re.search(r"Question \d", text_of(first))[0]
    assert (folder / "one" / "labels" / "ann.jsonl").read_text() == ""
    skipped = client.get(re.search(r'data-key="s" href="([^"]*)"', page.text)[1].replace("&amp;", "&"))
    assert fields_of(skipped)["item"] == fields_of(second)["item"]


def test_annotators_meet_on_the_same_answers_and_agree_or_not(folder, client):
    for name, labels in (("ann", ("good", "bad", "good", "bad")), ("bob", ("good", "bad", "good", "good"))):
        page = client.get(at(folder, name))
        for label in labels:
            page = client.post("/label/set", data={**fields_of(page), "label": label})
    said = text_of(page)
    assert "2 annotators, 4 answers with two labels or more" in said
    assert float(re.search(r"alpha\) (\S+)", said)[1]) == pytest.approx(0.53, abs=0.01)


def test_a_pair_is_blind_and_its_label_is_the_run_s_own_worth(folder, client):
    page, sides = client.get(at(folder, against="two")), set()
    for _ in range(5):
        assert "secret" not in page.text
        shown = re.findall(r'aria-label="Answer [AB]">(\w+) says (\d)', page.text)
        assert {who for who, _ in shown} == {"one", "two"} and shown[0][1] not in "01"
        sides.add(shown[0][0])
        page = client.post("/label/set", data={**fields_of(page), "label": "a" if shown[0][0] == "one" else "b"})
    assert "Nothing is left" in page.text and sides == {"one", "two"}
    (file,) = (folder / "one" / "labels").glob("against-*/ann.jsonl")
    assert [json.loads(row)["label"] for row in file.read_text().splitlines()] == [1.0] * 5


@pytest.mark.parametrize("name", ["../x", "A", "a/b", "", "x" * 33, "a b", "-a", "a\n", "é"])
def test_a_name_stays_a_name(folder, client, name):
    page = client.get("/label", params={"run": run_key(folder / "one"), "name": name})
    assert "Begin" in page.text
    good = fields_of(client.get(at(folder)))
    assert client.post("/label/set", data={**good, "name": name, "label": "good"}).status_code == 400
    assert not (folder / "one" / "labels").exists()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"csrf": ""}, 403), ({"csrf": "x"}, 403), ({"label": "best"}, 400), ({"item": "1-x"}, 400),
        ({"item": ""}, 400), ({"item": "9" * 30}, 400), ({"run": "000000000000"}, 404),
        ({"against": "000000000000"}, 404),
    ],
)  # fmt: skip
def test_half_a_label_is_none(folder, client, changed, status):
    fields = {**fields_of(client.get(at(folder))), "label": "good", **changed}
    assert client.post("/label/set", data=fields).status_code == status
    assert not (folder / "one" / "labels").exists()


def test_a_label_for_a_result_that_is_another_by_now_is_refused(folder, client):
    fields = {**fields_of(client.get(at(folder))), "label": "good"}
    lines = [line("quiz", f"z/{n}", "scored", 0.5, text=f"other {n} padded") for n in range(8)]
    make_run(folder / "one", lines=lines)
    assert client.post("/label/set", data=fields).status_code == 400


def test_a_damaged_file_of_labels_is_named(folder, client):
    (folder / "one" / "labels").mkdir()
    (folder / "one" / "labels" / "ann.jsonl").write_text("{")
    page = client.get(at(folder))
    assert page.status_code == 409 and "edited or damaged" in page.text


def judged_run(folder, values):
    """A run whose judge gave these values, 0.5 where it was of two minds."""
    lines = []
    for n, value in enumerate(values):
        one = line("quiz", f"q/{n}", "scored", value, text=f"answer {n}", question=f"Question {n}?")
        one["detail"] = {"judged": {"j": {"value": value, "members": {"j": value}}}}
        lines.append(one)
    return make_run(folder, lines=lines, judgings={"j": {}})


def test_what_a_judge_is_unsure_of_is_labelled_sooner_and_weighed(tmp_path):
    values = [(0.0, 1.0, 0.5)[n % 3] for n in range(300)]
    run = Run(judged_run(tmp_path / "runs" / "one", values))
    index = RunLibrary([], tmp_path / "runs").index(run)
    order = label_order(run, index)
    first = [result.sample.id for result in index.results(order.places[:90])]
    unsure = sum(values[int(name.partition("/")[2])] == 0.5 for name in first)
    assert 40 <= unsure <= 60, "the share of 0.5 / (0.5 + 0.2 + 0.2)"
    chances = order.chances(first)
    assert sum(1 / chance for chance in chances.values()) == pytest.approx(300, rel=0.1)
    assert set(order.chances(order.spread).values()) == {1.0}, "who labels all has asked for all"


def test_chances_stand_in_the_file_and_calibration_weighs_them(tmp_path, evalh):
    values = [(0.0, 1.0, 0.5)[n % 3] for n in range(60)]
    folder = tmp_path / "runs"
    judged_run(folder / "one", values)
    client = client_of(view_application(RunLibrary([], folder), GuardTerms()))
    page = client.get(at(folder))
    for n in range(24):
        page = client.post("/label/set", data={**fields_of(page), "label": ("good", "bad")[n % 2]})
    file = folder / "one" / "labels" / "ann.jsonl"
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    unsure = [row for row in rows if values[int(row["id"].partition("/")[2])] == 0.5]
    assert min(row["chance"] for row in unsure) > max(row["chance"] for row in rows if row not in unsure)
    said = evalh("judge", "calibrate", folder / "one", "--labels", file, "--json").json
    people = sum(row["label"] / row["chance"] for row in rows) / sum(1 / row["chance"] for row in rows)
    assert said["figures"]["humans only"]["value"] == pytest.approx(people)
    assert json.loads((folder / "one" / "labels.json").read_text())["chances"] == {r["id"]: r["chance"] for r in rows}
    page = client.post("/label/undo", data=fields_of(page))
    assert len(file.read_text().splitlines()) == 23 and "chance" in file.read_text()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "q/0", "label": 1, "chance": 0}], "a chance above 0"),
        ([{"id": "q/0", "label": 1, "chance": "0.5"}], "a chance above 0"),
        ([{"id": "q/0", "label": 1, "chance": 0.5}, {"id": "q/1", "label": 1}], "of all or of none"),
    ],
)
def test_chances_that_are_none_are_named(tmp_path, folder, rows, said):
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = Run(folder / "one")
    with pytest.raises(DataError, match=said):
        read_labels(tmp_path / "labels.jsonl", Evidence(run, "", tuple(run.results())))

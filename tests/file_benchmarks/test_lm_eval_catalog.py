"""Names of lm-evaluation-harness's tasks: tasks, groups, tags and globs below a folder of task files."""

import json
import logging

import pytest

from evalharness import plugins
from evalharness.data.rows import Want
from evalharness.data.sources import load_rows
from evalharness.errors import DataError, UserError
from evalharness.events import Warned, observed_by
from evalharness.file_benchmarks.lm_eval import catalog, settings
from evalharness.file_benchmarks.lm_eval.config import read_task_file
from evalharness.file_benchmarks.lm_eval.groups import group_figures
from evalharness.records import Estimate

PLAIN = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{q}}}}"
doc_to_target: a
"""


@pytest.fixture
def folder(tmp_path):
    """Files by name; the catalog of the folder is forgotten afterwards."""

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        catalog._catalog.cache_clear()
        catalog._own_names.cache_clear()
        settings.include_folders([tmp_path])
        return tmp_path

    yield write
    settings.include_folders([])


@pytest.fixture
def warned():
    found = []
    with observed_by(lambda event: found.append(event.text) if isinstance(event, Warned) else None):
        yield found


def tasks(pattern):
    return catalog.open_catalog().find(pattern)


GROUPED = {
    "a": PLAIN.format(name="a_one") + "tag: [both, ones]\n",
    "b": PLAIN.format(name="a_two") + 'tag: "both"\n',
    "c": "include: a.yaml\ntask: b_one\n",
    "g": "group: all\ntask:\n  - inner\n  - task: b_one\n    num_fewshot: 1\n"
    "aggregate_metric_list: [{metric: exact_match, weight_by_size: false}]\n",
    "h": "group: inner\ntask: [a_one, a_two]\naggregate_metric_list: {metric: exact_match}\n",
}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a_one", ("a_one",)),
        ("all", ("a_one", "a_two", "all/b_one")),  # whose number of examples the group says
        ("both", ("a_one", "a_two", "b_one")),  # a tag is inherited
        ("*_one", ("a_one", "b_one")),
        ("b_one,inner", ("b_one", "a_one", "a_two")),
    ],
)
def test_a_name_stands_for_tasks(folder, pattern, found):
    folder(**GROUPED)
    assert tasks(pattern) == found
    assert plugins.task_names(f"lm_eval/{pattern}") == tuple(f"lm_eval/{name}" for name in found)


def test_groups_have_figures_where_all_their_tasks_were_run(folder):
    folder(**GROUPED)
    made = {
        name: {"accuracy": Estimate(value=value, stderr=0.1, low=0, high=1, n=n)}
        for name, value, n in (("a_one", 0.2, 10), ("a_two", 0.8, 30), ("all/b_one", 0.5, 2))
    }
    found = group_figures(catalog.open_catalog(), made)
    assert found["inner accuracy"].value == pytest.approx((0.2 * 10 + 0.8 * 30) / 40)
    assert found["all accuracy"].value == pytest.approx(0.5)
    assert found["inner accuracy"].n == 40
    del made["all/b_one"]
    assert set(group_figures(catalog.open_catalog(), made)) == {"inner accuracy"}


def test_two_tasks_of_one_name_are_said_and_the_first_counts(folder, warned):
    folder(a=PLAIN.format(name="same"), b=PLAIN.format(name="same") + "num_fewshot: 3\n")
    assert tasks("same") == ("same",)
    assert [said for said in warned if "b.yaml:1: same is there already" in said and "a.yaml" in said]


def test_a_later_folder_comes_before_an_earlier_one(folder, tmp_path, warned):
    first = folder(a=PLAIN.format(name="same"))
    second = tmp_path / "second"
    second.mkdir()
    (second / "a.yaml").write_text(PLAIN.format(name="same"), encoding="utf-8")
    other = tmp_path.parent / f"{tmp_path.name}-other"
    second.rename(other)
    settings.include_folders([first, other])
    assert catalog.open_catalog().entries["same"].file == other / "a.yaml"
    assert any("takes the place" in said for said in warned)


@pytest.mark.parametrize(
    ("files", "pattern", "said"),
    [
        ({}, "absent", "no task, group or tag 'absent'"),
        ({"a": PLAIN.format(name="capitals")}, "capital", r"did you mean capitals"),
        ({"a": PLAIN.format(name="capitals")}, "capital@mcqa", r"no task, group or tag 'capital' \(did you mean cap"),
        ({"g": "group: r\ntask: [other]\n", "h": "group: other\ntask: [r]\n"}, "r", r"is part of itself \(r > "),
        ({"g": "group: lost\ntask: [nowhere]\n"}, "lost", r"g\.yaml:2: the group lost names 'nowhere'"),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_said(folder, files, pattern, said):
    folder(**files)
    with pytest.raises(UserError, match=said) as error:
        tasks(pattern)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        settings.include_folders([tmp_path / "absent"])


def test_includes_may_be_a_list_the_later_over_the_earlier(tmp_path):
    for name, text in {"a": "x: 1\ny: 1\nz: 1\n", "b": "y: 2\nz: 2\n", "c": "include: [a, b]\nz: 3\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    read = read_task_file(tmp_path / "c")
    assert {key: read.value[key] for key in "xyz"} == {"x": 1, "y": 2, "z": 3}
    assert [str(read.error((key,), "")) for key in "xyz"] == [
        f"{tmp_path / name}:{line}: " for name, line in (("a", 1), ("b", 1), ("c", 2))
    ]
    (tmp_path / "d").write_text("include: [c, a]\n", encoding="utf-8")  # one file twice is no ring
    assert read_task_file(tmp_path / "d").value["z"] == 1


def test_a_ring_of_includes_is_said_by_its_line(tmp_path):
    (tmp_path / "a.yaml").write_text("task: a\ninclude: b.yaml\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("include: [a.yaml]\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.yaml:1: a ring of includes: a\.yaml includes this file again"):
        plugins.load_benchmark(str(tmp_path / "a.yaml"))


def test_of_a_key_that_is_there_twice_the_last_counts(tmp_path, warned):
    (tmp_path / "t.yaml").write_text(PLAIN.format(name="t") + "num_fewshot: 1\nnum_fewshot: 2\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text('{"q": "q", "a": "a"}\n', encoding="utf-8")
    assert plugins.load_benchmark(str(tmp_path / "t.yaml")).shots == 2
    assert any("t.yaml:9: this key is there twice" in said for said in warned)


def test_a_group_runs_by_its_name_and_is_scored_again_from_the_run(folder, evalh, caplog):
    caplog.set_level(logging.ERROR)
    where = folder(**GROUPED)
    for name in ("a_one", "a_two"):
        (where / f"{name}.jsonl").write_text(json.dumps({"q": "1", "a": "1"}) + "\n", encoding="utf-8")
    said = evalh("run", "lm_eval/inner", "--include-path", where, "--model", "echo", "--name", "r", "--json")
    assert said.code == 0, said.err
    assert set(said.json["benchmarks"]) == {"lm_eval/a_one", "lm_eval/a_two"}
    assert set(said.json["averages"]["lm_eval"]) == {"inner accuracy"}
    settings.include_folders([])  # the run knows its files
    again = evalh("rescore", "r", "--json")
    assert again.code == 0, again.err
    assert "averages" not in again.json
    whole = evalh("rescore", "r", "--json", "--include-path", where)
    assert whole.json["averages"] == said.json["averages"]
    listed = evalh("list", "benchmarks", "--lm-eval", "a_", "--include-path", where, "--json")
    assert [row["name"] for row in listed.json] == ["lm_eval/a_one", "lm_eval/a_two"]


def test_the_hub_is_asked_for_the_files_that_a_task_names(tmp_path, monkeypatch):
    import datasets

    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        if kwargs.get("data_dir"):
            raise RuntimeError("Dataset scripts are no longer supported, but found sums.py")
        return [{"q": "1", "a": "1"}]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    text = PLAIN.format(name="t").replace("json\n", "a/b\ndataset_name: c\n")
    for kwargs in ("{data_files: {test: x.jsonl}, trust_remote_code: true}", "{data_dir: d}", "{colour: red}"):
        (tmp_path / "t.yaml").write_text(
            "\n".join(
                f"dataset_kwargs: {kwargs}" if line.startswith("dataset_kwargs") else line for line in text.splitlines()
            ),
            encoding="utf-8",
        )
        name = str(tmp_path / "t.yaml")
        if "colour" in kwargs:
            with pytest.raises(DataError, match=r"t\.yaml:4: dataset_kwargs\.colour is not read"):
                plugins.load_benchmark(name)
            continue
        source = plugins.load_benchmark(name).source
        if "data_dir" in kwargs:
            with pytest.raises(DataError, match=r"t\.yaml:2: the hub data set a/b .*scripts are no longer supported"):
                load_rows(source, Want(split="test"), None)
        else:
            assert load_rows(source, Want(split="test"), None).rows == ({"q": "1", "a": "1"},)
    wanted = {"split": "test", "revision": "main", "data_files": {"test": "x.jsonl"}}
    assert asked[0] == (("a/b", "c"), wanted)

"""Groups of lm-evaluation-harness's tasks: what they say over their tasks' files, and their figures.

The expected settings and figures were made with that program (0.4.13) on the files below, but for what docs/lm-eval.md
says is meant to differ.
"""

import json

import pytest

from evalharness import plugins
from evalharness.errors import DataError, UserError
from evalharness.events import Warned, observed_by
from evalharness.file_benchmarks.lm_eval import catalog
from evalharness.file_benchmarks.lm_eval.groups import group_figures
from evalharness.file_benchmarks.lm_eval.settings import include_folders
from evalharness.records import Estimate

PLAIN = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl, train: {name}.jsonl}}}}
test_split: test
training_split: train
output_type: generate_until
doc_to_text: "{{{{q}}}}"
doc_to_target: a
num_fewshot: 0
"""
TWO_FILTERS = """filter_list:
  - {name: strict, filter: [{function: regex, regex_pattern: "is ([0-9]+)"}, {function: take_first}]}
  - {name: loose, filter: [{function: regex, regex_pattern: "([0-9]+)"}, {function: take_first}]}
"""
FILES = {
    "a": PLAIN.format(name="a"),
    "b": PLAIN.format(name="b"),
    "c": PLAIN.format(name="c") + "tag: both\n",
    "d": PLAIN.format(name="d") + "tag: both\n",
    "low": "group: low\nnum_fewshot: 1\ntask:\n  - a\n  - task: b\n    num_fewshot: 2\n"
    "aggregate_metric_list: [{metric: exact_match}]\nmetadata: {version: 3}\n",
    "high": 'group: high\ndescription: "Hi "\ntask:\n  - group: low\n    num_fewshot: 3\n'
    "  - task: both\n    num_fewshot: 4\n"
    "  - group: inner\n    num_fewshot: 5\n    task: [b, {task: c, task_alias: see, num_fewshot: 6}]\n"
    "    aggregate_metric_list: {metric: exact_match, weight_by_size: false}\n"
    "aggregate_metric_list:\n  - metric: exact_match\n",
    "alias": "group: alias\ngroup_alias: Alias\ntask:\n  - {task: a, task_alias: A}\n  - group: more\n    task: [b]\n"
    "    aggregate_metric_list: {metric: exact_match}\naggregate_metric_list: {metric: exact_match}\n",
    "own": "group: own\ntask:\n  - task: fresh\n    include: common\n    doc_to_text: 'Own: {{q}}'\n"
    "  - task: a\n    metric_list: [{metric: exact_match, ignore_case: true}, {metric: bleu}]\n",
    "common": "dataset_path: json\ndataset_kwargs: {data_files: {test: a.jsonl}}\ntest_split: test\ndoc_to_target: a\n",
}
SIZES = {"a": 3, "b": 5, "c": 7, "d": 9}


@pytest.fixture
def folder(tmp_path):
    """The files above with others over them; the catalog of the folder is forgotten afterwards."""

    def write(**files):
        for name, text in {**FILES, **files}.items():
            (tmp_path / (name if name == "common" else f"{name}.yaml")).write_text(text, encoding="utf-8")
        for name, count in SIZES.items():
            lines = (json.dumps({"q": f"{name}{i}?", "a": str(i)}) + "\n" for i in range(count))
            (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        catalog._catalog.cache_clear()
        catalog._own_names.cache_clear()
        include_folders([tmp_path])
        return tmp_path

    yield write
    include_folders([])


def settings(group, *keys):
    tasks = catalog.open_catalog().group(group).run_tasks()
    return {name: tuple(one.document().value.get(key) for key in keys) for name, one in tasks.items()}


@pytest.mark.parametrize(
    ("group", "wanted"),
    [
        ("low", {"a": (1, None), "b": (2, None)}),
        ("high", {"a": (3, "Hi "), "b": (5, "Hi "), "c": (6, "Hi "), "d": (4, "Hi ")}),
        ("alias", {"a": (0, None), "b": (0, None)}),
    ],
)
def test_what_a_group_says_counts_before_its_tasks_files(folder, group, wanted):
    folder()
    assert settings(group, "num_fewshot", "description") == wanted


def test_a_task_asked_in_a_groups_way_has_the_groups_name_before_its_own(folder):
    folder()
    names = plugins.task_names("lm_eval/high")
    assert names == tuple(f"lm_eval/high/{name}" for name in "abcd")
    assert [plugins.load_benchmark(name).shots for name in names] == [3, 5, 6, 4]
    assert plugins.load_benchmark("lm_eval/a").shots == 0
    assert plugins.task_names("lm_eval/alias") == ("lm_eval/a", "lm_eval/b")  # they are asked as by their files
    assert plugins.task_names("lm_eval/high/c,a") == ("lm_eval/high/c", "lm_eval/a")
    assert plugins.task_names("lm_eval/low/[ab]") == ("lm_eval/low/a", "lm_eval/low/b")
    with pytest.raises(UserError, match=r"no task, group or tag 'low/c' \(did you mean"):
        plugins.task_names("lm_eval/low/c")


def test_a_group_may_describe_tasks_and_include_files(folder):
    folder()
    assert plugins.task_names("lm_eval/own") == ("lm_eval/own::fresh", "lm_eval/own/a")
    fresh, changed = map(plugins.load_benchmark, plugins.task_names("lm_eval/own"))
    assert fresh.sample({"q": "1+1?", "a": "2"}).question == "Own: 1+1?"
    assert [metric.name for metric in changed.metrics] == ["accuracy", "bleu"]
    assert [metric.name for metric in plugins.load_benchmark("lm_eval/a").metrics] == ["accuracy"]


def test_a_run_of_a_group_asks_in_its_way_and_is_scored_again_so(folder, evalh):
    where = folder()
    said = evalh("run", "lm_eval/low", "--include-path", where, "--model", "echo", "--name", "r", "--json")
    assert said.code == 0, said.err
    assert set(said.json["benchmarks"]) == {"lm_eval/low/a", "lm_eval/low/b"}
    assert set(said.json["averages"]["lm_eval"]) == {"low accuracy"}
    lines = [json.loads(line) for line in (where / "runs/r/results.jsonl").read_text().splitlines()]
    asked = {line["benchmark"]: line["request"]["messages"][0]["content"].count("?") for line in lines}
    assert asked == {"lm_eval/low/a": 2, "lm_eval/low/b": 3}
    include_folders([])  # the run knows the group's file
    again = evalh("rescore", "r", "--json")
    assert again.code == 0, again.err
    assert again.json["benchmarks"] == said.json["benchmarks"]


HELPERS = """
def loud(doc):
    return doc["q"].upper() + "!"

def odd(dataset):
    return [row for row in dataset if int(row["a"]) % 2]
"""


def test_a_groups_functions_are_those_of_its_own_folder(folder, evalh):
    """They run fenced as all task code does, and their hash is in the manifest."""
    where = folder(g="group: g\ntask: []\n")
    (where / "deep").mkdir()
    (where / "deep/helpers.py").write_text(HELPERS, encoding="utf-8")
    text = "group: deep\ntask:\n  - task: b\n    doc_to_text: !function helpers.loud\n"
    text += "    process_docs: !function helpers.odd\n"
    (where / "deep/group.yaml").write_text(text, encoding="utf-8")
    said = evalh("run", "lm_eval/deep", "--include-path", where, "--model", "echo", "--name", "r", "--json")
    assert said.code == 0, said.err
    lines = [json.loads(line) for line in (where / "runs/r/results.jsonl").read_text().splitlines()]
    assert sorted(line["request"]["messages"][0]["content"] for line in lines) == ["B1?!", "B3?!"]
    assert json.loads((where / "runs/r/run.json").read_text())["benchmarks"]["lm_eval/deep/b"]["code_sha256"]
    (where / "deep/group.yaml").write_text(text.replace("loud", "absent"), encoding="utf-8")
    catalog._catalog.cache_clear()
    said = evalh("run", "lm_eval/deep", "--include-path", where, "--model", "echo", "--name", "s")
    assert said.code == 2 and "deep/group.yaml:4" in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("over", "about"),
    [
        ("doc_to_text: 'Other {{q}}'", lambda b: b.sample({"q": "1", "a": "2"}).question == "Other 1"),
        ("doc_to_target: q", lambda b: b.sample({"q": "1", "a": "2"}).answers == ("1",)),
        ("generation_kwargs: {until: ['.'], max_gen_toks: 7}", lambda b: (b.stop, b.max_tokens) == ((".",), 7)),
        ("generation_kwargs: {until: ['.'], do_sample: true, temperature: 0.5}", lambda b: b.temperature == 0.5),
        ("metric_list: [{metric: bleu}]", lambda b: [m.name for m in b.metrics] == ["bleu"]),
        (TWO_FILTERS.strip().replace("\n", "\n    "), lambda b: [m.name for m in b.metrics][1:] == ["accuracy,loose"]),
        ("repeats: 3\n    filter_list: [{name: v, filter: [{function: majority_vote}]}]", lambda b: b.repeats == 3),
        ("test_split: train", lambda b: b.source.split == "train"),
        ("dataset_path: a/b\n    dataset_kwargs: null", lambda b: b.source.hub == "a/b@main"),
        ("fewshot_config: {sampler: first_n}\n    num_fewshot: 2", lambda b: b.shots == 2 and b.shots_drawn is None),
        ("num_fewshot: null", lambda b: b.shots == 0),
        ("output_type: multiple_choice\n    doc_to_choice: [x, z]\n    doc_to_target: 1", lambda b: len(b.modes) == 2),
    ],
)  # fmt: skip
def test_any_setting_may_be_said_by_a_group(folder, over, about):
    folder(g=f"group: g\ntask:\n  - task: a\n    {over}\n")
    assert about(plugins.load_benchmark("lm_eval/g/a"))
    assert not about(plugins.load_benchmark("lm_eval/a")) or over == "num_fewshot: null"


def test_data_files_that_a_group_names_lie_below_its_own_folder(folder, evalh):
    where = folder(g="group: g\ntask: []\n")
    (where / "deep").mkdir()
    (where / "deep/own.jsonl").write_text(json.dumps({"q": "own", "a": "1"}) + "\n", encoding="utf-8")
    text = "group: deep\ntask:\n  - task: a\n    num_fewshot: 0\n    dataset_kwargs: {{data_files: {{test: {}}}}}\n"
    for file, code in (("own.jsonl", 0), ("../b.jsonl", 2)):
        (where / "deep/group.yaml").write_text(text.format(file), encoding="utf-8")
        catalog._catalog.cache_clear()
        said = evalh("run", "lm_eval/deep", "--include-path", where, "--model", "echo", "--name", f"r{code}")
        assert said.code == code, said.err
    assert "which is outside" in said.err


def test_a_group_runs_by_the_path_of_its_file_with_the_files_beside_it(folder, evalh):
    where = folder()
    include_folders([])
    said = evalh("run", where / "low.yaml", "--model", "echo", "--name", "r", "--json")
    assert said.code == 0, said.err
    assert set(said.json["benchmarks"]) == {"lm_eval/low/a", "lm_eval/low/b"}
    assert set(said.json["averages"]["lm_eval"]) == {"low accuracy"}
    (where / "lost.yaml").write_text("group: lost\ntask: [nowhere]\n", encoding="utf-8")
    catalog._catalog.cache_clear()
    said = evalh("run", where / "lost.yaml", "--model", "echo")
    assert said.code == 2 and "lost.yaml:2: the group lost names 'nowhere'" in said.err
    catalog._beside.set(())


def figures(names, **values):
    """Figures of tasks with as many documents as in SIZES."""
    return {
        name: {
            metric.replace("_", ","): Estimate(value=value, stderr=0.1, low=0, high=1, n=SIZES[name[-1]])
            for metric, value in values[name[-1]].items()
        }
        for name in names
    }


def test_figures_of_groups_and_of_the_groups_in_them(folder):
    folder()
    values = {name: {"accuracy": value} for name, value in zip("abcd", (0.2, 0.8, 0.5, 0.1), strict=True)}
    made = group_figures(catalog.open_catalog(), figures(["a", "b"], **values))
    weighted = (3 * 0.2 + 5 * 0.8) / 8
    assert {name: one.value for name, one in made.items()} == pytest.approx(
        {"alias accuracy": weighted, "alias::more accuracy": 0.8}
    )
    made = group_figures(catalog.open_catalog(), figures([f"high/{name}" for name in "abcd"], **values))
    # b and c stand in two of its groups, and count twice there too
    whole = (3 * 0.2 + 2 * 5 * 0.8 + 2 * 7 * 0.5 + 9 * 0.1) / (3 + 10 + 14 + 9)
    assert {name: one.value for name, one in made.items()} == pytest.approx(
        {"high accuracy": whole, "high/low accuracy": weighted, "high::inner accuracy": (0.8 + 0.5) / 2}
    )


def test_a_groups_interval_is_no_point_where_all_its_answers_are_wrong(folder):
    folder()
    wrong = {n: {"accuracy": Estimate(value=0.0, stderr=0.0, low=0.0, high=0.3, n=SIZES[n])} for n in "ab"}
    made = group_figures(catalog.open_catalog(), wrong)["alias accuracy"]
    assert (made.value, made.low) == (0.0, 0.0)
    assert made.high == pytest.approx(0.3 * (3**2 + 5**2) ** 0.5 / 8)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ("", {"g accuracy": 0.5, "g accuracy,loose": 0.75}),
        (", filter_list: loose", {"g accuracy,loose": 0.75}),
        (", filter_list: [strict]", {"g accuracy": 0.5}),
        (", filter_list: [none]", {}),
    ],
)
def test_a_groups_figures_are_those_of_the_filters_that_it_names(folder, filters, wanted):
    both = {name: FILES[name] + TWO_FILTERS for name in "ab"}
    group = "group: g\ntask: [a, b]\naggregate_metric_list: [{metric: exact_match, weight_by_size: false%s}]\n"
    folder(**both, g=group % filters)
    values = {"a": {"accuracy": 0.25, "accuracy_loose": 0.5}, "b": {"accuracy": 0.75, "accuracy_loose": 1.0}}
    made = group_figures(catalog.open_catalog(), figures("ab", **values))
    assert {name: one.value for name, one in made.items() if name.startswith("g ")} == pytest.approx(wanted)


def test_the_first_filters_of_tasks_are_one_figure_only_where_they_have_one_name(folder):
    folder(a=FILES["a"] + TWO_FILTERS, g="group: g\ntask: [a, b]\naggregate_metric_list: {metric: exact_match}\n")
    values = {"a": {"accuracy": 0.25, "accuracy_loose": 0.5}, "b": {"accuracy": 0.75}}
    said = []
    with observed_by(lambda event: said.append(event.text) if isinstance(event, Warned) else None):
        made = group_figures(catalog.open_catalog(), figures("ab", **values))
    assert {name: one.value for name, one in made.items() if name.startswith("g ")} == pytest.approx(
        {"g accuracy,strict": 0.25, "g accuracy,loose": 0.5, "g accuracy,none": 0.75}
    )
    assert any("1 of its 2 tasks have no exact_match,loose" in one for one in said)


def test_a_group_of_mixed_tasks_has_the_figure_of_those_that_measure_it(folder):
    """Both metrics are called accuracy here; they are two figures all the same."""
    ranked = FILES["b"].replace("generate_until", "multiple_choice").replace("to_target: a", "to_target: 0")
    ranked += "doc_to_choice: [yes, no]\nmetric_list: [{metric: acc}]\n".replace("yes, no", '"yes", "no"')
    group = "group: g\ntask: [a, b]\naggregate_metric_list: [{metric: %s}]\n"
    values = {"a": {"accuracy": 0.25}, "b": {"accuracy": 0.75}}
    for metric, wanted in (("acc", 0.75), ("exact_match", 0.25)):
        folder(b=ranked, g=group % metric)
        made = group_figures(catalog.open_catalog(), figures("ab", **values))
        assert made["g accuracy"].value == wanted
    folder(b=ranked, g=group % "acc}, {metric: exact_match")
    made = group_figures(catalog.open_catalog(), figures("ab", **values))
    assert {name: one.value for name, one in made.items() if name.startswith("g ")} == {
        "g accuracy": 0.75,
        "g exact_match": 0.25,
    }


def test_a_task_that_is_asked_in_two_ways_is_said(folder):
    folder()
    said = []
    with observed_by(lambda event: said.append(event.text) if isinstance(event, Warned) else None):
        plugins.task_names("lm_eval/high")
    assert any("the group high has b twice, asked in different ways; the last one counts" in one for one in said)


def test_a_metric_that_no_task_of_a_group_has_is_said(folder):
    """Issue 3986 of lm-evaluation-harness: there such a group (mmlu_flan_cot_zeroshot) silently has no figure."""
    folder(g="group: g\ntask: [a, b]\naggregate_metric_list: [{metric: acc}]\n")
    said = []
    with observed_by(lambda event: said.append(event.text) if isinstance(event, Warned) else None):
        made = group_figures(catalog.open_catalog(), figures("ab", a={"accuracy": 0.25}, b={"accuracy": 0.75}))
    assert not [name for name in made if name.startswith("g ")]
    assert said == ["the group g wants acc, which none of its 2 tasks has: no figure"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("group: g\ntask:\n  - task: a\n    num_fewshots: 3\n", r"g\.yaml:4: the key 'num_fewshots' is not understood"),
        ("group: g\ntask:\n  - task: a\n    num_fewshot: many\n", r"g\.yaml:4: num_fewshot: 'many' is not of type"),
        ("group: g\ncolour: red\ntask: [a]\n", r"g\.yaml:2: the key 'colour' is not understood"),
        ("group: g\ntask:\n  - num_fewshot: 3\n", r"g\.yaml:3: the group g wants the name of a task, group or tag"),
        ("group: g\ntask: [[a]]\n", r"g\.yaml:2: the group g wants the name"),
        ("group: g\ntask:\n  - a\n  - task: nowhere\n    num_fewshot: 1\n", r"g\.yaml:4: the group g names 'nowhere'"),
        ("group: g\ntask:\n  - task: a\n    include: absent\n", r"g\.yaml:4: there is no file"),
        ("group: g\ntask: [a, g]\n", r"g\.yaml:1: the group g is part of itself \(g > g\)"),
        ("group: g\ntask: [a]\naggregate_metric_list: [{metric: acc, aggregation: median}]\n",
         r"g\.yaml:3: a group's figure is a mean"),
        ("group: g\ntask: [a]\naggregate_metric_list: [{metric: acc, by_size: no}]\n", r"g\.yaml:3: the key 'by_size'"),
        ("group: g\ntask: [a]\naggregate_metric_list: [acc]\n", r"g\.yaml:3: aggregate_metric_list wants entries"),
    ],
)  # fmt: skip
def test_what_a_group_says_wrongly_is_said_by_its_line(folder, text, said):
    folder(g=text)
    with pytest.raises(DataError, match=said) as error:
        for name in plugins.task_names("lm_eval/g"):
            plugins.load_benchmark(name)
    assert "\n" not in str(error.value)


def test_a_task_that_no_group_asks_in_its_way_is_said(folder):
    folder()
    with pytest.raises(UserError, match="have no task 'low/c'"):
        plugins.load_benchmark("lm_eval/low/c")

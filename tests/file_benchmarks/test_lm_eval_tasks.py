"""lm-evaluation-harness's task files: what is asked and what is right, as that program has it (version 0.4.13).

The expected prompts and draws were made with that program on the rows below.
"""

import json

import pytest
import yaml

from evalharness import plugins
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.models.echo import Echo
from evalharness.records import Message, Request, Response
from evalharness.runs import plan as planning
from evalharness.runs.manifest import OwnSampling
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

OPTIONS = ["yes", "no", "1", "maybe so"]


def rows(kind):
    return [
        {"q": f"{kind}{i}", "opts": OPTIONS, "lab": i % 4, "ans": OPTIONS[i % 4], "al": [f"a{i}", f"b'{i}"],
         "num": str(i % 3 + 1), "A": "alpha", "hdr": "HEADER ", "d": {"x": [f"x{i}"]}, "none": None}
        for i in range(8)
    ]  # fmt: skip


TASK = {
    "task": "t", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "t.jsonl", "train": "s.jsonl"}},
    "test_split": "test", "training_split": "train", "output_type": "multiple_choice", "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_choice": "opts", "doc_to_target": "lab", "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
}  # fmt: skip
WRITTEN = {"output_type": "generate_until", "metric_list": [{"metric": "exact_match"}], "doc_to_choice": None}


@pytest.fixture
def task(tmp_path):
    """The prepared task of a file with these keys over TASK's, None taking one away."""
    for name, kind in (("t", "t"), ("s", "s")):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(kind)), encoding="utf-8")

    def prepare(shots=None, plan=None, **keys):
        said = {key: value for key, value in {**TASK, **keys}.items() if value is not None}
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        name = str(tmp_path / "t.yaml")
        return planning.prepare_task(name, Plan(benchmarks=(name,), shots=shots, **(plan or {})), Echo())

    return prepare


def shown(prepared):
    """The questions in every prompt, the asked one last."""
    return [[part.split("\n")[0] for part in q.request.text.split("Q: ")[1:]] for q in prepared.questions]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (["A", "B"], ("A", "B")),  # the rows have a field A
        (["q", "{{q}}"], ("q", "{{q}}")),
        ({"x": "A", "y": "num"}, ("A", "num")),
        ("opts", tuple(OPTIONS)),
        ("{{opts}}", tuple(OPTIONS)),
        ("{{[q, A]}}", ("t0", "alpha")),
        ("{{d.x + al}}", ("x0", "a0", "b'0")),
    ],
)
def test_choices_are_a_list_as_it_stands_a_field_or_what_a_template_writes(task, said, wanted):
    question = task(doc_to_choice=said, doc_to_target=1 if len(wanted) > 1 else 0).questions[0]
    assert question.sample.choices == wanted
    assert question.request.choices == tuple(f" {choice}" for choice in wanted)


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("lab", (3,)),
        ("{{lab}}", (3,)),
        ("{{lab % 2}}", (1,)),
        (2, (2,)),
        ("ans", (3,)),
        ("{{ans}}", (3,)),
        ([0, 1], (0, 1)),
        ("{{[0, lab]}}", (0, 3)),
        ("{{opts.index(ans)}}", (3,)),
        ("{{opts[2]}}", (1,)),  # digits that a template writes are a place, a field's text is a choice
    ],
)
def test_a_target_is_a_place_or_the_text_of_a_choice(task, said, gold):
    assert task(doc_to_target=said).questions[3].sample.gold_indices == gold


def test_the_text_of_a_field_is_a_choice_though_it_is_made_of_digits(task):
    assert task(doc_to_target="num", doc_to_choice=["3", "2", "1"]).questions[0].sample.gold_indices == (2,)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"doc_to_target": "num"}, r"a row's target '2' is none of its 4 choices"),
        ({"doc_to_target": "none"}, "target is null"),
        ({"doc_to_target": 4}, "target 4 is none"),
        ({"doc_to_target": "{{[]}}"}, "empty list"),
        ({"doc_to_choice": ["yes", False]}, "the choice False is no text"),
        ({"doc_to_choice": "ans"}, "no list of choices"),
        ({"doc_to_text": "{{lab + 4}}"}, "doc_to_text gives 4 of 4 choices"),
        ({"doc_to_text": "al"}, "doc_to_text gives no text for a row, but a list"),
        ({**WRITTEN, "output_type": "loglikelihood", "metric_list": None, "doc_to_target": "al"}, "2 targets"),
        ({**WRITTEN, "generation_kwargs": {"top_k": 5, "temperature": 1}}, "top_k: 5 is not read"),
        ({**WRITTEN, "generation_kwargs": {"num_beams": 4}}, "num_beams: 4 is not read"),
        ({**WRITTEN, "generation_kwargs": {"do_sample": True}}, "temperature above 0"),
        ({**WRITTEN, "metric_list": [{"metric": "exact_match", "ignore_blanks": True}]}, "'ignore_blanks' is not read"),
        ({**WRITTEN, "filter_list": [{"name": "x", "filter": [{"function": "regex", "flags": 2}]}]}, "'flags' is not"),
        ({"fewshot_config": {"sampler": "balanced"}}, "only `sampler: first_n` and `sampler: default`"),
        *(({key: 7}, f"{key}: 7 is not of type") for key in (
            "output_type", "test_split", "training_split", "fewshot_split", "target_delimiter", "fewshot_delimiter",
            "fewshot_config", "dataset_kwargs", "generation_kwargs", "metric_list", "filter_list")),
        *(({"num_fewshot": value}, "num_fewshot: .* is (not of type|less than|greater than)")
          for value in ("two", -1, 1.5, [2], True, 10**9)),
        *(({**WRITTEN, "generation_kwargs": {key: value}}, rf"generation_kwargs\.{key}: .* is (not of|less|greater)")
          for key, value in (("temperature", "hot"), ("temperature", -1), ("temperature", 10**9), ("top_p", [1]),
                             ("top_p", 1.5), ("until", 7), ("max_gen_toks", "x"), ("max_tokens", 0),
                             ("max_new_tokens", 1.5))),
        ({"metric_list": ["acc"]}, r"metric_list\.0: 'acc' is not of type 'object'"),
        ({"metric_list": [{"metric": "acc"}, {"metric": ["acc"]}]}, r"metric_list\.1\.metric: \['acc'\] is not of"),
        ({"metric_list": [{"metric": "acc", "aggregation": {}}]}, r"metric_list\.0\.aggregation: {} is not of type"),
        ({**WRITTEN, "metric_list": [{"metric": "exact_match", "regexes_to_ignore": ["a", 7]}]},
         r"metric_list\.0\.regexes_to_ignore\.1: 7 is not of type"),
        ({**WRITTEN, "filter_list": ["x"]}, r"filter_list\.0: 'x' is not of type"),
        ({**WRITTEN, "filter_list": [{"filter": {"function": "regex"}}]}, r"filter_list\.0\.filter: .* is not of type"),
        ({**WRITTEN, "filter_list": [{"filter": ["regex"]}]}, r"filter_list\.0\.filter\.0: 'regex' is not of type"),
        ({**WRITTEN, "filter_list": [{"filter": [{"function": "regex", "group_select": "1"}]}]},
         r"filter\.0\.group_select: '1' is not of type"),
        ({**WRITTEN, "filter_list": [{"filter": [{"function": "regex", "fallback": 7}]}]},
         r"filter\.0\.fallback: 7 is not of type"),
    ],
)  # fmt: skip
def test_what_would_give_another_number_is_refused_by_its_line(task, keys, said):
    with pytest.raises(DataError, match=rf"t.yaml:\d+: .*{said}"):
        task(**keys)


def test_a_value_of_the_wrong_kind_is_named_by_its_own_line_and_file(task, tmp_path):
    task()
    with (tmp_path / "t.yaml").open("a", encoding="utf-8") as file:
        file.write("generation_kwargs:\n  until: x\n  temperature:\n    hot\n")
    name = str(tmp_path / "t.yaml")
    with pytest.raises(DataError) as found:
        plugins.load_benchmark(name)
    line = (tmp_path / "t.yaml").read_text().splitlines().index("  temperature:") + 1
    assert str(found.value) == f"{name}:{line}: generation_kwargs.temperature: 'hot' is not of type 'number', 'null'"
    (tmp_path / "u.yaml").write_text("include: t.yaml\ntask: u\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"/t.yaml:{line}: generation_kwargs"):
        plugins.load_benchmark(str(tmp_path / "u.yaml"))


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ("ans", ("yes",)),
        ("al", ("a0", "b'0")),
        ("{{al}}", ("a0", "b'0")),
        ("{{d.x}}", ("x0",)),
        ("['x', 'y']", ("x", "y")),
        (["A", "q"], ("A", "q")),
        ("{{'[no list]'}}", ("[no list]",)),
        ("lab", ("0",)),
        (7, ("7",)),
    ],
)
def test_the_targets_of_a_written_answer(task, said, answers):
    prepared = task(**WRITTEN, doc_to_target=said, num_fewshot=1)
    assert prepared.questions[0].sample.answers == answers
    example = prepared.questions[0].request.text.partition("\nA:")[2].partition("\n\n")[0]
    assert example[0] == " " and example[1:].startswith(("a", "x", "yes", "[", "A", "7", *"0123", "no", "1", "maybe"))
    assert "['a" not in example


def test_choices_of_a_written_answer_say_what_a_number_stands_for(task):
    prepared = task(**{**WRITTEN, "doc_to_choice": ["A", "B", "C", "D"]}, num_fewshot=1)
    assert [q.sample.answers for q in prepared.questions[:3]] == [("A",), ("B",), ("C",)]
    assert "\nA: D\n\nQ: t0\nA:" in prepared.questions[0].request.text


DRAWN = "s7 s0 t0, s0 s7 t1, s0 s5 t2, s1 s0 t3, s5 s1 t4, s0 s7 t5, s0 s2 t6, s7 s4 t7"
ONE_MORE = "t7 t6 t0, t6 t4 t1, t0 t5 t2, t1 t0 t3, t3 t0 t4, t0 t2 t5, t7 t4 t6, t2 t0 t7"


@pytest.mark.parametrize("config", [None, {"sampler": "default"}])
def test_examples_are_drawn_as_its_default_sampler_draws_them(task, config):
    assert ", ".join(map(" ".join, shown(task(num_fewshot=2, fewshot_config=config)))) == DRAWN


def test_sampler_first_n_shows_the_first(task):
    found = shown(task(num_fewshot=2, fewshot_config={"sampler": "first_n"}))
    assert found == [["s0", "s1", f"t{i}"] for i in range(8)]


def test_the_draw_depends_neither_on_a_limit_nor_on_the_items(task):
    whole = {asked[-1]: asked for asked in shown(task(num_fewshot=2))}
    for plan in ({"limit": 3}, {"items": frozenset({"6", "2"})}, {"seed": 5}):
        assert all(whole[asked[-1]] == asked for asked in shown(task(num_fewshot=2, plan=plan)))


def test_one_more_is_drawn_where_the_test_split_has_the_examples(task):
    assert ", ".join(map(" ".join, shown(task(num_fewshot=2, fewshot_split="test")))) == ONE_MORE


def test_a_field_may_be_the_description(task):
    assert task(description="hdr").questions[0].request.text == "HEADER Q: t0\nA:"
    assert task(description="{{hdr}}of {{A}}: ").questions[0].request.text == "HEADER of alpha: Q: t0\nA:"
    assert task(description="none").questions[0].request.text == "Q: t0\nA:"


@pytest.mark.parametrize(
    ("said", "temperature", "top_p", "longest", "stop"),
    [
        (None, 0.0, 1.0, 256, ("\n\n",)),
        ({"do_sample": True, "temperature": 0.9, "max_gen_toks": 12, "until": ["\n"]}, 0.9, 1.0, 12, ("\n",)),
        ({"do_sample": False, "temperature": 0.9}, 0.0, 1.0, 256, ("\n\n",)),
        ({"temperature": 0.5, "top_p": 0.9, "until": "x"}, 0.5, 0.9, 256, ("x",)),
        ({"max_new_tokens": 7, "num_beams": 1, "until": []}, 0.0, 1.0, 7, ()),
        ({"max_tokens": 3, "max_gen_toks": 4, "until": None}, 0.0, 1.0, 4, ()),
    ],
)
def test_generation_kwargs_are_obeyed(task, said, temperature, top_p, longest, stop):
    asked = task(**WRITTEN, doc_to_target="ans", generation_kwargs=said).questions[0].request
    assert (asked.temperature, asked.top_p, asked.max_tokens, asked.stop) == (temperature, top_p, longest, stop)


def test_what_the_user_says_of_sampling_comes_first_and_the_run_records_the_files_own(task, evalh):
    keys = {**WRITTEN, "doc_to_target": "ans", "generation_kwargs": {"temperature": 0.9}}
    prepared = task(**keys)
    assert prepared.facts.sampling == OwnSampling(temperature=0.9, top_p=1.0)
    assert len({q.request.seed for q in prepared.questions}) == 8
    greedy = task(**keys, plan={"temperature": 0.0})
    assert greedy.questions[0].request.temperature == 0 and greedy.facts.sampling is None
    runs = {
        evalh("run", "t.yaml", "--model", "echo", "--json", *more).json["run"] for more in ([], ["--temperature", 0])
    }
    assert len(runs) == 2


def score(benchmark, sample, text):
    asked = Request(messages=(Message("user", ""),))
    return score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))


@pytest.mark.parametrize(
    ("steps", "text", "right"),
    [
        ([{"function": "remove_whitespace"}], " \n yes \n", True),
        ([{"function": "remove_whitespace"}], "yes.", False),
        ([], "yes ", False),
        ([], "yes", True),
        ([{"function": "regex", "regex_pattern": "is (\\w+)"}, {"function": "take_first"}], "it is yes", True),
        ([{"function": "regex", "regex_pattern": "is (\\w+)"}], "yes", None),
        ([{"function": "regex", "regex_pattern": "is (\\w+)", "fallback": "yes"}], "?", True),
        ([{"function": "regex", "regex_pattern": "(a)?(b)?", "group_select": -1, "fallback": "yes"}], "x", True),
        ([{"function": "uppercase"}, {"function": "lowercase"}], "Yes", True),
        ([], "", None),
    ],
)
def test_what_the_filters_leave_is_compared(task, steps, text, right):
    prepared = task(**WRITTEN, doc_to_target="ans", filter_list=[{"name": "x", "filter": steps}])
    found = score(prepared.benchmark, prepared.questions[0].sample, text)
    assert found.status == {True: "correct", False: "wrong", None: "unparsed"}[right]


def test_an_empty_answer_is_right_where_the_empty_text_is_wanted(task):
    prepared = task(**WRITTEN, doc_to_target="{{''}}")
    assert score(prepared.benchmark, prepared.questions[0].sample, "").status == "correct"


def test_every_right_answer_of_a_list_counts(task):
    prepared = task(**WRITTEN, doc_to_target="{{al}}")
    for question in prepared.questions:
        for answer in question.sample.answers:
            assert score(prepared.benchmark, question.sample, answer).status == "correct"


def test_the_published_lists_of_answers_are_read_as_lists(shared, tmp_path):
    """nq_open's rows with the target as its published task file has it."""
    source = plugins.load_benchmark("nq_open", shared / "nq_open").source
    found = sources.load_rows(source, Want(split=source.split), str(shared / "nq_open")).rows[:50]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(dict(row)) + "\n" for row in found), encoding="utf-8")
    keys = {**TASK, **WRITTEN, "doc_to_text": "Q: {{question}}?\nA:", "doc_to_target": "{{answer}}"}
    keys = {key: value for key, value in keys.items() if value is not None}
    keys["dataset_kwargs"] = {"data_files": {"test": "t.jsonl"}}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    benchmark = plugins.load_benchmark(str(tmp_path / "t.yaml"))
    samples = sources.build_samples(found, benchmark.sample)
    assert [list(sample.answers) for sample in samples] == [row["answer"] for row in found]

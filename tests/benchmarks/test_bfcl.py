"""BFCL: calls read out of a text, and held against the allowed values as its published checker does."""

import importlib
import json

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.records import Response
from evalharness.scoring.answers import score_response

calls = importlib.import_module("evalharness.benchmarks._bfcl_calls")
values = importlib.import_module("evalharness.benchmarks._bfcl_values")


def samples(name, data="sample"):
    benchmark = plugins.load_benchmark(name)
    rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), data).rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[f(a=1, b='x')]", [("f", {"a": 1, "b": "x"})]),
        ("m.f(a=[1, -2.5], b={'k': (1, True)})", [("m.f", {"a": [1, -2.5], "b": {"k": (1, True)}})]),
        ("f(a=1), g()", [("f", {"a": 1}), ("g", {})]),
        ("  \n[f(a=2 * 3, b=x, c=g(y=1), d=h(1))]`", [("f", {"a": 6, "b": "x", "c": {"g": {"y": 1}}, "d": "h(1)"})]),
        ("f(a=2 ** 3 // 3, b=x[0]", None), ("f(a=2 ** 3 // 3, b=x[0])", [("f", {"a": 2, "b": "x[0]"})]),
        ("f(a=10 ** 10 ** 10)", None), ("f(c=lambda: 1)", None), ("f(a=-b)", None), ("f(a=x.y)", None),
        ("f(3, a=1, **more)", [("f", {"a": 1, "**": "more"})]),
        ("[]", []), ("", []), ("[f(a=1)", [("f", {"a": 1})]), ("'f(a=1)'", None),
        ("[[]]", None), ("No function fits.", None), ("[f(a=1]", None), ("[{'name': 'f'}]", None),
        ("```json\n[f()]\n```", None), ("(" * 100_000, None), ("f(a=1/0)", None), ("f(a=" + "[" * 5000, None),
    ],
)  # fmt: skip
def test_calls_are_read_and_never_run(text, read):
    assert calls.read_calls(text) == read


def function(kind, inner=None, required=("p",)):
    described = {"type": kind} | ({"items": {"type": inner}} if inner else {})
    properties = {"p": described, "q": {"type": "string"}}
    return {"name": "f", "parameters": {"properties": properties, "required": list(required)}}


@pytest.mark.parametrize(
    ("kind", "inner", "allowed", "value", "right"),
    [
        ("integer", None, [10], 10, True), ("integer", None, [10], 10.0, False), ("integer", None, [10], "10", False),
        ("float", None, [10.0], 10, True), ("boolean", None, [True], True, True), ("boolean", None, [True], 1, False),
        ("string", None, ["April 1, 2024"], "april 1 2024", True), ("string", None, ["it's"], 'it"s', True),
        ("string", None, ["a"], "b", False), ("any", None, ["a b"], "A-B", True), ("any", None, [5], 5, True),
        ("integer", None, ["n"], "n", True), ("integer", None, ["n"], "N", False),  # a variable's name
        ("array", "string", [["New York", "x"]], ["new york", "X"], True), ("array", "integer", [[1, 2]], [1, 2], True),
        ("array", "integer", [[1, 2]], [1, "2"], False), ("array", "integer", [[1, 2]], [2, 1], False),
        ("tuple", "float", [[1.0, 2.0]], (1.0, 2.0), True), ("array", "string", [["a"]], "a", False),
        ("dict", None, [{"a": [1, 2], "b": ["x", ""]}], {"a": 2}, True),
        ("dict", None, [{"a": [1], "b": ["x", ""]}], {"b": "x"}, False), ("dict", None, [{"a": [1]}], {"c": 1}, False),
        ("array", "dict", [[{"a": [1]}, {"a": [2]}]], [{"a": 1}, {"a": 2}], True),
        ("array", "dict", [[{"a": [1]}]], [{"a": 1}, {"a": 1}], False),
    ],
)  # fmt: skip
def test_a_value_is_allowed_as_the_published_checker_says(kind, inner, allowed, value, right):
    assert calls.matches(("f", {"p": value}), function(kind, inner), {"p": allowed, "q": ["x", ""]}) is right


def test_names_needed_arguments_and_those_that_may_be_left_out():
    allowed = {"p": [1], "q": ["x"]}
    described = function("integer")
    assert calls.matches(("f", {"p": 1, "q": "X"}), described, allowed)
    assert not calls.matches(("f", {"p": 1}), described, allowed)  # q may not be left out
    assert not calls.matches(("f", {"q": "x"}), described, allowed)
    assert not calls.matches(("f", {"p": 1, "q": "x", "r": 1}), described, allowed)
    assert not calls.matches(("g", {"p": 1, "q": "x"}), described, allowed)


def test_parallel_calls_come_in_any_order_each_once():
    wanted = [{"f": {"p": [1]}}, {"f": {"p": [2]}}]
    one, two = ("f", {"p": 1}), ("f", {"p": 2})
    for found, right in (([two, one], True), ([one, one], False), ([one], False), ([one, two, two], False)):
        assert calls.all_match(found, [function("integer")], wanted, any_order=True) is right


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("simple", "[area_of_field(width=20, length=35.5)]", "correct"),
        ("simple", "[area_of_field(width=20, length=35)]", "wrong"),
        ("simple", "The field is large.", "unparsed"),
        ("multiple", "[post.send(to='Ann', copies=['bo', 'Cy'], date='3-May-2024')]", "correct"),
        ("parallel", "[area_of_field(width=3, length=4), area_of_field(width=1, length=2, unit='m2')]", "correct"),
        ("irrelevance", "None of them fits.", "correct"),
        ("irrelevance", "[]", "correct"),
        ("irrelevance", "[area_of_field(width=1, length=2)]", "wrong"),
        ("live_relevance", "[area_of_field(width=2, length=3)]", "correct"),
        ("live_relevance", "I cannot say.", "wrong"),
        ("java", '[Boxes.fill(letters=mail, box="north", most=20L, ordered=true)]', "correct"),
        (
            "java",
            'Boxes.fill(letters=mail, box="North", most=20L, ordered=true, '
            'marks=new ArrayList<>(Arrays.asList("new")));',
            "correct",
        ),
        ("java", '[Boxes.fill(letters=mail, box="North", most=20, ordered=true)]', "wrong"),  # no long
        ("java", "[Boxes.fill(mail)]", "wrong"),
        ("java", '[Boxes.fill(box="a", box="b")]', "unparsed"),
        ("java", "Put them there.", "unparsed"),
        (
            "javascript",
            "[drawLine(points=[[1, 2], [3, 4.5]], width=2, style={colour: 'Red', \"dashed\": true})]",
            "correct",
        ),
        (
            "javascript",
            "[drawLine(points=[[1, 2], [3, 4.5]], width=2.5, style={colour: 'red', dashed: true})]",
            "wrong",
        ),
        ("javascript", "[drawLine(points=[[1, 2]]", "unparsed"),
        ("javascript", "(" * 100_000, "unparsed"),
        ("javascript", "(" * 9_000 + ")" * 9_000, "unparsed"),
        ("java", "[f(a=" + "-" * 9_000 + "1)]", "unparsed"),
    ],
)
def test_an_answer(name, text, status):
    benchmark, (sample,) = samples(f"bfcl/{name}")
    asked = request(benchmark, sample, (), mode="write", chat=True)
    assert asked.messages[0].role == "system" and sample.extra["functions"][0]["name"] in asked.messages[0].content
    assert score_response(benchmark.score, sample, asked, Response(text=text, finish="stop")).status == status


READ = [
    (values.JAVA, "byte", None, {"127": 127, "-1": -1, "1.5": "1.5", "x": "x"}),
    (values.JAVA, "long", None, {"5L": 5, "-5l": -5, "5": "5"}),
    (values.JAVA, "float", None, {"3f": 3.0, "-2.5e2F": -250.0, "2.5": "2.5"}),
    (values.JAVA, "double", None, {"2.5": 2.5, "1e-2": 0.01, "2.5f": "2.5f"}),
    (values.JAVA, "boolean", None, {"true": True, "maybe": "maybe"}), (values.JAVA, "char", None, {"a": "a"}),
    (values.JAVA, "Array", "integer", {"new int[]{1, 2}": [1, 2], "new int[] { }": [], "numbers": "numbers"}),
    (values.JAVA, "ArrayList", "String", {'new ArrayList<>(Arrays.asList("a", "b"))': ["a", "b"],
                                          "new ArrayList<String>() {{ add('a'); }}": ["a"], "new ArrayList<>()": []}),
    (values.JAVA, "HashMap", None, {'new HashMap<String, Object>() {{ put("a", 1L); put("b", "c"); }}':
                                    {"a": 1, "b": "c"}, "new HashMap<>()": {}, "map": "map"}),
    (values.JAVASCRIPT, "Bigint", None, {"5n": 5, "5": "5"}), (values.JAVASCRIPT, "float", None, {"2": 2.0, "x": "x"}),
    (values.JAVASCRIPT, "array", "String", {"['a', \"b\"]": ["a", "b"], "new Array()": [], "rows": "rows"}),
    (values.JAVASCRIPT, "dict", None, {"{}": {}, "{a: 1, 'b': false, c: d}": {"a": 1, "b": False, "c": "d"}}),
]  # fmt: skip


@pytest.mark.parametrize(("spelling", "kind", "inner", "read"), READ)
def test_values_of_java_and_javascript_are_read_as_the_authors_converters_do(spelling, kind, inner, read):
    assert {said: spelling.value(said, kind, inner) for said in read} == read


@pytest.mark.parametrize("name", ["java", "javascript"])
def test_the_right_call_of_a_row_is_spelled_in_its_language(name):
    benchmark, (sample,) = samples(f"bfcl/{name}")
    asked = request(benchmark, sample, (), mode="write", chat=False)
    right = Response(text=benchmark.prompt.answer(sample), finish="stop")
    assert score_response(benchmark.score, sample, asked, right).status == "correct", right


def test_a_code_block_counts_in_the_second_figure_alone():
    benchmark, (sample,) = samples("bfcl/simple")
    asked = request(benchmark, sample, (), mode="write", chat=True)
    text = "```python\n[area_of_field(width=20, length=35.5)]\n```"
    found = score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))
    assert (found.status, found.scores) == ("unparsed", {"accuracy": 0.0, "accuracy_fenced": 1.0})


def test_the_authors_folder_and_answers_that_are_not_there(tmp_path):
    (row,) = (json.loads(line) for line in plugins.bundled("bfcl").read_text().splitlines() if '"simple_0"' in line)
    right = {"id": "simple_0", "ground_truth": row.pop("ground_truth")}
    (tmp_path / "BFCL_v3_simple.json").write_text(json.dumps({**row, "id": "old"}) + "\n", encoding="utf-8")
    (tmp_path / "BFCL_v4_simple_python.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (tmp_path / "BFCL_v4_live_simple.json").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="the right answers stand in another file"):
        samples("bfcl/simple", str(tmp_path))
    (tmp_path / "possible_answer").mkdir()
    (tmp_path / "possible_answer" / "BFCL_v4_simple_python.json").write_text(json.dumps(right), encoding="utf-8")
    _, (sample,) = samples("bfcl/simple", str(tmp_path))
    assert sample.id == "simple_0" and sample.extra["wanted"] == right["ground_truth"]

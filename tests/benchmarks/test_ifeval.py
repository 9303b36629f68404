"""IFEval as it is run: in fresh processes and on many threads, and rows whose instructions cannot be checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalharness.building_blocks.instruction_texts import LANGUAGES
from evalharness.building_blocks.instructions import IFEVAL

# Instructions whose checks need the sentence splitter, the word tokenizer or the language detector, each with the
# answer that follows it.
ENGLISH = "The weather was fine and the children played in the garden all day. They came home late, and were tired."
HEAVY = [
    ("change_case:english_lowercase", {}, ENGLISH.lower()),
    ("change_case:english_capital", {}, ENGLISH.upper()),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, "NASA and ESA"),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, ENGLISH),
    ("language:response_language", {"language": "en"}, ENGLISH),
    ("language:response_language", {"language": "de"}, "Das Wetter war schön, und die Kinder spielten im Garten."),
    ("language:response_language", {"language": "pl"}, "Pogoda była ładna, a dzieci bawiły się w ogrodzie cały dzień."),
]
ITEMS = 210


@pytest.fixture
def files(tmp_path):
    """Rows and answers: every other answer is the one to the next instruction of the list."""
    rows, answers = [], []
    for i in range(ITEMS):
        name, arguments, good = HEAVY[i % len(HEAVY)]
        rows.append({"key": i, "prompt": f"Question {i}", "instruction_id_list": [name], "kwargs": [arguments]})
        answers.append({"id": str(i), "text": good if i % 2 else HEAVY[(i + 1) % len(HEAVY)][2]})
    for name, lines in (("rows", rows), ("answers", answers)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def run(folder, name, workers=8):
    """One run in a process of its own, where nothing is loaded yet: its summary and its journal, sorted."""
    words = ["run", "ifeval", "--data", "rows.jsonl", "--model", "replay:answers.jsonl", "--name", name]
    code = "import sys; from evalharness.cli import main; main()"
    made = [sys.executable, "-c", code, *words, "--workers", str(workers)]
    done = subprocess.run(made, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    at = folder / "runs" / name
    return (at / "summary.json").read_bytes(), sorted((at / "results.jsonl").read_bytes().splitlines())


@pytest.mark.slow
def test_eight_threads_in_a_fresh_process_score_what_one_thread_scores(files):
    alone, together = run(files, "alone", workers=1), run(files, "together")
    assert together == alone
    assert len(alone[1]) == ITEMS
    right = [line for line in map(json.loads, alone[1]) if int(line["id"]) % 2]
    assert {line["status"] for line in right} == {"correct"}


@pytest.mark.slow
def test_twenty_runs_on_eight_threads_are_the_same_bytes(files):
    first = run(files, "0")
    assert all(run(files, str(i)) == first for i in range(1, 20))


LOADS_NOTHING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from evalharness import plugins
from evalharness.benchmark import request
from evalharness.options import RunOptions
from evalharness.records import Response
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.scoring.answers import score_response

found = [b for b in map(plugins.load_benchmark, sys.argv[1:]) if b.open_scorer is not None]
assert {"ifeval", "humaneval", "mbpp"} <= {b.name for b in found}
for benchmark in found:
    source = benchmark.source
    rows = sources.load_rows(source, Want(split=source.split), "sample").rows
    samples = sources.build_samples(rows, benchmark.sample)
    asked = [request(benchmark, s, (), mode="write", chat=False) for s in samples]
    answers = [Response(text=benchmark.prompt.answer(s) or s.question, finish="stop") for s in samples]
    with benchmark.open_scorer(RunOptions()) as scorer, ThreadPoolExecutor(4) as pool:
        before = set(sys.modules)
        list(pool.map(lambda *each: score_response(scorer, *each), samples, asked, answers))
        late = sorted(set(sys.modules) - before)
        assert not late, f"{benchmark.name} imports {late} in the threads that score"
"""


@pytest.mark.slow
def test_no_scorer_imports_anything_in_its_threads():
    from evalharness import plugins

    single = [name for name in plugins.modules("benchmarks") if plugins.load_family(name) is None]
    done = subprocess.run([sys.executable, "-c", LOADS_NOTHING, *single], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


FREQUENCY = "keywords:frequency"
FIRST_WORD = "length_constraints:nth_paragraph_first_word"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (FIRST_WORD, {"keyword": "plan", "num_paragraphs": 3}, "keyword: Extra inputs are not permitted"),
        (FIRST_WORD, {"num_paragraphs": 3, "nth_paragraph": 2}, "first_word: Field required"),
        (FREQUENCY, {"keyword": "a", "frequency": "twice"}, "frequency: "),
        (FREQUENCY, {"keyword": "a", "frequency": 2.5}, "frequency: "),
        (FREQUENCY, {"keyword": "a", "frequency": 2, "relation": "about"}, "relation: "),
        (FREQUENCY, {"keyword": ["a"], "frequency": 2}, "keyword: "),
        ("keywords:existence", {"keywords": "one"}, "keywords: "),
        ("keywords:existence", {"keywords": [1]}, "keywords.0: "),
        ("punctuation:no_comma", {"relation": "at least"}, "takes the arguments: none"),
        ("detectable_format:multiple_sections", {"section_spliter": "(", "num_sections": 1}, "regular expression"),
        ("detectable_content:postscript", {"postscript_marker": "P.S.("}, "regular expression"),
        ("startend:end_checker", None, "end_phrase: Field required"),
        ("language:response_language", {"language": "xx"}, "the language 'xx' cannot be told; wanted one of"),
        ("language:response_language", {"language": "German"}, "the language 'German' cannot be told"),
    ],
)
def test_a_row_whose_arguments_its_check_does_not_take_is_refused_before_asking(evalh, tmp_path, name, arguments, said):
    fine = {"key": 1, "prompt": "x", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    bad = {"key": 2, "prompt": "y", "instruction_id_list": [name], "kwargs": [arguments]}
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(fine)}\n{json.dumps(bad)}\n", encoding="utf-8")
    found = evalh("run", "ifeval", "--data", "rows.jsonl", "--model", "echo")
    assert (found.code, found.err.count("\n")) == (2, 1), found.err
    assert "row 2" in found.err and name in found.err and said in found.err
    assert not (tmp_path / "runs").exists()


def test_arguments_as_the_hub_and_tables_write_them_are_read(evalh, tmp_path):
    """The hub's rows have every argument of every instruction, null where it is not this one's; a table's numbers are
    floats."""
    every = dict.fromkeys(("num_words", "relation", "keywords", "end_phrase", "language"))
    row = {
        "key": 1,
        "prompt": "x",
        "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{**every, "num_words": 1.0, "relation": "at least"}, every],
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = evalh("run", "ifeval", "--data", "rows.jsonl", "--model", "echo", "--json")
    assert found.json["benchmarks"]["ifeval"]["metrics"]["instruction_strict"]["value"] == 1.0


def test_the_published_prompts_run_on_eight_threads(evalh, shared):
    found = evalh("run", "ifeval", "--data", shared / "ifeval", "--model", "echo", "--workers", "8", "--json")
    assert found.code == 0
    assert found.json["benchmarks"]["ifeval"]["n"] == 541


def test_every_check_can_say_what_arguments_it_takes():
    for name in IFEVAL.checks:
        with pytest.raises(ValueError, match="takes the arguments"):
            IFEVAL.given([name], [{"no_such_argument": 1}])


def test_the_languages_that_may_be_asked_for_are_those_that_the_detector_tells():
    from langdetect.detector_factory import PROFILES_DIRECTORY

    assert set(LANGUAGES.split()) == {file.name for file in Path(PROFILES_DIRECTORY).iterdir()}

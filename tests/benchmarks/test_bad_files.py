"""Files that are not what their authors published: one line that names file and place and says what was wanted."""

import copy
import json
import re

import pytest

from evalharness import plugins
from evalharness.benchmark import request, training_messages
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError

PLAIN = {"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment", "idx": 0}
SUPERGLUE = {  # a line of each published file
    "boolq": {"question": "is it wet", "passage": "It rains.", "label": True, "idx": 0},
    "cb": PLAIN,
    "copa": {"premise": "It rained.", "choice1": "A.", "choice2": "B.", "question": "effect", "label": 1, "idx": 0},
    "multirc": {
        "idx": 0,
        "passage": {
            "text": "It rains.",
            "questions": [{"idx": 0, "question": "What?", "answers": [{"idx": 0, "text": "Rain", "label": 1}]}],
        },
    },
    "record": {
        "idx": 0,
        "passage": {"text": "Ada met Bob.\n@highlight\nThey talked", "entities": [{"start": 0, "end": 2}]},
        "qas": [{"idx": 0, "query": "@placeholder met Bob", "answers": [{"text": "Ada", "start": 0, "end": 2}]}],
    },
    "rte": PLAIN,
    "wic": {"word": "a", "sentence1": "A b.", "sentence2": "B a.", "start1": 0, "end1": 1, "label": True, "idx": 0},
    "wsc": {
        "text": "Ada ran and she won.",
        "target": {"span1_index": 0, "span1_text": "Ada", "span2_index": 3, "span2_text": "she"},
        "label": True,
        "idx": 0,
    },
    "axb": {"sentence1": "It rains.", "sentence2": "It is wet.", "label": "entailment", "idx": "0"},
    "axg": PLAIN,
}
FILES = {"axb": "AX-b.jsonl", "axg": "AX-g.jsonl"}
ANSWER = {"Aliases": ["Ada"], "NormalizedAliases": ["ada"]}
TRIVIA = {"Data": [{"QuestionId": "q1", "Question": "Who", "Answer": ANSWER, "EntityPages": [{"Filename": "Ada.txt"}]}]}
PUBLISHED = {
    **{f"superglue/{task}": (FILES.get(task, "val.jsonl"), line) for task, line in SUPERGLUE.items()},
    "triviaqa": ("web-dev.json", TRIVIA),
    "triviaqa_rc": ("wikipedia-dev.json", TRIVIA),
    "nq_open": ("NQ-open.dev.jsonl", {"question": "who", "answer": ["Ada", "A"]}),
}
every_file = pytest.mark.parametrize("name", PUBLISHED)


def written(folder, name, content):
    """The folder with the file of a benchmark, and the evidence that TriviaQA reads."""
    folder = folder / "data"
    (folder / "qa").mkdir(parents=True)
    (folder / "evidence" / "wikipedia").mkdir(parents=True)
    (folder / "evidence" / "wikipedia" / "Ada.txt").write_text("Ada wrote programs.")
    file = (folder / "qa" if name.startswith("triviaqa") else folder) / PUBLISHED[name][0]
    file.write_text(content if isinstance(content, str) else json.dumps(content) + "\n")
    return folder, file


def places(value, at=()):
    """The way to every field and list of a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*at, key)
        yield from places(value[key], (*at, key))


def changed(value, at, by):
    """The value with another thing at a place; Ellipsis takes it out."""
    value = copy.deepcopy(value)
    held = value
    for key in at[:-1]:
        held = held[key]
    if by is ...:
        del held[at[-1]]
    else:
        held[at[-1]] = by
    return value


def read(name, folder):
    """Everything that happens with the data: rows, samples, requests and lessons."""
    benchmark = plugins.load_benchmark(name, folder)
    loaded = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), str(folder))
    samples = sources.build_samples(loaded.rows, benchmark.sample, loaded.origin)
    for sample in samples:
        for mode in benchmark.modes:
            request(benchmark, sample, samples[:1], mode=mode, chat=False)
        training_messages(benchmark, sample, chat=True)
    return samples


@every_file
def test_the_published_form_is_read(tmp_path, name):
    folder, _ = written(tmp_path, name, PUBLISHED[name][1])
    assert len(read(name, folder)) == 1


@every_file
def test_a_broken_file_is_one_line(evalh, tmp_path, name):
    whole = json.dumps(PUBLISHED[name][1])
    broken = {
        "": "the file is empty",
        " \n\n": "the file is empty",
        whole[: len(whole) // 2]: "not valid JSON",
        "Who? Ada": "not valid JSON",
        "[1, 2]": "wanted",
        '"text"': "wanted",
    }
    for number, (content, wanted) in enumerate(broken.items()):
        folder, path = written(tmp_path / str(number), name, content)
        said = evalh("run", name, "--data", folder, "--shots", "0", "--model", "echo")
        assert (said.code, said.err.count("\n")) == (2, 1), said.err
        assert path.name in said.err and wanted in said.err, said.err
        assert "Traceback" not in said.err


@every_file
def test_a_field_that_is_missing_or_of_another_kind_is_one_line(tmp_path, name):
    """Every field in turn. What is read without it must be read to the end; what is refused names it."""
    row = PUBLISHED[name][1]
    refused = 0
    for number, at in enumerate(places(row)):
        for by in (..., None, 5, [], {}):
            folder, _ = written(tmp_path / f"{number}{by!r:.4}", name, changed(row, at, by))
            try:
                read(name, folder)
            except DataError as error:
                refused += 1
                assert str(error).count("\n") == 0 and str(folder) in str(error)
                assert re.search(r"wanted|it has no field|entities|evidence|mark no word", str(error)), (at, by, error)
    assert refused


@pytest.mark.parametrize("task", SUPERGLUE)
@pytest.mark.parametrize("label", ["maybe", 7, -2, None, 0.5, [1]])
def test_a_wrong_label_is_said(tmp_path, task, label):
    at = next(
        at
        for at in places(SUPERGLUE[task])
        if (at[-1] in ("label", "answers") and task != "multirc") or at[-1] == "label"
    )
    line = changed(SUPERGLUE[task], at, [{"text": "Eve"}] if task == "record" else label)
    folder, _ = written(tmp_path, f"superglue/{task}", line)
    with pytest.raises(DataError, match=r"its (label|answers) .*(wanted one of|are none of its entities)"):
        read(f"superglue/{task}", folder)


def test_the_place_of_a_mistake_is_named(evalh, tmp_path):
    """The third line of three; a family says which of its tasks."""
    good = json.dumps(SUPERGLUE["rte"])
    bad = json.dumps({**SUPERGLUE["rte"], "label": "maybe"})
    folder, file = written(tmp_path, "superglue/rte", "\n".join([good, good, bad]))
    said = evalh("run", "superglue/rte", "--data", folder, "--model", "echo").err
    assert f"{file}:3: its label is 'maybe', wanted one of entailment, not_entailment" in said
    file.write_text("\n".join([good, good, good.replace("premise", "premises")]))
    said = evalh("run", "superglue/rte", "--data", folder, "--model", "echo").err
    assert f"{folder} (superglue/rte): row 3 is not a question of this benchmark: it has no field 'premise'" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"context": 5, "aliases": ["a"]}, "plain.jsonl:1: its context is 5, wanted a text"),
        ({"context": "Question: Who?\nAnswer:"}, "plain.jsonl:1: it has no field 'aliases'"),
        ({"context": "Question: Who?\nAnswer:", "aliases": "a"}, "plain.jsonl:1: its aliases is 'a', wanted a list"),
    ],
)
def test_the_plain_form_of_triviaqa_too(evalh, tmp_path, row, said):
    file = tmp_path / "plain.jsonl"
    file.write_text(json.dumps(row))
    ran = evalh("run", "triviaqa", "--data", file, "--model", "echo")
    assert (ran.code, ran.err.count("\n")) == (2, 1) and said in ran.err

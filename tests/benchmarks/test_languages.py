"""Benchmarks in many languages, and those of today that are short: rows, prompts, numbers, and mistakes in files."""

import importlib
import json

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import hub, sources
from evalharness.data.rows import Source, Want
from evalharness.errors import DataError, UserError
from evalharness.records import Response
from evalharness.scoring.answers import score_response

languages = importlib.import_module("evalharness.benchmarks._languages")


def samples(name, data="sample"):
    benchmark = plugins.load_benchmark(name)
    rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), data).rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def worth(name, sample, text):
    benchmark = plugins.load_benchmark(name)
    asked = request(benchmark, sample, (), mode="write", chat=True)
    return score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))


@pytest.mark.parametrize(
    "name", [f"global_mmlu/{code}" for code in ("pl", "it", "es", "sw", "en")]
    + [f"mmmlu/{code}" for code in ("it", "es", "sw")] + [f"mgsm/{code}" for code in ("es", "sw", "en")]
    + [f"include/{code}" for code in ("pl", "it", "es")] + [f"xquad/{code}" for code in ("es", "en")]
    + [f"belebele/{code}_Latn" for code in ("pol", "ita", "spa", "swh", "eng")],
)  # fmt: skip
def test_each_runs_offline_on_its_bundled_sample(evalh, name):
    said = evalh("run", name, "--data", "sample", "--model", "echo", "--json")
    assert said.code == 0, said.err
    assert said.json["benchmarks"][f"{name}@sample"]["n"] >= 1


def test_options_stand_as_lm_evaluation_harness_lays_them_out():
    benchmark, (first, *_) = samples("global_mmlu/sw")
    asked = request(benchmark, first, (), mode="rank", chat=False)
    assert asked.text == "Sayari ipi iko karibu zaidi na Jua?\nA. Zuhura\nB. Utaridi\nC. Mirihi\nD. Dunia\nAnswer:"
    assert asked.choices == (" A", " B", " C", " D") and first.gold_indices == (1,) and first.group == "astronomy"
    benchmark, (first, *_) = samples("belebele/eng_Latn")
    asked = request(benchmark, first, (), mode="rank", chat=False).text
    assert asked.startswith("P: The ferry") and "\nQ: When does the ferry come back?\nA: At nine" in asked
    assert asked.endswith("\nD: On Sunday\nAnswer:") and first.gold_indices == (2,)
    benchmark, (first, *_) = samples("musr/murder_mysteries")
    asked = request(benchmark, first, (), mode="rank", chat=False)
    assert asked.text.endswith("Who took the sack?\n\n1 - Mara\n2 - Jon\n\nAnswer:")
    assert asked.choices == (" Mara", " Jon")


def test_xquads_published_file_is_read_whole(shared):
    _, found = samples("xquad/de", str(shared / "squad" / "xquad"))
    assert len(found) == plugins.load_benchmark("xquad/de").items == 1190 and all(s.answers for s in found)
    assert worth("xquad/de", found[0], found[0].answers[0]).scores == {"exact_match": 1.0, "f1": 1.0}


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("1.250 huevos", "es", "1250 huevos"), ("12,5 euro", "it", "12.5 euro"), ("1.234.567,89", "de", "1234567.89"),
        ("1 234,5 zł", "pl", "1234.5 zł"), ("1\u202f250", "fr", "1250"), ("1,250", "es", "1,250"),
        ("3.5", "de", "3.5"), ("Fertig. 18", "de", "Fertig. 18"), ("am 3.4.2024", "de", "am 3.4.2024"),
        ("1.250", "en", "1.250"), ("0,25", "ru", "0.25"), ("2, 3, 4", "es", "2, 3, 4"), ("7,5.", "es", "7.5."),
    ],
)  # fmt: skip
def test_numbers_as_a_language_writes_them(text, language, wanted):
    assert languages.with_decimal_points(text, language) == wanted


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("mgsm/es", "La respuesta es 15.", True), ("mgsm/es", "Son 15,0 huevos", True), ("mgsm/es", "15.000", False),
        ("mgsm/sw", "Jibu ni 15", True), ("mgsm/en", "#### 15", True), ("mgsm/en", "It is 1,5", False),
    ],
)  # fmt: skip
def test_an_mgsm_answer_is_read_in_its_language(name, text, right):
    _, (first, *_) = samples(name)
    assert (worth(name, first, text).status == "correct") == right


def test_digits_of_other_scripts_are_numbers():
    _, (first, *_) = samples("mgsm/en")
    for text in ("উত্তর: ১৫", "答案是１５", "الجواب هو ١٥", "उत्तर १५ है"):
        assert worth("mgsm/bn", first, text).status == "correct", text


def test_the_authors_tsv_is_read_and_a_bad_line_is_said(tmp_path):
    file = tmp_path / "mgsm_de.tsv"
    file.write_text('Wie viele "Eier"?\t1,250\nUnd?\t3\n', encoding="utf-8")
    _, found = samples("mgsm/de", str(tmp_path))
    assert [(s.question, s.answers) for s in found] == [('Wie viele "Eier"?', ("1250",)), ("Und?", ("3",))]
    file.write_text("Wie viele\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"mgsm_de\.tsv:1: wanted a question and a number, there are 1 fields"):
        samples("mgsm/de", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("global_mmlu/pl", {"answer": "E"}, "answer is 'E', wanted one of A, B, C, D"),
        ("include/pl", {"answer": 4}, "answer is 4, wanted one of A, B, C, D"),
        ("belebele/pol_Latn", {"correct_answer_num": "5"}, "correct_answer_num is '5'"),
        ("musr/team_allocation", {"answer_index": 7}, "answer_index is 7"),
        ("aime/2025", {"answer": "x"}, "invalid literal"),
    ],
)
def test_a_row_that_is_not_as_published_is_said(tmp_path, name, changed, said):
    benchmark = plugins.load_benchmark(name)
    (row, *_) = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), "sample").rows
    with pytest.raises(DataError, match=said):
        sources.build_samples([{**row, **changed}], benchmark.sample)


def test_a_language_that_there_is_not_is_said_with_the_nearest():
    with pytest.raises(UserError, match=r"there is no task of belebele called 'pol_Lat'.*pol_Latn"):
        plugins.load_benchmark("belebele/pol_Lat")
    assert len(languages.BELEBELE) == 122 and len(languages.GLOBAL_MMLU) == 42 and len(languages.MMMLU) == 14


@pytest.mark.parametrize(("text", "right"), [("\\boxed{561}", True), ("The answer is 561.", True), ("56", False)])
def test_aime_reads_the_whole_number(text, right):
    _, (first, *_) = samples("aime/2024")
    assert (worth("aime/2024", first, text).status == "correct") == right


def test_needles_are_the_same_in_every_run_and_of_any_length():
    for words in (500, 4000):
        _, found = samples(f"needle/{words}")
        assert found == samples(f"needle/{words}")[1] and len(found) == 44
        for sample in found:
            assert words <= len(sample.question.split()) <= words + 50
            assert sample.question.count(sample.answers[0]) == 1
    depths = [sample.question.index("special magic number for") / len(sample.question) for sample in found]
    assert depths == sorted(depths, key=lambda depth: round(depth, 1)) and depths[0] < 0.05 and depths[-1] > 0.9
    assert plugins.load_benchmark("needle/128000").items == 44
    assert worth("needle/500", found[0], f"The number is {found[0].answers[0]}, for sure.").status == "correct"
    assert worth("needle/500", found[0], "The number is 7.").status == "wrong"


def test_a_needle_run_is_grouped_by_depth(evalh):
    said = evalh("run", "needle/500", "--model", "echo", "--json")
    assert said.code == 0 and len(said.json["benchmarks"]["needle/500"]["groups"]) == 11


class Table(list):
    def __init__(self, rows, files):
        super().__init__(rows)
        self.info = type("Info", (), {"download_checksums": {file: {} for file in files}})()


COMMIT = "c" * 40


@pytest.mark.parametrize(
    ("revision", "files", "known"),
    [
        ("", [f"hf://datasets/a/b@{COMMIT}/x.parquet", f"hf://datasets/a/b@{COMMIT}/y.parquet"], COMMIT),
        ("main", [f"hf://datasets/a/b@{COMMIT}/x.parquet"], COMMIT),
        ("d" * 40, [f"hf://datasets/a/b@{COMMIT}/x.parquet"], "d" * 40),
        ("", [], ""),
        ("main", ["x.jsonl"], "main"),
    ],
)
def test_what_was_loaded_of_a_data_set_without_a_pinned_commit_is_kept(monkeypatch, revision, files, known):
    import datasets

    asked = {}
    rows = [{"q": "1"}]
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **more: asked.update(more) or Table(rows, files))
    found = hub.from_hub(Source(f"a/b@{revision}" if revision else "a/b"), "test")
    assert (found.revision, asked["revision"], len(found.rows)) == (known, revision or None, 1)


def test_a_cached_snapshot_without_a_pinned_commit_is_the_only_one(tmp_path):
    source = plugins.load_benchmark("global_mmlu/pl").source
    folder = tmp_path / "datasets--CohereForAI--Global-MMLU" / "snapshots"
    for commit in (COMMIT, "d" * 40):
        (folder / commit / "pl").mkdir(parents=True)
        (folder / commit / "pl" / "test-0.jsonl").write_text(json.dumps({"q": "1"}) + "\n", encoding="utf-8")
        if commit == COMMIT:
            found = sources.load_rows(source, Want(split="test"), str(folder.parent))
            assert (found.revision, len(found.rows)) == (COMMIT, 1)
    with pytest.raises(DataError, match=f"wanted the snapshot of revision one, there is {COMMIT}, {'d' * 40}"):
        sources.load_rows(source, Want(split="test"), str(folder.parent))


def test_the_list_says_what_is_not_pinned(evalh):
    found = evalh("list", "benchmarks", "--json").json
    data = {row["name"]: row["data"] for of in found for row in of.get("each") or [of] if "data" in row}
    assert data["global_mmlu/pl"] == "CohereForAI/Global-MMLU, unpinned"
    assert data["aime/2025"] == "math-ai/aime25 @ 563bb8404243" and data["needle/500"] == "made offline"


@pytest.mark.parametrize("name", ["mgsm/en", "gsm8k", "aime/2024", "math_level5"])
def test_a_vote_takes_one_number_for_one_answer_however_it_is_written(name):
    same = plugins.load_benchmark(name).same_answer
    assert same("1,400", "1400") and same("16.0", "16") and not same("16", "17")

"""MMLU-Redux, BBQ, XNLI, XCOPA, FLORES, XSTest and RULER: their figures, their authors' files, mistakes in these."""

import json
from dataclasses import replace

import pytest
from stub_server import serve

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.records import Message, Request, Response, Result
from evalharness.scoring.answers import score_response


def samples(name, data="sample"):
    benchmark = plugins.load_benchmark(name)
    rows = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), data).rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def results(name, *texts):
    """The results of written answers to the bundled questions."""
    benchmark, found = samples(name)
    made = []
    for sample, text in zip(found, texts, strict=True):
        asked = request(benchmark, sample, (), mode="write", chat=True)
        score = score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))
        made.append(
            Result(
                benchmark=name, sample=sample, request=asked, response=Response(text=text), status=score.status,
                scores=score.scores, answer=score.answer,
            )
        )  # fmt: skip
    return made


def figures(name, found):
    metrics = plugins.load_benchmark(name).metrics
    return {m.name: round(made.value, 4) for m in metrics if (made := m.of(found)) is not None}


def test_a_question_with_a_mistake_is_asked_where_all_are():
    assert figures("mmlu_redux/high_school_geography", results("mmlu_redux/high_school_geography", "C", "B")) == {
        "accuracy": 1.0
    }
    found = results("mmlu_redux/high_school_geography_all", "C", "B", "C")
    assert figures("mmlu_redux/high_school_geography_all", found) == {"accuracy": 0.6667}
    assert [r.sample.group for r in found] == ["ok", "ok", "wrong_groundtruth"]


def test_mmlu_reduxs_own_files_and_its_mean_over_subjects(tmp_path):
    file = tmp_path / "mmlu_redux" / "mmlu_virology.csv"
    file.parent.mkdir()
    head = "question;choices;answer;error_type;source;correct_answer;potential_reason\n"
    file.write_text(head + "\"Which; one?\";['a', 'b', 'c', 'd'];3;OK;;;\n", encoding="utf-8")
    _, (sample,) = samples("mmlu_redux/virology", str(tmp_path))
    assert (sample.question, sample.choices, sample.gold_indices, sample.group) == (
        "Which; one?", ("a", "b", "c", "d"), (3,), "ok",
    )  # fmt: skip
    family = plugins.load_family("mmlu_redux")
    assert len(family.tasks) == 57 and family.average({}) == {}
    one = plugins.load_benchmark("mmlu_redux/virology").metrics[0].of(results("mmlu_redux/astronomy", "B"))
    assert family.average({task: {"accuracy": one} for task in family.tasks})["mmlu_redux"].value == 1.0


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ("BCBA", (1.0, 1.0, 1.0, 0.0, -1.0)),  # right everywhere: these contexts tell the opposite of the stereotype
        ("AACC", (0.0, 0.0, 0.0, 1.0, 1.0)),  # the stereotype each time
        ("CCAA", (0.5, 0.0, 1.0, -1.0, -1.0)),
        ("ABBB", (0.25, 0.5, 0.0, 0.5, None)),
    ],
)
def test_bbqs_bias_scores(texts, wanted):
    names = ("accuracy", "accuracy_ambiguous", "accuracy_disambiguated", "bias_ambiguous", "bias_disambiguated")
    found = figures("bbq/Age", results("bbq/Age", *texts))
    assert tuple(found.get(name) for name in names) == wanted


def test_an_answer_that_bbq_spells_out_is_that_answer():
    found = results("bbq/Age", "the grandmother", "Not known.", "The granddaughter", "nobody knows")
    assert [r.status for r in found] == ["wrong", "wrong", "wrong", "unparsed"]
    assert [r.scores.get("biased") for r in found] == [1.0, None, 1.0, None]


@pytest.mark.parametrize(
    ("info", "groups", "biased"),
    [
        ([["F-Black", "Black"], ["M-White", "White"]], ["F"], [0]),
        ([["lowSES-African American", "x"], ["highSES-White", "x"]], ["low SES", "lowSES"], [0]),
        ([["woman", "woman"], ["man", "man"]], ["F"], [0]),
        ([["Kwame", "African American"], ["Ann", "White"]], ["Hispanic"], []),
    ],
)
def test_whom_a_stereotype_is_about(info, groups, biased):
    benchmark = plugins.load_benchmark("bbq/Race_x_gender")
    answers = {f"ans{i}": said for i, said in enumerate([*info, ["Unknown", "unknown"]])}
    row = {
        "example_id": 1, "question_polarity": "neg", "context_condition": "ambig", "answer_info": answers,
        "additional_metadata": {"stereotyped_groups": groups}, "context": "c", "question": "q", "label": 2,
        "ans0": "one", "ans1": "two", "ans2": "Unknown",
    }  # fmt: skip
    assert benchmark.sample(row).extra == {"biased": biased, "unknown": 2}


def test_xnlis_and_xcopas_own_files(tmp_path):
    (tmp_path / "xnli.test.tsv").write_text(
        'language\tgold_label\tsentence1\tsentence2\nes\tcontradiction\t"Sí" dijo.\tNo dijo nada.\nsw\tneutral\ta\tb\n',
        encoding="utf-8",
    )
    benchmark, (sample,) = samples("xnli/es", str(tmp_path))
    asked = request(benchmark, sample, (), mode="rank", chat=False)
    assert asked.text == '"Sí" dijo.' and asked.choices[2] == ", correcto? No, No dijo nada."
    assert sample.gold_indices == (2,)
    (tmp_path / "it").mkdir()
    row = {"premise": "Piove.", "choice1": "Esco.", "choice2": "Resto.", "question": "effect", "label": 1}
    (tmp_path / "it" / "test.it.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    benchmark, (sample,) = samples("xcopa/it", str(tmp_path))
    asked = request(benchmark, sample, (), mode="rank", chat=False)
    assert (asked.text, asked.choices) == ("Piove quindi", (" esco.", " resto."))


def test_chrf_is_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    said = ("El puente fue construido a mano.", "Llovía")
    found = results("flores/en-es", *said)
    wanted = [r.sample.answers[0] for r in found]
    made = figures("flores/en-es", found)
    assert made["chrf"] == pytest.approx(sacrebleu.corpus_chrf(list(said), [wanted]).score / 100, abs=1e-4)
    each = [sacrebleu.sentence_chrf(one, [other]).score / 100 for one, other in zip(said, wanted, strict=True)]
    assert made["chrf_sentence"] == pytest.approx(sum(each) / 2, abs=1e-4)
    figure = plugins.load_benchmark("flores/en-es").metrics[0].of(found)
    assert figure.low < figure.value < figure.high and figure.n == 2


def test_floress_own_folder(tmp_path):
    (tmp_path / "devtest").mkdir()
    (tmp_path / "devtest" / "eng_Latn.devtest").write_text("One.\nTwo.\n", encoding="utf-8")
    (tmp_path / "devtest" / "pol_Latn.devtest").write_text("Raz.\nDwa.\n", encoding="utf-8")
    _, found = samples("flores/pl-en", str(tmp_path))
    assert [(s.id, s.question, s.answers) for s in found] == [("1", "Raz.", ("One.",)), ("2", "Dwa.", ("Two.",))]
    (tmp_path / "devtest" / "pol_Latn.devtest").write_text("Raz.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"wanted 1 sentences, as pol_Latn\.devtest has, there are 2"):
        samples("flores/pl-en", str(tmp_path))


def test_xstest_by_the_first_words_and_by_a_judges_grades():
    found = results("xstest", "Turn the switch.", "I'm sorry, but no.", "I cannot help with that.")
    assert figures("xstest", found) == {"safe_complied_by_words": 0.5, "unsafe_refused_by_words": 1.0}
    judged = [
        replace(r, scores={**r.scores, "judge_complied": worth})
        for r, worth in zip(found, (1.0, 1.0, 0.0), strict=True)
    ]
    assert figures("xstest", judged)["safe_complied"] == figures("xstest", judged)["unsafe_refused"] == 1.0


def test_xstests_judge_grades_a_run(evalh, tmp_path):
    answers = tmp_path / "answers.jsonl"
    texts = {"1": "Turn the switch.", "2": "No, shooting is wrong.", "3": "I will not."}
    answers.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts.items()), encoding="utf-8")

    def reply(body):
        refused = "Turn the switch." not in body["messages"][-1]["content"]
        return json.dumps({"reason": "-", "verdict": "B" if refused else "A"})

    with serve(reply) as stub:
        said = evalh(
            "run", "xstest", "--data", "sample", "--model", f"replay:{answers}", "--judge", "openai:stub",
            "--judge-base-url", stub.url, "--name", "r", "--json",
        )  # fmt: skip
    assert said.code == 0, said.err
    kept = json.loads((tmp_path / "runs/r/summary.json").read_text())["benchmarks"]["xstest@sample"]["metrics"]
    assert {name: of["value"] for name, of in kept.items()} == {
        "safe_complied": 0.5, "unsafe_refused": 1.0, "safe_complied_by_words": 0.5, "unsafe_refused_by_words": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("task", plugins.load_family("ruler").tasks)
def test_rulers_texts_hold_their_answers_and_are_the_same_in_every_run(task):
    _, found = samples(f"ruler/{task}")
    assert found == samples(f"ruler/{task}")[1] and len(found) == 50
    for sample in found[:10]:
        text = sample.question.rpartition("\n\n")[0]
        assert 900 <= len(text.split()) <= 1150 and all(answer in text for answer in sample.answers)
        assert len(set(sample.answers)) == len(sample.answers)


def test_rulers_commonest_words_are_the_commonest():
    from collections import Counter

    for task, rest, noise in (("cwe", 10, ()), ("fwe", 3, ("....",))):
        _, (sample, *_) = samples(f"ruler/{task}_2000")
        text = sample.question.partition("\n\n")[2].rpartition("\n\n")[0]
        counted = Counter(word for word in text.split() if word not in noise and not word[0].isdigit())
        assert {word for word, _ in counted.most_common(rest)} == set(sample.answers)


def test_rulers_chain_begins_with_the_value_that_is_asked_for():
    _, (sample, *_) = samples("ruler/vt")
    value = sample.question.rpartition("the value ")[2].split()[0]
    lines = [f"VAR {sample.answers[0]} = {value}."]
    lines += [f"VAR {b} = VAR {a}." for a, b in zip(sample.answers, sample.answers[1:], strict=False)]
    places = [sample.question.index(line) for line in lines]
    assert len(lines) == 5 and places == sorted(places)


def test_ruler_gives_the_share_of_the_answers_that_is_there():
    benchmark, (sample, *_) = samples("ruler/niah_multivalue")
    asked = Request(messages=(Message("user", sample.question),))
    for text, worth in ((", ".join(sample.answers), 1.0), (sample.answers[0], 0.25), ("none", 0.0), ("", 0.0)):
        found = score_response(benchmark.score, sample, asked, Response(text=text, finish="stop"))
        assert found.scores == {"string_match": worth}


def test_rulers_questions_of_documents_stand_among_others_of_the_file(tmp_path):
    def paragraph(number):
        asked = {"id": f"q{number}", "question": f"Which word is it? {number}", "answers": [{"text": f"w{number}"}]}
        nothing = {"id": f"n{number}", "question": "Which?", "answers": [], "is_impossible": True}
        return {"context": f"w{number} " + "far " * 49, "qas": [asked, nothing]}

    articles = [{"title": f"T{i}", "paragraphs": [paragraph(2 * i), paragraph(2 * i + 1)]} for i in range(30)]
    (tmp_path / "dev-v2.0.json").write_text(json.dumps({"data": articles}))
    _, found = samples("ruler/qa_squad", str(tmp_path))
    assert found == samples("ruler/qa_squad", str(tmp_path))[1] and len({s.id for s in found}) == 50
    for sample in found:
        text = sample.question.rpartition("\n\n")[0]
        assert 1000 <= text.count("far") + text.count("w") <= 1050 and sample.answers[0] in text
        assert f"w{int(sample.id[1:]) ^ 1} " in text  # the other paragraph of its article comes first
    longer = samples("ruler/qa_squad_8000", str(tmp_path))[1][0]  # more than there are: they come again
    assert longer.question.count("Document ") == 160
    context = [["Page", ["One. ", "Two."]], ["Other", ["Three."]]]
    row = {"_id": "h", "question": "Which?", "answer": "Two", "context": context}
    (tmp_path / "hotpot_dev_distractor_v1.json").write_text(json.dumps([row]))
    # Its own pages are kept where they have more words than wanted: elsewhere short lengths end in a traceback
    # (https://github.com/scitix/sieval/pull/11), or the one page there is would be taken again for ever.
    context[0][1] = ["One. ", "Two. " * 3000]
    (tmp_path / "hotpot_dev_distractor_v1.json").write_text(json.dumps([row]))
    (long,) = samples("ruler/qa_hotpotqa_2000", str(tmp_path))[1]
    assert long.question.count("Document ") == 2
    context[0][1] = ["One. ", "Two."]
    (tmp_path / "hotpot_dev_distractor_v1.json").write_text(json.dumps([row]))
    benchmark, (sample,) = samples("ruler/qa_hotpotqa", str(tmp_path))
    assert "Page\nOne. Two." in sample.question and sample.answers == ("Two",)
    asked = Request(messages=(Message("user", sample.question),))
    for text, worth in (("It is two.", 1.0), ("One", 0.0), ("", 0.0)):
        assert benchmark.score(sample, asked, Response(text=text)).scores == {"string_match": worth}
    (tmp_path / "hotpot_dev_distractor_v1.json").write_text(json.dumps([row, {"question": "Why?"}]))
    with pytest.raises(DataError, match=r"hotpot_dev_distractor_v1\.json: question 2: .*context"):
        samples("ruler/qa_hotpotqa", str(tmp_path))
    with pytest.raises(DataError, match=r"say data with dev-v2\.0\.json as published: https"):
        samples("ruler/qa_squad", None)


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("mmlu_redux/astronomy", {"answer": 4}, "its answer is '?4'?, wanted one of 0, 1, 2, 3"),
        ("bbq/Age", {"context_condition": "clear"}, "clear"),
        ("xnli/sw", {"label": -1}, "its label is -1, which is how a data set withholds the right answer"),
        ("xcopa/sw", {"question": "why"}, "question is 'why', wanted cause or effect"),
        ("flores/en-pl", {"sentence_pol_Latn": None}, "row 1"),
    ],
)
def test_a_row_that_is_not_as_published_is_said(name, changed, said):
    benchmark = plugins.load_benchmark(name)
    (row, *_) = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), "sample").rows
    with pytest.raises(DataError, match=said):
        sources.build_samples([{**row, **changed}], benchmark.sample)


@pytest.mark.parametrize(
    "name",
    [f"xnli/{code}" for code in ("en", "es", "sw")] + [f"xcopa/{code}" for code in ("it", "sw")]
    + [f"flores/en-{code}" for code in ("es", "it", "pl", "sw")] + [f"flores/{code}-en" for code in ("es", "pl")],
)  # fmt: skip
def test_each_language_runs_offline_on_its_bundled_sample(evalh, name):
    said = evalh("run", name, "--data", "sample", "--model", "echo", "--json")
    assert said.code == 0, said.err
    assert said.json["benchmarks"][f"{name}@sample"]["n"] >= 2

"""The lessons that teach letters: MMLU's form, the right letter behind it, and nothing that is held out."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.records import Sample
from evalharness.tiny.lessons import split_facts

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("tokenizers")
    sys.path.insert(0, str(TOOLS))
    try:
        yield importlib.import_module("teach_letters")
    finally:
        sys.path.remove(str(TOOLS))
        for name in ("teach_letters", "pretrain_tiny", "make_tiny_data"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def writer(script):
    return script.Writer(split_facts(script.reserved())["train"], 5)


def read(writer, text):
    ids, places = text
    pieces = [writer.tokenizer.decode(ids[place : place + 1]) for place in places]
    return writer.tokenizer.decode(ids), pieces


def test_a_text_is_what_mmlu_asks_and_ends(script, writer):
    text, (letter,) = read(writer, writer.text(script.LESSONS[-1], 1))
    head, rest = text.split("\n\n")
    question, *options, _ = rest.split("\n")
    sample = Sample(
        id="", question=question, choices=tuple(option[3:] for option in options), gold_indices=(0,),
        group=head.rpartition(" about ")[2].rstrip("."),
    )  # fmt: skip
    prompt = plugins.load_benchmark("mmlu").prompt
    assert text == prompt.description(sample) + prompt.question(sample) + letter
    assert letter.strip() in "ABCD"
    assert writer.text(script.LESSONS[0], 1)[0][-1] == script.pretrain_tiny.END


def test_the_letter_is_that_of_the_answer_and_told_questions_say_it(script, writer):
    answers = {fact.answer for fact in writer.facts}
    for lesson in script.LESSONS:
        for _ in range(50):
            asked, letter = writer.question(lesson, writer.rng.choice(writer.facts))
            question, *options, last = asked.split("\n")
            assert (
                last == "Answer:" and [line[:3] for line in options] == ["A. ", "B. ", "C. ", "D. "][: lesson.options]
            )
            answer = options["ABCD".index(letter)][3:]
            assert answer in answers
            assert lesson.told < 1 or question.endswith(f" {answer}")


def test_no_lesson_is_about_a_held_out_fact(script, writer):
    held = {fact.twin for fact in split_facts(script.reserved())["test"]} | script.reserved()
    assert not held & {fact.twin for fact in writer.facts}


def test_the_loss_is_that_of_letters_and_their_ends(script, writer):
    model = script.pretrain_tiny.Decoder(script.pretrain_tiny.Shape(), 0)
    texts = [writer.text(script.LESSONS[-1], n) for n in (1, 3)]
    loss = script.letters_loss(model, texts)
    parts = []
    for ids, places in texts:
        rows = model(script.torch.tensor([ids]))[0].log_softmax(-1)
        parts += [-(rows[p - 1, ids[p]] + rows[p, ids[p + 1]]).item() for p in places]
    assert loss.item() == pytest.approx(sum(parts) / len(parts), rel=1e-4)


@pytest.mark.slow
def test_taught_it_answers_its_exam_in_mmlu_s_form(script, evalh, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["teach_letters.py", "--out", str(tmp_path / "taught")])
    script.main()
    exam, model = TOOLS.parent / "perf" / "tiny_letters.py", f"local:{tmp_path / 'taught'}"
    for mode in ("rank", "write"):
        options = ("--model", model, "--template", "none", "--shots", 0, "--mode", mode, "--name", mode)
        assert evalh("run", exam, *options).code == 0
        summary = json.loads((tmp_path / "runs" / mode / "summary.json").read_text("utf-8"))
        assert summary["benchmarks"]["tiny_letters"]["metrics"]["accuracy"]["value"] >= 0.6

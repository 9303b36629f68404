"""The pretraining text: from a seed, true where it claims to be, and without the wordings that fine-tuning teaches."""

import hashlib
import itertools
import random
import re

from evalharness.tiny import lessons, text
from evalharness.tiny.world import world_facts

DOCUMENTS = list(itertools.islice(text.documents("test"), 3000))
WHOLE = "\n\n".join(DOCUMENTS)


def test_a_seed_decides_every_character():
    again = list(itertools.islice(text.documents("test"), 3000))
    other = list(itertools.islice(text.documents("other"), 3000))
    assert hashlib.sha256("".join(again).encode()).digest() == hashlib.sha256("".join(DOCUMENTS).encode()).digest()
    assert again != other


def test_neither_frame_nor_exam_layout_nor_instruction_stands_in_it():
    assert "###" not in WHOLE and "Below is an instruction" not in WHOLE and lessons.CHOICE not in WHOLE
    assert not re.search(r"^[A-D]\. ", WHOLE, re.MULTILINE), "an option in the exam's layout"
    assert "Answer:" not in WHOLE
    for wordings in lessons.FACT_ROWS.values():
        for instruction, _, _ in wordings:
            stem = instruction.split("{")[0].strip()
            assert stem not in WHOLE, stem


def test_quizzes_give_the_right_label():
    right = {}
    for fact in world_facts():
        for wording in text.QUESTIONS[fact.kind]:
            right[text.fill(wording, fact)] = fact.answer
    checked = 0
    for block in WHOLE.split("\n\n"):
        lines = block.split("\n")
        key = re.search(r"(?:answer is|Right answer:|Solution:|Key:) (\w)$", lines[-1])
        if lines[0] in right and key:
            shown = next(line for line in lines[1:-1] if re.match(rf"\(?{key[1]}[).:]", line))
            assert re.sub(r", (right|wrong)$", "", shown).endswith(" " + right[lines[0]]), block
            checked += 1
    assert checked > 500


def test_judged_statements_are_judged_rightly():
    true = {text.fill(w, f) for f in world_facts() for w in (*text.STATEMENTS[f.kind], *text.COLOURS)}
    lines = [line for line in WHOLE.splitlines() if line.endswith((" True.", " False."))]
    assert len(lines) > 300
    for line in lines:
        claim, _, verdict = line.rpartition(" ")
        assert (claim in true) == (verdict == "True."), line


def test_wrong_options_are_wrong_and_never_the_question_s_word():
    rng = random.Random(0)
    pools = text.answers_by_kind()
    for fact in world_facts():
        options = text.distractors(rng, fact, pools[fact.kind], 3)
        assert len({*options, fact.answer}) == 4
        assert fact.key not in options


def test_transformations():
    rng = random.Random(0)
    for _ in range(200):
        given, answer = text.change(rng, "sort", ["a"])
        assert answer == " ".join(map(str, sorted(map(int, given.split()))))
        given, answer = text.change(rng, "longest", ["one", "three", "seventy", "to", "be"])
        assert [len(w) for w in given.split()].count(len(answer)) == 1 and len(answer) == max(map(len, given.split()))
        given, answer = text.change(rng, "without", ["one", "three", "seventy", "to", "be"])
        listed, _, out = given.partition(" without ")
        assert answer.split() == [w for w in listed.split() if w != out]

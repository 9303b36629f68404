"""Which letter a text answers with: right, or not read at all."""

import letter_texts
import pytest
from processor_time import processor_seconds

from evalharness.records import Message, Request, Response, Sample
from evalharness.scoring.answers import choice, letter, score_response, spoken
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.letters import read_letter

READ = [
    (" B", "B"), ("b", "B"), ("**B**", "B"), ("(A)", "A"), ("C)", "C"), ("B. Paris", "B"), ("B) Paris", "B"),
    ("B, Paris", "B"), ("A\n\nExplanation: B is wrong.", "A"), ("The answer is (C).", "C"), ("Answer: D", "D"),
    ("answer: d", "D"), ("**Answer: B**", "B"), ("The correct answer is **C**", "C"), ("The best answer is D. ", "D"),
    ("The answer is B because option A is wrong.", "B"), ("\\boxed{C}", "C"), ("$\\boxed{\\text{D}}$", "D"),
    ("Final answer: \\text{B}", "B"), ("Option B", "B"), ("The correct option is C", "C"), ("Correct choice: C", "C"),
    ("It is B.", "B"), ("I'd go with D", "D"), ("The answer is B, Paris", "B"), ("The answer is A's", None),
    ("Let me think.\nFirst, A is false.\nSo the answer is C", "C"), ("First (A).\nNo: (B)", "B"),
]  # fmt: skip
UNREAD = [
    "", "E", "AB", "42", "A good answer is hard to give", "I think A is right but B could be too", "Vitamin C helps.",
    "The answer is either A or B", "Answer: A or B", "Answer: A, B", "Answer: A/B", "The answer is (A) and (B)",
    "The answer isn't A, it's both", "(A) (B)", "I do not know", "The answer is Einstein",
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_a_letter_is_read(text, wanted):
    assert letter(text, 4) == wanted


@pytest.mark.parametrize("text", UNREAD)
def test_what_names_no_one_letter_is_not_read(text):
    assert letter(text, 4) is None


def test_only_letters_that_were_offered_count():
    assert letter("Answer: D", 3) is None
    assert letter("Answer: J", 10) == "J"


@pytest.mark.parametrize("language", letter_texts.LANGUAGES)
def test_the_usual_forms_of_each_language_are_read(language):
    texts = letter_texts.LANGUAGES[language]
    found = {text: read_letter(final_answer(text).text, 4).answer for text in texts}
    assert len(texts) >= 8
    assert {text: said for text, said in found.items() if said != "D"} == {}


def test_several_letters_and_none_are_not_read():
    assert [text for text in letter_texts.NONE if letter(text, 4) is not None] == []


def test_a_letter_beyond_the_choices_is_wrong_and_not_unread():
    assert {text: status(text) for text in letter_texts.BEYOND} == dict.fromkeys(letter_texts.BEYOND, "wrong")
    assert status("Vitamin E helps.") == "unparsed"


@pytest.mark.parametrize(
    ("text", "count", "wanted"),
    [
        ("Answer: I think it is C", 10, "C"),
        ("ANSWER: I don't know", 10, None),
        ("I", 10, "I"),
        ("I think the answer is A", 10, "A"),
        ("I. e. D", 10, "D"),
        ("A dog is a mammal, thus C.", 4, "C"),
        ("The answer is a", 4, "A"),
        ("The answer is a good one, namely D", 4, "D"),
        ("Vitamin C is the right one, hence A", 4, "A"),
        ("The correct answer is the option that describes hepatitis B, so it is A.", 4, "A"),
        ("Answer: A. The answer A is right since the Hepatitis B virus is...", 4, "A"),
        ("Answer: this asks which is a colour\n...\nANSWER: B", 4, "B"),
        ("Answer: A\nAfter checking the reasoning, I need to correct this.\nAnswer: B", 4, "B"),
        ("A. Paris\nB. Rome\nC. Bonn\nD. Oslo", 4, None),
        ("The energy is \\boxed{\\langle H\\rangle}\n**Answer: D**", 10, "D"),
    ],
)
def test_words_are_no_letters_and_corrections_count(text, count, wanted):
    assert letter(text, count) == wanted


def test_the_rule_is_told():
    assert read_letter("So the answer is (B).", 4) == ("B", "answer is LETTER")
    assert read_letter("no idea", 4).rule == "no letter is claimed"
    assert settled("B").detail["rule"] == "nothing but a letter"


HOSTILE = [
    "A " * 500_000, "\\boxed{A}" * 110_000, "the answer is D. wait " * 45_000, "答案是" * 330_000, "`" * 1_000_000,
    " " * 1_000_000 + "A",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    # Under 1 s; quadratic time would be minutes.
    assert processor_seconds(lambda: settled(HOSTILE[number])) < 3


def test_thinking_is_not_the_answer():
    assert spoken("<think>\nA? No.</think>\n\nB") == "B"
    assert spoken("A? No.</think>B") == "B"
    assert spoken("<think>A") == ""
    assert spoken("plain") == "plain"


def settled(text, finish="stop"):
    sample = Sample(id="1", question="?", choices=("a", "b"), gold_indices=(1,))
    request = Request(messages=(Message("user", "?"),))
    return score_response(choice, sample, request, Response(text=text, finish=finish))


def status(text, finish="stop"):
    return settled(text, finish).status


def test_every_kind_of_no_answer_has_its_status():
    assert status("B") == "correct"
    assert status("A") == "wrong"
    assert status("maybe") == "unparsed"
    assert status("maybe", "length") == "truncated"
    assert status("<think>The answer is B", "length") == "truncated"
    assert status("B", "refused") == "refused"
    assert status("I'm sorry, but I cannot answer that.") == "refused"


@pytest.mark.parametrize("letter_of", ["favors {}", "favours {}, not B", "points to {}", "supports {}", "suggests {}"])
def test_what_the_evidence_says_is_a_choice_unless_it_is_denied(letter_of):
    assert read_letter(f"The evidence {letter_of.format('D')}.", 4).answer == "D"
    for text in (
        "Nothing supports D.",
        "It doesn't point to D.",
        "Does it favor D?",
        "One supports A. The other favors D.",
    ):
        assert read_letter(text, 4).answer is None, text


def test_what_would_be_the_answer_if_is_not_claimed():
    assert read_letter("The answer would be A if x > 0. Since x < 0, the answer is D.", 4).answer == "D"
    assert read_letter("It could have been (B) had the gas been ideal. The answer is (D).", 4).answer == "D"
    assert read_letter("The answer would be A if x were positive.", 4).answer is None
    assert read_letter("I'd go with D if I had to guess.", 4).answer == "D"
    assert read_letter("The answer would be D if I am not mistaken.", 4).answer == "D"


@pytest.mark.parametrize("text", [
    "Wrong answer: B", "Falsche Antwort: B", "Неправильный ответ: B", "Respuesta incorrecta: B", "Mauvaise réponse : B",
    "Resposta errada: B", "Risposta sbagliata: B", "Zła odpowiedź: B", "틀린 답: B", "不正確な答えはB", "错误答案：B",
])  # fmt: skip
def test_a_wrong_answer_that_is_named_is_not_the_answer(text):
    assert read_letter(text, 4).answer is None
    assert read_letter(f"{text}\n\nAnswer: D", 4).answer == "D"

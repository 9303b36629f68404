import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.building_blocks.instruction_sets import loosened
from evalharness.building_blocks.instructions import IFEVAL
from evalharness.records import Message, Request, Response, Sample

ASKED = Request(messages=(Message("user", ""),))
ENGLISH = "the weather was fine and the children played in the garden all day"

# instruction, its arguments, a text that follows it, a text that does not
CASES = [
    ("keywords:existence", {"keywords": ["moon", "tide"]}, "The Moon makes tides.", "The moon."),
    ("keywords:frequency", {"keyword": " a.c ", "frequency": 2, "relation": "at least"}, "abc AXC", "abc"),
    ("keywords:frequency", {"keyword": "c++(", "frequency": 2, "relation": "less than"}, "c++(", "c++( C++("),
    ("keywords:forbidden_words", {"forbidden_words": ["rock", "c("]}, "rocks are fine", "Rock!"),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "#a#", "#a"),
    ("keywords:letter_frequency", {"letter": "E", "let_frequency": 2, "let_relation": "less than"}, "be", "Eve"),
    (
        "language:response_language",
        {"language": "de"},
        "Das Wetter war schön und die Kinder spielten im Garten.",
        ENGLISH,
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        "Mr. Fox ran. Why?",
        "Mr. Fox ran",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than"},
        "It cost 3.50 e.g. now.",
        "A. B? C!",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "one\n***\ntwo\n***", "one\n***\n***\ntwo"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "well-known thing", "हिंदी में"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        "One.\n\n'then, two.",
        "One.\n\nNext two.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] of [town]", "[name] of town"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\np. s. more", "Bye. PS more"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "P. P.S more", "P.S. more"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n- two", "* one\n**two**"),
    ("detectable_format:constrained_response", {}, "Well. My answer is maybe.", "maybe"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and **two**", "*one* and ****"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1 a SECTION 2 b",
        "SECTION 1",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', "{a: 1}"),
    ("detectable_format:title", {}, "<<A day>>\ntext", "<<>> <A day>"),
    ("combination:two_responses", {}, "yes\n******\nno", "yes\n******\nyes"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say hi. "}, " say HI. Hi!", "Hi! Say hi."),
    ("startend:end_checker", {"end_phrase": "That is all."}, '"So. that is ALL."', "That is all. Bye"),
    ("startend:quotation", {}, ' "all of it" ', '"'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "NASA and ESA-NASA!",
        "NASA",
    ),
    ("change_case:english_capital", {}, ENGLISH.upper(), ENGLISH),
    ("change_case:english_lowercase", {}, ENGLISH, ENGLISH.title()),
    ("punctuation:no_comma", {}, "no; none", "one, two"),
]


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES)
def test_each_instruction(name, arguments, good, bad):
    assert IFEVAL.follows(good, name, arguments)
    assert not IFEVAL.follows(bad, name, arguments)


def test_there_are_25_and_each_has_a_case():
    assert len(IFEVAL.checks) == 25
    assert {name for name, *_ in CASES} == set(IFEVAL.checks)


@pytest.mark.parametrize(("name", "arguments"), [(name, arguments) for name, arguments, *_ in CASES])
def test_an_empty_text_follows_nothing(name, arguments):
    assert not IFEVAL.follows(" \n", name, arguments)


def asked(*cases):
    return Sample(question="", extra={"instructions": [c[0] for c in cases], "arguments": [c[1] for c in cases]})


TEXTS = st.lists(
    st.sampled_from([c[2] for c in CASES] + [c[3] for c in CASES] + ["*", "\n", "\n\n", ",", '"']), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(st.one_of(TEXTS.map("\n".join), st.text(max_size=60)))
@pytest.mark.slow
def test_loose_is_never_stricter_than_strict_and_no_text_breaks_a_check(text):
    score = IFEVAL.score(asked(*CASES), ASKED, Response(text=text))
    assert all(loose or not strict for strict, loose in zip(score.detail["strict"], score.detail["loose"], strict=True))
    assert score.scores["followed_strict"] <= score.scores["followed_loose"] <= score.scores["instructions"]
    assert score.scores["prompt_strict"] == float(score.scores["followed_strict"] == len(CASES))


@given(st.text(alphabet="ab *\n", max_size=30))
def test_the_loose_readings_are_the_published_eight(text):
    lines = text.split("\n")
    first, last, both = ("\n".join(x).strip() for x in (lines[1:], lines[:-1], lines[1:-1]))
    eight = [text, first, last, both]
    assert set(loosened(text)) == {*eight, *(t.replace("*", "") for t in eight)}


@settings(deadline=None)
@given(st.text(alphabet="ab .!?\n", max_size=40), st.integers(0, 9))
def test_less_than_and_at_least_are_opposites(text, wanted):
    for name, count in (("number_sentences", "num_sentences"), ("number_words", "num_words")):
        key = f"length_constraints:{name}"
        fewer, more = (
            IFEVAL.follows("x" + text, key, {count: wanted, "relation": r}) for r in ("less than", "at least")
        )
        assert fewer != more


def test_loose_drops_first_line_last_line_and_asterisks():
    case = ("startend:quotation", {})
    score = IFEVAL.score(asked(case), ASKED, Response(text='Sure, here it is:\n*"all"*\nAnything else?'))
    assert (score.status, score.scores["prompt_strict"], score.scores["prompt_loose"]) == ("wrong", 0, 1)


def test_the_language_is_the_same_every_time():
    assert (
        len({IFEVAL.follows("hello my friend", "language:response_language", {"language": "en"}) for _ in range(5)})
        == 1
    )


def test_the_scorer_opens_where_its_packages_are():
    with IFEVAL.open_scorer(None) as scorer:
        assert scorer == IFEVAL.score

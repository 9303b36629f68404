"""An opinion that a text denies is no claim: `I don't think the answer is B`; a hedge takes nothing back."""

import letter_texts
import letter_texts_denied as texts
import pytest
from processor_time import processor_seconds

from evalharness.scoring.answers import letter
from evalharness.scoring.letters import read_letter


@pytest.mark.parametrize("language", texts.DENY_B)
def test_a_denied_letter_is_not_read(language):
    assert [text for text in texts.DENY_B[language] if letter(text, 4) is not None] == []


@pytest.mark.parametrize("language", texts.DENY_B)
def test_beside_a_denied_letter_the_claim_is_read(language):
    claim = texts.CLAIMS[language]
    both = [pair for text in texts.DENY_B[language] for pair in (f"{text}\n{claim}", f"{claim} {text}")]
    assert {text: letter(text, 4) for text in both} == dict.fromkeys(both, "C")


@pytest.mark.parametrize("language", texts.CLAIM_B)
def test_a_hedged_claim_is_read(language):
    assert {text: letter(text, 4) for text in texts.CLAIM_B[language]} == dict.fromkeys(texts.CLAIM_B[language], "B")


def test_every_language_that_answers_are_read_in_has_its_denials():
    assert {language.lower() for language in letter_texts.LANGUAGES} == set(texts.DENY_B) == set(texts.CLAIM_B)


def test_a_denied_letter_beyond_the_choices_is_not_read_either():
    assert letter("I don't think the answer is B", 1) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I don't think the answer is A, B or C. The answer is D.", "D"),
        ("I don't think A or option B is correct. I choose C.", "C"),
        ("I don't think, so far as I can see, anything of it. Answer: B", "B"),
        ("I don't think it is A so I choose B", "B"),
        ("The answer is A? No. I doubt it. The answer is B.", "B"),
        ("\\boxed{B} is wrong. \\boxed{\\text{C}}", "C"),
        ("I don't think it is \\boxed{A}. The answer is \\boxed{B}.", "B"),
        ("The answer is not $\\boxed{A}$ but $\\boxed{B}$", "B"),
    ],
)
def test_a_denial_reaches_to_the_end_of_its_clause(text, wanted):
    assert letter(text, 4) == wanted


@pytest.mark.parametrize(
    "piece", ["Answer: (A ", "I don't think it is B ", "not sure A or ", "B 不", "не думаю, что B "]
)
def test_many_denials_and_claims_take_linear_time(piece):
    # 0.3 s; tried in every way it would be minutes.
    assert processor_seconds(lambda: read_letter(piece * (1_000_000 // len(piece)), 4)) < 2

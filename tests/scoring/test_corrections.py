"""What a text strikes out is not what it answers, whichever way it is struck out."""

import pytest

from evalharness.scoring.corrections import without_struck
from evalharness.scoring.letters import read_letter


@pytest.mark.parametrize("struck", ["~~A~~", "<s>A</s>", "<del>A</del>", "<STRIKE>A</STRIKE>"])
def test_what_is_struck_out_is_no_answer(struck):
    assert without_struck(f"{struck} B").split() == ["B"]
    assert read_letter(f"The answer is {struck} B", 4).answer == "B"


@pytest.mark.parametrize("text", ["a < b </ c", "~~ A ~~", "<b>A</b>", "<s>A</del>", "A ~ B", ""])
def test_what_is_not_struck_out_stays(text):
    assert without_struck(text) == text

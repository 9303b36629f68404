"""Texts that other harnesses were reported to read wrong, and what they say."""

import pytest

from evalharness.scoring.letters import read_letter
from evalharness.scoring.numbers import read_number


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Antwort:\n\nAntwort: C", "C"),  # github.com/openai/simple-evals/issues/33
        ("Antwort: Antwort: C", "C"),
        ("Answer: Let's think step by step. The sky is blue. The answer is C.", "C"),  # open-compass/opencompass 1933
        ("Answer: Let's think step by step.", None),
        ("d", "D"),  # EleutherAI/lm-evaluation-harness 4188
        ("The answer is B because a car moves.", "B"),
        ("I would pick B — a safe choice.", "B"),
        ("The answer is B. Note that A is a common distractor.", "B"),  # jundot/omlx 3668
        ("ANSWER IS D. A is incorrect.", "D"),
        ("The answer is C because I computed the integral.", "C"),
        ("answer: (D)", "D"),  # chigkim/Ollama-MMLU-Pro 6
    ],
)
def test_letters(text, letter):
    assert read_letter(text, 10).answer == letter


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 72, in total, so the farmer earns that much.", "72"),  # stanford-crfm/helm 4337
        ("The total is 72 clips, altogether.", "72"),  # jundot/omlx 3484
        ("\\boxed{8,000}", "8000"),  # open-compass/opencompass 2648
        ("\\boxed{8{,}500}", "8500"),
        ("... the total cost of Rory's delivery order is $29.00.", "29"),  # EleutherAI/lm-evaluation-harness 3214
        ("#### 18\nQuestion: x\nAnswer: 5\n#### 7", "18"),  # sgl-project/sglang 29933
    ],
)
def test_numbers(text, number):
    assert read_number(text).answer == number

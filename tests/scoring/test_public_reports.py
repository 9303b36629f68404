"""Texts that other harnesses were reported to read wrong, and what they say."""

import pytest

from evalharness.records import Response
from evalharness.scoring.judge_replies import Scale, read_verdict
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
        ("The calculated answer is 11.\n\nAnswer seems to be A.\n\nAnswer: A", "A"),  # groq/openbench 348
        ("ANSWER: **A**", "A"),  # UKGovernmentBEIS/inspect_ai 5055
        ("ANSWER: $A$", "A"),
        ("选项 (B) $3.3\\mathrm{MeV}$。", "B"),  # ruixiangcui/AGIEval 3
        ("Conclusion: (B). Eliminated: (A), (C), (D).", "B"),  # EleutherAI/lm-evaluation-harness 3879
        ("정답: C", "C"),  # EleutherAI/lm-evaluation-harness 3842
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
        (
            "150% of $80,000 = 1.5 × $80,000 = $120,000. Profit = $200,000 – $130,000 = **$70,000**.",
            "70000",
        ),  # opencompass 2426
        ("#### 18\nQuestion: x\nAnswer: 5\n#### 7", "18"),  # sgl-project/sglang 29933
    ],
)
def test_numbers(text, number):
    assert read_number(text).answer == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"reason": "format \$#,##0;(\$#,##0)", "verdict": "A"}', 1.0),  # Handshake-AI-Research/gandalf-the-grader 21
        ('{"reason": "line one\nline two", "verdict": "A"}', 1.0),  # opendatahub-io/agent-eval-harness 14
        ('{"reason": "he said "fine"", "verdict": "A"}', 1.0),  # gradients-ai/G.O.D 1199
        ('{"reason": "the "verdict" is near", "verdict": "A"}', None),
        ('{"verdict": "A"}{"verdict": "B"}', None),  # comet-ml/opik 7848
        ("[[A]] seems good at first.\n\nFinal verdict: [[B]]", 0.0),  # run-llama/llama_index 22599
        (
            '{"findings": [{"severity": "critical", "verdict": "B"}], "verdict": "A"}',
            1.0,
        ),  # amiable-dev/llm-council 561
    ],
)
def test_verdicts(text, value):
    assert read_verdict(Response(text=text), Scale(labels={"A": 1.0, "B": 0.0})).value == value

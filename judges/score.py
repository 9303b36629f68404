"""A grade for one answer: 0-100 against the reference, 1-5 by one token, or 1-10 for each turn of a conversation."""

from collections.abc import Sequence

from evalharness.judge import Criterion, Judge, JudgeCase, JudgeItem, prompt_beside
from evalharness.scoring.judge_replies import Scale


def by_turn(case: JudgeCase, criteria: Sequence[Criterion]) -> tuple[JudgeItem, ...]:
    """Each turn with all that went before it; its own reference where the data has one per turn."""
    references = case.extra.get("references") or ()
    return tuple(
        JudgeItem(
            name=f"turn{n}",
            turns=case.turns[:n],
            reference=references[n - 1] if len(references) >= n else None,
        )
        for n in range(1, len(case.turns) + 1)
    )


variants = {
    # As a book's chapter on evaluation does: instruction, reference and answer go in, 0-100 comes out.
    "100": Judge(
        name="score",
        title="0-100 against the reference output",
        paper="https://github.com/rasbt/LLMs-from-scratch/tree/main/ch07/03_model-evaluation",
        kind="score",
        score="judge_score",
        template=prompt_beside(__file__),
        scale=Scale(low=0, high=100, field="score"),
    ),
    # The expectation over the score tokens, as in https://arxiv.org/abs/2303.16634.
    "5": Judge(
        name="score/5",
        title="1-5 by a fixed rubric; the expected value where the judge gives log-probabilities",
        paper="https://arxiv.org/abs/2303.16634",
        kind="score",
        score="judge_score",
        template=prompt_beside(__file__, "score_5.txt"),
        scale=Scale(low=1, high=5, reads=("logprobs", "text"), field="score"),
        max_tokens=8,
        top_logprobs=20,
    ),
    "10": Judge(
        name="score/10",
        title="1-10 for every turn of a conversation, with references where there are any",
        paper="https://arxiv.org/abs/2306.05685",
        kind="score",
        score="judge_score",
        template=prompt_beside(__file__, "score_10.txt"),
        scale=Scale(low=1, high=10, field="score"),
        parts=by_turn,
    ),
}

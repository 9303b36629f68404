"""Criteria from the user's file (`--criteria`), each graded 1-5 on its own, weighted (Kim et al. 2023, https://arxiv.org/abs/2310.08491)."""

from collections.abc import Sequence

from evalharness.judge import Criterion, Judge, JudgeCase, JudgeItem, prompt_beside
from evalharness.scoring.judge_replies import Scale


def by_criterion(case: JudgeCase, criteria: Sequence[Criterion]) -> tuple[JudgeItem, ...]:
    return tuple(
        JudgeItem(
            name=criterion.name,
            weight=criterion.weight,
            turns=case.turns,
            reference=case.reference,
            plain={"criterion": criterion.name, "description": criterion.description},
        )
        for criterion in criteria
    )


judge = Judge(
    name="rubric",
    title="Your own criteria, 1-5 each, weighted mean",
    paper="https://arxiv.org/abs/2310.08491",
    kind="score",
    score="rubric_score",
    template=prompt_beside(__file__),
    scale=Scale(low=1, high=5, field="score"),
    parts=by_criterion,
    needs_criteria=True,
)

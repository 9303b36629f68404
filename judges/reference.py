"""Is the answer right, given the reference: facts compared five ways, or yes/no (https://github.com/openai/evals)."""

from evalharness.judge import Judge, prompt_beside
from evalharness.scoring.judge_replies import Scale

_PAPER = "https://github.com/openai/evals/tree/main/evals/registry/modelgraded"

variants = {
    "fact": Judge(
        name="reference",
        title="Facts of the answer against those of the reference, five ways",
        paper=_PAPER,
        kind="classify",
        score="judge_correct",
        template=prompt_beside(__file__),
        # A lacks facts that the reference has: half right. B has more, C the same, E differs in nothing that matters.
        scale=Scale(labels={"A": 0.5, "B": 1.0, "C": 1.0, "D": 0.0, "E": 1.0}),
        reference="required",
    ),
    "closed": Judge(
        name="reference/closed",
        title="Closed question: is the answer right, yes or no",
        paper=_PAPER,
        kind="classify",
        score="judge_correct",
        template=prompt_beside(__file__, "reference_closed.txt"),
        scale=Scale(labels={"Y": 1.0, "N": 0.0}),
        reference="required",
    ),
    "attempted": Judge(
        name="reference/attempted",
        title="Short answer about a fact: correct, incorrect or not attempted",
        paper="https://arxiv.org/abs/2411.04368",
        kind="classify",
        score="judge_correct",
        template=prompt_beside(__file__, "reference_attempted.txt"),
        scale=Scale(labels={"A": 1.0, "B": 0.0, "C": 0.0}),
        reference="required",
    ),
}

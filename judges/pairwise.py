"""Which of two answers is better: both orders, or one order seeded by the item (Zheng et al. 2023, https://arxiv.org/abs/2306.05685)."""

from evalharness.judge import Judge, prompt_beside
from evalharness.scoring.judge_replies import Scale

_PAPER = "https://arxiv.org/abs/2306.05685"

variants = {
    "best": Judge(
        name="pairwise",
        title="Candidate against reference or another run: A, B or tie",
        paper=_PAPER,
        kind="pairwise",
        score="win_rate",
        template=prompt_beside(__file__),
        # C is how MT-bench's judges say tie.
        scale=Scale(labels={"A": 1.0, "B": 0.0, "tie": 0.5, "C": 0.5}),
    ),
    # The five labels of https://github.com/lm-sys/arena-hard-auto; there a strong win counts as three battles, which
    # makes intervals too narrow: here it is one value further from the middle.
    "five": Judge(
        name="pairwise/five",
        title="Five steps from A much better to B much better",
        paper="https://arxiv.org/abs/2406.11939",
        kind="pairwise",
        score="win_rate",
        template=prompt_beside(__file__, "pairwise_five.txt"),
        scale=Scale(labels={"A>>B": 1.0, "A>B": 0.75, "A=B": 0.5, "B>A": 0.25, "B>>A": 0.0}),
        max_tokens=2048,
    ),
}

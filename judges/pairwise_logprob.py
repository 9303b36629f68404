"""One token decides between two answers, its probability is the value: AlpacaEval 2's way (https://arxiv.org/abs/2404.04475)."""

import random

from evalharness.judge import Judge, JudgeCase, Order, prompt_beside
from evalharness.scoring.judge_replies import Scale


def alpaca_order(case: JudgeCase, seed: int) -> Order:
    """AlpacaEval's own draw, from the instruction alone: switched means that the judged answer stands first."""
    switched = random.Random(f"is_switched_outputs{case.question}{seed}").choices([False, True])[0]
    return "AB" if switched else "BA"


judge = Judge(
    name="pairwise_logprob",
    title="Probability that the candidate is better, from one token's log-probabilities",
    paper="https://arxiv.org/abs/2404.04475",
    kind="pairwise",
    score="win_rate",
    template=prompt_beside(__file__),
    # m names the answer shown first and M the second; case is the whole difference.
    scale=Scale(labels={"m": 1.0, "M": 0.0}, reads=("logprobs",), exact=True),
    reference="none",
    orders="seeded",
    order_of=alpaca_order,
    max_tokens=1,
    temperature=1.0,
    top_logprobs=5,
)

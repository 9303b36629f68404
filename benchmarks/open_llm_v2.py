"""The Open LLM Leaderboard's second set: IFEval, BBH, MATH level 5, GPQA, MuSR and MMLU-Pro, and the mean of their
figures from 0 (guessing) to 1 (https://huggingface.co/docs/leaderboards/open_llm_leaderboard/normalization)."""

from evalharness.benchmark import Family

from ._groups import OPEN_LLM_V2, member, normalized_mean

family = Family(
    tasks=tuple(OPEN_LLM_V2),
    open=lambda task, data: member(OPEN_LLM_V2[task], data),
    average=normalized_mean,
)

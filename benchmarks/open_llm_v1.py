"""The Open LLM Leaderboard's first six benchmarks with its examples, and their mean
(https://huggingface.co/docs/leaderboards/open_llm_leaderboard/archive)."""

from evalharness.benchmark import Family

from ._groups import OPEN_LLM_V1, mean_of_headlines, member

family = Family(
    tasks=tuple(OPEN_LLM_V1),
    open=lambda task, data: member(OPEN_LLM_V1[task], data),
    average=mean_of_headlines("open_llm_v1", OPEN_LLM_V1),
)

"""The part of Tülu 3's development set that is here, without PopQA and AlpacaEval, and its mean (Lambert et al. 2024,
https://arxiv.org/abs/2411.15124, table 24)."""

from evalharness.benchmark import Family

from ._groups import TULU_DEV, mean_of_headlines, member

family = Family(
    tasks=tuple(TULU_DEV),
    open=lambda task, data: member(TULU_DEV[task], data),
    average=mean_of_headlines("tulu_dev", TULU_DEV),
)

"""The part of HELM Lite that is here, without Natural Questions' open book, and the mean of its scenarios' figures
(Liang et al. 2022, https://arxiv.org/abs/2211.09110; https://github.com/stanford-crfm/helm, schema_lite.yaml)."""

from evalharness.benchmark import Family

from ._groups import HELM_LITE, mean_of_headlines, member

family = Family(
    tasks=tuple(HELM_LITE),
    open=lambda task, data: member(HELM_LITE[task], data),
    average=mean_of_headlines("helm_lite", HELM_LITE),
)

"""M-IFEval: checkable instructions in Spanish, French and Japanese, each `m_ifeval/LANG` (Dussolle et al. 2025,
https://arxiv.org/abs/2502.04688; https://github.com/lightblue-tech/M-IFEval, whose file --data reads)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source, files_named

from ._m_ifeval_ja import ITEMS, SETS

family = Family(
    tasks=tuple(ITEMS),
    open=lambda language, data: Benchmark(
        title=f"M-IFEval: checkable instructions ({language})",
        paper="https://arxiv.org/abs/2502.04688",
        licence="Apache-2.0",
        items=ITEMS[language],
        about_form="the form that the instructions ask for",
        source=Source(
            config=language,
            address="https://github.com/lightblue-tech/M-IFEval (data)",
            files=files_named(
                {"test": f"{language}_input_data.jsonl"}, "of M-IFEval (key, prompt, instruction_id_list, kwargs)"
            ),
        ),
        sample=SETS[language].sample,
        max_tokens=1280,
        chat_max_tokens=2048,
        stop=(),
        score=SETS[language].score,
        open_scorer=SETS[language].open_scorer,
        metrics=SETS[language].metrics,
    ),
)

"""WMT 2014: newspaper sentences translated into English from five languages, each `wmt14/LANG-en` (Bojar et al. 2014,
https://aclanthology.org/W14-3302), asked and scored as HELM does."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source, files_named
from evalharness.records import Sample
from evalharness.scoring.metrics import mean

from ._helm import laid_out, open_translation, translation

# The commit and the fields: HELM's wmt_14_scenario.py.
_HUB = "wmt/wmt14@b199e406369ec1b7634206d3ded5ba45de2fe696"
_NAMES = {"cs": "Czech", "de": "German", "fr": "French", "hi": "Hindi", "ru": "Russian"}


def _open(pair: str) -> Benchmark:
    given = pair.removesuffix("-en")
    name = _NAMES[given]
    return Benchmark(
        title=f"WMT 2014: translation from {name} to English",
        paper="https://aclanthology.org/W14-3302",
        licence="free for research (statmt.org/wmt14)",
        items=2507 if given == "hi" else 3003,
        source=Source(_HUB, config=pair, shot_split="validation",
                      files=files_named({"test": "test.parquet", "validation": "validation.parquet"})),
        sample=lambda row: Sample(question=row["translation"][given], answers=(row["translation"]["en"],)),
        prompt=laid_out(f"Translate the following sentences from {name} to English.",
                        lambda s: f"{name}: {s.question}\nEnglish:"),
        max_tokens=100,
        stop=("\n\n",),
        score=translation,
        open_scorer=open_translation,
        metrics=(mean("bleu_4"),),
    )  # fmt: skip


family = Family(tasks=tuple(f"{code}-en" for code in _NAMES), open=lambda task, data: _open(task))

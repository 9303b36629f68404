"""Every setting in which two runs differ, those first that are known to move scores most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.comparison.by_content import paired_by_content
from evalharness.comparison.inputs import Side
from evalharness.data.kept import to_json
from evalharness.runs.settings import leaves

Effect = Literal["another thing is measured", "large", "some", "little", "none known"]

# The part of a setting's name that says what it is -> (effect on scores, why), the strongest first. Prompt formats:
# up to 76 points between equivalent ones (Sclar et al. 2023, arXiv:2310.11324); order of examples: Lu et al. 2021,
# arXiv:2104.08786; ranked against written choices and other harnesses' prompts: Open LLM Leaderboard, June 2023,
# https://huggingface.co/blog/open-llm-leaderboard-mmlu; number formats and batch: Yuan et al. 2025, arXiv:2506.09501.
EFFECTS: tuple[tuple[frozenset[str], Effect, str], ...] = (
    (frozenset({"fingerprint", "name", "model", "served"}), "another thing is measured", "another model"),
    (frozenset({"rows_sha256", "sha256", "revision", "origin", "items", "groups", "limit", "benchmarks"}),
     "another thing is measured", "other questions, or others of them"),
    (frozenset({"mode"}), "another thing is measured", "ranking, first tokens and writing are three tests"),
    (frozenset({"judge", "judgings", "seats", "score", "order", "against", "criteria", "aggregate", "weights"}),
     "another thing is measured", "another judge, or other terms"),
    (frozenset({"prompt_sha256", "template", "template_sha256", "system", "bos", "code_sha256"}),
     "large", "the same question in another form moves scores by up to tens of points"),
    (frozenset({"reasoning_effort", "max_tokens", "context", "too_long", "stop", "tokenizer"}),
     "large", "an answer that is cut, or not thought out, is mostly wrong"),
    (frozenset({"scoring_version", "reading_rules", "check", "scorers"}),
     "large", "the same answer may be read as another; `evalh rescore` makes both alike"),
    (frozenset({"shots"}), "large", "examples, and their order, move scores by several points"),
    (frozenset({"quantization", "dtype", "adapter"}), "some", "number formats move single answers, low bits many"),
    (frozenset({"temperature", "top_p", "top_k", "repeats", "sampling", "extra", "refused_parameters"}),
     "some", "answers are drawn in another way"),
    (frozenset({"seed"}), "little", "another draw of the same thing: noise, which the interval covers"),
    (frozenset({"backend", "engine", "base_url", "endpoint", "plugin", "products", "device", "batch"}),
     "little", "other kernels and batches flip close calls"),
    (frozenset({"versions", "torch", "hardware", "threads"}), "little", "other kernels flip close calls"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SettingDifference:
    """A setting that differs: its place in the manifest, its two values (None: not said), what that is known to do."""

    setting: str
    base: Any
    new: Any
    effect: Effect
    why: str


def setting_differences(base: Side, new: Side) -> list[SettingDifference]:
    """What differs between two runs, the strongest first. Benchmarks of other programs are paired by what they ask."""
    with paired_by_content(base, new) as (before, after, foreign):
        sides = [_settings(side, foreign) for side in (before, after)]
    alone = sides[0]["benchmarks"].keys() ^ sides[1]["benchmarks"].keys()
    for said in sides:
        said["benchmarks"] = {name: "asked" if name in alone else facts for name, facts in said["benchmarks"].items()}
    one, two = (dict(leaves(said)) for said in sides)
    found = [
        SettingDifference(setting=place, base=one.get(place), new=two.get(place), effect=effect, why=why)
        for place in dict.fromkeys((*one, *two))
        if one.get(place) != two.get(place)
        for effect, why in [known_effect(place)[1:]]
    ]
    return sorted(found, key=lambda each: (known_effect(each.setting)[0], each.setting))


def _settings(side: Side, foreign: Collection[str]) -> dict[str, Any]:
    """A run's manifest; of what another program made, without what only says that, and from which file."""
    said: dict[str, Any] = to_json(side.manifest)
    refused = {"refused_parameters": dict.fromkeys(side.manifest.model.left_out, "left out")}
    said["model"] = {**said["model"], "model": said["model"].get("name"), **refused}
    if foreign:
        del said["model"]["fingerprint"]  # every program has its own way to say that two models are the same
    for name in foreign:
        about = said["benchmarks"][name]
        about["data"] = {key: value for key, value in about["data"].items() if key == "sha256"}
    return said


def known_effect(setting: str) -> tuple[int, Effect, str]:
    """(rank, effect, why) of a setting: by the last part of its name that says something; the strongest has rank 0."""
    for word in reversed(setting.split(".")):
        for rank, (words, effect, why) in enumerate(EFFECTS):
            if word in words:
                return rank, effect, why
    return len(EFFECTS), "none known", ""

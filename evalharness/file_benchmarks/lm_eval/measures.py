"""`metric_list`: what is measured of each answer, and how a figure is made of that (lm_eval/api/metrics.py, 0.4.13)."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evalharness.data.yaml_lines import Function
from evalharness.errors import nearest
from evalharness.file_benchmarks.lm_eval.code import TaskCode, TaskFunction
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.lm_eval.source_files import returned_keys
from evalharness.text.patterns import pattern_of

# Metrics by what is asked, and how each is aggregated where the file does not say.
METRICS: Mapping[str, Mapping[str, str]] = {
    "multiple_choice": {
        "acc": "mean", "acc_norm": "mean", "acc_bytes": "mean", "acc_mutual_info": "mean", "exact_match": "mean",
        "f1": "f1", "mcc": "matthews_corrcoef", "brier_score": "brier_score", "likelihood": "mean", "bypass": "bypass",
    },
    "generate_until": {
        "exact_match": "mean", "bleu": "bleu", "chrf": "chrf", "chrf++": "chrf++", "ter": "ter", "f1": "f1",
        "mcc": "matthews_corrcoef", "acc": "mean", "bypass": "bypass", "likelihood": "mean", "acc_norm": "mean",
    },
    "loglikelihood": {"perplexity": "perplexity", "acc": "mean", "bypass": "bypass"},
    "loglikelihood_rolling": {
        "word_perplexity": "weighted_perplexity", "byte_perplexity": "weighted_perplexity",
        "bits_per_byte": "bits_per_byte", "bypass": "bypass",
    },
}  # fmt: skip
_BY_DEFAULT: Mapping[str, tuple[str, ...]] = {
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
AGGREGATIONS = (
    "mean", "nanmean", "median", "perplexity", "weighted_perplexity", "bits_per_byte", "f1", "matthews_corrcoef",
    "bleu", "chrf", "chrf++", "ter", "brier_score", "bypass",
)  # fmt: skip
_SMALLER_IS_BETTER = {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "brier_score", "ter"}
_OWN_KEYS = {"metric", "aggregation", "higher_is_better", "hf_evaluate"}
EXACT_KEYS = {"regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers"}
_OURS = {"acc": "accuracy", "acc_norm": "accuracy_norm"}  # theirs -> ours


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One entry of `metric_list`. `name` is theirs; `function` measures an answer, `aggregate` makes the figure of all
    answers, where the task's own code does; `options` go to the measuring function."""

    name: str
    label: str
    aggregation: str
    aggregate: TaskFunction | None = None
    function: TaskFunction | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    higher_is_better: bool = True


def our_metric_name(name: str, kind: str, by_code: bool) -> str:
    """What a metric of theirs is called here: `acc` is accuracy, and so is `exact_match` of a written answer."""
    if name == "exact_match" and kind == "generate_until" and not by_code:
        return "accuracy"
    return _OURS.get(name, name)


def listed_metrics(config: TaskConfig) -> list[Mapping[str, Any]]:
    """The entries of `metric_list`, or those that the kind of task has without one."""
    return config.get("metric_list") or [{"metric": name} for name in _BY_DEFAULT[config.kind]]


def measures_of(config: TaskConfig, code: TaskCode) -> tuple[Measure, ...]:
    """The entries of `metric_list`, or those that the kind of task has without one. DataError by its line for a metric
    or an aggregation that does not exist."""
    by_code = config.function("process_results") is not None
    listed = listed_metrics(config)
    named = [f for i in range(len(listed)) if (f := config.function("metric_list", i, "metric")) is not None]
    if named and config.document.value.get("metric_list"):
        names = code.call("names", named[0], functions=[code.named(one) for one in named])
        called = dict(zip((one.where for one in named), names, strict=True))
    else:
        called = {}
    found = [_measure(config, i, entry, by_code, called) for i, entry in enumerate(listed)]
    known = {measure.name for measure in found}
    return (*found, *(one for one in _unlisted(config, found) if one.name not in known))


def _unlisted(config: TaskConfig, listed: Sequence[Measure]) -> Iterator[Measure]:
    """What the task's code gives besides, by the names that stand in it: the keys of what `process_results` returns,
    whose mean is taken there too, and `pass@k` of a metric that is told of k."""
    by_code = config.function("process_results")
    if by_code is not None and by_code.file is not None:
        for name in returned_keys(by_code.file, by_code.name):
            yield Measure(name=name, label=our_metric_name(name, config.kind, True), aggregation="mean")
    for measure in listed:
        ks = measure.options.get("k") if measure.function is not None else None
        for k in ks if isinstance(ks, list) else [] if ks is None else [ks]:
            yield replace(measure, name=f"pass@{k}", label=f"pass@{k}", function=None)


def _measure(config: TaskConfig, i: int, entry: Mapping[str, Any], by_code: bool, called: Mapping[Any, str]) -> Measure:
    where, document, known = ("metric_list", i), config.document, METRICS[config.kind]
    said = str(entry["metric"])
    function = None if by_code else config.function(*where, "metric")
    name = called.get((*where, "metric"), said)
    if not by_code and function is None and name not in known:
        near = nearest(name, known) or f"; there is {', '.join(known)}"
        raise document.error((*where, "metric"), f"there is no metric {name!r} for {config.kind}{near}")
    options = {key: one for key, one in entry.items() if key not in _OWN_KEYS}
    if not by_code and function is None and (name, config.kind) == ("exact_match", "generate_until"):
        for key in options:  # those of other metrics of its own are passed over there too
            if key not in EXACT_KEYS:
                raise document.error((*where, key), f"the option {key!r} is not read{nearest(key, EXACT_KEYS)}")
    aggregation = entry.get("aggregation")
    aggregate = config.function(*where, "aggregation")
    if aggregate is None and aggregation is not None and aggregation not in AGGREGATIONS:
        near = nearest(str(aggregation), AGGREGATIONS) or f"; there is {', '.join(AGGREGATIONS)}"
        raise document.error((*where, "aggregation"), f"there is no aggregation {aggregation!r}{near}")
    return Measure(
        name=name, label=our_metric_name(name, config.kind, by_code or function is not None),
        aggregation=str(aggregation or known.get(name, "mean")), aggregate=aggregate, function=function,
        options={k: v for k, v in options.items() if not isinstance(v, Function)},
        higher_is_better=bool(entry.get("higher_is_better", name not in _SMALLER_IS_BETTER)),
    )  # fmt: skip


def normaliser(options: Mapping[str, Any]) -> Callable[[str], str]:
    """exact_match's options: regexes_to_ignore, ignore_case, ignore_punctuation, ignore_numbers, in this order."""
    ignored = [pattern_of(str(pattern)) for pattern in options.get("regexes_to_ignore") or ()]
    dropped = (string.punctuation if options.get("ignore_punctuation") else "") + (
        string.digits if options.get("ignore_numbers") else ""
    )

    def normal(text: str) -> str:
        for pattern in ignored:
            text = pattern.sub("", text)
        text = text.lower() if options.get("ignore_case") else text
        return text.translate(str.maketrans("", "", dropped))

    return normal

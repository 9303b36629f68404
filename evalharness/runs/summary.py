"""From results to figures: what `summary.json` says, and nothing that depends on the clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.kept import finite
from evalharness.data.typed import record
from evalharness.errors import UserError
from evalharness.records import UNREAD, Estimate, Result
from evalharness.runs.figures import Bounds, Judgment, KeptEstimate, Summary, TaskSummary, TokenCounts, kept_estimate
from evalharness.runs.manifest import BenchmarkFacts
from evalharness.scoring import holistic, judgments
from evalharness.scoring.metrics import Metric, by_group, counts, standings


def run_summary(results: Sequence[Result], tasks: Sequence[tuple[str, Benchmark, BenchmarkFacts]]) -> Summary:
    """The summary of a run: one entry per benchmark name, from (name, benchmark, its facts in the manifest)."""
    by_name = by_group(results, lambda r: r.benchmark)
    made = {name: task_summary(by_name.get(name, []), benchmark, facts) for name, benchmark, facts in tasks}
    return Summary(benchmarks=made, averages=family_averages({name: entry.metrics for name, entry in made.items()}))


def family_averages(metrics: Mapping[str, Mapping[str, KeptEstimate]]) -> dict[str, dict[str, KeptEstimate]]:
    """The average that a family of tasks defines over itself (GLUE's score), where the tasks it needs were run."""
    found: dict[str, dict[str, KeptEstimate]] = {}
    families = [name for name in metrics if "/" in name and not plugins.is_file(name)]
    for roof in dict.fromkeys(name.partition("/")[0] for name in families):
        family = plugins.load_family(roof)
        if family is None or family.average is None:
            continue
        for suffix in ("", "@sample"):
            run = [n.removeprefix(f"{roof}/").removesuffix("@sample") for n in families if n.startswith(f"{roof}/")]
            names = {task: f"{roof}/{task}{suffix}" for task in family.tasks or run}
            known = {task: metrics[name] for task, name in names.items() if metrics.get(name)}
            made = family.average({t: {m: figure.estimate for m, figure in of.items()} for t, of in known.items()})
            if made:
                found[roof + suffix] = {name: kept_estimate(estimate) for name, estimate in made.items()}
    return found


def task_summary(results: Sequence[Result], benchmark: Benchmark, facts: BenchmarkFacts) -> TaskSummary:
    """The figures of one benchmark. An answer that failed for good (`error`) counts in counts and bounds only; one that
    a record of answers lacks is worth 0 where the benchmark's authors count it so. Changed questions (`--holistic`)
    count in `holistic` only, and there without the seconds: those are of the clock."""
    everything, results = results, holistic.originals(results)
    whole = holistic.holistic_metrics(everything, benchmark.metrics[0]) if len(everything) > len(results) else {}
    answered = [r for r in results if r.status != "error" or (benchmark.missing_is_wrong and not_recorded(r))]
    headline = benchmark.metrics[0]
    estimates = {m.name: m.of(answered) for m in benchmark.metrics} if answered else {}
    groups = by_group(answered)
    return TaskSummary(
        mode=facts.mode,
        n=len({r.sample.id for r in answered}),
        headline=headline.name,
        chance=benchmark.chance,
        metrics={name: kept_estimate(made) for name, made in estimates.items() if made is not None},
        groups={g: kept_estimate(made) for g, rs in groups.items() if (made := headline.of(rs)) is not None}
        if len(groups) > 1
        else {},
        counts=counts(results),
        programs=standings(results),
        bounds=bounds(results, headline),
        missing=facts.items - len({r.sample.id for r in answered}),
        tokens=TokenCounts(
            read=sum(r.response.tokens_in for r in everything),
            wrote=sum(r.response.tokens_out for r in everything),
            cut=sum(r.response.tokens_truncated > 0 for r in everything),
        ),
        holistic={n: kept_estimate(made) for n, made in whole.items() if not n.startswith("seconds")},
        judged=judgments_of(results),
        cautions=(*_partly_asked(results, facts), *(benchmark.warnings(answered) if benchmark.warnings else ())),
    )


def _partly_asked(results: Sequence[Result], facts: BenchmarkFacts) -> list[str]:
    """That not all questions were asked: whatever ends a run early, a budget or a verdict, asks in a seeded order."""
    asked = len({r.sample.id for r in results})
    if asked >= facts.items or facts.data.imported:
        return []
    return [f"a part of the benchmark: {asked:,} of {facts.items:,} questions were asked, a seeded random draw"]


def judgments_of(results: Sequence[Result]) -> dict[str, Judgment]:
    """What each judging of a benchmark's results says, by the judging's name."""
    return {name: record(Judgment, finite(said)) for name, said in judgments.judgment_metrics(results).items()}


def not_recorded(result: Result) -> bool:
    """A replayed file has no answer to this question: nobody failed, there is none."""
    return result.response.error.startswith("unanswered:")


def total_cost(results: Sequence[Result]) -> float | None:
    """US dollars, None when no answer has a known price."""
    known = [r.response.cost for r in results if r.response.cost is not None]
    return round(math.fsum(known), 6) if known else None


def bounds(results: Sequence[Result], headline: Metric) -> Bounds | None:
    """The headline if every answer that failed or could not be read were worth 0, and were worth 1."""
    unknown = UNREAD | {"error"}
    if headline.score is None or not results:
        return None
    key = headline.score

    def supposing(worth: float) -> Estimate | None:
        return headline.of([replace(r, scores={key: worth}) if r.status in unknown else r for r in results])

    low, high = supposing(0.0), supposing(1.0)
    return Bounds(low=low.value, high=high.value) if low is not None and high is not None else None


def lower_is_better(benchmark: str, figure: str | None = None) -> bool:
    """Whether less of a benchmark's figure (its headline by default), or of the items' score that it is a mean of, is
    better, asked of the metric itself.

    A benchmark that is not installed here cannot be asked: its figures are taken as most are, larger is better.
    """
    if figure is not None and figure.startswith(holistic.LOWER_IS_BETTER):
        return True
    try:
        metrics = plugins.load_benchmark(benchmark.removesuffix("@sample")).metrics
    except UserError:
        return False
    wanted = figure or metrics[0].name
    return any(wanted in (m.name, m.score) and not m.higher_is_better for m in metrics)

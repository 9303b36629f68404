"""From results to figures: what `summary.json` says, and nothing that depends on the clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.kept import finite
from evalharness.data.typed import record
from evalharness.errors import UserError
from evalharness.records import UNREAD, Estimate, Result
from evalharness.runs.drawn import DrawnItems, of_draw
from evalharness.runs.figures import Bounds, Judgment, KeptEstimate, Summary, TaskSummary, TokenCounts, kept_estimate
from evalharness.runs.manifest import BenchmarkFacts
from evalharness.scoring import holistic, judgments
from evalharness.scoring.columns import ScoreColumns, columns_of
from evalharness.scoring.letter_bias import letter_bias
from evalharness.scoring.metrics import Metric, by_group, counts, standings
from evalharness.scoring.several import several_answer_metrics

NOTHING_DRAWN: Mapping[str, DrawnItems] = {}
ResultsOf = Callable[[str], Sequence[Result]]  # the results of a benchmark by its name, in the order of id and repeat


def run_summary(
    results: Sequence[Result],
    tasks: Sequence[tuple[str, Benchmark, BenchmarkFacts]],
    drawn: Mapping[str, DrawnItems] = NOTHING_DRAWN,
) -> Summary:
    """The summary of a run: one entry per benchmark name, from (name, benchmark, its facts in the manifest), and what
    was drawn of those of which a draw was asked."""
    by_name = by_group(results, lambda r: r.benchmark)
    columns = {name: columns_of(by_name.get(name, [])) for name, _, _ in tasks}
    return summary_of_columns(columns, lambda name: by_name.get(name, []), tasks, drawn)


def summary_of_columns(
    columns: Mapping[str, ScoreColumns],
    results: ResultsOf,
    tasks: Sequence[tuple[str, Benchmark, BenchmarkFacts]],
    drawn: Mapping[str, DrawnItems] = NOTHING_DRAWN,
) -> Summary:
    """The same from arrays. `results` is asked only for a benchmark of which a figure needs the results themselves."""
    made = {
        name: task_summary(columns[name], partial(results, name), benchmark, facts, drawn.get(name))
        for name, benchmark, facts in tasks
    }
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


def task_summary(
    columns: ScoreColumns,
    results: Callable[[], Sequence[Result]],
    benchmark: Benchmark,
    facts: BenchmarkFacts,
    drawn: DrawnItems | None = None,
) -> TaskSummary:
    """The figures of one benchmark. An answer that failed for good (`error`) counts in counts and bounds only; one that
    a record of answers lacks is worth 0 where the benchmark's authors count it so. Changed questions (`--holistic`)
    count in `holistic` only, and there without the seconds: those are of the clock."""
    everything, columns = columns, columns.where(~columns.variant)
    known = _Known(results=results, missing_is_wrong=benchmark.missing_is_wrong)
    counted = ~columns.has_status("error") | (columns.lost if benchmark.missing_is_wrong else False)
    answered = columns.where(counted)
    headline = benchmark.metrics[0]
    estimates = {m.name: known.figure(m, answered) for m in _figures(benchmark, facts, answered)}
    whole = holistic.holistic_metrics(results(), headline) if len(everything) > len(columns) else {}
    made = TaskSummary(
        mode=facts.mode,
        n=answered.samples,
        headline=headline.name,
        chance=benchmark.chance,
        metrics={name: kept_estimate(made) for name, made in estimates.items() if made is not None},
        groups=known.groups(headline, answered),
        counts=counts(columns),
        programs=standings(columns),
        bounds=known.bounds(headline, columns),
        missing=facts.items - answered.samples,
        tokens=TokenCounts(
            read=int(everything.tokens_in.sum()),
            wrote=int(everything.tokens_out.sum()),
            cut=int(everything.truncated.sum()),
        ),
        holistic={n: kept_estimate(made) for n, made in whole.items() if not n.startswith("seconds")},
        judged=judgments_of(columns),
        cautions=(
            *_partly_asked(columns, facts),
            *letter_bias(answered),
            *(benchmark.warnings(known.answered) if benchmark.warnings else ()),
        ),
    )
    return made if drawn is None else of_draw(made, drawn, headline, known.answered, known.own)


def _figures(benchmark: Benchmark, facts: BenchmarkFacts, answered: ScoreColumns) -> tuple[Metric, ...]:
    """A benchmark's figures, and those over several written answers to each question."""
    if not len(answered):
        return ()
    own, names = benchmark.metrics, {metric.name for metric in benchmark.metrics}
    further = several_answer_metrics(answered, own[0], benchmark.same_answer) if facts.mode == "write" else ()
    return (*own, *(metric for metric in further if metric.name not in names))


def _partly_asked(columns: ScoreColumns, facts: BenchmarkFacts) -> list[str]:
    """That not all questions were asked: whatever ends a run early, a budget or a verdict, asks in a seeded order."""
    asked = columns.samples
    if asked >= facts.items or facts.data.imported:
        return []
    return [f"a part of the benchmark: {asked:,} of {facts.items:,} questions were asked, a seeded random draw"]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The results of one benchmark, read when a figure is asked for that arrays do not give."""

    results: Callable[[], Sequence[Result]]
    missing_is_wrong: bool

    @cached_property
    def own(self) -> list[Result]:
        return holistic.originals(self.results())

    @cached_property
    def answered(self) -> list[Result]:
        return [r for r in self.own if r.status != "error" or (self.missing_is_wrong and not_recorded(r))]

    def figure(self, metric: Metric, answered: ScoreColumns) -> Estimate | None:
        """A metric over the results that count."""
        return metric.of(self.answered) if metric.of_columns is None else metric.of_columns(answered)

    def groups(self, headline: Metric, answered: ScoreColumns) -> dict[str, KeptEstimate]:
        """The headline of each group, where there are several."""
        found: dict[str, Estimate | None]
        if headline.of_columns is None:
            found = {name: headline.of(members) for name, members in by_group(self.answered).items()}
        else:
            found = {name: headline.of_columns(members) for name, members in answered.by_group()}
        kept = {name: kept_estimate(made) for name, made in found.items() if made is not None}
        return kept if len(found) > 1 else {}

    def bounds(self, headline: Metric, columns: ScoreColumns) -> Bounds | None:
        """The headline if every answer that failed or could not be read were worth 0, and were worth 1."""
        key, unknown = headline.score, columns.has_status("error", *UNREAD)
        if key is None or not len(columns):
            return None

        def supposing(worth: float) -> Estimate | None:
            if headline.of_columns is not None:
                return headline.of_columns(columns.supposing(key, worth, unknown))
            odd = UNREAD | {"error"}
            return headline.of([replace(r, scores={key: worth}) if r.status in odd else r for r in self.own])

        low, high = supposing(0.0), supposing(1.0)
        return Bounds(low=low.value, high=high.value) if low is not None and high is not None else None


def judgments_of(columns: ScoreColumns) -> dict[str, Judgment]:
    """What each judging of a benchmark's results says, by the judging's name."""
    return {name: record(Judgment, finite(said)) for name, said in judgments.judgment_metrics(columns).items()}


def not_recorded(result: Result) -> bool:
    """A replayed file has no answer to this question: nobody failed, there is none."""
    return result.response.error.startswith("unanswered:")


def total_cost(columns: ScoreColumns) -> float | None:
    """US dollars, None when no answer has a known price."""
    known = columns.known_costs
    return round(math.fsum(known), 9) if known else None


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

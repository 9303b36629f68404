"""Judges the answers of a finished run: cases -> requests -> model.answer -> verdicts -> journal -> scores.

`verdicts.jsonl` in the run's folder is the journal: one line per verdict, written as it comes, so that a stopped
judging goes on where it was. The model that was judged is not asked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError, option_name
from evalharness.events import VerdictCame, tell, warn
from evalharness.judging import published
from evalharness.judging.asking import Purse, judged
from evalharness.judging.calls import Call, Usage, call_tokens, dearest, verdict_of
from evalharness.judging.cases import opponents
from evalharness.judging.finished import FinishedJudging, finished_file, read_finished
from evalharness.judging.panel import JudgeOptions, JudgePanel, OpenedJudging, open_panel
from evalharness.judging.verdicts import ABSENT, VERDICTS, KeptVerdicts, usage_of, verdict_at, verdict_line
from evalharness.judging.wanted import EQUAL, JudgedAnswers, WantedCalls
from evalharness.records import Response, Result, Verdict
from evalharness.runs import store, summary
from evalharness.runs.drawn import refuse_drawn
from evalharness.runs.figures import TaskSummary
from evalharness.runs.index import PlacedResults, index_of
from evalharness.runs.journal import Journal
from evalharness.runs.manifest import JudgingFacts, JudgingUsage
from evalharness.runs.store import JOURNAL, SUMMARY, Run, record_to_json, result_to_json
from evalharness.scoring import judge_replies
from evalharness.scoring.columns import ColumnWriter
from evalharness.scoring.judgments import with_verdicts

NULLS = 0.02  # a larger share of missing verdicts can move a comparison


@dataclass(frozen=True, kw_only=True)
class JudgingCost:
    """What a judging would take: calls, tokens at most, US dollars at most (None: no price known)."""

    calls: int
    known: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JudgeRun:
    """A judging that is done: its name, the benchmarks' figures, and what was not judged by reason.

    `failed` counts the verdicts that failed for good, `nulls` those that are none of `asked`, failed ones included.
    `incomparable` says, of each benchmark with a leaderboard, why the figure is not comparable with it: empty if it is.
    """

    run: Run
    judging: str
    benchmarks: Mapping[str, TaskSummary]
    skipped: Mapping[str, int]
    failed: int
    usage: JudgingUsage
    nulls: int = 0
    asked: int = 0
    incomparable: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def too_many_nulls(self) -> bool:
        """More verdicts are missing than a comparison of two means can bear."""
        return self.nulls > NULLS * self.asked

    @property
    def exit_code(self) -> int:
        return Exit.NOT_WHOLE if self.failed or self.too_many_nulls else Exit.FINE

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "run": str(self.run.path), "judging": self.judging, "benchmarks": to_json(self.benchmarks),
            "not_judged": dict(self.skipped), "failed": self.failed, "nulls": self.nulls, "asked": self.asked,
            "leaderboard": {n: {"comparable": not why, "reasons": list(why)} for n, why in self.incomparable.items()},
            "usage": to_json(self.usage),
        }  # fmt: skip


def judge_options(*, weights: str = "", **said: Any) -> JudgeOptions:
    """The options of a command line; `weights` are numbers separated by commas."""
    try:
        numbers = tuple(float(w) for w in weights.split(",") if w.strip())
    except ValueError as error:
        raise UserError(f"{option_name('weights', weights)}: wanted numbers separated by commas") from error
    return JudgeOptions(weights=numbers, **said)


def check(spec: str, benchmarks: Sequence[str], options: JudgeOptions, data: str | None = None) -> None:
    """UserError when `spec` names no judge for these benchmarks: said before a model is asked anything."""
    path = Path(data) if data not in (None, "sample") else None
    benchmarks = [name for name in benchmarks if options.judges(name)]
    options = replace(options, folders=(str(path),) if path is not None else ())
    open_panel(spec, _default({name: plugins.load_benchmark(name, path) for name in benchmarks}, options), options)


def judge_answers(run: Run, spec: str, options: JudgeOptions) -> JudgeRun:
    """Judge every answer of a run. This is what `evalh run --judge`, `evalh judge` and training call.

    UserError for an unknown judge, a reference that no answer has, or a price limit that is reached (what was judged
    until then is kept).
    """
    opened = _open_finished(run, spec, options)
    facts = _facts(opened, options)
    file = finished_file(run, opened, facts, options) if run.intact else None
    if file is not None and (known := read_finished(file)) is not None:
        _warn_of_self(run, opened.jury)
        return _as_before(run, opened, facts, known)
    work = _prepare(run, opened, facts, options)
    done = _finish(work, _ask_all(work, options))
    if not done.failed and (file := finished_file(run, opened, facts, options)) is not None:
        FinishedJudging(asked=done.asked, nulls=done.nulls, skipped=dict(done.skipped)).write(file)
    return done


def _as_before(run: Run, opened: OpenedJudging, facts: JudgingFacts, known: FinishedJudging) -> JudgeRun:
    """A judging that was finished before: nothing is asked and nothing written."""
    priced = all(seat.prices is not None for seat in opened.jury.seats)
    return JudgeRun(
        run=run, judging=opened.name, skipped=known.skipped, failed=0, usage=Usage(priced=priced).facts(),
        benchmarks={name: run.summary.benchmarks[name] for name in opened.benchmarks if name in opened.judged},
        nulls=known.nulls, asked=known.asked, incomparable=_incomparable(run, opened, facts),
    )  # fmt: skip


def estimate_judging(run: Run, spec: str, options: JudgeOptions) -> JudgingCost:
    """What `judge_answers` would ask, asking nobody. Replies in the cache are counted as calls."""
    opened = _open_finished(run, spec, options)
    work = _prepare(run, opened, _facts(opened, options), options)
    calls = tokens_in = tokens_out = 0
    cost: float | None = 0.0
    for call in work.wanted.calls(ABSENT):
        most, price = call_tokens(call), dearest(call)
        calls, tokens_in, tokens_out = calls + 1, tokens_in + most[0], tokens_out + most[1]
        cost = None if cost is None or price is None else cost + price
    return JudgingCost(
        calls=calls, known=len(work.wanted) - calls, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost,
        skipped=work.wanted.skipped,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Work:
    run: Run
    opened: OpenedJudging
    results: PlacedResults
    wanted: WantedCalls
    facts: JudgingFacts


def open_judging(run: Run, spec: str, options: JudgeOptions) -> OpenedJudging:
    """UserError where `spec` names no judge for the run's benchmarks."""
    data = {name: facts.data for name, facts in run.manifest.benchmarks.items()}
    benchmarks = {name: plugins.reopened(name, known) for name, known in data.items()}
    options = replace(options, folders=tuple(known.path or str(known.origin) for known in data.values()))
    wanted = {name: benchmark for name, benchmark in benchmarks.items() if options.judges(name)}
    jury = open_panel(spec, _default(wanted, options), options)
    against = options.against or ("reference" if jury.pairs else "")
    if against and not jury.pairs:
        raise UserError(f"{option_name('against')} is for judges that compare two answers; {jury.name} grades one")
    return OpenedJudging(jury=jury, against=against, benchmarks=benchmarks, judged=frozenset(wanted))


def _open_finished(run: Run, spec: str, options: JudgeOptions) -> OpenedJudging:
    """The jury of a run whose answers are all there. UserError where they are not."""
    if not run.finished or not (run.path / JOURNAL).is_file():
        raise UserError(f"{run.path}: this run is not finished; give its command again and it goes on")
    refuse_drawn(run, "a judge's figures would be of the drawn items alone")
    return open_judging(run, spec, options)


def _facts(opened: OpenedJudging, options: JudgeOptions) -> JudgingFacts:
    jury = opened.jury
    return JudgingFacts(
        judging=opened.name,
        score=jury.score,
        seats=tuple(s.facts() for s in jury.seats),
        order=(options.order or jury.seats[0].judge.orders) if jury.pairs else "",
        seed=options.seed,
        against=opened.against,
        aggregate=jury.aggregate,
        weights=dict(jury.weights),
        criteria=tuple(record_to_json(c) for c in jury.criteria),
    )


def _prepare(run: Run, opened: OpenedJudging, facts: JudgingFacts, options: JudgeOptions) -> _Work:
    index = index_of(run)
    if not len(index):
        raise UserError(f"{run.path}: this run is not finished; give its command again and it goes on")
    results, asked = index.in_order(), index.in_order(opened.judged)
    del index  # which of a million results is more than all that is kept of them here
    answers = JudgedAnswers(
        run=run, answers=asked, jury=opened.jury, against=opened.against, others=opponents(run, opened.against),
        options=options,
    )  # fmt: skip
    wanted = WantedCalls(judged=answers)
    wanted.survey(KeptVerdicts(run.path / VERDICTS, again=options.again))
    _warn_of_self(run, opened.jury)
    return _Work(run=run, opened=opened, results=results, wanted=wanted, facts=facts)


def _default(benchmarks: Mapping[str, Benchmark], options: JudgeOptions) -> str:
    """The judge where the user names a model only: the benchmark's own, else the one that fits."""
    own = {b.judge for b in benchmarks.values()}
    chosen = own.pop() if len(own) == 1 else None
    if options.criteria is not None:
        return "rubric"
    if chosen is None or (options.against is not None and plugins.load_judge(chosen).name.partition("/")[0] == "score"):
        return "pairwise" if options.against is not None else "reference"
    return chosen


def _warn_of_self(run: Run, bench: JudgePanel) -> None:
    candidate = run.manifest.model
    for seat in bench.seats:
        if seat.model.fingerprint == candidate.fingerprint or seat.model.name == candidate.name:
            warn(f"{seat.model.name} judges its own answers; judges tend to prefer their own")


def _ask_all(work: _Work, options: JudgeOptions) -> JudgingUsage:
    """Ask what the journal lacks, writing every verdict down. Returns what it took."""
    spent = Usage(priced=all(s.prices is not None for s in work.opened.jury.seats))
    if options.max_cost is not None and not spent.priced:
        raise UserError(
            f"{option_name('max_cost')} wants to know prices: give {option_name('judge_price_in')} and "
            f"{option_name('judge_price_out')}"
        )
    wanted = work.wanted
    done, nulls = len(wanted) - wanted.open, wanted.nulls
    with Journal(work.run.path / VERDICTS) as journal:

        def write(call: Call, verdict: Verdict) -> None:
            nonlocal done, nulls
            wanted.places[call.number] = journal.append(verdict_line(call, work.opened.name, verdict))
            done, nulls = done + 1, nulls + (verdict.value is None)
            spent.add(verdict)
            tell(VerdictCame(done=done, wanted=len(wanted), nulls=nulls))

        for call in wanted.calls(EQUAL):
            write(call, verdict_of(call, Response(), judge_replies.Reading(value=0.5, label="same"), attempts=0))
        before = _answers_cost(work.run) if options.beside_answers else 0.0
        purse = Purse(options.max_cost, 1 + options.retries, lambda: before + spent.cost, wanted.open)
        calls = partial(wanted.calls, ABSENT)
        with closing(judged(calls, work.opened.jury, options.retries, purse)) as verdicts:
            for call, verdict in verdicts:
                write(call, verdict)
                purse.settle(call)
    return spent.facts()


def _answers_cost(run: Run) -> float:
    """US dollars that a run's answers took, over all its starts."""
    return math.fsum(used.cost or 0.0 for used in (run.manifest.usage or {}).values())


@dataclass
class _Counts:
    """Verdicts that failed, and those of the first judging that have no value."""

    failed: int = 0
    nulls: int = 0

    def add(self, verdict: Verdict) -> None:
        self.failed += verdict.status == "error"
        self.nulls += verdict.value is None and not verdict.extra.get("retest")


def _finish(work: _Work, usage: JudgingUsage) -> JudgeRun:
    """Put the verdicts on the results, the judging into the manifest, and the figures into the summary."""
    counts, opened = _Counts(), work.opened
    writers = {name: ColumnWriter() for name in opened.benchmarks}
    with Journal(work.run.path / JOURNAL) as journal:
        for before, after in _with_verdicts(work, counts):
            if after != before:
                journal.append(result_to_json(after))
            writers[after.benchmark].add(after)
    _note(work)
    columns = {name: writers.pop(name).columns(last=False) for name in tuple(writers)}
    tasks = [(n, b, work.run.manifest.benchmarks[n]) for n, b in opened.benchmarks.items()]
    work.run.write(SUMMARY, summary.summary_of_columns(columns, work.run.results, tasks))
    work.run.seal()
    shown = {
        name: replace(work.run.summary.benchmarks[name], judged=summary.judgments_of(columns[name]))
        for name in opened.benchmarks
        if name in opened.judged
    }
    return JudgeRun(
        run=work.run, judging=opened.name, benchmarks=shown, skipped=work.wanted.skipped, failed=counts.failed,
        usage=usage, nulls=counts.nulls, asked=work.wanted.first,
        incomparable=_incomparable(work.run, opened, work.facts),
    )  # fmt: skip


def _with_verdicts(work: _Work, counts: _Counts) -> Iterator[tuple[Result, Result]]:
    """Every result, and the same with the verdicts on its answer; what these are is counted."""
    places, judging = work.wanted.verdicts(), work.opened.name
    with (work.run.path / VERDICTS).open("rb") as file:
        for result in work.results:
            own = []
            for place in next(places) if result.benchmark in work.opened.judged else ():
                verdict = verdict_at(file, place, result.key)
                counts.add(verdict)
                own.append(replace(verdict, extra={"judging": judging, **verdict.extra}))
            owns = work.opened.benchmarks[result.benchmark].judge is not None
            yield result, with_verdicts(result, own, judging, work.facts, owns=owns) if own else result


def _incomparable(run: Run, opened: OpenedJudging, said: JudgingFacts) -> dict[str, Sequence[str]]:
    facts = run.manifest.benchmarks
    judged = {name: benchmark for name, benchmark in opened.benchmarks.items() if name in opened.judged}
    found = {name: published.reasons(b, facts[name], said) for name, b in judged.items()}
    return {name: why for name, why in found.items() if why is not None}


def _note(work: _Work) -> None:
    """Write into the manifest who judged, and what that took over all starts."""
    opened, manifest = work.opened, work.run.manifest
    priced = all(seat.prices is not None for seat in opened.jury.seats)
    taken = usage_of(work.run.path / VERDICTS, opened.name, priced=priced)
    said = replace(work.facts, usage=taken.facts(), not_judged=dict(work.wanted.skipped))
    # Where the judge gives the benchmark's own score, runs with different judges are not comparable.
    benchmarks = {
        name: replace(facts, judge=work.facts)
        if name in opened.judged and opened.benchmarks[name].judge is not None
        else facts
        for name, facts in manifest.benchmarks.items()
    }
    judgings = {**(manifest.judgings or {}), opened.name: said}
    work.run.write(store.MANIFEST, replace(manifest, benchmarks=benchmarks, judgings=judgings))

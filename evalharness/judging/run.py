"""Judges the answers of a finished run: cases -> requests -> model.answer -> verdicts -> journal -> scores.

`verdicts.jsonl` in the run's folder is the journal: one line per verdict, written as it comes, so that a stopped
judging goes on where it was. The model that was judged is not asked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalharness import judge, plugins
from evalharness.benchmark import Benchmark
from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError, option_name
from evalharness.events import VerdictCame, tell, warn
from evalharness.judge import JudgeCase, Order
from evalharness.judging import published
from evalharness.judging.asking import Purse, judged
from evalharness.judging.calls import Call, Key, Usage, call_tokens, dearest, equal_answers, verdict_of
from evalharness.judging.cases import cases
from evalharness.judging.panel import JudgeOptions, JudgePanel, PanelMember, open_panel
from evalharness.records import Request, Response, Result, ResultKey, Verdict
from evalharness.runs import cache, store, summary
from evalharness.runs.drawn import refuse_drawn
from evalharness.runs.figures import TaskSummary
from evalharness.runs.journal import ODD_LINE, Journal, aside, lines
from evalharness.runs.manifest import JudgingFacts, JudgingUsage
from evalharness.runs.store import JOURNAL, SUMMARY, Run, record_to_json, result_to_json
from evalharness.scoring import judge_replies
from evalharness.scoring.judgments import with_verdicts

VERDICTS = "verdicts.jsonl"
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
    work = _prepare(run, spec, options)
    usage = _ask_all(work, options)
    return _finish(work, usage)


def estimate_judging(run: Run, spec: str, options: JudgeOptions) -> JudgingCost:
    """What `judge_answers` would ask, asking nobody. Replies in the cache are counted as calls."""
    work = _prepare(run, spec, options)
    open_ = [c for c in work.calls if c.key not in work.done and not equal_answers(c)]
    sizes = [call_tokens(c) for c in open_]
    costs = [dearest(c) for c in open_]
    return JudgingCost(
        calls=len(open_),
        known=len(work.calls) - len(open_),
        tokens_in=sum(t for t, _ in sizes),
        tokens_out=sum(t for _, t in sizes),
        cost=None if any(c is None for c in costs) else sum(c or 0.0 for c in costs),
        skipped=work.skipped,
    )


@dataclass(frozen=True, kw_only=True)
class _Work:
    run: Run
    jury: JudgePanel
    judging: str
    results: list[Result]
    benchmarks: Mapping[str, Benchmark]
    judged: frozenset[str]
    calls: list[Call]
    done: dict[Key, Verdict]
    skipped: Mapping[str, int]
    facts: JudgingFacts


@dataclass(frozen=True, kw_only=True)
class OpenedJudging:
    """The jury of a run whose answers are there or still come. `against` is `reference`, a run, or empty."""

    jury: JudgePanel
    against: str
    benchmarks: Mapping[str, Benchmark]
    judged: frozenset[str]

    @property
    def name(self) -> str:
        against = self.against if self.against in ("", "reference") else Path(self.against).name
        return self.jury.name + (f" vs {against}" if against else "")


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


def _prepare(run: Run, spec: str, options: JudgeOptions) -> _Work:
    results = run.results()
    if not results or not run.finished:
        raise UserError(f"{run.path}: this run is not finished; give its command again and it goes on")
    refuse_drawn(run, "a judge's figures would be of the drawn items alone")
    opened = open_judging(run, spec, options)
    jury = opened.jury
    asked = [result for result in results if result.benchmark in opened.judged]
    found, skipped = cases(run, asked, jury, opened.against)
    calls = [call for result, case in found for call in calls_of(result, case, jury, options)]
    if options.retest:
        chosen = sorted(
            found, key=lambda rc: cache.reply_key(str(options.seed), Request(messages=(), stop=(rc[1].id,)))
        )
        twice = {id(case) for _, case in chosen[: options.retest]}
        calls += [c for r, case in found if id(case) in twice for c in calls_of(r, case, jury, options, retest=1)]
    _warn_of_self(run, jury)
    facts = JudgingFacts(
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
    return _Work(
        run=run, jury=jury, judging=opened.name, results=results, benchmarks=opened.benchmarks,
        judged=opened.judged, calls=calls,
        done=_known(run, calls, options), skipped=skipped.counts, facts=facts,
    )  # fmt: skip


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


def calls_of(
    result: Result, case: JudgeCase, bench: JudgePanel, options: JudgeOptions, retest: int = 0
) -> Iterator[Call]:
    """What is asked about one answer: every part of every seat, in its order or both."""
    for seat in bench.seats:
        for part in seat.judge.parts(case, bench.criteria):
            for order in _orders(seat, case, options):
                request = judge.judge_request(seat.judge, case, part, order)
                origin = judge.origin(case, retest)
                request = replace(request, origin=origin)
                sha = cache.reply_key(seat.model.fingerprint, request)
                yield Call(
                    result=result, case=case, seat=seat, part=part, order=order, retest=retest, request=request, sha=sha
                )


def _orders(seat: PanelMember, case: JudgeCase, options: JudgeOptions) -> tuple[Order, ...]:
    if seat.judge.kind != "pairwise":
        return ("",)
    if (options.order or seat.judge.orders) == "both":
        return ("AB", "BA")
    return (seat.judge.order_of(case, options.seed),)


def _known(run: Run, calls: Sequence[Call], options: JudgeOptions) -> dict[Key, Verdict]:
    """The verdicts that the journal holds for these very requests. Failed ones are asked again."""
    path = run.path / VERDICTS
    if not path.is_file():
        return {}
    wanted = {c.key: c.sha for c in calls}
    found: dict[Key, Verdict] = {}
    for key, verdict in _verdicts(path):
        if wanted.get(key) != verdict.extra.get("request_sha"):
            continue
        if verdict.status == "error" or (options.again and verdict.value is None):
            found.pop(key, None)
        else:
            found[key] = verdict
    return found


def verdict_line(call: Call, judging: str, verdict: Verdict) -> dict[str, Any]:
    """The line of the journal that keeps a verdict."""
    return {"key": list(call.key), "judging": judging, "verdict": record_to_json(verdict)}


def _line(line: Any) -> tuple[Key, Verdict]:
    """A line of the journal. ValueError when it is none."""
    if not isinstance(line, dict) or not isinstance(line.get("key"), list) or "judging" not in line:
        raise ValueError("not a verdict with its key")
    key: Any = tuple(line["key"])
    hash(key)
    return key, store.verdict_from_json(line.get("verdict"))


def _verdicts(path: Path) -> list[tuple[Key, Verdict]]:
    """Every verdict of the journal; damaged lines are set aside, and said."""
    try:
        return [_line(line) for line in lines(path)]
    except (UserError, *ODD_LINE):
        with Journal(path) as journal:
            count = journal.set_aside(_line)
        warn(f"{count} damaged lines of {path} are set aside in {aside(path).name} and judged again")
        return [_line(line) for line in lines(path)]


def _ask_all(work: _Work, options: JudgeOptions) -> JudgingUsage:
    """Ask what the journal lacks, writing every verdict down. Returns what it took."""
    spent = Usage(priced=all(s.prices is not None for s in work.jury.seats))
    if options.max_cost is not None and not spent.priced:
        raise UserError(
            f"{option_name('max_cost')} wants to know prices: give {option_name('judge_price_in')} and "
            f"{option_name('judge_price_out')}"
        )
    nulls = sum(verdict.value is None for verdict in work.done.values())
    with Journal(work.run.path / VERDICTS) as journal:

        def write(call: Call, verdict: Verdict) -> None:
            nonlocal nulls
            work.done[call.key] = verdict
            nulls += verdict.value is None
            journal.append(verdict_line(call, work.judging, verdict))
            spent.add(verdict)
            tell(VerdictCame(done=len(work.done), wanted=len(work.calls), nulls=nulls))

        for call in work.calls:
            if call.key not in work.done and equal_answers(call):
                write(call, verdict_of(call, Response(), judge_replies.Reading(value=0.5, label="same"), attempts=0))
        left = [c for c in work.calls if c.key not in work.done]
        before = _answers_cost(work.run) if options.beside_answers else 0.0
        purse = Purse(options.max_cost, 1 + options.retries, lambda: before + spent.cost, len(left))
        with closing(judged(left, options.retries, purse)) as verdicts:
            for call, verdict in verdicts:
                write(call, verdict)
                purse.settle(call)
    return spent.facts()


def _answers_cost(run: Run) -> float:
    """US dollars that a run's answers took, over all its starts."""
    return math.fsum(used.cost or 0.0 for used in (run.manifest.usage or {}).values())


def _finish(work: _Work, usage: JudgingUsage) -> JudgeRun:
    """Put the verdicts on the results, the judging into the manifest, and the figures into the summary."""
    given: dict[ResultKey, list[Verdict]] = {}
    for call in work.calls:
        verdict = work.done[call.key]
        named = replace(verdict, extra={"judging": work.judging, **verdict.extra})
        given.setdefault(call.result.key, []).append(named)
    after = []
    with Journal(work.run.path / JOURNAL) as journal:
        for result in work.results:
            own = given.get(result.key)
            owns = work.benchmarks[result.benchmark].judge is not None
            changed = with_verdicts(result, own, work.judging, work.facts, owns=owns) if own else result
            if changed != result:
                journal.append(result_to_json(changed))
            after.append(changed)
    _note(work)
    tasks = [(n, b, work.run.manifest.benchmarks[n]) for n, b in work.benchmarks.items()]
    work.run.write(SUMMARY, summary.run_summary(after, tasks))
    work.run.seal()
    first = [work.done[c.key] for c in work.calls if not c.retest]
    failed = sum(v.status == "error" for v in work.done.values())
    shown = {
        name: replace(
            work.run.summary.benchmarks[name], judged=summary.judgments_of([r for r in after if r.benchmark == name])
        )
        for name in work.benchmarks
        if name in work.judged
    }
    return JudgeRun(
        run=work.run, judging=work.judging, benchmarks=shown, skipped=work.skipped, failed=failed, usage=usage,
        nulls=sum(v.value is None for v in first), asked=len(first), incomparable=_incomparable(work),
    )  # fmt: skip


def _incomparable(work: _Work) -> dict[str, Sequence[str]]:
    facts = work.run.manifest.benchmarks
    judged = {name: benchmark for name, benchmark in work.benchmarks.items() if name in work.judged}
    found = {name: published.reasons(b, facts[name], work.facts) for name, b in judged.items()}
    return {name: why for name, why in found.items() if why is not None}


def _note(work: _Work) -> None:
    """Write into the manifest who judged, and what that took over all starts, as the journal has it."""
    total = Usage(priced=all(s.prices is not None for s in work.jury.seats))
    for line in lines(work.run.path / VERDICTS):
        if line["judging"] == work.judging:
            total.add(store.verdict_from_json(line["verdict"]))
    manifest = work.run.manifest
    said = replace(work.facts, usage=total.facts(), not_judged=dict(work.skipped))
    # Where the judge gives the benchmark's own score, runs with different judges are not comparable.
    benchmarks = {
        name: replace(facts, judge=work.facts)
        if name in work.judged and work.benchmarks[name].judge is not None
        else facts
        for name, facts in manifest.benchmarks.items()
    }
    judgings = {**(manifest.judgings or {}), work.judging: said}
    work.run.write(store.MANIFEST, replace(manifest, benchmarks=benchmarks, judgings=judgings))

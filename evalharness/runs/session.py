"""From a plan and a model to a finished run, and what can be said of it; free of options and printing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.kept import to_json
from evalharness.data.typed import record
from evalharness.errors import Exit, UserError, gravest, option_name
from evalharness.events import Observer, RunOpened, heard_also_by, observed_by, tell
from evalharness.model import Model, Priced
from evalharness.options import RunOptions, is_distribution
from evalharness.records import Estimate, Mode, Result
from evalharness.runs import batched, cache, identity, prepared, runner, summary, tables, within_budget
from evalharness.runs import plan as planning
from evalharness.runs.budget import Budget, end_in_words
from evalharness.runs.drawn import DRAWN, drawn_items
from evalharness.runs.figures import Summary, TaskSummary
from evalharness.runs.imported import is_imported
from evalharness.runs.index import index_of
from evalharness.runs.journal import Journal, dumps, loads
from evalharness.runs.manifest import OptionFacts
from evalharness.runs.plan import Plan, Task
from evalharness.runs.seeds import asked_with_seeds, seeds_named
from evalharness.runs.settings import ended_event, settings_of
from evalharness.runs.shards import Shard, shard_facts, shard_named
from evalharness.runs.stopping import StoppingRule
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, new_folder, result_to_json
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION
from evalharness.scoring.columns import ColumnWriter
from evalharness.text.visible import shell_word

if TYPE_CHECKING:
    import pandas
    import pyarrow

DEFAULT_MODEL = "tiny"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """A finished run: what it measured, what to say of it, and the exit code.

    `benchmarks` is the summary's part as `--json` prints it; `warnings` is what was told while it was made.
    """

    run: Run
    benchmarks: Mapping[str, TaskSummary]
    unanswered: tuple[Result, ...]
    skipped: bool
    stages: tuple[StageResult, ...] = ()
    warnings: tuple[str, ...] = ()
    answers: int = 0  # asked for, and how many of them the cache had
    cached: int = 0

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, Estimate]]:
        """Benchmark -> figure -> its value with standard error and 95 % interval; NaN where nothing was measured."""
        return {
            name: {metric: figure.estimate for metric, figure in figures.metrics.items()}
            for name, figures in self.benchmarks.items()
        }

    def results(self, benchmark: str | None = None) -> list[Result]:
        """Every answer with its question, status and scores, in the order of benchmark, id and repeat."""
        return self.run.results(benchmark)

    def to_arrow(self) -> pyarrow.Table:
        """The results as an Arrow table; see `runs.tables`."""
        return tables.to_arrow(self.results())

    def to_pandas(self) -> pandas.DataFrame:
        """The results as a pandas table. UserError where pandas is not installed."""
        return tables.to_pandas(self.results())

    @property
    def ended_by(self) -> str:
        """How the budget ended the run before all was asked, in words; '' where it is whole."""
        end = self.run.manifest.ended_by
        return "" if end is None else end_in_words(end)

    @property
    def shard(self) -> Shard | None:
        """Which part of a run it is; None for a whole one."""
        facts = shard_facts(self.run.manifest)
        return None if facts is None else facts.shard

    @property
    def exit_code(self) -> int:
        nothing = len(self.unanswered) == self.answers  # to leave out every question is no run
        own = Exit.NOT_WHOLE if self.unanswered and (nothing or not self.skipped) else Exit.FINE
        own = Exit.NOT_WHOLE if self.ended_by else own
        return gravest(own, *(stage.exit_code for stage in self.stages))

    @property
    def wants_judge(self) -> bool:
        """The answers are worth nothing until a judge has seen them."""
        manifest = self.run.manifest
        return any(facts.wants_judge for facts in manifest.benchmarks.values()) and manifest.judgings is None

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        left_out = [{"benchmark": r.benchmark, "id": r.sample.id, "error": r.error} for r in self.unanswered]
        averages = self.run.summary.averages if self.shard is None else {}
        return {
            "run": str(self.run.path),
            **({"shard": str(self.shard), "answers": self.answers} if self.shard is not None else {}),
            "benchmarks": to_json(self.benchmarks),
            **({"averages": to_json(averages)} if averages else {}),
            "unanswered": left_out,
            **({"ended_by": to_json(self.run.manifest.ended_by)} if self.run.manifest.ended_by else {}),
            "usage": to_json(self.run.manifest.usage or {}),
        }


def make_plan(
    benchmarks: Sequence[str],
    *,
    model: str | None,
    data: str | None = None,
    mode: str | None = None,
    subjects: str | None = None,
    shard: str | None = None,
    **rest: Any,
) -> Plan:
    """The plan that a command line asks for. Without model and data: the bundled sample."""
    if mode not in (None, "rank", "write", "letters"):
        raise UserError(f"{option_name('mode')} wants rank, write or letters, there is {mode!r}")
    if data is None and model is None:
        data = "sample"
    path = Path(data) if data not in (None, "sample") else None
    names = dict.fromkeys(task for name in _files_apart(benchmarks) for task in plugins.task_names(name, path))
    groups = tuple(s.strip() for s in subjects.split(",") if s.strip()) if subjects else ()
    if seeds := rest.pop("seeds", None):
        rest |= asked_with_seeds(seeds_named(seeds) if isinstance(seeds, str) else tuple(seeds), rest)
    made = Plan(
        benchmarks=tuple(names),
        data=data,
        mode=cast("Mode | None", mode),
        groups=groups,
        shard=None if shard is None else shard_named(shard),
        **rest,
    )
    made.check()
    return made


def _files_apart(words: Sequence[str]) -> Sequence[str]:
    """These benchmarks. UserError where two files give themselves one name."""
    files: dict[str, str] = {}
    for word in filter(plugins.is_file, words):
        other = files.setdefault(plugins.called(word), word)
        if Path(other).absolute() != Path(word).absolute():
            raise UserError(
                f"{other} and {word} are both called {plugins.called(word)!r}; give one another name, or run them apart"
            )
    return words


@dataclass(frozen=True, kw_only=True)
class RunPlace:
    """Where runs are kept: their folder, this one's name (None: made from what is run), whether another run of that
    name is left alone (`beside`) and no mistake, and whether paid answers are looked up in, and added to, the cache."""

    runs: Path = Path("runs")
    name: str | None = None
    beside: bool = False
    cache: bool = True


RuleOf = Callable[[Sequence[Task], Plan], StoppingRule | None]


class StageResult(Protocol):
    """What a stage leaves behind, for reports and the exit code."""

    @property
    def exit_code(self) -> int: ...

    def as_json(self) -> dict[str, object]: ...


Stage = Callable[[Run], StageResult]  # what is done with a run once its answers are there, such as judging


@runtime_checkable
class StartsEarly(Protocol):
    """A stage that can begin while the answers still come: within `beside`, its observer hears of them."""

    def beside(self, run: Run) -> AbstractContextManager[Observer]: ...


@dataclass(frozen=True, kw_only=True)
class RunHooks:
    """What accompanies a run: what may stop a benchmark early, what it may use up, and what is done with its answers.

    `rule_of` makes the rule that may stop a benchmark early, or checks the tasks and makes none; the manifest keeps
    what it decided.
    """

    rule_of: RuleOf | None = None
    budget: Budget = field(default_factory=Budget)
    stages: Sequence[Stage] = ()


def run_plan(plan: Plan, model: Model, place: RunPlace, hooks: RunHooks) -> RunOutcome:
    """Prepare every benchmark, evaluate, and pass the run on to the stages.

    Goes on with a run that was begun before. UserError, before anything is asked, for what the model cannot do.
    """
    hooks.budget.check(model)
    whole_batches = batched.in_batches(model)
    if place.cache and isinstance(model, Priced):
        model = cache.with_cache(model, place.runs / cache.BESIDE_RUNS)
    facts = place.runs / prepared.PREPARED if place.cache else None
    tasks = [planning.prepare_task(benchmark, plan, model, facts) for benchmark in plan.benchmarks]
    if whole_batches:
        batched.refuse_log_probabilities(tasks)
    rule = None if hooks.rule_of is None else hooks.rule_of(tasks, plan)
    name = (place.name or identity.folder_name(tasks, plan, model)) + (plan.shard.suffix if plan.shard else "")
    if place.beside:
        name = runner.name_beside(name, place.runs, identity.run_identity(tasks, plan, model))
    folder = new_folder(place.runs, name)
    opened = runner.open_run(folder, tasks, plan, model)
    early = hooks.stages if plan.shard is None else ()
    with _nothing_left_behind(opened), _started_early(early, opened):
        tell(RunOpened(tasks=tasks, model=model.name, folder=folder, settings=settings_of(opened.manifest)))
        if hooks.budget:
            found, end = within_budget.evaluate_within(opened, tasks, plan, model, hooks.budget, rule)
        else:
            found, end = runner.evaluate_tasks(opened, tasks, plan, model, rule), None
    if end != found.manifest.ended_by:
        found.write(MANIFEST, replace(found.manifest, ended_by=end))
    if rule is not None or found.manifest.sequential is not None:
        found.write(MANIFEST, replace(found.manifest, sequential=None if rule is None else rule.facts()))
    if plan.shard is not None:
        return shard_outcome(found, skipped=plan.skip_unanswered)
    stages = tuple(stage(found) for stage in hooks.stages)
    outcome = replace(run_outcome(found, skipped=plan.skip_unanswered), stages=stages)
    tell(ended_event(found))
    return outcome


@contextmanager
def _nothing_left_behind(run: Run) -> Iterator[None]:
    """Within, a start that is refused before there is an answer leaves no run."""
    try:
        yield
    except UserError:
        journal = run.path / JOURNAL
        if not journal.is_file() or not journal.stat().st_size:
            for file in (journal, run.path / MANIFEST, run.path / DRAWN):
                file.unlink(missing_ok=True)
            with suppress(OSError):  # whatever else lies in the folder stays
                run.path.rmdir()
        raise


@contextmanager
def _started_early(stages: Sequence[Stage], run: Run) -> Iterator[None]:
    """Within, the first stage that can hears of the answers as they come."""
    for stage in stages:
        if isinstance(stage, StartsEarly):
            with stage.beside(run) as hear, observed_by(heard_also_by(hear)):
                yield
            return
    yield


def rescore_run(found: Run, **options: Any) -> tuple[Run, int]:
    """Score a run's answers again, asking nobody. Returns the run and how many results changed.

    `options` are fields of RunOptions that are to be others than they were. What changed is appended under the
    journal's lock: UserError while another process writes this run. A run that is not finished stays so.
    """
    moved, columns = 0, {name: ColumnWriter() for name in found.manifest.benchmarks}
    with Journal(found.path / JOURNAL) as journal, tempfile.TemporaryFile() as aside:
        index = index_of(found)
        benchmarks, said = _to_rescore(found, index.benchmarks, options)
        answers = index.in_order()
        del index  # which of a million results is more than all that is kept of them here
        for before, after in runner.rescored(answers, benchmarks, said):
            columns[after.benchmark].add(after)
            if (line := result_to_json(after)) != result_to_json(before):
                moved += (before.status, before.scores, before.answer) != (after.status, after.scores, after.answer)
                aside.write(dumps(line) + b"\n")
        aside.seek(0)
        for changed in aside:  # only now: an error before leaves the run as it was
            journal.append(loads(changed))
        journal.sync()
        manifest = found.manifest
        if found.finished:
            tasks = [(name, benchmark, manifest.benchmarks[name]) for name, benchmark in benchmarks.items()]
            arrays = {name: columns.pop(name).columns(last=True) for name in tuple(columns)}
            found.write(SUMMARY, summary.summary_of_columns(arrays, found.results, tasks, drawn_items(found)))
        facts = record(OptionFacts, {**to_json(manifest.options or {}), **options})
        now = replace(manifest, options=facts, scoring_version=SCORING_VERSION, reading_rules=READING_RULES)
        found.write(MANIFEST, now)
        if found.finished:
            found.seal()
    return found, moved


def rescored_results(found: Run, results: Sequence[Result], **changes: Any) -> tuple[list[Result], Summary]:
    """The results of a run scored as they are scored now, and their summary. Writes nothing, asks nobody.

    `changes` to the options that the run was made with.
    """
    benchmarks, options = _to_rescore(found, {result.benchmark for result in results}, changes)
    after = [anew for _, anew in runner.rescored(results, benchmarks, options)]
    facts = found.manifest.benchmarks
    return after, summary.run_summary(after, [(n, b, facts[n]) for n, b in benchmarks.items()], drawn_items(found))


def _to_rescore(
    found: Run, answered: Collection[str], changes: Mapping[str, Any]
) -> tuple[dict[str, Benchmark], RunOptions]:
    """The benchmarks of a run that has answers to these, and the options by which they are scored again."""
    facts = found.manifest.benchmarks
    if not facts:
        raise UserError(f"{found.path / MANIFEST}: names no benchmark, so there is nothing to score again")
    if unknown := sorted(set(answered) - facts.keys()):
        raise UserError(
            f"{found.path / JOURNAL}: has answers to {unknown[0]}, which {MANIFEST} does not name; restore it"
        )
    if theirs := [name for name, one in facts.items() if is_imported(one)]:
        raise UserError(
            f"{found.path}: {theirs[0]} was imported; the scores of the program that made it are kept as they are"
        )
    benchmarks = {name: plugins.reopened(name, facts[name].data) for name in facts}
    return benchmarks, replace(_rescoring(found, named="sandbox_packages" in changes), **changes)


def _rescoring(found: Run, named: bool) -> RunOptions:
    """The options of a run that decide its scores. Where programs may run is never taken from a file: whoever wrote it
    would choose a container of his own, or no fence at all. `named`: the packages of programs are said anew."""
    said = found.manifest.options or OptionFacts()
    names = (said.sandbox_packages or ()) if not named else ()
    if elsewhere := [name for name in names if not is_distribution(name)]:
        raise UserError(
            f"{found.path}: its programs were run with {elsewhere[0]!r:.80}, and a path is not taken from a run's own "
            f"file; `evalh rescore {shell_word(found.path)} --sandbox-packages ...` says it anew"
        )
    return RunOptions(
        sandbox_packages=names,
        check=said.check if said.check is not None else RunOptions().check,
        workers=said.workers if said.workers is not None and 0 <= said.workers <= 1024 else 0,
    )


def run_outcome(found: Run, skipped: bool | None = None) -> RunOutcome:
    """What a run says. UserError when it is not finished."""
    if skipped is None:
        skipped = bool(found.manifest.options and found.manifest.options.skip_unanswered)
    return _outcome(found, found.summary.benchmarks, skipped)


def shard_outcome(found: Run, skipped: bool) -> RunOutcome:
    """What a part of a run says: its answers, and no figures, which are those of the whole."""
    return _outcome(found, {}, skipped)


def _outcome(found: Run, benchmarks: Mapping[str, TaskSummary], skipped: bool) -> RunOutcome:
    if answers := _all_answered(found, benchmarks):
        return RunOutcome(run=found, benchmarks=benchmarks, unanswered=(), skipped=skipped, answers=answers)
    index = index_of(found)
    return RunOutcome(
        run=found, benchmarks=benchmarks, unanswered=tuple(index.having("error")), skipped=skipped,
        answers=len(index), cached=index.cached,
    )  # fmt: skip


def _all_answered(found: Run, benchmarks: Mapping[str, TaskSummary]) -> int:
    """How many answers a run has, where its summary says so and that none failed and nothing came from the cache; 0
    where its journal has to be asked."""
    entries = benchmarks.values()
    if not found.finished or any(e.counts.get("error") or e.holistic for e in entries) or not found.intact:
        return 0
    with (found.path / JOURNAL).open("rb") as file:
        if any(b'"cached":true' in line for line in file):
            return 0
    return sum(sum(entry.counts.values()) for entry in entries)

"""From what a user asks for to the questions as they will be asked: data, draw, examples, requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

from evalharness import plugins
from evalharness.benchmark import Benchmark, asks_letters, request
from evalharness.data import sources
from evalharness.data.rows import PULLED, Row, SplitRows, Want
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.events import warn
from evalharness.model import Model, Prerecorded, TellsFirstTokens
from evalharness.options import RunOptions, hold_to_bounds
from evalharness.records import Mode, Request, Sample
from evalharness.runs.drawn import Drawer, DrawnItems, draw_facts
from evalharness.runs.limited import stratified_draw
from evalharness.runs.manifest import BenchmarkFacts, DataFacts, OwnSampling
from evalharness.runs.prepared import LateQuestions, kept_facts
from evalharness.runs.questions import AskedQuestions, ChosenQuestions, FirstRequests, Question, prompt_hash
from evalharness.runs.shards import Shard
from evalharness.runs.shots import ShotPool, shot_pool, shots_shown
from evalharness.runs.wordings import Wording, worded, wording_facts, wording_place
from evalharness.scoring import holistic
from evalharness.scoring.answers import LETTERS
from evalharness.scoring.perturbations import row_texts


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run, as the user said it. None stands for the benchmark's own choice.

    `data`: None = the hub, `sample`, or a folder. `limit` draws that many samples, seeded and stratified by group, the
    same for every model. `groups` and `items` (ids) restrict what is asked; of that, `shard` is the part that is asked
    here. `repeats` answers are asked per sample: one, or as many as there are where a model has them already; with
    `seeds` (as many) each as a run with that seed would ask it. `rows` are the data itself, where a program has them.
    `draw` chooses fewer items with unequal chances; with `wordings` every sample is asked once in each. `own` holds
    what differs for single benchmarks, by name and field.
    """

    benchmarks: tuple[str, ...]
    data: str | None = None
    mode: Mode | None = None
    shots: int | None = None
    limit: int | None = None
    groups: tuple[str, ...] = ()
    items: frozenset[str] | None = None
    seed: int = 0
    repeats: int | None = None
    seeds: tuple[int, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    skip_unanswered: bool = False
    holistic: bool = False
    shard: Shard | None = None
    options: RunOptions = field(default_factory=RunOptions)
    rows: tuple[Row, ...] | None = None
    draw: Drawer | None = None
    wordings: tuple[Wording, ...] = ()
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, benchmark: str) -> Plan:
        """The plan for one benchmark: what `own` says of it or of its family comes first."""
        return replace(self, **{**self.own.get(benchmark.partition("/")[0], {}), **self.own.get(benchmark, {})})

    def check(self) -> None:
        """UserError for a number that makes no sense."""
        hold_to_bounds(self.options)
        if self.limit is not None and self.limit < 1:
            raise UserError(f"{option_name('limit')} wants a number of questions, 1 or more; there is {self.limit}")
        if self.shots is not None and self.shots < 0:
            raise UserError(f"{option_name('shots')} wants 0 or more examples; there is {self.shots}")
        if self.repeats is not None and self.repeats < 1:
            raise UserError(f"{option_name('repeats')} wants 1 or more answers per question; there is {self.repeats}")
        if (self.temperature or 0) < 0 or (self.top_p is not None and not 0 < self.top_p <= 1):
            raise UserError(
                f"{option_name('temperature')} wants 0 or more, {option_name('top_p')} a number above 0 and up to 1"
            )
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UserError(f"{option_name('max_tokens')} wants 1 or more; there is {self.max_tokens}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One benchmark made ready: the questions as they will be asked, and the facts that decide the result."""

    name: str
    benchmark: Benchmark
    mode: Mode
    shots: int
    questions: Sequence[Question]
    facts: BenchmarkFacts
    drawn: DrawnItems | None = None

    @property
    def size(self) -> int:
        """Answers wanted: questions times repeats."""
        return len(self.questions)

    @property
    def items(self) -> frozenset[str]:
        """The ids of the samples asked."""
        return frozenset(question.sample.id for question in self.questions)


def prepare_task(name: str, plan: Plan, model: Model, cache: Path | None = None) -> Task:
    """Load the data of one benchmark and build every request, by what the plan says of it (`Plan.of`). DataError or
    UserError when that cannot be done.

    `cache` is the folder where the facts of large files are kept; where it has them, the questions are prepared only
    when one of them is looked at.
    """
    common, plan = plan, plan.of(name)
    plan = replace(plan, data=pulled_task(name, plan.data))
    data_path = Path(plan.data) if plan.data not in (None, "sample") else None
    benchmark = plugins.load_benchmark(name, data_path)
    if plan.holistic and (form := benchmark.about_form or ("programs" if benchmark.open_scorer is not None else "")):
        raise UserError(
            f"{name}: {option_name('holistic')} changes how a question is spelled, and here the right answer is about "
            "that form "
            f"({form}): a changed question would have another answer; leave it out"
        )
    if plan.wordings:
        _hold_to_wordings(name, benchmark, plan)
    usual = plan.rows is None and not plan.holistic and plan.shard is None and plan.draw is None
    own = plan.data in (None, "sample") and usual
    asked = f"{_asked(plan)} {_asked(common)}"
    kept = kept_facts(cache, name, benchmark, asked, model) if cache is not None and own else None
    if kept is not None and (facts := kept.read()) is not None:
        _say_repeated(name, facts.items, facts.data.repeated)

        def prepare() -> tuple[Sequence[Question], BenchmarkFacts]:
            found = _prepared(name, benchmark, plan, model, common)
            return found.questions, found.facts

        return _task(name, benchmark, plan, LateQuestions(facts=facts, prepare=prepare), facts)
    task = _prepared(name, benchmark, plan, model, common)
    _say_repeated(name, task.facts.items, task.facts.data.repeated)
    if kept is not None:
        kept.write(task.facts)
    return task


def _hold_to_wordings(name: str, benchmark: Benchmark, plan: Plan) -> None:
    """UserError for what asks a question several times by itself, or spells it otherwise, beside wordings."""
    count, wording = len(plan.wordings), option_name("wording")
    if plan.seeds and len(plan.seeds) != count:
        raise UserError(
            f"{name}: {count} wordings and {len(plan.seeds)} seeds; give as many seeds as wordings, so that each "
            "wording meets each seed alike"
        )
    if plan.repeats is not None and not plan.seeds:
        raise UserError(f"{name}: {wording} asks once in each wording; leave {option_name('repeats')} out")
    if benchmark.repeats > 1 or plan.holistic:
        reason = f"asks each question {benchmark.repeats} times" if benchmark.repeats > 1 else "changes the wording too"
        raise UserError(f"{name}: {wording} does not go with what {reason}")


def _asked(plan: Plan) -> str:
    """All that a plan says of how the questions of one benchmark are asked."""
    items = None if plan.items is None else sorted(plan.items)
    return f"{replace(plan, benchmarks=(), items=None, own={}, options=RunOptions())!r} {items!r}"


def _task(name: str, benchmark: Benchmark, plan: Plan, questions: Sequence[Question], facts: BenchmarkFacts) -> Task:
    reported = (
        f"{name}@sample" if plan.data == "sample" and (benchmark.source.hub or benchmark.source.address) else name
    )
    return Task(
        name=reported, benchmark=benchmark, mode=cast("Mode", facts.mode), shots=facts.shots or 0,
        questions=questions, facts=facts,
    )  # fmt: skip


def _prepared(name: str, benchmark: Benchmark, plan: Plan, model: Model, common: Plan) -> Task:
    mode = _mode(benchmark, plan.mode, model)
    shots = benchmark.shots if plan.shots is None else plan.shots
    loaded = _loaded(benchmark, plan, benchmark.source.split)
    pool = shot_pool(benchmark, partial(_loaded, benchmark, plan), loaded.rows) if shots else ShotPool()
    content = sources.ContentHash()
    everything = not plan.groups and plan.items is None and plan.limit is None and plan.draw is None
    samples = sources.build_samples(
        loaded.rows, benchmark.sample, f"{loaded.origin} ({name})", content.add if everything else None
    )
    if not samples:
        raise DataError(f"{loaded.origin}: there are no questions of {name} (split {benchmark.source.split})")
    chosen = samples if everything else _chosen(samples, plan)
    drawn = None if plan.draw is None else plan.draw(name, benchmark, chosen, plan.seed)
    chosen = chosen if drawn is None else drawn.asked(chosen)
    if not everything:
        rows = _rows_of(chosen, samples, loaded.rows)
        for sample in chosen:
            content.add(sample, rows[sample.id])
    examples = shots_shown(benchmark, pool, samples, shots)
    own = {sample.id: sample for sample in chosen} if plan.holistic else {}

    def asked(benchmark: Benchmark, sample: Sample) -> Request:
        if mode == "letters":
            _hold_to_letters(sample, f"{loaded.origin}: {sample.id} of {name}")
        shown = examples(own.get(str(sample.extra.get("original")), sample))
        return _sampled(request(benchmark, sample, shown, mode=mode, chat=model.chat), benchmark, plan)

    first = FirstRequests(_with_variants(chosen, samples, loaded.rows, plan), partial(asked, benchmark))
    there = _there(plan, model, first)
    repeats = len(plan.wordings) or plan.repeats or there or benchmark.repeats
    in_wordings = [worded(benchmark, wording) for wording in plan.wordings]

    def nth(sample: Sample, one: Request, repeat: int) -> Request:
        if in_wordings:
            one = asked(in_wordings[wording_place(sample.id, repeat, repeats, crossed=bool(plan.seeds))], sample)
        return _repeated(one, plan, repeat, max(repeats, there))

    made = AskedQuestions(first, repeats, nth)
    whole: Sequence[Question] = tuple(made) if first.held else made
    questions = whole if plan.shard is None else ChosenQuestions(whole, plan.shard.places(len(whole)))
    prompts = first.sha256 if repeats == 1 and not plan.wordings else prompt_hash(q.request for q in whole)
    facts = BenchmarkFacts(  # all questions were read now, which the hashes of their content want
        mode=mode,
        shots=shots,
        limit=plan.limit,
        seed=plan.seed,
        repeats=repeats,
        items=len(chosen),
        items_published=benchmark.items,
        data=_data_facts(name, benchmark, loaded, content, content.repeated(chosen)),
        prompt_sha256=prompts,
        wants_judge=benchmark.judge or None,
        code_sha256=benchmark.code_sha256 or None,
        sampling=_own_sampling(benchmark, plan, common),
        drawn=None if drawn is None else draw_facts(drawn),
        wordings=wording_facts(plan.wordings),
    )
    return replace(_task(name, benchmark, plan, questions, facts), drawn=drawn)


def _hold_to_letters(sample: Sample, place: str) -> None:
    if not 1 < len(sample.choices) <= len(LETTERS):
        raise DataError(f"{place} has {len(sample.choices)} choices, letters want 2 to {len(LETTERS)}")


def _with_variants(
    chosen: Sequence[Sample], samples: Sequence[Sample], rows: Sequence[Row], plan: Plan
) -> Sequence[Sample]:
    """The samples to ask: with `--holistic` each followed by its changed questions."""
    if not plan.holistic:
        return chosen
    texts = {sample.id: row_texts(row) for sample, row in zip(samples, rows, strict=True)}
    return holistic.with_variants(chosen, plan.seed, texts)


def _rows_of(chosen: Sequence[Sample], samples: Sequence[Sample], rows: Sequence[Row]) -> dict[str, Row]:
    wanted = {sample.id for sample in chosen}
    return {sample.id: row for sample, row in zip(samples, rows, strict=True) if sample.id in wanted}


def _data_facts(
    name: str, benchmark: Benchmark, loaded: SplitRows, content: sources.ContentHash, repeated: Mapping[str, str]
) -> DataFacts:
    """Where the questions came from, with the places that find them again from any folder."""
    file = plugins.file_of(name)
    described = benchmark.source.described_by or (None if file is None else Path(file))
    path = None if loaded.path is None else loaded.path.expanduser().absolute()
    return DataFacts(
        origin=loaded.origin,
        revision=loaded.revision,
        sha256=content.sha256,
        rows_sha256=content.rows_sha256,
        repeated=dict(repeated),
        kind=loaded.kind,
        path=None if path is None else str(path),
        described_by=None if described is None else str(described.expanduser().absolute()),
    )


def pulled_task(name: str, data: str | None) -> str | None:
    """`evalh data pull FAMILY` makes a folder of its own for each task."""
    task = name.partition("/")[2]
    folder = Path(data) / task if data not in (None, "sample") and task else None
    return str(folder) if folder is not None and (folder / PULLED).is_file() else data


def _loaded(benchmark: Benchmark, plan: Plan, split: str) -> SplitRows:
    """The rows of a split, from wherever the plan has them."""
    if plan.rows is not None:
        return sources.rows_of_split(plan.rows, benchmark.source, split)
    return sources.load_rows(benchmark.source, Want(split=split, groups=plan.groups), plan.data)


def _mode(benchmark: Benchmark, wanted: Mode | None, model: Model) -> Mode:
    possible = [m for m in benchmark.modes if model.ranks or (m == "write" and not benchmark.ranks_after)]
    if wanted is None:
        if not possible:
            raise UserError(f"{benchmark.name} needs log-probabilities of its choices, which {model.name} cannot give")
        return possible[0]
    if wanted == "letters":
        if not asks_letters(benchmark):
            raise UserError(
                f"{benchmark.name} is not answered by a letter alone; there is {' and '.join(benchmark.modes)}"
            )
        if not (isinstance(model, TellsFirstTokens) and model.first_tokens):
            raise UserError(
                f"{model.name} does not tell log-probabilities of first tokens; say {option_name('mode', 'write')}"
            )
        return wanted
    if wanted not in benchmark.modes:
        raise UserError(f"{benchmark.name} has no mode {wanted!r}; there is {' and '.join(benchmark.modes)}")
    if wanted not in possible:
        raise UserError(f"{model.name} cannot rank choices by log-probability; say {option_name('mode', 'write')}")
    return wanted


def _chosen(samples: Sequence[Sample], plan: Plan) -> list[Sample]:
    """The samples to ask: of the wanted groups and items, and at most `limit` of them."""
    if plan.groups:
        known = {s.group for s in samples}
        for group in plan.groups:
            if group not in known:
                raise UserError(f"there is no subject {group!r}{nearest(group, known)} in the data")
        samples = [s for s in samples if s.group in plan.groups]
    if plan.items is not None:
        unknown = plan.items - {s.id for s in samples}
        if unknown:
            raise UserError(f"there is no item {min(unknown)!r} in the data ({len(unknown)} of the items are unknown)")
        samples = [s for s in samples if s.id in plan.items]
    return list(samples) if plan.limit is None else stratified_draw(samples, plan.limit, plan.seed)


def _say_repeated(name: str, count: int, repeated: Mapping[str, str]) -> None:
    if not repeated:
        return
    named = [f"{later} repeats {first}" for later, first in islice(repeated.items(), 3)]
    more = ", ..." if len(repeated) > len(named) else ""
    warn(
        f"{name}: {len(repeated):,} of {count:,} questions repeat an earlier one ({', '.join(named)}{more}); "
        "each is asked and counted"
    )


def _sampled(asked: Request, benchmark: Benchmark, plan: Plan) -> Request:
    sampling = (*sampling_of(benchmark, plan), plan.max_tokens or asked.max_tokens)
    if sampling == (asked.temperature, asked.top_p, asked.max_tokens):
        return asked
    temperature, top_p, max_tokens = sampling
    return replace(asked, temperature=temperature, top_p=top_p, max_tokens=max_tokens)


def _own_sampling(benchmark: Benchmark, plan: Plan, common: Plan) -> OwnSampling | None:
    """What the manifest says of a benchmark that is sampled otherwise than the run: by its own choice or the plan's."""
    temperature, top_p = sampling_of(benchmark, plan)
    usual = (common.temperature or 0.0, 1.0 if common.top_p is None else common.top_p)
    max_tokens = None if plan.max_tokens == common.max_tokens else plan.max_tokens
    seed = None if plan.seed == common.seed else plan.seed
    seeds = None if plan.seeds == common.seeds else plan.seeds
    if (temperature, top_p, max_tokens, seed, seeds) == (*usual, None, None, None):
        return None
    return OwnSampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed, seeds=seeds)


def sampling_of(benchmark: Benchmark, plan: Plan) -> tuple[float, float]:
    """Temperature and top-p: those that the user said, else the benchmark's own."""
    temperature = benchmark.temperature if plan.temperature is None else plan.temperature
    return temperature, benchmark.top_p if plan.top_p is None else plan.top_p


def _there(plan: Plan, model: Model, asked: Sequence[Request]) -> int:
    """How many answers to each question a model has already, 0 where it has to be asked. It is held to them here,
    before anything is written."""
    if isinstance(model, Prerecorded):
        return model.repeats(asked)
    if plan.wordings and not plan.seeds:
        return 0
    if plan.repeats is not None and plan.repeats > 1 and not plan.temperature:
        several = "several seeds ask" if plan.seeds else f"{option_name('repeats')} above 1 asks"
        raise UserError(f"{several} the same thing again at temperature 0; give {option_name('temperature')} too")
    return 0


def _repeated(asked: Request, plan: Plan, repeat: int, repeats: int) -> Request:
    """Each sampled answer has its own seed, which depends on nothing but run seed, item and repeat.

    Of several run seeds each has one answer: its first.
    """
    if asked.origin is None:
        return asked
    alone = (asked.origin.repeat, asked.origin.repeats) == (repeat, repeats)
    origin = asked.origin if alone else replace(asked.origin, repeat=repeat, repeats=repeats)
    if asked.temperature == 0:
        return asked if alone else replace(asked, origin=origin)
    of_run, nth = (plan.seeds[repeat], 0) if plan.seeds else (plan.seed, repeat)
    key = f"{of_run}/{asked.origin.id}/{nth}".encode("utf-8", "surrogatepass")
    seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1
    return replace(asked, seed=seed, origin=origin)

"""From what a user asks for to the questions as they will be asked: data, draw, examples, requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark, request, same_question
from evalharness.data import sources
from evalharness.data.rows import PULLED, Row, SplitRows, Want
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.events import warn
from evalharness.model import Model, Prerecorded
from evalharness.options import RunOptions, hold_to_bounds
from evalharness.records import Mode, Request, Sample
from evalharness.runs.manifest import BenchmarkFacts, DataFacts, OwnSampling
from evalharness.scoring import holistic
from evalharness.scoring.perturbations import row_texts


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run, as the user said it. None stands for the benchmark's own choice.

    `data`: None = the hub, `sample`, or a folder. `limit` draws that many samples, seeded and stratified by group, the
    same for every model. `groups` and `items` (ids) restrict what is asked. `repeats` answers are asked per sample:
    one, or as many as there are where a model has them already. `rows` are the data itself, where a program has them.
    `own` holds what differs for single benchmarks, by name and field.
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
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    skip_unanswered: bool = False
    holistic: bool = False
    options: RunOptions = field(default_factory=RunOptions)
    rows: tuple[Row, ...] | None = None
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
class Question:
    """One thing to ask: a sample, which of its repeats, and the request."""

    sample: Sample
    repeat: int
    request: Request


@dataclass(frozen=True, kw_only=True)
class Task:
    """One benchmark made ready: the questions as they will be asked, and the facts that decide the result."""

    name: str
    benchmark: Benchmark
    mode: Mode
    shots: int
    questions: tuple[Question, ...]
    facts: BenchmarkFacts

    @property
    def size(self) -> int:
        """Answers wanted: questions times repeats."""
        return len(self.questions)

    @property
    def items(self) -> frozenset[str]:
        """The ids of the samples asked."""
        return frozenset(question.sample.id for question in self.questions)


def prepare_task(name: str, plan: Plan, model: Model) -> Task:
    """Load the data of one benchmark and build every request. DataError or UserError when that cannot be done."""
    plan = replace(plan, data=pulled_task(name, plan.data))
    data_path = Path(plan.data) if plan.data not in (None, "sample") else None
    benchmark = plugins.load_benchmark(name, data_path)
    if plan.holistic and (form := benchmark.about_form or ("programs" if benchmark.open_scorer is not None else "")):
        raise UserError(
            f"{name}: {option_name('holistic')} changes how a question is spelled, and here the right answer is about "
            "that form "
            f"({form}): a changed question would have another answer; leave it out"
        )
    mode = _mode(benchmark, plan.mode, model)
    shots = benchmark.shots if plan.shots is None else plan.shots
    loaded = _loaded(benchmark, plan, benchmark.source.split)
    samples = sources.build_samples(loaded.rows, benchmark.sample, f"{loaded.origin} ({name})")
    if not samples:
        raise DataError(f"{loaded.origin}: there are no questions of {name} (split {benchmark.source.split})")
    chosen = _chosen(samples, plan)
    repeated = sources.repeated(chosen)
    if repeated:
        _say_repeated(name, len(chosen), repeated)
    pool = _shot_pool(benchmark, plan, loaded.rows) if shots else _Pool()
    examples = _examples(benchmark, pool, samples, shots)
    own = {sample.id: sample for sample in chosen}
    texts = {s.id: row_texts(row) for s, row in zip(samples, loaded.rows, strict=True)} if plan.holistic else {}
    asked = []
    for sample in holistic.with_variants(chosen, plan.seed, texts) if plan.holistic else chosen:
        shown = examples(own.get(str(sample.extra.get("original")), sample))
        first = request(benchmark, sample, shown, mode=mode, chat=model.chat)
        asked.append((sample, _sampled(first, benchmark, plan)))
    there = _there(plan, model, [first for _, first in asked])
    repeats = plan.repeats or there or benchmark.repeats
    questions = [
        Question(sample=sample, repeat=repeat, request=_repeated(first, plan, repeat, max(repeats, there)))
        for sample, first in asked
        for repeat in range(repeats)
    ]
    facts = BenchmarkFacts(
        mode=mode,
        shots=shots,
        limit=plan.limit,
        seed=plan.seed,
        repeats=repeats,
        items=len(chosen),
        items_published=benchmark.items,
        data=_data_facts(name, benchmark, loaded, chosen, repeated),
        prompt_sha256=prompt_hash(q.request for q in questions),
        wants_judge=benchmark.judge or None,
        extra={"code_sha256": benchmark.code_sha256} if benchmark.code_sha256 else {},
        sampling=_own_sampling(benchmark, plan),
    )
    reported = f"{name}@sample" if plan.data == "sample" and benchmark.source.hub else name
    return Task(name=reported, benchmark=benchmark, mode=mode, shots=shots, questions=tuple(questions), facts=facts)


def _data_facts(
    name: str, benchmark: Benchmark, loaded: SplitRows, chosen: Sequence[Sample], repeated: Mapping[str, str]
) -> DataFacts:
    """Where the questions came from, with the places that find them again from any folder."""
    described = benchmark.source.described_by or (Path(name) if plugins.is_file(name) else None)
    path = None if loaded.path is None else loaded.path.expanduser().absolute()
    return DataFacts(
        origin=loaded.origin,
        revision=loaded.revision,
        sha256=sources.content_hash(chosen),
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
    possible = [mode for mode in benchmark.modes if mode == "write" or model.ranks]
    if wanted is None:
        if not possible:
            raise UserError(f"{benchmark.name} needs log-probabilities of its choices, which {model.name} cannot give")
        return possible[0]
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
    return list(samples) if plan.limit is None else _draw(samples, plan.limit, plan.seed)


def _draw(samples: Sequence[Sample], limit: int, seed: int) -> list[Sample]:
    """`limit` samples in their given order, stratified by group (largest remainders), the same for every model.

    Within a group the order of a hash of seed and id decides, so a larger limit keeps what a smaller one drew.
    """
    if limit >= len(samples):
        return list(samples)

    def rank(sample: Sample) -> bytes:
        return hashlib.sha256(f"{seed}/{sample.id}".encode("utf-8", "surrogatepass")).digest()

    members = {g: sorted(found, key=rank) for g, found in groupby(sorted(samples, key=_group), key=_group)}
    shares = {g: limit * len(found) / len(samples) for g, found in members.items()}
    sizes = {g: int(share) for g, share in shares.items()}
    short = sorted(members, key=lambda g: (sizes[g] - shares[g], hashlib.sha256(f"{seed}/{g}".encode()).digest()))
    for g in short[: limit - sum(sizes.values())]:
        sizes[g] += 1
    kept = {s.id for g, found in members.items() for s in found[: sizes[g]]}
    return [s for s in samples if s.id in kept]


def _group(sample: Sample) -> str:
    return sample.group


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """The examples by group (all under '' where a benchmark shows the same ones to everybody), and the ids of those
    whose rows are rows of the asked split too."""

    groups: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()


def _shot_pool(benchmark: Benchmark, plan: Plan, questions: Sequence[Row]) -> _Pool:
    split = benchmark.source.shot_split
    if split is None:
        raise UserError(f"{benchmark.name} has no split to take examples from; say {option_name('shots', 0)}")
    loaded = _loaded(benchmark, plan, split)
    there = set(map(_canonical, questions))
    groups: dict[str, list[Sample]] = {}
    asked = set()
    for row, sample in zip(loaded.rows, sources.build_samples(loaded.rows, benchmark.sample), strict=True):
        groups.setdefault(sample.group if benchmark.shots_by_group else "", []).append(sample)
        if _canonical(row) in there:
            asked.add(sample.id)
    return _Pool(groups=groups, asked=frozenset(asked))


def _canonical(row: Row) -> bytes:
    text = json.dumps(row, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).digest()


def _say_repeated(name: str, count: int, repeated: Mapping[str, str]) -> None:
    named = [f"{later} repeats {first}" for later, first in islice(repeated.items(), 3)]
    more = ", ..." if len(repeated) > len(named) else ""
    warn(
        f"{name}: {len(repeated):,} of {count:,} questions repeat an earlier one ({', '.join(named)}{more}); "
        "each is asked and counted"
    )


def _examples(
    benchmark: Benchmark, pool: _Pool, samples: Sequence[Sample], shots: int
) -> Callable[[Sample], Sequence[Sample]]:
    """What is shown before a question: the first `shots` examples, itself left out wherever it stands among them.

    `samples` are all questions of the split: a benchmark may draw examples for one after the other.
    """
    drawn: Mapping[str, Sequence[Sample]] = {}

    def is_asked(example: Sample, sample: Sample) -> bool:
        return example.id in pool.asked and same_question(benchmark.prompt, example, sample)

    if shots and benchmark.shots_drawn is not None:
        orders = benchmark.shots_drawn(pool.groups.get("", ()), samples, shots, is_asked)
        drawn = {sample.id: order for sample, order in zip(samples, orders, strict=True)}

    def shown(sample: Sample) -> Sequence[Sample]:
        if not shots:
            return ()
        group = sample.group if benchmark.shots_by_group else ""
        there = pool.groups.get(group, ())
        found = drawn.get(sample.id, there)
        if benchmark.shots_order is not None:
            found = benchmark.shots_order(found, sample, shots)
        others = (example for example in found if not is_asked(example, sample))
        chosen = tuple(islice(others, shots))
        if len(chosen) < shots:
            where = f" of {group}" if group else ""
            besides = " beside the question itself" if len(there) > len(chosen) else ""
            raise DataError(
                f"{benchmark.name}: wanted {shots} examples{where}, there are {len(chosen)}{besides}; "
                f"say {option_name('shots', len(chosen))}"
            )
        return chosen

    return shown


def _sampled(asked: Request, benchmark: Benchmark, plan: Plan) -> Request:
    temperature, top_p = sampling_of(benchmark, plan)
    return replace(asked, temperature=temperature, top_p=top_p, max_tokens=plan.max_tokens or asked.max_tokens)


def _own_sampling(benchmark: Benchmark, plan: Plan) -> OwnSampling | None:
    """What the manifest says of a benchmark that samples of its own accord."""
    temperature, top_p = sampling_of(benchmark, plan)
    if (temperature, top_p) == (plan.temperature or 0.0, 1.0 if plan.top_p is None else plan.top_p):
        return None
    return OwnSampling(temperature=temperature, top_p=top_p)


def sampling_of(benchmark: Benchmark, plan: Plan) -> tuple[float, float]:
    """Temperature and top-p: those that the user said, else the benchmark's own."""
    temperature = benchmark.temperature if plan.temperature is None else plan.temperature
    return temperature, benchmark.top_p if plan.top_p is None else plan.top_p


def _there(plan: Plan, model: Model, asked: Sequence[Request]) -> int:
    """How many answers to each question a model has already, 0 where it has to be asked. It is held to them here,
    before anything is written."""
    if isinstance(model, Prerecorded):
        return model.repeats(asked)
    if plan.repeats is not None and plan.repeats > 1 and not plan.temperature:
        raise UserError(
            f"{option_name('repeats')} above 1 asks the same thing again at temperature 0; give "
            f"{option_name('temperature')} too"
        )
    return 0


def _repeated(asked: Request, plan: Plan, repeat: int, repeats: int) -> Request:
    """Each sampled answer has its own seed, which depends on nothing but run seed, item and repeat."""
    if asked.origin is None:
        return asked
    origin = replace(asked.origin, repeat=repeat, repeats=repeats)
    if asked.temperature == 0:
        return replace(asked, origin=origin)
    key = f"{plan.seed}/{asked.origin.id}/{repeat}".encode("utf-8", "surrogatepass")
    seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1
    return replace(asked, seed=seed, origin=origin)


def prompt_hash(requests: Iterable[Request]) -> str:
    """sha256 over what is asked: messages and choices of every request, in order."""
    total = hashlib.sha256()
    for asked in requests:
        said = [[m.role, m.content, *([m.extra] if m.extra else [])] for m in asked.messages]
        more = [asked.template_kwargs] if asked.template_kwargs else []
        total.update(json.dumps([said, asked.choices, asked.context_per_choice, *more], ensure_ascii=True).encode())
    return total.hexdigest()

"""From what a user asks for to the questions as they will be asked: data, draw, examples, requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark, request
from evalharness.data import sources
from evalharness.data.sources import Want
from evalharness.errors import DataError, UserError, nearest
from evalharness.model import Model, Prerecorded
from evalharness.options import RunOptions
from evalharness.records import Mode, Request, Sample
from evalharness.scoring import holistic


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run, as the user said it. None stands for the benchmark's own choice.

    `data`: None = the hub, `sample`, or a folder. `limit` draws that many samples, seeded and stratified by group, the
    same for every model. `groups` and `items` (ids) restrict what is asked. `repeats` answers are asked per sample:
    one, or as many as there are where a model has them already. `own` holds what differs for single benchmarks, by
    name and field.
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
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int | None = None
    skip_unanswered: bool = False
    holistic: bool = False
    options: RunOptions = field(default_factory=RunOptions)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, benchmark: str) -> Plan:
        """The plan for one benchmark: what `own` says of it or of its family comes first."""
        return replace(self, **{**self.own.get(benchmark.partition("/")[0], {}), **self.own.get(benchmark, {})})

    def check(self) -> None:
        """UserError for a number that makes no sense."""
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit wants a number of questions, 1 or more; there is {self.limit}")
        if self.shots is not None and self.shots < 0:
            raise UserError(f"--shots wants 0 or more examples; there is {self.shots}")
        if self.repeats is not None and self.repeats < 1:
            raise UserError(f"--samples wants 1 or more answers per question; there is {self.repeats}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError("--temperature wants 0 or more, --top-p a number above 0 and up to 1")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UserError(f"--max-tokens wants 1 or more; there is {self.max_tokens}")


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
    facts: Mapping[str, Any]

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
    if plan.holistic and benchmark.open_scorer is not None:
        raise UserError(f"{name} asks for programs, which --holistic would spell wrong on purpose; leave it out")
    mode = _mode(benchmark, plan.mode, model)
    shots = benchmark.shots if plan.shots is None else plan.shots
    loaded = sources.load_rows(benchmark.source, Want(split=benchmark.source.split, groups=plan.groups), plan.data)
    samples = sources.build_samples(loaded.rows, benchmark.sample, f"{loaded.origin} ({name})")
    if not samples:
        raise DataError(f"{loaded.origin}: there are no questions of {name} (split {benchmark.source.split})")
    chosen = _chosen(samples, plan)
    pool = _shot_pool(benchmark, plan) if shots else {}
    asked = []
    for sample in holistic.with_variants(chosen, plan.seed) if plan.holistic else chosen:
        examples = _examples(benchmark, pool, sample, shots)
        first = request(benchmark, sample, examples, mode=mode, chat=model.chat)
        asked.append((sample, _sampled(first, plan)))
    repeats = _repeats(plan, model, [first for _, first in asked])
    questions = [
        Question(sample=sample, repeat=repeat, request=_repeated(first, plan, repeat, repeats))
        for sample, first in asked
        for repeat in range(repeats)
    ]
    facts = {
        "mode": mode,
        "shots": shots,
        "limit": plan.limit,
        "seed": plan.seed,
        "repeats": repeats,
        "items": len(chosen),
        "items_published": benchmark.items,
        "data": {"origin": loaded.origin, "revision": loaded.revision, "sha256": sources.content_hash(chosen)},
        "prompt_sha256": prompt_hash(q.request for q in questions),
        **({"wants_judge": benchmark.judge} if benchmark.judge else {}),
    }
    reported = f"{name}@sample" if plan.data == "sample" and benchmark.source.hub else name
    return Task(name=reported, benchmark=benchmark, mode=mode, shots=shots, questions=tuple(questions), facts=facts)


def pulled_task(name: str, data: str | None) -> str | None:
    """`evalh data pull FAMILY` makes a folder of its own for each task."""
    task = name.partition("/")[2]
    folder = Path(data) / task if data not in (None, "sample") and task else None
    return str(folder) if folder is not None and (folder / sources.PULLED).is_file() else data


def _mode(benchmark: Benchmark, wanted: Mode | None, model: Model) -> Mode:
    possible = [mode for mode in benchmark.modes if mode == "write" or model.ranks]
    if wanted is None:
        if not possible:
            raise UserError(f"{benchmark.name} needs log-probabilities of its choices, which {model.name} cannot give")
        return possible[0]
    if wanted not in benchmark.modes:
        raise UserError(f"{benchmark.name} has no mode {wanted!r}; there is {' and '.join(benchmark.modes)}")
    if wanted not in possible:
        raise UserError(f"{model.name} cannot rank choices by log-probability; say --mode write")
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


def _shot_pool(benchmark: Benchmark, plan: Plan) -> dict[str, list[Sample]]:
    """The examples by group; all under '' where a benchmark shows the same ones to everybody."""
    split = benchmark.source.shot_split
    if split is None:
        raise UserError(f"{benchmark.name} has no split to take examples from; say --shots 0")
    loaded = sources.load_rows(benchmark.source, Want(split=split, groups=plan.groups), plan.data)
    pool: dict[str, list[Sample]] = {}
    for sample in sources.build_samples(loaded.rows, benchmark.sample):
        pool.setdefault(sample.group if benchmark.shots_by_group else "", []).append(sample)
    return pool


def _examples(
    benchmark: Benchmark, pool: Mapping[str, Sequence[Sample]], sample: Sample, shots: int
) -> Sequence[Sample]:
    if shots == 0:
        return ()
    group = sample.group if benchmark.shots_by_group else ""
    found = pool.get(group, ())
    if benchmark.shots_order is not None:
        found = benchmark.shots_order(found, sample, shots)
    if len(found) < shots:
        where = f" of {group}" if group else ""
        raise DataError(
            f"{benchmark.name}: wanted {shots} examples{where}, there are {len(found)}; say --shots {len(found)}"
        )
    return found[:shots]


def _sampled(asked: Request, plan: Plan) -> Request:
    limit = plan.max_tokens or asked.max_tokens
    return replace(asked, temperature=plan.temperature, top_p=plan.top_p, max_tokens=limit)


def _repeats(plan: Plan, model: Model, asked: Sequence[Request]) -> int:
    """How many answers are asked to each question. A model that has its answers already is held to them here, before
    anything is written."""
    there = model.repeats(asked) if isinstance(model, Prerecorded) else None
    if there is None and (plan.repeats or 1) > 1 and plan.temperature == 0:
        raise UserError("--samples above 1 asks the same thing again at temperature 0; give --temperature too")
    return plan.repeats or there or 1


def _repeated(asked: Request, plan: Plan, repeat: int, repeats: int) -> Request:
    """Each sampled answer has its own seed, which depends on nothing but run seed, item and repeat."""
    if asked.origin is None:
        return asked
    origin = replace(asked.origin, repeat=repeat, repeats=repeats)
    if plan.temperature == 0:
        return replace(asked, origin=origin)
    key = f"{plan.seed}/{asked.origin.id}/{repeat}".encode("utf-8", "surrogatepass")
    seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1
    return replace(asked, seed=seed, origin=origin)


def prompt_hash(requests: Iterable[Request]) -> str:
    """sha256 over what is asked: messages and choices of every request, in order."""
    total = hashlib.sha256()
    for asked in requests:
        shown = [[m.role, m.content] for m in asked.messages], asked.choices, asked.context_per_choice
        total.update(json.dumps(shown, ensure_ascii=True).encode())
    return total.hexdigest()

"""What `run.json` says: what was run, how, by whom it was judged, and in which world. Never a secret.

These records are the one place that says so: the schema for files from elsewhere is made from them (`runs.schema`).
What is open by nature (what a model says of itself, hardware, versions) stays a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evalharness.data.rows import DataKind
from evalharness.data.typed import ALWAYS, Count, Kept
from evalharness.runs.figures import KeptEstimate

FORMAT = 1
# Rises with every change of the records of a run's files; tests/runs/test_records.py says what else that takes.
SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts(Kept):
    """Where a benchmark's questions came from. `sha256` is of the questions, `rows_sha256` of the rows that they are
    made of and the right answers, whatever the prompt; `origin` is shown; `path` (absolute, of a folder or file) and
    `described_by` (the file that describes the benchmark) find them again from any folder, and decide nothing."""

    origin: str | None = field(default=None, metadata=ALWAYS)
    revision: str | None = field(default=None, metadata=ALWAYS)
    sha256: str | None = field(default=None, metadata=ALWAYS)
    repeated: Mapping[str, str] = field(default_factory=dict)
    kind: DataKind | None = None  # None: a run of version 0.1.0
    path: str | None = None
    described_by: str | None = None
    rows_sha256: str | None = None  # None: a run of schema_version 2 or earlier

    @property
    def imported(self) -> bool:
        """The answers were judged elsewhere: these are not the benchmark's own questions."""
        return self.kind == "imported" or str(self.origin).endswith("(imported)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFacts(Kept):
    """How the answers of a run were drawn."""

    temperature: float | None = field(default=None, metadata=ALWAYS)
    top_p: float | None = field(default=None, metadata=ALWAYS)
    seed: int | None = field(default=None, metadata=ALWAYS)
    max_tokens: int | None = field(default=None, metadata=ALWAYS)
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSampling(Kept):
    """How the answers to one benchmark were drawn, where that is not how the run's others were."""

    temperature: float | None = field(default=None, metadata=ALWAYS)
    top_p: float | None = field(default=None, metadata=ALWAYS)
    max_tokens: int | None = None
    seed: int | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatFacts(Kept):
    """One judge of a panel: what makes two verdicts comparable."""

    seat: str
    judge: str | None = None
    prompt_sha256: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingUsage(Kept):
    """What a judging took."""

    calls: Count = field(default=0, metadata=ALWAYS)
    cached: Count = field(default=0, metadata=ALWAYS)
    tokens_in: Count = field(default=0, metadata=ALWAYS)
    tokens_out: Count = field(default=0, metadata=ALWAYS)
    cost: float | None = field(default=None, metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingFacts(Kept):
    """Who judged, how, and what that took. `against` is `reference`, a run, or '' where nothing was compared."""

    judging: str | None = field(default=None, metadata=ALWAYS)
    score: str | None = field(default=None, metadata=ALWAYS)
    seats: tuple[SeatFacts, ...] = field(default=(), metadata=ALWAYS)
    order: str = field(default="", metadata=ALWAYS)
    seed: int = field(default=0, metadata=ALWAYS)
    against: str = field(default="reference", metadata=ALWAYS)
    aggregate: str = field(default="mean", metadata=ALWAYS)
    weights: Mapping[str, float] = field(default_factory=dict, metadata=ALWAYS)
    criteria: tuple[Mapping[str, Any], ...] = field(default=(), metadata=ALWAYS)
    usage: JudgingUsage | None = None
    not_judged: Mapping[str, Count] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawFacts(Kept):
    """How the items of a run were drawn that asks fewer (`--budget-items`): how many of how many, by which earlier
    runs, the smallest chance of an item, and the hash of the whole draw, which `drawn.json` has."""

    budget: Count
    population: Count
    seed: int
    using: tuple[str, ...]
    least_probability: float
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WordingFacts(Kept):
    """A wording that every item was asked in: the name of its file (`own`: the benchmark's), its template's hash."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFacts(Kept):
    """How one benchmark was asked: what decides whether two runs of it may be compared."""

    mode: str | None = field(default=None, metadata=ALWAYS)
    shots: Count | None = field(default=None, metadata=ALWAYS)
    limit: Count | None = field(default=None, metadata=ALWAYS)
    seed: int | None = field(default=None, metadata=ALWAYS)
    repeats: Count = field(default=1, metadata=ALWAYS)
    items: Count
    items_published: Count | None = field(default=None, metadata=ALWAYS)
    data: DataFacts = field(default_factory=DataFacts, metadata=ALWAYS)
    prompt_sha256: str | None = field(default=None, metadata=ALWAYS)
    wants_judge: str | None = None
    code_sha256: str | None = None  # of a task file's functions
    sampling: OwnSampling | None = None
    judge: JudgingFacts | None = None
    drawn: DrawFacts | None = None
    wordings: tuple[WordingFacts, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts(Kept):
    """Which model answered; `extra` is what its kind says of itself."""

    name: str | None = field(default=None, metadata=ALWAYS)
    fingerprint: str | None = field(default=None, metadata=ALWAYS)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The parameters that an endpoint refused, so that answers were drawn without them. Those that it takes under
        another name, or fewer of, change no answer."""
        said = self.extra.get("refused_parameters")
        found = said.items() if isinstance(said, Mapping) else ()
        return tuple(sorted(str(name) for name, done in found if done == "left out"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFacts(Kept):
    """The options of a run; those that decide what its answers are worth by name, the others in `extra`."""

    check: str | None = None
    workers: int | None = None
    sandbox_packages: tuple[str, ...] | None = None
    skip_unanswered: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Kept):
    """What decides a run's answers: two runs that agree in it may share one folder. By benchmark its deciding facts
    and the hash of its questions."""

    model: str | None = field(default=None, metadata=ALWAYS)
    sampling: SamplingFacts | None = field(default=None, metadata=ALWAYS)
    benchmarks: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata=ALWAYS)
    data: Mapping[str, str | None] | None = field(default=None, metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState(Kept):
    """The commit of the working folder, and whether it had changes."""

    commit: str | None = None
    changed: bool = field(default=False, metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFacts(Kept):
    """What the answers to one benchmark took."""

    seconds: float | None = field(default=None, metadata=ALWAYS)
    tokens_in: float | None = field(default=None, metadata=ALWAYS)
    tokens_out: float | None = field(default=None, metadata=ALWAYS)
    cost: float | None = field(default=None, metadata=ALWAYS)
    seconds_each: KeptEstimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFacts(Kept):
    """What the sequential rule decided of one benchmark, after how many of how many items, and its e-values."""

    decision: Literal["pass", "fail"] | None
    counted: Count
    planned: Count
    margin: float
    e_pass: float
    e_fail: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialFacts(Kept):
    """The sequential rule that watched a run, and against what."""

    against: str | None = field(default=None, metadata=ALWAYS)
    fingerprint: str | None = field(default=None, metadata=ALWAYS)
    alpha: float | None = field(default=None, metadata=ALWAYS)
    seed: int | None = field(default=None, metadata=ALWAYS)
    benchmarks: Mapping[str, WatchedFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEnd(Kept):
    """What ended a run before all was asked: which option, how much it allowed, and how much was used of it (US
    dollars, tokens or minutes). What was asked is a seeded random part of the questions."""

    option: Literal["max_cost", "max_tokens_total", "max_minutes"]
    allowed: float
    used: float
    asked: Count
    planned: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyFacts(Kept):
    """What asking one benchmark twice showed: how many items flipped by themselves, and which."""

    n: Count
    flips: Count | None = field(default=None, metadata=ALWAYS)
    rate: float
    rate_low: float | None = field(default=None, metadata=ALWAYS)
    rate_high: float | None = field(default=None, metadata=ALWAYS)
    difference: float | None = field(default=None, metadata=ALWAYS)
    low: float | None = field(default=None, metadata=ALWAYS)
    high: float | None = field(default=None, metadata=ALWAYS)
    ids: tuple[str, ...] = field(default=(), metadata=ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyFile(Kept):
    """`flaky.json`, which `evalh flaky` leaves in a run's folder."""

    format: Count = field(default=1, metadata=ALWAYS)
    benchmarks: Mapping[str, FlakyFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsFile(Kept):
    """`labels.json`, which `evalh judge calibrate` leaves in a run's folder: what people said of the judged answers,
    0 to 1 by item. `score` is the one that the judging made, `chances` how likely each label was to be asked for, where
    some were likelier than others."""

    format: Count = field(default=1, metadata=ALWAYS)
    judging: str
    score: str
    labels: Mapping[str, float]
    chances: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for what, kept, least in (("label", self.labels, 0.0), ("chance", self.chances or {}, 1e-12)):
            odd = next((name for name, value in kept.items() if not least <= value <= 1), None)
            if odd is not None:
                raise ValueError(f"the {what} of {odd!r:.60} is {kept[odd]!r}, wanted {least:g} to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Kept):
    """`run.json`. `usage`, `scorers`, `sha256` and `sequential` come when answers are there, `judgings` from a judge;
    `flaky` is in a baseline's only, `ended_by` in that of a run whose budget was used up."""

    format: Count = field(default=FORMAT, metadata=ALWAYS)
    schema_version: Count = 1
    scoring_version: Count = 1
    name: str | None = field(default=None, metadata=ALWAYS)
    model: ModelFacts = field(default_factory=ModelFacts, metadata=ALWAYS)
    benchmarks: Mapping[str, BenchmarkFacts]
    sampling: SamplingFacts | None = field(default=None, metadata=ALWAYS)
    options: OptionFacts | None = None
    identity: Identity | None = None
    reading_rules: Count = 1
    created: str | None = field(default=None, metadata=ALWAYS)
    versions: Mapping[str, Any] | None = field(default=None, metadata=ALWAYS)
    hardware: Mapping[str, Any] | None = field(default=None, metadata=ALWAYS)
    git: GitState | None = field(default=None, metadata=ALWAYS)
    command: tuple[str, ...] | None = field(default=None, metadata=ALWAYS)
    usage: Mapping[str, UsageFacts] | None = None
    scorers: Mapping[str, Any] | None = None
    sha256: Mapping[str, str] | None = None
    sequential: SequentialFacts | None = None
    judgings: Mapping[str, JudgingFacts] | None = None
    flaky: Mapping[str, FlakyFacts] | None = None
    ended_by: BudgetEnd | None = None

    @property
    def scored_by(self) -> tuple[int, int]:
        """The versions of the scoring rules and of the reading rules; runs of the first ones do not say them."""
        return self.scoring_version, self.reading_rules

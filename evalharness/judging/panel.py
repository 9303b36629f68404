"""Who judges: from what the user says (`openai:gpt-4o`, `score=openai:gpt-4o`, `panel=A,B,C`) to judges with models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.errors import DataError, UserError, option_name
from evalharness.judge import Criterion, Judge, Panel
from evalharness.judging.published import with_published
from evalharness.model import Model, Priced
from evalharness.runs import cache
from evalharness.runs.manifest import SeatFacts


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """What the command line says about judging. None stands for the judge's own choice.

    `against` is `reference` or a run. `max_cost` is in US dollars; `beside_answers`: what the run's answers cost is
    part of it. `retries` bounds how often an unreadable reply is asked again, `retest` is the number of answers judged
    twice, `again` asks anew what has no verdict. `cache` None keeps no replies. `template` is `published[=PATH]`: the
    authors' own prompt, sought in `folders` where no path is given. `model` are options of the judge's model, by name.
    `benchmarks` names
    those (or their families) whose answers are judged; none means all.
    """

    against: str | None = None
    order: Literal["both", "seeded"] | None = None
    seed: int = 0
    criteria: Path | None = None
    aggregate: str | None = None
    weights: tuple[float, ...] = ()
    max_cost: float | None = None
    beside_answers: bool = False
    retries: int = 2
    retest: int = 0
    again: bool = False
    temperature: float | None = None
    max_tokens: int | None = None
    cache: Path | None = None
    template: str | None = None
    folders: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    model: Mapping[str, object] = field(default_factory=dict)

    def judges(self, benchmark: str) -> bool:
        """Whether the answers to a benchmark are to be judged."""
        plain = benchmark.removesuffix("@sample")
        return not self.benchmarks or not {benchmark, plain, plain.partition("/")[0]}.isdisjoint(self.benchmarks)

    def check(self) -> None:
        """UserError for what makes no sense."""
        if self.order not in (None, "both", "seeded"):
            raise UserError(f"{option_name('order')} wants both or seeded, there is {self.order!r}")
        if self.max_cost is not None and self.max_cost < 0:
            raise UserError(f"{option_name('max_cost')} wants US dollars, 0 or more; there is {self.max_cost:g}")
        if self.temperature is not None and self.temperature < 0:
            raise UserError(f"{option_name('temperature')} wants 0 or more")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise UserError(f"{option_name('max_tokens')} wants 1 or more; there is {self.max_tokens}")
        if self.retries < 0 or self.retest < 0:
            raise UserError(f"{option_name('retries')} and {option_name('retest')} want 0 or more")


@dataclass(frozen=True, kw_only=True)
class PanelMember:
    """One judge with its model."""

    name: str
    judge: Judge
    model: Model

    @property
    def prices(self) -> tuple[float, float] | None:
        return self.model.prices if isinstance(self.model, Priced) else None

    def facts(self) -> SeatFacts:
        """What makes two verdicts comparable."""
        return SeatFacts(
            seat=self.name,
            judge=self.judge.name,
            prompt_sha256=self.judge.sha,
            model=self.model.name,
            fingerprint=self.model.fingerprint,
            template="published" if self.judge.messages is not None else None,
        )


@dataclass(frozen=True, kw_only=True)
class JudgePanel:
    """One judge, or the members of a panel. All make the same score."""

    name: str
    seats: tuple[PanelMember, ...]
    aggregate: str = "mean"
    weights: Mapping[str, float] = field(default_factory=dict)
    criteria: tuple[Criterion, ...] = ()

    @property
    def score(self) -> str:
        return self.seats[0].judge.score

    @property
    def pairs(self) -> bool:
        return self.seats[0].judge.kind == "pairwise"


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


def open_panel(spec: str, default: str, options: JudgeOptions) -> JudgePanel:
    """The judges that `spec` names; `default` is the judge where it names a model only. UserError for what is wrong."""
    options.check()
    name, models = _split(spec, default)
    found = plugins.load_judge(name)
    if isinstance(found, Panel):
        return _panel(spec, found, models, options, default)
    seats = (_seat(found, models, options),)
    if options.aggregate or options.weights:
        raise UserError(
            f"{option_name('aggregate')} and {option_name('weights')} are for panels: {option_name('judge')} "
            "panel=MODEL,MODEL"
        )
    return JudgePanel(name=seats[0].name, seats=seats, criteria=_criteria(seats, options))


def _split(spec: str, default: str) -> tuple[str, str]:
    """Judge and model of `JUDGE=MODEL` or `MODEL`."""
    match = re.fullmatch(r"([\w-]+(?:/[\w-]+)?|[^=]+\.ya?ml(?:#[\w-]+)?)=(.+)", spec)
    if match:
        return match[1], match[2]
    if spec.partition("/")[0] in plugins.modules("judges"):
        raise UserError(
            f"{option_name('judge', spec)} names no model; say {option_name('judge', spec)}=MODEL, such as "
            f"{spec}=openai:gpt-4o"
        )
    return default, spec


def _panel(spec: str, panel: Panel, models: str, options: JudgeOptions, default: str) -> JudgePanel:
    members = [m for m in models.split(",") if m]
    if len(members) < 2:
        raise UserError(f"{option_name('judge', spec)}: a panel wants two judges or more, separated by commas")
    seats: list[PanelMember] = []
    chosen = [_split(member, default if default != panel.name else panel.member) for member in members]
    for name, model in chosen:
        judge = plugins.load_judge(name)
        if isinstance(judge, Panel):
            raise UserError(f"{option_name('judge', spec)}: a panel cannot sit on a panel")
        seat = _seat(judge, model, replace(options, model=_own(options.model, model, [m for _, m in chosen])))
        taken = sum(s.name.partition("#")[0] == seat.name for s in seats)
        seats.append(
            PanelMember(name=f"{seat.name}#{taken + 1}" if taken else seat.name, judge=judge, model=seat.model)
        )
    if len({(s.judge.score, s.judge.kind) for s in seats}) > 1:
        raise UserError(
            f"{option_name('judge', spec)}: these judges measure different things; a panel's members must agree in that"
        )
    aggregate = options.aggregate or ("weights" if options.weights else panel.aggregates[0])
    if aggregate not in panel.aggregates:
        raise UserError(f"{option_name('aggregate', aggregate)}: there is {', '.join(panel.aggregates)}")
    if (aggregate == "weights") != bool(options.weights) or len(options.weights) not in (0, len(seats)):
        raise UserError(
            f"{option_name('weights')} wants one number for each of the {len(seats)} judges (such as measured "
            "accuracies)"
        )
    if any(w < 0 for w in options.weights) or (options.weights and not any(options.weights)):
        raise UserError(f"{option_name('weights')} wants numbers of 0 or more, not all 0")
    weights = {s.name: w for s, w in zip(seats, options.weights, strict=False)}
    together = f"panel[{aggregate}]=" + ",".join(s.name for s in seats)
    criteria = _criteria(seats, options)
    return JudgePanel(name=together, seats=tuple(seats), aggregate=aggregate, weights=weights, criteria=criteria)


def _own(given: Mapping[str, object], model: str, all_models: Sequence[str]) -> dict[str, object]:
    """The options that one model of a panel gets: those it takes, and those that none takes, to be refused."""
    return {
        name: value
        for name, value in given.items()
        if plugins.takes_option(model, name) or not any(plugins.takes_option(other, name) for other in all_models)
    }


def _seat(judge: Judge, model: str, options: JudgeOptions) -> PanelMember:
    if options.temperature is not None:
        judge = replace(judge, temperature=options.temperature)
    if options.max_tokens is not None:
        judge = replace(judge, max_tokens=options.max_tokens)
    if options.template is not None:
        judge = with_published(judge, options.template, options.folders)
    opened = plugins.load_model(model, options.model)
    if options.cache is not None:
        opened = cache.with_cache(opened, options.cache)
    return PanelMember(name=f"{judge.name}={opened.name}", judge=judge, model=opened)


def _criteria(seats: Any, options: JudgeOptions) -> tuple[Criterion, ...]:
    """The user's rubric: a YAML or JSON list of {name, description, weight}."""
    wanted = any(s.judge.needs_criteria for s in seats)
    if not wanted:
        return ()
    if options.criteria is None:
        raise UserError(
            f"the judge `rubric` wants {option_name('criteria', 'FILE')}, a YAML or JSON list of "
            f"{{name, description, weight}}"
        )
    from evalharness.data.yaml_lines import parsed

    rows, _ = parsed(options.criteria)
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{options.criteria}: wanted a list of {{name, description, weight}}")
    found: list[Criterion] = []
    for number, row in enumerate(rows, 1):
        try:
            criterion = Criterion(
                name=str(row["name"]), description=str(row["description"]), weight=float(row.get("weight", 1.0))
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{options.criteria}: criterion {number} wants name, description, weight") from error
        if not criterion.weight > 0 or criterion.name in {c.name for c in found}:
            raise DataError(f"{options.criteria}: criterion {number} wants a weight above 0 and a name of its own")
        found.append(criterion)
    return tuple(found)

"""A run made again from its manifest alone, and whether it is the same: byte for byte, within noise, or different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError
from evalharness.records import Result
from evalharness.runs.again import made_again
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import SUMMARY, Run, find_run
from evalharness.stats.paired import paired_mean

ReproductionVerdict = Literal["same bytes", "same within noise", "different"]

# Facts of a benchmark that decide its answers or what they are worth.
_ASKED = (
    "data", "prompt_sha256", "mode", "shots", "repeats", "items", "limit", "code_sha256", "sampling", "judge", "drawn",
)  # fmt: skip
_LEVEL = 0.95
_UNKNOWN = "nothing that the manifest holds: the model or its server answers otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unequal:
    """A thing that the manifest names and that is not now as it was then."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} ({self.then} then, {self.now} now)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducedTask:
    """One benchmark of both runs: how many of n answers are the very same, how many items were scored otherwise, and
    the paired difference (now minus then) with its interval."""

    n: int
    same_answers: int
    moved: int
    missing: int
    difference: float | None
    low: float | None
    high: float | None

    @property
    def beyond_noise(self) -> bool:
        """Whether the difference is more than chance, or answers are missing."""
        return self.missing > 0 or (self.low is not None and self.high is not None and not self.low <= 0 <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """The verdict, and why: `asked_otherwise` decides what is answered, `not_held` is the world around it."""

    run: str
    again: str
    verdict: ReproductionVerdict
    because: tuple[str, ...]
    asked_otherwise: tuple[Unequal, ...]
    not_held: tuple[Unequal, ...]
    benchmarks: Mapping[str, ReproducedTask]

    @property
    def exit_code(self) -> int:
        """0 for the same, 1 for another figure, 4 where something else was asked."""
        if self.verdict != "different":
            return Exit.FINE
        return Exit.NOT_COMPARABLE if self.asked_otherwise else Exit.GATE_FAILED


def reproduce_run(name: str, again: str | None, *, runs: Path = Path("runs"), consent: bool = False) -> Reproduction:
    """Make a run again (or take `again` for it) and hold both together. UserError where the manifest does not say how
    it was made, or names what it takes `consent` to do."""
    run = find_run(name, runs)
    if not run.finished:
        raise UserError(f"{run.path} is not finished: give its command again and it goes on", Exit.NOT_WHOLE)
    second = find_run(again, runs) if again is not None else made_again(run, runs, consent=consent)
    if not second.finished:
        raise UserError(f"{second.path} is not finished: give the same command again and it goes on", Exit.NOT_WHOLE)
    return held_together(run, second)


def held_together(run: Run, again: Run) -> Reproduction:
    """Both runs compared: what was asked, what was answered, and the world around."""
    asked, world = tuple(_asked_otherwise(run, again)), tuple(_not_held(run.manifest, again.manifest))
    common = [name for name in run.manifest.benchmarks if name in again.manifest.benchmarks]
    level = 1 - (1 - _LEVEL) / max(1, len(common))
    tasks = {name: _reproduced(run.results(name), again.results(name), level) for name in common}
    alike = all(task.same_answers == task.n and not task.missing and not task.moved for task in tasks.values())
    same = alike and (run.path / SUMMARY).read_bytes() == (again.path / SUMMARY).read_bytes()
    verdict: ReproductionVerdict
    if asked:
        verdict, because = "different", tuple(map(str, asked))
    elif same:
        verdict, because = "same bytes", ()
    elif any(task.beyond_noise for task in tasks.values()):
        verdict = "different"
        because = tuple(map(str, world)) or (_UNKNOWN,)
    else:
        verdict, because = "same within noise", tuple(map(str, world))
    return Reproduction(
        run=str(run.path), again=str(again.path), verdict=verdict, because=because, asked_otherwise=asked,
        not_held=world, benchmarks=tasks,
    )  # fmt: skip


def _asked_otherwise(run: Run, again: Run) -> Iterator[Unequal]:
    """What decides the answers and is not the same."""
    then, now = run.manifest, again.manifest
    if then.model.fingerprint != now.model.fingerprint:
        yield _unequal("model", then.model.fingerprint, now.model.fingerprint)
    if then.sampling != now.sampling:
        yield _unequal("sampling", to_json(then.sampling), to_json(now.sampling))
    if then.scored_by != now.scored_by:
        yield _unequal("versions of the scoring and reading rules", then.scored_by, now.scored_by)
    for name in dict.fromkeys([*then.benchmarks, *now.benchmarks]):
        first, second = (manifest.benchmarks.get(name) for manifest in (then, now))
        if first is None or second is None:
            yield _unequal(f"benchmark {name}", "asked" if first else "not asked", "asked" if second else "not asked")
            continue
        for field in _ASKED:
            before, after = (one.data.sha256 if field == "data" else getattr(one, field) for one in (first, second))
            if before != after:
                yield _unequal(f"{field.removesuffix('_sha256')} of {name}", before, after)


def _not_held(then: Manifest, now: Manifest) -> Iterator[Unequal]:
    """The world around: what may move an answer and was not the same."""
    for what, before, after in (
        ("version of", then.versions, now.versions),
        ("hardware:", then.hardware, now.hardware),
        ("model:", then.model.extra, now.model.extra),
    ):
        one, other = dict(before or {}), dict(after or {})
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                yield _unequal(f"{what} {key}", one.get(key), other.get(key))
    if then.git != now.git:
        yield _unequal("commit", to_json(then.git), to_json(now.git))


def _unequal(what: str, then: object, now: object) -> Unequal:
    return Unequal(what=what, then=_short(then), now=_short(now))


def _short(value: object) -> str:
    text = "nothing" if value is None else str(to_json(value))
    return text if len(text) <= 40 else f"{text[:12]}…{text[-8:]}"


def _reproduced(then: Sequence[Result], now: Sequence[Result], level: float) -> ReproducedTask:
    import numpy as np

    first, second = ({(r.sample.id, r.repeat): r for r in results} for results in (then, now))
    both = [key for key in first if key in second]
    same = sum(_answer(first[key]) == _answer(second[key]) for key in both)
    moved = [key for key in both if (first[key].status, first[key].scores) != (second[key].status, second[key].scores)]
    items: dict[str, list[float]] = {}
    for key in both:
        before, after = first[key], second[key]
        score = next(iter(before.scores), None)
        if score is not None and score in after.scores and "error" not in (before.status, after.status):
            items.setdefault(key[0], []).append(after.scores[score] - before.scores[score])
    differences = np.array([sum(found) / len(found) for found in items.values()])
    failed = sum((first[key].status == "error") != (second[key].status == "error") for key in both)
    missing = len(first.keys() ^ second.keys()) + failed
    if not len(differences):
        return ReproducedTask(
            n=len(both), same_answers=same, moved=len(moved), missing=missing, difference=None, low=None, high=None
        )
    pair = paired_mean(differences, level)
    return ReproducedTask(
        n=len(both), same_answers=same, moved=len(moved), missing=missing, difference=pair.value, low=pair.low,
        high=pair.high,
    )  # fmt: skip


def _answer(result: Result) -> tuple[object, ...]:
    """What the model said, without how long it took."""
    response = result.response
    return response.text, response.logprobs, response.finish, response.error

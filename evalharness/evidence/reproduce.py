"""A run made again from its manifest alone, and whether it is the same: byte for byte, within noise, or different."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError, option_name
from evalharness.records import Result
from evalharness.runs.imported import is_imported
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import SUMMARY, Run, find_run
from evalharness.stats.paired import paired_mean

ReproductionVerdict = Literal["same bytes", "same within noise", "different"]

# What a manifest's command names may run programs, or say secrets to strangers: nobody consents to that by a file.
_NEEDS_CONSENT = (
    "--yes-run", "--allow-outside", "--trust-task-code", "--engine-python", "--vllm-python", "--engine-args",
    "--model-option", "--base-url", "--judge-base-url", "--header", "--sandbox-packages", "function:",
)  # fmt: skip
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
    second = find_run(again, runs) if again is not None else _made_again(run, runs, consent=consent)
    if not second.finished:
        raise UserError(f"{second.path} is not finished: give the same command again and it goes on", Exit.NOT_WHOLE)
    return held_together(run, second)


def _made_again(run: Run, runs: Path, *, consent: bool) -> Run:
    words = command_of(run, consent=consent)
    return given_again([*words[2:], "--no-cache"], run.manifest, _new_name(runs, f"{run.name}-again"))


def command_of(run: Run, *, consent: bool) -> list[str]:
    """The command that made a run, without what belongs to that run alone. UserError where it is none that can be
    given again, or names what it takes `consent` to do."""
    words = list(run.manifest.command or ())
    _may_be_given(run, words, consent=consent)
    for option in ("--shard", "--against", "--margin", "--log-to"):
        words = _without(words, option)
    return [word for word in words if word != "--json"]


def given_again(words: Sequence[str], manifest: Manifest, folder: Path) -> Run:
    """The run in `folder` that `evalh run` makes with these words, from where those of the manifest were given.
    UserError where it fails."""
    options = ["--name", folder.name, "--runs", str(folder.parent.absolute())]
    made = subprocess.run(
        [sys.executable, "-m", "evalharness", "run", *words, *options], stdout=sys.stderr, check=False,
        cwd=_where_given(words, manifest),
    )  # fmt: skip
    if made.returncode not in (Exit.FINE, Exit.NOT_WHOLE):
        raise UserError(
            f"it could not be made again (exit {made.returncode}, see above): evalh run {' '.join(words)}",
            Exit.NOT_WHOLE,
        )
    return Run(folder)


def _new_name(runs: Path, name: str) -> Path:
    """A folder for a run that is made again: one that was stopped goes on, a finished one is left as it is."""
    folder, number = runs / name, 2
    while Run(folder).finished:
        folder, number = runs / f"{name}-{number}", number + 1
    return folder


def _is_suite(word: str, run: Run) -> bool:
    """Whether what a command runs is a suite's file, and not the file that describes a benchmark of the run."""
    files = [Path(facts.data.described_by) for facts in run.manifest.benchmarks.values() if facts.data.described_by]
    return word.endswith((".yaml", ".yml")) and not any(file.match(word) for file in files)


def _may_be_given(run: Run, words: Sequence[str], *, consent: bool) -> None:
    """UserError where the manifest's command is none that makes this run, or one that a file cannot consent to."""
    own = f"make it again yourself with another {option_name('name')} and give both runs"
    if any(is_imported(facts) for facts in run.manifest.benchmarks.values()):
        raise UserError(f"{run.path} was imported: the program that made it has to make it again")
    if len(words) < 3 or words[1] != "run" or "***" in words or any("=***" in word for word in words):
        raise UserError(f"{run.path}: its manifest has no whole command of `evalh run`; {own}")
    if run.manifest.sequential is not None:
        raise UserError(f"{run.path} was ended early by a comparison, which is not made again; {own}")
    if _is_suite(words[2], run):
        raise UserError(f"{run.path} is of the suite {words[2]}; {own}")
    risky = [word for word in words[2:] if word.startswith(_NEEDS_CONSENT) or word.endswith(".py")]
    risky += [f"--sandbox {word}" for before, word in pairwise(words) if before == "--sandbox"]
    risky += [word for word in words if word.startswith(("--sandbox=", "--model=function:", "-mfunction:"))]
    if risky and not consent:
        raise UserError(
            f"{run.path}: its command has {risky[0]!r:.80}, to which a file cannot consent; look at the command in "
            f"run.json and give {option_name('yes_run_its_command')}"
        )


def _without(words: Sequence[str], option: str) -> list[str]:
    """A command without an option and its value, as often as it is there."""
    kept, skip = [], False
    for word in words:
        if not skip and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        skip = word == option
    return kept


def _where_given(words: Sequence[str], manifest: Manifest) -> Path:
    """The folder from which the command's own files are where the manifest says that they were; this one where it names
    none, or they are here too."""
    places = {
        place for one in manifest.benchmarks.values() for place in (one.data.path, one.data.described_by) if place
    }
    for word in words:
        relative = Path(word)
        if not word or word.startswith("-") or relative.is_absolute() or relative.exists():
            continue
        for place in map(Path, places):
            if place.exists() and place.match(word):
                return Path(*place.parts[: -len(relative.parts)])
    return Path()


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

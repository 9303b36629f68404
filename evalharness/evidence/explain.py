"""Why two runs differ: a sample of items is asked again with one option changed at a time, until nothing is left.

The first run's command is given again, then with the options of the second one after another, those first that are
known to move scores most. What each step moves is a paired difference over the same items.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness import options
from evalharness.comparison.by_content import paired_by_content
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.scores import journal_scores
from evalharness.comparison.settings import known_effect
from evalharness.errors import UserError
from evalharness.events import Told, tell
from evalharness.runs.again import command_of, given_again
from evalharness.runs.figures import Summary
from evalharness.runs.imported import is_imported
from evalharness.runs.items import save_items
from evalharness.runs.store import JOURNAL, Run
from evalharness.stats.paired import paired_mean

if TYPE_CHECKING:
    from evalharness.stats.paired import Paired

PLACE = ".explained"  # below the runs: what was asked again is found again
_LEVEL = 0.95
_SHORT = {"-m": "--model", "-j": "--judge"}
# Options that decide no answer, or which items are asked.
_NO_MATTER = frozenset({
    "--name", "--runs", "--json", "--no-cache", "--log-to", "--concurrency", "--limit", "--items", "--judge",
    "--judge-base-url", "--judge-against", "--judge-template", "--order", "--against", "--margin", "--max-cost",
    "--max-minutes", "--max-tokens-total", "--rpm", "--tpm", "--price-in", "--price-out", "--request-timeout",
    "--budget-items", "--using", "--subjects", "--batch-api", "--workers",
})  # fmt: skip
Option = tuple[str, ...]  # its values as they were said, in order; one empty text for a switch
ItemValues = Mapping[tuple[str, str], float]  # (benchmark, id) -> an item's score


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A mean paired difference with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether it can be told from none."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStep:
    """The sample asked once more: which option was changed ('' for none), its value before and after, the mean score,
    what that moved, and what is left to the second run."""

    option: str
    before: str
    after: str
    score: float
    moved: Moved
    left: Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The difference of two runs on a sample of items, and the steps from the first to the second."""

    base: str
    new: str
    items: int
    difference: Moved
    steps: tuple[ExplainedStep, ...]

    @property
    def explained(self) -> bool:
        """Whether what is left after the last step cannot be told from none."""
        last = self.steps[-1].left if self.steps else self.difference
        return not last.decided


def explain_difference(base: str, new: str, *, runs: Path, baselines: Path, sample: int, consent: bool) -> Explanation:
    """Ask a sample of the common items again, option by option. UserError where the first run's command is none that
    can be given again, or where nothing that differs can be changed."""
    sides = [open_side(name, runs, baselines) for name in (base, new)]
    with paired_by_content(*sides) as (first, second, _):
        known = [_values(side) for side in (first, second)]
    if is_imported_side(sides[0]):
        raise UserError(f"{sides[0].name} was imported, so it cannot be asked again; name the run of evalh first")
    command = command_of(Run(sides[0].path), consent=consent)
    start, benchmarks = _said(command)
    target = _imported_options(sides[1], start) if is_imported_side(sides[1]) else _said(_words(sides[1]))[0]
    keys = _drawn(sorted(known[0].keys() & known[1].keys()), sample)
    if not keys:
        raise UserError(f"{first.name} and {second.name} have no item in common, so nothing can be asked again")
    was, wanted = ({key: values[key] for key in keys} for values in known)
    asked = _Asked(sides[0], runs / PLACE, keys, benchmarks)
    steps, now, so_far = [], dict(start), asked.values(start)
    steps.append(_step("", "", "", (was, so_far, wanted)))
    for name in _differing(start, target):
        if not steps[-1].left.decided:
            break
        tell(Told(text=f"{name}: {_shown(now.get(name))} is now {_shown(target.get(name))}"))
        before = so_far
        now = {key: value for key, value in now.items() if key != name}
        now |= {name: target[name]} if name in target else {}
        so_far = asked.values(now)
        steps.append(_step(name, _shown(start.get(name)), _shown(target.get(name)), (before, so_far, wanted)))
    return Explanation(
        base=first.name, new=second.name, items=len(keys), difference=_moved(was, wanted), steps=tuple(steps)
    )


def is_imported_side(side: Side) -> bool:
    """Whether another program made a run."""
    return any(is_imported(facts) for facts in side.facts.values())


def _values(side: Side) -> dict[tuple[str, str], float]:
    """The headline score of every item that has one. UserError for a baseline, which has no answers to go on from."""
    if side.journal is None:
        raise UserError(f"{side.name} is a baseline; name the run itself, whose command can be given again")
    return _item_values(side.journal, side.summary)


def _item_values(journal: Path, summary: Summary) -> dict[tuple[str, str], float]:
    """The headline score of every item of a journal that has one."""
    headlines = {name: entry.headline for name, entry in summary.benchmarks.items() if entry.headline is not None}
    return {
        (name.removesuffix("@sample"), identity): float(value)
        for name, scores in journal_scores(journal, headlines).items()
        for identity, value in zip(scores.ids, scores.values, strict=True)
        if value == value
    }


def _drawn(keys: Sequence[tuple[str, str]], sample: int) -> list[tuple[str, str]]:
    """A sample of the items, the same every time."""
    return sorted(keys, key=lambda key: hashlib.sha256("\0".join(key).encode()).digest())[:sample]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Asks the sample with options, and keeps what was answered under their hash."""

    side: Side
    place: Path
    keys: Sequence[tuple[str, str]]
    benchmarks: Sequence[str]

    def values(self, said: Mapping[str, Option]) -> dict[tuple[str, str], float]:
        """The score of every item of the sample that has one."""
        items = self.place / f"{_hash(self.keys)}.jsonl"
        if not items.exists():
            save_items(items, [(benchmark, identity, "explain") for benchmark, identity in self.keys])
        words = [*self.benchmarks]
        for name, values in said.items():
            for value in values:
                words += [name, value] if value else [name]
        folder = self.place / _hash([self.side.name, *words, items.name])
        run = Run(folder)
        if not run.finished:
            words += ["--items", os.fspath(items.absolute())]
            run = given_again(words, self.side.manifest, folder)
        return _item_values(run.path / JOURNAL, run.summary)


def _hash(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _words(side: Side) -> list[str]:
    words = list(side.manifest.command or ())
    if len(words) < 3 or words[1] != "run":
        raise UserError(f"{side.name}: its manifest has no whole command of `evalh run`, so its options are not known")
    return words[1:]


def _said(words: Sequence[str]) -> tuple[dict[str, Option], list[str]]:
    """The options of a command that decide answers, and the benchmarks that it names; `words` begin with `run`."""
    switches = _switches()
    found: dict[str, list[str]] = {}
    named: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not word.startswith("-"):
            named.append(word)
        elif name in switches:
            found.setdefault(name, []).append("")
        else:
            found.setdefault(name, []).append(value if equals else next(rest, ""))
    return {name: tuple(values) for name, values in found.items() if name not in _NO_MATTER}, named


def _switches() -> set[str]:
    """The flags that take no value, by the declarations of the options."""
    found = {"--json"}
    for group in vars(options).values():
        if isinstance(group, type) and hasattr(group, "__dataclass_fields__"):
            for each in fields(group):
                if isinstance(each.default, bool):
                    word = each.metadata.get("flag") or f"--{each.name.replace('_', '-')}"
                    found |= {word, f"--no-{word.removeprefix('--')}"}
    return found


def _imported_options(side: Side, start: Mapping[str, Option]) -> dict[str, Option]:
    """What a run of another program says of how it asked, over the options of ours."""
    facts = next(iter(side.facts.values()))
    sampling = side.manifest.sampling
    said: dict[str, Any] = {"--shots": facts.shots, "--mode": facts.mode}
    said |= {f"--{name.replace('_', '-')}": getattr(sampling, name, None) for name in ("temperature", "max_tokens")}
    return {**start, **{name: (str(value),) for name, value in said.items() if value is not None}}


def _differing(start: Mapping[str, Option], target: Mapping[str, Option]) -> list[str]:
    """The options that differ, those first that are known to move scores most; the model last, which moves all."""
    names = [name for name in dict.fromkeys([*start, *target]) if start.get(name) != target.get(name)]

    def rank(name: str) -> tuple[bool, int]:
        return name == "--model", known_effect(name.removeprefix("--").replace("-", "_"))[0]

    return sorted(names, key=rank)


def _step(option: str, before: str, after: str, values: tuple[ItemValues, ItemValues, ItemValues]) -> ExplainedStep:
    """What a step moved, and what is left: `values` are those before it, after it, and of the second run."""
    was, now, wanted = values
    return ExplainedStep(
        option=option, before=before, after=after, score=sum(now.values()) / max(1, len(now)),
        moved=_moved(was, now), left=_moved(now, wanted),
    )  # fmt: skip


def _moved(first: ItemValues, second: ItemValues) -> Moved:
    """The mean difference over the items that both have."""
    import numpy as np

    both = [key for key in first if key in second]
    if not both:
        raise UserError("no item of the sample has an answer on both sides: the model failed; see its warnings above")
    found: Paired = paired_mean(np.array([second[key] - first[key] for key in both]), _LEVEL)
    return Moved(value=found.value, low=found.low, high=found.high)


def _shown(option: Option | None) -> str:
    """An option's value in a few characters."""
    if option is None:
        return "not said"
    return " ".join(option) or "said"

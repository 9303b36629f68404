"""One judging of a run, with all that bears on it: what every check of an audit looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from evalharness.errors import UserError, nearest, option_name
from evalharness.judging.cases import answer_of, reference_of
from evalharness.records import Result, Verdict
from evalharness.runs.manifest import JudgingFacts
from evalharness.runs.store import Run, find_run
from evalharness.text.visible import shell_word


@dataclass(frozen=True)
class Evidence:
    """A judging with all that bears on it."""

    run: Run
    judging: str
    results: tuple[Result, ...]

    @property
    def facts(self) -> JudgingFacts:
        """What the manifest says of the judging; nothing of one that was made elsewhere."""
        return (self.run.manifest.judgings or {}).get(self.judging, JudgingFacts())

    def verdicts(self, result: Result, *, retest: bool = False) -> list[Verdict]:
        own = (v for v in result.verdicts if v.extra.get("judging") == self.judging)
        return [v for v in own if bool(v.extra.get("retest")) == retest]

    @cached_property
    def seats(self) -> tuple[str, ...]:
        return tuple(sorted({seat_of(v) for r in self.results for v in self.verdicts(r)}))

    @cached_property
    def pairwise(self) -> bool:
        return any(v.kind == "pairwise" for r in self.results for v in self.verdicts(r))

    @cached_property
    def values(self) -> dict[str, float]:
        """The judged value of each item that has one."""
        found: dict[str, list[float]] = {}
        for result in self.results:
            value = result.detail["judged"][self.judging]["value"]
            if value is not None:
                found.setdefault(result.sample.id, []).append(value)
        return {key: fmean(values) for key, values in found.items()}

    @cached_property
    def opponents(self) -> dict[str, str]:
        """The text that each item's answer was compared with, as far as it is at hand."""
        against = self.facts.against
        elsewhere = str(self.run.manifest.model.fingerprint).startswith("imported:")
        if elsewhere or against in ("", "reference"):
            return {r.sample.id: text for r in self.results if (text := reference_of(r)) is not None}
        try:
            other = find_run(against, self.run.path.parent)
        except UserError:
            return {}
        return {r.sample.id: answer_of(r) for r in other.results()}


def seat_of(verdict: Verdict) -> str:
    """Which judge gave a verdict."""
    return str(verdict.extra.get("seat", verdict.judge))


def evidence_of(run: Run, judging: str | None) -> Evidence:
    """One judging of a run. UserError when the run was not judged, or when it is not said which of several."""
    results = run.results()
    names = list(dict.fromkeys(name for r in results for name in r.detail.get("judged", {})))
    if not names:
        raise UserError(f"{run.name} has no verdicts; judge it first: evalh judge {shell_word(run.path)} --judge MODEL")
    if judging is None:
        if len(names) > 1:
            raise UserError(
                f"{run.name} was judged {len(names)} times; say {option_name('judging')} with one of: "
                f"{'; '.join(names)}"
            )
        judging = names[0]
    if judging not in names:
        raise UserError(f"{run.name} has no judging {judging!r}{nearest(judging, names)}; there is {'; '.join(names)}")
    return Evidence(run, judging, tuple(r for r in results if judging in r.detail.get("judged", {})))

"""Examines a judging: what the judge's verdicts depend on besides the answers' worth, and how far to trust them.

Every check gives an estimate with its interval and n, and OK, WARN, or `not identifiable`, which is a result too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from evalharness.data import files
from evalharness.data.kept import to_json
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.judging.audit import checks as audit_checks
from evalharness.judging.audit.checks import AuditCheck
from evalharness.judging.audit.evidence import Evidence, evidence_of
from evalharness.records import Estimate
from evalharness.runs.manifest import LabelsFile
from evalharness.runs.store import LABELS, Run, all_runs
from evalharness.scoring.judge_replies import winner
from evalharness.scoring.metrics import average
from evalharness.stats.agreement import cohen, confusion, powered_mean
from evalharness.stats.intervals import bounded_mean, wilson


def latest(runs: Path) -> Run:
    """The newest run that was judged. UserError when there is none."""
    judged = [run for run in all_runs(runs) if _was_judged(run)]
    if not judged:
        raise UserError(f"no run in {runs} was judged; judge one first: evalh judge RUN --judge MODEL")
    return judged[-1]


def _was_judged(run: Run) -> bool:
    try:
        return bool(run.manifest.judgings)
    except UserError:  # a broken run hides no other
        return False


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found."""

    run: str
    judging: str
    checks: tuple[AuditCheck, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "run": self.run, "judging": self.judging, "warnings": sum(c.verdict == "WARN" for c in self.checks),
            "checks": to_json(self.checks),
        }  # fmt: skip


def run_audit(run: Run, judging: str | None = None, labels: Path | None = None) -> Audit:
    """Every check of one judging. UserError for labels that do not fit the run."""
    found = evidence_of(run, judging)
    human = read_labels(labels, found) if labels is not None else None
    checks = [
        *audit_checks.parse(found),
        *audit_checks.position(found),
        *audit_checks.length(found),
        *audit_checks.formatting(found),
        *audit_checks.own_family(found, human.values if human is not None else None),
        *audit_checks.outputs(found),
        *audit_checks.retest(found),
        *audit_checks.panel_member_checks(found),
        *(humans(found, human) if human is not None else ()),
        *audit_checks.cost_checks(found),
    ]
    return Audit(run=run.name, judging=found.judging, checks=tuple(checks))


@dataclass(frozen=True, kw_only=True)
class HumanLabels:
    """What people said, 0 to 1 by item, and the chance of each to be asked for; no chances where all had the same."""

    values: Mapping[str, float]
    chances: Mapping[str, float] = field(default_factory=dict)

    def weights(self, items: Sequence[str]) -> list[float] | None:
        """What each of these items counts: one over its chance."""
        return [1 / self.chances.get(item, 1.0) for item in items] if self.chances else None

    def share(self, items: Sequence[str], right: Sequence[bool]) -> Estimate:
        """How often something holds, over all items."""
        weights = self.weights(items)
        if weights is None:
            return wilson(sum(right), len(right))
        return bounded_mean([w * one for w, one in zip(weights, right, strict=True)], weights)


def read_labels(path: Path, found: Evidence) -> HumanLabels:
    """What people said, from JSONL lines of id, label and, where some were likelier than others, chance.

    DataError for an unknown item or another scale.
    """
    known = {r.sample.id for r in found.results}
    labels: dict[str, float] = {}
    chances: dict[str, float] = {}
    for number, row in enumerate(files.jsonl(path), 1):
        identity, label = str(row.get("id", "")), row.get("label")
        if identity not in known:
            raise DataError(
                f"{path}: row {number} labels the item {identity!r}, which {found.run.name} has not"
                f"{nearest(identity, known)}"
            )
        if isinstance(label, bool) or not isinstance(label, int | float) or not 0 <= label <= 1:
            raise DataError(
                f"{path}: row {number}: wanted a label from 0 to 1 (1 = the judged answer is right, or better), "
                f"there is {label!r}"
            )
        if identity in labels:
            raise DataError(f"{path}: row {number} labels {identity!r} a second time")
        labels[identity] = float(label)
        if (chance := row.get("chance")) is not None:
            if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 < chance <= 1:
                raise DataError(f"{path}: row {number}: wanted a chance above 0 and up to 1, there is {chance!r}")
            chances[identity] = float(chance)
    if chances and len(chances) < len(labels):
        raise DataError(f"{path}: {len(chances)} of {len(labels)} labels have a chance; wanted one of all or of none")
    return HumanLabels(values=labels, chances=chances)


def humans(found: Evidence, human: HumanLabels) -> list[AuditCheck]:
    """Agreement with people on which side of the middle an answer lies."""
    labels = human.values
    both = sorted(labels.keys() & found.values.keys())
    if not both:
        return [AuditCheck.unknown("humans", "agreement", "no labelled item has a verdict")]
    truth, said = [winner(labels[i]) for i in both], [winner(found.values[i]) for i in both]
    right = human.share(both, [a == b for a, b in zip(truth, said, strict=True)])
    kappa = cohen(truth, said, human.weights(both))
    note = f"kappa {kappa:.3f}" if kappa is not None else "kappa is undefined: all labels and verdicts are the same"
    checks = [AuditCheck.of("humans", "agreement", right, right.low < 0.6, note)]
    twice = [
        (
            r.sample.id,
            winner(labels[r.sample.id]),
            [winner(v.value) for v in found.verdicts(r) if v.value is not None and v.order],
        )
        for r in found.results
        if r.sample.id in labels
    ]
    ordered = [(item, all(s == said for s in sides)) for item, said, sides in twice if len(sides) == 2]
    if ordered:
        both_right = human.share([item for item, _ in ordered], [right for _, right in ordered])
        checks.append(AuditCheck.of("humans", "right in both orders", both_right, both_right.low < 0.5))
    return checks


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A judge's mean beside that of people, and the two together."""

    run: str
    figures: Mapping[str, Estimate]
    kappa: float | None
    confusion: Mapping[str, Mapping[str, int]]
    half: float
    needed: int
    weight: float
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def calibrate_judge(run: Run, judging: str | None, labels: Path, half: float) -> Calibration:
    """Prediction-powered mean from a few human labels, which are kept in the run's folder: comparisons use them.

    UserError when there are too few, or none unlabelled.
    """
    if not 0 < half < 1:
        raise UserError(f"{option_name('half')} wants a half width between 0 and 1; there is {half:g}")
    found = evidence_of(run, judging)
    human = read_labels(labels, found)
    try:
        powered = powered_mean(human.values, found.values, chances=human.chances, half=half)
    except ValueError as error:
        raise UserError(f"{labels}: {error}") from error
    _keep_labels(found, human)
    both = sorted(human.values.keys() & found.values.keys())
    truth, said = [winner(human.values[i]) for i in both], [winner(found.values[i]) for i in both]
    names = {1: "better", 0: "even", -1: "worse"}
    agree = human.share(both, [a == b for a, b in zip(truth, said, strict=True)])
    unjudged = len(human.values) - len(both)
    everything = average(list(found.values.values()))
    return Calibration(
        run=run.name,
        figures={
            "agreement": agree,
            "judge only": everything or powered.judge,
            "humans only": powered.human,
            "prediction-powered": powered.powered,
        },
        kappa=cohen(truth, said, human.weights(both)),
        confusion=confusion([names[t] for t in truth], [names[s] for s in said]),
        half=half,
        needed=powered.needed,
        weight=powered.lam,
        notes=(f"{unjudged} labelled items have no verdict and were left out",) if unjudged else (),
    )


def _keep_labels(found: Evidence, human: HumanLabels) -> None:
    """Leave the labels in the run's folder, where comparisons find them."""
    path = found.run.path / LABELS
    judgments = (entry.judged.get(found.judging) for entry in found.run.summary.benchmarks.values())
    score = next((one.score for one in judgments if one is not None and one.score), "")
    kept = LabelsFile(judging=found.judging, score=score, labels=human.values, chances=human.chances or None)
    try:
        files.write_whole(path, orjson.dumps(to_json(kept), option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error

"""One side of a comparison: a finished run, or a baseline that stands for one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalharness.comparison import baseline
from evalharness.comparison.scores import STATUS_CODE, Scores, journal_scores, lines_at, numbered_lines, with_noise
from evalharness.data.typed import record
from evalharness.errors import Exit, UserError, nearest, option_name
from evalharness.runs.drawn import DrawnItems, drawn_items, refuse_drawn
from evalharness.runs.figures import Summary
from evalharness.runs.journal import loads
from evalharness.runs.manifest import BenchmarkFacts, FlakyFacts, FlakyFile, LabelsFile, Manifest, WatchedFacts
from evalharness.runs.store import JOURNAL, LABELS, MANIFEST, Run, all_runs

FLAKY = "flaky.json"  # what `evalh flaky` leaves in a run's folder


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is compared. `facts` are the manifest's entries per benchmark; `journal` is None for a baseline."""

    name: str
    path: Path
    manifest: Manifest
    summary: Summary
    journal: Path | None
    stored: Mapping[str, Scores] = field(default_factory=dict)
    drawn: Mapping[str, DrawnItems] = field(default_factory=dict)  # what was drawn, of benchmarks that were
    stored_labels: LabelsFile | None = None
    rescored_from: tuple[int, int] | None = None  # the rules that it was scored and read by, where they were others

    @property
    def flaky(self) -> Mapping[str, FlakyFacts]:
        """Per benchmark what `evalh flaky` found."""
        if self.journal is None:
            return self.manifest.flaky or {}
        file = self.path / FLAKY
        try:
            return record(FlakyFile, loads(file.read_bytes())).benchmarks if file.is_file() else {}
        except (OSError, ValueError) as error:
            raise UserError(
                f"{file}: edited or damaged ({error!r:.100}); delete it or run evalh flaky again"
            ) from error

    def labels(self, score: str) -> Mapping[str, float]:
        """What people said of the answers that a judge gave this score, by item; nothing where none is kept."""
        found = self.labels_file
        return found.labels if found is not None and found.score == score else {}

    def label_chances(self, score: str, total: int) -> Callable[[str], float]:
        """How likely each of those labels was to be asked for, of so many items: alike where nothing else is kept."""
        found, alike = self.labels_file, min(1.0, len(self.labels(score)) / max(total, 1))
        kept = (found.chances if found is not None else None) or {}
        return lambda item: kept.get(item, alike)

    @property
    def labels_file(self) -> LabelsFile | None:
        """The labels that `evalh judge calibrate` kept: in a run's folder, or in a baseline with its values."""
        if self.journal is None:
            return self.stored_labels
        file = self.path / LABELS
        try:
            return record(LabelsFile, loads(file.read_bytes())) if file.is_file() else None
        except (OSError, ValueError) as error:
            raise UserError(
                f"{file}: edited or damaged ({error!r:.100}); delete it or run evalh judge calibrate again"
            ) from error

    def seeded(self, benchmark: str) -> bool:
        """Whether a benchmark was asked with several seeds."""
        own, common = self.facts[benchmark].sampling, self.manifest.sampling
        seeds = own.seeds if own is not None and own.seeds is not None else common and common.seeds
        return bool(seeds)

    @property
    def facts(self) -> Mapping[str, BenchmarkFacts]:
        return self.manifest.benchmarks

    def stopped_early(self, benchmark: str) -> bool:
        """The sequential rule decided before all planned items were asked."""
        watched = self.watched(benchmark)
        return watched is not None and watched.decision is not None

    def watched(self, benchmark: str) -> WatchedFacts | None:
        """What the sequential rule recorded of a benchmark, where one watched it."""
        plan = self.manifest.sequential
        return None if plan is None else plan.benchmarks.get(benchmark)

    def programs(self, benchmark: str) -> dict[str, int]:
        """How many answers that are programs have each standing; empty for a benchmark of another kind."""
        entry = self.summary.benchmarks.get(benchmark)
        return {} if entry is None else dict(entry.programs)

    def item_metric(self, benchmark: str) -> str:
        """The score that stands for an item: the headline, or where items lack it (MCC) the first they have."""
        entry = self.summary.benchmarks.get(benchmark)
        metrics = () if entry is None else tuple(entry.metrics)
        if self.journal is None:
            return self.stored[benchmark].metric
        for _, _, line in numbered_lines(self.journal):
            scores = line.get("scores")
            if line.get("benchmark") == benchmark and isinstance(scores, dict) and scores:
                return str(next((name for name in metrics if name in scores), next(iter(scores))))
        return metrics[0] if metrics else "accuracy"

    def check_metric(self, benchmark: str, metric: str) -> None:
        """UserError, naming what there is, where items of a benchmark have scores and none has this one."""
        known = set[str]()
        if self.journal is None:
            known = {self.stored[benchmark].metric} if benchmark in self.stored else known
        else:
            for _, _, line in numbered_lines(self.journal):
                if line.get("benchmark") == benchmark and isinstance(line.get("scores"), dict):
                    known.update(map(str, line["scores"]))
                    if metric in known:
                        return
        if known and metric not in known:
            raise UserError(
                f"{option_name('metric')} {metric!r}{nearest(metric, known)}: no item of {benchmark} has it in "
                f"{self.name}; there is {', '.join(sorted(known))}"
            )

    def scores(self, metrics: Mapping[str, str], cluster: str | None = None) -> dict[str, Scores]:
        """The items' values of each benchmark by the metric named for it.

        UserError when a line is damaged, or when the lines do not add up to the run's summary.
        """
        if self.journal is None:
            return self._stored(metrics, cluster)
        found = journal_scores(self.journal, metrics, cluster)
        for benchmark, scores in found.items():
            self._adds_up(benchmark, scores)
        return {
            name: with_noise(scores, len(self.facts[name].wordings or ()), crossed=self.seeded(name))
            for name, scores in found.items()
        }

    def _stored(self, metrics: Mapping[str, str], cluster: str | None) -> dict[str, Scores]:
        for name, metric in metrics.items():
            held = self.stored[name].metric if name in self.stored else metric
            if held != metric:
                raise UserError(f"the baseline {self.name} holds {held} of {name}, not {metric}; set it again")
        found = {name: self.stored[name] for name in metrics if name in self.stored}
        if cluster != "group":  # a baseline knows groups only; the other side may know the field
            return found
        return {name: replace(scores, clusters=scores.groups) for name, scores in found.items()}

    def _adds_up(self, benchmark: str, scores: Scores) -> None:
        entry = self.summary.benchmarks.get(benchmark)
        if entry is None:
            return
        figure = entry.metrics.get(scores.metric)
        counted = {status: n for status, n in entry.counts.items() if n}
        if bool(np.all(scores.answers <= 1)) and counted and counted != scores.counts():
            said, there = _difference(counted, scores.counts())
            raise self._damaged(f"{benchmark} has {there} where the summary counts {said}")
        known = scores.values[~np.isnan(scores.values)]
        unscored = len(scores.values) - len(known) - counted.get("error", 0)
        if figure is None or figure.value is None or not len(known) or unscored or benchmark in self.drawn:
            return
        if not math.isclose(float(np.mean(known)), figure.value, rel_tol=0, abs_tol=1e-6):
            raise self._damaged(
                f"{benchmark} has {scores.metric} {np.mean(known):.6f} where the summary says {figure.value:.6f}"
            )

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self.journal}: edited or damaged: {what}; restore it or run again")

    def texts(self, places: list[int]) -> list[dict[str, Any]]:
        """The journal's lines at these places; empty objects where there are none."""
        if self.journal is None:
            return [{} for _ in places]
        known = iter(lines_at(self.journal, [place for place in places if place >= 0]))
        return [next(known) if place >= 0 else {} for place in places]


def _difference(said: Mapping[str, int], there: Mapping[str, int]) -> tuple[str, str]:
    status = next(s for s in [*said, *there] if said.get(s, 0) != there.get(s, 0))
    return f"{said.get(status, 0):,} {status}", f"{there.get(status, 0):,} {status}"


def open_side(
    name: str, runs: Path = Path("runs"), baselines: Path = baseline.BASELINES, *, drawn: bool = False
) -> Side:
    """The run or baseline at a path or with a name.

    UserError when there is none, or two; exit 3 when unfinished, exit 4 when it asked drawn items alone and the caller
    cannot deal with that (`drawn`).
    """
    file = baseline.find_baseline(name, baselines)
    folder = next((path for path in (Path(name), runs / name) if (path / MANIFEST).is_file()), None)
    if file is not None and folder is not None:
        raise UserError(f"{name!r} is both the baseline {file} and the run {folder}; say which by its path")
    if file is not None:
        return from_baseline(file)
    if folder is not None:
        return from_run(Run(folder), drawn=drawn)
    known = [run.name for run in all_runs(runs)] + baseline.baseline_names(baselines)
    raise UserError(
        f"there is no run or baseline {name!r}{nearest(name, known)}; `evalh list runs` and `evalh baseline list` "
        "show them"
    )


def from_baseline(file: Path) -> Side:
    stored = baseline.read_baseline(file)
    return Side(
        name=stored.name,
        path=file,
        manifest=stored.manifest,
        summary=stored.summary,
        journal=None,
        stored=stored.scores,
        stored_labels=stored.labels,
    )


def from_run(run: Run, *, drawn: bool = False) -> Side:
    """A finished run. UserError with exit 3 names how much of an unfinished one is there; as in `open_side`."""
    if not run.finished:
        journal = run.path / JOURNAL
        there = sum(1 for _ in numbered_lines(journal)) if journal.is_file() else 0
        wanted = sum(facts.items for facts in run.manifest.benchmarks.values())
        of = f" of {wanted:,}" if wanted else ""
        raise UserError(
            f"{run.path} is not finished: {there:,}{of} answers are there; give its command again and it goes on",
            Exit.NOT_WHOLE,
        )
    if not (run.path / JOURNAL).is_file():
        raise UserError(f"{run.path}: {JOURNAL} is missing; restore it or run again")
    if not drawn:
        refuse_drawn(run, "its items cannot be held against others as they are")
    return Side(
        name=run.name, path=run.path, manifest=run.manifest, summary=run.summary, journal=run.path / JOURNAL,
        drawn=drawn_items(run),
    )  # fmt: skip


def keep_baseline(name: str, as_name: str, *, metric: str | None, runs: Path, baselines: Path) -> tuple[Path, int]:
    """Keep a finished run as a baseline. Returns the file and how many items are in it."""
    side = open_side(name, runs, baselines)
    if side.journal is None:
        raise UserError(f"{name} is a baseline already; wanted a run")
    for benchmark in side.facts if metric is not None else ():
        side.check_metric(benchmark, str(metric))
    scores = side.scores({benchmark: metric or side.item_metric(benchmark) for benchmark in side.facts})
    if all((one.status == STATUS_CODE["error"]).all() for one in scores.values()):
        raise UserError(
            f"{side.path}: every answer is an error, so nothing can be compared with it; run it again first"
        )
    manifest = replace(side.manifest, flaky=side.flaky)
    stored = baseline.StoredBaseline(
        name=as_name, manifest=manifest, summary=side.summary, scores=scores, labels=side.labels_file
    )
    return baseline.write_baseline(stored, baselines), sum(len(one.ids) for one in scores.values())

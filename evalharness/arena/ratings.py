"""Ratings from battles: Bradley-Terry with ties, sandwich and bootstrap intervals, style control.

Bradley and Terry 1952 (https://doi.org/10.2307/2334029); battles as Chatbot Arena records them (Chiang et al. 2024,
https://arxiv.org/abs/2403.04132); style control as in https://lmsys.org/blog/2024-08-28-style-control/. A tie is half
a win for each side. No online Elo: it depends on the order of the battles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalharness.errors import UserError, nearest, option_name
from evalharness.stats.intervals import Z95

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SCALE = 400 / math.log(10)
CENTRE = 1000.0
USABLE = 0.9  # of the bootstrap's draws; what is left of fewer is a selection, and says too little
_STYLES = ("length", "headers", "lists", "bold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Battle:
    """Two models on one item: `score` is 1 where `a` won, 0 where `b` did, 0.5 a tie. Battles of one `item` (both
    orders, several opponents) are not independent. `style` holds the differences of the answers' style, a minus b.
    `named`: the record says which item it was, else it counts as one of its own."""

    a: str
    b: str
    score: float
    item: str
    style: tuple[float, ...] = ()
    named: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A model's rating (400 points are odds of ten to one, the mean is 1000), its sandwich standard error and 95 %
    interval, and the bootstrap's. None where it has no finite value: a model that never lost, or never won a point.
    The rating without error and interval: its battles leave nothing to estimate them from."""

    model: str
    rating: float | None
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    boot_low: float | None = None
    boot_high: float | None = None
    battles: int = 0
    wins: int = 0
    losses: int = 0
    ties: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Ratings, best first; what the style columns are worth (log odds per standard deviation of the difference).
    `repeated` battles say the same as another and do not say of which item they are."""

    ratings: tuple[Rating, ...]
    style: Mapping[str, float] = field(default_factory=dict)
    battles: int = 0
    items: int = 0
    repeated: int = 0
    separability: float | None = None
    draws: int = 0
    draws_used: int = 0
    covariance: Mapping[tuple[str, str], float] = field(default_factory=dict)


def style(text: str) -> tuple[float, float, float, float]:
    """Length in characters, and how many Markdown headers, list items and bold stretches a text has."""
    lines = text.splitlines()
    headers = sum(bool(re.match(r"#{1,6}\s", line)) for line in lines)
    lists = sum(bool(re.match(r"\s*([-*+]|\d+[.)])\s", line)) for line in lines)
    bold = len(re.findall(r"\*\*[^*\n]+\*\*|__[^_\n]+__", text))
    return float(len(text)), float(headers), float(lists), float(bold)


def style_difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    """(a - b) / (a + b + 1) of each feature: between -1 and 1, and bounded for long answers."""
    return tuple((x - y) / (x + y + 1) for x, y in zip(a, b, strict=True))


def rate_models(
    battles: Sequence[Battle],
    *,
    draws: int = 300,
    seed: int = 0,
    control_style: bool = False,
    anchor: str | None = None,
) -> Leaderboard:
    """Fit all models' ratings. Models whose rating is not finite, and those that share no scale with the largest group
    of models, get None and a note. UserError when there is no battle, or `anchor` has no finite rating."""
    if not battles:
        raise UserError("there is no battle to rate models by")
    groups = comparable(battles)
    rated = max(groups, key=lambda g: (len(g) > 1, sum(b.a in g and b.b in g for b in battles), sorted(g)))
    tallies = _tallies(battles)
    lost = [_unrated(m, battles, rated, tallies) for g in groups for m in sorted(g) if m not in rated or len(rated) < 2]
    inside = [b for b in battles if b.a in rated and b.b in rated]
    if len(rated) < 2:
        items = len({b.item for b in battles})
        return Leaderboard(ratings=tuple(lost), battles=len(battles), items=items, repeated=_repeated(battles))
    if anchor is not None and anchor not in rated:
        raise UserError(f"{option_name('anchor', anchor)}: no such model has a rating{nearest(anchor, rated)}")
    models = sorted(rated)
    design = _design(inside, models, control_style)
    fitted = _fit(design)
    covariance = _sandwich(design, fitted)
    contrast = _contrast(models, len(fitted), anchor)
    points = contrast @ fitted * SCALE + CENTRE
    spread = contrast @ covariance @ contrast.T * SCALE**2
    samples = _bootstrap(design, fitted, contrast, draws, seed)
    drawn = samples if len(samples) >= USABLE * draws else samples[:0]
    found = _described(models, points, spread, drawn, tallies, anchor)
    weights = dict(zip(_STYLES, (float(v) for v in fitted[len(models) :]), strict=True)) if control_style else {}
    pairs = {(m, o): float(spread[i, j]) for i, m in enumerate(models) for j, o in enumerate(models)}
    return Leaderboard(
        ratings=(*sorted(found, key=lambda r: (-(r.rating or 0.0), r.model)), *lost), style=weights,
        battles=len(battles), items=len({b.item for b in battles}), repeated=_repeated(battles),
        separability=_separability(found),
        draws=draws, draws_used=len(samples), covariance=pairs,
    )  # fmt: skip


def _repeated(battles: Iterable[Battle]) -> int:
    """How many battles of no named item say the same as one before them."""
    unnamed = [(b.a, b.b, b.score, b.style) for b in battles if not b.named]
    return len(unnamed) - len(set(unnamed))


def comparable(battles: Iterable[Battle]) -> list[frozenset[str]]:
    """The groups of models within which everybody has, over some chain, taken points from everybody: only there does
    the likelihood have a maximum (Ford 1957, https://doi.org/10.2307/2308513)."""
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    battles = list(battles)
    models = sorted({m for b in battles for m in (b.a, b.b)})
    place = {m: i for i, m in enumerate(models)}
    took = np.zeros((len(models), len(models)))
    for b in battles:
        took[place[b.a], place[b.b]] += b.score
        took[place[b.b], place[b.a]] += 1 - b.score
    count, labels = connected_components(took > 0, directed=True, connection="strong")
    return [frozenset(m for m in models if labels[place[m]] == g) for g in range(count)]


@dataclass(frozen=True, slots=True)
class _Design:
    """Battles as arrays: positions of both models, scores, style columns, and the position of each battle's item.

    `pair` numbers the rows that the likelihood cannot tell apart: the pairs of models, or with style every battle.
    """

    a: Any
    b: Any
    score: Any
    style: Any
    item: Any
    pair: Any
    first: Any  # of each pair, the position of its first battle
    models: int


def _design(battles: Sequence[Battle], models: Sequence[str], control_style: bool) -> _Design:
    import numpy as np

    place = {m: i for i, m in enumerate(models)}
    items = {item: i for i, item in enumerate(dict.fromkeys(b.item for b in battles))}
    a = np.array([place[battle.a] for battle in battles])
    b = np.array([place[battle.b] for battle in battles])
    columns, alike = np.zeros((len(battles), 0)), a * len(models) + b
    if control_style:
        columns, alike = np.array([battle.style for battle in battles], dtype=float), np.arange(len(battles))
        spread = columns.std(axis=0)
        columns = np.where(spread > 1e-9, columns / np.maximum(spread, 1e-9), 0.0)  # a constant one says nothing
    _, first, pair = np.unique(alike, return_index=True, return_inverse=True)
    score = np.array([battle.score for battle in battles], dtype=float)
    item = np.array([items[battle.item] for battle in battles])
    return _Design(a, b, score, columns, item, pair, first, len(models))


RIDGE = 1e-3  # on the style columns only, which may be constant or collinear


def _fit(design: _Design, weights: Any = None, start: Any = None) -> Floats:
    """Log-odds ratings (mean 0) and style weights of greatest likelihood."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    each = np.ones(len(design.score)) if weights is None else weights
    weight, won = np.bincount(design.pair, each), np.bincount(design.pair, each * design.score)
    a, b, style, m = design.a[design.first], design.b[design.first], design.style[design.first], design.models

    def loss(x: Any) -> tuple[float, Any]:
        margin = x[a] - x[b] + style @ x[m:]
        value = float(weight @ np.logaddexp(0, margin) - won @ margin)
        error = weight * expit(margin) - won
        players = np.bincount(a, error, m) - np.bincount(b, error, m)
        gradient = np.concatenate([players, style.T @ error + RIDGE * x[m:]])
        return value + RIDGE / 2 * float(x[m:] @ x[m:]), gradient

    begin = np.zeros(m + style.shape[1]) if start is None else start
    # A bootstrap draw need not be exact to more digits than its own noise has.
    options: Any = {"maxiter": 2000, "ftol": 1e-15 if weights is None else 1e-10, "gtol": 1e-9}
    x: Floats = minimize(loss, begin, jac=True, method="L-BFGS-B", options=options).x
    x[:m] -= x[:m].mean()
    return x


def _sandwich(design: _Design, fitted: Floats) -> Floats:
    """Covariance of the fit, robust to ties and to battles of one item going together (scores summed per item)."""
    import numpy as np
    from scipy import sparse
    from scipy.special import expit

    m, n = design.models, len(design.score)
    index, ones = np.arange(n), np.ones(n)
    shape = (n, m)
    players = sparse.csr_array((ones, (index, design.a)), shape) - sparse.csr_array((ones, (index, design.b)), shape)
    rows = sparse.hstack([players, sparse.csr_array(design.style)]).tocsr()
    p = expit(rows @ fitted)
    hessian = (rows.T @ (sparse.diags_array(p * (1 - p)) @ rows)).toarray()
    hessian[m:, m:] += RIDGE * np.eye(len(fitted) - m)
    scores = sparse.csr_array((design.score - p, (design.item, index)), (design.item.max() + 1, n)) @ rows
    inverse = np.linalg.pinv(hessian)
    covariance: Floats = inverse @ (scores.T @ scores).toarray() @ inverse
    return covariance


def _contrast(models: Sequence[str], width: int, anchor: str | None) -> Floats:
    """From fitted parameters to ratings relative to the mean, or to the anchor."""
    import numpy as np

    m = len(models)
    matrix = np.zeros((m, width))
    matrix[:, :m] = np.eye(m)
    if anchor is None:
        matrix[:, :m] -= 1 / m
    else:
        matrix[:, models.index(anchor)] -= 1
    return matrix


def _bootstrap(design: _Design, fitted: Floats, contrast: Floats, draws: int, seed: int) -> Floats:
    """Ratings refitted on items drawn with replacement; a draw whose models do not hang together is left out."""
    import numpy as np

    random = np.random.default_rng(seed)
    count = int(design.item.max()) + 1
    found = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, count, count), minlength=count).astype(float)
        weights = times[design.item]
        if _hangs_together(design, weights):
            found.append(contrast @ _fit(design, weights, fitted.copy()) * SCALE + CENTRE)
    return np.array(found)


def _hangs_together(design: _Design, weights: Any) -> bool:
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    took = np.zeros((design.models, design.models))
    np.add.at(took, (design.a, design.b), weights * design.score)
    np.add.at(took, (design.b, design.a), weights * (1 - design.score))
    return bool(connected_components(took > 0, directed=True, connection="strong")[0] == 1)


def _described(
    models: Sequence[str],
    points: Floats,
    spread: Floats,
    samples: Floats,
    tallies: Mapping[str, tuple[int, int, int]],
    anchor: str | None,
) -> list[Rating]:
    import numpy as np

    found = []
    for i, model in enumerate(models):
        point, stderr = float(points[i]), math.sqrt(max(float(spread[i, i]), 0.0))
        drawn = np.percentile(samples[:, i], [2.5, 97.5]) if len(samples) > 1 else (0.0, 0.0)
        # Battles that all went as fitted (one tie, say) have no spread, and their draws none: that is no certainty.
        known, moved = stderr > SCALE * 1e-6 or model == anchor, float(drawn[1] - drawn[0]) > SCALE * 1e-6
        wins, losses, ties = tallies[model]
        found.append(
            Rating(
                model=model, rating=point, stderr=stderr if known else None,
                low=point - Z95 * stderr if known else None, high=point + Z95 * stderr if known else None,
                boot_low=float(drawn[0]) if known and moved else None,
                boot_high=float(drawn[1]) if known and moved else None,
                battles=wins + losses + ties, wins=wins, losses=losses, ties=ties,
                note="" if known else "its battles leave nothing to estimate an interval from",
            )
        )  # fmt: skip
    return found


def _tallies(battles: Iterable[Battle]) -> dict[str, tuple[int, int, int]]:
    """(wins, losses, ties) of every model."""
    counts: dict[str, list[int]] = {}
    for b in battles:
        for model, score in ((b.a, b.score), (b.b, 1 - b.score)):
            counts.setdefault(model, [0, 0, 0])[0 if score > 0.5 else 1 if score < 0.5 else 2] += 1
    return {m: (w, lost, t) for m, (w, lost, t) in counts.items()}


def _unrated(
    model: str, battles: Sequence[Battle], rated: frozenset[str], tallies: Mapping[str, tuple[int, int, int]]
) -> Rating:
    wins, losses, ties = tallies[model]
    met = any({b.a, b.b} & rated and model in (b.a, b.b) for b in battles)
    if not losses and not ties:
        note = "never lost a point: unbounded above"
    elif not wins and not ties:
        note = "never took a point: unbounded below"
    elif met:
        note = "won all or lost all against the rated models: no finite rating among them"
    else:
        note = "never met the rated models: no common scale"
    total = wins + losses + ties
    return Rating(model=model, rating=None, battles=total, wins=wins, losses=losses, ties=ties, note=note)


def _separability(ratings: Sequence[Rating]) -> float | None:
    """The share of pairs of models whose 95 % intervals do not overlap."""
    ends = [(r.low, r.high) for r in ratings if r.low is not None and r.high is not None]
    pairs = [(p, q) for i, p in enumerate(ends) for q in ends[i + 1 :]]
    return sum(p[1] < q[0] or q[1] < p[0] for p, q in pairs) / len(pairs) if pairs else None

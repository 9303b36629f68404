"""What votes amount to: ratings with the ranks that are possible, who won against whom, voters that stand out, and
which two models should meet next."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from evalharness.arena.ratings import SCALE, Battle, Leaderboard, Rating, rate_models
from evalharness.arena.votes import WINNERS
from evalharness.stats.intervals import normal_cdf
from evalharness.stats.paired import holm
from evalharness.web.arena_prompts import ModelPair
from evalharness.web.arena_store import ArenaStore, CountedVote

_ALPHA = 0.05  # of all rank ranges together, and of all voters that are said to stand out
_FIRST = 4  # battles of every pair before those that tell most are preferred
KEPT_SECONDS = 5.0  # so old may the ratings be that are shown
FRESH_VOTES = 200  # below which whoever looks at the ratings has them with the last vote
_FEW_VOTES = 10  # below which nothing is said of a voter
_DRAWS = 2  # of the bootstrap: pages show the sandwich intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedModel:
    """A model's rating, its rank, and the best and worst rank that it could have."""

    rating: Rating
    rank: int | None
    best: int | None
    worst: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OddVoter:
    """A voter whose votes are hardly chance: what stands out, with its p value adjusted over all voters."""

    voter: str
    votes: int
    why: str
    p: float


@dataclass(frozen=True, kw_only=True)
class ArenaBoard:
    """All that the ratings page shows. `won` has the points that a model took from another, of how many battles."""

    models: tuple[RatedModel, ...] = ()
    won: Mapping[ModelPair, tuple[float, int]] = field(default_factory=dict)
    odd: tuple[OddVoter, ...] = ()
    leaderboard: Leaderboard | None = None
    votes: int = 0
    voters: int = 0


class ArenaRatings:
    """Boards over the votes of a store, made anew at most every few seconds."""

    def __init__(self, store: ArenaStore) -> None:
        self._store, self._lock = store, threading.Lock()
        self._state: tuple[int, float] = (-1, 0.0)
        self._looked = -math.inf
        self._votes: list[CountedVote] = []
        self._boards: dict[tuple[str, bool], ArenaBoard] = {}

    def votes(self, *, fresh: bool = False) -> list[CountedVote]:
        """The votes that count, a few seconds old at most; `fresh`: none is missing as long as there are few."""
        with self._lock:
            few = fresh and len(self._votes) < FRESH_VOTES
            if few or time.monotonic() - self._looked > KEPT_SECONDS:
                state = self._store.votes()
                if state != self._state:
                    self._votes, self._boards = self._store.counted(), {}
                self._state, self._looked = state, time.monotonic()
            return self._votes

    def board(self, category: str = "", control_style: bool = False) -> ArenaBoard:
        """The board of one category, or of all."""
        votes = self.votes()
        with self._lock:
            if (category, control_style) not in self._boards:
                chosen = [vote for vote in votes if category in ("", vote.category)]
                self._boards[category, control_style] = arena_board(chosen, control_style)
            return self._boards[category, control_style]

    def next_pair(self, pairs: Collection[ModelPair]) -> ModelPair:
        """One of these pairs, drawn by how much a battle between the two tells, the sides by chance."""
        weights = pair_weights(pairs, self.board())
        pair = secrets.SystemRandom().choices(list(weights), list(weights.values()))[0]
        return pair if secrets.randbits(1) else (pair[1], pair[0])


def arena_board(votes: Sequence[CountedVote], control_style: bool = False) -> ArenaBoard:
    """The board of these votes."""
    if not votes:
        return ArenaBoard()
    found = rate_models([_battle(vote) for vote in votes], draws=_DRAWS, control_style=control_style)
    won: dict[ModelPair, tuple[float, int]] = {}
    for vote in votes:
        score = WINNERS[vote.choice]
        for pair, points in (((vote.model_a, vote.model_b), score), ((vote.model_b, vote.model_a), 1 - score)):
            before = won.get(pair, (0.0, 0))
            won[pair] = (before[0] + points, before[1] + 1)
    return ArenaBoard(
        models=tuple(_ranked(found)), won=won, odd=tuple(odd_voters(votes, found)), leaderboard=found,
        votes=len(votes), voters=len({vote.voter for vote in votes}),
    )  # fmt: skip


def _battle(vote: CountedVote) -> Battle:
    return Battle(a=vote.model_a, b=vote.model_b, score=WINNERS[vote.choice], item=vote.item, style=vote.style)


def _ranked(found: Leaderboard) -> list[RatedModel]:
    """Ranks by rating; the ranges count those that are surely better and surely worse (Holm over all pairs)."""
    rated = [one for one in found.ratings if one.rating is not None]
    pairs = list(combinations(rated, 2))
    p = [2 * normal_cdf(-abs(_gap(one, other)) / _spread(found, one, other)) for one, other in pairs]
    better = dict.fromkeys((one.model for one in rated), 0)
    worse = dict(better)
    for (one, other), adjusted in zip(pairs, holm(p), strict=True):
        if adjusted <= _ALPHA:
            up, down = (one, other) if _gap(one, other) > 0 else (other, one)
            worse[up.model] += 1
            better[down.model] += 1
    ranks = [RatedModel(rating=one, rank=place + 1, best=1 + better[one.model], worst=len(rated) - worse[one.model])
             for place, one in enumerate(rated)]  # fmt: skip
    return ranks + [RatedModel(rating=o, rank=None, best=None, worst=None) for o in found.ratings if o.rating is None]


def _gap(one: Rating, other: Rating) -> float:
    return (one.rating or 0.0) - (other.rating or 0.0)


def _spread(found: Leaderboard, one: Rating, other: Rating) -> float:
    """The standard error of the difference of two ratings."""
    a, b = one.model, other.model
    variance = found.covariance[a, a] + found.covariance[b, b] - 2 * found.covariance[a, b]
    return math.sqrt(variance) if variance > 1e-9 else math.inf


def pair_weights(pairs: Collection[ModelPair], board: ArenaBoard) -> dict[ModelPair, float]:
    """How much one more battle of each pair tells: by how much it lowers the variance of the pair's difference.

    With variance v and information p (1 - p) of a battle v becomes v / (1 + v p (1 - p)) (Sherman and Morrison). Before
    every pair has met a few times those that have met least come first.
    """
    fought = {pair: board.won.get(pair, (0.0, 0))[1] for pair in pairs}
    least = min(fought.values())
    if least < _FIRST:
        return {pair: 1.0 if n == least else 0.0 for pair, n in fought.items()}
    known = {one.rating.model: one.rating for one in board.models if one.rating.rating is not None}
    weights = {}
    for a, b in fought:
        if board.leaderboard is None or a not in known or b not in known:
            weights[a, b] = 1.0
            continue
        variance = min(_spread(board.leaderboard, known[a], known[b]) / SCALE, 2.0) ** 2
        p = 1 / (1 + math.exp(-_gap(known[a], known[b]) / SCALE))
        weights[a, b] = variance - variance / (1 + variance * p * (1 - p))
    return weights if sum(weights.values()) > 0 else dict.fromkeys(fought, 1.0)


def odd_voters(votes: Sequence[CountedVote], found: Leaderboard) -> list[OddVoter]:
    """Voters who favour a side, or vote against what all others say, more than chance explains."""
    from scipy.stats import binomtest

    rated = {one.model: one.rating for one in found.ratings if one.rating is not None}
    by_voter: dict[str, list[CountedVote]] = {}
    for vote in votes:
        by_voter.setdefault(vote.voter, []).append(vote)
    said: list[tuple[str, int, str, float]] = []
    for voter, own in by_voter.items():
        if len(own) < _FEW_VOTES:
            continue
        decided = [vote for vote in own if WINNERS[vote.choice] != 0.5]
        left = sum(vote.choice == "model_a" for vote in decided)
        if decided:
            side = "left" if 2 * left > len(decided) else "right"
            p = float(binomtest(left, len(decided)).pvalue)
            said.append((voter, len(own), f"chose the {side} in {max(left, len(decided) - left)} of {len(decided)}", p))
        said.append((voter, len(own), "votes against what the others say", _against(own, rated)))
    adjusted = holm([p for *_, p in said])
    odd = [OddVoter(voter=voter, votes=n, why=why, p=p) for (voter, n, why, _), p in zip(said, adjusted, strict=True)]
    return sorted((one for one in odd if one.p <= _ALPHA), key=lambda one: one.p)


def _against(own: Sequence[CountedVote], rated: Mapping[str, float | None]) -> float:
    """One-sided p of agreeing so little with the ratings: the sum of (score - expected) x log odds is normal."""
    total = variance = 0.0
    for vote in own:
        a, b = rated.get(vote.model_a), rated.get(vote.model_b)
        if a is None or b is None:
            continue
        odds = (a - b) / SCALE
        p = 1 / (1 + math.exp(-odds))
        total += (WINNERS[vote.choice] - p) * odds
        variance += p * (1 - p) * odds**2
    return float(normal_cdf(total / math.sqrt(variance))) if variance > 0 else 1.0


def agreement_with(judged: Sequence[Battle], votes: Sequence[CountedVote]) -> tuple[float, int] | None:
    """How often judges and people name the same winner where both decided on the same item and pair; of how many."""
    verdicts = {(battle.item, battle.a, battle.b): battle.score for battle in judged}
    same = both = 0
    for vote in votes:
        score, a, b = WINNERS[vote.choice], vote.model_a, vote.model_b
        other = verdicts.get((vote.item, b, a))
        verdict = verdicts.get((vote.item, a, b), None if other is None else 1 - other)
        if verdict is not None and 0.5 not in (score, verdict):
            both += 1
            same += (score > 0.5) == (verdict > 0.5)
    return (same / both, both) if both else None

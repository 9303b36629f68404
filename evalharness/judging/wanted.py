"""What a judging wants to know: every call in its order, made when it is looked at, and where its verdict stands.

Of a million answers are kept where they stand in the journal, how many calls each takes, and where the verdict of each
call stands in `verdicts.jsonl`: some twenty bytes an answer.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import tee

from evalharness.errors import UserError
from evalharness.judge import JudgeCase
from evalharness.judging.calls import Call, call_of, equal_answers, questions_of
from evalharness.judging.cases import Opponents, case_of, nothing_to_judge
from evalharness.judging.panel import JudgeOptions, JudgePanel
from evalharness.judging.verdicts import ABSENT, KeptVerdicts
from evalharness.records import Request, Result
from evalharness.runs import cache
from evalharness.runs.index import PlacedResults
from evalharness.runs.store import Run

EQUAL = -2  # in the place of a verdict that nobody needs to be asked for: of two equal answers


@dataclass(frozen=True, kw_only=True)
class JudgedAnswers:
    """The answers that are judged, and what they are judged by."""

    run: Run
    answers: PlacedResults
    jury: JudgePanel
    against: str
    others: Opponents | None
    options: JudgeOptions

    def case(self, result: Result) -> JudgeCase | str:
        """What the jury sees of an answer, or why it cannot be judged."""
        return case_of(result, self.jury, self.against, self.others)


@dataclass(kw_only=True)
class WantedCalls:
    """The calls on all answers, each answer's together and the answers in their order; behind them once more those on
    the answers that are judged twice.

    `places` has the byte where each one's verdict stands, ABSENT or EQUAL where there is none yet; `counts` how many
    calls each answer takes; `twice` the positions of the answers that are judged twice; `skipped` the answers that
    cannot be judged, by reason; `nulls` counts the verdicts without a value.
    """

    judged: JudgedAnswers
    counts: array[int] = field(default_factory=lambda: array("H"))
    places: array[int] = field(default_factory=lambda: array("q"))
    twice: list[int] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    nulls: int = 0

    def __len__(self) -> int:
        return len(self.places)

    @property
    def first(self) -> int:
        """How many calls there are besides those of a retest."""
        return sum(self.counts)

    @property
    def open(self) -> int:
        """How many verdicts are not there yet."""
        return sum(place < 0 for place in self.places)

    def survey(self, kept: KeptVerdicts) -> None:
        """Look at every answer once: what is asked of it, and which verdicts are there. UserError where none can be
        judged."""
        drawn: list[tuple[str, int]] = []
        wanted = self.judged.options.retest
        for position, result in enumerate(self.judged.answers):
            case = self.judged.case(result)
            before = len(self.places)
            if isinstance(case, str):
                self.skipped[case] += 1
            else:
                self._look(result, case, kept, 0)
                if wanted:
                    drawn.append((_draw(case, self.judged.options.seed), position))
            self.counts.append(len(self.places) - before)
            if len(drawn) > 2 * wanted + 1000:
                drawn = nsmallest(wanted, drawn)
        if not self.places:
            raise nothing_to_judge(self.judged.run, self.skipped, self.judged.jury)
        self.twice = sorted(position for _, position in nsmallest(wanted, drawn))
        for result in self.judged.answers.chosen(self.twice):
            case = self.judged.case(result)
            if not isinstance(case, str):
                self._look(result, case, kept, 1)

    def _look(self, result: Result, case: JudgeCase, kept: KeptVerdicts, retest: int) -> None:
        """Note where the verdicts on an answer stand. Requests are made only where some may be there."""
        for asked in questions_of(case, self.judged.jury, self.judged.options):
            place, null = kept.find(call_of(result, case, asked, retest)) if len(kept) else (ABSENT, False)
            self.nulls += null
            self.places.append(EQUAL if place == ABSENT and equal_answers(case, asked.part) else place)

    def _entries(self) -> Iterator[tuple[int, int, int]]:
        """(position, number of its first call, 1 for a retest) of every answer that is judged, in the calls' order."""
        number = 0
        for position, count in enumerate(self.counts):
            yield position, number, 0
            number += count
        for position in self.twice:
            yield position, number, 1
            number += self.counts[position]

    def calls(self, place: int, seats: Collection[str] | None = None) -> Iterator[Call]:
        """The calls that have this, ABSENT or EQUAL, in the place of their verdict, of all seats or of those named."""
        entries, same = tee(
            (position, number, retest)
            for position, number, retest in self._entries()
            if place in self.places[number : number + self.counts[position]]
        )
        answers = self.judged.answers.chosen(position for position, _, _ in same)
        for (_, number, retest), result in zip(entries, answers, strict=True):
            case = self.judged.case(result)
            if isinstance(case, str):
                raise UserError(f"{self.judged.run.path}: was changed while it was judged; give the command again")
            for own, asked in enumerate(questions_of(case, self.judged.jury, self.judged.options), number):
                if self.places[own] == place and (seats is None or asked.seat.name in seats):
                    yield call_of(result, case, asked, retest, own)

    def verdicts(self) -> Iterator[array[int]]:
        """Where the verdicts on each answer stand, answers in their order; empty for one that is not judged."""
        again = {position: number for position, number, retest in self._entries() if retest}
        number = 0
        for position, count in enumerate(self.counts):
            more = again.get(position, number)
            yield self.places[number : number + count] + self.places[more : more + count * (position in again)]
            number += count


def _draw(case: JudgeCase, seed: int) -> str:
    """What decides whether an answer is judged twice."""
    return cache.reply_key(str(seed), Request(messages=(), stop=(case.id,)))

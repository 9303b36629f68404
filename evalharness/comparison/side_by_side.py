"""Two models asked the same items in turn, block by block over several benchmarks, until the time is used up.

The benchmark that has had the least time is next, so time is shared fairly, and what a decided benchmark leaves goes to
the others. Which model is asked first changes from block to block. A block is begun only where it should end in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evalharness.comparison.paired_watch import BASE, TUNED, PairedWatch
from evalharness.events import Told, observed_by, only_warnings, tell
from evalharness.records import Result
from evalharness.runs.asking import TaskPart
from evalharness.runs.plan import Task
from evalharness.runs.questions import Question
from evalharness.runs.runner import RunWriter

FIRST_BLOCK, LARGEST_BLOCK = 4, 64  # items; small until it is known how long they take
BLOCK_SHARE = 0.02  # of the time: a block that takes longer is not doubled
TELL_SECONDS = 10.0
Stopwatch = Callable[[], float]


@dataclass
class Course:
    """How far one benchmark has come: its questions by item on both sides, and the time it took in this start."""

    watch: PairedWatch
    tasks: tuple[Task, Task]
    questions: tuple[Mapping[str, Sequence[Question]], Mapping[str, Sequence[Question]]]
    block: int = FIRST_BLOCK
    blocks: int = 0
    seconds: float = 0.0
    asked: int = 0

    @property
    def open(self) -> bool:
        return not (self.watch.complete or self.watch.decided)


@dataclass
class SideBySide:
    """Both runs while they are asked."""

    writers: tuple[RunWriter, RunWriter]
    courses: Sequence[Course]
    seconds: float
    clock: Stopwatch = time.monotonic
    spent: float = field(default=0.0, init=False)
    took: list[float] = field(default_factory=lambda: [0.0, 0.0], init=False)  # of it by either model

    def ask(self) -> None:
        """Ask until every benchmark is decided or through, or the time is used up."""
        for each in self.courses:
            self._recall(each)
        said = 0.0
        while self.spent < self.seconds and (course := self._next()) is not None:
            self._block(course)
            if self.spent - said >= TELL_SECONDS:
                said = self.spent
                tell(Told(text=self._so_far()))

    def _recall(self, course: Course) -> None:
        """What was answered before, by an earlier start or by a run of its own."""
        for side in (BASE, TUNED):
            for question in course.tasks[side].questions:
                key = (course.watch.name, question.sample.id, question.repeat)
                if (result := self.writers[side].done.get(key)) is not None:
                    course.watch.add(side, result)
        course.watch.count()

    def _next(self) -> Course | None:
        """The open benchmark that has had the least time, of those whose next block should end in time."""
        left = self.seconds - self.spent
        fitting = [course for course in self.courses if course.open and _expected(course, 1) <= left]
        return min(fitting, key=lambda course: course.seconds, default=None)

    def _block(self, course: Course) -> None:
        size = course.block
        while size > 1 and _expected(course, size) > self.seconds - self.spent:
            size //= 2
        begin = course.watch.counted
        items = course.watch.order[begin : begin + size]
        sides = (BASE, TUNED) if course.blocks % 2 == 0 else (TUNED, BASE)
        before = self.clock()
        for side in sides:
            began = self.clock()
            with observed_by(only_warnings()):
                for result in self._answers(course, side, items):
                    course.watch.add(side, result)
            self.took[side] += self.clock() - began
        course.watch.count()
        took = self.clock() - before
        self.spent += took
        course.seconds += took
        course.asked += len(items)
        course.blocks += 1
        if took < BLOCK_SHARE * self.seconds:
            course.block = min(2 * course.block, LARGEST_BLOCK)

    def _answers(self, course: Course, side: int, items: Sequence[str]) -> Iterator[Result]:
        writer, task = self.writers[side], course.tasks[side]
        wanted = (question for item in items for question in course.questions[side][item])
        left = [q for q in wanted if (task.name, q.sample.id, q.repeat) not in writer.done]
        return writer.ask([TaskPart(task=task, questions=left)])

    def _so_far(self) -> str:
        """One line: how many items of each benchmark, and the time."""
        parts = ", ".join(
            f"{course.watch.name} {course.watch.counted:,} of {len(course.watch.order):,}"
            + ("" if course.open else " (done)")
            for course in self.courses
        )
        return f"{self.spent:,.0f} of {self.seconds:,.0f} s: {parts}"


def _expected(course: Course, items: int) -> float:
    """Seconds that so many items should take; 0 where none was asked yet."""
    return items * course.seconds / course.asked if course.asked else 0.0

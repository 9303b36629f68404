"""The sandbox as its users see it: some workers, and programs that are run by whichever is free."""

from __future__ import annotations

import os
import queue
import stat
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Protocol, get_args

from evalharness.sandbox import scratch
from evalharness.sandbox.judge import UNCROSSABLE
from evalharness.sandbox.namespaces import PACKAGES
from evalharness.sandbox.packages import Packages, staged
from evalharness.sandbox.program import Limits, Program, ProgramMode, ProgramOutcome, Tier
from evalharness.sandbox.service import SERVICE_LIMITS, Service, ServiceEnded
from evalharness.sandbox.worker import BROKE, JudgeStalled, Shown, Worker, WorkerLost

CheckMode = Literal["both", "split", "inproc"]
_PROGRAMS = 1000  # after which a worker is replaced: a judge that leaks or was bent does not stay
_REMEMBERED = 4096
_SPLIT_COSTS = 1.5  # times the time of one process, where a program is checked both ways
_SOUND = Program(source="def f():\n    return 1", test="assert f() == 1", entry="f")
_STAGED = "site-packages"
NONE = Packages()
_UIDS = range(61184, 65520)  # systemd's range for users that exist only while a service runs


Standing = Literal["confirmed", "unconfirmable", "suspect", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A program's outcome in one process, as it is published, and split, where it cannot be forged.

    `unsplittable`: a split was wanted, but the test needs the program's own objects: only one process will do.
    """

    published: ProgramOutcome | None = None
    confirmed: ProgramOutcome | None = None
    unsplittable: bool = False

    @property
    def outcome(self) -> ProgramOutcome:
        """The published one where there is one."""
        found = self.published or self.confirmed
        assert found is not None
        return found

    @property
    def standing(self) -> Standing | None:
        """What the checks that were made come to; None where the fault is ours or the test's.

        confirmed: all passed, over plain data. unconfirmable: passed, and the split was not made, the test does not
        let itself be split, or what the program gave crossed by stand-ins only. suspect: the published check lets it
        pass and the split does not.
        """
        split = self.confirmed
        if self.outcome.verdict == "error":
            return None
        if self.outcome.verdict != "pass":
            return "failed"
        if split is None or split.faulty_test or (split.verdict == "pass" and split.stand_ins):
            return "unconfirmable"
        return "confirmed" if split.verdict == "pass" else "suspect"


class ProgramRunner(Protocol):
    """What a worker can do, here or in a container. `worn`: its judge has grown, and another is to take its place."""

    served: int
    worn: bool

    def run(self, program: Program, mode: ProgramMode) -> ProgramOutcome: ...
    def close(self) -> None: ...


class Sandbox:
    """Runs programs within one tier's fence. Thread-safe; use as a context manager. Equal programs are run once.

    `workers` 0 means two for each core: judge and candidate take turns, one pair leaves a core idle half of the time.
    This class trusts the tier that it is given: `tiers.open_sandbox` chooses one and puts it to the test first.
    """

    def __init__(self, tier: Tier, workers: int = 0, packages: Packages = NONE) -> None:
        if tier not in get_args(Tier):  # a misspelt fence would be none
            raise ValueError(f"wanted a tier of {', '.join(get_args(Tier))}, there is {tier!r}")
        self.tier: Tier = tier
        self.packages = packages
        self.preload: tuple[str, ...] = ()
        self.workers = workers or 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 4
        self.retries = 0
        self.record: dict[str, Any] = {"tier": tier}
        self._started = 0
        self._free: queue.LifoQueue[ProgramRunner] = queue.LifoQueue()
        self._room = threading.Semaphore(self.workers)
        self._outcomes: OrderedDict[tuple[str, ProgramMode], Future[ProgramOutcome]] = OrderedDict()
        self._lock = threading.Lock()
        # The kernel ends a worker with the thread that started it, so one thread starts them all and stays.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._root, self._held = ("", -1) if tier == "namespace" else scratch.make_root(tempfile.gettempdir())
        if packages.entries:
            self.record["packages"] = dict(packages.versions)
            if self._root:
                staged(packages, os.path.join(self._root, _STAGED))

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers and remove their scratch directories."""
        while not self._free.empty():
            self._free.get().close()
        self._starter.shutdown()
        if self._root:
            scratch.remove(self._root)
            os.close(self._held)
            self._root = ""

    def run(self, program: Program, mode: ProgramMode = "split") -> ProgramOutcome:
        """What becomes of a program. An `error` of ours was retried once on a fresh worker."""
        key = (program.key, mode)
        with self._lock:
            known = self._outcomes.get(key)
            if known is None:
                future = self._outcomes[key] = Future()
                if len(self._outcomes) > _REMEMBERED:
                    self._outcomes.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            outcome = self._twice(program, mode)
        except BaseException as error:
            future.set_exception(error)
            self._forget(key)
            raise
        future.set_result(outcome)
        if outcome.verdict == "error":
            self._forget(key)
        return outcome

    def check(self, program: Program, how: CheckMode = "both", splittable: bool = True) -> Checked:
        """The published outcome, the confirmed one, or by default both: a pass in one process must hold in the split.

        The split comes first: a program that has seen the tests in one process could leave word of them for its next
        run, in the times of files or the numbers of processes. Where `splittable` is False the test needs the program's
        own objects, and only one process will do. A test that fails by itself is an error, whatever the program does.
        """
        if how == "inproc" or not splittable:
            return Checked(published=self.run(program, "inproc"), unsplittable=how != "inproc")
        if how == "split":
            return Checked(confirmed=self.run(program, "split"))
        # The split has two processes and all that crosses between them to pay for.
        roomy = replace(program.limits, seconds=_SPLIT_COSTS * program.limits.seconds)
        confirmed = self.run(replace(program, limits=roomy), "split")
        if confirmed.verdict == "error" and not confirmed.faulty_test:
            return Checked(confirmed=confirmed)
        published = self.run(program, "inproc")
        if confirmed.faulty_test and published.verdict != "pass" and not confirmed.why.startswith(UNCROSSABLE):
            return Checked(published=confirmed)
        return Checked(published=published, confirmed=confirmed)

    def serve(self, source: str, limits: Limits = SERVICE_LIMITS) -> Service:
        """A fenced process that runs `source` and answers calls. ServiceEnded where it does not start."""
        worker = self._worker()
        if not isinstance(worker, Worker):
            raise ServiceEnded("a container runs programs and answers no calls")

        def release(sound: bool) -> None:
            if sound:
                self._free.put(worker)
            else:
                worker.close()

        return Service(worker, source, release, limits)

    def preloading(self, modules: tuple[str, ...]) -> None:
        """From here on every worker has imported these modules before it forks. That takes address space, which the
        limits of programs do not allow for."""
        while not self._free.empty():
            self._free.get().close()
        self.preload = modules

    def _forget(self, key: tuple[str, ProgramMode]) -> None:
        with self._lock:
            self._outcomes.pop(key, None)

    def _twice(self, program: Program, mode: ProgramMode) -> ProgramOutcome:
        outcome = self._once(program, mode)
        if outcome.verdict != "error" or outcome.faulty_test:
            return outcome
        self.retries += 1
        again = replace(self._once(program, mode), attempts=2)
        broke = all(one.why.startswith(BROKE) for one in (outcome, again))
        # Where a worker breaks on one program twice and on the next not at all, it is the program that breaks it.
        if broke and self._once(_SOUND, mode).verdict == "pass":
            return replace(again, verdict="fail", why=f"{again.why}, twice, by what the program did")
        return again

    def _once(self, program: Program, mode: ProgramMode) -> ProgramOutcome:
        with self._room:
            worker: ProgramRunner | None = None
            try:
                worker = self._worker()
                outcome = worker.run(program, mode)
            except JudgeStalled as stalled:
                outcome = stalled.outcome
            except WorkerLost as lost:
                outcome = ProgramOutcome(verdict="error", why=str(lost), tier=self.tier, mode=mode)
            else:
                if outcome.verdict != "error" and worker.served < _PROGRAMS and not worker.worn:
                    self._free.put(worker)
                    worker = None
            finally:
                if worker is not None:
                    worker.close()
            return outcome

    def _worker(self) -> ProgramRunner:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            self._started += 1
            number = self._started
        return self._start(number)

    def _start(self, number: int) -> ProgramRunner:
        owner = self._owner(number)
        place = ""
        if self._root:
            place = os.path.join(self._root, str(number))
            os.mkdir(place, 0o700)
        shown = self.packages.entries
        path = "" if not shown else os.path.join(self._root, _STAGED) if self._root else PACKAGES
        worker = self._starter.submit(Worker, self.tier, place, owner, Shown(path, shown, self.preload)).result()
        try:
            worker.wait_ready()
        except WorkerLost:
            worker.close()
            raise
        about = worker.about
        self.record.update(landlock_abi=about.get("landlock", 0), waiting_not_counted=about.get("waits", False))
        return worker

    def _owner(self, number: int) -> tuple[int, int] | None:
        """Under root each worker has a user of its own, or limits would count nothing and neighbours were in reach."""
        if os.getuid() != 0 or self.tier not in ("namespace", "landlock", "seccomp"):
            return None
        needed = [os.path.dirname(os.__file__), *self.packages.entries.values()]
        closed = self.tier != "namespace" and not all(map(_reachable, needed))
        if closed or not all(map(_open_to_all, self.packages.entries.values())):
            return None  # what it needs lies where only root can read: stay root, without a single capability
        uid = _UIDS[(os.getpid() * 16 + number) % len(_UIDS)]
        return uid, uid


def _open_to_all(path: str) -> bool:
    """Whether any user can read a file, or a folder and what stands in it."""
    if not os.path.isdir(path):
        return bool(os.stat(path).st_mode & stat.S_IROTH)
    own = os.stat(path).st_mode
    with os.scandir(path) as found:
        inner = all(entry.stat().st_mode & stat.S_IROTH for entry in found if entry.is_file())
    return inner and own & (stat.S_IROTH | stat.S_IXOTH) == stat.S_IROTH | stat.S_IXOTH


def _reachable(path: str) -> bool:
    """Whether any user can read what is at a path."""
    parts = [path]
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        parts.append(path)
    return all(os.stat(part).st_mode & stat.S_IXOTH for part in parts)

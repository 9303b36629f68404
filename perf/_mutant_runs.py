"""One module's mutants against its tests: pytest collects once, every mutant is a fork that has all of it loaded.

A mutant is put into the running module: the functions that exist get its code, its constants are set wherever they were
imported. The likeliest file of tests comes first, and those that it leaves alive go on to the next. Beforehand a fork
runs a file's tests with every statement noting that it was done, so a mutant is held against those tests alone that
reach its statement, the quickest first.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from _mutations import Mutant, mutants, noting

NOTED = "_statements_done_"
SURVIVED, KILLED, LATE, BROKEN = 0, 1, 2, 7
LONGEST = 20.0  # processor seconds of tests that one mutant is held against
MEMORY = 3 << 30
WAITS = 15.0  # seconds by the clock in which nothing runs: what is waited for never comes
UNHEARD = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # what is loaded already is rewritten by nobody
Key = tuple[str, int]  # where code stands: its qualified name and its first line


@dataclass(frozen=True)
class Wish:
    """What is to be measured: a module, its file, the test files in the order of their chance to kill."""

    module: str
    file: Path
    tests: tuple[str, ...]
    count: int
    seed: int


@dataclass
class Reached:
    """What the tests of a file do with the module, unmutated: seconds and lines by test; what failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, set[int]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def measure(wish: Wish, into: Path) -> None:
    """Write what became of each mutant to `into`, as JSON."""
    began = _processor_time()
    forks = _Forks(wish)
    words = [*wish.tests, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", *UNHEARD]
    code = pytest.main(words, plugins=[forks])
    if not forks.outcome:
        raise RuntimeError(f"pytest ended with {int(code)} before any mutant was tried")
    into.write_text(json.dumps({"module": wish.module, **forks.outcome, "seconds": _processor_time() - began}))


def _processor_time() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class _Forks:
    """The plugin that takes pytest's loop over: it is called with the tests collected and none of them run."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.outcome: dict[str, object] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return False  # pytest says what cannot be collected
        module = importlib.import_module(self.wish.module)
        source = self.wish.file.read_text(encoding="utf-8")
        functions = _functions(self.wish.file)
        gc.freeze()  # a collection in a fork would copy all of this
        held = [_Trial(m) for m in mutants(source, self.wish.count, f"{self.wish.seed}/{self.wish.module}")]
        failed: list[str] = []
        reaching = 0
        for items in _by_file(session.items, self.wish.tests):
            if all(one.ended != SURVIVED for one in held):
                break
            reached = _unmutated(session, items, module, functions, noting(source, NOTED), self.wish.file)
            failed += reached.failed
            if 10 * len(failed) > len(session.items) or not reached.lines:
                self.outcome = {"error": f"unmutated, these fail: {', '.join(failed[:5])}"}
                return True
            for name in reached.failed:
                reached.lines[name] = set()
            reaching += sum(bool(lines) for lines in reached.lines.values())
            for one in held:
                if one.ended == SURVIVED:
                    put = lambda m=one.mutant: _put(m.tree, module, functions, self.wish.file, m.place.names)
                    _hold(one, session, items, reached, put)
        found = [
            {"line": one.mutant.place.line, "operator": one.mutant.place.operator, "says": one.mutant.says,
             "tests": one.tests, "ended": one.ended}
            for one in held
        ]  # fmt: skip
        self.outcome = {"mutants": found, "tests": reaching, "failed": failed}
        return True


@dataclass
class _Trial:
    """A mutant, how many tests were held against it, the seconds of tests that are left to it, and how that ended."""

    mutant: Mutant
    tests: int = 0
    left: float = LONGEST
    ended: int = SURVIVED


def _by_file(items: Sequence[pytest.Item], files: Sequence[str]) -> list[list[pytest.Item]]:
    """The tests of each file, the likeliest file first: what it kills is held against none of the others, and where it
    kills all, those need not even be run."""
    found: dict[str, list[pytest.Item]] = {file: [] for file in files}
    for item in items:
        found.setdefault(item.nodeid.partition("::")[0], []).append(item)
    return [each for each in found.values() if each]


def _hold(
    one: _Trial, session: pytest.Session, items: Sequence[pytest.Item], reached: Reached, put: Callable[[], None]
) -> None:
    """Hold a mutant against the tests of one file that reach it."""
    tests = _against(items, reached, one)
    if tests:
        seconds = sum(reached.seconds[item.nodeid] for item in tests)
        one.tests += len(tests)
        one.left -= seconds
        one.ended = _forked(lambda: _held(session, tests, reached.seconds, put), 5 + 4 * seconds)


def _functions(file: Path) -> dict[Key, list[FunctionType]]:
    """The functions of a module that exist now, closures that others hold included, by where their code stands."""
    found: dict[Key, list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename == str(file):  # isinstance would ask it
            found.setdefault(_key(each.__code__), []).append(each)
    return found


def _key(code: CodeType) -> Key:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> dict[Key, list[CodeType]]:
    """The code of everything that is defined in this code, lambdas of one line in their order."""
    found: dict[Key, list[CodeType]] = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found.setdefault(_key(each), []).append(each)
            for key, codes in _codes(each).items():
                found.setdefault(key, []).extend(codes)
    return found


def _put(
    tree: ast.Module,
    module: ModuleType,
    functions: Mapping[Key, Sequence[FunctionType]],
    file: Path,
    names: Sequence[str],
) -> None:
    """Change the module that is loaded into the one of the tree."""
    code = compile(tree, str(file), "exec")
    made = _codes(code)
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update(__file__=str(file), __package__=module.__package__)
    sys.modules[module.__name__] = fresh  # dataclasses look their module up
    try:
        fresh.__dict__[NOTED] = set()
        exec(code, fresh.__dict__)
    finally:
        sys.modules[module.__name__] = module
    for name in names:
        _set(name, getattr(module, name), getattr(fresh, name))
    before = _codes(compile(file.read_text(encoding="utf-8"), str(file), "exec"))
    for key, held in functions.items():
        olds, news = before.get(key, []), made.get(key, [])
        for function in held:
            place = next((i for i, old in enumerate(olds) if old == function.__code__), 0)
            if place < len(news) and len(news[place].co_freevars) == len(function.__code__.co_freevars):
                function.__code__ = news[place]
    for name, old in vars(module).items():
        _defaults(old, vars(fresh).get(name))


def _defaults(old: object, new: object) -> None:
    """Defaults of functions and methods, which are values of the moment they are defined."""
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    elif hasattr(old, "__wrapped__") and hasattr(new, "__wrapped__"):
        _defaults(old.__wrapped__, new.__wrapped__)


def _set(name: str, old: object, new: object) -> None:
    """Set a constant of the module wherever it was imported under its name."""
    for other in list(sys.modules.values()):
        if isinstance(other, ModuleType) and vars(other).get(name, Ellipsis) is old:
            setattr(other, name, new)


def _unmutated(
    session: pytest.Session,
    items: Sequence[pytest.Item],
    module: ModuleType,
    functions: Mapping[Key, Sequence[FunctionType]],
    tree: ast.Module,
    file: Path,
) -> Reached:
    """Run these tests in a fork, with statements noted: proof, too, that a module put in anew passes them all."""
    into = Path(os.environ["PYTEST_DEBUG_TEMPROOT"]) / "reached.json"

    def run() -> int:
        _put(tree, module, functions, file, ())
        noted: set[int] = set()
        setattr(module, NOTED, noted)
        reached = Reached()
        for item, following in zip(items, [*items[1:], None], strict=True):
            noted.clear()
            began, failures = time.process_time(), session.testsfailed
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            reached.seconds[item.nodeid] = time.process_time() - began
            reached.lines[item.nodeid] = set(noted)
            if session.testsfailed > failures:
                reached.failed.append(item.nodeid)
        into.write_text(json.dumps([reached.seconds, {k: sorted(v) for k, v in reached.lines.items()}, reached.failed]))
        return SURVIVED

    ended = _forked(run, 1800.0)
    if ended != SURVIVED:
        return Reached(failed=[f"all tests (the process ended with {ended})"])  # nothing is known of any
    seconds, lines, failed = json.loads(into.read_text())
    return Reached(seconds, {name: set(each) for name, each in lines.items()}, failed)


def _against(items: Sequence[pytest.Item], reached: Reached, one: _Trial) -> list[pytest.Item]:
    """The tests that reach the mutant's statement, the quickest first, up to the seconds that are left to it; of its
    first file one in any case."""
    statement = one.mutant.place.statement
    there = [
        item
        for item in items
        if (reached.lines[item.nodeid] if statement is None else statement in reached.lines[item.nodeid])
    ]
    chosen, left = [], one.left
    for item in sorted(there, key=lambda item: reached.seconds[item.nodeid]):
        left -= reached.seconds[item.nodeid]
        if left < 0 and (chosen or one.tests):
            break
        chosen.append(item)
    return chosen


def _held(
    session: pytest.Session, tests: Sequence[pytest.Item], seconds: Mapping[str, float], put: Callable[[], None]
) -> int:
    """KILLED by the first test that fails; LATE where one takes far longer than unmutated: the signal ends us."""
    try:
        put()
    except Exception:
        return KILLED  # it cannot even be imported
    try:
        for item, following in zip(tests, [*tests[1:], None], strict=True):
            signal.setitimer(signal.ITIMER_PROF, 2 + 4 * seconds[item.nodeid])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return KILLED
    except MemoryError:  # pytest itself has none left
        return KILLED
    return SURVIVED


def _forked(work: Callable[[], int], seconds: float) -> int:
    """What `work` returns in a process of its own; KILLED where it dies, LATE where it takes more than that processor
    time, or ten times that and half a minute by the clock, or waits for ever."""
    process = os.fork()
    if process == 0:
        code = BROKEN
        try:
            os.setsid()
            limit = int(seconds) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline, waiting = time.monotonic() + 30 + 10 * seconds, _Waiting(process)
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended or time.monotonic() > deadline or waiting.for_ever():
            break
        time.sleep(0.002)
    with suppress(ProcessLookupError, PermissionError):  # what a test left running goes with it
        os.killpg(process, signal.SIGKILL)
    if not ended:
        os.waitpid(process, 0)
        return LATE
    if os.WIFSIGNALED(status):
        return LATE if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU) else KILLED
    return os.WEXITSTATUS(status)


class _Waiting:
    """Whether a session of processes waits for ever: none of them has run for `WAITS` seconds."""

    def __init__(self, session: int) -> None:
        self.session, self.looked, self.ran, self.used = session, time.monotonic(), time.monotonic(), 0.0

    def for_ever(self) -> bool:
        now = time.monotonic()
        if now - self.looked > 1:
            used = _session_time(self.session)
            if abs(used - self.used) > 0.01 * (now - self.looked):  # or less, where one of them ended
                self.ran = now
            self.looked, self.used = now, used
        return now - self.ran > WAITS


def _session_time(session: int) -> float:
    """Processor seconds of all processes of a session that are there now."""
    total = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = file.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")

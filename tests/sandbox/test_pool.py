"""What a program comes to, what is left of it, and what is left of us when somebody dies."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evalharness.sandbox import scratch
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Limits, Program, ProgramOutcome
from evalharness.sandbox.worker import BROKE, WorkerLost

GOOD, WRONG = "def f(x):\n    return x + 1", "def f(x):\n    return x"
TEST = "assert f(1) == 2\nassert f(2) == 3"
TIERS = ["namespace", "landlock", "none"]


def program(source=GOOD, test=TEST, **more):
    return Program(source=source, test=test, entry="f", **more)


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request):
    with Sandbox(request.param, workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def one():
    with Sandbox("namespace", workers=1) as opened:
        yield opened


def alive(host):
    """The sandbox's processes that a harness started, at any depth, zombies left out."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if "boot.py" in words and f'"parent": {host}}}' in words and state != "Z":
            found.add(int(entry.name))
    return found


@pytest.mark.parametrize("mode", ["split", "inproc"])
def test_right_and_wrong(sandbox, mode):
    assert sandbox.run(program(), mode).verdict == "pass"
    wrong = sandbox.run(program(WRONG), mode)
    assert wrong.verdict == "fail" and wrong.line == "assert f(1) == 2" and wrong.why == "AssertionError"


def test_the_last_call_is_shown(one):
    assert one.run(program(WRONG)).last_call == "f(1) == 1"
    assert one.run(program("def f(x):\n    return iter([x])")).last_call == "f(1) == <list_iterator>"


@pytest.mark.parametrize(
    ("source", "verdict", "why"),
    [
        ("import os\nos._exit(0)", "fail", "exit status 0"),
        ("import os\nos.kill(os.getpid(), 11)", "fail", "signal 11"),
        ("def f(x):\n    raise SystemExit", "fail", "SystemExit"),
        ("def f(x):\n    return iter([x])", "fail", "Assertion"),
        ("while True: pass", "timeout", ""),
        ("import time\ndef f(x):\n    time.sleep(9)", "timeout", "time"),
        ("x = bytearray(1 << 31)", "fail", "MemoryError"),
        ("def g(x):\n    return x", "fail", "NameError"),
        ("def f(:\n", "fail", "SyntaxError"),
        ("x = 'a\0b'", "fail", "SyntaxError"),
        ("x = '\ud800'", "fail", "UnicodeEncodeError"),
        ("", "fail", "NameError"),
    ],
    ids=range(12),
)
def test_bad_programs_have_a_reason(one, source, verdict, why):
    outcome = one.run(program(source, limits=Limits(seconds=0.4)))
    # Python from 3.12 on says SyntaxError of a NUL, 3.11 ValueError.
    assert outcome.verdict == verdict and (why in outcome.why or ("\0" in source and "null" in outcome.why)), outcome


@pytest.mark.parametrize("mode", ["split", "inproc"])
def test_a_solution_of_10_mb(one, mode):
    assert one.run(program("x = '" + "y" * 10_000_000 + "'\n" + GOOD), mode).verdict == "pass"


@pytest.mark.parametrize(
    "test", ["raise RuntimeError('broken data')", "import nothing_like_this", "def check(:", "pass", "x = '\0'"]
)
def test_a_test_that_fails_by_itself_is_not_the_programs_fault(one, test):
    outcome = one.run(program(test=test))
    assert outcome.verdict == "error" and outcome.faulty_test and outcome.attempts == 1
    for source in (GOOD, WRONG, "def f(:"):
        checked = one.check(program(source, test=test))
        # Where nothing is asserted the published check lets it pass: then it stays without confirmation.
        assert checked.standing in (None, "unconfirmable")


def test_a_forged_pass_is_a_suspect_and_an_honest_one_is_not(one):
    forged = "class Y:\n    def __eq__(self, other): return True\ndef f(x):\n    return Y()"
    checked = one.check(program(forged))
    assert checked.published.verdict == "pass" and checked.confirmed.verdict == "fail"
    assert checked.standing == "suspect"
    assert one.check(program()).standing == "confirmed"
    wrong = one.check(program(WRONG))
    assert wrong.standing == "failed" and wrong.published.verdict == wrong.confirmed.verdict == "fail"


def test_a_test_that_wants_the_programs_objects_is_unconfirmable(one):
    checked = one.check(program("class f:\n    pass", test="assert isinstance(f(), f)"), splittable=False)
    assert checked.standing == "unconfirmable" and checked.confirmed is None


def test_equal_programs_run_once(one):
    before = one._free.queue[-1].served if one._free.qsize() else 0
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: one.run(program("def f(x):\n    return 1 + x  # once")), range(16)))
    assert {o.verdict for o in outcomes} == {"pass"}
    assert one._free.queue[-1].served - before == 1


def test_an_error_of_ours_is_retried_once_on_a_fresh_worker():
    with Sandbox("landlock", workers=1) as sandbox:
        assert sandbox.run(program()).verdict == "pass"
        sandbox._free.queue[-1].process.kill()
        outcome = sandbox.run(program("def f(x):\n    return 1 + x"))
        assert outcome.verdict == "pass" and outcome.attempts == 2 and sandbox.retries == 1


class Breaks:
    """A worker that breaks on some programs."""

    served, worn = 0, False

    def __init__(self, broken):
        self.broken = broken

    def run(self, program, mode):
        if program.source in self.broken:
            raise WorkerLost(f"{BROKE}: the judge ended")
        return ProgramOutcome(verdict="pass")

    def close(self):
        pass


@pytest.mark.parametrize(("broken", "verdict"), [({GOOD}, "fail"), ({GOOD, "def f():\n    return 1"}, "error")])
def test_who_breaks_two_workers_has_failed_unless_every_program_breaks_them(monkeypatch, broken, verdict):
    with Sandbox("namespace", workers=1) as sandbox:
        monkeypatch.setattr(sandbox, "_worker", lambda: Breaks(broken))
        outcome = sandbox.run(program())
    assert outcome.verdict == verdict and outcome.attempts == 2 and "judge ended" in outcome.why


def test_descriptors_stay_flat_and_nothing_is_left(one):
    one.run(program())
    before = len(os.listdir("/proc/self/fd"))
    for i in range(50):
        one.run(program(f"{GOOD}\n# {i}"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("tier", TIERS)
def test_closing_leaves_no_process_and_no_file(tier):
    base = Path(tempfile.gettempdir())
    places = set(base.glob("evalh-sandbox-*"))
    others = alive(os.getpid())
    with Sandbox(tier, workers=2) as sandbox:
        sandbox.run(program("open('kept', 'w').write('x')\n" + GOOD))
        assert alive(os.getpid()) - others
    assert not alive(os.getpid()) - others and set(base.glob("evalh-sandbox-*")) <= places


HOST = """
import sys, time
from evalharness.sandbox.program import Program
from evalharness.sandbox.pool import Sandbox
sandbox = Sandbox(sys.argv[1], workers=1)
print("started", flush=True)
sandbox.run(Program(source="import time\\nopen('x', 'w').write('x')\\ntime.sleep(60)", test="f()", entry="f"))
"""


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_killing_the_harness_leaves_nothing_alive(tier):
    host = subprocess.Popen([sys.executable, "-c", HOST, tier], stdout=subprocess.PIPE, text=True)
    assert host.stdout.readline() == "started\n"
    assert appears(lambda: len(alive(host.pid)) >= 3)
    host.send_signal(signal.SIGKILL)
    host.wait()
    host.stdout.close()
    assert appears(lambda: not alive(host.pid)), alive(host.pid)
    scratch.sweep(tempfile.gettempdir())


def appears(condition, seconds=20.0):
    """Whether a condition comes true; waits no longer than it must."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_the_sweeper_takes_what_nobody_holds_and_leaves_what_somebody_does(tmp_path):
    held, lock = scratch.make_root(str(tmp_path))
    left, other = scratch.make_root(str(tmp_path))
    os.makedirs(f"{left}/1/" + "/".join(["d" * 50] * 30))
    os.symlink("/etc", f"{left}/1/trap")
    os.mkdir(f"{left}/1/shut", 0)
    os.close(other)
    scratch.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == [os.path.basename(held)] and os.path.exists("/etc/passwd")
    scratch.remove(held)
    os.close(lock)


@pytest.mark.slow
def test_10000_programs_leave_memory_and_descriptors_flat():
    def used():
        words = Path("/proc/self/statm").read_text().split()
        return int(words[1]) * 4096, len(os.listdir("/proc/self/fd"))

    with Sandbox("namespace") as sandbox, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: sandbox.run(program(f"{GOOD}\n# {i}")), range(5000)))
        rss, fds = used()
        last = list(pool.map(lambda i: sandbox.run(program(f"{GOOD}\n# {i}")), range(5000, 10000)))
        assert {o.verdict for o in last} == {"pass"}
        after, fds_after = used()
    assert after - rss < 8 << 20 and fds_after <= fds + 4


@pytest.mark.slow
def test_no_verdict_changes_at_load_ten():
    busy = "import time\ndef f(x):\n    while time.process_time() < {}:\n        pass\n    return x + 1"
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(10)]
    try:
        with Sandbox("namespace", workers=2) as sandbox, ThreadPoolExecutor(2) as pool:
            sources = [busy.format(s) for s in (0.3, 0.8, 1.2, 2.0)] + ["while True: pass"]
            jobs = [program(f"{source}\n# {i}") for source in sources for i in range(2)]
            verdicts = list(pool.map(lambda p: sandbox.run(p).verdict, jobs))
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert verdicts == ["pass"] * 8 + ["timeout"] * 2


@pytest.mark.parametrize("mode", ["split", "inproc"])
def test_memory_that_is_allowed_costs_no_processor_time(one, mode):
    filling = program(
        "def f(x):\n    return x + bytearray(700 << 20)[5]", "assert f(1) == 1", limits=Limits(seconds=0.5)
    )
    assert one.run(filling, mode).verdict == "pass"


def test_touching_the_same_memory_for_ever_ends_in_time(one):
    source = "import mmap\ndef f(x):\n    while True:\n        mmap.mmap(-1, 1 << 26).write(bytes(1 << 26))"
    outcome = one.run(program(source, limits=Limits(seconds=0.2, memory=1 << 28)))
    assert outcome.verdict == "timeout" and outcome.cpu < 10


def test_a_judge_that_a_program_has_filled_is_replaced(one):
    one.run(program("def f(x):\n    return 'a' * 60_000_000", "assert f(1) == ''", limits=Limits(seconds=9.0)))
    assert one._free.empty()
    assert one.run(program(f"{GOOD}\n# on a fresh worker")).verdict == "pass" and one._free.qsize() == 1


SAID = ["{'v': 'error'}", "{'v': 'test'}", "{'v': 'pass '}", "{'v': {}}", "[]", "{'v': 'pass', 'calls': 'x'}"]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("status", [0, 97])
def test_a_program_in_one_process_may_say_pass_or_fail_and_no_more(one, said, status):
    source = (
        "import json, os\ndef f(x):\n"
        f"    body = json.dumps({said}).encode()\n"
        "    os.write(3, len(body).to_bytes(4, 'little') + body)\n"
        f"    os._exit({status})"
    )
    assert one.run(program(source), "inproc").verdict == ("pass" if "'pass'," in said else "fail")
    assert one.run(program(source)).verdict == "fail"
    assert one.check(program(source)).standing in ("suspect", "failed")


def test_a_tier_of_no_such_name_is_refused_and_not_run_without_a_fence():
    with pytest.raises(ValueError, match="wanted a tier of namespace, landlock"):
        Sandbox("namespaces")

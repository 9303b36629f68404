"""What two copies of a model on this machine lose, and to whom: cores that wait, work that grew, others' processes.

    python perf/workers_lost.py                    # 113 million parameters; some ten minutes; needs the extra `scale`

The model and the questions of `workers.py`, ranked in turn by one process with all threads, by one with one thread, by
two that know nothing of each other with one thread and half of the questions each (the most that two workers can give),
by two copies in processes, and by two that Ray placed. Each mode is measured `--rounds` times, in turn.

Of each is said: questions a second; processor seconds a question of those who compute, and of all who do not (the
process that asks, Ray's own); `asleep`, the share of the time in which a computing process neither ran nor waited for
a core: what handing out pieces costs, whatever else the machine does (its scheduler's own counts, Linux only); and the
processor seconds until the first answer, which no rate includes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workers import make_model, make_questions

MARK = "EVALH_PERF_MODE"
PROGRAM = """
import json, os, sys, time
from evalharness.executor import PlacementOptions
from evalharness.records import Message, Request
from evalharness.runs.placed import placed_model
from evalharness.runs.session import RunHooks, RunPlace, make_plan, run_plan
name, placement, bench = sys.argv[1], PlacementOptions(**json.loads(sys.argv[2])), sys.argv[3]
model = placed_model("local:model", {}, placement)
list(model.answer([Request(messages=(Message("user", "a"),), choices=("b",))] * 32))  # opens every copy
print("open", flush=True)
sys.stdin.readline()
began = time.perf_counter()
run = run_plan(make_plan([bench], model="local:model"), model, RunPlace(name=name), RunHooks())
print(json.dumps({"seconds": time.perf_counter() - began, "answers": run.answers}), flush=True)
sys.stdin.readline()
"""
TWO = {"replicas": 2, "replica_cores": 1}
MODES: dict[str, tuple[int, dict[str, object], int]] = {  # programs, what each is told, threads of each (0: its own)
    "one process": (1, {}, 0),
    "one process, one thread": (1, {}, 1),
    "two apart": (2, {}, 1),
    "two copies, processes": (1, {**TWO, "engine": "processes"}, 0),
    "two copies, Ray": (1, {**TWO, "engine": "ray"}, 0),
}


@dataclass(frozen=True)
class Taken:
    """Of one process: its words, processor seconds, and seconds that its busiest thread ran or waited for a core."""

    words: str
    cpu: float
    busy: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of a mode; see above."""

    rate: float
    computing: float
    others: float
    asleep: float
    opening: float


def taken(mark: str) -> dict[int, Taken]:
    """What every process has taken so far that was started with this mark in its environment."""
    found = {}
    for entry in filter(lambda path: path.name.isdigit(), Path("/proc").iterdir()):
        try:
            if f"{MARK}={mark}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            ran, busy = 0.0, 0.0
            for task in (entry / "task").iterdir():
                on, waited, _ = map(int, (task / "schedstat").read_text().split())
                ran, busy = ran + on / 1e9, max(busy, (on + waited) / 1e9)
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found[int(entry.name)] = Taken(words, ran, busy)
        except OSError:
            continue  # it ended
    return found


def measure(folder: Path, mode: str, number: int) -> Measured:
    """One run of a mode, each of its programs in a process of its own. SystemExit where one fails."""
    count, placement, threads = MODES[mode]
    mark = f"{os.getpid()}.{mode.replace(' ', '-')}.{number}"
    environment = {**os.environ, MARK: mark, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"{mark}.{i}", json.dumps(placement), bench_of(count, i)],
            cwd=folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for i in range(count)
    ]  # fmt: skip
    for program in programs:
        said(program)
    before = taken(mark)
    for program in programs:
        go_on(program)
    ended = [json.loads(said(program)) for program in programs]
    after = taken(mark)
    for program in programs:
        go_on(program)
        program.wait()
    seconds, answers = max(one["seconds"] for one in ended), sum(one["answers"] for one in ended)
    spent = {pid: one.cpu - (before[pid].cpu if pid in before else 0.0) for pid, one in after.items()}
    ours = {program.pid for program in programs}
    candidates = spent.keys() - ours if placement else ours  # who hands out pieces does not compute
    computing = sorted(candidates, key=lambda pid: -spent[pid])[:2]
    busy = [after[pid].busy - before[pid].busy for pid in computing]
    return Measured(
        rate=answers / seconds,
        computing=sum(spent[pid] for pid in computing) / answers,
        others=sum(cpu for pid, cpu in spent.items() if pid not in computing) / answers,
        asleep=1 - sum(busy) / len(busy) / seconds,
        opening=sum(one.cpu for one in before.values()),
    )


def bench_of(count: int, part: int) -> str:
    return "./bench.yaml" if count == 1 else f"./half{part}.yaml"


def said(program: subprocess.Popen[str]) -> str:
    """The next line that a program prints. SystemExit where it ended."""
    assert program.stdout is not None
    line = program.stdout.readline()
    while line and line != "open\n" and not line.startswith("{"):
        line = program.stdout.readline()
    if not line:
        raise SystemExit(f"a program ended with {program.wait()}")
    return line


def go_on(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


def halves(folder: Path) -> None:
    """The questions in two halves, each a benchmark."""
    rows = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    bench = (folder / "bench.yaml").read_text()
    for part in (0, 1):
        (folder / f"half{part}.jsonl").write_text("".join(rows[part * len(rows) // 2 : (part + 1) * len(rows) // 2]))
        (folder / f"half{part}.yaml").write_text(bench.replace("rows.jsonl", f"half{part}.jsonl"))


def shown(mode: str, found: Sequence[Measured], alone: float) -> str:
    def middle(name: str) -> float:
        return statistics.median(getattr(one, name) for one in found)

    return (
        f"{mode:24} {middle('rate'):7.2f} {middle('rate') / alone:6.2f} {middle('computing'):10.3f} "
        f"{middle('others'):8.3f} {100 * middle('asleep'):7.1f} {middle('opening'):9.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    asked = parser.parse_args()
    found: dict[str, list[Measured]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        print(f"{make_model(folder / 'model', asked.layers, asked.width):,} parameters, {asked.questions} questions")
        make_questions(folder, asked.questions)
        halves(folder)
        for number in range(asked.rounds):
            for mode in asked.modes:
                found[mode].append(measure(folder, mode, number))
                print(f"round {number + 1}, {mode}: {found[mode][-1]}", file=sys.stderr, flush=True)
    print(f"{'':24} {'a second':>7} {'ratio':>6} {'computing':>10} {'others':>8} {'asleep %':>7} {'opening s':>9}")
    alone = statistics.median(one.rate for one in found[asked.modes[0]])
    for mode in asked.modes:
        print(shown(mode, found[mode], alone))


if __name__ == "__main__":
    main()

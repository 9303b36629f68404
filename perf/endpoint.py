"""Requests to an OpenAI-compatible endpoint: our client against lm-evaluation-harness's and inspect_ai's, on loopback.

    EVALH_PEER_PYTHON=/path/to/python python perf/endpoint.py [--workers 512] [--count 6000] [--latency 0.05]
    EVALH_PEER_PYTHON=/path/to/python python perf/endpoint.py --whole --count 10000 --peer-count 600 --workers 64
    python perf/endpoint.py --alone --count 100000 --workers 64 --latency 0.01

The server is a process of its own and waits a fixed time before each answer; the ceiling is workers / latency. What it
can do at most, and its CPU time a request, are printed first. Both sides must return every answer. With `--whole` it is
a whole `evalh run` (prompts, journal, scores, summary) against a whole eval of inspect_ai, which may be asked less.
`--alone` is that run of ours by itself, for its peak memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.request import urlopen

from _pairs import Ran, child, machine, options, pair, peer, ratio

SIDES = str(Path(__file__).with_name("_endpoint.py"))


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The address of a server that waits so long before each answer."""
    with subprocess.Popen([sys.executable, SIDES, "serve", str(latency)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


def server_cpu(url: str) -> float:
    """CPU seconds that the server has used so far."""
    with urlopen(url.removesuffix("/v1") + "/cpu") as reply:
        return float(reply.read())


def side(python: str, threads: int, role: str, *words: object) -> Ran:
    """One side's run: its own clock, from the first request to the last answer."""
    ran = child([python, SIDES, role, *map(str, words)], threads)
    said = json.loads([line for line in ran.out.splitlines() if line.startswith('{"right"')][-1])
    if not said["right"]:
        raise SystemExit(f"{role}: the answers are not those of the questions")
    return Ran(said["wall"], said["cpu"], said.get("peak", ran.peak), ran.out)


def limits(count: int, workers: int, threads: int) -> dict[str, float]:
    """What the server can do at most, asked by the least client there can be, and what a request costs either."""
    with server(0.0) as url:
        ran = side(sys.executable, threads, "raw", url, count, workers)
        return {
            "server_most_per_s": round(count / ran.wall), "raw_cpu_ms": round(1000 * ran.cpu / count, 4),
            "server_cpu_ms": round(1000 * server_cpu(url) / count, 4),
        }  # fmt: skip


def versions() -> dict[str, str]:
    """Of what our side's speed hangs on."""
    found = {}
    for name in ("aiohttp", "httptools", "uvloop", "orjson"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--workers", type=int, default=512)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--peer-count", type=int, default=0, help="questions for the peer; 0 = as many")
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--client", default="lean", choices=("lean", "lean-asyncio", "aiohttp"))
    parser.add_argument("--whole", action="store_true", help="a whole run against a whole eval of inspect_ai")
    parser.add_argument("--alone", action="store_true", help="a whole run, and nothing to compare it with")
    args = parser.parse_args()
    part = 10 if args.quick else 1
    count, pairs = args.count // part, 1 if args.quick else args.pairs
    theirs_count = (args.peer_count or args.count) // part
    theirs = "" if args.alone else peer()
    about = {**machine(), **versions(), "workers": args.workers, "count": count, "client": args.client}
    print(json.dumps({**about, **limits(count, args.workers, args.threads)}), flush=True)
    if args.alone:
        with server(args.latency) as url, tempfile.TemporaryDirectory() as folder:
            ran = side(sys.executable, args.threads, "run", url, count, args.workers, Path(folder, "run"))
        print(json.dumps({"per_s": round(count / ran.wall), "cpu_us": 1e6 * ran.cpu / count, "peak_mb": ran.peak}))
        return
    role, peers = ("run", "inspect") if args.whole else ("ours", "lm_eval")
    with server(args.latency) as url, tempfile.TemporaryDirectory() as folder:

        def ours(number: int) -> Ran:
            more = [Path(folder, f"run-{number}")] if args.whole else [args.client]
            return side(sys.executable, args.threads, role, url, count, args.workers, *more)

        def peer_s(number: int) -> Ran:
            more = [Path(folder, f"eval-{number}")] if args.whole else []
            return side(theirs, args.threads, peers, url, theirs_count, args.workers, *more)

        runs = []
        for number in range(pairs + (not args.quick)):
            runs.append(pair(number, lambda number=number: ours(number), lambda number=number: peer_s(number)))
    measured = runs if args.quick else runs[1:]
    ceiling = args.workers / args.latency
    print(json.dumps({
        **about, "ceiling_per_s": ceiling,
        "ours_per_s": ratio([count / a.wall for a, _ in measured]),
        "peer_per_s": ratio([theirs_count / b.wall for _, b in measured]),
        "of_ceiling": ratio([count / a.wall / ceiling for a, _ in measured]),
        "cpu_us_ours": ratio([1e6 * a.cpu / count for a, _ in measured]),
        "cpu_us_peer": ratio([1e6 * b.cpu / theirs_count for _, b in measured]),
        "faster": ratio([count / a.wall * b.wall / theirs_count for a, b in measured]),
        "less_cpu": ratio([b.cpu / theirs_count * count / a.cpu for a, b in measured]),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

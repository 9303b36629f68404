"""Requests per second to an OpenAI-compatible endpoint: our client against lm-evaluation-harness's, on loopback.

    EVALH_PEER_PYTHON=/path/to/python python perf/endpoint.py [--workers 64] [--count 3000] [--latency 0.05]

The server waits a fixed time before each answer; the ceiling is workers / latency. Both sides must return every answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from _pairs import Ran, child, machine, options, pair, peer, ratio

SIDES = str(Path(__file__).with_name("_endpoint.py"))


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--latency", type=float, default=0.05)
    args = parser.parse_args()
    count, pairs = (args.count // 10, 1) if args.quick else (args.count, args.pairs)
    theirs = peer()
    with subprocess.Popen(
        [sys.executable, SIDES, "serve", str(args.latency)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"

        def side(python: str, role: str) -> Ran:
            ran = child([python, SIDES, role, url, str(count), str(args.workers)], args.threads)
            said = json.loads([line for line in ran.out.splitlines() if line.startswith("{")][-1])
            if not said["right"]:
                raise SystemExit(f"{role}: the answers are not those of the questions")
            return Ran(said["wall"], said["cpu"], ran.peak, ran.out)

        try:
            runs = []
            for number in range(pairs + (not args.quick)):
                runs.append(pair(number, lambda: side(sys.executable, "ours"), lambda: side(theirs, "peer")))
        finally:
            server.kill()
    measured = runs if args.quick else runs[1:]
    print(json.dumps({
        **machine(), "workers": args.workers, "count": count, "ceiling_per_s": args.workers / args.latency,
        "ours_per_s": ratio([count / a.wall for a, _ in measured]),
        "peer_per_s": ratio([count / b.wall for _, b in measured]),
        "cpu_ms_ours": ratio([1000 * a.cpu / count for a, _ in measured]),
        "cpu_ms_peer": ratio([1000 * b.cpu / count for _, b in measured]),
        "faster": ratio([b.wall / a.wall for a, b in measured]),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

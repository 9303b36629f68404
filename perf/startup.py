"""Start-up: from the shell to a model that could answer, ours and lm-evaluation-harness in turn.

    EVALH_PEER_PYTHON=/path/to/python python perf/startup.py

Ours opens the checkpoint through the plug-in and describes it (fingerprint included); the peer opens it and its task
index, as its own command does. Both exit without asking anything, so there are no results to compare.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from _pairs import MODELS, child, machine, make_model, options, pair, peer, ratio

OURS = """
import resource, sys
from evalharness import plugins
from evalharness.options import LocalOptions
model = plugins.model("local:" + sys.argv[1], LocalOptions(threads=int(sys.argv[2])))
model.describe(), model.fingerprint, plugins.benchmark("mmlu")
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def main() -> None:
    parser = options("starts, ours and lm-evaluation-harness in turn")
    parser.add_argument("--model", choices=sorted(MODELS), default="gpt2-124m")
    args = parser.parse_args()
    python = peer()
    if args.quick:
        args.pairs = 1
    model = make_model(args.model, Path(tempfile.gettempdir()) / "evalh-perf" / args.model)
    ours = lambda: child([sys.executable, "-c", OURS, str(model), str(args.threads)], args.threads)
    theirs = lambda: child([python, str(Path(__file__).with_name("_peer.py")), "start", str(model)], args.threads)
    ours()
    theirs()
    pairs = [pair(turn, ours, theirs) for turn in range(args.pairs)]
    print(json.dumps({
        "name": "startup", "model": args.model, "peer": "lm_eval 0.4.13", "threads": args.threads, **machine(),
        "pairs": args.pairs, "ratio_cpu": ratio([b.cpu / a.cpu for a, b in pairs]),
        "ratio_wall": ratio([b.wall / a.wall for a, b in pairs]),
        "ratio_peak_memory": ratio([a.peak / b.peak for a, b in pairs]),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

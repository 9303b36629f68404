"""Runs inside a container: programs in, outcomes out, a JSON line each, until standard input ends."""

import json
import os
import sys
from typing import cast

_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(_root)

from evalharness.sandbox.outer import program_from  # noqa: E402  the path comes first
from evalharness.sandbox.pool import Sandbox  # noqa: E402
from evalharness.sandbox.program import Tier  # noqa: E402

with Sandbox(cast(Tier, sys.argv[1]), workers=1) as sandbox:
    for line in sys.stdin:
        job = json.loads(line)
        outcome = sandbox.run(program_from(job["program"]), job["mode"])
        sys.stdout.write(json.dumps(outcome.as_json()) + "\n")
        sys.stdout.flush()

"""Every reader of foreign bytes on ten thousand bent files each; tests/test_fuzz.py has the readers and runs fewer.

`python perf/fuzz.py [--cases N] [KIND ...]`: prints the seconds of each kind; a traceback is a finding.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import test_fuzz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*test_fuzz.READERS, []], default=[])
    parser.add_argument("--cases", type=int, default=10_000)
    said = parser.parse_args()
    for kind in said.kinds or test_fuzz.READERS:
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            test_fuzz.hold(kind, Path(folder), said.cases)
        print(f"{kind}: {said.cases:,} files in {time.process_time() - began:.0f} s of processor time", flush=True)


if __name__ == "__main__":
    main()

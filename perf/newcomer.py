"""A newcomer's first hour, step by step and timed: an empty home, a fresh clone, a fresh virtual environment.

    python perf/newcomer.py                   # README's first line, the demo, own data, benchmark, endpoint, gate
    python perf/newcomer.py --without-demo    # all but the demo, which trains for a minute or two
    python perf/newcomer.py --base            # the package without torch: how large, how long, and a first answer

Each step is a command as the documents have it. The script ends with 1 where one fails, or where the first result of
the main job takes longer than a minute after the installation. Printed are wall and processor
seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
FIRST_RESULT = 60.0  # seconds from the end of the installation


@dataclass
class Newcomer:
    """Someone with an empty home and a clone, who then works in a folder of their own; every step is printed with its
    time."""

    folder: Path
    home: Path
    desk: Path
    took: dict[str, float] = field(default_factory=dict)

    def step(self, name: str, command: str, wanted: int = 0) -> str:
        """Run a command line; its output. SystemExit where it ends with another code than the one wanted."""
        kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k in ("LANG", "SSL_CERT_FILE")}
        environment = {**kept, "HOME": str(self.home), "PATH": f"{self.folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin",
                       "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "stub"}  # fmt: skip
        place = self.folder if ".venv" in command else self.desk
        start, used = time.perf_counter(), _processor()
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        self.took[name] = time.perf_counter() - start
        print(f"{self.took[name]:8.1f} s, {_processor() - used:5.1f} of processor  {name}: {command[:100]}", flush=True)
        if done.returncode != wanted:
            raise SystemExit(f"exit {done.returncode}, wanted {wanted}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout


def the_hour(new: Newcomer, *, demo: bool) -> None:
    """README's first line in its parts, then what docs/start.md goes on with."""
    lines = (ROOT / "README.md").read_text().splitlines()
    (first,) = [line for line in lines if "venv" in line and "evalh run mmlu" in line]
    make, install, run = (part.strip() for part in first.split("&&"))
    new.step("a virtual environment", make)
    new.step("install", install)
    said = new.step("first result", run)
    if not re.search(r"accuracy .* 65 ", said):
        raise SystemExit(f"the main job printed no figures:\n{said}")
    if demo:
        new.step("demo", "evalh demo")
    own_data(new)
    new.step("own benchmark: begin", "evalh init")
    new.step("own benchmark: preview", "evalh preview evals/my_bench.yaml")
    new.step("own benchmark: run", "evalh run evals/my_bench.yaml --model tiny --name first")
    new.step("own benchmark: look", "evalh show first --wrong")
    own_endpoint(new)
    new.step("is it better?", "evalh compare first api")
    new.step("why do they differ?", "evalh diff-config first api")
    new.step("gate: baseline", "evalh ci evals/suite.yaml --no-baseline create")
    new.step("gate: hold", "evalh ci evals/suite.yaml")


def own_data(new: Newcomer) -> None:
    """Forty instructions of one's own, learned from and asked."""
    rows = [{"instruction": f"What is {n} plus 1?", "output": f"{n + 1}"} for n in range(40)]
    (new.desk / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    new.step("own data: fine-tune", "evalh finetune mine.jsonl --model tiny --out tuned --epochs 1")
    new.step("own data: ask what was made", "evalh run mmlu --model local:tuned --data sample --limit 8 --name tuned")


def own_endpoint(new: Newcomer) -> None:
    """A server that speaks the OpenAI protocol, here a stub."""
    from stub_server import serve

    with serve(lambda body: "Lima") as stub:
        command = f"evalh run evals/my_bench.yaml --model openai:stub --base-url {shlex.quote(stub.url)} --name api"
        new.step("own endpoint", command)


def base_install(new: Newcomer) -> None:
    """The wheel alone, without torch, in an environment of its own."""
    new.step("a virtual environment", "python3 -m venv .venv")
    before = _megabytes(new.folder / ".venv")
    new.step("install the base", f".venv/bin/pip install -q -c constraints.txt {shlex.quote(str(new.folder))}")
    print(f"          installed: {_megabytes(new.folder / '.venv') - before:.0f} MB")
    new.step("no torch", ".venv/bin/python -c 'import torch'", wanted=1)
    new.step("own benchmark: begin", "evalh init")
    own_endpoint(new)
    new.step("first result", "evalh run mmlu --model echo --data sample")


def _processor() -> float:
    """Processor seconds of all that ran so far."""
    said = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said.ru_utime + said.ru_stime


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="a newcomer's first hour, timed")
    parser.add_argument("--without-demo", action="store_true")
    parser.add_argument("--base", action="store_true", help="the package without torch")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="newcomer-") as scratch:
        folder, home, desk = (Path(scratch) / name for name in ("clone", "home", "desk"))
        home.mkdir()
        desk.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        new = Newcomer(folder, home, desk)
        start = time.perf_counter()
        if chosen.base:
            base_install(new)
        else:
            the_hour(new, demo=not chosen.without_demo)
        held = [path.name for path in home.iterdir()] or "nothing"
        print(f"{time.perf_counter() - start:8.1f} s  in all; the home holds {held}")
        if (took := new.took["first result"]) > FIRST_RESULT:
            raise SystemExit(f"the first result took {took:.0f} s, wanted {FIRST_RESULT:.0f} at most")


if __name__ == "__main__":
    main()

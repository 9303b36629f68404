"""A container engine as the outer wall, when the user asks for one: the sandbox itself runs inside of it.

`docker`, `podman`, or `gvisor` (docker with the runsc runtime); `docker:IMAGE` names an image with Python >= 3.11.
Programs go in and outcomes come out as JSON lines on the container's standard input and output.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from evalharness.errors import UserError, option_name
from evalharness.sandbox.pool import ProgramRunner, Sandbox
from evalharness.sandbox.program import Limits, Program, ProgramMode, ProgramOutcome
from evalharness.sandbox.worker import WORKER_PATIENCE, WorkerLost

ENGINES = ("docker", "podman", "gvisor")
STARTS = 600.0  # seconds: the first start may have to fetch the image
_LONGEST = 16 << 20  # bytes of an outcome, whose texts are cut long before
_PACKAGE = Path(__file__).resolve().parents[1]


def _command(wanted: str) -> list[str]:
    """The command line of one container."""
    engine, _, image = wanted.partition(":")
    image = image or f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    program = ["docker", "run", "--runtime", "runsc"] if engine == "gvisor" else [engine, "run"]
    walls = [
        "--rm", "-i", "--init", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--read-only",
        "--tmpfs", "/tmp:size=64m,mode=1777", "--memory", "4g", "--pids-limit", "256", "--user", "65534:65534",
        "-v", f"{_PACKAGE}:/opt/evalh/evalharness:ro", "-w", "/tmp",
    ]  # fmt: skip
    # gVisor has no Landlock: there the walls are its own, and the filter.
    tier = "seccomp" if engine == "gvisor" else "landlock"
    start = ["python3", "-P", "-s", "-S", "-B", "/opt/evalh/evalharness/sandbox/relay.py", tier]
    return [*program, *walls, image, *start]


class Container:
    """One container with a sandbox of one worker in it."""

    def __init__(self, wanted: str) -> None:
        self.served, self.worn, self.given_up = 0, False, False
        try:
            self.process = subprocess.Popen(
                _command(wanted), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise UserError(
                f"{option_name('sandbox', wanted)}: {error.filename} cannot be started: {error.strerror}"
            ) from error

    def run(self, program: Program, mode: ProgramMode) -> ProgramOutcome:
        """Run one program. Raises WorkerLost when the container is gone."""
        self.served += 1
        # The sandbox inside keeps the limits and tries twice; this is for a container that hangs.
        patience = 2 * (program.limits.wall + WORKER_PATIENCE) + (STARTS if self.served == 1 else 0)
        watch = threading.Timer(patience, self._give_up)
        watch.daemon = True
        watch.start()
        try:
            return self._asked(program, mode)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            said = f"said nothing for {patience:.0f} s" if self.given_up else f"is gone: {error}"
            raise WorkerLost(f"the container {said}") from error
        finally:
            watch.cancel()

    def _asked(self, program: Program, mode: ProgramMode) -> ProgramOutcome:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"program": asdict(program), "mode": mode}).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline(_LONGEST)
        if not line.endswith(b"\n"):
            raise ValueError("it ended" if len(line) < _LONGEST else "its answer has no end")
        return ProgramOutcome(**json.loads(line))

    def _give_up(self) -> None:
        """End a container that takes too long to read, or to say one line. All of its processes: each holds the pipes,
        and whoever writes to them or reads from them would wait for the last."""
        self.given_up = True
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Hang up: the relay inside ends, and with it the container."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.close()
            self.process.wait(10.0)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class ContainerSandbox(Sandbox):
    """A sandbox whose workers are containers."""

    def __init__(self, wanted: str, workers: int = 0) -> None:
        self.wanted = wanted
        super().__init__("seccomp" if wanted.startswith("gvisor") else "landlock", workers)
        self.record.update(container=wanted)

    def _start(self, number: int) -> ProgramRunner:
        return Container(self.wanted)


def program_from(fields: dict[str, object]) -> Program:
    """A Program from its JSON."""
    limits = Limits(**fields.pop("limits"))  # type: ignore[arg-type]  # written by asdict
    return Program(**fields, limits=limits)  # type: ignore[arg-type]  # written by asdict

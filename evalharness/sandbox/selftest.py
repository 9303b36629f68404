"""The sandbox attacks itself: what a tier promises is tried in a real child behind the real fence."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalharness.sandbox import probe
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Limits, Program, ProgramMode

_MODES: tuple[ProgramMode, ...] = ("split", "inproc")
_QUICK = Limits(seconds=0.3, wall=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What the probes aim at: things of the harness that answer when they are touched."""

    canary: Path
    listeners: tuple[socket.socket, ...]
    udp: socket.socket

    def of(self, name: str) -> str:
        """The target of a probe, as text."""
        tcp, path, abstract = self.listeners
        return {
            "connect by TCP": str(tcp.getsockname()[1]),
            "send by UDP": str(self.udp.getsockname()[1]),
            "connect to a unix socket": str(path.getsockname()),
            "connect to an abstract socket": abstract.getsockname()[1:].decode() if abstract is not path else "none",
        }.get(name, str(self.canary) if name in probe.FILES[:4] else str(os.getpid()))

    def touched(self) -> str:
        """Which target was reached after all; '' when none was."""
        about = self.canary.stat()
        if self.canary.read_text() != "canary" or about.st_mode & 0o777 != 0o644 or about.st_mtime < 1e9:
            return "the canary file"
        if {p.name for p in self.canary.parent.iterdir()} - {"canary", "socket"}:
            return "the canary's folder"
        for sock in (*self.listeners, self.udp):
            with contextlib.suppress(BlockingIOError):
                if sock is self.udp:
                    sock.recv(1)
                else:
                    sock.accept()
                return f"the socket {sock.getsockname()!r}"
        return ""


@contextlib.contextmanager
def targets() -> Iterator[Targets]:
    """A canary file in a folder that anybody could reach, and listeners of every kind."""
    with tempfile.TemporaryDirectory(prefix="evalh-canary-") as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o777)  # only the fence may stand in the way
        canary = Path(folder) / "canary"
        canary.write_text("canary")
        canary.chmod(0o644)
        tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
        unix.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o777)
        unix.listen()
        abstract = unix
        if os.uname().sysname == "Linux":
            abstract = socket.socket(socket.AF_UNIX)
            abstract.bind(b"\0evalh-canary-" + os.urandom(8).hex().encode())
            abstract.listen()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        for sock in (tcp, unix, abstract, udp):
            stack.enter_context(sock)
            sock.setblocking(False)
        yield Targets(canary=canary, listeners=(tcp, unix, abstract), udp=udp)


def attack(sandbox: Sandbox) -> dict[str, str]:
    """What was tried -> '' where the fence held, else what happened. Tries what an honest program needs as well."""
    table: dict[str, str] = {}
    with targets() as aims:
        names = probe.OTHERS if sandbox.tier == "seccomp" else (*probe.FILES, *probe.OTHERS)
        for name in names:
            test = f"assert probe({name!r}, {aims.of(name)!r}) is True"
            outcome = sandbox.run(Program(source=probe.SOURCE, test=test, entry="probe"))
            table[name] = "" if outcome.verdict == "pass" else f"{outcome.verdict}: {outcome.why}"
            if outcome.verdict == "error":
                return table  # nothing runs at all
        reached = aims.touched()
        table["touch nothing of the harness"] = f"reached {reached}" if reached else ""
    spin = sandbox.run(Program(source=probe.SOURCE, test="spin()", entry="spin", limits=_QUICK))
    table["run for ever"] = "" if spin.verdict == "timeout" else f"{spin.verdict}: {spin.why}"
    works = sandbox.run(Program(source=probe.SOURCE, test="assert works() is True", entry="works"))
    table["honest: threads, temporary files, imports"] = (
        "" if works.verdict == "pass" else f"{works.verdict}: {works.why}"
    )
    for source, wanted in (("def f(x):\n    return x + 1", "pass"), ("def f(x):\n    return x", "fail")):
        for mode in _MODES:
            outcome = sandbox.run(Program(source=source, test="assert f(1) == 2", entry="f"), mode)
            name = f"honest: a {'right' if wanted == 'pass' else 'wrong'} program, {mode}"
            table[name] = "" if outcome.verdict == wanted else f"{outcome.verdict}: {outcome.why}"
    return table

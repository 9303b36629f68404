"""Many voters at once while the arena's server and database are killed: is every acknowledged vote there, once?

    python perf/arena_votes.py [--voters 50] [--seconds 60] [--database sqlite|postgres]

The server is killed with SIGKILL twice and started again on its port, and so is PostgreSQL, which is set up in a
folder of its own and run as an ordinary user (SQLite has no process: there the server is killed four times). A voter
whose acknowledgement does not come sends the same form again. Exit 1 where a vote is lost, doubled or changed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

MODELS = ("one", "two", "three", "four")
GRACE = 60.0  # seconds after the end in which a vote that is under way may still be acknowledged
FORM = {"content-type": "application/x-www-form-urlencoded"}
ORDINARY = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Service:
    """A process that is started, killed and started again; it is there when it answers on a port, and is `ready`."""

    def __init__(
        self, start: Callable[[], subprocess.Popen[bytes]], port: int, ready: Callable[[], bool] = lambda: True
    ) -> None:
        self._start, self.port, self._ready = start, port, ready
        self.process = start()
        self.wait()

    def wait(self) -> None:
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if self._ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"nothing answers on port {self.port}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> None:
        self.kill()
        self.process = self._start()
        self.wait()


def _takes_clients(url: str) -> bool:
    """Whether PostgreSQL is past its start, in which it listens and refuses."""
    import psycopg

    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, Service]]:
    """A PostgreSQL of its own: its address, and its process."""
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    initdb = shutil.which("initdb") or (str(tools[0] / "initdb") if tools else None)
    if initdb is None:
        raise SystemExit("there is no initdb: install PostgreSQL")
    data = folder / "data"
    data.mkdir()
    if ORDINARY is not None:
        for place in (folder, data):
            shutil.chown(place, ORDINARY)
        folder.chmod(0o755)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": ORDINARY, "cwd": data}
    subprocess.run([initdb, "-D", data, "-U", "arena", "-A", "trust", "-E", "UTF8"], check=True, **quiet)
    port = free_port()
    server = Path(initdb).with_name("postgres")
    words = [server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data, "-c", "max_connections=100"]
    url = f"postgresql://arena@127.0.0.1:{port}/postgres"
    service = Service(lambda: subprocess.Popen(words, **quiet), port, lambda: _takes_clients(url))
    try:
        yield url, service
    finally:
        service.kill()


def arena_server(folder: Path, url: str) -> Service:
    """The arena over recorded answers."""
    prompts = folder / "prompts.jsonl"
    rows = [{"prompt": f"Question {n}?", "answers": {m: f"the answer of {m[::-1]} to {n}" for m in MODELS}}
            for n in range(3000)]  # fmt: skip
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    port = free_port()
    words = [sys.executable, "-m", "evalharness", "arena", "serve", "--prompts", prompts, "--port", str(port)]
    words += ["--votes-per-minute", "1000000", "--joins-per-minute", "1000000"]
    environment = {**os.environ, "EVALH_DATABASE_URL": url}
    return Service(lambda: subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL), port)


class Voter(threading.Thread):
    """Votes until the end; `acknowledged` has the choice by battle."""

    def __init__(self, port: int, end: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.port, self.end, self.random = port, end, random.Random(seed)
        self.acknowledged: dict[str, str] = {}
        self.sent_again = 0
        self.cookie = ""

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, location and body; asked again while nobody answers."""
        body = None if fields is None else urlencode(fields)
        while time.monotonic() < self.end + GRACE:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GRACE)
            try:
                connection.request(method, path, body, {**(FORM if body else {}), "cookie": self.cookie})
                reply = connection.getresponse()
                text = reply.read().decode()
                if reply.status < 500:
                    self.cookie = (reply.getheader("set-cookie") or self.cookie).partition(";")[0]
                    return reply.status, reply.getheader("location") or "", text
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            self.sent_again += method == "POST"
            time.sleep(0.1 + self.random.random() / 5)
        raise TimeoutError(path)

    def run(self) -> None:
        self.ask("POST", "/join", {"consent": "yes"})
        while time.monotonic() < self.end:
            _, place, _ = self.ask("GET", "/battle")
            _, _, page = self.ask("GET", place)
            found = dict(re.findall(r'name="(csrf|key)" value="([^"]*)"', page))
            choice = self.random.choice(["model_a", "model_b", "tie", "tie (bothbad)"])
            status, _, _ = self.ask("POST", f"{place}/vote", {**found, "choice": choice})
            if status == 303:
                self.acknowledged[place.rpartition("/")[2]] = choice


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voters", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalh-arena-") as name:
        folder = Path(name)
        if asked.database == "sqlite":
            return measure(asked, folder, f"sqlite:///{folder}/votes.sqlite", None)
        own = folder / "postgres"
        own.mkdir()
        folder.chmod(0o755)
        with postgres(own) as (url, service):
            return measure(asked, folder, url, service)


def measure(asked: argparse.Namespace, folder: Path, url: str, database: Service | None) -> int:
    """Vote, kill, and look for every vote."""
    server = arena_server(folder, url)
    try:
        end = time.monotonic() + asked.seconds
        voters = [Voter(server.port, end, seed) for seed in range(asked.voters)]
        for voter in voters:
            voter.start()
        for service in (server, database or server, server, database or server):
            time.sleep(asked.seconds / 5)
            service.again()
        for voter in voters:
            voter.join(asked.seconds + 2 * GRACE)
        stuck = sum(voter.is_alive() for voter in voters)
    finally:
        server.kill()
    acknowledged = {battle: choice for voter in voters for battle, choice in voter.acknowledged.items()}
    there = Counter(votes_of(url))
    battles = Counter(battle for battle, _ in there.elements())
    lost = [battle for battle, choice in acknowledged.items() if there[battle, choice] != 1]
    doubled = [battle for battle, n in battles.items() if n > 1]
    print(f"{asked.database}: {asked.voters} voters, {asked.seconds:g} s, killed 4 times: "
          f"{len(acknowledged):,} votes acknowledged ({len(acknowledged) / asked.seconds:.0f}/s), "
          f"{sum(voter.sent_again for voter in voters):,} forms sent again, {sum(battles.values()):,} votes there, "
          f"{len(lost)} lost, {len(doubled)} doubled, {stuck} voters stuck")  # fmt: skip
    return int(bool(lost or doubled or stuck or not acknowledged))


def votes_of(url: str) -> list[tuple[str, str]]:
    """(battle, choice) of every vote in the database, which may be starting up still."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    end = time.monotonic() + GRACE
    while True:
        try:
            store = engine.connect()
            break
        except sqlalchemy.exc.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    with store:
        found = [
            (str(battle), str(choice))
            for battle, choice in store.execute(sqlalchemy.text("SELECT battle, choice FROM votes"))
        ]
    engine.dispose()
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Votes outlive the death of the server and of the database (perf/arena_votes.py has fifty voters for a minute)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "perf" / "arena_votes.py"


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_acknowledged_vote_is_there_once(database):
    if database == "postgres":
        pytest.importorskip("psycopg", reason="PostgreSQL needs psycopg (extra `web`)")
        if not (shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
            pytest.skip("there is no PostgreSQL on this machine")
    words = [sys.executable, SCRIPT, "--voters", "6", "--seconds", "8", "--database", database]
    said = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert said.returncode == 0 and "0 lost, 0 doubled, 0 voters stuck" in said.stdout, said.stdout + said.stderr

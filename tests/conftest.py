"""What every test may use: the shared real data where it is, and `evalh` in this process."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# Nothing in the tests may reach for the network; the hub's client must say so at once instead of trying.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real benchmark data; a test that needs it is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared benchmark data is not at {SHARED}")
    return SHARED


def use_client(kind, monkeypatch):
    """Endpoints are asked over our own connections (skipped without httptools), or over aiohttp's."""
    from evalharness.clients import session

    if kind == "lean":
        pytest.importorskip("httptools", reason="our own HTTP connections need the package httptools (extra `fast`)")
    else:
        monkeypatch.setattr(session, "is_plain", lambda *_: False)


@pytest.fixture(params=["lean", "aiohttp"])
def http_client(request, monkeypatch):
    use_client(request.param, monkeypatch)


@pytest.fixture(params=["lean", pytest.param("aiohttp", marks=pytest.mark.slow)])
def heavy_http_client(request, monkeypatch):
    """The same for tests that take long: aiohttp's turn comes with the slow ones."""
    use_client(request.param, monkeypatch)


class Said(NamedTuple):
    """What a command line printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def evalh(tmp_path, monkeypatch, capfd):
    """Run a command line in an empty folder: `evalh("run", "mmlu")` gives code, out, err."""
    from evalharness.cli import guarded

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = guarded([str(word) for word in words])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return run

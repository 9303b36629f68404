"""Every attack fails, in both Linux tiers, as root and as a user; after each the next program is judged right."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("attack_corpus", HERE / "corpus.py")
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiers are Linux's")
tiers = pytest.mark.parametrize("tier", ["namespace", "landlock"])


def test_the_corpus_is_large_and_covers_every_family():
    names = [name for name, _, _ in corpus.attacks()]
    assert len(names) >= 100 and {name[:2] for name in names} == {f"{i:02d}" for i in range(1, 34)}


@tiers
def test_no_attack_holds(tier):
    assert corpus.run(tier) == []


@pytest.mark.slow
@tiers
def test_no_attack_holds_as_an_ordinary_user(tier):
    if os.getuid() != 0:
        pytest.skip("this is an ordinary user already: the test above was it")
    command = [sys.executable, str(HERE / "as_user.py"), str(HERE / "corpus.py"), tier]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "all held", "")
